//! A rule that hides elements of one resource type.

use super::ElementMistake;
use super::path::Path;
use crate::fhir::ResourceType;

/// What happens to an element that is hidden.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// It goes, with everything below it and its `_element` sibling.
    Remove,
    /// Its value goes; a data-absent-reason `masked` extension stands in its place
    /// (<http://hl7.org/fhir/StructureDefinition/data-absent-reason>). Of several values in an
    /// array one masked one stands: how many there were is hidden too.
    Mask,
}

/// A rule that hides elements of one resource type, also where such a resource is contained.
///
/// While it is active, the narrative of every resource of the type goes too (and of those that
/// contain one, and that are contained in one): it would repeat what is hidden.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redaction {
    /// The rule's name, by which the operator knows it.
    pub name: String,
    /// The type whose elements are hidden.
    pub resource_type: ResourceType,
    /// What happens to them.
    pub action: Action,
    pub(super) paths: Vec<Path>,
}

impl Redaction {
    /// Reads the operator's list of elements: `birthDate`, `address.line`, `value[x]`,
    /// `contact.extension(URL)`; arrays are implied, at most 8 elements in a row. A path names each
    /// step: `item.answer` does not reach the answers of items within items.
    ///
    /// # Errors
    /// Every element that cannot be used, in the order of the list; an empty list is one mistake
    /// at index 0.
    pub fn new(
        name: String,
        resource_type: ResourceType,
        elements: &[String],
        action: Action,
    ) -> Result<Redaction, Vec<ElementMistake>> {
        let mut paths = Vec::with_capacity(elements.len());
        let mut mistakes = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            match Path::parse(element) {
                Ok(path) => paths.push(path),
                Err(message) => mistakes.push(ElementMistake { index, message }),
            }
        }
        if elements.is_empty() {
            mistakes.push(ElementMistake {
                index: 0,
                message: "found no elements, expected at least one".into(),
            });
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Redaction {
            name,
            resource_type,
            action,
            paths,
        })
    }

    /// Whether a search on this element (a root element such as `birthDate` or `onset[x]`, or a
    /// path below one) would reveal what is hidden. What is no path reveals.
    pub fn reveals(&self, element: &str) -> bool {
        match element.split('.').next() {
            // Always visible: no rule can name them.
            Some("id" | "meta" | "resourceType") => return false,
            // The narrative repeats what is hidden.
            Some("text") => return true,
            _ => {}
        }
        match Path::parse(element) {
            Ok(element) => self.paths.iter().any(|path| path.overlaps(&element)),
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(elements: &[&str]) -> Result<Redaction, Vec<ElementMistake>> {
        let elements: Vec<String> = elements.iter().map(|&element| element.into()).collect();
        let patient = ResourceType::parse("Patient").unwrap();
        Redaction::new("demographics".into(), patient, &elements, Action::Remove)
    }

    #[test]
    fn every_mistake_is_reported_with_its_index() {
        let mistakes = rule(&["birthDate", "id", "address", ""]).unwrap_err();
        let indices: Vec<usize> = mistakes.iter().map(|mistake| mistake.index).collect();
        assert_eq!(indices, [1, 3]);
        assert_eq!(rule(&[]).unwrap_err().len(), 1);
    }

    #[test]
    fn a_search_reveals_what_it_matches_on() {
        for (hidden, searched, expected) in [
            ("birthDate", "birthDate", true),
            ("birthDate", "gender", false),
            ("address.line", "address", true),
            ("address", "address.city", true),
            ("address.line", "address.city", false),
            ("onset[x]", "onset[x]", true),
            ("onsetDateTime", "onset[x]", true),
            ("onset[x]", "onsetDateTime", true),
            ("onset", "onset[x]", true),
            ("deceased[x]", "birthDate", false),
            ("extension(http://a.example)", "extension", true),
            (
                "extension(http://a.example)",
                "extension(http://b.example)",
                false,
            ),
            ("birthDate", "text", true),
            ("birthDate", "id", false),
            ("birthDate", "meta", false),
            ("birthDate", "no path", true),
        ] {
            assert_eq!(
                rule(&[hidden]).unwrap().reveals(searched),
                expected,
                "{hidden} {searched}"
            );
        }
    }
}
