//! The state machine that charges for an answer, and gives leases back, when it has ended.

use super::cost::{Afterwards, Cost, Returned};
use super::lease::{Cap, Ticket};
use super::patients::{Budget, Shown};
use super::place::Place;
use super::quota::Quota;
use super::slot::Slot;
use crate::shared::{Answer, Step, Work};

/// How often one slot is read before it is given up: more often than before a request, because nobody
/// can be refused any more.
const TRIES: u32 = 32;

/// What is to be done when an answer has ended.
#[derive(Clone, Copy)]
pub struct Owed {
    place: Place,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// The answer is charged.
    Answer { quota: Quota, cost: Afterwards },
    /// Who was shown is counted.
    Patients { budget: Budget },
    /// One that is under way is no more.
    Lease {
        cap: Cap,
        ticket: Ticket,
        /// What there is in its place once it is written.
        renewed: Option<Ticket>,
    },
    /// What a bucket was charged is given back: so much, at that instant.
    Refund { added: u64, charged: u64 },
}

impl Owed {
    pub(super) fn answer(quota: Quota, cost: &Cost, place: Place) -> Option<Owed> {
        let what = cost.afterwards().map(|cost| What::Answer { quota, cost });
        what.map(|what| Owed { place, what })
    }

    pub(super) fn patients(budget: Budget, place: Place) -> Owed {
        let what = What::Patients { budget };
        Owed { place, what }
    }

    pub(super) fn refund(added: u64, charged: u64, place: Place) -> Option<Owed> {
        let what = What::Refund { added, charged };
        (added > 0).then_some(Owed { place, what })
    }

    pub(super) fn lease(cap: Cap, ticket: Ticket, place: Place) -> Owed {
        let renewed = None;
        let what = What::Lease {
            cap,
            ticket,
            renewed,
        };
        Owed { place, what }
    }

    /// Whether it is a lease that would end too early from now: to be renewed.
    pub fn is_old(&self, now: u64) -> bool {
        match &self.what {
            What::Lease { cap, ticket, .. } => ticket.is_old(cap, now),
            What::Answer { .. } | What::Patients { .. } | What::Refund { .. } => false,
        }
    }

    /// Whether it has to be known who was shown.
    pub fn counts_patients(&self) -> bool {
        matches!(self.what, What::Patients { .. })
    }

    /// Whether it is a lease.
    pub fn is_lease(&self) -> bool {
        matches!(self.what, What::Lease { .. })
    }
}

/// Settles what is owed, slot by slot; or renews leases. Use it as [`Work`] says, until the step is
/// [`Step::Done`]: then all is done, but for what lies in a slot that failed or stayed contended for 32
/// tries. The outcome is what is owed from now on.
pub struct Settling {
    now: u64,
    /// What has left; absent where leases are to be renewed.
    returned: Option<Returned>,
    shown: Shown,
    /// In the order of their slots.
    owed: Vec<Owed>,
    /// The first in the slot at hand.
    at: usize,
    /// Of this slot.
    key: String,
    /// What is to be written; absent while it is to be read.
    write: Option<Write>,
    tries: u32,
}

struct Write {
    value: Vec<u8>,
    version: Option<u32>,
}

impl Settling {
    /// Begins to settle, where this has left; `now` is in nanoseconds since 1970.
    pub fn new(owed: Vec<Owed>, returned: Returned, now: u64) -> Settling {
        Settling::begin(owed, Some(returned), now)
    }

    /// The same, where these patients were shown.
    pub fn with_shown(self, shown: Shown) -> Settling {
        let mut settling = Settling {
            shown,
            at: 0,
            ..self
        };
        settling.pass();
        settling
    }

    /// Begins to renew the leases that are old.
    pub fn renewing(owed: Vec<Owed>, now: u64) -> Settling {
        Settling::begin(owed, None, now)
    }

    fn begin(mut owed: Vec<Owed>, returned: Option<Returned>, now: u64) -> Settling {
        owed.sort_by_key(|owed| owed.place.slot);
        if now == 0 && returned.is_some() {
            // Without a clock nothing can be charged: by it all buckets were full long ago.
            owed.clear();
        }
        let mut settling = Settling {
            now,
            returned,
            shown: Shown::default(),
            owed,
            at: 0,
            key: String::new(),
            write: None,
            tries: 0,
        };
        settling.pass();
        settling
    }

    /// Whether something is to be done for this.
    fn needs(&self, owed: &Owed) -> bool {
        match (&owed.what, self.returned) {
            (What::Answer { cost, .. }, Some(returned)) => cost.of(returned) > 0,
            (What::Answer { .. } | What::Patients { .. } | What::Refund { .. }, None) => false,
            (What::Refund { .. }, Some(_)) => true,
            (What::Patients { .. }, Some(_)) => !self.shown.patients.is_empty(),
            (What::Lease { .. }, Some(_)) => true,
            (What::Lease { .. }, None) => self.now != 0 && owed.is_old(self.now),
        }
    }

    /// Passes by what needs nothing.
    fn pass(&mut self) {
        while let Some(owed) = self.owed.get(self.at) {
            if self.needs(owed) {
                self.key = owed.place.slot.key();
                return;
            }
            self.at += 1;
        }
    }

    /// Goes on with the next slot. What was not written of this one is as it was.
    fn next(&mut self) {
        let slot = self.owed.get(self.at).map(|owed| owed.place.slot);
        let rest = self.owed.iter_mut().skip(self.at);
        let mut passed = 0;
        for owed in rest.take_while(|owed| Some(owed.place.slot) == slot) {
            if let What::Lease { renewed, .. } = &mut owed.what {
                *renewed = None;
            }
            passed += 1;
        }
        self.at += passed.max(1);
        self.write = None;
        self.tries = 0;
        self.pass();
    }

    /// What to write over this slot, unless that changes nothing.
    fn over(&mut self, bytes: Option<Vec<u8>>, version: Option<u32>) -> Option<Write> {
        let now = self.now;
        let number = self.owed.get(self.at)?.place.slot;
        let mut slot = Slot::of(number.table, bytes.as_deref(), version, now);
        let mut owed = std::mem::take(&mut self.owed);
        let mut changed = false;
        let own = owed.iter_mut().skip(self.at);
        for owed in own.take_while(|owed| owed.place.slot == number) {
            if !self.needs(owed) {
                continue;
            }
            let fingerprint = owed.place.fingerprint;
            match &mut owed.what {
                What::Patients { budget } => {
                    changed |= slot.show(fingerprint, budget, &self.shown, now);
                }
                What::Refund { added, charged } => {
                    changed |= slot.give_back_bucket(fingerprint, *added, *charged, now);
                }
                What::Answer { quota, cost } => {
                    let count = cost.of(self.returned.unwrap_or_default());
                    let tat = slot.find(fingerprint, quota, now);
                    slot.put(fingerprint, quota.owe(tat, now, count), now);
                    changed = true;
                }
                What::Lease {
                    cap,
                    ticket,
                    renewed,
                } => {
                    slot.give_back(fingerprint, *ticket, cap, now);
                    let renews = self.returned.is_none();
                    *renewed = renews.then(|| slot.take(fingerprint, cap, now)).flatten();
                    changed = true;
                }
            }
        }
        self.owed = owed;
        (changed || slot.mended).then(|| {
            let mut value = bytes.unwrap_or_default();
            value.clear();
            slot.write(&mut value);
            Write { value, version }
        })
    }

    /// What was made is written.
    fn written(&mut self) {
        for owed in &mut self.owed {
            if let What::Lease {
                ticket, renewed, ..
            } = &mut owed.what
                && let Some(new) = renewed.take()
            {
                *ticket = new;
            }
        }
        self.next();
    }
}

impl Work for Settling {
    type Outcome = Vec<Owed>;

    fn step(&self) -> Step<'_, Vec<Owed>> {
        match (self.owed.get(self.at), &self.write) {
            (None, _) if self.returned.is_some() => Step::Done(Vec::new()),
            (None, _) => Step::Done(self.owed.clone()),
            (Some(_), None) => Step::Read { key: &self.key },
            (Some(_), Some(write)) => Step::Write {
                key: &self.key,
                value: &write.value,
                version: write.version,
            },
        }
    }

    fn answer(&mut self, answer: Answer) {
        if self.at >= self.owed.len() {
            return;
        }
        match (self.write.take(), answer) {
            (None, Answer::Value { bytes, version }) if self.tries < TRIES => {
                match self.over(bytes, version) {
                    Some(write) => {
                        self.write = Some(write);
                        self.tries += 1;
                    }
                    None => self.next(),
                }
            }
            (Some(_), Answer::Conflict) => {}
            (Some(_), Answer::Written) => self.written(),
            _ => self.next(),
        }
    }
}
