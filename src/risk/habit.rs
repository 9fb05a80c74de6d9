//! What is usual for a caller: what it asks for, and how much it gets.

use super::policy::{RiskPolicy, Volume};
use super::sketch::WORDS;

/// Requests until it is known what is usual, however long that takes.
const REQUESTS: u32 = 64;

/// Shapes are remembered as long as at most this many of 512 bits are set: beyond, anything is usual.
const FULL: u32 = 384;

/// What a habit is kept in finer parts of, so that a small one falls as well.
const FINE: u32 = 16;

/// A habit rises by this part of what is above it in each step of the scores.
const RISE: u64 = 96;

/// It falls by 2^-14 of itself in each step: by half in about 5 days, with a half-life of five minutes.
const FALL: u32 = 14;

/// Bytes are counted in units of 256.
const UNIT: u64 = 256;

/// Which shapes of requests a caller has: a filter (Bloom, 1970) of 512 bits, two for each shape.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Shapes {
    /// When the first request came, in milliseconds since 1970; 0 before.
    pub since: u64,
    /// How many have come, up to [`REQUESTS`].
    pub requests: u32,
    pub bits: [u64; WORDS],
}

impl Shapes {
    /// Whether what is usual is still being learned at this time.
    pub fn learns(&self, milliseconds: u64, learn: u32) -> bool {
        let until = self.since.saturating_add(u64::from(learn) * 1000);
        self.since == 0 || self.requests < REQUESTS || milliseconds < until
    }

    /// A request came.
    pub fn count(&mut self, milliseconds: u64) {
        if self.since == 0 {
            self.since = milliseconds.max(1);
        }
        self.requests = self.requests.saturating_add(1).min(REQUESTS);
    }

    /// Notes a shape; whether none like it has come before.
    pub fn is_new(&mut self, shape: u32) -> bool {
        let full = self.bits.iter().map(|word| word.count_ones()).sum::<u32>() > FULL;
        let mut new = false;
        for place in [shape, shape >> 9] {
            let bit = 1 << (place % 64);
            let word = usize::try_from(place / 64).unwrap_or_default() % WORDS;
            if let Some(word) = self.bits.get_mut(word) {
                new |= *word & bit == 0;
                *word |= bit;
            }
        }
        new && !full
    }
}

/// How much a caller gets, of resources and of bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Volumes {
    /// Lately: half of it is forgotten with each half-life.
    pub recent: [u32; 2],
    /// Usually, in parts of [`FINE`] bits.
    pub usual: [u64; 2],
}

impl Volumes {
    /// So many steps have passed, by which `fall` brings down what was.
    pub fn step(&mut self, steps: u64, fall: impl Fn(u32) -> u32) {
        if steps == 0 {
            return;
        }
        for (recent, usual) in self.recent.iter_mut().zip(&mut self.usual) {
            let now = u64::from(*recent) << FINE;
            let above = now.saturating_sub(*usual);
            *usual = match above {
                0 => fallen(*usual, steps).max(now),
                above => usual.saturating_add(above.div_ceil(RISE)),
            };
            *recent = fall(*recent);
        }
    }

    /// So much more has left; how many times as much as would be noticed that is by now, if it is: at most 8.
    pub fn add(&mut self, records: u32, bytes: u64, learns: bool, policy: &RiskPolicy) -> u32 {
        let Volume { ratio, .. } = policy.volume;
        let units = |bytes: u64| u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let floors = [policy.volume.records, units(policy.volume.bytes)];
        let more = [records, units(bytes)];
        let mut times = 0;
        let both = self.recent.iter_mut().zip(&mut self.usual);
        for ((recent, usual), (more, floor)) in both.zip(more.into_iter().zip(floors)) {
            *recent = recent.saturating_add(more);
            let now = u64::from(*recent) << FINE;
            if learns {
                *usual = now.max(*usual);
            }
            let most = usual.saturating_mul(ratio.into()) >> FINE;
            let most = most.max(floor.into()).max(1);
            if more > 0 && !learns && u64::from(*recent) > most {
                times = times.max((u64::from(*recent) / most).min(8));
            }
        }
        u32::try_from(times).unwrap_or(8)
    }
}

/// What is left of a habit after so many steps: `(1 - 2^-FALL)^steps` of it, by repeated squaring in parts of
/// 2^32.
fn fallen(habit: u64, mut steps: u64) -> u64 {
    let mut left: u64 = 1 << 32;
    let mut base: u64 = (1 << 32) - (1 << (32 - FALL));
    while steps > 0 && left > 0 {
        if steps & 1 == 1 {
            left = (left * base) >> 32;
        }
        base = (base * base) >> 32;
        steps >>= 1;
    }
    let product = u128::from(habit) * u128::from(left);
    u64::try_from(product >> 32).unwrap_or(u64::MAX)
}
