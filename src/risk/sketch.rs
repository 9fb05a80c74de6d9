//! What was seen lately, in a few bytes.

/// The last different values, newest first; 0 is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Recent<const N: usize>(pub [u32; N]);

impl<const N: usize> Default for Recent<N> {
    fn default() -> Self {
        Recent([0; N])
    }
}

impl<const N: usize> Recent<N> {
    /// Notes a value; whether it is none of those that came last. The first of all counts as known.
    pub fn is_new(&mut self, value: u32) -> bool {
        let first = self.0.iter().all(|known| *known == 0);
        self.is_new_or_first(value) && !first
    }

    /// As [`Recent::is_new`], where the first of all counts as well.
    pub fn is_new_or_first(&mut self, value: u32) -> bool {
        let value = value.max(1);
        let place = self.0.iter().position(|known| *known == value);
        let last = place.unwrap_or(N.saturating_sub(1));
        if let Some(part) = self.0.get_mut(..=last) {
            part.rotate_right(1);
        }
        if let Some(first) = self.0.first_mut() {
            *first = value;
        }
        place.is_none()
    }
}

/// How many different values came within a time, by linear counting (Whang, Vander-Zanden and Taylor, 1990):
/// 512 bits, of which each value sets one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Distinct {
    /// When the time began, in milliseconds since 1970.
    pub began: u64,
    /// The bits.
    pub bits: [u64; WORDS],
}

/// Words of the bits.
pub(super) const WORDS: usize = 8;

impl Distinct {
    /// Notes a value; whether its bit is new within this window. Times are in milliseconds.
    pub fn is_new(&mut self, value: u32, now: u64, window: u64) -> bool {
        // A clock that stepped back begins anew as well.
        if !(self.began..self.began.saturating_add(window)).contains(&now) {
            *self = Distinct {
                began: now,
                ..Distinct::default()
            };
        }
        let bit = 1 << (value % 64);
        let word = usize::try_from(value / 64).unwrap_or_default() % WORDS;
        let Some(word) = self.bits.get_mut(word) else {
            return false;
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// About how many there were: with a standard error of at most 5 % up to 1000, and never more than 3194.
    pub fn estimate(&self) -> u32 {
        let all = 64.0 * WORDS as f64;
        let zeros: u32 = self.bits.iter().map(|word| word.count_zeros()).sum();
        // The last bit is taken for free: the logarithm of nothing says nothing.
        let part = f64::from(zeros.max(1)) / all;
        (-all * part.ln()).round() as u32
    }
}
