//! The document and its nodes.

use std::borrow::Cow;
use std::ops::Range;

use super::lexer::{Entry, Tape, ends, lex};
use super::text::unescape;
use super::{Fault, FaultKind, Limits};

/// One JSON text, read strictly. It borrows the bytes and holds 16 bytes for each value and key, while it
/// is read also 8 for each key of the objects that are open.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    tape: Tape,
}

/// The memory of a document that is not needed any more, for the next one.
#[derive(Debug, Default)]
pub struct Memory(Tape);

#[cfg(test)]
impl Memory {
    /// For how many values and keys there is room.
    pub(super) fn values(&self) -> usize {
        self.0.entries.capacity()
    }
}

/// Memory for more values than this is given back, 64 KiB: every exchange that streams keeps some,
/// and nobody counts it.
const KEPT_VALUES: usize = 1 << 12;

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number; its digits are kept as written.
    Number,
    /// A string, or a key.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Document<'a> {
    /// Reads one value with white space around it: RFC 8259, and every key once.
    ///
    /// # Errors
    /// The first thing that is wrong; a key that stands twice is reported only when the syntax is
    /// right.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>, Fault> {
        let document = Document::parse_syntax(bytes, limits)?;
        document.keys_are_unique()?;
        Ok(document)
    }

    /// As [`parse`](Self::parse), but a key may stand twice: the grammar alone. Never decide on
    /// such a document.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse_syntax(bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>, Fault> {
        if bytes.starts_with(b"\xEF\xBB\xBF") {
            return Err(Fault {
                at: 0,
                kind: FaultKind::ByteOrderMark,
            });
        }
        let text = utf8(bytes)?;
        let mut tape = Tape::default();
        // A value or key for so many bytes is what FHIR has.
        tape.entries.reserve(bytes.len() / 24 + 8);
        let end = lex(bytes, limits, &mut tape)?;
        ends(bytes, end)?;
        Ok(Document { text, tape })
    }

    /// As [`parse`](Self::parse), for the one value at the start of bytes that go on behind it.
    /// Says how many bytes it has.
    ///
    /// # Errors
    /// As `parse`. What is missing may be in bytes that are still to come.
    pub fn parse_first(
        bytes: &'a [u8],
        limits: &Limits,
        memory: Memory,
    ) -> Result<(Document<'a>, usize), Fault> {
        let Memory(mut tape) = memory;
        let end = lex(bytes, limits, &mut tape)?;
        let text = utf8(bytes.get(..end).unwrap_or_default())?;
        let document = Document { text, tape };
        document.keys_are_unique()?;
        Ok((document, end))
    }

    /// Gives back its memory.
    pub fn into_memory(self) -> Memory {
        if self.tape.entries.capacity() > KEPT_VALUES {
            return Memory::default();
        }
        Memory(self.tape)
    }

    /// The whole text; spans of nodes are offsets in it.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The one value.
    pub fn root(&self) -> Node<'_> {
        Node {
            text: self.text,
            tape: &self.tape.entries,
            index: 0,
        }
    }

    /// Only the objects that the lexer suspects are looked at. Comparisons grow with n log n for an
    /// object of n keys, so that a wide object costs no more than reading it.
    fn keys_are_unique(&self) -> Result<(), Fault> {
        const FEW: usize = 8;
        let mut suspects = self.tape.suspects.clone();
        suspects.sort_unstable();
        let mut names: Vec<(Cow<'_, str>, u32)> = Vec::new();
        for suspect in suspects {
            names.clear();
            let object = Node {
                text: self.text,
                tape: &self.tape.entries,
                index: suspect as usize,
            };
            for member in object.members() {
                let start = member.key.entry().map_or(0, |entry| entry.start);
                names.push((member.name(), start));
            }
            let twice = if names.len() <= FEW {
                twice_among_few(&names)
            } else {
                names.sort_unstable();
                twice_in_sorted(&names)
            };
            if let Some(at) = twice {
                return Err(Fault {
                    at: at as usize,
                    kind: FaultKind::DuplicateKey,
                });
            }
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| Fault {
        at: error.valid_up_to(),
        kind: FaultKind::NotUtf8,
    })
}

fn twice_among_few(names: &[(Cow<'_, str>, u32)]) -> Option<u32> {
    names.iter().enumerate().find_map(|(count, (name, start))| {
        let earlier = names.get(..count).unwrap_or_default();
        earlier
            .iter()
            .any(|(other, _)| other == name)
            .then_some(*start)
    })
}

fn twice_in_sorted(names: &[(Cow<'_, str>, u32)]) -> Option<u32> {
    names
        .iter()
        .zip(names.iter().skip(1))
        .find_map(|((name, _), (other, start))| (name == other).then_some(*start))
}

/// One value (or key) of a document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'d> {
    text: &'d str,
    tape: &'d [Entry],
    index: usize,
}

impl<'d> Node<'d> {
    /// What it is.
    pub fn kind(self) -> Kind {
        // A document has at least its root, and every node stands on its tape.
        self.entry().map_or(Kind::Null, |entry| entry.kind)
    }

    /// Where it stands, in bytes from the start of the document.
    pub fn span(self) -> Range<usize> {
        self.entry()
            .map_or(0..0, |entry| entry.start as usize..entry.end as usize)
    }

    /// Its bytes as written: quotes, escapes and inner white space included.
    pub fn raw(self) -> &'d str {
        self.text.get(self.span()).unwrap_or_default()
    }

    /// As [`raw`](Self::raw).
    pub fn bytes(self) -> &'d [u8] {
        self.raw().as_bytes()
    }

    /// The text of a string, escapes resolved; `None` for anything else.
    pub fn str(self) -> Option<Cow<'d, str>> {
        let entry = self.entry().filter(|entry| entry.kind == Kind::String)?;
        let inner = entry.start as usize + 1..(entry.end as usize).saturating_sub(1);
        let inner = self.text.get(inner).unwrap_or_default();
        Some(if entry.escaped {
            unescape(inner)
        } else {
            Cow::Borrowed(inner)
        })
    }

    /// The value of a boolean; `None` for anything else.
    pub fn bool(self) -> Option<bool> {
        (self.kind() == Kind::Boolean).then(|| self.raw() == "true")
    }

    /// Whether it is a string of exactly this text.
    #[inline]
    pub fn is_str(self, text: &str) -> bool {
        self.entry()
            .is_some_and(|entry| entry.kind == Kind::String && self.says(entry, text))
    }

    /// The members of an object in order; none for anything else.
    pub fn members(self) -> Members<'d> {
        Members(self.children(Kind::Object))
    }

    /// The items of an array in order; none for anything else.
    pub fn items(self) -> Items<'d> {
        Items(self.children(Kind::Array))
    }

    /// The member of this name (after unescaping) of an object.
    pub fn get(self, name: &str) -> Option<Node<'d>> {
        let Children { mut index, end, .. } = self.children(Kind::Object);
        while index < end {
            let key = self.tape.get(index)?;
            // The value stands behind its key, and the next key behind the value.
            let value = Node {
                index: index + 1,
                ..self
            };
            if self.says(key, name) {
                return Some(value);
            }
            index = value.entry()?.next as usize;
        }
        None
    }

    /// The values of all members of this name, of objects here and below, in order.
    pub fn all_named<'n>(self, name: &'n str) -> impl Iterator<Item = Node<'d>> + use<'d, 'n> {
        let range = self.tape_range();
        let first = range.start;
        let entries = self.tape.get(range).unwrap_or_default();
        entries
            .iter()
            .enumerate()
            .filter_map(move |(index, entry)| {
                let named = entry.key && self.says(entry, name);
                // The value stands behind its key.
                named.then(|| Node {
                    index: first + index + 1,
                    ..self
                })
            })
    }

    /// Whether a string or key says exactly this text.
    #[inline(always)]
    fn says(self, entry: &Entry, text: &str) -> bool {
        // With its quotes. Nearly all others are told by their length alone.
        let length = (entry.end - entry.start) as usize;
        if entry.escaped {
            return self.says_with_escapes(entry, text);
        }
        length == text.len() + 2 && {
            let inner = entry.start as usize + 1..entry.end as usize - 1;
            self.text.as_bytes().get(inner) == Some(text.as_bytes())
        }
    }

    #[cold]
    fn says_with_escapes(self, entry: &Entry, text: &str) -> bool {
        let inner = entry.start as usize + 1..(entry.end as usize).saturating_sub(1);
        unescape(self.text.get(inner).unwrap_or_default()) == text
    }

    /// Its position on the tape, and that of the first entry that is not below it.
    pub(crate) fn tape_range(self) -> Range<usize> {
        self.index..self.entry().map_or(self.index, |entry| entry.next as usize)
    }

    #[inline(always)]
    fn entry(self) -> Option<&'d Entry> {
        self.tape.get(self.index)
    }

    fn children(self, of: Kind) -> Children<'d> {
        let range = self.tape_range();
        let is = self.kind() == of;
        Children {
            text: self.text,
            tape: self.tape,
            index: if is { range.start + 1 } else { range.end },
            end: range.end,
        }
    }
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'d> {
    /// The key, a string.
    pub key: Node<'d>,
    /// The value.
    pub value: Node<'d>,
}

impl<'d> Member<'d> {
    /// The key's text, escapes resolved.
    pub fn name(&self) -> Cow<'d, str> {
        self.key.str().unwrap_or_default()
    }

    /// Whether the name, escapes resolved, begins with this byte, which must be ASCII.
    pub fn begins_with(&self, first: u8) -> bool {
        match self.key.entry() {
            Some(entry) if !entry.escaped => self.key.bytes().get(1) == Some(&first),
            _ => self.name().as_bytes().first() == Some(&first),
        }
    }
}

/// The members of an object.
#[derive(Clone, Debug)]
pub struct Members<'d>(Children<'d>);

impl<'d> Iterator for Members<'d> {
    type Item = Member<'d>;

    fn next(&mut self) -> Option<Member<'d>> {
        let key = self.0.next()?;
        let value = self.0.next()?;
        Some(Member { key, value })
    }
}

/// The items of an array.
#[derive(Clone, Debug)]
pub struct Items<'d>(Children<'d>);

impl<'d> Iterator for Items<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        self.0.next()
    }
}

#[derive(Clone, Debug)]
struct Children<'d> {
    text: &'d str,
    tape: &'d [Entry],
    index: usize,
    end: usize,
}

impl<'d> Iterator for Children<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        if self.index >= self.end {
            return None;
        }
        let node = Node {
            text: self.text,
            tape: self.tape,
            index: self.index,
        };
        self.index = self.tape.get(self.index)?.next as usize;
        Some(node)
    }
}
