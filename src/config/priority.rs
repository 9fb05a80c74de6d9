//! `limits[].priority`: who goes first under a limit.

use super::conditions::Conditions;
use super::mistakes::Mistakes;
use super::reader::{Node, each, or};
use crate::cel::Condition;
use crate::limit::{Priority, Right};

/// Routes of one limit.
const ROUTES: usize = 16;

/// Bytes of the name of a route.
const ROUTE: usize = 256;

/// With the condition under which callers have it, where there is one.
pub(super) fn read(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Priority, Option<Condition>)> {
    let expected = "an object with when or routes, and reserve or bypass";
    let mut object = node.object(expected, m)?;
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let routes = or(object.optional("routes"), Vec::new(), |node| {
        let items = node.list("names of routes", 1..=ROUTES, m)?;
        each(&items, |item| {
            let name = item.text("the name of a route", 1..=ROUTE, m)?;
            Some(name.to_owned())
        })
    });
    let reserve = object.optional("reserve");
    let bypass = object.optional("bypass");
    object.finish(m);
    let right = match (reserve, bypass) {
        (Some(kept), None) => kept.integer(1..=u32::MAX, m).map(Right::Reserve),
        (None, Some(bypass)) => match bypass.bool(m)? {
            true => Some(Right::Bypass),
            false => bypass.refuse("true, or no bypass at all", "false", m),
        },
        (Some(_), Some(_)) => node.refuse("reserve or bypass", "both", m),
        (None, None) => node.refuse("reserve or bypass", "neither", m),
    };
    let (when, routes, right) = (when?, routes?, right?);
    if when.is_none() && routes.is_empty() {
        return node.refuse("when or routes, for not all can go first", "neither", m);
    }
    Some((Priority { routes, right }, when))
}
