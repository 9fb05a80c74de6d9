//! Several workers over one simulated map.

use std::collections::HashMap;

use super::key::Place;
use super::quota::SECOND;
use super::*;

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
    fn carry_out(&mut self, step: &Step) -> Option<Answer> {
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
        let mut charging = Charging::new(limits, caller, now);
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
    Limit::new(name, key, Quota::new(count, per, burst).unwrap()).unwrap()
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
    let slot = Place::new(first, &client("0")).key;
    let names = (0..).map(|number: u32| number.to_string());
    let inside = |name: &String| Place::new(first, &client(name)).key == slot;
    names.filter(inside).take(count).collect()
}

/// The most that GCRA admits between the first and the last of `admitted`, in the order of writes:
/// `n` requests cost `n - 1` intervals beyond the burst.
fn within_quota(admitted: &[u64], interval: u64, burst: u64) -> Result<(), String> {
    for (first, from) in admitted.iter().enumerate() {
        for (last, to) in admitted.iter().enumerate().skip(first) {
            let count = (last - first + 1) as u64;
            let allowed =
                burst as i128 + (*to as i128 - *from as i128).div_euclid(interval as i128);
            if i128::from(count) > allowed {
                return Err(format!("{count} admitted, expected at most {allowed}"));
            }
        }
    }
    Ok(())
}

#[test]
fn without_limits_everything_is_allowed_at_once() {
    let verdict = verdict(&Charging::new(&[], &Caller::default(), START));
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
        let mut charging = Charging::new(&limits, &Caller::default(), START);
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

#[test]
fn a_later_refusal_keeps_the_earlier_charge() {
    let limits = [
        limit("first", &[KeyPart::Client], 1, Period::Minute, 5),
        limit("second", &[KeyPart::Client], 1, Period::Minute, 1),
    ];
    let caller = client("a");
    let mut map = Map::default();
    let mut slow = Charging::new(&limits, &caller, START);
    for _ in 0..2 {
        let answer = map.carry_out(&slow.step()).unwrap();
        slow.answer(answer);
    }
    // Another worker takes the only request of the second limit, and not of the first.
    assert!(map.charge(&limits[1..], &caller, START).allowed);
    while let Some(answer) = map.carry_out(&slow.step()) {
        slow.answer(answer);
    }
    let refused = verdict(&slow);
    assert_eq!(
        (refused.allowed, refused.refused_by, refused.contended),
        (false, Some(1), false)
    );
    let left = map.charge(&limits[..1], &caller, START).remaining[0].remaining;
    assert_eq!(left, 3);
}

/// Runs two workers over random callers with random interleavings, lagging clocks, conflicts and
/// failures, and checks every bucket against its quota. Answers how many were admitted and refused.
fn race(
    seed: u64,
    limits: &[Limit],
    intervals: &[u64],
    names: &[String],
    pace: u64,
) -> (usize, usize) {
    let mut random = Lcg(seed);
    let mut map = Map::default();
    let mut now = START;
    let mut workers: [Option<(usize, usize, u64, Charging)>; 2] = [None, None];
    let mut admitted: HashMap<(usize, usize), Vec<u64>> = HashMap::new();
    let (mut allowed, mut refused) = (0, 0);
    for _ in 0..40_000 {
        now += random.below(pace);
        let worker = &mut workers[random.below(2) as usize];
        let Some((name, which, began, charging)) = worker else {
            let name = random.below(names.len() as u64) as usize;
            let which = random.below(limits.len() as u64) as usize;
            // The clock of a worker may lag by almost a second.
            let began = now - random.below(900_000_000);
            let charging = Charging::new(&limits[which..=which], &client(&names[name]), began);
            *worker = Some((name, which, began, charging));
            continue;
        };
        if let Step::Done(verdict) = charging.step() {
            assert!(verdict.retry_after_seconds > 0 || verdict.allowed);
            match verdict.allowed {
                true => allowed += 1,
                false => refused += 1,
            }
            *worker = None;
            continue;
        }
        let writing = matches!(charging.step(), Step::Write { .. });
        let answer = match random.below(64) {
            0 => Answer::Failed,
            1..=6 if writing => Answer::Conflict,
            _ => map.carry_out(&charging.step()).unwrap(),
        };
        let written = answer == Answer::Written;
        charging.answer(answer);
        if written
            && let Step::Done(verdict) = charging.step()
            && verdict.allowed
        {
            admitted.entry((*name, *which)).or_default().push(*began);
        }
    }
    for ((name, which), instants) in &admitted {
        let burst = u64::from(limits[*which].quota.burst());
        let found = within_quota(instants, intervals[*which], burst);
        assert_eq!(found, Ok(()), "seed {seed}, client {name}, limit {which}");
    }
    (allowed, refused)
}

#[test]
fn never_more_than_burst_and_rate_in_any_interleaving() {
    let limits = [limit("race", &[KeyPart::Client], 5, Period::Second, 3)];
    let names: Vec<String> = (0..3).map(|number| number.to_string()).collect();
    for seed in 0..6 {
        let (allowed, refused) = race(seed, &limits, &[200_000_000], &names, 20_000_000);
        assert!(
            allowed > 500 && refused > 500,
            "allowed {allowed}, refused {refused}"
        );
    }
}

#[test]
fn no_busy_caller_is_forgiven_by_a_full_slot() {
    let limits = [limit("full", &[KeyPart::Client], 1, Period::Second, 2)];
    let names = neighbours(&limits, 40);
    for (seed, pace) in [
        (7, 1_000_000),
        (8, 100_000_000),
        (9, 400_000_000),
        (10, 4_000_000_000),
    ] {
        let (allowed, refused) = race(seed, &limits, &[SECOND], &names, pace);
        assert!(
            allowed > 10 && refused > 10,
            "allowed {allowed}, refused {refused}"
        );
    }
}

#[test]
fn no_busy_caller_is_forgiven_by_another_quota() {
    // The same name and key, so that buckets lie in one slot and share one overflow entry.
    let limits = [
        limit("mixed", &[KeyPart::Client], 10, Period::Second, 4),
        limit("mixed", &[KeyPart::Client], 1, Period::Minute, 5),
    ];
    let names = neighbours(&limits, 60);
    // One limit for each caller: the first ones are slow, the others fast.
    let mut random = Lcg(11);
    let mut map = Map::default();
    let mut now = START;
    let mut admitted = vec![Vec::new(); names.len()];
    for round in 0..60_000_u64 {
        now += random.below(if round % 2000 < 1000 {
            2_000_000
        } else {
            400_000_000
        });
        let index = random.below(names.len() as u64) as usize;
        let which = usize::from(index < 30);
        let verdict = map.charge(&limits[which..=which], &client(&names[index]), now);
        if verdict.allowed {
            admitted[index].push(now);
        }
    }
    for (index, instants) in admitted.iter().enumerate() {
        let (interval, burst) = if index < 30 {
            (60 * SECOND, 5)
        } else {
            (SECOND / 10, 4)
        };
        assert_eq!(
            within_quota(instants, interval, burst),
            Ok(()),
            "caller {index}"
        );
        assert!(!instants.is_empty(), "caller {index} never came in");
    }
    assert_eq!(map.values.len(), 1);
}

#[test]
fn a_damaged_slot_admits_no_more_than_a_fresh_one_and_heals() {
    let limits = [limit("damage", &[KeyPart::Client], 1, Period::Second, 4)];
    let caller = client("a");
    let key = Place::new(&limits[0], &caller).key;
    let mut good = Map::default();
    good.charge(&limits, &caller, START);
    let (good, _) = good.values.remove(&key).unwrap();
    let mut random = Lcg(12);
    for round in 0..20_000 {
        let mut bytes = good.clone();
        match round % 4 {
            0 => {
                bytes = (0..random.below(500))
                    .map(|_| random.below(256) as u8)
                    .collect()
            }
            1 => bytes.truncate(random.below(good.len() as u64) as usize),
            2 => bytes.extend((0..24 * random.below(20)).map(|_| random.below(256) as u8)),
            _ => {
                let place = random.below(bytes.len() as u64) as usize;
                bytes[place] ^= 1 << random.below(8);
            }
        }
        let mut map = Map::default();
        map.set(&key, &bytes);
        let charged = |map: &mut Map, now| map.charge(&limits, &caller, now).allowed;
        let at_once = (0..8).filter(|_| charged(&mut map, START)).count();
        assert!(
            at_once <= 4,
            "round {round}: {at_once} admitted from {bytes:?}"
        );
        // Whatever it was, it is healed once a bucket had the time to become full.
        let later = START + 10 * SECOND;
        let at_once = (0..8).filter(|_| charged(&mut map, later)).count();
        assert_eq!(at_once, 4, "round {round}: from {bytes:?}");
    }
}

#[test]
fn a_rebuilt_slot_counts_as_just_emptied() {
    fn check(name: &str, bytes: Option<&[u8]>, version: Option<u32>, allowed: bool) {
        let limits = [limit("rebuilt", &[KeyPart::Client], 1, Period::Second, 4)];
        let caller = client("a");
        let mut charging = Charging::new(&limits, &caller, START);
        let bytes = bytes.map(<[u8]>::to_vec);
        charging.answer(Answer::Value { bytes, version });
        let Step::Write {
            value,
            version: found,
            ..
        } = charging.step()
        else {
            panic!("{name}: expected a write, of a charge or of a mended slot");
        };
        assert_eq!(found, version, "{name}");
        let mut map = Map::default();
        map.set(&Place::new(&limits[0], &caller).key, value);
        charging.answer(Answer::Written);
        let verdict = verdict(&charging);
        assert_eq!(
            (verdict.allowed, verdict.contended),
            (allowed, false),
            "{name}"
        );
        if !allowed {
            assert_eq!(verdict.retry_after_seconds, 1, "{name}");
            assert!(
                !map.charge(&limits, &caller, START + SECOND - 1).allowed,
                "{name}: early"
            );
            assert!(
                map.charge(&limits, &caller, START + SECOND).allowed,
                "{name}: in time"
            );
            assert!(
                !map.charge(&limits, &client("b"), START + SECOND - 1)
                    .allowed,
                "{name}: others"
            );
        }
    }
    check("never written", None, None, true);
    check("emptied, as no bytes", None, Some(3), false);
    check("emptied, as empty bytes", Some(b""), Some(3), false);
    check("rubbish", Some(b"rubbish"), Some(3), false);
    check("good", Some(b"FGL\x01\0\0\0\0\0\0\0\0"), Some(3), true);
}

#[test]
fn a_mended_slot_that_cannot_be_stored_still_refuses() {
    for answer in [Answer::Conflict, Answer::Failed] {
        let limits = [limit("mended", &[], 1, Period::Second, 4)];
        let mut charging = Charging::new(&limits, &Caller::default(), START);
        charging.answer(Answer::Value {
            bytes: Some(vec![1]),
            version: Some(1),
        });
        charging.answer(answer);
        let verdict = verdict(&charging);
        assert_eq!((verdict.allowed, verdict.contended), (false, false));
    }
}

#[test]
fn a_clock_that_steps_back_empties_and_heals() {
    fn check(name: &str, back: u64, wait: u64) {
        let limits = [limit("clock", &[KeyPart::Client], 1, Period::Second, 4)];
        let caller = client("a");
        let mut map = Map::default();
        for _ in 0..4 {
            assert!(map.charge(&limits, &caller, START).allowed, "{name}");
        }
        let now = START - back;
        let refused = map.charge(&limits, &caller, now);
        assert!(!refused.allowed && !refused.contended, "{name}");
        assert_eq!(refused.retry_after_seconds, wait.div_ceil(SECOND), "{name}");
        assert!(
            !map.charge(&limits, &caller, now + wait - 1).allowed,
            "{name}: early"
        );
        assert!(
            map.charge(&limits, &caller, now + wait).allowed,
            "{name}: in time"
        );
        let later = now + wait + 10 * SECOND;
        let at_once = (0..8)
            .filter(|_| map.charge(&limits, &caller, later).allowed)
            .count();
        assert_eq!(at_once, 4, "{name}: healed");
    }
    check("not at all", 0, SECOND);
    check("as much as clocks differ", 2 * SECOND, 3 * SECOND);
    check("a little more", 2 * SECOND + 1, SECOND);
    check("an hour", 3600 * SECOND, SECOND);
    check("a year", 366 * 86_400 * SECOND, SECOND);
    check("to the beginning", START, SECOND);
}

#[test]
fn a_hundred_thousand_callers_stay_within_the_slots() {
    let limits = [limit("many", &[KeyPart::Client], 1, Period::Hour, 1)];
    let mut map = Map::default();
    let mut allowed = 0;
    for number in 0..100_000 {
        let name = number.to_string();
        allowed += usize::from(map.charge(&limits, &client(&name), START).allowed);
    }
    assert!(map.values.len() <= 4096, "{} keys", map.values.len());
    assert!(map.values.values().all(|(value, _)| value.len() <= 420));
    // Each slot admits 16 busy callers and one more through its overflow entry.
    assert!(
        allowed > 60_000 && allowed <= 17 * 4096,
        "{allowed} allowed"
    );
    assert!(map.reads <= 100_000 && map.writes <= 100_000);
}
