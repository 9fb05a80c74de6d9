//! Callers whom the filter itself shuts out for a time, on all workers: one table in shared data.
//!
//! # Bounds
//!
//! One key, `fhir-guard.quarantine.v2`, of at most 256 entries: 4 + 256 * 20 = 5124 bytes. Where it is full
//! the entry that ends first gives way: of tokens, where there are more than 128 of them, else of all. Tokens can be had
//! in any number, so they never push out a certificate, a client, a subject or a tenant as long as there are at most 128
//! of these. Adding one costs at most 8 reads and 8 writes, looking one read.
//!
//! # What is promised
//!
//! An entry that was added counts on that worker at once, is seen by every other the next time it looks,
//! and counts until its time is over, or until 256 later ones have come. What stands in shared data may be anybody's: a table that
//! nobody here wrote is no table. Whoever looks at one keeps what it has seen before, and whoever adds
//! writes that down again.

use super::Shown;
use crate::shared::{Answer, Step, Swap, Work};

/// The most entries.
pub const QUARANTINED: usize = 256;

/// Of these so many may be tokens, where others need the room.
const TOKENS: usize = 128;

const KEY: &str = "fhir-guard.quarantine.v2";

const MAGIC: [u8; 4] = *b"FGQ\x02";

/// Who is shut out.
#[derive(Clone, Copy, Debug)]
pub enum Suspect<'a> {
    /// The token of this id, of this issuer.
    Token(&'a str, &'a str),
    /// The subject of this name, of this issuer.
    Subject(&'a str, &'a str),
    /// The client of this name, of this issuer.
    Client(&'a str, &'a str),
    /// Whoever holds the certificate of this thumbprint, in lower-case hexadecimal.
    Certificate(&'a str),
    /// All callers of this tenant.
    Tenant(&'a str),
}

/// The table, as one worker has seen it: `magic 4`, then entries `fingerprint 16, until u32`; numbers are
/// big-endian seconds since 1970.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Quarantine {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    fingerprint: [u8; 16],
    /// It does not count any more from this second on.
    until: u32,
}

impl Quarantine {
    /// Whether nobody is shut out.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether somebody is shut out at `now`, in seconds since 1970.
    pub fn holds(&self, shown: &Shown<'_>, now: u64) -> bool {
        let suspects = [
            Some(Suspect::Token(shown.token_id, shown.issuer)),
            Some(Suspect::Subject(shown.subject, shown.issuer)),
            Some(Suspect::Client(shown.client, shown.issuer)),
            shown.certificate.map(Suspect::Certificate),
        ];
        suspects.into_iter().flatten().any(|suspect| {
            let fingerprint = suspect.fingerprint();
            let counts = |one: &Entry| one.fingerprint == fingerprint && now < one.until.into();
            self.entries.iter().any(counts)
        })
    }

    /// For how many seconds more this one is shut out at `now`, in seconds since 1970; `None` where it is not.
    pub fn remaining(&self, suspect: Suspect<'_>, now: u64) -> Option<u64> {
        let fingerprint = suspect.fingerprint();
        let mut entries = self.entries.iter();
        let entry = entries.find(|one| one.fingerprint == fingerprint)?;
        u64::from(entry.until)
            .checked_sub(now)
            .filter(|more| *more > 0)
    }

    /// Work that looks what other workers have added.
    pub fn look(&self) -> QuarantineLook {
        QuarantineLook { found: None }
    }

    /// Takes what a look or an addition has found, beside what is at hand; `now` in seconds since 1970.
    pub fn looked(&mut self, found: Option<Quarantine>, now: u64) {
        if let Some(found) = found
            && found != *self
        {
            *self = found.and(self, now);
        }
        // A table whose entries are all over costs requests nothing.
        self.entries.retain(|one| now < one.until.into());
    }

    /// Work that shuts somebody out until then; the longer of two times counts. Times are in seconds since
    /// 1970.
    pub fn add(&self, suspect: Suspect<'_>, until: u64, now: u64) -> QuarantineAdd {
        let entry = Entry {
            fingerprint: suspect.fingerprint(),
            until: u32::try_from(until).unwrap_or(u32::MAX),
        };
        QuarantineAdd {
            own: self.clone(),
            entry,
            now,
            swap: Swap::new(KEY),
        }
    }

    fn read(bytes: &[u8]) -> Option<Quarantine> {
        let (chunks, rest) = bytes.strip_prefix(&MAGIC)?.as_chunks::<20>();
        if !rest.is_empty() || chunks.len() > QUARANTINED {
            return None;
        }
        let entry = |chunk: &[u8; 20]| {
            let (fingerprint, until) = chunk.split_first_chunk::<16>()?;
            Some(Entry {
                fingerprint: *fingerprint,
                until: u32::from_be_bytes(*until.first_chunk()?),
            })
        };
        let entries = chunks.iter().map(entry).collect::<Option<_>>()?;
        Some(Quarantine { entries })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for entry in &self.entries {
            bytes.extend(entry.fingerprint);
            bytes.extend(entry.until.to_be_bytes());
        }
        bytes
    }

    /// With the entries of another as well.
    fn and(self, other: &Quarantine, now: u64) -> Quarantine {
        let alive = other.entries.iter().filter(|one| now < one.until.into());
        alive.fold(self, |table, entry| table.with(*entry, now))
    }

    /// With this entry, and without those that are over.
    fn with(mut self, entry: Entry, now: u64) -> Quarantine {
        self.entries.retain(|one| now < one.until.into());
        let same = |one: &&mut Entry| one.fingerprint == entry.fingerprint;
        match self.entries.iter_mut().find(same) {
            Some(known) => known.until = known.until.max(entry.until),
            None => self.entries.push(entry),
        }
        if self.entries.len() > QUARANTINED {
            let tokens = self.entries.iter().filter(|one| one.is_token()).count();
            let may_go = |one: &Entry| tokens <= TOKENS || one.is_token();
            let entries = (0..).zip(&self.entries);
            let entries = entries.filter(|(_, one)| may_go(one));
            let ends_first = entries.min_by_key(|(_, one)| one.until);
            if let Some(place) = ends_first.map(|(place, _)| place) {
                self.entries.swap_remove(place);
            }
        }
        self
    }
}

impl Entry {
    /// Whether it is a token's.
    fn is_token(&self) -> bool {
        self.fingerprint.first() == Some(&TOKEN)
    }
}

/// The kind of a token.
const TOKEN: u8 = 0;

impl Suspect<'_> {
    /// Names it, so that no two are named alike: a byte that says what it is, and a hash.
    fn fingerprint(self) -> [u8; 16] {
        let (kind, name, issuer) = match self {
            Suspect::Token(id, issuer) => (TOKEN, id, issuer),
            Suspect::Subject(name, issuer) => (1, name, issuer),
            Suspect::Client(name, issuer) => (2, name, issuer),
            Suspect::Certificate(thumbprint) => (3, thumbprint, ""),
            Suspect::Tenant(name) => (4, name, ""),
        };
        let mut hash = blake3::Hasher::new();
        hash.update(&[kind]);
        hash.update(&(issuer.len() as u64).to_be_bytes());
        hash.update(issuer.as_bytes());
        hash.update(name.as_bytes());
        let digest = hash.finalize();
        let mut fingerprint: [u8; 16] =
            digest.as_bytes().first_chunk().copied().unwrap_or_default();
        if let Some(first) = fingerprint.first_mut() {
            *first = kind;
        }
        fingerprint
    }
}

/// See [`Quarantine::look`].
#[derive(Debug)]
pub struct QuarantineLook {
    /// What was found, when it is done.
    found: Option<Option<Quarantine>>,
}

impl Work for QuarantineLook {
    /// The table; `None` where there is none that can be used.
    type Outcome = Option<Quarantine>;

    fn step(&self) -> Step<'_, Self::Outcome> {
        match &self.found {
            None => Step::Read { key: KEY },
            Some(found) => Step::Done(found.clone()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        let read = match answer {
            Answer::Value { bytes, .. } => bytes.as_deref().and_then(Quarantine::read),
            _ => None,
        };
        self.found.get_or_insert(read);
    }
}

/// See [`Quarantine::add`].
#[derive(Debug)]
pub struct QuarantineAdd {
    own: Quarantine,
    entry: Entry,
    now: u64,
    swap: Swap<Quarantine>,
}

impl Work for QuarantineAdd {
    /// The table with the entry in it. Where shared data could not be used it is this worker's alone.
    type Outcome = Option<Quarantine>;

    fn step(&self) -> Step<'_, Self::Outcome> {
        let swapped = match self.swap.step().outcome() {
            Ok(swapped) => swapped,
            Err(step) => return step,
        };
        let alone = || self.own.clone().with(self.entry, self.now);
        Step::Done(Some(swapped.outcome().cloned().unwrap_or_else(alone)))
    }

    fn answer(&mut self, answer: Answer) {
        let (own, entry, now) = (&self.own, self.entry, self.now);
        self.swap.answer(answer, |bytes| {
            let found = Quarantine::read(&bytes).unwrap_or_default();
            let table = found.and(own, now).with(entry, now);
            let value = table.bytes();
            (table, Some(value))
        });
    }
}
