//! Batch and transaction: entries that are decided on one by one, and go on written anew.

use fhir_guard_harness::client::{Request, Response, Version};
use serde_json::{Value, json};

use crate::table::{ABSENT, MALFORMED, NOT_SUPPORTED, THROTTLED, TOO_LARGE, Table, refusal};
use crate::world::{BASE, Setting, World};

const FHIR: &str = "application/fhir+json";

/// A world that takes both, up to ten entries.
async fn taking(edit: impl Fn(&mut Value) + 'static) -> World {
    World::shared(Setting {
        policy: Some(Box::new(move |policy| {
            policy["fhir"]["bundles"] = json!({"types": ["batch", "transaction"], "entries": 10});
            policy["fhir"]["conditional"] = json!(["create"]);
            edit(policy);
        })),
        ..Setting::default()
    })
    .await
}

/// A POST to the base by a practitioner, or with `patient/` scopes by patient p1.
fn post(world: &World, scope: &str, bundle: &Value) -> Request {
    let claims = world.claims().scope(scope);
    let token = claims.fhir_user("Practitioner/practitioner-1");
    let request = Request::new("POST", "/r4").bearer(&world.issuer.token(&token));
    request.body(FHIR, bundle.to_string())
}

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn get(url: &str) -> Value {
    json!({"request": {"method": "GET", "url": url}})
}

fn create(resource: &Value) -> Value {
    let url = &resource["resourceType"];
    json!({"request": {"method": "POST", "url": url}, "resource": resource})
}

fn observation(subject: &str) -> Value {
    json!({
        "resourceType": "Observation", "status": "final", "code": {"text": "pulse"},
        "subject": {"reference": subject},
    })
}

/// What the server got: the one Bundle, which says how long it is.
fn sent(world: &World) -> Value {
    let requests = world.fhir.requests();
    world.fhir.forget_requests();
    assert_eq!(requests.len(), 1, "one request upstream");
    let request = &requests[0];
    assert_eq!(
        (request.method.as_str(), request.path_and_query.as_str()),
        ("POST", "/fhir")
    );
    let length = request.header("content-length").expect("a length");
    assert_eq!(length, request.body.len().to_string());
    assert_eq!(request.header("authorization"), None);
    serde_json::from_slice(&request.body).expect("JSON")
}

/// The entries of an answer.
fn answered(answer: &Response, kind: &str) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut body = answer.json().expect("JSON");
    assert_eq!(
        (&body["resourceType"], &body["type"]),
        (&json!("Bundle"), &json!(kind))
    );
    assert_eq!(
        body.as_object().map(serde_json::Map::len),
        Some(3),
        "{body}"
    );
    for canary in ["127.0.0.1", "p2", "Cinder", "1950-05-05"] {
        assert!(
            !answer.text().contains(canary),
            "{canary} in {}",
            answer.text()
        );
    }
    match body["entry"].take() {
        Value::Array(entries) => entries,
        other => panic!("{other}"),
    }
}

fn statuses(entries: &[Value]) -> Vec<&str> {
    let status = |entry: &'_ Value| entry["response"]["status"].as_str().map(str::len);
    assert!(
        entries.iter().all(|entry| status(entry) == Some(3)),
        "{entries:?}"
    );
    entries
        .iter()
        .filter_map(|entry| entry["response"]["status"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_on_without_what_is_refused() {
    let world = taking(|_| ()).await;
    for (version, padding) in [
        (Version::Http1, 0),
        (Version::Http2, 0),
        // Larger than a frame, and than what comes at once.
        (Version::Http1, 300_000),
        (Version::Http2, 300_000),
    ] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let mut own = observation("Patient/p1");
        own["note"] = json!([{"text": "n".repeat(padding + 1)}]);
        let entries = [
            get("Patient/p2"),
            get("Patient/p1"),
            create(&own),
            create(&observation("Patient/p2")),
            get("Observation?patient=Patient/p1&_count=5"),
            json!({"request": {"method": "DELETE", "url": "Observation/o-p1-1"}}),
        ];
        let asked = bundle("batch", &entries);
        let answer = world
            .send(&client, post(&world, "patient/*.crs", &asked))
            .await;
        let answers = answered(&answer, "batch-response");
        assert_eq!(
            statuses(&answers),
            ["404", "200", "201", "403", "200", "403"]
        );
        let going = [entries[1].clone(), entries[2].clone(), entries[4].clone()];
        assert_eq!(sent(&world), bundle("batch", &going));
        assert_eq!(answers[1]["resource"]["id"], "p1");
        assert_eq!(answers[1]["resource"].get("birthDate"), None, "redacted");
        let id = answers[2]["resource"]["id"].as_str().expect("an id");
        let location = format!("{BASE}/Observation/{id}/_history/1");
        assert_eq!(answers[2]["response"]["location"], json!(location));
        let found = &answers[4]["resource"];
        assert_eq!(
            (&found["type"], found.get("total")),
            (&json!("searchset"), None)
        );
        let own = format!("{BASE}/Observation?patient=Patient/p1&_count=5");
        assert_eq!(found["link"][0]["url"], json!(own));
        for refused in [0, 3, 5] {
            let outcome = &answers[refused]["response"]["outcome"];
            assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
            assert_eq!(answers[refused].get("resource"), None);
        }
    }
    for record in world.records().await {
        assert_eq!(record["interaction"], "batch");
        let entries = record["entries"].as_array().expect("entries");
        let statuses: Vec<&Value> = entries.iter().map(|entry| &entry["status"]).collect();
        assert_eq!(statuses, [404, 200, 201, 403, 200, 403], "{record}");
        assert_eq!(entries[0]["rule"], "compartment");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_taken_whole_or_not_at_all_bypass_50() {
    let world = taking(|_| ()).await;
    let client = world.client();
    let uuid = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520";
    let mut patient = create(&json!({"resourceType": "Patient", "active": true}));
    patient["fullUrl"] = json!(uuid);
    patient["request"]["ifNoneExist"] = json!("identifier=http://a.example|new");
    let all = "user/*.cruds";
    let asked = bundle(
        "transaction",
        &[patient, create(&observation(uuid)), get("Patient/p1")],
    );
    let answer = world.send(&client, post(&world, all, &asked)).await;
    let answers = answered(&answer, "transaction-response");
    assert_eq!(statuses(&answers), ["201", "201", "200"]);
    let made = sent(&world);
    let search = json!("identifier=http://a.example%7Cnew");
    assert_eq!(made["entry"][0]["request"]["ifNoneExist"], search);
    assert_eq!(made["entry"][0]["fullUrl"], json!(uuid));
    assert_eq!(answers[1]["resource"]["resourceType"], "Observation");

    let mut table = Table::new(&world);
    let refused = refusal(403, "forbidden", None);
    let own = || create(&observation("Patient/p1"));
    let of = |entries: &[Value]| bundle("transaction", entries);
    let method = |method: &str, url: &str| json!({"request": {"method": method, "url": url}});
    let cru = "patient/*.cruds";
    let update = json!({"request": {"method": "PUT", "url": "Observation/o-p1-1"},
        "resource": {"resourceType": "Observation", "id": "o-p1-1"}});
    let nested = create(&json!({"resourceType": "Bundle", "type": "batch"}));
    for (name, scope, asked, expected, rule) in [
        (
            "another's",
            cru,
            of(&[own(), create(&observation("Patient/p2"))]),
            refused,
            "compartment.body",
        ),
        (
            "read of another",
            cru,
            of(&[own(), get("Patient/p2")]),
            ABSENT,
            "compartment",
        ),
        (
            "a patient's update",
            cru,
            of(&[own(), update]),
            NOT_SUPPORTED,
            "request.not-supported.patient-write",
        ),
        (
            "a bundle in it",
            all,
            of(&[own(), nested]),
            NOT_SUPPORTED,
            "request.not-supported.type",
        ),
        (
            "another host",
            all,
            of(&[own(), get("https://elsewhere.example/Patient/p1")]),
            MALFORMED,
            "request.malformed.path",
        ),
        (
            "dots",
            all,
            of(&[own(), get("../stats")]),
            MALFORMED,
            "request.malformed.path",
        ),
        (
            "lower case",
            all,
            of(&[own(), method("delete", "Patient/p1")]),
            refusal(405, "not-supported", None),
            "request.method",
        ),
        (
            "a patch",
            all,
            of(&[own(), method("PATCH", "Patient/p1")]),
            refusal(415, "not-supported", None),
            "request.media-type",
        ),
        (
            "a lost reference",
            all,
            of(&[create(&observation(uuid))]),
            MALFORMED,
            "request.malformed.bundle-entry",
        ),
        (
            "without a request",
            all,
            of(&[own(), json!({})]),
            MALFORMED,
            "request.malformed.bundle-entry",
        ),
        (
            "nothing",
            all,
            of(&[]),
            MALFORMED,
            "request.malformed.bundle",
        ),
        (
            "too many",
            all,
            of(&vec![own(); 11]),
            MALFORMED,
            "request.malformed.bundle",
        ),
        (
            "row 51: a document",
            all,
            bundle("document", &[own()]),
            NOT_SUPPORTED,
            "request.not-supported.bundle-type",
        ),
        (
            "too large",
            all,
            of(&[create(
                &json!({"resourceType": "Observation", "x": "x".repeat(512 * 1024)}),
            )]),
            TOO_LARGE,
            "request.too-large",
        ),
    ] {
        let request = post(&world, scope, &asked);
        table.refused(name, &client, request, expected, rule).await;
    }
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_on_of_a_batch_that_is_refused_or_costs_too_much() {
    let world = taking(|policy| {
        policy["limits"] = json!([{"name": "few", "key": ["client"], "rate": "1/h", "burst": 4}]);
    })
    .await;
    let client = world.client();
    let asked = bundle("batch", &[get("Patient/p2"), get("Patient/p12")]);
    let answer = world
        .send(&client, post(&world, "patient/*.rs", &asked))
        .await;
    let answers = answered(&answer, "batch-response");
    assert_eq!(statuses(&answers), ["404", "404"]);
    assert_eq!(answer.header("content-type").as_deref(), Some(FHIR));
    assert_eq!(world.fhir.requests().len(), 0);

    let three = bundle("batch", &vec![get("Patient/p1"); 3]);
    let answer = world
        .send(&client, post(&world, "patient/*.rs", &three))
        .await;
    assert_eq!(answered(&answer, "batch-response").len(), 3);
    assert_eq!(
        answer.header("ratelimit").as_deref(),
        Some("\"few\";r=1;t=10800")
    );
    world.fhir.forget_requests();
    let mut table = Table::new(&world);
    let again = post(&world, "patient/*.rs", &three);
    table
        .refused("again", &client, again, THROTTLED, "limit.few")
        .await;
    let five = post(
        &world,
        "patient/*.rs",
        &bundle("batch", &vec![get("Patient/p1"); 5]),
    );
    let costly = refusal(400, "too-costly", None);
    table
        .refused("never", &client, five, costly, "request.too-costly.few")
        .await;
    table.finish().await;
    let one = bundle("batch", &[get("Patient/p1")]);
    let answer = world
        .send(&client, post(&world, "patient/*.rs", &one))
        .await;
    assert_eq!(
        answered(&answer, "batch-response").len(),
        1,
        "it was not charged"
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hostile_server_answers_does_not_leave() {
    let world = taking(|_| ()).await;
    let certificate = world.pki.client("clinic-a");
    for misbehaviour in [
        "not-json",
        "truncated-json",
        "html-200",
        "gzip-unasked",
        "two-roots",
        "trailing-garbage",
        "duplicate-keys",
        "parameters",
        "nested-bundle",
        "deep",
        "big-20mb",
    ] {
        for version in [Version::Http1, Version::Http2] {
            let client = world.client_of(Some(&certificate), version, "secure");
            world.fhir.misbehave(Some(misbehaviour));
            let reads = bundle("batch", &[get("Patient/p1")]);
            let answer = world
                .send(&client, post(&world, "patient/*.rs", &reads))
                .await;
            let name = format!("{misbehaviour} {version:?}: {}", answer.text());
            assert!(!answer.text().contains("p2"), "{name}");
            if answer.status == 200 {
                // Cut, or an entry that is refused in its place.
                assert!(!answer.text().contains("Patient"), "{name}");
            } else {
                assert_eq!(answer.status, 502, "{name}");
            }
            let writes = bundle("transaction", &[create(&observation("Patient/p1"))]);
            let answer = world
                .send(&client, post(&world, "patient/*.crs", &writes))
                .await;
            let name = format!("{misbehaviour} {version:?}: {}", answer.text());
            assert_eq!(answer.status, 200, "{name}: it was done");
            assert!(!answer.text().contains("resource\""), "{name}");
        }
    }
    world.fhir.misbehave(None);
    let reads = bundle("batch", &[get("Patient/p1")]);
    let answer = world
        .send(&world.client(), post(&world, "patient/*.rs", &reads))
        .await;
    assert_eq!(
        statuses(&answered(&answer, "batch-response")),
        ["200"],
        "well again"
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_whole() {
    let world = taking(|_| ()).await;
    let certificate = world.pki.client("clinic-a");
    for (number, size) in [100_000, 300_000, 600_000, 2_000_000]
        .into_iter()
        .enumerate()
    {
        let id = format!("large-{number}");
        let mut large = observation("Patient/p1");
        large["id"] = json!(id);
        large["note"] = json!([{"text": "n".repeat(size)}]);
        world.put(&large).await;
        for version in [Version::Http1, Version::Http2] {
            let client = world.client_of(Some(&certificate), version, "secure");
            let url = format!("Observation?patient=Patient/p1&_id={id}");
            let search = get(&url);
            let write = create(&observation("Patient/p1"));
            for (kind, entries) in [
                ("batch", vec![search.clone()]),
                ("transaction", vec![search.clone(), write]),
            ] {
                let asked = post(&world, "patient/*.crs", &bundle(kind, &entries));
                let answer = world.send(&client, asked).await;
                let answers = answered(&answer, &format!("{kind}-response"));
                let found = &answers[0]["resource"]["entry"][0]["resource"];
                assert_eq!(
                    found["note"], large["note"],
                    "{kind} of {size}, {version:?}"
                );
            }
        }
    }
    world.close().await;
}
