//! The tables that `make tables` makes of the published definitions, and how to read them.
//!
//! Everything is numbers in constant data: nothing is decoded when the module starts, and no look-up
//! allocates. Names have numbers in the order of their bytes, so that what is sorted by number is
//! sorted by name.

pub(super) mod compartments;
pub(super) mod labels;
mod names;
pub(super) mod search;
pub(super) mod structure;

use std::ops::Range;

/// The name of this number.
pub(super) fn name(number: u16) -> &'static str {
    let end = |number: usize| names::ENDS.get(number).map(|end| usize::from(*end));
    let number = usize::from(number);
    let start = number.checked_sub(1).and_then(end).unwrap_or_default();
    // Every number of the tables is that of a name: a test looks at all of them.
    let end = end(number).unwrap_or_default();
    names::TEXT.get(start..end).unwrap_or_default()
}

/// From one number of this table to the next: where the parts of a thing lie in another table.
pub(super) fn span<N: Copy + Into<usize>>(starts: &[N], index: usize) -> Range<usize> {
    let next = index.checked_add(1).and_then(|next| starts.get(next));
    match (starts.get(index), next) {
        (Some(start), Some(end)) => (*start).into()..(*end).into(),
        _ => 0..0,
    }
}

/// The rows of a table that lie in this span.
pub(super) fn rows<T>(table: &'static [T], span: Range<usize>) -> &'static [T] {
    table.get(span).unwrap_or_default()
}

/// Where a row stands whose name this is, among rows that are sorted by it.
pub(super) fn find<T>(rows: &[T], named: impl Fn(&T) -> u16, wanted: &str) -> Option<usize> {
    rows.binary_search_by(|row| name(named(row)).cmp(wanted))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_that_of_a_name_and_they_are_sorted() {
        let all: Vec<&str> = (0..names::ENDS.len())
            .map(|number| name(u16::try_from(number).expect("few")))
            .collect();
        assert!(all.is_sorted() && all.iter().all(|name| !name.is_empty()));
        let used = structure::ELEMENTS.iter().map(|(name, _)| *name);
        let used = used.chain(structure::TYPE_NAMES.iter().map(|(_, name)| *name));
        let used = used.chain(search::PARAMETERS.iter().map(|(name, _)| *name));
        let mut used = used.chain(search::SEGMENTS);
        assert!(used.all(|number| usize::from(number) < all.len()));
        assert_eq!(name(u16::MAX), "");
        assert_eq!(span(&search::PATHS, search::PATHS.len()), 0..0);
        assert_eq!(span(&search::PATHS, usize::MAX), 0..0);
    }
}
