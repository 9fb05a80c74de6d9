//! What was charged here and refused elsewhere.

use super::*;

const HALF: u64 = SECOND / 2;

impl Map {
    /// One request that is admitted here; what is to be given back where it is refused elsewhere.
    fn admitted(&mut self, limits: &[Limit], caller: &Caller, now: u64) -> Option<Vec<Owed>> {
        let mut charging = Charging::new(charges(limits, caller), now);
        while let Some(answer) = self.carry_out(&charging.step()) {
            charging.answer(answer);
        }
        verdict(&charging).allowed.then(|| charging.refunds())
    }

    fn give_back(&mut self, refunds: Vec<Owed>, now: u64) {
        let mut settling = Settling::new(refunds, Returned::default(), now);
        while let Some(answer) = self.carry_out(&settling.step()) {
            settling.answer(answer);
        }
    }

    fn left(&mut self, limits: &[Limit], caller: &Caller, now: u64) -> Vec<u32> {
        let mut before = Map {
            values: self.values.clone(),
            counter: self.counter,
            ..Map::default()
        };
        let verdict = before.charge(limits, caller, now);
        let left = verdict.remaining.iter();
        left.map(|own| own.remaining + u32::from(verdict.allowed))
            .collect()
    }
}

fn two() -> [Limit; 2] {
    [
        limit("one", &[KeyPart::Client], 1, Period::Second, 4),
        limit("two", &[KeyPart::Subject], 1, Period::Minute, 9),
    ]
}

#[test]
fn a_refusal_elsewhere_charges_none() {
    let (limits, caller, mut map) = (two(), client("a"), Map::default());
    for _ in 0..20 {
        let refunds = map.admitted(&limits, &caller, START).expect("admitted");
        assert_eq!(map.left(&limits, &caller, START), [3, 8]);
        map.give_back(refunds, START);
        assert_eq!(map.left(&limits, &caller, START), [4, 9]);
    }
    // What came back by itself is not given twice: a caller who used it in between has no more than others.
    let refunds = map.admitted(&limits, &caller, START).expect("admitted");
    for _ in 0..3 {
        map.admitted(&limits, &caller, START + HALF);
    }
    map.give_back(refunds, START + HALF);
    // Four at once, three of them used at this instant.
    assert_eq!(map.left(&limits, &caller, START + HALF), [1, 6]);
}

#[test]
fn nothing_is_given_back_that_is_not_known_to_be_taken() {
    type Damage = fn(&mut Map);
    let rows: [(&str, u64, Damage, u32); 4] = [
        ("as it was", START, |_| (), 4),
        ("the clock stepped back", START - 1, |_| (), 3),
        ("forgotten", START, |map| map.values.clear(), 4),
        (
            "rubbish",
            START,
            |map| {
                let keys: Vec<String> = map.values.keys().cloned().collect();
                keys.iter().for_each(|key| map.set(key, b"rubbish"));
            },
            0,
        ),
    ];
    for (name, now, damage, expected) in rows {
        let limits = [limit("one", &[KeyPart::Client], 1, Period::Second, 4)];
        let (caller, mut map) = (client("a"), Map::default());
        let refunds = map.admitted(&limits, &caller, START).expect("admitted");
        damage(&mut map);
        map.give_back(refunds, now);
        assert_eq!(map.left(&limits, &caller, START), [expected], "{name}");
    }
}

#[test]
fn nobody_is_admitted_more_often_for_what_was_given_back() {
    let mut random = Lcg(7);
    for _ in 0..300 {
        let limits = [limit("one", &[KeyPart::Client], 2, Period::Second, 5)];
        let (caller, mut map) = (client("a"), Map::default());
        let mut now = START;
        let mut open: Vec<(u64, Vec<Owed>)> = Vec::new();
        // When those were charged that were admitted everywhere.
        let mut passed = Vec::new();
        for _ in 0..60 {
            now += random.below(SECOND);
            if let Some(refunds) = map.admitted(&limits, &caller, now) {
                open.push((now, refunds));
            }
            if random.below(3) > 0 && !open.is_empty() {
                let at = usize::try_from(random.below(open.len() as u64)).unwrap();
                let (charged, refunds) = open.swap_remove(at);
                match random.below(2) {
                    0 => map.give_back(refunds, now),
                    _ => passed.push(charged),
                }
            }
        }
        passed.sort_unstable();
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let most = 5 + (to - from) * 2 / SECOND;
                assert!((last - first + 1) as u64 <= most, "{passed:?}");
            }
        }
    }
}
