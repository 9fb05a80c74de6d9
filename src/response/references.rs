//! References that would say what must not leave: who another patient is, or what is hidden of the one
//! they lead to.

use super::marks::{Marks, is_sibling};
use super::{Cover, Redaction};
use crate::access::{Membership, instance, last_instance};
use crate::fhir::{Content, ResourceType, Structure};
use crate::json::{Kind, Node};
use crate::request::body::Shape;

/// Marks, in a resource and in what it contains, references to other patients than the one whose resource it
/// is (`membership`), `display` and `identifier` of references to what an active rule hides the like of,
/// and references to what was contained and is hidden.
///
/// Says whether it may have such a reference: its narrative may repeat what that says.
pub(super) fn mark(
    root: Node<'_>,
    shape: &Shape<'_>,
    cover: &Cover,
    membership: Option<&Membership<'_>>,
    marks: &mut Marks,
) -> bool {
    let mut rules = cover.redactions.iter();
    let rules = rules.any(|rule| rule.told().any() || rule.told().contained);
    let membership = membership.filter(|membership| membership.names_another());
    if !rules && membership.is_none() {
        return false;
    }
    let own = |rule: &&Redaction| rule.resource_type == shape.resource_type;
    let mut of_type = cover.redactions.iter().map(|rule| &**rule).filter(own);
    let mut search = Search {
        shape,
        cover,
        membership,
        uncontained: of_type.any(|rule| rule.told().contained),
        marks,
        found: false,
    };
    search.value(root, Some(Structure::of(shape.resource_type)));
    search.found
}

/// What of the resources of its type a rule hides that references to them repeat.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Told {
    /// What it is called: [`SAID`].
    display: bool,
    identifier: bool,
    /// All that it contains.
    contained: bool,
}

/// Elements that say what something is; a `display` repeats them.
const SAID: [&str; 8] = [
    "code",
    "description",
    "deviceName",
    "medication[x]",
    "name",
    "title",
    "type",
    "vaccineCode",
];

impl Told {
    /// Of a rule for this type, which hides the elements that it says.
    pub fn of(resource_type: ResourceType, hides: impl Fn(&str) -> bool) -> Told {
        let structure = Structure::of(resource_type);
        let has = |name: &str| {
            let own = name.strip_suffix("[x]").unwrap_or(name);
            structure.names().any(|known| known == own)
        };
        let told = |name: &str| has(name) && hides(name);
        Told {
            display: SAID.into_iter().any(told),
            identifier: told("identifier"),
            contained: told("contained"),
        }
    }

    fn any(self) -> bool {
        self.display || self.identifier
    }
}

/// Keys without which nothing that cannot refer by its type has a reference in it: that of one, of what may
/// have one everywhere, and of resources, which are looked into by their own type.
const LEADING: [&str; 3] = ["reference", "extension", "resourceType"];

struct Search<'s, 'd> {
    shape: &'s Shape<'d>,
    cover: &'s Cover,
    membership: Option<&'s Membership<'s>>,
    /// What it contains is hidden.
    uncontained: bool,
    marks: &'s mut Marks,
    found: bool,
}

impl Search<'_, '_> {
    /// As deep as the document's limit. `structure` is that of the object's type, where it is known.
    fn value(&mut self, value: Node<'_>, structure: Option<Structure>) {
        for item in value.items() {
            self.value(item, structure);
        }
        if value.kind() != Kind::Object {
            return;
        }
        let (mut resource, mut target) = (None, None);
        for member in value.members() {
            match member.initial() {
                Some(b'r') if member.key.is_str("reference") => target = Some(member.value),
                Some(b'r') if member.key.is_str("resourceType") => resource = member.value.str(),
                _ => {}
            }
        }
        let refers = target.is_some() || structure.is_some_and(Structure::is_reference);
        if refers && self.reference(value, target) {
            return;
        }
        let structure = match resource {
            Some(name) => ResourceType::parse(&name).map(Structure::of),
            None => structure,
        };
        for member in value.members() {
            if !matches!(member.value.kind(), Kind::Object | Kind::Array) {
                continue;
            }
            let inner = match is_sibling(&member) {
                true => Some(Structure::of_primitive()),
                false => match structure.and_then(|own| own.element(&member.name())) {
                    Some(element) => object(element.content),
                    None => None,
                },
            };
            // Nearly everything in a resource is passed over here.
            if inner.is_some_and(Structure::refers) || member.value.has_named(&LEADING) {
                self.value(member.value, inner);
            }
        }
    }

    /// Marks an object that is a reference; says whether all of it goes.
    fn reference(&mut self, value: Node<'_>, target: Option<Node<'_>>) -> bool {
        let local = target.and_then(Node::str);
        let to_contained = local.is_some_and(|to| to.len() > 1 && to.starts_with('#'));
        let another = self.membership.is_some_and(|own| own.is_anothers(value));
        if another || (self.uncontained && to_contained) {
            self.marks.remove(value);
            self.found = true;
            return true;
        }
        let types = self.types(value);
        // Whoever is not told by a type may be a patient.
        let may_be = |own: ResourceType| {
            let mut types = types.iter();
            types.any(|found| found.map_or(own.is_patient(), |it| it == own))
        };
        let rules = self.cover.redactions.iter();
        let told = rules.fold(Told::default(), |all, rule| match rule.told() {
            told if told.any() && may_be(rule.resource_type) => Told {
                display: all.display || told.display,
                identifier: all.identifier || told.identifier,
                ..all
            },
            _ => all,
        });
        for (name, hidden) in [("display", told.display), ("identifier", told.identifier)] {
            if hidden {
                self.marks.remove_element(value, name);
            }
        }
        self.found |= told.any();
        false
    }

    /// What types a reference says that its target is of; `None` where it does not.
    fn types(&self, reference: Node<'_>) -> [Option<ResourceType>; 2] {
        let named = reference.get("type").and_then(Node::str);
        let named = named.and_then(|name| {
            let prefix = "http://hl7.org/fhir/StructureDefinition/";
            ResourceType::parse(name.strip_prefix(prefix).unwrap_or(&name))
        });
        let target = reference.get("reference").and_then(Node::str);
        let target = target.and_then(|target| match target.strip_prefix('#') {
            Some("") => Some(self.shape.resource_type),
            Some(id) => {
                let mut contained = self.shape.contained.iter();
                let is_it = |one: Node<'_>| one.get("id").is_some_and(|own| own.is_str(id));
                contained
                    .find(|(_, one)| is_it(*one))
                    .map(|(of_type, _)| *of_type)
            }
            None => instance(&target)
                .or_else(|| last_instance(&target))
                .map(|(of_type, _)| of_type),
        });
        // Of two that do not agree either may be right, and of one alone nothing else is.
        [target.or(named), named.or(target)]
    }
}

fn object(content: Content) -> Option<Structure> {
    match content {
        Content::Object(structure) => Some(structure),
        Content::Primitive(_) | Content::Resource => None,
    }
}
