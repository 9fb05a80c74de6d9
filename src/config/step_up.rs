//! `step_up`: rules that ask for a stronger or a fresher login.

use std::time::Duration;

use super::mistakes::Mistakes;
use super::policy::name;
use super::reader::{Node, Object, each, or};
use super::rules::{names_differ, resource_type};
use crate::access::{Requirement, StepUp};
use crate::fhir::ResourceType;
use crate::request::Interaction;

/// Rules of one configuration.
const RULES: usize = 64;

/// Types of one rule.
pub(super) const TYPES: usize = 64;

/// Classes, and methods, of one rule: a challenge names all classes.
const VALUES: usize = 16;

/// The most that a login may be old.
const AGE: Duration = Duration::from_secs(720 * 3600);

/// Each entry of such a Bundle is held to the rules for its own interaction.
const BUNDLES: [&str; 2] = ["batch", "transaction"];

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<StepUp>> {
    let items = node.list("rules", 0..=RULES, m)?;
    let rules = each(&items, |item| rule(item, m));
    names_differ(&items, m)?;
    rules
}

fn rule(node: &Node<'_>, m: &mut Mistakes) -> Option<StepUp> {
    let mut object = node.object("a rule, an object with name and acr, amr or max_age", m)?;
    let own = object.required("name", "a name", m);
    let own = own.and_then(|node| name(&node, m));
    let (interactions, types) = about(&mut object, m);
    let (asks, requirement) = login(&mut object, m);
    if !asks {
        m.add(
            node.pointer(),
            "expected acr, amr or max_age, what is asked of the login, found none of them",
        );
    }
    for key in ["operations", "labels"] {
        object.unavailable(key, "interactions and types", m);
    }
    object.finish(m);
    asks.then_some(StepUp {
        name: own?,
        interactions: interactions?,
        types: types?,
        requirement: requirement?,
    })
}

/// The interactions, or the types, that a rule is about; `None` is all.
type About<T> = Option<Option<Vec<T>>>;

/// `interactions` and `types`: what a rule is about.
pub(super) fn about(
    object: &mut Object<'_>,
    m: &mut Mistakes,
) -> (About<&'static str>, About<ResourceType>) {
    let interactions = or(object.optional("interactions"), None, |node| {
        interactions(node, m).map(Some)
    });
    let types = or(object.optional("types"), None, |node| {
        let items = node.list("resource types", 1..=TYPES, m)?;
        each(&items, |item| resource_type(item, m)).map(Some)
    });
    (interactions, types)
}

/// `acr`, `amr` and `max_age`: whether anything is asked of the login, and what.
pub(super) fn login(object: &mut Object<'_>, m: &mut Mistakes) -> (bool, Option<Requirement>) {
    let classes = object.optional("acr");
    let methods = object.optional("amr");
    let max_age = object.optional("max_age");
    let asks = classes.is_some() || methods.is_some() || max_age.is_some();
    let classes = or(classes, Vec::new(), |node| texts(node, "acr", 256, m));
    let methods = or(methods, Vec::new(), |node| texts(node, "amr", 64, m));
    let max_age = or(max_age, None, |node| {
        let age = node.duration(Duration::from_secs(1)..=AGE, m)?;
        node.check(age.subsec_nanos() == 0, "a duration of whole seconds", m)?;
        Some(Some(age.as_secs()))
    });
    let requirement = || {
        Some(Requirement {
            classes: classes?,
            methods: methods?,
            max_age: max_age?,
        })
    };
    (asks, requirement())
}

fn interactions(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<&'static str>> {
    let words = Interaction::CODES.map(|code| (code, code));
    let items = node.list("interactions", 1..=words.len(), m)?;
    let mut known = Vec::new();
    each(&items, |item| {
        if item
            .value()
            .as_str()
            .is_some_and(|word| BUNDLES.contains(&word))
        {
            let expected =
                "an interaction such as \"read\": each entry of a Bundle is one by itself";
            return item.refuse(expected, "a Bundle of requests", m);
        }
        let code = item.keyword(&words, m)?;
        if known.contains(&code) {
            return item.refuse("each word once", "one for the second time", m);
        }
        known.push(code);
        Some(code)
    })
}

/// Values of `acr` or `amr`. They stand in a challenge between quotes and spaces.
fn texts(node: &Node<'_>, key: &str, length: usize, m: &mut Mistakes) -> Option<Vec<String>> {
    let items = node.list(&format!("values of {key}"), 1..=VALUES, m)?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    each(&items, |item| {
        let text = item.text(&format!("a value of {key}"), 1..=length, m)?;
        let expected = "visible ASCII without spaces, quotes and backslashes";
        item.check(text.bytes().all(plain), expected, m)?;
        Some(text.to_owned())
    })
}
