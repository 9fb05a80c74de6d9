//! Requests that wait for what another server says.

use std::cell::Cell;
use std::rc::Rc;

use super::entry::Asked;
use super::guard::{Authentication, Guard, Need};
use super::{Exchange, Phase, Step};
use crate::audit::Outcome;
use crate::denial::Denial;
use crate::identity::PeerCertificate;
use crate::remote::SLACK;

/// A request that waits, with all that came of it in the meantime.
pub(super) struct Waiting {
    /// Taken for as long as it waits.
    _seat: Seat,
    asked: Box<Asked>,
    certificate: Option<PeerCertificate>,
    need: Need,
    /// Not longer than this, in nanoseconds since 1970.
    until: u64,
}

/// What is there of the body of a request.
#[derive(Default)]
pub(super) enum Body {
    /// The request ended with its head.
    #[default]
    None,
    /// It comes, and all of it is still the proxy's to hand over.
    Coming,
    /// It is whole, and is in the proxy's buffer as well.
    Whole(Vec<u8>),
}

/// One of a number of places.
pub(super) struct Seat {
    taken: Rc<Cell<usize>>,
}

impl Seat {
    /// Takes one of `most` places; refused where there is none.
    pub fn take(taken: &Rc<Cell<usize>>, most: usize) -> Result<Self, Denial> {
        if taken.get() >= most {
            return Err(Denial::Unavailable("waiting"));
        }
        taken.set(taken.get() + 1);
        Ok(Seat {
            taken: Rc::clone(taken),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.set(self.taken.get().saturating_sub(1));
    }
}

impl Waiting {
    /// Takes a place; refused where there is none.
    pub fn enter(
        guard: &Guard,
        asked: Box<Asked>,
        certificate: Option<PeerCertificate>,
        need: Need,
    ) -> Result<Self, Denial> {
        let policy = guard.policy().waiting;
        Ok(Waiting {
            _seat: Seat::take(guard.waiting(), policy.requests)?,
            need,
            until: asked.came.saturating_add(policy.time),
            asked,
            certificate,
        })
    }
}

impl Exchange {
    /// Whether the request waits for what another server says.
    pub fn is_waiting(&self) -> bool {
        matches!(
            self.phase,
            Phase::Waiting(_) | Phase::Global(_) | Phase::Consenting(_) | Phase::Announcing(_)
        ) || self.reads_current()
    }

    /// Whether what comes of the body stays in the proxy's buffer, which shows all of it each time.
    pub fn leaves_body(&self) -> bool {
        matches!(
            self.phase,
            Phase::Waiting(_)
                | Phase::ReadingForm(_)
                | Phase::Global(_)
                | Phase::Consenting(_)
                | Phase::Current(_)
        )
    }

    /// Looks again, where there is something new or the time is up; [`Step::Wait`] where there is nothing
    /// to be done. `now` is in nanoseconds since 1970.
    pub fn wake(&mut self, guard: &mut Guard, now: u64) -> Step {
        let mut waiting = match std::mem::take(&mut self.phase) {
            Phase::Waiting(waiting) => waiting,
            Phase::Global(asking) => return self.wait_for_limits(guard, asking, now),
            Phase::Consenting(consenting) => {
                return self.wait_for_consent(guard, consenting, now);
            }
            Phase::Announcing(announcing) => {
                return self.wait_for_intent(guard, announcing, now);
            }
            other => {
                self.phase = other;
                return self.wait_for_current(guard, now);
            }
        };
        // A clock that steps back ends the wait as well: nobody knows how long it has been.
        let over = now >= waiting.until || now.saturating_add(SLACK) < waiting.asked.came;
        if !guard.is_settled(&waiting.need) && !over {
            self.phase = Phase::Waiting(waiting);
            return Step::Wait;
        }
        waiting.asked.now = now;
        let asked = &waiting.asked;
        let certificate = waiting.certificate.take();
        let caller = guard.authenticate(&asked.head, certificate, asked.came, now);
        let phase = match caller {
            Ok(Authentication::Waits(..)) if over => Err(Denial::Unavailable("waiting")),
            Ok(Authentication::Waits(need, certificate)) => {
                waiting.need = need;
                waiting.certificate = certificate;
                Ok(Phase::Waiting(waiting))
            }
            Ok(Authentication::Caller(caller)) => self.admit(guard, caller, waiting.asked),
            Err(refusal) => self.turn_away(refusal, guard.tried(&waiting.asked.head), now),
        };
        self.go_on(phase)
    }

    /// The caller has gone: its place is free from now on, and so is that of its question.
    pub(super) fn leave(&mut self) {
        self.record.outcome = Outcome::Cut;
        self.phase = Phase::Refused;
    }

    /// The body of a request that stays with the proxy has grown to this many bytes, and more follows. The proxy keeps
    /// it and would show all of it each time: nothing else than its size is worth looking at.
    pub fn body_grows(&mut self, guard: &Guard, sofar: usize) -> Step {
        match sofar > guard.policy().fhir.body_limit {
            true => self.refuse(&Denial::TooLarge),
            false => Step::Wait,
        }
    }

    /// A piece of the body while the request waits: all that came of it so far, because the proxy keeps it.
    pub(super) fn body_of_waiting(&mut self, guard: &Guard, sofar: &[u8], ended: bool) -> Step {
        let step = self.body_grows(guard, sofar.len());
        if step != Step::Wait || !ended {
            return step;
        }
        if !self.share.hold_body(sofar.len()) {
            return self.refuse(&Denial::Unavailable("memory"));
        }
        let body = Body::Whole(sofar.to_vec());
        match &mut self.phase {
            Phase::Waiting(waiting) => waiting.asked.body = body,
            Phase::Global(asking) => asking.set_body(body),
            Phase::Consenting(consenting) => consenting.set_body(body),
            _ => {}
        }
        Step::Wait
    }
}
