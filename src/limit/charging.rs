//! The state machine that charges the limits of one exchange.

use super::global::{Descriptor, Question};
use super::key::{Caller, Limit};
use super::place::{Places, SlotNumber};
use super::quota::seconds_until;
use super::settling::Owed;
use super::slip::{Charged, Slip};
use super::slot::Slot;
use crate::identity::MacKey;
use crate::shared::{Answer, Step, Work};

/// How often one slot is read before the exchange is refused.
const TRIES: u32 = 8;

/// Charges the limits of one exchange: all of them, or, but for a lost race, none.
///
/// All slots are read first; if any limit refuses, nobody is charged. Then they are written in order,
/// each by compare-and-swap; a conflict reads that slot again, at most 8 times. If a limit refuses
/// then, those written before stay charged: giving back would need a second race. Limits by the same key
/// have one slot, and are charged together or not at all. Use it so: carry out its steps as [`Work`]
/// says, until the step is [`Step::Done`].
pub struct Charging {
    now: u64,
    slips: Vec<Slip>,
    /// The slots of all slips, each once.
    pages: Vec<Page>,
    question: Question,
    phase: Phase,
    end: End,
}

/// A slot, as it was read or is to be written.
struct Page {
    number: SlotNumber,
    key: String,
    slot: Slot,
    version: Option<u32>,
    tries: u32,
    /// What is to be written; before that, what was read.
    value: Vec<u8>,
    /// It was written, or had not to be.
    done: bool,
}

/// How it ended.
#[derive(Clone, Copy)]
struct End {
    refused_by: Option<usize>,
    retry_after_seconds: u64,
    contended: bool,
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

/// Numbers are those of slots.
#[derive(Clone, Copy)]
enum Phase {
    /// Reading this slot; all before it are read.
    Reading(usize),
    /// Reading this slot again after a conflict; all before it are charged.
    Rereading(usize),
    /// Writing this slot; all before it are charged.
    Writing(usize),
    /// Refused; writing this mended slot.
    Mending(usize),
    Done,
}

impl Charging {
    /// Begins to charge all of these for one exchange at `now`, in nanoseconds since 1970. Without any it
    /// is done at once, and allowed; at 0, where the host has no time, it is refused as where shared data fails.
    pub fn new<'l>(charges: impl IntoIterator<Item = Charge<'l>>, now: u64) -> Charging {
        Charging::with_key(charges, now, None)
    }

    /// The same, where this key hashes who somebody is for the server of global limits.
    pub fn with_key<'l>(
        charges: impl IntoIterator<Item = Charge<'l>>,
        now: u64,
        key: Option<&MacKey>,
    ) -> Charging {
        let (mut slips, mut pages) = (Vec::new(), Vec::<Page>::new());
        let mut descriptors = Vec::new();
        let mut places = None;
        for (number, charge) in charges.into_iter().enumerate() {
            let places = places.get_or_insert_with(Places::new);
            let place = places.of(charge.limit, &charge.caller);
            if !pages.iter().any(|page| page.number == place.slot) {
                pages.push(Page::new(place.slot));
            }
            let descriptor = Descriptor::of(&charge, key);
            descriptors.extend(descriptor.map(|one| (number, one)));
            slips.push(Slip::new(&charge, place));
        }
        Charging {
            now,
            question: Question::new(descriptors),
            phase: match pages.as_slice() {
                // Without a clock every bucket would be mended, and full again when there is one.
                [_, ..] if now != 0 => Phase::Reading(0),
                _ => Phase::Done,
            },
            end: match pages.as_slice() {
                [_, ..] if now == 0 => End {
                    refused_by: Some(0),
                    retry_after_seconds: 1,
                    contended: true,
                },
                _ => End {
                    refused_by: None,
                    retry_after_seconds: 0,
                    contended: false,
                },
            },
            slips,
            pages,
        }
    }
}

impl Page {
    fn new(number: SlotNumber) -> Page {
        Page {
            number,
            key: number.key(),
            slot: Slot::fresh(),
            version: None,
            tries: 0,
            value: Vec::new(),
            done: false,
        }
    }

    /// Takes what was read.
    fn read(&mut self, bytes: Option<Vec<u8>>, version: Option<u32>, now: u64) {
        self.slot = Slot::of(self.number.table, bytes.as_deref(), version, now);
        self.version = version;
        self.value = bytes.unwrap_or_default();
        self.tries += 1;
    }

    /// Makes what is to be written.
    fn write(&mut self) {
        self.value.clear();
        self.slot.write(&mut self.value);
    }
}

impl Charging {
    /// Tightens the limits so many times for this exchange, before anything is read; whether there was any to
    /// tighten. Whoever is refused then is told when he would be admitted, and one request always is, once
    /// the bucket is full.
    pub fn clamp(&mut self, by: u32) -> bool {
        let slips = self.slips.iter_mut();
        slips.fold(false, |any, slip| slip.clamp(by) | any)
    }

    /// Whether the caller goes first under any of the limits.
    pub fn goes_first(&self) -> bool {
        self.slips.iter().any(Slip::goes_first)
    }

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
        self.names(Slip::borrowed)
    }

    /// The limits that had no entry for this caller alone, because too many are busy in one slot; by name, each
    /// once. He was counted with others, or refused for want of room.
    pub fn crowded(&self) -> Vec<String> {
        self.names(Slip::crowded)
    }

    fn names(&self, which: impl Fn(&Slip) -> bool) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for slip in self.slips.iter().filter(|slip| which(slip)) {
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
            Phase::Done => return Step::Done(self.verdict(self.end)),
        };
        match self.pages.get(index) {
            Some(page) if write => Step::Write {
                key: &page.key,
                value: &page.value,
                version: page.version,
            },
            Some(page) => Step::Read { key: &page.key },
            // There is no such phase; only refusing is safe.
            None => Step::Done(self.verdict(End {
                refused_by: None,
                retry_after_seconds: 1,
                contended: true,
            })),
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
                self.done(index);
                self.write(index + 1);
            }
            (Phase::Writing(index), Answer::Conflict) => {
                let tries = self.pages.get(index).map_or(TRIES, |page| page.tries);
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
    /// The slips of this slot, with their numbers.
    fn of(&mut self, index: usize) -> impl Iterator<Item = (usize, &mut Slip)> {
        let number = self.pages.get(index).map(|page| page.number);
        let slips = self.slips.iter_mut().enumerate();
        slips.filter(move |(_, slip)| Some(slip.place.slot) == number)
    }

    fn read(&mut self, index: usize, bytes: Option<Vec<u8>>, version: Option<u32>) {
        let now = self.now;
        let Some(page) = self.pages.get_mut(index) else {
            return;
        };
        page.read(bytes, version, now);
        for slip in &mut self.slips {
            if slip.place.slot == page.number {
                slip.read(&mut page.slot, now);
            }
        }
    }

    fn read_next(&mut self, index: usize) {
        self.phase = Phase::Reading(index + 1);
        if index + 1 == self.pages.len() {
            self.decide(0);
        }
    }

    /// What is known of these limits cannot be read or written: refuses, but whom none of them refuses ever.
    fn fail(&mut self, index: usize) {
        let refusing = self.of(index).find_map(|(number, slip)| {
            // Each is asked: it is noted with those that let pass.
            (!slip.pass_uncounted()).then_some(number)
        });
        match (refusing, self.phase) {
            (Some(number), _) => self.contend(number),
            (None, Phase::Reading(_)) => self.read_next(index),
            (None, _) => self.write(index + 1),
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
        self.end = End {
            refused_by: Some(refused_by),
            retry_after_seconds: seconds_until(until, self.now).max(1),
            contended: false,
        };
        self.mend(0);
    }

    /// Writes the charges of the next slot that has some, from `index` on; allows if there is none.
    fn write(&mut self, index: usize) {
        let now = self.now;
        for (at, page) in self.pages.iter_mut().enumerate().skip(index) {
            let mut changed = page.slot.mended;
            let slips = self.slips.iter_mut().enumerate();
            for (number, slip) in slips.filter(|(_, slip)| slip.place.slot == page.number) {
                match slip.charge(&mut page.slot, now) {
                    Charged::Changed => changed = true,
                    Charged::Unchanged => {}
                    // `decide` has looked before, at each by itself; only refusing is safe.
                    Charged::Refused => return self.contend(number),
                }
            }
            if changed {
                page.write();
                self.phase = Phase::Writing(at);
                return;
            }
            page.done = true;
            let own = self.slips.iter_mut();
            own.filter(|slip| slip.place.slot == page.number)
                .for_each(Slip::written);
        }
        self.phase = Phase::Done;
    }

    /// This slot is written, or has not to be.
    fn done(&mut self, index: usize) {
        self.of(index).for_each(|(_, slip)| slip.written());
        if let Some(page) = self.pages.get_mut(index) {
            page.done = true;
        }
    }

    /// Writes the next mended slot that no charge has stored, from `index` on.
    fn mend(&mut self, index: usize) {
        let pages = self.pages.iter_mut().enumerate().skip(index);
        let mut mended = pages.filter(|(_, page)| page.slot.mended && !page.done);
        self.phase = match mended.next() {
            Some((index, page)) => {
                page.write();
                Phase::Mending(index)
            }
            None => Phase::Done,
        };
    }

    /// Refuses, because this limit cannot be charged.
    fn contend(&mut self, number: usize) {
        self.end = End {
            refused_by: Some(number),
            retry_after_seconds: 1,
            contended: true,
        };
        self.phase = Phase::Done;
    }

    fn verdict(&self, end: End) -> Verdict {
        let slips = self.slips.iter();
        Verdict {
            allowed: end.refused_by.is_none() && !end.contended,
            refused_by: end.refused_by,
            retry_after_seconds: end.retry_after_seconds,
            remaining: slips.map(|slip| slip.remaining(self.now)).collect(),
            contended: end.contended,
        }
    }
}
