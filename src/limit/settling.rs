//! The state machine that charges for an answer, and gives leases back, when it has ended.

use super::cost::{Cost, Returned};
use super::key::Place;
use super::lease::{Cap, LeaseSlot, Ticket};
use super::patients::{Budget, PatientSlot, Shown};
use super::quota::Quota;
use super::slot::Slot;
use crate::shared::{Answer, Step, Work};

/// How often one slot is read before it is given up: more often than before a request, because nobody
/// can be refused any more.
const TRIES: u32 = 32;

/// What is to be done when an answer has ended.
#[derive(Clone)]
pub struct Owed {
    place: Place,
    what: What,
}

#[derive(Clone)]
enum What {
    /// The answer is charged.
    Answer { quota: Quota, cost: Cost },
    /// Who was shown is counted.
    Patients { budget: Budget },
    /// One that is under way is no more.
    Lease { cap: Cap, ticket: Ticket },
    /// What a bucket was charged is given back: so much, at that instant.
    Refund { added: u64, charged: u64 },
}

impl Owed {
    pub(super) fn answer(quota: Quota, cost: &Cost, place: &Place) -> Option<Owed> {
        cost.charges_answers().then(|| Owed {
            place: place.clone(),
            what: What::Answer {
                quota,
                cost: cost.clone(),
            },
        })
    }

    pub(super) fn patients(budget: Budget, place: &Place) -> Owed {
        Owed {
            place: place.clone(),
            what: What::Patients { budget },
        }
    }

    pub(super) fn refund(added: u64, charged: u64, place: &Place) -> Option<Owed> {
        (added > 0).then(|| Owed {
            place: place.clone(),
            what: What::Refund { added, charged },
        })
    }

    pub(super) fn lease(cap: Cap, ticket: Ticket, place: &Place) -> Owed {
        Owed {
            place: place.clone(),
            what: What::Lease { cap, ticket },
        }
    }

    /// Whether it is a lease that would end too early from now: to be renewed.
    pub fn is_old(&self, now: u64) -> bool {
        match &self.what {
            What::Lease { cap, ticket } => ticket.is_old(cap, now),
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

/// Settles what is owed, each by itself; or renews leases. Use it as [`Work`] says, until the step is
/// [`Step::Done`]: then all is done, but for what lies in a slot that failed or stayed contended for 32
/// tries. The outcome is what is owed from now on.
pub struct Settling {
    now: u64,
    /// What has left; absent where leases are to be renewed.
    returned: Option<Returned>,
    shown: Shown,
    owed: Vec<Owed>,
    /// The one at hand.
    at: usize,
    /// What is to be written, and what is owed once it is; absent while it is to be read.
    write: Option<Write>,
    tries: u32,
}

struct Write {
    value: Vec<u8>,
    version: Option<u32>,
    ticket: Option<Ticket>,
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

    fn begin(owed: Vec<Owed>, returned: Option<Returned>, now: u64) -> Settling {
        let mut settling = Settling {
            now,
            returned,
            shown: Shown::default(),
            owed,
            at: 0,
            write: None,
            tries: 0,
        };
        settling.pass();
        settling
    }

    /// Passes by what needs nothing.
    fn pass(&mut self) {
        while let Some(owed) = self.owed.get(self.at) {
            let needed = match (&owed.what, self.returned) {
                (What::Answer { cost, .. }, Some(returned)) => cost.of_answer(returned) > 0,
                (What::Answer { .. } | What::Patients { .. } | What::Refund { .. }, None) => false,
                (What::Refund { .. }, Some(_)) => true,
                (What::Patients { .. }, Some(_)) => !self.shown.patients.is_empty(),
                (What::Lease { .. }, Some(_)) => true,
                (What::Lease { .. }, None) => owed.is_old(self.now),
            };
            if needed {
                return;
            }
            self.at += 1;
        }
    }

    fn next(&mut self) {
        self.at += 1;
        self.write = None;
        self.tries = 0;
        self.pass();
    }

    /// What to write over this, unless that changes nothing.
    fn over(&self, owed: &Owed, bytes: Option<Vec<u8>>, version: Option<u32>) -> Option<Write> {
        let (fingerprint, now) = (owed.place.fingerprint, self.now);
        let write = match &owed.what {
            What::Patients { budget } => {
                let mut slot = PatientSlot::of(bytes, version, now);
                let new = slot.show(fingerprint, budget, &self.shown, now);
                if !new && !slot.mended() {
                    return None;
                }
                Write {
                    value: slot.bytes(),
                    version,
                    ticket: None,
                }
            }
            What::Answer { quota, cost } => {
                let count = cost.of_answer(self.returned.unwrap_or_default());
                let mut slot = Slot::of(bytes, version, now);
                let tat = slot.find(fingerprint, quota, now);
                slot.put(fingerprint, quota.owe(tat, now, count), now);
                Write {
                    value: slot.bytes(),
                    version,
                    ticket: None,
                }
            }
            What::Refund { added, charged } => {
                let mut slot = Slot::of(bytes, version, now);
                if !slot.give_back(fingerprint, *added, *charged, now) {
                    return None;
                }
                Write {
                    value: slot.bytes(),
                    version,
                    ticket: None,
                }
            }
            What::Lease { cap, ticket } => {
                let mut slot = LeaseSlot::of(bytes, version, now);
                slot.give_back(fingerprint, *ticket, cap, now);
                let renewed = self.returned.is_none();
                let ticket = renewed.then(|| slot.take(fingerprint, cap, now)).flatten();
                Write {
                    value: slot.bytes(),
                    version,
                    ticket,
                }
            }
        };
        Some(write)
    }
}

impl Work for Settling {
    type Outcome = Vec<Owed>;

    fn step(&self) -> Step<'_, Vec<Owed>> {
        match (self.owed.get(self.at), &self.write) {
            (None, _) if self.returned.is_some() => Step::Done(Vec::new()),
            (None, _) => Step::Done(self.owed.clone()),
            (Some(owed), None) => Step::Read {
                key: &owed.place.key,
            },
            (Some(owed), Some(write)) => Step::Write {
                key: &owed.place.key,
                value: &write.value,
                version: write.version,
            },
        }
    }

    fn answer(&mut self, answer: Answer) {
        let Some(owed) = self.owed.get(self.at) else {
            return;
        };
        match (self.write.take(), answer) {
            (None, Answer::Value { bytes, version }) if self.tries < TRIES => {
                match self.over(owed, bytes, version) {
                    Some(write) => {
                        self.write = Some(write);
                        self.tries += 1;
                    }
                    None => self.next(),
                }
            }
            (Some(_), Answer::Conflict) => {}
            (Some(Write { ticket, .. }), Answer::Written) => {
                if let (
                    Some(new),
                    Some(Owed {
                        what: What::Lease { ticket, .. },
                        ..
                    }),
                ) = (ticket, self.owed.get_mut(self.at))
                {
                    *ticket = new;
                }
                self.next();
            }
            _ => self.next(),
        }
    }
}
