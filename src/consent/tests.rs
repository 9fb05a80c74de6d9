//! What Consents say, row by row.

mod answers;
mod content;
mod hostile;
mod rules;

use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::fhir::ResourceType;
use crate::json::{Document, Limits};
use crate::request::BaseUrl;
use crate::request::body::Shape;

/// 2027-01-15T08:00:00Z
const NOW: u64 = 1_800_000_000_000_000_000;

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const REASONS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// A Consent of the patient `p1` that counts.
fn consent(provision: Value) -> Value {
    json!({
        "resourceType": "Consent", "id": "c1", "status": "active",
        "scope": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy",
        }]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p1"},
        "dateTime": "2026-01-01",
        "provision": provision,
    })
}

fn bundle(consents: &[Value]) -> Value {
    let entries: Vec<Value> = consents
        .iter()
        .map(|consent| json!({"resource": consent}))
        .collect();
    json!({"resourceType": "Bundle", "type": "searchset", "entry": entries})
}

fn read(bundle: &Value) -> Result<Consents, Fault> {
    let text = bundle.to_string();
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("JSON");
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let asked = Asked {
        patient: "p1",
        bases: &[&base],
        most: 3,
    };
    Consents::read(document.root(), &asked)
}

/// The Practitioner `d1` of the Organization `h1`, who treats.
fn caller() -> Caller {
    let actor = |text| Actor::parse(text).expect("a reference");
    Caller {
        actors: vec![actor("Practitioner/d1"), actor("Organization/h1")],
        others: vec![actor("Organization/h2")],
        purposes: vec!["TREAT".to_owned()],
    }
}

fn ruling(consents: &[Value], default: Effect) -> Ruling {
    Ruling {
        consents: Rc::new(read(&bundle(consents)).expect("Consents")),
        caller: Rc::new(caller()),
        default,
        now: NOW,
    }
}

fn named(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type")
}

/// Nothing where it may be done.
fn said(ruling: &Ruling, action: Action, type_name: &str) -> &'static str {
    let found = ruling.check(action, &[named(type_name)], None);
    found.err().unwrap_or_default()
}

const DENIED: &str = "a consent denies it";
const MISSING: &str = "no consent permits it";

/// Whether an Observation with these labels may be seen.
fn covers(ruling: &Ruling, labels: &Value) -> bool {
    seen(
        ruling,
        &json!({"resourceType": "Observation", "meta": {"security": labels}}),
    )
}

/// Whether a resource may be seen, with what it contains.
fn seen(ruling: &Ruling, resource: &Value) -> bool {
    let text = resource.to_string();
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("JSON");
    let root = document.root();
    let shape = Shape::of(root).expect("a resource");
    ruling.covers(shape.resource_type, root, &shape.contained)
}

fn actor(reference: Value) -> Value {
    json!({
        "role": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP",
        }]},
        "reference": reference,
    })
}

fn class(name: &str) -> Value {
    json!([{"system": "http://hl7.org/fhir/resource-types", "code": name}])
}

fn deed(code: &str) -> Value {
    let system = "http://terminology.hl7.org/CodeSystem/consentaction";
    json!([{"coding": [{"system": system, "code": code}]}])
}
