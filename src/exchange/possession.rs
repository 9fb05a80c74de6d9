//! What the host and shared data are asked until it is known who is calling, and whom that shuts out.

use super::guard::{Guard, Refusal};
use super::{Exchange, Phase, Step};
use crate::denial::{Denial, DpopFault};
use crate::identity::{HostCheck, Noting, ProvenKey, Quarantine, QuarantineAdd};

/// A refusal that shuts somebody out; its answer waits for that.
pub(super) struct ShuttingOut {
    add: Box<QuarantineAdd>,
    denial: Denial,
    /// The time of the callback that is under way, in nanoseconds since 1970.
    now: u64,
}

impl Exchange {
    /// What to ask the host, while the step is [`Step::Verify`].
    pub fn verifying(&self) -> Option<&HostCheck> {
        match &self.phase {
            Phase::Verifying { caller, .. } => Some(caller.check()),
            _ => None,
        }
    }

    /// The host has answered whether the signature holds; `None` where it has not.
    pub fn verified(&mut self, guard: &mut Guard, answer: Option<bool>) -> Step {
        let (caller, asked) = match std::mem::take(&mut self.phase) {
            Phase::Verifying { caller, asked } => (caller, asked),
            // An answer that nobody asked for; a part of another may have left already.
            other => {
                self.phase = other;
                return self.host_failed();
            }
        };
        let now = asked.now;
        let phase = match guard.proven(*caller, answer, &asked.head, now) {
            Ok(found) => self.follow(guard, found, asked),
            Err(refusal) => self.turn_away(refusal, guard.tried(&asked.head), now),
        };
        self.go_on(phase)
    }

    /// The work on shared data that is under way, while the step is [`Step::Note`].
    pub fn noting(&mut self) -> Option<&mut Noting> {
        match &mut self.phase {
            Phase::Noting { caller, .. } => Some(caller.noting()),
            _ => None,
        }
    }

    /// The proof has been noted as used, or is refused.
    pub fn noted(&mut self, guard: &Guard, outcome: Result<ProvenKey, DpopFault>) -> Step {
        let (caller, mut asked) = match std::mem::take(&mut self.phase) {
            Phase::Noting { caller, asked } => (caller, asked),
            // As above: nobody asked.
            other => {
                self.phase = other;
                return self.host_failed();
            }
        };
        let now = asked.now;
        let phase = match guard.noted(*caller, outcome, now) {
            Ok((principal, nonce)) => {
                asked.next_nonce = nonce;
                self.permit(guard, &principal, *asked)
            }
            Err(refusal) => self.turn_away(refusal, guard.tried(&asked.head), now),
        };
        self.go_on(phase)
    }

    /// The work on shared data that is under way, while the step is [`Step::ShutOut`].
    pub fn shutting_out(&mut self) -> Option<&mut QuarantineAdd> {
        match &mut self.phase {
            Phase::ShuttingOut(shutting_out) => Some(&mut shutting_out.add),
            _ => None,
        }
    }

    /// Somebody has been shut out; `found` is what came of the work.
    pub fn shut_out(&mut self, guard: &mut Guard, found: Option<Quarantine>) -> Step {
        match std::mem::take(&mut self.phase) {
            Phase::ShuttingOut(ShuttingOut { denial, now, .. }) => {
                guard.quarantined(found, now);
                self.refuse(&denial)
            }
            // As above: nobody asked.
            other => {
                self.phase = other;
                self.host_failed()
            }
        }
    }

    /// Writes into the record whose token it was, and shuts out who is to be shut out, before the
    /// refusal; `tried` stands for that token. `now` is in nanoseconds since 1970.
    pub(super) fn turn_away(
        &mut self,
        refusal: Refusal,
        tried: Option<u32>,
        now: u64,
    ) -> Result<Phase, Denial> {
        self.watched.tried(tried);
        if let Some(token) = &refusal.token {
            self.note(token);
        }
        let denial = refusal.denial;
        match refusal.quarantine {
            Some(add) => Ok(Phase::ShuttingOut(ShuttingOut { add, denial, now })),
            None => Err(denial),
        }
    }
}
