//! Who is named beside the elements that say whose a resource is.

use super::Membership;
use super::written::is_logical;
use crate::json::{Kind, Node};

impl Membership<'_> {
    /// Whether what it contains is no patient, and names nobody else; a Binary says in `securityContext`
    /// whose it is, and nobody can look into it.
    pub(super) fn contains_no_other(&self) -> bool {
        let mut contained = self.shape.contained.iter();
        contained.all(|(resource_type, contained)| {
            let whose = contained.get("securityContext");
            let of_another = |whose: Node<'_>| {
                whose.kind() != Kind::Object || self.names_patient(whose).is_none()
            };
            !resource_type.is_patient()
                && self.tally(*contained, *resource_type).is_some()
                && !whose.is_some_and(of_another)
        })
    }

    /// Whether a reference anywhere in the resource may be to another patient, as
    /// [`is_anothers`](Self::is_anothers) says.
    pub fn names_another(&self) -> bool {
        let target = |target: Node<'_>| self.leads_to_another(target);
        // What is described only says which type it is of.
        let described = |name: Node<'_>| name.str().is_some_and(|name| name.ends_with("Patient"));
        self.root.all_named("reference").any(target) || self.root.all_named("type").any(described)
    }

    /// Whether this object is a reference to another patient, to a patient by identifier or display only,
    /// or to something that cannot be told from a patient.
    pub fn is_anothers(&self, reference: Node<'_>) -> bool {
        match reference.get("reference") {
            Some(target) => self.leads_to_another(target),
            None => is_logical(reference),
        }
    }

    /// Of a `reference`; a list of one is taken for the one, and what is an object is looked at as such.
    fn leads_to_another(&self, target: Node<'_>) -> bool {
        let one = (target.kind() == Kind::String).then_some(target);
        let mut targets = target.items().chain(one).filter_map(Node::str);
        targets.any(|target| self.is_patient(&target).is_none())
    }
}
