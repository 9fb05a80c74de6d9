//! What a permitted request passes before it goes on: what is known of its caller, and its limits.

use super::entry::Asked;
use super::{Exchange, Guard};
use crate::access::Rules;
use crate::denial::Denial;
use crate::identity::Principal;
use crate::limit::{Charging, Owed, Question, Verdict};
use crate::risk::{Action, Known, RiskPolicy, Scored, Session, Suspected, Weighed, Weighing};
use crate::shared::{Answer, Step, Work};

/// Weighs what is known of the caller where callers are watched, then charges the limits, tightened where the
/// score says so. Who is to log in anew is charged nothing.
pub struct Toll {
    weighing: Option<(Scored, Weighing)>,
    charging: Charging,
    /// What a caller over the threshold is asked for; `None` where the login is enough.
    challenge: Option<Denial>,
    policy: RiskPolicy,
    weighed: Option<Passed>,
}

/// What was found about the caller, and what was done about it.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Where it is kept what is known of him.
    pub caller: Option<Scored>,
    pub weighed: Weighed,
    /// What was read of him for that.
    pub known: Option<Known>,
    pub action: Action,
    pub would: Option<Action>,
    /// He is to log in anew.
    pub refused: Option<Denial>,
}

/// What remains of it.
#[derive(Default)]
pub(super) struct Paid {
    pub owed: Vec<Owed>,
    pub borrowed: Vec<String>,
    pub crowded: Vec<String>,
    pub weighed: Option<Passed>,
    /// What a server of several proxies is to be asked.
    pub question: Question,
    /// What is given back where it refuses.
    pub refunds: Vec<Owed>,
}

impl Toll {
    /// Of a caller whom nobody watches.
    pub(super) fn free(charging: Charging) -> Toll {
        Toll {
            weighing: None,
            charging,
            challenge: None,
            policy: RiskPolicy::default(),
            weighed: None,
        }
    }

    /// What remains of it, once it is done.
    pub(super) fn paid(&mut self) -> Paid {
        let question = self.charging.question();
        Paid {
            owed: self.charging.owed(),
            borrowed: self.charging.borrowed(),
            crowded: self.charging.crowded(),
            weighed: self.weighed.take(),
            refunds: match question.is_empty() {
                true => Vec::new(),
                false => self.charging.refunds(),
            },
            question,
        }
    }

    /// Whether the caller is to log in anew.
    fn is_refused(&self) -> bool {
        self.weighed
            .as_ref()
            .is_some_and(|own| own.refused.is_some())
    }

    /// Does what the score says.
    fn act(&mut self, caller: Scored, weighed: Weighed, known: Option<Known>) {
        // An emergency does not wait for a login.
        let may_ask = self.challenge.is_some() && !self.charging.goes_first();
        let asks = weighed.steps_up && may_ask;
        let clamps = weighed.clamps && !asks;
        let action = match () {
            () if asks => Action::StepUp,
            () if clamps && self.policy.report_only => Action::Clamp,
            () if clamps && self.charging.clamp(self.policy.clamp_by) => Action::Clamp,
            () => Action::Report,
        };
        let (action, would) = match self.policy.report_only {
            true => (
                Action::Report,
                Some(action).filter(|one| *one != Action::Report),
            ),
            false => (action, None),
        };
        let refused = self.challenge.take().filter(|_| action == Action::StepUp);
        self.weighed = Some(Passed {
            caller: Some(caller),
            weighed,
            known,
            action,
            would,
            refused,
        });
    }
}

impl Work for Toll {
    /// Where the caller is to log in anew, nothing was charged, and it says nothing of limits.
    type Outcome = Verdict;

    fn step(&self) -> Step<'_, Verdict> {
        if let Some(Err(step)) = self.weighing.as_ref().map(|(_, own)| own.step().outcome()) {
            return step;
        }
        match self.is_refused() {
            true => Step::Done(Verdict {
                allowed: false,
                refused_by: None,
                retry_after_seconds: 1,
                remaining: Vec::new(),
                contended: true,
            }),
            false => self.charging.step(),
        }
    }

    fn answer(&mut self, answer: Answer) {
        let Some((caller, weighing)) = &mut self.weighing else {
            if !self.is_refused() {
                self.charging.answer(answer);
            }
            return;
        };
        let caller = *caller;
        weighing.answer(answer);
        let weighed = match weighing.step() {
            Step::Done(weighed) => weighed,
            Step::Read { .. } | Step::Write { .. } => return,
        };
        let known = weighing.known();
        self.weighing = None;
        self.act(caller, weighed, known);
    }
}

impl Exchange {
    /// The charge, behind what is known of the caller.
    pub(super) fn toll(
        &self,
        guard: &Guard,
        principal: &Principal,
        asked: &Asked,
        charging: Charging,
    ) -> Toll {
        let Some(policy) = guard.policy().risk else {
            return Toll::free(charging);
        };
        let Some(caller) = self.suspected().map(Suspected::scored) else {
            return Toll::free(charging);
        };
        let shown = principal.token().shown(None);
        let session = Session {
            issuer: shown.issuer,
            client: shown.client,
            subject: shown.subject,
            token: shown.token_id,
            certificate: self.record.certificate.as_deref(),
            address: Rules::address(&asked.address),
            place: self.watched.place(),
        };
        let weighing = Weighing::new(session.moment(), caller, policy, asked.now);
        let requirement = &guard.policy().risk_step_up;
        let enough = requirement.check("risk", principal.login(), asked.now / 1_000_000_000);
        Toll {
            weighing: Some((caller, weighing)),
            charging,
            challenge: enough.err(),
            policy,
            weighed: None,
        }
    }
}
