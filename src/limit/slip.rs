//! One charge on its way: the bucket of a rate, or the leases of a cap.

use super::Limit;
use super::charging::{Charge, Remaining};
use super::key::{Measure, Place};
use super::lease::{Cap, LeaseSlot, Ticket};
use super::patients::{Budget, PatientSlot};
use super::priority::{Keeping as _, Standing};
use super::quota::{Decision, Quota, SECOND, seconds_until};
use super::settling::Owed;
use super::slot::Slot;

/// One limit of the exchange.
pub(super) struct Slip {
    name: String,
    pub place: Place,
    pub version: Option<u32>,
    pub tries: u32,
    pub charged: bool,
    standing: Standing,
    /// It would have been refused, had the caller no priority.
    borrowed: bool,
    /// It passes without being counted.
    uncounted: bool,
    kind: Kind,
}

enum Kind {
    Rate {
        quota: Quota,
        /// How much it is charged.
        count: u32,
        /// What is charged afterwards.
        owed: Option<Owed>,
        slot: Slot,
        /// The bucket, as it was read or as it was charged.
        tat: u64,
        /// How much later it is full again for what was charged, in nanoseconds.
        added: u64,
    },
    Concurrent {
        cap: Cap,
        slot: LeaseSlot,
        /// How many are under way, own included once charged; or when that is known.
        held: Result<u32, u64>,
        /// What was taken, once it is to be written.
        ticket: Option<Ticket>,
    },
    Patients {
        budget: Budget,
        slot: PatientSlot,
        /// How many were shown, and until when they count.
        used: (u32, u64),
    },
}

impl Slip {
    pub fn new(charge: &Charge<'_>) -> Slip {
        let limit: &Limit = charge.limit;
        let place = Place::new(limit, &charge.caller);
        let priority = limit.priority.as_ref();
        let standing = Standing::new(priority, charge.priority);
        let kind = match &limit.measure {
            Measure::Rate { quota, cost } => Kind::Rate {
                quota: quota.of(priority, standing),
                count: charge.count,
                owed: Owed::answer(*quota, cost, &place),
                slot: Slot::fresh(),
                tat: 0,
                added: 0,
            },
            Measure::Concurrent(cap) => Kind::Concurrent {
                cap: cap.of(priority, standing),
                slot: LeaseSlot::fresh(),
                held: Ok(0),
                ticket: None,
            },
            Measure::Patients(budget) => Kind::Patients {
                budget: budget.of(priority, standing),
                slot: PatientSlot::fresh(),
                used: (0, 0),
            },
        };
        Slip {
            name: limit.name.clone(),
            place,
            version: None,
            tries: 0,
            charged: false,
            standing,
            borrowed: false,
            uncounted: false,
            kind,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it would have been refused, had the caller no priority.
    pub fn borrowed(&self) -> bool {
        self.borrowed
    }

    /// Where it cannot be charged: whether it passes all the same.
    pub fn pass_uncounted(&mut self) -> bool {
        let free = self.standing == Standing::Free;
        if free {
            (self.uncounted, self.borrowed) = (true, true);
        }
        free
    }

    /// Whether nothing is to be written before it goes on: what is shown is counted afterwards.
    pub fn passes_unwritten(&mut self, now: u64) -> bool {
        let passes = matches!(self.kind, Kind::Patients { .. })
            && !self.uncounted
            && self.refused_until(now).is_none();
        self.charged |= passes;
        passes
    }

    /// Takes what a read of its slot found.
    pub fn read(&mut self, bytes: Option<Vec<u8>>, found: Option<u32>, now: u64) {
        let fingerprint = self.place.fingerprint;
        match &mut self.kind {
            Kind::Rate {
                quota, slot, tat, ..
            } => {
                *slot = Slot::of(bytes, found, now);
                *tat = slot.find(fingerprint, quota, now);
            }
            Kind::Concurrent {
                cap, slot, held, ..
            } => {
                *slot = LeaseSlot::of(bytes, found, now);
                *held = slot.held(fingerprint, cap, now);
            }
            Kind::Patients { budget, slot, used } => {
                *slot = PatientSlot::of(bytes, found, now);
                *used = slot.used(fingerprint, budget, now);
            }
        }
        self.version = found;
        self.tries += 1;
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

    /// The bytes that charge it; absent where it refuses.
    pub fn charge(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.uncounted || self.refused_until(now).is_some() {
            return None;
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
                slot,
                tat,
                ..
            } => {
                let next = next(quota, *tat, now, *count);
                let mut slot = slot.clone();
                slot.put(fingerprint, next, now);
                Some(slot.bytes())
            }
            Kind::Concurrent {
                cap, slot, ticket, ..
            } => {
                let mut slot = slot.clone();
                *ticket = Some(slot.take(fingerprint, cap, now)?);
                Some(slot.bytes())
            }
            Kind::Patients { slot, .. } => slot.mended().then(|| slot.bytes()),
        }
    }

    /// Those bytes were written.
    pub fn charged(&mut self, now: u64) {
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
            }
            Kind::Concurrent { held, .. } => *held = held.map(|held| held.saturating_add(1)),
            Kind::Patients { .. } => {}
        }
        self.charged = true;
    }

    /// The bytes of a slot that had to be mended, and that no charge has stored.
    pub fn mended(&self) -> Option<Vec<u8>> {
        match &self.kind {
            _ if self.charged || self.uncounted => None,
            Kind::Rate { slot, .. } => slot.mended().then(|| slot.bytes()),
            Kind::Concurrent { slot, .. } => slot.mended().then(|| slot.bytes()),
            Kind::Patients { slot, .. } => slot.mended().then(|| slot.bytes()),
        }
    }

    /// What is left of it.
    pub fn remaining(&self, now: u64) -> Remaining {
        let name = self.name.clone();
        match &self.kind {
            Kind::Rate { quota, tat, .. } => Remaining {
                name,
                remaining: quota.remaining(*tat, now),
                reset_seconds: seconds_until(self.refused_until(now).unwrap_or(*tat), now),
                burst: quota.burst(),
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
            Kind::Rate { added, .. } if self.charged => Owed::refund(*added, now, &self.place),
            _ => None,
        }
    }

    /// What is to be done when the answer has ended.
    pub fn owed(&self) -> Option<Owed> {
        match &self.kind {
            _ if !self.charged => None,
            Kind::Rate { owed, .. } => owed.clone(),
            Kind::Concurrent { cap, ticket, .. } => {
                Some(Owed::lease(*cap, (*ticket)?, &self.place))
            }
            Kind::Patients { budget, .. } => Some(Owed::patients(*budget, &self.place)),
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
