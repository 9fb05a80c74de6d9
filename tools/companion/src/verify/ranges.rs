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

    /// What is missing from 1 up to and with this number, in order.
    pub fn missing(&self, to: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        // What stands between a range and the one before it, and behind the last.
        let before = std::iter::once(0).chain(self.ranges.values().copied());
        let behind = std::iter::once(to.saturating_add(1));
        let firsts = self.ranges.keys().copied().chain(behind);
        before
            .zip(firsts)
            .map(move |(last, first)| (last.saturating_add(1), first.saturating_sub(1).min(to)))
            .filter(|(from, to)| from <= to)
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
        let missing = |to| ranges.missing(to).collect::<Vec<_>>();
        assert_eq!(missing(10), [(2, 2), (6, 8), (10, 10)]);
        assert_eq!(missing(7), [(2, 2), (6, 7)]);
        assert_eq!(missing(5), [(2, 2)]);
        assert_eq!(missing(0), []);
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

    #[test]
    fn however_much_is_missing_nothing_else_is_said_to_be() {
        let mut ranges = Ranges::default();
        (1..=5000).step_by(2).for_each(|number| {
            ranges.insert(number);
        });
        let missing: Vec<(u64, u64)> = ranges.missing(5000).collect();
        assert_eq!(missing.len(), 2500);
        assert!(missing.iter().all(|(from, to)| from == to && from % 2 == 0));
    }
}
