//! Resource types and ids.

use super::tables::structure::RESOURCE_TYPES as NAMES;
use crate::json::same;

/// A resource type of FHIR R4; it exists only for the names that the standard defines
/// (<https://hl7.org/fhir/R4/resourcelist.html>).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ResourceType(u8);

/// Where the names begin that have each capital as their initial, and where those with `Z` end.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler works it out, and refuses what is out of bounds"
)]
static BY_INITIAL: [u8; 27] = {
    let mut places = [0; 27];
    let mut index = 0;
    while index < NAMES.len() {
        // Names of the tables are sorted, and begin with a capital.
        let mut behind = (NAMES[index].as_bytes()[0] - b'A') as usize + 1;
        index += 1;
        while behind < places.len() {
            places[behind] = index as u8;
            behind += 1;
        }
    }
    places
};

#[expect(
    clippy::indexing_slicing,
    reason = "the compiler works it out, and refuses what is out of bounds"
)]
const PATIENT: ResourceType = {
    let mut index = 0;
    while !matches!(NAMES[index].as_bytes(), b"Patient") {
        index += 1;
    }
    ResourceType(index as u8)
};

impl ResourceType {
    /// The type of exactly this name; `patient` is not `Patient`.
    pub fn parse(name: &str) -> Option<Self> {
        // Of the names that share an initial nearly all have another length.
        let initial = usize::from(name.as_bytes().first()?.checked_sub(b'A')?);
        let (from, behind) = (*BY_INITIAL.get(initial)?, *BY_INITIAL.get(initial + 1)?);
        let near = NAMES.get(usize::from(from)..usize::from(behind))?;
        let is_it = |other: &str| same(other.as_bytes(), name.as_bytes());
        let found = (from..).zip(near).find(|(_, other)| is_it(other));
        found.map(|(index, _)| ResourceType(index))
    }

    /// Every type, by name.
    pub fn all() -> impl Iterator<Item = ResourceType> {
        (0..).zip(NAMES).map(|(index, _)| ResourceType(index))
    }

    /// The name, as in `resourceType`.
    pub fn name(self) -> &'static str {
        // It exists for the names of the standard only.
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// The type at this place of the tables, which name no other.
    pub(super) fn from_index(index: u8) -> ResourceType {
        ResourceType(index)
    }

    /// Its place among all types.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Whether it is a Patient, the type that patient compartments are about.
    pub fn is_patient(self) -> bool {
        self == PATIENT
    }

    /// Whether resources of this type carry other resources (or opaque bytes) inside, so that
    /// deciding on the type alone decides nothing.
    pub fn is_container(self) -> bool {
        matches!(self.name(), "Binary" | "Bundle" | "Parameters")
    }
}

impl ResourceType {
    /// Whether a resource of this type tells the server what to do, rather than what is: it sends
    /// data elsewhere, or changes what parameters, operations and structures mean.
    pub fn steers_server(self) -> bool {
        matches!(
            self.name(),
            "CapabilityStatement"
                | "CompartmentDefinition"
                | "GraphDefinition"
                | "ImplementationGuide"
                | "MessageDefinition"
                | "NamingSystem"
                | "OperationDefinition"
                | "SearchParameter"
                | "StructureDefinition"
                | "StructureMap"
                | "Subscription"
        )
    }
}

impl std::fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Display for ResourceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether ids may have a byte; nearly every resource has several ids.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler works it out, and refuses what is out of bounds"
)]
static IN_IDS: [bool; 256] = {
    let mut known = [false; 256];
    let mut byte = 0;
    while byte < known.len() {
        let own = byte as u8;
        known[byte] = own.is_ascii_alphanumeric() || own == b'-' || own == b'.';
        byte += 1;
    }
    known
};

/// Whether these characters are a logical id: 1 to 64 of `A-Z a-z 0-9 - .`
/// (<https://hl7.org/fhir/R4/datatypes.html#id>), and not a path segment that changes a path.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| IN_IDS.get(usize::from(byte)) == Some(&true))
        && text != "."
        && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_exact() {
        assert!(NAMES.is_sorted());
        assert_eq!(ResourceType::all().count(), 146);
        assert_eq!(
            ResourceType::parse("Patient").map(ResourceType::name),
            Some("Patient")
        );
        for resource_type in ResourceType::all() {
            let name = resource_type.name();
            assert_eq!(ResourceType::parse(name), Some(resource_type), "{name}");
            assert_eq!(resource_type.is_patient(), name == "Patient", "{name}");
        }
        for unknown in [
            "",
            "@",
            "[",
            "Z",
            "é",
            "patient",
            "PATIENT",
            "Patient ",
            "Resource",
            "DomainResource",
            "Pati",
        ] {
            assert_eq!(ResourceType::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn ids_have_the_grammar_of_the_standard() {
        let longest = "a".repeat(64);
        for good in ["1", "a-b.C", "...", longest.as_str()] {
            assert!(is_id(good), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a_b",
            "é",
            "a%20",
            too_long.as_str(),
        ] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
