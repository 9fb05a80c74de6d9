//! Whether a resource is one by the structure of R4: elements that exist, as often as they may, with
//! values of their kind.
//!
//! Not looked at: what a text says (dates, codes, the narrative), required elements of which the
//! published schema does not tell (primitive ones and choices), invariants, profiles. The document's own
//! limits bound the depth and the number of values.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::fhir::{Content, Element, Primitive, ResourceType, Structure, is_element_name};
use crate::json::{Kind, Member, Node};

/// How much of the structure is checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BodyCheck {
    /// Names, cardinality, and the kind of each value.
    #[default]
    Structure,
    /// That every element has a name of its type.
    Names,
    /// Nothing.
    None,
}

/// The longest path that is told, in bytes.
const LONGEST_PATH: usize = 256;

/// Checks a resource, and those within it: contained ones, and the entries of a Bundle.
///
/// # Errors
/// What is wrong first, and where: `Patient.name[0].given: expected an array`. Never a value.
pub fn check(root: Node<'_>, check: BodyCheck) -> Result<(), Cow<'static, str>> {
    check_but(root, check, None)
}

/// As [`check`], of a resource of which the server fills in this required element.
pub(super) fn check_but(
    root: Node<'_>,
    check: BodyCheck,
    filled_in: Option<&'static str>,
) -> Result<(), Cow<'static, str>> {
    let strict = match check {
        BodyCheck::Structure => true,
        BodyCheck::Names => false,
        BodyCheck::None => return Ok(()),
    };
    let mut walk = Walk {
        strict,
        filled_in,
        path: Vec::new(),
    };
    walk.resource(root).map_err(|found| walk.at(found))
}

struct Walk<'d> {
    strict: bool,
    /// What the root need not have.
    filled_in: Option<&'static str>,
    /// Where the walk is: left as it is where something is wrong.
    path: Vec<Step<'d>>,
}

enum Step<'d> {
    Name(Cow<'d, str>),
    Item(usize),
}

type Found = &'static str;

impl<'d> Walk<'d> {
    fn resource(&mut self, node: Node<'d>) -> Result<(), Found> {
        let name = node.get("resourceType").and_then(Node::str);
        let resource_type = name.as_deref().and_then(ResourceType::parse);
        let resource_type = resource_type.ok_or("expected a resource of a known type")?;
        if self.path.is_empty() {
            self.path.push(Step::Name(resource_type.name().into()));
        }
        self.object(node, Structure::of(resource_type), true)
    }

    fn object(&mut self, node: Node<'d>, of: Structure, resource: bool) -> Result<(), Found> {
        if node.kind() != Kind::Object {
            return Err("expected an object");
        }
        let mut choices: Vec<(&'static str, Cow<'d, str>)> = Vec::new();
        let mut empty = true;
        for member in node.members() {
            if resource && member.key.is_str("resourceType") {
                continue;
            }
            empty = false;
            let name = member.name();
            self.path.push(Step::Name(name.clone()));
            let sibling = name.strip_prefix('_');
            let element = of
                .element(sibling.unwrap_or(&name))
                .filter(|element| sibling.is_none() || has_sibling(element))
                .ok_or("no element of this type has this name")?;
            if self.strict && element.is_choice {
                let own = sibling.unwrap_or(&name);
                let other = |(base, other): &(&str, Cow<'_, str>)| {
                    *base == element.name && other.as_ref() != own
                };
                if choices.iter().any(other) {
                    return Err("a second type of a choice of which one may stand here");
                }
                choices.push((element.name, own.to_owned().into()));
            }
            match sibling {
                Some(own) => self.sibling(&member, node.get(own), &element)?,
                None => self.value(node, &member, &element)?,
            }
            self.path.pop();
        }
        if !self.strict {
            return Ok(());
        }
        if empty && !resource {
            return Err("expected an object with elements, found an empty one");
        }
        for name in of.required() {
            // What is missing may be said beside a primitive value.
            let there = node.get(name).or_else(|| node.get(&format!("_{name}")));
            let filled_in = self.path.len() == 1 && self.filled_in == Some(name);
            if there.is_none() && !filled_in {
                self.path.push(Step::Name(name.into()));
                return Err("a required element is missing");
            }
        }
        Ok(())
    }

    /// The values of an element: of a list each.
    fn value(&mut self, of: Node<'d>, member: &Member<'d>, element: &Element) -> Result<(), Found> {
        let value = member.value;
        let list = value.kind() == Kind::Array;
        if self.strict && list != element.is_list {
            return Err(match element.is_list {
                true => "expected an array",
                false => "expected one value, found an array",
            });
        }
        if !list {
            return self.one(value, element.content);
        }
        if self.strict && value.items().next().is_none() {
            return Err("expected an array with values, found an empty one");
        }
        let primitive = matches!(element.content, Content::Primitive(_));
        for (index, item) in value.items().enumerate() {
            self.path.push(Step::Item(index));
            match item.kind() {
                Kind::Null if primitive => {
                    let sibling = of.get(&format!("_{}", member.name()));
                    let beside = sibling.and_then(|sibling| sibling.items().nth(index));
                    if self.strict && beside.is_none_or(|beside| beside.kind() != Kind::Object) {
                        return Err("expected a value, found null and nothing beside it");
                    }
                }
                _ => self.one(item, element.content)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    fn one(&mut self, value: Node<'d>, content: Content) -> Result<(), Found> {
        match content {
            Content::Object(of) if self.strict || value.kind() == Kind::Object => {
                self.object(value, of, false)
            }
            Content::Resource if self.strict || value.kind() == Kind::Object => {
                self.resource(value)
            }
            Content::Primitive(primitive) if self.strict => primitive_value(value, primitive),
            // Whatever it is, it has no names but those of elements that this type has.
            _ if matches!(value.kind(), Kind::Object | Kind::Array) => {
                Err("expected a value, found an object or array")
            }
            _ => Ok(()),
        }
    }

    /// What stands beside a primitive value: an object with `id` and `extension`, in an array where
    /// the values are one, with null where there is nothing to say.
    fn sibling(
        &mut self,
        member: &Member<'d>,
        values: Option<Node<'d>>,
        element: &Element,
    ) -> Result<(), Found> {
        let of = Structure::of_primitive();
        if !element.is_list {
            return self.object(member.value, of, false);
        }
        if member.value.kind() != Kind::Array {
            return Err("expected an array");
        }
        if self.strict && member.value.items().next().is_none() {
            return Err("expected an array with values, found an empty one");
        }
        let mut values = values.map(Node::items);
        for (index, item) in member.value.items().enumerate() {
            let beside = values.as_mut().and_then(Iterator::next);
            self.path.push(Step::Item(index));
            match item.kind() {
                Kind::Null => {
                    if self.strict && beside.is_none_or(|beside| beside.kind() == Kind::Null) {
                        return Err("expected an object, found null and no value beside it");
                    }
                }
                _ => self.object(item, of, false)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    /// What is wrong, with the place where the walk stands. Names come from the client, and the place goes into
    /// the record: one that no element of R4 has is not repeated, for it may say anything.
    fn at(&self, found: Found) -> Cow<'static, str> {
        let mut text = String::new();
        for step in &self.path {
            // Memory is all that could be missing.
            let _ = match step {
                Step::Item(index) => write!(text, "[{index}]"),
                Step::Name(name) => {
                    let dot = if text.is_empty() { "" } else { "." };
                    let own = name.strip_prefix('_').unwrap_or(name);
                    let shown = text.is_empty() || is_element_name(own);
                    write!(text, "{dot}{}", if shown { name } else { "?" })
                }
            };
            if text.len() > LONGEST_PATH {
                text.push_str("...");
                break;
            }
        }
        format!("{text}: {found}").into()
    }
}

/// Whether a name with `_` in front may stand beside this element. Ids have none.
fn has_sibling(element: &Element) -> bool {
    matches!(element.content, Content::Primitive(_)) && element.name != "id"
}

fn primitive_value(value: Node<'_>, primitive: Primitive) -> Result<(), Found> {
    let number = |least: i32| value.raw().parse::<i32>().is_ok_and(|found| found >= least);
    let (fits, expected) = match primitive {
        Primitive::Boolean => (value.kind() == Kind::Boolean, "expected true or false"),
        Primitive::Decimal => (value.kind() == Kind::Number, "expected a number"),
        Primitive::Integer => (number(i32::MIN), "expected an integer of 32 bits"),
        Primitive::UnsignedInt => (number(0), "expected an integer of 0 to 2147483647"),
        Primitive::PositiveInt => (number(1), "expected an integer of 1 to 2147483647"),
        Primitive::Base64Binary
        | Primitive::Canonical
        | Primitive::Code
        | Primitive::Date
        | Primitive::DateTime
        | Primitive::Id
        | Primitive::Instant
        | Primitive::Markdown
        | Primitive::Oid
        | Primitive::String
        | Primitive::Time
        | Primitive::Uri
        | Primitive::Url
        | Primitive::Uuid
        | Primitive::Xhtml => {
            let some = value.kind() == Kind::String && !value.is_str("");
            (some, "expected a text that is not empty")
        }
    };
    if fits { Ok(()) } else { Err(expected) }
}

#[cfg(test)]
mod tests;
