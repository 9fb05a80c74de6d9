//! Instants, time spans and time zones.

/// An instant between the years 1 and 9999, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i128);

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// The first and the last second that there are.
const RANGE: [i128; 2] = [-62_135_596_800, 253_402_300_799];

/// A date and a time of day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Civil {
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
    /// Seconds since midnight.
    pub second: i64,
    /// From 0, which is Sunday.
    pub weekday: i64,
    /// From 0.
    pub day_of_year: i64,
}

impl Timestamp {
    /// An instant, where it is within the range.
    pub fn from_nanoseconds(nanoseconds: i128) -> Option<Self> {
        let [first, last] = RANGE;
        (first..=last)
            .contains(&nanoseconds.div_euclid(SECOND))
            .then_some(Timestamp(nanoseconds))
    }

    pub(super) fn from_seconds(seconds: i64) -> Option<Self> {
        Timestamp::from_nanoseconds(i128::from(seconds).checked_mul(SECOND)?)
    }

    /// In nanoseconds since 1970.
    pub fn nanoseconds(self) -> i128 {
        self.0
    }

    /// Reads RFC 3339: `2026-01-31T23:59:59.5Z`, or with an offset in the place of `Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let (clock, rest) = rest.strip_prefix(['T', 't'])?.split_at_checked(8)?;
        let number = |part: &str| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<i64>().ok().filter(|_| digits)
        };
        let part = |text: &str, from: usize, to: usize| number(text.get(from..to)?);
        let marks = |text: &str, mark: u8, places: [usize; 2]| {
            places
                .iter()
                .all(|place| text.as_bytes().get(*place) == Some(&mark))
        };
        if !marks(date, b'-', [4, 7]) || !marks(clock, b':', [2, 5]) {
            return None;
        }
        let (year, month, day) = (part(date, 0, 4)?, part(date, 5, 7)?, part(date, 8, 10)?);
        let clock = [part(clock, 0, 2)?, part(clock, 3, 5)?, part(clock, 6, 8)?];
        let [hour, minute, second] = clock;
        let exists = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
        if year < 1 || !exists || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => {
                let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
                let (digits, zone) = rest.split_at_checked(end)?;
                if !(1..=9).contains(&digits.len()) {
                    return None;
                }
                (number(&format!("{digits:0<9}"))?, zone)
            }
            None => (0, rest),
        };
        let offset = match zone {
            "Z" | "z" => 0,
            _ => offset(zone).filter(|_| zone.starts_with(['+', '-']))?,
        };
        let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        Timestamp::from_nanoseconds(i128::from(seconds) * SECOND + i128::from(fraction))
    }

    pub(super) fn plus(self, duration: i64) -> Option<Self> {
        Timestamp::from_nanoseconds(self.0.checked_add(i128::from(duration))?)
    }

    pub(super) fn minus(self, duration: i64) -> Option<Self> {
        Timestamp::from_nanoseconds(self.0.checked_sub(i128::from(duration))?)
    }

    /// The time span from another instant to this one, in nanoseconds.
    pub(super) fn since(self, other: Timestamp) -> Option<i64> {
        i64::try_from(self.0.checked_sub(other.0)?).ok()
    }

    pub(super) fn millisecond(self) -> i64 {
        i64::try_from(self.0.rem_euclid(SECOND) / 1_000_000).unwrap_or_default()
    }

    /// The date and the time of day in a zone.
    pub(super) fn civil(self, zone: &Zone) -> Civil {
        let seconds = i64::try_from(self.0.div_euclid(SECOND)).unwrap_or_default();
        civil(seconds.saturating_add(zone.offset_at(seconds)))
    }
}

/// Reads a time span, such as `1h30m`, `90s`, `1.5h` or `-250ms`, to nanoseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut sum: i128 = 0;
    if rest.is_empty() || text.len() > 64 {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let (unit, after) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((*unit, after.strip_prefix(name)?)))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let digits: i128 = format!("0{whole}").parse().ok()?;
        // Smaller than a nanosecond is nothing.
        let fraction: i128 = format!("{fraction:0<15}").get(..15)?.parse().ok()?;
        let part = digits.checked_mul(unit)?;
        let part = part.checked_add(fraction.checked_mul(unit)? / 1_000_000_000_000_000)?;
        sum = sum.checked_add(part)?;
        rest = after;
    }
    i64::try_from(if negative { -sum } else { sum }).ok()
}

/// Units of a time span, those first that begin like another.
const UNITS: [(&str, i128); 7] = [
    ("ms", 1_000_000),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("us", 1000),
    ("µs", 1000),
    ("ns", 1),
];

/// A time zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zone {
    /// East of UTC, in seconds.
    standard: i64,
    summer: Option<Summer>,
}

/// When another time holds.
#[derive(Clone, Debug, PartialEq)]
struct Summer {
    /// East of UTC, in seconds.
    offset: i64,
    begins: Change,
    ends: Change,
}

/// When the clocks are changed each year.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    day: ChangeDay,
    /// Seconds after midnight, by the clocks before the change.
    time: i64,
}

#[derive(Clone, Debug, PartialEq)]
enum ChangeDay {
    /// `Mm.w.d`: month, week (5 is the last one), weekday.
    Weekday(i64, i64, i64),
    /// `Jn`: from 1, February 29 is not counted.
    Julian(i64),
    /// `n`: from 0, February 29 is counted.
    Day(i64),
}

impl Zone {
    /// Reads `UTC`, or an offset such as `+01:00` or `-05:30`.
    pub(super) fn fixed(text: &str) -> Option<Self> {
        let standard = match text {
            "UTC" => 0,
            _ => offset(text)?,
        };
        Some(Zone {
            standard,
            summer: None,
        })
    }

    /// Reads the TZ string of POSIX (IEEE 1003.1, section 8.3), with the hours that RFC 9636 section
    /// 3.3.2 allows: `CET-1CEST,M3.5.0,M10.5.0/3`, `<+0545>-5:45`. Where there is a summer time it
    /// must be said when it is.
    pub fn posix(text: &str) -> Option<Self> {
        let rest = abbreviation(text)?;
        let (west, rest) = time(rest, 24)?;
        let standard = -west;
        if rest.is_empty() {
            return Some(Zone {
                standard,
                summer: None,
            });
        }
        let rest = abbreviation(rest)?;
        let (offset, rest) = match rest.starts_with(',') {
            true => (standard + 3600, rest),
            false => time(rest, 24).map(|(west, rest)| (-west, rest))?,
        };
        let (begins, rest) = change(rest.strip_prefix(',')?)?;
        let (ends, rest) = change(rest.strip_prefix(',')?)?;
        rest.is_empty().then_some(Zone {
            standard,
            summer: Some(Summer {
                offset,
                begins,
                ends,
            }),
        })
    }

    /// East of UTC, at an instant in seconds since 1970.
    fn offset_at(&self, seconds: i64) -> i64 {
        let Some(summer) = &self.summer else {
            return self.standard;
        };
        let year = civil(seconds.saturating_add(self.standard)).year;
        let begins = summer.begins.second_of(year) - self.standard;
        let ends = summer.ends.second_of(year) - summer.offset;
        let is_summer = match begins <= ends {
            true => (begins..ends).contains(&seconds),
            // South of the equator it is the winter that lies within the year.
            false => !(ends..begins).contains(&seconds),
        };
        if is_summer {
            summer.offset
        } else {
            self.standard
        }
    }
}

impl Change {
    /// When it is in this year, in seconds since 1970 by the clocks before the change.
    fn second_of(&self, year: i64) -> i64 {
        let day = match self.day {
            ChangeDay::Weekday(month, week, weekday) => {
                let first = days(year, month, 1);
                let ahead = (weekday - weekday_of(first)).rem_euclid(7);
                let day = ahead + (week - 1) * 7;
                let over = day >= days_of_month(year, month);
                first + if over { day - 7 } else { day }
            }
            ChangeDay::Julian(day) => {
                let leap = is_leap(year) && day >= 60;
                days(year, 1, 1) + day - 1 + i64::from(leap)
            }
            ChangeDay::Day(day) => days(year, 1, 1) + day,
        };
        day * DAY + self.time
    }
}

/// Skips the name of a time: 3 letters or more, or something in angle brackets.
fn abbreviation(text: &str) -> Option<&str> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-');
    let (name, rest) = match text.strip_prefix('<') {
        Some(inner) => inner.split_once('>')?,
        None => {
            let end = text.find(|letter: char| !letter.is_ascii_alphabetic());
            text.split_at_checked(end.unwrap_or(text.len()))?
        }
    };
    (name.len() >= 3 && name.chars().all(letter)).then_some(rest)
}

/// Reads `[+-]hh[:mm[:ss]]`, in seconds.
fn time(text: &str, most: i64) -> Option<(i64, &str)> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut seconds = 0;
    for (place, unit) in [3600, 60, 1].into_iter().enumerate() {
        if place > 0 {
            match rest.strip_prefix(':') {
                Some(after) => rest = after,
                None => break,
            }
        }
        let (value, after) = digits(rest)?;
        if value > if place == 0 { most } else { 59 } {
            return None;
        }
        seconds += value * unit;
        rest = after;
    }
    Some((sign * seconds, rest))
}

fn digits(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (digits, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let value = digits.parse().ok().filter(|_| digits.len() <= 3)?;
    Some((value, rest))
}

fn change(text: &str) -> Option<(Change, &str)> {
    let within = |value: i64, from, to| (from..=to).contains(&value).then_some(value);
    let (day, rest) = if let Some(rest) = text.strip_prefix('M') {
        let (month, rest) = digits(rest)?;
        let (week, rest) = digits(rest.strip_prefix('.')?)?;
        let (weekday, rest) = digits(rest.strip_prefix('.')?)?;
        let (month, week) = (within(month, 1, 12)?, within(week, 1, 5)?);
        (
            ChangeDay::Weekday(month, week, within(weekday, 0, 6)?),
            rest,
        )
    } else if let Some(rest) = text.strip_prefix('J') {
        let (day, rest) = digits(rest)?;
        (ChangeDay::Julian(within(day, 1, 365)?), rest)
    } else {
        let (day, rest) = digits(text)?;
        (ChangeDay::Day(within(day, 0, 365)?), rest)
    };
    let (time, rest) = match rest.strip_prefix('/') {
        Some(rest) => time(rest, 167)?,
        None => (2 * 3600, rest),
    };
    Some((Change { day, time }, rest))
}

/// Reads `[+-]hh:mm`, in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = |(at, byte): (usize, u8)| {
        if at == 2 {
            byte == b':'
        } else {
            byte.is_ascii_digit()
        }
    };
    if text.len() != 5 || !text.bytes().enumerate().all(plain) {
        return None;
    }
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn weekday_of(days: i64) -> i64 {
    // 1970 began with a Thursday.
    (days + 4).rem_euclid(7)
}

/// Days since 1970. Years begin with March, so that a leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Date and time in UTC, from seconds since 1970.
pub(crate) fn civil(seconds: i64) -> Civil {
    let (count, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let shifted = count + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * from_march + 2) / 153;
    let day = from_march - (153 * month_from_march + 2) / 5 + 1;
    let month = month_from_march + if month_from_march < 10 { 3 } else { -9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month,
        day,
        second,
        weekday: weekday_of(count),
        day_of_year: count - days(year, 1, 1),
    }
}
