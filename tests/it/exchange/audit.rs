//! What records tell of an exchange, and where they go.

mod room;

use fhir_guard::audit::Rest;

use super::bundles::{bundle, get, post, taking};
use super::driver::NOW;
use super::*;

const OK: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

fn telling(audit: &Value, key: bool) -> Deployment {
    taking(|config| {
        let members = config["audit"].as_object_mut().expect("an object");
        members.extend(audit.as_object().expect("an object").clone());
        if key {
            config["secrets"] = json!({"audit_key": {"inline": "5a".repeat(32)}});
        }
        config["redaction"] = json!([]);
        config["issuers"][0]["claims"] = json!({"purpose": ["/purpose"], "roles": ["/roles"]});
    })
}

fn observation(id: usize, patient: usize) -> String {
    format!(
        r#"{{"resource":{{"resourceType":"Observation","id":"o{id}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/p{patient}"}}}}}}"#
    )
}

fn searchset(patients: &[usize]) -> String {
    let entries: Vec<String> = patients
        .iter()
        .enumerate()
        .map(|(id, patient)| observation(id, *patient))
        .collect();
    let entries = entries.join(",");
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]}}"#)
}

/// The record of what is answered so.
fn record(world: &mut Deployment, scope: &str, target: &str, body: &str) -> Value {
    let mut exchange = world.forwarded(scope, target);
    world.answer(&mut exchange, &OK, &[body.as_bytes(), b""], false);
    world.record(&mut exchange)
}

#[test]
fn records_tell_what_was_asked_as_the_operator_wants() {
    const SEARCH: &str = "GET /r4/Observation?patient=p1&code=canary";
    let found = searchset(&[1]);
    let hashed = json!({"references": "hashed", "address": "hashed"});
    let nothing = json!({"references": "none", "address": "none"});
    for (name, audit, key, refs, query, address) in [
        (
            "by default",
            json!({}),
            false,
            json!(["Patient/p1"]),
            "name",
            "192.0.2.1",
        ),
        (
            "with a key",
            json!({}),
            true,
            json!(["Patient/p1"]),
            "hash name",
            "192.0.2.1",
        ),
        ("hashed", hashed, true, Value::Null, "hash name", "#"),
        ("nothing", nothing, false, Value::Null, "name", ""),
        (
            "plain",
            json!({"query": "plain"}),
            false,
            json!(["Patient/p1"]),
            "name value",
            "192.0.2.1",
        ),
    ] {
        let mut world = telling(&audit, key);
        let record = record(&mut world, "system/*.rs", SEARCH, &found);
        let text = record.to_string();
        assert_eq!(
            text.contains("canary"),
            query.contains("value"),
            "{name}: {text}"
        );
        match &refs {
            Value::Null => {
                assert!(!text.contains("p1"), "{name}: {text}");
                let patient = record["patients"][0].as_str();
                assert_eq!(
                    patient.is_some_and(|own| own.starts_with("Patient#")),
                    key,
                    "{name}"
                );
            }
            refs => assert_eq!(&record["patients"], refs, "{name}"),
        }
        let members = record["query"][1].as_object().expect("a parameter");
        assert_eq!(members["name"], "code", "{name}");
        let members: Vec<&str> = members.keys().map(String::as_str).collect();
        assert_eq!(members.join(" "), query, "{name}");
        let own = record["address"].as_str().unwrap_or_default();
        assert!(
            own == address || (address == "#" && own.starts_with('#')),
            "{name}: {own}"
        );
        assert_eq!(record["route"], "/Observation", "{name}");
        assert_eq!(record["method"], "GET", "{name}");
        assert_eq!(record["jti"], Value::Null, "{name}");
        assert_eq!(record["jti_hash"].is_string(), key, "{name}");
    }
}

#[test]
fn records_name_the_patients_whom_the_answer_is_about() {
    let named = |patients: &[usize]| -> Value {
        let names = patients.iter().map(|patient| format!("Patient/p{patient}"));
        names.collect::<Vec<_>>().into()
    };
    for (name, most, scope, shown, expected, more) in [
        (
            "one",
            20,
            "system/*.rs",
            vec![1, 1],
            named(&[1]),
            Value::Null,
        ),
        (
            "several",
            20,
            "system/*.rs",
            vec![1, 2, 1, 3],
            named(&[1, 2, 3]),
            Value::Null,
        ),
        (
            "at the bound",
            2,
            "system/*.rs",
            vec![1, 2],
            named(&[1, 2]),
            Value::Null,
        ),
        (
            "beyond it",
            2,
            "system/*.rs",
            vec![1, 2, 3, 4, 3],
            named(&[1, 2]),
            json!(2),
        ),
        (
            "none wanted",
            0,
            "system/*.rs",
            vec![1, 2],
            Value::Null,
            Value::Null,
        ),
        (
            "nobody",
            20,
            "system/*.rs",
            vec![],
            Value::Null,
            Value::Null,
        ),
        (
            "a patient's own",
            20,
            "patient/*.rs",
            vec![1],
            named(&[1]),
            Value::Null,
        ),
    ] {
        let mut world = telling(&json!({"patients": most}), false);
        let found = searchset(&shown);
        let record = record(&mut world, scope, "GET /r4/Observation?code=x", &found);
        assert_eq!(record["patients"], expected, "{name}");
        assert_eq!(record["patients_more"], more, "{name}");
        assert!(record["bytes"].as_u64() > Some(0), "{name}");
    }
}

#[test]
fn records_tell_what_was_created_and_which_version_was_read() {
    let mut world = telling(&json!({}), false);
    let body = br#"{"resourceType":"Patient"}"#;
    let mut exchange = world.written("system/*.cruds", "POST /r4/Patient", body);
    let head = [
        (":status", "201"),
        ("location", "http://fhir/base/Patient/new/_history/1"),
    ];
    world.answer(&mut exchange, &head, &[], false);
    let record = world.record(&mut exchange);
    assert_eq!(record["created"], "Patient/new");
    assert_eq!(record["patients"], json!(["Patient/new"]));
    assert_eq!(record["route"], "/Patient");
    let exchange = &mut world.forwarded("system/*.rs", "GET /r4/Patient/p1/_history/7");
    let record = world.record(exchange);
    assert_eq!(record["version"], "7");
    assert_eq!(record["route"], "/Patient/[id]/_history/[vid]");
}

#[test]
fn records_tell_who_asks_and_why_and_nothing_of_the_token() {
    let mut world = telling(&json!({"token_id": "plain"}), false);
    let claims = world
        .claims()
        .scope("user/*.rs")
        .fhir_user("Practitioner/7")
        .jti("token-7")
        .claim("roles", json!(["nurse"]))
        .claim("purpose", json!("BTG"));
    let token = world.token(&claims);
    let mut exchange = Exchange::default();
    let head = world.head_with(&token, "GET /r4/Patient/p1", &[]);
    world.ask(&mut exchange, head, true);
    let record = world.record(&mut exchange);
    assert_eq!(record["roles"], json!(["nurse"]));
    assert_eq!(record["purposes"], json!(["BTG"]));
    assert_eq!(record["jti"], "token-7");
    let text = record.to_string();
    for part in token.split('.') {
        for piece in part.as_bytes().windows(24).step_by(8) {
            let piece = std::str::from_utf8(piece).expect("ASCII");
            assert!(!text.contains(piece), "a part of the token: {piece}");
        }
    }
}

#[test]
fn each_request_of_a_bundle_has_its_query() {
    let mut world = telling(&json!({"query": "plain"}), false);
    let asked = bundle("batch", &[get("Observation?patient=p1"), get("Patient/p2")]);
    let (mut exchange, step) = post(&mut world, "user/*.rs", &asked);
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
    let record = world.record(&mut exchange);
    let expected = json!([{"name": "patient", "value": "Patient/p1"}]);
    assert_eq!(record["entries"][0]["query"], expected);
    assert_eq!(record["entries"][1]["query"], Value::Null);
    assert_eq!(record["patients"], json!(["Patient/p1", "Patient/p2"]));
}

#[test]
fn records_go_to_the_repository_and_requests_wait_for_room() {
    let now = NOW * 1_000_000_000;
    let repository = |full: &str| {
        json!({"repository": {"cluster": "audit", "uri": "https://audit/records",
            "format": "records", "queue": "64KiB", "full": full}})
    };
    for full in ["refuse", "access-log"] {
        let mut world = telling(&repository(full), false);
        assert_eq!(world.guard.tick_period(), Some(100));
        let mut kept: Vec<String> = Vec::new();
        let mut refused = None;
        for _ in 0..200 {
            let mut exchange = Exchange::default();
            let head = world.head("system/*.rs", "GET /r4/Patient/p1", &[]);
            let step = world.ask(&mut exchange, head, true);
            exchange.end();
            let line = exchange.record(now, None);
            world.guard.keep_record(&exchange, &line, now, None);
            match step {
                Step::Forward(_) => kept.push(line),
                Step::Reply(reply) => {
                    assert_eq!(reply.status, 503);
                    assert!(line.contains("\"rule\":\"unavailable.audit\""), "{line}");
                    refused = Some(());
                    break;
                }
                step => panic!("{step:?}"),
            }
        }
        assert_eq!(refused.is_some(), full == "refuse");
        let mut sent: Vec<String> = Vec::new();
        while let Some((batch, call)) = world.guard.next_batch(now) {
            let text = String::from_utf8(call.body).expect("text");
            sent.extend(text.lines().map(str::to_owned));
            let _ = world.guard.batch_answered(batch, Some((200, b"")), now);
        }
        match refused {
            Some(()) => assert_eq!(sent, kept, "each that was let in, once, in order"),
            None => {
                assert!(sent.len() < kept.len(), "the bound holds");
                assert_eq!(sent, kept[..sent.len()], "the first of them");
            }
        }
        let mut exchange = Exchange::default();
        let head = world.head("system/*.rs", "GET /r4/Patient/p1", &[]);
        let step = world.ask(&mut exchange, head, true);
        assert!(matches!(step, Step::Forward(_)), "there is room again");
    }
}

#[test]
fn what_another_repository_does_not_take_is_given_up_in_time_and_counted() {
    const MINUTE: u64 = 60_000_000_000;
    let began = NOW * 1_000_000_000;
    let to = |path: &str| {
        let uri = format!("https://audit/{path}");
        telling(
            &json!({"repository": {"cluster": "audit", "uri": uri, "format": "records"}}),
            false,
        )
    };
    for (name, next, age, lost) in [
        ("the same repository", Some("one"), 60 * MINUTE, 0),
        ("another, in time", Some("two"), 10 * MINUTE - 1, 0),
        ("another", Some("two"), 10 * MINUTE, 3),
        ("none", None, 10 * MINUTE, 3),
    ] {
        let mut old = to("one");
        for _ in 0..3 {
            let mut exchange = old.forwarded("system/*.rs", "GET /r4/Patient/p1");
            exchange.end();
            let line = exchange.record(began, None);
            old.guard.keep_record(&exchange, &line, began, None);
        }
        let mut leaving = old.guard.leave(began).expect("three records");
        assert_eq!(leaving.records(), 3, "{name}");
        let unplaced = old.carry_out(&mut leaving);
        old.guard.has_left(unplaced);
        assert!(old.guard.next_batch(began).is_none(), "{name}");
        assert!(old.guard.leave(began).is_none(), "{name}: nothing is left");
        let mut look = old.guard.look_for_rest(began).expect("it is time");
        let found = old.carry_out(&mut look);
        assert_eq!(found.0.as_ref().map(Rest::len), Some(3), "{name}");
        assert!(old.guard.look_for_rest(began).is_none(), "{name}: so soon");
        let mut new = match next {
            Some(path) => to(path),
            None => telling(&json!({}), false),
        };
        new.guard.inherits(found, began);
        assert!(new.guard.look_for_rest(began).is_none(), "{name}: one only");
        let now = began + age;
        let (batch, call) = new.guard.next_batch(now).expect("a batch");
        assert!(call.headers.contains(&(":path".into(), "/one".to_owned())));
        let said = new.guard.batch_answered(batch, Some((503, b"")), now);
        let said = said.expect_err("it was not taken");
        assert_eq!(said.contains("3 records went"), lost > 0, "{name}: {said}");
        let counted = new.guard.changes();
        let mut own = counted
            .iter()
            .filter(|change| change.name.contains("audit_lost"));
        let counted = own.next().map_or(0, |change| change.value);
        assert_eq!(counted, lost, "{name}");
        let later = now + MINUTE;
        let room = new.guard.look_for_rest(later).is_some();
        assert_eq!(room, lost > 0, "{name}");
        // Where it was not given up it goes when the repository is back.
        if lost == 0 {
            let (batch, _) = new.guard.next_batch(later).expect("again");
            let said = new.guard.batch_answered(batch, Some((200, b"")), later);
            assert_eq!(said, Ok(()), "{name}");
            assert!(new.guard.look_for_rest(later).is_some(), "{name}");
        }
    }
}
