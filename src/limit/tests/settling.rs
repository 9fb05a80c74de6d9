//! Answers that are charged when they have ended.

use std::num::NonZeroU32;

use super::*;

/// A limit of one a second and four at once, whose answers cost 1 for each resource, down to this debt.
fn owing(debt: u32) -> Limit {
    let quota = Quota::new(1, Period::Second, 4).unwrap();
    let quota = quota.with_debt(debt).unwrap();
    let cost = Cost {
        resources_returned: NonZeroU32::new(1),
        ..Cost::default()
    };
    Limit::new("owing", &[KeyPart::Client], Measure::Rate { quota, cost }).unwrap()
}

fn resources(resources: u64) -> Returned {
    Returned {
        resources,
        bytes: 0,
    }
}

impl Map {
    /// One request that is let through, and an answer of so many resources.
    fn answered(&mut self, limits: &[Limit], caller: &Caller, count: u64, now: u64) {
        let mut charging = Charging::new(charges(limits, caller), now);
        while let Some(answer) = self.carry_out(&charging.step()) {
            charging.answer(answer);
        }
        assert!(verdict(&charging).allowed);
        self.settle(charging.owed(), count, now);
    }

    fn settle(&mut self, owed: Vec<Owed>, count: u64, now: u64) {
        let mut settling = Settling::new(owed, resources(count), now);
        while let Some(answer) = self.carry_out(&settling.step()) {
            settling.answer(answer);
        }
    }
}

#[test]
fn whoever_got_much_waits_and_is_admitted_in_time() {
    #[track_caller]
    fn check(debt: u32, count: u64, seconds: u64) {
        let limits = [
            owing(debt),
            limit("other", &[KeyPart::Client], 1, Period::Second, 100),
        ];
        let (caller, mut map) = (client("a"), Map::default());
        map.answered(&limits, &caller, count, START);
        if seconds == 0 {
            assert!(map.charge(&limits, &caller, START).allowed);
            return;
        }
        let refused = map.charge(&limits, &caller, START);
        assert_eq!(refused.retry_after_seconds, seconds);
        assert_eq!(refused.refused_by, Some(0));
        assert_eq!(refused.remaining[0].remaining, 0);
        let told = START + seconds * SECOND;
        assert!(!map.charge(&limits, &caller, told - 1).allowed, "early");
        assert!(map.charge(&limits, &client("b"), START).allowed, "another");
        assert!(map.charge(&limits, &caller, told).allowed, "in time");
    }
    check(10, 0, 0);
    check(10, 2, 0);
    check(10, 3, 1);
    check(10, 4, 2);
    // The request costs 1 of its own, and the debt is no deeper than that of ten.
    check(10, 13, 11);
    check(10, 14, 11);
    check(10, u64::MAX, 11);
    check(0, u64::MAX, 1);
}

#[test]
fn nothing_is_owed_where_nothing_was_let_through_or_nothing_is_charged() {
    let (caller, mut map) = (client("a"), Map::default());
    let plain = [limit("plain", &[KeyPart::Client], 1, Period::Second, 4)];
    let mut charging = Charging::new(charges(&plain, &caller), START);
    while let Some(answer) = map.carry_out(&charging.step()) {
        charging.answer(answer);
    }
    assert!(charging.owed().is_empty());
    let limits = [owing(10)];
    map.answered(&limits, &caller, 100, START);
    let mut refused = Charging::new(charges(&limits, &caller), START);
    while let Some(answer) = map.carry_out(&refused.step()) {
        refused.answer(answer);
    }
    assert!(!verdict(&refused).allowed && refused.owed().is_empty());
    let reads = map.reads;
    map.settle(Vec::new(), 7, START);
    let owed = Charging::new(charges(&limits, &client("b")), START).owed();
    map.settle(owed, 7, START);
    assert_eq!(map.reads, reads, "nothing is read for nothing");
}

#[test]
fn a_debt_is_charged_in_any_interleaving_and_given_up_in_the_end() {
    let limits = [owing(1_000_000)];
    let caller = client("a");
    for seed in 0..200 {
        let (mut map, mut random) = (Map::default(), Lcg(seed));
        let mut owed = Vec::new();
        for _ in 0..4 {
            let mut charging = Charging::new(charges(&limits, &caller), START);
            while let Some(answer) = map.carry_out(&charging.step()) {
                charging.answer(answer);
            }
            owed.push(charging.owed());
        }
        // Four answers of ten resources end at once, and their steps mix.
        let works = owed.into_iter();
        let mut works: Vec<Settling> = works
            .map(|owed| Settling::new(owed, resources(10), START))
            .collect();
        while !works.is_empty() {
            let at = random.below(works.len() as u64) as usize;
            match map.carry_out(&works[at].step()) {
                Some(answer) => works[at].answer(answer),
                None => {
                    works.remove(at);
                }
            }
        }
        let refused = map.charge(&limits, &caller, START);
        // 4 requests and 40 resources, and the next must fit into a burst of 4.
        assert_eq!(refused.retry_after_seconds, 4 + 40 + 1 - 4, "seed {seed}");
    }
    let mut charging = Charging::new(charges(&limits, &caller), START);
    let mut map = Map::default();
    while let Some(answer) = map.carry_out(&charging.step()) {
        charging.answer(answer);
    }
    for (answer, tries) in [(Answer::Conflict, 32), (Answer::Failed, 1)] {
        let mut settling = Settling::new(charging.owed(), resources(10), START);
        let mut reads = 0;
        loop {
            match settling.step() {
                Step::Done(_) => break,
                Step::Read { .. } => {
                    reads += 1;
                    assert!(reads < 100, "it ends");
                    let read = map.carry_out(&settling.step()).unwrap();
                    settling.answer(read);
                }
                Step::Write { .. } => settling.answer(answer.clone()),
            }
        }
        assert!((tries..=tries + 1).contains(&reads), "{reads} reads");
    }
}

#[test]
fn nobody_in_debt_is_forgiven_by_damage_a_full_slot_or_a_clock() {
    let limits = [owing(100)];
    let names = neighbours(&limits, 34);
    let key = Place::new(&limits[0], &client(&names[0])).key();
    // Damage counts as the deepest debt: nobody knows how deep it was.
    let mut map = Map::default();
    map.answered(&limits, &client(&names[0]), 100, START);
    map.set(&key, b"rubbish");
    for name in &names[..2] {
        let refused = map.charge(&limits, &client(name), START);
        assert_eq!(refused.retry_after_seconds, 101, "{name}");
    }
    // So does a time that is further ahead than any debt; a debt is not.
    let mut map = Map::default();
    map.answered(&limits, &client(&names[0]), 1000, START);
    for (back, seconds) in [(0, 101), (SECOND, 102), (50 * SECOND, 101)] {
        let refused = map.charge(&limits, &client(&names[0]), START - back);
        assert_eq!(refused.retry_after_seconds, seconds, "{back}");
    }
    // Callers of a full slot share one debt.
    let mut map = Map::default();
    for name in &names {
        map.charge(&limits, &client(name), START);
    }
    let last = Place::new(&limits[0], &client(&names[33])).fingerprint;
    let owed = {
        let mut charging = Charging::new(charges(&limits, &client(&names[33])), START);
        while let Some(answer) = map.carry_out(&charging.step()) {
            charging.answer(answer);
        }
        charging.owed()
    };
    assert_ne!(last, [0; 16]);
    map.settle(owed, 50, START);
    for name in &names[32..] {
        assert!(
            !map.charge(&limits, &client(name), START + 30 * SECOND)
                .allowed
        );
    }
    assert!(
        map.charge(&limits, &client(&names[0]), START).allowed,
        "its own bucket"
    );
}
