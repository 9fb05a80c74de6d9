//! What a patient may write: own resources that name no other patient anywhere.

use super::Membership;
use crate::fhir::{Compartment, ResourceType};
use crate::json::{Kind, Node};

/// The membership elements that say whose a resource is; the others say who took part in it. No type has
/// two of them (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>).
const SUBJECTS: [&str; 6] = [
    "beneficiary",
    "candidate",
    "deliverTo",
    "individual",
    "patient",
    "subject",
];

/// The elements of this type that say whose a resource of it is.
fn subject_elements(resource_type: ResourceType) -> impl Iterator<Item = &'static str> {
    Compartment::Patient
        .elements(resource_type)
        .filter_map(|path| {
            let mut names = path.names();
            let name = names.next()?;
            (names.next().is_none() && SUBJECTS.contains(&name)).then_some(name)
        })
}

impl Membership<'_> {
    /// Whether the patient may leave this resource behind:
    ///
    /// - it is the patient's own ([`Membership::covers`]);
    /// - the element that says whose it is names the patient, where it is there;
    /// - no reference anywhere, contained resources and extensions included, is to another patient, to a
    ///   version of a patient, to a patient by identifier only, or to something that cannot be told from
    ///   a patient.
    ///
    /// # Errors
    /// What was found, without data.
    pub fn check_written(&self) -> Result<(), &'static str> {
        if !self.covers() {
            return Err("it is not in the compartment of the own patient, and of no other");
        }
        if !self.subject_is_own() {
            return Err(
                "the element that says whose it is names somebody else than the own patient",
            );
        }
        self.check_references(self.root)
    }

    /// Whether the patient may leave this resource behind where it is known whose it is: it contains no
    /// patient and nothing of another's, and no reference in it is to another.
    ///
    /// # Errors
    /// What was found, without data.
    pub fn check_others(&self) -> Result<(), &'static str> {
        if !self.contains_no_other() {
            return Err("it contains a patient, or what is another's");
        }
        self.check_references(self.root)
    }

    /// Whether the element that says whose it is names the patient, where it is there: who only took part
    /// in what is somebody else's, a group's for example, may see it and not change it.
    pub fn subject_is_own(&self) -> bool {
        let mut subjects =
            subject_elements(self.shape.resource_type).filter_map(|name| self.root.get(name));
        subjects.all(|subject| self.names_patient(subject) == Some(true))
    }

    fn check_target(&self, target: &str) -> Result<(), &'static str> {
        match self.is_patient(target) {
            Some(true) if target.contains("/_history/") => {
                Err("a reference is to a version of a patient")
            }
            Some(_) => Ok(()),
            None => Err("a reference is to another patient, or to nothing that is known"),
        }
    }

    /// As deep as the document's limit.
    pub(super) fn check_references(&self, node: Node<'_>) -> Result<(), &'static str> {
        if node.kind() == Kind::Object {
            match node.get("reference") {
                // Servers take a list of one for the one. An object is an element of this name, and is
                // looked at below.
                Some(target) => std::iter::once(target)
                    .chain(target.items())
                    .filter_map(Node::str)
                    .try_for_each(|target| self.check_target(&target))?,
                None if is_logical(node) => {
                    return Err("a reference is to a patient by identifier or display only");
                }
                None => {}
            }
        }
        let members = node.members().map(|member| member.value);
        members
            .chain(node.items())
            .try_for_each(|inner| self.check_references(inner))
    }
}

/// Whether this is a reference that only describes a patient.
pub(super) fn is_logical(node: Node<'_>) -> bool {
    let names = |name| node.get(name).is_some();
    let of_patient = node.get("type").and_then(Node::str).is_some_and(|name| {
        let name = name
            .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
            .unwrap_or(&name);
        ResourceType::parse(name).is_some_and(ResourceType::is_patient)
    });
    of_patient && (names("identifier") || names("display"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::PatientCompartment;
    use crate::json::{Document, Limits};
    use crate::request::body::Shape;

    const BASE: &str = "https://fhir.example.org/r4";

    /// What is wrong with a resource that patient 1 writes, if anything is: a word of it.
    fn check(name: &str, body: &str, expected: Option<&str>) {
        let document = Document::parse(body.as_bytes(), &Limits::default()).expect(name);
        let shape = Shape::of(document.root()).expect(name);
        let found = Membership::new(
            &PatientCompartment::default(),
            "1",
            BASE,
            document.root(),
            &shape,
        )
        .check_written();
        match (found, expected) {
            (Ok(()), None) => {}
            (Err(found), Some(word)) if found.contains(word) => {}
            (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
        }
    }

    const ANOTHER: Option<&str> = Some("another patient");
    const OUTSIDE: Option<&str> = Some("compartment");
    const WHOSE: Option<&str> = Some("whose");

    #[test]
    fn the_subject_is_the_own_patient_where_it_is_there() {
        for (body, expected) in [
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"}}"#,
                None,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"https://fhir.example.org/r4/Patient/1"}}"#,
                None,
            ),
            (
                r#"{"resourceType":"Observation","performer":[{"reference":"Patient/1"}]}"#,
                None,
            ),
            (
                r#"{"resourceType":"Communication","sender":{"reference":"Patient/1"},"recipient":[{"reference":"Practitioner/7"}]}"#,
                None,
            ),
            (
                r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Practitioner/7"}}]}"#,
                None,
            ),
            (r#"{"resourceType":"Patient","id":"1"}"#, None),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Group/1"},"performer":[{"reference":"Patient/1"}]}"#,
                WHOSE,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"extension":[]},"performer":[{"reference":"Patient/1"}]}"#,
                WHOSE,
            ),
            (
                r#"{"resourceType":"Coverage","policyHolder":{"reference":"Patient/1"},"beneficiary":{"reference":"RelatedPerson/1"}}"#,
                WHOSE,
            ),
            (r#"{"resourceType":"Observation"}"#, OUTSIDE),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/2"}}"#,
                OUTSIDE,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/12"}}"#,
                OUTSIDE,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"type":"Patient","identifier":{"value":"7"}}}"#,
                OUTSIDE,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}"#,
                OUTSIDE,
            ),
            (
                r#"{"resourceType":"Observation","subject":[{"reference":"Patient/1"},{"reference":"Patient/2"}]}"#,
                OUTSIDE,
            ),
            (
                r#"{"resourceType":"Observation","subject":[{"reference":"Patient/1"}]}"#,
                WHOSE,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"reference":"Patient/2"}]}"#,
                OUTSIDE,
            ),
            (r#"{"resourceType":"Patient","id":"2"}"#, OUTSIDE),
            (
                r#"{"resourceType":"Task","for":{"reference":"Patient/1"}}"#,
                OUTSIDE,
            ),
            (
                r#"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"Patient/1"}}"#,
                OUTSIDE,
            ),
            (
                r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"1"}],"subject":{"reference":"#1"}}"##,
                OUTSIDE,
            ),
        ] {
            check(body, body, expected);
        }
        check(
            "a version of the own patient",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1/_history/3"}}"#,
            Some("version"),
        );
    }

    #[test]
    fn no_other_patient_is_named_anywhere() {
        let beside = |inner: &str| {
            format!(
                r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/1"}},{inner}}}"#
            )
        };
        for (inner, expected) in [
            (r#""focus":[{"reference":"Patient/1"}]"#, None),
            (r#""focus":[{"reference":"Condition/2"}]"#, None),
            (
                r#""encounter":{"reference":"Encounter/2/_history/3"}"#,
                None,
            ),
            (r#""encounter":{"identifier":{"value":"7"}}"#, None),
            (r#""device":{"display":"a watch"}"#, None),
            (
                r#""identifier":[{"type":{"text":"x"},"value":"Patient/2"}]"#,
                None,
            ),
            (
                r#""note":[{"authorReference":{"reference":"Patient/1"},"text":"Patient/2"}]"#,
                None,
            ),
            (r#""x":{"type":"Patient"}"#, None),
            (r#""x":{"reference":{"reference":"Patient/1"}}"#, None),
            (
                r#""performer":[{"reference":"https://elsewhere.example/Practitioner/7"}]"#,
                None,
            ),
            (r#""focus":[{"reference":"Patient/2"}]"#, ANOTHER),
            (
                r#""focus":[{"reference":"Patient/1"},{"reference":"Patient/1x"}]"#,
                ANOTHER,
            ),
            (r#""focus":[{"reference":"Pati\u0065nt/2"}]"#, ANOTHER),
            (r#""focus":[{"r\u0065ference":"Patient/2"}]"#, ANOTHER),
            (r#""focus":[{"reference":"patient/2"}]"#, ANOTHER),
            (r#""focus":[{"reference":"Patient/1/"}]"#, ANOTHER),
            (r#""focus":[{"reference":"Patient?identifier=7"}]"#, ANOTHER),
            (
                r#""focus":[{"reference":"https://elsewhere.example/Patient/1"}]"#,
                ANOTHER,
            ),
            (
                r#""focus":[{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}]"#,
                ANOTHER,
            ),
            (r#""focus":[{"reference":""}]"#, ANOTHER),
            (r##""focus":[{"reference":"#q"}]"##, ANOTHER),
            (
                r#""focus":[{"reference":"Patient/1/_history/2"}]"#,
                Some("version"),
            ),
            (
                r#""focus":[{"type":"Patient","identifier":{"value":"7"}}]"#,
                Some("identifier"),
            ),
            (
                r#""focus":[{"type":"http://hl7.org/fhir/StructureDefinition/Patient","display":"x"}]"#,
                Some("identifier"),
            ),
            (
                r#""extension":[{"url":"x","valueReference":{"reference":"Patient/2"}}]"#,
                ANOTHER,
            ),
            (
                r#""_status":{"extension":[{"url":"x","valueReference":{"reference":"Patient/2"}}]}"#,
                ANOTHER,
            ),
            (r#""x":{"reference":{"reference":"Patient/2"}}"#, ANOTHER),
            (
                r#""x":{"reference":["Patient/1",{"reference":"Patient/2"}]}"#,
                ANOTHER,
            ),
            (r#""x":{"reference":["Patient/1","Patient/2"]}"#, ANOTHER),
            (
                r#""contained":[{"resourceType":"Device","id":"d","patient":{"reference":"Patient/2"}}]"#,
                ANOTHER,
            ),
            (
                r#""contained":[{"resourceType":"RelatedPerson","id":"d","patient":{"reference":"Patient/2"}}]"#,
                OUTSIDE,
            ),
        ] {
            check(inner, &beside(inner), expected);
        }
    }

    #[test]
    fn every_type_has_one_element_that_says_whose_it_is_or_none() {
        for resource_type in ResourceType::all() {
            let subjects = subject_elements(resource_type).count();
            assert!(subjects <= 1, "{resource_type}");
        }
    }
}
