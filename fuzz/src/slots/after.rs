//! What comes after a request: answers that are charged, patients who are counted, and leases that are renewed
//! and given back.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use fhir_guard::limit::{
    Budget, Caller, Cap, Charge, Charging, Cost, KeyPart, Limit, Measure, Owed, Period, Quota,
    Returned, Settling, Shown, Verdict,
};
use fhir_guard::shared::{Answer, Step, Work};

use super::{Map, START};
use crate::input::Input;

/// What is done in one run.
const STEPS: usize = 48;

/// The largest value of a slot of buckets and leases, and of one of patients, in bytes.
const LARGEST: usize = 1444;
const LARGEST_OF_PATIENTS: usize = 9534;

/// What is under way.
struct Running {
    owed: Vec<Owed>,
    /// When something of it came last.
    heard: u64,
}

/// A cap, a quota with a debt or a budget of patients, and what is done under it. The map may be damaged before.
///
/// # Panics
/// Where more is under way than the cap says, though each was heard of within its lease; where somebody goes on
/// after as many patients as the budget has; where a refusal
/// says another time than the one from which it is admitted; where a bucket is deeper than its debt, or
/// where work does not end or writes more than a slot holds.
pub fn check(input: &mut Input<'_>) {
    let (kind, most) = (input.byte(), 1 + u32::from(input.byte() % 8));
    let lease = 10 + u64::from(input.byte() % 64);
    let debt = u32::from(input.byte() % 32);
    let window = 60 + 60 * u64::from(debt);
    let measure = match (kind & 1, kind & 4) {
        (0, 0) => Measure::Concurrent(Cap::new(most, lease).expect("a cap")),
        (0, _) => Measure::Patients(Budget::new(most, window).expect("a budget")),
        _ => Measure::Rate {
            quota: Quota::new(1, Period::Second, most)
                .and_then(|quota| quota.with_debt(debt))
                .expect("a quota"),
            cost: Cost {
                resources_returned: NonZeroU32::new(1),
                bytes_returned: NonZeroU32::new(1000),
                ..Cost::default()
            },
        },
    };
    let at_once = matches!(measure, Measure::Concurrent(_));
    let of_patients = matches!(measure, Measure::Patients(_));
    let largest = match of_patients {
        true => LARGEST_OF_PATIENTS,
        false => LARGEST,
    };
    let limit = Limit::new("after", &[KeyPart::Client], measure).expect("a limit");
    let caller = Caller {
        client: Some("a"),
        ..Caller::default()
    };
    let charging = |now| {
        let charge = Charge {
            limit: &limit,
            caller,
            count: 1,
            priority: false,
        };
        Charging::new([charge], now)
    };
    let mut map = Map::default();
    if kind & 2 != 0 {
        let damage = place(input.chunk(), of_patients);
        if let Step::Read { key } = charging(START).step() {
            map.0.insert(key.to_owned(), (damage, 7));
        }
    }
    let faults = input.chunk();
    let mut running: Vec<Running> = Vec::new();
    let mut now = START;
    // Who was shown, in the window that is now.
    let mut shown: (u64, BTreeSet<u64>) = (0, BTreeSet::new());
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let (what, number) = (input.byte(), input.byte());
        let which = usize::from(number) % running.len().max(1);
        match what % 4 {
            0 => now += super::step(number),
            1 => {
                let mut work = charging(now);
                let verdict = map.all(&mut work, largest);
                assert!(!verdict.contended, "nobody else was there");
                if verdict.allowed {
                    running.push(Running {
                        owed: work.owed(),
                        heard: now,
                    });
                } else {
                    told(&map, &verdict, &charging, now, &limit.measure);
                    let most = u64::from(most + debt) + 3;
                    assert!(
                        at_once || of_patients || verdict.retry_after_seconds <= most,
                        "{verdict:?}"
                    );
                }
                let (begun, whom) = &shown;
                let known = whom.len() < most as usize || *begun != now / (window * 1_000_000_000);
                assert!(!of_patients || !verdict.allowed || known, "{whom:?}");
                let heard = |one: &&Running| one.heard + lease * 1_000_000_000 > now;
                let held = running.iter().filter(heard).count();
                assert!(!at_once || held <= most as usize, "{held} under way");
            }
            2 => {
                // Whoever was silent for a lease may be one more than the cap.
                let heard = |one: &&mut Running| one.heard + lease * 1_000_000_000 > now;
                if let Some(one) = running.get_mut(which).filter(heard) {
                    one.heard = now;
                    if one.owed.iter().any(|owed| owed.is_old(now)) {
                        let owed = std::mem::take(&mut one.owed);
                        one.owed = map.all(&mut Settling::renewing(owed, now), largest);
                    }
                }
            }
            _ if which < running.len() => {
                let one = running.swap_remove(which);
                let returned = Returned {
                    resources: u64::from(number) % 40,
                    bytes: u64::from(number).saturating_pow(u32::from(what >> 6) * 4),
                };
                let patients: Vec<u64> = (0..u64::from(what >> 2)).map(|one| one * 7).collect();
                let current = now / (window * 1_000_000_000);
                if shown.0 != current {
                    shown = (current, BTreeSet::new());
                }
                shown.1.extend(&patients);
                let salt = u64::from(number);
                let mut settling = Settling::new(one.owed, returned, now);
                settling = settling.with_shown(Shown { patients, salt });
                assert!(map.all(&mut settling, largest).is_empty(), "owed for ever");
            }
            _ => {}
        }
    }
    // All ends by itself, or comes back.
    let later = now + super::HEALED;
    // Nobody may have met the damage before: then whoever does is refused, and lets it be mended.
    let mended = later + super::HEALED;
    assert!(
        map.all(&mut charging(later), largest).allowed
            || map.all(&mut charging(mended), largest).allowed,
        "never healed"
    );
    if let Some(one) = running.pop() {
        lies(
            Settling::renewing(one.owed.clone(), now + lease * 1_000_000_000),
            faults,
        );
        lies(
            Settling::new(
                one.owed,
                Returned {
                    resources: 9,
                    bytes: 9,
                },
                now,
            ),
            faults,
        );
    }
}

/// Whoever was refused is admitted when told, if nothing else comes; of what is under way nobody knows.
fn told(
    map: &Map,
    verdict: &Verdict,
    charging: &dyn Fn(u64) -> Charging,
    now: u64,
    measure: &Measure,
) {
    let seconds = verdict.retry_after_seconds;
    assert!(seconds >= 1);
    let at_once = matches!(measure, Measure::Concurrent(_));
    // Where others share a count, room may come before their window ends.
    let earlier = matches!(measure, Measure::Rate { .. });
    let at = |seconds: u64| {
        let later = now + seconds * 1_000_000_000;
        let mut map = map.clone();
        map.all(&mut charging(later), LARGEST_OF_PATIENTS).allowed
    };
    assert!(at_once || at(seconds), "{verdict:?}");
    assert!(!earlier || seconds == 1 || !at(seconds - 1), "{verdict:?}");
}

/// Bytes as they are, or a slot that would be read, of leases or of patients: times are distances from the
/// beginning.
fn place(bytes: &[u8], of_patients: bool) -> Vec<u8> {
    let mut input = Input(bytes);
    if input.byte() & 1 == 0 {
        return input.0.to_vec();
    }
    let mut slot = b"FGL\x02".to_vec();
    let time = |input: &mut Input<'_>| match input.byte() % 4 {
        0 => 0,
        1 => START - u64::from(input.long()),
        2 => START + u64::from(input.long()),
        _ => START + u64::from(input.long()) * 1_000,
    };
    slot.extend(time(&mut input).to_be_bytes());
    while !input.is_empty() {
        slot.extend([input.byte(); 15]);
        slot.push(if of_patients { 3 } else { 2 });
        slot.extend(time(&mut input).to_be_bytes());
        if !of_patients {
            slot.extend((0..8).flat_map(|_| input.short().to_be_bytes()));
            continue;
        }
        slot.extend(u64::from(input.long()).to_be_bytes());
        match input.byte() {
            // Registers, all alike but the first.
            0xff => {
                slot.extend([0xff; 2]);
                slot.push(input.byte());
                slot.extend([input.byte() | 1; 1023]);
            }
            count => {
                let count = u16::from(count % 130);
                slot.extend(count.to_be_bytes());
                let step = u64::from(input.short());
                slot.extend((0..u64::from(count)).flat_map(|one| (one * step).to_be_bytes()));
            }
        }
    }
    slot
}

/// A host that answers anything: settling ends all the same.
fn lies(mut settling: Settling, faults: &[u8]) {
    let mut input = Input(faults);
    for _ in 0..64 * 2 + 2 {
        if let Step::Done(_) = settling.step() {
            return;
        }
        settling.answer(match input.byte() % 6 {
            0 => Answer::Conflict,
            1 => Answer::Written,
            2 => Answer::Failed,
            3 => Answer::Value {
                bytes: Some(input.take(60).to_vec()),
                version: Some(1),
            },
            _ => Answer::Value {
                bytes: None,
                version: None,
            },
        });
    }
    panic!("settling does not end");
}

impl Map {
    /// Carries out work alone.
    fn all<W: Work>(&mut self, work: &mut W, most: usize) -> W::Outcome {
        for _ in 0..8 {
            let answer = match work.step() {
                Step::Done(outcome) => return outcome,
                Step::Read { key } => {
                    let (bytes, version) = self.0.get(key).cloned().unzip();
                    Answer::Value { bytes, version }
                }
                Step::Write {
                    key,
                    value,
                    version,
                } => {
                    assert!(value.len() <= most, "{} bytes in a slot", value.len());
                    let known = self.0.get(key).map(|(_, version)| *version);
                    assert_eq!(known, version, "another version than was read");
                    let next = version.map_or(1, |version| version + 1);
                    self.0.insert(key.to_owned(), (value.to_vec(), next));
                    Answer::Written
                }
            };
            work.answer(answer);
        }
        panic!("work does not end");
    }
}
