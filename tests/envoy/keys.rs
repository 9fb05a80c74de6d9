//! Keys that are fetched: cold start, rotation, unknown keys, and a key server in every bad state.

mod outages;
mod reload;
mod rotation;

use std::time::Duration;

use fhir_guard_harness::authorization::{Answer, AuthorizationServer};
use fhir_guard_harness::client::{Request, Response};
use fhir_guard_harness::tokens::Issuer;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{Setting, World};

const JWKS: &str = "/jwks";

/// A world whose issuer's keys are fetched from a server of the test, which answers so from the beginning.
/// These keys of the configuration are set besides.
async fn world(more: Value, answer: Answer) -> (World, AuthorizationServer) {
    let server = AuthorizationServer::start().await;
    server.answer(JWKS, answer);
    let port = server.address().port();
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            let mut keys = json!({
                "uri": format!("http://127.0.0.1:{port}{JWKS}"),
                "cluster": "authorization_server",
            });
            let members = more.as_object().expect("an object").clone();
            keys.as_object_mut().expect("an object").extend(members);
            policy["issuers"][0]["keys"] = keys;
            policy["limits"] = json!([]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "authorization_server", port);
        })),
        ..Setting::default()
    };
    (World::with(setting).await, server)
}

/// Adds the cluster of a server of the test.
pub fn authorization_server(config: &mut Value, name: &str, port: u16) {
    let clusters = config["static_resources"]["clusters"].as_array_mut();
    clusters.expect("clusters").push(json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{
            "endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}},
        }]}]},
    }));
}

/// The issuer of every world: within one process it has the same keys.
fn issuer() -> Issuer {
    Issuer::new("https://as.example.org")
}

/// Reads the patient with this token, on a connection of its own.
async fn read(world: &World, token: &str) -> Response {
    let request = Request::get("/r4/Patient/p1").bearer(token);
    world.send(&world.client(), request).await
}

/// A 503 that says when to come again.
fn check_unavailable(name: &str, answer: &Response) {
    assert_eq!(answer.status, 503, "{name}: {}", answer.text());
    assert_eq!(answer.header("retry-after").as_deref(), Some("1"), "{name}");
}

#[tokio::test]
async fn the_first_requests_wait_for_the_keys() {
    let jwks = Box::new(Answer::Json(issuer().jwks()));
    let slow = Answer::After(Duration::from_millis(700), jwks);
    let (world, server) = world(json!({}), slow).await;
    let began = Instant::now();
    let resource = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}, "note": [{"text": "n".repeat(100_000)}]});
    let token = world.issuer.token(
        &world
            .claims()
            .scope("user/*.cruds")
            .fhir_user("Practitioner/d1"),
    );
    let write = Request::new("POST", "/r4/Observation")
        .bearer(&token)
        .body("application/fhir+json", resource.to_string());
    // What comes of a form meanwhile is Envoy's to keep, and is replaced all the same.
    let form = format!(
        "patient=p1&code={}",
        "718-7,".repeat(100).trim_end_matches(',')
    );
    let search = Request::new("POST", "/r4/Observation/_search")
        .bearer(&world.token("patient/*.rs"))
        .body("application/x-www-form-urlencoded", form.clone());
    // So is a Bundle, of which less goes on than came.
    let entries = json!([
        {"request": {"method": "POST", "url": "Observation"}, "resource": resource},
        {"request": {"method": "GET", "url": "Binary/x"}},
        {"request": {"method": "GET", "url": "Patient/p1"}},
    ]);
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let batch = Request::new("POST", "/r4")
        .bearer(&token)
        .body("application/fhir+json", bundle.to_string());
    let (read, write, search, batch) = tokio::join!(
        world.get("patient/Patient.rs", "/r4/Patient/p1"),
        async { world.send(&world.client(), write).await },
        async { world.send(&world.client(), search).await },
        async { world.send(&world.client(), batch).await },
    );
    assert_eq!(read.status, 200, "{}", read.text());
    assert_eq!(search.status, 200, "{}", search.text());
    let sent = world.fhir.requests();
    let sent = sent
        .iter()
        .find(|request| request.path_and_query.ends_with("/_search"));
    let sent = sent.map(|request| request.body.as_ref());
    let canonical = form.replace("patient=p1", "patient=Patient/p1");
    assert_eq!(sent, Some(canonical.as_bytes()));
    assert_eq!(write.status, 201, "{}", write.text());
    let answers = batch.json().expect("a bundle")["entry"].take();
    let answers = answers.as_array().expect("answers").iter();
    let statuses: Vec<&Value> = answers
        .map(|answer| &answer["response"]["status"])
        .collect();
    assert_eq!(statuses, ["201", "400", "200"]);
    let asked = world.fhir.requests();
    let written = asked.iter().find(|asked| asked.path_and_query == "/fhir");
    let written = &written.expect("a batch").body;
    let written: Value = serde_json::from_slice(written).expect("JSON");
    assert_eq!(written["entry"], json!([entries[0], entries[2]]));
    assert!(began.elapsed() < Duration::from_secs(4));
    let again = world.get("patient/Patient.rs", "/r4/Patient/p1").await;
    assert_eq!(again.status, 200);
    assert_eq!(server.asked(JWKS).len(), 1, "one worker has asked");
    world.close().await;
}
