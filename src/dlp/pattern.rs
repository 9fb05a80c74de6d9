//! What is looked for in a text.

use std::ops::Range;

use regex_lite::{Regex, RegexBuilder};

use super::known::Known;
use super::text::{Form, Text, looks};

/// Bytes of an own pattern as it is written.
pub const LENGTH: usize = 256;

/// Bytes of one that has been read: what a byte of a text can cost grows with them.
const SIZE: usize = 4 << 10;

/// How deep groups may stand in each other.
const NESTED: u32 = 16;

/// What is looked for in a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// One that every configuration knows.
    Known(Known),
    /// One of the operator.
    Own(Own),
}

impl Pattern {
    /// Whether it is worth looking for it.
    pub(super) fn may_be_in(&self, text: &Form<'_>) -> bool {
        match self {
            Pattern::Known(known) => known.may_be_in(&text.says, text.digits),
            Pattern::Own(_) => !text.says.is_empty(),
        }
    }

    /// Whether it is in a text, in either form.
    pub(super) fn is_in(&self, text: &Text<'_>) -> bool {
        let mut forms = text.forms();
        forms.any(|form| self.may_be_in(form) && self.find(&form.says, 0).is_some())
    }

    /// The first place at or behind `from`, in bytes, which is never empty. What stands before `from` is
    /// looked at for what a place may not stand behind.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        match self {
            Pattern::Known(known) => known.find(text, from),
            Pattern::Own(own) => own.find(text, from),
        }
    }
}

/// A pattern of the operator, found in time that is linear in the text.
#[derive(Clone, Debug)]
pub struct Own(Regex);

impl PartialEq for Own {
    fn eq(&self, other: &Own) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Own {
    /// Reads a regular expression in the syntax of the crate regex-lite, without Unicode classes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Own, String> {
        let mut builder = RegexBuilder::new(text);
        let regex = builder.size_limit(SIZE).nest_limit(NESTED).build();
        let regex = regex.map_err(|fault| fault.to_string())?;
        match regex.find("") {
            None => Ok(Own(regex)),
            Some(_) => Err("it matches the empty text".into()),
        }
    }

    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let mut from = from;
        for _ in 0..looks(text.len()) {
            let rest = text.get(from..).filter(|rest| !rest.is_empty())?;
            let place = self.0.find_at(text, from)?.range();
            if !place.is_empty() {
                return Some(place);
            }
            // At a place without a character, such as the end of a word, there is nothing to hide.
            let next = text.get(place.end..).and_then(|rest| rest.chars().next());
            from = place.end + next.map_or(rest.len(), char::len_utf8);
        }
        (from < text.len()).then_some(from..text.len())
    }
}
