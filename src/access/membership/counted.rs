//! Whom a resource is about, to be counted.

use super::{Membership, instance};
use crate::fhir::ResourceType;
use crate::json::{Kind, Node};

impl<'a> Membership<'a> {
    /// Tells each patient whom the resource is about, perhaps more than once: the own id of a Patient, and
    /// what the elements of other resources that say whose they are name, contained ones included. A patient of this API is told
    /// as `Patient/id`; what may be another patient (one that is contained, whose id is local, a URL elsewhere,
    /// an identifier) by its text. Whoever is written in two ways counts twice.
    /// `known` is one who needs not be told again, as he was told, a patient of this API.
    pub fn tell_patients(&self, known: Option<&str>, mut tell: impl FnMut(&str)) {
        match self.shape.resource_type.is_patient() {
            true => match self.root.get("id").and_then(|id| id.str()) {
                Some(id) => tell(&format!("Patient/{id}")),
                None => tell(self.root.raw()),
            },
            false => self.tell_of(self.root, self.shape.resource_type, known, &mut tell),
        }
        for (resource_type, contained) in &self.shape.contained {
            match resource_type.is_patient() {
                true => tell(contained.raw()),
                false => self.tell_of(*contained, *resource_type, known, &mut tell),
            }
        }
    }

    fn tell_of(
        &self,
        node: Node<'_>,
        resource_type: ResourceType,
        known: Option<&str>,
        tell: &mut impl FnMut(&str),
    ) {
        for path in self.compartment.elements(resource_type) {
            self.tell_below(node, path.names(), known, tell);
        }
    }

    fn tell_below(
        &self,
        node: Node<'_>,
        mut names: impl Iterator<Item = &'static str> + Clone,
        known: Option<&str>,
        tell: &mut impl FnMut(&str),
    ) {
        let Some(first) = names.next() else {
            self.tell_reference(node, known, tell);
            return;
        };
        let Some(value) = node.get(first) else {
            return;
        };
        let one = (value.kind() != Kind::Array).then_some(value);
        for item in value.items().chain(one) {
            match item.kind() {
                Kind::Object => self.tell_below(item, names.clone(), known, tell),
                // No FHIR: it may be anybody.
                _ => tell(item.raw()),
            }
        }
    }

    fn tell_reference(
        &self,
        reference: Node<'_>,
        known: Option<&str>,
        tell: &mut impl FnMut(&str),
    ) {
        // What nearly all of an answer says. Whether a `type` agrees is another question.
        if let (Some(known), Some(target)) = (known, reference.get("reference"))
            && target.is_str(known)
            && reference.get("type").is_none()
        {
            return;
        }
        // Nobody, or somebody who is no patient.
        if self.names_patient(reference) == Some(false) {
            return;
        }
        let target = reference.get("reference").and_then(|target| target.str());
        let Some(target) = target else {
            tell(reference.raw());
            return;
        };
        if let Some(id) = target.strip_prefix('#') {
            let within = match id.is_empty() {
                true => Some(self.shape.resource_type),
                false => self.contained.get(id).copied().flatten(),
            };
            // Another in each resource, but for who is told as what it is.
            if !within.is_some_and(ResourceType::is_patient) {
                tell(&format!("{target} {}", self.root.raw()));
            }
            return;
        }
        let local = target
            .strip_prefix(self.base)
            .and_then(|rest| rest.strip_prefix('/'));
        match instance(local.unwrap_or(&target)) {
            Some((_, id)) => tell(&format!("Patient/{id}")),
            // One version of a resource elsewhere is that resource.
            None => tell(target.split("/_history/").next().unwrap_or(&target)),
        }
    }
}
