//! Exchanges whose intent is acknowledged first: where the operator is strict, nothing is forwarded before the
//! repository has said that it knows of it.
//!
//! It is the last wait of all: the exchange is permitted, charged and consented to, what it rests on was read, and the
//! body is whole. So there is neither an effect nor an answer of what no record tells. What is refused releases nothing
//! of a patient: its record alone is sent, and nobody waits for that.
//!
//! # Bounds
//!
//! As many exchanges of one worker wait as the policy lets wait, each for the time of the repository. An intent is sent
//! once, unless the stream in whose name it went is gone before the answer.

use super::waiting::Seat;
use super::{Exchange, Field, Guard, Phase, Sent, Step};
use crate::audit::Place;
use crate::denial::Denial;
use crate::remote::{Call, SLACK};

/// What goes on as soon as its intent is acknowledged.
pub(super) struct Announcing {
    /// Taken for as long as it waits.
    _seat: Seat,
    sent: Sent,
    fields: Vec<Field>,
    /// What is done then.
    step: Step,
    /// How many records or events the intent is, while the call is under way.
    called: Option<usize>,
    /// When somebody first looked at the clock, in nanoseconds since 1970.
    since: Option<u64>,
}

/// Why a request is refused whose intent is not acknowledged.
const NOT_ACKNOWLEDGED: &str = "audit-intent";

impl Exchange {
    /// What is decided goes on by this step: at once, or as soon as its intent is acknowledged.
    // Called in many places, and never inlined: the module has a size.
    #[inline(never)]
    pub(super) fn send(
        &mut self,
        guard: &Guard,
        sent: Sent,
        fields: Vec<Field>,
        step: Step,
    ) -> Step {
        let Some(announcing) = guard.announcing() else {
            self.forward(sent, fields);
            return step;
        };
        match Seat::take(announcing, guard.policy().waiting.requests) {
            Ok(seat) => {
                self.phase = Phase::Announcing(Box::new(Announcing {
                    _seat: seat,
                    sent,
                    fields,
                    step,
                    called: None,
                    since: None,
                }));
                Step::Wait
            }
            Err(denial) => self.refuse(&denial),
        }
    }

    /// Whether there is an intent of which nobody has told the repository.
    pub fn wants_intent(&self) -> bool {
        matches!(&self.phase, Phase::Announcing(announcing) if announcing.called.is_none())
    }

    /// The call that tells the repository of the intent, where there is one to be made. Its answer goes to
    /// [`Exchange::announced`]; where nobody will hear it, [`Exchange::orphaned`] is to be called. `place` gives the
    /// exchange its place in the chain of the worker, where there is one; `now` is in nanoseconds since 1970.
    pub fn intent(
        &mut self,
        guard: &Guard,
        now: u64,
        place: impl FnOnce() -> Option<Place>,
    ) -> Option<Call> {
        let Phase::Announcing(announcing) = &mut self.phase else {
            return None;
        };
        if announcing.called.is_some() {
            return None;
        }
        let since = *announcing.since.get_or_insert(now);
        self.record.place = place();
        let (records, call) = guard.intent(&self.record, since)?;
        announcing.called = Some(records);
        Some(call)
    }

    /// Takes what the repository says of the intent, status and body; `None` where there was no answer in time. Only
    /// an acknowledgement lets the request go on.
    pub fn announced(&mut self, guard: &Guard, answer: Option<(u16, &[u8])>, now: u64) -> Step {
        let announcing = match std::mem::take(&mut self.phase) {
            Phase::Announcing(announcing) if announcing.called.is_some() || answer.is_none() => {
                *announcing
            }
            // Nobody asked, or not any more.
            other => {
                self.phase = other;
                return Step::Wait;
            }
        };
        let Announcing {
            sent,
            fields,
            step,
            called,
            since,
            ..
        } = announcing;
        if !guard.acknowledges(called.unwrap_or(0), answer) {
            return self.refuse(&Denial::Unavailable(NOT_ACKNOWLEDGED));
        }
        let since = since.unwrap_or(now);
        self.record.announced = Some(now.saturating_sub(since) / 1000);
        self.forward(sent, fields);
        step
    }

    /// Where it is in the chain of the worker; for its [`events`](Self::events).
    pub fn take_place(&mut self, place: Option<Place>) {
        self.record.place = place;
    }

    /// Whether the repository has said that it has the intent.
    pub fn is_announced(&self) -> bool {
        self.record.announced.is_some()
    }

    /// Looks at the clock; `now` in nanoseconds since 1970. The call has a time of its own: this ends what was never
    /// answered.
    pub(super) fn wait_for_intent(
        &mut self,
        guard: &Guard,
        mut announcing: Box<Announcing>,
        now: u64,
    ) -> Step {
        let since = *announcing.since.get_or_insert(now);
        let time = guard.intent_time().saturating_add(SLACK);
        self.phase = Phase::Announcing(announcing);
        match now >= since.saturating_add(time) || now.saturating_add(SLACK) < since {
            true => self.announced(guard, None, now),
            false => Step::Wait,
        }
    }
}

impl Announcing {
    /// Nobody will hear the answer: the repository is told again, in the same words.
    pub fn orphaned(&mut self) {
        self.called = None;
    }
}
