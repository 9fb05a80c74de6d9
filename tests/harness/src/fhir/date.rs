//! FHIR dates as spans of milliseconds, so that dates of different precision compare.

use std::time::{Duration, UNIX_EPOCH};

/// The span `[from, to)` in milliseconds since 1970 that a FHIR `date`, `dateTime` or `instant`
/// covers; a missing zone counts as UTC. None if it is not a date.
pub fn span(text: &str) -> Option<(i64, i64)> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let parts: Vec<i64> = date
        .split('-')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    // Four digits at most everywhere: what a caller sends must not overflow.
    if parts.iter().any(|part| !(0..=9999).contains(part)) {
        return None;
    }
    let days = |year, month, day| days_from_civil(year, month, day) * 86_400_000;
    match (parts.as_slice(), time) {
        ([year], None) => Some((days(*year, 1, 1), days(year + 1, 1, 1))),
        ([year, month @ 1..=12], None) => {
            let (next_year, next) = if *month == 12 {
                (year + 1, 1)
            } else {
                (*year, month + 1)
            };
            Some((days(*year, *month, 1), days(next_year, next, 1)))
        }
        ([year, month @ 1..=12, day @ 1..=31], None) => {
            let from = days(*year, *month, *day);
            Some((from, from + 86_400_000))
        }
        ([year, month @ 1..=12, day @ 1..=31], Some(time)) => {
            let (from, to) = time_span(time)?;
            let date = days(*year, *month, *day);
            Some((date + from, date + to))
        }
        _ => None,
    }
}

/// An instant as the HTTP date of `Last-Modified` (RFC 9110, section 5.6.7).
pub fn http_date(instant: &str) -> Option<String> {
    let seconds = u64::try_from(span(instant)?.0).ok()? / 1000;
    Some(httpdate::fmt_http_date(
        UNIX_EPOCH + Duration::from_secs(seconds),
    ))
}

/// The instant of the `tick`-th write. The server has no clock: writes happen a second apart from the
/// start of 2026, and after four weeks' worth the day stands still.
pub fn instant(tick: u64) -> String {
    let (day, second) = ((tick / 86_400).min(27), tick % 86_400);
    format!(
        "2026-01-{:02}T{:02}:{:02}:{:02}.000Z",
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Milliseconds within the day, shifted to UTC.
fn time_span(time: &str) -> Option<(i64, i64)> {
    let (clock, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => (time.get(..at)?, offset_minutes(time.get(at..)?)?),
        None => (time, 0),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<i64> = clock
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    if parts.iter().any(|part| !(0..=60).contains(part)) {
        return None;
    }
    let shift = offset * 60_000;
    match parts.as_slice() {
        [hour, minute] => {
            let from = (hour * 60 + minute) * 60_000 - shift;
            Some((from, from + 60_000))
        }
        [hour, minute, second] => {
            let milliseconds: i64 = match fraction.get(..3.min(fraction.len()))? {
                "" => 0,
                digits => digits.parse::<i64>().ok()? * 10_i64.pow(3 - digits.len() as u32),
            };
            let from = ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds - shift;
            Some((from, from + if fraction.is_empty() { 1000 } else { 1 }))
        }
        _ => None,
    }
}

fn offset_minutes(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    let total = i64::from(hours) * 60 + i64::from(minutes);
    Some(if zone.starts_with('-') { -total } else { total })
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400 years from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{http_date, instant, span};

    #[test]
    fn spans() {
        let rows = [
            ("1970", Some((0, 31_536_000_000))),
            ("1970-01", Some((0, 2_678_400_000))),
            ("1970-01-02", Some((86_400_000, 172_800_000))),
            ("1970-01-01T00:01Z", Some((60_000, 120_000))),
            ("1970-01-01T01:00:00+01:00", Some((0, 1000))),
            ("1970-01-01T00:00:00.25Z", Some((250, 251))),
            ("1969-12-31T19:00:00-05:00", Some((0, 1000))),
            ("1970-13", None),
            ("99999999999999999", None),
            ("1970-01-01T99999999999999999:00Z", None),
            ("1970-01-01T00:00:00+99999999999999999:00", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(span(text), expected, "{text}");
        }
        assert_eq!(
            http_date("2024-02-29T12:00:00Z").as_deref(),
            Some("Thu, 29 Feb 2024 12:00:00 GMT")
        );
        assert_eq!(instant(61), "2026-01-01T00:01:01.000Z");
    }
}
