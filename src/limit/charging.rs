//! The state machine that charges the limits of one exchange.

use super::global::{Descriptor, Question};
use super::key::{Caller, Limit};
use super::quota::seconds_until;
use super::settling::Owed;
use super::slip::Slip;
use crate::identity::MacKey;
use crate::shared::{Answer, Step, Work};

/// How often one slot is read before the exchange is refused.
const TRIES: u32 = 8;

/// Charges the limits of one exchange: all of them, or, but for a lost race, none.
///
/// All limits are read first; if any refuses, nobody is charged. Then they are written in order,
/// each by compare-and-swap; a conflict reads that limit again, at most 8 times. If it refuses
/// then, the limits written before stay charged: giving back would need a second race. Use it so:
/// carry out its steps as [`Work`] says, until the step is [`Step::Done`].
pub struct Charging {
    now: u64,
    slips: Vec<Slip>,
    question: Question,
    phase: Phase,
    /// The bytes of the write that is under way.
    value: Vec<u8>,
    verdict: Verdict,
}

/// What one limit is charged for.
#[derive(Clone, Copy)]
pub struct Charge<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// Whose bucket it is.
    pub caller: Caller<'a>,
    /// How much: 1 for a request, unless the limit says otherwise.
    pub count: u32,
    /// Whether the caller has what the limit gives to those who go first.
    pub priority: bool,
}

/// The outcome.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Whether the exchange may go on.
    pub allowed: bool,
    /// The limit that refused, by its index; of several the one to wait longest for.
    pub refused_by: Option<usize>,
    /// On a refusal the seconds after which all limits admit the caller if it does not ask before,
    /// rounded up, at least 1; otherwise 0.
    pub retry_after_seconds: u64,
    /// The state of each charge, in their order. Where `contended`, what remains is not known: it says
    /// only which limits there are.
    pub remaining: Vec<Remaining>,
    /// Refused because shared data failed or stayed contended, not because of a quota.
    pub contended: bool,
}

/// What is left of one limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remaining {
    /// The limit's name.
    pub name: String,
    /// Requests that would be admitted now, at most `burst`.
    pub remaining: u32,
    /// Seconds, rounded up, until the bucket is full; where it refused, until it admits again.
    pub reset_seconds: u64,
    /// The most requests at once.
    pub burst: u32,
    /// Seconds from empty to full; 0 where requests are counted that are under way.
    pub window_seconds: u64,
    /// Whether requests are counted that are under way at once.
    pub concurrent: bool,
    /// Whether different patients are counted.
    pub patients: bool,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Reading this limit; all before it are read.
    Reading(usize),
    /// Reading this limit again after a conflict; all before it are charged.
    Rereading(usize),
    /// Writing this limit; all before it are charged.
    Writing(usize),
    /// Refused; writing the mended slot of this limit.
    Mending(usize),
    Done,
}

impl Charging {
    /// Begins to charge all of these for one exchange at `now`, in nanoseconds since 1970. Without any it
    /// is done at once, and allowed.
    pub fn new<'l>(charges: impl IntoIterator<Item = Charge<'l>>, now: u64) -> Charging {
        Charging::with_key(charges, now, None)
    }

    /// The same, where this key hashes who somebody is for the server of global limits.
    pub fn with_key<'l>(
        charges: impl IntoIterator<Item = Charge<'l>>,
        now: u64,
        key: Option<&MacKey>,
    ) -> Charging {
        let (mut slips, mut descriptors) = (Vec::new(), Vec::new());
        for (place, charge) in charges.into_iter().enumerate() {
            let descriptor = Descriptor::of(&charge, key);
            descriptors.extend(descriptor.map(|one| (place, one)));
            slips.push(Slip::new(&charge));
        }
        Charging {
            now,
            question: Question::new(descriptors),
            phase: match slips.as_slice() {
                [] => Phase::Done,
                _ => Phase::Reading(0),
            },
            slips,
            value: Vec::new(),
            verdict: Verdict {
                allowed: true,
                refused_by: None,
                retry_after_seconds: 0,
                remaining: Vec::new(),
                contended: false,
            },
        }
    }
}

impl Charging {
    /// What is to be done when the answer has ended: answers to be charged, leases to be given back.
    pub fn owed(&self) -> Vec<Owed> {
        self.slips.iter().filter_map(Slip::owed).collect()
    }

    /// What is to be asked of the server of global limits, once all here admit; it is given away.
    pub fn question(&mut self) -> Question {
        std::mem::take(&mut self.question)
    }

    /// What is to be given back where somebody else refuses what was charged here.
    pub fn refunds(&self) -> Vec<Owed> {
        let charged = self.slips.iter();
        charged.filter_map(|slip| slip.refund(self.now)).collect()
    }

    /// The limits that would have refused, had the caller no priority; by name, each once.
    pub fn borrowed(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for slip in self.slips.iter().filter(|slip| slip.borrowed()) {
            if !names.iter().any(|name| name == slip.name()) {
                names.push(slip.name().to_owned());
            }
        }
        names
    }
}

impl Work for Charging {
    type Outcome = Verdict;

    fn step(&self) -> Step<'_, Verdict> {
        let (index, write) = match self.phase {
            Phase::Reading(index) | Phase::Rereading(index) => (index, false),
            Phase::Writing(index) | Phase::Mending(index) => (index, true),
            Phase::Done => return Step::Done(self.verdict.clone()),
        };
        match self.slips.get(index) {
            Some(slip) if write => Step::Write {
                key: &slip.place.key,
                value: &self.value,
                version: slip.version,
            },
            Some(slip) => Step::Read {
                key: &slip.place.key,
            },
            None => Step::Done(self.contention(index)),
        }
    }

    fn answer(&mut self, answer: Answer) {
        match (self.phase, answer) {
            (Phase::Done, _) => {}
            // Whether a mended slot could be stored changes nothing: the next read mends again.
            (Phase::Mending(index), _) => self.mend(index + 1),
            (Phase::Reading(index), Answer::Value { bytes, version }) => {
                self.read(index, bytes, version);
                self.read_next(index);
            }
            (Phase::Rereading(index), Answer::Value { bytes, version }) => {
                self.read(index, bytes, version);
                self.decide(index);
            }
            (Phase::Writing(index), Answer::Written) => {
                self.charged(index);
                self.write(index + 1);
            }
            (Phase::Writing(index), Answer::Conflict) => {
                let tries = self.slips.get(index).map_or(TRIES, |slip| slip.tries);
                if tries < TRIES {
                    self.phase = Phase::Rereading(index);
                } else {
                    self.fail(index);
                }
            }
            (Phase::Reading(index) | Phase::Rereading(index) | Phase::Writing(index), _) => {
                self.fail(index)
            }
        }
    }
}

impl Charging {
    fn read(&mut self, index: usize, bytes: Option<Vec<u8>>, version: Option<u32>) {
        let now = self.now;
        if let Some(slip) = self.slips.get_mut(index) {
            slip.read(bytes, version, now);
        }
    }

    fn read_next(&mut self, index: usize) {
        self.phase = Phase::Reading(index + 1);
        if index + 1 == self.slips.len() {
            self.decide(0);
        }
    }

    /// What is known of this limit cannot be read or written: refuses, but whom it never refuses.
    fn fail(&mut self, index: usize) {
        let passes = self.slips.get_mut(index).map(Slip::pass_uncounted);
        match (passes, self.phase) {
            (Some(true), Phase::Reading(_)) => self.read_next(index),
            (Some(true), _) => self.write(index + 1),
            _ => self.finish(self.contention(index)),
        }
    }

    /// Refuses if any limit that is not charged yet does; otherwise writes from `index` on.
    fn decide(&mut self, index: usize) {
        let mut longest: Option<(usize, u64)> = None;
        for (index, slip) in self.slips.iter().enumerate() {
            if let Some(until) = slip.refused_until(self.now)
                && longest.is_none_or(|(_, instant)| instant < until)
            {
                longest = Some((index, until));
            }
        }
        let Some((refused_by, until)) = longest else {
            return self.write(index);
        };
        self.verdict = Verdict {
            allowed: false,
            refused_by: Some(refused_by),
            retry_after_seconds: seconds_until(until, self.now).max(1),
            remaining: self.remaining(),
            contended: false,
        };
        self.mend(0);
    }

    /// Writes the charge of this limit, or allows if it was the last.
    fn write(&mut self, index: usize) {
        let now = self.now;
        let Some(slip) = self.slips.get_mut(index) else {
            let verdict = Verdict {
                remaining: self.remaining(),
                ..self.verdict.clone()
            };
            return self.finish(verdict);
        };
        match slip.charge(now) {
            Some(bytes) => {
                self.value = bytes;
                self.phase = Phase::Writing(index);
            }
            None if slip.passes_unwritten(now) || slip.pass_uncounted() => self.write(index + 1),
            // `decide` has looked before; only refusing is safe where both disagree.
            None => self.finish(self.contention(index)),
        }
    }

    fn charged(&mut self, index: usize) {
        let now = self.now;
        if let Some(slip) = self.slips.get_mut(index) {
            slip.charged(now);
        }
    }

    /// Writes the next mended slot that no charge has stored, from `index` on.
    fn mend(&mut self, index: usize) {
        let rest = self.slips.iter().enumerate().skip(index);
        let mut mended = rest.filter_map(|(index, slip)| Some((index, slip.mended()?)));
        match mended.next() {
            Some((index, bytes)) => {
                self.value = bytes;
                self.phase = Phase::Mending(index);
            }
            None => self.phase = Phase::Done,
        }
    }

    fn finish(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.phase = Phase::Done;
    }

    fn contention(&self, index: usize) -> Verdict {
        Verdict {
            allowed: false,
            refused_by: Some(index),
            retry_after_seconds: 1,
            remaining: self.remaining(),
            contended: true,
        }
    }

    fn remaining(&self) -> Vec<Remaining> {
        let slips = self.slips.iter();
        slips.map(|slip| slip.remaining(self.now)).collect()
    }
}
