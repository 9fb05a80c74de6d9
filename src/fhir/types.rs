//! Resource types and ids.

use super::tables::structure::RESOURCE_TYPES as NAMES;

/// A resource type of FHIR R4; it exists only for the names that the standard defines
/// (<https://hl7.org/fhir/R4/resourcelist.html>).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ResourceType(u8);

impl ResourceType {
    /// The type of exactly this name; `patient` is not `Patient`.
    pub fn parse(name: &str) -> Option<Self> {
        // A binary search by the first byte, which costs no comparison of texts; of the names that
        // share it nearly all have another length.
        let first = |name: &str| name.as_bytes().first().copied();
        let from = NAMES.partition_point(|other| first(other) < first(name));
        let near = (from..).zip(NAMES.iter().skip(from));
        let (index, _) = near
            .take_while(|(_, other)| first(other) == first(name))
            .find(|(_, other)| **other == name)?;
        u8::try_from(index).ok().map(ResourceType)
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
        self.name() == "Patient"
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

/// Whether these characters are a logical id: 1 to 64 of `A-Z a-z 0-9 - .`
/// (<https://hl7.org/fhir/R4/datatypes.html#id>), and not a path segment that changes a path.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
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
        for unknown in [
            "",
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
