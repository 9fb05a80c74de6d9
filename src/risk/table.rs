//! What is known of all callers, in shared data.

use std::hash::{DefaultHasher, Hasher as _};
use std::net::IpAddr;

use super::detector::{DETECTORS, Detector, observe};
use super::entries::{Kept, change};
use super::entry::{ENTRY, Entry, POINT};
use super::judging::Known;
use super::policy::RiskPolicy;
use super::session::Suspicion;
use crate::shared::{Answer, Step, Swap, Work, slot_key};

/// Who showed it.
#[derive(Clone, Copy, Debug)]
pub enum Suspected<'a> {
    /// The holder of the certificate of this thumbprint.
    Certificate(&'a str),
    /// The client of this name, of this issuer, whose token and proof hold.
    Client(&'a str, &'a str),
    /// Whoever is at this address: of IPv6 the network of 64 bits.
    Address(IpAddr),
    /// All callers of this tenant.
    Tenant(&'a str),
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

/// Where it is kept what is known of somebody: found once for an exchange, for what comes before it and what after.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scored {
    table: Table,
    slot: u16,
    pub(super) fingerprint: [u8; 16],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Table {
    /// Of certificates, clients and tenants.
    Callers,
    Addresses,
}

/// One exchange that has ended, without a word of what was in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observation {
    who: Scored,
    /// What was asked for, and what came of it: of a Bundle, each of its requests.
    pub sights: Vec<Sight>,
    /// Which token it was, where it did not hold: see [`hash`].
    pub token: Option<u32>,
    /// From which network: see [`network`].
    pub network: Option<u32>,
    /// What was asked for and what left, where it is compared with what is usual for this caller.
    pub asked: Option<Asked>,
    /// What looks wrong about the session.
    pub session: Suspicion,
}

/// What an exchange was about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Asked {
    /// The shape of the request, of a Bundle those of its requests: see [`hash`].
    pub shapes: Vec<u32>,
    /// Resources that have left.
    pub records: u32,
    /// Bytes of bodies that have.
    pub bytes: u64,
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

impl Suspected<'_> {
    /// Where it is kept what is known of this one.
    pub fn scored(self) -> Scored {
        let mut hash = blake3::Hasher::new();
        let table = match self {
            Suspected::Certificate(thumbprint) => {
                hash.update(&[0]).update(thumbprint.as_bytes());
                Table::Callers
            }
            Suspected::Client(name, issuer) => {
                hash.update(&[1])
                    .update(&(issuer.len() as u64).to_be_bytes());
                hash.update(issuer.as_bytes()).update(name.as_bytes());
                Table::Callers
            }
            Suspected::Address(address) => {
                hash.update(&[2]).update(&prefix(address, 32, 64));
                Table::Addresses
            }
            Suspected::Tenant(name) => {
                hash.update(&[3]).update(name.as_bytes());
                Table::Callers
            }
        };
        let digest = hash.finalize();
        let (fingerprint, rest) = digest
            .as_bytes()
            .split_first_chunk::<16>()
            .unwrap_or((&[0; 16], &[]));
        let slot = rest.first_chunk().map_or(0, |two| u16::from_be_bytes(*two)) % 1024;
        Scored {
            table,
            slot,
            fingerprint: *fingerprint,
        }
    }
}

impl Scored {
    /// The key of the shared data.
    pub(super) fn key(&self) -> String {
        let prefix = match self.table {
            Table::Callers => "fhir-guard.risk.v2.c",
            Table::Addresses => "fhir-guard.risk.v2.a",
        };
        slot_key(prefix, self.slot)
    }

    /// That this came of an exchange of this caller.
    pub fn observation(self, sights: Vec<Sight>) -> Observation {
        Observation {
            who: self,
            sights,
            token: None,
            network: None,
            asked: None,
            session: Suspicion::default(),
        }
    }
}

#[cfg(test)]
impl Observation {
    /// That this came of an exchange of this caller.
    pub fn new(suspected: Suspected<'_>, sights: Vec<Sight>) -> Self {
        suspected.scored().observation(sights)
    }
}

/// What stands for a text where it is only compared with others: 32 bits, for which texts that are alike are found
/// soon by whoever looks for them, with any function. So the one is taken that costs least.
pub fn hash(text: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text);
    let [high, low] = [hasher.finish() >> 32, hasher.finish()];
    u32::try_from((high ^ low) & u64::from(u32::MAX)).unwrap_or(1)
}

/// What stands for the network of an address: 24 bits of IPv4, 48 of IPv6.
pub fn network(address: IpAddr) -> u32 {
    hash(&prefix(address, 24, 48))
}

pub(super) fn prefix(address: IpAddr, v4: u32, v6: u32) -> [u8; 17] {
    let (bits, whole, length) = match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32, v4),
        IpAddr::V6(address) => (u128::from(address), 128, v6),
    };
    let network = bits.checked_shr(whole - length).unwrap_or_default();
    let mut bytes = [u8::from(whole == 32); 17];
    if let Some(rest) = bytes.last_chunk_mut() {
        *rest = network.to_be_bytes();
    }
    bytes
}

impl Kept for Entry {
    const MAGIC: [u8; 4] = *b"FGK\x02";
    const BYTES: usize = ENTRY;

    fn new(fingerprint: [u8; 16], milliseconds: u64) -> Entry {
        Entry::new(fingerprint, milliseconds)
    }

    fn read(bytes: &[u8]) -> Entry {
        Entry::read(bytes)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.write(out);
    }

    fn updated(&self) -> u64 {
        self.updated
    }
}

/// What looks wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Of the caller or of the session, whichever is higher, in points.
    pub score: u32,
    /// Why: the detectors of both with a point or more, the most first.
    pub reasons: Vec<Detector>,
    /// Whether it is enough to isolate the caller, and this exchange added to it.
    pub isolates: bool,
    /// Whether it is enough to shut the token out, and this exchange added to it.
    pub quarantines: bool,
}

/// Adds an observation to what is known of its caller.
#[derive(Debug)]
pub struct Observing {
    seen: Observation,
    /// What a caller brings on the tenant, in place of what was seen of the caller.
    brought: Option<Growth>,
    policy: RiskPolicy,
    now: u64,
    swap: Swap<Observed>,
}

/// What looks wrong, if anything does, and what the observation added to the scores.
type Observed = (Option<Finding>, Growth);

/// What was added to scores, in thousandths of points; nothing where they were so high before that a caller is
/// isolated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Growth {
    any: bool,
    points: [u32; DETECTORS],
}

impl Growth {
    /// Between these scores. Of one caller no more counts for others than brings it where callers are isolated,
    /// whatever one request of it says.
    fn between(
        before: &[u32; DETECTORS],
        after: &[u32; DETECTORS],
        grew: bool,
        policy: &RiskPolicy,
    ) -> Growth {
        let most = policy.isolate_at.saturating_mul(POINT);
        let held = policy.acting(before).saturating_mul(POINT);
        let mut left = most.saturating_sub(held);
        let mut points = [0; DETECTORS];
        for (own, (old, new)) in points.iter_mut().zip(before.iter().zip(after)) {
            *own = new.saturating_sub(*old).min(left);
            left -= *own;
        }
        Growth { any: grew, points }
    }
}

impl Observing {
    /// Work that does so; `now` is in nanoseconds since 1970.
    pub fn new(seen: Observation, policy: RiskPolicy, now: u64) -> Self {
        Observing {
            swap: Swap::new(seen.who.key()),
            seen,
            brought: None,
            policy,
            now,
        }
    }

    /// Begins with what was read before the request went on, in place of a read. What changes something is still
    /// written only where nobody has written since. What is done about callers, and all that is older than
    /// [`FRESH`], rests on a read of its own.
    pub(super) fn begin(&mut self, known: Known) {
        let age = (self.now / 1_000_000).checked_sub(known.milliseconds);
        if self.seen.session.grew || age.is_none_or(|age| age >= FRESH) {
            return;
        }
        self.answer(known.answer);
        if self.growth().is_some() {
            // It grew, and there is nothing to write: the scores are as high as they can be.
            self.swap = Swap::new(self.seen.who.key());
        }
    }

    /// What the observation added to the scores of the caller, once it is done, if anything.
    pub(super) fn growth(&self) -> Option<Growth> {
        let Step::Done(swapped) = self.swap.step() else {
            return None;
        };
        let (_, growth) = swapped.outcome()?;
        growth.any.then_some(*growth)
    }

    /// The same is added here, in place of what was seen.
    pub(super) fn brings(&mut self, growth: Growth) {
        self.brought.get_or_insert(growth);
    }
}

impl Work for Observing {
    /// What looks wrong now, if anything does.
    type Outcome = Option<Finding>;

    fn step(&self) -> Step<'_, Self::Outcome> {
        match self.swap.step().outcome() {
            Ok(swapped) => {
                let finding = swapped.outcome().map(|(finding, _)| finding.clone());
                Step::Done(finding.flatten())
            }
            Err(step) => step,
        }
    }

    fn answer(&mut self, answer: Answer) {
        let (seen, policy, now) = (&self.seen, &self.policy, self.now);
        let brought = self.brought;
        let milliseconds = now / 1_000_000;
        let who = seen.who.fingerprint;
        self.swap.answer(answer, |bytes| {
            change(bytes, who, milliseconds, |entry: &mut Entry| {
                entry.decay(milliseconds, policy.half_life);
                let before = entry.scores;
                let grew = match brought {
                    Some(growth) => bring(entry, &growth, policy),
                    None => observe(entry, seen, policy, now),
                };
                let growth = Growth::between(&before, &entry.scores, grew, policy);
                (finding(&entry.scores, &seen.session, policy, grew), growth)
            })
        });
    }
}

/// Adds what a caller brings; whether that is anything.
fn bring(entry: &mut Entry, growth: &Growth, policy: &RiskPolicy) -> bool {
    for (detector, points) in growth.points.into_iter().enumerate() {
        entry.add(detector, points, policy.most());
    }
    growth.points.iter().any(|points| *points > 0)
}

/// For so many milliseconds what was read of a caller says as much as another read, where nothing is to be written.
const FRESH: u64 = 1000;

fn finding(
    own: &[u32; DETECTORS],
    session: &Suspicion,
    policy: &RiskPolicy,
    grew: bool,
) -> Option<Finding> {
    let all = together(own, session);
    let score = policy.total(own).max(policy.total(&session.scores));
    let acting = policy.acting(own).max(policy.acting(&session.scores));
    let isolates = grew && policy.acting(own) >= policy.isolate_at;
    let quarantines = policy.quarantine_at.is_some_and(|at| acting >= at);
    let quarantines = quarantines && (grew || session.grew);
    (score >= policy.report_at || isolates || quarantines).then(|| Finding {
        score,
        reasons: reasons(&all),
        isolates,
        quarantines,
    })
}

/// The scores of a caller and of the session.
pub(super) fn together(own: &[u32; DETECTORS], session: &Suspicion) -> [u32; DETECTORS] {
    let mut all = *own;
    for (score, more) in all.iter_mut().zip(session.scores) {
        *score = score.saturating_add(more);
    }
    all
}

/// The detectors with a point or more, the most first.
pub(super) fn reasons(scores: &[u32; DETECTORS]) -> Vec<Detector> {
    let scores = Detector::ALL.into_iter().zip(*scores);
    let mut scores: Vec<_> = scores.filter(|(_, score)| *score >= POINT).collect();
    scores.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
    scores.into_iter().map(|(detector, _)| detector).collect()
}
