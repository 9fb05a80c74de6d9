//! A clinic's day with attackers in it: the honest are not found, the attackers soon are. With `DOCS=1` what
//! is found is written to docs/.

mod copied;
mod docs;

use super::*;
use docs::Row;

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
    /// Users, each with a token of an hour, who come from where they are.
    users: u64,
    /// The most resources of an answer.
    page: u64,
}

const CLINICS: [Clinic; 4] = [
    Clinic {
        name: "practice",
        rates: (5.0, 0.1),
        patients: 12,
        absent: 0.02,
        unknown: 0.01,
        refused: 0.005,
        damaged: 0.0,
        networks: 2,
        users: 5,
        page: 20,
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
        users: 60,
        page: 40,
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
        users: 400,
        page: 10,
    },
    Clinic {
        name: "registry",
        rates: (20.0, 0.05),
        patients: 100,
        absent: 0.02,
        unknown: 0.0,
        refused: 0.0,
        damaged: 0.0,
        networks: 1,
        users: 0,
        page: 200,
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
    reasons(shared, seen, seconds).is_some()
}

fn reasons(shared: &mut Shared, seen: Observation, seconds: f64) -> Option<Vec<Detector>> {
    let work = Observing::new(seen, RiskPolicy::default(), at(seconds));
    shared.carry_out(work).map(|finding| finding.reasons)
}

/// A user: where they are, and when they go on from there.
#[derive(Clone, Copy)]
struct User {
    network: u64,
    moves: f64,
    abroad: bool,
    crosses: f64,
}

/// How often a second a user goes to another network, and across a border.
const MOVES: (f64, f64) = (1.0 / 1800.0, 1.0 / 30_000.0);

/// What a clinic asks for of which kind: most often the first ones.
const SHAPES: u64 = 30;

/// The requests of a clinic's day, and how often somebody there is found who was not just before.
fn day(clinic: &Clinic, shared: &mut Shared, number: u64, chance: &mut Chance) -> (u64, u64) {
    let (mut requests, mut alarms) = (0, 0);
    let mut was_found: HashMap<u64, bool> = HashMap::new();
    let mut users: Vec<User> = (0..clinic.users)
        .map(|network| User {
            network: network % 7,
            moves: OPEN.0 + chance.until(MOVES.0),
            abroad: false,
            crosses: OPEN.0 + chance.until(MOVES.1),
        })
        .collect();
    let begin = number as f64 * 86_400.0;
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
        let passed = one.fact == Fact::Passed;
        let mut seen = Observation::new(CERTIFICATE, vec![one]);
        seen.token = Some(chance.number() as u32);
        seen.network = Some(chance.below(clinic.networks) as u32 + 1);
        if passed {
            // From the second day on there are two kinds of requests more: a new version of the program.
            let kinds = SHAPES + 2 * number.min(1);
            let shape = (chance.part().powi(2) * kinds as f64) as u32;
            let records = match chance.below(5) {
                0 | 1 => chance.below(clinic.page) as u32 + 1,
                _ => 1,
            };
            seen.asked = Some(Asked {
                shapes: vec![hash(&shape.to_be_bytes())],
                records,
                bytes: u64::from(records) * 2000,
            });
        }
        let user = chance.below(clinic.users.max(1));
        if let Some(own) = users.get_mut(user as usize) {
            // They go from one network to another, some cross a border, and have both kinds of addresses.
            if time >= own.moves {
                own.network = chance.below(7);
                own.moves = time + chance.until(MOVES.0);
            }
            if time >= own.crosses {
                own.abroad = !own.abroad;
                own.crosses = time + chance.until(MOVES.1);
            }
            let address = match chance.below(3) {
                0 => format!("2001:db{}::1", own.network),
                _ => format!("10.{}.0.1", own.network),
            };
            // Every hour another token; a tenth of them have two devices.
            let device = match user % 10 {
                0 => chance.below(2),
                _ => 0,
            };
            let token = format!("{user}.{device}.{}", (time / 3600.0) as u64);
            let session = Session {
                issuer: "https://login",
                client: clinic.name,
                subject: &user.to_string(),
                token: &token,
                certificate: Some("aa"),
                address: address.parse().ok(),
                place: Some(if own.abroad { "SE" } else { "NO" }),
            };
            let work = Following::new(session.moment(), RiskPolicy::default(), at(begin + time));
            seen.session = shared.carry_out(work);
        }
        let reasons = reasons(shared, seen, begin + time);
        let was_found = was_found.insert(user, reasons.is_some());
        requests += 1;
        if let Some(reasons) = reasons.filter(|_| was_found != Some(true)) {
            println!("{}: user {user} at {time:.0} for {reasons:?}", clinic.name);
            alarms += 1;
        }
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
    let mut honest = Vec::new();
    let mut practice = Shared::default();
    for clinic in &CLINICS {
        let mut learned = Shared::default();
        day(clinic, &mut learned, 0, &mut Chance(6999));
        let mut own = (0, 0);
        for seed in 0..SEEDS {
            let mut shared = Shared(learned.0.clone());
            let (more, wrong) = day(clinic, &mut shared, 1, &mut Chance(7000 + seed));
            own = (own.0 + more, own.1 + wrong);
        }
        println!("{}: {} requests, {} alarms", clinic.name, own.0, own.1);
        honest.push((clinic.name, own.0, own.1));
        if clinic.name == "practice" {
            practice = learned;
        }
    }
    let requests: u64 = honest.iter().map(|(_, requests, _)| requests).sum();
    let alarms: u64 = honest.iter().map(|(.., alarms)| alarms).sum();
    assert!(requests > 15_000 * SEEDS, "{requests}");
    assert!(alarms * 100_000 <= requests, "{alarms} of {requests}");
    let mut rows: Vec<Row> = Vec::new();
    for attacker in &ATTACKERS {
        let times = (0..SEEDS).map(|seed| hunt(attacker, &mut Chance(8000 + seed)));
        rows.push(Row::new(attacker.name, attacker.found, times));
    }
    for attacker in copied::attackers() {
        let seeds = 0..SEEDS;
        let times = seeds.map(|seed| attacker.hunt(&practice, &mut Chance(9000 + seed)));
        rows.push(Row::new(&attacker.name, attacker.found, times));
    }
    let (mut soon, mut all) = (0, 0);
    for row in &rows {
        println!(
            "{}: {:.0} s, at most {:.0} s",
            row.name,
            row.middle(),
            row.last()
        );
        let found = row.times.iter().filter(|time| **time <= SOON).count();
        if row.found {
            (soon, all) = (soon + found, all + row.times.len());
        } else {
            assert_eq!(found, 0, "{}: say that it is found", row.name);
        }
    }
    assert!(soon * 100 >= all * 95, "{soon} of {all}");
    if std::env::var_os("DOCS").is_some() {
        docs::write(&honest, &rows).expect("docs/ can be written");
    }
}
