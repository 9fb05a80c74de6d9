//! What is known of a request before it goes on, and what is watched when it has ended.

use super::detector::{DETECTORS, Detector};
use super::judging::{Judging, Known};
use super::policy::RiskPolicy;
use super::session::{Following, Moment, Suspicion};
use super::table::{Finding, Observation, Observing, Scored, reasons, together};
use crate::shared::{Answer, Step, Work};

/// What a score brings about; the later is the harder.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Action {
    /// The record tells.
    #[default]
    Report,
    /// The limits of the caller are tightened for this request.
    Clamp,
    /// Another login is asked for.
    StepUp,
    /// The token is shut out for a time.
    Quarantine,
    /// The caller, or the tenant, is isolated for a time.
    Isolate,
}

impl Action {
    /// The name in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Report => "report",
            Action::Clamp => "clamp",
            Action::StepUp => "step-up",
            Action::Quarantine => "quarantine",
            Action::Isolate => "isolate",
        }
    }
}

/// What the record tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// In points.
    pub score: u32,
    /// Why: the detectors with a point or more, the most first.
    pub reasons: Vec<Detector>,
    /// The hardest that was done.
    pub action: Action,
    /// The hardest that would have been done, where nothing is to be.
    pub would: Option<Action>,
}

/// What is known of a request before it goes on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Weighed {
    /// Of the session, for what is observed when it has ended.
    pub session: Suspicion,
    /// Of the caller or of the session, whichever is higher, in points.
    pub score: u32,
    /// Why.
    pub reasons: Vec<Detector>,
    /// Whether the limits are to be tightened.
    pub clamps: bool,
    /// Whether another login is to be asked for.
    pub steps_up: bool,
}

/// Notes from where a session comes and, where something is done about requests, looks at the scores of its
/// caller.
#[derive(Debug)]
pub struct Weighing {
    policy: RiskPolicy,
    following: Following,
    judging: Option<Judging>,
}

impl Weighing {
    /// Work that does so for a request of this caller; `now` is in nanoseconds since 1970.
    pub fn new(moment: Moment, caller: Scored, policy: RiskPolicy, now: u64) -> Self {
        let judges = policy.acts_before();
        Weighing {
            following: Following::new(moment, policy, now),
            judging: judges.then(|| Judging::new(caller, &policy, now)),
            policy,
        }
    }

    /// What was read of the caller, for what is observed when the request has ended; it is given away.
    pub fn known(&mut self) -> Option<Known> {
        self.judging.as_mut().and_then(Judging::known)
    }

    fn weighed(&self, session: Suspicion, own: &[u32; DETECTORS]) -> Weighed {
        let all = together(own, &session);
        let policy = &self.policy;
        let score = policy.total(own).max(policy.total(&session.scores));
        let acting = policy.acting(own).max(policy.acting(&session.scores));
        let is_over = |at: Option<u32>| at.is_some_and(|at| acting >= at);
        Weighed {
            session,
            score,
            reasons: reasons(&all),
            clamps: is_over(self.policy.clamp_at),
            steps_up: is_over(self.policy.step_up_at),
        }
    }
}

impl Work for Weighing {
    type Outcome = Weighed;

    fn step(&self) -> Step<'_, Weighed> {
        let session = match self.following.step().outcome() {
            Ok(session) => session,
            Err(step) => return step,
        };
        let own = match self
            .judging
            .as_ref()
            .map(|judging| judging.step().outcome())
        {
            Some(Ok(own)) => own,
            Some(Err(step)) => return step,
            None => [0; DETECTORS],
        };
        Step::Done(self.weighed(session, &own))
    }

    fn answer(&mut self, answer: Answer) {
        match (self.following.step(), &mut self.judging) {
            (Step::Done(_), Some(judging)) => judging.answer(answer),
            _ => self.following.answer(answer),
        }
    }
}

/// What an exchange that has ended says about its caller and, where it speaks against him, about his tenant.
#[derive(Debug)]
pub struct Watching {
    caller: Observing,
    tenant: Option<Observing>,
}

impl Watching {
    /// Work that adds it; `now` is in nanoseconds since 1970.
    pub fn new(
        caller: Observation,
        tenant: Option<Observation>,
        policy: RiskPolicy,
        now: u64,
    ) -> Self {
        let of_tenant = |seen| Observing::new(seen, policy.of_tenant(), now);
        Watching {
            caller: Observing::new(caller, policy, now),
            tenant: tenant.map(of_tenant),
        }
    }

    /// Begins with what was read of the caller before the request went on.
    #[must_use]
    pub fn knowing(mut self, known: Option<Known>) -> Self {
        known.into_iter().for_each(|known| self.caller.begin(known));
        self
    }
}

/// What looks wrong now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Watched {
    /// About the caller.
    pub caller: Option<Finding>,
    /// About all callers of the tenant together.
    pub tenant: Option<Finding>,
}

impl Work for Watching {
    type Outcome = Watched;

    fn step(&self) -> Step<'_, Watched> {
        let caller = match self.caller.step().outcome() {
            Ok(caller) => caller,
            Err(step) => return step,
        };
        let tenant = self.tenant.as_ref();
        let tenant = tenant.filter(|_| self.caller.growth().is_some());
        let tenant = match tenant.map(|tenant| tenant.step().outcome()) {
            Some(Ok(tenant)) => tenant,
            Some(Err(step)) => return step,
            None => None,
        };
        Step::Done(Watched { caller, tenant })
    }

    fn answer(&mut self, answer: Answer) {
        match (self.caller.step(), &mut self.tenant) {
            (Step::Done(_), Some(tenant)) => tenant.answer(answer),
            _ => {
                self.caller.answer(answer);
                if let (Some(tenant), Some(growth)) = (&mut self.tenant, self.caller.growth()) {
                    tenant.brings(growth);
                }
            }
        }
    }
}
