//! Whether a resource is about one patient, and about no other.

mod counted;
mod named;
mod practitioner;
mod written;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::fhir::{PatientCompartment, ResourceType, is_id};
use crate::json::{Kind, Node};
use crate::request::Targets;
use crate::request::body::Shape;

pub(crate) use practitioner::is_of_practitioner;

/// Decides a resource's place in a patient's compartment
/// (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>).
pub(crate) struct Membership<'a> {
    compartment: &'a PatientCompartment,
    patient: &'a str,
    base: &'a str,
    root: Node<'a>,
    shape: &'a Shape<'a>,
    /// Types of the contained resources by id; none where an id stands twice.
    contained: BTreeMap<Cow<'a, str>, Option<ResourceType>>,
    /// What references may lead to in the Bundle that it stands in.
    targets: Option<&'a Targets>,
}

impl<'a> Membership<'a> {
    /// The patient is a logical id, the base the external base URL without a trailing slash.
    pub fn new(
        compartment: &'a PatientCompartment,
        patient: &'a str,
        base: &'a str,
        root: Node<'a>,
        shape: &'a Shape<'a>,
    ) -> Self {
        let mut contained = BTreeMap::new();
        for (resource_type, resource) in &shape.contained {
            if let Some(id) = resource.get("id").and_then(|id| id.str()) {
                contained
                    .entry(id)
                    .and_modify(|known| *known = None)
                    .or_insert(Some(*resource_type));
            }
        }
        Membership {
            compartment,
            patient,
            base,
            root,
            shape,
            contained,
            targets: None,
        }
    }

    /// The same of a resource that stands in a Bundle of requests.
    pub fn among(self, targets: &'a Targets) -> Self {
        Membership {
            targets: Some(targets),
            ..self
        }
    }

    /// Whether the resource names the patient in a membership element, and nobody else there: what
    /// might be another patient (a reference that cannot be resolved, an identifier or a display
    /// without a type) counts as one. A Patient belongs to itself; what belongs to nobody names no
    /// patient in what it contains.
    pub fn covers(&self) -> bool {
        let own = if self.shape.resource_type.is_patient() {
            self.root
                .get("id")
                .is_some_and(|id| id.is_str(self.patient))
        } else {
            // What is nobody's names no patient, in whatever element.
            let universal = || {
                self.compartment.is_universal(self.shape.resource_type)
                    && self.check_references(self.root).is_ok()
            };
            self.tally(self.root, self.shape.resource_type)
                .is_some_and(|own| own || universal())
        };
        own && self.contains_no_other()
    }

    /// `None` when a membership element names somebody else, else whether one names the patient.
    fn tally(&self, root: Node<'_>, resource_type: ResourceType) -> Option<bool> {
        let mut own = false;
        for path in self.compartment.elements(resource_type) {
            own |= self.descend(root, path.names())?;
        }
        Some(own)
    }

    fn descend(
        &self,
        node: Node<'_>,
        mut names: impl Iterator<Item = &'static str> + Clone,
    ) -> Option<bool> {
        let Some(first) = names.next() else {
            return self.names_patient(node);
        };
        let Some(value) = node.get(first) else {
            return Some(false);
        };
        let one = (value.kind() != Kind::Array).then_some(value);
        let mut own = false;
        for item in value.items().chain(one) {
            // Anything but an object here is no FHIR: it cannot be decided.
            if item.kind() != Kind::Object {
                return None;
            }
            own |= self.descend(item, names.clone())?;
        }
        Some(own)
    }

    /// `Some(true)`: this patient; `Some(false)`: no patient; `None`: another, or unknown.
    fn names_patient(&self, reference: Node<'_>) -> Option<bool> {
        let says_patient = match reference.get("type") {
            None => None,
            Some(name) => {
                let name = name.str()?;
                let name = name
                    .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
                    .unwrap_or(&name);
                Some(ResourceType::parse(name)?.is_patient())
            }
        };
        let Some(target) = reference.get("reference") else {
            let named = ["identifier", "display"]
                .iter()
                .any(|name| reference.get(name).is_some());
            return match says_patient {
                Some(true) => None,
                Some(false) => Some(false),
                None => (!named).then_some(false),
            };
        };
        let own = self.is_patient(&target.str()?)?;
        (says_patient.is_none() || says_patient == Some(own)).then_some(own)
    }

    fn is_patient(&self, target: &str) -> Option<bool> {
        // What most references are.
        if target.strip_prefix("Patient/") == Some(self.patient) && is_id(self.patient) {
            return Some(true);
        }
        if let Some(resource_type) = self.targets.and_then(|targets| targets.get(target)) {
            // A Patient that is made here is not the own one.
            return (!resource_type.is_patient()).then_some(false);
        }
        if let Some(id) = target.strip_prefix('#') {
            return self.is_contained_patient(id);
        }
        let local = target
            .strip_prefix(self.base)
            .and_then(|rest| rest.strip_prefix('/'));
        if let Some((resource_type, id)) = instance(local.unwrap_or(target)) {
            return match resource_type.is_patient() {
                true => (id == self.patient).then_some(true),
                false => Some(false),
            };
        }
        let foreign = ["http://", "https://"]
            .iter()
            .find_map(|scheme| target.strip_prefix(scheme));
        let (resource_type, _) = foreign.and_then(last_instance)?;
        (!resource_type.is_patient()).then_some(false)
    }

    fn is_contained_patient(&self, id: &str) -> Option<bool> {
        if id.is_empty() {
            // The resource itself, seen from one that it contains.
            return Some(self.shape.resource_type.is_patient());
        }
        let resource_type = (*self.contained.get(id)?)?;
        (!resource_type.is_patient()).then_some(false)
    }
}

/// `Type/id` or `Type/id/_history/version`, exactly.
pub(crate) fn instance(text: &str) -> Option<(ResourceType, &str)> {
    // The standard library's search is slower for texts as short as these.
    let slash = text.bytes().position(|byte| byte == b'/')?;
    let resource_type = ResourceType::parse(text.get(..slash)?)?;
    let rest = text.get(slash + 1..)?;
    if is_id(rest) {
        return Some((resource_type, rest));
    }
    let (id, version) = rest.split_once("/_history/")?;
    (is_id(id) && is_id(version)).then_some((resource_type, id))
}

/// The instance that a URL ends with, whatever comes before it.
pub(crate) fn last_instance(url: &str) -> Option<(ResourceType, &str)> {
    let (first, _) = url.rmatch_indices('/').take(4).last()?;
    let tail = url.get(first..)?;
    let mut starts = tail.match_indices('/').map(|(at, _)| at + 1);
    starts.find_map(|start| tail.get(start..).and_then(instance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn check(name: &str, body: &str, expected: bool) {
        let document = Document::parse(body.as_bytes(), &Limits::default()).expect(name);
        let shape = Shape::of(document.root()).expect(name);
        let base = "https://fhir.example.org/r4";
        let compartment = PatientCompartment {
            universal: ResourceType::parse("Organization").into_iter().collect(),
            ..PatientCompartment::default()
        };
        let membership = Membership::new(&compartment, "1", base, document.root(), &shape);
        assert_eq!(membership.covers(), expected, "{name}");
    }

    #[test]
    fn references_are_compared_as_type_and_id() {
        for (reference, expected) in [
            (r#"{"reference":"Patient/1"}"#, true),
            (r#"{"reference":"Pati\u0065nt/1"}"#, true),
            (
                r#"{"reference":"Patient/1","type":"Patient","display":"x"}"#,
                true,
            ),
            (r#"{"reference":"Patient/1/_history/4"}"#, true),
            (
                r#"{"reference":"https://fhir.example.org/r4/Patient/1"}"#,
                true,
            ),
            (
                r#"{"reference":"https://fhir.example.org/r4/Patient/1/_history/4"}"#,
                true,
            ),
            (
                r#"[{"reference":"Patient/1"},{"reference":"Group/1"}]"#,
                true,
            ),
            (
                r#"[{"reference":"Patient/1"},{"reference":"https://other.example/Practitioner/1"}]"#,
                true,
            ),
            (
                r#"[{"reference":"Patient/1"},{"type":"Practitioner","identifier":{"value":"7"}}]"#,
                true,
            ),
            (r#"[{"reference":"Patient/1"},{"extension":[]}]"#, true),
            (r#"{"reference":"Patient/12"}"#, false),
            (r#"{"reference":"Patient/"}"#, false),
            (r#"{"reference":"1"}"#, false),
            (r#"{"reference":"patient/1"}"#, false),
            (r#"{"reference":"/Patient/1"}"#, false),
            (r#"{"reference":"x/Patient/1"}"#, false),
            (r#"{"reference":"Patient/1/"}"#, false),
            (r#"{"reference":"Patient/1?x"}"#, false),
            (r##"{"reference":"Patient/1#x"}"##, false),
            (r#"{"reference":"Patient/1/_history/"}"#, false),
            (r#"{"reference":"Patient/1/_history/4/5"}"#, false),
            (
                r#"{"reference":"http://fhir.example.org/r4/Patient/1"}"#,
                false,
            ),
            (
                r#"{"reference":"https://fhir.example.org/r4x/Patient/1"}"#,
                false,
            ),
            (r#"{"reference":"https://other.example/Patient/1"}"#, false),
            (
                r#"{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}"#,
                false,
            ),
            (r##"{"reference":"#p"}"##, false),
            (r#"{"reference":null}"#, false),
            (r#"{"reference":"Patient/1","type":"Practitioner"}"#, false),
            (r#"{"reference":"Patient/1","type":"Nonsense"}"#, false),
            (r#"{"reference":"Practitioner/1","type":"Patient"}"#, false),
            (r#"{"reference":"Practitioner/1"}"#, false),
            (r#"{"type":"Patient","identifier":{"value":"7"}}"#, false),
            (r#""Patient/1""#, false),
            ("null", false),
            ("[]", false),
            (
                r#"[{"reference":"Patient/1"},{"reference":"Patient/2"}]"#,
                false,
            ),
            (
                r#"[{"reference":"Patient/1"},{"reference":"https://other.example/Patient/2"}]"#,
                false,
            ),
            (
                r#"[{"reference":"Patient/1"},{"identifier":{"value":"7"}}]"#,
                false,
            ),
            (
                r#"[{"reference":"Patient/1"},{"display":"Somebody"}]"#,
                false,
            ),
            (r#"[{"reference":"Patient/1"},{"type":"Patient"}]"#, false),
            (r#"[{"reference":"Patient/1"},null]"#, false),
            (
                r#"[{"reference":"Patient/1"},[{"reference":"Patient/1"}]]"#,
                false,
            ),
            (
                r#"[{"reference":"Patient/1"},{"reference":"urn:oid:1.2"}]"#,
                false,
            ),
        ] {
            let body = format!(r#"{{"resourceType":"Observation","subject":{reference}}}"#);
            check(reference, &body, expected);
        }
    }

    #[test]
    fn every_membership_element_counts_at_its_own_path() {
        check("own id", r#"{"resourceType":"Patient","id":"1"}"#, true);
        check(
            "own id, linked",
            r#"{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"}}]}"#,
            true,
        );
        check("other id", r#"{"resourceType":"Patient","id":"2"}"#, false);
        check(
            "linked to own",
            r#"{"resourceType":"Patient","id":"2","link":[{"other":{"reference":"Patient/1"}}]}"#,
            false,
        );
        check("no id", r#"{"resourceType":"Patient"}"#, false);
        check(
            "performer",
            r#"{"resourceType":"Observation","performer":[{"reference":"Patient/1"}]}"#,
            true,
        );
        check(
            "other performer",
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"reference":"Patient/2"}]}"#,
            false,
        );
        check(
            "focus is none",
            r#"{"resourceType":"Observation","focus":[{"reference":"Patient/1"}]}"#,
            false,
        );
        check(
            "key of another case",
            r#"{"resourceType":"Observation","Subject":{"reference":"Patient/1"}}"#,
            false,
        );
        check(
            "deeper",
            r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Practitioner/2"}},{"status":"x"}]}"#,
            true,
        );
        check(
            "two patients",
            r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Patient/2"}}]}"#,
            false,
        );
        check(
            "no compartment",
            r#"{"resourceType":"Task","for":{"reference":"Patient/1"}}"#,
            false,
        );
        check(
            "elements dropped",
            r#"{"resourceType":"Observation","id":"o"}"#,
            false,
        );
        let contained = |resource: &str| {
            format!(
                r#"{{"resourceType":"Observation","contained":[{resource}],"subject":{{"reference":"Patient/1"}},"performer":[{{"reference":"{}p"}}]}}"#,
                '#'
            )
        };
        check(
            "contained practitioner",
            &contained(r#"{"resourceType":"Practitioner","id":"p"}"#),
            true,
        );
        check(
            "contained patient",
            &contained(r#"{"resourceType":"Patient","id":"p"}"#),
            false,
        );
        check(
            "own id contained",
            &contained(r#"{"resourceType":"Patient","id":"1"}"#),
            false,
        );
        check(
            "unresolved",
            &contained(r#"{"resourceType":"Practitioner","id":"q"}"#),
            false,
        );
        check(
            "ambiguous",
            &contained(
                r#"{"resourceType":"Practitioner","id":"p"},{"resourceType":"Group","id":"p"}"#,
            ),
            false,
        );
        check(
            "contained about own",
            &contained(
                r#"{"resourceType":"RelatedPerson","id":"p","patient":{"reference":"Patient/1"}}"#,
            ),
            true,
        );
        check(
            "contained about another",
            &contained(
                r#"{"resourceType":"RelatedPerson","id":"p","patient":{"reference":"Patient/2"}}"#,
            ),
            false,
        );
    }

    #[test]
    fn urls_end_with_an_instance() {
        for (url, expected) in [
            ("http://fhir/r4/Patient/1", Some("1")),
            ("http://fhir/r4/Patient/1/_history/3", Some("1")),
            ("Patient/1", None),
            ("http://fhir/Patient", None),
            ("http://fhir/Patient/1/x", None),
        ] {
            assert_eq!(last_instance(url).map(|(_, id)| id), expected, "{url}");
        }
    }
}
