//! Instants, time spans and time zones.

use super::*;

#[test]
fn times_are_those_of_the_specification() {
    // timestamps.textproto; a result that is no bool is compared. `02:00` for `+02:00` is there too.
    let (friday, early) = (
        "timestamp('2009-02-13T23:31:30Z')",
        "timestamp('2009-02-13T02:00:00Z')",
    );
    for (time, part, expected) in [
        (friday, "getDate()", 13),
        (friday, "getDayOfMonth()", 12),
        (friday, "getDayOfWeek()", 5),
        (friday, "getDayOfYear()", 43),
        (friday, "getFullYear()", 2009),
        (friday, "getHours()", 23),
        (friday, "getMinutes()", 31),
        (friday, "getMonth()", 1),
        (friday, "getSeconds()", 30),
        (
            "timestamp('2009-02-13T23:31:20.123456789Z')",
            "getMilliseconds()",
            123,
        ),
        (friday, "getDate('Australia/Sydney')", 14),
        (friday, "getDayOfMonth('US/Central')", 12),
        (friday, "getDayOfMonth('+11:00')", 13),
        (early, "getDayOfMonth('-02:30')", 11),
        (friday, "getDayOfWeek('UTC')", 5),
        (friday, "getDayOfYear('US/Central')", 43),
        (friday, "getFullYear('-09:30')", 2009),
        (friday, "getHours('02:00')", 1),
        (friday, "getMinutes('Asia/Kathmandu')", 16),
        (friday, "getMonth('UTC')", 1),
        (friday, "getSeconds('-00:00')", 30),
        ("duration('10000s')", "getHours()", 2),
        ("duration('123.321456789s')", "getMilliseconds()", 321),
        ("duration('3730s')", "getMinutes()", 62),
        ("duration('3730s')", "getSeconds()", 3730),
    ] {
        check(&[(&format!("{time}.{part} == {expected}"), Ok(true))]);
    }
    let t = |text: &str| format!("timestamp('{text}')");
    for (text, expected) in [
        (
            format!(
                "{} + duration('240s') == {}",
                t("2009-02-13T23:00:00Z"),
                t("2009-02-13T23:04:00Z")
            ),
            Ok(true),
        ),
        (
            format!(
                "duration('120s') + {} == {}",
                t("2009-02-13T23:01:00Z"),
                t("2009-02-13T23:03:00Z")
            ),
            Ok(true),
        ),
        (
            "duration('600s') + duration('50s') == duration('650s')".to_owned(),
            Ok(true),
        ),
        (
            format!(
                "{} + duration('-999999999ns') == {}",
                t("0001-01-01T00:00:01.000000001Z"),
                t("0001-01-01T00:00:00.000000002Z")
            ),
            Ok(true),
        ),
        (
            format!(
                "{} - {} == duration('120s')",
                t("2009-02-13T23:31:00Z"),
                t("2009-02-13T23:29:00Z")
            ),
            Ok(true),
        ),
        (
            "duration('900s') - duration('42s') == duration('858s')".to_owned(),
            Ok(true),
        ),
        (
            format!(
                "{} < {}",
                t("2009-02-13T23:00:00Z"),
                t("2009-03-13T23:00:00Z")
            ),
            Ok(true),
        ),
        ("duration('120s') >= duration('200s')".to_owned(), Ok(false)),
        (
            format!(
                "{} + duration('-1ns') == request.time",
                t("0001-01-01T00:00:00Z")
            ),
            Err(Fault::Range),
        ),
        (
            format!(
                "{} + duration('1ns') == request.time",
                t("9999-12-31T23:59:59.999999999Z")
            ),
            Err(Fault::Range),
        ),
        (
            format!(
                "{} - {} > duration('1s')",
                t("9999-12-31T23:59:59Z"),
                t("0001-01-01T00:00:00Z")
            ),
            Err(Fault::Range),
        ),
        (
            "duration('9000000000s') + duration('9000000000s') > duration('1s')".to_owned(),
            Err(Fault::Range),
        ),
        (
            "request.time - timestamp(token.claims.auth_time) == duration('0s')".to_owned(),
            Ok(true),
        ),
        (
            "timestamp(token.claims.name) == request.time".to_owned(),
            Err(Fault::Text),
        ),
        (
            "timestamp(token.claims.ratio) == request.time".to_owned(),
            Err(Fault::Type),
        ),
    ] {
        check(&[(&text, expected)]);
    }
}

#[test]
fn summer_begins_and_ends_where_the_zone_says() {
    // The last second before and the first one after each change of 2024, from the time zone database.
    for (zone, utc, hour) in [
        ("Europe/Berlin", "2024-03-31T00:59:59Z", 1),
        ("Europe/Berlin", "2024-03-31T01:00:00Z", 3),
        ("Europe/Berlin", "2024-10-27T00:59:59Z", 2),
        ("Europe/Berlin", "2024-10-27T01:00:00Z", 2),
        ("Europe/Berlin", "2024-10-27T02:00:00Z", 3),
        ("US/Central", "2024-03-10T07:59:59Z", 1),
        ("US/Central", "2024-03-10T08:00:00Z", 3),
        ("US/Central", "2024-11-03T06:59:59Z", 1),
        ("US/Central", "2024-11-03T07:00:00Z", 1),
        ("US/Central", "2024-11-03T08:00:00Z", 2),
        // South of the equator the year begins and ends in summer.
        ("Australia/Sydney", "2024-01-01T00:00:00Z", 11),
        ("Australia/Sydney", "2024-04-06T15:59:59Z", 2),
        ("Australia/Sydney", "2024-04-06T16:00:00Z", 2),
        ("Australia/Sydney", "2024-04-06T17:00:00Z", 3),
        ("Australia/Sydney", "2024-10-05T15:59:59Z", 1),
        ("Australia/Sydney", "2024-10-05T16:00:00Z", 3),
        ("Australia/Sydney", "2024-12-31T23:59:59Z", 10),
    ] {
        check(&[(
            &format!("timestamp('{utc}').getHours('{zone}') == {hour}"),
            Ok(true),
        )]);
    }
}

#[test]
fn zones_and_times_are_read_or_refused() {
    for (text, good) in [
        ("UTC0", true),
        ("EST5", true),
        ("<-03>3", true),
        ("<+0330>-3:30", true),
        ("EST5EDT,M3.2.0,M11.1.0", true),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", true),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true),
        ("XXX3EDT4,0/0,J365/23", true),
        ("EST5EDT", false),
        ("EST5EDT,M3.2.0", false),
        ("EST5EDT,M13.2.0,M11.1.0", false),
        ("EST5EDT,M3.6.0,M11.1.0", false),
        ("EST5EDT,M3.2.7,M11.1.0", false),
        ("EST5EDT,M3.2.0,M11.1.0,", false),
        ("EST5EDT,J0,J1", false),
        ("EST25", false),
        ("EST5:60", false),
        ("ES5", false),
        ("<ES>5", false),
        ("EST", false),
        ("", false),
        ("Europe/Berlin", false),
    ] {
        assert_eq!(Zone::posix(text).is_some(), good, "{text}");
    }
    for (text, good) in [
        ("2024-02-29T00:00:00Z", true),
        ("2024-02-29t00:00:00.5z", true),
        ("2024-02-29T00:00:00+14:00", true),
        ("2023-02-29T00:00:00Z", false),
        ("2024-13-01T00:00:00Z", false),
        ("2024-00-01T00:00:00Z", false),
        ("2024-01-32T00:00:00Z", false),
        ("2024-01-01T24:00:00Z", false),
        ("2024-01-01T00:00:60Z", false),
        ("2024-01-01T00:00:00", false),
        ("2024-01-01 00:00:00Z", false),
        ("2024-01-01T00:00:00.Z", false),
        ("2024-01-01T00:00:00.1234567890Z", false),
        ("2024-1-01T00:00:00Z", false),
        ("0000-01-01T00:00:00Z", false),
        ("0001-01-01T00:00:00+00:01", false),
        ("10000-01-01T00:00:00Z", false),
        ("+024-01-01T00:00:00Z", false),
        ("2024-01-01T00:00:00é", false),
        ("", false),
    ] {
        assert_eq!(Timestamp::parse(text).is_some(), good, "{text}");
    }
    for (text, expected) in [
        ("1h30m", Some(5_400_000_000_000)),
        ("-1.5h", Some(-5_400_000_000_000)),
        ("1.5ns", Some(1)),
        ("3us2µs", Some(5_000)),
        ("0s", Some(0)),
        (".5s", Some(500_000_000)),
        ("9223372036s", Some(9_223_372_036_000_000_000)),
        ("9223372037s", None),
        ("320000000000s", None),
        ("5", None),
        ("s", None),
        (".s", None),
        ("1.2.3s", None),
        ("5d", None),
        ("- 5s", None),
        ("", None),
        ("99999999999999999999999999999999999999999h", None),
    ] {
        assert_eq!(super::super::time::duration(text), expected, "{text}");
    }
}

#[test]
fn every_day_is_the_day_after_the_one_before() {
    let mut before = None;
    for day in -719_162..=2_932_896_i64 {
        let civil = Timestamp::from_seconds(day * 86_400).map(|time| time.civil(&Zone::default()));
        let civil = civil.expect("a day");
        if let Some((weekday, year, day_of_year)) = before {
            assert_eq!(civil.weekday, (weekday + 1) % 7, "{day}");
            let next = if civil.year == year {
                day_of_year + 1
            } else {
                0
            };
            assert_eq!(civil.day_of_year, next, "{day}");
        }
        before = Some((civil.weekday, civil.year, civil.day_of_year));
    }
    assert_eq!(before.map(|(_, year, day)| (year, day)), Some((9999, 364)));
}
