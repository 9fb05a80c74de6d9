//! What is necessary, in a real Envoy: no more leaves, whatever the server sends.

use fhir_guard_harness::client::Request;
use serde_json::json;

use crate::world::{Setting, World};

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_necessary_leaves_and_only_by_it_is_searched() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["claims"] = json!({"roles": ["/roles"]});
            policy["limits"] = json!([]);
            policy["redaction"] = json!([]);
            policy["minimum"] = json!([{"name": "least", "resource": "Observation",
                "elements": ["status", "code", "value", "subject"], "when": "!('physician' in principal.roles)"}]);
        })),
        ..Setting::default()
    })
    .await;
    world
        .put(&json!({
            "resourceType": "Observation", "id": "least", "status": "final", "issued": "2020-01-01T00:00:00Z",
            "code": {"coding": [{"system": "http://least", "code": "x"}]}, "valueString": "v",
            "subject": {"reference": "Patient/p1"}, "note": [{"text": "CANARY"}],
            "subjectString": "CANARY", "valueAddress": {"text": "CANARY"},
            "performer": [{"display": "CANARY", "type": "Practitioner"}],
            "contained": [{"resourceType": "Practitioner", "id": "c", "name": [{"family": "CANARY"}]}],
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">CANARY</div>"},
        }))
        .await;
    let client = world.client();
    let token = |scope: &str, role: &str| {
        let claims = world.claims().scope(scope).fhir_user("Practitioner/7");
        world.issuer.token(&claims.claim("roles", json!([role])))
    };
    for (scope, role) in [
        ("user/*.cruds", "nurse"),
        ("user/*.cruds", "physician"),
        ("patient/*.rs", "nurse"),
    ] {
        let token = token(scope, role);
        for path in [
            "/r4/Observation/least",
            "/r4/Observation?code=http://least%7Cx&patient=p1",
            "/r4/Observation?code=http://least%7Cx&patient=p1&_elements=note,value",
            "/r4/Observation/least/_history",
        ] {
            let name = format!("{scope} {role} {path}");
            let answer = world.send(&client, Request::get(path).bearer(&token)).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            let whole = role == "physician";
            assert_eq!(
                answer.text().contains("CANARY"),
                whole,
                "{name}: {}",
                answer.text()
            );
            assert_eq!(
                answer.text().contains("issued"),
                whole && !path.contains("_elements"),
                "{name}"
            );
            assert!(
                answer.text().contains("\"valueString\":\"v\""),
                "{name}: {}",
                answer.text()
            );
            assert!(whole || answer.text().contains("SUBSETTED"), "{name}");
        }
    }
    let body = json!({"resourceType": "Observation", "id": "least", "status": "final",
        "code": {"coding": [{"system": "http://least", "code": "x"}]}, "subject": {"reference": "Patient/p1"}});
    for (role, search, write) in [("nurse", 400, 400), ("physician", 200, 200)] {
        let token = token("user/*.cruds", role);
        let request = Request::get("/r4/Observation?date=2020-01-01").bearer(&token);
        assert_eq!(world.send(&client, request).await.status, search, "{role}");
        let request = Request::new("PUT", "/r4/Observation/least").bearer(&token);
        let request = request.body("application/fhir+json", body.to_string());
        assert_eq!(world.send(&client, request).await.status, write, "{role}");
        let around = json!({"resourceType": "Condition", "id": "least", "contained": [body],
            "subject": {"reference": "Patient/p1"}});
        world.put(&around).await;
        let request = Request::new("PUT", "/r4/Condition/least").bearer(&token);
        let request = request.body("application/fhir+json", around.to_string());
        assert_eq!(world.send(&client, request).await.status, write, "{role}");
    }
    world.close().await;
}
