//! Limits that a server of several proxies judges as well: what it is asked, and what comes of each answer.

use fhir_guard::remote::Call;
use fhir_guard::wire::Pair;

use super::bundles::{bundle, get, post};
use super::driver::{NOW, pairs};
use super::*;

const SECOND: u64 = 1_000_000_000;
const T: u64 = NOW * SECOND;

/// A deployment with one limit of three an hour, global, beside one of this proxy alone.
fn deployment(more: Value) -> Deployment {
    Deployment::with(|config| {
        let mut service = json!({"cluster": "ratelimit", "domain": "fhir", "failures": 2});
        let members = more.as_object().expect("an object").clone();
        service.as_object_mut().expect("an object").extend(members);
        config["global_limits"] = service;
        config["fhir"]["bundles"] = json!({"types": ["batch"], "entries": 5});
        config["limits"] = json!([
            {"name": "own", "key": ["client"], "rate": "9/h", "burst": 9},
            {"name": "all", "key": ["client", "type"], "rate": "3/h", "burst": 3, "global": true,
                "cost": {"interactions": {"search-type": 2}}},
        ]);
    })
}

/// A request that waits for the server, and the call.
fn asked(world: &mut Deployment, target: &str) -> (Exchange, Call) {
    let mut exchange = Exchange::default();
    let head = world.head("system/*.rs", target, &[]);
    let step = world.ask(&mut exchange, head, true);
    assert_eq!(step, Step::Wait, "{target}");
    assert!(exchange.is_waiting() && exchange.leaves_body());
    let call = exchange.call(&world.guard).expect("a call");
    assert_eq!(exchange.call(&world.guard), None, "it is made once");
    (exchange, call)
}

fn good() -> Vec<Pair> {
    pairs([(":status", "200"), ("grpc-status", "0")].iter())
}

/// The server's answer is this message; what comes of it.
fn answered(world: &mut Deployment, exchange: &mut Exchange, message: &[u8]) -> Step {
    let length = u8::try_from(message.len()).expect("a short message");
    let body = [&[0, 0, 0, 0, length], message].concat();
    let step = exchange.answered(&world.guard, Some((&good(), &body)));
    world.decided(exchange, step)
}

/// No answer in time.
fn silent(world: &mut Deployment, exchange: &mut Exchange) -> Step {
    let step = exchange.answered(&world.guard, None);
    world.decided(exchange, step)
}

const OK: &[u8] = &[8, 1];
/// Refused, for forty seconds more.
const OVER: &[u8] = &[8, 2, 0x12, 6, 8, 2, 0x22, 2, 8, 40];

/// Status, what is left of each limit, and what the record says of the server.
fn ended(world: &Deployment, exchange: &mut Exchange, step: &Step) -> (u16, Value, Value) {
    let status = match step {
        Step::Forward(_) | Step::Rewrite { .. } => 200,
        Step::Reply(reply) => reply.status,
        step => panic!("{step:?}"),
    };
    let record = world.record(exchange);
    (status, record["limits"].clone(), record["global"].clone())
}

fn global(ended: &str) -> Value {
    json!({"limits": ["all"], "ended": ended})
}

#[test]
fn what_passes_here_is_asked_about_once_and_only_then_goes_on() {
    let mut world = deployment(json!({}));
    let (mut exchange, call) = asked(&mut world, "GET /r4/Patient/p1");
    assert_eq!(call.cluster, "ratelimit");
    let text = String::from_utf8_lossy(&call.body).into_owned();
    for part in [
        "fhir",
        "limit",
        "all",
        "issuer",
        "https://as.example.org",
        "client",
        "type",
        "Patient",
    ] {
        assert!(text.contains(part), "{part} in {text:?}");
    }
    assert!(!text.contains("own"), "of this proxy alone");
    let step = answered(&mut world, &mut exchange, OK);
    let left = json!({"own": 8, "all": 2});
    assert_eq!(
        ended(&world, &mut exchange, &step),
        (200, left, global("ok"))
    );
    // A refusal here asks nobody.
    let (mut other, _) = asked(&mut world, "GET /r4/Patient?name=x");
    let step = answered(&mut world, &mut other, OK);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    let mut refused = Exchange::default();
    let head = world.head("system/*.rs", "GET /r4/Patient/p1", &[]);
    let step = world.ask(&mut refused, head, true);
    let (status, _, said) = ended(&world, &mut refused, &step);
    assert_eq!((status, said), (429, Value::Null));
}

#[test]
fn a_refusal_charges_none_and_says_when_to_come_again() {
    let mut world = deployment(json!({}));
    for _ in 0..12 {
        let (mut exchange, _) = asked(&mut world, "GET /r4/Patient/p1");
        let step = answered(&mut world, &mut exchange, OVER);
        let Step::Reply(reply) = &step else {
            panic!("{step:?}")
        };
        let field = |name: &str| {
            let mut fields = reply.headers.iter();
            fields.find_map(|(own, value)| (*own == name).then_some(value.as_str()))
        };
        assert_eq!(reply.status, 429);
        assert_eq!(field("retry-after"), Some("40"));
        assert_eq!(field("ratelimit"), Some("\"all\";r=0;t=40"));
        assert_eq!(world.record(&mut exchange)["rule"], "limit.all");
        let (_, _, said) = ended(&world, &mut exchange, &step);
        assert_eq!(said, global("over-limit"));
    }
    let (mut exchange, _) = asked(&mut world, "GET /r4/Patient/p1");
    let step = answered(&mut world, &mut exchange, OK);
    let left = json!({"own": 8, "all": 2});
    assert_eq!(ended(&world, &mut exchange, &step).1, left);
}

#[test]
fn who_is_not_judged_passes_by_the_limits_here_or_is_refused() {
    type Answer = fn(&mut Deployment, &mut Exchange) -> Step;
    let rows: [(&str, &str, Answer); 4] = [
        ("no answer", "no-answer", |world, exchange| {
            silent(world, exchange)
        }),
        ("unknown", "bad-answer", |world, exchange| {
            answered(world, exchange, &[8, 0])
        }),
        ("rubbish", "bad-answer", |world, exchange| {
            answered(world, exchange, b"<html>")
        }),
        ("it took too long", "no-answer", |world, exchange| {
            assert_eq!(world.wake(exchange, T), Step::Wait);
            assert_eq!(world.wake(exchange, T + SECOND), Step::Wait);
            world.wake(exchange, T + 3 * SECOND)
        }),
    ];
    for (name, word, answer) in rows {
        for (unanswered, expected) in [("local", 200), ("refuse", 503)] {
            let mut world = deployment(json!({"unanswered": unanswered, "failures": 9}));
            for _ in 0..2 {
                let (mut exchange, _) = asked(&mut world, "GET /r4/Patient/p1");
                let step = answer(&mut world, &mut exchange);
                let (status, _, said) = ended(&world, &mut exchange, &step);
                assert_eq!((status, said), (expected, global(word)), "{name}");
                if expected == 503 {
                    let rule = world.record(&mut exchange)["rule"].clone();
                    assert_eq!(rule, "unavailable.limit-service", "{name}");
                }
            }
            let (mut exchange, _) = asked(&mut world, "GET /r4/Patient/p1");
            let step = answered(&mut world, &mut exchange, OK);
            let left = if expected == 200 { 0 } else { 2 };
            let (_, limits, _) = ended(&world, &mut exchange, &step);
            assert_eq!(
                limits["all"], left,
                "{name}: what was refused is not charged"
            );
        }
    }
}

#[test]
fn a_server_that_fails_is_not_asked_for_a_while_by_any_worker() {
    let mut world = deployment(json!({"pause": "1m"}));
    for _ in 0..2 {
        let (mut exchange, _) = asked(&mut world, "GET /r4/Observation/o1");
        silent(&mut world, &mut exchange);
    }
    for mut worker in [world.worker(), world] {
        let mut exchange = Exchange::default();
        let head = worker.head("user/*.rs", "GET /r4/Patient/p1", &[]);
        let step = worker.ask(&mut exchange, head, true);
        let (status, _, said) = ended(&worker, &mut exchange, &step);
        assert_eq!((status, said), (200, global("paused")));
    }
}

#[test]
fn a_bundle_asks_for_all_of_its_requests_at_once() {
    let mut world = deployment(json!({}));
    let entries = [
        get("Patient/p1"),
        get("Patient/p2"),
        get("Observation?code=x"),
    ];
    let (mut exchange, step) = post(&mut world, "user/*.rs", &bundle("batch", &entries));
    assert_eq!(step, Step::Wait);
    let call = exchange.call(&world.guard).expect("a call");
    let text = String::from_utf8_lossy(&call.body).into_owned();
    assert_eq!(
        text.matches("limit").count(),
        2,
        "one for each type: {text:?}"
    );
    let step = answered(&mut world, &mut exchange, OK);
    assert_eq!(ended(&world, &mut exchange, &step).0, 200);
    let (mut exchange, _) = post(&mut world, "user/*.rs", &bundle("batch", &entries[..1]));
    exchange.call(&world.guard).expect("a call");
    let step = answered(&mut world, &mut exchange, OVER);
    assert_eq!(ended(&world, &mut exchange, &step).0, 429);
}

#[test]
fn whoever_is_never_refused_waits_for_nobody() {
    let base = deployment(json!({}));
    let mut world = base.changed(|config| {
        config["limits"][1]["priority"] = json!({"when": "fhir.type == 'Patient'", "bypass": true});
    });
    let mut exchange = Exchange::default();
    let head = world.head("system/*.rs", "GET /r4/Patient/p1", &[]);
    let step = world.ask(&mut exchange, head, true);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    asked(&mut world, "GET /r4/Observation/o1");
}

#[test]
fn a_body_may_come_while_it_waits_and_a_client_may_leave() {
    let mut world = deployment(json!({}));
    let text = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})
        .to_string();
    let fields = [("content-type", "application/fhir+json")];
    for whole in [false, true] {
        let mut exchange = Exchange::default();
        let head = world.head("system/*.cruds", "POST /r4/Observation", &fields);
        let step = world.ask(&mut exchange, head, false);
        assert_eq!(step, Step::Wait);
        exchange.call(&world.guard).expect("a call");
        let half = &text.as_bytes()[..20];
        assert_eq!(world.body(&mut exchange, half, false), Step::Wait);
        if whole {
            assert_eq!(world.body(&mut exchange, text.as_bytes(), true), Step::Wait);
            let step = answered(&mut world, &mut exchange, OK);
            assert!(matches!(step, Step::Forward(_)), "{step:?}");
        } else {
            let step = answered(&mut world, &mut exchange, OK);
            assert!(matches!(step, Step::HoldHead(_)), "{step:?}");
            let step = world.body(&mut exchange, text.as_bytes(), true);
            assert_eq!(step, Step::Write(text.clone().into_bytes()));
        }
    }
    let (mut gone, _) = asked(&mut world, "GET /r4/Patient/p1");
    gone.end();
    let step = gone.answered(&world.guard, Some((&good(), &[0, 0, 0, 0, 2, 8, 1])));
    assert_eq!(step, Step::Wait, "nobody is there");
    let record = world.record(&mut gone);
    assert_eq!(
        (&record["outcome"], &record["global"]),
        (&json!("cut"), &global("waiting"))
    );
    // An answer that nobody will hear is asked for again, and again only once.
    let (mut exchange, _) = asked(&mut world, "GET /r4/Patient/p2");
    exchange.orphaned();
    assert!(exchange.call(&world.guard).is_some());
    assert!(exchange.call(&world.guard).is_none());
}
