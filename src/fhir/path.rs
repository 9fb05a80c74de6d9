//! Where an element stands in a resource, as the names that lead to it.

use std::fmt;

use super::tables::{self, search};

/// The names of JSON members that lead from a resource to an element, such as `participant.actor`;
/// arrays are implied. Two of them are equal when their names are.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ElementPath(u16);

impl ElementPath {
    pub(super) fn new(number: u16) -> ElementPath {
        ElementPath(number)
    }

    /// The names, from the resource on; at least one. Of a choice the one with the type:
    /// `valueQuantity`.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        let span = tables::span(&search::PATHS, usize::from(self.0));
        let segments = tables::rows(&search::SEGMENTS, span).iter();
        segments.map(|number| tables::name(*number))
    }
}

impl fmt::Display for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
