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

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::remote::Call;

/// Where records go beside the access log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repository {
    /// The Envoy cluster.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// What is sent.
    pub format: Format,
    /// Records, or events, of one batch.
    pub batch: usize,
    /// Bytes of records that a worker keeps before the queue is full.
    pub queue: usize,
    /// What becomes of requests while it is.
    pub full: Full,
    /// How long an answer may take, in nanoseconds.
    pub timeout: u64,
}

/// What is sent to a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Transactions of FHIR AuditEvents, each by `PUT` under an id of its own.
    Events,
    /// The lines of the access log, as NDJSON.
    Records,
}

/// What becomes of requests while the queue is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// Their records go to the access log alone.
    AccessLog,
    /// They are refused, 503.
    Refuse,
}

/// The first pause after a failure, and the longest, in nanoseconds.
const PAUSES: (u64, u64) = (500_000_000, 30_000_000_000);

/// Added to the time an answer may take: one that has not come by then never will.
const MARGIN: u64 = 1_000_000_000;

/// The most bytes of a batch, unless its first record alone has more.
const BATCH: usize = 1 << 20;

/// What waits for a repository.
#[derive(Debug)]
pub struct Queue {
    repository: Rc<Repository>,
    waiting: VecDeque<String>,
    bytes: usize,
    /// How many go into the next batch.
    size: usize,
    sent: Option<Sent>,
    number: u64,
    /// No attempt before this, in nanoseconds since 1970.
    not_before: u64,
    pause: u64,
    lost: u64,
    /// How many of them nobody was told of.
    untold: u64,
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
            waiting: VecDeque::new(),
            bytes: 0,
            sent: None,
            number: 0,
            not_before: 0,
            pause: PAUSES.0,
            lost: 0,
            untold: 0,
        }
    }

    /// What is sent.
    pub fn format(&self) -> Format {
        self.repository.format
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

    fn lose(&mut self) {
        self.lost = self.lost.saturating_add(1);
        self.untold = self.untold.saturating_add(1);
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
            self.answered(sent.number, None, now);
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

    /// Takes the status with which a batch was answered; `None` where there was no answer. That of an earlier
    /// batch says nothing of this one.
    pub fn answered(&mut self, number: u64, status: Option<u16>, now: u64) {
        let Some(sent) = self.sent.filter(|sent| sent.number == number) else {
            return;
        };
        self.sent = None;
        match status {
            Some(200..300) => {
                self.take(sent.records);
                self.size = self.size.saturating_mul(2).min(self.repository.batch);
                self.not_before = 0;
                self.pause = PAUSES.0;
            }
            // It will not be taken another time either. Which record is at fault is found by halves.
            Some(400 | 413 | 422) if sent.records > 1 => {
                self.size = sent.records / 2;
                self.not_before = 0;
            }
            Some(400 | 413 | 422) => {
                self.take(sent.records);
                self.lose();
                self.not_before = 0;
            }
            _ => {
                self.not_before = now.saturating_add(self.pause);
                self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
            }
        }
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

impl Repository {
    fn call(&self, batch: &[&str]) -> Call {
        let (media_type, body) = match self.format {
            Format::Records => ("application/x-ndjson", batch.join("\n") + "\n"),
            Format::Events => ("application/fhir+json", transaction(batch)),
        };
        let key: [u8; 32] = Sha256::digest(body.as_bytes()).into();
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let field = |name: &'static str, value: &str| (Cow::Borrowed(name), value.to_owned());
        Call {
            cluster: self.cluster.clone(),
            headers: vec![
                field(":method", "POST"),
                field(":path", &self.path),
                field(":authority", &self.authority),
                field("content-type", media_type),
                field("idempotency-key", &key),
            ],
            body: body.into_bytes(),
            timeout: Duration::from_nanos(self.timeout),
        }
    }
}

/// A Bundle that puts each event under its id: all of them, or none.
fn transaction(events: &[&str]) -> String {
    let entry = |event: &&str| {
        let id = id(event);
        format!(r#"{{"resource":{event},"request":{{"method":"PUT","url":"AuditEvent/{id}"}}}}"#)
    };
    let entries: Vec<String> = events.iter().map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        entries.join(",")
    )
}

/// The id of an event of ours.
fn id(event: &str) -> &str {
    let after = event.split_once("\"id\":\"").map(|(_, rest)| rest);
    let id = after.and_then(|rest| rest.split('"').next());
    id.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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
        queue.answered(number + 1, Some(200), SECOND);
        assert!(queue.next(SECOND).is_none(), "another's answer");
        queue.answered(number, Some(200), SECOND);
        let (number, call) = queue.next(SECOND).expect("the rest");
        assert_eq!(lines(&call), ["record-4"]);
        queue.answered(number, Some(201), SECOND);
        assert!(queue.next(SECOND).is_none());
        assert_eq!((queue.bytes, queue.lost()), (0, 0));
    }

    #[test]
    fn what_fails_is_sent_again_in_the_same_words_and_later_each_time() {
        for status in [None, Some(500), Some(503), Some(429), Some(401), Some(302)] {
            let mut queue = filled(Full::Refuse, 3);
            let mut now = SECOND;
            let mut first: Option<Call> = None;
            for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
                let (number, call) = queue.next(now).expect("a batch");
                let same = first.get_or_insert_with(|| call.clone());
                assert!(*same == call, "{status:?}");
                queue.answered(number, status, now);
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
        queue.answered(number, Some(200), 5 * SECOND);
        assert_eq!(queue.waiting.len(), 1, "an answer too late");
        queue.answered(again, Some(200), 5 * SECOND);
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
        queue.answered(number, None, 1000 * SECOND);
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
                queue.answered(number, Some(if bad { status } else { 200 }), SECOND);
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
    fn events_go_by_transaction_under_their_ids() {
        let mut queue = queue(Format::Events, Full::Refuse);
        for id in ["a1", "b2"] {
            queue.push(format!(r#"{{"id":"{id}","resourceType":"AuditEvent"}}"#));
        }
        let (_, call) = queue.next(SECOND).expect("a batch");
        let bundle: Value = serde_json::from_slice(&call.body).expect("JSON");
        assert_eq!(bundle["type"], "transaction");
        for (place, id) in ["a1", "b2"].into_iter().enumerate() {
            let entry = &bundle["entry"][place];
            assert_eq!(entry["request"]["method"], "PUT");
            assert_eq!(entry["request"]["url"], format!("AuditEvent/{id}"));
            assert_eq!(entry["resource"]["id"], id);
        }
    }
}
