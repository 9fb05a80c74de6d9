//! Strict JSON documents that keep their bytes.
//!
//! A [`Document`] is RFC 8259 and nothing else: no byte order mark, valid UTF-8, no lone surrogate
//! escapes, no duplicate keys at any level (upstream and filter could each pick another one), and
//! bounded depth and number of values. Every [`Node`] knows the bytes it was read from, so that
//! what is not changed can be passed on as it came.

mod block;
mod document;
mod fault;
mod lexer;
pub mod patch;
mod tape;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use document::{Document, Items, Kind, Member, Members, Memory, Node};
pub use fault::{Fault, FaultKind};
pub use text::quote;
pub(crate) use text::{escape_into, plain_prefix, same};
pub use value::{object, value};

/// What a document may cost. Both bounds are inclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// How many objects and arrays may be open at once; a bare scalar has depth 0.
    pub depth: usize,
    /// How many values the document may hold: objects, arrays, scalars and keys each count one.
    pub values: usize,
}

impl Default for Limits {
    /// Depth 64, a million values: far above any resource of the published examples.
    fn default() -> Self {
        Limits {
            depth: 64,
            values: 1_000_000,
        }
    }
}
