//! `dlp`: what is looked for in the texts of answers.

use std::rc::Rc;

use super::conditions::Conditions;
use super::mistakes::{Mistakes, suggestion};
use super::policy::name;
use super::reader::{Node, each, or};
use super::rules::{names_differ, resource_type};
use crate::cel::Condition;
use crate::dlp::{Action, Known, LENGTH, MANY, Own, Pattern, Rule};

/// Patterns of all rules of one configuration.
const PATTERNS: usize = 16;

/// Types of one rule.
const TYPES: usize = 64;

/// Elements of one rule that are not looked at.
const ELEMENTS: usize = 32;

const ACTIONS: [(&str, Action); 2] = [("mask", Action::Mask), ("refuse", Action::Refuse)];

/// Each with its condition, where it has one.
pub(super) fn read(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<Vec<(Rc<Rule>, Option<Condition>)>> {
    let items = node.list("rules about texts", 0..=MANY, m)?;
    let rules = each(&items, |item| rule(item, conditions, m));
    names_differ(&items, m)?;
    let rules = rules?;
    let patterns: usize = rules.iter().map(|(rule, _)| rule.patterns.len()).sum();
    if patterns > PATTERNS {
        let expected = format!("at most {PATTERNS} patterns in all rules");
        return node.refuse(&expected, &patterns.to_string(), m);
    }
    Some(rules)
}

fn rule(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Rc<Rule>, Option<Condition>)> {
    let expected = "a rule about texts, an object with name, patterns and action";
    let mut object = node.object(expected, m)?;
    let own = object.required("name", "a name", m);
    let own = own.and_then(|node| name(&node, m));
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let patterns = object.required("patterns", "a list of patterns such as card", m);
    let patterns = patterns.and_then(|node| {
        let items = node.list("patterns", 1..=PATTERNS, m)?;
        each(&items, |item| pattern(item, m))
    });
    let action = object.required("action", "\"mask\" or \"refuse\"", m);
    let action = action.and_then(|node| node.keyword(&ACTIONS, m));
    let types = or(object.optional("types"), None, |node| {
        let items = node.list("types", 1..=TYPES, m)?;
        each(&items, |item| resource_type(item, m)).map(Some)
    });
    let except = or(object.optional("except"), Vec::new(), |node| {
        let items = node.list("elements", 0..=ELEMENTS, m)?;
        each(&items, |item| element(item, m))
    });
    object.finish(m);
    let rule = Rule {
        name: own?,
        patterns: patterns?,
        action: action?,
        types: types?,
        except: except?,
    };
    Some((Rc::new(rule), when?))
}

/// A word for a pattern that is known, or an object with an own one.
fn pattern(node: &Node<'_>, m: &mut Mistakes) -> Option<Pattern> {
    if let Some(word) = node.value().as_str() {
        if let Some((_, known)) = Known::ALL.iter().find(|(own, _)| *own == word) {
            return Some(Pattern::Known(*known));
        }
        let expected =
            "\"card\", \"us-ssn\", \"iban\", \"email\", \"phone\" or an object with pattern";
        let near = suggestion(word, Known::ALL.iter().map(|(own, _)| *own));
        return node.refuse_word(expected, word, &near, m);
    }
    let mut object = node.object("the name of a pattern, or an object with pattern", m)?;
    let expected = "a regular expression";
    let own = object.required("pattern", expected, m);
    object.finish(m);
    let own = own?;
    let text = own.text(expected, 1..=LENGTH, m)?;
    match Own::read(text) {
        Ok(pattern) => Some(Pattern::Own(pattern)),
        Err(fault) => own.refuse(expected, &format!("another: {fault}"), m),
    }
}

fn element(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let expected = "the name of an element such as telecom";
    let text = node.text(expected, 1..=64, m)?;
    let is_name = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    node.check(is_name, &format!("{expected}, without a path"), m)?;
    Some(text.to_owned())
}
