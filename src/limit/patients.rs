//! How many different patients within a window: a few sketches in a slot, never trusted.

use super::quota::SECOND;
use super::sketch::Sketch;
use super::slot::{Content, Entry, Fingerprint, Kind, SKEW, Slot};

/// The longest window, in seconds: 31 days.
pub(super) const LONGEST: u64 = 31 * 86_400;

/// The entry of those who have none of their own.
const OVERFLOW: Fingerprint = Kind::Patients.overflow();

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

impl Slot {
    /// How many patients count, and until when.
    pub fn used(&mut self, fingerprint: Fingerprint, budget: &Budget, now: u64) -> (u32, u64) {
        let rebuilt = budget.end(self.rebuilt_at);
        if self.rebuilt_at != 0 && rebuilt > now {
            return (u32::MAX, rebuilt);
        }
        let end = budget.end(now);
        let latest = now.saturating_add(budget.window).saturating_add(2 * SKEW);
        if let Some(entry) = self.live(fingerprint, now) {
            let ahead = entry.until > latest;
            if ahead {
                // The clock has stepped back: it counts for this window, so that it ends.
                entry.until = end;
            }
            let found = (entry.patients(), entry.until);
            self.mended |= ahead;
            return found;
        }
        let Some(shared) = self.live(OVERFLOW, now).cloned() else {
            return (0, end);
        };
        // Nobody's own part lasts longer than the own window: where there is room, that is where it goes on.
        let used = shared.patients();
        if shared.until > end && self.has_room(Kind::Patients, now) {
            self.insert(Entry {
                fingerprint,
                until: end,
                ..shared
            });
            self.mended = true;
            return (used, end);
        }
        (used, shared.until)
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
            until: end,
            content: Content::Patients {
                salt: shown.salt,
                sketch: Sketch::empty(),
            },
        };
        if self.live(fingerprint, now).is_some() {
            return self.add(fingerprint, shown);
        }
        self.entries
            .retain(|entry| entry.fingerprint != fingerprint);
        let shared = self.live(OVERFLOW, now).cloned();
        if self.has_room(Kind::Patients, now) {
            self.insert(match shared {
                // What was counted for all who shared it counts for each of them.
                Some(shared) => Entry {
                    fingerprint,
                    until: end,
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
                    entry.until = entry.until.max(end);
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

    /// The entry whose window has not ended.
    fn live(&mut self, fingerprint: Fingerprint, now: u64) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.fingerprint == fingerprint && entry.until > now)
    }

    fn add(&mut self, fingerprint: Fingerprint, shown: &Shown) -> bool {
        let Some(entry) = self.entry(fingerprint) else {
            return false;
        };
        let Content::Patients { salt, sketch } = &mut entry.content else {
            return false;
        };
        let mut more = false;
        for patient in &shown.patients {
            more |= sketch.add(salted(*patient, *salt));
        }
        more
    }
}

impl Entry {
    /// How many patients; no other entry has this place.
    fn patients(&self) -> u32 {
        match &self.content {
            Content::Patients { sketch, .. } => sketch.count(),
            Content::Bucket | Content::Leases(_) => u32::MAX,
        }
    }
}

/// A hash of the patient that only this sketch has.
fn salted(patient: u64, salt: u64) -> u64 {
    let text = (u128::from(salt) << 64 | u128::from(patient)).to_be_bytes();
    let digest: [u8; 32] = blake3::hash(&text).into();
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}
