//! What came of it all: counts by deed, and every promise that was broken.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::client::{End, Response};

/// Broken promises that are kept with their words; the others are counted.
const TOLD: usize = 20;

#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

/// The counts so far.
#[derive(Clone, Default)]
pub(super) struct Counts {
    /// By the name of the deed.
    pub(super) deeds: BTreeMap<&'static str, Count>,
    /// Broken promises, the first ones in words.
    pub(super) broken: Vec<String>,
    /// How many there are of them.
    pub(super) broken_in_all: u64,
}

/// How one kind of deed ended.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) sent: u64,
    /// Answered with 2xx, completely.
    pub(super) served: u64,
    /// Answered with anything else, completely.
    pub(super) refused: u64,
    /// Answered with 429; also among the refused.
    pub(super) limited: u64,
    /// No answer, or a part of one.
    pub(super) broken_off: u64,
}

impl Tally {
    pub(super) fn count(&self, deed: &'static str, answer: Option<&Response>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.deeds.entry(deed).or_default();
        count.sent += 1;
        match answer {
            Some(answer) if answer.end != End::Complete => count.broken_off += 1,
            Some(answer) if (200..300).contains(&answer.status) => count.served += 1,
            Some(answer) => {
                count.refused += 1;
                count.limited += u64::from(answer.status == 429);
            }
            None => count.broken_off += 1,
        }
    }

    /// A promise was broken: what was done, what was found, what was expected. Never a token.
    pub(super) fn broken(&self, what: String) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.broken_in_all += 1;
        if counts.broken.len() < TOLD {
            eprintln!("BROKEN  {what}");
            counts.broken.push(what);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Counts {
    pub(super) fn sent(&self) -> u64 {
        self.deeds.values().map(|count| count.sent).sum()
    }

    pub(super) fn of(&self, deed: &str) -> Count {
        self.deeds.get(deed).copied().unwrap_or_default()
    }
}
