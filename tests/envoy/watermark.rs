//! Marks of recipients, in a real Envoy: any one resource leads to the record of the exchange in which it left.

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use crate::world::{Setting, World};

const SYSTEM: &str = "https://fhir.example.org/recipient";

fn observation(id: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": {"coding": [{"system": "http://mark", "code": "x"}]},
        "subject": {"reference": "Patient/p1"},
    })
}

/// The code of a resource's mark, where it has one; nobody else's may be there.
fn code(resource: &Value) -> Option<String> {
    let tags = resource["meta"]["tag"].as_array();
    let mut marks = tags
        .into_iter()
        .flatten()
        .filter(|tag| tag["system"] == SYSTEM);
    let code = marks
        .next()
        .map(|tag| tag["code"].as_str().expect("a code").to_owned());
    assert!(marks.next().is_none(), "{resource}");
    code
}

fn resources(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().expect("entries");
    entries
        .iter()
        .map(|entry| entry["resource"].clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_leads_to_its_recipient() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([]);
            policy["redaction"] = json!([]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
            policy["fhir"]["client_labels"] = json!("kept");
            policy["fhir"]["provenance"] = json!("kept");
            policy["secrets"]["watermark_key"] = json!({"inline": "5a".repeat(32)});
            policy["watermark"] = json!({"system": SYSTEM, "above": 2});
        })),
        ..Setting::default()
    })
    .await;
    for at in 0..5 {
        let mut resource = observation(&format!("mark-{at}"));
        if at == 0 {
            // Copied back from somewhere.
            resource["meta"] =
                json!({"tag": [{"system": SYSTEM, "code": "another"}, {"code": "kept"}]});
        }
        world.put(&resource).await;
    }
    let mut codes: Vec<String> = Vec::new();
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        for user in ["Practitioner/7", "Practitioner/8"] {
            let claims = world.claims().scope("user/*.cruds").fhir_user(user);
            let token = world.issuer.token(&claims.claim("sub", json!(user)));
            let search = "/r4/Observation?code=http://mark%7Cx";
            let answer = world
                .send(&client, Request::get(search).bearer(&token))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let found = resources(&answer.json().expect("json"));
            let marks: Vec<_> = found.iter().map(code).collect();
            assert_eq!(marks.len(), 5);
            // The first two leave unmarked, and no other's mark leaves.
            assert_eq!(marks[..2], [None, None]);
            let own = marks[2].clone().expect("a mark");
            assert!(
                marks[2..].iter().all(|mark| mark.as_ref() == Some(&own)),
                "{marks:?}"
            );
            let records = world.records().await;
            let led: Vec<_> = records
                .iter()
                .filter(|record| record["watermark"] == own.as_str())
                .collect();
            assert_eq!(led.len(), 1, "{own}");
            assert_eq!(led[0]["subject"], user);
            codes.push(own);
            // By its id nothing is marked, and the mark of another does not leave.
            let request = Request::get("/r4/Observation/mark-0").bearer(&token);
            let read = world.send(&client, request).await.json().expect("json");
            assert_eq!(
                (code(&read), &read["meta"]["tag"]),
                (None, &json!([{"code": "kept"}])),
                "{read}"
            );
            // What a batch reads is, as one answer: of six the first two leave unmarked.
            let asked = |url: &str| json!({"request": {"method": "GET", "url": url}});
            let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
                asked("Observation/mark-1"), asked("Observation?code=http://mark|x"),
            ]});
            let request = Request::new("POST", "/r4").bearer(&token);
            let request = request.body("application/fhir+json", batch.to_string());
            let answer = world.send(&client, request).await.json().expect("json");
            let found = resources(&answer);
            assert_eq!(code(&found[0]), None, "{answer}");
            let marks: Vec<_> = resources(&found[1]).iter().map(code).collect();
            assert_eq!(marks.iter().flatten().count(), 4, "{answer}");
            let reads: Vec<Value> = (0..4)
                .map(|at| asked(&format!("Observation/mark-{at}")))
                .collect();
            let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": reads});
            let request = Request::new("POST", "/r4").bearer(&token);
            let request = request.body("application/fhir+json", batch.to_string());
            let answer = world.send(&client, request).await.json().expect("json");
            let read: Vec<_> = resources(&answer).iter().map(code).collect();
            assert_eq!(
                read.iter().map(Option::is_some).collect::<Vec<_>>(),
                [false, false, true, true],
                "{answer}"
            );
            codes.extend(marks.into_iter().flatten().next());
            // Nor is one written back.
            let mut back = observation("mark-1");
            back["meta"] = json!({"tag": [{"system": SYSTEM, "code": own_of(&codes)}]});
            let request = Request::new("PUT", "/r4/Observation/mark-1").bearer(&token);
            let request = request.body("application/fhir+json", back.to_string());
            let answer = world.send(&client, request).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
            let records = world.records().await;
            let last = records.last().expect("a record");
            assert_eq!(last["rule"], "request.malformed.body-watermarked");
            // Nor does one come in with what says where a write comes from.
            let said = json!({"resourceType": "Provenance", "recorded": "2026-01-01T00:00:00Z",
                "meta": back["meta"], "agent": [{"who": {"reference": user}}]});
            let request = Request::new("DELETE", "/r4/Observation/mark-1").bearer(&token);
            let request = request.header("x-provenance", said.to_string().as_str());
            let answer = world.send(&client, request).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
            let records = world.records().await;
            let last = records.last().expect("a record");
            assert_eq!(last["rule"], "request.malformed.body-watermarked");
        }
    }
    let count = codes.len();
    codes.sort();
    codes.dedup();
    assert_eq!((count, codes.len()), (8, 8), "one for each exchange");
    world.close().await;
}

fn own_of(codes: &[String]) -> &str {
    codes.last().map(String::as_str).expect("a code")
}
