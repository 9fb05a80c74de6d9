//! The callers, and what they got.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use fhir_guard_harness::client::{Client, End, Request, Response, Version};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::stage::Stage;

/// Requests at once on a connection of HTTP/2.
const STREAMS: usize = 4;

/// Requests of each stream before a caller makes its connection anew, and perhaps gets to the other worker.
const REQUESTS: usize = 100;

/// After what was refused.
const PAUSE: Duration = Duration::from_millis(20);

/// After what was not answered: nobody storms a proxy that is about to start.
const LONG_PAUSE: Duration = Duration::from_millis(100);

/// An answer of which a client had something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released {
    /// The request id.
    pub(crate) id: u128,
    /// When its client had all that it got.
    pub(crate) at: Millis,
}

/// A time, in milliseconds since 1970, as records have it.
pub(crate) type Millis = i64;

/// What the clock says.
#[allow(
    clippy::disallowed_methods,
    reason = "what records say is held against it"
)]
pub(crate) fn clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    })
}

pub(crate) struct Load {
    wanted: u64,
    over: AtomicBool,
    answered: AtomicU64,
    released: Mutex<Vec<Released>>,
    /// Other answers, by status.
    refused: Mutex<BTreeMap<u16, u64>>,
    /// Requests without a head of an answer.
    failed: AtomicU64,
    /// Answers of 2xx that broke off.
    cut: AtomicU64,
    /// Answers without an id that could be looked for.
    nameless: AtomicU64,
}

impl Load {
    pub(crate) fn new(wanted: u64) -> Load {
        Load {
            wanted,
            over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            released: Mutex::default(),
            refused: Mutex::default(),
            failed: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            nameless: AtomicU64::new(0),
        }
    }

    /// Whether as many were answered as were wanted.
    pub(crate) fn is_done(&self) -> bool {
        self.answered.load(Ordering::Relaxed) >= self.wanted
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn released(&self) -> Vec<Released> {
        let released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        released.clone()
    }

    pub(crate) fn nameless(&self) -> u64 {
        self.nameless.load(Ordering::Relaxed)
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// What became of the requests so far, on a line.
    pub(crate) fn line(&self) -> String {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused: Vec<String> = refused
            .iter()
            .map(|(status, count)| format!("{count} of {status}"))
            .collect();
        let released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{} answered, {} of them released ({} broken off), refused: {}; {} not answered",
            self.answered(),
            released.len(),
            self.cut.load(Ordering::Relaxed),
            refused.join(", "),
            self.failed.load(Ordering::Relaxed),
        )
    }

    /// How long to wait before the next.
    fn note(&self, answer: Result<Response, String>) -> Duration {
        let Ok(answer) = answer else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return LONG_PAUSE;
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        if !(200..300).contains(&answer.status) {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            *refused.entry(answer.status).or_default() += 1;
            return PAUSE;
        }
        let whole = answer.end == End::Complete;
        self.cut.fetch_add(u64::from(!whole), Ordering::Relaxed);
        let id = answer
            .header("x-request-id")
            .and_then(|text| number(text.as_bytes()));
        match id {
            Some(id) => {
                let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
                released.push(Released { id, at: clock() });
            }
            None => {
                self.nameless.fetch_add(1, Ordering::Relaxed);
            }
        }
        match whole {
            true => Duration::ZERO,
            false => LONG_PAUSE,
        }
    }
}

/// The number that a request id is: 32 digits in groups.
pub(crate) fn number(text: &[u8]) -> Option<u128> {
    let digits = text.iter().filter(|byte| **byte != b'-');
    let mut number: u128 = 0;
    let mut count = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(16)?;
        number = number << 4 | u128::from(digit);
        count += 1;
    }
    (count == 32).then_some(number)
}

/// Asks until it is over.
pub(crate) async fn call(stage: &Arc<Stage>, load: &Arc<Load>, caller: usize, mut random: Rng) {
    let (version, streams) = match caller % 2 {
        0 => (Version::Http1, 1),
        _ => (Version::Http2, STREAMS),
    };
    while !load.over.load(Ordering::Relaxed) {
        let client = Arc::new(stage.client(version));
        let token: Arc<str> = stage.token().into();
        let mut all = JoinSet::new();
        for _ in 0..streams {
            let (client, token) = (Arc::clone(&client), Arc::clone(&token));
            let (stage, load, random) = (Arc::clone(stage), Arc::clone(load), random.fork());
            all.spawn(async move { stream(&stage, &load, &client, &token, random).await });
        }
        while all.join_next().await.is_some() {}
    }
}

async fn stream(stage: &Stage, load: &Load, client: &Client, token: &str, mut random: Rng) {
    let generation = stage.generation();
    for _ in 0..REQUESTS {
        if load.over.load(Ordering::Relaxed) || stage.generation() != generation {
            return;
        }
        let patient = random.u32(1..=36);
        let path = match random.u32(0..10) {
            0 => format!("/r4/Observation?patient=p{patient}"),
            _ => format!("/r4/Patient/p{patient}"),
        };
        let pause = load.note(client.send(Request::get(&path).bearer(token)).await);
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_request_id_is_a_number() {
        for (text, expected) in [
            ("00000000-0000-0000-0000-0000000000ff", Some(255)),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", Some(u128::MAX)),
            ("00000000-0000-0000-0000-0000000000f", None),
            ("00000000-0000-0000-0000-0000000000fff", None),
            ("0000000g-0000-0000-0000-000000000000", None),
            ("", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }
}
