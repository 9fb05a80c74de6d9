//! `Retry-After` is the truth, whatever happened before.

use std::num::NonZeroU32;

use super::*;

/// A limit of one a second or a minute, whose answers may be owed.
fn any(name: &str, random: &mut Lcg) -> Limit {
    let per = match random.below(2) {
        0 => Period::Second,
        _ => Period::Minute,
    };
    let burst = 1 + u32::try_from(random.below(5)).unwrap();
    let quota = Quota::new(1 + u32::try_from(random.below(3)).unwrap(), per, burst);
    let debt = u32::try_from(random.below(20)).unwrap();
    let cost = Cost {
        resources_returned: NonZeroU32::new(1),
        ..Cost::default()
    };
    let measure = Measure::Rate {
        quota: quota.and_then(|quota| quota.with_debt(debt)).unwrap(),
        cost,
    };
    Limit::new(name, &[KeyPart::Client], measure).unwrap()
}

fn all_of(charging: &mut Charging, map: &mut Map) -> Verdict {
    while let Some(answer) = map.carry_out(&charging.step()) {
        charging.answer(answer);
    }
    verdict(charging)
}

#[test]
fn whoever_is_refused_is_admitted_when_told_and_not_a_second_before() {
    let mut refused = [0_usize; 2];
    let first = [limit("l0", &[KeyPart::Client], 1, Period::Second, 1)];
    let crowd = neighbours(&first, 36);
    for seed in 0..600 {
        let mut random = Lcg(seed);
        let count = 1 + random.below(3);
        let limits: Vec<Limit> = (0..count)
            .map(|number| any(&format!("l{number}"), &mut random))
            .collect();
        // Some seeds crowd one slot of the first limit.
        let names = match seed % 10 {
            0 => crowd.clone(),
            _ => vec!["a".to_owned(), "b".to_owned()],
        };
        let (mut map, mut now) = (Map::default(), START);
        for _ in 0..60 {
            now += random.below(3) * random.below(SECOND) + random.below(2) * SECOND;
            let name = &names[usize::try_from(random.below(names.len() as u64)).unwrap()];
            let caller = client(name);
            if random.below(40) == 0 {
                let damaged = Place::new(&limits[0], &caller).key();
                map.set(&damaged, b"rubbish");
            }
            let count = 1 + u32::try_from(random.below(2)).unwrap();
            let fits = limits.iter().all(|limit| burst_of(limit) >= count);
            let count = if fits { count } else { 1 };
            let charging = |now| {
                let charge = |limit| Charge {
                    limit,
                    caller,
                    count,
                    priority: false,
                };
                Charging::new(limits.iter().map(charge), now)
            };
            let mut first = charging(now);
            let verdict = all_of(&mut first, &mut map);
            if verdict.allowed {
                let owed = first.owed();
                let returned = Returned {
                    resources: random.below(12),
                    bytes: 0,
                };
                let mut settling = Settling::new(owed, returned, now);
                while let Some(answer) = map.carry_out(&settling.step()) {
                    settling.answer(answer);
                }
                continue;
            }
            refused[usize::from(seed % 10 == 0)] += 1;
            let seconds = verdict.retry_after_seconds;
            let at = |seconds: u64| {
                let mut map = Map {
                    values: map.values.clone(),
                    counter: map.counter,
                    ..Map::default()
                };
                all_of(&mut charging(now + seconds * SECOND), &mut map).allowed
            };
            assert!(at(seconds), "seed {seed}: {verdict:?} {limits:?}");
            assert!(seconds == 1 || !at(seconds - 1), "seed {seed}: {verdict:?}");
        }
    }
    assert!(refused.iter().all(|count| *count > 500), "{refused:?}");
}
