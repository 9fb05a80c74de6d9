//! Guardrails, in a real Envoy: no more leaves in one answer than they allow.

use fhir_guard_harness::client::{End, Request};
use serde_json::{Value, json};

use crate::world::{Setting, World};

/// Observations of this many patients, one each, with this text.
async fn filled(world: &World, count: usize, text: &str) {
    for at in 0..count {
        let resource = json!({
            "resourceType": "Observation", "id": format!("egress-{at}"), "status": "final",
            "code": {"coding": [{"system": "http://egress", "code": "x"}], "text": text},
            "subject": {"reference": format!("Patient/egress-{at}")},
        });
        world.put(&resource).await;
    }
}

async fn world(rules: Value) -> World {
    World::shared(Setting {
        policy: Some(Box::new(move |policy| {
            policy["limits"] = json!([]);
            policy["redaction"] = json!([]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
            policy["egress"] = rules.clone();
        })),
        ..Setting::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_leaves_than_may_in_one_answer() {
    let world = world(json!([
        {"name": "page", "records": 4, "over": "refuse", "when": "true"},
        {"name": "people", "types": ["Observation"], "patients": 3, "over": "cut"},
    ]))
    .await;
    filled(&world, 6, "x").await;
    let claims = world
        .claims()
        .scope("user/*.rs")
        .fhir_user("Practitioner/7");
    let token = world.issuer.token(&claims);
    let client = world.client();
    let get = |path: &str| Request::get(path).bearer(&token);
    // Brought down to four, of which the last is one patient too many.
    let path = "/r4/Observation?code=http://egress%7Cx&_count=50";
    let answer = world.send(&client, get(path)).await;
    assert_eq!((answer.status, &answer.end), (200, &End::Complete));
    let bundle = answer.json().expect("json");
    let entries = bundle["entry"].as_array().expect("entries");
    assert_eq!(entries.len(), 4, "{bundle}");
    assert_eq!(entries[3]["search"]["mode"], "outcome", "{bundle}");
    assert_eq!(entries[3]["resource"]["issue"][0]["code"], "too-costly");
    // One at a time.
    for offset in 0..6 {
        let path = format!("/r4/Observation?code=http://egress%7Cx&_count=1&_offset={offset}");
        let answer = world.send(&client, get(&path)).await;
        let bundle = answer.json().expect("json");
        assert_eq!(
            bundle["entry"].as_array().map(Vec::len),
            Some(1),
            "{bundle}"
        );
        assert_ne!(bundle["entry"][0]["search"]["mode"], "outcome", "{bundle}");
    }
    // The ids of contained patients are local: all of these are different ones.
    for at in 0..4 {
        let resource = json!({
            "resourceType": "Observation", "id": format!("egress-c{at}"), "status": "final",
            "code": {"coding": [{"system": "http://egress", "code": "y"}]},
            "contained": [{"resourceType": "Patient", "id": "p", "name": [{"text": format!("P {at}")}]}],
            "subject": {"reference": "#p"},
        });
        world.put(&resource).await;
    }
    let answer = world
        .send(&client, get("/r4/Observation?code=http://egress%7Cy"))
        .await;
    let bundle = answer.json().expect("json");
    let entries = bundle["entry"].as_array().expect("entries");
    assert_eq!(entries.len(), 4, "{bundle}");
    assert_eq!(entries[3]["search"]["mode"], "outcome", "{bundle}");
    // In a batch all entries are one answer.
    let asked: Vec<Value> = (0..5)
        .map(|at| json!({"request": {"method": "GET", "url": format!("Observation/egress-{at}")}}))
        .collect();
    for count in 3..=5 {
        let asked = json!({"resourceType": "Bundle", "type": "batch", "entry": asked[..count]});
        let request = Request::new("POST", "/r4").bearer(&token);
        let request = request.body("application/fhir+json", asked.to_string());
        let answer = world.send(&client, request).await;
        // The fourth patient is one too many, and answered so.
        assert_eq!(answer.status, 200, "{count}: {}", answer.text());
        let bundle = answer.json().expect("json");
        let entries = bundle["entry"].as_array().expect("entries");
        let passed = entries
            .iter()
            .filter(|entry| entry["response"]["status"] == "200")
            .count();
        assert_eq!(passed, 3, "{count}: {bundle}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_ends_where_it_would_be_too_much() {
    for (over, whole) in [("cut", true), ("refuse", false)] {
        let world = world(json!([{"name": "page", "bytes": "1MiB", "over": over}])).await;
        filled(&world, 8, &"x".repeat(300_000)).await;
        let claims = world
            .claims()
            .scope("user/*.rs")
            .fhir_user("Practitioner/7");
        let token = world.issuer.token(&claims);
        let request = Request::get("/r4/Observation?code=http://egress%7Cx").bearer(&token);
        let answer = world.send(&world.client(), request).await;
        assert_eq!(answer.status, 200, "{over}");
        let left = answer.body.len();
        assert!(left < 1100 << 10, "{over}: {left} bytes left");
        assert_eq!(answer.json().is_ok(), whole, "{over}");
        assert_eq!(
            answer.text().matches("too-costly").count(),
            usize::from(whole)
        );
        assert!(!answer.text().contains("egress-7"), "{over}");
        let records = world.records().await;
        let last = records.last().expect("a record");
        assert_eq!(
            (&last["outcome"], &last["rule"]),
            (&json!("cut"), &json!("egress.page"))
        );
        world.close().await;
    }
}
