//! Records on their way to a repository: at least once, in order, from a queue with a bound.
//!
//! The queue is one worker's, in memory. A batch stays in it until the repository has said that it has it. What
//! fails is sent again, later each time; a repository that takes a batch and is not heard to say so gets it again,
//! and knows it by its `idempotency-key`, or by the ids of its events. What waits when the configuration ends goes
//! to whoever comes after: see [`super::handover`].
//!
//! # Bounds
//!
//! A queue holds [`Repository::queue`] bytes before it is full, and twice as many at most: exchanges that were
//! under way when it got full leave their records all the same. What comes beyond that goes to the access log alone,
//! and is counted. Who shows no token that is his has a place in the first half only, and is refused what is public
//! beyond it: anybody could fill the queue else, and have those refused who may come in. One batch is under way at a
//! time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::batch::{BATCH, Format, Full, Repository, Word};
use super::handover::Rest;
use crate::remote::Call;

/// The first pause after a failure, and the longest, in nanoseconds.
const PAUSES: (u64, u64) = (500_000_000, 30_000_000_000);

/// Added to the time an answer may take: one that has not come by then never will.
const MARGIN: u64 = 1_000_000_000;

/// As many lone records in a row are lost to a repository that refuses them. Then it is taken for one that takes
/// nothing, and each further one has a pause before it.
const REFUSED: u32 = 16;

/// What waits for a repository.
#[derive(Debug)]
pub struct Queue {
    repository: Rc<Repository>,
    /// How many exchanges wait until their intents are acknowledged.
    announcing: Rc<Cell<usize>>,
    waiting: VecDeque<String>,
    bytes: usize,
    /// How many go into the next batch.
    size: usize,
    /// As many were sent, and nobody knows whether they were taken: they go again, and alone.
    again: usize,
    sent: Option<Sent>,
    number: u64,
    /// No attempt before this, in nanoseconds since 1970.
    not_before: u64,
    pause: u64,
    /// Lone records that were refused since a batch was taken.
    refused: u32,
    lost: u64,
    /// How many of them the log was not told of, and how many the statistics.
    untold: u64,
    uncounted: u64,
    /// When the configuration ended that left all this, in nanoseconds since 1970.
    left: Option<u64>,
}

/// Of whom a record is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Somebody with a token that is his.
    Known,
    /// Anybody, who got what is public.
    Public,
    /// Somebody who got nothing, and showed no token that is his.
    Unknown,
}

/// A batch that is under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    records: usize,
    until: u64,
}

impl Queue {
    /// An empty queue.
    pub fn new(repository: Rc<Repository>) -> Queue {
        Queue {
            size: repository.batch,
            again: 0,
            repository,
            announcing: Rc::default(),
            waiting: VecDeque::new(),
            bytes: 0,
            sent: None,
            number: 0,
            not_before: 0,
            pause: PAUSES.0,
            refused: 0,
            lost: 0,
            untold: 0,
            uncounted: 0,
            left: None,
        }
    }

    /// What an earlier configuration has left. The number of a batch is never that of another such queue: `now` in
    /// nanoseconds since 1970.
    pub fn of(rest: Rest, now: u64) -> Queue {
        Queue {
            number: now,
            again: rest.again,
            bytes: rest.records.iter().map(|record| held(record)).sum(),
            waiting: rest.records.into(),
            // The clock may have stepped back: it is given up in time all the same.
            left: Some(rest.left.min(now)),
            ..Queue::new(Rc::new(rest.repository))
        }
    }

    /// What the repository has not acknowledged, for whoever comes after; nothing is left here. `now` in nanoseconds
    /// since 1970.
    pub(super) fn take_rest(&mut self, now: u64) -> Rest {
        let again = self.sent.take().map(|sent| sent.records);
        self.bytes = 0;
        Rest {
            repository: (*self.repository).clone(),
            left: self.left.unwrap_or(now),
            again: again.unwrap_or(self.again),
            records: std::mem::take(&mut self.waiting).into(),
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether what was left to this one is for another repository than its own, and has been for so long, in
    /// nanoseconds.
    pub fn is_stale(&self, own: Option<&Queue>, now: u64, longest: u64) -> bool {
        let same = own.is_some_and(|own| own.repository.is_place_of(&self.repository));
        let over = |left: u64| now >= left.saturating_add(longest);
        !same && self.left.is_some_and(over)
    }

    /// Gives up on all that waits.
    pub fn give_up(&mut self) {
        for _ in 0..self.waiting.len() {
            self.lose();
        }
        self.waiting.clear();
        self.bytes = 0;
    }

    /// What is sent.
    pub fn format(&self) -> Format {
        self.repository.format
    }

    /// Where nothing goes on before its intent is acknowledged, how many exchanges wait for that.
    pub fn announcing(&self) -> Option<&Rc<Cell<usize>>> {
        self.repository.strict.then_some(&self.announcing)
    }

    /// How long an answer may take, in nanoseconds.
    pub fn timeout(&self) -> u64 {
        self.repository.timeout
    }

    /// The call that posts the intent of one exchange. It is no batch: whoever waits for it takes the answer.
    pub fn intent(&self, records: &[String]) -> Call {
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        self.repository.call(&records)
    }

    /// Whether requests of such a caller are to be refused.
    pub fn refuses(&self, of: Caller) -> bool {
        self.repository.full == Full::Refuse && self.bytes >= self.share(of)
    }

    /// As many bytes may wait when a record of such a caller comes.
    fn share(&self, of: Caller) -> usize {
        match of {
            Caller::Known => self.repository.queue,
            Caller::Public | Caller::Unknown => self.repository.queue / 2,
        }
    }

    /// How many records went to the access log alone: the queue was full, or the repository refused them.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// How many of [`Queue::lost`] are new since this was asked.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }

    /// For statistics: the bytes that wait, and how many of [`Queue::lost`] are new since this was asked.
    pub fn news(&mut self) -> (usize, u64) {
        (self.bytes, std::mem::take(&mut self.uncounted))
    }

    /// For statistics: so many found no place with whoever comes after.
    pub fn lose_rest(&mut self, records: u64) {
        self.lost = self.lost.saturating_add(records);
        self.uncounted = self.uncounted.saturating_add(records);
    }

    fn lose(&mut self) {
        self.untold = self.untold.saturating_add(1);
        self.lose_rest(1);
    }

    /// Adds a record, or an event; each is one JSON document on one line.
    pub fn push(&mut self, record: String, of: Caller) {
        let most = match (of, self.repository.full) {
            (Caller::Unknown, _) | (_, Full::AccessLog) => self.share(of),
            // It was let in while there was room.
            (Caller::Known | Caller::Public, Full::Refuse) => {
                self.repository.queue.saturating_mul(2)
            }
        };
        let bytes = self.bytes.saturating_add(held(&record));
        if bytes > most {
            self.lose();
            return;
        }
        self.bytes = bytes;
        self.waiting.push_back(record);
    }

    /// The next batch, where it is time for one; to be asked at every tick. The number is that of
    /// [`Queue::answered`]; `now` in nanoseconds since 1970.
    pub fn next(&mut self, now: u64) -> Option<(u64, Call)> {
        if let Some(sent) = self.sent {
            // Where the clock has stepped back nobody knows how long it has been.
            let over = now >= sent.until || now.saturating_add(self.longest()) < sent.until;
            if !over {
                return None;
            }
            self.answered(sent.number, Word::Failed, now);
        }
        let stepped = now.saturating_add(PAUSES.1) < self.not_before;
        if self.waiting.is_empty() || (now < self.not_before && !stepped) {
            return None;
        }
        let mut bytes = 0_usize;
        let fits = |record: &&String| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(record.len());
            first || bytes <= BATCH
        };
        let batch: Vec<&str> = self
            .waiting
            .iter()
            .take(if self.again > 0 {
                self.again
            } else {
                self.size.max(1)
            })
            .take_while(fits)
            .map(String::as_str)
            .collect();
        let call = self.repository.call(&batch);
        let records = batch.len();
        self.number = self.number.wrapping_add(1);
        self.sent = Some(Sent {
            number: self.number,
            records,
            until: now.saturating_add(self.longest()),
        });
        Some((self.number, call))
    }

    fn longest(&self) -> u64 {
        self.repository.timeout.saturating_add(MARGIN)
    }

    /// What an answer says of a batch; `None` where that is not under way. No answer at all is one, too.
    pub fn word(&self, number: u64, answer: Option<(u16, &[u8])>) -> Option<Word> {
        let sent = self.sent.filter(|sent| sent.number == number)?;
        Some(self.repository.format.word(sent.records, answer))
    }

    /// Takes what was said of a batch. That of an earlier batch says nothing of this one.
    pub fn answered(&mut self, number: u64, word: Word, now: u64) {
        let Some(sent) = self.sent.filter(|sent| sent.number == number) else {
            return;
        };
        self.sent = None;
        self.again = if word == Word::Failed {
            sent.records
        } else {
            0
        };
        match word {
            Word::Taken => {
                self.take(sent.records);
                self.size = self.size.saturating_mul(2).min(self.repository.batch);
                self.not_before = 0;
                self.pause = PAUSES.0;
                self.refused = 0;
            }
            // It will not be taken another time either. Which record is at fault is found by halves.
            Word::Refused if sent.records > 1 => {
                self.size = sent.records / 2;
                self.not_before = 0;
            }
            Word::Refused => {
                self.take(sent.records);
                self.lose();
                self.refused = self.refused.saturating_add(1);
                match self.refused < REFUSED {
                    true => self.not_before = 0,
                    false => self.rest(now),
                }
            }
            Word::Failed => self.rest(now),
        }
    }

    fn rest(&mut self, now: u64) {
        self.not_before = now.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
    }

    fn take(&mut self, records: usize) {
        for _ in 0..records {
            if let Some(record) = self.waiting.pop_front() {
                self.bytes = self.bytes.saturating_sub(held(&record));
            }
        }
    }
}

/// Bytes that a record takes in the queue.
fn held(record: &str) -> usize {
    record.len().saturating_add(size_of::<String>())
}

#[cfg(test)]
mod tests;
