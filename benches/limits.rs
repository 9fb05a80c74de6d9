//! What limits hold of ten million distinct callers, in a map as the proxy has: memory, live entries, and
//! whether those who stay are kept exactly. `make limits-measure` runs it. With `-- ask` it measures alone what one
//! question to a server of several proxies costs here, without the way there and back; with `-- race` what a key costs
//! that two workers charge at once.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a program that measures: it tells the time, and may fail"
)]

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use fhir_guard::identity::MacKey;
use fhir_guard::limit::{
    Breaker, BreakerPolicy, Caller, Charge, Charging, GlobalLimits, KeyPart, Limit, Measure,
    Period, Quota, Verdict,
};
use fhir_guard::shared::{Answer, Step, Work};

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
    if std::env::args().any(|argument| argument == "race") {
        return race();
    }
    ask();
    if std::env::args().any(|argument| argument == "ask") {
        return;
    }
    println!(
        "slots of 32 entries: 4096; callers who stay, {STRANGERS} strangers, {A_SECOND} of them a second"
    );
    for stay in [10_000, 40_000, 60_000, 80_000] {
        measure(stay);
    }
}

/// All that is done for one question beside the charge: the descriptor with a hash, the call, the look at the
/// breaker, and the judgement.
fn ask() {
    const ROUNDS: u32 = 200_000;
    let quota = Quota::new(50, Period::Second, 100).expect("a quota");
    let key = [KeyPart::Client, KeyPart::Patient];
    let plain = Limit::new("per-patient", &key, Measure::rate(quota)).expect("a limit");
    let mut shared = plain.clone();
    shared.global = true;
    let service = GlobalLimits {
        cluster: "ratelimit".to_owned(),
        authority: "ratelimit".to_owned(),
        domain: "fhir".to_owned(),
        timeout: SECOND / 20,
        required: false,
        breaker: BreakerPolicy {
            failures: 5,
            pause: 5 * SECOND,
        },
        key: MacKey::read(&"ab".repeat(32)),
    };
    let head = [(":status", "200"), ("grpc-status", "0")];
    let head = head.map(|(name, value)| (name.into(), value.into()));
    // Admitted: of 60 in a minute 59 are left, for 30 seconds.
    let answer = [
        0, 0, 0, 0, 18, 8, 1, 18, 14, 8, 1, 18, 4, 8, 60, 16, 2, 24, 59, 34, 2, 8, 30,
    ];
    let caller = Caller {
        client: Some("clinic-a"),
        issuer: Some("https://as.example.org"),
        patient: Some("p1"),
        ..Caller::default()
    };
    let mut took = [0, 0];
    for (limit, took) in [&plain, &shared].into_iter().zip(&mut took) {
        let mut map = Map::new();
        let charge = |now| {
            let charge = Charge {
                limit,
                caller,
                count: 1,
                priority: false,
            };
            Charging::with_key([charge], now, service.key.as_ref())
        };
        let began = Instant::now();
        for round in 0..ROUNDS {
            let now = 1_700_000_000 * SECOND + u64::from(round) * SECOND;
            let mut charging = charge(now);
            let mut verdict = carry_out(&mut map, &mut charging);
            let question = charging.question();
            if !question.is_empty() {
                let mut breaker = Breaker::look(&service);
                breaker.at(now);
                assert!(carry_out(&mut map, &mut breaker).asks);
                std::hint::black_box(question.call(&service));
                let judged = question.judged(Some((&head, &answer)), &mut verdict);
                judged.expect("a judgement");
            }
        }
        *took = began.elapsed().as_nanos() / u128::from(ROUNDS);
    }
    let [plain, shared] = took;
    println!(
        "a charge: {plain} ns; with a question to a shared server: {} ns more",
        shared.saturating_sub(plain)
    );
}

/// One hot key, charged by one worker, and by two at once, as fast as they can: nothing else to do is the worst that
/// there is.
fn race() {
    const ROUNDS: u32 = 300_000;
    let quota = Quota::new(1_000_000_000, Period::Second, 1_000_000_000).expect("a quota");
    let limit = Limit::new("hot", &[KeyPart::Client], Measure::rate(quota)).expect("a limit");
    for workers in [1_u32, 2] {
        let map = Mutex::new(Map::new());
        let began = Instant::now();
        let counts = std::thread::scope(|scope| {
            let worker = || hammer(&map, &limit, ROUNDS);
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.map(|one| one.expect("no panic")).collect::<Vec<_>>()
        });
        let took = began.elapsed().as_nanos();
        let conflicts: u64 = counts.iter().map(|(conflicts, _)| conflicts).sum();
        let refused: u64 = counts.iter().map(|(_, refused)| refused).sum();
        let all = u64::from(ROUNDS) * u64::from(workers);
        println!(
            "a hot key, workers: {workers}; {} ns a charge of each; conflicts of {all} charges: {conflicts}; \
             refused as contended: {refused}",
            took / u128::from(ROUNDS),
        );
    }
}

/// One worker; how many writes came too late, and how many charges were given up.
fn hammer(map: &Mutex<Map>, limit: &Limit, rounds: u32) -> (u64, u64) {
    let (mut conflicts, mut refused) = (0, 0);
    for round in 0..rounds {
        let caller = Caller {
            client: Some("hot"),
            ..Caller::default()
        };
        let charge = Charge {
            limit,
            caller,
            count: 1,
            priority: false,
        };
        let now = 1_700_000_000 * SECOND + u64::from(round);
        let mut charging = Charging::new([charge], now);
        let verdict = loop {
            let answer = match charging.step() {
                Step::Done(verdict) => break verdict,
                Step::Read { key } => {
                    let map = map.lock().expect("no panic");
                    let (bytes, version) = map.get(key).cloned().unzip();
                    Answer::Value { bytes, version }
                }
                Step::Write {
                    key,
                    value,
                    version,
                } => {
                    let mut map = map.lock().expect("no panic");
                    if map.get(key).map(|(_, own)| *own) == version {
                        let next = version.unwrap_or(0) + 1;
                        map.insert(key.to_owned(), (value.to_vec(), next));
                        Answer::Written
                    } else {
                        conflicts += 1;
                        Answer::Conflict
                    }
                }
            };
            charging.answer(answer);
        };
        refused += u64::from(!verdict.allowed);
    }
    (conflicts, refused)
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
    carry_out(map, &mut Charging::new([charge], now))
}

fn carry_out<W: Work>(map: &mut Map, work: &mut W) -> W::Outcome {
    loop {
        let answer = match work.step() {
            Step::Done(outcome) => return outcome,
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
        work.answer(answer);
    }
}
