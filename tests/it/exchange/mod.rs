//! Exchanges walked through their callbacks, as a proxy would.

mod answers;
mod bodies;
mod bundles;
mod conditional;
mod consent;
mod current;
mod cuts;
mod discovery;
mod dpop;
mod driver;
mod egress;
mod faults;
mod forms;
mod granular;
mod instances;
mod introspection;
mod labels;
mod minimum;
mod named;
mod operations;
mod outages;
mod pages;
mod provenance;
mod quarantine;
mod requests;
mod revocation;
mod rules;
mod signatures;
mod signing;
mod step_up;
mod subscriptions;
mod tenants;
mod texts;
mod waiting;
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
    let mark = r#"{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;
    let language = "x".repeat(padding);
    format!(r#"{{"id":"{id}","meta":{mark},"language":"{language}","resourceType":"Patient"}}"#)
        .into_bytes()
}
