//! Bytes to a flat tape of values: one pass, no recursion, nothing copied.

use super::text::{hex_escape, plain_prefix};
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
}

/// Reads exactly one value with white space around it.
pub(super) fn lex(text: &str, limits: &Limits) -> Result<Vec<Entry>, Fault> {
    let mut lexer = Lexer {
        bytes: text.as_bytes(),
        at: 0,
        tape: Vec::with_capacity(text.len() / 24 + 8),
        open: Vec::new(),
        limits,
    };
    // Offsets are 32 bits wide, also in WebAssembly, where a longer text could not exist anyway.
    if u32::try_from(text.len()).is_err() {
        return Err(lexer.fault(FaultKind::TooLarge));
    }
    lexer.run()?;
    Ok(lexer.tape)
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    tape: Vec<Entry>,
    /// The objects and arrays that are open: index on the tape, and whether it is an object.
    open: Vec<(usize, bool)>,
    limits: &'a Limits,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            let opened = self.value()?;
            let closed = !opened || self.close_if_empty();
            if closed && self.after_value()? {
                self.skip_space();
                return match self.peek() {
                    None => Ok(()),
                    Some(_) => Err(self.fault(FaultKind::ExpectedEnd)),
                };
            }
            if !closed && self.in_object() {
                self.key()?;
            }
        }
    }

    /// One scalar, or the opening of an object or array (`true`).
    fn value(&mut self) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string().map(|()| false),
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
    fn after_value(&mut self) -> Result<bool, Fault> {
        while let Some(&(_, object)) = self.open.last() {
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

    fn key(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.fault(FaultKind::ExpectedKey));
        }
        self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.fault(FaultKind::ExpectedColon));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_prefix(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return self.push(start, Kind::String, escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.fault(FaultKind::ControlCharacter)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = rest.get(1..).unwrap_or_default();
                let Some((_, length)) = hex_escape(digits) else {
                    let hex = super::text::hex4(digits).is_some();
                    return Err(match (hex, digits.len() < 4) {
                        (true, _) => self.fault(FaultKind::LoneSurrogate),
                        (false, true) => self.truncated(),
                        (false, false) => self.fault(FaultKind::Escape),
                    });
                };
                self.at += 2 + length;
            }
            Some(_) => return Err(self.fault(FaultKind::Escape)),
            None => return Err(self.truncated()),
        }
        Ok(())
    }

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
        self.push(start, Kind::Number, false)
    }

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
        self.push(start, kind, false)
    }

    fn open(&mut self, kind: Kind) -> Result<(), Fault> {
        if self.open.len() >= self.limits.depth {
            return Err(self.fault(FaultKind::TooDeep));
        }
        let index = self.tape.len();
        let start = self.at;
        self.at += 1;
        self.push(start, kind, false)?;
        self.open.push((index, kind == Kind::Object));
        Ok(())
    }

    fn close_if_empty(&mut self) -> bool {
        self.skip_space();
        let end = if self.in_object() { b'}' } else { b']' };
        let empty = self.peek() == Some(end);
        if empty {
            self.close();
        }
        empty
    }

    fn close(&mut self) {
        self.at += 1;
        let (end, next) = (narrow(self.at), narrow(self.tape.len()));
        let index = self.open.pop().map(|(index, _)| index);
        if let Some(entry) = index.and_then(|index| self.tape.get_mut(index)) {
            entry.end = end;
            entry.next = next;
        }
    }

    fn in_object(&self) -> bool {
        self.open.last().is_some_and(|&(_, object)| object)
    }

    fn push(&mut self, start: usize, kind: Kind, escaped: bool) -> Result<(), Fault> {
        if self.tape.len() >= self.limits.values {
            return Err(Fault {
                at: start,
                kind: FaultKind::TooLarge,
            });
        }
        self.tape.push(Entry {
            start: narrow(start),
            end: narrow(self.at),
            next: narrow(self.tape.len() + 1),
            kind,
            escaped,
        });
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn truncated(&self) -> Fault {
        Fault {
            at: self.bytes.len(),
            kind: FaultKind::Truncated,
        }
    }

    /// A fault here; at the end of the bytes it is always that they end.
    fn fault(&self, kind: FaultKind) -> Fault {
        if self.at >= self.bytes.len() && kind != FaultKind::TooLarge {
            return self.truncated();
        }
        Fault { at: self.at, kind }
    }
}

/// Lossless: `lex` has refused every text whose offsets need more bits.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
