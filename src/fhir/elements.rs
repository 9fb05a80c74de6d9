//! The root elements of each resource type.

use super::{ResourceType, Structure, is_choice, is_choice_type};

/// Whether resources of this type can have a root element of this name. Of a choice every concrete
/// name counts, and `value[x]` stands for all of them (<https://hl7.org/fhir/R4/json.html>).
pub fn is_element(resource_type: ResourceType, name: &str) -> bool {
    let structure = Structure::of(resource_type);
    if structure.element(name).is_some() {
        return true;
    }
    let stem = name.strip_suffix("[x]").unwrap_or(name);
    is_choice(stem)
        && structure.names().any(|element| {
            let ending = element.strip_prefix(stem);
            // A choice of the standard stands here without its type.
            ending.is_some_and(|ending| ending.is_empty() || is_choice_type(ending))
        })
}

/// The names of the root elements of this type; of a choice without the type, which may stand for all
/// of them.
pub fn elements(resource_type: ResourceType) -> impl Iterator<Item = &'static str> {
    Structure::of(resource_type).names()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_known_by_exact_name() {
        for (type_name, name, expected) in [
            ("Patient", "birthDate", true),
            ("Patient", "birthdate", false),
            ("Patient", "extension", true),
            ("Patient", "text", true),
            ("Patient", "id", true),
            ("Patient", "deceased[x]", true),
            ("Patient", "deceasedBoolean", true),
            ("Patient", "deceasedQuantity", false),
            ("Patient", "deceased", true),
            ("Patient", "birth[x]", false),
            ("Patient", "multiple", false),
            ("Patient", "multipleBirth", true),
            ("Patient", "resourceType", false),
            ("Patient", "[x]", false),
            ("Patient", "", false),
            ("Observation", "value[x]", true),
            ("Observation", "address", false),
            // Separate elements that look like a choice.
            ("Encounter", "reason[x]", true),
            ("Encounter", "reasonCode", true),
        ] {
            let resource_type = ResourceType::parse(type_name).expect("a type of R4");
            assert_eq!(
                is_element(resource_type, name),
                expected,
                "{type_name}.{name}"
            );
        }
    }
}
