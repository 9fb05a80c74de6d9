//! Guardrails, through whole exchanges.

use super::bundles::{get, post, taking};
use super::*;
use driver::pairs;

const OK: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

fn guarded(rules: Value) -> Deployment {
    taking(|config| {
        config["redaction"] = json!([]);
        config["egress"] = rules;
    })
}

fn observation(id: &str, text: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "subject": {"reference": format!("Patient/{id}")},
        "code": {"text": text}})
}

/// A searchset of so many entries.
fn found(count: usize, text: &str) -> Vec<u8> {
    let entries = (0..count).map(|at| json!({"resource": observation(&format!("o{at}"), text)}));
    let entries: Vec<Value> = entries.collect();
    let entries = json!(entries);
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":{entries}}}"#).into_bytes()
}

/// The path that a request of a practitioner goes on with.
fn forwarded(world: &mut Deployment, target: &str) -> (Exchange, String) {
    let claims = world
        .claims()
        .scope("user/*.rs")
        .fhir_user("Practitioner/7");
    let head = world.head_with(&world.token(&claims), target, &[]);
    let mut exchange = Exchange::default();
    let step = world.ask(&mut exchange, head, true);
    let Step::Forward(fields) = step else {
        panic!("{target}: {step:?}")
    };
    let path = fields.iter().find(|(name, _)| name == b":path");
    let path = path.map(|(_, path)| String::from_utf8_lossy(path).into_owned());
    (exchange, path.expect("a path"))
}

#[test]
fn pages_are_no_larger_than_what_may_leave() {
    let rules = json!([
        {"name": "page", "types": ["Observation", "Patient"], "records": 5, "over": "cut"},
        {"name": "conditions", "types": ["Condition"], "records": 3, "over": "refuse"},
        {"name": "never", "records": 1, "over": "cut", "when": "false"},
    ]);
    let mut world = guarded(rules);
    for (target, expected) in [
        ("/Observation?code=1", "/Observation?code=1&_count=5"),
        (
            "/Observation?code=1&_count=5",
            "/Observation?code=1&_count=5",
        ),
        (
            "/Observation?code=1&_count=4",
            "/Observation?code=1&_count=4",
        ),
        (
            "/Observation?code=1&_count=6",
            "/Observation?code=1&_count=5",
        ),
        (
            "/Observation?code=1&_count=6&_offset=7",
            "/Observation?code=1&_count=5&_offset=7",
        ),
        ("/Condition?_count=50", "/Condition?_count=3"),
        ("/Encounter?_count=50", "/Encounter?_count=50"),
        ("/Encounter", "/Encounter"),
        ("/Observation?_summary=count", "/Observation?_summary=count"),
        (
            "/Observation/o1/_history",
            "/Observation/o1/_history?_count=5",
        ),
        ("/Observation/o1", "/Observation/o1"),
    ] {
        let (_, path) = forwarded(&mut world, &format!("GET /r4{target}"));
        assert_eq!(path, format!("/base{expected}"), "{target}");
    }
}

#[test]
fn a_guardrail_asks_for_no_larger_pages_than_the_operator_allows() {
    for (most, target, expected) in [
        (30, "/Observation?code=1", "&_count=30"),
        (50, "/Observation?code=1", "&_count=50"),
        // A page of the server's own length is not made longer.
        (51, "/Observation?code=1", ""),
        (100_000, "/Observation?code=1", ""),
        (100_000, "/Observation?code=1&_count=80", "&_count=50"),
        (30, "/Observation?code=1&_count=80", "&_count=30"),
    ] {
        let mut world = taking(|config| {
            config["redaction"] = json!([]);
            config["fhir"]["search"] = json!({"max_count": 50});
            config["egress"] = json!([{"name": "page", "records": most, "over": "cut"}]);
        });
        let (_, path) = forwarded(&mut world, &format!("GET /r4{target}"));
        let expected = format!("/base/Observation?code=1{expected}");
        assert_eq!(path, expected, "{most} {target}");
    }
}

/// What comes of a search whose answer has so many entries of this text.
fn check(over: &str, method: &str, count: usize, text: &str) -> (u16, String, Value, End) {
    let mut world = guarded(json!([{"name": "page", "records": 2, "over": over}]));
    let (mut exchange, _) = forwarded(&mut world, &format!("{method} /r4/Observation?code=1"));
    let body = found(count, text);
    let pieces: Vec<&[u8]> = body.chunks(300).collect();
    let answer = world.answer(&mut exchange, &OK, &pieces, false);
    let record = world.record(&mut exchange);
    let text = String::from_utf8(answer.body.clone()).expect("text");
    let status = answer
        .head
        .as_ref()
        .map_or_else(|| answer.status(), |_| 200);
    (status, text, record, answer.end)
}

#[test]
fn too_much_is_refused_while_it_can_be_and_cut_after() {
    let padding = "x".repeat(600);
    for (name, over, count, text, status, outcome, rule, whole) in [
        (
            "as many",
            "refuse",
            2,
            "",
            200,
            "allowed",
            "scope:user/*.rs",
            true,
        ),
        (
            "one more",
            "refuse",
            3,
            "",
            403,
            "withheld",
            "egress.page",
            false,
        ),
        (
            "one more, cut",
            "cut",
            3,
            "",
            200,
            "cut",
            "egress.page",
            true,
        ),
        (
            "many more, cut",
            "cut",
            40,
            "",
            200,
            "cut",
            "egress.page",
            true,
        ),
        (
            "the head has left",
            "refuse",
            9,
            &*padding,
            200,
            "cut",
            "egress.page",
            false,
        ),
        (
            "the head has left, cut",
            "cut",
            9,
            &padding,
            200,
            "cut",
            "egress.page",
            true,
        ),
    ] {
        let (found, body, record, end) = check(over, "GET", count, text);
        assert_eq!(found, status, "{name}: {record}");
        assert_eq!(
            (&record["outcome"], &record["rule"]),
            (&json!(outcome), &json!(rule)),
            "{name}"
        );
        assert!(!body.contains("\"o2\""), "{name}: {body}");
        let parsed = serde_json::from_str::<Value>(&body);
        assert_eq!(parsed.is_ok(), whole, "{name}: {body}");
        assert_eq!(
            end == End::Reset,
            !whole && status == 200,
            "{name}: {end:?}"
        );
        if whole && outcome == "cut" {
            let parsed = parsed.expect("JSON");
            let last = &parsed["entry"][2];
            assert_eq!(last["search"]["mode"], "outcome", "{name}");
            assert_eq!(last["resource"]["issue"][0]["code"], "too-costly", "{name}");
            assert_eq!(parsed["entry"].as_array().map(Vec::len), Some(3), "{name}");
            assert_eq!(record["passed"], 2, "{name}");
            assert_eq!(record["removed"], count - 2, "{name}");
        }
    }
    // Of the head alone nothing leaves that could be too much, and it says what a `GET` would.
    for (over, count, status) in [("refuse", 2, 200), ("refuse", 3, 403), ("cut", 3, 200)] {
        let (found, body, record, _) = check(over, "HEAD", count, "");
        assert_eq!(found, status, "{over} {count}: {record}");
        assert_eq!(body, "", "{over} {count}");
    }
}

#[test]
fn all_entries_of_a_bundle_of_requests_are_one_answer() {
    let urls = ["Observation/o0", "Observation/o1", "Observation/o2"];
    let asked = json!({"resourceType": "Bundle", "type": "batch", "entry": urls.map(get)});
    let answers = ["o0", "o1", "o2"]
        .map(|id| json!({"resource": observation(id, ""), "response": {"status": "200"}}));
    let body = json!({"resourceType": "Bundle", "type": "batch-response", "entry": answers});
    let body = body.to_string();
    for (name, rule, status, statuses, outcome) in [
        (
            "as many",
            json!({"records": 3, "over": "refuse"}),
            200,
            json!(["200", "200", "200"]),
            "allowed",
        ),
        (
            "one more",
            json!({"records": 2, "over": "refuse"}),
            403,
            json!(null),
            "withheld",
        ),
        (
            "one more, cut",
            json!({"records": 2, "over": "cut"}),
            200,
            json!(["200", "200", "403"]),
            "cut",
        ),
        (
            "patients",
            json!({"patients": 3, "over": "refuse"}),
            200,
            json!(["200", "200", "200"]),
            "allowed",
        ),
        (
            "one patient",
            json!({"patients": 1, "over": "cut"}),
            200,
            json!(["200", "403", "403"]),
            "cut",
        ),
        (
            "two patients",
            json!({"patients": 2, "over": "refuse"}),
            403,
            json!(null),
            "withheld",
        ),
    ] {
        let mut rule = rule;
        rule["name"] = json!("page");
        let mut world = guarded(json!([rule]));
        let (mut exchange, step) = post(&mut world, "user/*.rs", &asked);
        assert!(matches!(step, Step::Rewrite { .. }), "{name}: {step:?}");
        let answer = world.answer(&mut exchange, &OK, &[body.as_bytes()], false);
        assert_eq!(answer.status(), status, "{name}: {answer:?}");
        let record = world.record(&mut exchange);
        assert_eq!(record["outcome"], outcome, "{name}: {record}");
        if outcome != "allowed" {
            assert_eq!(record["rule"], "egress.page", "{name}");
        }
        if status == 200 {
            let text: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let entries = text["entry"].as_array().expect("entries");
            let found: Vec<&Value> = entries
                .iter()
                .map(|entry| &entry["response"]["status"])
                .collect();
            assert_eq!(json!(found), statuses, "{name}");
        }
    }
}

#[test]
fn what_is_written_is_written_and_its_answer_is_not_told() {
    let mut world = guarded(json!([{"name": "page", "patients": 1, "over": "refuse"}]));
    let body = json!({"resourceType": "Observation", "code": {"text": "x"}, "status": "final",
        "subject": {"reference": "Patient/p1"}});
    let mut exchange = world.written(
        "system/*.cruds",
        "POST /r4/Observation",
        body.to_string().as_bytes(),
    );
    let mut stored = observation("p1", "CANARY");
    stored["performer"] = json!([{"reference": "Patient/p2"}]);
    let head = [
        (":status", "201"),
        ("content-type", "application/fhir+json"),
    ];
    let answer = world.answer(
        &mut exchange,
        &head,
        &[stored.to_string().as_bytes()],
        false,
    );
    assert_eq!(
        answer
            .head
            .map(|head| head.contains(&pairs([(":status", "201")].iter())[0])),
        Some(true)
    );
    assert_eq!(answer.body, b"");
    let record = world.record(&mut exchange);
    assert_eq!(
        (&record["status"], &record["rule"]),
        (&json!(201), &json!("egress.page"))
    );
}
