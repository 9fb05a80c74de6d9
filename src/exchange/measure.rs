//! What is counted of exchanges, and of what a worker does for all of them.

use super::{Exchange, Guard, Phase};
use crate::audit::Outcome;
use crate::metrics::{Change, Meters};

impl Exchange {
    /// Counts the exchange, which is over. `now` is in nanoseconds since 1970.
    pub fn count_in(&self, meters: &mut Meters, now: u64) {
        let began = match self.record.began {
            // It ended before it was known when it began.
            0 => now,
            began => began,
        };
        meters.ended(&self.record, self.outcome(), now.saturating_sub(began));
    }

    /// How it ended, or how it would end if nothing more came.
    pub(super) fn outcome(&self) -> Outcome {
        match &self.phase {
            Phase::Holding { .. } | Phase::Streaming { .. } => Outcome::Cut,
            _ => self.record.outcome,
        }
    }
}

impl Guard {
    /// What this worker counts.
    pub fn meters(&mut self) -> &mut Meters {
        &mut self.meters
    }

    /// What has changed since the last time, for the proxy's statistics; to be asked for at every tick, and
    /// where the meters are full.
    pub fn changes(&mut self) -> Vec<Change> {
        self.meters.held(self.held.get());
        self.tell_queue();
        for (document, fetched) in self.documents.news() {
            self.meters.fetched(&document, fetched);
        }
        self.meters.take()
    }
}
