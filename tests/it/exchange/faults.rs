//! Callbacks that come when they should not, and a host that fails.

use fhir_guard::limit::Verdict;
use fhir_guard::wire::Pair;

use super::*;

const HEAD: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

/// Where an exchange can be when something happens to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Start,
    Waiting,
    Verifying,
    ShuttingOut,
    Charging,
    ReadingBody,
    Forwarded,
    Holding,
    Streaming,
    Discarding,
    Done,
    Refused,
    Foreign,
}

use Stage::{
    Charging, Discarding, Done, Foreign, Forwarded, Holding, ReadingBody, Refused, ShuttingOut,
    Start, Streaming, Verifying, Waiting,
};

const STAGES: [Stage; 13] = [
    Start,
    Waiting,
    Verifying,
    ShuttingOut,
    Charging,
    ReadingBody,
    Forwarded,
    Holding,
    Streaming,
    Discarding,
    Done,
    Refused,
    Foreign,
];

fn at(stage: Stage, world: &mut Deployment) -> Exchange {
    let via = Some(&b"via_upstream"[..]);
    let head = driver::pairs(HEAD.iter());
    let read = "GET /r4/Patient/p1";
    let mut exchange = match stage {
        Start => return Exchange::default(),
        Waiting => {
            if world.guard.documents() == 0 {
                *world = waiting::cold();
            }
            let mut exchange = Exchange::default();
            let head = world.head("patient/*.r", read, &[]);
            let step = world.ask(&mut exchange, head, true);
            assert_eq!(step, Step::Wait);
            assert!(exchange.is_waiting());
            return exchange;
        }
        Verifying => {
            let mut exchange = Exchange::default();
            let head = world.head("patient/*.r", read, &[]);
            let (attributes, now) = (world.attributes(), driver::NOW * 1_000_000_000);
            let step = exchange.request_headers(&mut world.guard, &head, &attributes, now, true);
            assert_eq!(step, Step::Verify);
            return exchange;
        }
        ShuttingOut => {
            if world.guard.tick_period().is_none() {
                *world = quarantine::world();
            }
            return quarantine::shutting_out(world);
        }
        Charging => {
            let mut exchange = at(Verifying, world);
            let step = exchange.verified(&mut world.guard, Some(true));
            assert_eq!(step, Step::Charge);
            return exchange;
        }
        ReadingBody => {
            let mut exchange = Exchange::default();
            let fields = &[("content-type", "application/fhir+json")];
            let head = world.head("system/*.cruds", "POST /r4/Patient", fields);
            let step = world.ask(&mut exchange, head, false);
            assert!(matches!(step, Step::HoldHead(_)), "{step:?}");
            return exchange;
        }
        Refused => {
            let mut exchange = Exchange::default();
            let head = world.head("", read, &[]);
            let step = world.ask(&mut exchange, head, true);
            assert!(matches!(step, Step::Reply(_)), "{step:?}");
            return exchange;
        }
        Discarding => world.forwarded("system/*.d", "DELETE /r4/Patient/p1"),
        _ => world.forwarded("patient/*.rs", read),
    };
    if stage == Forwarded {
        return exchange;
    }
    if stage == Foreign {
        let head = driver::pairs([(":status", "404")].iter());
        exchange.response_headers(&world.guard, &head, Some(b"route_not_found"), false);
        return exchange;
    }
    exchange.response_headers(&world.guard, &head, via, false);
    let body = patient("p1", driver::HOLD).to_string();
    match stage {
        Streaming => {
            let step = exchange.response_body(&world.guard, &body.as_bytes()[..600], false);
            assert_eq!(step, Step::Write(Vec::new()));
        }
        Done => {
            let body = patient("p1", 0).to_string();
            let step = exchange.response_body(&world.guard, body.as_bytes(), false);
            assert_eq!(step, Step::Write(redacted("p1", 0)));
        }
        _ => {}
    }
    exchange
}

/// Whether the head of an answer has left, so that a reply of our own is no longer possible.
fn head_has_left(stage: Stage) -> bool {
    matches!(stage, Streaming | Discarding | Done | Foreign)
}

#[test]
fn where_the_host_fails_nothing_goes_on() {
    for stage in STAGES {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        let step = exchange.host_failed();
        if head_has_left(stage) || stage == Refused {
            assert_eq!(step, Step::Reset, "{stage:?}");
        } else {
            let Step::Reply(reply) = step else {
                panic!("{stage:?}: {step:?}")
            };
            assert_eq!(reply.status, 503, "{stage:?}");
            let record = world.record(&mut exchange);
            assert_eq!(record["rule"], "unavailable.host", "{stage:?}");
        }
    }
}

#[test]
fn after_a_refusal_everything_is_absorbed() {
    let head = driver::pairs(HEAD.iter());
    for details in [
        Some(&b"via_upstream"[..]),
        Some(b"fhir_guard"),
        Some(b"x"),
        None,
    ] {
        let mut world = Deployment::new();
        let mut exchange = at(Refused, &mut world);
        let before = world.record(&mut exchange);
        assert_eq!(exchange.request_body(&world.guard, b"x", false), Step::Hold);
        assert_eq!(exchange.request_trailers(), Step::Hold);
        let step = exchange.response_headers(&world.guard, &head, details, false);
        assert_eq!(
            step,
            Step::Continue,
            "our own reply comes back through here"
        );
        assert!(!exchange.screens());
        assert_eq!(
            exchange.response_body(&world.guard, b"x", true),
            Step::Continue
        );
        assert_eq!(exchange.response_trailers(), Step::Continue);
        assert_eq!(world.record(&mut exchange), before, "the record stays");
    }
}

#[test]
fn the_proxy_may_answer_itself_until_a_head_has_left() {
    let head = driver::pairs([(":status", "504")].iter());
    for stage in STAGES {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        let details = Some(&b"upstream_response_timeout"[..]);
        let step = exchange.response_headers(&world.guard, &head, details, false);
        match stage {
            Streaming | Discarding | Done => assert_eq!(step, Step::Reset, "{stage:?}"),
            _ => assert_eq!(step, Step::Continue, "{stage:?}"),
        }
        if !matches!(stage, Streaming | Discarding | Done | Refused) {
            assert!(!exchange.screens(), "{stage:?}");
            let record = world.record(&mut exchange);
            let found = (&record["outcome"], &record["rule"], &record["status"]);
            assert_eq!(
                found,
                (&json!("proxy"), &json!("proxy"), &json!(504)),
                "{stage:?}"
            );
        }
    }
}

/// What a client could have got out of these steps.
fn leaked(step: &Step, piece: &[u8]) -> bool {
    match step {
        Step::Continue | Step::Forward(_) => true,
        Step::Write(bytes) => !piece.is_empty() && bytes == piece,
        _ => false,
    }
}

#[test]
fn an_answer_that_was_not_decided_on_does_not_pass() {
    let head: Vec<Pair> = driver::pairs(HEAD.iter());
    let secret = patient("p2", 0).to_string();
    for details in [Some(&b"via_upstream"[..]), None] {
        for stage in STAGES {
            // Of these two, one is decided on by now, and one absorbs our own reply.
            if stage == Refused || (stage == Forwarded && details.is_some()) {
                continue;
            }
            let mut world = Deployment::new();
            let mut exchange = at(stage, &mut world);
            let step = exchange.response_headers(&world.guard, &head, details, false);
            assert!(
                matches!(step, Step::Reply(_) | Step::Reset),
                "{stage:?}, {details:?}: {step:?}"
            );
        }
    }
    for stage in STAGES {
        if matches!(stage, Refused | Foreign) {
            continue;
        }
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        let step = exchange.response_body(&world.guard, secret.as_bytes(), true);
        assert!(
            !leaked(&step, secret.as_bytes()),
            "a body in {stage:?}: {step:?}"
        );
        let mut exchange = at(stage, &mut world);
        let step = exchange.response_trailers();
        assert!(!leaked(&step, b"-"), "trailers in {stage:?}: {step:?}");
    }
}

#[test]
fn a_request_that_goes_on_after_its_decision_is_cut() {
    for stage in [
        Start,
        Verifying,
        ShuttingOut,
        Forwarded,
        Holding,
        Streaming,
        Done,
    ] {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        let step = exchange.request_body(&world.guard, b"{}", true);
        assert_eq!(step, Step::Reset, "{stage:?}");
        let mut exchange = at(stage, &mut world);
        assert_eq!(exchange.request_trailers(), Step::Reset, "{stage:?}");
    }
}

#[test]
fn a_second_head_of_a_request_is_not_decided_on() {
    for stage in STAGES {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        let before = world.record(&mut exchange);
        let mut exchange = at(stage, &mut world);
        let head = world.head("system/*.cruds", "GET /r4/Patient/p2", &[]);
        let attributes = world.attributes();
        let now = driver::NOW * 1_000_000_000;
        let step = exchange.request_headers(&mut world.guard, &head, &attributes, now, true);
        let expected = match stage {
            Start => Step::Verify,
            Refused | Foreign => Step::Hold,
            _ => Step::Reset,
        };
        assert_eq!(step, expected, "{stage:?}");
        if stage != Start {
            assert_eq!(world.record(&mut exchange), before, "{stage:?}");
        }
    }
}

#[test]
fn a_verdict_that_nobody_asked_for_ends_the_exchange() {
    let verdict = Verdict {
        allowed: true,
        refused_by: None,
        retry_after_seconds: 0,
        remaining: Vec::new(),
        contended: false,
    };
    for stage in STAGES.into_iter().filter(|stage| *stage != Charging) {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        check_ended(stage, &exchange.charged(&world.guard, &verdict));
    }
}

/// A reply where one is still possible, a reset where none is.
fn check_ended(stage: Stage, step: &Step) {
    match step {
        Step::Reset => assert!(head_has_left(stage) || stage == Refused, "{stage:?}"),
        Step::Reply(reply) => {
            assert!(!head_has_left(stage) && stage != Refused, "{stage:?}");
            assert_eq!(reply.status, 503, "{stage:?}");
        }
        step => panic!("{stage:?}: {step:?}"),
    }
}

#[test]
fn an_answer_about_a_signature_that_nobody_asked_for_ends_the_exchange() {
    for stage in STAGES.into_iter().filter(|stage| *stage != Verifying) {
        for answer in [Some(true), Some(false), None] {
            let mut world = Deployment::new();
            let mut exchange = at(stage, &mut world);
            assert_eq!(exchange.verifying(), None, "{stage:?}");
            check_ended(stage, &exchange.verified(&mut world.guard, answer));
        }
    }
}

#[test]
fn word_that_somebody_is_shut_out_when_nobody_was_to_be_ends_the_exchange() {
    for stage in STAGES.into_iter().filter(|stage| *stage != ShuttingOut) {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        assert!(exchange.shutting_out().is_none(), "{stage:?}");
        check_ended(stage, &exchange.shut_out(&mut world.guard, None));
    }
}

#[test]
fn nothing_is_woken_that_does_not_wait() {
    for stage in STAGES {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        let before = world.record(&mut exchange);
        let mut exchange = at(stage, &mut world);
        let now = driver::NOW * 1_000_000_000;
        let verifies = exchange.verifying().is_some();
        // In its turn, but with nothing new.
        assert_eq!(
            exchange.wake(&mut world.guard, now),
            Step::Wait,
            "{stage:?}"
        );
        assert_eq!(exchange.is_waiting(), stage == Waiting, "{stage:?}");
        assert_eq!(exchange.verifying().is_some(), verifies, "{stage:?}");
        if stage != Waiting {
            let late = exchange.wake(&mut world.guard, u64::MAX);
            assert_eq!(late, Step::Wait, "{stage:?}");
        }
        assert_eq!(world.record(&mut exchange), before, "{stage:?}");
    }
}

#[test]
fn what_ends_early_is_recorded_as_it_ended() {
    for (stage, outcome) in [
        (Start, "undecided"),
        (Waiting, "cut"),
        (Verifying, "cut"),
        (ShuttingOut, "cut"),
        (ReadingBody, "cut"),
        (Forwarded, "cut"),
        (Holding, "cut"),
        (Streaming, "cut"),
        (Discarding, "allowed"),
        (Done, "allowed"),
        (Refused, "refused"),
        (Foreign, "proxy"),
    ] {
        let mut world = Deployment::new();
        let mut exchange = at(stage, &mut world);
        let record = world.record(&mut exchange);
        assert_eq!(record["outcome"], outcome, "{stage:?}: {record}");
        assert!(!record.to_string().contains("1970-01-01T00:00:00.000Z") || stage == Start);
        assert!(!record.to_string().contains("Bearer"), "{stage:?}");
    }
}
