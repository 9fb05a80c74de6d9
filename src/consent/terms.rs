//! What a rule may be about, beside its periods and purpose: actors, actions, types, instances, labels and
//! codes.

use super::document::Base;
use super::{Action, Effect, Match};
use crate::fhir::{Confidentiality, ResourceType, is_id};
use crate::json::{Kind, Node};

const ACTIONS: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
const TYPES: &str = "http://hl7.org/fhir/resource-types";
const PARTICIPATIONS: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// How many labels of one resource are looked at; with more it is not decided.
const LABELS: usize = 1000;

/// Somebody, as Consents name them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Actor {
    /// A resource of this server.
    Reference {
        /// Its type.
        resource_type: ResourceType,
        /// Its id.
        id: String,
    },
    /// Somebody by a business identifier.
    Identifier {
        /// Where it is unique.
        system: String,
        /// The identifier there.
        value: String,
    },
}

/// What a rule says is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deed {
    Access,
    Collect,
    Correct,
    /// To use or disclose, which follows from access.
    Further,
}

/// One resource of this server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Instance {
    pub resource_type: ResourceType,
    pub id: String,
}

/// Codes that all mean the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Concept(Vec<Label>);

/// A code of a system, where one is stated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Label {
    system: Option<String>,
    code: String,
}

impl Actor {
    /// `Type/id`.
    pub fn parse(text: &str) -> Option<Actor> {
        let (name, id) = text.split_once('/')?;
        let resource_type = ResourceType::parse(name)?;
        is_id(id).then(|| Actor::Reference {
            resource_type,
            id: id.to_owned(),
        })
    }

    /// Bytes of its text.
    pub(super) fn len(&self) -> usize {
        match self {
            Actor::Reference { id, .. } => id.len(),
            Actor::Identifier { system, value } => system.len() + value.len(),
        }
    }

    /// Whether the two could be one: of one type, or in one system.
    pub(super) fn is_like(&self, other: &Actor) -> bool {
        match (self, other) {
            (
                Actor::Reference { resource_type, .. },
                Actor::Reference {
                    resource_type: other,
                    ..
                },
            ) => resource_type == other,
            (Actor::Identifier { system, .. }, Actor::Identifier { system: other, .. }) => {
                system == other
            }
            _ => false,
        }
    }

    /// The actor of a rule, who receives; `None` for whoever does anything else, or cannot be told.
    pub(super) fn read(node: Node<'_>, base: &Base<'_>) -> Option<Actor> {
        only(node, &["role", "reference"])?;
        let receives = |coding: Node<'_>| {
            let system = coding.get("system")?;
            let code = coding.get("code")?;
            let known = ["IRCP", "PRCP"].iter().any(|known| code.is_str(known));
            (system.is_str(PARTICIPATIONS) && known).then_some(())
        };
        let mut codings = node.get("role")?.get("coding")?.items();
        codings.find_map(receives)?;
        Actor::target(node.get("reference")?, base)
    }

    /// Whom a reference names.
    fn target(node: Node<'_>, base: &Base<'_>) -> Option<Actor> {
        only(node, &["reference", "type", "identifier", "display"])?;
        if let Some(reference) = node.get("reference") {
            return Actor::parse(base.relative(&reference.str()?));
        }
        let identifier = node.get("identifier")?;
        let part = |name: &str| Some(identifier.get(name)?.str()?.into_owned());
        Some(Actor::Identifier {
            system: part("system")?,
            value: part("value")?,
        })
    }
}

impl Deed {
    /// Of a CodeableConcept, whose codings all mean the same.
    pub fn read(node: Node<'_>) -> Option<Deed> {
        only(node, &["coding", "text"])?;
        let deed = |coding: Node<'_>| {
            let own = coding.get("system")?.is_str(ACTIONS);
            match coding.get("code")?.str()?.as_ref() {
                "access" if own => Some(Deed::Access),
                "collect" if own => Some(Deed::Collect),
                "correct" if own => Some(Deed::Correct),
                "use" | "disclose" if own => Some(Deed::Further),
                _ => None,
            }
        };
        let mut known = node.get("coding")?.items().filter_map(deed);
        let first = known.next()?;
        known.all(|other| other == first).then_some(first)
    }

    pub fn matches(self, action: Action) -> Match {
        match (self, action) {
            (Deed::Access, Action::Access)
            | (Deed::Collect, Action::Collect)
            | (Deed::Correct, Action::Correct) => Match::Yes,
            // What is sent to a caller is disclosed, and will be used.
            (Deed::Further, Action::Access) => Match::Unknown,
            _ => Match::No,
        }
    }
}

impl Instance {
    /// What stands in `data`: one resource, and nothing that is known by it.
    pub fn read(node: Node<'_>, base: &Base<'_>) -> Option<Instance> {
        only(node, &["meaning", "reference"])?;
        node.get("meaning")?.is_str("instance").then_some(())?;
        let reference = node.get("reference")?;
        only(reference, &["reference", "type", "identifier", "display"])?;
        let text = reference.get("reference")?.str()?;
        let path = base.relative(&text);
        // Whatever its version.
        let path = match path.split_once("/_history/") {
            Some((path, version)) => is_id(version).then_some(path)?,
            None => path,
        };
        match Actor::parse(path)? {
            Actor::Reference { resource_type, id } => Some(Instance { resource_type, id }),
            Actor::Identifier { .. } => None,
        }
    }

    /// Bytes of its text.
    pub fn len(&self) -> usize {
        self.id.len()
    }
}

impl Concept {
    /// A CodeableConcept in `code`.
    pub fn read(node: Node<'_>) -> Option<Concept> {
        only(node, &["coding", "text"])?;
        let codings: Option<Vec<Label>> = node.get("coding")?.items().map(Label::read).collect();
        codings.filter(|codings| !codings.is_empty()).map(Concept)
    }

    /// Bytes of its texts, and of what keeps them.
    pub fn len(&self) -> usize {
        self.0.iter().map(|label| 64 + label.len()).sum()
    }

    /// Whether one of its codes is among those of a resource.
    pub fn matches(&self, codes: &[Option<Label>]) -> Match {
        let of_one = |label: &Label| {
            Match::any(codes.iter().map(|code| match code {
                Some(code) => label.is(code),
                None => Match::Unknown,
            }))
        };
        Match::any(self.0.iter().map(of_one))
    }
}

/// The type of a Coding in `class`.
pub(super) fn class(node: Node<'_>) -> Option<ResourceType> {
    only(
        node,
        &["system", "version", "code", "display", "userSelected"],
    )?;
    let own = node.get("system")?.is_str(TYPES);
    ResourceType::parse(&node.get("code")?.str()?).filter(|_| own)
}

/// The code of a Coding in `purpose`.
pub(super) fn purpose(node: Node<'_>) -> Option<String> {
    only(
        node,
        &["system", "version", "code", "display", "userSelected"],
    )?;
    let own = node.get("system")?.is_str(super::purpose::SYSTEM);
    let code = node.get("code")?.str()?;
    own.then(|| code.into_owned())
}

impl Label {
    /// A Coding in `securityLabel`.
    pub fn read(node: Node<'_>) -> Option<Label> {
        only(
            node,
            &["system", "version", "code", "display", "userSelected"],
        )?;
        let system = node.get("system")?.str()?.into_owned();
        Some(Label {
            system: Some(system),
            code: node.get("code")?.str()?.into_owned(),
        })
    }

    /// Bytes of its text.
    pub fn len(&self) -> usize {
        self.code.len() + self.system.as_ref().map_or(0, String::len)
    }

    /// The labels of a resource; `None` where they are not understood, or too many.
    pub fn of(resource: Node<'_>) -> Option<Vec<Label>> {
        let Some(labels) = resource.get("meta").and_then(|meta| meta.get("security")) else {
            return Some(Vec::new());
        };
        if labels.kind() != Kind::Array || labels.items().nth(LABELS).is_some() {
            return None;
        }
        labels.items().map(Label::found).collect()
    }

    /// A Coding of a resource; `None` where it is not understood.
    pub fn found(coding: Node<'_>) -> Option<Label> {
        let text = |name: &str| match coding.get(name) {
            None => Some(None),
            Some(text) => text.str().map(|text| Some(text.into_owned())),
        };
        Some(Label {
            system: text("system")?,
            code: text("code")??,
        })
    }

    /// Whether a resource with these labels is one that a rule with this label is for. Confidentiality has
    /// levels: what is permitted up to a level is so below it, and what is denied from one on is so above.
    pub fn matches(&self, labels: &[Label], effect: Effect) -> Match {
        let level = Confidentiality::parse;
        let confidentiality =
            |label: &Label| label.system.as_deref() == Some(Confidentiality::SYSTEM);
        if let (true, Some(own)) = (confidentiality(self), level(&self.code)) {
            let mut found = labels.iter().filter(|label| confidentiality(label));
            let compared = found.by_ref().map(|label| match level(&label.code) {
                None => Match::Unknown,
                Some(found) => Match::of(match effect {
                    Effect::Permit => found <= own,
                    Effect::Deny => found >= own,
                }),
            });
            let compared: Vec<Match> = compared.collect();
            return match effect {
                Effect::Permit if compared.is_empty() => Match::No,
                Effect::Permit => Match::all(compared),
                Effect::Deny => Match::any(compared),
            };
        }
        Match::any(labels.iter().map(|label| self.is(label)))
    }

    /// Whether it is the same as one of a resource.
    fn is(&self, found: &Label) -> Match {
        match &found.system {
            _ if found.code != self.code => Match::No,
            None => Match::Unknown,
            system => Match::of(*system == self.system),
        }
    }
}

/// Whether an object has no other members than these and what never changes a meaning.
pub(super) fn only(node: Node<'_>, names: &[&str]) -> Option<()> {
    let known = |name: &str| names.contains(&name) || matches!(name, "id" | "extension");
    let whole = node.kind() == Kind::Object && node.members().all(|member| known(&member.name()));
    whole.then_some(())
}
