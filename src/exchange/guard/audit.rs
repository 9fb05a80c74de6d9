//! Where records go beside the access log.

use std::cell::Cell;
use std::rc::Rc;

use super::Guard;
use crate::audit::{ANSWER, Caller, Format, Outcome, Queue, Record, Word, event};
use crate::denial::Denial;
use crate::exchange::{Exchange, NO_PLACE};
use crate::remote::Call;

/// A batch of records that is under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Batch {
    number: u64,
    /// Whether an earlier configuration has left them.
    left: bool,
}

impl Guard {
    /// The queue of the repository, where there is one.
    pub(super) fn queue(policy: &crate::config::Policy) -> Option<Queue> {
        policy.repository.as_ref().map(Rc::clone).map(Queue::new)
    }

    /// Refuses requests of such a caller where their records would have no place.
    pub(in crate::exchange) fn check_place(&self, of: Caller) -> Result<(), Denial> {
        match self.records.as_ref().is_some_and(|own| own.refuses(of)) {
            true => Err(Denial::Unavailable(NO_PLACE)),
            false => Ok(()),
        }
    }

    /// Where nothing goes on before its intent is acknowledged, how many exchanges wait for that.
    pub(in crate::exchange) fn announcing(&self) -> Option<&Rc<Cell<usize>>> {
        self.records.as_ref()?.announcing()
    }

    /// How long an answer to an intent may take, in nanoseconds.
    pub(in crate::exchange) fn intent_time(&self) -> u64 {
        self.records.as_ref().map_or(0, Queue::timeout)
    }

    /// The call that tells the repository what is about to go on, and how many records or events that is.
    pub(in crate::exchange) fn intent(&self, record: &Record, now: u64) -> Option<(usize, Call)> {
        let queue = self.records.as_ref()?;
        let records: Vec<String> = match queue.format() {
            Format::Records => {
                let line = record.line_of(Outcome::Announced, 0, now);
                vec![match &record.place {
                    Some(place) => place.intent(line),
                    None => line,
                }]
            }
            Format::Events => event::events(record, Outcome::Announced, 0, now),
        };
        Some((records.len(), queue.intent(&records)))
    }

    /// Whether this answer says that the repository has an intent of so many records or events.
    pub(in crate::exchange) fn acknowledges(
        &self,
        records: usize,
        answer: Option<(u16, &[u8])>,
    ) -> bool {
        let format = self.records.as_ref().map(Queue::format);
        format.is_some_and(|format| format.word(records, answer) == Word::Taken)
    }

    /// Tells the statistics what waits, and what is lost.
    pub(in crate::exchange) fn tell_queue(&mut self) {
        let (mut bytes, mut lost) = (0_usize, 0_u64);
        for queue in self.records.iter_mut().chain(&mut self.legacy.queue) {
            let news = queue.news();
            bytes = bytes.saturating_add(news.0);
            lost = lost.saturating_add(news.1);
        }
        self.meters.queued(bytes, lost);
    }

    /// The most bytes of an answer to a batch, or to an intent, that are looked at; of one beyond that it takes one
    /// more.
    pub fn batch_limit(&self, batch: Option<Batch>) -> usize {
        let queue = match batch {
            Some(Batch { left: true, .. }) => &self.legacy.queue,
            _ => &self.records,
        };
        match queue.as_ref().map(Queue::format) {
            Some(Format::Events) => ANSWER,
            Some(Format::Records) | None => 0,
        }
    }

    /// Keeps the record of an exchange that is over until the repository has it; `line` is that of the access
    /// log. `now` is in nanoseconds since 1970, `status` what the proxy says it answered with.
    pub fn keep_record(&mut self, exchange: &Exchange, line: &str, now: u64, status: Option<u16>) {
        // Those that are refused for want of place would take it from those that are not.
        let Some(queue) = self.records.as_mut().filter(|_| !exchange.lacks_place()) else {
            return;
        };
        let of = exchange.recorded_of();
        match queue.format() {
            Format::Records => queue.push(line.to_owned(), of),
            Format::Events => {
                let events = exchange.events(now, status);
                events.into_iter().for_each(|event| queue.push(event, of));
            }
        }
    }

    /// The next batch for a repository, where it is time for one; to be asked at every tick, until there is none.
    pub fn next_batch(&mut self, now: u64) -> Option<(Batch, Call)> {
        let own = self.records.as_mut().and_then(|queue| queue.next(now));
        let (left, (number, call)) = match own {
            Some(next) => (false, next),
            None => (true, self.legacy.queue.as_mut()?.next(now)?),
        };
        Some((Batch { number, left }, call))
    }

    /// Takes the answer to a batch, status and body; `None` where there was none in time. Whether the repository has
    /// it now.
    ///
    /// # Errors
    /// What the repository will not take, for the log: the records are in the access log alone.
    pub fn batch_answered(
        &mut self,
        batch: Batch,
        answer: Option<(u16, &[u8])>,
        now: u64,
    ) -> Result<(), String> {
        let queue = match batch.left {
            true => &mut self.legacy.queue,
            false => &mut self.records,
        };
        let Some(queue) = queue else {
            return Ok(());
        };
        let word = queue.word(batch.number, answer);
        self.meters.called("audit", word == Some(Word::Taken));
        // That of a batch that is over already.
        let Some(word) = word else {
            return Ok(());
        };
        queue.answered(batch.number, word, now);
        let (new, lost) = match batch.left {
            true => self.end_legacy(word, now),
            false => (queue.take_lost(), queue.lost()),
        };
        match (word, new) {
            (_, 1..) => Err(format!(
                "audit.repository: {lost} records went to the access log alone: the queue was full, or the repository refused them, or did not take what another configuration had left"
            )),
            (Word::Taken, _) => Ok(()),
            (Word::Failed | Word::Refused, _) => Err(format!(
                "audit.repository: expected the status 2xx, and of each entry of a transaction; found {}; it is tried again",
                match answer {
                    None => "no answer".to_owned(),
                    Some((status @ 200..300, _)) => format!("{status} with another body"),
                    Some((status, _)) => status.to_string(),
                }
            )),
        }
    }
}
