//! Work on the proxy's shared data, as values in and values out.
//!
//! Shared data is one map of the whole proxy, without expiry or deletion, that other workers (and,
//! without a `vm_id` of our own, other plugins) write to at any time. So every key is one of a fixed
//! number, every value is checked as if a stranger had written it, and every write is a
//! compare-and-swap. A [`Work`] says which key to read or write next; the shell carries that out and
//! answers, until the work is done. The number of rounds is bounded by each work itself; most are one [`Swap`].

use std::borrow::Cow;

/// Something to be done with shared data.
pub trait Work {
    /// What is known when it is done.
    type Outcome;

    /// What to do next; the same until it is answered.
    fn step(&self) -> Step<'_, Self::Outcome>;

    /// Goes on with what came of the step. An answer that does not fit the step counts as
    /// [`Answer::Failed`]; once done, answers are ignored.
    fn answer(&mut self, answer: Answer);
}

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step<'a, T> {
    /// Read this key of the shared data.
    Read {
        /// The key.
        key: &'a str,
    },
    /// Write this key by compare-and-swap.
    Write {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a [u8],
        /// The version that must still be there; `None`: create the key only if it is absent.
        version: Option<u32>,
    },
    /// Nothing more; the outcome.
    Done(T),
}

impl<'a, T> Step<'a, T> {
    /// The outcome, or the step as that of a work of which this is a part.
    ///
    /// # Errors
    /// It is not done.
    pub fn outcome<U>(self) -> Result<T, Step<'a, U>> {
        match self {
            Step::Done(outcome) => Ok(outcome),
            Step::Read { key } => Err(Step::Read { key }),
            Step::Write {
                key,
                value,
                version,
            } => Err(Step::Write {
                key,
                value,
                version,
            }),
        }
    }
}

/// What came of a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// What a read found. Only a key that was never written has neither bytes nor version: with a
    /// version, absent bytes are an emptied value, which is damage.
    Value {
        /// The value.
        bytes: Option<Vec<u8>>,
        /// Its version for compare-and-swap.
        version: Option<u32>,
    },
    /// The write took place.
    Written,
    /// The write did not take place: another worker was faster.
    Conflict,
    /// Shared data could not be used.
    Failed,
}

/// How often a [`Swap`] reads its key before it gives up.
pub const TRIES: u32 = 8;

/// One key that is read and, where something is to change, written by compare-and-swap; again where another worker
/// was faster, at most [`TRIES`] times.
#[derive(Debug)]
pub struct Swap<T> {
    rounds: Rounds,
    /// What came of the value that was read last.
    outcome: Option<T>,
}

/// How a [`Swap`] has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Swapped<T> {
    /// What came of it stands in shared data, or needs nothing there.
    Stored(T),
    /// What came of it, made of what was read last; it could not be written.
    Unstored(T),
    /// Nothing could be read.
    Unread,
}

impl<T> Swap<T> {
    /// Work on this key.
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Swap {
            rounds: Rounds {
                key: key.into(),
                tries: 0,
                phase: Phase::Read,
            },
            outcome: None,
        }
    }

    /// What to do next.
    pub fn step(&self) -> Step<'_, Swapped<&T>> {
        let stored = match self.rounds.step().outcome() {
            Ok(stored) => stored,
            Err(step) => return step,
        };
        Step::Done(match &self.outcome {
            Some(outcome) if stored => Swapped::Stored(outcome),
            Some(outcome) => Swapped::Unstored(outcome),
            None => Swapped::Unread,
        })
    }

    /// Takes the answer to the step. `change` says what becomes of the bytes that were read, none where there is
    /// no value: what comes of it, and the value to write, if one is to be.
    pub fn answer(&mut self, answer: Answer, change: impl FnOnce(Vec<u8>) -> (T, Option<Vec<u8>>)) {
        match self.rounds.answer(answer) {
            Found::Value(bytes, version) => {
                let (outcome, value) = change(bytes);
                self.outcome = Some(outcome);
                self.rounds.phase = match value {
                    Some(value) => Phase::Write(value, version),
                    None => Phase::Done(true),
                };
            }
            Found::Nothing => self.outcome = None,
            Found::Ended => {}
        }
    }
}

impl<T> Swapped<T> {
    /// What came of it, stored or not.
    pub fn outcome(self) -> Option<T> {
        match self {
            Swapped::Stored(outcome) | Swapped::Unstored(outcome) => Some(outcome),
            Swapped::Unread => None,
        }
    }

    /// What came of it, where it is stored.
    pub fn stored(self) -> Option<T> {
        match self {
            Swapped::Stored(outcome) => Some(outcome),
            Swapped::Unstored(_) | Swapped::Unread => None,
        }
    }
}

/// The rounds of a [`Swap`], whatever comes of it.
#[derive(Debug)]
struct Rounds {
    key: Cow<'static, str>,
    tries: u32,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Read,
    /// To be written over this version.
    Write(Vec<u8>, Option<u32>),
    /// Whether what came of it is stored.
    Done(bool),
}

/// What an answer was.
enum Found {
    /// What was read, and its version.
    Value(Vec<u8>, Option<u32>),
    /// Nothing could be read, or it is to be read again.
    Nothing,
    /// That of a write, or of nothing.
    Ended,
}

impl Rounds {
    fn step(&self) -> Step<'_, bool> {
        match &self.phase {
            Phase::Read => Step::Read { key: &self.key },
            Phase::Write(value, version) => Step::Write {
                key: &self.key,
                value,
                version: *version,
            },
            Phase::Done(stored) => Step::Done(*stored),
        }
    }

    fn answer(&mut self, answer: Answer) -> Found {
        let (phase, found) = match (&self.phase, answer) {
            (Phase::Done(_), _) => return Found::Ended,
            (Phase::Read, Answer::Value { bytes, version }) => {
                self.tries += 1;
                return Found::Value(bytes.unwrap_or_default(), version);
            }
            (Phase::Read, _) => (Phase::Done(false), Found::Nothing),
            (Phase::Write(..), Answer::Written) => (Phase::Done(true), Found::Ended),
            (Phase::Write(..), Answer::Conflict) if self.tries < TRIES => {
                (Phase::Read, Found::Nothing)
            }
            (Phase::Write(..), _) => (Phase::Done(false), Found::Ended),
        };
        self.phase = phase;
        found
    }
}

/// The key of a table's slot: what all keys of the table begin with, and the last three hexadecimal digits of a
/// number.
pub fn slot_key(prefix: &str, number: u16) -> String {
    let mut key = String::with_capacity(prefix.len() + 3);
    key.push_str(prefix);
    for shift in [8, 4, 0] {
        key.extend(char::from_digit(u32::from(number >> shift & 0xf), 16));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one finds who adds a byte to the value, and how often it was read.
    fn add(answers: &[Answer]) -> (Swapped<usize>, u32) {
        let mut answers = answers.iter().cloned();
        let mut swap = Swap::new("key");
        let mut reads = 0;
        loop {
            match swap.step() {
                Step::Done(Swapped::Stored(found)) => return (Swapped::Stored(*found), reads),
                Step::Done(Swapped::Unstored(found)) => {
                    return (Swapped::Unstored(*found), reads);
                }
                Step::Done(Swapped::Unread) => return (Swapped::Unread, reads),
                Step::Read { key } => {
                    assert_eq!(key, "key");
                    reads += 1;
                }
                Step::Write { .. } => {}
            }
            swap.answer(answers.next().expect("an answer"), |mut bytes| {
                bytes.push(0);
                (bytes.len(), (bytes.len() < 4).then_some(bytes))
            });
        }
    }

    #[test]
    fn a_swap_says_how_it_ended() {
        fn check(name: &str, answers: &[Answer], expected: Swapped<usize>, reads: u32) {
            assert_eq!(add(answers), (expected, reads), "{name}");
        }
        let found = |length: usize| Answer::Value {
            bytes: Some(vec![0; length]),
            version: Some(7),
        };
        let none = Answer::Value {
            bytes: None,
            version: None,
        };
        let race = |rounds| vec![[found(1), Answer::Conflict]; rounds].concat();
        check("new", &[none, Answer::Written], Swapped::Stored(1), 1);
        check(
            "written",
            &[found(2), Answer::Written],
            Swapped::Stored(3),
            1,
        );
        check("nothing to write", &[found(3)], Swapped::Stored(4), 1);
        check("not read", &[Answer::Failed], Swapped::Unread, 1);
        check("no such answer", &[Answer::Written], Swapped::Unread, 1);
        check(
            "not written",
            &[found(1), Answer::Failed],
            Swapped::Unstored(2),
            1,
        );
        let won = [race(7), vec![found(1), Answer::Written]].concat();
        check("written at last", &won, Swapped::Stored(2), 8);
        check("never fast enough", &race(8), Swapped::Unstored(2), 8);
        let lost = [race(1), vec![Answer::Failed]].concat();
        check("not read again", &lost, Swapped::Unread, 2);
    }

    #[test]
    fn keys_of_slots_have_three_digits() {
        for (number, key) in [
            (0, "a.000"),
            (0x1f, "a.01f"),
            (0xfff, "a.fff"),
            (0xf123, "a.123"),
        ] {
            assert_eq!(slot_key("a.", number), key);
        }
    }
}
