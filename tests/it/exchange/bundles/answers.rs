//! What comes back of a Bundle, entry by entry.

use super::*;

/// The server's answer to one entry.
fn said(status: &str, resource: Value) -> Value {
    let mut entry = json!({"response": {"status": status}});
    if !resource.is_null() {
        entry["resource"] = resource;
    }
    entry
}

fn response(kind: &str, entries: &[Value]) -> Vec<u8> {
    let text = json!({
        "resourceType": "Bundle", "type": kind, "id": "secret", "total": 9,
        "link": [{"relation": "self", "url": "http://10.0.0.1/base"}],
        "entry": entries,
    });
    text.to_string().into_bytes()
}

/// What the client sees of a Bundle, where the server answers it so, at every cut and without.
fn seen(scope: &str, asked: &Value, answer: &[u8]) -> (Value, Value) {
    let mut last = None;
    let cuts = (0..answer.len().min(400)).step_by(7).chain([answer.len()]);
    for cut in cuts {
        let mut world = taking(|config| config["response"]["hold_limit"] = json!("1KiB"));
        let (mut exchange, step) = post(&mut world, scope, asked);
        assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
        let (one, two) = answer.split_at(cut);
        let head = [
            (":status", "200"),
            JSON,
            ("x-secret", "s"),
            ("location", "http://fhir/base/Patient/p2"),
        ];
        let found = world.answer(&mut exchange, &head, &[one, two, b""], false);
        let body = match &found.end {
            End::Complete if found.body.is_empty() => Value::Null,
            End::Complete => serde_json::from_slice(&found.body).expect("JSON"),
            End::Reply(reply) => json!(reply.status),
            End::Reset => panic!("cut"),
        };
        let fields = format!("{:?}", found.head);
        assert!(
            !fields.contains("secret") && !fields.contains("location"),
            "{fields}"
        );
        let mut record = world.record(&mut exchange);
        record["certificate"].take();
        let now = Some((body, record));
        assert!(
            last.is_none() || last == now,
            "cut at {cut}: {now:?}, {last:?}"
        );
        last = now;
    }
    last.expect("an answer")
}

fn outcome(status: u16, code: &str) -> Value {
    let outcome = json!({"resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": "request r-1"}]});
    json!({"response": {"status": status.to_string(), "outcome": outcome}})
}

fn plain(status: &str, resource: Value) -> Value {
    let mut entry = json!({"response": {"status": status}});
    if !resource.is_null() {
        entry["resource"] = resource;
    }
    entry
}

#[test]
fn answers_stand_in_the_place_of_their_requests() {
    let asked = bundle(
        "batch",
        &[
            get("Patient/p2"),
            get("Patient/p1"),
            create(&observation("Patient/p1")),
            get("Observation?patient=Patient/p1"),
            delete("Observation/o1"),
        ],
    );
    let own = || with_id(observation("Patient/p1"), "o1");
    let foreign = with_id(observation("Patient/p2"), "o2");
    let entries = json!([
        {"resource": own(), "search": {"mode": "match"}},
        {"resource": foreign, "search": {"mode": "match"}},
        {"resource": {"resourceType": "OperationOutcome", "id": "x"}, "search": {"mode": "outcome"}},
    ]);
    // In the order in which servers write it: what it is stands before its entries.
    let searchset = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":2,"link":[{{"relation":"next","url":"http://10.0.0.1/base?ct=1"}}],"entry":{entries}}}"#
    );
    let mut created = said("201 Created", own());
    created["fullUrl"] = json!("http://10.0.0.1/base/Observation/o1");
    created["response"]["location"] = json!("Observation/o1/_history/1");
    created["response"]["etag"] = json!("W/\"1\"");
    created["response"]["lastModified"] = json!("2026-11-22T10:00:00Z");
    created["response"]["outcome"] = json!({"resourceType": "OperationOutcome", "text": "secret"});
    let answer = response(
        "batch-response",
        &[
            said("200 OK", patient("p1", 0)),
            created,
            said("200", json!("SEARCHSET")),
        ],
    );
    let answer = String::from_utf8(answer).expect("text");
    let answer = answer.replace("\"SEARCHSET\"", &searchset);
    let answer = answer.as_bytes();
    let (body, record) = seen("patient/*.crs", &asked, answer);
    let redacted: Value = serde_json::from_slice(&redacted("p1", 0)).expect("JSON");
    let next = "https://fhir.example.org/r4/Observation?_page=unavailable";
    let expected = json!({"resourceType": "Bundle", "type": "batch-response", "entry": [
        outcome(404, "not-found"),
        plain("200", redacted),
        {"resource": own(), "response": {
            "status": "201",
            "location": "https://fhir.example.org/r4/Observation/o1/_history/1",
            "etag": "W/\"1\"",
            "lastModified": "2026-11-22T10:00:00Z",
        }},
        plain("200", json!({"resourceType": "Bundle", "type": "searchset",
            "link": [
                {"relation": "self", "url": "https://fhir.example.org/r4/Observation?patient=Patient/p1"},
                {"relation": "next", "url": next},
            ],
            "entry": [{"fullUrl": "https://fhir.example.org/r4/Observation/o1",
                "resource": own(), "search": {"mode": "match"}}],
        })),
        outcome(403, "forbidden"),
    ]});
    assert_eq!(body, expected);
    assert_eq!(record["outcome"], "allowed");
    assert_eq!(
        (&record["passed"], &record["removed"], &record["redacted"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let statuses = record["entries"].as_array().expect("entries").iter();
    let statuses: Vec<&Value> = statuses.map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, [404, 200, 201, 200, 403]);
}

#[test]
fn a_withheld_entry_is_like_an_absent_one() {
    let one = |url: &str| bundle("batch", &[get(url)]);
    let wide = one("Observation/o1");
    let own = one("Patient/p1");
    let lab = "user/Observation.rs?category=lab";
    let other = with_id(observation("Patient/p2"), "o1");
    let of = |entry: Value| response("batch-response", &[entry]);
    let absent = json!({"resourceType": "Bundle", "type": "batch-response", "entry": [outcome(404, "not-found")]});
    let mut told = said("404", json!({"resourceType": "OperationOutcome"}));
    told["response"]["etag"] = json!("W/\"7\"");
    told["response"]["location"] = json!("Observation/o1/_history/7");
    let mut kept = said("200", other.clone());
    kept["response"] =
        json!({"status": "200", "etag": "W/\"7\"", "lastModified": "2026-11-22T10:00:00Z"});
    for (name, scope, asked, entry) in [
        ("absent", lab, &wide, said("404", Value::Null)),
        ("gone", lab, &wide, said("410 Gone", Value::Null)),
        ("of a kind not granted", lab, &wide, kept),
        ("absent, with words", lab, &wide, told),
        (
            "absent for a patient",
            "patient/*.rs",
            &own,
            said("404", Value::Null),
        ),
    ] {
        assert_eq!(seen(scope, asked, &of(entry)).0, absent, "{name}");
    }
    // Of an instance that may be another patient's, nothing tells that it is there.
    let hidden =
        json!({"resourceType": "Observation", "id": "o1", "x": {"resourceType": "Patient"}});
    for (name, entry) in [
        ("absent", said("404", Value::Null)),
        ("gone", said("410", Value::Null)),
        ("another's", said("200", other.clone())),
        (
            "nobody's",
            said("200", json!({"resourceType": "Observation", "id": "o1"})),
        ),
        (
            "another instance",
            said("200", with_id(observation("Patient/p1"), "o2")),
        ),
        ("what cannot be read", said("200", hidden)),
    ] {
        let body = seen("patient/*.rs", &wide, &of(entry)).0;
        assert_eq!(body, absent, "{name}");
    }
    let mine = with_id(observation("Patient/p1"), "o1");
    let body = seen("patient/*.rs", &wide, &of(said("200", mine.clone()))).0;
    assert_eq!(body["entry"], json!([plain("200", mine)]));
    for (name, entry, expected) in [
        (
            "refused",
            said("403", Value::Null),
            outcome(502, "exception"),
        ),
        (
            "asked badly",
            said("400", other.clone()),
            outcome(400, "invalid"),
        ),
        (
            "in conflict",
            said("412", other.clone()),
            outcome(412, "conflict"),
        ),
        ("gone", said("410", Value::Null), outcome(410, "deleted")),
        (
            "created by reading",
            said("201", other.clone()),
            outcome(502, "exception"),
        ),
        (
            "nothing",
            said("200", Value::Null),
            outcome(502, "exception"),
        ),
        (
            "no status",
            json!({"resource": other}),
            outcome(502, "exception"),
        ),
        (
            "no status of three digits",
            said("OK", other.clone()),
            outcome(502, "exception"),
        ),
        ("no answer", json!("200"), outcome(502, "exception")),
        (
            "another's id",
            said("200", with_id(other.clone(), "o2")),
            outcome(502, "exception"),
        ),
        (
            "another type",
            said("200", patient("o1", 0)),
            outcome(502, "exception"),
        ),
        (
            "a bundle",
            said(
                "200",
                json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": other.clone()}]}),
            ),
            outcome(502, "exception"),
        ),
        (
            "hidden in it",
            said(
                "200",
                json!({"resourceType": "Observation", "id": "o1", "x": {"resourceType": "Patient"}}),
            ),
            outcome(502, "exception"),
        ),
        (
            "no resource",
            said("200", json!(["x"])),
            outcome(502, "exception"),
        ),
    ] {
        let body = seen("user/*.rs", &wide, &of(entry)).0;
        assert_eq!(body["entry"], json!([expected]), "{name}");
    }
}

#[test]
fn what_was_written_is_told_as_far_as_its_writer_may_read() {
    let own = || with_id(observation("Patient/p1"), "o1");
    let asked = bundle(
        "transaction",
        &[
            create(&observation("Patient/p1")),
            put("Observation/o1", &own()),
            delete("Observation/o2"),
        ],
    );
    let mut created = said("201", own());
    created["response"]["location"] = json!("http://fhir/base/Observation/o1/_history/1");
    let location = "https://fhir.example.org/r4/Observation/o1/_history/1";
    let answers = [created, said("200", own()), said("204", Value::Null)];
    let answer = response("transaction-response", &answers);
    let done = |first: Value, second: Value| {
        let mut entries = [
            plain("201", first),
            plain("200", second),
            plain("204", Value::Null),
        ];
        entries[0]["response"]["location"] = json!(location);
        json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})
    };
    let blind = seen("user/*.cud", &asked, &answer).0;
    assert_eq!(blind, done(Value::Null, Value::Null), "may not read");
    assert_eq!(seen("user/*.crud", &asked, &answer).0, done(own(), own()));
    // What is not what was written does not leave; that it was written does.
    let mut elsewhere = said("201", patient("p1", 0));
    elsewhere["response"]["location"] = json!("http://fhir/base/Patient/p1/_history/1");
    let wrong = [
        elsewhere,
        said("200", with_id(own(), "o7")),
        said("204", own()),
    ];
    let body = seen(
        "user/*.crud",
        &asked,
        &response("transaction-response", &wrong),
    )
    .0;
    let kept = [
        plain("201", Value::Null),
        plain("200", Value::Null),
        plain("204", Value::Null),
    ];
    assert_eq!(body["entry"], json!(kept));
}

#[test]
fn an_answer_that_is_not_that_of_the_bundle_does_not_leave_bypass_50() {
    let own = || said("200", patient("p1", 0));
    let reads = bundle("batch", &[get("Patient/p1"), get("Patient/p1")]);
    let written = || said("201", with_id(observation("Patient/p1"), "o1"));
    let writes = bundle(
        "transaction",
        &[
            create(&observation("Patient/p1")),
            create(&observation("Patient/p1")),
        ],
    );
    for (name, kind, first, entries) in [
        ("one entry less", "", 1, 1),
        ("one more", "", 3, 3),
        ("none", "", 0, 0),
        ("of the other type", "other", 2, 2),
        ("a searchset", "searchset", 2, 2),
        ("cut short", "cut", 2, 2),
        ("no json", "no json", 2, 2),
    ] {
        let text = |own: &str, other: &str, entry: Value| {
            let entries = vec![entry; entries];
            let kind = match kind {
                "" | "cut" | "no json" => own,
                "other" => other,
                kind => kind,
            };
            response(kind, &entries)
        };
        let broken = |text: Vec<u8>| match kind {
            "cut" => text[..text.len() - 1].to_vec(),
            "no json" => b"<Bundle/>".to_vec(),
            _ => text,
        };
        assert_eq!(first, entries);
        let answer = broken(text("batch-response", "transaction-response", own()));
        let (body, record) = seen("patient/*.rs", &reads, &answer);
        assert_eq!(body, json!(502), "{name}: {record}");
        assert_eq!(record["outcome"], "withheld", "{name}");
        let answer = broken(text("transaction-response", "batch-response", written()));
        let (body, record) = seen("patient/*.crs", &writes, &answer);
        assert_eq!(body, Value::Null, "{name}: it was done: {record}");
        assert_eq!(
            (&record["outcome"], &record["status"]),
            (&json!("allowed"), &json!(200))
        );
    }
    // In another order, each is held to its own request.
    let two = bundle(
        "batch",
        &[get("Patient/p1"), get("Observation?patient=Patient/p1")],
    );
    let searchset = json!({"resourceType": "Bundle", "type": "searchset"});
    let swapped = response("batch-response", &[said("200", searchset), own()]);
    let (body, _) = seen("patient/*.rs", &two, &swapped);
    assert_eq!(
        body["entry"],
        json!([outcome(502, "exception"), outcome(502, "exception")])
    );
}

#[test]
fn an_answer_is_held_whole_up_to_its_bound() {
    let reads = bundle("batch", &[get("Patient/p1")]);
    let writes = bundle("transaction", &[create(&observation("Patient/p1"))]);
    let own = |padding: usize| response("batch-response", &[said("200", patient("p1", padding))]);
    let mut written = with_id(observation("Patient/p1"), "o1");
    let mut made = |padding: usize| {
        written["note"] = json!([{"text": "n".repeat(padding)}]);
        response("transaction-response", &[said("201", written.clone())])
    };
    let bound = 64 << 10;
    let fitting = |empty: usize| bound - empty;
    let (read, write) = (own(0).len(), made(0).len());
    for over in [0, 1] {
        for (scope, asked, text) in [
            ("patient/*.rs", &reads, own(fitting(read) + over)),
            ("patient/*.crs", &writes, made(fitting(write) + over)),
        ] {
            assert_eq!(text.len(), bound + over);
            let mut world = taking(|_| ());
            let (mut exchange, _) = post(&mut world, scope, asked);
            let mut pieces: Vec<&[u8]> = text.chunks(1000).collect();
            pieces.push(b"");
            let answer = world.answer(&mut exchange, &[(":status", "200"), JSON], &pieces, false);
            let record = world.record(&mut exchange);
            match (over, scope) {
                (0, _) => assert!(answer.body.len() > bound / 2, "{scope}: {record}"),
                // The head has left: nothing of the body does.
                (_, "patient/*.rs") => assert_eq!((answer.end, answer.body.len()), (End::Reset, 0)),
                _ => assert_eq!((answer.end, answer.body.len()), (End::Complete, 0)),
            }
        }
    }
}
