//! Several workers over one simulated map.

use std::collections::HashMap;
use std::time::Duration;

use super::state::{State, read_document, write_document};
use super::*;
use crate::shared::{Answer, Step, Work};

mod damage;
mod look;
mod race;
mod source;

const SECOND: u64 = 1_000_000_000;

const START: u64 = 1_700_000_000 * SECOND;

/// Shared data as the proxy keeps it: versions of one global counter.
#[derive(Default)]
struct Map {
    values: HashMap<String, (Vec<u8>, u32)>,
    counter: u32,
    reads: usize,
    writes: usize,
}

impl Map {
    /// What comes of a step; `None` where the work is done.
    fn carry_out<T>(&mut self, step: &Step<'_, T>) -> Option<Answer> {
        match step {
            Step::Read { key } => {
                self.reads += 1;
                let (bytes, version) = self.values.get(*key).cloned().unzip();
                Some(Answer::Value { bytes, version })
            }
            Step::Write {
                key,
                value,
                version,
            } => {
                self.writes += 1;
                let current = self.values.get(*key).map(|(_, version)| *version);
                if current != *version {
                    return Some(Answer::Conflict);
                }
                self.set(key, value);
                Some(Answer::Written)
            }
            Step::Done(_) => None,
        }
    }

    fn set(&mut self, key: &str, value: &[u8]) {
        self.counter += 1;
        let value = (value.to_vec(), self.counter);
        self.values.insert(key.to_owned(), value);
    }

    /// All of a work, without any other worker.
    fn all<W: Work>(&mut self, mut work: W) -> W::Outcome {
        loop {
            let answer = match work.step() {
                Step::Done(outcome) => return outcome,
                step => self.carry_out(&step).unwrap(),
            };
            work.answer(answer);
        }
    }

    /// One look, noted.
    fn look(&mut self, replica: &mut Replica, now: u64) -> Looked {
        let looked = self.all(replica.look(now));
        replica.looked(&looked);
        looked
    }

    /// The same, and what is new is taken.
    fn take(&mut self, replica: &mut Replica, now: u64) -> Looked {
        let looked = self.look(replica, now);
        if let Some((fetched, _)) = &looked.document {
            replica.take(*fetched);
        }
        looked
    }

    /// A fetch that succeeds, and is handed to the others.
    fn fetch(&mut self, replica: &mut Replica, document: &[u8], now: u64) {
        assert!(self.take(replica, now).fetch, "it is to be fetched");
        replica.take(replica.attempt());
        assert!(self.all(replica.store(document, now)));
    }

    fn key(&self, end: &str) -> String {
        let mut keys = self.values.keys().filter(|key| key.ends_with(end));
        keys.next().expect("it was written").clone()
    }

    fn state(&self, now: u64) -> State {
        State::read(&self.values[&self.key(".state")].0, now)
    }
}

/// Refreshed after 5 minutes, used for an hour, cooled down for 10 seconds, asked for 2.
fn source() -> Source {
    Source {
        cluster: "as".to_owned(),
        authority: "as.example.org".to_owned(),
        path: "/jwks".to_owned(),
        refresh: 300 * SECOND,
        max_age: 3600 * SECOND,
        cooldown: 10 * SECOND,
        timeout: 2 * SECOND,
        limit: 64,
    }
}

fn replica() -> Replica {
    Replica::new(source(), "a")
}

/// A small linear congruential generator (Knuth, MMIX); its high bits are good enough here.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
