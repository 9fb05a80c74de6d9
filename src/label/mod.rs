//! Security labels, to who may see what carries them.
//!
//! Labels are read and never computed, but for those that the operator derives from codes ([`CodeRule`]). The
//! most restrictive reading wins everywhere: of several labels, of a resource and what it contains, and of a
//! label that is not understood.

mod carried;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::fhir::{Confidentiality, PolicyCode};
use crate::json::Node;
pub use carried::Carried;
use wanted::Wanted;
pub use wanted::{INLINE, MAX_LABELS, is_labelled};

/// What a label marks, beside how confidential it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// By a code of the standard, which holds for all below it.
    Policy(PolicyCode),
    /// By a code of another system, or of a later version.
    Other {
        /// The code system.
        system: String,
        /// The code.
        code: String,
    },
}

impl Kind {
    /// What a code of this system marks.
    pub fn of(system: &str, code: &str) -> Kind {
        match PolicyCode::parse(code).filter(|_| system == PolicyCode::SYSTEM) {
            Some(code) => Kind::Policy(code),
            None => Kind::Other {
                system: system.to_owned(),
                code: code.to_owned(),
            },
        }
    }
}

/// What some callers may see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clearance {
    /// What is at most this confidential.
    pub confidentiality: Confidentiality,
    /// What is of these kinds, where it is of any.
    pub kinds: Vec<Kind>,
    /// Of every kind, also of those that are not known.
    pub every_kind: bool,
}

/// A label that the operator gives to resources by the codes in them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeRule {
    /// System and code of each Coding by which it is given.
    pub codes: BTreeSet<(String, String)>,
    /// How confidential such a resource is at least.
    pub confidentiality: Option<Confidentiality>,
    /// Of which kinds it is.
    pub kinds: Vec<Kind>,
}

/// How labels are read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LabelPolicy {
    /// How confidential a resource is that does not say it.
    pub unlabelled: Confidentiality,
    /// Labels by codes.
    pub codes: Vec<CodeRule>,
}

/// What one caller may see: what any of these clearances is enough for.
#[derive(Debug)]
pub struct Cleared {
    policy: Rc<LabelPolicy>,
    held: Vec<Rc<Clearance>>,
}

impl Cleared {
    /// `None` where one of the clearances is enough for everything. Without any, nothing may be seen.
    pub fn new(policy: &Rc<LabelPolicy>, held: Vec<Rc<Clearance>>) -> Option<Rc<Cleared>> {
        let everything = |clearance: &Rc<Clearance>| {
            clearance.every_kind && clearance.confidentiality == Confidentiality::VeryRestricted
        };
        let policy = Rc::clone(policy);
        (!held.iter().any(everything)).then(|| Rc::new(Cleared { policy, held }))
    }

    /// Whether a resource may be seen, with all that it contains. Elements with labels of their own are
    /// looked at by [`within`](Self::within).
    pub fn covers(&self, resource: Node<'_>) -> bool {
        let wanted = Wanted::of(resource, &self.policy);
        wanted.is_some_and(|wanted| self.enough(&wanted).next().is_some())
    }

    /// The clearances that are enough for a resource: one of them must be for each element of it, too.
    pub fn of_resource(&self, resource: Node<'_>) -> Cleared {
        self.narrowed(Wanted::of(resource, &self.policy))
    }

    /// The clearances that are enough for an element besides, by the labels that it carries itself; `None`
    /// where it carries none.
    pub fn within(&self, element: Node<'_>) -> Option<Cleared> {
        Wanted::of_element(element).map(|wanted| self.narrowed(Some(wanted)))
    }

    /// The clearances that are enough for a Bundle besides, by its `meta`; `None` where they all are. No label
    /// is no restriction: a Bundle is as confidential as its entries are.
    pub fn in_bundle(&self, meta: Node<'_>) -> Option<Cleared> {
        let cleared = self.narrowed(Wanted::of_meta(meta));
        (cleared.held.len() < self.held.len()).then_some(cleared)
    }

    /// Whether nothing may be seen.
    pub fn sees_nothing(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether labels are derived from codes, so that a resource must be there whole.
    pub fn looks_everywhere(&self) -> bool {
        !self.policy.codes.is_empty()
    }

    /// What it is for something; where that cannot be told, nothing.
    fn narrowed(&self, wanted: Option<Wanted>) -> Cleared {
        let held = wanted.map(|wanted| self.enough(&wanted).map(Rc::clone).collect());
        Cleared {
            policy: Rc::clone(&self.policy),
            held: held.unwrap_or_default(),
        }
    }

    fn enough<'c>(&'c self, wanted: &'c Wanted) -> impl Iterator<Item = &'c Rc<Clearance>> {
        self.held
            .iter()
            .filter(|clearance| wanted.is_covered_by(clearance))
    }
}
