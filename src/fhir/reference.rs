//! What may hold a Reference (<https://hl7.org/fhir/R4/references.html>).

use std::sync::LazyLock;

use super::structure::{Content, Structure};
use super::tables::structure;

impl Structure {
    /// Whether it is that of a Reference (<https://hl7.org/fhir/R4/references.html>).
    #[inline]
    pub fn is_reference(self) -> bool {
        self == REFERENCES.own
    }

    /// Whether an object of this type may hold a Reference at any depth, other than in an extension or in a
    /// resource of its own.
    #[inline]
    pub fn refers(self) -> bool {
        let known = REFERENCES.holders.get(usize::from(self.0));
        known.is_none_or(|refers| *refers)
    }
}

/// What is known of References, from the tables; a thousand types, worked out once.
static REFERENCES: LazyLock<References> = LazyLock::new(References::of_tables);

struct References {
    own: Structure,
    /// Whether a structure is it or leads to it, by its number.
    holders: Vec<bool>,
}

impl References {
    fn of_tables() -> References {
        let inner = |of: Structure, name: &str| match of.element(name)?.content {
            Content::Object(structure) => Some(structure),
            Content::Primitive(_) | Content::Resource => None,
        };
        let extension = inner(Structure::of_primitive(), "extension");
        let own = extension.and_then(|extension| inner(extension, "valueReference"));
        // A number that no structure has: of tables without References everything may be one.
        let own = own.unwrap_or(Structure(u16::MAX));
        let mut holders = vec![false; structure::TYPES.len()];
        if let Some(holds) = holders.get_mut(usize::from(own.0)) {
            *holds = true;
        }
        // Until nothing is added; types stand in each other six deep.
        loop {
            let mut added = false;
            for number in 0..holders.len() {
                let of = Structure(u16::try_from(number).unwrap_or(u16::MAX));
                let known = holders.get(number).copied().unwrap_or(true);
                let leads = |inner: Structure| {
                    Some(inner) != extension
                        && holders.get(usize::from(inner.0)).copied().unwrap_or(true)
                };
                if !known && of.parts().any(leads) {
                    if let Some(holds) = holders.get_mut(number) {
                        *holds = true;
                    }
                    added = true;
                }
            }
            if !added {
                return References { own, holders };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Primitive;
    use crate::fhir::structure::tests::structure;

    #[test]
    fn what_may_refer_is_told() {
        for (path, refers) in [
            ("Patient", true),
            ("Observation", true),
            ("Observation.subject", true),
            // Of the one that assigned it.
            ("Patient.identifier", true),
            ("Patient.name", false),
            ("Patient.extension", true),
            ("Patient.address", false),
            ("Observation.code", false),
            ("Observation.code.coding", false),
            ("Observation.component", false),
            ("Observation.valueQuantity", false),
            ("Observation.text", false),
            ("Claim.item", true),
            ("Questionnaire.item", true),
            ("Task.input.valueDosage", false),
            ("Task.input", true),
        ] {
            assert_eq!(structure(path).refers(), refers, "{path}");
        }
        assert!(structure("Observation.subject").is_reference());
        assert!(structure("Patient.extension.valueReference").is_reference());
        assert!(!structure("Patient.identifier").is_reference());
        let holders = &REFERENCES.holders;
        for number in 0..holders.len() {
            let of = Structure(u16::try_from(number).expect("a number"));
            let text = Content::Primitive(Primitive::String);
            let is = of.element("reference").is_some_and(|it| it.content == text)
                && of.element("identifier").is_some();
            assert_eq!(of.is_reference(), is, "{number}");
        }
        let count = holders.iter().filter(|holds| **holds).count();
        assert!(count > 300 && count < holders.len() / 4 * 3, "{count}");
    }
}
