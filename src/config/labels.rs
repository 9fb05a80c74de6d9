//! `labels`: who may see what carries which security labels.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::conditions::Conditions;
use super::mistakes::{Mistakes, suggestion};
use super::reader::{Node, Object, each, or};
use crate::access::LabelTerms;
use crate::cel::Condition;
use crate::fhir::{Confidentiality, PolicyCode};
use crate::label::{Carried, Clearance, CodeRule, Kind, LabelPolicy};

/// Clearances of one configuration, and rules about codes.
const MANY: usize = 64;

/// Sensitivities of one of them.
const SENSITIVITIES: usize = 64;

/// Codes of one rule.
const CODES: usize = 1024;

/// Bytes of a system with a code.
const CODING: usize = 2048;

/// In words, for `N` without quotes is false in YAML.
const LEVELS: [(&str, Confidentiality); 6] = [
    ("unrestricted", Confidentiality::Unrestricted),
    ("low", Confidentiality::Low),
    ("moderate", Confidentiality::Moderate),
    ("normal", Confidentiality::Normal),
    ("restricted", Confidentiality::Restricted),
    ("very-restricted", Confidentiality::VeryRestricted),
];

/// Reads the section.
pub(super) fn read(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<LabelTerms> {
    let mut object = node.object("an object with unlabelled and clearances", m)?;
    let unlabelled = object.required("unlabelled", LEVEL, m);
    let unlabelled = unlabelled.and_then(|node| node.keyword(&LEVELS, m));
    let clearances = object.required("clearances", "a list of what callers are cleared for", m);
    let clearances = clearances.and_then(|node| {
        let items = node.list("clearances", 1..=MANY, m)?;
        each(&items, |item| clearance(item, conditions, m))
    });
    let codes = or(object.optional("codes"), Vec::new(), |node| {
        let items = node.list("rules about codes", 0..=MANY, m)?;
        each(&items, |item| code_rule(item, m))
    });
    object.finish(m);
    Some(LabelTerms {
        policy: Rc::new(LabelPolicy {
            unlabelled: unlabelled?,
            codes: codes?,
        }),
        clearances: clearances?,
    })
}

const LEVEL: &str =
    "\"unrestricted\", \"low\", \"moderate\", \"normal\", \"restricted\" or \"very-restricted\"";

fn clearance(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Rc<Clearance>, Option<Condition>)> {
    let mut object = node.object("a clearance, an object with confidentiality", m)?;
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let confidentiality = object.required("confidentiality", LEVEL, m);
    let confidentiality = confidentiality.and_then(|node| node.keyword(&LEVELS, m));
    let mut every_kind = false;
    let kinds = or(object.optional("sensitivities"), Vec::new(), |node| {
        let items = node.list("sensitivities", 0..=SENSITIVITIES, m)?;
        if let [only] = items.as_slice()
            && only.value() == "*"
        {
            every_kind = true;
            return Some(Vec::new());
        }
        each(&items, |item| kind(item, m))
    });
    object.finish(m);
    let clearance = Clearance {
        confidentiality: confidentiality?,
        kinds: kinds?,
        every_kind,
    };
    Some((Rc::new(clearance), when?))
}

fn code_rule(node: &Node<'_>, m: &mut Mistakes) -> Option<CodeRule> {
    let expected = "an object with codes, and with confidentiality or sensitivities";
    let mut object = node.object(expected, m)?;
    let codes = object.required("codes", "a list of codes with their systems", m);
    let codes = codes.and_then(|node| {
        let items = node.list("codes", 1..=CODES, m)?;
        each(&items, |item| coding(item, SYSTEM_AND_CODE, m))
    });
    let confidentiality = or(object.optional("confidentiality"), None, |node| {
        node.keyword(&LEVELS, m).map(Some)
    });
    let kinds = sensitivities(&mut object, m);
    object.finish(m);
    let (confidentiality, kinds) = (confidentiality?, kinds?);
    if confidentiality.is_none() && kinds.is_empty() {
        return node.refuse(expected, "neither of them", m);
    }
    Some(CodeRule {
        codes: codes?.into_iter().collect::<BTreeSet<_>>(),
        confidentiality,
        kinds,
    })
}

/// What a resource must be labelled with for a rule. Labels are read as for clearances where there are any; else
/// a resource that does not say how confidential it is carries nothing.
pub(super) fn carried(
    node: &Node<'_>,
    known: Option<&LabelTerms>,
    m: &mut Mistakes,
) -> Option<Carried> {
    let expected = "an object with confidentiality or sensitivities";
    let mut object = node.object(expected, m)?;
    let confidentiality = or(object.optional("confidentiality"), None, |node| {
        node.keyword(&LEVELS, m).map(Some)
    });
    let kinds = sensitivities(&mut object, m);
    object.finish(m);
    let (confidentiality, kinds) = (confidentiality?, kinds?);
    if confidentiality.is_none() && kinds.is_empty() {
        return node.refuse(expected, "neither of them", m);
    }
    let unread = || {
        Rc::new(LabelPolicy {
            unlabelled: Confidentiality::Unrestricted,
            codes: Vec::new(),
        })
    };
    Some(Carried {
        policy: known.map_or_else(unread, |terms| Rc::clone(&terms.policy)),
        confidentiality,
        kinds,
    })
}

fn sensitivities(object: &mut Object<'_>, m: &mut Mistakes) -> Option<Vec<Kind>> {
    or(object.optional("sensitivities"), Vec::new(), |node| {
        let items = node.list("sensitivities", 0..=SENSITIVITIES, m)?;
        each(&items, |item| kind(item, m))
    })
}

const SENSITIVITY: &str =
    "a code of v3-ActCode such as HIV, or another with its system, system|code";
const SYSTEM_AND_CODE: &str = "a code with its system, system|code";

fn kind(node: &Node<'_>, m: &mut Mistakes) -> Option<Kind> {
    let text = node.text(SENSITIVITY, 1..=CODING, m)?;
    if let Some(code) = PolicyCode::parse(text) {
        return Some(Kind::Policy(code));
    }
    if text == "*" {
        return node.refuse(SENSITIVITY, "\"*\", which stands alone in a clearance", m);
    }
    if !text.contains('|') {
        let near = suggestion(text, PolicyCode::names());
        return node.refuse_word(SENSITIVITY, text, &near, m);
    }
    let (system, code) = coding(node, SENSITIVITY, m)?;
    Some(Kind::of(&system, &code))
}

fn coding(node: &Node<'_>, expected: &str, m: &mut Mistakes) -> Option<(String, String)> {
    let text = node.text(expected, 1..=CODING, m)?;
    match text.split_once('|') {
        Some((system, code)) if !system.is_empty() && !code.is_empty() && !code.contains('|') => {
            Some((system.to_owned(), code.to_owned()))
        }
        _ => node.refuse(expected, "other text", m),
    }
}
