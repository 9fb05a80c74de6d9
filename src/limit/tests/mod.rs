//! Several workers over one simulated map.

use std::collections::HashMap;
use std::net::IpAddr;

use super::place::Place;
use super::quota::SECOND;
use super::*;
use crate::shared::{Answer, Step, Work as _};

mod clamp;
mod damage;
mod keys;
mod leases;
mod patients;
mod priority;
mod race;
mod refunds;
mod settling;
mod slots;
mod told;

const START: u64 = 1_700_000_000 * SECOND;

/// Shared data as the proxy keeps it: versions of one global counter.
#[derive(Default)]
struct Map {
    values: HashMap<String, (Vec<u8>, u32)>,
    counter: u32,
    reads: usize,
    writes: usize,
}

impl Map {
    fn carry_out<T>(&mut self, step: &Step<'_, T>) -> Option<Answer> {
        match step {
            Step::Read { key } => {
                self.reads += 1;
                let found = self.values.get(*key).cloned();
                let (bytes, version) = found.unzip();
                Some(Answer::Value { bytes, version })
            }
            Step::Write {
                key,
                value,
                version,
            } => {
                self.writes += 1;
                let current = self.values.get(*key).map(|(_, version)| *version);
                if current != *version {
                    return Some(Answer::Conflict);
                }
                self.set(key, value);
                Some(Answer::Written)
            }
            Step::Done(_) => None,
        }
    }

    fn set(&mut self, key: &str, value: &[u8]) {
        self.counter += 1;
        let value = (value.to_vec(), self.counter);
        self.values.insert(key.to_owned(), value);
    }

    /// One exchange without any other worker.
    fn charge(&mut self, limits: &[Limit], caller: &Caller, now: u64) -> Verdict {
        let mut charging = Charging::new(charges(limits, caller), now);
        while let Some(answer) = self.carry_out(&charging.step()) {
            charging.answer(answer);
        }
        verdict(&charging)
    }
}

/// A small linear congruential generator (Knuth, MMIX); its high bits are good enough here.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn verdict(charging: &Charging) -> Verdict {
    match charging.step() {
        Step::Done(verdict) => verdict,
        step => panic!("not done: {step:?}"),
    }
}

fn limit(name: &str, key: &[KeyPart], count: u32, per: Period, burst: u32) -> Limit {
    Limit::new(
        name,
        key,
        Measure::rate(Quota::new(count, per, burst).unwrap()),
    )
    .unwrap()
}

/// One request, charged to each limit.
fn charges<'a>(
    limits: &'a [Limit],
    caller: &Caller<'a>,
) -> impl Iterator<Item = Charge<'a>> + use<'a> {
    let caller = *caller;
    limits.iter().map(move |limit| Charge {
        limit,
        caller,
        count: 1,
        priority: false,
    })
}

fn burst_of(limit: &Limit) -> u32 {
    match &limit.measure {
        Measure::Rate { quota, .. } => quota.burst(),
        Measure::Concurrent(cap) => cap.most(),
        Measure::Patients(budget) => budget.most(),
    }
}

fn client(name: &str) -> Caller<'_> {
    Caller {
        client: Some(name),
        ..Caller::default()
    }
}

/// Names of clients whose buckets under every one of these limits lie in one slot.
fn neighbours(limits: &[Limit], count: usize) -> Vec<String> {
    let first = &limits[0];
    let slot = Place::new(first, &client("0")).slot;
    let names = (0..).map(|number: u32| number.to_string());
    let inside = |name: &String| Place::new(first, &client(name)).slot == slot;
    names.filter(inside).take(count).collect()
}

#[test]
fn several_requests_are_charged_together_or_not_at_all() {
    let limits = [
        limit("all", &[KeyPart::Client], 1, Period::Hour, 5),
        limit("few", &[KeyPart::Client], 1, Period::Hour, 2),
    ];
    let mut map = Map::default();
    let mut charge = |counts: [u32; 2]| {
        let several = charges(&limits, &client("a")).zip(counts);
        let several = several.map(|(charge, count)| Charge { count, ..charge });
        let mut charging = Charging::new(several, START);
        while let Some(answer) = map.carry_out(&charging.step()) {
            charging.answer(answer);
        }
        let verdict = verdict(&charging);
        let left: Vec<u32> = verdict
            .remaining
            .iter()
            .map(|limit| limit.remaining)
            .collect();
        (verdict.allowed, verdict.refused_by, left)
    };
    assert_eq!(charge([3, 1]), (true, None, vec![2, 1]));
    assert_eq!(
        charge([3, 1]),
        (false, Some(0), vec![2, 1]),
        "nothing was charged"
    );
    assert_eq!(charge([2, 2]), (false, Some(1), vec![2, 1]));
    assert_eq!(charge([2, 0]), (true, None, vec![0, 1]));
    assert_eq!(charge([0, 1]), (true, None, vec![0, 0]));
}

#[test]
fn without_limits_everything_is_allowed_at_once() {
    let verdict = verdict(&Charging::new([], START));
    assert!(verdict.allowed && verdict.remaining.is_empty() && !verdict.contended);
}

#[test]
fn a_refused_caller_is_admitted_exactly_when_it_was_told() {
    fn check(name: &str, count: u32, per: Period, burst: u32, interval: u64, seconds: u64) {
        let limits = [limit("exact", &[KeyPart::Client], count, per, burst)];
        let caller = client("a");
        let mut map = Map::default();
        for left in (0..burst).rev() {
            let verdict = map.charge(&limits, &caller, START);
            assert!(verdict.allowed, "{name}");
            assert_eq!(
                (verdict.retry_after_seconds, verdict.remaining[0].remaining),
                (0, left),
                "{name}"
            );
        }
        let refused = map.charge(&limits, &caller, START);
        assert!(!refused.allowed && !refused.contended, "{name}");
        assert_eq!(refused.refused_by, Some(0), "{name}");
        assert_eq!(refused.retry_after_seconds, seconds, "{name}");
        assert_eq!(refused.remaining[0].reset_seconds, seconds, "{name}");
        assert!(
            !map.charge(&limits, &caller, START + interval - 1).allowed,
            "{name}: early"
        );
        assert!(
            map.charge(&limits, &caller, START + interval).allowed,
            "{name}: in time"
        );
        assert!(
            !map.charge(&limits, &caller, START + interval).allowed,
            "{name}: twice"
        );
        assert!(
            map.charge(&limits, &caller, START + seconds * SECOND + interval)
                .allowed,
            "{name}: later"
        );
    }
    check("one a second", 1, Period::Second, 1, SECOND, 1);
    check("fast", 10, Period::Second, 5, SECOND / 10, 1);
    check("a third of a second", 3, Period::Second, 2, 333_333_334, 1);
    check("slow", 10, Period::Minute, 20, 6 * SECOND, 6);
    check("seven an hour", 7, Period::Hour, 3, 514_285_714_286, 515);
    check("daily", 1, Period::Day, 2, 86_400 * SECOND, 86_400);
}

#[test]
fn all_limits_are_read_before_any_is_charged() {
    let limits = [
        limit("wide", &[KeyPart::Client], 1, Period::Second, 100),
        limit("narrow", &[KeyPart::Client], 1, Period::Minute, 2),
        limit("narrower", &[], 1, Period::Hour, 2),
    ];
    let mut map = Map::default();
    for left in [1, 0] {
        let verdict = map.charge(&limits, &client("a"), START);
        assert!(verdict.allowed);
        let found: Vec<u32> = verdict.remaining.iter().map(|one| one.remaining).collect();
        assert_eq!(found, [98 + left, left, left]);
    }
    map.writes = 0;
    let refused = map.charge(&limits, &client("a"), START);
    assert_eq!(
        (refused.allowed, refused.refused_by, map.writes),
        (false, Some(2), 0)
    );
    assert_eq!(refused.retry_after_seconds, 3600);
    let reset: Vec<u64> = refused
        .remaining
        .iter()
        .map(|one| one.reset_seconds)
        .collect();
    assert_eq!(reset, [2, 60, 3600]);
    assert!(
        !map.charge(&limits, &client("a"), START + 3600 * SECOND - 1)
            .allowed
    );
    assert!(
        map.charge(&limits, &client("a"), START + 3600 * SECOND)
            .allowed
    );
}

#[test]
fn shared_data_that_does_not_answer_refuses() {
    fn check(name: &str, answers: &[Answer], expected: Option<bool>) {
        let limits = [limit("one", &[], 1, Period::Second, 2)];
        let mut charging = Charging::new(charges(&limits, &Caller::default()), START);
        for answer in answers {
            assert!(
                !matches!(charging.step(), Step::Done(_)),
                "{name}: done early"
            );
            charging.answer(answer.clone());
        }
        let found = match charging.step() {
            Step::Done(verdict) => {
                let reason = (verdict.contended, verdict.retry_after_seconds);
                assert!(verdict.allowed || reason == (true, 1), "{name}");
                Some(verdict.allowed)
            }
            _ => None,
        };
        assert_eq!(found, expected, "{name}");
        charging.answer(Answer::Written);
        charging.answer(Answer::Value {
            bytes: None,
            version: None,
        });
        if expected == Some(false) {
            assert!(!verdict(&charging).allowed, "{name}: changed its mind");
        }
    }
    use Answer::{Conflict, Failed, Written};
    let value = || Answer::Value {
        bytes: None,
        version: None,
    };
    let tries = |count: usize| vec![[value(), Conflict]; count].concat();
    check("nothing yet", &[], None);
    check("read", &[value()], None);
    check("written", &[value(), Written], Some(true));
    check("failed read", &[Failed], Some(false));
    check("failed write", &[value(), Failed], Some(false));
    check("read answered as a write", &[Written], Some(false));
    check("read answered by a conflict", &[Conflict], Some(false));
    check("write answered as a read", &[value(), value()], Some(false));
    check("7 conflicts", &tries(7), None);
    check(
        "7 conflicts, then written",
        &[tries(7), vec![value(), Written]].concat(),
        Some(true),
    );
    check("8 conflicts", &tries(8), Some(false));
    check(
        "failed after a conflict",
        &[value(), Conflict, Failed],
        Some(false),
    );
}

/// A worker charges two limits, and another the second of them after the first worker has read both.
fn overtaken(map: &mut Map, limits: &[Limit; 2]) -> Verdict {
    let caller = client("a");
    let mut slow = Charging::new(charges(limits, &caller), START);
    for _ in 0..2 {
        let answer = map.carry_out(&slow.step()).unwrap();
        slow.answer(answer);
    }
    assert!(map.charge(&limits[1..], &caller, START).allowed);
    while let Some(answer) = map.carry_out(&slow.step()) {
        slow.answer(answer);
    }
    verdict(&slow)
}

#[test]
fn a_later_refusal_keeps_the_earlier_charge() {
    // The second limit lets one request through, and that is the other worker's.
    let limits = [
        // By another key, so that it lies in another slot.
        limit("first", &[], 1, Period::Minute, 5),
        limit("second", &[KeyPart::Client], 1, Period::Minute, 1),
    ];
    let mut map = Map::default();
    let refused = overtaken(&mut map, &limits);
    assert_eq!(
        (refused.allowed, refused.refused_by, refused.contended),
        (false, Some(1), false)
    );
    let left = map.charge(&limits[..1], &client("a"), START).remaining[0].remaining;
    assert_eq!(left, 3);
}

#[test]
fn what_is_charged_already_is_not_held_against_the_rest() {
    // The first limit has nothing left once it is charged, and the second has to be read again.
    let limits = [
        limit("first", &[], 1, Period::Minute, 1),
        limit("second", &[KeyPart::Client], 1, Period::Minute, 5),
    ];
    let allowed = overtaken(&mut Map::default(), &limits);
    assert!(allowed.allowed, "{allowed:?}");
    let left: Vec<u32> = allowed.remaining.iter().map(|one| one.remaining).collect();
    assert_eq!(left, [0, 3]);
}

#[test]
fn of_limits_that_refuse_for_as_long_the_first_is_told() {
    let limits = ["first", "second"].map(|name| limit(name, &[], 1, Period::Hour, 1));
    let mut map = Map::default();
    assert!(map.charge(&limits, &client("a"), START).allowed);
    let refused = map.charge(&limits, &client("a"), START);
    assert_eq!((refused.allowed, refused.refused_by), (false, Some(0)));
}
