//! What limits hold of ten million distinct callers, in a map as the proxy has: memory, live entries, and
//! whether those who stay are kept exactly. `make limits-measure` runs it.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a program that measures: it tells the time, and may fail"
)]

use std::collections::HashMap;
use std::time::Instant;

use fhir_guard::limit::{
    Caller, Charge, Charging, KeyPart, Limit, Measure, Period, Quota, Verdict,
};
use fhir_guard::shared::{Answer, Step, Work as _};

const SECOND: u64 = 1_000_000_000;

/// Callers who come once.
const STRANGERS: u64 = 10_000_000;

/// How many of them come in a second of the time that is simulated.
const A_SECOND: u64 = 10_000;

/// Requests at once for each caller, and those who stay ask for this many, one for every so many strangers.
const BURST: u32 = 10;

type Map = HashMap<String, (Vec<u8>, u32)>;

fn main() {
    // Tests build it too, and are not to wait for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "slots of 32 entries: 4096; callers who stay, {STRANGERS} strangers, {A_SECOND} of them a second"
    );
    for stay in [10_000, 40_000, 60_000, 80_000] {
        measure(stay);
    }
}

/// So many callers with a slow quota use it up while strangers come and go.
fn measure(stay: u64) {
    let quota = Quota::new(1, Period::Day, BURST).expect("a quota");
    let slow = Limit::new("stay", &[KeyPart::Client], Measure::rate(quota)).expect("a limit");
    let quota = Quota::new(50, Period::Second, 100).expect("a quota");
    let fast = Limit::new("pass", &[KeyPart::Client], Measure::rate(quota)).expect("a limit");
    let mut map = Map::new();
    let mut now = 1_700_000_000 * SECOND;
    let mut admitted = vec![0_u32; usize::try_from(stay).expect("a number")];
    let mut refused_strangers = 0_u64;
    let strangers = STRANGERS / u64::from(BURST + 2);
    let (mut most, mut number) = (0, 0_u64);
    let began = Instant::now();
    // Twelve times each of them asks for one of ten.
    for _ in 0..BURST + 2 {
        for (own, admitted) in (0..).zip(&mut admitted) {
            *admitted += u32::from(charge(&mut map, &slow, &format!("s{own}"), now).allowed);
        }
        for _ in 0..strangers {
            number += 1;
            now += SECOND / A_SECOND;
            let verdict = charge(&mut map, &fast, &number.to_string(), now);
            refused_strangers += u64::from(!verdict.allowed);
        }
        most = most.max(held(&map));
    }
    let took = began.elapsed();
    let charges = number + stay * u64::from(BURST + 2);
    let count = |which: &dyn Fn(u32) -> bool| admitted.iter().filter(|own| which(**own)).count();
    let entries: usize = map
        .values()
        .map(|(value, _)| value.len().saturating_sub(12) / 24)
        .sum();
    println!(
        "{stay} stay: admitted exactly {BURST} of {}: {}, fewer: {}, more: {}; strangers refused: {refused_strangers}; \
         entries: {entries}; keys {}, most bytes of keys and values {most}; {} ns a charge",
        BURST + 2,
        count(&|own| own == BURST),
        count(&|own| own < BURST),
        count(&|own| own > BURST),
        map.len(),
        took.as_nanos() / u128::from(charges),
    );
    assert_eq!(
        count(&|own| own > BURST),
        0,
        "nobody has more than the quota"
    );
    assert!(
        most <= 5_914_624 + 94_208,
        "the memory is bounded as documented"
    );
}

fn held(map: &Map) -> usize {
    map.iter()
        .map(|(key, (value, _))| key.len() + value.len())
        .sum()
}

fn charge(map: &mut Map, limit: &Limit, name: &str, now: u64) -> Verdict {
    let caller = Caller {
        client: Some(name),
        ..Caller::default()
    };
    let charge = Charge {
        limit,
        caller,
        count: 1,
        priority: false,
    };
    let mut charging = Charging::new([charge], now);
    loop {
        let answer = match charging.step() {
            Step::Done(verdict) => return verdict,
            Step::Read { key } => {
                let (bytes, version) = map.get(key).cloned().unzip();
                Answer::Value { bytes, version }
            }
            Step::Write {
                key,
                value,
                version,
            } => {
                let next = version.unwrap_or(0) + 1;
                map.insert(key.to_owned(), (value.to_vec(), next));
                Answer::Written
            }
        };
        charging.answer(answer);
    }
}
