//! What the labels of a resource ask of whoever is to see it.

use super::{Clearance, CodeRule, Kind, LabelPolicy};
use crate::fhir::{Confidentiality, PolicyCode};
use crate::json::{self, Node};

/// The extension by which an element carries a label of its own
/// (<https://hl7.org/fhir/uv/security-label-ds4p/STU1/>).
pub const INLINE: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

/// How many labels of one resource are looked at; with more nobody may see it whom labels concern.
pub const MAX_LABELS: usize = 1000;

/// Integrity and provenance of data: who may see it does not depend on them.
const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// What a clearance must be enough for.
#[derive(Debug)]
pub(super) struct Wanted {
    confidentiality: Option<Confidentiality>,
    kinds: Vec<Kind>,
    /// What is to be done with it, which nobody has to be cleared for.
    obligations: Vec<Kind>,
    /// Of a kind that nobody can name.
    unknown: bool,
    left: usize,
}

impl Wanted {
    /// Of a resource; `None` where it cannot be told.
    pub fn of(resource: Node<'_>, policy: &LabelPolicy) -> Option<Wanted> {
        let mut wanted = Wanted::new();
        wanted.resource(resource, policy)?;
        if let Some(contained) = resource.get("contained") {
            for resource in contained.items() {
                wanted.resource(resource, policy)?;
            }
        }
        wanted.derive(resource, &mut policy.codes.iter().collect());
        Some(wanted)
    }

    /// Of an element by its own labels; `None` where it has none.
    pub fn of_element(element: Node<'_>) -> Option<Wanted> {
        let mut labels = inline(element).peekable();
        labels.peek()?;
        let mut wanted = Wanted::new();
        for label in labels {
            match label.filter(|_| wanted.count().is_some()) {
                Some(label) => wanted.label(label),
                None => wanted.not_understood(),
            }
        }
        Some(wanted)
    }

    /// Of a `meta` alone.
    pub fn of_meta(meta: Node<'_>) -> Option<Wanted> {
        let mut wanted = Wanted::new();
        wanted.meta(meta)?;
        Some(wanted)
    }

    pub fn is_covered_by(&self, clearance: &Clearance) -> bool {
        let cleared = |kind: &Kind| clearance.kinds.iter().any(|wide| kind.is_within(wide));
        let high = clearance.confidentiality;
        self.confidentiality.is_none_or(|level| level <= high)
            && (clearance.every_kind || (!self.unknown && self.kinds.iter().all(cleared)))
    }

    /// Whether it is this confidential, or more.
    pub fn is_at_least(&self, level: Confidentiality) -> bool {
        self.confidentiality >= Some(level)
    }

    /// Whether it is of one of these kinds, or cannot be told from all of them.
    pub fn may_be(&self, kinds: &[Kind]) -> bool {
        let own = self.kinds.iter().chain(&self.obligations);
        self.unknown || own.into_iter().any(|own| own.may_be(kinds))
    }

    fn new() -> Wanted {
        Wanted {
            confidentiality: None,
            kinds: Vec::new(),
            obligations: Vec::new(),
            unknown: false,
            left: MAX_LABELS,
        }
    }

    /// The labels of one resource, in its `meta` and on itself as on an element.
    fn resource(&mut self, resource: Node<'_>, policy: &LabelPolicy) -> Option<()> {
        let before = self.confidentiality.take();
        if let Some(meta) = resource.get("meta") {
            self.meta(meta)?;
        }
        for label in inline(resource) {
            self.count()?;
            match label {
                Some(label) => self.label(label),
                None => self.not_understood(),
            }
        }
        // Each resource says it by itself, or does not.
        let own = self.confidentiality.unwrap_or(policy.unlabelled);
        self.confidentiality = before.max(Some(own));
        Some(())
    }

    fn meta(&mut self, meta: Node<'_>) -> Option<()> {
        if meta.kind() != json::Kind::Object {
            return None;
        }
        let Some(labels) = meta.get("security") else {
            return Some(());
        };
        if labels.kind() != json::Kind::Array {
            return None;
        }
        for label in labels.items() {
            self.count()?;
            self.label(label);
        }
        Some(())
    }

    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    /// Adds what a Coding says.
    fn label(&mut self, label: Node<'_>) {
        let text = |name: &str| label.get(name).and_then(|text| text.str());
        let (Some(system), Some(code)) = (text("system"), text("code")) else {
            return self.not_understood();
        };
        match system.as_ref() {
            Confidentiality::SYSTEM => match Confidentiality::parse(&code) {
                Some(level) => self.at_least(level),
                // Older codes of this system, and codes that are none.
                None => self.at_least(Confidentiality::VeryRestricted),
            },
            OBSERVATION_VALUE => {}
            // That elements have labels of their own.
            PolicyCode::SYSTEM if code == "PROCESSINLINELABEL" => {}
            _ => match Kind::of(&system, &code) {
                Kind::Policy(policy) if asks_nothing(policy) => {
                    self.obligations.push(Kind::Policy(policy));
                }
                kind => self.kinds.push(kind),
            },
        }
    }

    fn at_least(&mut self, level: Confidentiality) {
        self.confidentiality = self.confidentiality.max(Some(level));
    }

    fn not_understood(&mut self) {
        self.at_least(Confidentiality::VeryRestricted);
        self.unknown = true;
    }

    /// Adds what the operator says of codes, wherever they stand; each rule is `left` until it is used.
    fn derive(&mut self, value: Node<'_>, left: &mut Vec<&CodeRule>) {
        if left.is_empty() {
            return;
        }
        if let (Some(system), Some(code)) = (value.get("system"), value.get("code"))
            && let (Some(system), Some(code)) = (system.str(), code.str())
        {
            let coding = (system.into_owned(), code.into_owned());
            left.retain(|rule| {
                let given = rule.codes.contains(&coding);
                if given {
                    self.confidentiality = self.confidentiality.max(rule.confidentiality);
                    self.kinds.extend_from_slice(&rule.kinds);
                }
                !given
            });
        }
        for member in value.members() {
            self.derive(member.value, left);
        }
        for item in value.items() {
            self.derive(item, left);
        }
    }
}

impl Kind {
    /// Whether what is of this kind is, or may be, of one of the others.
    fn may_be(&self, others: &[Kind]) -> bool {
        let of_standard = |system: &str| system == PolicyCode::SYSTEM;
        let mut others = others.iter();
        match self {
            Kind::Policy(own) => others.any(|other| match other {
                // Of what is about the use of substances, some is about opioids.
                Kind::Policy(other) => own.is_within(*other) || other.is_within(*own),
                Kind::Other { .. } => false,
            }),
            // A later version may have put it below any.
            Kind::Other { system, .. } if of_standard(system) => others.any(|other| match other {
                Kind::Policy(_) => true,
                Kind::Other { .. } => self == other,
            }),
            // What a system means is known where some of its codes are listed.
            Kind::Other { system, .. } => {
                let mut known = others
                    .filter(
                        |other| matches!(other, Kind::Other { system: own, .. } if own == system),
                    )
                    .peekable();
                known.peek().is_none() || known.any(|other| self == other)
            }
        }
    }

    fn is_within(&self, wider: &Kind) -> bool {
        match (self, wider) {
            (Kind::Policy(own), Kind::Policy(wider)) => own.is_within(*wider),
            (own, wider) => own == wider,
        }
    }
}

/// Whether a label only tells whoever sees the data what to do with it.
fn asks_nothing(code: PolicyCode) -> bool {
    PolicyCode::parse("ObligationPolicy").is_some_and(|obligations| code.is_within(obligations))
}

/// Whether an element carries labels itself, as extensions.
pub fn is_labelled(element: Node<'_>) -> bool {
    inline(element).next().is_some()
}

/// The labels that an element, or a resource, carries as extensions; `None` for one that is no Coding.
pub(super) fn inline<'d>(element: Node<'d>) -> impl Iterator<Item = Option<Node<'d>>> {
    let lists = ["extension", "modifierExtension"].into_iter();
    let extensions = lists
        .filter_map(move |name| element.get(name))
        .flat_map(|list| {
            // One that stands where a list belongs is one all the same.
            let one = (list.kind() != json::Kind::Array).then_some(list);
            list.items().chain(one)
        });
    // A list in the list may hold one; what it says of the element is not understood.
    let is_label = |extension: &Node<'_>| {
        let url = extension.get("url");
        extension.kind() == json::Kind::Array || url.is_some_and(|url| url.is_str(INLINE))
    };
    extensions
        .filter(is_label)
        .map(|extension| extension.get("valueCoding"))
}
