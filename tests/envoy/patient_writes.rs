//! Writes of patients, and with granular scopes: what is there is read first, and the write is pinned to it.

mod granular;

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use crate::table::{ABSENT, NOT_SUPPORTED, Table, refusal};
use crate::wire::without_ids;
use crate::world::{Setting, World};

const FHIR: &str = "application/fhir+json";
const PATCH: &str = "application/json-patch+json";
const FORBIDDEN: crate::table::Refusal = refusal(403, "forbidden", None);
const INVALID: crate::table::Refusal = refusal(400, "invalid", None);
const CONFLICT: crate::table::Refusal = refusal(412, "conflict", None);

/// A world whose server is trusted to honour `If-Match`, as the test server does.
async fn trusting() -> World {
    World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["upstream"]["trust"] = json!(["if_match"]);
        })),
        ..Setting::default()
    })
    .await
}

fn ask(world: &World, method: &str, path: &str) -> Request {
    Request::new(method, path).bearer(&world.token("patient/*.cruds"))
}

fn observation(id: Option<&str>, subject: &str) -> Value {
    let mut observation = json!({
        "resourceType": "Observation", "status": "final", "code": {"text": "pulse"},
        "subject": {"reference": format!("Patient/{subject}")},
    });
    if let Some(id) = id {
        observation["id"] = json!(id);
    }
    observation
}

/// What the server got: method, and `If-Match`.
fn sent(world: &World) -> Vec<(String, Option<String>)> {
    let requests = world.fhir.requests().into_iter();
    let sent = requests.map(|request| (request.method.clone(), request.header("if-match")));
    let sent = sent.collect();
    world.fhir.forget_requests();
    sent
}

fn read() -> (String, Option<String>) {
    ("GET".to_owned(), None)
}

fn pinned(method: &str, version: u32) -> (String, Option<String>) {
    (method.to_owned(), Some(format!("W/\"{version}\"")))
}

/// What the server has now.
async fn stored(world: &World, id: &str) -> Value {
    let body = world.direct(&format!("/Observation/{id}")).await;
    world.fhir.forget_requests();
    serde_json::from_slice(&body).expect("a resource")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_changes_what_is_his_own() {
    let world = trusting().await;
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let create =
            ask(&world, "POST", "/r4/Observation").body(FHIR, observation(None, "p1").to_string());
        let answer = world.send(&client, create).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let created = answer.json().expect("what was created");
        let id = created["id"].as_str().expect("an id").to_owned();
        assert_eq!(sent(&world), [("POST".to_owned(), None)]);
        let path = format!("/r4/Observation/{id}");

        // Larger than a frame, and than what comes at once.
        let mut changed = observation(Some(&id), "p1");
        changed["note"] = json!([{"text": "n".repeat(200_000)}]);
        let update = ask(&world, "PUT", &path).body(FHIR, changed.to_string());
        let answer = world.send(&client, update).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("etag").as_deref(), Some("W/\"2\""));
        assert_eq!(sent(&world), [read(), pinned("PUT", 1)]);
        assert_eq!(stored(&world, &id).await["note"], changed["note"]);

        let operations = json!([
            {"op": "replace", "path": "/status", "value": "amended"},
            {"op": "remove", "path": "/note"},
        ]);
        let patch = ask(&world, "PATCH", &path).body(PATCH, operations.to_string());
        let answer = world.send(&client, patch).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(sent(&world), [read(), pinned("PATCH", 2)]);
        assert_eq!(stored(&world, &id).await["status"], "amended");

        let delete = ask(&world, "DELETE", &path).header("if-match", "W/\"3\"");
        let answer = world.send(&client, delete).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert_eq!(sent(&world), [read(), pinned("DELETE", 3)]);
    }
    let records = world.records().await;
    let tags: Vec<&Value> = records.iter().map(|record| &record["current"]).collect();
    let one = [
        &Value::Null,
        &json!("W/\"1\""),
        &json!("W/\"2\""),
        &json!("W/\"3\""),
    ];
    assert_eq!(tags, [one, one].concat());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_changes_nothing_of_others_bypass_41_to_49() {
    let world = trusting().await;
    let client = world.client();
    let mut table = Table::new(&world);
    let mut both = observation(None, "p1");
    both["performer"] = json!([{"reference": "Patient/p2"}]);
    for (name, body) in [
        ("row 41: with another", both),
        ("another's", observation(None, "p2")),
    ] {
        let request = ask(&world, "POST", "/r4/Observation").body(FHIR, body.to_string());
        table
            .refused(name, &client, request, FORBIDDEN, "compartment.body")
            .await;
    }
    for (name, kind) in [
        ("row 42: Patient", "Patient"),
        ("row 42: Group", "Group"),
        ("row 42: Consent", "Consent"),
    ] {
        let body = json!({"resourceType": kind, "patient": {"reference": "Patient/p1"}});
        let request = ask(&world, "POST", &format!("/r4/{kind}")).body(FHIR, body.to_string());
        let rule = "request.not-supported.patient-write-type";
        table
            .refused(name, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
    let own = |id: &str| observation(Some(id), "p1").to_string();
    let moved = ask(&world, "PUT", "/r4/Observation/o-p1-1")
        .body(FHIR, observation(Some("o-p1-1"), "p2").to_string());
    table
        .refused(
            "row 43: out of the compartment",
            &client,
            moved,
            FORBIDDEN,
            "compartment.body",
        )
        .await;
    let parameters = "request.not-supported.parameter";
    for flag in ["_cascade=delete", "_expunge=true"] {
        let request = ask(&world, "DELETE", &format!("/r4/Observation/o-p1-1?{flag}"));
        table
            .refused(
                &format!("row 45: {flag}"),
                &client,
                request,
                NOT_SUPPORTED,
                parameters,
            )
            .await;
    }
    let labelled = json!([{"op": "add", "path": "/meta/security", "value": [{"code": "N"}]}]);
    let request = ask(&world, "PATCH", "/r4/Observation/o-p1-1").body(PATCH, labelled.to_string());
    table
        .refused(
            "row 52: a label",
            &client,
            request,
            NOT_SUPPORTED,
            "request.not-supported.label",
        )
        .await;
    table.finish().await;

    // What is read first, and then refused: absent, another's, and of two patients look alike.
    let subject = json!([{"op": "replace", "path": "/subject/reference", "value": "Patient/p2"}]);
    let harmless = json!([{"op": "replace", "path": "/status", "value": "amended"}]).to_string();
    let mut refused = Vec::new();
    for id in ["o-p2-1", "o-mixed", "never-there"] {
        let path = format!("/r4/Observation/{id}");
        for request in [
            ask(&world, "PUT", &path).body(FHIR, own(id)),
            ask(&world, "PATCH", &path).body(PATCH, harmless.clone()),
            ask(&world, "DELETE", &path),
        ] {
            let answer = world.send(&client, request).await;
            assert!(
                crate::table::faults(&answer, ABSENT, true).is_empty(),
                "{answer:?}"
            );
            assert_eq!(sent(&world), [read()], "{id}");
            refused.push(without_ids(&answer));
        }
    }
    assert!(
        refused.windows(2).all(|two| two[0] == two[1]),
        "{refused:?}"
    );
    let patch = ask(&world, "PATCH", "/r4/Observation/o-p1-1").body(PATCH, subject.to_string());
    let answer = world.send(&client, patch).await;
    assert!(
        crate::table::faults(&answer, FORBIDDEN, true).is_empty(),
        "row 44: {answer:?}"
    );
    assert_eq!(sent(&world), [read()], "row 44");
    for operation in [
        json!({"op": "add", "path": "/birthDate", "value": "2000-01-01"}),
        json!({"op": "add", "path": "/note", "value": {"text": "x"}}),
        json!({"op": "remove", "path": "/code"}),
    ] {
        let patch = json!([operation]).to_string();
        let patch = ask(&world, "PATCH", "/r4/Observation/o-p1-1").body(PATCH, patch);
        let answer = world.send(&client, patch).await;
        assert!(
            crate::table::faults(&answer, INVALID, true).is_empty(),
            "{operation}: {answer:?}"
        );
        assert_eq!(sent(&world), [read()], "{operation}");
    }
    let stale = ask(&world, "PUT", "/r4/Observation/o-p1-1")
        .body(FHIR, own("o-p1-1"))
        .header("if-match", "W/\"99\"");
    let answer = world.send(&client, stale).await;
    assert!(
        crate::table::faults(&answer, CONFLICT, true).is_empty(),
        "{answer:?}"
    );
    assert_eq!(sent(&world), [read()], "a version that is gone");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_write_at_once_nobody_overwrites_the_other() {
    let world = trusting().await;
    world.put(&observation(Some("raced"), "p1")).await;
    let send = |number: usize| {
        let mut body = observation(Some("raced"), "p1");
        body["note"] = json!([{"text": number.to_string()}]);
        let request = ask(&world, "PUT", "/r4/Observation/raced").body(FHIR, body.to_string());
        let (world, client) = (&world, world.client());
        async move { world.send(&client, request).await.status }
    };
    let mut written = 0;
    for round in 0..5 {
        let four = tokio::join!(
            send(round * 4),
            send(round * 4 + 1),
            send(round * 4 + 2),
            send(round * 4 + 3),
        );
        let statuses = [four.0, four.1, four.2, four.3];
        assert!(
            statuses.iter().all(|status| matches!(status, 200 | 412)),
            "{statuses:?}"
        );
        written += statuses.iter().filter(|status| **status == 200).count();
    }
    assert!(written >= 5, "in each round somebody is first");
    let now = stored(&world, "raced").await;
    assert_eq!(
        now["meta"]["versionId"],
        json!((written + 1).to_string()),
        "one version for each"
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_instead_of_a_version_refuses() {
    let world = trusting().await;
    let client = world.client();
    let put = || {
        let body = observation(Some("o-p1-1"), "p1").to_string();
        ask(&world, "PUT", "/r4/Observation/o-p1-1").body(FHIR, body)
    };
    for (misbehaviour, status) in [
        ("not-json", 404),
        ("truncated-json", 404),
        ("wrong-id", 404),
        ("foreign-contained", 404),
        ("duplicate-keys", 404),
        ("gzip-unasked", 404),
        ("xml", 404),
    ] {
        world.fhir.misbehave(Some(misbehaviour));
        world.fhir.forget_requests();
        let answer = world.send(&client, put()).await;
        assert_eq!(answer.status, status, "{misbehaviour}: {}", answer.text());
        assert_eq!(sent(&world), [read()], "{misbehaviour}");
    }
    world.fhir.misbehave(None);
    let answer = world.send(&client, put()).await;
    assert_eq!(answer.status, 200, "well again: {}", answer.text());
    let records = world.records().await;
    let unknown = |record: &&Value| {
        let rule = record["rule"].as_str().unwrap_or_default();
        rule.starts_with("answer.current-version: ") || rule == "compartment"
    };
    assert_eq!(records.iter().filter(unknown).count(), 7, "{records:?}");
    world.close().await;
}
