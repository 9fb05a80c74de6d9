//! Exchanges walked through their callbacks, as a proxy would.

mod answers;
mod audit;
mod bodies;
mod bundles;
mod conditional;
mod consent;
mod current;
mod cuts;
mod detectors;
mod discovery;
mod dpop;
mod driver;
mod egress;
mod exports;
mod faults;
mod forms;
mod global;
mod granular;
mod instances;
mod introspection;
mod labelled;
mod labels;
mod limits;
mod minimum;
mod named;
mod operations;
mod outages;
mod pages;
mod patients;
mod priority;
mod provenance;
mod quarantine;
mod requests;
mod revocation;
mod rules;
mod signatures;
mod signing;
mod step_up;
mod strict;
mod subscriptions;
mod tenants;
mod texts;
mod traces;
mod waiting;
mod watermark;
mod writes;

use driver::{Deployment, End};
use fhir_guard::exchange::{Exchange, Step};
use serde_json::{Value, json};

/// A patient of this id with a birth date, which redaction takes out, and padding.
fn patient(id: &str, padding: usize) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "birthDate": "1970-01-01",
        "language": "x".repeat(padding),
    })
}

/// The same after redaction, which marks it, as bytes.
fn redacted(id: &str, padding: usize) -> Vec<u8> {
    let mark = r#"{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}],"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;
    let language = "x".repeat(padding);
    format!(r#"{{"id":"{id}","meta":{mark},"language":"{language}","resourceType":"Patient"}}"#)
        .into_bytes()
}

/// The status, what leaves, and the record, of a request with this token that the server answers so.
fn answered_by(
    world: &mut Deployment,
    token: &str,
    target: &str,
    body: &str,
) -> (u16, String, Value) {
    let mut exchange = Exchange::default();
    let head = world.head_with(token, target, &[]);
    let step = world.ask(&mut exchange, head, true);
    assert!(matches!(step, Step::Forward(_)), "{target}: {step:?}");
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(7).collect();
    let answer = world.answer(&mut exchange, &head, &pieces, false);
    let record = world.record(&mut exchange);
    match answer.end {
        End::Reply(reply) => (reply.status, String::new(), record),
        End::Complete => {
            let text = String::from_utf8(answer.body.clone()).expect("text");
            (answer.status(), text, record)
        }
        other => panic!("{target}: {other:?}"),
    }
}
