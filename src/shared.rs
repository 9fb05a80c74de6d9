//! Work on the proxy's shared data, as values in and values out.
//!
//! Shared data is one map of the whole proxy, without expiry or deletion, that other workers (and,
//! without a `vm_id` of our own, other plugins) write to at any time. So every key is one of a fixed
//! number, every value is checked as if a stranger had written it, and every write is a
//! compare-and-swap. A [`Work`] says which key to read or write next; the shell carries that out and
//! answers, until the work is done. The number of rounds is bounded by each work itself.

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
