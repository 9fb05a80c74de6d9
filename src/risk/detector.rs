//! The detectors: what an observation adds to the scores of its caller.

use super::entry::{Entry, POINT};
use super::table::{Fact, Observation, Sight};

/// What can look wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detector {
    /// What was asked for is not there, or not there for this caller.
    Absent,
    /// Credentials that do not hold.
    Credentials,
    /// A network that the caller has not come from lately.
    Networks,
    /// More patients than are usual within a time.
    Patients,
    /// Proofs of possession that do not hold, or are missing.
    Proofs,
    /// Refused by scopes, rules or compartments.
    Refused,
    /// Ids one after the other, and this one is not there.
    Sequence,
    /// A token of somebody else: bound to another certificate or key.
    Theft,
    /// Another token that does not hold: somebody tries many.
    Tokens,
}

/// How many detectors there are.
pub(super) const DETECTORS: usize = 9;

impl Detector {
    /// All, in the order in which their scores are stored.
    pub const ALL: [Detector; DETECTORS] = [
        Detector::Absent,
        Detector::Credentials,
        Detector::Networks,
        Detector::Patients,
        Detector::Proofs,
        Detector::Refused,
        Detector::Sequence,
        Detector::Theft,
        Detector::Tokens,
    ];

    /// The name in the configuration and in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Detector::Absent => "absent",
            Detector::Credentials => "credentials",
            Detector::Networks => "networks",
            Detector::Patients => "patients",
            Detector::Proofs => "proofs",
            Detector::Refused => "refused",
            Detector::Sequence => "sequence",
            Detector::Theft => "theft",
            Detector::Tokens => "tokens",
        }
    }

    /// Whether a request that is answered as asked speaks against it. Who comes from many networks, sees many
    /// patients or holds what is stolen does so with requests that succeed.
    fn is_forgiven(self) -> bool {
        !matches!(
            self,
            Detector::Networks | Detector::Patients | Detector::Theft
        )
    }
}

/// Points for each detector; 0 where it is off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Weights(pub [u32; DETECTORS]);

impl Default for Weights {
    fn default() -> Self {
        Weights(Detector::ALL.map(|detector| match detector {
            Detector::Absent | Detector::Sequence => 4,
            Detector::Credentials | Detector::Refused => 2,
            Detector::Patients => 5,
            Detector::Tokens => 8,
            Detector::Proofs => 10,
            Detector::Networks => 12,
            Detector::Theft => 40,
        }))
    }
}

impl Weights {
    /// The most points that one observation gives for one detector.
    pub const MOST: u32 = 1000;

    /// In thousandths of points.
    fn of(&self, detector: Detector) -> u32 {
        let weight = self.0.get(detector as usize).copied().unwrap_or_default();
        weight.min(Weights::MOST) * POINT
    }
}

/// When what looks wrong is told, and what is done about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RiskPolicy {
    /// After how many seconds a score is half of what it was; at least 1.
    pub half_life: u32,
    /// From how many points on the record tells.
    pub report_at: u32,
    /// From how many points on a caller is isolated, where he may be.
    pub isolate_at: u32,
    /// For how many seconds.
    pub isolate_for: u64,
    /// Whether holders of certificates are isolated, or only reported.
    pub isolates_certificates: bool,
    /// Whether clients without a certificate are.
    pub isolates_clients: bool,
    /// What each detector counts.
    pub weights: Weights,
    /// How many different patients within [`RiskPolicy::window`] nobody minds; at most 1000.
    pub patients: u32,
    /// In seconds.
    pub window: u32,
}

impl RiskPolicy {
    /// Whether anybody is isolated.
    pub fn isolates(&self) -> bool {
        self.isolates_certificates || self.isolates_clients
    }

    /// The most points that one detector has: what was done is never remembered for longer than it takes to
    /// fall from here.
    pub(super) fn most(&self) -> u32 {
        self.isolate_at.max(self.report_at)
    }
}

impl Default for RiskPolicy {
    fn default() -> Self {
        RiskPolicy {
            half_life: 300,
            report_at: 50,
            isolate_at: 100,
            isolate_for: 300,
            isolates_certificates: false,
            isolates_clients: false,
            weights: Weights::default(),
            patients: 300,
            window: 600,
        }
    }
}

/// A request that was answered as asked takes back this part of what one that was not gives: who fails less
/// often than that, over time, is not found.
const FORGIVEN: u32 = 10;

/// What happens again, or is less surprising, counts for this part.
const AGAIN: u32 = 4;

/// Ids one after the other before it counts.
const RUN: u32 = 8;

/// Adds an observation to what is known of its caller; whether any score grew.
pub(super) fn observe(
    entry: &mut Entry,
    seen: &Observation,
    policy: &RiskPolicy,
    milliseconds: u64,
) -> bool {
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
    scores.grew
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
