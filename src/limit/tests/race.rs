//! Bounds that hold in every interleaving and for any number of callers.

use std::collections::HashMap;

use super::*;

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
        // Whoever is at work has begun less than the skew ago, lag included.
        let idle = workers.iter().all(Option::is_none);
        now += random.below(if idle { pace } else { 4_000_000 });
        let worker = &mut workers[random.below(2) as usize];
        let Some((name, which, began, charging)) = worker else {
            let name = random.below(names.len() as u64) as usize;
            let which = random.below(limits.len() as u64) as usize;
            let began = now - random.below(500_000_000);
            let charging = Charging::new(
                charges(&limits[which..=which], &client(&names[name])),
                began,
            );
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
        assert!(
            now - *began < SECOND,
            "the simulation is slower than it may be"
        );
        if written
            && let Step::Done(verdict) = charging.step()
            && verdict.allowed
        {
            admitted.entry((*name, *which)).or_default().push(*began);
        }
    }
    for ((name, which), instants) in &admitted {
        let burst = u64::from(burst_of(&limits[*which]));
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
    let names = neighbours(&limits, 70);
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
    let names = neighbours(&limits, 90);
    // The first callers are slow and fall silent now and then, the others are fast.
    let slow = 45;
    let mut random = Lcg(11);
    let mut map = Map::default();
    let mut now = START;
    let mut admitted = vec![Vec::new(); names.len()];
    for round in 0..60_000_u64 {
        let silent = round % 4000 >= 2000;
        let pace = if round % 2000 < 1000 {
            2_000_000
        } else {
            800_000_000
        };
        now += random.below(pace);
        let first = if silent { slow } else { 0 };
        let index = first + random.below((names.len() - first) as u64) as usize;
        let which = usize::from(index < slow);
        let verdict = map.charge(&limits[which..=which], &client(&names[index]), now);
        if verdict.allowed {
            admitted[index].push(now);
        }
    }
    for (index, instants) in admitted.iter().enumerate() {
        let (interval, burst) = if index < slow {
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
fn two_hundred_thousand_callers_stay_within_the_slots() {
    let limits = [limit("many", &[KeyPart::Client], 1, Period::Hour, 1)];
    let mut map = Map::default();
    let mut allowed = 0;
    for number in 0..200_000 {
        let name = number.to_string();
        allowed += usize::from(map.charge(&limits, &client(&name), START).allowed);
    }
    assert!(map.values.len() <= 4096, "{} keys", map.values.len());
    assert!(map.values.values().all(|(value, _)| value.len() <= 804));
    // Each slot admits 32 busy callers and one more through its overflow entry.
    assert!(
        allowed > 120_000 && allowed <= 33 * 4096,
        "{allowed} allowed"
    );
    assert!(map.reads <= 200_000 && map.writes <= 200_000);
}

#[test]
fn whoever_shares_a_bucket_is_told_of() {
    let limits = [limit("shared", &[KeyPart::Client], 1, Period::Minute, 5)];
    let names = neighbours(&limits, 35);
    let mut map = Map::default();
    let mut crowded = |name: &String, now| {
        let mut charging = Charging::new(charges(&limits, &client(name)), now);
        while let Some(answer) = map.carry_out(&charging.step()) {
            charging.answer(answer);
        }
        assert!(verdict(&charging).allowed, "{name}");
        charging.crowded()
    };
    for _ in 0..2 {
        for name in &names[..32] {
            assert!(crowded(name, START).is_empty(), "{name} has its own");
        }
    }
    for name in &names[32..] {
        assert_eq!(crowded(name, START), ["shared"], "{name}");
    }
    assert!(crowded(&names[0], START).is_empty(), "still its own");
    // There is room again, but not before those who shared are through.
    let later = START + 122 * SECOND;
    assert_eq!(crowded(&names[32], later), ["shared"]);
    assert!(crowded(&names[32], later).is_empty());
    assert!(crowded(&names[33], later + 300 * SECOND).is_empty());
}

#[test]
fn limits_by_one_key_are_read_and_written_together() {
    let cap = Measure::Concurrent(Cap::new(5, 60).unwrap());
    let limits = [
        limit("a", &[KeyPart::Client], 1, Period::Second, 5),
        limit("b", &[KeyPart::Client], 1, Period::Hour, 3),
        Limit::new("c", &[KeyPart::Client], cap).unwrap(),
        limit("d", &[KeyPart::Subject], 1, Period::Hour, 9),
    ];
    let mut map = Map::default();
    for left in [2, 1, 0] {
        let verdict = map.charge(&limits, &client("a"), START);
        let found: Vec<u32> = verdict.remaining.iter().map(|one| one.remaining).collect();
        assert_eq!(found, [left + 2, left, left + 2, left + 6]);
    }
    assert_eq!((map.reads, map.writes, map.values.len()), (6, 6, 2));
    let refused = map.charge(&limits, &client("a"), START);
    assert_eq!((refused.refused_by, map.writes), (Some(1), 6));
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
