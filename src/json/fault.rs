//! Why bytes are not a document.

use std::fmt;

/// Where and why reading stopped. It never holds or prints content of the document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Offset in bytes from the start of the document.
    pub at: usize,
    /// What was wrong there.
    pub kind: FaultKind,
}

/// What was wrong. The section numbers are those of RFC 8259.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultKind {
    /// The bytes end before the value does.
    Truncated,
    /// A byte order mark stands before the value (section 8.1).
    ByteOrderMark,
    /// The bytes are not UTF-8 (section 8.1).
    NotUtf8,
    /// A value was expected (section 3).
    ExpectedValue,
    /// A key in quotes was expected (section 4).
    ExpectedKey,
    /// A colon was expected after a key (section 4).
    ExpectedColon,
    /// A comma or the end of the object or array was expected (sections 4 and 5).
    ExpectedCommaOrEnd,
    /// Something follows the one value of the document (section 2).
    ExpectedEnd,
    /// A control character stands unescaped in a string (section 7).
    ControlCharacter,
    /// A backslash is followed by no escape of section 7.
    Escape,
    /// A `\u` escape is half of a surrogate pair: no Unicode character (section 8.2).
    LoneSurrogate,
    /// Digits that are no number (section 6).
    Number,
    /// The same key, after unescaping, stands twice in one object (section 4).
    DuplicateKey,
    /// More objects and arrays are open at once than the limit allows.
    TooDeep,
    /// More values than the limit allows, or more than 4 GiB.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.kind.text())
    }
}

impl std::error::Error for Fault {}

impl FaultKind {
    /// The fault as a phrase for a stranger, without a position.
    pub fn text(self) -> &'static str {
        match self {
            FaultKind::Truncated => "the json ends early, expected the rest of the value",
            FaultKind::ByteOrderMark => "found a byte order mark, expected a json value",
            FaultKind::NotUtf8 => "found bytes that are not utf-8",
            FaultKind::ExpectedValue => "expected a json value",
            FaultKind::ExpectedKey => "expected a key in double quotes",
            FaultKind::ExpectedColon => "expected ':' after a key",
            FaultKind::ExpectedCommaOrEnd => "expected ',' or the end of the object or array",
            FaultKind::ExpectedEnd => "found more after the json value, expected its end",
            FaultKind::ControlCharacter => {
                "found a control character in a string, expected it escaped"
            }
            FaultKind::Escape => "found an escape that json does not have",
            FaultKind::LoneSurrogate => "found half of a surrogate pair, expected both halves",
            FaultKind::Number => "found digits that are no json number",
            FaultKind::DuplicateKey => "found a key twice in one object",
            FaultKind::TooDeep => "objects and arrays are nested deeper than allowed",
            FaultKind::TooLarge => "more values than allowed in one document",
        }
    }
}
