//! The document and its nodes.

use std::borrow::Cow;
use std::ops::Range;

use super::lexer::{ends, lex};
use super::tape::{Entry, Tag, Tape};
use super::text::{same, unescape};
use super::{Fault, FaultKind, Limits};

/// One JSON text, read strictly. It borrows the bytes and holds 16 bytes for each value and key, in
/// memory of up to twice as many, and 4 for each key that is noted; while keys are compared, 40 more
/// for each key of one wide object, and the texts of those with escapes.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    // In a box, for documents are handed on.
    tape: Box<Tape>,
}

/// The memory of a document that is not needed any more, for the next one.
#[derive(Debug, Default)]
pub struct Memory(Box<Tape>);

impl Memory {
    /// None yet, for documents in which members of these names will be looked for at every depth
    /// ([`Node::all_named`]): they are noted while a document is read.
    pub fn noting(names: [&'static str; 5]) -> Memory {
        Memory(Box::new(Tape::noting(names)))
    }

    /// That of a reading that is over. Every exchange that streams keeps some, and nobody counts it.
    fn of(tape: Box<Tape>) -> Memory {
        match tape.is_small() {
            true => Memory(tape),
            false => Memory(Box::new(tape.emptied())),
        }
    }
}

#[cfg(test)]
impl Memory {
    /// For how many values and keys there is room.
    pub(super) fn values(&self) -> usize {
        self.0.entries.capacity()
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `null`
    Null = 0,
    /// `true` or `false`
    Boolean = 1,
    /// A number; its digits are kept as written.
    Number = 2,
    /// A string, or a key.
    String = 3,
    /// An array.
    Array = 4,
    /// An object.
    Object = 5,
}

impl<'a> Document<'a> {
    /// Reads one value with white space around it: RFC 8259, and every key once.
    ///
    /// # Errors
    /// The first thing that is wrong; a key that stands twice is reported only when the syntax is
    /// right.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>, Fault> {
        let mut document = Document::parse_syntax(bytes, limits)?;
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
        let mut tape = Box::<Tape>::default();
        // A value or key for so many bytes is what FHIR has.
        let room = (bytes.len() / 24 + 8).min(limits.values);
        tape.entries.resize(room, Entry::default());
        let end = lex(bytes, limits, &mut tape)?;
        ends(bytes, end)?;
        Ok(Document { text, tape })
    }

    /// As [`parse`](Self::parse), for the one value at the start of bytes that go on behind it.
    /// Says how many bytes it has. The document has the memory until it gives it back
    /// ([`into_memory`](Self::into_memory)).
    ///
    /// # Errors
    /// As `parse`, with the memory. What is missing may be in bytes that are still to come.
    pub fn parse_first(
        bytes: &'a [u8],
        limits: &Limits,
        memory: Memory,
    ) -> Result<(Document<'a>, usize), (Fault, Memory)> {
        let Memory(mut tape) = memory;
        let read = lex(bytes, limits, &mut tape).and_then(|end| {
            let text = utf8(bytes.get(..end).unwrap_or_default())?;
            Ok((text, end))
        });
        let (text, end) = match read {
            Ok(read) => read,
            Err(fault) => return Err((fault, Memory::of(tape))),
        };
        let mut document = Document { text, tape };
        match document.keys_are_unique() {
            Ok(()) => Ok((document, end)),
            Err(fault) => Err((fault, document.into_memory())),
        }
    }

    /// Gives back its memory.
    pub fn into_memory(self) -> Memory {
        Memory::of(self.tape)
    }

    /// The whole text; spans of nodes are offsets in it.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The one value.
    pub fn root(&self) -> Node<'_> {
        self.node(0)
    }

    fn node(&self, index: usize) -> Node<'_> {
        Node {
            document: self,
            index,
        }
    }

    /// Only the objects that the lexer suspects are looked at.
    fn keys_are_unique(&mut self) -> Result<(), Fault> {
        let mut suspects = std::mem::take(&mut self.tape.suspects);
        suspects.sort_unstable();
        suspects.dedup();
        let mut suspects = suspects.into_iter();
        match suspects.find_map(|suspect| twice(self.node(suspect as usize))) {
            None => Ok(()),
            Some(at) => Err(Fault {
                at,
                kind: FaultKind::DuplicateKey,
            }),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    // This one says nothing of where.
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Ok(text);
    }
    std::str::from_utf8(bytes).map_err(|error| Fault {
        at: error.valid_up_to(),
        kind: FaultKind::NotUtf8,
    })
}

/// Where a key of an object stands that stands before it too. Keys are sorted by number, and by text
/// where the numbers are the same, so that a wide object costs n log n.
fn twice(object: Node<'_>) -> Option<usize> {
    let mut keys: Vec<_> = object
        .members()
        .map(|member| {
            // Also of one that was written with escapes.
            let name = member.name();
            (Tag::name(&name), name, member.key.span().start)
        })
        .collect();
    keys.sort_unstable();
    let pairs = keys.iter().zip(keys.iter().skip(1));
    pairs
        .filter(|(one, other)| (one.0, &one.1) == (other.0, &other.1))
        .map(|(_, (_, _, start))| *start)
        .min()
}

/// One value (or key) of a document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'d> {
    document: &'d Document<'d>,
    index: usize,
}

impl<'d> Node<'d> {
    /// What it is.
    pub fn kind(self) -> Kind {
        // A document has at least its root, and every node stands on its tape.
        self.entry().map_or(Kind::Null, |entry| entry.tag.kind())
    }

    /// Where it stands, in bytes from the start of the document.
    pub fn span(self) -> Range<usize> {
        self.entry()
            .map_or(0..0, |entry| entry.start as usize..entry.end as usize)
    }

    /// Its bytes as written: quotes, escapes and inner white space included.
    pub fn raw(self) -> &'d str {
        self.document.text.get(self.span()).unwrap_or_default()
    }

    /// The text of a string, escapes resolved; `None` for anything else.
    pub fn str(self) -> Option<Cow<'d, str>> {
        let entry = self
            .entry()
            .filter(|entry| entry.tag.kind() == Kind::String)?;
        let inner = entry.start as usize + 1..(entry.end as usize).saturating_sub(1);
        let inner = self.document.text.get(inner).unwrap_or_default();
        Some(if entry.tag.escaped() {
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
            .is_some_and(|entry| entry.tag.kind() == Kind::String && self.says(entry, text))
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
    #[inline]
    pub fn get(self, name: &str) -> Option<Node<'d>> {
        self.member_of(name, Tag::name(name))
    }

    fn member_of(self, name: &str, tag: Tag) -> Option<Node<'d>> {
        let entries = self.document.tape.entries();
        let own = entries.get(self.index)?;
        if own.tag.kind() != Kind::Object {
            return None;
        }
        let (mut index, end) = (self.index + 1, own.next as usize);
        while index < end {
            // The value stands behind its key, and the next key behind the value.
            let (key, value) = (entries.get(index)?, entries.get(index + 1)?);
            if (key.tag == tag || key.tag.is_escaped_key()) && self.says(key, name) {
                return Some(self.at(index + 1));
            }
            index = value.next as usize;
        }
        None
    }

    /// The values of all members of this name, of objects here and below, in order.
    pub fn all_named<'n>(self, name: &'n str) -> impl Iterator<Item = Node<'d>> + use<'d, 'n> {
        let named = [(name, Tag::name(name))];
        // The value stands behind its key.
        self.keys(&[name])
            .filter(move |key| key.is_one_of(&named))
            .map(|key| key.at(key.index + 1))
    }

    /// Whether an object here or below has a member of one of these names.
    pub fn has_named<const N: usize>(self, names: &[&str; N]) -> bool {
        let named = names.map(|name| (name, Tag::name(name)));
        self.keys(names).any(|key| key.is_one_of(&named))
    }

    /// All keys here and below that may be of these names, in order; where they were not noted, everything.
    fn keys(self, names: &[&str]) -> impl Iterator<Item = Node<'d>> + use<'d> {
        let range = self.tape_range();
        let noted = self.document.tape.noted(names, range.start);
        let mut noted = noted.map(|noted| noted.iter().map(|at| *at as usize));
        let mut all = range.clone();
        std::iter::from_fn(move || {
            let index = match &mut noted {
                Some(noted) => noted.next(),
                None => all.next(),
            };
            Some(self.at(index.filter(|index| *index < range.end)?))
        })
    }

    fn at(self, index: usize) -> Node<'d> {
        self.document.node(index)
    }

    fn is_one_of(self, named: &[(&str, Tag)]) -> bool {
        let mut named = named.iter();
        named.any(|(name, tag)| self.is_named(name, *tag))
    }

    /// Whether it is the key of this name, whose tag is this one.
    #[inline(always)]
    fn is_named(self, name: &str, tag: Tag) -> bool {
        self.entry().is_some_and(|entry| {
            (entry.tag == tag || entry.tag.is_escaped_key()) && self.says(entry, name)
        })
    }

    /// Whether a string or key says exactly this text.
    #[inline(always)]
    fn says(self, entry: &Entry, text: &str) -> bool {
        if entry.tag.escaped() {
            return self.says_in_other_words(entry, text);
        }
        let inner = entry.start as usize + 1..(entry.end as usize).saturating_sub(1);
        let inner = self.document.text.as_bytes().get(inner);
        inner.is_some_and(|inner| same(inner, text.as_bytes()))
    }

    #[cold]
    #[inline(never)]
    fn says_in_other_words(self, entry: &Entry, text: &str) -> bool {
        let inner = entry.start as usize + 1..(entry.end as usize).saturating_sub(1);
        unescape(self.document.text.get(inner).unwrap_or_default()) == text
    }

    /// Its position on the tape, and that of the first entry that is not below it.
    pub(crate) fn tape_range(self) -> Range<usize> {
        self.index..self.entry().map_or(self.index, |entry| entry.next as usize)
    }

    #[inline(always)]
    fn entry(self) -> Option<&'d Entry> {
        self.document.tape.entries().get(self.index)
    }

    fn children(self, of: Kind) -> Children<'d> {
        let range = self.tape_range();
        let is = self.kind() == of;
        Children {
            document: self.document,
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

    /// The first byte of the name, escapes resolved; `None` for an empty name.
    #[inline]
    pub fn initial(&self) -> Option<u8> {
        match self.key.entry() {
            Some(entry) if !entry.tag.escaped() => {
                let text = self.key.document.text.as_bytes();
                let first = text.get(entry.start as usize + 1).copied();
                // An empty name is nothing but its two quotes.
                first.filter(|_| entry.end - entry.start > 2)
            }
            _ => self.name().as_bytes().first().copied(),
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
    document: &'d Document<'d>,
    index: usize,
    end: usize,
}

impl<'d> Iterator for Children<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        if self.index >= self.end {
            return None;
        }
        let node = self.document.node(self.index);
        self.index = node.entry()?.next as usize;
        Some(node)
    }
}
