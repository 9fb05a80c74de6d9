//! How many at once: leases that end by themselves, a few counts for each caller, never trusted.

use super::quota::SECOND;
use super::slot::{Content, Entry, Fingerprint, Kind, Slot};

/// The longest lease, in seconds.
const LONGEST: u64 = 3600;

/// Parts of the life of a lease: each is counted in the one in which it was taken.
pub(super) const PARTS: u64 = 8;

/// The longest time, in nanoseconds, after which a lease has ended for certain.
pub(super) const LONGEST_LIFE: u64 = (LONGEST * SECOND).div_ceil(PARTS - 1) * PARTS;

/// The most that may be under way at once, and how long one counts that says nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cap {
    most: u16,
    /// Nanoseconds of a part of the life of a lease.
    part: u64,
}

impl Cap {
    /// The most that a cap may be.
    pub const MOST: u32 = 10_000;

    /// `most` at once. One that has not been heard of for `lease` seconds, and at most 8/7 of it, counts
    /// no more.
    ///
    /// # Errors
    ///
    /// None or more than [`Cap::MOST`] at once, and a lease below 10 seconds or above an hour.
    pub fn new(most: u32, lease: u64) -> Result<Cap, &'static str> {
        let fitting = u16::try_from(most).ok();
        let Some(most) = fitting.filter(|most| (1..=Cap::MOST).contains(&u32::from(*most))) else {
            return Err("concurrent: expected 1 to 10000");
        };
        if !(10..=LONGEST).contains(&lease) {
            return Err("lease: expected 10 seconds to an hour");
        }
        Ok(Cap {
            most,
            part: (lease * SECOND).div_ceil(PARTS - 1),
        })
    }

    /// The same for those for whom so much is kept back; at least 1 remains to them.
    pub(super) fn with_less(self, kept: u32) -> Cap {
        let kept = u16::try_from(kept).unwrap_or(u16::MAX);
        Cap {
            most: self.most.saturating_sub(kept).max(1),
            ..self
        }
    }

    /// The most at once.
    pub fn most(&self) -> u32 {
        self.most.into()
    }

    /// Nanoseconds after which a lease that nobody renews has ended for certain.
    pub(super) fn life(&self) -> u64 {
        self.part.saturating_mul(PARTS)
    }

    fn part_of(&self, now: u64) -> u64 {
        now.checked_div(self.part).unwrap_or(0)
    }
}

/// A lease that was taken: the part of time in which it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// Whether it was taken in another part of time than this one: whoever is heard of now would not keep it for
    /// all of a lease from now. A clock that is a little behind renews nothing; one that has stepped back does.
    pub fn is_old(self, cap: &Cap, now: u64) -> bool {
        let part = cap.part_of(now);
        part > self.0 || part.saturating_add(1) < self.0
    }
}

/// The counts of one caller, and when the last lease of them ends.
struct Counts<'a> {
    until: &'a mut u64,
    counts: &'a mut [u16; PARTS as usize],
}

impl Slot {
    /// How many are under way; or when that is known again.
    pub fn held(&mut self, fingerprint: Fingerprint, cap: &Cap, now: u64) -> Result<u32, u64> {
        let known = self.rebuilt_at.saturating_add(cap.life());
        if self.rebuilt_at != 0 && known > now {
            return Err(known);
        }
        let mut ahead = false;
        let held = self.counts(fingerprint).map(|mut counts| {
            ahead = counts.is_ahead(cap, now);
            counts.held(cap, now)
        });
        self.mended |= ahead;
        match held {
            Some(held) => Ok(held),
            None if self.has_room(Kind::Leases, now) => Ok(0),
            // Nobody knows whose would end first.
            None => Err(now.saturating_add(SECOND)),
        }
    }

    /// Takes one; absent where there is no room.
    pub fn take(&mut self, fingerprint: Fingerprint, cap: &Cap, now: u64) -> Option<Ticket> {
        if self.entry(fingerprint).is_none() {
            if !self.has_room(Kind::Leases, now) {
                return None;
            }
            self.insert(Entry {
                fingerprint,
                until: 0,
                content: Content::Leases([0; PARTS as usize]),
            });
        }
        let mut own = self.counts(fingerprint)?;
        let part = own.turn(cap, now);
        let count = own.count(part)?;
        // Whoever was not counted must not be given back.
        *count = count.checked_add(1)?;
        Some(Ticket(part))
    }

    /// Gives one back. One that has ended by itself is no more there.
    pub fn give_back(&mut self, fingerprint: Fingerprint, ticket: Ticket, cap: &Cap, now: u64) {
        let Some(mut own) = self.counts(fingerprint) else {
            return;
        };
        let latest = own.turn(cap, now);
        // Of a time that the clock has gone back behind, they were counted anew.
        let part = ticket.0.min(latest);
        if part.saturating_add(PARTS) > latest
            && let Some(count) = own.count(part)
        {
            *count = count.saturating_sub(1);
        }
        let none = Content::Leases([0; PARTS as usize]);
        self.entries.retain(|entry| entry.content != none);
    }

    fn counts(&mut self, fingerprint: Fingerprint) -> Option<Counts<'_>> {
        let Entry { until, content, .. } = self.entry(fingerprint)?;
        match content {
            Content::Leases(counts) => Some(Counts { until, counts }),
            Content::Bucket | Content::Patients { .. } => None,
        }
    }
}

impl Counts<'_> {
    fn held(&mut self, cap: &Cap, now: u64) -> u32 {
        self.turn(cap, now);
        self.counts.iter().map(|count| u32::from(*count)).sum()
    }

    /// Whether it was written at a time that is not near.
    fn is_ahead(&self, cap: &Cap, now: u64) -> bool {
        let latest = cap.part_of(*self.until).saturating_sub(PARTS);
        latest > cap.part_of(now).saturating_add(1)
    }

    /// Lets the time go on to now: what has ended is counted no more. The part that is now.
    fn turn(&mut self, cap: &Cap, now: u64) -> u64 {
        let part = cap.part_of(now);
        let latest = cap.part_of(*self.until).saturating_sub(PARTS);
        let ahead = self.is_ahead(cap, now);
        if ahead {
            // The clock has stepped back. They begin anew, so that they end.
            let all = self
                .counts
                .iter()
                .map(|count| u32::from(*count))
                .sum::<u32>();
            *self.counts = [0; PARTS as usize];
            if let Some(count) = self.count(part) {
                *count = u16::try_from(all).unwrap_or(u16::MAX);
            }
        } else if part >= latest.saturating_add(PARTS) {
            *self.counts = [0; PARTS as usize];
        } else {
            for gone in latest.saturating_add(1)..=part {
                if let Some(count) = self.count(gone) {
                    *count = 0;
                }
            }
        }
        // The clock of another worker may be a little ahead.
        let latest = match ahead {
            true => part,
            false => latest.max(part),
        };
        *self.until = latest.saturating_add(PARTS).saturating_mul(cap.part);
        latest
    }

    fn count(&mut self, part: u64) -> Option<&mut u16> {
        let place = usize::try_from(part % PARTS).ok()?;
        self.counts.get_mut(place)
    }
}
