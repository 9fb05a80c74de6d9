//! What is known of one caller.

use super::detector::DETECTORS;
use super::habit::{Shapes, Volumes};
use super::sketch::{Distinct, Recent, WORDS};

/// Scores are in thousandths of points.
pub(super) const POINT: u32 = 1000;

/// Bytes of an entry.
pub(super) const ENTRY: usize = 344;

/// Scores fall in steps of this part of the half-life, so that any number of looks comes to the same.
const STEPS: u64 = 8;

/// What remains of 2^16 after so many steps: 2^16 / 2^(n/8), rounded down.
const REMAINS: [u64; 8] = [65536, 60096, 55108, 50535, 46340, 42494, 38967, 35733];

/// One caller, as it is stored: `fingerprint 16, updated u64, scores 14 * u32, tokens 8 * u32, ids 8 * u32,
/// networks 4 * u32, number u64, run u32, window u64, bits 8 * u64, since u64, requests u32, shapes 8 * u64,
/// recent 2 * u32, usual 2 * u64`; numbers are big-endian, times in
/// milliseconds since 1970.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Entry {
    pub fingerprint: [u8; 16],
    /// Up to when the scores have fallen.
    pub updated: u64,
    pub scores: [u32; DETECTORS],
    /// Tokens that did not hold.
    pub tokens: Recent<8>,
    /// Ids that were not there.
    pub ids: Recent<8>,
    pub networks: Recent<4>,
    /// The last id that is a number, and how many before it were its neighbours.
    number: u64,
    run: u32,
    pub patients: Distinct,
    pub shapes: Shapes,
    pub volumes: Volumes,
}

impl Entry {
    /// A caller of whom nothing is known.
    pub fn new(fingerprint: [u8; 16], milliseconds: u64) -> Entry {
        Entry {
            fingerprint,
            updated: milliseconds,
            ..Entry::default()
        }
    }

    /// The entry in these bytes: any [`ENTRY`] of them are one.
    #[inline(never)]
    pub fn read(bytes: &[u8]) -> Entry {
        let mut reader = Reader(bytes);
        Entry {
            fingerprint: reader.take(),
            updated: reader.u64(),
            scores: reader.words(),
            tokens: Recent(reader.words()),
            ids: Recent(reader.words()),
            networks: Recent(reader.words()),
            number: reader.u64(),
            run: u32::from_be_bytes(reader.take()),
            patients: Distinct {
                began: reader.u64(),
                bits: reader.longs::<WORDS>(),
            },
            shapes: Shapes {
                since: reader.u64(),
                requests: u32::from_be_bytes(reader.take()),
                bits: reader.longs::<WORDS>(),
            },
            volumes: Volumes {
                recent: reader.words(),
                usual: reader.longs(),
            },
        }
    }

    /// What the scores in these bytes have fallen to; nothing else is read.
    pub fn scores(bytes: &[u8], milliseconds: u64, half_life: u32) -> [u32; DETECTORS] {
        let mut reader = Reader(bytes);
        let [_, _] = reader.longs();
        let mut updated = reader.u64();
        let fall = Fall::until(&mut updated, milliseconds, half_life);
        reader.words().map(|score| fall.of(score))
    }

    /// Adds the bytes to store.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.fingerprint);
        longs(out, &[self.updated]);
        words(out, &self.scores);
        words(out, &self.tokens.0);
        words(out, &self.ids.0);
        words(out, &self.networks.0);
        longs(out, &[self.number]);
        words(out, &[self.run]);
        longs(out, &[self.patients.began]);
        longs(out, &self.patients.bits);
        longs(out, &[self.shapes.since]);
        words(out, &[self.shapes.requests]);
        longs(out, &self.shapes.bits);
        words(out, &self.volumes.recent);
        longs(out, &self.volumes.usual);
    }

    /// Lets the scores fall to what they are now; half of them remains after `half_life` seconds, at least 1.
    pub fn decay(&mut self, milliseconds: u64, half_life: u32) {
        let fall = Fall::until(&mut self.updated, milliseconds, half_life);
        for score in &mut self.scores {
            *score = fall.of(*score);
        }
        self.volumes.step(fall.steps, |recent| fall.of(recent));
    }

    /// Adds thousandths of points to a score, which holds at most so many points.
    pub fn add(&mut self, detector: usize, points: u32, most: u32) {
        if let Some(score) = self.scores.get_mut(detector) {
            *score = score.saturating_add(points).min(most.saturating_mul(POINT));
        }
    }

    /// Takes thousandths of points from a score.
    pub fn take(&mut self, detector: usize, points: u32) {
        if let Some(score) = self.scores.get_mut(detector) {
            *score = score.saturating_sub(points);
        }
    }

    /// Notes an id that is a number; how many now lie one after the other.
    pub fn follows(&mut self, number: u64) -> u32 {
        let follows = (1..=NEIGHBOUR).contains(&number.abs_diff(self.number));
        if follows {
            self.run = self.run.saturating_add(1);
        } else if number != self.number {
            self.run = 0;
        }
        self.number = number;
        self.run
    }
}

/// Ids this near to each other are neighbours.
const NEIGHBOUR: u64 = 4;

/// How far scores have fallen since they were looked at.
pub(super) struct Fall {
    pub steps: u64,
}

impl Fall {
    /// From `updated`, which is moved on by whole steps, to this time; half of a score remains after `half_life`
    /// seconds, at least 1.
    pub fn until(updated: &mut u64, milliseconds: u64, half_life: u32) -> Fall {
        let step = u64::from(half_life.max(1)) * 1000 / STEPS;
        // What lies ahead of the clock has fallen as far as can be said.
        *updated = (*updated).min(milliseconds);
        let steps = (milliseconds - *updated) / step;
        *updated += steps * step;
        Fall { steps }
    }

    /// What is left of it.
    pub fn of(&self, score: u32) -> u32 {
        let halvings = u32::try_from(self.steps / STEPS).unwrap_or(u32::MAX);
        let rest = usize::try_from(self.steps % STEPS).unwrap_or_default();
        let remains = REMAINS.get(rest).copied().unwrap_or_default();
        let whole = score.checked_shr(halvings).unwrap_or_default();
        let fallen = (u64::from(whole) * remains) >> 16;
        u32::try_from(fallen).unwrap_or_default()
    }
}

pub(super) fn words(out: &mut Vec<u8>, all: &[u32]) {
    all.iter().for_each(|one| out.extend(one.to_be_bytes()));
}

pub(super) fn longs(out: &mut Vec<u8>, all: &[u64]) {
    all.iter().for_each(|one| out.extend(one.to_be_bytes()));
}

/// Reads what is known to be long enough.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => [0; N],
        }
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    pub fn longs<const N: usize>(&mut self) -> [u64; N] {
        std::array::from_fn(|_| self.u64())
    }

    pub fn words<const N: usize>(&mut self) -> [u32; N] {
        std::array::from_fn(|_| u32::from_be_bytes(self.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_alone_are_those_of_the_whole_entry() {
        let mut number = 1_u64;
        for round in 0..1000_u64 {
            let mut bytes = Vec::new();
            while bytes.len() < ENTRY {
                number = number
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                bytes.extend((number >> 8).to_be_bytes());
            }
            bytes.truncate(ENTRY);
            let mut entry = Entry::read(&bytes);
            let now = match round % 4 {
                0 => round,
                _ => entry.updated.saturating_add(number >> (20 + round % 40)),
            };
            let half_life = u32::try_from(round).expect("small");
            let alone = Entry::scores(&bytes, now, half_life);
            entry.decay(now, half_life);
            assert_eq!(alone, entry.scores, "round {round}");
        }
    }
}
