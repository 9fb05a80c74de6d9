//! Records on their way to a repository: at least once, in order, from a queue with a bound.
//!
//! The queue is one worker's, in memory. A batch stays in it until the repository has said that it has it. What
//! fails is sent again, later each time; a repository that takes a batch and is not heard to say so gets it again,
//! and knows it by its `idempotency-key`, or by the ids of its events.
//!
//! # Bounds
//!
//! A queue holds [`Repository::queue`] bytes before it is full, and twice as many at most: exchanges that were
//! under way when it got full leave their records all the same. What comes beyond that goes to the access log alone,
//! and is counted. One batch is under way at a time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::batch::{BATCH, Format, Full, Repository, Word};
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
        }
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

    /// Whether requests are to be refused.
    pub fn refuses(&self) -> bool {
        self.repository.full == Full::Refuse && self.bytes >= self.repository.queue
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

    fn lose(&mut self) {
        self.lost = self.lost.saturating_add(1);
        self.untold = self.untold.saturating_add(1);
        self.uncounted = self.uncounted.saturating_add(1);
    }

    /// Adds a record, or an event; each is one JSON document on one line.
    pub fn push(&mut self, record: String) {
        let most = match self.repository.full {
            Full::AccessLog => self.repository.queue,
            Full::Refuse => self.repository.queue.saturating_mul(2),
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
            .take(self.size.max(1))
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
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn queue(format: Format, full: Full) -> Queue {
        Queue::new(Rc::new(Repository {
            cluster: "audit".to_owned(),
            authority: "audit.example.org".to_owned(),
            path: "/records".to_owned(),
            format,
            batch: 4,
            queue: 10 * held("record-0"),
            full,
            timeout: 2 * SECOND,
            strict: false,
        }))
    }

    fn filled(full: Full, records: usize) -> Queue {
        let mut queue = queue(Format::Records, full);
        for number in 0..records {
            queue.push(format!("record-{}", number % 10));
        }
        queue
    }

    fn lines(call: &Call) -> Vec<String> {
        let text = std::str::from_utf8(&call.body).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_acknowledged_is_gone_and_nothing_else() {
        let mut queue = filled(Full::Refuse, 5);
        let (number, call) = queue.next(SECOND).expect("a batch");
        assert_eq!(lines(&call).len(), 4);
        assert!(queue.next(SECOND).is_none(), "one at a time");
        queue.answered(number + 1, Word::Taken, SECOND);
        assert!(queue.next(SECOND).is_none(), "another's answer");
        queue.answered(number, Word::Taken, SECOND);
        let (number, call) = queue.next(SECOND).expect("the rest");
        assert_eq!(lines(&call), ["record-4"]);
        queue.answered(number, Word::Taken, SECOND);
        assert!(queue.next(SECOND).is_none());
        assert_eq!((queue.bytes, queue.lost()), (0, 0));
    }

    #[test]
    fn what_fails_is_sent_again_in_the_same_words_and_later_each_time() {
        for status in [None, Some(500), Some(503), Some(429), Some(401), Some(302)] {
            let answer = status.map(|status| (status, &b""[..]));
            let mut queue = filled(Full::Refuse, 3);
            let mut now = SECOND;
            let mut first: Option<Call> = None;
            for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
                let (number, call) = queue.next(now).expect("a batch");
                let same = first.get_or_insert_with(|| call.clone());
                assert!(*same == call, "{status:?}");
                let word = queue.word(number, answer).expect("under way");
                queue.answered(number, word, now);
                now += pause * SECOND / 2;
                assert!(queue.next(now - 1).is_none(), "{status:?}: {pause}");
            }
            assert_eq!(queue.lost(), 0);
        }
    }

    #[test]
    fn a_batch_without_an_answer_is_over_after_a_while() {
        let mut queue = filled(Full::Refuse, 1);
        let (number, _) = queue.next(SECOND).expect("a batch");
        assert!(queue.next(4 * SECOND - 1).is_none());
        assert!(queue.next(4 * SECOND).is_none(), "it has failed");
        let (again, _) = queue.next(5 * SECOND).expect("the same");
        queue.answered(number, Word::Taken, 5 * SECOND);
        assert_eq!(queue.waiting.len(), 1, "an answer too late");
        queue.answered(again, Word::Taken, 5 * SECOND);
        assert_eq!(queue.waiting.len(), 0);
    }

    #[test]
    fn a_clock_that_steps_back_stops_nothing() {
        let mut queue = filled(Full::Refuse, 1);
        queue.next(1000 * SECOND).expect("a batch");
        assert!(queue.next(SECOND).is_none(), "it has failed");
        assert!(queue.next(2 * SECOND).is_some());
        let mut queue = filled(Full::Refuse, 1);
        let (number, _) = queue.next(1000 * SECOND).expect("a batch");
        queue.answered(number, Word::Failed, 1000 * SECOND);
        assert!(queue.next(SECOND).is_some());
    }

    #[test]
    fn a_record_that_is_refused_stops_no_other() {
        for status in [400, 413, 422] {
            let mut queue = filled(Full::Refuse, 6);
            let mut taken = Vec::new();
            for _ in 0..32 {
                let Some((number, call)) = queue.next(SECOND) else {
                    break;
                };
                let bad = lines(&call).contains(&"record-2".to_owned());
                if !bad {
                    taken.extend(lines(&call));
                }
                let status = if bad { status } else { 200 };
                let word = queue.word(number, Some((status, b""))).expect("under way");
                queue.answered(number, word, SECOND);
            }
            let expected = ["record-0", "record-1", "record-3", "record-4", "record-5"];
            assert_eq!(taken, expected, "{status}");
            assert_eq!(queue.lost(), 1);
        }
    }

    #[test]
    fn a_full_queue_refuses_or_leaves_it_to_the_access_log() {
        for (name, full, records, refuses, kept) in [
            ("below", Full::Refuse, 9, false, 9),
            ("full", Full::Refuse, 10, true, 10),
            ("those under way", Full::Refuse, 20, true, 20),
            ("beyond them", Full::Refuse, 21, true, 20),
            ("full, not refused", Full::AccessLog, 10, false, 10),
            ("beyond, not refused", Full::AccessLog, 11, false, 10),
        ] {
            let queue = filled(full, records);
            assert_eq!(queue.refuses(), refuses, "{name}");
            assert_eq!(queue.waiting.len(), kept, "{name}");
            assert_eq!(queue.lost(), (records - kept) as u64, "{name}");
        }
    }

    #[test]
    fn one_that_refuses_everything_does_not_get_all_at_once() {
        let mut queue = Queue::new(Rc::new(Repository {
            queue: 1 << 20,
            batch: 8,
            ..(*filled(Full::Refuse, 0).repository).clone()
        }));
        let all = 4 * REFUSED;
        for number in 0..all {
            queue.push(format!("record-{}", number % 10));
        }
        let mut refuse = |now: u64| {
            for _ in 0..200 {
                let Some((number, _)) = queue.next(now) else {
                    break;
                };
                queue.answered(number, Word::Refused, now);
            }
            queue.lost()
        };
        assert_eq!(refuse(SECOND), u64::from(REFUSED));
        assert_eq!(refuse(SECOND), u64::from(REFUSED), "a pause");
        assert_eq!(refuse(2 * SECOND), u64::from(REFUSED) + 1, "one more");
        let (number, _) = queue.next(60 * SECOND).expect("one");
        queue.answered(number, Word::Taken, 60 * SECOND);
        assert_eq!(queue.refused, 0, "it takes some");
        let news = queue.news();
        assert_eq!((news.0, news.1), (queue.bytes, u64::from(REFUSED) + 1));
        assert_eq!(queue.news().1, 0, "counted once");
    }
}
