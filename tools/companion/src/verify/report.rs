//! What is known when all was read.

use super::Extent;
use super::chain::Chain;
use super::finding::{Findings, Place};
use crate::line::{self, Id, Time};

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
    /// Intents of which nothing tells what became of them, and which are no findings: their exchanges may be under way.
    pub under_way: u64,
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

/// How long an intent may stand alone where its chain goes on, in seconds: its exchange may be under way when the log
/// ends.
const UNDER_WAY: i64 = 600;

/// Intents of which nothing tells what became of them.
pub fn untold(chain: &Chain) -> impl Iterator<Item = (u64, Place, Option<Time>)> {
    let open = chain.tickets.open.iter();
    open.filter(|(ticket, _)| !chain.tickets.is_over(**ticket))
        .map(|(ticket, (place, time))| (*ticket, *place, *time))
}

/// Whether an exchange that was announced then may go on, where the newest began at `latest`.
pub fn may_be_under_way(chain: &Chain, time: Option<Time>, latest: Option<i64>) -> bool {
    let passed = latest.zip(time.and_then(seconds));
    let passed = passed.map(|(latest, began)| latest.saturating_sub(began));
    chain.ended.is_none() && passed.is_some_and(|passed| passed < UNDER_WAY)
}

/// What is known of a chain when all was read.
pub fn of(chain: &Chain, extent: Extent, latest: Option<i64>) -> ChainReport {
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
        under_way: {
            // What a part of a log does not have is looked for by nobody.
            let is_part = extent == Extent::Part;
            let open = untold(chain)
                .filter(|(.., time)| is_part || may_be_under_way(chain, *time, latest));
            u64::try_from(open.count()).unwrap_or(u64::MAX)
        },
        unsigned: tickets.unsigned(chain.proved()),
        by_events: tickets.by_events(),
        absent: match extent {
            Extent::Complete => 0,
            Extent::Log if tickets.has_repository() => 0,
            _ => u64::try_from(tickets.alone.len()).unwrap_or(u64::MAX),
        },
    }
}

/// A time in seconds since 1970.
pub fn seconds(time: Time) -> Option<i64> {
    line::milliseconds(time).map(|time| time.div_euclid(1000))
}
