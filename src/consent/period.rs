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

/// A Period (<https://hl7.org/fhir/R4/datatypes.html#Period>), both ends included. Each end is known to lie
/// between two instants, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Period {
    start: Option<[i128; 2]>,
    end: Option<[i128; 2]>,
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
                "start" => period.start = Some(span(&text?)?.map(|[start, _]| start)),
                "end" => period.end = Some(span(&text?)?.map(|[_, end]| end)),
                "id" | "extension" => {}
                _ => return None,
            }
        }
        // The standard knows no empty element.
        (period != Period::default()).then_some(period)
    }

    /// Whether an instant lies in it.
    pub fn matches(&self, now: i128) -> Match {
        let start = self.start.map_or(Match::Yes, |[from, until]| match now {
            now if now >= until => Match::Yes,
            now if now < from => Match::No,
            _ => Match::Unknown,
        });
        let end = self.end.map_or(Match::Yes, |[from, until]| match now {
            now if now >= until => Match::No,
            now if now < from => Match::Yes,
            _ => Match::Unknown,
        });
        Match::all([start, end])
    }
}

/// When a dateTime begins and ends, in the zone where that is earliest, and in the one where it is latest.
fn span(text: &str) -> Option<[[i128; 2]; 2]> {
    if text.len() > 10 {
        let start = Timestamp::parse(text)?.nanoseconds();
        let span = [start, start.saturating_add(SECOND)];
        return Some([span, span]);
    }
    let [start, end] = date_span(text)?;
    let shifted = |by: i128| [start, end].map(|instant| instant.saturating_add(by));
    Some([shifted(-EAST), shifted(WEST)])
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
