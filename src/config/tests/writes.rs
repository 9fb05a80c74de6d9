//! `fhir.bundles`, `fhir.client_labels`, `fhir.conditional`, `fhir.patient_writes`, `fhir.patient_membership`,
//! `fhir.universal_types` and `fhir.upstream.trust`.

use super::*;
use crate::fhir::{PatientCompartment, search_parameter};
use crate::request::{
    BaseUrl, BatchKind, BundlePolicy, Change, ClientLabels, ClientProvenance, WritePolicy,
};

/// What `complete` says of writes.
pub(super) fn of_complete() -> WritePolicy {
    let types = ["Observation", "Appointment"].map(|name| ResourceType::parse(name).unwrap());
    WritePolicy {
        labels: ClientLabels::Kept,
        provenance: ClientProvenance::Kept,
        patient_types: types.to_vec(),
        conditional: vec![Change::Create, Change::Delete],
        subscriptions: vec![BaseUrl::parse("https://hooks.example.org/fhir").unwrap()],
        if_match: true,
    }
}

/// What `complete` says of Bundles of requests.
pub(super) fn bundles_of_complete() -> BundlePolicy {
    BundlePolicy {
        kinds: vec![BatchKind::Batch, BatchKind::Transaction],
        entries: 50,
    }
}

/// What `complete` says of whose a resource is.
pub(super) fn compartment_of_complete() -> PatientCompartment {
    let named = |name| ResourceType::parse(name).unwrap();
    let patient = search_parameter(named("Task"), "patient").unwrap();
    PatientCompartment {
        added: vec![(named("Task"), patient)],
        universal: ["Organization", "Location"].map(named).to_vec(),
    }
}

#[test]
fn writes_are_read_or_explained() {
    let types = "/fhir/patient_writes/0: expected a type of the patient compartment that says nothing of access and identity, found";
    let membership = "/fhir/patient_membership/0: expected a search parameter of R4 that leads to a Patient, such as Task.patient, found";
    let universal = "/fhir/universal_types/0: expected a type that no search parameter connects with a Patient, that carries no others and does not steer the server, found";
    for (place, value, expected) in [
        ("/fhir/client_labels", json!("refused"), String::new()),
        ("/fhir/client_labels", json!("kept"), String::new()),
        (
            "/fhir/client_labels",
            json!("keep"),
            "/fhir/client_labels: expected \"refused\" or \"kept\", found \"keep\"".into(),
        ),
        ("/fhir/patient_writes", json!([]), String::new()),
        ("/fhir/patient_writes", json!(["Patient", "Coverage"]), String::new()),
        ("/fhir/patient_writes", json!(["Consent"]), format!("{types} Consent")),
        ("/fhir/patient_writes", json!(["Group"]), format!("{types} Group")),
        ("/fhir/patient_writes", json!(["Organization"]), format!("{types} Organization")),
        ("/fhir/patient_writes", json!(["Task"]), format!("{types} Task")),
        (
            "/fhir/patient_writes",
            json!(["Observtion"]),
            "/fhir/patient_writes/0: expected a FHIR R4 resource type such as Patient, found \"Observtion\" (did you mean \"Observation\"?)".into(),
        ),
        (
            "/fhir/patient_writes",
            json!(["Bundle"]),
            "/fhir/patient_writes/0: expected the type of the resources inside, such as Patient, found \"Bundle\", which only carries others".into(),
        ),
        ("/fhir/patient_writes", json!("Observation"), "/fhir/patient_writes: expected a list of resource types, found a string".into()),
        ("/fhir/patient_membership", json!(["Device.patient", "Task.subject"]), String::new()),
        ("/fhir/patient_membership", json!(["Task.code"]), format!("{membership} another")),
        ("/fhir/patient_membership", json!(["Patient.link"]), format!("{membership} another")),
        ("/fhir/patient_membership", json!(["Task"]), format!("{membership} another")),
        ("/fhir/patient_membership", json!(["Tusk.patient"]), format!("{membership} another")),
        ("/fhir/universal_types", json!(["Practitioner", "Medication"]), String::new()),
        ("/fhir/universal_types", json!(["Observation"]), format!("{universal} Observation")),
        ("/fhir/universal_types", json!(["Task"]), format!("{universal} Task")),
        ("/fhir/universal_types", json!(["StructureDefinition"]), format!("{universal} StructureDefinition")),
        ("/fhir/conditional", json!([]), String::new()),
        (
            "/fhir/conditional",
            json!(["create", "update", "patch", "delete-single"]),
            String::new(),
        ),
        (
            "/fhir/conditional",
            json!(["delete"]),
            "/fhir/conditional/0: expected \"create\", \"update\", \"patch\" or \"delete-single\", found \"delete\"".into(),
        ),
        (
            "/fhir/conditional",
            json!(["create", "create", "create", "create", "create"]),
            "/fhir/conditional: expected a list of 0 to 4 words, found 5".into(),
        ),
        ("/fhir/subscriptions", json!({"endpoints": ["https://a", "https://a:8443/b/c"]}), String::new()),
        (
            "/fhir/subscriptions",
            json!({"endpoints": []}),
            "/fhir/subscriptions/endpoints: expected a list of 1 to 64 URLs, found 0".into(),
        ),
        (
            "/fhir/subscriptions",
            json!({}),
            "/fhir/subscriptions/endpoints: expected a list of URLs, found nothing".into(),
        ),
        (
            "/fhir/subscriptions",
            json!({"endpoints": ["http://a"]}),
            "/fhir/subscriptions/endpoints/0: expected an https URL, found other text".into(),
        ),
        (
            "/fhir/subscriptions",
            json!({"endpoints": ["https://u@a"]}),
            "/fhir/subscriptions/endpoints/0: expected a URL with a host, an optional port, and no user name, found other text".into(),
        ),
        ("/fhir/bundles", json!({"types": []}), String::new()),
        ("/fhir/bundles", json!({"types": ["transaction", "batch"], "entries": 1}), String::new()),
        ("/fhir/bundles", json!({"types": ["batch"], "entries": 200}), String::new()),
        (
            "/fhir/bundles",
            json!({"types": ["batch"], "entries": 201}),
            "/fhir/bundles/entries: expected a whole number from 1 to 200, found another number".into(),
        ),
        (
            "/fhir/bundles",
            json!({"types": ["batch"], "entries": 0}),
            "/fhir/bundles/entries: expected a whole number from 1 to 200, found another number".into(),
        ),
        (
            "/fhir/bundles",
            json!({"types": ["message"]}),
            "/fhir/bundles/types/0: expected \"batch\" or \"transaction\", found \"message\"".into(),
        ),
        (
            "/fhir/bundles",
            json!({"entries": 5}),
            "/fhir/bundles/types: expected a list of batch and transaction, found nothing".into(),
        ),
        (
            "/fhir/bundles",
            json!(["batch"]),
            "/fhir/bundles: expected an object with types, found a list".into(),
        ),
        ("/fhir/user_access", json!("all"), String::new()),
        (
            "/fhir/user_access",
            json!("practitioner"),
            "/fhir/user_access: expected \"all\" or \"compartment\", found \"practitioner\"".into(),
        ),
        (
            "/fhir/user_access",
            json!(null),
            "/fhir/user_access: expected \"all\" or \"compartment\", found null".into(),
        ),
        ("/fhir/upstream/trust", json!([]), String::new()),
        ("/fhir/upstream/trust", json!(["if_match"]), String::new()),
        ("/fhir/upstream/trust", json!(["total"]), String::new()),
        ("/fhir/upstream/trust", json!(["if_match", "total"]), String::new()),
        (
            "/fhir/upstream/trust",
            json!(["If-Match"]),
            "/fhir/upstream/trust/0: expected \"if_match\" or \"total\", found \"If-Match\" (did you mean \"if_match\"?)".into(),
        ),
        (
            "/fhir/upstream/trust",
            json!(["if_match", "total", "total"]),
            "/fhir/upstream/trust: expected a list of 0 to 2 words, found 3".into(),
        ),
        ("/fhir/upstream/trust", json!(true), "/fhir/upstream/trust: expected a list of words, found true".into()),
    ] {
        assert_eq!(said(&[(place, value.clone())]), expected, "{place} {value}");
    }
}

#[test]
fn as_many_types_may_be_written_as_are_listed() {
    let list = |count| json!(vec!["Observation"; count]);
    assert_eq!(said(&[("/fhir/patient_writes", list(64))]), "");
    let found = "/fhir/patient_writes: expected a list of 0 to 64 resource types, found 65";
    assert_eq!(said(&[("/fhir/patient_writes", list(65))]), found);
    let list = |count| json!(vec!["Location"; count]);
    assert_eq!(said(&[("/fhir/universal_types", list(64))]), "");
    let found = "/fhir/universal_types: expected a list of 0 to 64 resource types, found 65";
    assert_eq!(said(&[("/fhir/universal_types", list(65))]), found);
    let list = |count| json!(vec!["Task.patient"; count]);
    assert_eq!(said(&[("/fhir/patient_membership", list(64))]), "");
    let found = "/fhir/patient_membership: expected a list of 0 to 64 search parameters, found 65";
    assert_eq!(said(&[("/fhir/patient_membership", list(65))]), found);
}
