//! The value of one key of shared data: what is known of a few callers, never trusted.
//!
//! Buckets, leases and counts of patients have one frame: a fingerprint, an instant from which the entry says
//! nothing more, and what else there is. Whoever has several limits by the same key has them in one slot, so
//! that they cost one read and one write together.

use super::lease::{self, PARTS};
use super::patients;
use super::quota::{LONGEST_REFILL, SECOND};
use super::sketch::Sketch;

/// Which entry of a slot: a part of the hash of limit and caller, whose last two bits are a [`Kind`].
pub(super) type Fingerprint = [u8; 16];

/// By how much the clocks of two workers may differ, in nanoseconds, without anyone gaining by it.
/// Each worker reads the clock before it reads the slot, and may be held up in between.
pub(super) const SKEW: u64 = SECOND;

const MAGIC: [u8; 4] = *b"FGL\x02";

/// What an entry is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A bucket: full again at its instant.
    Bucket = 1,
    /// Leases: the last of them ends at its instant.
    Leases = 2,
    /// Patients who were shown: the window ends at its instant.
    Patients = 3,
}

/// Which slots there are: what stands in one of the one kind is read and written more often than that of the other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Table {
    /// Of buckets and leases.
    Limits,
    /// Of patients.
    Patients,
}

/// One slot: `magic 4, rebuilt_at u64`, then sorted entries of `fingerprint 16, until u64` and, of leases, 8
/// counts of u16; of patients, `salt u64` and a sketch. Numbers are big-endian, times nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// When the slot was rebuilt, 0 if never: what it does not hold was as bad as can be at that instant.
    pub rebuilt_at: u64,
    pub entries: Vec<Entry>,
    /// Whether what was read had to be mended. Such a slot must be written even for a refusal:
    /// otherwise every read would mend it anew, with a later instant, and it would never heal.
    pub mended: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub fingerprint: Fingerprint,
    /// From then on it says as much as none; for a slower clock too, once it has been so for the skew.
    pub until: u64,
    pub content: Content,
}

/// What else an entry has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    Bucket,
    Leases([u16; PARTS as usize]),
    Patients { salt: u64, sketch: Sketch },
}

impl Kind {
    /// Callers of a slot, besides those who share the one entry for overflow.
    pub const fn room(self) -> usize {
        match self {
            Kind::Bucket => 32,
            Kind::Leases => 16,
            Kind::Patients => 8,
        }
    }

    /// The fingerprint of the entry for overflow; no caller has it.
    pub const fn overflow(self) -> Fingerprint {
        (self as u128).to_be_bytes()
    }

    /// This hash as a fingerprint of this kind, which is never that of the overflow.
    pub fn fingerprint(self, hash: [u8; 16]) -> Fingerprint {
        let hash = u128::from_be_bytes(hash);
        ((hash & !3).max(4) | self as u128).to_be_bytes()
    }

    fn of(fingerprint: Fingerprint) -> Option<Kind> {
        match u128::from_be_bytes(fingerprint) & 3 {
            1 => Some(Kind::Bucket),
            2 => Some(Kind::Leases),
            3 => Some(Kind::Patients),
            _ => None,
        }
    }

    fn table(self) -> Table {
        match self {
            Kind::Bucket | Kind::Leases => Table::Limits,
            Kind::Patients => Table::Patients,
        }
    }

    /// What lies further ahead than so many nanoseconds is damage: it would take up room for ever.
    fn longest(self) -> u64 {
        match self {
            Kind::Bucket => LONGEST_REFILL,
            Kind::Leases => lease::LONGEST_LIFE,
            Kind::Patients => patients::LONGEST * SECOND,
        }
    }
}

impl Slot {
    /// A slot that was never written.
    pub fn fresh() -> Slot {
        Slot {
            rebuilt_at: 0,
            entries: Vec::new(),
            mended: false,
        }
    }

    /// The slot that a read found, rebuilt if it is damaged.
    pub fn of(table: Table, bytes: Option<&[u8]>, version: Option<u32>, now: u64) -> Slot {
        match (bytes, version) {
            (None, None) => Slot::fresh(),
            (bytes, _) => parse(table, bytes.unwrap_or_default(), now).unwrap_or(Slot {
                // 0 would mean never.
                rebuilt_at: now.max(1),
                entries: Vec::new(),
                mended: true,
            }),
        }
    }

    /// Appends the bytes to store.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        out.extend(self.rebuilt_at.to_be_bytes());
        for entry in &self.entries {
            out.extend(entry.fingerprint);
            out.extend(entry.until.to_be_bytes());
            match &entry.content {
                Content::Bucket => {}
                Content::Leases(counts) => {
                    out.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
                }
                Content::Patients { salt, sketch } => {
                    out.extend(salt.to_be_bytes());
                    sketch.write(out);
                }
            }
        }
    }

    /// The entry of this caller.
    pub fn entry(&mut self, fingerprint: Fingerprint) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.fingerprint == fingerprint)
    }

    /// Whether there is room for another caller, if need be once those are gone who have nothing.
    pub fn has_room(&mut self, kind: Kind, now: u64) -> bool {
        if own(&self.entries, kind) >= kind.room() {
            self.entries.retain(|entry| !entry.is_idle(now));
        }
        own(&self.entries, kind) < kind.room()
    }

    /// Whether this caller has to share what is known of others.
    pub fn crowds(&mut self, kind: Kind, fingerprint: Fingerprint, now: u64) -> bool {
        let overflow = self.entry(kind.overflow()).map(|entry| entry.until);
        let shares = overflow.is_some_and(|until| until > now);
        if !shares && self.entries.len() < kind.room() {
            return false;
        }
        self.entry(fingerprint).is_none() && (shares || !self.has_room(kind, now))
    }

    /// Adds an entry, which there was not.
    pub fn insert(&mut self, entry: Entry) {
        let place = self
            .entries
            .partition_point(|other| other.fingerprint < entry.fingerprint);
        self.entries.insert(place, entry);
    }
}

impl Entry {
    /// Whether it equals an absent one, for a slower clock too.
    fn is_idle(&self, now: u64) -> bool {
        self.until.saturating_add(SKEW) <= now
    }
}

fn own(entries: &[Entry], kind: Kind) -> usize {
    let overflow = kind.overflow();
    let own = entries
        .iter()
        .filter(|entry| Kind::of(entry.fingerprint) == Some(kind) && entry.fingerprint != overflow);
    own.count()
}

fn parse(table: Table, bytes: &[u8], now: u64) -> Option<Slot> {
    let (magic, bytes) = bytes.split_first_chunk::<4>()?;
    let (rebuilt_at, mut rest) = bytes.split_first_chunk::<8>()?;
    if *magic != MAGIC {
        return None;
    }
    let rebuilt_at = u64::from_be_bytes(*rebuilt_at);
    // Where nobody has to be remembered for what others did, who has nothing left is not.
    let mut keeps_idle = rebuilt_at != 0;
    let mut entries: Vec<Entry> = Vec::with_capacity(rest.len() / 24 + 2);
    let mut counts = [0_usize; 4];
    let mut last: Option<Fingerprint> = None;
    let mut mended = false;
    while !rest.is_empty() {
        let (fingerprint, bytes) = rest.split_first_chunk::<16>()?;
        let (until, bytes) = bytes.split_first_chunk::<8>()?;
        let kind = Kind::of(*fingerprint).filter(|kind| kind.table() == table)?;
        let (content, bytes) = content(kind, bytes)?;
        let mut entry = Entry {
            fingerprint: *fingerprint,
            until: u64::from_be_bytes(*until),
            content,
        };
        let latest = now.saturating_add(kind.longest()).saturating_add(2 * SKEW);
        if entry.until > latest {
            if kind != Kind::Leases {
                return None;
            }
            // So far a clock may have stepped back: no reason to forget the buckets beside it.
            entry.until = latest;
            mended = true;
        }
        if last.is_some_and(|last| last >= *fingerprint) {
            return None;
        }
        (last, rest) = (Some(*fingerprint), bytes);
        let idle = entry.is_idle(now);
        if *fingerprint == kind.overflow() {
            if kind == Kind::Leases {
                return None;
            }
            keeps_idle |= !idle;
        } else {
            let count = counts.get_mut(kind as usize)?;
            *count += 1;
            if *count > kind.room() {
                return None;
            }
        }
        if keeps_idle || !idle {
            entries.push(entry);
        }
    }
    let ahead = rebuilt_at > now.saturating_add(SKEW);
    mended |= ahead;
    Some(Slot {
        rebuilt_at: if ahead { now.max(1) } else { rebuilt_at },
        entries,
        mended,
    })
}

/// What else an entry of this kind has, and what stands behind it.
fn content(kind: Kind, bytes: &[u8]) -> Option<(Content, &[u8])> {
    match kind {
        Kind::Bucket => Some((Content::Bucket, bytes)),
        Kind::Leases => {
            let (counts, rest) = bytes.split_first_chunk::<{ 2 * PARTS as usize }>()?;
            let (counts, _) = counts.as_chunks::<2>();
            let counts = counts.first_chunk::<{ PARTS as usize }>()?;
            Some((Content::Leases(counts.map(u16::from_be_bytes)), rest))
        }
        Kind::Patients => {
            let (salt, bytes) = bytes.split_first_chunk::<8>()?;
            let (sketch, rest) = Sketch::read(bytes)?;
            let salt = u64::from_be_bytes(*salt);
            Some((Content::Patients { salt, sketch }, rest))
        }
    }
}
