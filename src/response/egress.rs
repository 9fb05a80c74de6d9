//! Guardrails: how much may leave in one answer.

use std::collections::BTreeSet;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::{Cover, Fault};
use crate::access::Membership;
use crate::fhir::ResourceType;
use crate::json::Node;
use crate::request::body::Shape;

/// How much may leave in one answer. What is not bounded is `None`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Egress {
    /// The rule's name, by which the operator knows it.
    pub name: Rc<str>,
    /// The types that are counted; `None` is all.
    pub types: Option<Vec<ResourceType>>,
    /// Resources.
    pub records: Option<u32>,
    /// Bytes of resources, with the entries that they stand in.
    pub bytes: Option<usize>,
    /// Different patients; at most [`Egress::PATIENTS`].
    pub patients: Option<usize>,
    /// What becomes of more.
    pub over: Over,
}

/// What becomes of an answer that is too much.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    /// Nothing of it leaves, as far as its head has not left.
    Refuse,
    /// A searchset ends where it would be too much, and says so. What cannot end there is refused.
    Cut,
}

impl Egress {
    /// The most patients that a rule can count.
    pub const PATIENTS: usize = 10_000;

    /// Whether it counts resources of this type.
    pub fn counts(&self, resource_type: ResourceType) -> bool {
        let types = self.types.as_ref();
        types.is_none_or(|types| types.contains(&resource_type))
    }
}

/// What stands where a searchset was cut. It tells nothing of what does not leave.
pub(super) const CUT: &str = concat!(
    r#"{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"too-costly","#,
    r#""details":{"text":"The answer ends here: more may not leave in one answer."}}]},"search":{"mode":"outcome"}}"#
);

/// What has left in one answer, by each rule that is for any part of it.
#[derive(Default)]
pub(super) struct Meter(Vec<(Rc<Egress>, Used)>);

#[derive(Default)]
struct Used {
    records: u32,
    bytes: usize,
    patients: BTreeSet<Name>,
}

/// Who a patient is: the SHA-256, so that nobody can have two count as one, and each takes as much.
type Name = [u8; 32];

/// Bytes that one patient takes, about.
const HELD: usize = 64;

/// A rule that something more would break.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Its name.
    pub name: Rc<str>,
    /// What becomes of more.
    pub over: Over,
}

impl Meter {
    /// Counts a resource of this type that takes so many bytes of the answer; nothing is counted where a rule
    /// is broken. A deletion is a resource without any.
    pub fn take(
        &mut self,
        cover: &Cover,
        resource_type: ResourceType,
        resource: Option<Node<'_>>,
        bytes: usize,
    ) -> Result<Option<Broken>, Fault> {
        for rule in &cover.egress {
            if !self.0.iter().any(|(known, _)| Rc::ptr_eq(known, rule)) {
                self.0.push((Rc::clone(rule), Used::default()));
            }
        }
        let counts = |rule: &Rc<Egress>| {
            let active = cover.egress.iter().any(|own| Rc::ptr_eq(own, rule));
            active && rule.counts(resource_type)
        };
        let mut counting = self.0.iter().filter(|(rule, _)| counts(rule));
        let patients = match resource {
            Some(resource) if counting.any(|(rule, _)| rule.patients.is_some()) => {
                patients(cover, resource_type, resource)?
            }
            _ => BTreeSet::new(),
        };
        let mut broken: Option<Broken> = None;
        for (rule, used) in self.0.iter().filter(|(rule, _)| counts(rule)) {
            let records = used.records.checked_add(1);
            let bytes = used.bytes.checked_add(bytes);
            let new = patients.difference(&used.patients).count();
            let more = |most: Option<usize>, found: Option<usize>| {
                most.is_some_and(|most| found.is_none_or(|found| found > most))
            };
            let fits = rule
                .records
                .is_none_or(|most| records.is_some_and(|found| found <= most))
                && !more(rule.bytes, bytes)
                && !more(rule.patients, used.patients.len().checked_add(new));
            // Where nothing may leave, nothing is cut.
            let before = broken.as_ref().map(|broken| broken.over);
            if !fits && (before.is_none() || (before, rule.over) == (Some(Over::Cut), Over::Refuse))
            {
                broken = Some(Broken {
                    name: Rc::clone(&rule.name),
                    over: rule.over,
                });
            }
        }
        if broken.is_none() {
            for (rule, used) in self.0.iter_mut().filter(|(rule, _)| counts(rule)) {
                used.records = used.records.saturating_add(1);
                used.bytes = used.bytes.saturating_add(bytes);
                if rule.patients.is_some() {
                    used.patients.extend(&patients);
                }
            }
        }
        Ok(broken)
    }

    /// Bytes that it holds, about.
    pub fn held(&self) -> usize {
        let patients = self.0.iter().map(|(_, used)| used.patients.len());
        patients.fold(0, |all, own| all.saturating_add(own.saturating_mul(HELD)))
    }
}

/// Whom a resource is about; not all, where they are more than any rule counts.
fn patients(
    cover: &Cover,
    resource_type: ResourceType,
    resource: Node<'_>,
) -> Result<BTreeSet<Name>, Fault> {
    let shape = Shape::of_type(resource, resource_type).map_err(Fault::Uninspectable)?;
    let mut found = BTreeSet::new();
    // Who is asked for makes no difference: nobody has no id.
    let membership = Membership::new(&cover.compartment, "", &cover.base, resource, &shape);
    membership.tell_patients(|patient| {
        if found.len() <= Egress::PATIENTS {
            found.insert(Sha256::digest(patient.as_bytes()).into());
        }
    });
    Ok(found)
}
