//! Shared values of fetched documents that nobody here wrote, and a host that answers anything.

use std::collections::BTreeMap;

use fhir_guard::remote::{Looked, Replica, Source};
use fhir_guard::shared::{Answer, Step, Work};

use crate::input::Input;

const SECOND: u64 = 1_000_000_000;

/// The time at which everything begins, in nanoseconds since 1970.
const START: u64 = 1_700_000_000 * SECOND;

/// What the shared data holds: the bytes of every key, with their version.
#[derive(Clone, Default)]
struct Map(BTreeMap<String, (Vec<u8>, u32)>);

/// What stands in both keys, with times that may be near; then what a host answers. Says whether a document
/// was found there.
///
/// # Panics
/// Where a work does not end within its bounds, a document is too long or of the future, a fetch is made
/// that the state forbids, or what stood there outlives the next fetch.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let asked = input.byte();
    let (state, document) = (input.chunk(), input.chunk());
    let mut map = Map::default();
    let mut worker = replica();
    // Looking writes the state, and storing the document: so the names of both are known.
    let looked = map.look(&mut worker, START);
    assert!(looked.fetch, "nothing is there");
    worker.take(worker.attempt());
    map.all(worker.store(b"x", START), (16, 16));
    assert_eq!(map.0.len(), 2);
    for (name, (value, _)) in &mut map.0 {
        let (mark, bytes) = match name.ends_with(".state") {
            true => (b"FGR\x01", state),
            false => (b"FGD\x01", document),
        };
        *value = place(mark, bytes);
    }

    let now = START + 10 * SECOND;
    let mut worker = replica();
    if asked & 1 == 1 {
        worker.ask(now);
    }
    let looked = map.look(&mut worker, now);
    if let Some((fetched, text)) = &looked.document {
        assert!(text.len() <= source().limit && *fetched <= now + SECOND && *fetched > 0);
        match asked & 2 {
            0 => worker.take(*fetched),
            _ => worker.refuse(*fetched),
        }
    }
    let found = looked.document.is_some();
    let again = map.look(&mut worker, now);
    assert!(!looked.fetch || !again.fetch, "twice at one time");
    assert!(
        map.look(&mut worker, now + 1).document.is_none(),
        "read twice"
    );

    // Whatever stood there: in a while somebody fetches, and everybody has it. A time that is written there
    // comes once, and puts it off once; there are three.
    let mut other = replica();
    let mut times = (1..6).map(|round| now + round * (source().refresh + 10 * SECOND));
    let later = times.find(|time| {
        let looked = map.look(&mut other, *time);
        if let Some((fetched, _)) = &looked.document {
            other.take(*fetched);
        }
        looked.fetch
    });
    let later = later.expect("somebody fetches it");
    other.take(other.attempt());
    assert!(
        map.all(other.store(b"good", later), (16, 16)),
        "nobody else was there"
    );
    let looked = map.look(&mut worker, later);
    assert_eq!(looked.document, Some((later, b"good".to_vec())));
    lies(&mut input);
    found
}

fn source() -> Source {
    Source {
        cluster: "as".to_owned(),
        authority: "as.example.org".to_owned(),
        path: "/jwks".to_owned(),
        refresh: 60 * SECOND,
        max_age: 600 * SECOND,
        cooldown: 5 * SECOND,
        timeout: 2 * SECOND,
        limit: 64,
    }
}

fn replica() -> Replica {
    Replica::new(source(), "fuzz")
}

/// Bytes as they are, or a value that would be read: times are distances from now.
fn place(mark: &[u8; 4], bytes: &[u8]) -> Vec<u8> {
    let mut input = Input(bytes);
    if input.byte() & 1 == 0 {
        return input.0.to_vec();
    }
    let mut value = mark.to_vec();
    let times = if mark == b"FGR\x01" { 2 } else { 1 };
    for _ in 0..times {
        let time = match input.byte() % 4 {
            0 => 0,
            1 => START - u64::from(input.long()),
            2 => START + u64::from(input.short()) * (SECOND / 1000),
            _ => u64::from(input.long()) << 32 | u64::from(input.long()),
        };
        value.extend(time.to_be_bytes());
    }
    value.extend(input.0);
    value
}

impl Map {
    fn look(&mut self, worker: &mut Replica, now: u64) -> Looked {
        let looked = self.all(worker.look(now), (2, 1));
        worker.looked(&looked);
        looked
    }

    /// All of a work alone, with at most so many reads and writes.
    fn all<W: Work>(&mut self, mut work: W, (mut reads, mut writes): (usize, usize)) -> W::Outcome {
        loop {
            let answer = match work.step() {
                Step::Done(outcome) => return outcome,
                Step::Read { key } => {
                    reads = reads.checked_sub(1).expect("reading ends");
                    let (bytes, version) = self.0.get(key).cloned().unzip();
                    Answer::Value { bytes, version }
                }
                Step::Write {
                    key,
                    value,
                    version,
                } => {
                    writes = writes.checked_sub(1).expect("writing ends");
                    let known = self.0.get(key).map(|(_, version)| *version);
                    assert_eq!(known, version, "another version than was read");
                    let next = version.map_or(1, |version| version + 1);
                    self.0.insert(key.to_owned(), (value.to_vec(), next));
                    Answer::Written
                }
            };
            work.answer(answer);
        }
    }
}

/// A host that answers anything: every work ends, and only what was written gives a right.
fn lies(input: &mut Input<'_>) {
    let mut worker = replica();
    let looked = lied(worker.look(START), input, (2, 1));
    assert!(!looked.0.fetch || looked.1, "a right that nobody wrote");
    worker.looked(&looked.0);
    let stored = lied(worker.store(b"x", START), input, (16, 16));
    assert!(!stored.0 || stored.1, "stored, and never written");
}

/// The outcome, and whether anything was written.
fn lied<W: Work>(mut work: W, input: &mut Input<'_>, most: (usize, usize)) -> (W::Outcome, bool) {
    let mut written = false;
    for _ in 0..=most.0 + most.1 {
        let write = match work.step() {
            Step::Done(outcome) => return (outcome, written),
            Step::Read { .. } => false,
            Step::Write { .. } => true,
        };
        let answer = match input.byte() % 6 {
            0 => Answer::Written,
            1 => Answer::Conflict,
            2 => Answer::Failed,
            3 => Answer::Value {
                bytes: Some(place(b"FGR\x01", input.take(12))),
                version: Some(1),
            },
            _ if write => Answer::Written,
            _ => Answer::Value {
                bytes: None,
                version: None,
            },
        };
        written |= write && answer == Answer::Written;
        work.answer(answer);
    }
    panic!("a work does not end");
}
