//! How many at once: leases that end by themselves, a few counts for each caller, never trusted.

use super::quota::SECOND;
use super::slot::{Fingerprint, SKEW};

/// The longest lease, in seconds.
const LONGEST: u64 = 3600;

/// Parts of the life of a lease: each is counted in the one in which it was taken.
const PARTS: u64 = 8;

/// Callers of a slot.
pub(super) const ENTRIES: usize = 16;

const MAGIC: [u8; 4] = *b"FGC\x01";
const ENTRY_BYTES: usize = 40;

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

/// One slot: `magic 4, rebuilt_at u64`, then up to 16 entries `fingerprint 16, until u64, 8 counts of
/// u16`, sorted; numbers are big-endian, times nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct LeaseSlot {
    /// When the slot was rebuilt, 0 if never: every cap counts as used up for one life from then.
    rebuilt_at: u64,
    entries: Vec<Entry>,
    mended: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// When the last lease of it ends.
    until: u64,
    counts: [u16; PARTS as usize],
}

impl LeaseSlot {
    /// A slot that was never written.
    pub fn fresh() -> LeaseSlot {
        LeaseSlot {
            rebuilt_at: 0,
            entries: Vec::new(),
            mended: false,
        }
    }

    /// The slot that a read found, rebuilt if it is damaged.
    pub fn of(bytes: Option<Vec<u8>>, version: Option<u32>, now: u64) -> LeaseSlot {
        match (bytes, version) {
            (None, None) => LeaseSlot::fresh(),
            (bytes, _) => parse(&bytes.unwrap_or_default(), now).unwrap_or(LeaseSlot {
                rebuilt_at: now.max(1),
                entries: Vec::new(),
                mended: true,
            }),
        }
    }

    /// Whether the slot must be written even if nothing is taken.
    pub fn mended(&self) -> bool {
        self.mended
    }

    /// How many are under way; or when that is known again.
    pub fn held(&mut self, fingerprint: Fingerprint, cap: &Cap, now: u64) -> Result<u32, u64> {
        let known = self.rebuilt_at.saturating_add(cap.life());
        if self.rebuilt_at != 0 && known > now {
            return Err(known);
        }
        let mut ahead = false;
        let held = self.entry(fingerprint).map(|entry| {
            ahead = entry.is_ahead(cap, now);
            entry.held(cap, now)
        });
        self.mended |= ahead;
        match held {
            Some(held) => Ok(held),
            None if self.has_room(now) => Ok(0),
            // Nobody knows whose would end first.
            None => Err(now.saturating_add(SECOND)),
        }
    }

    /// Takes one; absent where there is no room.
    pub fn take(&mut self, fingerprint: Fingerprint, cap: &Cap, now: u64) -> Option<Ticket> {
        if self.entry(fingerprint).is_none() {
            if !self.has_room(now) {
                return None;
            }
            let place = self
                .entries
                .partition_point(|entry| entry.fingerprint < fingerprint);
            let entry = Entry {
                fingerprint,
                until: 0,
                counts: [0; PARTS as usize],
            };
            self.entries.insert(place, entry);
        }
        let entry = self.entry(fingerprint)?;
        let part = entry.turn(cap, now);
        let count = entry.count(part)?;
        // Whoever was not counted must not be given back.
        *count = count.checked_add(1)?;
        Some(Ticket(part))
    }

    /// Gives one back. One that has ended by itself is no more there.
    pub fn give_back(&mut self, fingerprint: Fingerprint, ticket: Ticket, cap: &Cap, now: u64) {
        let Some(entry) = self.entry(fingerprint) else {
            return;
        };
        let latest = entry.turn(cap, now);
        // Of a time that the clock has gone back behind, they were counted anew.
        let part = ticket.0.min(latest);
        if part.saturating_add(PARTS) > latest
            && let Some(count) = entry.count(part)
        {
            *count = count.saturating_sub(1);
        }
        self.entries
            .retain(|entry| entry.counts.iter().any(|count| *count > 0));
    }

    /// The bytes to store.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + ENTRY_BYTES * self.entries.len());
        bytes.extend(MAGIC);
        bytes.extend(self.rebuilt_at.to_be_bytes());
        for entry in &self.entries {
            bytes.extend(entry.fingerprint);
            bytes.extend(entry.until.to_be_bytes());
            bytes.extend(entry.counts.iter().flat_map(|count| count.to_be_bytes()));
        }
        bytes
    }

    fn entry(&mut self, fingerprint: Fingerprint) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.fingerprint == fingerprint)
    }

    /// Whether there is room for another caller, if need be once those are gone who have nothing.
    fn has_room(&mut self, now: u64) -> bool {
        if self.entries.len() >= ENTRIES {
            self.entries
                .retain(|entry| entry.until.saturating_add(SKEW) > now);
        }
        self.entries.len() < ENTRIES
    }
}

impl Entry {
    fn held(&mut self, cap: &Cap, now: u64) -> u32 {
        self.turn(cap, now);
        self.counts.iter().map(|count| u32::from(*count)).sum()
    }

    /// Whether it was written at a time that is not near.
    fn is_ahead(&self, cap: &Cap, now: u64) -> bool {
        let latest = cap.part_of(self.until).saturating_sub(PARTS);
        latest > cap.part_of(now).saturating_add(1)
    }

    /// Lets the time go on to now: what has ended is counted no more. The part that is now.
    fn turn(&mut self, cap: &Cap, now: u64) -> u64 {
        let part = cap.part_of(now);
        let latest = cap.part_of(self.until).saturating_sub(PARTS);
        let ahead = self.is_ahead(cap, now);
        if ahead {
            // The clock has stepped back. They begin anew, so that they end.
            let all = self
                .counts
                .iter()
                .map(|count| u32::from(*count))
                .sum::<u32>();
            self.counts = [0; PARTS as usize];
            if let Some(count) = self.count(part) {
                *count = u16::try_from(all).unwrap_or(u16::MAX);
            }
        } else if part >= latest.saturating_add(PARTS) {
            self.counts = [0; PARTS as usize];
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
        self.until = latest.saturating_add(PARTS).saturating_mul(cap.part);
        latest
    }

    fn count(&mut self, part: u64) -> Option<&mut u16> {
        let place = usize::try_from(part % PARTS).ok()?;
        self.counts.get_mut(place)
    }
}

fn parse(bytes: &[u8], now: u64) -> Option<LeaseSlot> {
    let (magic, bytes) = bytes.split_first_chunk::<4>()?;
    let (rebuilt_at, bytes) = bytes.split_first_chunk::<8>()?;
    let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if *magic != MAGIC || !rest.is_empty() || chunks.len() > ENTRIES {
        return None;
    }
    // What no lease can reach would take up room for ever.
    let longest = (LONGEST * SECOND).saturating_mul(PARTS) / (PARTS - 1);
    let latest = now.saturating_add(longest).saturating_add(2 * SKEW);
    let mut entries: Vec<Entry> = Vec::with_capacity(chunks.len() + 1);
    for chunk in chunks {
        let (fingerprint, chunk) = chunk.split_first_chunk::<16>()?;
        let (until, counts) = chunk.split_first_chunk::<8>()?;
        let (counts, _) = counts.as_chunks::<2>();
        let entry = Entry {
            fingerprint: *fingerprint,
            until: u64::from_be_bytes(*until),
            counts: counts
                .first_chunk::<{ PARTS as usize }>()?
                .map(u16::from_be_bytes),
        };
        let unsorted = entries
            .last()
            .is_some_and(|last| last.fingerprint >= entry.fingerprint);
        if unsorted || entry.until > latest {
            return None;
        }
        entries.push(entry);
    }
    let rebuilt_at = u64::from_be_bytes(*rebuilt_at);
    let mended = rebuilt_at > now.saturating_add(SKEW);
    Some(LeaseSlot {
        rebuilt_at: if mended { now.max(1) } else { rebuilt_at },
        entries,
        mended,
    })
}
