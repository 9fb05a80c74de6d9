//! Searches by `POST`, over several types, and in compartments.

use fhir_guard_harness::client::{Request, Response, Version};
use serde_json::Value;

use super::ask;
use crate::table::{ABSENT, MALFORMED, MEDIA_TYPE, METHOD, NOT_SUPPORTED, Table, refusal};
use crate::wire::{resources, without_ids};
use crate::world::{BASE, Setting, World};

const FORM: &str = "application/x-www-form-urlencoded";
const PATIENT: &str = "patient/*.rs";
/// Who may search for all, and from whom the shipped rule hides.
const USER: &str = "user/*.s";

#[tokio::test(flavor = "multi_thread")]
async fn a_search_reaches_as_far_as_its_scopes_bypass_17_24_25() {
    let world = World::shared(Setting::default()).await;
    for version in [Version::Http1, Version::Http2] {
        forms(&world, version).await;
    }
    across(&world).await;
    let mut table = Table::new(&world);
    refused(&mut table).await;
    table.finish().await;
    world.close().await;
}

fn post(world: &World, scope: &str, path: &str, form: &str) -> Request {
    ask(world, scope, "POST", &format!("/r4/{path}")).body(FORM, form)
}

/// The types and ids of what a Bundle holds.
fn held(answer: &Response) -> Vec<(String, String)> {
    let bundle = answer.json().expect("a bundle");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let held = |resource: &Value| (text(&resource["resourceType"]), text(&resource["id"]));
    resources(&bundle).iter().map(held).collect()
}

/// What goes upstream is the search that was decided on, all of it in the body.
async fn forms(world: &World, version: Version) {
    let certificate = world.pki.client("clinic-a");
    let client = world
        .client_of(Some(&certificate), version, "secure")
        .reuse(true);
    for (path, form, sent_to, sent) in [
        (
            "Observation/_search",
            "patient=p1&code=718-7",
            "Observation/_search",
            "patient=Patient/p1&code=718-7",
        ),
        (
            "Observation/_search?patient=p1",
            "_count=2",
            "Observation/_search",
            "patient=Patient/p1&_count=2",
        ),
        (
            "Observation/_search?patient=p1&_count=2",
            "_format=json",
            "Observation/_search",
            "patient=Patient/p1&_count=2",
        ),
        (
            "Patient/p1/Observation/_search",
            "code=718-7",
            "Patient/p1/Observation/_search",
            "code=718-7",
        ),
        (
            "Patient/p1/_search",
            "_lastUpdated=ge2000",
            "Patient/p1/_search",
            "_lastUpdated=ge2000",
        ),
        (
            "_search",
            "_type=Observation,Condition&patient=p1",
            "_search",
            "_type=Observation,Condition&patient=Patient/p1",
        ),
    ] {
        world.fhir.forget_requests();
        let answer = world.send(&client, post(world, PATIENT, path, form)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let requests = world.fhir.requests();
        let [request] = requests.as_slice() else {
            panic!("{path}: {requests:?}");
        };
        assert_eq!(request.method, "POST", "{path}");
        assert_eq!(request.path_and_query, format!("/fhir/{sent_to}"), "{path}");
        assert_eq!(request.body, sent.as_bytes(), "{path}: {:?}", request.body);
        assert_eq!(
            request.header("content-type").as_deref(),
            Some(FORM),
            "{path}"
        );
        let length = request.header("content-length");
        assert_eq!(length, Some(sent.len().to_string()), "{path}");
        assert!(!held(&answer).is_empty(), "{path}: {}", answer.text());
        assert!(!answer.text().contains("Patient/p2"), "{path}");
        let bundle = answer.json().expect("a bundle");
        let own = bundle["link"][0]["url"].as_str().expect("a link");
        // Pages come by GET, and the first of them is the same.
        let path = own.strip_prefix(BASE).expect("below the base");
        let again = world
            .send(&client, ask(world, PATIENT, "GET", &format!("/r4{path}")))
            .await;
        assert_eq!(held(&again), held(&answer), "{path}");
        if let Some(next) = bundle["link"]
            .as_array()
            .expect("links")
            .iter()
            .find(|link| link["relation"] == "next")
        {
            let path = next["url"]
                .as_str()
                .and_then(|url| url.strip_prefix(BASE))
                .expect("a link");
            let next = world
                .send(&client, ask(world, PATIENT, "GET", &format!("/r4{path}")))
                .await;
            assert_eq!(next.status, 200, "{path}");
            assert_ne!(held(&next), held(&answer), "{path}");
        }
    }
}

/// What of several types leaves.
async fn across(world: &World) {
    let client = world.client().reuse(true);
    for (scope, path, types, has) in [
        (
            USER,
            "?_type=Patient,Practitioner&_count=1000",
            "Patient Practitioner",
            "p2",
        ),
        (
            USER,
            "?_lastUpdated=ge2000&_count=1000",
            "Condition Observation Patient",
            "p2",
        ),
        (USER, "/Patient/p2/Observation", "Observation", "o-p2-1"),
        (
            USER,
            "/Patient/p2/*?_type=Observation,Condition&_count=1000",
            "Condition Observation",
            "o-p2-1",
        ),
        (
            USER,
            "/Practitioner/practitioner-1/*?_count=1000",
            "Observation",
            "",
        ),
        (
            USER,
            "/_history?_count=1000",
            "Condition Observation Patient",
            "p2",
        ),
        (USER, "/_history?_type=Patient", "Patient", "p2"),
        (PATIENT, "/Patient/p1/Observation", "Observation", "o-p1-1"),
        (
            PATIENT,
            "/Patient/p1/*?_count=1000",
            "Condition Observation Patient",
            "p1",
        ),
        (
            PATIENT,
            "?_type=Observation,Condition&patient=p1&_count=1000",
            "Condition Observation",
            "o-p1-1",
        ),
        (
            "user/Observation.s user/Condition.s",
            "?_type=Observation,Condition&_count=1000",
            "Condition Observation",
            "o-p2-1",
        ),
        (
            "user/Observation.s?category=laboratory user/Condition.s",
            "?_type=Observation,Condition&patient=p1&_count=1000",
            "Condition Observation",
            "o-p1-1",
        ),
    ] {
        let name = format!("{scope} {path}");
        let answer = world
            .send(&client, ask(world, scope, "GET", &format!("/r4{path}")))
            .await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let held = held(&answer);
        for wanted in types.split(' ') {
            assert!(
                held.iter().any(|(of, _)| of == wanted),
                "{name} has no {wanted}: {held:?}"
            );
        }
        if path.contains("_type") {
            let other = held.iter().find(|(of, _)| !types.contains(of));
            assert_eq!(other, None, "{name}");
        }
        assert!(
            has.is_empty() || held.iter().any(|(_, id)| id == has),
            "{name}: {held:?}"
        );
        // The shipped redaction, in whichever Bundle a Patient is.
        assert!(!answer.text().contains("birthDate"), "{name}");
        if scope == PATIENT {
            assert!(!answer.text().contains("Patient/p2"), "{name}");
        }
        if scope.contains("category") {
            let vital = held.iter().find(|(_, id)| id == "o-p1-7");
            assert_eq!(vital, None, "{name}");
        }
    }
}

async fn refused(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let parameter = "request.not-supported.parameter";
    let lacking = |scope: &'static str| refusal(403, "forbidden", Some(scope));
    const ALL: &str = r#"Bearer realm="fhir", error="insufficient_scope", scope="user/*.s""#;
    const CONDITION: &str =
        r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Condition.s""#;
    for (scope, path, expected, rule) in [
        ("user/Observation.rs", "", lacking(ALL), "scope"),
        ("user/Observation.rs", "/_history", lacking(ALL), "scope"),
        (
            "user/Observation.rs",
            "/Patient/p1/*",
            lacking(ALL),
            "scope",
        ),
        (
            "user/Observation.rs",
            "?_type=Observation,Condition",
            lacking(CONDITION),
            "scope",
        ),
        (PATIENT, "", NOT_SUPPORTED, parameter),
        (
            PATIENT,
            "?_type=Observation,Patient",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            PATIENT,
            "?_type=Observation,Condition&patient=p2",
            ABSENT,
            "compartment",
        ),
        (PATIENT, "/Patient/p2/Observation", ABSENT, "compartment"),
        (PATIENT, "/Patient/p2/*", ABSENT, "compartment"),
        (PATIENT, "/Patient/p2000/*", ABSENT, "compartment"),
        (
            PATIENT,
            "/Patient/p1/Observation?performer=Patient/p2",
            ABSENT,
            "compartment",
        ),
        (
            PATIENT,
            "/_history",
            NOT_SUPPORTED,
            "request.not-supported.interaction",
        ),
        (
            PATIENT,
            "/Practitioner/practitioner-1/Observation",
            NOT_SUPPORTED,
            "request.not-supported.interaction",
        ),
        (
            USER,
            "/Patient/p1/Task",
            NOT_SUPPORTED,
            "request.not-supported.type",
        ),
        (
            USER,
            "?_type=Patient,Binary",
            NOT_SUPPORTED,
            "request.not-supported.type",
        ),
        (
            USER,
            "?_type=Patient,Observation&code=x",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            USER,
            "?_type=Patient&birthdate=1980",
            NOT_SUPPORTED,
            parameter,
        ),
        (USER, "?_type=Unknown", MALFORMED, "request.malformed.type"),
    ] {
        let name = format!("{scope} {path}");
        let request = ask(world, scope, "GET", &format!("/r4{path}"));
        table.refused(&name, &client, request, expected, rule).await;
    }
    let malformed = "request.malformed.query";
    for (path, form, expected, rule) in [
        ("Observation/_search", "patient=p2", ABSENT, "compartment"),
        (
            "Observation/_search?patient=p1",
            "subject=p2",
            ABSENT,
            "compartment",
        ),
        (
            "Observation/_search?patient=p1",
            "patient=p2",
            MALFORMED,
            "request.malformed.repeated-parameter",
        ),
        ("Device/_search", "status=active", NOT_SUPPORTED, parameter),
        (
            "Observation/_search",
            "patient=p1&_method=DELETE",
            MALFORMED,
            "request.malformed.method-override",
        ),
        (
            "Observation/_search?_method=GET",
            "patient=p1",
            MALFORMED,
            "request.malformed.method-override",
        ),
        (
            "Observation/_search",
            "patient=p1&code=%zz",
            MALFORMED,
            malformed,
        ),
        (
            "Observation/_search",
            "patient=p1&code=%2570",
            MALFORMED,
            malformed,
        ),
        (
            "Patient/p2/Observation/_search",
            "code=718-7",
            ABSENT,
            "compartment",
        ),
        ("_search", "_lastUpdated=ge2000", NOT_SUPPORTED, parameter),
    ] {
        let request = post(world, PATIENT, path, form);
        let name = format!("{path} {form}");
        table.refused(&name, &client, request, expected, rule).await;
    }
    for (content_type, form) in [
        (
            "application/x-www-form-urlencoded; charset=utf-16",
            "patient=p1",
        ),
        ("multipart/form-data; boundary=x", "--x--"),
        ("application/fhir+json", "{}"),
        ("text/plain", "patient=p1"),
    ] {
        let request =
            ask(world, PATIENT, "POST", "/r4/Observation/_search").body(content_type, form);
        table
            .refused(
                content_type,
                &client,
                request,
                MEDIA_TYPE,
                "request.media-type",
            )
            .await;
    }
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let request = ask(world, PATIENT, method, "/r4/Observation/_search?patient=p1");
        table
            .refused(method, &client, request, METHOD, "request.method")
            .await;
    }
    let empty = ask(world, PATIENT, "POST", "/r4/Observation/_search?patient=p1")
        .header("content-type", FORM);
    table
        .refused(
            "no form",
            &client,
            empty,
            MALFORMED,
            "request.malformed.body",
        )
        .await;
    let there = world
        .send(
            &client,
            ask(world, PATIENT, "GET", "/r4/Patient/p2/Observation"),
        )
        .await;
    let absent = world
        .send(
            &client,
            ask(world, PATIENT, "GET", "/r4/Patient/p2000/Observation"),
        )
        .await;
    assert_eq!(without_ids(&there), without_ids(&absent));
}
