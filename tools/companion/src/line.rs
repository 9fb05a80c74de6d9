//! A line of a log, to what it says of a chain. The grammar is that of the page docs/audit.md, strict: what is not
//! exactly of its form is malformed.

mod event;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::memmem;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::keys::{Keys, Verdict};

/// What tells a chain from all others.
pub type Id = [u8; 16];

/// A SHA-256.
pub type Hash = [u8; 32];

/// When an exchange began, `2026-01-31T23:59:59.123Z`.
pub type Time = [u8; 24];

/// What a line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
    /// No record, or one that is in no chain.
    Other,
    /// The early copy of a record.
    Early {
        /// Its chain.
        id: Id,
        /// Its ticket.
        ticket: u64,
    },
    /// What a repository was told of an exchange before it went on.
    Intent {
        /// Its chain.
        id: Id,
        /// Its ticket.
        ticket: u64,
        /// When the exchange began, if the line begins as records do.
        time: Option<Time>,
    },
    /// An AuditEvent of an exchange in a chain.
    Event {
        /// Its chain.
        id: Id,
        /// Its ticket.
        ticket: u64,
        /// When the exchange began, if the event tells it.
        time: Option<Time>,
        /// It tells what became of the exchange; else that it is to go on.
        is_over: bool,
    },
    /// A record in a chain.
    Sealed(Box<Sealed>),
    /// It would be one of them, but for this.
    Malformed(&'static str),
}

/// A record in a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// Its chain.
    pub id: Id,
    /// Its number there, from 1.
    pub seq: u64,
    /// What it has in common with its early copy.
    pub ticket: Option<u64>,
    /// The repository had acknowledged an intent with this ticket.
    pub announced: bool,
    /// The hash of the record before it.
    pub prev: Hash,
    /// Its own hash.
    pub hash: Hash,
    /// When the exchange began, if the record begins as records do.
    pub time: Option<Time>,
    /// What makes it a checkpoint.
    pub checkpoint: Option<Checkpoint>,
}

/// What a checkpoint says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// How far other chains have come.
    pub links: Vec<Link>,
    /// The records from one checkpoint to the next, at most.
    pub every: u64,
    /// Of the last record of a chain, the tickets that were given.
    pub end: Option<u64>,
    /// The name of the key, and what came of the signature.
    pub signature: Option<(String, Verdict)>,
}

/// How far another chain had come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// That chain.
    pub id: Id,
    /// The number of its last record; 0 before the first.
    pub seq: u64,
    /// The hash of that record.
    pub hash: Hash,
    /// When it had.
    pub at: Time,
}

/// What every record begins with, before its time.
const BEGINNING: &[u8] = br#"{"v":1,"time":""#;

/// The same inside a JSON string.
const ESCAPED: &[u8] = br#"{\"v\":1,\"time\":\""#;

/// What the member of the chain begins with.
const MEMBER: &[u8] = br#","chain":{"#;

/// The record in a line: the line itself, the end of it, or a JSON string in it. `None` where several strings would be
/// the record: one of them is somebody else's text.
pub fn record(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut found = records(line).into_iter();
    match (found.next(), found.next()) {
        (_, Some(_)) => None,
        (record, None) => Some(record.unwrap_or(Cow::Borrowed(line))),
    }
}

/// All that could be the record in a line: several where one of them is somebody else's text.
pub fn records(line: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if line.starts_with(BEGINNING) {
        return vec![Cow::Borrowed(line)];
    }
    // What stands before may be anybody's; what is in a record, and in a JSON string, has its quotes escaped.
    if let Some(begins) = memmem::rfind(line, BEGINNING).and_then(|at| line.get(at..)) {
        return vec![Cow::Borrowed(begins)];
    }
    memmem::find_iter(line, ESCAPED)
        .filter_map(|at| quoted(line, at))
        .filter(|text| memmem::find(text, MEMBER).is_some())
        .map(Cow::Owned)
        .collect()
}

/// The JSON string whose text begins here.
fn quoted(line: &[u8], at: usize) -> Option<Vec<u8>> {
    let (before, text) = line.split_at_checked(at.checked_sub(1)?)?;
    // A quote behind a backslash is in the middle of a string.
    if !text.starts_with(b"\"") || before.ends_with(b"\\") {
        return None;
    }
    let mut texts = serde_json::Deserializer::from_slice(text).into_iter::<String>();
    Some(texts.next()?.ok()?.into_bytes())
}

/// What a line says, without its line feed.
pub fn read(line: &[u8], keys: &Keys) -> Fact {
    if !line.starts_with(BEGINNING)
        && let Some(fact) = event::read(line)
    {
        return fact;
    }
    let Some(record) = record(line) else {
        return Fact::Malformed("one record in a line");
    };
    let Some(at) = memmem::rfind(&record, MEMBER) else {
        return Fact::Other;
    };
    let member = record.get(at..).unwrap_or_default();
    let mut cursor = Cursor { rest: member };
    match cursor.member(&record, keys) {
        Ok(fact) if cursor.rest.is_empty() => fact,
        Ok(_) => Fact::Malformed("nothing behind the record"),
        Err(what) => Fact::Malformed(what),
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn member(&mut self, record: &[u8], keys: &Keys) -> Result<Fact, &'static str> {
        self.expect(MEMBER, "the member chain")?;
        self.expect(b"\"v\":1,", "version 1 of the chain")?;
        self.expect(b"\"id\":\"", "the id of the chain")?;
        let id = self.hex("the id of the chain")?;
        if self.take(b"\",\"ticket\":") {
            let ticket = self.number("a ticket")?;
            self.expect(b"}}", "the end of the record")?;
            return Ok(Fact::Early { id, ticket });
        }
        if self.take(b"\",\"intent\":") {
            let ticket = self.number("a ticket")?;
            self.expect(b"}}", "the end of the record")?;
            let time = began(record);
            return Ok(Fact::Intent { id, ticket, time });
        }
        self.expect(b"\",\"seq\":", "a number or a ticket")?;
        let seq = self.number("the number in the chain")?;
        if seq == 0 {
            return Err("the number in the chain");
        }
        let announced = self.take(b",\"intent\":");
        let ticket = match announced || self.take(b",\"ticket\":") {
            true => Some(self.number("a ticket")?),
            false => None,
        };
        self.expect(b",\"prev\":\"", "the hash of the record before")?;
        let prev = self.hex("the hash of the record before")?;
        self.expect(b"\"", "the hash of the record before")?;
        let checkpoint = match self.take(b",\"links\":[") {
            true => Some(self.checkpoint(record, keys)?),
            false => None,
        };
        self.expect(b"}}", "the end of the record")?;
        let time = began(record);
        Ok(Fact::Sealed(Box::new(Sealed {
            id,
            seq,
            ticket,
            announced,
            prev,
            hash: Sha256::digest(record).into(),
            time,
            checkpoint,
        })))
    }

    fn checkpoint(&mut self, record: &[u8], keys: &Keys) -> Result<Checkpoint, &'static str> {
        let mut links = Vec::new();
        while !self.take(b"]") {
            if !links.is_empty() {
                self.expect(b",", "a link")?;
            }
            links.push(self.link()?);
        }
        self.expect(b",\"every\":", "the distance of checkpoints")?;
        let every = self.number("the distance of checkpoints")?;
        let end = match self.take(b",\"end\":") {
            true => Some(self.number("the count of tickets")?),
            false => None,
        };
        let signature = match self.take(b",\"key\":\"") {
            true => Some(self.signature(record, keys)?),
            false => None,
        };
        Ok(Checkpoint {
            links,
            every,
            end,
            signature,
        })
    }

    fn link(&mut self) -> Result<Link, &'static str> {
        self.expect(b"{\"id\":\"", "a link")?;
        let id = self.hex("the chain of a link")?;
        self.expect(b"\",\"seq\":", "the number of a link")?;
        let seq = self.number("the number of a link")?;
        self.expect(b",\"hash\":\"", "the hash of a link")?;
        let hash = self.hex("the hash of a link")?;
        self.expect(b"\",\"at\":\"", "the time of a link")?;
        let (at, rest) = self.rest.split_first_chunk().ok_or("the time of a link")?;
        self.rest = rest;
        self.expect(b"\"}", "the end of a link")?;
        Ok(Link {
            id,
            seq,
            hash,
            at: *at,
        })
    }

    fn signature(&mut self, record: &[u8], keys: &Keys) -> Result<(String, Verdict), &'static str> {
        let key = self.until_quote("the name of a key")?;
        self.expect(b",\"alg\":\"", "an algorithm")?;
        let algorithm = self.until_quote("an algorithm")?;
        let signed = record.len().saturating_sub(self.rest.len());
        self.expect(b",\"sig\":\"", "a signature")?;
        let text = self.until_quote("a signature")?;
        let signature = URL_SAFE_NO_PAD.decode(text);
        let signature = signature.map_err(|_| "a signature in base64url")?;
        let signed = record.get(..signed).unwrap_or_default();
        let verdict = keys.verify(key, algorithm, signed, &signature);
        Ok((String::from_utf8_lossy(key).into_owned(), verdict))
    }

    fn take(&mut self, text: &[u8]) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &[u8], what: &'static str) -> Result<(), &'static str> {
        self.take(text).then_some(()).ok_or(what)
    }

    /// Decimal digits, without zeros in front.
    fn number(&mut self, what: &'static str) -> Result<u64, &'static str> {
        let mut number: Option<u64> = None;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let before = match number {
                None => 0,
                Some(0) => return Err(what),
                Some(before) => before,
            };
            let next = before.checked_mul(10);
            let next = next.and_then(|next| next.checked_add(u64::from(digit - b'0')));
            number = Some(next.ok_or(what)?);
            self.rest = rest;
        }
        number.ok_or(what)
    }

    /// Bytes in hexadecimal digits of lower case.
    fn hex<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], &'static str> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            let ([high, low], rest) = self.rest.split_first_chunk().ok_or(what)?;
            *byte = (nibble(*high).ok_or(what)? << 4) | nibble(*low).ok_or(what)?;
            self.rest = rest;
        }
        Ok(bytes)
    }

    /// Text without quotes and escapes, of at most 128 bytes, and the quote behind it.
    fn until_quote(&mut self, what: &'static str) -> Result<&'a [u8], &'static str> {
        let end = memchr::memchr(b'"', self.rest).filter(|end| *end <= 128);
        let (text, rest) = self.rest.split_at_checked(end.ok_or(what)?).ok_or(what)?;
        self.rest = rest.get(1..).unwrap_or_default();
        text.iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'\\')
            .then_some(text)
            .ok_or(what)
    }
}

/// When a record was written, in nanoseconds since 1970: when its exchange ended. Of an intent, when it began.
pub fn written(record: &[u8]) -> Option<i128> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let began = OffsetDateTime::parse(record.get("time")?.as_str()?, &Rfc3339).ok()?;
    let took = record.get("us").and_then(Value::as_u64).unwrap_or(0);
    Some(began.unix_timestamp_nanos() + i128::from(took) * 1000)
}

/// A time in milliseconds since 1970.
pub fn milliseconds(time: Time) -> Option<i64> {
    let text = std::str::from_utf8(&time).ok()?;
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// When its exchange began.
fn began(record: &[u8]) -> Option<Time> {
    let rest = record.strip_prefix(BEGINNING)?;
    rest.first_chunk().copied()
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
