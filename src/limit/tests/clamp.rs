//! Limits that are tightened for a time.

use super::*;
use crate::limit::{Cap, Priority, Right};

/// Ten at once, one a second.
fn ten() -> Limit {
    limit("ten", &[KeyPart::Client], 1, Period::Second, 10)
}

fn charging(limits: &[Limit], by: u32, count: u32, priority: bool, now: u64) -> Charging {
    let caller = client("a");
    let charges = limits.iter().map(|limit| Charge {
        limit,
        caller,
        count,
        priority,
    });
    let mut charging = Charging::new(charges, now);
    charging.clamp(by);
    charging
}

fn charge(map: &mut Map, limits: &[Limit], by: u32, count: u32, now: u64) -> Verdict {
    let mut charging = charging(limits, by, count, false, now);
    loop {
        if let Step::Done(verdict) = charging.step() {
            return verdict;
        }
        let answer = map.carry_out(&charging.step()).unwrap();
        charging.answer(answer);
    }
}

#[test]
fn a_tightened_limit_is_a_smaller_and_slower_one() {
    let check = |name: &str, by: u32, count: u32, admitted: usize, told: (u32, u32)| {
        let mut map = Map::default();
        let limits = [ten()];
        let first = charge(&mut map, &limits, by, count, START);
        let remaining = &first.remaining[0];
        assert_eq!((remaining.burst, remaining.remaining), told, "{name}");
        let more = (1..30).filter(|_| charge(&mut map, &limits, by, count, START).allowed);
        assert_eq!(1 + more.count(), admitted, "{name}");
        // Exactly when it is said.
        let refused = charge(&mut map, &limits, by, count, START);
        let later = START + refused.retry_after_seconds * SECOND;
        assert!(
            !charge(&mut map, &limits, by, count, later - SECOND).allowed,
            "{name}"
        );
        assert!(
            charge(&mut map, &limits, by, count, later).allowed,
            "{name}"
        );
    };
    check("not at all", 1, 1, 10, (10, 9));
    check("by half", 2, 1, 5, (5, 4));
    check("by four", 4, 1, 2, (2, 1));
    check("by all of it", 10, 1, 1, (1, 0));
    check("by more, and one is left", 100, 1, 1, (1, 0));
    check("a dear request", 4, 2, 1, (2, 0));
    check("the dearest", 4, 10, 1, (2, 0));
}

#[test]
fn nothing_is_forgiven_when_it_ends() {
    let mut map = Map::default();
    let limits = [ten()];
    assert!(charge(&mut map, &limits, 4, 1, START).allowed);
    assert!(charge(&mut map, &limits, 4, 1, START).allowed);
    assert!(!charge(&mut map, &limits, 4, 1, START).allowed);
    // Eight of ten are used.
    let plain = (0..10).filter(|_| charge(&mut map, &limits, 1, 1, START).allowed);
    assert_eq!(plain.count(), 2);
    // And what was used before counts when it begins.
    assert!(!charge(&mut map, &limits, 4, 1, START + 3 * SECOND).allowed);
    assert!(charge(&mut map, &limits, 4, 1, START + 4 * SECOND).allowed);
}

#[test]
fn who_goes_first_is_spared_and_fewer_are_under_way() {
    let reserve = Priority {
        routes: Vec::new(),
        right: Right::Reserve(2),
    };
    let first = ten().with_priority(Some(reserve)).unwrap();
    let limits = [first];
    assert!(charging(&limits, 4, 1, true, START).goes_first());
    assert!(!charging(&limits, 4, 1, false, START).goes_first());
    let mut charging = Charging::new(
        limits.iter().map(|limit| Charge {
            limit,
            caller: client("a"),
            count: 1,
            priority: true,
        }),
        START,
    );
    assert!(!charging.clamp(4), "nothing is tightened");
    let cap = Cap::new(8, 60).unwrap();
    let cap = Limit::new("cap", &[KeyPart::Client], Measure::Concurrent(cap)).unwrap();
    for (by, expected) in [(1, 8), (4, 2), (8, 1), (100, 1)] {
        let mut map = Map::default();
        let limits = [cap.clone()];
        let admitted = (0..20).filter(|_| charge(&mut map, &limits, by, 0, START).allowed);
        assert_eq!(admitted.count(), expected, "{by}");
    }
}
