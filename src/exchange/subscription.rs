//! A Subscription that is written: what it would send, its writer may search for and read.

use std::rc::Rc;

use super::Guard;
use crate::access::Permit;
use crate::denial::Denial;
use crate::json::Node;
use crate::request::Subscription;

/// Checks a Subscription, which goes on as it stands: what it looks for is authorised as a search of the same
/// caller, under the same circumstances.
pub(super) fn check(guard: &Guard, permit: &Permit, root: Node<'_>) -> Result<(), Denial> {
    let (Some(principal), Some(circumstances)) = (permit.principal(), permit.circumstances())
    else {
        return Err(Denial::NotSupported("subscription"));
    };
    let subscription = Subscription::read(root, &guard.policy().fhir)?;
    let search = guard.authorize(principal, &subscription.search, circumstances)?;
    // Nobody asks for it when the server sends.
    let search = match search.needs_consent().map(Rc::clone) {
        None => search,
        Some(need) => search.unconsented(need.denial("a subscription does not ask for it"))?,
    };
    // Nothing screens what the server sends by itself.
    let hidden = subscription.sends_resources && guard.hides_from(&search);
    let confined = search.patient().is_some() || search.practitioner().is_some();
    let whole = search.is_for_all() && search.may_read_all() && !confined;
    match whole && !hidden {
        true => Ok(()),
        false => Err(Denial::NotSupported("subscription")),
    }
}
