//! Whether the server is asked at all: one that is away must not cost each request its whole time-out.
//!
//! After so many failures without an answer between them nobody asks for a while; then one request tries, and so one
//! after each such while, until one is answered. Whoever tries has twice as long as an answer may take: a client
//! that goes away meanwhile says nothing of the server, and keeps nobody else from trying. What all workers of a proxy know of it is one value of shared data:
//! `FGB\x01, failures u32, until u64`, numbers big-endian, times in nanoseconds since 1970.

use super::GlobalLimits;
use crate::shared::{Answer, Step, Work};

/// When a server is not asked for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerPolicy {
    /// After so many failures in a row, at least 1.
    pub failures: u32,
    /// For so long, in nanoseconds.
    pub pause: u64,
}

/// Work on what is known of the server: whether it may be asked, or what came of it.
pub struct Breaker {
    key: String,
    policy: BreakerPolicy,
    /// How long whoever tries is waited for, in nanoseconds.
    trial: u64,
    purpose: Purpose,
    now: u64,
    tries: u32,
    phase: Phase,
}

/// What was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found {
    /// Whether the server may be asked.
    pub asks: bool,
    /// Whether it has failed lately: an answer is then to be noted.
    pub failing: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Purpose {
    Look,
    Succeeded,
    Failed,
}

enum Phase {
    Reading,
    Writing(Vec<u8>, Option<u32>),
    Done(Found),
}

/// How often the value is read before it is given up.
const TRIES: u32 = 8;

/// Nothing is known against it.
const GOOD: Found = Found {
    asks: true,
    failing: false,
};

impl Breaker {
    /// Looks whether this server may be asked; where its pause is over, one of all that look may.
    pub fn look(service: &GlobalLimits) -> Breaker {
        Breaker::new(service, Purpose::Look)
    }

    /// Notes that it has answered, or that it has failed.
    pub fn note(service: &GlobalLimits, answered: bool) -> Breaker {
        let purpose = match answered {
            true => Purpose::Succeeded,
            false => Purpose::Failed,
        };
        Breaker::new(service, purpose)
    }

    fn new(service: &GlobalLimits, purpose: Purpose) -> Breaker {
        let mut name = blake3::Hasher::new();
        name.update(&(service.cluster.len() as u64).to_be_bytes());
        name.update(service.cluster.as_bytes());
        name.update(service.domain.as_bytes());
        let name = name.finalize().to_hex();
        let short: String = name.chars().take(16).collect();
        Breaker {
            key: format!("fhir-guard.breaker.v1.{short}"),
            policy: service.breaker,
            // No longer than a pause: what lies further ahead than that is taken for damage.
            trial: service.timeout.saturating_mul(2).min(service.breaker.pause),
            purpose,
            now: 0,
            tries: 0,
            phase: Phase::Reading,
        }
    }

    /// The same, at this time in nanoseconds since 1970; to be said before the work begins.
    pub fn at(&mut self, now: u64) -> &mut Breaker {
        self.now = now;
        self
    }

    fn read(&mut self, bytes: Option<&[u8]>, version: Option<u32>) {
        let State { failures, until } = State::read(bytes.unwrap_or_default());
        let pause = self.now.saturating_add(self.policy.pause);
        let tripped = failures >= self.policy.failures;
        // What lies further ahead than any pause the clock has stepped away from, or is damage.
        let paused = tripped && until > self.now && until <= pause;
        let next = match self.purpose {
            Purpose::Look if paused => {
                return self.finish(Found {
                    asks: false,
                    failing: true,
                });
            }
            Purpose::Look if tripped => State {
                failures,
                until: self.now.saturating_add(self.trial),
            },
            Purpose::Look => {
                return self.finish(Found {
                    asks: true,
                    failing: failures > 0,
                });
            }
            Purpose::Succeeded if failures == 0 => return self.finish(GOOD),
            Purpose::Succeeded => State::default(),
            Purpose::Failed => {
                let failures = failures.saturating_add(1);
                let trips = failures >= self.policy.failures;
                State {
                    failures,
                    until: if trips { pause } else { 0 },
                }
            }
        };
        self.phase = Phase::Writing(next.bytes(), version);
    }

    fn finish(&mut self, found: Found) {
        self.phase = Phase::Done(found);
    }
}

impl Work for Breaker {
    type Outcome = Found;

    fn step(&self) -> Step<'_, Found> {
        match &self.phase {
            Phase::Reading => Step::Read { key: &self.key },
            Phase::Writing(value, version) => Step::Write {
                key: &self.key,
                value,
                version: *version,
            },
            Phase::Done(found) => Step::Done(*found),
        }
    }

    fn answer(&mut self, answer: Answer) {
        let looks = self.purpose == Purpose::Look;
        match (&self.phase, answer) {
            (Phase::Done(_), _) => {}
            (Phase::Reading, Answer::Value { bytes, version }) => {
                self.tries += 1;
                self.read(bytes.as_deref(), version);
            }
            (Phase::Writing(..), Answer::Written) => self.finish(Found {
                asks: true,
                failing: true,
            }),
            // Another took the one try, or already knows better.
            (Phase::Writing(..), Answer::Conflict) if looks => self.finish(Found {
                asks: false,
                failing: true,
            }),
            (Phase::Writing(..), Answer::Conflict) if self.tries < TRIES => {
                self.phase = Phase::Reading;
            }
            // What cannot be known is known by asking.
            _ => self.finish(GOOD),
        }
    }
}

/// What all workers know.
#[derive(Clone, Copy, Default)]
struct State {
    failures: u32,
    until: u64,
}

const MAGIC: &[u8; 4] = b"FGB\x01";

impl State {
    /// Reads a value; what is none says nothing.
    fn read(bytes: &[u8]) -> State {
        let rest = bytes.strip_prefix(MAGIC).unwrap_or_default();
        match rest.split_first_chunk::<4>() {
            Some((failures, until)) => match until.try_into() {
                Ok(until) => State {
                    failures: u32::from_be_bytes(*failures),
                    until: u64::from_be_bytes(until),
                },
                Err(_) => State::default(),
            },
            None => State::default(),
        }
    }

    fn bytes(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.failures.to_be_bytes());
        out.extend(self.until.to_be_bytes());
        out
    }
}
