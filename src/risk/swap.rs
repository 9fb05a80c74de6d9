//! One key of shared data with a few entries, changed by compare-and-swap.

use crate::shared::{Answer, Step};

/// Entries of one key.
pub(super) const ENTRIES: usize = 4;

/// How often a write is tried.
const TRIES: u32 = 8;

/// What is stored of somebody.
pub(super) trait Kept: Clone + PartialEq {
    /// What stands before the entries of a key.
    const MAGIC: [u8; 4];
    /// The length of one.
    const BYTES: usize;

    /// Somebody of whom nothing is known.
    fn new(fingerprint: [u8; 16], milliseconds: u64) -> Self;
    /// The entry in so many bytes: any of them are one.
    fn read(bytes: &[u8]) -> Self;
    /// Adds the bytes to store.
    fn write(&self, out: &mut Vec<u8>);
    fn fingerprint(&self) -> &[u8; 16];
    /// When it was last heard of them, in milliseconds since 1970.
    fn updated(&self) -> u64;
}

/// The entries in these bytes; none in bytes that nobody here wrote.
fn entries<E: Kept>(bytes: &[u8]) -> Vec<E> {
    let Some(bytes) = bytes.strip_prefix(&E::MAGIC) else {
        return Vec::new();
    };
    let chunks = bytes.chunks_exact(E::BYTES);
    match chunks.remainder().is_empty() && chunks.len() <= ENTRIES {
        true => chunks.map(E::read).collect(),
        false => Vec::new(),
    }
}

/// Somebody, among the entries of a key.
pub(super) fn find<E: Kept>(bytes: &[u8], fingerprint: &[u8; 16]) -> Option<E> {
    let mut entries = entries::<E>(bytes).into_iter();
    entries.find(|entry| entry.fingerprint() == fingerprint)
}

/// Changes what is known of somebody; what came of it, and the value to store where anything is to be. Where
/// there is no room, who was quiet for longest gives way.
pub(super) fn change<E: Kept, T>(
    bytes: &[u8],
    fingerprint: [u8; 16],
    milliseconds: u64,
    change: impl FnOnce(&mut E) -> T,
) -> (T, Option<Vec<u8>>) {
    let mut entries = entries::<E>(bytes);
    let own = |entry: &E| *entry.fingerprint() == fingerprint;
    let place = entries.iter().position(own);
    let known = place.map(|place| entries.swap_remove(place));
    let new = || E::new(fingerprint, milliseconds);
    let mut entry = known.clone().unwrap_or_else(new);
    let outcome = change(&mut entry);
    // Most requests say nothing about most callers.
    if known.as_ref() == Some(&entry) || (known.is_none() && entry == new()) {
        return (outcome, None);
    }
    if entries.len() >= ENTRIES {
        let quiet = (0..).zip(&entries).min_by_key(|(_, entry)| entry.updated());
        if let Some(place) = quiet.map(|(place, _)| place) {
            entries.swap_remove(place);
        }
    }
    entries.push(entry);
    let mut value = Vec::with_capacity(E::MAGIC.len() + ENTRIES * E::BYTES);
    value.extend(E::MAGIC);
    entries.iter().for_each(|entry| entry.write(&mut value));
    (outcome, Some(value))
}

/// A read and, where something changes, a write; again where another worker was faster.
#[derive(Debug)]
pub(super) struct Swap<T> {
    key: String,
    tries: u32,
    phase: Phase<T>,
}

#[derive(Debug)]
enum Phase<T> {
    Read,
    Write {
        value: Vec<u8>,
        version: Option<u32>,
        outcome: T,
    },
    Done(T),
}

impl<T: Clone + Default> Swap<T> {
    pub fn new(key: String) -> Self {
        Swap {
            key,
            tries: 0,
            phase: Phase::Read,
        }
    }

    pub fn step(&self) -> Step<'_, T> {
        match &self.phase {
            Phase::Read => Step::Read { key: &self.key },
            Phase::Write { value, version, .. } => Step::Write {
                key: &self.key,
                value,
                version: *version,
            },
            Phase::Done(outcome) => Step::Done(outcome.clone()),
        }
    }

    /// What came of it, once it is done.
    pub fn done(&self) -> Option<&T> {
        match &self.phase {
            Phase::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Takes the answer to the step; `change` says what becomes of the value that was read.
    pub fn answer(&mut self, answer: Answer, change: impl FnOnce(&[u8]) -> (T, Option<Vec<u8>>)) {
        let phase = std::mem::replace(&mut self.phase, Phase::Read);
        self.phase = match (phase, answer) {
            (Phase::Done(outcome), _) => Phase::Done(outcome),
            (Phase::Read, Answer::Value { bytes, version }) => {
                self.tries += 1;
                match change(&bytes.unwrap_or_default()) {
                    (outcome, None) => Phase::Done(outcome),
                    (outcome, Some(value)) => Phase::Write {
                        value,
                        version,
                        outcome,
                    },
                }
            }
            (Phase::Write { .. }, Answer::Conflict) if self.tries < TRIES => Phase::Read,
            (Phase::Write { outcome, .. }, _) => Phase::Done(outcome),
            (Phase::Read, _) => Phase::Done(T::default()),
        };
    }
}
