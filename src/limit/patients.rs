//! How many different patients within a window: a few sketches in a slot, never trusted.

use super::quota::SECOND;
use super::sketch::Sketch;
use super::slot::{Fingerprint, OVERFLOW, SKEW};

/// Callers of a slot, besides the sketch for overflow.
pub(super) const ENTRIES: usize = 8;

/// The longest window, in seconds: 31 days.
const LONGEST: u64 = 31 * 86_400;

const MAGIC: [u8; 4] = *b"FGP\x01";

/// How many different patients one may be shown, from one end of a window to the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    most: u32,
    /// Nanoseconds.
    window: u64,
}

impl Budget {
    /// The most that a budget may be.
    pub const MOST: u32 = 10_000;

    /// `most` in each window of so many seconds. Windows are counted from 1970, so that those of a day end at
    /// midnight UTC.
    ///
    /// # Errors
    ///
    /// Nobody or more than [`Budget::MOST`], and a window below a minute or above 31 days.
    pub fn new(most: u32, window: u64) -> Result<Budget, &'static str> {
        if !(1..=Budget::MOST).contains(&most) {
            return Err("patients: expected 1 to 10000");
        }
        if !(60..=LONGEST).contains(&window) {
            return Err("window: expected a minute to 31 days");
        }
        Ok(Budget {
            most,
            window: window * SECOND,
        })
    }

    /// The most patients.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Seconds of a window.
    pub fn window_seconds(&self) -> u64 {
        self.window / SECOND
    }

    /// The same for those for whom so much is kept back; at least 1 remains to them.
    pub(super) fn with_less(self, kept: u32) -> Budget {
        Budget {
            most: self.most.saturating_sub(kept).max(1),
            ..self
        }
    }

    /// When the window ends that this instant is in.
    pub(super) fn end(&self, now: u64) -> u64 {
        let whole = now.checked_div(self.window).unwrap_or(0);
        whole.saturating_add(1).saturating_mul(self.window)
    }
}

/// Patients who were shown, and what nobody knows before they are: with it nobody can choose patients who
/// look like few.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// A number for each, the same wherever it is made.
    pub patients: Vec<u64>,
    /// Begins a new sketch.
    pub salt: u64,
}

/// One slot: `magic 4, rebuilt_at u64`, then up to 9 entries `fingerprint 16, ends u64, salt u64` and a
/// sketch, sorted; numbers are big-endian, times nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct PatientSlot {
    /// When the slot was rebuilt, 0 if never: every budget counts as used up to the end of that window.
    rebuilt_at: u64,
    entries: Vec<Entry>,
    mended: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// When its window ends.
    ends: u64,
    salt: u64,
    sketch: Sketch,
}

impl PatientSlot {
    /// A slot that was never written.
    pub fn fresh() -> PatientSlot {
        PatientSlot {
            rebuilt_at: 0,
            entries: Vec::new(),
            mended: false,
        }
    }

    /// The slot that a read found, rebuilt if it is damaged.
    pub fn of(bytes: Option<Vec<u8>>, version: Option<u32>, now: u64) -> PatientSlot {
        match (bytes, version) {
            (None, None) => PatientSlot::fresh(),
            (bytes, _) => parse(&bytes.unwrap_or_default(), now).unwrap_or(PatientSlot {
                rebuilt_at: now.max(1),
                entries: Vec::new(),
                mended: true,
            }),
        }
    }

    /// Whether the slot must be written even if nothing is added.
    pub fn mended(&self) -> bool {
        self.mended
    }

    /// How many patients count, and until when.
    pub fn used(&mut self, fingerprint: Fingerprint, budget: &Budget, now: u64) -> (u32, u64) {
        let rebuilt = budget.end(self.rebuilt_at);
        if self.rebuilt_at != 0 && rebuilt > now {
            return (u32::MAX, rebuilt);
        }
        let end = budget.end(now);
        let latest = now.saturating_add(budget.window).saturating_add(2 * SKEW);
        if let Some(entry) = self.live(fingerprint, now) {
            let ahead = entry.ends > latest;
            if ahead {
                // The clock has stepped back: it counts for this window, so that it ends.
                entry.ends = end;
            }
            let found = (entry.sketch.count(), entry.ends);
            self.mended |= ahead;
            return found;
        }
        let Some(shared) = self.live(OVERFLOW, now).cloned() else {
            return (0, end);
        };
        // Nobody's own part lasts longer than the own window: where there is room, that is where it goes on.
        let used = shared.sketch.count();
        if shared.ends > end && self.has_room(now) {
            let ends = end;
            self.insert(Entry {
                fingerprint,
                ends,
                ..shared
            });
            self.mended = true;
            return (used, end);
        }
        (used, shared.ends)
    }

    /// Adds those who were shown; whether that made a difference.
    pub fn show(
        &mut self,
        fingerprint: Fingerprint,
        budget: &Budget,
        shown: &Shown,
        now: u64,
    ) -> bool {
        let end = budget.end(now);
        let new = |fingerprint| Entry {
            fingerprint,
            ends: end,
            salt: shown.salt,
            sketch: Sketch::empty(),
        };
        if self.live(fingerprint, now).is_some() {
            return self.add(fingerprint, shown);
        }
        self.entries
            .retain(|entry| entry.fingerprint != fingerprint);
        let shared = self.live(OVERFLOW, now).cloned();
        if self.has_room(now) {
            self.insert(match shared {
                // What was counted for all who shared it counts for each of them.
                Some(shared) => Entry {
                    fingerprint,
                    ends: end,
                    ..shared
                },
                None => new(fingerprint),
            });
            self.add(fingerprint, shown);
            return true;
        }
        match shared {
            Some(_) => {
                if let Some(entry) = self.live(OVERFLOW, now) {
                    entry.ends = entry.ends.max(end);
                }
            }
            None => {
                self.entries.retain(|entry| entry.fingerprint != OVERFLOW);
                self.insert(new(OVERFLOW));
            }
        }
        self.add(OVERFLOW, shown);
        true
    }

    /// The bytes to store.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + 64 * self.entries.len());
        bytes.extend(MAGIC);
        bytes.extend(self.rebuilt_at.to_be_bytes());
        for entry in &self.entries {
            bytes.extend(entry.fingerprint);
            bytes.extend(entry.ends.to_be_bytes());
            bytes.extend(entry.salt.to_be_bytes());
            entry.sketch.write(&mut bytes);
        }
        bytes
    }

    /// The entry whose window has not ended.
    fn live(&mut self, fingerprint: Fingerprint, now: u64) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.fingerprint == fingerprint && entry.ends > now)
    }

    fn add(&mut self, fingerprint: Fingerprint, shown: &Shown) -> bool {
        let mut entries = self.entries.iter_mut();
        let entry = entries.find(|entry| entry.fingerprint == fingerprint);
        let Some(Entry { salt, sketch, .. }) = entry else {
            return false;
        };
        let mut more = false;
        for patient in &shown.patients {
            more |= sketch.add(salted(*patient, *salt));
        }
        more
    }

    fn insert(&mut self, entry: Entry) {
        let place = self
            .entries
            .partition_point(|other| other.fingerprint < entry.fingerprint);
        self.entries.insert(place, entry);
    }

    /// Whether there is room for another caller, if need be once those are gone whose windows have ended, for
    /// a slower clock too.
    fn has_room(&mut self, now: u64) -> bool {
        if own(&self.entries) >= ENTRIES {
            self.entries
                .retain(|entry| entry.ends.saturating_add(SKEW) > now);
        }
        own(&self.entries) < ENTRIES
    }
}

fn own(entries: &[Entry]) -> usize {
    let own = entries.iter().filter(|entry| entry.fingerprint != OVERFLOW);
    own.count()
}

/// A hash of the patient that only this sketch has.
fn salted(patient: u64, salt: u64) -> u64 {
    let text = (u128::from(salt) << 64 | u128::from(patient)).to_be_bytes();
    let digest: [u8; 32] = blake3::hash(&text).into();
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

fn parse(bytes: &[u8], now: u64) -> Option<PatientSlot> {
    let (magic, bytes) = bytes.split_first_chunk::<4>()?;
    let (rebuilt_at, mut rest) = bytes.split_first_chunk::<8>()?;
    if *magic != MAGIC {
        return None;
    }
    // What no window can reach would take up room for ever.
    let latest = now
        .saturating_add(LONGEST * SECOND)
        .saturating_add(2 * SKEW);
    let mut entries: Vec<Entry> = Vec::new();
    while !rest.is_empty() {
        let (fingerprint, bytes) = rest.split_first_chunk::<16>()?;
        let (ends, bytes) = bytes.split_first_chunk::<8>()?;
        let (salt, bytes) = bytes.split_first_chunk::<8>()?;
        let (sketch, bytes) = Sketch::read(bytes)?;
        let entry = Entry {
            fingerprint: *fingerprint,
            ends: u64::from_be_bytes(*ends),
            salt: u64::from_be_bytes(*salt),
            sketch,
        };
        let last = entries.last();
        let unsorted = last.is_some_and(|last| last.fingerprint >= entry.fingerprint);
        if unsorted || entry.ends > latest || entries.len() > ENTRIES {
            return None;
        }
        entries.push(entry);
        rest = bytes;
    }
    if own(&entries) > ENTRIES {
        return None;
    }
    let rebuilt_at = u64::from_be_bytes(*rebuilt_at);
    let mended = rebuilt_at > now.saturating_add(SKEW);
    Some(PatientSlot {
        rebuilt_at: if mended { now.max(1) } else { rebuilt_at },
        entries,
        mended,
    })
}
