//! `fhir.client_labels`, `fhir.conditional`, `fhir.patient_writes` and `fhir.upstream.trust`.

use super::*;
use crate::request::{Change, ClientLabels, WritePolicy};

/// What `complete` says of writes.
pub(super) fn of_complete() -> WritePolicy {
    let types = ["Observation", "Appointment"].map(|name| ResourceType::parse(name).unwrap());
    WritePolicy {
        labels: ClientLabels::Kept,
        patient_types: types.to_vec(),
        conditional: vec![Change::Create, Change::Delete],
        if_match: true,
    }
}

#[test]
fn writes_are_read_or_explained() {
    let types = "/fhir/patient_writes/0: expected a type of the patient compartment that says nothing of access and identity, found";
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
        ("/fhir/upstream/trust", json!([]), String::new()),
        ("/fhir/upstream/trust", json!(["if_match"]), String::new()),
        (
            "/fhir/upstream/trust",
            json!(["total"]),
            "/fhir/upstream/trust/0: \"total\" is not available in this version; expected \"if_match\"".into(),
        ),
        (
            "/fhir/upstream/trust",
            json!(["If-Match"]),
            "/fhir/upstream/trust/0: expected \"if_match\", found \"If-Match\" (did you mean \"if_match\"?)".into(),
        ),
        (
            "/fhir/upstream/trust",
            json!(["if_match", "if_match"]),
            "/fhir/upstream/trust: expected a list of 0 to 1 words, found 2".into(),
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
}
