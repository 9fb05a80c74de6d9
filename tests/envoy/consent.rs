//! Requests that a patient must have consented to: the Consents are read from the server, by both workers.

mod bundles;

use fhir_guard_harness::client::{Client, Request, Response, Version};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::table::{Refusal, faults, refusal};
use crate::world::{Setting, World};

const FHIR: &str = "application/fhir+json";
const FORM: &str = "application/x-www-form-urlencoded";
const DENIED: (Refusal, &str) = (refusal(403, "forbidden", None), "consent.c");
const AWAY: (Refusal, &str) = (refusal(503, "transient", None), "unavailable.consent");
const ABSENT: (Refusal, &str) = (refusal(404, "not-found", None), "compartment");

/// A world in which everything but a patient's own access takes consent.
async fn world(consent: Value) -> World {
    World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["rules"] = json!([{
                "name": "c", "effect": "require", "require": {"consent": true},
                "when": "!(has(principal.user) && principal.user.startsWith('Patient/'))",
            }]);
            policy["consent"] = consent.clone();
            policy["fhir"]["upstream"]["trust"] = json!(["if_match"]);
            policy["fhir"]["bundles"] = json!({"types": ["batch", "transaction"]});
            policy["redaction"] = json!([]);
            policy["limits"] = json!([]);
        })),
        ..Setting::default()
    })
    .await
}

/// The Consent `c-PATIENT`, or one more, with this rule.
async fn put(world: &World, patient: &str, more: &str, status: &str, provision: Value) {
    let scope = "http://terminology.hl7.org/CodeSystem/consentscope";
    let consent = json!({
        "resourceType": "Consent", "id": format!("c-{patient}{more}"), "status": status,
        "scope": {"coding": [{"system": scope, "code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "patient": {"reference": format!("Patient/{patient}")},
        "policyRule": {"text": "here"}, "provision": provision,
    });
    world.put(&consent).await;
}

fn ask(world: &World, method: &str, path: &str) -> Request {
    let claims = world
        .claims()
        .scope("user/*.cruds")
        .fhir_user("Practitioner/7");
    Request::new(method, path).bearer(&world.issuer.token(&claims))
}

/// How many times the server was asked for Consents, and for anything else.
fn asked(world: &World) -> (usize, usize) {
    let requests = world.fhir.requests();
    let consents = requests.iter();
    let consents = consents.filter(|request| request.path_and_query.starts_with("/fhir/Consent?"));
    let consents = consents.count();
    (consents, requests.len() - consents)
}

async fn check_refused(
    world: &World,
    client: &Client,
    request: Request,
    expected: (Refusal, &str),
) {
    let name = request.path.clone();
    let answer = world.send(client, request).await;
    assert_eq!(
        faults(&answer, expected.0, true),
        Vec::<String>::new(),
        "{name}"
    );
    let records = world.records().await;
    let rule = records.last().and_then(|record| record["rule"].as_str());
    let rule = rule.unwrap_or_default().split(": ").next();
    assert_eq!(rule, Some(expected.1), "{name}");
}

fn ids(answer: &Response) -> Vec<String> {
    let bundle = answer.json().expect("a bundle");
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let id = |entry: &Value| entry["resource"]["id"].as_str().expect("an id").to_owned();
    entries.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn consents_decide_what_is_asked_and_what_leaves() {
    let world = world(json!({"cache": "0s"})).await;
    let acts = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let label = json!([{"system": acts, "code": "PSY"}]);
    let condition = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]);
    let all = || json!({"type": "permit"});
    let but = json!({"type": "permit", "provision": [
        {"type": "deny", "class": condition}, {"type": "deny", "securityLabel": label},
    ]});
    put(&world, "p1", "", "active", but).await;
    put(&world, "p2", "", "active", json!({"type": "deny"})).await;
    put(&world, "p4", "", "inactive", all()).await;
    put(&world, "p5", "-1", "active", all()).await;
    put(&world, "p5", "-2", "active", json!({"type": "deny"})).await;
    world.put(&observation("plain")).await;
    let mut labelled = observation("labelled");
    labelled["meta"] = json!({ "security": label });
    world.put(&labelled).await;
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let search = "/r4/Observation?patient=p1&_count=100";
        world.fhir.forget_requests();
        let answer = world.send(&client, ask(&world, "GET", search)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(asked(&world), (1, 1), "once for each request");
        let question = world.fhir.requests().remove(0);
        let path = "/fhir/Consent?patient=Patient/p1&status=active&_count=21";
        assert_eq!(question.path_and_query, path);
        assert_eq!(
            question.header("x-request-id"),
            answer.header("x-request-id")
        );
        assert_eq!(question.header("authorization"), None);
        let found = ids(&answer);
        assert!(found.contains(&"plain".to_owned()), "{found:?}");
        assert!(!found.contains(&"labelled".to_owned()), "{found:?}");

        let form = ask(&world, "POST", "/r4/Observation/_search");
        let answer = world
            .send(&client, form.body(FORM, "patient=p1&_count=100"))
            .await;
        assert_eq!(
            (answer.status, ids(&answer)),
            (200, found),
            "{}",
            answer.text()
        );

        let answer = world
            .send(&client, ask(&world, "GET", "/r4/Patient/p1"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // The body comes while the Consents are read.
        let mut patient = answer.json().expect("a patient");
        patient.as_object_mut().expect("an object").remove("meta");
        patient["name"] = json!([{"text": "n".repeat(200_000)}]);
        let update = ask(&world, "PUT", "/r4/Patient/p2").body(FHIR, patient.to_string());
        check_refused(&world, &client, update, DENIED).await;
        put(&world, "p1", "-2", "active", json!({"type": "deny"})).await;
        let update = ask(&world, "PUT", "/r4/Patient/p1").body(FHIR, patient.to_string());
        check_refused(&world, &client, update, DENIED).await;
        // Taken back, and given again: without memory it counts at once.
        put(
            &world,
            "p1",
            "-2",
            "entered-in-error",
            json!({"type": "deny"}),
        )
        .await;
        let answer = world
            .send(&client, ask(&world, "GET", "/r4/Patient/p1"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        for path in [
            "/r4/Condition?patient=p1",
            "/r4/Patient/p1/Condition",
            "/r4/Patient/p2",
            "/r4/Patient/p3",
            "/r4/Patient/p4",
            "/r4/Patient/p5",
            "/r4/Patient/nobody",
        ] {
            world.fhir.forget_requests();
            check_refused(&world, &client, ask(&world, "GET", path), DENIED).await;
            assert_eq!(asked(&world), (1, 0), "{path}");
        }
        for path in [
            "/r4/Observation/plain",
            "/r4/Observation?code=x",
            "/r4/Observation?patient=p1,p2",
        ] {
            world.fhir.forget_requests();
            check_refused(&world, &client, ask(&world, "GET", path), DENIED).await;
            assert_eq!(asked(&world), (0, 0), "{path}");
        }
    }
    // By a token for the patient the instance answers as if it were absent; the patient is not asked.
    let claims = world.claims().scope("patient/*.rs");
    let read = |user: &str| {
        let token = world.issuer.token(&claims.clone().fhir_user(user));
        Request::get("/r4/Observation/labelled").bearer(&token)
    };
    check_refused(&world, &world.client(), read("Practitioner/7"), ABSENT).await;
    let answer = world.send(&world.client(), read("Patient/p1")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.close().await;
}

fn observation(id: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_times_and_instances_decide_what_leaves() {
    let world = world(json!({"cache": "0s"})).await;
    let loinc = |code: &str| json!({"coding": [{"system": "http://loinc.org", "code": code}]});
    let made = |id: &str, code: &str, at: &str| {
        let mut made = observation(id);
        made["code"] = loinc(code);
        made["effectiveDateTime"] = json!(at);
        made
    };
    for resource in [
        made("d-hiv", "75622-1", "2025-03-01"),
        made("d-old", "718-7", "2019-12-31"),
        made("d-named", "718-7", "2025-03-01"),
        made("d-plain", "718-7", "2025-03-02"),
        observation("d-words"),
    ] {
        world.put(&resource).await;
    }
    let named = json!({"meaning": "instance", "reference": {"reference": "Observation/d-named"}});
    let with = |says: &str, element: &str, value: &Value| {
        let mut rule = json!({"type": says});
        rule[element] = value.clone();
        rule
    };
    let rules = [
        ("code", json!([loinc("75622-1")])),
        ("dataPeriod", json!({"end": "2020-12-31"})),
        ("data", json!([named])),
    ];
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let search = "/r4/Observation?patient=p1&_count=100&_elements=status";
        let own = async || {
            let answer = world.send(&client, ask(&world, "GET", search)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let mut found = ids(&answer);
            found.retain(|id| id.starts_with("d-"));
            found.sort();
            found
        };
        let denials: Vec<_> = rules
            .iter()
            .map(|(name, value)| with("deny", name, value))
            .collect();
        put(
            &world,
            "p1",
            "",
            "active",
            json!({"type": "permit", "provision": denials}),
        )
        .await;
        assert_eq!(own().await, ["d-plain"]);
        for ((name, value), expected) in rules.iter().zip(["d-hiv", "d-old", "d-named"]) {
            put(&world, "p1", "", "active", with("permit", name, value)).await;
            assert_eq!(own().await, [expected], "{name}");
        }
        put(
            &world,
            "p1",
            "",
            "active",
            with("deny", "code", &rules[0].1),
        )
        .await;
        // Of an Encounter nobody can tell a code.
        check_refused(
            &world,
            &client,
            ask(&world, "GET", "/r4/Encounter?patient=p1"),
            DENIED,
        )
        .await;
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_goes_on_when_the_consents_are_there() {
    let world = world(json!({"cache": "0s"})).await;
    put(&world, "p1", "", "active", json!({"type": "permit"})).await;
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let patient = json!({"resourceType": "Patient", "id": "p1", "active": true,
            "name": [{"text": "n".repeat(200_000)}]});
        let update = ask(&world, "PUT", "/r4/Patient/p1").body(FHIR, patient.to_string());
        let answer = world.send(&client, update).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let stored = world.direct("/Patient/p1").await;
        let stored: Value = serde_json::from_slice(&stored).expect("a resource");
        assert_eq!(stored["name"], patient["name"]);

        // A patient's write: the Consents are read, then the current version, then it goes on.
        world.put(&observation("own")).await;
        world.fhir.forget_requests();
        let mut changed = observation("own");
        changed["note"] = json!([{"text": "n".repeat(200_000)}]);
        let claims = world
            .claims()
            .scope("patient/*.cruds")
            .fhir_user("Practitioner/7");
        let update = Request::new("PUT", "/r4/Observation/own")
            .bearer(&world.issuer.token(&claims))
            .body(FHIR, changed.to_string());
        let answer = world.send(&client, update).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let requests = world.fhir.requests();
        let sent: Vec<_> = requests
            .iter()
            .map(|request| {
                let path = request.path_and_query.split('?').next().unwrap_or_default();
                (
                    request.method.as_str(),
                    path,
                    request.header("if-match").is_some(),
                )
            })
            .collect();
        let path = "/fhir/Observation/own";
        let expected = [
            ("GET", "/fhir/Consent", false),
            ("GET", path, false),
            ("PUT", path, true),
        ];
        assert_eq!(sent, expected);
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consents_that_cannot_be_read_refuse() {
    let world = world(json!({"cache": "0s"})).await;
    let client = world.client();
    for (number, (misbehaviour, expected)) in [
        ("status-500", AWAY),
        ("not-json", AWAY),
        ("html-200", AWAY),
        ("empty-200", AWAY),
        ("status-204", AWAY),
        ("redirect-302", AWAY),
        ("truncated-json", AWAY),
        ("bad-utf8", AWAY),
        ("two-roots", AWAY),
        ("gzip-unasked", AWAY),
        ("foreign-include", AWAY),
        ("nested-bundle", AWAY),
        ("many-small", DENIED),
        ("big-20mb", DENIED),
        ("parameters", AWAY),
        ("xml", AWAY),
        ("ndjson", AWAY),
        ("duplicate-keys", AWAY),
        ("cut", AWAY),
        ("ignore-filters", DENIED),
    ]
    .into_iter()
    .enumerate()
    {
        // A failure is remembered for a second: each has its own patient.
        let patient = format!("p{}", number + 6);
        for more in ["-1", "-2"] {
            put(&world, &patient, more, "active", json!({"type": "permit"})).await;
        }
        world.fhir.misbehave(Some(misbehaviour));
        let request = ask(&world, "GET", &format!("/r4/Patient/{patient}"));
        check_refused(&world, &client, request, expected).await;
        world.fhir.misbehave(None);
    }
    world.close().await;
    let world = crate::consent::world(json!({"count": 2})).await;
    let client = world.client();
    for more in ["-1", "-2", "-3", "-4"] {
        put(&world, "p1", more, "active", json!({"type": "permit"})).await;
    }
    for more in ["-1", "-2"] {
        put(&world, "p2", more, "active", json!({"type": "permit"})).await;
    }
    let answer = world
        .send(&client, ask(&world, "GET", "/r4/Patient/p2"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    check_refused(
        &world,
        &client,
        ask(&world, "GET", "/r4/Patient/p1"),
        DENIED,
    )
    .await;
    world.close().await;
    let world = crate::consent::world(json!({"cluster": "nowhere"})).await;
    let request = ask(&world, "GET", "/r4/Patient/p1");
    check_refused(&world, &world.client(), request, AWAY).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_ask_once_a_worker() {
    let world = world(json!({"cache": "1m"})).await;
    put(&world, "p1", "", "active", json!({"type": "permit"})).await;
    world.fhir.forget_requests();
    let mut all = JoinSet::new();
    for _ in 0..40 {
        let (client, request) = (world.client(), ask(&world, "GET", "/r4/Patient/p1"));
        all.spawn(async move { client.send(request).await.expect("an answer").status });
    }
    world.expect_records(40);
    let answers = all.join_all().await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    let (consents, others) = asked(&world);
    assert!((1..=2).contains(&consents), "{consents} questions");
    assert_eq!(others, 40);
    world.close().await;
}
