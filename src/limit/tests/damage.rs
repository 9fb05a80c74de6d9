//! Slots that were not written by this module, and clocks that step back.

use super::*;

#[test]
fn a_damaged_slot_admits_no_more_than_a_fresh_one_and_heals() {
    let limits = [limit("damage", &[KeyPart::Client], 1, Period::Second, 4)];
    let caller = client("a");
    let key = Place::new(&limits[0], &caller).key();
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
        let names = neighbours(&limits, 2);
        let (caller, other) = (client(&names[0]), client(&names[1]));
        let mut charging = Charging::new(charges(&limits, &caller), START);
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
        map.set(&Place::new(&limits[0], &caller).key(), value);
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
                !map.charge(&limits, &other, START + SECOND - 1).allowed,
                "{name}: others"
            );
        }
    }
    check("never written", None, None, true);
    check("emptied, as no bytes", None, Some(3), false);
    check("emptied, as empty bytes", Some(b""), Some(3), false);
    check("rubbish", Some(b"rubbish"), Some(3), false);
    check("good", Some(b"FGL\x02\0\0\0\0\0\0\0\0"), Some(3), true);
}

#[test]
fn a_mended_slot_that_cannot_be_stored_still_refuses() {
    for answer in [Answer::Conflict, Answer::Failed] {
        let limits = [limit("mended", &[], 1, Period::Second, 4)];
        let mut charging = Charging::new(charges(&limits, &Caller::default()), START);
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
    check("to the first nanosecond", START - 1, SECOND);
}

#[test]
fn without_a_clock_nobody_is_admitted_and_nobody_forgiven() {
    let limits = [
        limit("rate", &[KeyPart::Client], 1, Period::Hour, 1),
        limit("all", &[], 1, Period::Hour, 9),
    ];
    let (caller, mut map) = (client("a"), Map::default());
    assert!(map.charge(&limits, &caller, START).allowed);
    let before = map.values.clone();
    let refused = map.charge(&limits, &caller, 0);
    assert!(!refused.allowed && refused.contended && refused.retry_after_seconds == 1);
    assert_eq!(map.values, before, "nothing is mended by no time");
    assert!(!map.charge(&limits, &caller, START + SECOND).allowed);
    assert!(map.charge(&[], &caller, 0).allowed, "no limit, no clock");
    // What is owed is given up; a place ends by itself.
    let cap = Measure::Concurrent(Cap::new(1, 70).unwrap());
    let cap = [Limit::new("cap", &[KeyPart::Client], cap).unwrap()];
    let mut charging = Charging::new(charges(&cap, &caller), START);
    while let Some(answer) = map.carry_out(&charging.step()) {
        charging.answer(answer);
    }
    let before = map.values.clone();
    let owed = charging.owed();
    for settling in [
        Settling::new(owed.clone(), Returned::default(), 0),
        Settling::renewing(owed, 0),
    ] {
        assert!(matches!(settling.step(), Step::Done(_)));
    }
    assert_eq!(map.values, before);
    assert!(!map.charge(&cap, &caller, START + 69 * SECOND).allowed);
}

#[test]
fn a_clock_that_steps_back_far_forgets_no_bucket_beside_a_lease() {
    let cap = Measure::Concurrent(Cap::new(2, 60).unwrap());
    let limits = [
        limit("rate", &[KeyPart::Client], 1, Period::Day, 3),
        Limit::new("cap", &[KeyPart::Client], cap).unwrap(),
    ];
    let (caller, mut map) = (client("a"), Map::default());
    assert!(map.charge(&limits, &caller, START).allowed);
    // Further than any lease lasts, and within what the bucket takes to be full.
    let now = START - 10_000 * SECOND;
    let left = map.charge(&limits, &caller, now);
    assert!(left.allowed, "{left:?}");
    assert_eq!(left.remaining[0].remaining, 0);
    assert!(
        !map.charge(&limits[1..], &caller, now).allowed,
        "both are under way"
    );
    assert!(map.charge(&limits[1..], &caller, now + 70 * SECOND).allowed);
}
