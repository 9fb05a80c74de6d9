//! The end of a stream: what is owed is settled, what is known is noted, and the record is kept.

use std::cell::RefCell;

use super::meters::count;
use super::owed::{observe, settle_at};
use super::trail::Trail;
use crate::audit::Ticket;
use crate::exchange::{Exchange, Guard};
use crate::host;

/// Ends an exchange; `ticket` is that of its early copy.
pub(super) fn end(
    exchange: &mut Exchange,
    guard: Option<&RefCell<Guard>>,
    trail: &Trail,
    ticket: Option<u64>,
) {
    exchange.take_place(ticket.and_then(|ticket| trail.place(ticket)));
    let ticket = ticket.map(|number| match exchange.is_announced() {
        true => Ticket::Announced(number),
        false => Ticket::Given(number),
    });
    exchange.end();
    let now = host::now();
    settle_at(exchange, now);
    if let Some(guard) = guard {
        observe(guard, exchange, now);
        count(guard, exchange, now);
    }
    let status = (!exchange.knows_status())
        .then(|| host::property("response\0code"))
        .flatten()
        .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
        .and_then(|bytes| u16::try_from(u64::from_le_bytes(bytes)).ok());
    let line = trail.keep(exchange.record(now, status), ticket, now);
    if let Some(guard) = guard
        && let Ok(mut guard) = guard.try_borrow_mut()
    {
        if let Some(alert) = guard.alert(exchange, now, status) {
            host::set_alert(&alert);
        }
        guard.keep_record(exchange, &line, now, status);
    }
}
