//! The state machine that charges for an answer when it has ended.

use super::cost::Returned;
use super::key::Place;
use super::quota::Quota;
use super::slot::Slot;
use super::{Cost, Limit};
use crate::shared::{Answer, Step, Work};

/// How often one slot is read before its charge is given up: more often than before a request, because
/// nobody can be refused any more.
const TRIES: u32 = 32;

/// What a limit charges for an answer that has not ended.
#[derive(Clone)]
pub struct Owed {
    quota: Quota,
    cost: Cost,
    place: Place,
}

impl Owed {
    pub(super) fn new(limit: &Limit, place: &Place) -> Option<Owed> {
        limit.cost.charges_answers().then(|| Owed {
            quota: limit.quota,
            cost: limit.cost.clone(),
            place: place.clone(),
        })
    }
}

/// Charges for an answer: each bucket by itself, whether or not it is empty, down to the debt of its
/// quota. Use it as [`Work`] says, until the step is [`Step::Done`]: then all is charged, but for buckets
/// whose slot failed or stayed contended for 32 tries.
pub struct Settling {
    now: u64,
    debts: Vec<Debt>,
    /// The one at hand.
    at: usize,
    /// What is to be written; absent while it is to be read.
    value: Option<(Vec<u8>, Option<u32>)>,
    tries: u32,
}

struct Debt {
    quota: Quota,
    cost: u32,
    place: Place,
}

impl Settling {
    /// Begins to charge for what has left, at `now`, in nanoseconds since 1970.
    pub fn new(owed: Vec<Owed>, returned: Returned, now: u64) -> Settling {
        let debt = |owed: Owed| Debt {
            quota: owed.quota,
            cost: owed.cost.of_answer(returned),
            place: owed.place,
        };
        let debts = owed.into_iter().map(debt);
        Settling {
            now,
            debts: debts.filter(|debt| debt.cost > 0).collect(),
            at: 0,
            value: None,
            tries: 0,
        }
    }

    fn next(&mut self) {
        self.at += 1;
        self.value = None;
        self.tries = 0;
    }
}

impl Work for Settling {
    type Outcome = ();

    fn step(&self) -> Step<'_, ()> {
        match (self.debts.get(self.at), &self.value) {
            (None, _) => Step::Done(()),
            (Some(debt), None) => Step::Read {
                key: &debt.place.key,
            },
            (Some(debt), Some((value, version))) => Step::Write {
                key: &debt.place.key,
                value,
                version: *version,
            },
        }
    }

    fn answer(&mut self, answer: Answer) {
        let Some(debt) = self.debts.get(self.at) else {
            return;
        };
        match (&self.value, answer) {
            (None, Answer::Value { bytes, version }) if self.tries < TRIES => {
                let mut slot = Slot::of(bytes, version, self.now);
                let fingerprint = debt.place.fingerprint;
                let tat = slot.find(fingerprint, &debt.quota, self.now);
                let tat = debt.quota.owe(tat, self.now, debt.cost);
                slot.put(fingerprint, tat, self.now);
                self.value = Some((slot.bytes(), version));
                self.tries += 1;
            }
            (Some(_), Answer::Conflict) => self.value = None,
            _ => self.next(),
        }
    }
}
