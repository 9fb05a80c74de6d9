//! The detectors: what an observation adds to the scores of its caller.

use super::entry::Entry;
use super::policy::RiskPolicy;
use super::table::{Asked, Fact, Observation, Sight};

/// What can look wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detector {
    /// What was asked for is not there, or not there for this caller.
    Absent,
    /// One token from two certificates.
    Certificates,
    /// Credentials that do not hold.
    Credentials,
    /// A network that the caller has not come from lately.
    Networks,
    /// More patients than are usual within a time.
    Patients,
    /// One token from two places, too soon.
    Places,
    /// Proofs of possession that do not hold, or are missing.
    Proofs,
    /// Refused by scopes, rules or compartments.
    Refused,
    /// Ids one after the other, and this one is not there.
    Sequence,
    /// A request such as the caller has never made.
    Shapes,
    /// A token of somebody else: bound to another certificate or key.
    Theft,
    /// Another token that does not hold: somebody tries many.
    Tokens,
    /// One token from networks that are far from each other, too soon.
    Travel,
    /// More than the caller usually gets.
    Volume,
}

/// How many detectors there are.
pub(super) const DETECTORS: usize = 14;

impl Detector {
    /// All, in the order in which their scores are stored.
    pub const ALL: [Detector; DETECTORS] = [
        Detector::Absent,
        Detector::Certificates,
        Detector::Credentials,
        Detector::Networks,
        Detector::Patients,
        Detector::Places,
        Detector::Proofs,
        Detector::Refused,
        Detector::Sequence,
        Detector::Shapes,
        Detector::Theft,
        Detector::Tokens,
        Detector::Travel,
        Detector::Volume,
    ];

    /// The name in the configuration and in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Detector::Absent => "absent",
            Detector::Certificates => "certificates",
            Detector::Credentials => "credentials",
            Detector::Networks => "networks",
            Detector::Patients => "patients",
            Detector::Places => "places",
            Detector::Proofs => "proofs",
            Detector::Refused => "refused",
            Detector::Sequence => "sequence",
            Detector::Shapes => "shapes",
            Detector::Theft => "theft",
            Detector::Tokens => "tokens",
            Detector::Travel => "travel",
            Detector::Volume => "volume",
        }
    }

    /// Whether a request that is answered as asked speaks against it. Who comes from many networks, sees many
    /// patients, copies much or holds what is stolen does so with requests that succeed.
    fn is_forgiven(self) -> bool {
        matches!(
            self,
            Detector::Absent
                | Detector::Credentials
                | Detector::Proofs
                | Detector::Refused
                | Detector::Sequence
                | Detector::Tokens
        )
    }
}

/// A request that was answered as asked takes back this part of what one that was not gives: who fails less
/// often than that, over time, is not found.
const FORGIVEN: u32 = 10;

/// What happens again, or is less surprising, counts for this part.
const AGAIN: u32 = 4;

/// Ids one after the other before it counts.
const RUN: u32 = 8;

/// Adds an observation to what is known of its caller; whether any score grew. `now` is in nanoseconds since 1970.
pub(super) fn observe(
    entry: &mut Entry,
    seen: &Observation,
    policy: &RiskPolicy,
    now: u64,
) -> bool {
    let milliseconds = now / 1_000_000;
    let mut scores = Scores {
        entry,
        policy,
        grew: false,
    };
    if let Some(network) = seen.network
        && scores.entry.networks.is_new(network)
    {
        scores.add(Detector::Networks, 1);
    }
    for sight in &seen.sights {
        scores.see(sight, seen.token, milliseconds);
    }
    if let Some(asked) = &seen.asked {
        scores.compare(asked, milliseconds, chance(&scores.entry.fingerprint, now));
    }
    scores.grew
}

/// A number as good as drawn, of whom it is about and when: by SplitMix64 (Steele, Lea and Flood, 2014). Nobody can
/// say to a nanosecond when an exchange ends.
fn chance(fingerprint: &[u8; 16], now: u64) -> u32 {
    let own = fingerprint
        .first_chunk()
        .copied()
        .map_or(0, u64::from_be_bytes);
    let mixed = (own ^ now).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default()
}

/// The scores of one caller, and what they are judged by.
struct Scores<'a> {
    entry: &'a mut Entry,
    policy: &'a RiskPolicy,
    grew: bool,
}

impl Scores<'_> {
    /// Adds a part of the detector's weight.
    fn add(&mut self, detector: Detector, part: u32) {
        let points = self.policy.weights.of(detector) / part.max(1);
        let most = self.policy.most();
        self.entry.add(detector as usize, points, most);
        self.grew |= points > 0;
    }

    fn see(&mut self, sight: &Sight, token: Option<u32>, milliseconds: u64) {
        match sight.fact {
            Fact::Credentials => {
                self.add(Detector::Credentials, 1);
                if token.is_some_and(|token| self.entry.tokens.is_new_or_first(token)) {
                    self.add(Detector::Tokens, 1);
                }
            }
            Fact::Theft => {
                let new = token.is_none_or(|token| self.entry.tokens.is_new_or_first(token));
                self.add(Detector::Theft, if new { 1 } else { AGAIN });
            }
            Fact::Proof => self.add(Detector::Proofs, 1),
            Fact::Refused => self.add(Detector::Refused, 1),
            Fact::Absent => {
                let part = match sight.id {
                    Some(id) if self.entry.ids.is_new_or_first(id) => 1,
                    Some(_) => AGAIN,
                    // It is not known whether it is the same again.
                    None => 2,
                };
                self.add(Detector::Absent, part);
            }
            Fact::Passed => self.passed(sight, milliseconds),
            Fact::Other => {}
        }
        // Who reads a ward's patients in their order has them from a list. They still lie between ids that are
        // tried.
        if let Some(number) = sight.number
            && matches!(sight.fact, Fact::Absent | Fact::Passed)
            && self.entry.follows(number) > RUN
            && sight.fact == Fact::Absent
        {
            self.add(Detector::Sequence, 1);
        }
    }

    /// Compares with what is usual for the caller.
    fn compare(&mut self, asked: &Asked, milliseconds: u64, chance: u32) {
        let learns = self.entry.shapes.learns(milliseconds, self.policy.learn);
        if learns {
            self.entry.shapes.count(milliseconds);
        }
        for shape in &asked.shapes {
            if self.entry.shapes.is_new(*shape) && !learns {
                self.add(Detector::Shapes, 1);
            }
        }
        let volumes = &mut self.entry.volumes;
        for _ in 0..volumes.add(asked, learns, self.policy, chance) {
            self.add(Detector::Volume, 1);
        }
    }

    fn passed(&mut self, sight: &Sight, milliseconds: u64) {
        for detector in Detector::ALL.into_iter().filter(|one| one.is_forgiven()) {
            let points = self.policy.weights.of(detector) / FORGIVEN;
            self.entry.take(detector as usize, points);
        }
        let window = u64::from(self.policy.window) * 1000;
        if let Some(patient) = sight.id.filter(|_| sight.patient)
            && self.entry.patients.is_new(patient, milliseconds, window)
            && self.entry.patients.estimate() > self.policy.patients
        {
            self.add(Detector::Patients, 1);
        }
    }
}
