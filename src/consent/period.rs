//! Periods of dates and times that may say less than an instant.

use super::Match;
use crate::cel::Timestamp;
use crate::fhir::date_span;
use crate::json::{Kind, Node};

const SECOND: i128 = 1_000_000_000;
const HOUR: i128 = 3600 * SECOND;

/// A date has no zone: it begins up to this much earlier than in UTC,
const EAST: i128 = 14 * HOUR;

/// or this much later.
const WEST: i128 = 12 * HOUR;

/// A Period (<https://hl7.org/fhir/R4/datatypes.html#Period>), both ends included.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Period {
    start: Option<Edge>,
    /// When it is over.
    end: Option<Edge>,
}

/// When a date or time begins, or when it is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Edge {
    /// In nanoseconds since 1970; of a date in UTC.
    at: i128,
    /// It is that of a date.
    of_date: bool,
}

impl Period {
    /// `None` where it is not understood.
    pub fn read(node: Node<'_>) -> Option<Period> {
        if node.kind() != Kind::Object {
            return None;
        }
        let mut period = Period::default();
        for member in node.members() {
            let text = member.value.str();
            match member.name().as_ref() {
                "start" => period.start = Some(span(&text?)?[0]),
                "end" => period.end = Some(span(&text?)?[1]),
                "id" | "extension" => {}
                _ => return None,
            }
        }
        match (period.start, period.end) {
            // The standard knows no empty element.
            (None, None) => None,
            (Some(start), Some(end)) if end.is_until(start) => None,
            _ => Some(period),
        }
    }

    /// That of a date or a dateTime; `None` where it is none.
    pub fn of(text: &str) -> Option<Period> {
        let [start, end] = span(text)?.map(Some);
        Some(Period { start, end })
    }

    /// Whether an instant lies in it.
    pub fn matches(&self, now: i128) -> Match {
        let start = self.start.map_or(Match::Yes, |edge| match now {
            now if now >= edge.latest() => Match::Yes,
            now if now < edge.earliest() => Match::No,
            _ => Match::Unknown,
        });
        let end = self.end.map_or(Match::Yes, |edge| match now {
            now if now >= edge.latest() => Match::No,
            now if now < edge.earliest() => Match::Yes,
            _ => Match::Unknown,
        });
        Match::all([start, end])
    }

    /// Whether all of another lies in it; it cannot be told where a part does.
    pub fn contains(&self, other: &Period) -> Match {
        // An end that is open is none that lies before anything.
        let is_until = |one: Option<Edge>, other: Option<Edge>| {
            one.zip(other)
                .is_some_and(|(one, other)| one.is_until(other))
        };
        let since = self.start.is_none() || is_until(self.start, other.start);
        let until = self.end.is_none() || is_until(other.end, self.end);
        if is_until(other.end, self.start) || is_until(self.end, other.start) {
            Match::No
        } else if since && until {
            Match::Yes
        } else {
            Match::Unknown
        }
    }
}

impl Edge {
    fn earliest(self) -> i128 {
        match self.of_date {
            true => self.at.saturating_sub(EAST),
            false => self.at,
        }
    }

    fn latest(self) -> i128 {
        match self.of_date {
            true => self.at.saturating_add(WEST),
            false => self.at,
        }
    }

    /// Whether it is certainly not later than another. Dates are compared with dates as in one calendar.
    fn is_until(self, other: Edge) -> bool {
        match self.of_date == other.of_date {
            true => self.at <= other.at,
            false => self.latest() <= other.earliest(),
        }
    }
}

/// When a date or a dateTime begins, and when it is over.
fn span(text: &str) -> Option<[Edge; 2]> {
    let of_date = text.len() <= 10;
    let [start, end] = match of_date {
        true => date_span(text)?,
        false => {
            let start = Timestamp::parse(text)?.nanoseconds();
            let second = start.div_euclid(SECOND).saturating_mul(SECOND);
            [start, second.saturating_add(SECOND)]
        }
    };
    Some([start, end].map(|at| Edge { at, of_date }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn check(period: &str, now: &str, expected: Option<Match>) {
        let document = Document::parse(period.as_bytes(), &Limits::default()).expect(period);
        let now = Timestamp::parse(now).expect(now).nanoseconds();
        let found = Period::read(document.root()).map(|period| period.matches(now));
        assert_eq!(found, expected, "{period} {now}");
    }

    #[test]
    fn periods_are_as_exact_as_their_ends() {
        use Match::{No, Unknown, Yes};
        for (period, now, expected) in [
            ("{}", "2026-06-01T12:00:00Z", None),
            (r#"{"start":"2026"}"#, "2026-06-01T12:00:00Z", Some(Yes)),
            (r#"{"start":"2026"}"#, "2025-06-01T12:00:00Z", Some(No)),
            (r#"{"start":"2026"}"#, "2025-12-31T09:59:59Z", Some(No)),
            (r#"{"start":"2026"}"#, "2025-12-31T10:00:00Z", Some(Unknown)),
            (r#"{"start":"2026"}"#, "2026-01-01T11:59:59Z", Some(Unknown)),
            (r#"{"start":"2026"}"#, "2026-01-01T12:00:00Z", Some(Yes)),
            (r#"{"end":"2026"}"#, "2026-12-30T12:00:00Z", Some(Yes)),
            (r#"{"end":"2026"}"#, "2027-01-02T00:00:00Z", Some(No)),
            (r#"{"end":"2026-12"}"#, "2026-12-30T12:00:00Z", Some(Yes)),
            (r#"{"end":"2026-02"}"#, "2026-02-28T00:00:00Z", Some(Yes)),
            (r#"{"end":"2026-02"}"#, "2026-03-02T00:00:00Z", Some(No)),
            (r#"{"end":"2026-06-01"}"#, "2026-06-01T09:59:59Z", Some(Yes)),
            (
                r#"{"end":"2026-06-01"}"#,
                "2026-06-01T10:00:00Z",
                Some(Unknown),
            ),
            (r#"{"end":"2026-06-01"}"#, "2026-06-02T12:00:00Z", Some(No)),
            (
                r#"{"end":"2026-06-01T12:00:00+02:00"}"#,
                "2026-06-01T10:00:00.9Z",
                Some(Yes),
            ),
            (
                r#"{"end":"2026-06-01T12:00:00+02:00"}"#,
                "2026-06-01T10:00:01Z",
                Some(No),
            ),
            (
                r#"{"start":"2026-06-01T12:00:00.5Z","end":"2026-06-02"}"#,
                "2026-06-01T12:00:00.5Z",
                Some(Yes),
            ),
            (r#"{"start":"2026-13"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":"2026-02-30"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":"9999-12"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":"+026"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":"2026-1"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":"2026/06"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":"soon"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":"202é"}"#, "2026-06-01T12:00:00Z", None),
            (r#"{"start":2026}"#, "2026-06-01T12:00:00Z", None),
            (
                r#"{"start":"2026-06-01T12:00:00"}"#,
                "2026-06-01T12:00:00Z",
                None,
            ),
            (
                r#"{"_start":{"extension":[]}}"#,
                "2026-06-01T12:00:00Z",
                None,
            ),
            ("[]", "2026-06-01T12:00:00Z", None),
        ] {
            check(period, now, expected);
        }
    }
}
