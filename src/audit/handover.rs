//! What a configuration has not sent when it ends, for whoever comes after.
//!
//! At every reload a configuration ends on each worker, when the last of its exchanges is over. The proxy then takes
//! its root context away, and, where the machine is replaced with it, everything else that it has. So what waits in
//! its [`Queue`] goes into shared data, in pieces that say which repository they are for, and any other configuration
//! on any worker takes them and sends them.
//!
//! # Bounds
//!
//! 256 keys, `fhir-guard.audit.v1.<3 hex digits>`, each of at most 1 MiB and 9 lines, or a single record; and one,
//! `fhir-guard.audit.v1`, of 8 bytes, that changes whenever anything is left. To leave costs at most 257 reads and as
//! many writes, to look one read, or as much where something was left. What finds no free key is not left.
//!
//! # What is promised
//!
//! - One takes a piece, and nobody else: it is taken by compare-and-swap.
//! - Values are untrusted in form: what cannot be read is no piece, and is cleared away; so is one for a repository
//!   that no configuration could have. Whom they come from nothing tells: who shares the `vm_id` can read them, take
//!   them, and leave others, for any cluster of the proxy.

use super::batch::{Format, Full, Repository};
use super::queue::Queue;
use crate::shared::{Answer, Step, Work, slot_key};

/// How many keys there are.
const PIECES: u16 = 256;

/// The most bytes of the records in a piece, unless its first record alone has more.
const PIECE: usize = 1 << 20;

const PREFIX: &str = "fhir-guard.audit.v1.";

/// Says when something was left last, in nanoseconds since 1970, in 8 bytes.
const LAST: &str = "fhir-guard.audit.v1";

/// Begins a piece that this version understands.
const MAGIC: &str = "fhir-guard audit 1";

/// What is left of a queue, or a part of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rest {
    pub(super) repository: Repository,
    /// When the configuration ended, in nanoseconds since 1970.
    pub(super) left: u64,
    /// As many of the first were sent, and nobody knows whether they were taken.
    pub(super) again: usize,
    pub(super) records: Vec<String>,
}

/// Work that leaves what waits in queues. Its outcome is how many records found no place.
#[derive(Debug)]
pub struct Leaving {
    /// Texts, and how many records each has; the last goes first.
    pieces: Vec<(Vec<u8>, u64)>,
    now: u64,
    slot: u16,
    key: String,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The key is to be read, or to be written where it was free and had this version.
    Place(Option<Option<u32>>),
    /// It is to be said that something was left: to be read when the last time was, or to be written.
    Say(Option<([u8; 8], Option<u32>)>),
    Done,
}

/// Work that looks for a piece, and takes it. Its outcome is the piece, and what the next look is to know.
#[derive(Debug)]
pub struct Taking {
    seen: Seen,
    /// When something was left last, once that was read.
    last: Option<u64>,
    /// Whether every key could be read.
    whole: bool,
    slot: u16,
    key: String,
    /// What was read, as far as it could be, and its version.
    read: Option<(Option<Rest>, Option<u32>)>,
    taken: Option<Rest>,
}

/// Up to when everything that was left was seen to be taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen(u64);

impl Rest {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The cluster and the authority of its repository.
    pub fn place(&self) -> (&str, &str) {
        (&self.repository.cluster, &self.repository.authority)
    }

    /// In pieces that have a place each.
    fn split(self) -> Vec<Rest> {
        let mut pieces: Vec<Rest> = Vec::new();
        let (mut bytes, mut again) = (0_usize, self.again);
        for record in self.records {
            // With the end of its line.
            let own = record.len().saturating_add(1);
            let with = bytes.saturating_add(own);
            match pieces.last_mut() {
                Some(piece) if with <= PIECE => {
                    bytes = with;
                    piece.records.push(record);
                }
                _ => {
                    bytes = own;
                    pieces.push(Rest {
                        repository: self.repository.clone(),
                        left: self.left,
                        again: 0,
                        records: vec![record],
                    });
                }
            }
        }
        for piece in &mut pieces {
            piece.again = again.min(piece.len());
            again = again.saturating_sub(piece.len());
        }
        pieces
    }

    fn write(&self) -> Vec<u8> {
        let Repository {
            cluster,
            authority,
            path,
            batch,
            timeout,
            ..
        } = &self.repository;
        let format = match self.repository.format {
            Format::Events => "audit-events",
            Format::Records => "records",
        };
        let (left, again) = (self.left, self.again);
        let mut text = format!(
            "{MAGIC}\n{left}\n{again}\n{format}\n{batch}\n{timeout}\n{cluster}\n{authority}\n{path}"
        );
        for record in &self.records {
            text.push('\n');
            text.push_str(record);
        }
        text.into_bytes()
    }

    fn read(bytes: &[u8]) -> Option<Rest> {
        let mut lines = std::str::from_utf8(bytes).ok()?.split('\n');
        let magic = lines.next()? == MAGIC;
        let left = lines.next()?.parse().ok()?;
        let again = lines.next()?.parse().ok()?;
        let format = match lines.next()? {
            "audit-events" => Format::Events,
            "records" => Format::Records,
            _ => return None,
        };
        let batch = lines.next()?.parse().ok()?;
        let timeout = lines.next()?.parse().ok()?;
        let mut text = || lines.next().map(str::to_owned);
        let (cluster, authority, path) = (text()?, text()?, text()?);
        let records: Vec<String> = lines.map(str::to_owned).collect();
        let repository = Repository {
            cluster,
            authority,
            path,
            format,
            batch,
            // Nothing comes to it any more.
            queue: 0,
            full: Full::AccessLog,
            timeout,
            strict: false,
        };
        let known = magic && !records.is_empty() && again <= records.len();
        (known && repository.is_sound()).then_some(Rest {
            repository,
            left,
            again,
            records,
        })
    }
}

impl Leaving {
    /// Takes out of these queues what waits in them; `None` where nothing does. `now` in nanoseconds since 1970.
    pub fn of<'q>(queues: impl Iterator<Item = &'q mut Queue>, now: u64) -> Option<Leaving> {
        let rests = queues.map(|queue| queue.take_rest(now));
        let pieces = rests.flat_map(Rest::split);
        let mut pieces: Vec<_> = pieces
            .map(|piece| (piece.write(), piece.len() as u64))
            .collect();
        pieces.reverse();
        (!pieces.is_empty()).then(|| Leaving {
            pieces,
            now,
            slot: 0,
            key: slot_key(PREFIX, 0),
            phase: Phase::Place(None),
        })
    }

    /// How many records have no place yet.
    pub fn records(&self) -> u64 {
        self.pieces.iter().map(|(_, records)| records).sum()
    }
}

impl Work for Leaving {
    type Outcome = u64;

    fn step(&self) -> Step<'_, u64> {
        match (&self.phase, self.pieces.last()) {
            (Phase::Place(Some(version)), Some((value, _))) => Step::Write {
                key: &self.key,
                value,
                version: *version,
            },
            (Phase::Place(_), _) => Step::Read { key: &self.key },
            (Phase::Say(None), _) => Step::Read { key: LAST },
            (Phase::Say(Some((value, version))), _) => Step::Write {
                key: LAST,
                value,
                version: *version,
            },
            (Phase::Done, _) => Step::Done(self.records()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        match (&self.phase, answer) {
            (Phase::Place(None), Answer::Value { bytes, version })
                if bytes.as_ref().is_none_or(Vec::is_empty) =>
            {
                self.phase = Phase::Place(Some(version));
            }
            (Phase::Place(free), answer) => {
                // Otherwise there is something, or another was faster, or it cannot be known.
                if free.is_some() && answer == Answer::Written {
                    self.pieces.pop();
                }
                self.slot = self.slot.saturating_add(1);
                self.key = slot_key(PREFIX, self.slot);
                self.phase = match self.pieces.is_empty() || self.slot >= PIECES {
                    true => Phase::Say(None),
                    false => Phase::Place(None),
                };
            }
            (Phase::Say(None), Answer::Value { bytes, version }) => {
                let next = self.now.max(last(bytes.as_deref()).wrapping_add(1));
                self.phase = Phase::Say(Some((next.to_be_bytes(), version)));
            }
            // Where another was faster, that says it too: all pieces have their places already.
            (Phase::Say(_) | Phase::Done, _) => self.phase = Phase::Done,
        }
    }
}

fn last(bytes: Option<&[u8]>) -> u64 {
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}

impl Taking {
    /// A look by one who has seen this.
    pub fn new(seen: Seen) -> Taking {
        Taking {
            seen,
            last: None,
            whole: true,
            slot: 0,
            key: LAST.to_owned(),
            read: None,
            taken: None,
        }
    }

    fn is_done(&self) -> bool {
        let nothing_new = self.last.is_some_and(|last| last == self.seen.0);
        nothing_new || self.taken.is_some() || self.slot >= PIECES
    }
}

impl Work for Taking {
    type Outcome = (Option<Rest>, Seen);

    fn step(&self) -> Step<'_, Self::Outcome> {
        match &self.read {
            _ if self.is_done() => {
                let all = self.taken.is_none() && self.whole;
                let seen = self.last.filter(|_| all).map_or(self.seen, Seen);
                Step::Done((self.taken.clone(), seen))
            }
            None => Step::Read { key: &self.key },
            Some((_, version)) => Step::Write {
                key: &self.key,
                value: &[],
                version: *version,
            },
        }
    }

    fn answer(&mut self, answer: Answer) {
        match (self.last, self.read.take(), answer) {
            (None, _, Answer::Value { bytes, .. }) => {
                self.last = Some(last(bytes.as_deref()));
                self.key = slot_key(PREFIX, 0);
                return;
            }
            // Nobody knows: the next look will.
            (None, _, _) => self.slot = PIECES,
            (_, None, Answer::Value { bytes, version }) => {
                if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                    self.read = Some((Rest::read(&bytes), version));
                    return;
                }
            }
            (_, Some((rest, _)), Answer::Written) => self.taken = rest,
            // Another was faster.
            (_, Some(_), Answer::Conflict) => {}
            _ => self.whole = false,
        }
        self.slot = self.slot.saturating_add(1);
        self.key = slot_key(PREFIX, self.slot);
    }
}

#[cfg(test)]
mod tests;
