//! Scopes and interactions (SMART App Launch 2.2): what a token opens, and nothing beside it.

use fhir_guard_harness::client::Request;
use serde_json::{Value, json};

use super::{ask, without_ids};
use crate::table::{ABSENT, METHOD, NOT_SUPPORTED, Refusal, Table, refusal};
use crate::world::World;

/// A refusal for want of this scope.
fn lacking(scope: &'static str) -> Refusal {
    let challenge = format!(r#"Bearer realm="fhir", error="insufficient_scope", scope="{scope}""#);
    refusal(403, "forbidden", Some(challenge.leak()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_opens_what_it_says_and_nothing_else() {
    let world = World::start().await;
    let mut table = Table::new(&world);
    reads(&mut table).await;
    lackings(&mut table).await;
    patient_context(&mut table).await;
    unsupported(&mut table).await;
    table.finish().await;
    no_oracle(&world).await;
    world.close().await;
}

async fn reads(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    for (scope, path) in [
        ("patient/*.rs", "/r4/Patient/p1"),
        ("patient/Patient.r", "/r4/Patient/p1"),
        ("patient/Patient.read", "/r4/Patient/p1"),
        ("patient/*.*", "/r4/Patient/p1"),
        ("patient/*.cruds", "/r4/Patient/p1/_history/1"),
        ("patient/Patient.r", "/r4/Patient/p1/_history"),
        ("patient/Observation.s", "/r4/Observation?patient=p1"),
        (
            "patient/Observation.read",
            "/r4/Observation?subject=Patient/p1",
        ),
        ("patient/*.s", "/r4/Patient?_id=p1"),
        (
            "openid fhirUser launch/patient offline_access patient/*.rs",
            "/r4/Patient/p1",
        ),
        ("patient/Observation.rs patient/Patient.r", "/r4/Patient/p1"),
        ("user/*.rs", "/r4/Patient/p2"),
        ("user/Patient.r", "/r4/Patient/p2/_history/1"),
        ("user/Observation.read", "/r4/Observation/o-p2-1"),
        ("user/Observation.s", "/r4/Observation?code=8867-4"),
        ("user/Observation.s", "/r4/Observation/_history?_count=5"),
        ("system/*.rs", "/r4/Patient/p2"),
        ("system/Patient.s", "/r4/Patient"),
        ("system/*.*", "/r4/Observation/o-p2-1/_history"),
        ("system/Practitioner.r", "/r4/Practitioner/practitioner-1"),
    ] {
        let name = format!("{scope} GET {path}");
        let request = ask(world, scope, "GET", path);
        table.answered(&name, &client, request, 200).await;
        let request = ask(world, scope, "HEAD", path);
        let head = format!("{name} HEAD");
        let answer = table.answered(&head, &client, request, 200).await;
        if let Some(answer) = answer
            && !answer.body.is_empty()
        {
            table.fault(&name, "HEAD has a body");
        }
    }
}

async fn lackings(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    for (scope, method, path, wanted) in [
        ("", "GET", "/r4/Patient/p1", "user/Patient.r"),
        ("openid fhirUser", "GET", "/r4/Patient/p1", "user/Patient.r"),
        ("launch/patient", "GET", "/r4/Patient/p1", "user/Patient.r"),
        (
            "patient/Observation.rs",
            "GET",
            "/r4/Patient/p1",
            "patient/Patient.r",
        ),
        (
            "patient/Patient.s",
            "GET",
            "/r4/Patient/p1",
            "patient/Patient.r",
        ),
        (
            "patient/Patient.r",
            "GET",
            "/r4/Patient?_id=p1",
            "patient/Patient.s",
        ),
        (
            "patient/Patient.write",
            "GET",
            "/r4/Patient/p1",
            "patient/Patient.r",
        ),
        (
            "patient/*.rs",
            "POST",
            "/r4/Observation",
            "patient/Observation.c",
        ),
        ("patient/*.rs", "PUT", "/r4/Patient/p1", "patient/Patient.u"),
        (
            "patient/*.rs",
            "PATCH",
            "/r4/Patient/p1",
            "patient/Patient.u",
        ),
        (
            "patient/*.rs",
            "DELETE",
            "/r4/Patient/p1",
            "patient/Patient.d",
        ),
        ("user/*.rs", "DELETE", "/r4/Patient/p1", "user/Patient.d"),
        ("user/*.cus", "GET", "/r4/Patient/p1", "user/Patient.r"),
        ("user/*.r", "GET", "/r4/Patient", "user/Patient.s"),
        ("user/*.r", "GET", "/r4/Patient/_history", "user/Patient.s"),
        ("system/*.read", "POST", "/r4/Patient", "system/Patient.c"),
        ("system/*.c", "PUT", "/r4/Patient/p1", "system/Patient.u"),
        (
            "system/*.crus",
            "DELETE",
            "/r4/Patient/p1",
            "system/Patient.d",
        ),
        (
            "system/*.cuds",
            "GET",
            "/r4/Patient/p1/_history",
            "system/Patient.r",
        ),
        // Scopes that are not wholly understood grant nothing.
        (
            "patient/Patient.rs?_id=p1",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        (
            "patient/Observation.rs?category=laboratory",
            "GET",
            "/r4/Observation?patient=p1",
            "user/Observation.s",
        ),
        (
            "patient/Patient.sr",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        (
            "patient/Patient.rr",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        (
            "patient/Patient.READ",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        (
            "patient/Patient.all",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        ("patient/Patient", "GET", "/r4/Patient/p1", "user/Patient.r"),
        (
            "patient/patient.rs",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        ("patient/Pat*.rs", "GET", "/r4/Patient/p1", "user/Patient.r"),
        ("Patient/*.rs", "GET", "/r4/Patient/p1", "user/Patient.r"),
        ("*/*.rs", "GET", "/r4/Patient/p1", "user/Patient.r"),
        ("*/*.*", "GET", "/r4/Patient/p1", "user/Patient.r"),
        ("admin", "GET", "/r4/Patient/p1", "user/Patient.r"),
        (
            "patient/*.rs\tuser/*.rs",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        (
            "patient/*.rs,user/*.rs",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        (
            "patient/\u{2a0d}.rs",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        // A token that mixes levels grants nothing.
        (
            "patient/*.rs user/*.rs",
            "GET",
            "/r4/Patient/p1",
            "user/Patient.r",
        ),
        (
            "system/*.rs patient/*.rs",
            "GET",
            "/r4/Patient/p2",
            "user/Patient.r",
        ),
        (
            "user/*.rs system/*.rs",
            "GET",
            "/r4/Patient/p2",
            "user/Patient.r",
        ),
    ] {
        let name = format!("{scope:?} {method} {path}");
        let mut request = ask(world, scope, method, path);
        if matches!(method, "POST" | "PUT") {
            request = request.body("application/fhir+json", "{}");
        } else if method == "PATCH" {
            request = request.body("application/json-patch+json", "[]");
        }
        table
            .refused(&name, &client, request, lacking(wanted), "scope")
            .await;
    }
    // A level means nothing without the context it is about.
    for (name, claims) in [
        (
            "patient/ without a patient",
            world.claims().without("patient").scope("patient/*.rs"),
        ),
        (
            "user/ without a user",
            world.claims().without("fhirUser").scope("user/*.rs"),
        ),
    ] {
        let request = Request::get("/r4/Patient/p1").bearer(&world.issuer.token(&claims));
        table
            .refused(name, &client, request, lacking("user/Patient.r"), "scope")
            .await;
    }
}

async fn patient_context(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let all = "patient/*.cruds";
    for path in [
        "/r4/Patient/p2",
        "/r4/Patient/P1",
        "/r4/Patient/p11",
        "/r4/Patient/nobody",
        "/r4/Patient/p2/_history",
        "/r4/Patient/p2/_history/1",
        // In the own compartment or not: that is known only from the answer.
        "/r4/Observation/o-p1-1",
        "/r4/Observation/o-p2-1",
        "/r4/Observation/o-mixed",
        "/r4/Observation/nothing",
        "/r4/Observation/o-p1-1/_history/1",
        "/r4/Practitioner/practitioner-1",
        "/r4/Organization/organization-1",
    ] {
        for method in ["GET", "HEAD"] {
            let name = format!("{method} {path}");
            let request = ask(world, all, method, path);
            if method == "GET" {
                table
                    .refused(&name, &client, request, ABSENT, "compartment")
                    .await;
            } else {
                let answer = table.world.send(&client, request).await;
                if answer.status != 404 || !answer.body.is_empty() {
                    table.fault(&name, &format!("{answer:?}"));
                }
            }
        }
    }
    for (method, path) in [
        ("POST", "/r4/Observation"),
        ("PUT", "/r4/Patient/p1"),
        ("PUT", "/r4/Patient/p2"),
        ("PATCH", "/r4/Patient/p1"),
        ("DELETE", "/r4/Patient/p1"),
        ("DELETE", "/r4/Observation/o-p1-1"),
    ] {
        let mut request = ask(world, all, method, path);
        if matches!(method, "POST" | "PUT") {
            request = request.body("application/fhir+json", "{}");
        } else if method == "PATCH" {
            request = request.body("application/json-patch+json", "[]");
        }
        let rule = "request.not-supported.patient-write";
        table
            .refused(
                &format!("{method} {path}"),
                &client,
                request,
                NOT_SUPPORTED,
                rule,
            )
            .await;
    }
    let request = ask(world, all, "GET", "/r4/Patient/_history");
    let rule = "request.not-supported.interaction";
    table
        .refused("type history", &client, request, NOT_SUPPORTED, rule)
        .await;
}

/// Whatever is not one of the interactions known, whoever asks.
async fn unsupported(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let all = "system/*.cruds";
    for (method, path) in [
        ("GET", "/r4/"),
        ("GET", "/r4"),
        ("GET", "/"),
        ("GET", "/r4/_history"),
        ("POST", "/r4/_search"),
        ("POST", "/r4/Patient/_search"),
        ("GET", "/r4/Patient/$everything"),
        ("GET", "/r4/Patient/p1/$everything"),
        ("POST", "/r4/Patient/p1/$everything"),
        ("GET", "/r4/$export"),
        ("GET", "/r4/Patient/$export"),
        ("POST", "/r4/$graphql"),
        ("GET", "/r4/Patient/p1/Observation"),
        ("GET", "/r4/Patient/p1/*"),
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
        let refusal = if path.ends_with('*') || path == "/r4/" || path == "/" {
            crate::table::MALFORMED
        } else {
            ABSENT
        };
        for fault in crate::table::faults(&answer, refusal, true) {
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
async fn no_oracle(world: &World) {
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
    let body = |answer: &fhir_guard_harness::client::Response| without_ids(answer).2;
    assert_eq!(upstream.status, 404);
    assert_eq!(body(&upstream), body(&ours));
    let outcome: Value = upstream.json().expect("JSON");
    assert_eq!(outcome["issue"][0]["code"], json!("not-found"));
}
