//! Patterns in texts: what must not leave, wherever it stands.

mod known;
mod pattern;
mod plain;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;
use std::rc::Rc;

use crate::fhir::ResourceType;
use crate::json::{Kind, Node};
pub use known::Known;
pub use pattern::{LENGTH, Own, Pattern};
use text::Text;

/// Members whose strings are structure and no text, at every depth.
pub const STRUCTURE: [&str; 14] = [
    "resourceType",
    "id",
    "reference",
    "url",
    "system",
    "versionId",
    "lastUpdated",
    "fullUrl",
    "code",
    "contentType",
    "data",
    "hash",
    "valueBase64Binary",
    "valueCode",
];

/// Rules of one configuration, each a bit.
pub const MANY: usize = 16;

/// What happens where a pattern is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// A `*` stands in the place of each character of it.
    Mask,
    /// The resource is withheld.
    Refuse,
}

/// A rule about texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The rule's name, by which the operator knows it.
    pub name: String,
    /// What is looked for.
    pub patterns: Vec<Pattern>,
    /// What happens where one is found.
    pub action: Action,
    /// The types that are looked at, contained or not, with all that they contain; `None` is all.
    pub types: Option<Vec<ResourceType>>,
    /// Elements that are not looked at, nor anything below them, by name at every depth.
    pub except: Vec<String>,
}

impl Rule {
    fn is_about(&self, resource_type: ResourceType) -> bool {
        let types = self.types.as_ref();
        types.is_none_or(|types| types.contains(&resource_type))
    }
}

/// The rules about texts that hold for a caller, for answers with resources of one type.
#[derive(Clone, Debug)]
pub struct Texts {
    rules: Vec<Rc<Rule>>,
    withholds: bool,
    masks: bool,
    /// A bit for each rule with this action.
    masking: u32,
    refusing: u32,
    excepting: bool,
}

impl Texts {
    /// At most [`MANY`] rules, for answers with this type; `None` where there are none.
    pub fn new(rules: Vec<Rc<Rule>>, resource_type: ResourceType) -> Option<Rc<Texts>> {
        let bits = |action: Action| {
            let rules = rules.iter().enumerate();
            let own = rules.filter(|(_, rule)| rule.action == action);
            own.fold(0, |bits, (place, _)| bits | bit(place))
        };
        let about = |action: Action| {
            let mut rules = rules.iter();
            rules.any(|rule| rule.action == action && rule.is_about(resource_type))
        };
        let (masking, refusing) = (bits(Action::Mask), bits(Action::Refuse));
        let (masks, withholds) = (about(Action::Mask), about(Action::Refuse));
        (!rules.is_empty()).then(|| {
            Rc::new(Texts {
                excepting: rules.iter().any(|rule| !rule.except.is_empty()),
                rules,
                withholds,
                masks,
                masking,
                refusing,
            })
        })
    }

    /// Whether a resource of the type can be withheld for what it says.
    pub fn withholds(&self) -> bool {
        self.withholds
    }

    /// Whether a resource can be withheld for what it says, or for what it contains.
    pub fn refuses(&self) -> bool {
        self.refusing != 0
    }

    /// Whether something in a resource of the type can be masked.
    pub fn masks(&self) -> bool {
        self.masks
    }

    /// Whether something can be masked in what is contained of this type.
    pub fn masks_in(&self, contained: ResourceType) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.action == Action::Mask && rule.is_about(contained))
    }

    /// Whether no rule withholds this resource.
    pub fn covers(&self, resource: Node<'_>) -> bool {
        self.refusing == 0
            || self.resource(resource, self.refusing, &mut |text, rules| {
                !self.patterns(rules).any(|pattern| pattern.is_in(text))
            })
    }

    /// Says of each string in which something is to be masked what stands in its place.
    pub fn mask<'d>(&self, resource: Node<'d>, mut hide: impl FnMut(Node<'d>, String)) {
        if self.masking != 0 {
            self.resource(resource, self.masking, &mut |text, rules| {
                if let Some(masked) = text.masked(self.patterns(rules)) {
                    hide(text.node, masked);
                }
                true
            });
        }
    }

    /// The patterns of the rules with these bits.
    fn patterns(&self, bits: u32) -> impl Iterator<Item = &Pattern> + Clone {
        let rules = self.rules.iter().enumerate();
        rules
            .filter(move |(place, _)| bits & bit(*place) != 0)
            .flat_map(|(_, rule)| &rule.patterns)
    }

    /// The bits of the rules about a resource.
    fn about(&self, resource: Node<'_>) -> u32 {
        let name = resource.get("resourceType").and_then(Node::str);
        let own = name.and_then(|name| ResourceType::parse(&name));
        let rules = self.rules.iter().enumerate();
        // Of a type that is not known all of them are.
        let about = rules.filter(|(_, rule)| own.is_none_or(|own| rule.is_about(own)));
        about.fold(0, |bits, (place, _)| bits | bit(place))
    }

    /// Looks at the texts of a resource by the rules with these bits, until `look` has seen enough.
    fn resource<'d>(&self, resource: Node<'d>, bits: u32, look: &mut Look<'d, '_>) -> bool {
        let about = self.about(resource) & bits;
        let mut members = resource.members();
        members.all(|member| match member.key.is_str("contained") {
            true => {
                let one = (member.value.kind() == Kind::Object).then_some(member.value);
                let mut all = member.value.items().chain(one);
                all.all(|contained| {
                    let about = about | self.about(contained) & bits;
                    self.value(contained, member.key, about, look)
                })
            }
            false => self.value(member.value, member.key, about, look),
        })
    }

    /// Looks at the value of a member, or at an item of it.
    fn value<'d>(
        &self,
        value: Node<'d>,
        key: Node<'d>,
        bits: u32,
        look: &mut Look<'d, '_>,
    ) -> bool {
        let bits = match self.excepting {
            true => self.spared(key, bits),
            false => bits,
        };
        if bits == 0 {
            return true;
        }
        match value.kind() {
            Kind::String => {
                let Some(text) = Text::of(value, key.is_str("div")) else {
                    return true;
                };
                // Nearly all are short, or without a digit.
                let mut patterns = self.patterns(bits);
                let may_be = |pattern: &Pattern| text.forms().any(|form| pattern.may_be_in(form));
                if !patterns.any(may_be) || is_structure(key) {
                    return true;
                }
                look(&text, bits)
            }
            Kind::Array => value.items().all(|item| self.value(item, key, bits, look)),
            Kind::Object => value
                .members()
                .all(|member| self.value(member.value, member.key, bits, look)),
            Kind::Boolean | Kind::Null | Kind::Number => true,
        }
    }

    /// The bits without the rules that do not look at this element.
    fn spared(&self, key: Node<'_>, bits: u32) -> u32 {
        let name = key.str().unwrap_or(Cow::Borrowed(""));
        let name = name.strip_prefix('_').unwrap_or(&name);
        let rules = self.rules.iter().enumerate();
        let spare = rules.filter(|(_, rule)| rule.except.iter().any(|own| own == name));
        spare.fold(bits, |bits, (place, _)| bits & !bit(place))
    }
}

/// Takes a text and the bits of the rules that look at it; says whether to go on.
type Look<'d, 'l> = dyn FnMut(&Text<'d>, u32) -> bool + 'l;

fn is_structure(key: Node<'_>) -> bool {
    STRUCTURE.iter().any(|name| key.is_str(name))
}

fn bit(place: usize) -> u32 {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    1_u32.checked_shl(place).unwrap_or_default()
}
