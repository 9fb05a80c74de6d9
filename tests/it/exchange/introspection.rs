//! Tokens about which the authorization server is asked (RFC 7662).

use fhir_guard::exchange::Question;
use fhir_guard_harness::tokens::{Algorithm, Claims, DpopClient, DpopProof};

use super::waiting::{SECOND, T, ask, check_passes, check_refused, waits};
use super::*;
use driver::NOW;

const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA";

/// A deployment whose only issuer is asked about opaque tokens, and has no keys.
fn opaque() -> Deployment {
    opaque_with(|_| ())
}

fn opaque_with(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        let issuer = config["issuers"][0].as_object_mut().expect("an issuer");
        issuer.remove("keys");
        issuer.remove("algorithms");
        config["issuers"][0]["introspection"] =
            json!({"uri": "http://as/introspect", "cluster": "as"});
        edit(config);
    })
}

/// The same that is asked about JWTs besides verifying them.
fn jwts() -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["introspection"] = json!({"uri": "http://as/introspect",
            "cluster": "as", "tokens": ["jwt"], "cache": "10s"});
    })
}

fn jwt(world: &Deployment) -> String {
    world.token(&world.claims().expires_at(NOW + 3600))
}

/// What the server says of a good token, with these changes.
fn said(world: &Deployment, changes: Value) -> String {
    let mut answer = json!({"active": true, "client_id": "app", "scope": "patient/*.rs",
        "patient": "p1", "exp": NOW + 600, "aud": "https://fhir.example.org",
        "cnf": {"x5t#S256": world.certificate.thumbprint_sha256_base64url}});
    let changes = changes.as_object().expect("an object").clone();
    answer.as_object_mut().expect("an object").extend(changes);
    answer.to_string()
}

/// All questions that are to be sent now, with the forms.
fn questions(world: &mut Deployment) -> Vec<(Question, String)> {
    std::iter::from_fn(|| world.guard.question())
        .map(|(question, call)| (question, String::from_utf8(call.body).expect("a form")))
        .collect()
}

/// The one question that is to be sent now.
fn question(world: &mut Deployment) -> Question {
    let mut all = questions(world);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).0
}

/// This token is asked about, and the server says so.
fn introspected(world: &mut Deployment, token: &str, answer: &str, now: u64) -> (Exchange, Step) {
    let mut exchange = waits(world, token, now);
    let question = question(world);
    let answer = Some((200, answer.as_bytes()));
    assert_eq!(world.guard.answer(&question, answer, now), Ok(()));
    let step = world.wake(&mut exchange, now);
    (exchange, step)
}

#[test]
fn an_opaque_token_waits_for_what_it_means() {
    let mut world = opaque();
    let mut all: Vec<Exchange> = (0..10).map(|_| waits(&mut world, OPAQUE, T)).collect();
    let mut asked = questions(&mut world);
    assert_eq!(asked.len(), 1, "once for all");
    let (question, form) = asked.remove(0);
    assert_eq!(form, format!("token={OPAQUE}&token_type_hint=access_token"));
    assert_eq!(world.wake(&mut all[0], T + SECOND), Step::Wait);
    let answer = said(&world, json!({}));
    let answer = Some((200, answer.as_bytes()));
    assert_eq!(world.guard.answer(&question, answer, T + SECOND), Ok(()));
    for exchange in &mut all {
        check_passes(&world.wake(exchange, T + SECOND));
    }
    // Remembered, as long as it may be, and then asked again.
    check_passes(&ask(&mut world, OPAQUE, T + 31 * SECOND - 1).1);
    assert!(questions(&mut world).is_empty());
    let again = waits(&mut world, OPAQUE, T + 31 * SECOND);
    assert_eq!(questions(&mut world).len(), 1);
    drop(again);
    let mut record = Exchange::default();
    let head = world.head_with("other", "GET /r4/Patient/p1", &[]);
    assert_eq!(world.ask_at(&mut record, head, true, T), Step::Wait);
    let record = world.record(&mut record).to_string();
    assert!(!record.contains("other"), "{record}");
}

#[test]
fn what_the_server_says_decides() {
    let check = |name: &str, changes: Value, status: u16, rule: &str| {
        let mut world = opaque();
        let answer = said(&world, changes);
        let (mut exchange, step) = introspected(&mut world, OPAQUE, &answer, T);
        assert!(matches!(step, Step::Reply(_)), "{name}: {step:?}");
        check_refused(&world, &mut exchange, &step, status, rule);
        // And so at once for the next, for a while; which rule it was makes no difference.
        let (mut exchange, step) = ask(&mut world, OPAQUE, T + SECOND);
        check_refused(&world, &mut exchange, &step, status, rule);
        assert!(questions(&mut world).is_empty(), "{name}");
    };
    check("inactive", json!({"active": false}), 401, "token.inactive");
    let other = json!({"cnf": {"x5t#S256": "A".repeat(43)}});
    check("another's certificate", other, 401, "token.binding");
    check(
        "bound to nobody",
        json!({"cnf": null}),
        401,
        "token.binding",
    );
    check(
        "a key nobody takes",
        json!({"cnf": {"jkt": "A".repeat(43)}}),
        401,
        "token.binding",
    );
    check(
        "elsewhere",
        json!({"aud": "https://x"}),
        401,
        "token.audience",
    );
    check("past", json!({"exp": NOW - 30}), 401, "token.expired");
    check(
        "of another",
        json!({"iss": "https://x"}),
        401,
        "token.issuer",
    );
    check(
        "a refresh token",
        json!({"token_type": "refresh_token"}),
        401,
        "token.type",
    );
    check(
        "too little scope",
        json!({"scope": "patient/Group.r"}),
        403,
        "scope",
    );
    check(
        "another patient",
        json!({"patient": "p2"}),
        404,
        "compartment",
    );
}

#[test]
fn a_remembered_answer_does_not_outlive_the_token() {
    let mut world = opaque();
    let answer = said(&world, json!({"exp": NOW - 25}));
    let (_, step) = introspected(&mut world, OPAQUE, &answer, T);
    check_passes(&step);
    check_passes(&ask(&mut world, OPAQUE, T + 5 * SECOND - 1).1);
    let (mut exchange, step) = ask(&mut world, OPAQUE, T + 5 * SECOND);
    check_refused(&world, &mut exchange, &step, 401, "token.expired");
}

#[test]
fn a_server_that_fails_closes_for_a_second_and_lets_nothing_old_in() {
    let answers: [Option<(u16, &[u8])>; 6] = [
        None,
        Some((500, b"")),
        Some((401, b"{\"active\":true}")),
        Some((200, b"rubbish")),
        Some((200, b"{\"active\":true,\"active\":true}")),
        Some((200, &[b' '; Question::LIMIT + 1])),
    ];
    for answer in answers {
        let mut world = opaque();
        let good = said(&world, json!({}));
        check_passes(&introspected(&mut world, OPAQUE, &good, T).1);
        let late = T + 30 * SECOND;
        let mut exchange = waits(&mut world, OPAQUE, late);
        let asked = question(&mut world);
        let said = world.guard.answer(&asked, answer, late);
        assert!(said.is_err_and(|said| !said.contains(OPAQUE)));
        let step = world.wake(&mut exchange, late);
        check_refused(
            &world,
            &mut exchange,
            &step,
            503,
            "unavailable.introspection",
        );
        let (mut exchange, step) = ask(&mut world, OPAQUE, late + SECOND - 1);
        check_refused(
            &world,
            &mut exchange,
            &step,
            503,
            "unavailable.introspection",
        );
        assert!(questions(&mut world).is_empty());
        check_passes(&introspected(&mut world, OPAQUE, &good, late + SECOND).1);
    }
}

#[test]
fn a_question_without_an_answer_ends_by_itself() {
    let mut world = opaque();
    let mut exchange = waits(&mut world, OPAQUE, T);
    let _lost = question(&mut world);
    world.guard.expire(T + 3 * SECOND);
    assert_eq!(world.wake(&mut exchange, T + 3 * SECOND), Step::Wait);
    world.guard.expire(T + 3 * SECOND + 1);
    let step = world.wake(&mut exchange, T + 3 * SECOND + 1);
    check_refused(
        &world,
        &mut exchange,
        &step,
        503,
        "unavailable.introspection",
    );
    // And where nobody even ticks, by the time that a request may wait.
    let mut exchange = waits(&mut world, "another", T);
    let step = world.wake(&mut exchange, T + 5 * SECOND);
    check_refused(&world, &mut exchange, &step, 503, "unavailable.waiting");
}

#[test]
fn who_goes_away_takes_the_question_along() {
    let mut world = opaque_with(|config| config["waiting"] = json!({"requests": 1}));
    let mut gone = waits(&mut world, OPAQUE, T);
    let lost = question(&mut world);
    gone.end();
    world.guard.orphaned(&lost);
    assert!(questions(&mut world).is_empty(), "nobody wants to know");
    // Whoever comes next has the place, and its own question.
    let good = said(&world, json!({}));
    check_passes(&introspected(&mut world, "another", &good, T).1);
    // Of two that wait one remains: it is asked again.
    let mut world = opaque();
    let (mut gone, mut stays) = (waits(&mut world, OPAQUE, T), waits(&mut world, OPAQUE, T));
    let lost = question(&mut world);
    gone.end();
    world.guard.orphaned(&lost);
    let again = question(&mut world);
    let answer = Some((200, good.as_bytes()));
    let good = said(&world, json!({}));
    let answer = answer.map(|(status, _)| (status, good.as_bytes()));
    assert_eq!(world.guard.answer(&again, answer, T), Ok(()));
    check_passes(&world.wake(&mut stays, T));
}

#[test]
fn as_many_wait_as_may() {
    let mut world = opaque_with(|config| config["waiting"] = json!({"requests": 3}));
    let tokens = ["a", "b", "c"];
    let mut all: Vec<Exchange> = tokens.iter().map(|one| waits(&mut world, one, T)).collect();
    let (mut exchange, step) = ask(&mut world, "d", T);
    check_refused(&world, &mut exchange, &step, 503, "unavailable.waiting");
    let asked = questions(&mut world);
    assert_eq!(asked.len(), 3);
    for (question, _) in &asked {
        let _ = world.guard.answer(question, None, T);
    }
    for exchange in &mut all {
        let step = world.wake(exchange, T);
        check_refused(&world, exchange, &step, 503, "unavailable.introspection");
    }
    waits(&mut world, "d", T);
}

#[test]
fn nobody_is_asked_for_who_cannot_come_in() {
    let mut world = opaque();
    let mut exchange = Exchange::default();
    let head = world.head_with(OPAQUE, "GET /r4/Patient/p1", &[]);
    let step = exchange.request_headers(&mut world.guard, &head, &Default::default(), T, true);
    check_refused(&world, &mut exchange, &step, 401, "token.certificate");
    let mut exchange = Exchange::default();
    let head = world.head_with(OPAQUE, "GET /r4/Nothing/p1", &[]);
    let step = world.ask_at(&mut exchange, head, true, T);
    assert!(matches!(step, Step::Reply(_)), "{step:?}");
    let long = "x".repeat(8193);
    let (mut exchange, step) = ask(&mut world, &long, T);
    check_refused(&world, &mut exchange, &step, 401, "token.size");
    // A JWT is none of its tokens: there is nothing to verify it with.
    let token = jwt(&world);
    let (mut exchange, step) = ask(&mut world, &token, T);
    let Step::Reply(reply) = &step else {
        panic!("{step:?}")
    };
    assert_eq!(reply.status, 401);
    let rule = world.record(&mut exchange)["rule"].clone();
    assert!(driver::slug(&rule).starts_with("token."), "{rule}");
    assert!(questions(&mut world).is_empty());
}

#[test]
fn the_body_of_a_request_that_waits_is_kept() {
    let mut world = opaque();
    let answer = said(
        &world,
        json!({"scope": "user/Observation.cru", "fhirUser": "Practitioner/d1"}),
    );
    let body = br#"{"resourceType":"Observation","id":"o1","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}"#;
    let mut exchange = Exchange::default();
    let fields = [("content-type", "application/fhir+json")];
    let head = world.head_with(OPAQUE, "PUT /r4/Observation/o1", &fields);
    assert_eq!(world.ask_at(&mut exchange, head, false, T), Step::Wait);
    assert_eq!(exchange.request_body(&world.guard, body, true), Step::Wait);
    let question = question(&mut world);
    let answer = Some((200, answer.as_bytes()));
    assert_eq!(world.guard.answer(&question, answer, T), Ok(()));
    check_passes(&world.wake(&mut exchange, T));
}

#[test]
fn a_token_that_is_bound_to_a_key_needs_its_proof() {
    let mut world = opaque_with(|config| config["issuers"][0]["proof"] = json!(["dpop"]));
    let client = DpopClient::new("client", Algorithm::Es256);
    let cnf = json!({"cnf": {"jkt": client.thumbprint()}, "token_type": "DPoP"});
    let answer = said(&world, cnf);
    let (mut exchange, step) = introspected(&mut world, OPAQUE, &answer, T);
    check_refused(&world, &mut exchange, &step, 401, "token.binding");
    let proof = |token: &str| {
        let proof = DpopProof::new("GET", "https://fhir.example.org/r4/Patient/p1", token, NOW);
        client.sign(&proof)
    };
    let mut go = |proof: &str| {
        let mut exchange = Exchange::default();
        let scheme = format!("DPoP {OPAQUE}");
        let head = world.head_as(&scheme, "GET /r4/Patient/p1", &[("dpop", proof)]);
        (world.ask_at(&mut exchange, head, true, T), exchange)
    };
    let good = proof(OPAQUE);
    check_passes(&go(&good).0);
    let (again, _) = go(&good);
    assert!(matches!(again, Step::Reply(_)), "used before: {again:?}");
    let (other, _) = go(&proof("another"));
    assert!(
        matches!(other, Step::Reply(_)),
        "of another token: {other:?}"
    );
}

#[test]
fn a_jwt_is_verified_and_must_be_active_besides() {
    let mut world = jwts();
    let token = jwt(&world);
    let (_, step) = introspected(&mut world, &token, "{\"active\":true}", T);
    check_passes(&step);
    check_passes(&ask(&mut world, &token, T + 10 * SECOND - 1).1);
    // Taken back by its issuer: no later than its time in the memory.
    let late = T + 10 * SECOND;
    let (mut exchange, step) = introspected(&mut world, &token, "{\"active\":false}", late);
    check_refused(&world, &mut exchange, &step, 401, "token.inactive");
    let (mut exchange, step) = ask(&mut world, &token, late + SECOND);
    check_refused(&world, &mut exchange, &step, 401, "token.inactive");
    // What the server says beside it changes nothing of what the token says.
    let token = world.token(&world.claims().scope("patient/Group.r"));
    let more = said(&world, json!({}));
    let (mut exchange, step) = introspected(&mut world, &token, &more, T);
    check_refused(&world, &mut exchange, &step, 403, "scope");
}

#[test]
fn no_server_stands_in_for_a_signature() {
    let mut world = jwts();
    let claims = |world: &Deployment| Claims::new(NOW).bound_to(&world.certificate);
    let forged = world.issuer.impostor().token(&claims(&world));
    let expired = world.issuer.token(&claims(&world).expires_at(NOW - 100));
    for (token, rule) in [(forged, "token.signature"), (expired, "token.expired")] {
        let (mut exchange, step) = ask(&mut world, &token, T);
        check_refused(&world, &mut exchange, &step, 401, rule);
        assert!(questions(&mut world).is_empty(), "{rule}: nobody is asked");
    }
    // An opaque token is nobody's here.
    let (mut exchange, step) = ask(&mut world, OPAQUE, T);
    check_refused(&world, &mut exchange, &step, 401, "token.malformed");
    // Good, and then without an answer.
    let token = jwt(&world);
    let mut exchange = waits(&mut world, &token, T);
    let asked = question(&mut world);
    assert!(world.guard.answer(&asked, None, T).is_err());
    let step = world.wake(&mut exchange, T);
    check_refused(
        &world,
        &mut exchange,
        &step,
        503,
        "unavailable.introspection",
    );
}
