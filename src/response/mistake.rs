//! A mistake in an operator's list of elements.

/// One element that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ElementMistake {
    /// Its position in the list, from 0.
    pub index: usize,
    /// What was found and what was expected; for the operator, holds the operator's own words only.
    pub message: String,
}
