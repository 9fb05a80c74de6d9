//! The main way: an allowed exchange from end to end.

use std::collections::BTreeMap;

use crate::deployment::{Deployment, End, manifest, redacted};
use crate::exchange::Action;
use crate::stream::lines;

/// Host calls that a repeated token on an allowed read may cost.
const HOT_PATH: u64 = 16;

#[test]
fn a_read_is_decided_redacted_and_recorded() {
    let deployment = Deployment::new();
    let mut script = deployment.read();
    script.request.retain(|(name, _)| name != b"traceparent");
    let stream = deployment.vm().stream();

    let asked = stream.on_request_headers(script.request.clone(), true);
    assert_eq!(asked.action, Some(Action::Continue), "{asked:?}");
    assert!(asked.ended);
    let trace = asked.forwarded.iter().flatten();
    let mut trace = trace.filter(|(name, _)| name == b"traceparent");
    let trace = trace
        .next()
        .map(|(_, value)| String::from_utf8_lossy(value));
    let trace = trace.expect("a trace is begun").into_owned();
    let digits = "00-9c2c4a2e000040008000000000000001-";
    assert!(trace.starts_with(digits), "{trace}");
    assert_eq!(
        asked.forwarded,
        Some(lines(&[
            (":method", "GET"),
            (":path", "/fhir/Patient/p1"),
            (":authority", "fhir.internal"),
            (":scheme", "https"),
            ("accept", "application/fhir+json"),
            ("accept-encoding", "identity"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "fhir.example.org"),
            ("x-request-id", "9c2c4a2e-0000-4000-8000-000000000001"),
            ("traceparent", &trace),
            ("user-agent", "scenario/1"),
            ("x-forwarded-proto", "https"),
        ]))
    );
    assert_eq!(End::of(&stream).record()["outcome"], "forwarded");

    let held = stream.on_response_headers(script.response.clone(), false);
    assert_eq!((held.action, held.forwarded), (Some(Action::Pause), None));

    let answered = stream.on_response_body(&script.response_body[0], true);
    assert_eq!(answered.action, Some(Action::Continue));
    assert!(answered.ended);
    assert_eq!(
        answered.forwarded,
        Some(lines(&[
            (":status", "200"),
            ("content-type", "application/fhir+json"),
            ("cache-control", "no-store, private"),
            ("vary", "Authorization"),
            ("x-content-type-options", "nosniff"),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains"
            ),
            ("etag", "W/\"3\""),
            ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("x-request-id", "9c2c4a2e-0000-4000-8000-000000000001"),
            ("ratelimit-policy", "\"per-client\";q=100;w=2"),
            ("ratelimit", "\"per-client\";r=99;t=1"),
            ("traceparent", &trace),
        ]))
    );
    assert_eq!(String::from_utf8_lossy(&answered.left), redacted("p1"));

    let before = deployment.host.calls("proxy_set_property");
    stream.on_log();
    stream.on_done();
    assert_eq!(
        deployment.host.calls("proxy_set_property"),
        before + 1,
        "the record is written once when the exchange is over"
    );
    let record = End::of(&stream).record();
    assert_eq!(record["outcome"], "allowed", "{record}");
    assert_eq!(record["status"], 200, "{record}");
    assert_eq!(record["client"], "clinic-a", "{record}");
    assert_eq!(record["refs"][0], "Patient/p1", "{record}");
    assert_eq!(
        (&record["passed"], &record["removed"], &record["redacted"]),
        (&1.into(), &0.into(), &1.into())
    );
}

#[test]
fn the_shipped_access_log_prints_the_record() {
    let manifest = manifest().build().expect("the manifest is whole");
    let text = manifest.to_string();
    let name = crate::deployment::AUDIT;
    assert!(text.contains(&format!("%FILTER_STATE(wasm.{name}:PLAIN)%")));
}

#[test]
fn a_search_is_confined_and_an_update_forwarded_as_it_was_checked() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let search = deployment.search().drive(&vm);
    assert_eq!(search.status(), 200);
    let bundle: serde_json::Value =
        serde_json::from_slice(&search.downstream.body).expect("a Bundle");
    let ids: Vec<&str> = bundle["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| entry["resource"]["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids, ["o0", "o2"]);
    assert!(bundle.get("total").is_none());
    assert_eq!(search.record()["removed"], 1);
    search.check_closed("search", &search);

    let script = deployment.update();
    let update = script.drive(&vm);
    assert_eq!(update.status(), 200);
    assert_eq!(update.upstream.body, script.request_body.concat());
    assert_eq!(update.downstream.body, script.response_body.concat());
    assert_eq!(update.record()["outcome"], "allowed");
}

#[test]
fn a_repeated_token_costs_few_host_calls() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.read();
    let first = script.drive(&vm);
    let before = deployment.host.world().calls.clone();
    let second = script.drive(&vm);
    assert_eq!(first.status(), 200);
    assert_eq!(second.downstream.body, first.downstream.body);
    let calls: BTreeMap<String, u64> = deployment
        .host
        .world()
        .calls
        .iter()
        .map(|(name, count)| {
            let before = before.get(name).copied().unwrap_or(0);
            (name.clone(), count - before)
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    let total: u64 = calls.values().sum();
    println!("host calls of an allowed read with a repeated token: {total}: {calls:#?}");
    assert!(
        !calls.contains_key("proxy_call_foreign_function"),
        "{calls:#?}"
    );
    assert!(total <= HOT_PATH, "{total} host calls: {calls:#?}");
}
