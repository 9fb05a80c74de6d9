//! What a patient's Consents say of a request (<https://hl7.org/fhir/R4/consent.html>).
//!
//! A server's answer to a search for the Consents of one patient becomes [`Consents`]: those that count,
//! as rules in a tree. A rule matches a request, does not, or cannot be told to. What cannot be told makes
//! a rule that permits match nothing, and one that denies match everything. Exceptions stand before the
//! rule they are in, and whatever denies before whatever permits.
//!
//! # Bounds
//!
//! Rules are [`DEPTH`] deep, and what is kept of all Consents of one patient costs at most [`KEPT`] bytes.

mod content;
mod document;
mod period;
mod purpose;
mod ruling;
mod terms;
#[cfg(test)]
mod tests;

pub use content::elements;
pub use document::{Asked, Consents, Fault};
pub use ruling::{Action, Caller, Ruling};
pub use terms::Actor;

/// Rules inside each other.
pub const DEPTH: usize = 8;

/// Bytes that the Consents of one patient may cost where they are kept: 64 for each value beside its text,
/// and 256 for each rule.
pub const KEPT: usize = 32 << 10;

/// What a rule does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are the codes of the standard")]
pub enum Effect {
    Permit,
    Deny,
}

/// Whether a rule is about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Match {
    Yes,
    No,
    /// The answer will tell.
    Open,
    /// It cannot be told.
    Unknown,
}

impl Match {
    /// Of parts that must all match. What the answer will tell may still be that it does not.
    fn all(parts: impl IntoIterator<Item = Match>) -> Match {
        Match::first(parts, [Match::No, Match::Open, Match::Unknown], Match::Yes)
    }

    /// Of alternatives.
    fn any(parts: impl IntoIterator<Item = Match>) -> Match {
        Match::first(parts, [Match::Yes, Match::Unknown, Match::Open], Match::No)
    }

    /// Of parts of one thing, for which it must be the same; unknown of none.
    fn alike(mut parts: impl Iterator<Item = Match>) -> Match {
        let first = parts.next().unwrap_or(Match::Unknown);
        match parts.all(|part| part == first) {
            true => first,
            false => Match::Unknown,
        }
    }

    fn of(holds: bool) -> Match {
        match holds {
            true => Match::Yes,
            false => Match::No,
        }
    }

    /// The first of these that is among the parts.
    fn first(parts: impl IntoIterator<Item = Match>, order: [Match; 3], otherwise: Match) -> Match {
        let rank = |part: Match| order.iter().position(|known| *known == part);
        let ranks = parts.into_iter().filter_map(rank);
        let first = ranks.min().and_then(|rank| order.get(rank));
        first.copied().unwrap_or(otherwise)
    }
}
