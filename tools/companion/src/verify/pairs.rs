//! Intents and records of one chain: what a repository was told before an exchange went on, and what became of it.

use std::collections::BTreeMap;

use super::finding::Place;
use super::ranges::Ranges;
use crate::line::Time;

/// What has only one half, by its ticket.
#[derive(Debug, Default)]
pub struct Pairs {
    intents: Ranges,
    records: Ranges,
    /// Intents without a record.
    pub open: BTreeMap<u64, (Place, Option<Time>)>,
    /// Records, with their numbers, which say that their intents were acknowledged, and the intents are not there.
    pub alone: BTreeMap<u64, (Place, u64)>,
}

impl Pairs {
    /// Takes an intent; whether it is new. It may come more than once: it is sent again where nobody heard the answer.
    /// Nothing vouches for its time, so the earliest counts: a line that says that it was later, in any of the files,
    /// does not make it look under way.
    pub fn intent(&mut self, ticket: u64, place: Place, time: Option<Time>) -> bool {
        let new = self.intents.insert(ticket);
        self.alone.remove(&ticket);
        if new && !self.records.contains(ticket) {
            self.open.insert(ticket, (place, time));
        } else if let Some((_, known)) = self.open.get_mut(&ticket) {
            // None is the earliest of all.
            *known = time.min(*known);
        }
        new
    }

    /// Takes a record of this number.
    pub fn record(&mut self, ticket: u64, announced: bool, place: Place, seq: u64) {
        self.records.insert(ticket);
        self.open.remove(&ticket);
        if announced && !self.intents.contains(ticket) {
            self.alone.insert(ticket, (place, seq));
        }
    }
}
