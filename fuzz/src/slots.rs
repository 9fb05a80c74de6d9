//! Values of shared data that nobody here wrote: they never admit more than an empty map would.

mod after;

use std::collections::BTreeMap;

use fhir_guard::limit::{
    Caller, Charge, Charging, KeyPart, Limit, Measure, Period, Quota, headers,
};
use fhir_guard::risk::{Fact, Observing, RiskPolicy, Session, Sight, Suspected, Weighing};
use fhir_guard::shared::{Answer, Step, Work as _};

use crate::input::Input;

/// The time at which everything begins, in nanoseconds since 1970.
const START: u64 = 1_700_000_000_000_000_000;

/// The longest time in which a bucket becomes full, 31 days, and a minute.
const HEALED: u64 = (31 * 86_400 + 60) * 1_000_000_000;

/// The most charges in one run: whatever a quota allows, the rest would be more of the same.
const CHARGES: usize = 24;

/// What the shared data holds: the bytes of every key, with their version.
#[derive(Clone, Default)]
struct Map(BTreeMap<String, (Vec<u8>, u32)>);

/// Quotas, steps of the clock, and what stands in the shared data; says whether anybody was
/// admitted.
///
/// # Panics
/// Where what stood there admits more than an empty map, where it does not heal, and where charging
/// does not end or is not what was written.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let limits = limits(&mut input);
    let steps: Vec<u64> = (0..CHARGES).map(|_| step(input.byte())).collect();
    let people = input.byte();
    let faults = input.chunk();
    let caller = |number: usize| Caller {
        client: Some(if people >> (number % 8) & 1 == 0 {
            "a"
        } else {
            "b"
        }),
        ..Caller::default()
    };
    let mut damaged = damaged(&limits, &mut input);
    let mut fresh = Map::default();
    let mut now = START;
    let (mut admitted, mut expected) = ([0, 0], [0, 0]);
    for (number, step) in steps.iter().enumerate() {
        now += step;
        let caller = caller(number);
        let who = usize::from(caller.client == Some("b"));
        admitted[who] += usize::from(damaged.charge(&limits, &caller, now));
        expected[who] += usize::from(fresh.charge(&limits, &caller, now));
        // Two callers may share a bucket only to their disadvantage, never to somebody's gain.
        if limits.len() == 1 {
            assert!(
                admitted[who] <= expected[who],
                "{admitted:?} instead of {expected:?}"
            );
        }
    }
    // A limit that refuses spares the others a charge: what is admitted in all is bounded by each
    // quota alone.
    for limit in &limits {
        let one = std::slice::from_ref(limit);
        let most = alone(one, &steps, &caller);
        assert!(admitted.iter().sum::<usize>() <= most, "{limit:?}");
    }
    let later = now + HEALED;
    let healed = damaged.charge(&limits, &caller(0), later);
    assert!(healed, "a bucket that was never full again");
    lies(&limits, &caller(0), faults);
    after::check(&mut input);
    watched(faults);
    followed(faults);
    admitted != [0, 0]
}

fn limits(input: &mut Input<'_>) -> Vec<Limit> {
    let count = 1 + input.byte() % 3;
    let limit = |number| {
        let rate = u32::from(input.byte()) + 1;
        let period = match input.byte() % 4 {
            0 => Period::Second,
            1 => Period::Minute,
            2 => Period::Hour,
            _ => Period::Day,
        };
        let burst = u32::from(input.byte() % 16) + 1;
        let quota = Quota::new(rate, period, burst).expect("a quota of at most 16 days");
        let measure = Measure::rate(quota);
        // The first and the third lie in one slot.
        let key = match number % 2 {
            0 => &[KeyPart::Client][..],
            _ => &[KeyPart::Client, KeyPart::Type],
        };
        Limit::new(&format!("limit-{number}"), key, measure).expect("a limit")
    };
    (0..count).map(limit).collect()
}

/// One request, charged to each limit.
fn charging(limits: &[Limit], caller: &Caller<'_>, now: u64) -> Charging {
    let charge = |limit| Charge {
        limit,
        caller: *caller,
        count: 1,
        priority: false,
    };
    Charging::new(limits.iter().map(charge), now)
}

/// Nothing, some nanoseconds, or up to 64 seconds: the clocks of one worker only go forward.
fn step(byte: u8) -> u64 {
    let number = u64::from(byte & 0x3f);
    match byte >> 6 {
        0 => 0,
        1 => number,
        2 => number * 10_000_000,
        _ => number * 1_000_000_000,
    }
}

/// The same value in every slot these callers use, or one for each.
fn damaged(limits: &[Limit], input: &mut Input<'_>) -> Map {
    let mut map = Map::default();
    for client in ["a", "b"] {
        for limit in limits {
            let caller = Caller {
                client: Some(client),
                ..Caller::default()
            };
            let charging = charging(std::slice::from_ref(limit), &caller, START);
            let Step::Read { key } = charging.step() else {
                panic!("a limit is read first");
            };
            let value = place(input.chunk(), &fingerprint(limit, &caller));
            map.0.insert(key.to_owned(), (value, 7));
        }
    }
    map
}

/// Bytes as they are, or a slot that would be read: times are distances from now, for which no
/// fuzzer would ever find eight bytes.
fn place(bytes: &[u8], own: &[u8]) -> Vec<u8> {
    let mut input = Input(bytes);
    if input.byte() & 1 == 0 {
        return input.0.to_vec();
    }
    let mut slot = b"FGL\x02".to_vec();
    let time = |input: &mut Input<'_>| match input.byte() % 4 {
        0 => 0,
        1 => START - u64::from(input.long()),
        2 => START + u64::from(input.long()),
        _ => START + u64::from(input.long()) * 1_000_000,
    };
    slot.extend(time(&mut input).to_be_bytes());
    while !input.is_empty() {
        match input.byte() {
            0xff => slot.extend(own),
            other => {
                slot.extend([other; 15]);
                // A bucket; of 0 the one that callers share.
                slot.push(1);
            }
        }
        slot.extend(time(&mut input).to_be_bytes());
    }
    slot
}

/// The name of the caller's bucket in its slot, as the first charge writes it there.
fn fingerprint(limit: &Limit, caller: &Caller<'_>) -> Vec<u8> {
    let mut map = Map::default();
    map.charge(std::slice::from_ref(limit), caller, START);
    let (slot, _) = map.0.values().next().expect("a slot was written");
    slot.get(12..28).expect("an entry").to_vec()
}

/// How many of these charges this limit alone admits.
fn alone<'a>(limit: &[Limit], steps: &[u64], caller: &dyn Fn(usize) -> Caller<'a>) -> usize {
    let mut map = Map::default();
    let mut now = START;
    let mut admitted = 0;
    for (number, step) in steps.iter().enumerate() {
        now += step;
        admitted += usize::from(map.charge(limit, &caller(number), now));
    }
    admitted
}

impl Map {
    /// One exchange alone; whether it was admitted.
    fn charge(&mut self, limits: &[Limit], caller: &Caller<'_>, now: u64) -> bool {
        let mut charging = charging(limits, caller, now);
        let before = self.0.clone();
        let mut most = 4 * limits.len();
        loop {
            let answer = match charging.step() {
                Step::Done(verdict) => {
                    let fields = headers(&verdict);
                    assert!(fields.iter().all(|(_, value)| value.is_ascii()));
                    assert!(!verdict.contended, "nobody else was there");
                    assert!(
                        verdict
                            .remaining
                            .iter()
                            .all(|one| one.remaining <= one.burst)
                    );
                    assert!(verdict.allowed || verdict.retry_after_seconds >= 1);
                    assert!(!verdict.allowed || before != self.0, "not charged");
                    return verdict.allowed;
                }
                Step::Read { key } => {
                    let (bytes, version) = self.0.get(key).cloned().unzip();
                    Answer::Value { bytes, version }
                }
                Step::Write {
                    key,
                    value,
                    version,
                } => {
                    assert!(value.len() <= 804, "{} bytes in a slot", value.len());
                    let known = self.0.get(key).map(|(_, version)| *version);
                    assert_eq!(known, version, "another version than was read");
                    let next = version.map_or(1, |version| version + 1);
                    self.0.insert(key.to_owned(), (value.to_vec(), next));
                    Answer::Written
                }
            };
            charging.answer(answer);
            most = most.checked_sub(1).expect("charging ends");
        }
    }
}

/// A host that answers anything: charging ends, and admits only what was written.
/// Whatever is known of a caller, his score has a bound, and he comes free.
fn watched(bytes: &[u8]) {
    let policy = RiskPolicy::default();
    let sight = |fact| Sight::of(fact, Some("Patient/17"));
    let mut bytes = [b"FGK\x02", bytes].concat();
    for (after, fact) in [
        (0, Fact::Absent),
        (0, Fact::Theft),
        (u64::MAX - START, Fact::Other),
    ] {
        let seen = Suspected::Certificate("aa")
            .scored()
            .observation(vec![sight(fact)]);
        let mut work = Observing::new(seen, policy, START + after);
        work.answer(Answer::Value {
            bytes: Some(bytes.clone()),
            version: Some(1),
        });
        if let Step::Write { value, .. } = work.step() {
            assert!(value.len() <= 1380, "{} bytes", value.len());
            bytes = value.to_vec();
        }
        work.answer(Answer::Written);
        let Step::Done(found) = work.step() else {
            panic!("watching does not end");
        };
        let score = found.map_or(0, |found| found.score);
        let most = if after == 0 {
            14 * policy.isolate_at
        } else {
            0
        };
        assert!(score <= most, "{score}");
    }
}

/// Whatever is known of a session, its score has a bound, and it comes free.
fn followed(bytes: &[u8]) {
    let policy = RiskPolicy::default();
    let mut bytes = [b"FGS\x01", bytes].concat();
    for (after, certificate) in [(0, "aa"), (0, "bb"), (u64::MAX - START, "aa")] {
        let session = Session {
            issuer: "https://login",
            client: "app",
            subject: "user",
            token: "t",
            certificate: Some(certificate),
            address: None,
            place: None,
        };
        let caller = Suspected::Certificate("aa").scored();
        let mut work = Weighing::new(session.moment(), caller, policy, START + after);
        work.answer(Answer::Value {
            bytes: Some(bytes.clone()),
            version: Some(1),
        });
        if let Step::Write { value, .. } = work.step() {
            assert!(value.len() <= 532, "{} bytes", value.len());
            bytes = value.to_vec();
        }
        work.answer(Answer::Written);
        let Step::Done(weighed) = work.step() else {
            panic!("following does not end");
        };
        assert!(weighed.score <= 3 * policy.isolate_at, "{}", weighed.score);
    }
}

fn lies(limits: &[Limit], caller: &Caller<'_>, faults: &[u8]) {
    let mut input = Input(faults);
    let mut charging = charging(limits, caller, START);
    let mut written = 0;
    for _ in 0..17 * limits.len() + 1 {
        let write = match charging.step() {
            Step::Done(verdict) => {
                let slots = limits.len().min(2);
                assert!(!verdict.allowed || written >= slots, "{written} written");
                return;
            }
            Step::Read { .. } => false,
            Step::Write { .. } => true,
        };
        let answer = match input.byte() % 8 {
            0 => Answer::Written,
            1 => Answer::Conflict,
            2 => Answer::Failed,
            3 => Answer::Value {
                bytes: None,
                version: None,
            },
            4 => Answer::Value {
                bytes: None,
                version: Some(input.long()),
            },
            5 => Answer::Value {
                bytes: Some(input.take(40).to_vec()),
                version: Some(1),
            },
            6 if write => Answer::Conflict,
            _ if write => Answer::Written,
            _ => Answer::Value {
                bytes: Some(b"FGL\x02\0\0\0\0\0\0\0\0".to_vec()),
                version: Some(3),
            },
        };
        written += usize::from(write && answer == Answer::Written);
        charging.answer(answer);
    }
    panic!("charging does not end");
}
