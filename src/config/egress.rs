//! `egress`: how much may leave in one answer.

use std::rc::Rc;

use super::conditions::Conditions;
use super::mistakes::Mistakes;
use super::policy::{KIB, MIB, name};
use super::reader::{Node, each, or};
use super::rules::{names_differ, resource_type};
use super::step_up::TYPES;
use crate::cel::Condition;
use crate::response::{Egress, Over};

/// Guardrails of one configuration.
const RULES: usize = 16;

/// Resources, at most as many as a Bundle may have.
const RECORDS: u32 = 100_000;

/// Each with its condition, where it has one.
pub(super) fn read(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<Vec<(Rc<Egress>, Option<Condition>)>> {
    let items = node.list("guardrails", 0..=RULES, m)?;
    let rules = each(&items, |item| rule(item, conditions, m));
    names_differ(&items, m)?;
    rules
}

fn rule(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Rc<Egress>, Option<Condition>)> {
    let expected = "a guardrail, an object with name, over, and records, bytes or patients";
    let mut object = node.object(expected, m)?;
    let own = object.required("name", "a name", m);
    let own = own.and_then(|node| name(&node, m));
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let types = or(object.optional("types"), None, |node| {
        let items = node.list("resource types", 1..=TYPES, m)?;
        each(&items, |item| resource_type(item, m)).map(Some)
    });
    let bounds = ["records", "bytes", "patients"].map(|key| object.optional(key));
    let bounded = bounds.iter().any(Option::is_some);
    let [records, bytes, patients] = bounds;
    let records = or(records, None, |node| node.integer(1..=RECORDS, m).map(Some));
    let bytes = or(bytes, None, |node| node.size(KIB..=1024 * MIB, m).map(Some));
    let patients = or(patients, None, |node| {
        let most = u32::try_from(Egress::PATIENTS).unwrap_or(u32::MAX);
        let patients = node.integer(1..=most, m)?;
        usize::try_from(patients).ok().map(Some)
    });
    let over = object.required("over", "\"refuse\" or \"cut\"", m);
    let words = [("refuse", Over::Refuse), ("cut", Over::Cut)];
    let over = over.and_then(|node| node.keyword(&words, m));
    if !bounded {
        let expected =
            "expected records, bytes or patients, how much may leave, found none of them";
        m.add(node.pointer(), expected);
    }
    object.finish(m);
    let rule = Egress {
        name: own?.into(),
        types: types?,
        records: records?,
        bytes: bytes?,
        patients: patients?,
        over: over?,
    };
    bounded.then_some((Rc::new(rule), when?))
}
