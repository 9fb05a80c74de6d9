//! The same record more than once: in an access log and in what a repository has, in two access logs, or in what a
//! repository was sent again because nobody heard that it had it.

use std::collections::BTreeMap;

use crate::line::Sealed;

/// What is remembered of the records of one chain where there is more than one file: the beginnings of their hashes,
/// 16 bytes of each, by their numbers.
#[derive(Debug, Default)]
pub struct Copies {
    hashes: BTreeMap<u64, [u8; 16]>,
}

/// What a record is to those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// None of them has its number.
    New,
    /// One of them is the same.
    Copy,
    /// One of them has its number, and is another.
    Other,
}

impl Copies {
    /// Takes a record in.
    pub fn take(&mut self, record: &Sealed) -> Known {
        let mut hash = [0; 16];
        let bytes = hash.iter_mut().zip(record.hash);
        bytes.for_each(|(to, from)| *to = from);
        match self.hashes.insert(record.seq, hash) {
            None => Known::New,
            Some(known) if known == hash => Known::Copy,
            Some(known) => {
                self.hashes.insert(record.seq, known);
                Known::Other
            }
        }
    }
}
