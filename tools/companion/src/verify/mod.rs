//! The verifier: lines as facts in, findings out. It keeps what it needs to go on, not the log: a few hundred bytes
//! for a chain, 100 for a checkpoint, for a link that tells of what was not read yet, and for each thing that is wrong.

mod chain;
mod copies;
mod finding;
mod members;
mod ranges;
mod tickets;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use finding::{Finding, Findings, KEPT, Kind, Place};

use crate::line::{Fact, Id, Link, Sealed, Time, hex};
use chain::Chain;

/// How a log is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judging {
    /// Keys are known: every chain must be signed.
    pub signed: bool,
    /// The files are a part of the log: what came before may be elsewhere.
    pub part: bool,
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

/// How long an intent may stand alone where its chain goes on, in seconds: its exchange may be under way when the log
/// ends.
const UNDER_WAY: i64 = 600;

/// What one chain says of another.
#[derive(Debug)]
struct Claim {
    by: Id,
    by_seq: u64,
    place: Place,
    link: Link,
}

/// What is known when all was read.
#[derive(Debug)]
pub struct Report {
    /// What is wrong.
    pub findings: Findings,
    /// The chains.
    pub chains: Vec<ChainReport>,
    /// Chains that are told of and not in a part of a log, with the greatest number that is told of.
    pub outside: Vec<(Id, u64)>,
    /// Lines.
    pub lines: u64,
    /// Records in chains.
    pub records: u64,
    /// Early copies.
    pub early: u64,
    /// Intents, but for those that are audit events.
    pub intents: u64,
    /// Audit events with a ticket: of intents, and of what became of them.
    pub events: u64,
    /// Lines that another file has as well.
    pub copied: u64,
    /// Lines that are in no chain.
    pub others: u64,
}

/// What is known of a chain.
#[derive(Debug)]
pub struct ChainReport {
    /// Which.
    pub id: Id,
    /// The number of its first record here.
    pub first: u64,
    /// The number of its last; 0 where there are early copies only.
    pub last: u64,
    /// The number up to which it is proved by signatures; 0 where it is not.
    pub proved: u64,
    /// The least number that is in question.
    pub fault: Option<u64>,
    /// Whether its end is here.
    pub ended: bool,
    /// Early copies whose record never came: their worker died.
    pub early: u64,
    /// Exchanges that had been forwarded when the log ends, and are not in it.
    pub open: u64,
    /// The tickets of intents without a record and without an early copy, in their order.
    pub intents: Vec<u64>,
    /// Exchanges that were announced, and of which nothing tells what became of them that is vouched for: records
    /// behind the last checkpoint, or events.
    pub unsigned: u64,
    /// Those of them of which only events tell.
    pub by_events: u64,
    /// Exchanges whose records say that their intents were acknowledged, and the files have no intent and no event of
    /// this chain, or are a part of the log.
    pub absent: u64,
}

impl Report {
    /// This of all chains together.
    pub fn sum(&self, of: fn(&ChainReport) -> u64) -> u64 {
        let each = self.chains.iter().map(of);
        each.fold(0, u64::saturating_add)
    }
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
        let part = self.judging.part;
        let (chain, findings) = self.chain(record.id);
        chain.take(place, record, part, findings);
    }

    /// All was read.
    pub fn finish(mut self) -> Report {
        let part = self.judging.part;
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
        let chains = self.chains.values().map(|chain| report(chain, part));
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
    /// is there: another configuration may have another one, or its chain is that of another log.
    fn pairs(&mut self) {
        let latest = self.latest.and_then(seconds);
        for chain in self.chains.values() {
            let tickets = &chain.tickets;
            let alone = tickets.alone.iter();
            for (ticket, (place, seq)) in alone.filter(|_| tickets.has_repository()) {
                let text = format!("intent {ticket} was acknowledged, and is in none of the files");
                let seqs = Some((*seq, *seq));
                let f = &mut self.findings;
                f.add(Kind::Unannounced, Some(*place), Some(chain.id), seqs, text);
            }
            let open = tickets.open.iter();
            for (ticket, (place, time)) in open.filter(|(own, _)| !tickets.is_over(**own)) {
                let began = time.and_then(seconds);
                let passed = latest.zip(began);
                let passed = passed.map(|(latest, began)| latest.saturating_sub(began));
                if chain.ended.is_none() && passed.is_some_and(|passed| passed < UNDER_WAY) {
                    continue;
                }
                let text =
                    format!("nothing tells what became of the exchange with ticket {ticket}");
                let f = &mut self.findings;
                f.add(Kind::Unfinished, Some(*place), Some(chain.id), None, text);
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
                if self.judging.part {
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

/// A time in seconds since 1970.
fn seconds(time: Time) -> Option<i64> {
    let text = std::str::from_utf8(&time).ok()?;
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(time.unix_timestamp())
}

fn report(chain: &Chain, part: bool) -> ChainReport {
    let tickets = &chain.tickets;
    let all_here = chain.first == 1 && chain.ended.is_none();
    let missing = tickets.told.missing(tickets.told.greatest());
    let missing = missing.filter(|_| all_here);
    ChainReport {
        id: chain.id,
        first: chain.first,
        last: chain.last.map_or(0, |last| last.seq),
        proved: chain.proved(),
        fault: chain.fault,
        ended: chain.ended.is_some(),
        early: u64::try_from(tickets.early.len()).unwrap_or(u64::MAX),
        open: missing.fold(0, |sum: u64, (from, to)| {
            sum.saturating_add(to.saturating_sub(from).saturating_add(1))
        }),
        intents: {
            let open = tickets.open.keys().copied();
            open.filter(|ticket| !tickets.early.contains_key(ticket))
                .collect()
        },
        unsigned: tickets.unsigned(chain.proved()),
        by_events: tickets.by_events(),
        absent: match part || !tickets.has_repository() {
            true => u64::try_from(tickets.alone.len()).unwrap_or(u64::MAX),
            false => 0,
        },
    }
}
