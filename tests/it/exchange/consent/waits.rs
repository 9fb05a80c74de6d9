//! How long Consents are waited for and remembered, and by how many.

use super::*;

/// A request that waits, at this time.
fn waits_at(world: &mut Deployment, now: u64) -> Exchange {
    let (exchange, step) = ask(world, USER, SEARCH, now);
    assert_eq!(step, Step::Wait);
    exchange
}

fn forwarded(step: &Step) {
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
}

#[test]
fn one_question_serves_all_that_wait_for_it() {
    let mut world = deployment();
    let mut all: Vec<Exchange> = (0..3).map(|_| waits(&mut world, USER, SEARCH)).collect();
    call(&world, &mut all[1]);
    for exchange in &mut all {
        assert_eq!(exchange.call(&world.guard), None, "it is asked already");
    }
    // Of another patient, or for another caller, it is another question.
    let mut other = waits(&mut world, USER, "GET /r4/Observation?patient=p2");
    call(&world, &mut other);
    forwarded(&answered(&world, &mut all[1], &permit()));
    for place in [0, 2] {
        forwarded(&world.wake(&mut all[place], T));
    }
    assert_eq!(world.wake(&mut other, T), Step::Wait);
    // Whoever comes later need not wait.
    let (_, step) = ask(&mut world, USER, SEARCH, T);
    forwarded(&step);
}

#[test]
fn callers_of_whom_the_server_is_told_ask_for_themselves() {
    let mut world = requiring(|config| {
        config["fhir"]["upstream"]["identity"] = json!({"user": "x-user", "request_id": "x-id"});
    });
    let mut one = waits(&mut world, USER, SEARCH);
    let mut same = waits(&mut world, USER, SEARCH);
    let claims = world.claims().scope(USER).fhir_user("Practitioner/8");
    let token = world.token(&claims);
    let head = world.head_with(&token, SEARCH, &[]);
    let mut other = Exchange::default();
    assert_eq!(world.ask(&mut other, head, true), Step::Wait);
    call(&world, &mut one);
    assert_eq!(same.call(&world.guard), None);
    call(&world, &mut other);
}

#[test]
fn the_next_asks_where_the_one_that_asked_is_gone() {
    let mut world = deployment();
    let mut first = waits(&mut world, USER, SEARCH);
    let mut second = waits(&mut world, USER, SEARCH);
    call(&world, &mut first);
    assert_eq!(second.call(&world.guard), None);
    assert_eq!(world.record(&mut first)["outcome"], "cut");
    drop(first);
    call(&world, &mut second);
    // Nobody hears the answer: the same asks again.
    second.orphaned();
    call(&world, &mut second);
    forwarded(&answered(&world, &mut second, &permit()));
    // An answer that nobody asked for changes nothing.
    let mut third = waits(&mut deployment(), USER, SEARCH);
    assert_eq!(
        third.call(&world.guard).map(|call| call.cluster),
        Some("fhir".to_owned())
    );
}

#[test]
fn answers_are_remembered_for_their_time() {
    let checks = |cache: &str, answer: &Value, times: &[(u64, bool)]| {
        let mut world = requiring(|config| config["consent"] = json!({ "cache": cache }));
        let mut first = waits_at(&mut world, T);
        call(&world, &mut first);
        answered(&world, &mut first, answer);
        for (after, known) in times {
            let (_, step) = ask(&mut world, USER, SEARCH, T + after);
            assert_eq!(step != Step::Wait, *known, "{cache} after {after}");
        }
    };
    for answer in [permit(), deny(), bundle(&[])] {
        checks(
            "30s",
            &answer,
            &[(0, true), (30 * SECOND - 1, true), (30 * SECOND, false)],
        );
        checks("0s", &answer, &[(0, false)]);
    }
    // A failure is for a second, whatever is configured.
    for cache in ["0s", "5m"] {
        checks(
            cache,
            &json!({}),
            &[(0, true), (SECOND - 1, true), (SECOND, false)],
        );
    }
    // What is of the future is not believed.
    let mut world = deployment();
    let mut first = waits_at(&mut world, T);
    call(&world, &mut first);
    answered(&world, &mut first, &permit());
    let (_, step) = ask(&mut world, USER, SEARCH, T - 60 * SECOND);
    assert!(!matches!(step, Step::Forward(_)), "{step:?}");
}

#[test]
fn without_memory_those_that_wait_are_served_all_the_same() {
    let mut world = requiring(|config| config["consent"] = json!({"cache": "0s"}));
    let mut first = waits(&mut world, USER, SEARCH);
    let mut second = waits(&mut world, USER, SEARCH);
    call(&world, &mut first);
    forwarded(&answered(&world, &mut first, &permit()));
    // A new question is open before the second has looked.
    let mut third = waits(&mut world, USER, SEARCH);
    forwarded(&world.wake(&mut second, T));
    assert_eq!(world.wake(&mut third, T), Step::Wait);
    call(&world, &mut third);
    let step = answered(&world, &mut third, &deny());
    assert_eq!(passed(&world, third, step).err(), refused(403, "consent.c"));
}

#[test]
fn waiting_is_bounded_and_places_are_given_back() {
    let mut world = requiring(|config| config["waiting"] = json!({"requests": 2, "time": "1s"}));
    let mut all: Vec<Exchange> = ["p1", "p2"]
        .map(|id| waits(&mut world, USER, &format!("GET /r4/Patient/{id}")))
        .into();
    let third = "GET /r4/Patient/p3";
    let (exchange, step) = ask(&mut world, USER, third, T);
    let full = refused(503, "unavailable.waiting");
    assert_eq!(passed(&world, exchange, step).err(), full);
    drop(all.pop());
    all.push(waits(&mut world, USER, third));
    let over = || refused(503, "unavailable.consent");
    for mut exchange in all {
        assert_eq!(world.wake(&mut exchange, T), Step::Wait);
        assert_eq!(world.wake(&mut exchange, T + SECOND), Step::Wait);
        let step = world.wake(&mut exchange, T + 10 * SECOND);
        assert_eq!(passed(&world, exchange, step).err(), over());
    }
    waits(&mut world, USER, third);
}

#[test]
fn a_body_waits_with_its_request() {
    let mut world = requiring(|config| {
        config["fhir"]["body_check"] = json!("none");
        config["redaction"] = json!([]);
    });
    let body = json!({"resourceType": "Patient", "id": "p1", "active": true}).to_string();
    let ask = |world: &mut Deployment| {
        let claims = world.claims().scope(USER).fhir_user("Practitioner/7");
        let token = world.token(&claims);
        let fields = [("content-type", "application/fhir+json")];
        let head = world.head_with(&token, "PUT /r4/Patient/p1", &fields);
        let mut exchange = Exchange::default();
        assert_eq!(world.ask(&mut exchange, head, false), Step::Wait);
        exchange
    };
    // Whole before the answer.
    let mut exchange = ask(&mut world);
    let step = exchange.request_body(&world.guard, body.as_bytes(), true);
    assert_eq!(step, Step::Wait);
    call(&world, &mut exchange);
    forwarded(&answered(&world, &mut exchange, &permit()));
    // Not there yet.
    let mut world = world.changed(|_| ());
    let mut exchange = ask(&mut world);
    call(&world, &mut exchange);
    let step = answered(&world, &mut exchange, &permit());
    assert!(matches!(step, Step::HoldHead(_)), "{step:?}");
    let step = exchange.request_body(&world.guard, body.as_bytes(), true);
    assert_eq!(step, Step::Write(body.clone().into_bytes()));
    // Too much of it, and trailers.
    let mut world = world.changed(|_| ());
    let mut exchange = ask(&mut world);
    let step = exchange.body_grows(&world.guard, 1025);
    assert_eq!(
        passed(&world, exchange, step).err(),
        refused(413, "request.too-large")
    );
    let mut exchange = ask(&mut world);
    let step = exchange.request_trailers();
    let trailers = refused(400, "request.malformed.trailers");
    assert_eq!(passed(&world, exchange, step).err(), trailers);
}

#[test]
fn a_patients_write_is_pinned_after_the_consent() {
    let mut world = requiring(|config| {
        config["fhir"]["upstream"]["trust"] = json!(["if_match"]);
        config["fhir"]["patient_writes"] = json!(["Observation"]);
    });
    let mut exchange = waits(&mut world, "patient/*.cruds", "DELETE /r4/Observation/o1");
    call(&world, &mut exchange);
    let correct = json!([{"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "correct",
    }]}]);
    let consents = bundle(&[consent(json!({"type": "permit", "action": correct}))]);
    assert_eq!(answered(&world, &mut exchange, &consents), Step::Wait);
    assert!(exchange.is_waiting());
    let read = call(&world, &mut exchange);
    assert!(
        read.headers
            .iter()
            .any(|(_, value)| value == "/base/Observation/o1")
    );
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
        ("etag", "W/\"7\""),
    ];
    let current =
        json!({"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/p1"}});
    let head = pairs(head.iter());
    let step = exchange.answered(&world.guard, Some((&head, current.to_string().as_bytes())));
    forwarded(&step);
}
