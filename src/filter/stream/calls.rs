//! What a stream that waits asks of other servers, and how it goes on.

use super::super::worker::Asker;
use super::{Over, Stream};
use crate::exchange::CallAnswer;
use crate::host;
use crate::remote::Call;

impl Stream {
    /// Goes on where the exchange can; whether it still waits.
    pub fn wake(&mut self, now: u64) -> bool {
        let Some(guard) = self.guard.clone().filter(|_| self.over == Over::No) else {
            return false;
        };
        let step = self.exchange.wake(&mut guard.borrow_mut(), now);
        self.go_on(&guard, step);
        self.exchange.is_waiting()
    }

    /// Whether it may be asked in this name what this stream wants to know. What was asked in vain is asked again in
    /// that of the root alone: else callers who come and reset could keep others waiting until their time is over.
    pub fn may_ask(&mut self, asker: Asker) -> bool {
        self.orphaned &= asker != Asker::Root;
        !self.orphaned
    }

    /// The call that is to be made for this stream alone.
    pub fn call(&mut self) -> Option<Call> {
        let guard = self.guard.clone().filter(|_| self.over == Over::No)?;
        self.exchange.call(&guard.borrow())
    }

    /// The call that tells the repository of what is about to go on.
    pub fn intent(&mut self) -> Option<Call> {
        let wanted = self.over == Over::No && self.exchange.wants_intent();
        let guard = self.guard.clone().filter(|_| wanted)?;
        let (trail, ticket) = (&self.trail, &mut self.ticket);
        let place = || trail.intent(ticket);
        self.exchange.intent(&guard.borrow(), host::now(), place)
    }

    /// Takes what the repository says of it.
    pub fn announced(&mut self, answer: Option<(u16, &[u8])>) {
        if let Some(guard) = self.guard.clone().filter(|_| self.over == Over::No) {
            let step = self
                .exchange
                .announced(&guard.borrow(), answer, host::now());
            self.go_on(&guard, step);
        }
    }

    /// Takes the answer to that call.
    pub fn answered(&mut self, answer: Option<CallAnswer<'_>>) {
        if let Some(guard) = self.guard.clone().filter(|_| self.over == Over::No) {
            let step = self.exchange.answered(&guard.borrow(), answer);
            self.go_on(&guard, step);
        }
    }

    /// Nobody will hear that answer.
    pub fn orphaned(&mut self) {
        self.orphaned = true;
        self.exchange.orphaned();
    }
}
