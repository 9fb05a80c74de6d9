//! What is decided about a request: the form that goes upstream is decided on in the same way.

use std::rc::Rc;

use fhir_guard::access::{Circumstances, Permit, Terms, authorize};
use fhir_guard::config::{Policy, read};
use fhir_guard::fhir::{ResourceType, Searched};
use fhir_guard::identity::{
    CertificatePolicy, HostAlgorithms, KeyRing, PeerCertificate, Principal, ValidatedBy,
    Verification, verify,
};
use fhir_guard::request::{Batch, BatchKind, FhirPolicy, Interaction, Request, RequestHead};
use serde_json::json;

use super::{printed, read_again, rewritten};
use crate::token::{ISSUER, NOW, attributes, claims, header, keys, token};

/// Who asks: each level, with all, a part and what matches.
const SCOPES: [&str; 12] = [
    "patient/*.cruds",
    "user/*.cruds",
    "system/*.cruds",
    "patient/*.rs",
    "patient/Patient.rs patient/Observation.rs?category=laboratory patient/Condition.cs",
    "user/Observation.rs?category=laboratory&status=final user/Patient.rs user/Encounter.s",
    "user/Observation.rs?code=http://loinc.org|718-7 user/Observation.rs?code=789-8 user/Patient.cuds",
    "user/Patient.rs?gender=male user/Condition.cruds user/Provenance.cruds",
    "system/Observation.c system/Observation.s?category=vital-signs,laboratory system/Patient.us",
    "user/*.s",
    "system/*.rs",
    "system/Observation.rs?category=laboratory system/Patient.rs system/Group.rs",
];

struct World {
    policy: Policy,
    callers: Vec<(&'static str, Rc<Principal>)>,
}

thread_local! {
    static WORLD: World = {
        let policy = policy();
        let callers = SCOPES.map(|scope| (scope, caller(&policy, scope))).to_vec();
        World { policy, callers }
    };
}

/// A policy that takes whatever can be taken.
pub fn policy() -> Policy {
    let many = ["_type", "start", "end", "_since", "_count"];
    let document = json!({
        "fhir": {
            "base": "https://fhir.example.org/r4",
            "public": ["metadata"],
            "upstream": {"cluster": "fhir", "base": "http://fhir/base", "trust": ["if_match"]},
            "body_limit": "1MiB",
            "conditional": ["create", "update", "patch", "delete-single"],
            "patient_writes": ["Observation", "Condition", "Patient"],
            "bundles": {"types": ["batch", "transaction"]},
            "search": {
                "contains": true,
                "default_count": 20,
                "include": ["Observation:subject:Patient", "Observation:encounter:Encounter", "Patient:general-practitioner:Practitioner"],
                "revinclude": ["Observation:patient", "Provenance:target"],
                "chains": ["Observation:subject:Patient", "Patient:general-practitioner:Practitioner"],
                "has": ["Observation:patient", "Condition:patient"],
                "date_ranges": [{"resource": "Slot", "parameters": ["start"], "days": 366}],
            },
            "export": {"levels": ["system", "patient", "group"], "files": ["/files/"]},
            "operations": [
                {"name": "everything", "level": "instance", "types": ["Patient"], "methods": ["GET", "POST"], "parameters": many, "answer": "bundle"},
                {"name": "everything", "level": "type", "types": ["Patient"], "parameters": many, "answer": "bundle"},
                {"name": "lastn", "level": "type", "types": ["Observation"], "parameters": ["patient", "max", "code"], "answer": "bundle"},
                {"name": "lookup", "level": "type", "types": ["CodeSystem"], "parameters": ["system", "code"], "answer": "parameters"},
                {"name": "stats", "level": "system", "answer": "bundle", "scopes": ["user/Patient.r"]},
            ],
        },
        "secrets": {"page_key": {"inline": "01".repeat(32)}},
        "issuers": [{
            "issuer": ISSUER,
            "audiences": ["https://fhir.example.org"],
            "algorithms": ["ES256", "EdDSA"],
            "keys": {"inline": keys()},
        }],
        "redaction": [{
            "name": "demographics", "resource": "Patient",
            "elements": ["birthDate", "address"], "action": "remove",
        }],
        "audit": {"observer": "fhir.example.org"},
    });
    match read(document.to_string().as_bytes()) {
        Ok(policy) => policy,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// Patient p1, and a practitioner.
fn caller(policy: &Policy, scope: &str) -> Rc<Principal> {
    let mut claims = claims(scope);
    claims["fhirUser"] = json!("Practitioner/7");
    let text = token(
        header(false).to_string().as_bytes(),
        claims.to_string().as_bytes(),
        false,
    );
    let (issuers, nobody) = (&policy.issuers, HostAlgorithms::default());
    let ring = KeyRing::new(issuers);
    let verified = verify(&text, issuers, &ring, &policy.fhir.base, NOW, &nobody);
    let token = verified.and_then(Verification::unaided).expect("a token");
    let certificate = CertificatePolicy {
        required: true,
        validated_by: ValidatedBy::Attribute,
    };
    let shown = PeerCertificate::read(&attributes(), certificate).expect("a certificate");
    let principal = Principal::establish(Rc::new(token), shown, None, certificate);
    Rc::new(principal.expect("a principal"))
}

/// Whoever asks: what is permitted is permitted again in the form that goes upstream, and the same.
/// Gives how many may ask.
pub fn check(method: &str, head: &RequestHead, request: &Request, policy: &FhirPolicy) -> usize {
    WORLD.with(|world| {
        let mut permitted = 0;
        for (scope, caller) in &world.callers {
            let Some(permit) = world.permit(caller, request) else {
                continue;
            };
            permitted += 1;
            let going = permit.request();
            let again = printed(method, head, going, policy);
            assert_eq!(listed(&again), listed(going), "{scope}");
            world.same(scope, caller, &permit, &again);
            if let Some(patient) = permit.patient() {
                assert_eq!(Some(patient), caller.patient());
                assert!(scope.starts_with("patient/"), "{scope}");
            }
        }
        permitted
    })
}

/// Of a batch what is permitted, of a transaction all or nothing. Gives for how many something goes on.
pub fn check_batch(batch: &Batch<'_>, whole: bool, policy: &FhirPolicy) -> usize {
    WORLD.with(|world| {
        let mut served = 0;
        for (scope, caller) in &world.callers {
            let decided = batch.entries.iter().flatten();
            let decided = decided.map(|entry| (entry, world.permit(caller, &entry.request)));
            let permitted: Vec<_> = decided
                .filter_map(|(entry, permit)| Some((entry, permit?)))
                .collect();
            let all = whole && permitted.len() == batch.entries.len();
            if permitted.is_empty() || (batch.kind == BatchKind::Transaction && !all) {
                continue;
            }
            served += 1;
            let going = permitted.iter();
            let going = going.map(|(entry, permit)| (*entry, permit.request().clone()));
            read_again(&rewritten(batch, going), policy, |again| {
                assert_eq!(again.entries.len(), permitted.len());
                for (entry, (_, permit)) in again.entries.iter().flatten().zip(&permitted) {
                    assert_eq!(&entry.request, permit.request(), "{scope}");
                    world.same(scope, caller, permit, &entry.request);
                }
            });
        }
        served
    })
}

impl World {
    fn permit(&self, caller: &Rc<Principal>, request: &Request) -> Option<Permit> {
        let hidden = |_: &Permit, resource_type: ResourceType, searched: Searched| {
            let name = searched.to_string();
            let mut rules = self.policy.redactions.iter();
            rules.any(|rule| {
                rule.redaction.resource_type == resource_type && rule.redaction.reveals(&name)
            })
        };
        let terms = Terms {
            fhir: &self.policy.fhir,
            forbidden: false,
            hidden: &hidden,
            step_up: &[],
            rules: &self.policy.rules,
            circumstances: Circumstances::default(),
        };
        authorize(caller, request, &terms).ok()
    }

    /// The same is granted for this request, to the last part of the permit.
    fn same(&self, scope: &str, caller: &Rc<Principal>, permit: &Permit, request: &Request) {
        let again = self.permit(caller, request);
        let again = again.unwrap_or_else(|| panic!("{scope}: refused again: {request:?}"));
        let text =
            |permit: &Permit| format!("{permit:?}").replace("reduced: true", "reduced: false");
        assert_eq!(text(&again), text(permit), "{scope}");
    }
}

/// The same, with the types of an export as if the caller had listed them.
fn listed(request: &Request) -> Request {
    let mut request = request.clone();
    if let Interaction::Export(export) = &mut request.interaction {
        export.reduced = false;
    }
    request
}

/// Every kind of request is decided on, and a single one not for all callers: else the search is blind.
#[cfg(test)]
mod tests {
    use fhir_guard::json::{Document, Limits};

    use super::super::{CREATE, SEARCH, parse};
    use super::*;

    #[test]
    fn every_kind_of_request_is_decided_on() {
        let policy = policy().fhir;
        for (method, path, body) in [
            ("GET", "Patient/p1", ""),
            ("GET", "Observation?patient=p1&_elements=code", ""),
            ("GET", "?_type=Patient,Observation&_lastUpdated=ge2020", ""),
            ("GET", "Observation?subject.family=a", ""),
            ("GET", "Patient?_has:Observation:patient:code=a", ""),
            (
                "GET",
                "Observation?patient=p1&_include=Observation:subject",
                "",
            ),
            (SEARCH, "Observation/_search", "patient=p1&code=a"),
            (SEARCH, "Patient/p1/_search", "_lastUpdated=ge2020"),
            (CREATE, "Condition?identifier=a%7C1", ""),
            ("PUT", "Condition?identifier=a%7C1", ""),
            ("GET", "Patient/p1/$everything?_count=5", ""),
            ("POST", "Patient/p1/$everything", ""),
            ("GET", "CodeSystem/$lookup?code=a", ""),
            ("GET", "$export", ""),
            ("GET", "Patient/$export?_typeFilter=Observation?code=x", ""),
            ("GET", "Group/g1/$export?_type=Observation", ""),
        ] {
            let path = match path.starts_with('?') {
                true => format!("/r4{path}"),
                false => format!("/r4/{path}"),
            };
            let found = parse(method, path.as_bytes(), body.as_bytes(), &policy);
            let (head, request) = found.unwrap_or_else(|| panic!("{method} {path}"));
            let permitted = check(method, &head, &request, &policy);
            assert!(
                (1..SCOPES.len()).contains(&permitted),
                "{path}: {permitted}"
            );
        }
        for kind in ["batch", "transaction"] {
            let body = json!({"resourceType": "Bundle", "type": kind, "entry": [
                {"request": {"method": "GET", "url": "Observation?patient=p1"}},
                {"request": {"method": "DELETE", "url": "Condition/1"}},
            ]})
            .to_string();
            let document = Document::parse(body.as_bytes(), &Limits::default()).expect("JSON");
            let batch = Batch::read(document.root(), &policy).expect("a Bundle");
            let served = check_batch(&batch, true, &policy);
            assert!((1..=SCOPES.len()).contains(&served), "{kind}: {served}");
        }
    }
}
