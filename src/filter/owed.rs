//! What a stream owes: answers that are charged afterwards, and places that are given back.

use std::cell::RefCell;

use crate::exchange::{Exchange, Guard};
use crate::host;

/// Settles with an exchange that has ended, before the last of its answer leaves: whoever asks next finds
/// it done.
pub(super) fn settle(exchange: &mut Exchange) {
    if exchange.owes() {
        settle_at(exchange, host::now());
    }
}

/// The same at this time, in nanoseconds since 1970.
pub(super) fn settle_at(exchange: &mut Exchange, now: u64) {
    if let Some(mut work) = exchange.settling(now) {
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

/// Notes what an exchange that has ended says about its caller, and shuts out whom that is due for; `now` is in
/// nanoseconds since 1970.
pub(super) fn observe(guard: &RefCell<Guard>, exchange: &mut Exchange, now: u64) {
    let Some(work) = exchange.observing() else {
        return;
    };
    let watched = host::share(&mut work.at(now));
    let adds = exchange.found(&guard.borrow(), watched, now);
    for mut add in adds {
        let table = host::share(&mut add);
        guard.borrow_mut().quarantined(table, now);
    }
}
