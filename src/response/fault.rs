//! Why an answer must not leave.

use std::fmt;

/// Why an answer, or the rest of it, must not leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The resource is not covered: the caller is told what it would be told if it were absent.
    Withheld,
    /// The answer cannot be inspected; the text says what was found, without data.
    Uninspectable(&'static str),
    /// The answer is larger than the limits allow.
    TooLarge,
    /// More would leave than a guardrail allows in one answer; [`Screen::broken`](super::Screen::broken) says which.
    Egress,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Withheld => "the resource is outside what the permit covers",
            Fault::Uninspectable(what) => what,
            Fault::TooLarge => "the answer is larger than may be inspected",
            Fault::Egress => "more would leave than may in one answer",
        })
    }
}

impl std::error::Error for Fault {}
