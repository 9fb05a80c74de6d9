//! Security labels, in a real Envoy: what the caller is not cleared for does not leave.

use fhir_guard_harness::client::{Client, Request, Response, Version};
use serde_json::{Value, json};

use crate::world::{Setting, World};

const LEVELS: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const POLICIES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const INLINE: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";
/// Stands in what must not leave.
const CANARY: &str = "CANARY";

async fn world() -> World {
    World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["claims"] = json!({"roles": ["/roles"]});
            policy["fhir"]["upstream"]["trust"] = json!(["if_match"]);
            policy["redaction"] = json!([]);
            policy["limits"] = json!([]);
            policy["labels"] = json!({
                "unlabelled": "normal",
                "clearances": [
                    {"confidentiality": "normal"},
                    {"when": "'addiction' in principal.roles", "confidentiality": "restricted", "sensitivities": ["SUD"]},
                ],
                "codes": [{"codes": ["http://icd|F11.20"], "sensitivities": ["OPIOIDUD"]}],
            });
        })),
        ..Setting::default()
    })
    .await
}

fn observation(id: &str, labels: &[(&str, &str)], code: &str, text: &str) -> Value {
    let labels: Vec<Value> = labels
        .iter()
        .map(|(system, code)| json!({"system": system, "code": code}))
        .collect();
    let mut observation = json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": {"coding": [{"system": "http://icd", "code": code}], "text": text},
        "subject": {"reference": "Patient/p1"},
    });
    // An update would take away labels that are there, be it none.
    if !labels.is_empty() {
        observation["meta"] = json!({"security": labels});
    }
    observation
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
async fn what_is_written_is_what_the_caller_is_cleared_for() {
    let world = world().await;
    for (id, code) in [("w-plain", "x"), ("w-code", "F11.20")] {
        world.put(&observation(id, &[], code, "before")).await;
    }
    let mut masked = observation("w-masked", &[], "x", "before");
    let label = json!({"url": INLINE, "valueCoding": {"system": LEVELS, "code": "R"}});
    masked["note"] = json!([{"text": CANARY, "extension": [label]}]);
    world.put(&masked).await;
    let client = world.client();
    let put = |roles: &[&str], id: &str, code: &str| {
        let claims = world
            .claims()
            .scope("user/*.cruds")
            .fhir_user("Practitioner/7")
            .claim("roles", json!(roles));
        let body = observation(id, &[], code, "after");
        Request::new("PUT", &format!("/r4/Observation/{id}"))
            .bearer(&world.issuer.token(&claims))
            .body("application/fhir+json", body.to_string())
    };
    let cleared = &["addiction"][..];
    for (name, roles, id, code, status) in [
        ("what he may see", &[][..], "w-plain", "y", 200),
        ("to what he may not see", &[], "w-plain", "F11.20", 403),
        ("what he may not see", &[], "w-code", "x", 404),
        ("what is not there", &[], "w-nothing", "x", 404),
        ("of which an element is masked", &[], "w-masked", "x", 400),
        ("cleared", cleared, "w-code", "F11.20", 200),
        (
            "cleared, to what everybody sees",
            cleared,
            "w-code",
            "x",
            200,
        ),
        ("what he may see now", &[], "w-code", "y", 200),
    ] {
        let answer = world.send(&client, put(roles, id, code)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    // Nor is the label taken away from what it masks.
    let claims = world.claims().scope("user/*.cruds");
    let token = world.issuer.token(&claims.fhir_user("Practitioner/7"));
    let patch = json!([{"op": "remove", "path": "/note/0/extension"}]).to_string();
    let patch = Request::new("PATCH", "/r4/Observation/w-masked")
        .bearer(&token)
        .body("application/json-patch+json", patch);
    let answer = world.send(&client, patch).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = get(&world, &client, &[], "/r4/Observation/w-masked").await;
    assert!(!answer.text().contains(CANARY), "{}", answer.text());
    let answer = world.send(&client, put(cleared, "w-masked", "x")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_is_what_the_caller_is_cleared_for() {
    let world = world().await;
    let long = CANARY.repeat(200_000);
    let all = [
        observation("l-plain", &[], "x", "x"),
        observation("l-level", &[(LEVELS, "R")], "x", CANARY),
        observation("l-kind", &[(POLICIES, "ETHUD")], "x", CANARY),
        observation("l-both", &[(LEVELS, "R"), (POLICIES, "SUD")], "x", CANARY),
        observation("l-code", &[], "F11.20", CANARY),
        // Larger than what is held.
        observation("l-long", &[(POLICIES, "OPIOIDUD")], "x", &long),
    ];
    for resource in &all {
        world.put(resource).await;
    }
    let inline = json!({
        "resourceType": "Observation", "id": "l-element", "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient/p1"},
        "valueString": CANARY,
        "_valueString": {"extension": [{"url": INLINE, "valueCoding": {"system": POLICIES, "code": "SUD"}}]},
    });
    world.put(&inline).await;
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let absent = get(&world, &client, &[], "/r4/Observation/l-nothing").await;
        assert_eq!(absent.status, 404);
        for resource in &all {
            let id = resource["id"].as_str().expect("an id");
            let path = format!("/r4/Observation/{id}");
            let answer = get(&world, &client, &["addiction"], &path).await;
            assert_eq!(answer.status, 200, "{id}: {}", answer.text());
            let answer = get(&world, &client, &[], &path).await;
            let plain = id == "l-plain";
            assert_eq!(answer.status, if plain { 200 } else { 404 }, "{id}");
            assert!(!answer.text().contains(CANARY), "{id}");
            if !plain {
                let without = |answer: &Response| {
                    let id = answer.header("x-request-id").unwrap_or_default().to_owned();
                    answer.text().replace(&id, "")
                };
                assert_eq!(without(&answer), without(&absent), "{id}");
            }
        }
        let masked = get(&world, &client, &[], "/r4/Observation/l-element").await;
        assert_eq!(masked.status, 200);
        let body = masked.json().expect("json");
        assert_eq!(body.get("valueString"), None);
        assert_eq!(
            body["_valueString"]["extension"][0]["valueCode"],
            "masked",
            "{}",
            masked.text()
        );
        let search = "/r4/Observation?patient=p1&_count=100";
        for (roles, expected) in [(&[][..], 1), (&["addiction"][..], 6)] {
            let answer = get(&world, &client, roles, search).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let entries = answer.json().expect("a bundle")["entry"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let labelled = entries.iter().filter(|entry| {
                let id = entry["resource"]["id"].as_str().unwrap_or_default();
                id.starts_with("l-") && id != "l-element"
            });
            assert_eq!(labelled.count(), expected, "{roles:?}");
            assert_eq!(answer.text().contains(CANARY), expected > 1, "{roles:?}");
        }
    }
    world.close().await;
}

/// Elements that are hidden in what carries a label only.
#[tokio::test(flavor = "multi_thread")]
async fn elements_are_hidden_where_a_label_is_carried_or_may_be() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([]);
            policy["redaction"] = json!([
                {"name": "addiction", "resource": "Observation", "elements": ["note"], "action": "mask",
                    "labelled": {"sensitivities": ["SUD"]}, "unless": {"scope": "user/Observation.cruds"}},
            ]);
        })),
        ..Setting::default()
    })
    .await;
    for (id, labels) in [
        ("c-plain", &[][..]),
        ("c-other", &[(POLICIES, "HIV")]),
        ("c-narrow", &[(POLICIES, "OPIOIDUD")]),
        ("c-unknown", &[("http://other.example", "x")]),
    ] {
        let mut resource = observation(id, labels, "x", "x");
        resource["note"] = json!([{"text": CANARY}]);
        world.put(&resource).await;
    }
    let client = world.client();
    for (scope, id, hidden) in [
        ("user/*.rs", "c-plain", false),
        ("user/*.rs", "c-other", false),
        ("user/*.rs", "c-narrow", true),
        ("user/*.rs", "c-unknown", true),
        ("user/Observation.cruds", "c-narrow", false),
    ] {
        let claims = world.claims().scope(scope).fhir_user("Practitioner/7");
        let token = world.issuer.token(&claims);
        for path in [
            format!("/r4/Observation/{id}"),
            format!("/r4/Observation?_id={id}"),
        ] {
            let answer = world
                .send(&client, Request::get(&path).bearer(&token))
                .await;
            let text = answer.text();
            assert_eq!(answer.status, 200, "{scope} {path}: {text}");
            assert!(text.contains(id), "{scope} {path}: {text}");
            assert_eq!(text.contains(CANARY), !hidden, "{scope} {path}: {text}");
            for code in ["\"REDACTED\"", "\"MASKED\"", "\"SUBSETTED\""] {
                assert_eq!(text.contains(code), hidden, "{scope} {path}: {text}");
            }
        }
    }
    world.close().await;
}
