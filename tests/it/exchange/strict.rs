//! Exchanges that go on when a repository has acknowledged their intent.

use fhir_guard::audit::{Chain, ChainPolicy};
use fhir_guard::remote::Call;

use super::bundles::{bundle, create, get};
use super::driver::NOW;
use super::waiting::{SECOND, T};
use super::*;

/// A deployment that is strict, and sends records in this form.
fn strict(format: &str, edit: impl FnOnce(&mut Value)) -> Deployment {
    bundles::taking(|config| {
        config["audit"]["repository"] = json!({
            "cluster": "audit", "uri": "https://audit/records", "format": format,
            "strict": true, "timeout": "2s",
        });
        config["redaction"] = json!([]);
        edit(config);
    })
}

/// The call of the intent.
fn intent(world: &Deployment, exchange: &mut Exchange, now: u64) -> Call {
    let place = || Some(chain().place(7));
    let call = exchange.intent(&world.guard, now, place);
    call.expect("nobody has made it yet")
}

fn chain() -> Chain {
    let policy = ChainPolicy {
        signer: None,
        records: 1,
        time: 1,
    };
    Chain::new(policy, [0xab; 16])
}

/// What an event says of its ticket.
fn ticket(event: &Value) -> Vec<String> {
    let entities = event["entity"].as_array().expect("entities");
    let own = entities.iter().find(|own| own["name"] == "exchange");
    let details = own.expect("ours")["detail"].as_array().expect("details");
    let of = |name| details.iter().filter(move |own| own["type"] == name);
    let told = of("chain").chain(of("ticket"));
    told.map(|own| own["valueString"].as_str().expect("text").to_owned())
        .collect()
}

/// An exchange that is decided and waits, with its intent.
fn waiting(world: &mut Deployment, target: &str) -> (Exchange, Call) {
    let mut exchange = Exchange::default();
    let head = world.head("system/*.rs", target, &[]);
    let step = world.ask_at(&mut exchange, head, true, T);
    assert_eq!(step, Step::Wait, "{target}");
    assert!(exchange.is_waiting() && !exchange.is_announced());
    assert!(exchange.call(&world.guard).is_none(), "no other question");
    let call = intent(world, &mut exchange, T);
    let again = exchange.intent(&world.guard, T, || None);
    assert!(again.is_none(), "it is under way");
    (exchange, call)
}

fn line(call: &Call) -> Value {
    let text = std::str::from_utf8(&call.body).expect("text");
    let mut lines = text.lines();
    let line = lines.next().expect("a line");
    assert_eq!(lines.next(), None, "one line");
    serde_json::from_str(line).expect("JSON")
}

#[test]
fn only_an_acknowledgement_lets_a_request_go_on() {
    for (name, answer, goes_on) in [
        ("200", Some((200, &b""[..])), true),
        ("201", Some((201, b"")), true),
        ("204", Some((204, b"")), true),
        ("with a body", Some((200, b"thanks")), true),
        ("informational", Some((103, b"")), false),
        ("redirected", Some((302, b"")), false),
        ("malformed", Some((400, b"")), false),
        ("forbidden", Some((403, b"")), false),
        ("a conflict", Some((409, b"")), false),
        ("too large", Some((413, b"")), false),
        ("broken", Some((500, b"")), false),
        ("away", Some((503, b"")), false),
        ("no answer in time, or no cluster", None, false),
    ] {
        let mut world = strict("records", |_| ());
        let (mut exchange, call) = waiting(&mut world, "GET /r4/Patient/p1");
        let told = line(&call);
        assert_eq!(told["outcome"], "announced", "{name}");
        assert_eq!(told["request_id"], "r-1", "{name}");
        assert_eq!(told["refs"], json!(["Patient/p1"]), "{name}");
        assert_eq!(told["chain"]["intent"], 7, "{name}");
        assert_eq!(
            (&told["status"], &told["announced"]),
            (&Value::Null, &Value::Null)
        );
        let step = exchange.announced(&world.guard, answer, T + 3_000_000);
        assert_eq!(exchange.is_announced(), goes_on, "{name}");
        match (goes_on, step) {
            (true, Step::Forward(_)) => {}
            (false, Step::Reply(reply)) => {
                assert_eq!(reply.status, 503, "{name}");
                assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"));
            }
            (_, step) => panic!("{name}: {step:?}"),
        }
        let record = world.record(&mut exchange);
        let (rule, announced) = match goes_on {
            true => (&json!("scope:system/*.rs"), json!(3000)),
            false => (&json!("unavailable.audit-intent"), Value::Null),
        };
        assert_eq!(record["announced"], announced, "{name}");
        if !goes_on {
            assert_eq!(
                (&record["rule"], &record["outcome"]),
                (rule, &json!("refused")),
                "{name}"
            );
        }
        // What comes late says nothing.
        let step = exchange.announced(&world.guard, Some((200, b"")), T + SECOND);
        assert_eq!(step, Step::Wait, "{name}: it is over");
    }
}

#[test]
fn whatever_is_forwarded_waits_and_what_is_refused_does_not() {
    let write = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"}}"#;
    let resource: Value = serde_json::from_str(write).expect("JSON");
    let sent = bundle("batch", &[get("Patient/p1"), create(&resource)]).to_string();
    for (name, target, body, goes_on) in [
        ("a read", "GET /r4/Patient/p1", None, "forward"),
        (
            "a search",
            "GET /r4/Observation?patient=p1",
            None,
            "forward",
        ),
        ("what is public", "GET /r4/metadata", None, "forward"),
        ("a delete", "DELETE /r4/Observation/o1", None, "forward"),
        ("a create", "POST /r4/Observation", Some(write), "write"),
        (
            "a form",
            "POST /r4/Observation/_search",
            Some("patient=p1"),
            "rewrite",
        ),
        ("a Bundle", "POST /r4", Some(sent.as_str()), "rewrite"),
    ] {
        let mut world = strict("records", |_| ());
        let mut exchange = Exchange::default();
        let media = match target.ends_with("_search") {
            true => "application/x-www-form-urlencoded",
            false => "application/fhir+json",
        };
        let fields: &[(&str, &str)] = match body {
            Some(_) => &[("content-type", media)],
            None => &[],
        };
        let head = world.head("system/*.cruds", target, fields);
        let mut step = world.ask_at(&mut exchange, head, body.is_none(), T);
        if let Some(body) = body {
            assert!(
                matches!(step, Step::HoldHead(_) | Step::Wait) && !exchange.is_waiting(),
                "{name}: {step:?}"
            );
            step = world.body(&mut exchange, body.as_bytes(), true);
        }
        assert_eq!(step, Step::Wait, "{name}");
        assert!(exchange.is_waiting(), "{name}");
        intent(&world, &mut exchange, T);
        let found = match exchange.announced(&world.guard, Some((200, b"")), T) {
            Step::Forward(_) => "forward",
            Step::Write(bytes) => {
                assert_eq!(Some(bytes.as_slice()), body.map(str::as_bytes), "{name}");
                "write"
            }
            Step::Rewrite { came, .. } => {
                assert_eq!(Some(came), body.map(str::len), "{name}");
                "rewrite"
            }
            step => panic!("{name}: {step:?}"),
        };
        assert_eq!(found, goes_on, "{name}");
    }
    for (name, scope, target) in [
        ("no scope", "system/Observation.rs", "GET /r4/Patient/p1"),
        ("malformed", "system/*.rs", "GET /r4/Patient/p1//x"),
    ] {
        let mut world = strict("records", |_| ());
        let mut exchange = Exchange::default();
        let head = world.head(scope, target, &[]);
        let step = world.ask_at(&mut exchange, head, true, T);
        assert!(matches!(step, Step::Reply(_)), "{name}: {step:?}");
        assert!(exchange.intent(&world.guard, T, || None).is_none());
    }
}

#[test]
fn a_wait_has_an_end_and_its_place_is_free_then() {
    // Two seconds of the repository, and one more.
    for (name, called, at, over) in [
        ("at the bound", true, T + 3 * SECOND - 1, false),
        ("beyond it", true, T + 3 * SECOND, true),
        ("nobody could ask", false, T + 3 * SECOND, true),
        ("a clock that steps back", true, T - SECOND - 1, true),
    ] {
        let mut world = strict("records", |config| {
            config["waiting"] = json!({"requests": 1});
        });
        let mut exchange = Exchange::default();
        let head = world.head("system/*.rs", "GET /r4/Patient/p1", &[]);
        assert_eq!(
            world.ask_at(&mut exchange, head.clone(), true, T),
            Step::Wait
        );
        if called {
            intent(&world, &mut exchange, T);
        }
        assert_eq!(world.wake(&mut exchange, T), Step::Wait);
        let step = world.wake(&mut exchange, at);
        assert_eq!(matches!(step, Step::Reply(_)), over, "{name}: {step:?}");
        let mut other = Exchange::default();
        let step = world.ask_at(&mut other, head.clone(), true, T);
        match (over, step) {
            (true, Step::Wait) | (false, Step::Reply(_)) => {}
            (_, step) => panic!("{name}: {step:?}"),
        }
        if over {
            let step = exchange.announced(&world.guard, Some((200, b"")), at);
            assert_eq!(step, Step::Wait, "{name}: too late");
            other.end();
        } else {
            assert_eq!(world.record(&mut other)["rule"], "unavailable.waiting");
            exchange.end();
        }
        // Who has gone leaves the place as well.
        let mut third = Exchange::default();
        assert_eq!(
            world.ask_at(&mut third, head, true, T),
            Step::Wait,
            "{name}"
        );
    }
}

#[test]
fn who_goes_while_waiting_is_not_forwarded() {
    let mut world = strict("records", |_| ());
    let (mut exchange, _) = waiting(&mut world, "GET /r4/Patient/p1");
    let record = world.record(&mut exchange);
    assert_eq!(
        (&record["outcome"], &record["announced"]),
        (&json!("cut"), &Value::Null)
    );
    let step = exchange.announced(&world.guard, Some((200, b"")), T);
    assert_eq!(step, Step::Wait, "an answer after the end");
    assert!(!exchange.is_announced());
}

#[test]
fn an_answer_to_another_question_is_no_acknowledgement() {
    let mut world = strict("records", |_| ());
    let (mut exchange, _) = waiting(&mut world, "GET /r4/Patient/p1");
    let fields = [(b":status".to_vec(), b"200".to_vec())];
    let step = exchange.answered(&world.guard, Some((&fields, b"{}")));
    assert_eq!(step, Step::Wait);
    // Nor one to a question that was not asked.
    exchange.orphaned();
    let step = exchange.announced(&world.guard, Some((200, b"")), T);
    assert_eq!((step, exchange.is_announced()), (Step::Wait, false));
    let step = exchange.response_headers(
        &world.guard,
        &driver::pairs([(":status", "200")].iter()),
        Some(b"via_upstream"),
        false,
    );
    assert!(
        matches!(step, Step::Reply(_)),
        "nobody asked the upstream: {step:?}"
    );
}

#[test]
fn an_intent_whose_answer_nobody_hears_is_sent_again_in_the_same_words() {
    let mut world = strict("records", |_| ());
    let (mut exchange, first) = waiting(&mut world, "GET /r4/Patient/p1");
    exchange.orphaned();
    let again = intent(&world, &mut exchange, T + SECOND);
    assert!(first == again);
    let step = exchange.announced(&world.guard, Some((200, b"")), T + SECOND);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
}

#[test]
fn an_intent_can_be_events_of_their_own() {
    let mut world = strict("audit-events", |_| ());
    let (mut exchange, call) = waiting(&mut world, "GET /r4/Patient/p1");
    let bundle: Value = serde_json::from_slice(&call.body).expect("JSON");
    let entries = bundle["entry"].as_array().expect("entries");
    let event = &entries[0]["resource"];
    assert_eq!(
        (&event["outcome"], &event["outcomeDesc"]),
        (&Value::Null, &json!("announced"))
    );
    assert_eq!(event["meta"], Value::Null, "it claims no profile");
    let same = ["ab".repeat(16), "7".to_owned()];
    for entry in entries {
        assert_eq!(ticket(&entry["resource"]), same);
    }
    let (ours, other) = (
        json!({"resourceType": "Bundle", "type": "transaction-response",
            "entry": vec![json!({"response": {"status": "201"}}); entries.len()]}),
        json!({"resourceType": "Bundle", "type": "transaction-response", "entry": []}),
    );
    let other = other.to_string();
    let (mut refused, _) = waiting(&mut world, "GET /r4/Patient/p1");
    let step = refused.announced(&world.guard, Some((200, other.as_bytes())), T);
    assert!(
        matches!(step, Step::Reply(_)),
        "not one of them was taken: {step:?}"
    );
    let ours = ours.to_string();
    let step = exchange.announced(&world.guard, Some((200, ours.as_bytes())), T);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    let answer = br#"{"resourceType":"Patient","id":"p1"}"#;
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    world.answer(&mut exchange, &head, &[answer, b""], false);
    exchange.end();
    let told = exchange.events(NOW * SECOND, None);
    let read = |event: &String| serde_json::from_str::<Value>(event).expect("JSON");
    let told: Vec<Value> = told.iter().map(read).collect();
    assert_eq!(told[0]["outcome"], "0");
    assert!(told.iter().all(|event| ticket(event) == same), "{told:?}");
    exchange.take_place(None);
    for event in exchange.events(NOW * SECOND, None) {
        assert!(ticket(&read(&event)).is_empty(), "in no chain: {event}");
    }
    assert_ne!(
        told[0]["id"], event["id"],
        "an intent is never written over"
    );
}

/// In no order of what can happen does a request go on whose intent was not acknowledged, or twice.
#[test]
fn no_order_of_events_forwards_what_was_not_acknowledged() {
    const EVENTS: usize = 9;
    let mut world = strict("records", |_| ());
    let mut forwarded = 0;
    let head = world.head("system/*.rs", "GET /r4/Patient/p1", &[]);
    for order in 0..EVENTS.pow(4) {
        let mut exchange = Exchange::default();
        let mut steps = vec![world.ask_at(&mut exchange, head.clone(), true, T)];
        let (mut called, mut acknowledged, mut order) = (false, false, order);
        for _ in 0..4 {
            let good = Some((200, &b""[..]));
            let step = match order % EVENTS {
                0 => {
                    called |= exchange.intent(&world.guard, T, || None).is_some();
                    Step::Wait
                }
                1 => {
                    acknowledged |= called && exchange.is_waiting();
                    exchange.announced(&world.guard, good, T)
                }
                2 => exchange.announced(&world.guard, Some((500, b"")), T),
                3 => exchange.announced(&world.guard, None, T),
                4 => world.wake(&mut exchange, T + 1),
                5 => world.wake(&mut exchange, T + 10 * SECOND),
                6 => {
                    exchange.orphaned();
                    called = false;
                    Step::Wait
                }
                7 => {
                    let fields = [(b":status".to_vec(), b"200".to_vec())];
                    exchange.answered(&world.guard, Some((&fields, b"")))
                }
                _ => {
                    exchange.end();
                    Step::Wait
                }
            };
            steps.push(step);
            order /= EVENTS;
        }
        let went = steps.iter().filter(|step| matches!(step, Step::Forward(_)));
        let went = went.count();
        assert_eq!(went, usize::from(acknowledged), "{steps:?}");
        forwarded += went;
    }
    assert!(forwarded > 100, "some go on: {forwarded}");
}
