//! A Subscription that is written: what it would send, its writer may search for and read.

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
    // Nothing screens what the server sends by itself.
    let hidden = subscription.sends_resources && guard.hides_from(&search);
    let whole = search.is_for_all() && search.may_read_all() && search.patient().is_none();
    // Nor does anybody ask for consent then.
    match whole && !hidden && search.needs_consent().is_none() {
        true => Ok(()),
        false => Err(Denial::NotSupported("subscription")),
    }
}
