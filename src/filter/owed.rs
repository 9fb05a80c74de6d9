//! What a stream owes: answers that are charged afterwards, and places that are given back.

use crate::exchange::Exchange;
use crate::host;

/// Settles with an exchange that has ended, before the last of its answer leaves: whoever asks next finds
/// it done.
pub(super) fn settle(exchange: &mut Exchange) {
    if exchange.owes()
        && let Some(mut work) = exchange.settling(host::now())
    {
        host::share(&mut work);
    }
}

/// Something of the exchange comes: it is still under way.
pub(super) fn renew(exchange: &mut Exchange) {
    if exchange.holds_leases()
        && let Some(mut work) = exchange.renewing(host::now())
    {
        let owed = host::share(&mut work);
        exchange.renewed(owed);
    }
}
