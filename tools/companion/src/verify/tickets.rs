//! Tickets of one chain: what was told of an exchange before it went on, what became of it, and what of that is vouched
//! for.

use std::collections::BTreeMap;

use super::finding::{Findings, Kind, Place};
use super::ranges::Ranges;
use crate::line::{Id, Sealed, Time};

/// What is known by its ticket.
#[derive(Debug, Default)]
pub struct Tickets {
    /// Those of records and of early copies.
    pub told: Ranges,
    /// Those that only early copies have, with their places.
    pub early: BTreeMap<u64, Place>,
    intents: Ranges,
    /// Those of events of what is over.
    events: Ranges,
    /// Intents without a record.
    pub open: BTreeMap<u64, (Place, Option<Time>)>,
    /// Records, with their numbers, which say that their intents were acknowledged, and the intents are not there.
    pub alone: BTreeMap<u64, (Place, u64)>,
    /// Those of records that a checkpoint vouches for: its number, first and last ticket.
    vouched: Vec<(u64, u64, u64)>,
    /// Those of records that none vouches for so far, with their numbers; at most [`BEHIND`].
    behind: Vec<(u64, u64)>,
}

/// Records of which it is remembered that no checkpoint vouches for them so far: as many as the filter lets be between
/// two. What comes beyond counts as not vouched for.
const BEHIND: usize = 100_000;

impl Tickets {
    /// Takes an early copy; whether another file has it as well.
    pub fn early(&mut self, ticket: u64, place: Place, id: Id, f: &mut Findings) -> bool {
        let copied = self.early.get(&ticket);
        if copied.is_some_and(|copy| copy.file != place.file) {
            return true;
        }
        if self.told.insert(ticket) {
            self.early.insert(ticket, place);
        } else {
            let text = format!("ticket {ticket} stands in another line, too");
            f.add(Kind::Doubled, Some(place), Some(id), None, text);
        }
        false
    }

    /// Takes an intent; whether it is new. It may come more than once: it is sent again where nobody heard the answer,
    /// and may be several events. Nothing vouches for its time, so the earliest counts: a line that says that it was
    /// later, in any of the files, does not make it look under way.
    pub fn intent(&mut self, ticket: u64, place: Place, time: Option<Time>) -> bool {
        let new = self.intents.insert(ticket);
        self.alone.remove(&ticket);
        let is_recorded = self.told.contains(ticket) && !self.early.contains_key(&ticket);
        if new && !is_recorded {
            self.open.insert(ticket, (place, time));
        } else if let Some((_, known)) = self.open.get_mut(&ticket) {
            // None is the earliest of all.
            *known = time.min(*known);
        }
        new
    }

    /// Takes an event of an exchange that is over.
    pub fn event(&mut self, ticket: u64) {
        self.events.insert(ticket);
    }

    /// Takes a record with this ticket; `by` is the number of the first checkpoint that vouches for it, where one is
    /// known.
    pub fn record(
        &mut self,
        ticket: u64,
        record: &Sealed,
        place: Place,
        by: Option<u64>,
        f: &mut Findings,
    ) {
        let copy = self.early.remove(&ticket);
        let is_new = self.told.insert(ticket);
        self.open.remove(&ticket);
        if record.announced && !self.intents.contains(ticket) {
            self.alone.insert(ticket, (place, record.seq));
        }
        match by {
            Some(by) => self.vouched.push((by, ticket, ticket)),
            None if self.behind.len() < BEHIND => self.behind.push((record.seq, ticket)),
            None => {}
        }
        let (place, text) = match (copy, is_new) {
            (Some(copy), _) => {
                let other = f.name(place);
                let text = format!("ticket {ticket} is that of the record at {other}, too");
                (copy, text)
            }
            (None, true) => return,
            (None, false) => (place, format!("ticket {ticket} was given twice")),
        };
        f.add(Kind::Doubled, Some(place), Some(record.id), None, text);
    }

    /// The checkpoint of this number vouches for the records before it.
    pub fn vouch(&mut self, by: u64) {
        let behind = std::mem::take(&mut self.behind).into_iter();
        let (before, behind): (Vec<_>, Vec<_>) = behind.partition(|(seq, _)| *seq <= by);
        self.behind = behind;
        let mut tickets: Vec<u64> = before.into_iter().map(|(_, ticket)| ticket).collect();
        tickets.sort_unstable();
        for ticket in tickets {
            match self.vouched.last_mut() {
                Some((known, _, last)) if *known == by && last.checked_add(1) == Some(ticket) => {
                    *last = ticket;
                }
                _ => self.vouched.push((by, ticket, ticket)),
            }
        }
    }

    /// Whether what a repository has is in the files, as far as this chain is concerned: then intents that are not
    /// there are missing.
    pub fn has_repository(&self) -> bool {
        [&self.intents, &self.events]
            .iter()
            .any(|own| own.count(0, u64::MAX) > 0)
    }

    /// Whether an event says that it is over.
    pub fn is_over(&self, ticket: u64) -> bool {
        self.events.contains(ticket)
    }

    /// Of how many intents nothing but events tells what became of them.
    pub fn by_events(&self) -> u64 {
        let open = self.open.keys();
        let told = open.filter(|ticket| self.is_over(**ticket)).count();
        u64::try_from(told).unwrap_or(u64::MAX)
    }

    /// Of how many intents something tells what became of them, and nothing vouches for it: events, or records behind
    /// the last checkpoint. `proved` is the number of that.
    pub fn unsigned(&self, proved: u64) -> u64 {
        let vouched = self.vouched.iter().filter(|(by, ..)| *by <= proved);
        let mut vouched: Vec<(u64, u64)> =
            vouched.map(|(_, first, last)| (*first, *last)).collect();
        vouched.sort_unstable();
        let (mut signed, mut next) = (0_u64, 0);
        for (first, last) in vouched {
            let own = self.intents.count(first.max(next), last);
            signed = signed.saturating_add(own);
            next = last.saturating_add(1).max(next);
        }
        let open = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        let closed = self.intents.count(0, u64::MAX).saturating_sub(open);
        closed
            .saturating_add(self.by_events())
            .saturating_sub(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_records_as_may_be_between_two_checkpoints_are_vouched_for() {
        for (count, unsigned) in [(BEHIND, 0), (BEHIND + 1, 1)] {
            let (mut tickets, mut f) = (Tickets::default(), Findings::default());
            let place = Place { file: 0, line: 1 };
            let last = u64::try_from(count).expect("small");
            for ticket in 1..=last {
                let record = Sealed {
                    id: [7; 16],
                    seq: ticket,
                    ticket: Some(ticket),
                    announced: true,
                    prev: [0; 32],
                    hash: [0; 32],
                    time: None,
                    checkpoint: None,
                };
                tickets.intent(ticket, place, None);
                tickets.record(ticket, &record, place, None, &mut f);
            }
            assert_eq!(
                tickets.unsigned(last),
                last,
                "{count} before the checkpoint"
            );
            tickets.vouch(last);
            assert_eq!(tickets.unsigned(last), unsigned, "{count}");
            assert_eq!(tickets.unsigned(last - 1), last, "{count}, not proved");
            assert_eq!((f.count, tickets.by_events()), (0, 0));
        }
    }
}
