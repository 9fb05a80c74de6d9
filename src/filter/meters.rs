//! What was counted, handed to the proxy.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::exchange::{Exchange, Guard};
use crate::host;
use crate::metrics::{Change, Kind};

thread_local! {
    /// The proxy's numbers for the metrics. Each definition makes a new one, for as long as the VM lives: also a
    /// new configuration goes on with the old ones. As many as there are labels (metrics::LABELS).
    static IDS: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// Counts an exchange that is over.
pub(super) fn count(guard: &RefCell<Guard>, exchange: &Exchange, now: u64) {
    let Ok(mut guard) = guard.try_borrow_mut() else {
        return;
    };
    exchange.count_in(guard.meters(), now);
    if guard.meters().is_full() {
        hand_over(guard.changes());
    }
}

/// Hands over what has changed.
pub(super) fn hand_over(changes: Vec<Change>) {
    IDS.with_borrow_mut(|ids| {
        for Change { name, kind, value } in changes {
            let id = match ids.get(name.as_ref()) {
                Some(id) => Some(*id),
                None => host::define_metric(kind, &name).inspect(|id| {
                    ids.insert(name.into_owned(), *id);
                }),
            };
            // Where the proxy has no statistics nothing is lost but these.
            match (id, kind) {
                (Some(id), Kind::Counter) => host::increment_metric(id, value),
                (Some(id), Kind::Gauge | Kind::Histogram) => host::record_metric(id, value),
                (None, _) => false,
            };
        }
    });
}
