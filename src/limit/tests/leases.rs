//! How many at once.

use super::*;

const LEASE: u64 = 70;

/// A cap for each client, whose leases end after 70 to 80 seconds.
fn cap(most: u32) -> Limit {
    let cap = Cap::new(most, LEASE).unwrap();
    Limit::new("cap", &[KeyPart::Client], Measure::Concurrent(cap)).unwrap()
}

/// Begins an exchange; what it owes, where it may go on.
fn begin(map: &mut Map, limits: &[Limit], caller: &Caller, now: u64) -> Result<Vec<Owed>, Verdict> {
    let mut charging = Charging::new(charges(limits, caller), now);
    while let Some(answer) = map.carry_out(&charging.step()) {
        charging.answer(answer);
    }
    let verdict = verdict(&charging);
    match verdict.allowed {
        true => Ok(charging.owed()),
        false => Err(verdict),
    }
}

fn finish(map: &mut Map, owed: Vec<Owed>, now: u64) {
    run(map, Settling::new(owed, Returned::default(), now));
}

fn run(map: &mut Map, mut settling: Settling) -> Vec<Owed> {
    while let Some(answer) = map.carry_out(&settling.step()) {
        settling.answer(answer);
    }
    match settling.step() {
        Step::Done(owed) => owed,
        _ => panic!("not done"),
    }
}

#[test]
fn no_more_at_once_than_the_cap_and_the_next_when_one_ends() {
    let (limits, caller) = ([cap(3)], client("a"));
    let mut map = Map::default();
    let mut under_way: Vec<_> = (0..3)
        .map(|left| {
            let owed = begin(&mut map, &limits, &caller, START).expect("room");
            assert_eq!(owed.len(), 1, "{left}");
            owed
        })
        .collect();
    let refused = begin(&mut map, &limits, &caller, START)
        .err()
        .expect("full");
    assert_eq!(
        (refused.refused_by, refused.retry_after_seconds),
        (Some(0), 1)
    );
    assert_eq!(refused.remaining[0].remaining, 0);
    assert!(refused.remaining[0].concurrent && !refused.contended);
    assert!(
        begin(&mut map, &limits, &client("b"), START).is_ok(),
        "another"
    );
    finish(&mut map, under_way.remove(0), START + SECOND);
    let owed = begin(&mut map, &limits, &caller, START + SECOND).expect("room again");
    assert!(begin(&mut map, &limits, &caller, START + SECOND).is_err());
    for owed in under_way.into_iter().chain([owed]) {
        finish(&mut map, owed, START + 2 * SECOND);
    }
    // Nobody who has nothing takes room: only that of the other is left.
    let lengths: Vec<usize> = map.values.values().map(|(value, _)| value.len()).collect();
    assert!(
        lengths.iter().all(|length| matches!(length, 12 | 52)),
        "{lengths:?}"
    );
}

#[test]
fn a_lease_ends_by_itself_and_lives_while_it_is_renewed() {
    let (limits, caller) = ([cap(1)], client("a"));
    // Taken anywhere in a part of 10 seconds.
    for offset in [0, 1, 5 * SECOND, 10 * SECOND - 1] {
        let (began, mut map) = (START + offset, Map::default());
        let first = begin(&mut map, &limits, &caller, began).expect("room");
        let full = |map: &mut Map, now| begin(map, &limits, &caller, now).is_err();
        assert!(full(&mut map, began + LEASE * SECOND), "{offset}: early");
        let late = began + (LEASE * 8 / 7) * SECOND;
        assert!(!full(&mut map, late), "{offset}: late");
        // Whoever was thought dead gives back nothing of another.
        finish(&mut map, first, late);
        assert!(full(&mut map, late), "{offset}: not the other's");
    }
    let mut map = Map::default();
    let mut owed = begin(&mut map, &limits, &caller, START).expect("room");
    let mut now = START;
    for _ in 0..60 {
        now += 9 * SECOND;
        if owed.iter().any(|owed| owed.is_old(now)) {
            owed = run(&mut map, Settling::renewing(owed, now));
        }
        assert!(
            begin(&mut map, &limits, &caller, now).is_err(),
            "{}",
            now - START
        );
    }
    finish(&mut map, owed, now);
    assert!(begin(&mut map, &limits, &caller, now).is_ok());
}

#[test]
fn a_lease_that_could_not_be_renewed_is_given_back_as_it_was() {
    let of = |key, most| {
        let cap = Cap::new(most, LEASE).unwrap();
        Limit::new("cap", &[key], Measure::Concurrent(cap)).unwrap()
    };
    // Two slots, which lie before and behind each other.
    let (own, limits) = (
        [of(KeyPart::Client, 2)],
        [of(KeyPart::Client, 2), of(KeyPart::Subject, 9)],
    );
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let caller = client(name);
        let mut map = Map::default();
        begin(&mut map, &own, &caller, START).expect("room");
        let failing = map.values.keys().next().cloned();
        let mut map = Map::default();
        let owed = begin(&mut map, &limits, &caller, START).expect("room");
        let now = START + 16 * SECOND;
        begin(&mut map, &limits, &caller, now).expect("room");
        let mut renewing = Settling::renewing(owed, now);
        let owed = loop {
            let answer = match renewing.step() {
                Step::Done(owed) => break owed,
                Step::Write { key, .. } if Some(key) == failing.as_deref() => Answer::Failed,
                step => map.carry_out(&step).expect("a step"),
            };
            renewing.answer(answer);
        };
        finish(&mut map, owed, now);
        begin(&mut map, &limits, &caller, now).expect("the place that was given back");
        // Those of the other two last, also when the first would have ended by itself.
        let found = begin(&mut map, &limits, &caller, START + 82 * SECOND);
        assert!(found.is_err(), "{name}");
    }
}

#[test]
fn whoever_was_heard_of_at_any_instant_keeps_the_place_for_a_lease_from_then() {
    let (limits, caller) = ([cap(1)], client("a"));
    for offset in [0, 1, 5 * SECOND, 10 * SECOND - 1] {
        for heard in (0..=2 * LEASE * SECOND).step_by(1_700_000_000) {
            let (began, mut map) = (START + offset, Map::default());
            let mut owed = begin(&mut map, &limits, &caller, began).expect("room");
            // Each piece comes within a lease of the one before.
            for piece in [heard.min(LEASE * SECOND), heard] {
                if owed.iter().any(|owed| owed.is_old(began + piece)) {
                    owed = run(&mut map, Settling::renewing(owed, began + piece));
                }
            }
            let last = began + heard + LEASE * SECOND;
            let found = begin(&mut map, &limits, &caller, last - 1);
            assert!(found.is_err(), "heard of {heard} after {offset}");
            let late = last + LEASE / 7 * SECOND;
            assert!(
                begin(&mut map, &limits, &caller, late).is_ok(),
                "{heard} after {offset}: late"
            );
        }
    }
}

#[test]
fn a_refusal_of_another_limit_takes_nothing() {
    let limits = [
        cap(2),
        limit("rate", &[KeyPart::Client], 1, Period::Hour, 1),
    ];
    let (caller, mut map) = (client("a"), Map::default());
    let owed = begin(&mut map, &limits, &caller, START).expect("room");
    for _ in 0..5 {
        let refused = begin(&mut map, &limits, &caller, START)
            .err()
            .expect("the rate");
        assert_eq!(refused.refused_by, Some(1));
        assert_eq!(refused.remaining[0].remaining, 1);
    }
    assert_eq!(owed.len(), 1, "a rate of plain requests owes nothing");
    // And the other way round: no bucket is charged for what the cap refuses.
    let limits = [
        limit("rate", &[KeyPart::Client], 1, Period::Hour, 5),
        cap(1),
    ];
    let mut map = Map::default();
    let _first = begin(&mut map, &limits, &caller, START).expect("room");
    for _ in 0..5 {
        let refused = begin(&mut map, &limits, &caller, START)
            .err()
            .expect("the cap");
        assert_eq!(
            (refused.refused_by, refused.remaining[0].remaining),
            (Some(1), 4)
        );
    }
}

#[test]
fn what_a_lost_race_took_is_given_back() {
    // The lease is written, then another worker empties the bucket.
    let limits = [
        cap(1),
        // By another key, so that it lies in another slot.
        limit("rate", &[], 1, Period::Hour, 1),
    ];
    let (caller, mut map) = (client("a"), Map::default());
    let mut slow = Charging::new(charges(&limits, &caller), START);
    for _ in 0..3 {
        let answer = map.carry_out(&slow.step()).unwrap();
        slow.answer(answer);
    }
    assert!(map.charge(&limits[1..], &caller, START).allowed);
    while let Some(answer) = map.carry_out(&slow.step()) {
        slow.answer(answer);
    }
    assert_eq!(verdict(&slow).refused_by, Some(1));
    assert!(
        begin(&mut map, &limits[..1], &caller, START).is_err(),
        "still there"
    );
    finish(&mut map, slow.owed(), START);
    assert!(begin(&mut map, &limits[..1], &caller, START).is_ok());
}

/// Two workers whose clocks differ, over random callers; exchanges end, or die without a word.
#[test]
fn never_more_than_the_cap_in_any_interleaving() {
    let limits = [cap(3)];
    let names = ["a", "b", "c"];
    for seed in 0..6 {
        let (mut random, mut map, mut now) = (Lcg(seed), Map::default(), START);
        let mut workers: [Option<(usize, u64, Charging)>; 2] = [None, None];
        // Who is under way, and since when; the dead ones are not known to anybody.
        let mut under_way: Vec<(usize, u64, Vec<Owed>)> = Vec::new();
        let (mut allowed, mut refused, mut died) = (0, 0, 0);
        for _ in 0..40_000 {
            now += random.below(40_000_000);
            let worker = &mut workers[random.below(2) as usize];
            let Some((name, began, charging)) = worker else {
                if random.below(2) == 0 && !under_way.is_empty() {
                    let at = random.below(under_way.len() as u64) as usize;
                    let (_, began, owed) = under_way.remove(at);
                    match random.below(40) {
                        0 => died += 1,
                        _ if now - began < LEASE * SECOND => finish(&mut map, owed, now),
                        _ => finish(&mut map, owed, now - 400_000_000),
                    }
                    continue;
                }
                let name = random.below(3) as usize;
                let began = now - random.below(500_000_000);
                let charging = Charging::new(charges(&limits, &client(names[name])), began);
                *worker = Some((name, began, charging));
                continue;
            };
            match charging.step() {
                Step::Done(verdict) if verdict.allowed => {
                    allowed += 1;
                    under_way.push((*name, *began, charging.owed()));
                    let live = under_way.iter().filter(|(own, began, _)| {
                        own == name && now - began < LEASE * SECOND - SECOND
                    });
                    assert!(live.count() <= 3, "seed {seed}");
                    *worker = None;
                }
                Step::Done(_) => {
                    refused += 1;
                    *worker = None;
                }
                Step::Write { .. } if random.below(16) == 0 => charging.answer(Answer::Conflict),
                step => {
                    let answer = map.carry_out(&step).unwrap();
                    charging.answer(answer);
                }
            }
        }
        assert!(
            allowed > 500 && refused > 500 && died > 10,
            "{allowed} {refused} {died}"
        );
        // Everything heals when the last lease must have ended.
        for name in names {
            for _ in 0..3 {
                assert!(begin(&mut map, &limits, &client(name), now + 82 * SECOND).is_ok());
            }
        }
    }
}

#[test]
fn damage_and_clocks_refuse_and_heal() {
    let (limits, caller) = ([cap(2)], client("a"));
    let key = Place::new(&limits[0], &caller).key();
    assert!(key.starts_with("fhir-guard.limit.v2."));
    let mut good = Map::default();
    let _owed = begin(&mut good, &limits, &caller, START).expect("room");
    let (good, _) = good.values.remove(&key).unwrap();
    let mut random = Lcg(5);
    for round in 0..20_000 {
        let mut bytes = good.clone();
        match round % 4 {
            0 => {
                bytes = (0..random.below(700))
                    .map(|_| random.below(256) as u8)
                    .collect();
            }
            1 => bytes.truncate(random.below(good.len() as u64) as usize),
            2 => bytes.extend((0..40 * random.below(20)).map(|_| random.below(256) as u8)),
            _ => {
                let place = random.below(bytes.len() as u64) as usize;
                bytes[place] ^= 1 << random.below(8);
            }
        }
        let mut map = Map::default();
        map.set(&key, &bytes);
        let at_once = |map: &mut Map, now| {
            let begun = (0..5).filter(|_| begin(map, &limits, &caller, now).is_ok());
            begun.count()
        };
        assert!(
            at_once(&mut map, START) <= 2,
            "round {round}: from {bytes:?}"
        );
        // The longest life of any lease that a slot can be full of.
        let later = START + 2 * 4200 * SECOND;
        assert_eq!(at_once(&mut map, later), 2, "round {round}: from {bytes:?}");
    }
    // Rubbish counts as full for the life of a lease.
    let mut map = Map::default();
    map.set(&key, b"rubbish");
    let refused = begin(&mut map, &limits, &caller, START)
        .err()
        .expect("full");
    assert_eq!(refused.retry_after_seconds, 80);
    assert!(begin(&mut map, &limits, &caller, START + 80 * SECOND - 1).is_err());
    assert!(begin(&mut map, &limits, &caller, START + 80 * SECOND).is_ok());
    // A clock that steps back lets nobody in before the others have gone, or have ended anew.
    for back in [SECOND, 30 * SECOND, 1000 * SECOND, 100_000 * SECOND] {
        let mut map = Map::default();
        let owed: Vec<_> = (0..2)
            .map(|_| begin(&mut map, &limits, &caller, START).expect("room"))
            .collect();
        let now = START - back;
        assert!(begin(&mut map, &limits, &caller, now).is_err(), "{back}");
        assert!(
            begin(&mut map, &limits, &caller, now + 60 * SECOND).is_err(),
            "{back}"
        );
        assert!(
            begin(&mut map, &limits, &caller, now + 111 * SECOND).is_ok(),
            "{back}"
        );
        drop(owed);
        let mut map = Map::default();
        let owed = begin(&mut map, &[cap(1)], &caller, START).expect("room");
        finish(&mut map, owed, now);
        assert!(
            begin(&mut map, &[cap(1)], &caller, now).is_ok(),
            "{back}: given back"
        );
    }
}

#[test]
fn a_slot_has_room_for_sixteen_callers() {
    let limits = [cap(1)];
    let names = neighbours(&limits, 17);
    let mut map = Map::default();
    let mut owed: Vec<_> = names[..16]
        .iter()
        .map(|name| begin(&mut map, &limits, &client(name), START).expect("room"))
        .collect();
    let refused = begin(&mut map, &limits, &client(&names[16]), START)
        .err()
        .expect("full");
    assert_eq!(refused.retry_after_seconds, 1);
    finish(&mut map, owed.remove(0), START);
    assert!(begin(&mut map, &limits, &client(&names[16]), START).is_ok());
    let longest = map.values.values().map(|(value, _)| value.len()).max();
    assert_eq!(longest, Some(12 + 16 * 40), "the bound of a value");
    // Those of whom nothing was heard make room.
    let later = START + 82 * SECOND;
    assert!(begin(&mut map, &limits, &client(&names[0]), later).is_ok());
}

#[test]
fn caps_are_refused_beyond_their_bounds() {
    for (most, lease, expected) in [
        (1, 10, None),
        (10_000, 3600, None),
        (0, 60, Some("concurrent")),
        (10_001, 60, Some("concurrent")),
        (70_000, 60, Some("concurrent")),
        (1, 9, Some("lease")),
        (1, 3601, Some("lease")),
    ] {
        let found = Cap::new(most, lease).err();
        let found = found.and_then(|found| found.split(':').next());
        assert_eq!(found, expected, "{most} {lease}");
    }
}
