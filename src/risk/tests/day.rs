//! A clinic's day with attackers in it: the honest are not found, the attackers soon are.

use super::*;

/// Days that are looked at.
const SEEDS: u64 = 20;

/// From when to when the clinics work, in seconds of the day.
const OPEN: (f64, f64) = (7.0 * 3600.0, 17.0 * 3600.0);

/// Within this many seconds an attacker is to be found.
const SOON: f64 = 300.0;

/// Numbers that look like chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to less than 1.
    fn part(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, most: u64) -> u64 {
        self.number() % most
    }

    /// How long until the next of something that comes so often a second, and by chance.
    fn until(&mut self, rate: f64) -> f64 {
        -(1.0 - self.part()).ln() / rate
    }
}

/// A clinic, and what goes wrong there without any harm, in parts of its requests.
struct Clinic {
    name: &'static str,
    /// Requests a second, in a burst and else.
    rates: (f64, f64),
    /// Patients that are there at a time.
    patients: u64,
    absent: f64,
    /// Searches for patients that find none.
    unknown: f64,
    refused: f64,
    /// Tokens that do not hold.
    damaged: f64,
    /// Ways into the network.
    networks: u64,
}

const CLINICS: [Clinic; 3] = [
    Clinic {
        name: "practice",
        rates: (5.0, 0.1),
        patients: 12,
        absent: 0.02,
        unknown: 0.01,
        refused: 0.005,
        damaged: 0.0,
        networks: 2,
    },
    Clinic {
        name: "hospital",
        rates: (40.0, 0.3),
        patients: 120,
        absent: 0.03,
        unknown: 0.01,
        refused: 0.01,
        damaged: 0.001,
        networks: 3,
    },
    Clinic {
        name: "portal",
        rates: (10.0, 0.2),
        patients: 150,
        absent: 0.04,
        unknown: 0.0,
        refused: 0.02,
        damaged: 0.002,
        networks: 1,
    },
];

/// An attacker with a certificate of their own: how often a second they ask, and what comes of request number n.
struct Attacker {
    name: &'static str,
    rate: f64,
    request: fn(&mut Chance, u64) -> Sight,
    /// Whether they can be found at all.
    found: bool,
}

const ATTACKERS: [Attacker; 11] = [
    Attacker {
        name: "tries ids in a row, of which half are there",
        rate: 2.0,
        request: |chance, n| {
            let there = chance.below(2) == 0;
            sight(if there { Fact::Passed } else { Fact::Absent }, 5000 + n)
        },
        found: true,
    },
    Attacker {
        name: "tries ids by chance, and reads an own one after each other",
        rate: 1.0,
        request: |chance, n| match n % 3 {
            2 => sight(Fact::Passed, 1),
            _ => sight(Fact::Absent, chance.below(1 << 40)),
        },
        found: true,
    },
    Attacker {
        name: "tries six ids a minute",
        rate: 0.1,
        request: |chance, _| sight(Fact::Absent, chance.below(1 << 40)),
        found: true,
    },
    Attacker {
        name: "searches for patients by numbers that they may have",
        rate: 1.0,
        request: |_, _| Sight::of(Fact::Absent, None),
        found: true,
    },
    Attacker {
        name: "makes up tokens",
        rate: 1.0,
        request: |_, _| sight(Fact::Credentials, 1),
        found: true,
    },
    Attacker {
        name: "shows stolen tokens, two a minute",
        rate: 1.0 / 30.0,
        request: |_, _| sight(Fact::Theft, 1),
        found: true,
    },
    Attacker {
        name: "sends proofs again, six a minute",
        rate: 0.1,
        request: |_, _| sight(Fact::Proof, 1),
        found: true,
    },
    Attacker {
        name: "tries what the scopes allow",
        rate: 1.0,
        request: |chance, _| match chance.below(5) {
            0 => sight(Fact::Passed, 1),
            _ => sight(Fact::Refused, 1),
        },
        found: true,
    },
    Attacker {
        name: "reads one patient after the other, all there",
        rate: 3.0,
        request: |chance, _| sight(Fact::Passed, chance.below(1 << 40)),
        found: true,
    },
    Attacker {
        name: "hides each guess behind 15 good reads",
        rate: 2.0,
        request: |chance, n| match n % 16 {
            0 => sight(Fact::Absent, chance.below(1 << 40)),
            _ => sight(Fact::Passed, 1),
        },
        found: false,
    },
    Attacker {
        name: "tries an id every two minutes",
        rate: 1.0 / 120.0,
        request: |chance, _| sight(Fact::Absent, chance.below(1 << 40)),
        found: false,
    },
];

fn at(seconds: f64) -> u64 {
    NOW + (seconds * 1e9) as u64
}

fn observe(shared: &mut Shared, seen: Observation, seconds: f64) -> bool {
    let work = Observing::new(seen, RiskPolicy::default(), at(seconds));
    shared.carry_out(work).is_some()
}

/// The requests of a clinic's day, and how often somebody there is found who was not just before.
fn day(clinic: &Clinic, chance: &mut Chance) -> (u64, u64) {
    let mut shared = Shared::default();
    let (mut requests, mut alarms, mut was_found) = (0, 0, false);
    let mut time = OPEN.0;
    while time < OPEN.1 {
        // A burst of half a minute in every hour.
        let burst = time % 3600.0 < 30.0;
        time += chance.until(if burst {
            clinic.rates.0
        } else {
            clinic.rates.1
        });
        // Half of them come and go every hour.
        let patient = chance.below(clinic.patients) + (time / 3600.0) as u64 * clinic.patients / 2;
        let mut kind = chance.part();
        let mut is = |part: f64| {
            kind -= part;
            kind < 0.0
        };
        let one = if is(clinic.absent) {
            sight(Fact::Absent, patient + 100_000)
        } else if is(clinic.unknown) {
            Sight::of(Fact::Absent, None)
        } else if is(clinic.refused) {
            sight(Fact::Refused, patient)
        } else if is(clinic.damaged) {
            sight(Fact::Credentials, patient)
        } else {
            sight(Fact::Passed, patient)
        };
        let mut seen = Observation::new(CERTIFICATE, vec![one]);
        seen.token = Some(chance.number() as u32);
        seen.network = Some(chance.below(clinic.networks) as u32 + 1);
        let found = observe(&mut shared, seen, time);
        requests += 1;
        alarms += u64::from(found && !was_found);
        was_found = found;
    }
    (requests, alarms)
}

/// After how many seconds this one is found, within a quarter of an hour.
fn hunt(attacker: &Attacker, chance: &mut Chance) -> Option<f64> {
    let mut shared = Shared::default();
    let begin = OPEN.0 + chance.part() * (OPEN.1 - OPEN.0);
    let (mut time, mut number) = (begin, 0);
    while time < begin + 900.0 {
        let one = (attacker.request)(chance, number);
        let mut seen = Observation::new(CERTIFICATE, vec![one]);
        seen.token = Some(chance.number() as u32);
        seen.network = Some(1);
        if observe(&mut shared, seen, time) {
            return Some(time - begin);
        }
        time += chance.until(attacker.rate);
        number += 1;
    }
    None
}

#[test]
fn attackers_are_found_soon_in_a_day_of_which_the_honest_notice_nothing() {
    let (mut requests, mut alarms) = (0, 0);
    for clinic in &CLINICS {
        let mut own = (0, 0);
        for seed in 0..SEEDS {
            let (more, wrong) = day(clinic, &mut Chance(7000 + seed));
            own = (own.0 + more, own.1 + wrong);
        }
        println!("{}: {} requests, {} alarms", clinic.name, own.0, own.1);
        requests += own.0;
        alarms += own.1;
    }
    assert!(requests > 400_000, "{requests}");
    assert!(alarms * 100_000 <= requests, "{alarms} of {requests}");
    let (mut soon, mut all) = (0, 0);
    for attacker in &ATTACKERS {
        let times = (0..SEEDS).map(|seed| hunt(attacker, &mut Chance(8000 + seed)));
        let mut times: Vec<f64> = times.map(|time| time.unwrap_or(f64::INFINITY)).collect();
        times.sort_by(f64::total_cmp);
        let middle = times[times.len() / 2];
        let last = times.last().copied().unwrap_or(f64::INFINITY);
        println!("{}: {middle:.0} s, at most {last:.0} s", attacker.name);
        let found = times.iter().filter(|time| **time <= SOON).count();
        if attacker.found {
            (soon, all) = (soon + found, all + times.len());
        } else {
            assert_eq!(found, 0, "{}: say that it is found", attacker.name);
        }
    }
    assert!(soon * 100 >= all * 95, "{soon} of {all}");
}
