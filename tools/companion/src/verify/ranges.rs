//! A set of numbers, most of which follow one another.

use std::collections::BTreeMap;

/// Numbers from 1, as ranges: first to last.
#[derive(Debug, Default)]
pub struct Ranges {
    ranges: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Whether it is in.
    pub fn contains(&self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back();
        before.is_some_and(|(_, last)| number <= *last)
    }

    /// Takes it in; whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let before = self.ranges.range(..number).next_back();
        let before = before.map(|(first, last)| (*first, *last));
        let before = before.filter(|(_, last)| last.checked_add(1) == Some(number));
        let last = number
            .checked_add(1)
            .and_then(|next| self.ranges.remove(&next));
        let first = before.map_or(number, |(first, _)| first);
        self.ranges.insert(first, last.unwrap_or(number));
        true
    }

    /// What is missing from 1 up to and with this number, at most 1000 ranges.
    pub fn missing(&self, to: u64) -> Vec<(u64, u64)> {
        let mut missing = Vec::new();
        let mut next = 1;
        for (first, last) in &self.ranges {
            if *first > to || missing.len() >= 1000 {
                break;
            }
            if *first > next {
                missing.push((next, first.saturating_sub(1)));
            }
            next = last.saturating_add(1);
        }
        if next <= to {
            missing.push((next, to));
        }
        missing
    }

    /// How many are in, of these and those between them.
    pub fn count(&self, from: u64, to: u64) -> u64 {
        if from > to {
            return 0;
        }
        let below = self.ranges.range(..=to).rev();
        let within = below.take_while(|(_, last)| **last >= from);
        within.fold(0, |sum: u64, (first, last)| {
            let count = (*last).min(to).saturating_sub((*first).max(from));
            sum.saturating_add(count).saturating_add(1)
        })
    }

    /// The greatest number; 0 where there is none.
    pub fn greatest(&self) -> u64 {
        self.ranges.last_key_value().map_or(0, |(_, last)| *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_what_was_not_inserted() {
        let mut ranges = Ranges::default();
        for number in [3, 1, 5, 4, 9, u64::MAX] {
            assert!(ranges.insert(number), "{number}");
            assert!(!ranges.insert(number), "{number} again");
        }
        assert_eq!(ranges.missing(10), [(2, 2), (6, 8), (10, 10)]);
        assert_eq!(ranges.missing(5), [(2, 2)]);
        assert_eq!(ranges.greatest(), u64::MAX);
        for (from, to, count) in [
            (0, u64::MAX, 6),
            (1, 1, 1),
            (2, 2, 0),
            (4, 9, 3),
            (4, 8, 2),
            (6, 8, 0),
            (10, u64::MAX, 1),
            (5, 3, 0),
        ] {
            assert_eq!(ranges.count(from, to), count, "{from} to {to}");
        }
        assert!(ranges.contains(4) && !ranges.contains(2));
    }
}
