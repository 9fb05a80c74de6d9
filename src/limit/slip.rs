//! One charge on its way: the bucket of a rate, or the leases of a cap.

use super::Limit;
use super::charging::{Charge, Remaining};
use super::key::Measure;
use super::lease::{Cap, Ticket};
use super::patients::Budget;
use super::place::Place;
use super::priority::{Keeping as _, Standing};
use super::quota::{Decision, Quota, SECOND, seconds_until};
use super::settling::Owed;
use super::slot::{self, Slot};

/// One limit of the exchange.
pub(super) struct Slip {
    name: String,
    pub place: Place,
    pub charged: bool,
    standing: Standing,
    /// It would have been refused, had the caller no priority.
    borrowed: bool,
    /// It passes without being counted.
    uncounted: bool,
    /// There is no entry for this caller alone.
    crowded: bool,
    kind: Kind,
}

/// What came of an attempt to charge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Charged {
    /// The slot has changed, and is to be written.
    Changed,
    /// It goes on, and nothing has changed.
    Unchanged,
    Refused,
}

enum Kind {
    Rate {
        quota: Quota,
        /// How much it is charged.
        count: u32,
        /// How much is one of what callers are told: more than 1 where the limit is tightened.
        unit: u32,
        /// What is charged afterwards.
        owed: Option<Owed>,
        /// The bucket, as it was read or as it was charged.
        tat: u64,
        /// How much later it is full again for what was charged, in nanoseconds.
        added: u64,
    },
    Concurrent {
        cap: Cap,
        /// How many are under way, own included once charged; or when that is known.
        held: Result<u32, u64>,
        /// What was taken, once it is to be written.
        ticket: Option<Ticket>,
    },
    Patients {
        budget: Budget,
        /// How many were shown, and until when they count.
        used: (u32, u64),
    },
}

impl Slip {
    pub fn new(charge: &Charge<'_>, place: Place) -> Slip {
        let limit: &Limit = charge.limit;
        let priority = limit.priority.as_ref();
        let standing = Standing::new(priority, charge.priority);
        let kind = match &limit.measure {
            Measure::Rate { quota, cost } => Kind::Rate {
                quota: quota.of(priority, standing),
                count: charge.count,
                unit: 1,
                owed: Owed::answer(*quota, cost, place),
                tat: 0,
                added: 0,
            },
            Measure::Concurrent(cap) => Kind::Concurrent {
                cap: cap.of(priority, standing),
                held: Ok(0),
                ticket: None,
            },
            Measure::Patients(budget) => Kind::Patients {
                budget: budget.of(priority, standing),
                used: (0, 0),
            },
        };
        Slip {
            name: limit.name.clone(),
            place,
            charged: false,
            standing,
            borrowed: false,
            uncounted: false,
            crowded: false,
            kind,
        }
    }

    /// Tightens the limit so many times, for this exchange: a request costs so much more, up to all that
    /// the bucket holds, and so many fewer may be under way, at least one. The bucket itself stays as it is, so
    /// nothing is forgiven when that ends. Whether there was anything to tighten: who goes first is spared, and
    /// budgets of patients are not touched.
    pub fn clamp(&mut self, by: u32) -> bool {
        if self.standing != Standing::Plain || by <= 1 {
            return false;
        }
        match &mut self.kind {
            Kind::Rate {
                quota, count, unit, ..
            } => {
                *unit = by.min(quota.burst()).max(1);
                *count = count.saturating_mul(by).min(quota.burst());
                true
            }
            Kind::Concurrent { cap, .. } => {
                let most = (cap.most() / by).max(1);
                *cap = cap.keeping(cap.most().saturating_sub(most));
                true
            }
            Kind::Patients { .. } => false,
        }
    }

    /// Whether the caller has priority.
    pub fn goes_first(&self) -> bool {
        self.standing != Standing::Plain
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it would have been refused, had the caller no priority.
    pub fn borrowed(&self) -> bool {
        self.borrowed
    }

    /// Whether there was no entry for this caller alone.
    pub fn crowded(&self) -> bool {
        self.crowded
    }

    /// Where it cannot be charged: whether it passes all the same.
    pub fn pass_uncounted(&mut self) -> bool {
        let free = self.standing == Standing::Free;
        if free {
            (self.uncounted, self.borrowed) = (true, true);
        }
        free
    }

    /// Takes what a read of its slot found.
    pub fn read(&mut self, slot: &mut Slot, now: u64) {
        let fingerprint = self.place.fingerprint;
        let kind = match &self.kind {
            Kind::Rate { .. } => slot::Kind::Bucket,
            Kind::Concurrent { .. } => slot::Kind::Leases,
            Kind::Patients { .. } => slot::Kind::Patients,
        };
        self.crowded = slot.crowds(kind, fingerprint, now);
        match &mut self.kind {
            Kind::Rate { quota, tat, .. } => *tat = slot.find(fingerprint, quota, now),
            Kind::Concurrent { cap, held, .. } => *held = slot.held(fingerprint, cap, now),
            Kind::Patients { budget, used, .. } => *used = slot.used(fingerprint, budget, now),
        }
    }

    /// The first instant at which this limit admits, if it does not now; none once charged.
    pub fn refused_until(&self, now: u64) -> Option<u64> {
        match self.standing {
            _ if self.charged => None,
            Standing::Free => None,
            Standing::Plain | Standing::First(_) => self.refused_keeping(0, now),
        }
    }

    /// The same, where so much of it were kept for others.
    fn refused_keeping(&self, kept: u32, now: u64) -> Option<u64> {
        match &self.kind {
            Kind::Rate {
                quota, count, tat, ..
            } => match quota.keeping(kept).decide(*tat, now, *count) {
                Decision::RefuseUntil(instant) => Some(instant),
                Decision::Admit(_) => None,
            },
            Kind::Concurrent { cap, held, .. } => match held {
                // Nobody knows when one ends.
                Ok(held) if *held >= cap.keeping(kept).most() => Some(now.saturating_add(SECOND)),
                Ok(_) => None,
                Err(instant) => Some(*instant),
            },
            Kind::Patients { budget, used, .. } => {
                let (used, until) = *used;
                (used >= budget.keeping(kept).most()).then_some(until)
            }
        }
    }

    /// Charges it in its slot, unless it refuses. What was shown is counted afterwards.
    pub fn charge(&mut self, slot: &mut Slot, now: u64) -> Charged {
        if self.charged || self.uncounted {
            return Charged::Unchanged;
        }
        if self.refused_until(now).is_some() {
            return Charged::Refused;
        }
        self.borrowed = match self.standing {
            Standing::Plain => false,
            Standing::First(kept) => self.refused_keeping(kept, now).is_some(),
            Standing::Free => self.refused_keeping(0, now).is_some(),
        };
        let fingerprint = self.place.fingerprint;
        match &mut self.kind {
            Kind::Rate {
                quota,
                count,
                tat,
                added,
                ..
            } => {
                let next = next(quota, *tat, now, *count);
                *added = next.saturating_sub((*tat).max(now));
                *tat = next;
                slot.put(fingerprint, next, now);
                Charged::Changed
            }
            Kind::Concurrent { cap, held, ticket } => match slot.take(fingerprint, cap, now) {
                Some(taken) => {
                    *ticket = Some(taken);
                    *held = held.map(|held| held.saturating_add(1));
                    Charged::Changed
                }
                None if self.pass_uncounted() => Charged::Unchanged,
                None => Charged::Refused,
            },
            Kind::Patients { .. } => Charged::Unchanged,
        }
    }

    /// What was charged is written.
    pub fn written(&mut self) {
        self.charged |= !self.uncounted;
    }

    /// What is left of it.
    pub fn remaining(&self, now: u64) -> Remaining {
        let name = self.name.clone();
        match &self.kind {
            Kind::Rate {
                quota, tat, unit, ..
            } => Remaining {
                name,
                remaining: quota.remaining(*tat, now) / unit,
                reset_seconds: seconds_until(self.refused_until(now).unwrap_or(*tat), now),
                burst: (quota.burst() / unit).max(1),
                window_seconds: quota.window_seconds(),
                concurrent: false,
                patients: false,
            },
            Kind::Concurrent { cap, held, .. } => Remaining {
                name,
                remaining: held.map_or(0, |held| cap.most().saturating_sub(held)),
                reset_seconds: seconds_until(self.refused_until(now).unwrap_or(now), now),
                burst: cap.most(),
                window_seconds: 0,
                concurrent: true,
                patients: false,
            },
            Kind::Patients { budget, used, .. } => Remaining {
                name,
                remaining: budget.most().saturating_sub(used.0),
                reset_seconds: seconds_until(used.1, now),
                burst: budget.most(),
                window_seconds: budget.window_seconds(),
                concurrent: false,
                patients: true,
            },
        }
    }

    /// What was charged to a bucket at `now`, to be given back.
    pub fn refund(&self, now: u64) -> Option<Owed> {
        match &self.kind {
            Kind::Rate { added, .. } if self.charged => Owed::refund(*added, now, self.place),
            _ => None,
        }
    }

    /// What is to be done when the answer has ended.
    pub fn owed(&self) -> Option<Owed> {
        match &self.kind {
            _ if !self.charged => None,
            Kind::Rate { owed, .. } => *owed,
            Kind::Concurrent { cap, ticket, .. } => Some(Owed::lease(*cap, (*ticket)?, self.place)),
            Kind::Patients { budget, .. } => Some(Owed::patients(*budget, self.place)),
        }
    }
}

/// When the bucket is full again that was charged this, by a caller who is admitted. Whom it never refuses
/// overdraws it, as far as it can be.
fn next(quota: &Quota, tat: u64, now: u64, count: u32) -> u64 {
    match quota.decide(tat, now, count) {
        Decision::Admit(next) => next,
        Decision::RefuseUntil(_) => quota.owe(tat, now, count),
    }
}
