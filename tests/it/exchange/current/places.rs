//! How long a current version is waited for, and by how many.

use super::*;

#[test]
fn a_body_may_come_in_any_pieces() {
    let mut world = trusting();
    let body = stored("Patient/p1").to_string();
    let head = |world: &Deployment| {
        let fields = [("content-type", "application/fhir+json")];
        world.head(ALL, "PUT /r4/Observation/o1", &fields)
    };
    for split in 0..=body.len() {
        let mut exchange = Exchange::default();
        let head = head(&world);
        assert_eq!(world.ask(&mut exchange, head, false), Step::Wait);
        assert!(exchange.leaves_body(), "the proxy keeps it");
        assert_eq!(exchange.body_grows(&world.guard, split), Step::Wait);
        let piece = &body.as_bytes()[..split];
        assert_eq!(
            exchange.request_body(&world.guard, piece, false),
            Step::Wait
        );
        assert!(!exchange.is_waiting());
        assert_eq!(
            exchange.request_body(&world.guard, body.as_bytes(), true),
            Step::Wait
        );
        call(&world, &mut exchange);
        let current = head_of("200", ETAG);
        let step = exchange.answered(&world.guard, Some((&current, body.as_bytes())));
        assert!(matches!(step, Step::Forward(_)), "{split}: {step:?}");
    }
    let limit = 64 << 10;
    let mut exchange = Exchange::default();
    let (first, second) = (head(&world), head(&world));
    assert_eq!(world.ask(&mut exchange, first, false), Step::Wait);
    assert_eq!(exchange.body_grows(&world.guard, limit), Step::Wait);
    let step = exchange.body_grows(&world.guard, limit + 1);
    assert_eq!(
        outcome((step, world.record(&mut exchange))),
        refused(413, "request.too-large")
    );
    let mut exchange = Exchange::default();
    assert_eq!(world.ask(&mut exchange, second, false), Step::Wait);
    let step = exchange.request_trailers();
    assert_eq!(
        outcome((step, world.record(&mut exchange))),
        refused(400, "request.malformed.trailers")
    );
}

#[test]
fn reads_of_current_versions_are_bounded_and_give_their_places_back() {
    let mut world =
        trusting_with(|config| config["waiting"] = json!({"requests": 2, "time": "1s"}));
    let mut all: Vec<Exchange> = (0..2)
        .map(|_| waits(&mut world, "DELETE", None, &[]))
        .collect();
    let full = refused(503, "unavailable.waiting");
    let found = writes::outcome(&mut world, ALL, "DELETE /r4/Observation/o1", &[], None);
    assert_eq!(found.map_or(pinned(), Err), full);
    let one = all.pop().expect("one");
    drop(one);
    all.push(waits(&mut world, "DELETE", None, &[]));
    // What is answered, refused or cut gives its place back too.
    let mut answered = all.pop().expect("one");
    call(&world, &mut answered);
    let own = stored("Patient/p1").to_string();
    let head = head_of("200", ETAG);
    assert!(matches!(
        answered.answered(&world.guard, Some((&head, own.as_bytes()))),
        Step::Forward(_)
    ));
    let mut cut = waits(&mut world, "DELETE", None, &[]);
    let record = world.record(&mut cut);
    assert_eq!(record["outcome"], "cut");
    waits(&mut world, "DELETE", None, &[]);
}

#[test]
fn an_answer_that_never_comes_ends() {
    let mut world =
        trusting_with(|config| config["waiting"] = json!({"requests": 1, "time": "1s"}));
    let mut exchange = waits(&mut world, "DELETE", None, &[]);
    call(&world, &mut exchange);
    assert_eq!(world.wake(&mut exchange, T), Step::Wait);
    assert_eq!(
        world.wake(&mut exchange, T + SECOND),
        Step::Wait,
        "the call ends by itself"
    );
    let step = world.wake(&mut exchange, T + 60 * SECOND);
    let record = world.record(&mut exchange);
    assert_eq!(
        outcome((step, record)),
        refused(503, "unavailable.current-version")
    );
    // So does a clock that steps back; and the place is free again each time.
    let mut exchange = waits(&mut world, "DELETE", None, &[]);
    assert_eq!(world.wake(&mut exchange, T), Step::Wait);
    let step = world.wake(&mut exchange, T - 3600 * SECOND);
    assert!(matches!(step, Step::Reply(_)), "{step:?}");
    waits(&mut world, "DELETE", None, &[]);
}

#[test]
fn what_nobody_hears_is_asked_again() {
    let mut world = trusting();
    let mut exchange = waits(&mut world, "DELETE", None, &[]);
    let first = call(&world, &mut exchange);
    exchange.orphaned();
    let again = call(&world, &mut exchange);
    assert!(first == again);
    let own = stored("Patient/p1").to_string();
    let head = head_of("200", ETAG);
    let step = exchange.answered(&world.guard, Some((&head, own.as_bytes())));
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    exchange.orphaned();
    assert_eq!(exchange.call(&world.guard), None);
}

#[test]
fn writers_of_other_levels_are_not_read_for() {
    let mut world = trusting();
    for scope in ["system/*.cud", "user/*.cud"] {
        let found = writes::outcome(&mut world, scope, "DELETE /r4/Observation/o1", &[], None);
        assert_eq!(found, None, "{scope}");
    }
    let head = world.head("system/*.cud", "DELETE /r4/Observation/o1", &[]);
    let mut exchange = Exchange::default();
    let step = world.ask(&mut exchange, head, true);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    assert_eq!(exchange.call(&world.guard), None);
}
