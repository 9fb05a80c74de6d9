//! What is usual for a caller: what it asks for, and how much it gets.

use super::policy::RiskPolicy;
use super::sketch::WORDS;
use super::table::Asked;

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

/// Amounts are noted in multiples of this part of what came lately. What lies between two of them is noted as the
/// higher as often as that is right in the mean: so the more a caller gets, the fewer of its exchanges are a write.
/// The sum is right in the mean as well, with a standard error of at most 9 % of it, or of what is usual at least.
const COARSE: u32 = 128;

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
    /// `chance` is as likely any number as another.
    pub fn add(&mut self, asked: &Asked, learns: bool, policy: &RiskPolicy, chance: u32) -> u32 {
        let ratio = policy.volume.ratio;
        let units = |bytes: u64| u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let floors = [policy.volume.records, units(policy.volume.bytes)];
        let more = [asked.records, units(asked.bytes)];
        let mut times = 0;
        let both = self.recent.iter_mut().zip(&mut self.usual);
        for ((recent, usual), (more, floor)) in both.zip(more.into_iter().zip(floors)) {
            let part = (*recent).max(floor / ratio.max(1)) / COARSE;
            *recent = recent.saturating_add(rounded(more, part.max(1), chance));
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

/// An amount as a multiple of `part`, which is at least 1: the next lower or the next higher, by chance.
fn rounded(amount: u32, part: u32, chance: u32) -> u32 {
    let rest = amount.checked_rem(part).unwrap_or_default();
    let is_more = (u64::from(chance) * u64::from(part)) >> 32 < u64::from(rest);
    let up = if is_more { part } else { 0 };
    (amount - rest).saturating_add(up)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_noted_as_one_of_its_neighbours_and_right_in_the_mean() {
        for part in [1, 2, 3, 7, 128, 1000] {
            for amount in [0, 1, 2, 6, 7, 127, 129, 2000, u32::MAX] {
                let draws = 8 * u64::from(part);
                let all = (0..draws).map(|draw| {
                    let chance = ((2 * draw + 1) << 31) / draws;
                    let chance = u32::try_from(chance).expect("32 bits");
                    let found = rounded(amount, part, chance);
                    let near = found.abs_diff(amount) < part;
                    assert!(
                        near && (found.is_multiple_of(part) || found == u32::MAX),
                        "{found}"
                    );
                    u64::from(found)
                });
                let sum: u64 = all.sum();
                // The highest amount has no higher neighbour.
                let near = amount == u32::MAX || sum == u64::from(amount) * draws;
                assert!(near, "{amount} in parts of {part}: {sum}");
            }
        }
    }

    #[test]
    fn the_more_a_caller_gets_the_fewer_of_its_exchanges_change_anything() {
        fn check(records: u32, every: u32, most_writes: u32) {
            let asked = Asked {
                records,
                bytes: 2000 * u64::from(records),
                ..Asked::default()
            };
            let policy = RiskPolicy::default();
            let mut volumes = Volumes::default();
            let (mut number, mut writes) = (7_u64, 0);
            for _ in 0..every {
                number = number
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let before = volumes;
                volumes.add(&asked, false, &policy, (number >> 32) as u32);
                writes += u32::from(volumes != before);
            }
            let sums = [records * every, records * every * 8];
            for (recent, sum) in volumes.recent.iter().zip(sums) {
                let apart = f64::from(recent.abs_diff(sum)) / f64::from(sum);
                assert!(
                    apart < 0.27,
                    "{records} records {every} times: {recent} of {sum}"
                );
            }
            assert!(
                writes <= most_writes,
                "{records} records {every} times: {writes}"
            );
        }
        check(1, 500, 250);
        check(1, 5000, 800);
        check(1, 100_000, 1700);
        check(10, 100_000, 2000);
        // What is more than a part is noted each time.
        check(1000, 50, 50);
    }
}
