//! Where records go beside the access log.

use std::rc::Rc;

use super::Guard;
use crate::audit::{Format, Queue};
use crate::exchange::Exchange;
use crate::remote::Call;

/// A batch of records that is under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Batch(u64);

impl Batch {
    /// The most bytes of an answer: none of it is looked at.
    pub const LIMIT: usize = 0;
}

impl Guard {
    /// The queue of the repository, where there is one.
    pub(super) fn queue(policy: &crate::config::Policy) -> Option<Queue> {
        policy.repository.as_ref().map(Rc::clone).map(Queue::new)
    }

    /// Whether requests are refused because their records would have no place.
    pub(in crate::exchange) fn refuses_for_audit(&self) -> bool {
        self.records.as_ref().is_some_and(Queue::refuses)
    }

    /// Keeps the record of an exchange that is over until the repository has it; `line` is that of the access
    /// log. `now` is in nanoseconds since 1970, `status` what the proxy says it answered with.
    pub fn keep_record(&mut self, exchange: &Exchange, line: &str, now: u64, status: Option<u16>) {
        // Those that are refused for want of place would take it from those that are not.
        let Some(queue) = self.records.as_mut().filter(|_| !exchange.lacks_place()) else {
            return;
        };
        match queue.format() {
            Format::Records => queue.push(line.to_owned()),
            Format::Events => {
                for event in exchange.events(now, status) {
                    queue.push(event.to_string());
                }
            }
        }
    }

    /// The next batch for the repository, where it is time for one; to be sent at every tick.
    pub fn next_batch(&mut self, now: u64) -> Option<(Batch, Call)> {
        let (number, call) = self.records.as_mut()?.next(now)?;
        Some((Batch(number), call))
    }

    /// Takes the status with which a batch was answered; `None` where there was no answer in time.
    ///
    /// # Errors
    /// What the repository will not take, for the log: the records are in the access log alone.
    pub fn batch_answered(
        &mut self,
        batch: Batch,
        status: Option<u16>,
        now: u64,
    ) -> Result<(), String> {
        let Some(queue) = self.records.as_mut() else {
            return Ok(());
        };
        queue.answered(batch.0, status, now);
        match (status, queue.take_lost()) {
            (_, 1..) => Err(format!(
                "audit.repository: {} records went to the access log alone: the queue was full, or the repository refused them",
                queue.lost()
            )),
            (Some(200..300), _) => Ok(()),
            (status, _) => Err(format!(
                "audit.repository: expected the status 2xx, found {}; it is tried again",
                status.map_or("no answer".to_owned(), |status| status.to_string())
            )),
        }
    }
}
