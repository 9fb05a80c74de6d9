//! Conditional create, update, patch and delete: writes of what a search finds.

use fhir_guard_harness::client::Request;
use serde_json::{Value, json};

use crate::table::{ABSENT, METHOD, NOT_SUPPORTED, Table, refusal};
use crate::world::{BASE, Setting, World};

const FHIR: &str = "application/fhir+json";
const PATCH: &str = "application/json-patch+json";

/// A world whose operator takes all of them.
async fn taking() -> World {
    World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["conditional"] = json!(["create", "update", "patch", "delete-single"]);
        })),
        ..Setting::default()
    })
    .await
}

/// A request of a practitioner, or with `patient/` scopes of patient p1.
fn ask(world: &World, scope: &str, method: &str, path: &str) -> Request {
    let claims = world.claims().scope(scope);
    let token = claims.fhir_user("Practitioner/practitioner-1");
    Request::new(method, path).bearer(&world.issuer.token(&token))
}

fn observation(code: &str, subject: &str) -> Value {
    json!({
        "resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": "http://a.example", "code": code}]},
        "subject": {"reference": format!("Patient/{subject}")},
    })
}

/// What the server got last: method, path with query, `If-None-Exist`.
fn sent(world: &World) -> (String, String, Option<String>) {
    let requests = world.fhir.requests();
    let last = requests.last().expect("a request");
    world.fhir.forget_requests();
    let path = last.path_and_query.clone();
    (last.method.clone(), path, last.header("if-none-exist"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_of_what_its_search_finds() {
    let world = taking().await;
    let client = world.client();
    let all = "user/*.cruds";
    let search = "code=http://a.example%7Cpulse";
    let create = |search: &str| {
        let request = ask(&world, all, "POST", "/r4/Observation");
        request
            .header("if-none-exist", search)
            .body(FHIR, observation("pulse", "p1").to_string())
    };
    let answer = world
        .send(&client, create("code=http://a.example|pulse"))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let created = answer.json().expect("what was created");
    let id = created["id"].as_str().expect("an id").to_owned();
    let location = format!("{BASE}/Observation/{id}/_history/1");
    assert_eq!(answer.header("location"), Some(location));
    let path = "/fhir/Observation".to_owned();
    assert_eq!(
        sent(&world),
        ("POST".to_owned(), path, Some(search.to_owned()))
    );

    let answer = world.send(&client, create(search)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.json().expect("what is there")["id"], json!(id));

    let path = format!("/r4/Observation?{search}");
    let update = ask(&world, all, "PUT", &path);
    let update = update.body(FHIR, observation("pulse", "p2").to_string());
    let answer = world.send(&client, update).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("etag").as_deref(), Some("W/\"2\""));
    world.fhir.forget_requests();

    let operations = json!([{"op": "replace", "path": "/status", "value": "amended"}]);
    let patch = ask(&world, "user/*.us", "PATCH", &path).body(PATCH, operations.to_string());
    let answer = world.send(&client, patch).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, ""),
        "may not read"
    );
    let upstream = format!("/fhir/Observation?{search}");
    assert_eq!(sent(&world), ("PATCH".to_owned(), upstream.clone(), None));

    world.put(&observation_of("twin", "pulse")).await;
    let answer = world.send(&client, ask(&world, all, "DELETE", &path)).await;
    assert_eq!(answer.status, 412, "two of them: {}", answer.text());
    assert!(!answer.text().contains("twin"), "{}", answer.text());
    let one = "/r4/Observation?_id=twin";
    let answer = world.send(&client, ask(&world, all, "DELETE", one)).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let one = (
        "DELETE".to_owned(),
        "/fhir/Observation?_id=twin".to_owned(),
        None,
    );
    assert_eq!(sent(&world), one);
    world.close().await;
}

fn observation_of(id: &str, code: &str) -> Value {
    let mut observation = observation(code, "p1");
    observation["id"] = json!(id);
    observation
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_in_a_write_opens_nothing_bypass_46() {
    let world = taking().await;
    let client = world.client();
    let mut table = Table::new(&world);
    let body = observation("pulse", "p1").to_string();
    let create = |scope: &str, search: &str| {
        let request = ask(&world, scope, "POST", "/r4/Observation");
        request
            .header("if-none-exist", search)
            .body(FHIR, body.clone())
    };
    let scope = |needed: &'static str| refusal(403, "forbidden", Some(needed));
    let cs =
        scope(r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Observation.cs""#);
    let ds =
        scope(r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Observation.ds""#);
    let all = "user/*.cruds";
    let by_code = "/r4/Observation?code=x";
    let parameter = "request.not-supported.parameter";
    let condition = "request.not-supported.condition";
    for (name, request, expected, rule) in [
        (
            "without the right to search",
            create("user/*.cr", "code=x"),
            cs,
            "scope",
        ),
        (
            "nor of deleting",
            ask(&world, "user/*.d", "DELETE", by_code),
            ds,
            "scope",
        ),
        (
            "with it for some",
            create("user/Observation.c user/Observation.s?category=a", "code=x"),
            NOT_SUPPORTED,
            "request.not-supported.granular-write",
        ),
        (
            "by what is not known",
            create(all, "unknown=x"),
            NOT_SUPPORTED,
            parameter,
        ),
        (
            "by nothing",
            create(all, "_count=1"),
            NOT_SUPPORTED,
            parameter,
        ),
        (
            "by what is hidden",
            ask(
                &world,
                "user/Patient.ds",
                "DELETE",
                "/r4/Patient?birthdate=1950-05-05",
            ),
            NOT_SUPPORTED,
            parameter,
        ),
        (
            "of a version",
            ask(&world, all, "DELETE", by_code).header("if-match", "W/\"1\""),
            NOT_SUPPORTED,
            condition,
        ),
        (
            "or only what is new",
            create(all, "code=x").header("if-none-match", "*"),
            NOT_SUPPORTED,
            condition,
        ),
        (
            "everything",
            ask(&world, all, "DELETE", "/r4/Observation"),
            METHOD,
            "request.method",
        ),
        (
            "of another patient",
            create("patient/*.cs", "patient=p2"),
            ABSENT,
            "compartment",
        ),
        (
            "of anybody",
            create("patient/*.cs", "code=x"),
            NOT_SUPPORTED,
            parameter,
        ),
        (
            "a patient's delete",
            ask(
                &world,
                "patient/*.ds",
                "DELETE",
                "/r4/Observation?patient=p1",
            ),
            NOT_SUPPORTED,
            "request.not-supported.patient-conditional",
        ),
    ] {
        table.refused(name, &client, request, expected, rule).await;
    }
    table.finish().await;
    let answer = world
        .send(&client, create("patient/*.crs", "patient=p1&code=never"))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let search = Some("patient=Patient/p1&code=never".to_owned());
    assert_eq!(sent(&world).2, search);
    world.close().await;
}
