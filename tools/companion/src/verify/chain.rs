//! One chain, as far as it was seen.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::copies::{Copies, Known};
use super::finding::{Findings, Kind, Place};
use super::members::Span;
use super::tickets::Tickets;
use crate::line::{Hash, Id, Sealed};

/// What is known of one chain: its last record, what is missing before it, and what cannot be told yet.
#[derive(Debug)]
pub struct Chain {
    pub id: Id,
    /// The record of the least number that a file began with; what is before it may be elsewhere.
    pub first: u64,
    pub records: u64,
    /// The last record; absent where only early copies are known.
    pub last: Option<Seen>,
    /// What does not have the hash that the last record tells of it. Which of the two was changed is not known yet.
    doubt: Option<Seen>,
    /// Records of greater numbers than the next one's, at most [`AHEAD`], by their numbers.
    ahead: BTreeMap<u64, (Place, Sealed)>,
    /// By their first number.
    gaps: BTreeMap<u64, Gap>,
    /// The hashes of the records before checkpoints.
    pub kept: BTreeMap<u64, Hash>,
    /// The checkpoints whose signatures hold.
    pub signed: BTreeSet<u64>,
    /// Whether its first record was signed, or keys are known.
    pub is_signed: bool,
    /// The last checkpoint, and how far the next may be.
    pub checked: Option<(u64, u64)>,
    /// Where there was none for too long.
    pub spans: Vec<Span>,
    pub tickets: Tickets,
    pub ended: Option<u64>,
    /// The least number of a record that is in question.
    pub fault: Option<u64>,
    /// Absent where there is one file.
    copies: Option<Copies>,
    /// Records, intents and early copies that other files have as well.
    pub copied: u64,
}

/// Records that may stand before their place at a time.
const AHEAD: usize = 64;

/// A record that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub seq: u64,
    pub hash: Hash,
    pub place: Place,
    /// Its signature holds.
    signed: bool,
    /// It is known to have been changed, and said so.
    told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    to: u64,
    /// The hash of the record before, and what the record behind tells of the one before it.
    left: Hash,
    right: Hash,
    behind: Place,
}

impl Chain {
    /// A chain of which nothing was seen; `many`: there is more than one file.
    pub fn new(id: Id, is_signed: bool, many: bool) -> Self {
        Chain {
            id,
            first: 1,
            records: 0,
            last: None,
            doubt: None,
            ahead: BTreeMap::new(),
            gaps: BTreeMap::new(),
            kept: BTreeMap::new(),
            signed: BTreeSet::new(),
            is_signed,
            checked: None,
            spans: Vec::new(),
            tickets: Tickets::default(),
            ended: None,
            fault: None,
            copies: many.then(Copies::default),
            copied: 0,
        }
    }

    /// Takes a record.
    pub fn take(&mut self, place: Place, record: Sealed, part: bool, f: &mut Findings) {
        let (seq, next) = (record.seq, self.next());
        let known = self.copies.as_mut();
        match known.map_or(Known::New, |copies| copies.take(&record)) {
            Known::New => {}
            Known::Copy => {
                self.copied = self.copied.saturating_add(1);
                return;
            }
            Known::Other => {
                let text = "another record of this number was there before";
                self.say(Kind::Changed, place, seq, text, f);
                return;
            }
        }
        if self.last.is_none() || seq < next {
            self.place(place, &record, part, f);
        } else if seq == next {
            self.place(place, &record, part, f);
            self.reached(part, f);
        } else if let Entry::Vacant(free) = self.ahead.entry(seq) {
            // Whether something is missing, or this one is not where it belongs, is seen by what comes next.
            free.insert((place, record));
            let goes_on = self.ahead.contains_key(&seq.saturating_sub(1));
            if goes_on || self.ahead.len() > AHEAD {
                let to = if goes_on { seq } else { 0 };
                self.skip(to, part, f);
            }
        } else {
            let text = "a record of this number was there before";
            self.say(Kind::Repeated, place, seq, text, f);
        }
    }

    /// The number of the next record.
    fn next(&self) -> u64 {
        self.last.map_or(0, |last| last.seq).saturating_add(1)
    }

    /// Takes what was there too early, and is reached now.
    fn reached(&mut self, part: bool, f: &mut Findings) {
        while let Some((place, record)) = self.ahead.remove(&self.next()) {
            let fits = self.last.is_some_and(|last| last.hash == record.prev);
            if !fits {
                let text = "a record of this number stands where it cannot have been written";
                self.say(Kind::Changed, place, record.seq, text, f);
                return;
            }
            let text = "it stands before a record of a smaller number";
            if self.last.is_some_and(|last| last.place.file == place.file) {
                self.say(Kind::Reordered, place, record.seq, text, f);
            }
            self.place(place, &record, part, f);
        }
    }

    /// What is between was not there: goes on behind it, up to this number, and with one record at least.
    fn skip(&mut self, to: u64, part: bool, f: &mut Findings) {
        while let Some((seq, (place, record))) = self.ahead.pop_first() {
            self.place(place, &record, part, f);
            if seq >= to {
                return;
            }
        }
    }

    /// Puts a record in its place.
    fn place(&mut self, place: Place, record: &Sealed, part: bool, f: &mut Findings) {
        self.records = self.records.saturating_add(1);
        let signed = self.signatures(place, record, f);
        let own = Seen {
            seq: record.seq,
            hash: record.hash,
            place,
            signed,
            told: false,
        };
        match self.last {
            None => self.begin(own, record, part, f),
            Some(last) if record.seq == last.seq.saturating_add(1) => {
                self.follow(last, own, record, f);
            }
            Some(last) if record.seq > last.seq => {
                self.settle(f);
                self.gap(last.seq.saturating_add(1), last.hash, own, record);
                self.last = Some(own);
            }
            Some(_) => self.late(own, record, f),
        }
        if record.checkpoint.is_some() {
            self.kept.insert(record.seq.saturating_sub(1), record.prev);
        }
        if let Some(ticket) = record.ticket {
            let by = self.signed.range(record.seq..).next().copied();
            self.tickets.record(ticket, record, place, by, f);
        }
    }

    fn begin(&mut self, own: Seen, record: &Sealed, part: bool, f: &mut Findings) {
        self.last = Some(own);
        if record.seq == 1 {
            let is_signed = record.checkpoint.as_ref();
            let is_signed = is_signed.is_some_and(|found| found.signature.is_some());
            if self.is_signed && !is_signed {
                self.say(
                    Kind::Unsigned,
                    own.place,
                    1,
                    "the first record of a chain is a signed checkpoint",
                    f,
                );
            }
            self.is_signed |= is_signed;
            if record.prev != [0; 32] {
                self.changed(own, "the first record has one before it", f);
            }
        } else if part {
            self.first = record.seq;
        } else {
            self.gap(1, [0; 32], own, record);
        }
    }

    /// The next record.
    fn follow(&mut self, last: Seen, mut own: Seen, record: &Sealed, f: &mut Findings) {
        let same = record.prev == last.hash;
        let doubt = self.doubt.take();
        match (same, doubt) {
            (true, Some(doubt)) => {
                self.changed(doubt, "the record behind it has another hash of it", f)
            }
            (true, None) => {}
            // Neither what is before it nor what is behind it agrees with it.
            (false, Some(doubt)) => {
                self.changed(
                    last,
                    "the records before and behind it have other hashes",
                    f,
                );
                self.unproved(doubt, f);
            }
            (false, None) if last.signed => {
                self.changed(own, "it has another hash of a signed record", f);
                own.told = true;
            }
            (false, None) if last.told => {}
            (false, None) if own.signed => {
                self.changed(
                    last,
                    "the signed record behind it has another hash of it",
                    f,
                );
            }
            (false, None) => self.doubt = Some(last),
        }
        self.last = Some(own);
    }

    fn gap(&mut self, from: u64, left: Hash, own: Seen, record: &Sealed) {
        let gap = Gap {
            to: record.seq.saturating_sub(1),
            left,
            right: record.prev,
            behind: own.place,
        };
        self.gaps.insert(from, gap);
    }

    /// A record that comes after one of a greater number.
    fn late(&mut self, own: Seen, record: &Sealed, f: &mut Findings) {
        let seq = record.seq;
        let found = self.gaps.range(..=seq).next_back();
        let found = found.filter(|(_, gap)| seq <= gap.to);
        let Some((from, gap)) = found.map(|(from, gap)| (*from, *gap)) else {
            self.say(
                Kind::Repeated,
                own.place,
                seq,
                "a record of this number was there before",
                f,
            );
            return;
        };
        self.gaps.remove(&from);
        // What one file lacks another may have.
        if gap.behind.file == own.place.file {
            let text = "it stands behind a record of a greater number";
            self.say(Kind::Reordered, own.place, seq, text, f);
        }
        if seq == from {
            if record.prev != gap.left {
                self.changed(own, "it has another hash of the record before it", f);
            }
        } else {
            let to = seq.saturating_sub(1);
            let right = record.prev;
            let behind = own.place;
            self.gaps.insert(
                from,
                Gap {
                    to,
                    right,
                    behind,
                    ..gap
                },
            );
        }
        if seq == gap.to {
            if record.hash != gap.right {
                self.changed(own, "the record behind it has another hash of it", f);
            }
        } else {
            let left = record.hash;
            self.gaps.insert(seq.saturating_add(1), Gap { left, ..gap });
        }
    }

    /// Decides what nothing that comes can decide any more.
    fn settle(&mut self, f: &mut Findings) {
        let Some(doubt) = self.doubt.take() else {
            return;
        };
        self.changed(doubt, "it or the record behind it: their hashes do not agree, and nothing vouches for the latter", f);
        if let Some(last) = self.last {
            self.unproved(last, f);
        }
    }

    /// Everything was seen but the end of the chain.
    pub fn finish(&mut self, end: Option<(Place, &Sealed)>, part: bool, f: &mut Findings) {
        self.skip(u64::MAX, part, f);
        if let Some((place, record)) = end {
            let behind = self.last.map(|last| last.seq);
            if behind.is_some_and(|last| record.seq <= last) {
                self.say(
                    Kind::Repeated,
                    place,
                    record.seq,
                    "a chain goes on behind its end",
                    f,
                );
            } else {
                // The end alone says how long the chain was.
                let whole = self.last.is_none() && record.seq > 1;
                self.place(place, record, part && whole, f);
            }
            let tickets = record.checkpoint.as_ref().and_then(|found| found.end);
            self.ended = tickets;
            if self.first == 1 {
                for (from, to) in self.tickets.told.missing(tickets.unwrap_or(0)) {
                    let text =
                        format!("tickets {from} to {to}: forwarded, and there is no record of it");
                    f.add(Kind::Lost, Some(place), Some(self.id), None, text);
                }
            }
        }
        self.settle(f);
        self.unchecked(f);
        for (from, gap) in std::mem::take(&mut self.gaps) {
            let text = format!("missing before the record at {}", f.name(gap.behind));
            f.add(Kind::Gap, None, Some(self.id), Some((from, gap.to)), text);
            self.fault(from);
        }
    }

    /// The hash of the record of this number, where it is kept: of checkpoints, and of the last.
    pub fn hash_of(&self, seq: u64) -> Option<Hash> {
        let last = self.last.filter(|last| last.seq == seq);
        let kept = self.kept.get(&seq).copied();
        kept.or_else(|| last.map(|last| last.hash))
    }

    /// The number up to which a signature proves the chain; 0 where none does.
    pub fn proved(&self) -> u64 {
        let below = self.fault.map_or(Bound::Unbounded, Bound::Excluded);
        let signed = self.signed.range((Bound::Unbounded, below));
        signed.last().copied().unwrap_or(0)
    }

    /// That this number is in question.
    pub fn fault(&mut self, seq: u64) {
        self.fault = Some(self.fault.map_or(seq, |fault| fault.min(seq)));
    }

    fn changed(&mut self, seen: Seen, why: &str, f: &mut Findings) {
        if !seen.told {
            self.say(Kind::Changed, seen.place, seen.seq, why, f);
        }
    }

    fn unproved(&mut self, seen: Seen, f: &mut Findings) {
        if !seen.told && !seen.signed {
            self.say(
                Kind::Unproved,
                seen.place,
                seen.seq,
                "the only record that vouches for it was changed",
                f,
            );
        }
    }

    /// Notes what is wrong with a record.
    pub fn say(&mut self, kind: Kind, place: Place, seq: u64, text: &str, f: &mut Findings) {
        f.add(
            kind,
            Some(place),
            Some(self.id),
            Some((seq, seq)),
            text.to_owned(),
        );
        self.fault(seq);
    }
}
