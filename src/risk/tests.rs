//! The detectors, one caller at a time.

mod day;
mod habits;
mod known;
mod race;
mod sessions;
mod tenants;

use std::collections::HashMap;

use super::detector::DETECTORS;
use super::entries::ENTRIES;
use super::entry::{ENTRY, Entry, POINT};
use super::sketch::{Distinct, Recent};
use super::*;
use crate::shared::{Answer, Step, Work};

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_700_000_000 * SECOND;
const CERTIFICATE: Suspected<'_> = Suspected::Certificate("aa");

/// Shared data, as one worker sees it.
#[derive(Default)]
struct Shared(HashMap<String, (Vec<u8>, u32)>);

impl Shared {
    fn carry_out<W: Work>(&mut self, mut work: W) -> W::Outcome {
        for _ in 0..17 {
            let answer = match work.step() {
                Step::Done(finding) => return finding,
                Step::Read { key } => {
                    let (bytes, version) = self.0.get(key).cloned().unzip();
                    Answer::Value { bytes, version }
                }
                Step::Write {
                    key,
                    value,
                    version,
                } => {
                    let own = self.0.get(key).map(|(_, version)| *version);
                    assert_eq!(own, version, "{key}");
                    let next = version.unwrap_or_default() + 1;
                    self.0.insert(key.to_owned(), (value.to_vec(), next));
                    Answer::Written
                }
            };
            work.answer(answer);
        }
        panic!("without an end");
    }

    fn see(&mut self, who: Suspected<'_>, sight: Sight, token: u32, at: u64) -> Option<Finding> {
        let mut seen = Observation::new(who, vec![sight]);
        seen.token = Some(token);
        self.carry_out(Observing::new(seen, RiskPolicy::default(), at))
    }
}

/// The requests of one caller within the default terms, each so many milliseconds after the other; how many it
/// took until he was found, and until he would be isolated.
fn found(
    period: u64,
    requests: impl Iterator<Item = (Sight, u32)>,
) -> (Option<usize>, Option<usize>, Vec<&'static str>) {
    let mut shared = Shared::default();
    let (mut reported, mut isolated, mut reasons) = (None, None, Vec::new());
    for (place, (sight, token)) in requests.enumerate() {
        let at = NOW + place as u64 * period * 1_000_000;
        let Some(finding) = shared.see(CERTIFICATE, sight, token, at) else {
            continue;
        };
        if reported.is_none() {
            reasons = finding.reasons.iter().map(|one| one.name()).collect();
            reported = Some(place + 1);
        }
        if finding.isolates {
            isolated.get_or_insert(place + 1);
        }
    }
    (reported, isolated, reasons)
}

fn sight(fact: Fact, id: u64) -> Sight {
    Sight::of(fact, Some(&format!("Patient/{id}")))
}

#[test]
fn attackers_are_found_and_the_honest_are_not_bypass_99() {
    type Requests = Box<dyn Iterator<Item = (Sight, u32)>>;
    type Expected = (Option<usize>, Option<usize>, &'static [&'static str]);
    let check = |name: &str, period: u64, requests: Requests, expected: Expected| {
        let (reported, isolated, reasons) = found(period, requests);
        assert_eq!((reported, isolated, reasons.as_slice()), expected, "{name}");
    };
    let nobody: Expected = (None, None, &[]);
    let odd = |number: u64| number.wrapping_mul(7_919) % 100_003;
    check(
        "ids one after the other that are not there",
        100,
        Box::new((1..100).map(|id| (sight(Fact::Absent, id), 0))),
        (Some(11), Some(17), &["absent", "sequence"]),
    );
    check(
        "ids at random that are not there",
        100,
        Box::new((1..100).map(move |id| (sight(Fact::Absent, odd(id)), 0))),
        (Some(13), Some(25), &["absent"]),
    );
    check(
        "one id that is not there, again and again",
        1000,
        Box::new((1..30).map(|_| (sight(Fact::Absent, 5), 0))),
        nobody,
    );
    check(
        "tokens that do not hold",
        100,
        Box::new((1..100).map(|token| (sight(Fact::Credentials, 1), token))),
        (Some(5), Some(10), &["tokens", "credentials"]),
    );
    check(
        "one token that does not hold, again and again",
        1000,
        Box::new((1..20).map(|_| (sight(Fact::Credentials, 1), 7))),
        nobody,
    );
    check(
        "one token of somebody else",
        1000,
        Box::new((1..2).map(|_| (sight(Fact::Theft, 1), 7))),
        nobody,
    );
    check(
        "two tokens of somebody else",
        1000,
        Box::new((1..4).map(|token| (sight(Fact::Theft, 1), token))),
        (Some(2), Some(3), &["theft"]),
    );
    check(
        "proofs that do not hold",
        1000,
        Box::new((1..20).map(|token| (sight(Fact::Proof, 1), token))),
        (Some(5), Some(10), &["proofs"]),
    );
    check(
        "refused by scopes",
        1000,
        Box::new((1..100).map(|_| (sight(Fact::Refused, 1), 0))),
        (Some(25), Some(54), &["refused"]),
    );
    check(
        "a burst of a clinic, two in a hundred not there, one refused",
        20,
        Box::new((0..20_000_u64).map(move |number| {
            let fact = match number % 100 {
                13 | 57 => Fact::Absent,
                80 => Fact::Refused,
                _ => Fact::Passed,
            };
            (sight(fact, odd(number) % 250), 0)
        })),
        nobody,
    );
    check(
        "200 patients of a ward in order, all there",
        3000,
        Box::new((1..200).map(|id| (sight(Fact::Passed, id), 0))),
        nobody,
    );
    check(
        "an expired token, for hours",
        50,
        Box::new((1..5000).map(|_| (sight(Fact::Other, 1), 7))),
        nobody,
    );
    let (reported, ..) = found(
        50,
        (1..3000).map(move |id| (sight(Fact::Passed, odd(id)), 0)),
    );
    let reported = reported.expect("found by its patients");
    assert!((280..360).contains(&reported), "{reported}");
}

#[test]
fn networks_are_counted_where_they_are_new() {
    let mut shared = Shared::default();
    let mut from = |network: u32, after: u64| {
        let mut seen = Observation::new(CERTIFICATE, vec![sight(Fact::Passed, 1)]);
        seen.network = Some(network);
        let finding = shared.carry_out(Observing::new(seen, RiskPolicy::default(), NOW + after));
        finding.map(|finding| finding.reasons)
    };
    // The first is his own, and so is a second one, between which he changes all the time.
    for place in 0..100 {
        assert_eq!(from(1 + place % 2, u64::from(place)), None, "{place}");
    }
    for network in 3..6 {
        assert_eq!(from(network, 100), None, "{network}");
    }
    assert_eq!(from(6, 101), Some(vec![Detector::Networks]));
    let at = |text: &str| network(text.parse().unwrap());
    assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.254"));
    assert_ne!(at("192.0.2.1"), at("192.0.3.1"));
    assert_eq!(at("2001:db8:0:1::1"), at("2001:db8:0:ffff::1"));
    assert_ne!(at("2001:db8::1"), at("2001:db8:1::1"));
    assert_ne!(at("::1"), at("0.0.0.1"));
}

#[test]
fn nobody_is_scored_for_another() {
    let mut shared = Shared::default();
    let address = |text: &str| Suspected::Address(text.parse().unwrap());
    for token in 0..100 {
        shared.see(
            address("192.0.2.1"),
            sight(Fact::Credentials, 1),
            token,
            NOW,
        );
    }
    let mut score = |who| shared.see(who, sight(Fact::Refused, 1), 0, NOW).is_some();
    assert!(score(address("192.0.2.1")));
    assert!(score(address("::ffff:192.0.2.1")));
    for other in [
        address("192.0.2.2"),
        address("2001:db8::1"),
        CERTIFICATE,
        Suspected::Certificate("192.0.2.1"),
        Suspected::Client("aa", ""),
        Suspected::Client("a", "a"),
    ] {
        assert!(!score(other), "{other:?}");
    }
}

#[test]
fn scores_fall_by_half_however_often_one_looks() {
    for looks in [1_u64, 2, 7, 8, 600] {
        let mut entry = Entry::new([1; 16], 0);
        entry.add(0, 64 * POINT, 100);
        for look in 1..=looks {
            entry.decay(look * 600_000 / looks, 300);
        }
        let score = RiskPolicy::default().total(&entry.scores);
        assert!((15..=16).contains(&score), "{looks}: {score}");
    }
    let check = |name: &str, updated: u64, now: u64, half_life: u32, expected: u32| {
        let mut entry = Entry::new([1; 16], updated);
        entry.add(0, 64 * POINT, 100);
        entry.decay(now, half_life);
        let score = RiskPolicy::default().total(&entry.scores);
        assert_eq!(score, expected, "{name}");
        assert!(entry.updated <= now, "{name}");
    };
    check("at once", 5, 5, 300, 64);
    check("before a step", 0, 37_499, 300, 64);
    check("a step", 0, 37_500, 300, 58);
    check("half", 0, 300_000, 300, 32);
    check("the clock stepped back", 900_000, 10, 300, 64);
    check("for ever", 0, u64::MAX, 1, 0);
    check("no half-life", 0, 1000, 0, 32);
}

#[test]
fn a_score_has_a_bound_and_a_caller_comes_free() {
    let mut shared = Shared::default();
    for token in 0..10_000 {
        shared.see(CERTIFICATE, sight(Fact::Theft, 1), token, NOW);
    }
    let finding = shared
        .see(CERTIFICATE, sight(Fact::Other, 1), 0, NOW)
        .unwrap();
    assert_eq!(
        (finding.score, finding.isolates),
        (100, false),
        "nothing new"
    );
    let later = NOW + 301 * SECOND;
    let finding = shared
        .see(CERTIFICATE, sight(Fact::Passed, 1), 0, later)
        .unwrap();
    assert_eq!((finding.score, finding.isolates), (50, false));
    let later = NOW + 400 * SECOND;
    assert_eq!(
        shared.see(CERTIFICATE, sight(Fact::Passed, 1), 0, later),
        None
    );
}

#[test]
fn whatever_is_stored_is_a_caller_or_nobody() {
    let seen = || Observation::new(CERTIFICATE, vec![sight(Fact::Refused, 1)]);
    let new = || Observing::new(seen(), RiskPolicy::default(), NOW);
    let mut first = new();
    first.answer(Answer::Value {
        bytes: None,
        version: None,
    });
    let Step::Write { value, version, .. } = first.step() else {
        panic!("not written");
    };
    assert_eq!((value.len(), version), (4 + ENTRY, None));
    let good = value.to_vec();
    let check = |name: &str, bytes: &[u8], length: usize| {
        let mut work = new();
        work.answer(Answer::Value {
            bytes: Some(bytes.to_vec()),
            version: Some(3),
        });
        let Step::Write { value, version, .. } = work.step() else {
            panic!("{name}: not written");
        };
        assert_eq!(
            (value.len(), version),
            (4 + length * ENTRY, Some(3)),
            "{name}"
        );
    };
    let full = [&good[..4], &vec![7; ENTRIES * ENTRY]].concat();
    check("its own", &good, 1);
    check("nothing", &[], 1);
    check("rubbish", b"rubbish", 1);
    check("another version", &[b"FGK\x01", &good[4..]].concat(), 1);
    check("cut", &good[..good.len() - 1], 1);
    check("longer", &[&good[..], &[0]].concat(), 1);
    check("another", &[&good[..4], &[7; ENTRY][..]].concat(), 2);
    check("full", &full, ENTRIES);
    check("too many", &[&full[..], &[7; ENTRY][..]].concat(), 1);
    let entry = Entry::read(&good[4..]);
    let mut again = Vec::new();
    entry.write(&mut again);
    assert_eq!(again, good[4..]);
    // Any bytes are somebody, whose score has a bound.
    let own: [u8; 16] = *good[4..].first_chunk().unwrap();
    let hostile = [&good[..4], &own[..], &[0xff; ENTRY - 16][..]].concat();
    let mut work = new();
    work.answer(Answer::Value {
        bytes: Some(hostile),
        version: Some(1),
    });
    work.answer(Answer::Written);
    let Step::Done(Some(finding)) = work.step() else {
        panic!("nothing was found");
    };
    assert_eq!(finding.score, 100 * DETECTORS as u32);
}

#[test]
fn shared_data_that_fails_keeps_nothing_and_ends() {
    let seen = || Observation::new(CERTIFICATE, vec![sight(Fact::Refused, 1)]);
    let value = || Answer::Value {
        bytes: None,
        version: None,
    };
    let check = |name: &str, answers: &[Answer]| {
        let mut work = Observing::new(seen(), RiskPolicy::default(), NOW);
        answers
            .iter()
            .for_each(|answer| work.answer(answer.clone()));
        assert_eq!(work.step(), Step::Done(None), "{name}");
    };
    let contended: Vec<_> = (0..8).flat_map(|_| [value(), Answer::Conflict]).collect();
    check("no read", &[Answer::Failed]);
    check("no write", &[value(), Answer::Failed]);
    check("contended", &contended);
    check("after the end", &[Answer::Failed, value()]);
    check("what does not fit", &[Answer::Written]);
    let mut work = Observing::new(seen(), RiskPolicy::default(), NOW);
    for answer in &contended[..15] {
        work.answer(answer.clone());
    }
    assert!(matches!(work.step(), Step::Write { .. }), "one try is left");
}

#[test]
fn who_is_quiet_for_longest_gives_way() {
    let mut shared = Shared::default();
    // As many callers as it takes to fill one key.
    let names: Vec<String> = (0..40_000).map(|number| number.to_string()).collect();
    let key = |name: &str| {
        let seen = Observation::new(Suspected::Certificate(name), Vec::new());
        let work = Observing::new(seen, RiskPolicy::default(), NOW);
        match work.step() {
            Step::Read { key } => key.to_owned(),
            _ => panic!("nothing is read"),
        }
    };
    let first = key(&names[0]);
    let same: Vec<&String> = names.iter().filter(|name| key(name) == first).collect();
    for (place, name) in same[..ENTRIES + 1].iter().enumerate() {
        let at = NOW + place as u64 * SECOND;
        for token in 0..20 {
            shared.see(
                Suspected::Certificate(name),
                sight(Fact::Theft, 1),
                token,
                at,
            );
        }
    }
    let at = NOW + 10 * SECOND;
    let known: Vec<bool> = same[1..ENTRIES + 1]
        .iter()
        .chain([&same[0]])
        .map(|name| {
            let who = Suspected::Certificate(name);
            shared.see(who, sight(Fact::Other, 1), 0, at).is_some()
        })
        .collect();
    assert_eq!(known, [true, true, true, true, false]);
    assert_eq!(shared.0.len(), 1);
    assert_eq!(shared.0[&first].0.len(), 4 + ENTRIES * ENTRY);
}

#[test]
fn sketches_count_what_is_different() {
    let mut recent: Recent<2> = Recent::default();
    let news = [7, 7, 8, 7, 9, 8, 0].map(|value| recent.is_new(value));
    assert_eq!(news, [false, false, true, false, true, true, true]);
    for count in [0_u32, 1, 10, 100, 300, 1000] {
        let mut distinct = Distinct::default();
        for number in (0..count).chain(0..count) {
            distinct.is_new(hash(&number.to_be_bytes()), 1000, 60_000);
        }
        let found = f64::from(distinct.estimate());
        let error = (found - f64::from(count)).abs() / f64::from(count.max(1));
        assert!(error <= 0.15, "{count}: {found}");
    }
    let mut distinct = Distinct::default();
    assert!(distinct.is_new(5, 101_000, 60_000));
    assert!(!distinct.is_new(5, 160_999, 60_000));
    assert!(distinct.is_new(5, 161_000, 60_000), "another window");
    assert!(distinct.is_new(5, 10, 60_000), "the clock stepped back");
    for number in 0..100_000_u32 {
        distinct.is_new(hash(&number.to_be_bytes()), 10, 60_000);
    }
    assert_eq!(distinct.estimate(), 3194);
}
