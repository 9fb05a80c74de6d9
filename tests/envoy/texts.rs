//! Rules about texts, in a real Envoy: what is found does not leave.

use fhir_guard_harness::client::{Client, Request, Response, Version};
use serde_json::{Value, json};

use crate::world::{Setting, World};

const CARD: &str = "4111 1111 1111 1111";

async fn world() -> World {
    World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["claims"] = json!({"roles": ["/roles"]});
            policy["redaction"] = json!([]);
            policy["limits"] = json!([]);
            policy["dlp"] = json!([
                {"name": "cards", "patterns": ["card"], "action": "mask",
                    "when": "!('billing' in principal.roles)"},
                {"name": "records", "patterns": ["email", {"pattern": "MRN-[0-9]{6}"}], "action": "refuse",
                    "types": ["Observation"], "when": "!('billing' in principal.roles)"},
            ]);
        })),
        ..Setting::default()
    })
    .await
}

fn observation(id: &str, text: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient/p1"},
        "valueString": text,
    })
}

async fn get(world: &World, client: &Client, roles: &[&str], path: &str) -> Response {
    let claims = world
        .claims()
        .scope("user/*.rs")
        .fhir_user("Practitioner/7")
        .claim("roles", json!(roles));
    let token = world.issuer.token(&claims);
    world.send(client, Request::get(path).bearer(&token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_in_texts_is_masked_or_withheld() {
    let world = world().await;
    // Larger than what is held.
    let long = |text: &str| format!("{}{text}", "words. ".repeat(200_000));
    let all = [
        observation("t-plain", "plain"),
        observation("t-card", &format!("paid by {CARD}.")),
        observation("t-long", &long(CARD)),
        observation("t-mail", "write to jane@example.org"),
        observation("t-record", &long("MRN-123456")),
    ];
    for resource in &all {
        world.put(resource).await;
    }
    // Written otherwise than the patterns.
    let mut narrated = observation("t-forms", "４１１１\u{a0}1111\u{2011}1111 ١١١١");
    narrated["text"] = json!({"status": "generated",
        "div": "<div>4111<b>1111</b>&#49;&shy;1111111</div>"});
    world.put(&narrated).await;
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let absent = get(&world, &client, &[], "/r4/Observation/t-nothing").await;
        for resource in &all {
            let id = resource["id"].as_str().expect("an id");
            let path = format!("/r4/Observation/{id}");
            let answer = get(&world, &client, &["billing"], &path).await;
            assert_eq!(answer.status, 200, "{id}: {}", answer.text());
            let whole = answer.json().expect("json");
            assert_eq!(whole["valueString"], resource["valueString"], "{id}");
            assert!(!answer.text().contains("SUBSETTED"), "{id}");
            let answer = get(&world, &client, &[], &path).await;
            if matches!(id, "t-mail" | "t-record") {
                let without = |answer: &Response| {
                    let id = answer.header("x-request-id").unwrap_or_default().to_owned();
                    (answer.status, answer.text().replace(&id, ""))
                };
                assert_eq!(without(&answer), without(&absent), "{id}");
                continue;
            }
            assert_eq!(answer.status, 200, "{id}");
            let text = resource["valueString"].as_str().expect("a text");
            let masked = text.replace(CARD, &"*".repeat(CARD.len()));
            let left = answer.json().expect("json");
            assert_eq!(left["valueString"], masked, "{id}");
            assert_eq!(answer.text().contains("SUBSETTED"), masked != text, "{id}");
        }
        let path = "/r4/Observation/t-forms";
        let answer = get(&world, &client, &["billing"], path).await;
        let whole = answer.json().expect("json");
        assert_eq!(whole["text"], narrated["text"]);
        let answer = get(&world, &client, &[], path).await;
        let left = answer.json().expect("json");
        assert_eq!(left["valueString"], "*".repeat(CARD.len()));
        let div = "<div>****<b>****</b>*****&shy;*******</div>";
        assert_eq!(left["text"]["div"], div);
        let search = "/r4/Observation?patient=p1&_count=100";
        let ids = |answer: &Response| {
            let bundle = answer.json().expect("a bundle");
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            let ids = entries
                .iter()
                .filter_map(|entry| entry["resource"]["id"].as_str());
            let ids = ids.filter(|id| id.starts_with("t-"));
            ids.map(str::to_owned).collect::<Vec<String>>()
        };
        let answer = get(&world, &client, &[], search).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let left = ids(&answer);
        assert_eq!(left.len(), 4, "{left:?}");
        for text in [CARD, "jane@", "MRN-"] {
            assert!(!answer.text().contains(text), "{text}");
        }
        let answer = get(&world, &client, &["billing"], search).await;
        assert_eq!(ids(&answer).len(), 6);
        for number in ["_summary=count", "_total=accurate", "_summary=data"] {
            let path = format!("/r4/Observation?patient=p1&{number}");
            let answer = get(&world, &client, &[], &path).await;
            assert_eq!(answer.status, 400, "{number}");
            let answer = get(&world, &client, &["billing"], &path).await;
            assert_eq!(answer.status, 200, "{number}");
        }
    }
    world.close().await;
}
