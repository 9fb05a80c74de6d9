//! Bodies of requests that wait.

use fhir_guard_harness::tokens::Claims;

use super::waiting::{T, check_passes, check_refused, cold, cold_with};
use super::*;
use driver::NOW;

/// A write that waits, before any of its body has come.
fn writing(world: &mut Deployment, target: &str) -> Exchange {
    let claims = Claims::new(NOW).bound_to(&world.certificate);
    let token = world.issuer.token(&claims.scope("system/*.cruds"));
    let head = world.head_with(&token, target, &[("content-type", "application/fhir+json")]);
    let mut exchange = Exchange::default();
    assert_eq!(world.ask(&mut exchange, head, false), Step::Wait);
    exchange
}

fn fetch(world: &mut Deployment) {
    let jwks = world.issuer.jwks().to_string();
    assert!(world.tick(T));
    assert_eq!(world.fetched(Some((200, jwks.as_bytes())), T), Ok(()));
}

const CREATE: &str = "POST /r4/Patient";

#[test]
fn a_body_that_is_whole_is_decided_on_with_the_head() {
    let mut world = cold();
    let body = patient("p1", 100).to_string();
    let mut exchange = writing(&mut world, CREATE);
    // The proxy keeps what comes, and shows all of it each time.
    for end in [0, 1, 50, body.len()] {
        let piece = &body.as_bytes()[..end];
        let step = exchange.request_body(&world.guard, piece, end == body.len());
        assert_eq!(step, Step::Wait, "{end}");
    }
    fetch(&mut world);
    check_passes(&world.wake(&mut exchange, T));
    let record = world.record(&mut exchange);
    assert_eq!(record["outcome"], "cut", "nothing has answered: {record}");
}

#[test]
fn a_body_in_the_middle_is_read_from_its_beginning() {
    let mut world = cold();
    let body = patient("p1", 100).to_string();
    for sofar in [0, 1, 50] {
        let mut exchange = writing(&mut world, CREATE);
        if sofar > 0 {
            let piece = &body.as_bytes()[..sofar];
            assert_eq!(
                exchange.request_body(&world.guard, piece, false),
                Step::Wait
            );
        }
        if world.tick(T) {
            let jwks = world.issuer.jwks().to_string();
            assert_eq!(world.fetched(Some((200, jwks.as_bytes())), T), Ok(()));
        }
        let step = world.wake(&mut exchange, T);
        assert!(matches!(step, Step::HoldHead(_)), "{sofar}: {step:?}");
        // What was kept comes with the next piece, and all of it is one.
        let (first, last) = body.as_bytes().split_at(80);
        assert_eq!(
            exchange.request_body(&world.guard, first, false),
            Step::Hold
        );
        let step = exchange.request_body(&world.guard, last, true);
        assert_eq!(step, Step::Write(body.clone().into_bytes()), "{sofar}");
        // The keys are there now.
        world = cold();
    }
}

#[test]
fn a_body_is_no_better_for_having_waited() {
    let check = |name: &str, target: &str, body: &[u8], status: u16, rule: &str| {
        let mut world = cold();
        let mut exchange = writing(&mut world, target);
        assert_eq!(
            exchange.request_body(&world.guard, body, true),
            Step::Wait,
            "{name}"
        );
        fetch(&mut world);
        let step = world.wake(&mut exchange, T);
        assert!(matches!(step, Step::Reply(_)), "{name}: {step:?}");
        check_refused(&world, &mut exchange, &step, status, rule);
    };
    let malformed = "request.malformed.body";
    check("rubbish", CREATE, b"rubbish", 400, malformed);
    check("none", CREATE, b"", 400, malformed);
    check(
        "of another type",
        CREATE,
        br#"{"resourceType":"Group"}"#,
        400,
        "request.malformed.body-mismatch",
    );
    check(
        "where none belongs",
        "GET /r4/Patient/p1",
        b"x",
        400,
        malformed,
    );

    let mut world = cold();
    let mut exchange = writing(&mut world, "GET /r4/Patient/p1");
    assert_eq!(exchange.request_body(&world.guard, b"", true), Step::Wait);
    fetch(&mut world);
    check_passes(&world.wake(&mut exchange, T));
}

#[test]
fn a_body_that_is_too_large_is_refused_while_it_waits() {
    let large = vec![b' '; 1025];
    for ended in [false, true] {
        let mut world = cold_with(|config| config["waiting"] = json!({"requests": 1}));
        let mut exchange = writing(&mut world, CREATE);
        let step = exchange.request_body(&world.guard, &large[..1024], false);
        assert_eq!(step, Step::Wait, "the most");
        assert_eq!(exchange.body_grows(&world.guard, 1024), Step::Wait);
        let step = exchange.request_body(&world.guard, &large, ended);
        check_refused(&world, &mut exchange, &step, 413, "request.too-large");
        assert_eq!(exchange.request_body(&world.guard, b"x", true), Step::Hold);
        assert_eq!(world.wake(&mut exchange, T), Step::Wait, "it is over");
        // The place is free.
        writing(&mut world, CREATE);
    }
}

#[test]
fn a_body_that_grows_is_measured_without_being_read() {
    let mut world = cold();
    let mut exchange = writing(&mut world, CREATE);
    assert_eq!(exchange.body_grows(&world.guard, 1024), Step::Wait);
    let step = exchange.body_grows(&world.guard, 1025);
    check_refused(&world, &mut exchange, &step, 413, "request.too-large");
}

#[test]
fn bodies_of_those_who_wait_share_the_memory_of_all() {
    let mut world = cold_with(|config| config["fhir"]["body_limit"] = json!("8MiB"));
    let body = vec![b' '; 8 << 20];
    let mut all: Vec<Exchange> = (0..16).map(|_| writing(&mut world, CREATE)).collect();
    for exchange in &mut all {
        let step = exchange.request_body(&world.guard, &body, true);
        assert_eq!(step, Step::Wait);
    }
    let mut late = writing(&mut world, CREATE);
    let step = late.request_body(&world.guard, b"{}", true);
    check_refused(&world, &mut late, &step, 503, "unavailable.memory");
    all.pop();
    let mut late = writing(&mut world, CREATE);
    assert_eq!(late.request_body(&world.guard, b"{}", true), Step::Wait);
}

#[test]
fn trailers_are_refused_while_a_request_waits() {
    let mut world = cold();
    let mut exchange = writing(&mut world, CREATE);
    assert_eq!(exchange.request_body(&world.guard, b"{", false), Step::Wait);
    let step = exchange.request_trailers();
    check_refused(
        &world,
        &mut exchange,
        &step,
        400,
        "request.malformed.trailers",
    );
}
