//! What is no interaction at all, whoever asks, and what nobody learns from a refusal.

use fhir_guard_harness::client::Response;
use serde_json::{Value, json};

use super::ask;
use crate::table::{ABSENT, MALFORMED, METHOD, NOT_SUPPORTED, Table, faults};
use crate::wire::without_ids;
use crate::world::World;

/// Whatever is not one of the interactions known.
pub(super) async fn interactions(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let all = "system/*.cruds";
    for (method, path) in [
        ("GET", "/r4/"),
        ("GET", "/"),
        ("GET", "/r4/*"),
        ("GET", "/r4/Patient/*"),
        ("POST", "/r4/Encounter/e1/_search"),
        ("GET", "/r4/Patient/$everything"),
        ("GET", "/r4/Patient/p1/$everything"),
        ("POST", "/r4/Patient/p1/$everything"),
        ("GET", "/r4/$export"),
        ("GET", "/r4/Patient/$export"),
        ("POST", "/r4/$graphql"),
        ("GET", "/r4/Encounter/e1/Observation"),
        ("GET", "/r4/Patient/p1/Observation/o-p1-1"),
        ("GET", "/r4/Patient/p*"),
        ("GET", "/r4/Patient/p1/_history/1/x"),
        ("GET", "/r4/patient/p1"),
        ("GET", "/r4/Unknown/p1"),
        ("GET", "/r4/DomainResource"),
        ("GET", "/r4/Resource/p1"),
        ("GET", "/r5/Patient/p1"),
        ("GET", "/fhir/Patient/p1"),
        ("GET", "/r4x/Patient/p1"),
        ("GET", "/config_dump"),
        ("GET", "/stats"),
        ("GET", "/r4/.well-known/openid-configuration"),
        ("GET", "/r4/metadata/x"),
        ("GET", "/metadata"),
    ] {
        let request = ask(world, all, method, path);
        let name = format!("{method} {path}");
        let before = world.fhir.requests().len();
        let answer = world.send(&client, request).await;
        // A character that no path of FHIR has makes the path malformed before it is unknown.
        let refusal = if path.ends_with("p*") || path == "/r4/" || path == "/" {
            MALFORMED
        } else {
            ABSENT
        };
        for fault in faults(&answer, refusal, true) {
            table.fault(&name, &fault);
        }
        if world.fhir.requests().len() != before {
            table.fault(&name, "something went upstream");
        }
    }
    for (method, path) in [
        ("POST", "/r4/Patient/p1"),
        ("PUT", "/r4/Patient"),
        ("PATCH", "/r4/Patient"),
        ("DELETE", "/r4/Patient"),
        ("DELETE", "/r4/Patient/p1/_history"),
        ("DELETE", "/r4/Patient/p1/_history/1"),
        ("PUT", "/r4/Patient/p1/_history/1"),
        ("POST", "/r4/Patient/_history"),
        ("POST", "/r4"),
        ("POST", "/r4/_history"),
        ("POST", "/r4/Patient/p1/Observation"),
        ("GET", "/r4/_search"),
        ("PUT", "/r4/Patient/p1/_search"),
        ("OPTIONS", "/r4/Patient/p1"),
        ("TRACE", "/r4/Patient/p1"),
        ("PROPFIND", "/r4/Patient/p1"),
        ("get", "/r4/Patient/p1"),
    ] {
        let name = format!("{method} {path}");
        let request = ask(world, all, method, path);
        table
            .refused(&name, &client, request, METHOD, "request.method")
            .await;
        let answer = world.send(&client, ask(world, all, method, path)).await;
        if answer.header("allow").is_none_or(|allow| allow.is_empty()) {
            table.fault(&name, "no allow");
        }
    }
    for resource_type in ["Binary", "Bundle", "Parameters"] {
        let request = ask(world, all, "GET", &format!("/r4/{resource_type}/x"));
        let rule = "request.not-supported.type";
        table
            .refused(resource_type, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
}

/// An instance of somebody else and one that does not exist get the same answer, to the byte but
/// for the request id; so do their searches.
pub(super) async fn no_oracle(world: &World) {
    let client = world.client().reuse(true);
    for (scope, there, absent) in [
        ("patient/*.rs", "/r4/Patient/p2", "/r4/Patient/p2000"),
        (
            "patient/*.rs",
            "/r4/Observation/o-p2-1",
            "/r4/Observation/o-p2000-1",
        ),
        (
            "patient/*.rs",
            "/r4/Patient/p2/_history/1",
            "/r4/Patient/p2000/_history/1",
        ),
        (
            "patient/*.rs",
            "/r4/Observation?patient=p2",
            "/r4/Observation?patient=p2000",
        ),
        (
            "patient/*.rs",
            "/r4/Patient?_id=p2",
            "/r4/Patient?_id=p2000",
        ),
    ] {
        for method in ["GET", "HEAD"] {
            let there = world.send(&client, ask(world, scope, method, there)).await;
            let absent = world.send(&client, ask(world, scope, method, absent)).await;
            assert_eq!(
                without_ids(&there),
                without_ids(&absent),
                "{method} {there:?}"
            );
            assert_eq!(there.status, 404);
        }
    }
    // The upstream's own 404 looks the same: nothing of its outcome leaves.
    let upstream = world
        .send(&client, ask(world, "user/*.rs", "GET", "/r4/Patient/p2000"))
        .await;
    let ours = world
        .send(&client, ask(world, "patient/*.rs", "GET", "/r4/Patient/p2"))
        .await;
    let body = |answer: &Response| without_ids(answer).2;
    assert_eq!(upstream.status, 404);
    assert_eq!(body(&upstream), body(&ours));
    let outcome: Value = upstream.json().expect("JSON");
    assert_eq!(outcome["issue"][0]["code"], json!("not-found"));
}
