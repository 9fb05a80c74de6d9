//! Records on their way to a repository, on both workers.

mod flood;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fhir_guard_harness::authorization::{Answer, Asked, AuthorizationServer};
use fhir_guard_harness::client::{Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::keys::authorization_server;
use crate::world::{Setting, World};

const PATH: &str = "/audit";

/// What a repository has acknowledged.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<Asked>>>);

impl Taken {
    /// From now on it acknowledges.
    fn take_on(&self, server: &AuthorizationServer) {
        let taken = Arc::clone(&self.0);
        server.answer_with(PATH, move |asked| {
            taken.lock().expect("no handler panics").push(asked.clone());
            Answer::Status(200)
        });
    }

    fn batches(&self) -> Vec<Asked> {
        self.0.lock().expect("no handler panics").clone()
    }

    /// The lines of all batches.
    fn lines(&self) -> Vec<Value> {
        let batches = self.batches();
        let texts = batches
            .iter()
            .map(|asked| String::from_utf8_lossy(&asked.body).into_owned());
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .map(|line| serde_json::from_str(&line).expect("JSON"))
            .collect()
    }

    /// The entries of all transactions, once there are so many.
    async fn entries(&self, expected: usize) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let bundles = self.lines();
            let entries = bundles
                .iter()
                .filter_map(|bundle| bundle["entry"].as_array());
            let entries: Vec<Value> = entries.flatten().cloned().collect();
            if entries.len() >= expected {
                return entries;
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{} of {expected} came",
                entries.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until every one of these has come.
    async fn has(&self, expected: &[Value]) {
        let began = Instant::now();
        loop {
            let lines = self.lines();
            let missing: Vec<&Value> = expected.iter().filter(|one| !lines.contains(one)).collect();
            if missing.is_empty() {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{} of {} never came, the first of them {}",
                missing.len(),
                expected.len(),
                missing[0]
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn world(repository: Value) -> (World, AuthorizationServer) {
    let server = AuthorizationServer::start().await;
    let port = server.address().port();
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            policy["limits"] = json!([]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
            let mut own = json!({
                "cluster": "repository",
                "uri": format!("http://127.0.0.1:{port}{PATH}"),
                "timeout": "500ms",
            });
            let members = own.as_object_mut().expect("an object");
            members.extend(repository.as_object().expect("an object").clone());
            policy["audit"]["repository"] = own;
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "repository", port);
            answer_first(config);
        })),
        ..Setting::default()
    };
    (World::with(setting).await, server)
}

/// Another filter answers before ours where a request asks for it: ours sees no head of it.
fn answer_first(config: &mut Value) {
    let listeners = &mut config["static_resources"]["listeners"];
    for listener in listeners.as_array_mut().expect("listeners") {
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let filters = manager["http_filters"].as_array_mut().expect("filters");
        let fault = json!({
            "name": "fault",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                "headers": [{"name": "x-answer-first", "present_match": true}],
                "abort": {"http_status": 503, "percentage": {"numerator": 100}},
            },
        });
        filters.insert(0, fault);
    }
}

async fn read(world: &World) -> Response {
    let request = Request::get("/r4/Patient/p1").bearer(&world.token("patient/*.rs"));
    // A connection of its own: the kernel chooses the worker.
    world.send(&world.client(), request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_comes_to_the_repository_whatever_it_does_meanwhile() {
    let (world, server) = world(json!({"format": "records", "batch": 7})).await;
    let taken = Taken::default();
    taken.take_on(&server);
    for _ in 0..10 {
        assert_eq!(read(&world).await.status, 200);
    }
    taken.has(&world.records().await).await;
    // Refused, lost on the way, and answered too late: taken, and not heard to be.
    let late = Box::new(Answer::Status(200));
    for state in [
        Answer::Status(500),
        Answer::Close,
        Answer::After(Duration::from_secs(1), late),
    ] {
        server.answer(PATH, state);
        for _ in 0..10 {
            assert_eq!(read(&world).await.status, 200);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    // Killed, and started again.
    let port = server.address().port();
    drop(server);
    for _ in 0..10 {
        assert_eq!(read(&world).await.status, 200);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let server = AuthorizationServer::start_on(port).await;
    taken.take_on(&server);
    taken.has(&world.records().await).await;
    for asked in taken.batches() {
        let field = |name: &str| asked.headers.iter().find(|(found, _)| found == name);
        assert_eq!(asked.method, "POST");
        assert!(field("idempotency-key").is_some());
        assert_eq!(
            field("content-type").map(|(_, value)| value.as_str()),
            Some("application/x-ndjson")
        );
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_transactions_under_ids_of_their_own() {
    let (world, server) = world(json!({})).await;
    let taken = Taken::default();
    taken.take_on(&server);
    for _ in 0..10 {
        assert_eq!(read(&world).await.status, 200);
    }
    let refused = world.get("patient/Observation.rs", "/r4/Patient/p1").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let records = world.records().await;
    let events = taken.entries(records.len()).await;
    assert_eq!(events.len(), records.len(), "one event for each exchange");
    for record in &records {
        let of = |entry: &&Value| {
            let entities = entry["resource"]["entity"].as_array();
            let mut entities = entities.into_iter().flatten();
            entities.any(|entity| entity["what"]["identifier"]["value"] == record["request_id"])
        };
        let entry = events.iter().find(of).expect("the event of a record");
        let event = &entry["resource"];
        let id = event["id"].as_str().expect("an id");
        assert_eq!(
            entry["request"],
            json!({"method": "PUT", "url": format!("AuditEvent/{id}")})
        );
        let allowed = record["outcome"] == "allowed";
        assert_eq!(event["outcome"], if allowed { "0" } else { "8" });
        let profile = event["meta"]["profile"][0].as_str().unwrap_or_default();
        assert_eq!(
            profile.ends_with("IHE.BasicAudit.PatientRead"),
            allowed,
            "{event}"
        );
        assert_eq!(event["agent"][0]["network"]["address"], "127.0.0.1");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_filter_answers_leaves_events_of_their_own() {
    let (world, server) = world(json!({})).await;
    let taken = Taken::default();
    taken.take_on(&server);
    for _ in 0..4 {
        let request = Request::get("/r4/Patient/p1").header("x-answer-first", "1");
        assert_eq!(world.send(&world.client(), request).await.status, 503);
    }
    let events = taken.entries(4).await;
    let ids: BTreeSet<&str> = events
        .iter()
        .filter_map(|entry| entry["resource"]["id"].as_str())
        .collect();
    assert_eq!(
        (ids.len(), events.len()),
        (4, 4),
        "none takes another's place"
    );
    for entry in &events {
        let event = &entry["resource"];
        assert_eq!(event["outcome"], "12", "{event}");
        let observer = &event["source"]["observer"]["identifier"]["value"];
        assert_eq!(observer, "fhir.example.org", "{event}");
        assert!(
            !event.to_string().contains(":\"\""),
            "an empty text: {event}"
        );
    }
    for record in world.records().await {
        assert_eq!(record["outcome"], "undecided", "{record}");
        assert_eq!(record.get("method"), None, "no head came: {record}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_leaves_the_events_of_its_requests() {
    let (world, server) = world(json!({})).await;
    let taken = Taken::default();
    taken.take_on(&server);
    let asked = [
        "Patient?_count=10",
        "Observation/o-p2-1",
        "Patient?_count=2",
        "Observation/none",
    ];
    let request = |url: &&str| json!({"request": {"method": "GET", "url": url}});
    let bundle = json!({
        "resourceType": "Bundle", "type": "batch",
        "entry": asked.iter().map(request).collect::<Vec<_>>(),
    });
    let claims = world
        .claims()
        .scope("user/*.rs")
        .fhir_user("Practitioner/practitioner-1");
    let post = Request::new("POST", "/r4").bearer(&world.issuer.token(&claims));
    let post = post.body("application/fhir+json", bundle.to_string());
    let answer = world.send(&world.client(), post).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // Whom the answer to each is about.
    let about = |resource: &Value| match resource["resourceType"].as_str() {
        Some("Patient") => format!("Patient/{}", resource["id"].as_str().expect("an id")),
        _ => resource["subject"]["reference"]
            .as_str()
            .expect("a subject")
            .to_owned(),
    };
    let answers = answer.json().expect("JSON");
    let mut expected: Vec<(String, Option<String>)> = Vec::new();
    for (url, answer) in asked
        .iter()
        .zip(answers["entry"].as_array().expect("answers"))
    {
        let resource = &answer["resource"];
        let found: BTreeSet<String> = match resource["entry"].as_array() {
            Some(entries) => entries
                .iter()
                .map(|entry| about(&entry["resource"]))
                .collect(),
            None if resource.is_null() => BTreeSet::new(),
            None => BTreeSet::from([about(resource)]),
        };
        assert!(
            !url.contains('?') || found.len() > 1,
            "several are found by {url}: {found:?}"
        );
        let code = match url.contains('?') {
            true => "search-type",
            false => "read",
        };
        let told = |patient: Option<&String>| (code.to_owned(), patient.cloned());
        expected.extend(found.iter().map(|own| told(Some(own))));
        expected.extend(found.is_empty().then(|| told(None)));
    }
    let events = taken.entries(expected.len()).await;
    let told = |entry: &Value| {
        let event = &entry["resource"];
        let entities = event["entity"].as_array().expect("entities");
        let mut named = entities
            .iter()
            .filter(|entity| entity["role"]["code"] == "1");
        let patient = named
            .next()
            .and_then(|entity| entity["what"]["reference"].as_str());
        let code = event["subtype"][0]["code"]
            .as_str()
            .expect("a code")
            .to_owned();
        (code, patient.map(str::to_owned))
    };
    let mut told: Vec<(String, Option<String>)> = events.iter().map(told).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_until_the_repository_is_back() {
    let (world, server) = world(json!({"format": "records", "queue": "64KiB"})).await;
    server.answer(PATH, Answer::Close);
    let mut refused = 0;
    // A record has more than 500 bytes: two workers have room for fewer than this.
    for _ in 0..400 {
        let answer = read(&world).await;
        match answer.status {
            200 => {}
            503 => refused += 1,
            status => panic!("{status}: {}", answer.text()),
        }
        if refused > 10 {
            break;
        }
    }
    assert!(refused > 10, "a queue of 64 KiB is never full");
    let taken = Taken::default();
    taken.take_on(&server);
    let began = Instant::now();
    loop {
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(read(&world).await.status);
        }
        if statuses.iter().all(|status| *status == 200) {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it refuses for ever"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let records = world.records().await;
    let (without, with): (Vec<Value>, Vec<Value>) = records
        .into_iter()
        .partition(|record| record["rule"] == "unavailable.audit");
    assert!(without.len() > 10);
    assert!(without.iter().all(|record| record["status"] == 503));
    taken.has(&with).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_can_leave_it_to_the_access_log() {
    let repository = json!({"format": "records", "queue": "64KiB", "full": "access-log"});
    let (world, server) = world(repository).await;
    server.answer(PATH, Answer::Status(500));
    for _ in 0..400 {
        assert_eq!(read(&world).await.status, 200);
    }
    let records = world.records().await;
    assert_eq!(records.len(), 400, "the access log has them all");
    let taken = Taken::default();
    taken.take_on(&server);
    let began = Instant::now();
    let mut before = 0;
    // Until no more come: after the longest pause that there can have been.
    while began.elapsed() < Duration::from_secs(40) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = taken.lines().len();
        if now > 0 && now == before && began.elapsed() > Duration::from_secs(12) {
            break;
        }
        before = now;
    }
    let lines = taken.lines();
    assert!(!lines.is_empty() && lines.len() < 400, "{}", lines.len());
    assert!(lines.iter().all(|line| records.contains(line)));
    world.close().await;
}
