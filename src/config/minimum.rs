//! `minimum`: what of each resource is necessary, and nothing else.

use std::rc::Rc;

use super::conditions::Conditions;
use super::mistakes::{Mistakes, suggestion};
use super::policy::name;
use super::reader::{Node, each, or};
use super::rules::{REDACTIONS, RedactionRule, names_differ, resource_type};
use crate::cel::Condition;
use crate::fhir::{self, ResourceType};
use crate::response::Redaction;

/// A rule with its condition, where it has one.
type Ruled = (RedactionRule, Option<Condition>);

/// Elements of one list: with those that decisions rest on they stand in `_elements`.
const ELEMENTS: usize = 48;

/// Each with its condition, where it has one.
pub(super) fn read(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<Vec<Ruled>> {
    let items = node.list("lists of elements", 0..=REDACTIONS, m)?;
    let rules = each(&items, |item| rule(item, conditions, m));
    names_differ(&items, m)?;
    rules
}

/// Both, in one list: each has a place in what a permit remembers.
pub(super) fn behind(
    mut redactions: Vec<Ruled>,
    minimum: Vec<Ruled>,
    m: &mut Mistakes,
) -> Option<Vec<Ruled>> {
    redactions.extend(minimum);
    let found = redactions.len();
    if found > REDACTIONS {
        let message =
            format!("expected at most {REDACTIONS} together with redaction, found {found}");
        m.add("/minimum", message);
        return None;
    }
    Some(redactions)
}

fn rule(node: &Node<'_>, conditions: &Conditions, m: &mut Mistakes) -> Option<Ruled> {
    let expected = "a list of what is necessary, an object with name, resource and elements";
    let mut object = node.object(expected, m)?;
    let own = object.required("name", "a name", m);
    let own = own.and_then(|node| name(&node, m));
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let resource = object.required("resource", "a FHIR resource type such as Patient", m);
    let resource = resource.and_then(|node| resource_type(&node, m));
    let elements = object.required("elements", "a list of elements such as birthDate", m);
    object.finish(m);
    let (resource, elements) = (resource?, elements?);
    let items = elements.list("elements", 1..=ELEMENTS, m)?;
    let mut kept = Vec::new();
    each(&items, |item| {
        let element = element(resource, item, m)?;
        if kept.contains(&element) {
            return item.refuse("each element once", "one for the second time", m);
        }
        kept.push(element);
        Some(())
    })?;
    let rule = RedactionRule {
        unless: None,
        redaction: Rc::new(Redaction::minimum(own?, resource, kept)),
    };
    Some((rule, when?))
}

/// A root element as the standard names it, of a choice without the type.
fn element(resource: ResourceType, node: &Node<'_>, m: &mut Mistakes) -> Option<&'static str> {
    let expected = format!("a root element of {resource}, of a choice without its type");
    let text = node.text(&expected, 1..=64, m)?;
    if text == "text" {
        return node.refuse(&expected, "the narrative, which repeats the others", m);
    }
    match fhir::elements(resource).find(|known| *known == text) {
        Some(known) => Some(known),
        None => {
            let near = suggestion(text, fhir::elements(resource));
            node.refuse_word(&expected, text, &near, m)
        }
    }
}
