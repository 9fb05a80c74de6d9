//! What an earlier configuration has left to be sent, and what this one leaves.

use super::Guard;
use crate::audit::{Leaving, Queue, Rest, Seen, Taking, Word};

const SECOND: u64 = 1_000_000_000;

/// Between two looks at least: a little less than a second, because ticks are not exact.
const REST: u64 = 900_000_000;

/// How long after a configuration has ended its repository is tried, where it is not the one of this configuration.
const LONGEST: u64 = 600 * SECOND;

/// What was left to this worker.
#[derive(Default)]
pub(super) struct Legacy {
    pub(super) queue: Option<Queue>,
    /// When it was last looked for, in nanoseconds since 1970.
    looked: Option<u64>,
    seen: Seen,
}

impl Guard {
    /// Work that leaves to others what the repository has not acknowledged; to be done when the configuration ends.
    /// `None` where there is nothing. Its outcome goes to [`Guard::has_left`]; `now` in nanoseconds since 1970.
    pub fn leave(&mut self, now: u64) -> Option<Leaving> {
        let all = self.records.iter_mut().chain(&mut self.legacy.queue);
        Leaving::of(all, now)
    }

    /// Counts what found no place.
    pub fn has_left(&mut self, lost: u64) {
        let mut all = self.records.iter_mut().chain(&mut self.legacy.queue);
        if let Some(queue) = all.next() {
            queue.lose_rest(lost);
        }
    }

    /// Work that looks whether anything was left, where that is due: to be asked at every tick. Its outcome goes to
    /// [`Guard::inherits`]; `now` in nanoseconds since 1970.
    pub fn look_for_rest(&mut self, now: u64) -> Option<Taking> {
        // A clock that steps back must not put off the next look.
        let rests = |looked: u64| (looked..looked.saturating_add(REST)).contains(&now);
        if self.legacy.queue.is_some() || self.legacy.looked.is_some_and(rests) {
            return None;
        }
        self.legacy.looked = Some(now);
        Some(Taking::new(self.legacy.seen))
    }

    /// Takes what was found: it is sent from now on, beside its own. `now` in nanoseconds since 1970.
    pub fn inherits(&mut self, found: (Option<Rest>, Seen), now: u64) {
        let (rest, seen) = found;
        self.legacy.seen = seen;
        self.legacy.queue = rest.map(|rest| Queue::of(rest, now));
    }

    /// What becomes of what was left when its repository has said this: it is given up where its time is over, and
    /// where nothing is left of it there is room for more at once. How many records are lost since this was asked, and
    /// in all.
    pub(super) fn end_legacy(&mut self, word: Word, now: u64) -> (u64, u64) {
        let Some(queue) = &mut self.legacy.queue else {
            return (0, 0);
        };
        if word == Word::Failed && queue.is_stale(self.records.as_ref(), now, LONGEST) {
            queue.give_up();
        }
        let lost = (queue.take_lost(), queue.lost());
        if queue.is_empty() {
            self.meters.queued(0, queue.news().1);
            self.legacy.queue = None;
            self.legacy.looked = None;
        }
        lost
    }
}
