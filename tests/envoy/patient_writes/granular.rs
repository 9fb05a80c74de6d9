//! Writes with granular scopes: what is there must match, and what would be.

use super::*;

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

fn ask_as(world: &World, scope: &str, method: &str, path: &str) -> Request {
    let scope = scope.replace("=LAB", &format!("={CATEGORY}|laboratory"));
    Request::new(method, path).bearer(&world.token(&scope))
}

/// An Observation of this category about somebody.
fn of(id: &str, category: &str, subject: &str) -> Value {
    let mut observation = observation(Some(id), subject);
    observation["category"] = json!([{"coding": [{"system": CATEGORY, "code": category}]}]);
    observation
}

fn into(category: &str) -> String {
    json!([{"op": "replace", "path": "/category/0/coding/0/code", "value": category}]).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_matches_is_written_and_nothing_else() {
    let world = trusting().await;
    let scope = "user/Observation.cruds?category=LAB";
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        world.put(&of("g1", "laboratory", "p2")).await;
        let path = "/r4/Observation/g1";
        let body = of("g1", "laboratory", "p3").to_string();
        world.fhir.forget_requests();
        let update = ask_as(&world, scope, "PUT", path).body(FHIR, body);
        let answer = world.send(&client, update).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let first = answer.json().expect("what was written");
        assert_eq!(first["subject"]["reference"], "Patient/p3");
        let requests = sent(&world);
        assert_eq!((requests.len(), &requests[0]), (2, &read()), "{requests:?}");
        assert!(requests[1].1.is_some(), "it is pinned");

        let patch = json!([{"op": "replace", "path": "/status", "value": "amended"}]).to_string();
        let patch = ask_as(&world, scope, "PATCH", path).body(PATCH, patch);
        let answer = world.send(&client, patch).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        sent(&world);

        // What would be no match any more is refused, before or after the look.
        let body = of("g1", "vital-signs", "p3").to_string();
        let out = ask_as(&world, scope, "PUT", path).body(FHIR, body);
        assert_eq!(world.send(&client, out).await.status, 403);
        assert_eq!(sent(&world), [], "by the body alone");
        let out = ask_as(&world, scope, "PATCH", path).body(PATCH, into("vital-signs"));
        assert_eq!(world.send(&client, out).await.status, 403);
        assert_eq!(sent(&world), [read()]);
        let broken = json!([{"op": "add", "path": "/birthDate", "value": "2000"}]).to_string();
        let broken = ask_as(&world, scope, "PATCH", path).body(PATCH, broken);
        assert_eq!(world.send(&client, broken).await.status, 400);
        assert_eq!(sent(&world), [read()]);
        assert_eq!(stored(&world, "g1").await["status"], "amended");

        let delete = ask_as(&world, scope, "DELETE", path);
        let answer = world.send(&client, delete).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let requests = sent(&world);
        assert_eq!((requests.len(), &requests[0]), (2, &read()), "{requests:?}");
        assert!(requests[1].1.is_some(), "it is pinned");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_is_not_there() {
    let world = trusting().await;
    let client = world.client();
    world.put(&of("g2", "vital-signs", "p1")).await;
    world.put(&of("g3", "laboratory", "p2")).await;
    world.fhir.forget_requests();
    let mut refused = Vec::new();
    for (scope, id) in [
        ("user/Observation.cruds?category=LAB", "g2"),
        ("system/Observation.cruds?category=LAB", "g2"),
        // Of the right kind and another's, and the own one of another kind.
        ("patient/Observation.cruds?category=LAB", "g3"),
        ("patient/Observation.cruds?category=LAB", "g2"),
        ("user/Observation.cruds?category=LAB", "never-there"),
    ] {
        let path = format!("/r4/Observation/{id}");
        let body = of(id, "laboratory", "p1").to_string();
        for request in [
            ask_as(&world, scope, "PUT", &path).body(FHIR, body),
            ask_as(&world, scope, "PATCH", &path).body(PATCH, into("laboratory")),
            ask_as(&world, scope, "DELETE", &path),
        ] {
            let answer = world.send(&client, request).await;
            let faults = crate::table::faults(&answer, ABSENT, true);
            assert!(faults.is_empty(), "{scope} {id}: {answer:?}");
            assert_eq!(sent(&world), [read()], "{scope} {id}");
            refused.push(without_ids(&answer));
        }
    }
    assert!(
        refused.windows(2).all(|two| two[0] == two[1]),
        "{refused:?}"
    );
    // Both hold: the own one, of the right kind.
    world.put(&of("g4", "laboratory", "p1")).await;
    let scope = "patient/Observation.cruds?category=LAB";
    let body = of("g4", "laboratory", "p1").to_string();
    let update = ask_as(&world, scope, "PUT", "/r4/Observation/g4").body(FHIR, body);
    assert_eq!(world.send(&client, update).await.status, 200);
    world.close().await;
}
