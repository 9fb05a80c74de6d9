//! The proxy's statistics.

use super::OK;
use crate::metrics::Kind;

/// A new number for the metric of this name; absent where the proxy has none. Each call makes another one, for
/// as long as the VM lives.
pub fn define_metric(kind: Kind, name: &str) -> Option<u32> {
    let kind = match kind {
        Kind::Counter => 0,
        Kind::Gauge => 1,
        Kind::Histogram => 2,
    };
    let mut id = 0;
    // SAFETY: name is a live buffer of the length given; the host writes one u32 where the pointer leads.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Adds to a counter.
pub fn increment_metric(id: u32, by: u64) -> bool {
    match i64::try_from(by) {
        // The host refuses to add nothing.
        Ok(0) => true,
        // SAFETY: nothing but numbers is handed over.
        Ok(by) => unsafe { proxy_increment_metric(id, by) == OK },
        Err(_) => false,
    }
}

/// Tells the value of a gauge, or one of a histogram.
pub fn record_metric(id: u32, value: u64) -> bool {
    // SAFETY: nothing but numbers is handed over.
    unsafe { proxy_record_metric(id, value) == OK }
}

unsafe extern "C" {
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}
