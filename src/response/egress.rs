//! Guardrails: how much may leave in one answer.

use std::collections::BTreeSet;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::{Cover, Fault};
use crate::access::Membership;
use crate::fhir::{ResourceType, is_id};
use crate::json::Node;
use crate::request::body::Shape;

/// How much may leave in one answer. What is not bounded is `None`; a rule that bounds nothing tells whom the
/// answer was about.
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

    /// The most patients that a telling rule names.
    pub const NAMED: usize = 100;

    /// A rule that only tells whom an answer was about: of more than [`Egress::PATIENTS`] patients that many and
    /// one.
    pub fn telling() -> Egress {
        Egress {
            name: "".into(),
            types: None,
            records: None,
            bytes: None,
            patients: None,
            over: Over::Refuse,
        }
    }

    /// Whether it only tells whom an answer was about.
    pub fn tells(&self) -> bool {
        self.records.is_none() && self.bytes.is_none() && self.patients.is_none()
    }

    fn asks_for_patients(&self) -> bool {
        self.patients.is_some() || self.tells()
    }

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
pub(super) struct Meter {
    rules: Vec<(Rc<Egress>, Used)>,
    /// The patient who was met last, and what that is counted by: most of an answer is about one.
    last: Option<(String, Name)>,
    /// Whom what has left since [`Meter::begin_part`] is about, where a rule tells.
    part: Option<Met>,
}

#[derive(Default)]
struct Used {
    records: u32,
    bytes: usize,
    met: Met,
}

/// What is counted.
pub(super) enum Taken<'a> {
    /// A resource of this type.
    Resource(ResourceType, Node<'a>),
    /// The deletion of an instance, by its id.
    Deletion(ResourceType, String),
}

impl Taken<'_> {
    fn resource_type(&self) -> ResourceType {
        match self {
            Taken::Resource(own, _) | Taken::Deletion(own, _) => *own,
        }
    }
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
    /// Counts what takes so many bytes of the answer; nothing is counted where a rule is broken.
    pub fn take(
        &mut self,
        cover: &Cover,
        taken: &Taken<'_>,
        bytes: usize,
    ) -> Result<Option<Broken>, Fault> {
        let resource_type = taken.resource_type();
        for rule in &cover.egress {
            if !self.rules.iter().any(|(known, _)| Rc::ptr_eq(known, rule)) {
                self.rules.push((Rc::clone(rule), Used::default()));
            }
        }
        let counts = |rule: &Rc<Egress>| {
            let active = cover.egress.iter().any(|own| Rc::ptr_eq(own, rule));
            active && rule.counts(resource_type)
        };
        let mut counting = self.rules.iter().filter(|(rule, _)| counts(rule));
        // Where there is one rule, whoever was met last is known to it.
        let known = self.rules.len() == 1;
        let patients = match counting.any(|(rule, _)| rule.asks_for_patients()) {
            true => patients(cover, taken, &mut self.last, known)?,
            false => Met::default(),
        };
        let mut broken: Option<Broken> = None;
        for (rule, used) in self.rules.iter().filter(|(rule, _)| counts(rule)) {
            let records = used.records.checked_add(1);
            let bytes = used.bytes.checked_add(bytes);
            let new = patients.patients.difference(&used.met.patients).count();
            let more = |most: Option<usize>, found: Option<usize>| {
                most.is_some_and(|most| found.is_none_or(|found| found > most))
            };
            let fits = rule
                .records
                .is_none_or(|most| records.is_some_and(|found| found <= most))
                && !more(rule.bytes, bytes)
                && !more(rule.patients, used.met.patients.len().checked_add(new));
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
        if broken.is_some() {
            // Nobody was counted.
            self.last = None;
        } else {
            for (rule, used) in self.rules.iter_mut().filter(|(rule, _)| counts(rule)) {
                used.records = used.records.saturating_add(1);
                used.bytes = used.bytes.saturating_add(bytes);
                if rule.patients.is_some() {
                    used.met.patients.extend(&patients.patients);
                } else if rule.tells() {
                    used.met.add(&patients);
                    if let Some(part) = &mut self.part {
                        part.add(&patients);
                    }
                }
            }
        }
        Ok(broken)
    }

    /// A number for each patient that a rule tells of, the same in every answer.
    pub fn shown(&self) -> Vec<u64> {
        let telling = self.rules.iter().filter(|(rule, _)| rule.tells());
        let names = telling.flat_map(|(_, used)| &used.met.patients);
        let first = |name: &Name| name.first_chunk().copied().map_or(0, u64::from_be_bytes);
        names.map(first).collect()
    }

    /// The patients of this API that a rule tells of, those that were met first, and how many there are in
    /// all.
    pub fn named(&self) -> (&[String], usize) {
        let mut telling = self.rules.iter().filter(|(rule, _)| rule.tells());
        let used = telling.next().map(|(_, used)| used);
        used.map_or((&[], 0), |used| used.met.told())
    }

    /// What follows is another part of the answer, of which it is told apart whom it is about.
    pub fn begin_part(&mut self) {
        // Whoever was met last is new to this part.
        self.last = None;
        self.part = Some(Met::default());
    }

    /// As [`named`](Self::named), of this part alone.
    pub fn named_in_part(&self) -> (&[String], usize) {
        self.part.as_ref().map_or((&[], 0), Met::told)
    }

    /// Bytes that it holds, about.
    pub fn held(&self) -> usize {
        let met = self.rules.iter().map(|(_, used)| &used.met);
        let all = met.chain(&self.part);
        all.fold(0, |all, met| {
            let own = met.patients.len().saturating_add(met.named.len());
            all.saturating_add(own.saturating_mul(HELD))
        })
    }
}

/// Whom something is about.
#[derive(Default)]
struct Met {
    patients: BTreeSet<Name>,
    /// Those of them that were met first, and that are patients of this API, `Patient/id`; at most
    /// [`Egress::NAMED`].
    named: Vec<String>,
}

impl Met {
    /// Adds those that a telling rule met: at most [`Egress::PATIENTS`] and one.
    fn add(&mut self, met: &Met) {
        let room = (Egress::PATIENTS + 1).saturating_sub(self.patients.len());
        // What is known takes no room.
        let new: Vec<Name> = met.patients.difference(&self.patients).copied().collect();
        self.patients.extend(new.into_iter().take(room));
        for patient in &met.named {
            if self.named.len() < Egress::NAMED && !self.named.contains(patient) {
                self.named.push(patient.clone());
            }
        }
    }

    fn told(&self) -> (&[String], usize) {
        (&self.named, self.patients.len())
    }
}

/// Whom it is about; not all, where they are more than any rule counts, and not the one who was met last, where
/// that one is known.
fn patients(
    cover: &Cover,
    taken: &Taken<'_>,
    last: &mut Option<(String, Name)>,
    known: bool,
) -> Result<Met, Fault> {
    let mut found = Met::default();
    let met = last.as_ref().map(|(own, _)| own.clone());
    let met = met.filter(|own| known && own.starts_with("Patient/"));
    let mut tell = |patient: &str| {
        if found.patients.len() > Egress::PATIENTS
            || found.named.iter().any(|known| known == patient)
        {
            return;
        }
        let name = match last {
            Some((own, _)) if known && own == patient => return,
            Some((own, name)) if own == patient => *name,
            _ => {
                let name = Sha256::digest(patient.as_bytes()).into();
                // What is no reference may be as long as a resource.
                *last = (patient.len() <= 256).then(|| (patient.to_owned(), name));
                name
            }
        };
        found.patients.insert(name);
        // Anything else is a text of the resource, which is nobody's name.
        let own = patient.strip_prefix("Patient/").is_some_and(is_id);
        if own && found.named.len() < Egress::NAMED {
            found.named.push(patient.to_owned());
        }
    };
    match taken {
        Taken::Resource(resource_type, resource) => {
            let shape = Shape::of_type(*resource, *resource_type).map_err(Fault::Uninspectable)?;
            // Who is asked for makes no difference: nobody has no id.
            let (compartment, base) = (&cover.compartment, &cover.base);
            Membership::new(compartment, "", base, *resource, &shape)
                .tell_patients(met.as_deref(), tell);
        }
        Taken::Deletion(resource_type, id) if resource_type.is_patient() => {
            tell(&format!("Patient/{id}"));
        }
        Taken::Deletion(..) => {}
    }
    Ok(found)
}
