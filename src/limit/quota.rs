//! Rate and burst, and the arithmetic of one bucket.

/// Nanoseconds of a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// The longest time, in nanoseconds, in which an empty bucket may become full: 31 days. What lies
/// further ahead in shared data is known to be damage, whoever wrote it.
pub(super) const LONGEST_REFILL: u64 = 31 * 86_400 * SECOND;

/// The time to which a rate refers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Period {
    /// One second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3600 seconds.
    Hour,
    /// 86 400 seconds.
    Day,
}

/// How often, and how many at once: a steady rate and a burst.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Nanoseconds that one request costs, rounded up so that the rate is never exceeded.
    interval: u64,
    /// Nanoseconds from empty to full.
    refill: u64,
    burst: u32,
    /// Nanoseconds from the deepest debt to full; `refill` where there is none.
    furthest: u64,
    /// Seconds from empty to full by the rate as it was written, rounded up.
    window: u64,
}

impl Quota {
    /// `count` requests in each `period`, and `burst` at once.
    ///
    /// # Errors
    ///
    /// A count or burst of 0, a rate above one request in a nanosecond, and a burst that takes more
    /// than 31 days to come back.
    pub fn new(count: u32, per: Period, burst: u32) -> Result<Quota, &'static str> {
        if count == 0 {
            return Err("rate: found 0, expected at least 1 request in a period");
        }
        if burst == 0 {
            return Err("burst: found 0, expected at least 1");
        }
        let nanoseconds = per.seconds().saturating_mul(SECOND);
        if u64::from(count) > nanoseconds {
            return Err("rate: found more than one request in a nanosecond");
        }
        let interval = nanoseconds.div_ceil(u64::from(count));
        let refill = interval.saturating_mul(u64::from(burst));
        if refill > LONGEST_REFILL {
            return Err("burst: at this rate it takes more than 31 days to come back");
        }
        let window = per.seconds().saturating_mul(u64::from(burst));
        Ok(Quota {
            interval,
            refill,
            burst,
            furthest: refill,
            window: window.div_ceil(u64::from(count)).max(1),
        })
    }

    /// The same, where what is charged afterwards may go below empty by the cost of `debt` requests: so
    /// much later the next one is admitted.
    ///
    /// # Errors
    ///
    /// A burst and a debt that together take more than 31 days to come back.
    pub fn with_debt(self, debt: u32) -> Result<Quota, &'static str> {
        let furthest = self.interval.saturating_mul(u64::from(debt));
        let furthest = furthest.saturating_add(self.refill);
        if furthest > LONGEST_REFILL {
            return Err("debt: at this rate it takes, with burst, more than 31 days to come back");
        }
        Ok(Quota { furthest, ..self })
    }

    /// The same bucket for those for whom so much of it is kept back: they are refused where no more is
    /// left. At least 1 remains to them.
    pub(super) fn with_less(self, kept: u32) -> Quota {
        let burst = self.burst.saturating_sub(kept).max(1);
        let refill = self.interval.saturating_mul(burst.into());
        let window = self.window.saturating_mul(burst.into());
        Quota {
            burst,
            refill,
            window: window.div_ceil(u64::from(self.burst.max(1))).max(1),
            ..self
        }
    }

    /// The most requests at once, at least 1.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// Seconds in which an empty bucket becomes full, rounded up, at least 1.
    pub fn window_seconds(&self) -> u64 {
        self.window
    }

    /// Nanoseconds from the least that a bucket may hold to full: from empty, or from the deepest debt.
    pub(super) fn furthest(&self) -> u64 {
        self.furthest
    }

    /// Charges for what was already given: the bucket that was full again at `tat` is so later. Never
    /// below the deepest debt, and never earlier than before.
    pub(super) fn owe(&self, tat: u64, now: u64, count: u32) -> u64 {
        let cost = self.interval.saturating_mul(count.into());
        let owed = tat.max(now).saturating_add(cost);
        owed.min(now.saturating_add(self.furthest)).max(tat)
    }

    /// Decides on `count` requests at once, at `now`, for the bucket that is full again at `tat`. More
    /// than `burst` are never admitted.
    pub(super) fn decide(&self, tat: u64, now: u64, count: u32) -> Decision {
        let start = tat.max(now);
        let cost = self.interval.saturating_mul(count.into());
        match start.checked_add(cost) {
            Some(next) if next <= now.saturating_add(self.refill) => Decision::Admit(next),
            _ => {
                let until = start.saturating_add(cost).saturating_sub(self.refill);
                Decision::RefuseUntil(until.max(now.saturating_add(1)))
            }
        }
    }

    /// How many requests the bucket that is full again at `tat` still admits at `now`.
    pub(super) fn remaining(&self, tat: u64, now: u64) -> u32 {
        let spare = now.saturating_add(self.refill).saturating_sub(tat.max(now));
        let count = spare.checked_div(self.interval).unwrap_or(0);
        u32::try_from(count).unwrap_or(u32::MAX).min(self.burst)
    }
}

/// What a bucket says to one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// Admitted; the bucket's new theoretical arrival time.
    Admit(u64),
    /// Refused; the first instant at which it would be admitted if nobody else asked.
    RefuseUntil(u64),
}

/// Whole seconds from `now` to `instant`, rounded up; 0 if it has passed.
pub(super) fn seconds_until(instant: u64, now: u64) -> u64 {
    instant.saturating_sub(now).div_ceil(SECOND)
}

impl Period {
    fn seconds(self) -> u64 {
        match self {
            Period::Second => 1,
            Period::Minute => 60,
            Period::Hour => 3600,
            Period::Day => 86_400,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_refused_beyond_their_bounds() {
        fn check(
            name: &str,
            count: u32,
            per: Period,
            burst: u32,
            expected: Result<(u64, u64), &str>,
        ) {
            let found = Quota::new(count, per, burst);
            match (found, expected) {
                (Ok(quota), Ok(expected)) => {
                    assert_eq!((quota.interval, quota.window), expected, "{name}");
                }
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{name}: {found}"),
                (found, _) => panic!("{name}: found {found:?}, expected {expected:?}"),
            }
        }
        check(
            "documented example",
            50,
            Period::Second,
            100,
            Ok((20_000_000, 2)),
        );
        check("failures", 10, Period::Minute, 20, Ok((6 * SECOND, 120)));
        check(
            "a third is rounded up",
            3,
            Period::Second,
            3,
            Ok((333_333_334, 1)),
        );
        check(
            "window at least a second",
            50,
            Period::Second,
            1,
            Ok((20_000_000, 1)),
        );
        check(
            "window rounded up",
            2,
            Period::Second,
            3,
            Ok((500_000_000, 2)),
        );
        check("smallest", 1, Period::Day, 1, Ok((86_400 * SECOND, 86_400)));
        check("no rate", 0, Period::Hour, 1, Err("rate: found 0"));
        check("no burst", 1, Period::Hour, 0, Err("burst: found 0"));
        check(
            "one in a nanosecond",
            1_000_000_000,
            Period::Second,
            1,
            Ok((1, 1)),
        );
        check(
            "faster",
            1_000_000_001,
            Period::Second,
            1,
            Err("nanosecond"),
        );
        check(
            "31 days",
            1,
            Period::Day,
            31,
            Ok((86_400 * SECOND, 2_678_400)),
        );
        check("32 days", 1, Period::Day, 32, Err("31 days"));
        check("overflow", 1, Period::Day, u32::MAX, Err("31 days"));
        check("largest", u32::MAX, Period::Hour, u32::MAX, Ok((839, 3600)));
    }

    #[test]
    fn a_bucket_decides_on_both_sides_of_each_bound() {
        // One request a second, three at once.
        let quota = Quota::new(1, Period::Second, 3).unwrap();
        let now = 1_000 * SECOND;
        let check = |name: &str, tat: u64, now: u64, expected: Decision, remaining: u32| {
            assert_eq!(quota.decide(tat, now, 1), expected, "{name}");
            assert_eq!(quota.remaining(tat, now), remaining, "{name}");
        };
        use Decision::{Admit, RefuseUntil};
        check("absent", 0, now, Admit(now + SECOND), 3);
        check("idle", now, now, Admit(now + SECOND), 3);
        check("just busy", now + 1, now, Admit(now + SECOND + 1), 2);
        check(
            "last one",
            now + 2 * SECOND,
            now,
            Admit(now + 3 * SECOND),
            1,
        );
        check(
            "one nanosecond short",
            now + 2 * SECOND + 1,
            now,
            RefuseUntil(now + 1),
            0,
        );
        check("empty", now + 3 * SECOND, now, RefuseUntil(now + SECOND), 0);
        check(
            "beyond empty",
            now + 5 * SECOND,
            now,
            RefuseUntil(now + 3 * SECOND),
            0,
        );
        check("end of time, idle", 0, u64::MAX, RefuseUntil(u64::MAX), 0);
        check(
            "end of time, bucket",
            u64::MAX,
            now,
            RefuseUntil(u64::MAX - 3 * SECOND),
            0,
        );
        check("beginning of time", 0, 0, Admit(SECOND), 3);
    }

    #[test]
    fn several_are_admitted_together_or_not_at_all() {
        // One request a second, three at once.
        let quota = Quota::new(1, Period::Second, 3).unwrap();
        let now = 1_000 * SECOND;
        use Decision::{Admit, RefuseUntil};
        for (name, tat, count, expected) in [
            ("none", 0, 0, Admit(now)),
            ("two", 0, 2, Admit(now + 2 * SECOND)),
            ("all", 0, 3, Admit(now + 3 * SECOND)),
            ("more than all", 0, 4, RefuseUntil(now + SECOND)),
            ("what is left", now + SECOND, 2, Admit(now + 3 * SECOND)),
            ("more", now + SECOND + 1, 2, RefuseUntil(now + 1)),
            (
                "far more",
                now,
                u32::MAX,
                RefuseUntil(now + (u64::from(u32::MAX) - 3) * SECOND),
            ),
        ] {
            assert_eq!(quota.decide(tat, now, count), expected, "{name}");
        }
        let slow = Quota::new(1, Period::Day, 31).unwrap();
        let found = slow.decide(u64::MAX, u64::MAX, u32::MAX);
        assert!(matches!(found, RefuseUntil(_)), "{found:?}");
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (instant, expected) in [(9, 0), (10, 0), (11, 1), (10 + SECOND, 1), (11 + SECOND, 2)] {
            assert_eq!(seconds_until(instant, 10), expected, "{instant}");
        }
    }

    #[test]
    fn answers_are_charged_down_to_the_debt() {
        fn check(name: &str, debt: u32, tat: u64, count: u32, expected: u64) {
            // A second each, ten at once.
            let quota = Quota::new(1, Period::Second, 10).unwrap();
            let quota = quota.with_debt(debt).unwrap();
            let now = 1000 * SECOND;
            assert_eq!(
                quota.owe(tat * SECOND, now, count),
                expected * SECOND,
                "{name}"
            );
        }
        check("a full bucket", 5, 0, 3, 1003);
        check("one that is busy", 5, 1004, 3, 1007);
        check("down to empty", 5, 1004, 6, 1010);
        check("into debt", 5, 1009, 4, 1013);
        check("as deep as may be", 5, 1009, 6, 1015);
        check("no deeper", 5, 1009, u32::MAX, 1015);
        check("no debt", 0, 1009, 7, 1010);
        check("nothing", 5, 1009, 0, 1009);
        check("never earlier than before", 5, 1016, 1, 1016);
        let quota = Quota::new(1, Period::Second, 10).unwrap();
        let second = |seconds: u64| (1000 + seconds) * SECOND;
        let owing = quota.with_debt(5).unwrap();
        for (tat, count, expected) in [
            (15, 1, Decision::RefuseUntil(second(6))),
            (15, 0, Decision::RefuseUntil(second(5))),
            (10, 0, Decision::Admit(second(10))),
        ] {
            assert_eq!(
                owing.decide(second(tat), second(0), count),
                expected,
                "{tat} {count}"
            );
        }
        assert_eq!(owing.remaining(second(15), second(0)), 0);
        let most = LONGEST_REFILL / SECOND - 10;
        assert!(quota.with_debt(u32::try_from(most).unwrap()).is_ok());
        assert!(quota.with_debt(u32::try_from(most + 1).unwrap()).is_err());
    }
}
