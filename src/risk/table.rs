//! What is known of all callers, in shared data.

use std::net::IpAddr;

use super::detector::{Detector, RiskPolicy, observe};
use super::entry::{ENTRY, Entry, POINT};
use crate::shared::{Answer, Step, Work};

/// Callers of one key.
pub(super) const ENTRIES: usize = 4;

/// How often a write is tried.
const TRIES: u32 = 8;

const MAGIC: [u8; 4] = *b"FGK\x01";

/// Who showed it.
#[derive(Clone, Copy, Debug)]
pub enum Suspected<'a> {
    /// The holder of the certificate of this thumbprint.
    Certificate(&'a str),
    /// The client of this name, of this issuer, whose token and proof hold.
    Client(&'a str, &'a str),
    /// Whoever is at this address: of IPv6 the network of 64 bits.
    Address(IpAddr),
}

/// What came of an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fact {
    /// What was asked for is not there for this caller.
    Absent,
    /// The credentials do not hold.
    Credentials,
    /// Nothing that says anything.
    Other,
    /// It was answered as asked.
    Passed,
    /// The proof of possession does not hold, or is missing.
    Proof,
    /// A scope, a rule or a compartment refused it.
    Refused,
    /// The token is bound to somebody else.
    Theft,
}

/// One exchange that has ended, without a word of what was in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observation {
    key: String,
    fingerprint: [u8; 16],
    /// What was asked for, and what came of it: of a Bundle, each of its requests.
    pub sights: Vec<Sight>,
    /// Which token it was, where it did not hold: see [`hash`].
    pub token: Option<u32>,
    /// From which network: see [`network`].
    pub network: Option<u32>,
}

/// One request, and what came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sight {
    /// What came of it.
    pub fact: Fact,
    /// Which instance was asked for: see [`hash`].
    pub id: Option<u32>,
    /// Its id, where that is a number.
    pub number: Option<u64>,
    /// Whether it is a Patient.
    pub patient: bool,
}

impl Sight {
    /// That this came of a request for that instance, `Type/id`, if it was for one.
    pub fn of(fact: Fact, reference: Option<&str>) -> Sight {
        let (resource_type, id) = reference.and_then(|text| text.split_once('/')).unzip();
        Sight {
            fact,
            id: id.and(reference).map(|text| hash(text.as_bytes())),
            number: id.and_then(|id| id.parse().ok()),
            patient: resource_type == Some("Patient"),
        }
    }
}

impl Observation {
    /// That this came of an exchange of this caller.
    pub fn new(suspected: Suspected<'_>, sights: Vec<Sight>) -> Self {
        let mut hash = blake3::Hasher::new();
        let table = match suspected {
            Suspected::Certificate(thumbprint) => {
                hash.update(&[0]).update(thumbprint.as_bytes());
                'c'
            }
            Suspected::Client(name, issuer) => {
                hash.update(&[1])
                    .update(&(issuer.len() as u64).to_be_bytes());
                hash.update(issuer.as_bytes()).update(name.as_bytes());
                'c'
            }
            Suspected::Address(address) => {
                hash.update(&[2]).update(&prefix(address, 32, 64));
                'a'
            }
        };
        let digest = hash.finalize();
        let (fingerprint, rest) = digest
            .as_bytes()
            .split_first_chunk::<16>()
            .unwrap_or((&[0; 16], &[]));
        let slot = rest.first_chunk().map_or(0, |two| u16::from_be_bytes(*two)) % 1024;
        Observation {
            key: format!("fhir-guard.risk.v1.{table}{slot:03x}"),
            fingerprint: *fingerprint,
            sights,
            token: None,
            network: None,
        }
    }
}

/// What stands for a text where it is only compared with others.
pub fn hash(text: &[u8]) -> u32 {
    let digest = blake3::hash(text);
    digest
        .as_bytes()
        .first_chunk()
        .map_or(1, |four| u32::from_be_bytes(*four))
}

/// What stands for the network of an address: 24 bits of IPv4, 48 of IPv6.
pub fn network(address: IpAddr) -> u32 {
    hash(&prefix(address, 24, 48))
}

fn prefix(address: IpAddr, v4: u32, v6: u32) -> Vec<u8> {
    let (bits, whole, length) = match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32, v4),
        IpAddr::V6(address) => (u128::from(address), 128, v6),
    };
    let network = bits.checked_shr(whole - length).unwrap_or_default();
    [&[u8::from(whole == 32)], &network.to_be_bytes()[..]].concat()
}

/// What looks wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// In points.
    pub score: u32,
    /// Why: the detectors with a point or more, the most first.
    pub reasons: Vec<Detector>,
    /// Whether it is enough to isolate the caller, and this exchange added to it.
    pub isolates: bool,
}

/// Adds an observation to what is known.
#[derive(Debug)]
pub struct Observing {
    seen: Observation,
    policy: RiskPolicy,
    milliseconds: u64,
    phase: Phase,
    tries: u32,
}

#[derive(Debug)]
enum Phase {
    Read,
    Write {
        value: Vec<u8>,
        version: Option<u32>,
        finding: Option<Finding>,
    },
    Done(Option<Finding>),
}

impl Observing {
    /// Work that does so; `now` is in nanoseconds since 1970.
    pub fn new(seen: Observation, policy: RiskPolicy, now: u64) -> Self {
        Observing {
            seen,
            policy,
            milliseconds: now / 1_000_000,
            phase: Phase::Read,
            tries: 0,
        }
    }

    fn read(&self, bytes: &[u8], version: Option<u32>) -> Phase {
        let mut entries = entries(bytes);
        let own = |entry: &Entry| entry.fingerprint == self.seen.fingerprint;
        let place = entries.iter().position(own);
        let known = place.map(|place| entries.swap_remove(place));
        let new = || Entry::new(self.seen.fingerprint, self.milliseconds);
        let mut entry = known.clone().unwrap_or_else(new);
        entry.decay(self.milliseconds, self.policy.half_life);
        let grew = observe(&mut entry, &self.seen, &self.policy, self.milliseconds);
        let finding = finding(&entry, &self.policy, grew);
        // Most requests say nothing about most callers.
        if known.as_ref() == Some(&entry) || (known.is_none() && entry == new()) {
            return Phase::Done(finding);
        }
        if entries.len() >= ENTRIES {
            let quiet = (0..).zip(&entries).min_by_key(|(_, entry)| entry.updated);
            if let Some(place) = quiet.map(|(place, _)| place) {
                entries.swap_remove(place);
            }
        }
        entries.push(entry);
        let mut value = Vec::with_capacity(MAGIC.len() + ENTRIES * ENTRY);
        value.extend(MAGIC);
        entries.iter().for_each(|entry| entry.write(&mut value));
        Phase::Write {
            value,
            version,
            finding,
        }
    }
}

impl Work for Observing {
    /// What looks wrong now, if anything does.
    type Outcome = Option<Finding>;

    fn step(&self) -> Step<'_, Self::Outcome> {
        match &self.phase {
            Phase::Read => Step::Read {
                key: &self.seen.key,
            },
            Phase::Write { value, version, .. } => Step::Write {
                key: &self.seen.key,
                value,
                version: *version,
            },
            Phase::Done(finding) => Step::Done(finding.clone()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        let phase = std::mem::replace(&mut self.phase, Phase::Read);
        self.phase = match (phase, answer) {
            (Phase::Done(finding), _) => Phase::Done(finding),
            (Phase::Read, Answer::Value { bytes, version }) => {
                self.tries += 1;
                self.read(&bytes.unwrap_or_default(), version)
            }
            (Phase::Write { .. }, Answer::Conflict) if self.tries < TRIES => Phase::Read,
            (Phase::Write { finding, .. }, _) => Phase::Done(finding),
            (Phase::Read, _) => Phase::Done(None),
        };
    }
}

/// The callers in these bytes; none in bytes that nobody here wrote.
fn entries(bytes: &[u8]) -> Vec<Entry> {
    let (chunks, rest) = match bytes.strip_prefix(&MAGIC) {
        Some(bytes) => bytes.as_chunks::<ENTRY>(),
        None => return Vec::new(),
    };
    match rest.is_empty() && chunks.len() <= ENTRIES {
        true => chunks.iter().map(Entry::read).collect(),
        false => Vec::new(),
    }
}

fn finding(entry: &Entry, policy: &RiskPolicy, grew: bool) -> Option<Finding> {
    let score = entry.total(policy.most());
    if score < policy.report_at {
        return None;
    }
    let scores = Detector::ALL.into_iter().zip(entry.scores);
    let mut scores: Vec<_> = scores.filter(|(_, score)| *score >= POINT).collect();
    scores.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
    Some(Finding {
        score,
        reasons: scores.into_iter().map(|(detector, _)| detector).collect(),
        isolates: grew && score >= policy.isolate_at,
    })
}
