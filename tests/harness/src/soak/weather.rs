//! How the upstream behaves just now.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::fhir::Misbehaviour;

/// How long a sky must have been clear until callers may count on it: what began under another one
/// must be over, and Envoy must have noticed the connections that broke.
const SETTLED: Duration = Duration::from_millis(700);

/// What the FHIR server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sky {
    /// It is honest.
    Clear,
    /// It misbehaves in every answer.
    Foul(Misbehaviour),
    /// It is not there.
    Away,
}

impl Sky {
    pub(super) fn misbehaviour(self) -> Option<Misbehaviour> {
        match self {
            Sky::Foul(misbehaviour) => Some(misbehaviour),
            Sky::Clear | Sky::Away => None,
        }
    }

    /// The next sky and how long it lasts: clear half of the time.
    pub(super) fn next(self, random: &mut Rng) -> (Sky, Duration) {
        let milliseconds = |random: &mut Rng, range| Duration::from_millis(random.u64(range));
        if self != Sky::Clear {
            return (Sky::Clear, milliseconds(random, 2000..4000));
        }
        match random.u32(0..20) {
            0 => (Sky::Away, milliseconds(random, 300..1500)),
            _ => {
                let index = random.usize(0..Misbehaviour::ALL.len());
                let sky = Misbehaviour::ALL.get(index);
                let sky = sky.map_or(Sky::Clear, |misbehaviour| Sky::Foul(*misbehaviour));
                (sky, milliseconds(random, 300..1500))
            }
        }
    }
}

/// The sky that everybody sees.
pub(super) struct Weather(Mutex<Seen>);

/// What a caller saw before it asked.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    number: u64,
    sky: Sky,
    since: Instant,
}

impl Weather {
    pub(super) fn new() -> Weather {
        Weather(Mutex::new(Seen {
            number: 0,
            sky: Sky::Clear,
            since: Instant::now(),
        }))
    }

    pub(super) fn look(&self) -> Seen {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before the server changes, so that nobody counts on what is over, and again
    /// after it.
    pub(super) fn turn(&self, sky: Sky) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen {
            number: seen.number + 1,
            sky,
            since: Instant::now(),
        };
    }

    /// Whether the sky was clear from this look to now, and had been for long enough.
    pub(super) fn was_clear(&self, before: Seen, asked: Instant) -> bool {
        before.sky == Sky::Clear
            && asked.duration_since(before.since) >= SETTLED
            && self.look().number == before.number
    }
}
