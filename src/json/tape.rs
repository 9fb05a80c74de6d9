//! What was read, as a flat list of values.

use super::Kind;
use super::text::word_of;

/// One value or key. Values stand in document order; an object's children alternate key, value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
    /// Index of the entry behind this one and everything below it.
    pub next: u32,
    /// What it is.
    pub tag: Tag,
}

/// What an entry is, in 32 bits, so that names are compared as numbers first: the kind, whether it is
/// a key, whether there is a backslash in it, and of a key without one 24 bits of its signature.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Tag(u32);

const KIND: u32 = 0x07;
const KEY: u32 = 0x08;
const ESCAPED: u32 = 0x10;

impl Tag {
    /// A value.
    #[inline(always)]
    pub fn value(kind: Kind, escaped: bool) -> Tag {
        Tag(kind as u32 | if escaped { ESCAPED } else { 0 })
    }

    /// The key of a member.
    #[inline(always)]
    pub fn key(signature: u64, escaped: bool) -> Tag {
        if escaped {
            return Tag(Kind::String as u32 | KEY | ESCAPED);
        }
        // Every bit of the signature has its part in the highest ones.
        let mixed = (signature ^ signature >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Tag(mixed as u32 & !0xFF | Kind::String as u32 | KEY)
    }

    /// A key of this name, written without escapes.
    #[inline]
    pub fn name(name: &str) -> Tag {
        Tag::key(signature(name.as_bytes(), name.len()), false)
    }

    /// What it is.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        const KINDS: [Kind; 6] = [
            Kind::Null,
            Kind::Boolean,
            Kind::Number,
            Kind::String,
            Kind::Array,
            Kind::Object,
        ];
        let kind = KINDS.get((self.0 & KIND) as usize);
        kind.copied().unwrap_or(Kind::Null)
    }

    /// One of 32 bits, the same one for equal keys without escapes; those with escapes share one.
    #[inline(always)]
    pub fn bit(self) -> u32 {
        1 << (self.0 >> 27)
    }

    /// Whether it is a key with a backslash in it, whose tag says nothing of its name.
    #[inline(always)]
    pub fn is_escaped_key(self) -> bool {
        self.0 & (KEY | ESCAPED) == KEY | ESCAPED
    }

    /// Whether a string or key has a backslash in it.
    #[inline(always)]
    pub fn escaped(self) -> bool {
        self.0 & ESCAPED != 0
    }
}

/// What two equal keys without escapes have in common: their length, their first eight bytes and
/// their last eight. `from` are the bytes behind the opening quote, `length` of them the key.
#[inline(always)]
pub(super) fn signature(from: &[u8], length: usize) -> u64 {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let own = match (from.first_chunk(), length) {
        // What follows is there nearly always, so that a short key is one word too.
        (Some(first), 0..8) => word(first) & !(u64::MAX << (8 * length)),
        (Some(first), _) => {
            let last = from.get(..length).and_then(<[u8]>::last_chunk);
            word(first) ^ last.map_or(0, word).rotate_left(27)
        }
        (None, _) => word_of(from.get(..length).unwrap_or_default()),
    };
    own ^ (length as u64) << 56
}

/// The memory of a reading, which the next one can use again.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// What was read, and behind it room for more.
    pub entries: Vec<Entry>,
    /// How many entries were read.
    pub used: usize,
    /// Objects that may have a key twice, by their index, in no order: every object that has one
    /// is among them.
    pub suspects: Vec<u32>,
    /// The names of keys that are noted, and the tags of such keys.
    names: Option<[&'static str; 5]>,
    pub tags: [Tag; 5],
    /// The keys that have one of these tags, or an escape, by their index.
    pub noted: Vec<u32>,
}

impl Tape {
    /// A tape that notes keys of these names.
    pub fn noting(names: [&'static str; 5]) -> Tape {
        Tape {
            names: Some(names),
            tags: names.map(Tag::name),
            ..Tape::default()
        }
    }

    /// Whether it is worth keeping for the next reading: 80 KiB at most.
    pub fn is_small(&self) -> bool {
        self.entries.capacity() <= 1 << 12
            && self.suspects.capacity() <= 1 << 11
            && self.noted.capacity() <= 1 << 11
    }

    /// The same without its memory.
    pub fn emptied(&self) -> Tape {
        self.names.map(Tape::noting).unwrap_or_default()
    }

    /// All keys from an index on that may be of these names; `None` when not all of them were noted.
    pub fn noted(&self, names: &[&str], from: usize) -> Option<&[u32]> {
        let known = self.names?;
        if !names.iter().all(|name| known.contains(name)) {
            return None;
        }
        let before = self.noted.partition_point(|at| (*at as usize) < from);
        self.noted.get(before..)
    }

    /// What was read.
    pub fn entries(&self) -> &[Entry] {
        self.entries.get(..self.used).unwrap_or_default()
    }
}
