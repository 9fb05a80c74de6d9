//! What each detector counts, and from how many points on what is done.

use super::detector::{DETECTORS, Detector};
use super::entry::POINT;

/// Points for each detector; 0 where it is off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Weights(pub [u32; DETECTORS]);

impl Default for Weights {
    fn default() -> Self {
        Weights(Detector::ALL.map(|detector| match detector {
            Detector::Absent | Detector::Sequence => 4,
            Detector::Credentials | Detector::Refused => 2,
            Detector::Patients | Detector::Volume => 5,
            Detector::Shapes => 6,
            Detector::Tokens => 8,
            Detector::Proofs => 10,
            Detector::Networks | Detector::Travel => 12,
            Detector::Certificates | Detector::Places => 30,
            Detector::Theft => 40,
        }))
    }
}

impl Weights {
    /// The most points that one observation gives for one detector.
    pub const MOST: u32 = 1000;

    /// In thousandths of points.
    pub(super) fn of(&self, detector: Detector) -> u32 {
        let weight = self.0.get(detector as usize).copied().unwrap_or_default();
        weight.min(Weights::MOST) * POINT
    }
}

/// How much a caller may get beyond what is usual for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Volume {
    /// So many times as much as is usual,
    pub ratio: u32,
    /// and so many resources,
    pub records: u32,
    /// or so many bytes. Both are sums of which half is forgotten in each [`RiskPolicy::half_life`].
    pub bytes: u64,
}

/// When what looks wrong is told, and what is done about it. Times are in seconds, scores in points.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RiskPolicy {
    /// After this time a score is half of what it was; at least 1.
    pub half_life: u32,
    /// From this score on the record tells.
    pub report_at: u32,
    /// Nothing is done; the record tells what would be.
    pub report_only: bool,
    /// The scores of these detectors are told, and nothing is done for them.
    pub watch_only: [bool; DETECTORS],
    /// From this score on the limits of a caller are tightened; `None`: never.
    pub clamp_at: Option<u32>,
    /// So many times; at least 1.
    pub clamp_by: u32,
    /// From this score on a caller is asked for another login; `None`: never.
    pub step_up_at: Option<u32>,
    /// From this score on a token is shut out; `None`: never.
    pub quarantine_at: Option<u32>,
    /// For how long.
    pub quarantine_for: u64,
    /// From this score on a caller is isolated, where he may be.
    pub isolate_at: u32,
    /// For how long.
    pub isolate_for: u64,
    /// Whether holders of certificates are isolated, or only reported.
    pub isolates_certificates: bool,
    /// Whether clients without a certificate are.
    pub isolates_clients: bool,
    /// Whether tenants are.
    pub isolates_tenants: bool,
    /// From this score of all its callers together a tenant is.
    pub tenant_at: u32,
    /// What each detector counts.
    pub weights: Weights,
    /// How many different patients within [`RiskPolicy::window`] nobody minds; at most 1000.
    pub patients: u32,
    /// For how long patients are counted.
    pub window: u32,
    /// Within this time a token does not change its certificate.
    pub certificates_within: u32,
    /// Within this time it does not change its place.
    pub places_within: u32,
    /// Within this time it does not change its network.
    pub travel_within: u32,
    /// So long it is learned what is usual for a caller.
    pub learn: u32,
    /// How much is more than that.
    pub volume: Volume,
}

impl RiskPolicy {
    /// Whether anybody is shut out by score.
    pub fn shuts_out(&self) -> bool {
        let isolates = self.isolates_certificates || self.isolates_clients || self.isolates_tenants;
        !self.report_only && (isolates || self.quarantine_at.is_some())
    }

    /// Whether anything is done about a request before it goes on.
    pub(super) fn acts_before(&self) -> bool {
        self.clamp_at.is_some() || self.step_up_at.is_some()
    }

    /// What holds for all callers of a tenant together.
    pub(super) fn of_tenant(self) -> RiskPolicy {
        RiskPolicy {
            report_at: self.tenant_at,
            isolate_at: self.tenant_at,
            clamp_at: None,
            step_up_at: None,
            quarantine_at: None,
            ..self
        }
    }

    /// The most points that one detector has: what was done is never remembered for longer than it takes to
    /// fall from here.
    pub(super) fn most(&self) -> u32 {
        let some = [self.clamp_at, self.step_up_at, self.quarantine_at];
        let some = some.into_iter().flatten().max().unwrap_or_default();
        self.isolate_at.max(self.report_at).max(some)
    }

    /// These scores together, in points. What is stored may be anything: each counts for at most
    /// [`RiskPolicy::most`].
    pub(super) fn total(&self, scores: &[u32; DETECTORS]) -> u32 {
        let most = self.most();
        let points = scores.iter().map(|score| (score / POINT).min(most));
        points.fold(0, u32::saturating_add)
    }

    /// The same, of those for which something is done.
    pub(super) fn acting(&self, scores: &[u32; DETECTORS]) -> u32 {
        let mut acting = *scores;
        for (score, watched) in acting.iter_mut().zip(self.watch_only) {
            if watched {
                *score = 0;
            }
        }
        self.total(&acting)
    }
}

impl Default for RiskPolicy {
    fn default() -> Self {
        RiskPolicy {
            half_life: 300,
            report_at: 50,
            report_only: false,
            watch_only: [false; DETECTORS],
            clamp_at: None,
            clamp_by: 4,
            step_up_at: None,
            quarantine_at: None,
            quarantine_for: 300,
            isolate_at: 100,
            isolate_for: 300,
            isolates_certificates: false,
            isolates_clients: false,
            isolates_tenants: false,
            tenant_at: 500,
            weights: Weights::default(),
            patients: 300,
            window: 600,
            certificates_within: 600,
            places_within: 3600,
            travel_within: 60,
            learn: 86_400,
            volume: Volume {
                ratio: 4,
                records: 2000,
                bytes: 20 << 20,
            },
        }
    }
}
