//! Operations, in a real Envoy: what is listed goes up as it was decided on, and of the answer leaves what
//! the caller may see.

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use crate::table::{ABSENT, MALFORMED, METHOD, NOT_SUPPORTED, Table, refusal};
use crate::wire::resources;
use crate::world::{BASE, Setting, World};

const EVERYTHING: &str = "/r4/Patient/p1/$everything";
const PARAMETERS: &str =
    r#"{"resourceType":"Parameters","parameter":[{"name":"_count","valueInteger":100}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn of_everything_leaves_what_the_caller_may_see_bypass_33_to_39() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            let parameters = ["_type", "start", "end", "_since", "_count"];
            policy["fhir"]["operations"] = json!([
                {"name": "everything", "level": "instance", "types": ["Patient"],
                    "methods": ["GET", "POST"], "parameters": parameters, "answer": "bundle"},
                {"name": "everything", "level": "type", "types": ["Patient"], "answer": "bundle"},
                {"name": "lookup", "level": "type", "types": ["CodeSystem"], "answer": "parameters"},
            ]);
        })),
        ..Setting::default()
    })
    .await;
    for version in [Version::Http1, Version::Http2] {
        answered(&world, version).await;
    }
    let mut table = Table::new(&world);
    refused(&mut table).await;
    table.finish().await;
    world.close().await;
}

fn call(world: &World, scope: &str, method: &str, path: &str) -> Request {
    let request = Request::new(method, path).bearer(&world.token(scope));
    match method {
        "POST" => request.body("application/fhir+json", PARAMETERS),
        _ => request,
    }
}

async fn answered(world: &World, version: Version) {
    let certificate = world.pki.client("clinic-a");
    let client = world
        .client_of(Some(&certificate), version, "secure")
        .reuse(true);
    for (scope, method, query, types) in [
        ("patient/*.rs", "GET", "?_count=100", None),
        ("patient/*.rs", "POST", "", None),
        (
            "patient/Patient.rs patient/Observation.rs",
            "GET",
            "?_count=100",
            Some(&["Patient", "Observation"][..]),
        ),
        (
            "patient/Patient.rs patient/Observation.r",
            "GET",
            "?_count=100",
            Some(&["Patient"][..]),
        ),
        (
            "patient/*.rs",
            "GET",
            "?_type=Observation&_count=100",
            Some(&["Observation"][..]),
        ),
    ] {
        let name = format!("{scope}: {method} {query}");
        let request = call(world, scope, method, &format!("{EVERYTHING}{query}"));
        let answer = world.send(&client, request).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let bundle = answer.json().expect("a bundle");
        let held = resources(&bundle);
        assert!(!held.is_empty(), "{name}");
        for resource in &held {
            let text = resource.to_string();
            let of = resource["resourceType"].as_str().expect("a type");
            assert!(
                types.is_none_or(|types| types.contains(&of)),
                "{name}: {text}"
            );
            assert!(
                of == "Patient" || text.contains("Patient/p1"),
                "{name}: {text}"
            );
            assert!(!text.contains("Patient/p2"), "{name}: {text}");
            if of == "Patient" {
                assert_eq!(resource["id"], "p1", "{name}");
                assert_eq!(resource["birthDate"], Value::Null, "{name}: it is hidden");
            }
        }
        let sent = world.fhir.requests().pop().expect("a request");
        let expected = format!("/fhir/Patient/p1/$everything{query}");
        assert_eq!(
            (sent.method.as_str(), sent.path_and_query.as_str()),
            (method, expected.as_str()),
            "{name}"
        );
        assert!(
            bundle["link"][0]["url"]
                .as_str()
                .expect("a link")
                .starts_with(BASE)
        );
    }
}

async fn refused(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let scope = refusal(
        403,
        "forbidden",
        Some(r#"Bearer realm="fhir", error="insufficient_scope", scope="patient/Patient.rs""#),
    );
    let (patient, operation) = ("patient/*.rs", "request.not-supported.operation");
    for (scopes, method, path, expected, rule) in [
        (
            patient,
            "GET",
            "/r4/Patient/p2/$everything",
            ABSENT,
            "compartment",
        ),
        (
            patient,
            "GET",
            "/r4/Patient/nobody/$everything",
            ABSENT,
            "compartment",
        ),
        (
            patient,
            "POST",
            "/r4/Patient/p2/$everything",
            ABSENT,
            "compartment",
        ),
        ("patient/*.r", "GET", EVERYTHING, scope, "scope"),
        (
            patient,
            "GET",
            "/r4/Patient/$everything",
            NOT_SUPPORTED,
            operation,
        ),
        (
            "user/*.rs",
            "GET",
            "/r4/Patient/$everything",
            NOT_SUPPORTED,
            operation,
        ),
        // The shipped rule hides elements from this caller, and nothing could be taken out of the answer.
        (
            "user/CodeSystem.rs",
            "GET",
            "/r4/CodeSystem/$lookup",
            NOT_SUPPORTED,
            operation,
        ),
        (
            patient,
            "GET",
            "/r4/Patient/p1/$everything?_include=*",
            NOT_SUPPORTED,
            "request.not-supported.parameter",
        ),
        (patient, "HEAD", EVERYTHING, METHOD, "request.method"),
        (
            "system/*.cruds",
            "GET",
            "/r4/Patient/$export",
            ABSENT,
            "request.path",
        ),
        (
            "system/*.cruds",
            "POST",
            "/r4/$graphql",
            ABSENT,
            "request.path",
        ),
        (
            "system/*.cruds",
            "GET",
            "/r4/Patient/p1/$meta",
            ABSENT,
            "request.path",
        ),
    ] {
        let before = world.fhir.requests().len();
        let name = format!("{scopes}: {method} {path}");
        let request = call(world, scopes, method, path);
        match method {
            // Nothing but the head of the refusal comes.
            "HEAD" => {
                let answer = world.send(&client, request).await;
                assert_eq!(answer.status, expected.status, "{name}");
            }
            _ => table.refused(&name, &client, request, expected, rule).await,
        }
        assert_eq!(
            world.fhir.requests().len(),
            before,
            "{name}: something went upstream"
        );
    }
    let resource = r#"{"resourceType":"Parameters","parameter":[{"name":"_type","resource":{"resourceType":"Patient","id":"p2"}}]}"#;
    for (name, body) in [
        ("a resource", resource),
        ("no parameters", r#"{"resourceType":"Patient"}"#),
    ] {
        let request = Request::new("POST", EVERYTHING).bearer(&world.token(patient));
        let request = request.body("application/fhir+json", body);
        let answer = world.send(&client, request).await;
        for fault in crate::table::faults(&answer, MALFORMED, true) {
            table.fault(name, &fault);
        }
    }
}
