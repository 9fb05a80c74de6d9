//! Which proofs were used: each may be used once (RFC 9449 section 11.1), on whichever worker.
//!
//! # Bounds
//!
//! Shared data never forgets a key, so the number of keys is fixed whatever callers send: 4096 slots
//! `fhir-guard.proof.v1.<000 to fff>` of at most 8 + 64 * 16 = 1032 bytes, together 4 227 072 bytes of
//! values and 94 208 bytes of keys, besides the map's own overhead. There is room for 262 144 proofs
//! within their time; up to about 130 000, which is 2000 a second with a window of 60 s, the fullest
//! slot still has some. One proof costs at most 8 reads and 8 writes.
//!
//! # What is promised
//!
//! A proof is never taken twice while this Envoy runs, in any interleaving of workers, whatever the
//! clock does. Everything that cannot be known counts against the caller:
//!
//! - What is forgotten leaves its time behind: a slot takes no proof that is as old as one that it has
//!   forgotten. So where the clock steps back, a proof that was forgotten meanwhile is not taken again;
//!   where it steps back by more than the window, slots take none until it has caught up.
//! - A slot that was damaged is emptied, and takes no proof from before that.
//! - Where a slot is full, where shared data fails, or stays contended for 8 tries, the proof is
//!   refused. A new proof of the same caller has another slot.

use super::dpop::{DpopPolicy, DpopProof, ProvenKey};
use crate::denial::DpopFault;
use crate::shared::{Answer, Step, Work};

/// Notes a proof as used. Use it so: carry out its steps as [`Work`] says, until the step is
/// [`Step::Done`].
#[derive(Debug)]
pub struct Noting {
    proof: DpopProof,
    /// The key of the slot.
    key: String,
    entry: Entry,
    /// Seconds since 1970.
    now: u64,
    /// For how long after its `iat` a proof is taken, in seconds.
    lifetime: u64,
    phase: Phase,
    tries: u32,
}

#[derive(Debug)]
enum Phase {
    Reading,
    /// Writing the slot with the proof in it.
    Writing {
        value: Vec<u8>,
        version: Option<u32>,
    },
    /// Refused; writing the slot that takes the place of a damaged one.
    Mending {
        value: Vec<u8>,
        version: Option<u32>,
    },
    Done(Result<ProvenKey, DpopFault>),
}

/// How often one slot is read before the proof is refused.
const TRIES: u32 = 8;

/// Proofs of a slot.
const ENTRIES: usize = 64;

/// By how much proofs can come too early under any policy, in seconds: see `dpop.clock_skew`.
pub const MAX_SKEW: u64 = 30;

const MAGIC: [u8; 4] = *b"FGP\x01";

/// One slot: `magic 4, floor u32`, then up to 64 entries `fingerprint 12, issued u32`, sorted; numbers
/// are big-endian seconds since 1970.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Slot {
    /// No proof whose `iat` is this or before is taken, unless the slot was never written.
    floor: u32,
    entries: Vec<Entry>,
}

/// One proof: which, and when it was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    fingerprint: [u8; 12],
    issued: u32,
}

impl Noting {
    /// Begins to note a proof at `now`, in seconds since 1970.
    pub fn new(proof: DpopProof, policy: &DpopPolicy, now: u64) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(&proof.key);
        hash.update(proof.id.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let [high, low, rest @ ..] = digest;
        let slot = u16::from_be_bytes([high, low]) & 0x0fff;
        let phase = match u32::try_from(proof.issued) {
            Ok(_) => Phase::Reading,
            // Beyond 2106: there is no room for such a time.
            Err(_) => Phase::Done(Err(DpopFault::ReplayTable)),
        };
        Noting {
            key: format!("fhir-guard.proof.v1.{slot:03x}"),
            entry: Entry {
                fingerprint: rest.first_chunk().copied().unwrap_or_default(),
                issued: u32::try_from(proof.issued).unwrap_or(0),
            },
            now,
            lifetime: policy.lifetime(),
            phase,
            tries: 0,
            proof,
        }
    }
}

impl Work for Noting {
    /// The key that is proven, or why it is not.
    type Outcome = Result<ProvenKey, DpopFault>;

    fn step(&self) -> Step<'_, Self::Outcome> {
        match &self.phase {
            Phase::Reading => Step::Read { key: &self.key },
            Phase::Writing { value, version } | Phase::Mending { value, version } => Step::Write {
                key: &self.key,
                value,
                version: *version,
            },
            Phase::Done(outcome) => Step::Done(outcome.clone()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.phase = match (&self.phase, answer) {
            (Phase::Done(_), _) => return,
            // Whether the mended slot could be stored changes nothing: the next read mends again.
            (Phase::Mending { .. }, _) => refused(DpopFault::ReplayTable),
            (Phase::Reading, Answer::Value { bytes, version }) => self.decide(bytes, version),
            (Phase::Writing { .. }, Answer::Written) => Phase::Done(Ok(ProvenKey::of(&self.proof))),
            (Phase::Writing { .. }, Answer::Conflict) if self.tries < TRIES => Phase::Reading,
            _ => refused(DpopFault::ReplayTable),
        };
    }
}

impl Noting {
    fn decide(&mut self, bytes: Option<Vec<u8>>, version: Option<u32>) -> Phase {
        self.tries += 1;
        let mut slot = match (bytes, version) {
            (None, None) => Slot {
                floor: 0,
                entries: Vec::new(),
            },
            (bytes, _) => match Slot::read(&bytes.unwrap_or_default()) {
                Some(slot) => slot,
                None => {
                    let value = Slot::emptied(self.now).bytes();
                    return Phase::Mending { value, version };
                }
            },
        };
        match slot.note(self.entry, self.now, self.lifetime) {
            Ok(()) => Phase::Writing {
                value: slot.bytes(),
                version,
            },
            Err(fault) => refused(fault),
        }
    }
}

fn refused(fault: DpopFault) -> Phase {
    Phase::Done(Err(fault))
}

impl Slot {
    /// A slot that has forgotten everything until `now`, and what was early then.
    fn emptied(now: u64) -> Slot {
        let floor = now.saturating_add(MAX_SKEW);
        Slot {
            floor: u32::try_from(floor).unwrap_or(u32::MAX),
            entries: Vec::new(),
        }
    }

    /// The slot in these bytes; `None` where nobody here wrote them.
    fn read(bytes: &[u8]) -> Option<Slot> {
        let (magic, bytes) = bytes.split_first_chunk::<4>()?;
        let (floor, bytes) = bytes.split_first_chunk::<4>()?;
        let (chunks, rest) = bytes.as_chunks::<16>();
        if *magic != MAGIC || !rest.is_empty() || chunks.len() > ENTRIES {
            return None;
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(chunks.len() + 1);
        for chunk in chunks {
            let (fingerprint, issued) = chunk.split_first_chunk::<12>()?;
            let entry = Entry {
                fingerprint: *fingerprint,
                issued: u32::from_be_bytes(*issued.first_chunk::<4>()?),
            };
            let last = entries.last();
            if last.is_some_and(|last| last.fingerprint >= entry.fingerprint) {
                return None;
            }
            entries.push(entry);
        }
        Some(Slot {
            floor: u32::from_be_bytes(*floor),
            entries,
        })
    }

    /// Adds a proof, or says why it cannot be a fresh one. What no policy like this one takes any more
    /// is forgotten before.
    fn note(&mut self, entry: Entry, now: u64, lifetime: u64) -> Result<(), DpopFault> {
        let place = |slot: &Slot| {
            let found = |known: &Entry| known.fingerprint.cmp(&entry.fingerprint);
            slot.entries.binary_search_by(found)
        };
        if place(self).is_ok() {
            return Err(DpopFault::Replay);
        }
        // A zero is the floor of a slot that has forgotten nothing; nobody makes proofs in 1970.
        if entry.issued <= self.floor {
            return Err(DpopFault::ReplayTable);
        }
        let mut floor = self.floor;
        self.entries.retain(|known| {
            let alive = u64::from(known.issued).saturating_add(lifetime) >= now;
            if !alive {
                floor = floor.max(known.issued);
            }
            alive
        });
        self.floor = floor;
        match place(self) {
            // It was a proof of its own time a moment ago, and what is forgotten is older: unless the
            // clock of this worker is behind.
            _ if entry.issued <= self.floor => Err(DpopFault::ReplayTable),
            _ if self.entries.len() >= ENTRIES => Err(DpopFault::ReplayTable),
            Ok(index) | Err(index) => {
                self.entries.insert(index, entry);
                Ok(())
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 16 * self.entries.len());
        bytes.extend(MAGIC);
        bytes.extend(self.floor.to_be_bytes());
        for entry in &self.entries {
            bytes.extend(entry.fingerprint);
            bytes.extend(entry.issued.to_be_bytes());
        }
        bytes
    }
}
