//! Who goes first: reserves, and who is never refused.

use super::*;

const HOUR: u64 = 3600 * SECOND;

/// Five an hour, or five at once, of which so much is kept; or free.
fn limits(right: Right) -> [Limit; 2] {
    let rate = limit("rate", &[KeyPart::Client], 1, Period::Hour, 5);
    let cap = Measure::Concurrent(Cap::new(5, 60).unwrap());
    let cap = Limit::new("cap", &[KeyPart::Client], cap).unwrap();
    [rate, cap].map(|limit| {
        let routes = Vec::new();
        let priority = Some(Priority { routes, right });
        limit.with_priority(priority).unwrap()
    })
}

/// One request; the charge as it ended.
fn ask(map: &mut Map, limits: &[Limit], priority: bool, now: u64) -> (Charging, Verdict) {
    let caller = client("a");
    let charges = charges(limits, &caller).map(|charge| Charge { priority, ..charge });
    let mut charging = Charging::new(charges, now);
    while let Some(answer) = map.carry_out(&charging.step()) {
        charging.answer(answer);
    }
    let verdict = verdict(&charging);
    (charging, verdict)
}

#[test]
fn what_is_kept_is_for_those_alone_who_go_first() {
    for limit in limits(Right::Reserve(2)) {
        let limits = [limit];
        let mut map = Map::default();
        // Allowed, borrowed, what is told to remain, and of how many.
        let mut check = |row: &str, priority, expected: (bool, bool, u32, u32)| {
            let (charging, verdict) = ask(&mut map, &limits, priority, START);
            let told = &verdict.remaining[0];
            let borrowed = charging.borrowed() == [limits[0].name.as_str()];
            let found = (verdict.allowed, borrowed, told.remaining, told.burst);
            assert_eq!(found, expected, "{}: {row}", limits[0].name);
        };
        check("the first", false, (true, false, 2, 3));
        check("one who goes first, of the rest", true, (true, false, 3, 5));
        check("the last of the rest", false, (true, false, 0, 3));
        check("no more of the rest", false, (false, false, 0, 3));
        check("one who goes first", true, (true, true, 1, 5));
        check("still none of the rest", false, (false, false, 0, 3));
        check("the last", true, (true, true, 0, 5));
        check("no more for anybody", true, (false, false, 0, 5));
    }
    // What comes back is first what is kept.
    let [rate, _] = limits(Right::Reserve(2));
    let (limits, mut map) = ([rate], Map::default());
    for _ in 0..5 {
        assert!(ask(&mut map, &limits, true, START).1.allowed);
    }
    let (_, refused) = ask(&mut map, &limits, false, START);
    assert_eq!(refused.retry_after_seconds, 3 * 3600);
    let at = START + 3 * HOUR;
    assert!(!ask(&mut map, &limits, false, at - 1).1.allowed);
    assert!(ask(&mut map, &limits, false, at).1.allowed);
}

#[test]
fn whoever_is_free_is_counted_and_never_refused() {
    for limit in limits(Right::Bypass) {
        let limits = [limit];
        let name = &limits[0].name;
        let mut map = Map::default();
        for number in 0..20 {
            let (charging, verdict) = ask(&mut map, &limits, true, START);
            assert!(verdict.allowed, "{name} {number}");
            let borrowed = charging.borrowed();
            assert_eq!(borrowed.is_empty(), number < 5, "{name} {number}");
            let left = 4_u32.saturating_sub(number);
            assert_eq!(verdict.remaining[0].remaining, left, "{name} {number}");
        }
        assert!(!ask(&mut map, &limits, false, START).1.allowed, "{name}");
    }
    // A bucket is overdrawn no further than it can be: others wait for no more than one of theirs.
    let [rate, cap] = limits(Right::Bypass);
    let (rate, mut map) = ([rate], Map::default());
    for _ in 0..20 {
        ask(&mut map, &rate, true, START);
    }
    assert!(ask(&mut map, &rate, false, START + HOUR).1.allowed);
    // Each place is given back: after the answers there is room for all.
    let (cap, mut map) = ([cap], Map::default());
    let owed: Vec<Owed> = (0..20)
        .flat_map(|_| ask(&mut map, &cap, true, START).0.owed())
        .collect();
    assert_eq!(owed.len(), 20);
    let mut settling = Settling::new(owed, Returned::default(), START);
    while let Some(answer) = map.carry_out(&settling.step()) {
        settling.answer(answer);
    }
    for _ in 0..5 {
        assert!(ask(&mut map, &cap, false, START).1.allowed);
    }
    assert!(!ask(&mut map, &cap, false, START).1.allowed);
}

#[test]
fn shared_data_that_fails_refuses_all_but_those_who_are_free() {
    // The first limit fails while it is read, or while it is written; the other is charged as ever.
    type Failure = fn(&Step<'_, Verdict>) -> Option<Answer>;
    let failures: [(&str, Failure); 3] = [
        ("read", |step| {
            matches!(step, Step::Read { .. }).then_some(Answer::Failed)
        }),
        ("write", |step| {
            matches!(step, Step::Write { .. }).then_some(Answer::Failed)
        }),
        ("race", |step| {
            matches!(step, Step::Write { .. }).then_some(Answer::Conflict)
        }),
    ];
    let [rate, cap] = limits(Right::Bypass);
    // By another key, so that it lies in another slot.
    let other = limit("other", &[], 1, Period::Hour, 5);
    for first in [rate, cap] {
        let limits = [first, other.clone()];
        let place = Place::new(&limits[0], &client("a")).key();
        for (name, failure) in failures {
            for priority in [true, false] {
                let mut map = Map::default();
                let caller = client("a");
                let several = charges(&limits, &caller);
                let several = several.map(|charge| Charge { priority, ..charge });
                let mut charging = Charging::new(several, START);
                loop {
                    let step = charging.step();
                    let own = match &step {
                        Step::Read { key } | Step::Write { key, .. } => *key == place,
                        Step::Done(_) => break,
                    };
                    let failed = failure(&step).filter(|_| own);
                    let answer = failed.or_else(|| map.carry_out(&step));
                    charging.answer(answer.expect("a step"));
                }
                let verdict = verdict(&charging);
                let found = (verdict.allowed, verdict.contended);
                assert_eq!(found, (priority, !priority), "{name} {priority}");
                assert!(
                    !map.values.contains_key(&place),
                    "{name}: nothing unread is written over"
                );
                let borrowed = charging.borrowed();
                assert_eq!(borrowed == [limits[0].name.clone()], priority, "{name}");
                assert_eq!(verdict.remaining[1].remaining, if priority { 4 } else { 5 });
            }
        }
    }
}

#[test]
fn something_is_left_to_the_others() {
    for (kept, good) in [(1, true), (4, true), (5, false), (u32::MAX, false)] {
        let right = Right::Reserve(kept);
        let priority = || {
            Some(Priority {
                routes: Vec::new(),
                right,
            })
        };
        for limit in limits(Right::Bypass) {
            assert_eq!(limit.with_priority(priority()).is_ok(), good, "{kept}");
        }
    }
    let [rate, cap] = limits(Right::Reserve(2));
    let [free, _] = limits(Right::Bypass);
    for (limit, count, priority, never) in [
        (&rate, 3, false, false),
        (&rate, 4, false, true),
        (&rate, 5, true, false),
        (&rate, 6, true, true),
        (&cap, 9, false, false),
        (&free, 6, true, false),
        (&free, 6, false, true),
    ] {
        assert_eq!(
            limit.never_admits(count, priority),
            never,
            "{count} {priority}"
        );
    }
    let on = |routes: &[&str], route| {
        let routes = routes.iter().map(|name| (*name).to_owned()).collect();
        Priority {
            routes,
            right: Right::Bypass,
        }
        .is_on(route)
    };
    assert!(on(&[], None) && on(&[], Some("any")) && on(&["a", "b"], Some("b")));
    assert!(!on(&["a"], None) && !on(&["a"], Some("b")) && !on(&["a"], Some("")));
}
