//! Durations, sizes and rates as operators write them.
//!
//! A whole decimal number without sign, leading zero or space, and a unit: what has two readings
//! is refused.

use std::time::Duration;

use serde_json::Value;

use crate::limit::Period;

/// A duration: `500ms`, `30s`, `5m`, `2h`; `None` when it is not one, or not one of 64 bits of
/// milliseconds.
pub fn duration(text: &str) -> Option<Duration> {
    let (count, unit) = split(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    count.checked_mul(milliseconds).map(Duration::from_millis)
}

/// A size in bytes: `512KiB` and `8MiB` (of 1024), `64KB` and `1MB` (of 1000), `100B`.
pub fn size(text: &str) -> Option<usize> {
    let (count, unit) = split(text)?;
    let bytes = match unit {
        "B" => 1,
        "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        _ => return None,
    };
    count
        .checked_mul(bytes)
        .and_then(|bytes| usize::try_from(bytes).ok())
}

/// A rate of at least 1: `50/s`, `10/m`, `1000/h`, `5000/d`.
pub fn rate(text: &str) -> Option<(u32, Period)> {
    let (count, unit) = split(text)?;
    let period = match unit {
        "/s" => Period::Second,
        "/m" => Period::Minute,
        "/h" => Period::Hour,
        "/d" => Period::Day,
        _ => return None,
    };
    u32::try_from(count)
        .ok()
        .filter(|count| *count > 0)
        .map(|count| (count, period))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    if count.len() > 1 && count.starts_with('0') {
        return None;
    }
    Some((count.parse().ok()?, unit))
}

/// A duration in the largest unit that needs no fraction.
pub(super) fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, of) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds >= of && milliseconds.is_multiple_of(of) {
            return format!("{}{unit}", milliseconds / of);
        }
    }
    if milliseconds == 0 {
        "0s".to_owned()
    } else {
        format!("{milliseconds}ms")
    }
}

/// A size in the largest unit that needs no fraction.
pub(super) fn show_size(bytes: usize) -> String {
    for (unit, of) in [("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= of && bytes.is_multiple_of(of) {
            return format!("{}{unit}", bytes / of);
        }
    }
    format!("{bytes}B")
}

/// Why a number is no whole one.
#[derive(Debug)]
pub(super) enum Whole {
    Fraction,
    OutOfRange,
    Other,
}

/// A whole number, however it is written: `3`, `3.0` and `3e0` are the same number in JSON too.
pub(super) fn whole(value: &Value) -> Result<u32, Whole> {
    let Value::Number(number) = value else {
        return Err(Whole::Other);
    };
    if let Some(number) = number.as_u64() {
        return u32::try_from(number).map_err(|_| Whole::OutOfRange);
    }
    match number.as_f64() {
        Some(number) if number.fract() != 0.0 => Err(Whole::Fraction),
        // Exact: every u32 is a double.
        Some(number) if (0.0..=f64::from(u32::MAX)).contains(&number) => Ok(number as u32),
        _ => Err(Whole::OutOfRange),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("0s", Some(0)),
            ("18446744073709551615ms", Some(u64::MAX)),
            ("18446744073709551616ms", None),
            ("18446744073709552s", None),
            ("30", None),
            ("s", None),
            ("", None),
            ("30 s", None),
            (" 30s", None),
            ("30s ", None),
            ("030s", None),
            ("+30s", None),
            ("-30s", None),
            ("1.5s", None),
            ("1m30s", None),
            ("30S", None),
            ("5M", None),
            ("30sec", None),
            ("٣s", None),
        ] {
            assert_eq!(
                duration(text),
                milliseconds.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("100B", Some(100)),
            ("64KB", Some(64_000)),
            ("512KiB", Some(524_288)),
            ("1MB", Some(1_000_000)),
            ("8MiB", Some(8_388_608)),
            ("0B", Some(0)),
            ("18446744073709551615MiB", None),
            ("512", None),
            ("512K", None),
            ("512kib", None),
            ("512Ki", None),
            ("8 MiB", None),
            ("08MiB", None),
            ("8MiBB", None),
            ("MiB", None),
        ] {
            assert_eq!(size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn rates() {
        for (text, expected) in [
            ("50/s", Some((50, Period::Second))),
            ("10/m", Some((10, Period::Minute))),
            ("1000/h", Some((1000, Period::Hour))),
            ("1/d", Some((1, Period::Day))),
            ("4294967295/d", Some((u32::MAX, Period::Day))),
            ("4294967296/d", None),
            ("0/s", None),
            ("50", None),
            ("50/", None),
            ("50/sec", None),
            ("50 / s", None),
            ("/s", None),
            ("05/s", None),
            ("0.5/s", None),
        ] {
            assert_eq!(rate(text), expected, "{text:?}");
        }
    }
}
