//! What an answer may contain, and what looking at it may cost.

use std::rc::Rc;

use super::{Egress, Redaction, Watermark};
use crate::access::Granted;
use crate::consent::Ruling;
use crate::fhir::{PatientCompartment, ResourceType};
use crate::json::{self, Node};
use crate::label::{Carried, Cleared, is_labelled};

/// A link of the upstream to the external URL that leads there, when the same permit covers it.
pub type Links = Rc<dyn Fn(Link<'_>) -> Option<String>>;

/// A link of the upstream.
#[derive(Clone, Copy, Debug)]
pub enum Link<'a> {
    /// To another page.
    Page(&'a str),
    /// To a file of an export, of resources of this type.
    File(ResourceType, &'a str),
}

/// What an answer may contain: the part of a permit that the screen enforces.
#[derive(Clone)]
pub struct Cover {
    /// The shape of the answer.
    pub expected: Expected,
    /// The logical id of the one patient whose resources may leave; every resource must name this
    /// patient in a membership element, and no other. `None`: no compartment restricts the answer.
    pub patient: Option<String>,
    /// The logical id of the one practitioner whose resources may leave; every resource must name this
    /// practitioner in a membership element, or be nobody's. `None`: no such compartment restricts the answer.
    pub practitioner: Option<String>,
    /// What makes a resource a patient's.
    pub compartment: Rc<PatientCompartment>,
    /// Which resources of the type may leave: what is not covered is treated like what belongs to
    /// another patient.
    pub granted: Granted,
    /// Further types that a Bundle may hold, each with which resources of it may leave.
    pub others: Vec<(ResourceType, Granted)>,
    /// What the patient's consent says: what it does not permit is treated like what belongs to another
    /// patient. `None`: none was asked for.
    pub consent: Option<Rc<Ruling>>,
    /// Whether a Bundle may tell how many matches there are; where a compartment restricts it, not behind an
    /// entry that was removed.
    pub total: bool,
    /// External base URL of the FHIR API, without a trailing slash.
    pub base: String,
    /// The redactions that are active for this caller.
    pub redactions: Vec<Rc<Redaction>>,
    /// How much may leave, by the rules that are for this caller.
    pub egress: Vec<Rc<Egress>>,
    /// What says to whom a resource went; `None` where nothing does.
    pub watermark: Option<Watermark>,
    /// Canonical external URL of the request that was decided on; becomes the `self` link.
    pub self_link: String,
    /// Rewrites links.
    pub links: Links,
}

impl Cover {
    /// Whether somebody's compartment restricts the answer.
    pub(super) fn is_confined(&self) -> bool {
        self.patient.is_some() || self.practitioner.is_some()
    }

    /// What may leave within a Bundle with this `meta`: of its labels and those of a resource the more
    /// restrictive hold. `None` where that is no less.
    pub(super) fn in_bundle(&self, meta: Node<'_>) -> Option<Rc<Cover>> {
        let narrowed = self.narrowed(|labels| labels.in_bundle(meta));
        let own = narrowed.as_deref().unwrap_or(self);
        own.decided(|labels| labels.by_meta(meta)).or(narrowed)
    }

    /// As [`in_bundle`](Self::in_bundle), of an element that carries labels itself, such as an entry.
    pub(super) fn within(&self, element: Node<'_>) -> Option<Rc<Cover>> {
        if !self.looks_at_labels() || !is_labelled(element) {
            return None;
        }
        let narrowed = self.narrowed(|labels| labels.within(element));
        let own = narrowed.as_deref().unwrap_or(self);
        own.decided(|labels| labels.by_element(element))
            .or(narrowed)
    }

    /// Whether anything depends on labels.
    fn looks_at_labels(&self) -> bool {
        self.granted.labels().is_some()
            || self.redactions.iter().any(|rule| rule.labelled.is_some())
            || self
                .others
                .iter()
                .any(|(_, granted)| granted.labels().is_some())
    }

    /// The same with the redactions that are known to be for all that is there; `None` where that is the same.
    fn decided(&self, holds: impl Fn(&Carried) -> bool) -> Option<Rc<Cover>> {
        let decided: Vec<_> = self
            .redactions
            .iter()
            .map(|rule| rule.decided(&holds).map(Rc::new))
            .collect();
        if decided.iter().all(Option::is_none) {
            return None;
        }
        let rules = self.redactions.iter().zip(decided);
        Some(Rc::new(Cover {
            redactions: rules
                .map(|(rule, decided)| decided.unwrap_or_else(|| Rc::clone(rule)))
                .collect(),
            ..self.clone()
        }))
    }

    fn narrowed(&self, narrow: impl Fn(&Cleared) -> Option<Cleared>) -> Option<Rc<Cover>> {
        let granted = self.granted.narrowed(&narrow);
        let others = self.others.iter();
        let others: Vec<_> = others
            .map(|(_, granted)| granted.narrowed(&narrow))
            .collect();
        if granted.is_none() && others.iter().all(Option::is_none) {
            return None;
        }
        let mut cover = self.clone();
        let own = std::iter::once(&mut cover.granted);
        let own = own.chain(cover.others.iter_mut().map(|(_, granted)| granted));
        for (own, less) in own.zip(std::iter::once(granted).chain(others)) {
            if let Some(less) = less {
                *own = less;
            }
        }
        Some(Rc::new(cover))
    }
}

/// The shape of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expected {
    /// One resource: read, vread, or the answer to a create or update.
    Resource {
        /// The one type that is accepted.
        resource_type: ResourceType,
        /// The logical id; `None` for a create, where the upstream chooses it.
        id: Option<String>,
        /// The version (`meta.versionId`) that was asked for.
        version: Option<String>,
    },
    /// A Bundle, screened entry by entry.
    Bundle {
        /// `searchset` or `history`.
        kind: BundleKind,
        /// The type that was searched; entries of any but this and [`Cover::others`] are removed.
        resource_type: ResourceType,
        /// The logical id, for the history of one instance.
        id: Option<String>,
    },
    /// A resource of this type, and no other in it: it passes as it is.
    Plain(ResourceType),
    /// What has become of an export: its files, those of [`Cover::others`].
    Manifest,
    /// A file of an export: a resource of this type on each line.
    Lines(ResourceType),
    /// A public document such as the CapabilityStatement: any one strict JSON object, passed as it
    /// is, bounded by [`Limits::resource`].
    Opaque,
}

impl Expected {
    /// The type of the one instance that the answer is about.
    pub(super) fn of_instance(&self) -> Option<ResourceType> {
        match self {
            Expected::Resource { resource_type, .. } => Some(*resource_type),
            Expected::Bundle {
                resource_type, id, ..
            } => id.is_some().then_some(*resource_type),
            Expected::Plain(_) | Expected::Manifest | Expected::Lines(_) | Expected::Opaque => None,
        }
    }
}

/// The types of Bundle that can be screened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BundleKind {
    /// The answer to a search.
    Searchset,
    /// The answer to a history interaction.
    History,
}

/// What screening one answer may cost. All bounds are inclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The largest resource, Bundle entry or other top-level value of a Bundle, in bytes.
    pub resource: usize,
    /// How many entries a Bundle may have.
    pub entries: usize,
    /// Depth and number of values within one resource or entry.
    pub json: json::Limits,
}

impl Default for Limits {
    /// 8 MiB a resource, 100 000 entries a Bundle.
    fn default() -> Self {
        Limits {
            resource: 8 << 20,
            entries: 100_000,
            json: json::Limits::default(),
        }
    }
}
