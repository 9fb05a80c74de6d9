//! Questions that are joined, forgotten, asked again, and never mixed up.

use serde_json::{Value, json};

use super::*;
use crate::denial::TokenFault;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_800_000_000 * SECOND;

fn policy(places: usize) -> Policy {
    let config = json!({
        "fhir": {
            "base": "https://fhir.example.org/r4",
            "upstream": {"cluster": "fhir", "base": "http://fhir/base"},
        },
        "issuers": [{
            "issuer": "https://as.example.org",
            "audiences": ["https://fhir.example.org"],
            "introspection": {"uri": "http://as/introspect", "cluster": "as"},
        }],
        "waiting": {"requests": places},
        "audit": {"observer": "fhir.example.org"},
    });
    crate::config::read(config.to_string().as_bytes()).expect("a good configuration")
}

fn name(number: usize) -> Name {
    blake3::hash(&number.to_be_bytes()).into()
}

fn said(changes: &Value) -> Vec<u8> {
    let mut answer = json!({"active": true, "client_id": "app", "scope": "patient/*.rs",
        "exp": NOW / SECOND + 600, "aud": "https://fhir.example.org"});
    let members = answer.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    answer.to_string().into_bytes()
}

struct World {
    policy: Policy,
    all: Introspections,
}

impl World {
    fn new(places: usize) -> World {
        World {
            policy: policy(places),
            all: Introspections::default(),
        }
    }

    fn ask(&mut self, number: usize, now: u64) -> Result<Interest, Denial> {
        let token = format!("token-{number}");
        self.all.ask(&self.policy, 0, name(number), &token, now)
    }

    /// The tokens of the questions that are to be sent.
    fn sent(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some((_, call)) = self.all.next(&self.policy) {
            let body = String::from_utf8(call.body).expect("a form");
            let token = body.split('&').next().unwrap_or_default();
            sent.push(token.replace("token=", ""));
        }
        sent.sort();
        sent
    }

    fn answer(&mut self, number: usize, body: &[u8], now: u64) -> Result<(), String> {
        let answer = Some((200, body));
        self.all.answered(&self.policy, &name(number), answer, now)
    }

    /// `active`, the rule of a refusal, `failed`, or nothing.
    fn judged(&mut self, number: usize, now: u64) -> String {
        match self.all.judge(&name(number), now) {
            None => String::new(),
            Some(Verdict::Active(token)) => {
                token.map_or_else(|| "active".into(), |token| token.shown(None).client.into())
            }
            Some(Verdict::Inactive(Denial::Token(fault))) => format!("{fault:?}"),
            Some(Verdict::Inactive(other)) => format!("{other:?}"),
            Some(Verdict::Failed) => "failed".into(),
        }
    }
}

#[test]
fn a_token_is_asked_about_once_for_all_that_wait() {
    let mut world = World::new(8);
    let _held: Vec<_> = (0..50)
        .map(|_| world.ask(1, NOW).expect("a place"))
        .collect();
    assert_eq!(world.sent(), ["token-1"]);
    let _more = world.ask(1, NOW + SECOND).expect("a place");
    assert_eq!(world.sent(), [""; 0], "it is under way");
    assert!(world.all.is_asking(&name(1)));
    assert_eq!(world.answer(1, &said(&json!({})), NOW), Ok(()));
    assert!(!world.all.is_asking(&name(1)));
    assert_eq!(world.judged(1, NOW), "app");
}

#[test]
fn no_token_has_the_answer_of_another() {
    let mut world = World::new(8);
    let _held = [1, 2, 3].map(|number| world.ask(number, NOW).expect("a place"));
    assert_eq!(world.sent(), ["token-1", "token-2", "token-3"]);
    assert_eq!(
        world.answer(2, &said(&json!({"client_id": "two"})), NOW),
        Ok(())
    );
    assert_eq!(
        world.answer(1, &said(&json!({"active": false})), NOW),
        Ok(())
    );
    let judged = [1, 2, 3].map(|number| world.judged(number, NOW));
    assert_eq!(judged, ["Inactive", "two", ""]);
    // Its own name stands in for its id, so that it can be taken back.
    let Some(Verdict::Active(Some(token))) = world.all.judge(&name(2), NOW) else {
        panic!("it is active");
    };
    let expected = blake3::Hash::from_bytes(name(2)).to_hex();
    assert_eq!(token.shown(None).token_id, expected.as_str());
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut world = World::new(8);
    assert_eq!(
        world.answer(1, &said(&json!({})), NOW),
        Ok(()),
        "never asked"
    );
    assert_eq!(world.judged(1, NOW), "");
    let _held = world.ask(1, NOW).expect("a place");
    assert_eq!(
        world.answer(1, &said(&json!({"active": false})), NOW),
        Ok(())
    );
    assert_eq!(world.answer(1, &said(&json!({})), NOW), Ok(()), "twice");
    assert_eq!(world.judged(1, NOW), "Inactive");
    assert_eq!(world.answer(1, b"rubbish", NOW), Ok(()), "and rubbish");
    assert_eq!(world.judged(1, NOW), "Inactive");
}

#[test]
fn each_kind_of_answer_is_used_for_its_time() {
    let check = |answer: Option<(u16, &[u8])>, expected: &str, time: u64| {
        let mut world = World::new(8);
        let _held = world.ask(1, NOW).expect("a place");
        world.sent();
        let answered = world.all.answered(&world.policy, &name(1), answer, NOW);
        assert_eq!(answered.is_err(), expected == "failed", "{answered:?}");
        if let Err(said) = answered {
            let place = "introspection for https://as.example.org at cluster as: found ";
            assert!(said.starts_with(place) && said.len() < 200, "{said}");
            assert!(!said.contains("token-1"), "{said}");
        }
        assert_eq!(world.judged(1, NOW + time - 1), expected);
        assert_eq!(world.judged(1, NOW + time), "", "{expected} is forgotten");
    };
    let good = said(&json!({}));
    check(Some((200, &good)), "app", 30 * SECOND);
    let inactive = said(&json!({"active": false}));
    check(Some((200, &inactive)), "Inactive", 5 * SECOND);
    let elsewhere = said(&json!({"aud": "x"}));
    check(Some((200, &elsewhere)), "Audience", 5 * SECOND);
    check(None, "failed", SECOND);
    for status in [0, 100, 201, 204, 301, 400, 401, 403, 404, 429, 500, 503] {
        check(Some((status, &good)), "failed", SECOND);
    }
    for rubbish in [&b""[..], b"{}", b"[]", b"\xff", &[b' '; 70_000]] {
        check(Some((200, rubbish)), "failed", SECOND);
    }
}

#[test]
fn a_good_answer_is_not_used_beyond_the_time_of_the_token() {
    let mut world = World::new(8);
    let _held = world.ask(1, NOW).expect("a place");
    let exp = NOW / SECOND + 2;
    assert_eq!(world.answer(1, &said(&json!({ "exp": exp })), NOW), Ok(()));
    let Some(Verdict::Active(Some(token))) = world.all.judge(&name(1), NOW + 29 * SECOND) else {
        panic!("it is remembered");
    };
    // Whoever uses it asks the token; the clock skew is 30 s.
    assert_eq!(token.check_time(exp + 29), Ok(()));
    let late = token.check_time(exp + 30);
    assert_eq!(late, Err(Denial::Token(TokenFault::Expired)));
}

#[test]
fn as_many_are_asked_about_as_may_wait() {
    let mut world = World::new(3);
    let mut held: Vec<_> = (0..3)
        .map(|one| world.ask(one, NOW).expect("a place"))
        .collect();
    let full = Some(Denial::Unavailable("waiting"));
    assert_eq!(world.ask(3, NOW).err(), full);
    assert!(
        world.ask(2, NOW).is_ok(),
        "who asks the same needs no place"
    );
    assert_eq!(world.sent().len(), 3);
    assert_eq!(world.ask(3, NOW).err(), full, "sent, and not answered");
    assert!(world.answer(0, b"", NOW).is_err());
    held.push(world.ask(3, NOW).expect("a place"));
    assert_eq!(world.ask(4, NOW).err(), full);
}

#[test]
fn a_question_of_which_nobody_hears_the_answer_is_asked_again_while_somebody_waits() {
    let mut world = World::new(2);
    let (one, two) = (
        world.ask(1, NOW).expect("a place"),
        world.ask(1, NOW).expect("a place"),
    );
    assert_eq!(world.sent(), ["token-1"]);
    drop(one);
    world.all.orphaned(name(1));
    world.all.orphaned(name(1));
    assert_eq!(world.sent(), ["token-1"], "once");
    // The last who waited is gone: it takes nobody's place.
    drop(two);
    world.all.orphaned(name(1));
    assert!(!world.all.is_asking(&name(1)));
    assert_eq!(world.sent(), [""; 0]);
    // Gone a moment after it was to be asked again.
    let three = world.ask(3, NOW).expect("a place");
    world.sent();
    world.all.orphaned(name(3));
    drop(three);
    assert_eq!(world.sent(), [""; 0]);
    assert!(!world.all.is_asking(&name(3)));
    // Somebody comes while the question of another, who has gone, is under way.
    drop(world.ask(4, NOW).expect("a place"));
    assert_eq!(world.sent(), [""; 0], "gone before it was sent");
    let gone = world.ask(5, NOW).expect("a place");
    assert_eq!(world.sent(), ["token-5"]);
    drop(gone);
    let _late = world.ask(5, NOW).expect("a place");
    assert_eq!(world.sent(), [""; 0], "joined");
    world.all.orphaned(name(5));
    assert_eq!(world.sent(), ["token-5"]);
    world.all.orphaned(name(6));
    assert_eq!(world.sent(), [""; 0], "never asked");
}

#[test]
fn what_is_not_answered_in_time_has_failed() {
    let mut world = World::new(1);
    let _held = world.ask(1, NOW).expect("a place");
    world.sent();
    let end = NOW + 2 * SECOND + MARGIN;
    world.all.expire(&world.policy, end);
    assert!(world.all.is_asking(&name(1)));
    world.all.expire(&world.policy, end + 1);
    assert!(!world.all.is_asking(&name(1)));
    assert_eq!(world.judged(1, end + 1), "failed");
    // What comes all the same is too late.
    assert_eq!(world.answer(1, &said(&json!({})), end + 1), Ok(()));
    assert_eq!(world.judged(1, end + 1), "failed");
    assert!(world.ask(2, end + 1).is_ok());
}

#[test]
fn eight_thousand_answers_are_remembered_at_most() {
    let mut world = World::new(1);
    let good = said(&json!({}));
    for number in 0..3 * KNOWN {
        let held = world.ask(number, NOW);
        assert!(held.is_ok(), "{number}");
        assert_eq!(world.answer(number, &good, NOW), Ok(()));
        assert!(world.all.known.len() <= KNOWN);
        world.sent();
    }
    let known: Vec<usize> = (0..3 * KNOWN)
        .filter(|one| world.judged(*one, NOW) == "app")
        .collect();
    assert!(known.len() >= KNOWN / 2, "{}", known.len());
    assert_eq!(known.last(), Some(&(3 * KNOWN - 1)));
    // The newest answer counts, wherever an older one still is.
    let last = KNOWN * 3 - 1;
    let _held = world.ask(last, NOW).expect("a place");
    assert_eq!(
        world.answer(last, &said(&json!({"active": false})), NOW),
        Ok(())
    );
    assert_eq!(world.judged(last, NOW), "Inactive");
}
