//! The verifier: lines as facts in, findings out. It keeps what it needs to go on, not the log: a few hundred bytes
//! for a chain, 100 for a checkpoint, for a link that tells of what was not read yet, and for each thing that is wrong.

mod chain;
mod copies;
mod finding;
mod members;
mod ranges;
mod report;
mod tickets;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

pub use finding::{Finding, Findings, KEPT, Kind, Place};
pub use report::{ChainReport, Report};

use crate::line::{Fact, Id, Link, Sealed, Time, hex};
use chain::Chain;
use report::{may_be_under_way, seconds, untold};

/// How a log is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judging {
    /// Keys are known: every chain must be signed.
    pub signed: bool,
    /// What the files are.
    pub extent: Extent,
}

/// How much of what was written the files are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Extent {
    /// A part of the log: what came before may be elsewhere.
    Part,
    /// All of the log; repositories may be elsewhere.
    #[default]
    Log,
    /// All of the log, and all that its repositories have: an intent that is not there is missing.
    Complete,
}

/// A log that is being read.
#[derive(Debug)]
pub struct Verifier {
    judging: Judging,
    chains: BTreeMap<Id, Chain>,
    claims: Vec<Claim>,
    ends: Vec<(Place, Sealed)>,
    findings: Findings,
    lines: u64,
    records: u64,
    early: u64,
    intents: u64,
    events: u64,
    /// When the exchange began that was the last to begin.
    latest: Option<Time>,
    others: u64,
}

/// What one chain says of another.
#[derive(Debug)]
struct Claim {
    by: Id,
    by_seq: u64,
    place: Place,
    link: Link,
}

impl Verifier {
    /// A log of which nothing was read. `files` are the names of its files.
    pub fn new(judging: Judging, files: Vec<String>) -> Self {
        Verifier {
            judging,
            chains: BTreeMap::new(),
            claims: Vec::new(),
            ends: Vec::new(),
            findings: Findings {
                files,
                ..Findings::default()
            },
            lines: 0,
            records: 0,
            early: 0,
            intents: 0,
            events: 0,
            latest: None,
            others: 0,
        }
    }

    /// Takes what a line says.
    pub fn take(&mut self, place: Place, fact: Fact) {
        self.lines = self.lines.saturating_add(1);
        match fact {
            Fact::Other => self.others = self.others.saturating_add(1),
            Fact::Malformed(what) => {
                let text = format!("expected {what}");
                self.findings
                    .add(Kind::Malformed, Some(place), None, None, text);
            }
            Fact::Early { id, ticket } => {
                self.early = self.early.saturating_add(1);
                let (chain, findings) = self.chain(id);
                if chain.tickets.early(ticket, place, id, findings) {
                    chain.copied = chain.copied.saturating_add(1);
                }
            }
            Fact::Intent { id, ticket, time } => {
                self.intents = self.intents.saturating_add(1);
                self.latest = self.latest.max(time);
                let (chain, _) = self.chain(id);
                if !chain.tickets.intent(ticket, place, time) {
                    chain.copied = chain.copied.saturating_add(1);
                }
            }
            Fact::Event {
                id,
                ticket,
                time,
                is_over,
            } => {
                self.events = self.events.saturating_add(1);
                self.latest = self.latest.max(time);
                let (chain, _) = self.chain(id);
                match is_over {
                    true => chain.tickets.event(ticket),
                    // One for each patient, or each request of a Bundle.
                    false => _ = chain.tickets.intent(ticket, place, time),
                }
            }
            Fact::Sealed(record) => {
                self.records = self.records.saturating_add(1);
                self.take_record(place, *record);
            }
        }
    }

    fn chain(&mut self, id: Id) -> (&mut Chain, &mut Findings) {
        let many = self.findings.files.len() > 1;
        let signed = self.judging.signed;
        let chain = self.chains.entry(id);
        let chain = chain.or_insert_with(|| Chain::new(id, signed, many));
        (chain, &mut self.findings)
    }

    fn take_record(&mut self, place: Place, record: Sealed) {
        self.latest = self.latest.max(record.time);
        for link in record.checkpoint.iter().flat_map(|found| &found.links) {
            // Nearly all are true of what was read already, and need not be remembered.
            let other = self.chains.get(&link.id);
            if other.is_some_and(|other| other.hash_of(link.seq) == Some(link.hash)) {
                continue;
            }
            self.claims.push(Claim {
                by: record.id,
                by_seq: record.seq,
                place,
                link: link.clone(),
            });
        }
        // The end of a chain may be in another file than its records.
        let end = record.checkpoint.as_ref().and_then(|found| found.end);
        if end.is_some() {
            self.ends.push((place, record));
            return;
        }
        let part = self.judging.extent == Extent::Part;
        let (chain, findings) = self.chain(record.id);
        chain.take(place, record, part, findings);
    }

    /// All was read.
    pub fn finish(mut self) -> Report {
        let extent = self.judging.extent;
        let part = extent == Extent::Part;
        let mut ends: BTreeMap<Id, (Place, Sealed)> = BTreeMap::new();
        for (place, record) in std::mem::take(&mut self.ends) {
            let id = record.id;
            let (chain, _) = self.chain(id);
            match ends.entry(id) {
                Entry::Vacant(free) => {
                    free.insert((place, record));
                }
                Entry::Occupied(known)
                    if known.get().1 == record && known.get().0.file != place.file =>
                {
                    chain.copied = chain.copied.saturating_add(1);
                }
                Entry::Occupied(_) => {
                    let (text, seq) = ("a second end of the chain".to_owned(), record.seq);
                    let f = &mut self.findings;
                    f.add(
                        Kind::Repeated,
                        Some(place),
                        Some(id),
                        Some((seq, seq)),
                        text,
                    );
                }
            }
        }
        for chain in self.chains.values_mut() {
            let end = ends.get(&chain.id).map(|(place, record)| (*place, record));
            chain.finish(end, part, &mut self.findings);
        }
        if !part {
            self.pairs();
        }
        let outside = self.claims();
        let latest = self.latest.and_then(seconds);
        let chains = self.chains.values();
        let chains = chains.map(|chain| report::of(chain, extent, latest));
        let chains = chains.collect();
        Report {
            findings: self.findings,
            chains,
            outside,
            lines: self.lines,
            records: self.records,
            early: self.early,
            intents: self.intents,
            events: self.events,
            copied: self.chains.values().map(|chain| chain.copied).sum(),
            others: self.others,
        }
    }

    /// Tells of what should have another half. That intents are missing can be seen where anything of their repository
    /// is there, or all repositories are: another configuration may have another one, or its chain is that of another
    /// log.
    fn pairs(&mut self) {
        let latest = self.latest.and_then(seconds);
        let complete = self.judging.extent == Extent::Complete;
        for chain in self.chains.values() {
            let tickets = &chain.tickets;
            let alone = tickets.alone.iter();
            for (ticket, (place, seq)) in alone.filter(|_| complete || tickets.has_repository()) {
                let text = format!("intent {ticket} was acknowledged, and is in none of the files");
                let seqs = Some((*seq, *seq));
                let f = &mut self.findings;
                f.add(Kind::Unannounced, Some(*place), Some(chain.id), seqs, text);
            }
            for (ticket, place, time) in untold(chain) {
                if may_be_under_way(chain, time, latest) {
                    continue;
                }
                let text =
                    format!("nothing tells what became of the exchange with ticket {ticket}");
                let f = &mut self.findings;
                f.add(Kind::Unfinished, Some(place), Some(chain.id), None, text);
            }
        }
    }

    /// Compares what chains say of each other with what is there.
    fn claims(&mut self) -> Vec<(Id, u64)> {
        let mut missing: BTreeMap<Id, (u64, Place, Id, u64)> = BTreeMap::new();
        let mut short: BTreeMap<Id, (u64, Place, Id, u64)> = BTreeMap::new();
        let mut outside: BTreeMap<Id, u64> = BTreeMap::new();
        let note = |map: &mut BTreeMap<Id, (u64, Place, Id, u64)>, claim: &Claim| {
            let Claim {
                by,
                by_seq,
                place,
                link,
            } = claim;
            let known = map
                .entry(link.id)
                .or_insert((link.seq, *place, *by, *by_seq));
            if link.seq > known.0 {
                *known = (link.seq, *place, *by, *by_seq);
            }
        };
        for claim in &self.claims {
            let link = &claim.link;
            let Some(chain) = self.chains.get_mut(&link.id) else {
                if self.judging.extent == Extent::Part {
                    let known = outside.entry(link.id).or_default();
                    *known = link.seq.max(*known);
                } else {
                    note(&mut missing, claim);
                }
                continue;
            };
            let last = chain.last.map_or(0, |last| last.seq);
            if link.seq == 0 || link.seq < chain.first {
                continue;
            }
            if link.seq > last {
                note(&mut short, claim);
                continue;
            }
            let own = chain.hash_of(link.seq);
            // What is before a fault, or is no more there, was said already.
            let known = own.is_none()
                && chain
                    .fault
                    .is_some_and(|fault| fault <= link.seq.saturating_add(1));
            if own != Some(link.hash) && !known {
                let text = format!(
                    "record {} of chain {}, at {}, has another hash of it",
                    claim.by_seq,
                    hex(&claim.by),
                    self.findings.name(claim.place)
                );
                chain.fault(link.seq);
                let seqs = Some((link.seq, link.seq));
                self.findings
                    .add(Kind::Contradicted, None, Some(link.id), seqs, text);
            }
        }
        let told = |f: &Findings, (_, place, by, seq): &(u64, Place, Id, u64)| {
            format!(
                "record {seq} of chain {}, at {}, tells of it",
                hex(by),
                f.name(*place)
            )
        };
        for (id, found) in missing {
            let text = told(&self.findings, &found);
            let seqs = Some((1, found.0)).filter(|(_, last)| *last > 0);
            self.findings
                .add(Kind::MissingChain, None, Some(id), seqs, text);
        }
        for (id, found) in short {
            let text = told(&self.findings, &found);
            if let Some(chain) = self.chains.get_mut(&id) {
                let last = chain.last.map_or(0, |last| last.seq);
                chain.fault(last.saturating_add(1));
                let seqs = Some((last.saturating_add(1), found.0));
                self.findings
                    .add(Kind::Truncated, None, Some(id), seqs, text);
            }
        }
        outside.into_iter().collect()
    }
}
