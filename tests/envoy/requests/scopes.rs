//! Scopes and interactions (SMART App Launch 2.2): what a token opens, and nothing beside it.

use fhir_guard_harness::client::Request;

use super::{ask, unsupported};
use crate::table::{ABSENT, NOT_SUPPORTED, Refusal, Table, refusal};
use crate::world::{Setting, World};

/// A refusal for want of this scope.
fn lacking(scope: &'static str) -> Refusal {
    let challenge = format!(r#"Bearer realm="fhir", error="insufficient_scope", scope="{scope}""#);
    refusal(403, "forbidden", Some(challenge.leak()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_opens_what_it_says_and_nothing_else() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    reads(&mut table).await;
    lackings(&mut table).await;
    patient_context(&mut table).await;
    unsupported::interactions(&mut table).await;
    table.finish().await;
    unsupported::no_oracle(&world).await;
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
            "patient/Observation.rs?category:in=http://example.org/vs",
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
        // Of types that are outside the compartment.
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
    let (untrusted, other_type) = ("patient-write", "patient-write-type");
    for (method, path, rule) in [
        ("POST", "/r4/Patient", other_type),
        ("PUT", "/r4/Patient/p1", other_type),
        ("PUT", "/r4/Patient/p2", other_type),
        ("PATCH", "/r4/Patient/p1", other_type),
        ("DELETE", "/r4/Patient/p1", other_type),
        ("POST", "/r4/Organization", other_type),
        ("PUT", "/r4/Observation/o-p1-1", untrusted),
        ("PATCH", "/r4/Observation/o-p1-1", untrusted),
        ("DELETE", "/r4/Observation/o-p1-1", untrusted),
    ] {
        let mut request = ask(world, all, method, path);
        if matches!(method, "POST" | "PUT") {
            request = request.body("application/fhir+json", "{}");
        } else if method == "PATCH" {
            request = request.body("application/json-patch+json", "[]");
        }
        let name = format!("{method} {path}");
        let rule = format!("request.not-supported.{rule}");
        table
            .refused(&name, &client, request, NOT_SUPPORTED, &rule)
            .await;
    }
    let request = ask(world, all, "GET", "/r4/Patient/_history");
    let rule = "request.not-supported.interaction";
    table
        .refused("type history", &client, request, NOT_SUPPORTED, rule)
        .await;
}
