//! Requests that wait for keys.

use fhir_guard_harness::tokens::Claims;

use super::*;
use driver::{NOW, slug};

pub const SECOND: u64 = 1_000_000_000;

/// When the first request comes.
pub const T: u64 = NOW * SECOND;

const READ: &str = "GET /r4/Patient/p1";

/// A deployment whose keys are fetched, and have not been: refreshed after a minute, used for ten, cooled
/// down for three seconds; waited for, for five.
pub fn cold() -> Deployment {
    cold_with(|_| ())
}

pub fn cold_with(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["keys"] = json!({
            "uri": "https://as.example.org/jwks", "cluster": "as",
            "refresh": "60s", "max_age": "10m", "cooldown": "3s",
        });
        edit(config);
    })
}

/// The same with the keys, fetched at this time.
pub fn warm(at: u64) -> Deployment {
    let mut world = cold();
    fetch(&mut world, at);
    world
}

pub fn fetch(world: &mut Deployment, at: u64) {
    let jwks = world.issuer.jwks().to_string();
    assert!(world.tick(at), "it is to be fetched");
    assert_eq!(world.fetched(Some((200, jwks.as_bytes())), at), Ok(()));
}

/// A token that is good for an hour.
pub fn token(world: &Deployment) -> String {
    let claims = Claims::new(NOW).bound_to(&world.certificate);
    world
        .issuer
        .token(&claims.scope("patient/*.rs").expires_at(NOW + 3600))
}

/// The same of the key that comes next.
fn new_token(world: &Deployment) -> String {
    let claims = Claims::new(NOW).bound_to(&world.certificate);
    let rotated = world.issuer.rotated();
    rotated.token(&claims.scope("patient/*.rs").expires_at(NOW + 3600))
}

/// The same of a key that nobody has.
pub fn unknown_token(world: &Deployment, kid: &str) -> String {
    let claims = Claims::new(NOW).bound_to(&world.certificate);
    let claims = claims.scope("patient/*.rs").expires_at(NOW + 3600);
    world.issuer.token(&claims.header("kid", json!(kid)))
}

/// A request with this token, and what comes of it at first.
pub fn ask(world: &mut Deployment, token: &str, now: u64) -> (Exchange, Step) {
    let mut exchange = Exchange::default();
    let head = world.head_with(token, READ, &[]);
    let step = world.ask_at(&mut exchange, head, true, now);
    (exchange, step)
}

/// A request that waits.
pub fn waits(world: &mut Deployment, token: &str, now: u64) -> Exchange {
    let (exchange, step) = ask(world, token, now);
    assert_eq!(step, Step::Wait);
    assert!(exchange.is_waiting());
    exchange
}

pub fn check_passes(step: &Step) {
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
}

/// A refusal with its status, its record, and `Retry-After` where it is worth trying again.
pub fn check_refused(
    world: &Deployment,
    exchange: &mut Exchange,
    step: &Step,
    status: u16,
    rule: &str,
) {
    let Step::Reply(reply) = step else {
        panic!("{rule}: {step:?}")
    };
    assert_eq!(reply.status, status, "{rule}");
    let again = reply.headers.iter().any(|(name, _)| *name == "retry-after");
    assert_eq!(again, status == 503, "{rule}");
    assert!(!exchange.is_waiting(), "{rule}");
    let record = world.record(exchange);
    assert_eq!(slug(&record["rule"]), rule);
    assert_eq!(record["outcome"], "refused", "{rule}");
    assert!(!record.to_string().contains("eyJ"), "{record}");
}

#[test]
fn the_first_requests_wait_for_the_keys() {
    let mut world = cold();
    let mut other = world.worker();
    let token = token(&world);
    let mut first = waits(&mut world, &token, T);
    let mut elsewhere = waits(&mut other, &token, T);
    assert!(world.tick(T + 1), "one worker fetches");
    assert!(!other.tick(T + 1), "and no other");
    for (world, exchange) in [(&mut world, &mut first), (&mut other, &mut elsewhere)] {
        assert_eq!(world.wake(exchange, T + SECOND), Step::Wait);
    }
    let jwks = world.issuer.jwks().to_string();
    let late = T + SECOND;
    assert_eq!(world.fetched(Some((200, jwks.as_bytes())), late), Ok(()));
    check_passes(&world.wake(&mut first, late));
    assert_eq!(other.wake(&mut elsewhere, late), Step::Wait, "not seen yet");
    assert!(!other.tick(late));
    check_passes(&other.wake(&mut elsewhere, late));
    for world in [&mut world, &mut other] {
        check_passes(&ask(world, &token, late).1);
    }
    assert_eq!(world.wake(&mut first, late), Step::Wait, "it is gone");
}

#[test]
fn only_who_could_come_in_may_wait() {
    let mut world = cold();
    let good = token(&world);
    let claims = || Claims::new(NOW).bound_to(&world.certificate);
    let (issuer, mut refused) = (world.issuer.clone(), Vec::new());
    refused.push((
        "expired",
        issuer.token(&claims().expires_at(NOW - 100)),
        "token.expired",
    ));
    refused.push((
        "elsewhere",
        issuer.token(&claims().audience("https://x")),
        "token.audience",
    ));
    refused.push(("rubbish", "rubbish".to_owned(), "token.malformed"));
    refused.push(("no base64url", good.clone() + "=", "token.signature"));
    for (name, token, rule) in refused {
        let (mut exchange, step) = ask(&mut world, &token, T);
        assert!(matches!(step, Step::Reply(_)), "{name}: {step:?}");
        check_refused(&world, &mut exchange, &step, 401, rule);
    }
    let mut exchange = Exchange::default();
    let head = world.head_with(&good, "GET /r4/Nothing/p1", &[]);
    let step = world.ask_at(&mut exchange, head, true, T);
    assert!(
        matches!(step, Step::Reply(_)),
        "a path that is none: {step:?}"
    );
    let mut exchange = Exchange::default();
    let head = world.head_with(&good, "GET /r4/metadata", &[]);
    check_passes(&world.ask_at(&mut exchange, head, true, T));
    let mut exchange = Exchange::default();
    let head = world.head_with(&good, READ, &[]);
    let step = exchange.request_headers(&mut world.guard, &head, &Default::default(), T, true);
    check_refused(&world, &mut exchange, &step, 401, "token.certificate");
}

#[test]
fn what_is_refused_later_is_refused_after_the_wait_too() {
    let check = |name: &str, token: &dyn Fn(&Deployment) -> String, after: u64, rule: &str| {
        let mut world = cold();
        let token = token(&world);
        let mut exchange = waits(&mut world, &token, T);
        fetch(&mut world, T + after);
        let step = world.wake(&mut exchange, T + after);
        let status = if rule == "scope" { 403 } else { 401 };
        assert!(matches!(step, Step::Reply(_)), "{name}: {step:?}");
        check_refused(&world, &mut exchange, &step, status, rule);
    };
    let bound = |world: &Deployment| Claims::new(NOW).bound_to(&world.certificate);
    let forged = |world: &Deployment| world.issuer.impostor().token(&bound(world));
    check("a forged signature", &forged, SECOND, "token.signature");
    let short = |world: &Deployment| world.issuer.token(&bound(world).expires_at(NOW - 28));
    check(
        "its time goes while it waits",
        &short,
        3 * SECOND,
        "token.expired",
    );
    let unbound = |world: &Deployment| world.issuer.token(&Claims::new(NOW));
    check("bound to nobody", &unbound, SECOND, "token.binding");
    let less = |world: &Deployment| world.issuer.token(&bound(world).scope("patient/Group.r"));
    check("too little scope", &less, SECOND, "scope");
}

#[test]
fn an_unknown_key_is_asked_for_once() {
    let mut world = warm(T);
    let new = new_token(&world);
    let mut first = waits(&mut world, &new, T + SECOND);
    assert!(!world.tick(T + 3 * SECOND - 1), "it cools down");
    let mut second = waits(&mut world, &new, T + 2 * SECOND);
    assert!(world.tick(T + 3 * SECOND));
    let rotated = world.issuer.rotated().jwks().to_string();
    let done = T + 4 * SECOND;
    assert_eq!(world.fetched(Some((200, rotated.as_bytes())), done), Ok(()));
    check_passes(&world.wake(&mut first, done));
    check_passes(&world.wake(&mut second, done));
    check_passes(&ask(&mut world, &new, done).1);

    // The key before is gone, remembered or not.
    let old = token(&world);
    let mut retired = waits(&mut world, &old, done);
    assert!(world.tick(T + 6 * SECOND));
    assert_eq!(
        world.fetched(Some((200, rotated.as_bytes())), T + 6 * SECOND),
        Ok(())
    );
    let step = world.wake(&mut retired, T + 6 * SECOND);
    check_refused(&world, &mut retired, &step, 401, "token.key");
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_along() {
    let mut world = warm(T);
    let mut other = world.worker();
    let old = token(&world);
    assert!(!other.tick(T));
    for world in [&mut world, &mut other] {
        check_passes(&ask(world, &old, T + SECOND).1);
    }
    let later = T + 60 * SECOND;
    assert!(world.tick(later));
    let rotated = world.issuer.rotated().jwks().to_string();
    assert_eq!(
        world.fetched(Some((200, rotated.as_bytes())), later),
        Ok(())
    );
    check_passes(&ask(&mut other, &old, later).1);
    assert!(!other.tick(later));
    for world in [&mut world, &mut other] {
        // Remembered, and worth no more than one that was never seen.
        let mut exchange = waits(world, &old, later + 1);
        let step = world.wake(&mut exchange, later + 1 + 5 * SECOND);
        check_refused(world, &mut exchange, &step, 503, "unavailable.waiting");
    }
}

#[test]
fn a_key_that_is_absent_is_refused_at_once_for_the_cooldown() {
    let mut world = warm(T);
    let jwks = world.issuer.jwks().to_string();
    let ask_later = T + 10 * SECOND;
    let absent = unknown_token(&world, "nobody");
    let mut exchange = waits(&mut world, &absent, ask_later);
    assert!(world.tick(ask_later));
    assert_eq!(
        world.fetched(Some((200, jwks.as_bytes())), ask_later),
        Ok(())
    );
    let step = world.wake(&mut exchange, ask_later);
    check_refused(&world, &mut exchange, &step, 401, "token.key");
    for after in [0, 1, 3 * SECOND - 1] {
        let (mut exchange, step) = ask(&mut world, &absent, ask_later + after);
        check_refused(&world, &mut exchange, &step, 401, "token.key");
        assert!(!world.tick(ask_later + after), "nobody is asked");
    }
    waits(&mut world, &absent, ask_later + 3 * SECOND);
    assert!(world.tick(ask_later + 3 * SECOND));
}

#[test]
fn sixty_four_absent_keys_are_remembered_and_no_more() {
    let mut world = warm(T);
    let jwks = world.issuer.jwks().to_string();
    let later = T + 10 * SECOND;
    let tokens: Vec<String> = (0..65)
        .map(|number| unknown_token(&world, &number.to_string()))
        .collect();
    let wait: Vec<Exchange> = tokens
        .iter()
        .map(|token| waits(&mut world, token, later))
        .collect();
    assert!(world.tick(later));
    assert_eq!(world.fetched(Some((200, jwks.as_bytes())), later), Ok(()));
    for mut exchange in wait {
        let step = world.wake(&mut exchange, later);
        check_refused(&world, &mut exchange, &step, 401, "token.key");
    }
    for token in tokens.iter().skip(1) {
        let (mut exchange, step) = ask(&mut world, token, later + 1);
        check_refused(&world, &mut exchange, &step, 401, "token.key");
    }
    // Forgotten: a wait, not an answer.
    waits(&mut world, &tokens[0], later + 1);
}

#[test]
fn a_wait_has_an_end() {
    let mut world = cold();
    let token = token(&world);
    let mut exchange = waits(&mut world, &token, T);
    assert_eq!(world.wake(&mut exchange, T + 5 * SECOND - 1), Step::Wait);
    let step = world.wake(&mut exchange, T + 5 * SECOND);
    check_refused(&world, &mut exchange, &step, 503, "unavailable.waiting");
    // A clock that was set back does not make it longer; one that is corrected does no harm.
    let mut exchange = waits(&mut world, &token, T);
    assert_eq!(world.wake(&mut exchange, T - SECOND), Step::Wait);
    let step = world.wake(&mut exchange, T - SECOND - 1);
    check_refused(&world, &mut exchange, &step, 503, "unavailable.waiting");
    // What came at the last instant is taken.
    let mut exchange = waits(&mut world, &token, T);
    fetch(&mut world, T + 4 * SECOND);
    check_passes(&world.wake(&mut exchange, T + 5 * SECOND));
}

#[test]
fn as_many_wait_as_may() {
    for (places, edit) in [(3, Some(3)), (256, None)] {
        let mut world = cold_with(|config| {
            if let Some(requests) = edit {
                config["waiting"] = json!({ "requests": requests });
            }
        });
        let token = token(&world);
        let mut all: Vec<Exchange> = (0..places).map(|_| waits(&mut world, &token, T)).collect();
        let full = |world: &mut Deployment| {
            let (mut exchange, step) = ask(world, &token, T);
            check_refused(world, &mut exchange, &step, 503, "unavailable.waiting");
        };
        full(&mut world);
        // Who goes away gives the place back, however that came.
        let mut cut = all.pop().expect("one");
        cut.end();
        drop(cut);
        all.push(waits(&mut world, &token, T));
        full(&mut world);
        let step = all[0].host_failed();
        check_refused(&world, &mut all[0], &step, 503, "unavailable.host");
        all.push(waits(&mut world, &token, T));
        full(&mut world);
        let step = all[1].request_trailers();
        check_refused(
            &world,
            &mut all[1],
            &step,
            400,
            "request.malformed.trailers",
        );
        all.push(waits(&mut world, &token, T));
        full(&mut world);
        fetch(&mut world, T);
        let passed = all.iter_mut().filter(|one| one.is_waiting());
        assert_eq!(
            passed.map(|one| check_passes(&world.wake(one, T))).count(),
            places
        );
        // All places are free, whoever still holds the exchange.
        let unknown: Vec<String> = (0..places)
            .map(|number| unknown_token(&world, &number.to_string()))
            .collect();
        let _all: Vec<_> = unknown
            .iter()
            .map(|token| waits(&mut world, token, T + 1))
            .collect();
        let (mut exchange, step) = ask(&mut world, &unknown[0], T + 1);
        check_refused(&world, &mut exchange, &step, 503, "unavailable.waiting");
    }
}

/// A place is not for those who cannot be told in time anyway.
#[test]
fn a_wait_that_would_be_too_short_is_none() {
    let mut world = cold_with(|config| {
        config["issuers"][0]["keys"]["cooldown"] = json!("10s");
    });
    fetch(&mut world, T);
    let token = new_token(&world);
    for (name, after, at_once) in [
        ("at once", 1, true),
        ("a moment too early", 5 * SECOND - 1, true),
        ("just in time", 5 * SECOND, false),
    ] {
        let (mut exchange, step) = ask(&mut world, &token, T + after);
        if at_once {
            check_refused(&world, &mut exchange, &step, 503, "unavailable.keys");
        } else {
            assert_eq!(step, Step::Wait, "{name}");
        }
    }
    // While an attempt is under way, its outcome may be the key.
    assert!(world.tick(T + 10 * SECOND));
    assert_eq!(ask(&mut world, &token, T + 10 * SECOND + 1).1, Step::Wait);
}
