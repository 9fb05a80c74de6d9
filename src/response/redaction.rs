//! A rule that hides elements of one resource type.

use super::ElementMistake;
use crate::fhir::ResourceType;

/// What happens to an element that is hidden.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// It goes, with everything below it and its `_element` sibling.
    Remove,
    /// Its value goes; a data-absent-reason `masked` extension stands in its place
    /// (<http://hl7.org/fhir/StructureDefinition/data-absent-reason>).
    Mask,
}

/// A rule that hides elements of one resource type, also where such a resource is contained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redaction {
    /// The rule's name, as in the audit record.
    pub name: String,
    /// The type whose elements are hidden.
    pub resource_type: ResourceType,
    /// What happens to them.
    pub action: Action,
}

impl Redaction {
    /// Reads the operator's list of elements: `birthDate`, `address.line`, `value[x]`,
    /// `contact.extension(URL)`; arrays are implied.
    ///
    /// # Errors
    /// Every element that cannot be used, in the order of the list.
    pub fn new(
        name: String,
        resource_type: ResourceType,
        _elements: &[String],
        action: Action,
    ) -> Result<Redaction, Vec<ElementMistake>> {
        Ok(Redaction {
            name,
            resource_type,
            action,
        })
    }

    /// Whether a search on this element (a root element such as `birthDate` or `onset[x]`, or a
    /// path below one) would reveal what is hidden.
    pub fn reveals(&self, _element: &str) -> bool {
        true
    }
}
