//! Bytes to a flat tape of values: one pass, no recursion, nothing copied.

use super::text::{hex_escape, hex4, plain_prefix};
use super::{Fault, FaultKind, Kind, Limits};

/// One value or key. Values stand in document order; an object's children alternate key, value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
    /// Index of the entry behind this one and everything below it.
    pub next: u32,
    /// What it is.
    pub kind: Kind,
    /// Whether a string has a backslash in it.
    pub escaped: bool,
    /// Whether it is the key of a member.
    pub key: bool,
}

/// The memory of a reading, which the next one can use again.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// What was read.
    pub entries: Vec<Entry>,
    /// Objects that may have a key twice, by their index, in no order: every object that has one
    /// is among them.
    pub suspects: Vec<u32>,
    open: Vec<Open>,
    signatures: Vec<u64>,
}

/// An object or array that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    index: usize,
    object: bool,
    /// Where the signatures of its keys begin.
    signatures: usize,
    /// Whether a key has an escape, so that its signature says nothing.
    escaped: bool,
}

/// Above so many keys signatures are sorted rather than compared one with another.
const FEW: usize = 24;

/// Reads one value with white space before it; says where it ends.
///
/// The bytes must be UTF-8 where it counts: what stands in strings is not looked at.
pub(super) fn lex(bytes: &[u8], limits: &Limits, tape: &mut Tape) -> Result<usize, Fault> {
    tape.entries.clear();
    tape.suspects.clear();
    tape.open.clear();
    tape.signatures.clear();
    let mut lexer = Lexer {
        bytes,
        at: 0,
        tape,
        limits,
    };
    // Offsets are 32 bits wide, also in WebAssembly, where a longer text could not exist anyway.
    if u32::try_from(bytes.len()).is_err() {
        return Err(lexer.fault(FaultKind::TooLarge));
    }
    lexer.run()?;
    Ok(lexer.at)
}

/// That nothing but white space stands behind this offset.
pub(super) fn ends(bytes: &[u8], at: usize) -> Result<(), Fault> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| !is_space(*byte)) {
        None => Ok(()),
        Some(more) => Err(Fault {
            at: at.saturating_add(more),
            kind: FaultKind::ExpectedEnd,
        }),
    }
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    tape: &'a mut Tape,
    limits: &'a Limits,
}

// Inlined into one loop, so that the offset stays in a register: that is a third of the time.
impl Lexer<'_> {
    #[inline(always)]
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            let opened = self.value()?;
            let closed = !opened || self.close_if_empty();
            if closed && self.after_value()? {
                return Ok(());
            }
            if !closed && self.in_object() {
                self.key()?;
            }
        }
    }

    /// One scalar, or the opening of an object or array (`true`).
    #[inline(always)]
    fn value(&mut self) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string(false).map(|()| false),
            Some(b'{') => self.open(Kind::Object).map(|()| true),
            Some(b'[') => self.open(Kind::Array).map(|()| true),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.literal(b"true", Kind::Boolean).map(|()| false),
            Some(b'f') => self.literal(b"false", Kind::Boolean).map(|()| false),
            Some(b'n') => self.literal(b"null", Kind::Null).map(|()| false),
            _ => Err(self.fault(FaultKind::ExpectedValue)),
        }
    }

    /// Closes what ends here and goes on behind a comma; `true` when the root has closed.
    #[inline(always)]
    fn after_value(&mut self) -> Result<bool, Fault> {
        while let Some(object) = self.tape.open.last().map(|open| open.object) {
            self.skip_space();
            match (self.peek(), object) {
                (Some(b','), true) => {
                    self.at += 1;
                    return self.key().map(|()| false);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                _ => return Err(self.fault(FaultKind::ExpectedCommaOrEnd)),
            }
        }
        Ok(true)
    }

    #[inline(always)]
    fn key(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.fault(FaultKind::ExpectedKey));
        }
        self.string(true)?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.fault(FaultKind::ExpectedColon));
        }
        self.at += 1;
        Ok(())
    }

    #[inline(always)]
    fn string(&mut self, key: bool) -> Result<(), Fault> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = plain_prefix(rest);
            self.at += plain;
            match rest.get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    if key {
                        self.sign(start, escaped);
                    }
                    return self.push(start, Kind::String, escaped, key);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at = escape(self.bytes, self.at)?;
                }
                _ => return Err(self.fault(FaultKind::ControlCharacter)),
            }
        }
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // `01`, `1.2.3`, `1a`: one broken number, rather than a number and a missing comma.
        if let Some(b'0'..=b'9' | b'.' | b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z') = self.peek() {
            return Err(self.fault(FaultKind::Number));
        }
        self.push(start, Kind::Number, false, false)
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.fault(FaultKind::Number));
        }
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8], kind: Kind) -> Result<(), Fault> {
        let start = self.at;
        for &byte in word {
            if self.peek() != Some(byte) {
                return Err(self.fault(FaultKind::ExpectedValue));
            }
            self.at += 1;
        }
        self.push(start, kind, false, false)
    }

    #[inline(always)]
    fn open(&mut self, kind: Kind) -> Result<(), Fault> {
        if self.tape.open.len() >= self.limits.depth {
            return Err(self.fault(FaultKind::TooDeep));
        }
        let index = self.tape.entries.len();
        let start = self.at;
        self.at += 1;
        self.push(start, kind, false, false)?;
        self.tape.open.push(Open {
            index,
            object: kind == Kind::Object,
            signatures: self.tape.signatures.len(),
            escaped: false,
        });
        Ok(())
    }

    #[inline(always)]
    fn close_if_empty(&mut self) -> bool {
        self.skip_space();
        let end = if self.in_object() { b'}' } else { b']' };
        let empty = self.peek() == Some(end);
        if empty {
            self.close();
        }
        empty
    }

    #[inline(always)]
    fn close(&mut self) {
        self.at += 1;
        let (end, next) = (narrow(self.at), narrow(self.tape.entries.len()));
        let Some(open) = self.tape.open.pop() else {
            return;
        };
        if let Some(entry) = self.tape.entries.get_mut(open.index) {
            entry.end = end;
            entry.next = next;
        }
        if open.object {
            let own = self.tape.signatures.get_mut(open.signatures..);
            if open.escaped || own.is_some_and(some_are_equal) {
                self.tape.suspects.push(narrow(open.index));
            }
            self.tape.signatures.truncate(open.signatures);
        }
    }

    /// Remembers what two equal keys have in common: their length, their first eight bytes and
    /// their last eight.
    #[inline(always)]
    fn sign(&mut self, start: usize, escaped: bool) {
        let from = self.bytes.get(start + 1..).unwrap_or_default();
        let length = self.at - start - 2;
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let own = match (from.first_chunk(), length) {
            // What follows is there nearly always, so that a short key is one word too.
            (Some(first), 0..8) => word(first) & !(u64::MAX << (8 * length)),
            (Some(first), _) => {
                let last = from.get(..length).and_then(<[u8]>::last_chunk);
                word(first) ^ last.map_or(0, word).rotate_left(27)
            }
            (None, _) => {
                let key = from.get(..length).unwrap_or_default();
                let bytes = key.iter().rev();
                bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
            }
        };
        self.tape.signatures.push(own ^ (length as u64) << 56);
        if let Some(open) = self.tape.open.last_mut().filter(|_| escaped) {
            open.escaped = true;
        }
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        self.tape.open.last().is_some_and(|open| open.object)
    }

    #[inline(always)]
    fn push(&mut self, start: usize, kind: Kind, escaped: bool, key: bool) -> Result<(), Fault> {
        let entries = &mut self.tape.entries;
        if entries.len() >= self.limits.values {
            return Err(Fault {
                at: start,
                kind: FaultKind::TooLarge,
            });
        }
        entries.push(Entry {
            start: narrow(start),
            end: narrow(self.at),
            next: narrow(entries.len() + 1),
            kind,
            escaped,
            key,
        });
        Ok(())
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            if !is_space(byte) {
                return;
            }
            self.at += 1;
            // Pretty-printed answers are indented.
            while self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) == Some(b"        ") {
                self.at += 8;
            }
        }
    }

    #[inline(always)]
    fn truncated(&self) -> Fault {
        Fault {
            at: self.bytes.len(),
            kind: FaultKind::Truncated,
        }
    }

    /// A fault here; at the end of the bytes it is always that they end.
    #[inline(always)]
    fn fault(&self, kind: FaultKind) -> Fault {
        if self.at >= self.bytes.len() && kind != FaultKind::TooLarge {
            return self.truncated();
        }
        Fault { at: self.at, kind }
    }
}

/// The offset behind the escape at this one.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let fault = |kind| Err(Fault { at, kind });
    let truncated = Err(Fault {
        at: bytes.len(),
        kind: FaultKind::Truncated,
    });
    let rest = bytes.get(at + 1..).unwrap_or_default();
    match rest.first() {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let digits = rest.get(1..).unwrap_or_default();
            match hex_escape(digits) {
                Some((_, length)) => Ok(at + 2 + length),
                None if hex4(digits).is_some() => fault(FaultKind::LoneSurrogate),
                None if digits.len() < 4 => truncated,
                None => fault(FaultKind::Escape),
            }
        }
        Some(_) => fault(FaultKind::Escape),
        None => truncated,
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Whether a signature stands twice. It costs n log n at most.
fn some_are_equal(signatures: &mut [u64]) -> bool {
    if signatures.len() > FEW {
        signatures.sort_unstable();
        return signatures
            .windows(2)
            .any(|pair| pair.first() == pair.last());
    }
    let mut rest = &*signatures;
    while let Some((first, others)) = rest.split_first() {
        if others.contains(first) {
            return true;
        }
        rest = others;
    }
    false
}

/// Lossless: `lex` has refused every text whose offsets need more bits.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
