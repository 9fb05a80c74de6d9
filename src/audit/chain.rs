//! The chain of one worker's records: each carries the hash of the one before it.
//!
//! What stands in a line, and what it proves, is specified on the page docs/audit.md. In short: the last member
//! of a line is `chain`, with the chain's id, the record's number in it and the SHA-256 of the line before. Every so
//! often a record is a *checkpoint*: it says how far other chains have come ([`Head`]), and is signed where there
//! is a key. An exchange that was forwarded has a *ticket*, which its early copy carries as well: so a copy that
//! was left by a worker that died is told from a record that somebody took out. Where a repository is told of an
//! exchange before it goes on, what it is told has the ticket as well.
//!
//! # Bounds
//!
//! A chain holds at most 64 heads of others. `chain` has at most 400 bytes, and in a checkpoint at most 64 * 190
//! more, 300 with a signature.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::heads::{Head, Publishing};
use super::line::{digits, rfc3339};
use crate::response::Signer;

/// How records are chained.
#[derive(Clone, Debug)]
pub struct ChainPolicy {
    /// What checkpoints are signed with; without it nothing shows who wrote them.
    pub signer: Option<Rc<Signer>>,
    /// The records from one checkpoint to the next, at most; 1: each is one.
    pub records: u32,
    /// How long after a checkpoint the next record is one, in nanoseconds.
    pub time: u64,
}

/// The chain of one configuration on one worker.
#[derive(Debug)]
pub struct Chain {
    policy: ChainPolicy,
    id: [u8; 16],
    /// The number of the last record, and its hash; zeros before the first.
    seq: u64,
    hash: [u8; 32],
    tickets: u64,
    /// Records since the last checkpoint, and when that was.
    since: u32,
    checked: u64,
    /// What was last put on record of others.
    told: Vec<Head>,
    ended: bool,
}

/// What an exchange has in common with what was told of it before it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ticket {
    /// The repository has said that it has the intent of this number.
    Announced(u64),
    /// Nothing is known but an early copy of this number.
    Given(u64),
}

/// Where to find what is told of an exchange, whatever its form: its chain, and its ticket there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    chain: [u8; 16],
    ticket: u64,
}

/// A record with its place in the chain, before it is known whether the host has taken it.
#[derive(Debug)]
pub struct Sealed {
    /// The line as it leaves, without a line feed.
    pub line: String,
    hash: [u8; 32],
    checkpoint: Option<(Option<Vec<Head>>, u64)>,
}

/// The version of the member `chain`.
const VERSION: &str = "1";

impl Chain {
    /// A chain without records. `random` must be so: it is what tells one chain from all others.
    pub fn new(policy: ChainPolicy, random: [u8; 16]) -> Self {
        Chain {
            policy,
            id: random,
            seq: 0,
            hash: [0; 32],
            tickets: 0,
            since: 0,
            checked: 0,
            told: Vec::new(),
            ended: false,
        }
    }

    /// A ticket for an exchange that is about to be forwarded, from 1.
    pub fn ticket(&mut self) -> u64 {
        self.revive();
        self.tickets = self.tickets.saturating_add(1);
        self.tickets
    }

    /// The place of the exchange with this ticket.
    pub fn place(&self, ticket: u64) -> Place {
        let chain = self.id;
        Place { chain, ticket }
    }

    /// The early copy of a record: it has a ticket and no number, because it may never be printed.
    pub fn early(&self, line: String, ticket: u64) -> String {
        unnumbered(line, &self.id, Ticket::Given(ticket))
    }

    /// Work that has to be done before the next record is sealed: where that is a checkpoint, tells others how far
    /// this chain has come, and finds how far they have. `now` is in nanoseconds since 1970.
    pub fn publishing(&mut self, now: u64) -> Option<Publishing> {
        self.revive();
        self.is_due(now).then(|| self.told_to_others(now))
    }

    /// The record with its place in the chain. `others` are the chains that [`publishing`](Self::publishing) has found;
    /// absent where it was not asked for, or failed.
    pub fn seal(
        &self,
        line: String,
        ticket: Option<Ticket>,
        others: Option<Vec<Head>>,
        now: u64,
    ) -> Sealed {
        let mut out = self.numbered(line, ticket);
        let due = self.is_due(now);
        if due {
            self.checkpoint(&mut out, others.as_deref().unwrap_or_default());
            self.sign(&mut out);
        }
        out.push_str("}}");
        Sealed {
            hash: Sha256::digest(out.as_bytes()).into(),
            line: out,
            checkpoint: due.then_some((others, now)),
        }
    }

    /// The host has taken the record: the next one comes behind it. One that the host has not taken leaves no gap.
    /// Gives the line back.
    pub fn commit(&mut self, sealed: Sealed) -> String {
        self.seq = self.seq.saturating_add(1);
        self.hash = sealed.hash;
        self.since = self.since.saturating_add(1);
        if let Some((others, now)) = sealed.checkpoint {
            self.since = 0;
            self.checked = now;
            self.told = others.unwrap_or_else(|| std::mem::take(&mut self.told));
        }
        sealed.line
    }

    /// Ends the chain: its last record, which belongs to no exchange, and work that tells others. Neither where
    /// there is nothing to end.
    pub fn end(&mut self, now: u64) -> Option<(String, Publishing)> {
        if self.ended || (self.seq == 0 && self.tickets == 0) {
            return None;
        }
        let told = self.told_to_others(now);
        let line = format!("{{\"v\":1,\"time\":\"{}\"}}", rfc3339(now));
        let mut out = self.numbered(line, None);
        self.checkpoint(&mut out, &[]);
        out.push_str(",\"end\":");
        digits(&mut out, self.tickets, 1);
        self.sign(&mut out);
        out.push_str("}}");
        self.ended = true;
        Some((out, told))
    }

    /// What comes after the end is another chain, whose id follows from this one's.
    fn revive(&mut self) {
        if !self.ended {
            return;
        }
        let hash: [u8; 32] = Sha256::digest([&self.id[..], &self.hash[..]].concat()).into();
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        *self = Chain::new(self.policy.clone(), id);
    }

    fn is_due(&self, now: u64) -> bool {
        let passed = now.checked_sub(self.checked);
        self.seq == 0
            || self.since.saturating_add(1) >= self.policy.records
            // A clock that steps back must not put it off.
            || passed.is_none_or(|passed| passed >= self.policy.time)
    }

    fn told_to_others(&self, now: u64) -> Publishing {
        Publishing::new(Head {
            id: self.id,
            seq: self.seq,
            hash: self.hash,
            at: now / 1_000_000,
        })
    }

    fn numbered(&self, line: String, ticket: Option<Ticket>) -> String {
        let mut out = begin(line, &self.id);
        out.push_str("\",\"seq\":");
        digits(&mut out, self.seq.saturating_add(1), 1);
        if let Some(ticket) = ticket {
            ticket.write(&mut out);
        }
        out.push_str(",\"prev\":\"");
        hex(&mut out, &self.hash);
        out.push('"');
        out
    }

    /// What makes a record a checkpoint, but for the signature.
    fn checkpoint(&self, out: &mut String, others: &[Head]) {
        out.push_str(",\"links\":[");
        let news = |head: &&Head| {
            let known = self.told.iter().find(|told| told.id == head.id);
            known.is_none_or(|told| told.seq != head.seq)
        };
        for (place, head) in others.iter().filter(news).enumerate() {
            out.push_str(if place == 0 {
                "{\"id\":\""
            } else {
                ",{\"id\":\""
            });
            hex(out, &head.id);
            out.push_str("\",\"seq\":");
            digits(out, head.seq, 1);
            out.push_str(",\"hash\":\"");
            hex(out, &head.hash);
            out.push_str("\",\"at\":\"");
            out.push_str(&rfc3339(head.at.saturating_mul(1_000_000)));
            out.push_str("\"}");
        }
        out.push_str("],\"every\":");
        digits(out, self.policy.records.into(), 1);
    }

    /// Signs all that stands there.
    fn sign(&self, out: &mut String) {
        let Some(signer) = &self.policy.signer else {
            return;
        };
        out.push_str(",\"key\":\"");
        out.push_str(signer.id());
        out.push_str("\",\"alg\":\"");
        out.push_str(signer.jose());
        out.push('"');
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(out.as_bytes()));
        out.push_str(",\"sig\":\"");
        out.push_str(&signature);
        out.push('"');
    }
}

impl Place {
    /// What a repository is told of an exchange before it goes on: it has a ticket and no number, as an early copy.
    pub fn intent(&self, line: String) -> String {
        unnumbered(line, &self.chain, Ticket::Announced(self.ticket))
    }

    /// The id of the chain, as lines write it.
    pub fn chain(&self) -> String {
        let mut out = String::new();
        hex(&mut out, &self.chain);
        out
    }

    /// The ticket.
    pub fn ticket(&self) -> u64 {
        self.ticket
    }
}

fn unnumbered(line: String, chain: &[u8], ticket: Ticket) -> String {
    let mut out = begin(line, chain);
    out.push('"');
    ticket.write(&mut out);
    out.push_str("}}");
    out
}

/// The line up to and with the id of the chain.
fn begin(mut line: String, chain: &[u8]) -> String {
    line.pop();
    line.push_str(",\"chain\":{\"v\":");
    line.push_str(VERSION);
    line.push_str(",\"id\":\"");
    hex(&mut line, chain);
    line
}

impl Ticket {
    fn write(self, out: &mut String) {
        let (name, number) = match self {
            Ticket::Announced(number) => (",\"intent\":", number),
            Ticket::Given(number) => (",\"ticket\":", number),
        };
        out.push_str(name);
        digits(out, number, 1);
    }
}

/// Bytes in hexadecimal, in lower case.
pub(super) fn hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(DIGITS.get(usize::from(nibble)).copied().unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests;
