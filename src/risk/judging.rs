//! What is known of a caller before a request of theirs goes on.

use super::detector::DETECTORS;
use super::entries::find;
use super::entry::Entry;
use super::policy::RiskPolicy;
use super::table::Scored;
use crate::shared::{Answer, Step, Work};

/// What was read of a caller before the request went on.
#[derive(Debug)]
pub struct Known {
    pub(super) answer: Answer,
    pub(super) milliseconds: u64,
}

/// What is known of a caller before a request of theirs goes on.
#[derive(Debug)]
pub(super) struct Judging {
    key: String,
    fingerprint: [u8; 16],
    half_life: u32,
    milliseconds: u64,
    scores: Option<[u32; DETECTORS]>,
    read: Option<Answer>,
}

impl Judging {
    /// Of this caller; `now` is in nanoseconds since 1970.
    pub fn new(who: Scored, policy: &RiskPolicy, now: u64) -> Self {
        Judging {
            key: who.key(),
            fingerprint: who.fingerprint,
            half_life: policy.half_life,
            milliseconds: now / 1_000_000,
            scores: None,
            read: None,
        }
    }

    /// What was read, where that could be read; it is given away.
    pub fn known(&mut self) -> Option<Known> {
        Some(Known {
            answer: self.read.take()?,
            milliseconds: self.milliseconds,
        })
    }
}

impl Work for Judging {
    /// Nothing where shared data could not be read.
    type Outcome = [u32; DETECTORS];

    fn step(&self) -> Step<'_, Self::Outcome> {
        match self.scores {
            Some(scores) => Step::Done(scores),
            None => Step::Read { key: &self.key },
        }
    }

    fn answer(&mut self, answer: Answer) {
        let scores = match &answer {
            Answer::Value {
                bytes: Some(bytes), ..
            } => find::<Entry>(bytes, &self.fingerprint)
                .map(|entry| Entry::scores(entry, self.milliseconds, self.half_life)),
            _ => None,
        };
        if self.scores.is_none() {
            self.scores = Some(scores.unwrap_or_default());
            self.read = matches!(answer, Answer::Value { .. }).then_some(answer);
        }
    }
}
