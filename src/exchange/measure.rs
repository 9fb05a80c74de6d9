//! What is counted of exchanges, and of what a worker does for all of them.

use super::{Exchange, Guard, Phase};
use crate::audit::{Alert, Outcome, Repeats};
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

    /// The alert of the exchange, which is over, if one is due; as [`record`](Self::record).
    pub(super) fn alert(
        &self,
        now: u64,
        status: Option<u16>,
        repeats: &mut Repeats,
    ) -> Option<Alert> {
        let (outcome, status) = self.ended_with(status);
        self.record.alert(outcome, status, now, repeats)
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
    /// The alert of an exchange that is over, as one line, if one is due. `now` is in nanoseconds since 1970,
    /// `status` what the proxy says it answered with.
    pub fn alert(&mut self, exchange: &Exchange, now: u64, status: Option<u16>) -> Option<String> {
        let alert = exchange.alert(now, status, &mut self.alerts)?;
        self.meters.alerted(alert.severity);
        Some(alert.line)
    }

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
