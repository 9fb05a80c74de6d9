//! What goes to the proxy's log, and in which words.

use log::{LevelFilter, Log, Metadata, Record};

use crate::host;

/// Lets [`log`] write to the proxy's log, and makes a panic tell where it was, never what it held.
pub(super) fn start() {
    static LOGGER: ProxyLog = ProxyLog;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(|place| format!("{}:{}", place.file(), place.line()));
        log::error!(
            "panicked at {}",
            place.as_deref().unwrap_or("an unknown place")
        );
    }));
}

/// The proxy's log.
struct ProxyLog;

impl Log for ProxyLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            log::Level::Error => 4,
            log::Level::Warn => 3,
            log::Level::Info => 2,
            log::Level::Debug => 1,
            log::Level::Trace => 0,
        };
        host::write_log(level, &record.args().to_string());
    }

    fn flush(&self) {}
}
