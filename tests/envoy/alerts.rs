//! What is alarming comes out of an access log of its own, by the shipped configuration.

use std::path::Path;

use fhir_guard_harness::client::{Request, Version};
use fhir_guard_harness::envoy::Manifest;
use serde_json::{Value, json};

use crate::world::{EditEnvoy, Setting, World};

const SINK: &str = "envoy/sinks/alerts.yaml";

/// A value of a query that must not get into an alert.
const CANARY: &str = "canary-of-a-query";

/// Adds the shipped access log to each listener; to the console, as that of the records.
fn with_sink() -> EditEnvoy {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sink = Manifest::load(root.join(SINK)).and_then(Manifest::build);
    let mut log = sink.expect(SINK)["access_log"][0].clone();
    log["typed_config"]["path"] = json!("/dev/stdout");
    Box::new(move |config| {
        let listeners = config["static_resources"]["listeners"].as_array_mut();
        for listener in listeners.expect("listeners") {
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            let logs = manager["access_log"].as_array_mut().expect("access logs");
            logs.push(log.clone());
        }
    })
}

async fn world(form: Option<&'static str>, is_read: bool) -> World {
    World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["limits"] = json!([]);
            policy["issuers"][0]["claims"] = json!({ "purpose": ["/purpose"] });
            policy["detectors"] = json!({
                "report_at": 60, "quarantine_at": 60, "quarantine_for": "1m", "weights": { "absent": 60 },
            });
            if let Some(form) = form {
                policy["audit"]["alerts"] = json!(form);
            }
        })),
        envoy: is_read.then(with_sink),
        ..Setting::default()
    })
    .await
}

/// Brings about three alerts, of which one would come twice; the tokens that were shown.
async fn alarm(world: &World) -> [String; 3] {
    let client = |name: &str| {
        let certificate = world.pki.client(name);
        // One connection, hence one worker.
        let client = world.client_of(Some(&certificate), Version::Http2, "secure");
        client.reuse(true)
    };
    let (holder, other) = (client("clinic-a"), client("clinic-b"));
    let claims = |id: &str| world.claims().scope("system/*.rs").subject(id).jti(id);
    let bound = world.issuer.token(&claims("bound"));
    let emergency = claims("doctor").claim("purpose", json!(["BTG"]));
    let emergency = world.issuer.token(&emergency);
    let guesser = claims("guesser").bound_to(&world.pki.client("clinic-b"));
    let guesser = world.issuer.token(&guesser);
    let search = format!("/r4/Observation?patient=p1&code={CANARY}");
    for (name, client, token, path, status) in [
        ("another certificate", &other, &bound, "/r4/Patient/p1", 401),
        ("break-glass", &holder, &emergency, search.as_str(), 200),
        ("again", &holder, &emergency, search.as_str(), 200),
        ("a guess", &other, &guesser, "/r4/Patient/9001", 404),
    ] {
        let answer = world.send(client, Request::get(path).bearer(token)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    [bound, emergency, guesser]
}

/// Kind, severity, user, status, request id.
fn ecs(alert: &Value) -> Value {
    assert_eq!(alert["event"]["kind"], "alert", "{alert}");
    json!([
        alert["event"]["action"],
        alert["event"]["severity"],
        alert["user"]["id"],
        alert["http"]["response"]["status_code"],
        alert["http"]["request"]["id"]
    ])
}

fn ocsf(alert: &Value) -> Value {
    assert_eq!(alert["class_uid"], 2004, "{alert}");
    let evidence = &alert["evidences"][0];
    json!([
        alert["metadata"]["event_code"],
        alert["severity_id"],
        evidence["actor"]["user"]["uid"],
        evidence["http_response"]["code"],
        alert["metadata"]["correlation_uid"]
    ])
}

async fn check(form: &'static str, read: fn(&Value) -> Value) {
    let world = world(Some(form), true).await;
    let tokens = alarm(&world).await;
    // They come by the same file as the records.
    world.expect_records(3);
    let lines = world.records().await;
    let (records, alerts): (Vec<Value>, Vec<Value>) =
        lines.into_iter().partition(|line| line["v"] == 1);
    let id = |place: usize| records[place]["request_id"].clone();
    let mut found: Vec<Value> = alerts.iter().map(read).collect();
    found.sort_by_key(Value::to_string);
    let expected = [
        json!(["break-glass", 3, "doctor", 200, id(1)]),
        json!(["quarantine", 4, "guesser", 404, id(3)]),
        json!(["token-binding", 4, "bound", 401, id(0)]),
    ];
    assert_eq!(found, expected, "{form}");
    let text = Value::Array(alerts).to_string();
    assert!(
        !text.contains(CANARY) && !text.contains("Patient/p1"),
        "{text}"
    );
    for part in tokens.iter().flat_map(|token| token.split('.').skip(1)) {
        assert!(!text.contains(part), "a part of a token: {text}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_alarming_is_told_once_by_the_names_of_ecs() {
    check("ecs", ecs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_alarming_is_told_once_by_the_names_of_ocsf() {
    check("ocsf", ocsf).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_where_nobody_asks_for_alerts_or_reads_them() {
    for (form, is_read) in [(None, true), (Some("ecs"), false)] {
        let world = world(form, is_read).await;
        alarm(&world).await;
        let records = world.records().await;
        assert!(records.iter().all(|line| line["v"] == 1), "{records:?}");
        world.close().await;
    }
}
