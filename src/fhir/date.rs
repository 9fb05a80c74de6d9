//! Dates that may say less than a day (<https://hl7.org/fhir/R4/datatypes.html#date>).

use crate::cel::Timestamp;

/// A day, in nanoseconds.
pub const DAY: i128 = 86_400_000_000_000;

/// When a year, a month or a day begins in UTC, and when the next one does, in nanoseconds since 1970; `None`
/// where it is none, or the last year that has a next one is over (9998).
pub fn date_span(text: &str) -> Option<[i128; 2]> {
    let instant = |text: &str| Some(Timestamp::parse(text)?.nanoseconds());
    let date = |year: u32, month: u32, day: &str| {
        instant(&format!("{year:04}-{month:02}-{day}T00:00:00Z"))
    };
    let number = |from: usize, to: usize| {
        let part = text.get(from..to)?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|_| digits)
    };
    let dashed = |at: usize| text.as_bytes().get(at) == Some(&b'-');
    let year = number(0, 4)?;
    let (start, end) = match text.len() {
        4 => (date(year, 1, "01")?, date(year + 1, 1, "01")?),
        7 if dashed(4) => {
            let month = number(5, 7)?;
            let next = match month {
                12 => date(year + 1, 1, "01")?,
                _ => date(year, month + 1, "01")?,
            };
            (date(year, month, "01")?, next)
        }
        10 => {
            let start = instant(&format!("{text}T00:00:00Z"))?;
            (start, start.saturating_add(DAY))
        }
        _ => return None,
    };
    Some([start, end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_ends_where_the_next_begins() {
        for (text, expected) in [
            ("1970", Some([0, 365])),
            ("2000-02", Some([10_988, 11_017])),
            ("2024-12", Some([20_058, 20_089])),
            ("1970-01-01", Some([0, 1])),
            ("2024-02-29", Some([19_782, 19_783])),
            ("2023-02-29", None),
            ("2027-13", None),
            ("2027-01-32", None),
            ("20270101", None),
            ("2027-", None),
            ("27", None),
            ("", None),
        ] {
            let found = date_span(text).map(|span| span.map(|instant| instant / DAY));
            assert_eq!(found, expected, "{text}");
        }
    }
}
