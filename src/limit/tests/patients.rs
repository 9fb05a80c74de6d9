//! How many different patients.

use super::super::slot::{Kind, Slot};
use super::*;

const DAY: u64 = 86_400 * SECOND;

/// Midnight.
const DAWN: u64 = START - START % DAY;

/// So many patients a day for each client.
fn budget(most: u32) -> Limit {
    let budget = Budget::new(most, 86_400).unwrap();
    Limit::new("budget", &[KeyPart::Client], Measure::Patients(budget)).unwrap()
}

/// Begins an exchange; what it owes, where it may go on.
fn begin(map: &mut Map, limit: &Limit, name: &str, now: u64) -> Result<Vec<Owed>, Verdict> {
    let limits = std::slice::from_ref(limit);
    let mut charging = Charging::new(charges(limits, &client(name)), now);
    while let Some(answer) = map.carry_out(&charging.step()) {
        charging.answer(answer);
    }
    let verdict = verdict(&charging);
    match verdict.allowed {
        true => Ok(charging.owed()),
        false => Err(verdict),
    }
}

fn finish(map: &mut Map, owed: Vec<Owed>, patients: &[u64], now: u64) {
    let (patients, salt) = (patients.to_vec(), now ^ 0x5a5a);
    let settling = Settling::new(owed, Returned::default(), now);
    let mut settling = settling.with_shown(Shown { patients, salt });
    while let Some(answer) = map.carry_out(&settling.step()) {
        settling.answer(answer);
    }
}

/// One whole exchange; whether it went on.
fn shows(map: &mut Map, limit: &Limit, name: &str, patients: &[u64], now: u64) -> bool {
    let owed = begin(map, limit, name, now);
    owed.map(|owed| finish(map, owed, patients, now)).is_ok()
}

fn left(map: &mut Map, limit: &Limit, name: &str, now: u64) -> u32 {
    let limits = std::slice::from_ref(limit);
    map.charge(limits, &client(name), now).remaining[0].remaining
}

#[test]
fn different_patients_count_once_until_the_window_ends() {
    let (limit, mut map) = (budget(3), Map::default());
    for (patients, expected) in [
        (&[][..], 3),
        (&[1], 2),
        (&[1], 2),
        (&[2, 1, 2], 1),
        (&[1, 2], 1),
    ] {
        let writes = map.writes;
        assert!(
            shows(&mut map, &limit, "a", patients, START),
            "{patients:?}"
        );
        assert_eq!(left(&mut map, &limit, "a", START), expected, "{patients:?}");
        let new = map.writes - writes;
        assert!(new <= 1, "{patients:?}: {new}");
    }
    let writes = map.writes;
    assert!(shows(&mut map, &limit, "a", &[2], START));
    assert_eq!(map.writes, writes, "nobody new is nothing to write");
    assert!(shows(&mut map, &limit, "b", &[9], START), "another");
    // What is under way together goes beyond.
    let first = begin(&mut map, &limit, "a", START).unwrap();
    let second = begin(&mut map, &limit, "a", START).unwrap();
    finish(&mut map, first, &[3], START);
    finish(&mut map, second, &[4, 5], START);
    let refused = begin(&mut map, &limit, "a", START).err().expect("refused");
    let told = &refused.remaining[0];
    assert_eq!(
        (told.remaining, told.burst, told.window_seconds),
        (0, 3, 86_400)
    );
    assert!(told.patients && !told.concurrent && !refused.contended);
    let end = DAWN + DAY;
    assert_eq!(refused.retry_after_seconds, (end - START) / SECOND);
    assert!(begin(&mut map, &limit, "a", end - 1).is_err());
    assert_eq!(left(&mut map, &limit, "a", end), 3, "all anew");
    assert_eq!(left(&mut map, &limit, "b", START), 2);
    // Where two workers' clocks differ, the window that has begun counts for both.
    assert!(shows(&mut map, &limit, "c", &[1, 2, 3], end + SECOND / 2));
    let refused = begin(&mut map, &limit, "c", end - SECOND / 4)
        .err()
        .expect("refused");
    assert_eq!(refused.retry_after_seconds, 86_401);
    // A clock that steps back by more than a window counts for the window that is now.
    let before = DAWN - 5 * DAY;
    let refused = begin(&mut map, &limit, "c", before).err().expect("refused");
    assert_eq!(refused.retry_after_seconds, 86_400);
    assert!(begin(&mut map, &limit, "c", before + DAY).is_ok());
}

#[test]
fn a_budget_is_no_more_than_it_says_and_no_less_than_stated() {
    for (most, least) in [(1, 1), (100, 100), (128, 128), (500, 410), (10_000, 8_196)] {
        let (limit, mut map) = (budget(most), Map::default());
        let mut patients = 0_u64;
        while shows(&mut map, &limit, "a", &[patients, patients], START) {
            patients += 1;
            assert!(patients <= u64::from(most), "{most}");
        }
        assert!(patients >= least, "{most}: {patients}");
    }
    for (most, window, good) in [
        (1, 60, true),
        (10_000, 31 * 86_400, true),
        (0, 60, false),
        (10_001, 60, false),
        (1, 59, false),
        (1, 31 * 86_400 + 1, false),
    ] {
        assert_eq!(Budget::new(most, window).is_ok(), good, "{most} {window}");
    }
}

#[test]
fn callers_of_a_full_slot_share_one_count_and_are_not_forgiven() {
    let limit = budget(10);
    let names = neighbours(std::slice::from_ref(&limit), 12);
    let mut map = Map::default();
    for (at, name) in (0..).zip(&names[..8]) {
        assert!(shows(&mut map, &limit, name, &[at], START));
        assert_eq!(left(&mut map, &limit, name, START), 9);
    }
    assert!(shows(&mut map, &limit, &names[8], &[100, 101, 102], START));
    assert!(shows(&mut map, &limit, &names[9], &[102, 103, 104], START));
    for name in &names[8..12] {
        assert_eq!(left(&mut map, &limit, name, START), 5, "{name}");
    }
    assert_eq!(left(&mut map, &limit, &names[0], START), 9, "its own");
    assert!(shows(
        &mut map,
        &limit,
        &names[10],
        &[200, 201, 202, 203, 204],
        START
    ));
    assert!(
        begin(&mut map, &limit, &names[11], START).is_err(),
        "whoever used it up"
    );
    assert_eq!(left(&mut map, &limit, &names[11], DAWN + DAY), 10);
    // The largest that a slot can be.
    let many: Vec<u64> = (0..10_001).collect();
    let later = DAWN + 2 * DAY;
    for name in &names[..9] {
        let owed = begin(&mut map, &limit, name, later).unwrap();
        finish(&mut map, owed, &many, later);
    }
    let longest = map.values.values().map(|(value, _)| value.len()).max();
    assert_eq!(longest, Some(9534));
}

#[test]
fn a_shorter_window_takes_its_own_part_of_a_shared_count_with_it() {
    let (now, mut slot) = (DAWN + 1, Slot::fresh());
    let (long, short) = (
        Budget::new(10, 86_400).unwrap(),
        Budget::new(10, 60).unwrap(),
    );
    let one = |patient, salt| Shown {
        patients: vec![patient],
        salt,
    };
    let place = |number: u8| Kind::Patients.fingerprint([number; 16]);
    for number in 1..=8 {
        slot.show(place(number), &short, &one(1, 1), now);
    }
    slot.show(place(9), &long, &one(2, 2), now);
    let minute = DAWN + 60 * SECOND;
    assert_eq!(
        slot.used(place(10), &short, now),
        (1, DAWN + DAY),
        "no room"
    );
    assert!(!slot.mended);
    // With room it is on its own, and free of it when its own window ends.
    let later = minute + 2 * SECOND;
    assert_eq!(
        slot.used(place(10), &short, later),
        (1, minute + 60 * SECOND)
    );
    assert!(slot.mended);
    slot.show(place(11), &short, &one(3, 3), later);
    assert_eq!(slot.used(place(11), &short, later).0, 2, "not forgiven");
}

#[test]
fn a_damaged_slot_counts_as_used_up_and_heals() {
    let (limit, mut map) = (budget(10), Map::default());
    assert!(shows(&mut map, &limit, "a", &[1], START));
    let (key, (good, _)) = map
        .values
        .iter()
        .next()
        .map(|(key, value)| (key.clone(), value.clone()))
        .unwrap();
    let mut rows: Vec<Vec<u8>> = (0..good.len())
        .filter(|cut| *cut != 12)
        .map(|cut| good[..cut].to_vec())
        .collect();
    rows.push([&good[..], &[0]].concat());
    rows.push([b"FGL\x01", &good[4..]].concat());
    rows.push([&good[..], &good[12..]].concat());
    rows.push([&good[..12], &[3; 16], &[0xff; 8], &good[36..]].concat());
    for rubbish in rows {
        map.set(&key, &rubbish);
        let refused = begin(&mut map, &limit, "a", START).err().expect("refused");
        assert_eq!(refused.retry_after_seconds, (DAWN + DAY - START) / SECOND);
        let healed = map.values[&key].0.clone();
        assert_eq!(healed.len(), 12, "stored");
        assert!(begin(&mut map, &limit, "a", START + SECOND).is_err());
        assert_eq!(map.values[&key].0, healed, "once");
        assert_eq!(left(&mut map, &limit, "a", DAWN + DAY), 10);
    }
    let empty = good[..12].to_vec();
    map.set(&key, &empty);
    assert_eq!(
        left(&mut map, &limit, "a", START),
        10,
        "an empty slot is sound"
    );
}

#[test]
fn what_two_workers_show_at_once_is_counted_together() {
    let limit = budget(100);
    for seed in 0..200 {
        let (mut map, mut random) = (Map::default(), Lcg(seed));
        let mut workers: Vec<Settling> = (0..3_u64)
            .map(|worker| {
                let owed = begin(&mut map, &limit, "a", START).unwrap();
                let patients = (worker * 5..worker * 5 + 10).collect();
                let shown = Shown {
                    patients,
                    salt: worker,
                };
                Settling::new(owed, Returned::default(), START).with_shown(shown)
            })
            .collect();
        for _ in 0..500 {
            let at = random.below(3) as usize;
            if let Some(answer) = map.carry_out(&workers[at].step()) {
                workers[at].answer(answer);
            }
        }
        assert!(
            workers
                .iter()
                .all(|own| matches!(own.step(), Step::Done(_)))
        );
        assert_eq!(left(&mut map, &limit, "a", START), 80, "{seed}");
    }
}

#[test]
fn some_go_first_with_patients_too() {
    let first = |right| {
        let routes = Vec::new();
        budget(5)
            .with_priority(Some(Priority { routes, right }))
            .unwrap()
    };
    let ask = |map: &mut Map, limit: &Limit, priority| {
        let caller = client("a");
        let charges = [Charge {
            limit,
            caller,
            count: 0,
            priority,
        }];
        let mut charging = Charging::new(charges, START);
        while let Some(answer) = map.carry_out(&charging.step()) {
            charging.answer(answer);
        }
        (
            verdict(&charging).allowed,
            charging.borrowed().len(),
            charging.owed(),
        )
    };
    for (right, shown, expected) in [
        (Right::Reserve(2), 2, [(true, 0), (true, 0)]),
        (Right::Reserve(2), 3, [(false, 0), (true, 1)]),
        (Right::Reserve(2), 5, [(false, 0), (false, 0)]),
        (Right::Bypass, 4, [(true, 0), (true, 0)]),
        (Right::Bypass, 5, [(false, 0), (true, 1)]),
    ] {
        let (limit, mut map) = (first(right), Map::default());
        let patients: Vec<u64> = (0..shown).collect();
        assert!(shows(&mut map, &limit, "a", &patients, START));
        for (priority, (allowed, borrowed)) in [false, true].into_iter().zip(expected) {
            let found = ask(&mut map, &limit, priority);
            assert_eq!(
                (found.0, found.1),
                (allowed, borrowed),
                "{right:?} {shown} {priority}"
            );
            if allowed {
                finish(&mut map, found.2, &[0], START);
            }
        }
        let (_, _, owed) = ask(&mut map, &limit, true);
        if right == Right::Bypass {
            finish(&mut map, owed, &[77], START);
            assert_eq!(
                left(&mut map, &limit, "a", START),
                4_u32.saturating_sub(shown as u32),
                "counted"
            );
        }
    }
}
