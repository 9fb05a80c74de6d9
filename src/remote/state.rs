//! The values in shared data: times in nanoseconds since 1970, big-endian, after a mark with a version.

const STATE: &[u8; 4] = b"FGR\x01";
const DOCUMENT: &[u8; 4] = b"FGD\x01";

/// Workers' clocks may differ, and one may be set back, by this much without any consequence; in
/// nanoseconds.
pub const SLACK: u64 = 1_000_000_000;

/// What all workers know of a document.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    /// When it was last tried to fetch it; 0: never.
    pub attempted: u64,
    /// When the one that is stored was fetched; 0: none is.
    pub fetched: u64,
}

impl State {
    /// Reads a value; what is none, and times that have not come yet, count as never.
    pub fn read(bytes: &[u8], now: u64) -> State {
        let Some((attempted, fetched)) = bytes
            .strip_prefix(STATE)
            .filter(|rest| rest.len() == 16)
            .and_then(|rest| Some((time(rest, 0)?, time(rest, 8)?)))
        else {
            return State::default();
        };
        State {
            attempted: come(attempted, now),
            fetched: come(fetched, now),
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut out = STATE.to_vec();
        out.extend(self.attempted.to_be_bytes());
        out.extend(self.fetched.to_be_bytes());
        out
    }
}

/// A document with the time at which it was fetched.
pub(super) fn write_document(fetched: u64, document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len().saturating_add(12));
    out.extend(DOCUMENT);
    out.extend(fetched.to_be_bytes());
    out.extend(document);
    out
}

/// The time and the document; `None` for what is none, or lies in the future.
pub(super) fn read_document(bytes: &[u8], now: u64, limit: usize) -> Option<(u64, &[u8])> {
    let rest = bytes.strip_prefix(DOCUMENT)?;
    let fetched = come(time(rest, 0)?, now);
    let document = rest.get(8..)?;
    (fetched > 0 && document.len() <= limit).then_some((fetched, document))
}

fn time(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
}

/// The time if it has come, otherwise 0.
pub(super) fn come(time: u64, now: u64) -> u64 {
    if time <= now.saturating_add(SLACK) {
        time
    } else {
        0
    }
}
