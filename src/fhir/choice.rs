//! Elements that are a choice of types, and so stand in JSON under a name such as `valueQuantity`
//! (<https://hl7.org/fhir/R4/formats.html#choice>).

use super::tables::structure::{CHOICE_ENDINGS, CHOICE_NAMES};

/// Whether some type of R4 has a choice of this name, so that `base` alone is no member there. Some of
/// them are no choice by the standard, but separate elements that look like one (`reasonCode` and
/// `reasonReference`).
pub fn is_choice(base: &str) -> bool {
    CHOICE_NAMES.binary_search(&base).is_ok()
}

/// Whether the name of a choice may end so: the name of a data type
/// (<https://hl7.org/fhir/R4/datatypes.html#open>).
pub fn is_choice_type(suffix: &str) -> bool {
    CHOICE_ENDINGS.binary_search(&suffix).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(CHOICE_NAMES.is_sorted() && CHOICE_ENDINGS.is_sorted());
        assert!(is_choice("value") && is_choice("onset") && !is_choice("valueSet"));
        assert!(
            is_choice_type("Meta") && is_choice_type("DateTime") && !is_choice_type("dateTime")
        );
    }
}
