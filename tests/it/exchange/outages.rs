//! A key server that fails, for a while and for longer.

use super::waiting::{
    SECOND, T, ask, check_passes, check_refused, cold, fetch, token, unknown_token, waits, warm,
};
use super::*;

#[test]
fn where_the_key_server_fails_nobody_waits_in_vain() {
    let rubbish: &[&[u8]] = &[
        b"",
        b"rubbish",
        b"[]",
        b"{}",
        b"{\"keys\":[]}",
        b"{\"keys\":[],\"keys\":[]}",
        b"\xff\xfe",
        b"null",
        &[b'['; 100_000],
        &[b' '; (256 << 10) + 1],
    ];
    let answers = [
        None,
        Some((500, &b""[..])),
        Some((404, b"x")),
        Some((301, b"")),
        Some((204, b"")),
    ];
    let bad = rubbish.iter().map(|body| Some((200, *body)));
    for answer in answers.into_iter().chain(bad) {
        let mut world = cold();
        let mut other = world.worker();
        let token = token(&world);
        let mut exchange = waits(&mut world, &token, T);
        let mut elsewhere = waits(&mut other, &token, T);
        assert!(world.tick(T));
        assert!(!other.tick(T));
        let said = world.fetched(answer, T + 1).expect_err("no keys");
        assert!(
            said.starts_with("keys of https://as.example.org from cluster as,"),
            "{said}"
        );
        assert!(said.len() < 300, "{said}");
        let step = world.wake(&mut exchange, T + 2);
        check_refused(&world, &mut exchange, &step, 503, "unavailable.keys");
        let (mut exchange, step) = ask(&mut world, &token, T + 3);
        check_refused(&world, &mut exchange, &step, 503, "unavailable.keys");
        // The other worker knows when the time of the attempt is over.
        assert!(!other.tick(T + 2 * SECOND));
        assert_eq!(other.wake(&mut elsewhere, T + 2 * SECOND), Step::Wait);
        assert!(!other.tick(T + 2 * SECOND + 1));
        let step = other.wake(&mut elsewhere, T + 2 * SECOND + 1);
        check_refused(&other, &mut elsewhere, &step, 503, "unavailable.keys");
        // And then it recovers by itself.
        assert!(!world.tick(T + 5 * SECOND - 1));
        assert!(other.tick(T + 5 * SECOND));
        assert!(!world.tick(T + 5 * SECOND));
        let mut exchange = waits(&mut world, &token, T + 5 * SECOND);
        let jwks = world.issuer.jwks().to_string();
        assert_eq!(
            other.fetched(Some((200, jwks.as_bytes())), T + 6 * SECOND),
            Ok(())
        );
        assert!(!world.tick(T + 6 * SECOND));
        check_passes(&world.wake(&mut exchange, T + 6 * SECOND));
    }
}

#[test]
fn keys_are_used_until_they_are_too_old() {
    let mut world = warm(T);
    let token = token(&world);
    let absent = unknown_token(&world, "nobody");
    let mut now = T + 60 * SECOND;
    while now < T + 600 * SECOND {
        if world.tick(now) {
            assert!(world.fetched(None, now).is_err());
        }
        check_passes(&ask(&mut world, &token, now).1);
        now += SECOND;
    }
    let (mut exchange, step) = ask(&mut world, &absent, now - SECOND);
    check_refused(&world, &mut exchange, &step, 503, "unavailable.keys");
    check_passes(&ask(&mut world, &token, T + 600 * SECOND - 1).1);
    // A new attempt is worth waiting for, and nothing else is.
    let (mut exchange, step) = ask(&mut world, &token, T + 600 * SECOND);
    match step {
        Step::Wait => drop(exchange),
        step => check_refused(&world, &mut exchange, &step, 503, "unavailable.keys"),
    }
    let mut now = T + 600 * SECOND;
    while !world.tick(now) {
        now += SECOND;
    }
    let mut exchange = waits(&mut world, &token, now);
    assert!(world.fetched(None, now).is_err());
    let step = world.wake(&mut exchange, now);
    check_refused(&world, &mut exchange, &step, 503, "unavailable.keys");
    fetch(&mut world, now + 5 * SECOND);
    check_passes(&ask(&mut world, &token, now + 5 * SECOND).1);
}
