//! A Bundle as a whole: one that is answered here, or is none, and the answer to one.

use super::answers::{JSON, response, said};
use super::*;

#[test]
fn a_bundle_of_which_nothing_is_permitted_is_answered_here() {
    let mut world = taking(|_| ());
    let entries = [
        get("Patient/p2"),
        json!({}),
        create(&observation("Patient/p2")),
    ];
    let (mut exchange, step) = post(&mut world, "patient/*.cruds", &bundle("batch", &entries));
    let Step::Reply(reply) = step else {
        panic!("{step:?}")
    };
    let outcome = |code: &str| {
        json!({"resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": code, "diagnostics": "request r-1"}]})
    };
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let expected = json!({"resourceType": "Bundle", "type": "batch-response", "entry": [
        {"response": {"status": "404", "outcome": outcome("not-found")}},
        {"response": {"status": "400", "outcome": outcome("invalid")}},
        {"response": {"status": "403", "outcome": outcome("forbidden")}},
    ]});
    assert_eq!((reply.status, body), (200, expected));
    let record = world.record(&mut exchange);
    assert_eq!(
        (&record["outcome"], &record["status"]),
        (&json!("refused"), &json!(200))
    );
    assert_eq!(
        record["entries"],
        json!([
            {"interaction": "read", "ref": "Patient/p2", "status": 404, "rule": "compartment"},
            {"status": 400, "rule": "request.malformed.bundle-entry: an entry has no request"},
            {"interaction": "create", "ref": "Observation", "status": 403,
                "rule": "compartment.body: it is not in the compartment of the own patient, and of no other"},
        ])
    );
    // What comes then is absorbed.
    assert_eq!(exchange.request_body(&world.guard, b"x", true), Step::Hold);
}

#[test]
fn a_bundle_is_taken_where_it_is_configured_and_whole() {
    let entry = [get("Patient/p1")];
    let refused = |world: &mut Deployment, text: &str| {
        let head = world.head(
            "patient/*.rs",
            "POST /r4",
            &[("content-type", "application/json")],
        );
        let mut exchange = Exchange::default();
        let mut step = world.ask(&mut exchange, head, text.is_empty());
        if step == Step::Wait {
            step = world.body(&mut exchange, text.as_bytes(), true);
        }
        assert!(matches!(step, Step::Reply(_)), "{text}: {step:?}");
        slug(&world.record(&mut exchange)["rule"]).to_owned()
    };
    let good = bundle("batch", &entry).to_string();
    assert_eq!(
        refused(&mut Deployment::new(), &good),
        "request.method",
        "unless configured"
    );
    let mut world = taking(|_| ());
    for (text, rule) in [
        (String::new(), "request.malformed.body"),
        ("{".to_owned(), "request.malformed.body"),
        (
            good.replacen("\"type\"", "\"type\":\"batch\",\"type\"", 1),
            "request.malformed.body",
        ),
        (format!("{good}{good}"), "request.malformed.body"),
        (
            bundle("collection", &entry).to_string(),
            "request.not-supported.bundle-type",
        ),
        (
            bundle("batch", &vec![get("Patient/p1"); 6]).to_string(),
            "request.malformed.bundle",
        ),
        (format!("{}{good}", " ".repeat(8192)), "request.too-large"),
    ] {
        assert_eq!(refused(&mut world, &text), rule, "{text:.60}");
    }
    // While it comes, only its size is looked at; it has no trailers.
    let head = world.head(
        "patient/*.rs",
        "POST /r4",
        &[("content-type", "application/json")],
    );
    let mut exchange = Exchange::default();
    assert_eq!(world.ask(&mut exchange, head, false), Step::Wait);
    assert_eq!(exchange.body_grows(&world.guard, 8192), Step::Wait);
    assert_eq!(world.body(&mut exchange, b"{\"reso", false), Step::Wait);
    assert!(matches!(exchange.request_trailers(), Step::Reply(_)));
    let head = world.head(
        "patient/*.rs",
        "POST /r4",
        &[("content-type", "application/json")],
    );
    let mut exchange = Exchange::default();
    assert_eq!(world.ask(&mut exchange, head, false), Step::Wait);
    assert!(matches!(
        exchange.body_grows(&world.guard, 8193),
        Step::Reply(_)
    ));
}

#[test]
fn a_status_for_the_whole_is_that_of_a_single_answer() {
    for (kind, status, expected) in [
        ("transaction", "400", 400),
        ("transaction", "409", 409),
        ("transaction", "412", 412),
        ("transaction", "500", 502),
        // What was written is written.
        ("transaction", "201", 200),
        ("transaction", "204", 200),
        ("batch", "404", 404),
        ("batch", "202", 200),
    ] {
        let mut world = taking(|_| ());
        let asked = bundle(kind, &[create(&observation("Patient/p1"))]);
        let (mut exchange, _) = post(&mut world, "patient/*.c", &asked);
        let answer = world.answer(&mut exchange, &[(":status", status), JSON], &[b"{}"], false);
        assert_eq!(answer.status(), expected, "{kind} {status}");
        assert!(answer.body.is_empty());
    }
    // Without a body, or with one that cannot be read.
    let xml = ("content-type", "application/fhir+xml");
    for (entry, expected) in [
        (create(&observation("Patient/p1")), 200),
        (get("Patient/p1"), 502),
    ] {
        for (head, pieces) in [(JSON, vec![]), (xml, vec![&b"<Bundle/>"[..]])] {
            let mut world = taking(|_| ());
            let asked = bundle("batch", std::slice::from_ref(&entry));
            let (mut exchange, _) = post(&mut world, "patient/*.cr", &asked);
            let answer = world.answer(&mut exchange, &[(":status", "200"), head], &pieces, false);
            assert_eq!(answer.status(), expected, "{entry} {head:?}");
            assert!(answer.body.is_empty());
        }
    }
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

/// Whom what leaves of each request is about stands in the events of that request, and of no other.
#[test]
fn the_events_of_a_bundle_name_whom_its_answers_are_about() {
    let of = |id: &str, patient: &str| with_id(observation(&format!("Patient/{patient}")), id);
    // The type stands before the entries.
    let found = |entries: &[Value]| {
        let entries = entries.iter().map(|own| json!({"resource": own}));
        let entries = json!(entries.collect::<Vec<_>>());
        format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":{entries}}}"#)
    };
    let asked = bundle(
        "batch",
        &[
            get("Observation?code=x"),
            get("Observation/o3"),
            get("Patient?name=x"),
            get("Observation?code=y"),
            get("Observation/o9"),
        ],
    );
    let searchsets = [
        found(&[of("o1", "p1"), of("o2", "p2"), of("o4", "p1")]),
        found(&[patient("p2", 0)]),
        found(&[]),
    ];
    let answer = response(
        "batch-response",
        &[
            said("200", json!("FOUND 0")),
            said("200", of("o3", "p3")),
            said("200", json!("FOUND 1")),
            said("200", json!("FOUND 2")),
            // It is another one, which nobody sees.
            said("200", of("o3", "p4")),
        ],
    );
    let answer = String::from_utf8(answer).expect("text");
    let with = |text: String, (place, own): (usize, &String)| {
        text.replace(&format!("\"FOUND {place}\""), own)
    };
    let answer = searchsets.iter().enumerate().fold(answer, with);
    let answer = answer.as_bytes();
    for (most, expected) in [
        (20, vec!["p1", "p2", "p3", "p2", "", ""]),
        (1, vec!["p1 and 1 more", " and 1 more", "p3", "p2", "", ""]),
        (0, vec!["", "", "", "", ""]),
    ] {
        let mut world = taking(|config| config["audit"]["patients"] = json!(most));
        let (mut exchange, _) = post(&mut world, "user/*.rs", &asked);
        let left = world.answer(
            &mut exchange,
            &[(":status", "200"), JSON],
            &[answer, b""],
            false,
        );
        assert_eq!(left.status(), 200);
        exchange.end();
        let whom = |event: String| {
            let event: Value = serde_json::from_str(&event).expect("JSON");
            let entities = event["entity"].as_array().expect("entities").iter();
            let mut named = entities.clone().filter(|own| own["role"]["code"] == "1");
            let patient = named
                .next()
                .and_then(|own| own["what"]["reference"].as_str());
            let patient = patient
                .and_then(|own| own.strip_prefix("Patient/"))
                .unwrap_or_default();
            let mut details = entities
                .filter_map(|own| own["detail"].as_array())
                .flatten();
            let more = details.find(|own| own["type"] == "patients_more");
            let more = more.and_then(|own| own["valueString"].as_str());
            more.map_or_else(
                || patient.to_owned(),
                |more| format!("{patient} and {more} more"),
            )
        };
        let told: Vec<String> = exchange.events(0, None).into_iter().map(whom).collect();
        assert_eq!(told, expected, "{most}");
    }
}
