//! `redaction`: a list of named rules.

use std::rc::Rc;

use super::conditions::Conditions;
use super::labels;
use super::mistakes::{Mistakes, suggestion};
use super::policy::name;
use super::reader::{Node, Object, each, or};
use crate::access::{LabelTerms, Scope};
use crate::cel::Condition;
use crate::fhir::{self, ResourceType};
use crate::response::{Action, Precision, Redaction};

/// A redaction and who is spared from it.
#[derive(Clone, Debug)]
pub struct RedactionRule {
    /// Callers whose token grants this scope see everything; `None` spares nobody.
    pub unless: Option<Scope>,
    /// What is hidden from the others.
    pub redaction: Rc<Redaction>,
}

/// Redactions of one configuration.
pub(super) const REDACTIONS: usize = 64;

/// Elements of one redaction.
const ELEMENTS: usize = 256;

/// Bytes of what stands in the place of a text.
const REPLACEMENT: usize = 256;

/// Bytes of the path of an element, the URL of an extension included.
const ELEMENT: usize = 2048;

/// Each with its condition, where it has one.
pub(super) fn redactions(
    node: &Node<'_>,
    conditions: &Conditions,
    known: Option<&LabelTerms>,
    m: &mut Mistakes,
) -> Option<Vec<(RedactionRule, Option<Condition>)>> {
    let items = node.list("redactions", 0..=REDACTIONS, m)?;
    let rules = each(&items, |item| redaction(item, conditions, known, m));
    names_differ(&items, m)?;
    rules
}

fn redaction(
    node: &Node<'_>,
    conditions: &Conditions,
    known: Option<&LabelTerms>,
    m: &mut Mistakes,
) -> Option<(RedactionRule, Option<Condition>)> {
    let mut object = node.object(
        "a redaction, an object with name, resource, elements and action",
        m,
    )?;
    let own = object.required("name", "a name", m);
    let own = own.and_then(|node| name(&node, m));
    let unless = or(object.optional("unless"), None, |node| {
        exception(node, m).map(Some)
    });
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let resource = object.required("resource", "a FHIR resource type such as Patient", m);
    let resource = resource.and_then(|node| resource_type(&node, m));
    let elements = object.required("elements", "a list of elements such as birthDate", m);
    let elements = elements.and_then(|node| {
        let items = node.list("elements", 1..=ELEMENTS, m)?;
        let texts = each(&items, |item| {
            item.text("an element such as birthDate", 1..=ELEMENT, m)
                .map(str::to_owned)
        })?;
        Some((node, texts))
    });
    let action = action_of(&mut object, m);
    let labelled = or(object.optional("labelled"), None, |node| {
        labels::carried(node, known, m).map(Some)
    });
    object.finish(m);
    // Elements are checked even where the rest is wrong: every mistake at once.
    let redaction = elements.and_then(|(node, texts)| {
        let known = resource.is_none_or(|resource| elements_exist(resource, &node, &texts, m));
        let resource = resource.or_else(|| ResourceType::parse("Patient"))?;
        let name = own.clone().unwrap_or_default();
        match Redaction::new(
            name,
            resource,
            &texts,
            action.clone().unwrap_or(Action::Remove),
        ) {
            Ok(redaction) => known.then_some(redaction),
            Err(found) => {
                for mistake in found {
                    m.add(
                        &format!("{}/{}", node.pointer(), mistake.index),
                        mistake.message,
                    );
                }
                None
            }
        }
    });
    own?;
    resource?;
    action?;
    let mut redaction = redaction?;
    redaction.labelled = labelled?;
    let rule = RedactionRule {
        unless: unless?,
        redaction: Rc::new(redaction),
    };
    Some((rule, when?))
}

/// A misspelt element would hide nothing, and nobody would notice: each path must begin with an
/// element that the type has. A beginning that is no name at all is reported by the path itself.
fn elements_exist(
    resource: ResourceType,
    node: &Node<'_>,
    texts: &[String],
    m: &mut Mistakes,
) -> bool {
    let mut exist = true;
    for (index, text) in texts.iter().enumerate() {
        let root = text.split(['.', '(']).next().unwrap_or_default();
        let stem = root.strip_suffix("[x]").unwrap_or(root);
        let is_name = stem.starts_with(|first: char| first.is_ascii_lowercase())
            && stem.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let known =
            fhir::is_element(resource, root) || fhir::is_element(resource, &format!("{stem}[x]"));
        if is_name && !known {
            let near = suggestion(root, fhir::elements(resource));
            let place = format!("{}/{index}", node.pointer());
            let shown: String = root.chars().take(64).collect();
            m.add(
                &place,
                format!("expected an element of {resource}, found {shown:?}{near}"),
            );
            exist = false;
        }
    }
    exist
}

fn exception(node: &Node<'_>, m: &mut Mistakes) -> Option<Scope> {
    let mut object = node.object("an object with scope", m)?;
    let scope = object.required("scope", SCOPE, m);
    object.finish(m);
    plain_scope(&scope?, m)
}

/// A scope for all resources of its type.
pub(super) fn plain_scope(node: &Node<'_>, m: &mut Mistakes) -> Option<Scope> {
    let text = node.text(SCOPE, 1..=256, m)?;
    match Scope::parse(text) {
        Some(scope) if !scope.is_granular() => Some(scope),
        _ => node.refuse(SCOPE, "other text", m),
    }
}

const SCOPE: &str = "a SMART scope without parameters, such as user/Patient.rs";

pub(super) fn resource_type(node: &Node<'_>, m: &mut Mistakes) -> Option<ResourceType> {
    let expected = "a FHIR R4 resource type such as Patient";
    let text = node.text(expected, 1..=64, m)?;
    match ResourceType::parse(text) {
        Some(found) if found.is_container() => {
            // Never passed by this version: a rule for it would hide nothing.
            let expected = "the type of the resources inside, such as Patient";
            node.refuse(expected, &format!("{text:?}, which only carries others"), m)
        }
        Some(found) => Some(found),
        None => node.refuse_word(
            expected,
            text,
            &suggestion(text, ResourceType::all().map(ResourceType::name)),
            m,
        ),
    }
}

/// `action`, before it is known what belongs to it.
#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Remove,
    Mask,
    Replace,
    Generalize,
}

const VERBS: [(&str, Verb); 4] = [
    ("remove", Verb::Remove),
    ("mask", Verb::Mask),
    ("replace", Verb::Replace),
    ("generalize", Verb::Generalize),
];

const PRECISIONS: [(&str, Precision); 4] = [
    ("year", Precision::Year),
    ("month", Precision::Month),
    ("area", Precision::Area),
    ("age", Precision::Age),
];

/// `action`, `to` and `with`.
fn action_of(object: &mut Object<'_>, m: &mut Mistakes) -> Option<Action> {
    let verb = object.required(
        "action",
        "\"remove\", \"mask\", \"replace\" or \"generalize\"",
        m,
    );
    let verb = verb.and_then(|node| node.keyword(&VERBS, m));
    let to = match verb {
        Some(Verb::Generalize) => {
            object.required("to", "\"year\", \"month\", \"area\" or \"age\"", m)
        }
        _ => object.optional("to"),
    };
    let with = match verb {
        Some(Verb::Replace) => object.required("with", "a text", m),
        _ => object.optional("with"),
    };
    let superfluous = |node: &Node<'_>, verb: &str, m: &mut Mistakes| {
        let expected = format!("nothing where action is not {verb}");
        node.refuse::<Action>(&expected, "something", m)
    };
    match (verb?, to, with) {
        (Verb::Remove, None, None) => Some(Action::Remove),
        (Verb::Mask, None, None) => Some(Action::Mask),
        (Verb::Generalize, Some(to), None) => to.keyword(&PRECISIONS, m).map(Action::Generalize),
        (Verb::Replace, None, Some(with)) => {
            let text = with.text("a text", 1..=REPLACEMENT, m)?;
            let expected = "a text that has more than spaces, without control characters";
            let fits = !text.trim().is_empty() && !text.chars().any(char::is_control);
            with.check(fits, expected, m)?;
            Some(Action::Replace(text.into()))
        }
        (Verb::Generalize | Verb::Remove | Verb::Mask, _, Some(with)) => {
            superfluous(&with, "replace", m)
        }
        (Verb::Replace | Verb::Remove | Verb::Mask, Some(to), _) => {
            superfluous(&to, "generalize", m)
        }
        (Verb::Generalize | Verb::Replace, None, None) => None,
    }
}

/// A name tells one rule from the others, in the audit record too.
pub(super) fn names_differ(items: &[Node<'_>], m: &mut Mistakes) -> Option<()> {
    let mut differ = Some(());
    for (index, item) in items.iter().enumerate() {
        let name = item.value().get("name").filter(|name| name.is_string());
        let same = |other: &&Node<'_>| name.is_some() && other.value().get("name") == name;
        if let Some(first) = items.iter().take(index).find(same) {
            let place = format!("{}/name", item.pointer());
            m.add(
                &place,
                format!(
                    "expected a name of its own, found that of {}",
                    first.pointer()
                ),
            );
            differ = None;
        }
    }
    differ
}
