//! Lists of what an operator took back.

use super::waiting::{SECOND, T, ask, check_passes, check_refused, waits};
use super::*;
use driver::NOW;
use fhir_guard::identity::Suspect;

const AS: &str = "https://as.example.org";

/// A deployment with a list that is fetched every ten seconds, and used for a minute.
fn cold() -> Deployment {
    Deployment::with(|config| {
        config["revocation"] = json!([{"uri": "http://as/revoked", "cluster": "as",
            "refresh": "10s", "max_age": "60s"}]);
    })
}

fn list(entries: &[Value]) -> String {
    json!({ "revoked": entries }).to_string()
}

fn fetch(world: &mut Deployment, entries: &[Value], at: u64) {
    assert!(world.tick(at), "it is to be fetched");
    let list = list(entries);
    assert_eq!(world.fetched(Some((200, list.as_bytes())), at), Ok(()));
}

fn token(world: &Deployment) -> String {
    world.token(&world.claims().jti("t1").expires_at(NOW + 3600))
}

#[test]
fn the_first_requests_wait_for_the_lists() {
    let mut world = cold();
    let token = token(&world);
    let mut exchange = waits(&mut world, &token, T);
    fetch(&mut world, &[], T + SECOND);
    check_passes(&world.wake(&mut exchange, T + SECOND));
    let mut world = cold();
    let mut exchange = waits(&mut world, &token, T);
    fetch(
        &mut world,
        &[json!({"issuer": AS, "jti": "t1"})],
        T + SECOND,
    );
    let step = world.wake(&mut exchange, T + SECOND);
    check_refused(&world, &mut exchange, &step, 401, "token.revoked");
}

#[test]
fn each_kind_of_entry_takes_effect_on_tokens_that_are_remembered() {
    let check = |name: &str, entry: &dyn Fn(&Deployment) -> Value, revoked: bool| {
        let mut world = cold();
        let mut other = world.worker();
        fetch(&mut world, &[], T);
        assert!(!other.tick(T));
        let token = token(&world);
        for world in [&mut world, &mut other] {
            check_passes(&ask(world, &token, T).1);
        }
        let entries = [json!({"issuer": AS, "jti": "x"}), entry(&world)];
        let next = T + 10 * SECOND;
        fetch(&mut world, &entries, next);
        check_passes(&ask(&mut other, &token, next).1);
        assert!(!other.tick(next), "the other has it from this one");
        for world in [&mut world, &mut other] {
            let (mut exchange, step) = ask(world, &token, next);
            match revoked {
                true => check_refused(world, &mut exchange, &step, 401, "token.revoked"),
                false => assert!(matches!(step, Step::Forward(_)), "{name}: {step:?}"),
            }
        }
        // Given back by the list after that.
        fetch(&mut world, &[], next + 10 * SECOND);
        check_passes(&ask(&mut world, &token, next + 10 * SECOND).1);
    };
    check("a token", &|_| json!({"issuer": AS, "jti": "t1"}), true);
    check("another", &|_| json!({"issuer": AS, "jti": "t2"}), false);
    check(
        "of another",
        &|_| json!({"issuer": "https://b", "jti": "t1"}),
        false,
    );
    check("all of an issuer", &|_| json!({ "issuer": AS }), true);
    check(
        "before",
        &|_| json!({"issuer": AS, "issued_before": NOW + 60}),
        true,
    );
    check(
        "not before",
        &|_| json!({"issuer": AS, "issued_before": NOW - 3600}),
        false,
    );
    check("until", &|_| json!({"issuer": AS, "until": NOW + 11}), true);
    check(
        "no longer",
        &|_| json!({"issuer": AS, "until": NOW + 10}),
        false,
    );
    let print = |world: &Deployment| json!({"certificate": world.certificate.thumbprint_hex});
    check("a certificate", &print, true);
    check(
        "another certificate",
        &|_| json!({"certificate": "0".repeat(64)}),
        false,
    );
}

#[test]
fn a_list_that_cannot_be_had_is_used_until_it_is_too_old() {
    let rubbish = [
        "",
        "{}",
        "[]",
        "{\"revoked\":{}}",
        "{\"revoked\":[],\"revoked\":[]}",
        "{\"revoked\":[{\"isuer\":\"x\"}]}",
        "{\"revoked\":[{}]}",
        "{\"revoked\":[],\"more\":1}",
    ];
    let bad: Vec<Option<(u16, &[u8])>> = rubbish
        .iter()
        .map(|text| Some((200, text.as_bytes())))
        .chain([
            None,
            Some((500, &b"{\"revoked\":[]}"[..])),
            Some((304, b"")),
        ])
        .collect();
    for answer in bad {
        let mut world = cold();
        fetch(&mut world, &[json!({"issuer": AS, "jti": "t2"})], T);
        let good = token(&world);
        let revoked = world.token(&world.claims().jti("t2").expires_at(NOW + 3600));
        let mut now = T + SECOND;
        while now < T + 60 * SECOND {
            if world.tick(now) {
                let said = world.fetched(answer, now).expect_err("no list");
                assert!(
                    said.starts_with("a list of revocations from cluster as,"),
                    "{said}"
                );
            }
            check_passes(&ask(&mut world, &good, now).1);
            let (mut exchange, step) = ask(&mut world, &revoked, now);
            check_refused(&world, &mut exchange, &step, 401, "token.revoked");
            now += SECOND;
        }
        // Nobody knows any more who was taken back: nobody comes in.
        let (mut exchange, step) = ask(&mut world, &good, now);
        if step == Step::Wait {
            let step = world.wake(&mut exchange, now + 5 * SECOND);
            check_refused(&world, &mut exchange, &step, 503, "unavailable.waiting");
        } else {
            check_refused(&world, &mut exchange, &step, 503, "unavailable.revocation");
        }
        while !world.tick(now) {
            now += SECOND;
        }
        let list = list(&[]);
        assert_eq!(world.fetched(Some((200, list.as_bytes())), now), Ok(()));
        check_passes(&ask(&mut world, &good, now).1);
        check_passes(&ask(&mut world, &revoked, now).1);
    }
}

#[test]
fn an_opaque_token_is_taken_back_too() {
    let mut world = Deployment::with(|config| {
        config["issuers"][0]["introspection"] =
            json!({"uri": "http://as/introspect", "cluster": "as"});
        config["revocation"] = json!([{"uri": "http://as/revoked", "cluster": "as"}]);
    });
    fetch(&mut world, &[], T);
    let mut exchange = waits(&mut world, "opaque", T);
    let (question, _) = world.guard.question().expect("a question");
    let answer = json!({"active": true, "client_id": "app", "scope": "patient/*.rs",
        "patient": "p1", "exp": NOW + 600, "aud": "https://fhir.example.org",
        "cnf": {"x5t#S256": world.certificate.thumbprint_sha256_base64url}});
    let answer = answer.to_string();
    let answer = Some((200, answer.as_bytes()));
    assert_eq!(world.guard.answer(&question, answer, T), Ok(()));
    check_passes(&world.wake(&mut exchange, T));
    // Without an `iat` it was issued before everything.
    for entry in [
        json!({"issuer": AS, "client_id": "app"}),
        json!({"issuer": AS, "issued_before": 1}),
    ] {
        let mut now = T + SECOND;
        while !world.tick(now) {
            now += SECOND;
            assert!(now < T + 300 * SECOND, "it is refreshed");
        }
        let list = list(&[entry]);
        assert_eq!(world.fetched(Some((200, list.as_bytes())), now), Ok(()));
        let (mut exchange, step) = ask(&mut world, "opaque", T + 29 * SECOND);
        check_refused(&world, &mut exchange, &step, 401, "token.revoked");
    }
}

#[test]
fn whom_the_filter_shuts_out_stays_out_for_its_time() {
    let mut world = Deployment::with(|config| config["dpop"] = json!({"quarantine": "1m"}));
    let token = token(&world);
    check_passes(&ask(&mut world, &token, T).1);
    let mut other = world.worker();
    let mut add = world
        .guard
        .quarantine(Suspect::Client("clinic-a", AS), 60, T);
    let found = world.carry_out(&mut add);
    world.guard.quarantined(found, T);
    let mut look = other.guard.look_at_quarantine(T).expect("it is due");
    let found = other.carry_out(&mut look);
    other.guard.quarantined(found, T);
    for world in [&mut world, &mut other] {
        let (mut exchange, step) = ask(world, &token, T + 60 * SECOND - 1);
        check_refused(world, &mut exchange, &step, 401, "token.quarantined");
        check_passes(&ask(world, &token, T + 60 * SECOND).1);
    }
}
