//! Whether a resource is in the compartment of one practitioner.

use super::{Membership, instance};
use crate::fhir::{Owner, ResourceType};
use crate::json::{Kind, Node};
use crate::request::body::Shape;

/// Whether a resource is in the compartment of this practitioner
/// (<https://hl7.org/fhir/R4/compartmentdefinition-practitioner.html>): a membership element names them, or
/// it is their own Practitioner. Others may be named beside them, patients too. What is nobody's is opened to
/// all, where it names no patient and contains none. References are read with the external base URL, without
/// a trailing slash.
pub(crate) fn is_of_practitioner(
    owner: &Owner<'_>,
    base: &str,
    root: Node<'_>,
    shape: &Shape<'_>,
) -> bool {
    let own = match owner.is_of(shape.resource_type) {
        true => root.get("id").is_some_and(|id| id.is_str(owner.id)),
        false => owner
            .elements(shape.resource_type)
            .any(|path| names(owner, base, root, path.names())),
    };
    // Nobody has no id.
    own || owner.terms.is_universal(shape.resource_type)
        && Membership::new(owner.terms, "", base, root, shape).covers()
}

/// Whether one of the references at this path names the owner.
fn names(
    owner: &Owner<'_>,
    base: &str,
    node: Node<'_>,
    mut path: impl Iterator<Item = &'static str> + Clone,
) -> bool {
    let Some(first) = path.next() else {
        return names_owner(owner, base, node);
    };
    let Some(value) = node.get(first) else {
        return false;
    };
    let one = (value.kind() != Kind::Array).then_some(value);
    let mut items = value.items().chain(one);
    items.any(|item| names(owner, base, item, path.clone()))
}

fn names_owner(owner: &Owner<'_>, base: &str, reference: Node<'_>) -> bool {
    let of_owner = match reference.get("type") {
        None => true,
        Some(name) => name.str().is_some_and(|name| {
            let name = name
                .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
                .unwrap_or(&name);
            ResourceType::parse(name).is_some_and(|found| owner.is_of(found))
        }),
    };
    let target = reference.get("reference").and_then(|target| target.str());
    let named = target.is_some_and(|target| {
        let local = target
            .strip_prefix(base)
            .and_then(|rest| rest.strip_prefix('/'));
        let found = instance(local.unwrap_or(&target));
        found.is_some_and(|(of, id)| owner.is_of(of) && id == owner.id)
    });
    of_owner && named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::PatientCompartment;
    use crate::json::{Document, Limits};

    fn check(name: &str, body: &str, expected: bool) {
        let document = Document::parse(body.as_bytes(), &Limits::default()).expect(name);
        let shape = Shape::of(document.root()).expect(name);
        let terms = PatientCompartment {
            universal: ResourceType::parse("Organization").into_iter().collect(),
            ..PatientCompartment::default()
        };
        let owner = Owner::practitioner("1", &terms);
        let base = "https://fhir.example.org/r4";
        let found = is_of_practitioner(&owner, base, document.root(), &shape);
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn who_is_named_in_a_membership_element_owns_it_whoever_else_is() {
        for (performer, expected) in [
            (r#"[{"reference":"Practitioner/1"}]"#, true),
            (r#"{"reference":"Practitioner/1"}"#, true),
            (
                r#"[{"reference":"Practitioner/2"},{"reference":"Practitioner/1"}]"#,
                true,
            ),
            (
                r#"[{"reference":"Patient/2"},{"reference":"Practitioner/1"}]"#,
                true,
            ),
            (
                r#"[null,{"display":"x"},{"reference":"Practitioner/1"}]"#,
                true,
            ),
            (r#"[{"reference":"Practitioner/1/_history/4"}]"#, true),
            (
                r#"[{"reference":"https://fhir.example.org/r4/Practitioner/1"}]"#,
                true,
            ),
            (
                r#"[{"reference":"Practitioner/1","type":"Practitioner"}]"#,
                true,
            ),
            (
                r#"[{"reference":"Practitioner/1","type":"Patient"}]"#,
                false,
            ),
            (r#"[{"reference":"Practitioner/1","type":1}]"#, false),
            (r#"[{"reference":"Practitioner/12"}]"#, false),
            (r#"[{"reference":"practitioner/1"}]"#, false),
            (r#"[{"reference":"Patient/1"}]"#, false),
            (r#"[{"reference":"PractitionerRole/1"}]"#, false),
            (
                r#"[{"reference":"https://other.example/Practitioner/1"}]"#,
                false,
            ),
            (r#"[{"reference":"x/Practitioner/1"}]"#, false),
            (r#"[{"reference":["Practitioner/1"]}]"#, false),
            (r#"[[{"reference":"Practitioner/1"}]]"#, false),
            (r##"[{"reference":"#p"}]"##, false),
            (
                r#"[{"type":"Practitioner","identifier":{"value":"1"}}]"#,
                false,
            ),
            (r#"["Practitioner/1"]"#, false),
            ("null", false),
            ("[]", false),
        ] {
            let body = format!(r#"{{"resourceType":"Observation","performer":{performer}}}"#);
            check(performer, &body, expected);
        }
    }

    #[test]
    fn every_type_has_its_own_elements() {
        for (name, body, expected) in [
            ("own", r#"{"resourceType":"Practitioner","id":"1"}"#, true),
            (
                "another",
                r#"{"resourceType":"Practitioner","id":"2"}"#,
                false,
            ),
            ("without an id", r#"{"resourceType":"Practitioner"}"#, false),
            (
                "of a patient",
                r#"{"resourceType":"Patient","id":"2","generalPractitioner":[{"reference":"Practitioner/1"}]}"#,
                true,
            ),
            (
                "deeper",
                r#"{"resourceType":"Encounter","participant":[{},{"individual":{"reference":"Practitioner/1"}}]}"#,
                true,
            ),
            (
                "in another element",
                r#"{"resourceType":"Observation","note":[{"authorReference":{"reference":"Practitioner/1"}}]}"#,
                false,
            ),
            (
                "contained only",
                r#"{"resourceType":"Observation","contained":[{"resourceType":"Observation","performer":[{"reference":"Practitioner/1"}]}]}"#,
                false,
            ),
            (
                "a contained one of the same id",
                r##"{"resourceType":"Observation","contained":[{"resourceType":"Practitioner","id":"1"}],"performer":[{"reference":"#1"}]}"##,
                false,
            ),
            (
                "no compartment",
                r#"{"resourceType":"Task","owner":{"reference":"Practitioner/1"}}"#,
                false,
            ),
            (
                "nobody's",
                r#"{"resourceType":"Organization","id":"1"}"#,
                true,
            ),
            (
                "nobody's, and of a patient",
                r#"{"resourceType":"Organization","extension":[{"url":"x","valueReference":{"reference":"Patient/1"}}]}"#,
                false,
            ),
            (
                "nobody's, with a patient inside",
                r#"{"resourceType":"Organization","contained":[{"resourceType":"Patient","id":"p"}]}"#,
                false,
            ),
        ] {
            check(name, body, expected);
        }
    }
}
