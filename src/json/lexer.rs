//! Bytes to a flat tape of values: one pass, no recursion, nothing copied.

use super::block::Block;
use super::tape::{Entry, Tag, Tape, signature};
use super::text::{hex_escape, hex4};
use super::{Fault, FaultKind, Kind, Limits};

/// So many keys of an object are compared with a new one. The keys of a wider one are compared once
/// the document is read.
const FEW: usize = 24;

/// Reads one value with white space before it; says where it ends.
///
/// The bytes must be UTF-8 where it counts: what stands in strings is not looked at.
pub(super) fn lex(bytes: &[u8], limits: &Limits, tape: &mut Tape) -> Result<usize, Fault> {
    tape.suspects.clear();
    tape.noted.clear();
    tape.entries.truncate(limits.values);
    tape.used = 0;
    // Offsets are 32 bits wide, also in WebAssembly, where a longer text could not exist anyway.
    if u32::try_from(bytes.len()).is_err() {
        return Err(Fault {
            at: 0,
            kind: FaultKind::TooLarge,
        });
    }
    let mut lexer = Lexer {
        bytes,
        at: 0,
        block: Block::NONE,
        here: usize::MAX,
        in_object: false,
        depth: 0,
        seen: 0,
        entries: std::mem::take(&mut tape.entries),
        used: 0,
        noted: tape.tags,
        tape,
        limits,
    };
    let found = lexer.run();
    let Lexer {
        at, used, entries, ..
    } = lexer;
    tape.used = used;
    tape.entries = entries;
    found.map(|()| at)
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

/// A call that is not inlined must not borrow it: the compiler would then keep every field in memory.
struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    block: Block,
    /// The innermost object or array that is open, by its index. Until it is closed its entry has
    /// the index of the one around it in `next`, and that one's `seen` in `end`. Around the one value
    /// there is none, `usize::MAX`.
    here: usize,
    in_object: bool,
    depth: usize,
    /// A bit for each key of the object `here`, so that most are known to be new without being compared.
    seen: u32,
    /// The tape's entries, of which so many are used.
    entries: Vec<Entry>,
    used: usize,
    /// The tags of keys that are noted.
    noted: [Tag; 5],
    /// What else there is of the tape.
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
            if !closed && self.in_object {
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
        while self.depth > 0 {
            self.skip_space();
            match (self.peek(), self.in_object) {
                (Some(b','), true) => {
                    self.step(1);
                    return self.key().map(|()| false);
                }
                (Some(b','), false) => {
                    self.step(1);
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
        self.step(1);
        Ok(())
    }

    #[inline(always)]
    fn string(&mut self, key: bool) -> Result<(), Fault> {
        let start = self.at;
        let mut escaped = false;
        self.step(1);
        loop {
            self.at = self.block.attention(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at = escape(self.bytes, self.at)?;
                }
                _ => return Err(self.fault(FaultKind::ControlCharacter)),
            }
        }
        let length = self.at.wrapping_sub(start).wrapping_sub(1);
        self.step(1);
        let tag = if key {
            self.key_tag(start, length, escaped)
        } else {
            Tag::value(Kind::String, escaped)
        };
        self.push(start, tag)
    }

    /// Takes into account that the innermost object has this key.
    #[inline(always)]
    fn key_tag(&mut self, start: usize, length: usize, escaped: bool) -> Tag {
        let from = self.bytes.get(start.wrapping_add(1)..);
        let signature = signature(from.unwrap_or_default(), length);
        let tag = Tag::key(signature, escaped);
        if self.seen & tag.bit() != 0 || escaped {
            let known = self.tape.suspects.last() == Some(&narrow(self.here));
            let members = self.entries.get(..self.used).unwrap_or_default();
            if !known && (escaped || may_have(members, self.here, tag)) {
                self.tape.suspects.push(narrow(self.here));
            }
        }
        self.seen |= tag.bit();
        if escaped || self.noted.contains(&tag) {
            self.tape.noted.push(narrow(self.used));
        }
        tag
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.step(1);
        }
        match self.peek() {
            Some(b'0') => self.step(1),
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.step(1);
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.step(1);
            if let Some(b'+' | b'-') = self.peek() {
                self.step(1);
            }
            self.digits()?;
        }
        // `01`, `1.2.3`, `1a`: one broken number, rather than a number and a missing comma.
        if let Some(b'0'..=b'9' | b'.' | b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z') = self.peek() {
            return Err(self.fault(FaultKind::Number));
        }
        self.push(start, Tag::value(Kind::Number, false))
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.step(1);
        }
        if self.at == start {
            return Err(self.fault(FaultKind::Number));
        }
        Ok(())
    }

    #[inline(always)]
    fn literal(&mut self, word: &'static [u8], kind: Kind) -> Result<(), Fault> {
        let start = self.at;
        for &byte in word {
            if self.peek() != Some(byte) {
                return Err(self.fault(FaultKind::ExpectedValue));
            }
            self.step(1);
        }
        self.push(start, Tag::value(kind, false))
    }

    #[inline(always)]
    fn open(&mut self, kind: Kind) -> Result<(), Fault> {
        if self.depth >= self.limits.depth {
            return Err(self.fault(FaultKind::TooDeep));
        }
        let index = self.used;
        let around = narrow(self.here);
        self.push_entry(self.at, self.seen, around, Tag::value(kind, false))?;
        self.step(1);
        self.here = index;
        self.depth = self.depth.wrapping_add(1);
        self.in_object = kind == Kind::Object;
        self.seen = 0;
        Ok(())
    }

    #[inline(always)]
    fn close_if_empty(&mut self) -> bool {
        self.skip_space();
        let end = if self.in_object { b'}' } else { b']' };
        let empty = self.peek() == Some(end);
        if empty {
            self.close();
        }
        empty
    }

    #[inline(always)]
    fn close(&mut self) {
        self.step(1);
        self.depth = self.depth.saturating_sub(1);
        let Some(entry) = self.entries.get_mut(self.here) else {
            return;
        };
        let around = entry.next as usize;
        self.seen = entry.end;
        self.here = around;
        entry.end = narrow(self.at);
        entry.next = narrow(self.used);
        let entry = self.entries.get(around);
        self.in_object = entry.is_some_and(|entry| entry.tag == Tag::value(Kind::Object, false));
    }

    /// A scalar or key that ends here.
    #[inline(always)]
    fn push(&mut self, start: usize, tag: Tag) -> Result<(), Fault> {
        let (end, next) = (narrow(self.at), narrow(self.used.wrapping_add(1)));
        self.push_entry(start, end, next, tag)
    }

    #[inline(always)]
    fn push_entry(&mut self, start: usize, end: u32, next: u32, tag: Tag) -> Result<(), Fault> {
        if self.used >= self.entries.len() {
            if self.used >= self.limits.values {
                return Err(Fault {
                    at: start,
                    kind: FaultKind::TooLarge,
                });
            }
            let entries = std::mem::take(&mut self.entries);
            self.entries = with_room(entries, self.limits.values);
        }
        if let Some(free) = self.entries.get_mut(self.used) {
            self.used = self.used.wrapping_add(1);
            // One by one: put together first, they would be read before they are written.
            free.start = narrow(start);
            free.end = end;
            free.next = next;
            free.tag = tag;
        }
        Ok(())
    }

    /// Goes on by so many bytes. It cannot overflow, and if it did there would be nothing to read.
    #[inline(always)]
    fn step(&mut self, bytes: usize) {
        self.at = self.at.wrapping_add(bytes);
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
            self.step(1);
            // Pretty-printed answers are indented.
            while self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) == Some(b"        ") {
                self.step(8);
            }
        }
    }

    /// A fault here; at the end of the bytes it is always that they end.
    #[inline(always)]
    fn fault(&self, kind: FaultKind) -> Fault {
        let ends = self.at >= self.bytes.len();
        Fault {
            at: self.at.min(self.bytes.len()),
            kind: if ends { FaultKind::Truncated } else { kind },
        }
    }
}

/// Whether an object, whose members stand last on the tape, may have a key of this tag: it has one,
/// or more members than are looked at for every key.
#[inline(never)]
fn may_have(entries: &[Entry], object: usize, tag: Tag) -> bool {
    let mut at = object.wrapping_add(1);
    for _ in 0..FEW {
        match (entries.get(at), entries.get(at.wrapping_add(1))) {
            (Some(key), Some(value)) if key.tag != tag => at = value.next as usize,
            (Some(_), _) => return true,
            (None, _) => return false,
        }
    }
    true
}

/// The entries, and room for as many again, of at most so many.
#[cold]
#[inline(never)]
fn with_room(mut entries: Vec<Entry>, most: usize) -> Vec<Entry> {
    let room = entries.len().saturating_mul(2).max(64).min(most);
    entries.resize(room, Entry::default());
    entries
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

/// Lossless: `lex` has refused every text whose offsets need more bits.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
