//! The documents that are served: the harness's own FHIR data, as often as a size needs.

use std::collections::HashMap;

use fhir_guard_harness::fhir::{FhirServer, Options};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::case::{self, Document};

/// Every document of every case, by what asks for it.
pub type Documents = HashMap<Document, Bytes>;

/// Makes all documents, with links and full URLs below this base.
pub async fn documents(base: &str) -> Result<Documents, String> {
    let fhir = FhirServer::start(Options::default()).await;
    let patient = fetch(&fhir, "/fhir/Patient/p1").await?;
    let found = fetch(&fhir, "/fhir/Observation?patient=p1").await?;
    fhir.stop().await;
    let mut observations: Vec<Value> = found["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| entry["resource"].clone())
        // One of them is in two compartments, and would be taken out of the answer.
        .filter(|resource| resource["id"] != "o-mixed")
        .collect();
    if observations.is_empty() || patient["resourceType"] != "Patient" {
        return Err("the FHIR server of the harness has no data for p1".to_owned());
    }
    for observation in &mut observations {
        // What the rule for Observations takes out.
        observation["note"] =
            json!([{"text": "Taken while fasting, the second sample of the day."}]);
        observation["performer"] = json!([{"reference": "Practitioner/practitioner-1"}]);
        observation["interpretation"] = json!([{"text": "normal"}]);
        observation["referenceRange"] = json!([{"low": {"value": 70}, "high": {"value": 99}}]);
    }
    let mut made = Documents::new();
    for case in &case::ALL {
        made.entry(case.document)
            .or_insert_with(|| match case.document {
                Document::Patient => Bytes::from(patient.to_string()),
                Document::Observations(bytes) => bundle(base, &observations, bytes),
            });
    }
    Ok(made)
}

fn bundle(base: &str, observations: &[Value], least: usize) -> Bytes {
    let mut entries = Vec::new();
    let mut size = 0;
    for (number, observation) in observations.iter().cycle().enumerate() {
        if size >= least {
            break;
        }
        let mut resource = observation.clone();
        let id = format!("o-{number}");
        resource["id"] = json!(id);
        let entry = json!({
            "fullUrl": format!("{base}/Observation/{id}"),
            "resource": resource,
            "search": {"mode": "match"},
        });
        size += entry.to_string().len();
        entries.push(entry);
    }
    // Written by hand: `resourceType` and `type` stand first, as servers write them.
    let link = json!([{"relation": "self", "url": format!("{base}/Observation?patient=p1")}]);
    let total = entries.len();
    let entries = Value::Array(entries);
    Bytes::from(format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":{total},"link":{link},"entry":{entries}}}"#
    ))
}

async fn fetch(fhir: &FhirServer, path: &str) -> Result<Value, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the FHIR server of the harness: {error}");
    let stream = TcpStream::connect(fhir.address())
        .await
        .map_err(|error| failed(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| failed(&error))?;
    let body = answer.into_body().collect().await;
    let body = body.map_err(|error| failed(&error))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| failed(&error))
}
