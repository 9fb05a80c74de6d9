//! Values that are made less exact, or replaced.

use super::redaction::Action;
use crate::json::{Kind, Node, quote};

/// How exact a value stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Precision {
    /// Of a date the year.
    Year,
    /// Of a date the year and the month.
    Month,
    /// Of a postal code, or another text, the first three characters.
    Area,
    /// Of an age, that it is 90 years or more, where it is.
    Age,
}

/// Ages above this are told as [`AGED`].
const EXACT: f64 = 89.0;

const AGED: &str = "90";

/// No age in a shorter unit above this is told.
const UNITS: f64 = 1000.0;

/// The code of years (<http://unitsofmeasure.org>).
const YEARS: &str = "a";

/// Those of what is shorter: minutes, hours, days, weeks, months
/// (<https://hl7.org/fhir/R4/valueset-age-units.html>).
const SHORTER: [&str; 5] = ["min", "h", "d", "wk", "mo"];

/// What stands in the place of a value, in JSON; `None` where it is to be masked.
pub(super) fn rewritten(value: Node<'_>, action: &Action) -> Option<String> {
    match action {
        Action::Remove | Action::Mask => None,
        Action::Replace(text) => {
            let is_text = |value: Node<'_>| matches!(value.kind(), Kind::String | Kind::Null);
            match value.kind() {
                Kind::String => Some(quote(text)),
                // How many there are is hidden too.
                Kind::Array if value.items().all(is_text) => Some(format!("[{}]", quote(text))),
                _ => None,
            }
        }
        Action::Generalize(precision) => match value.kind() {
            Kind::Array => {
                let items = value.items().map(|item| precision.of(item));
                let items = items.collect::<Option<Vec<String>>>()?;
                Some(format!("[{}]", items.join(",")))
            }
            _ => precision.of(value),
        },
    }
}

impl Precision {
    /// A single value.
    fn of(self, value: Node<'_>) -> Option<String> {
        match (self, value.kind()) {
            (Precision::Year | Precision::Month, Kind::String) => self.date(&value.str()?),
            (Precision::Year | Precision::Month, Kind::Object) => self.period(value),
            (Precision::Area, Kind::String) => area(&value.str()?),
            (Precision::Age, Kind::Object) => age(value),
            _ => None,
        }
    }

    /// A date of at least a year (<https://hl7.org/fhir/R4/datatypes.html#dateTime>).
    fn date(self, text: &str) -> Option<String> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let year = text.get(..4).filter(|year| digits(year))?;
        let Some(rest) = text.get(4..).filter(|rest| !rest.is_empty()) else {
            return Some(quote(year));
        };
        let month = rest
            .strip_prefix('-')?
            .get(..2)
            .filter(|month| digits(month))?;
        match self {
            Precision::Month => Some(quote(&format!("{year}-{month}"))),
            _ => Some(quote(year)),
        }
    }

    /// Start and end, and nothing else of it.
    fn period(self, period: Node<'_>) -> Option<String> {
        let mut parts = Vec::with_capacity(2);
        for name in ["start", "end"] {
            if let Some(date) = period.get(name) {
                parts.push(format!("{}:{}", quote(name), self.date(&date.str()?)?));
            }
        }
        (!parts.is_empty()).then(|| format!("{{{}}}", parts.join(",")))
    }
}

/// A text of three characters or fewer is exact as it is, and so is masked.
fn area(text: &str) -> Option<String> {
    let (end, _) = text.char_indices().nth(3)?;
    text.get(..end).map(quote)
}

/// Value and unit, and nothing else of it. An age in any other unit is not told.
fn age(age: Node<'_>) -> Option<String> {
    let value = age
        .get("value")
        .filter(|value| value.kind() == Kind::Number)?;
    let number: f64 = value.raw().parse().ok()?;
    let code = age.get("code");
    let years = code.is_none_or(|code| code.is_str(YEARS));
    let shorter = code.is_some_and(|code| SHORTER.iter().any(|short| code.is_str(short)));
    let comparator = age.get("comparator");
    // Less than this may be any age.
    let below = comparator.is_some_and(|sign| sign.is_str("<") || sign.is_str("<="));
    let (value, aged) = match number {
        number if years && number > EXACT => (AGED, true),
        number if years || (shorter && number <= UNITS) => (value.raw(), false),
        _ => return None,
    };
    if aged && below {
        return None;
    }
    let mut out = format!("{{\"value\":{value}");
    let comparator = comparator.filter(|sign| !aged && sign.kind() == Kind::String);
    match comparator {
        Some(comparator) => out.push_str(&format!(",\"comparator\":{}", comparator.raw())),
        None if aged => out.push_str(",\"comparator\":\">=\""),
        None => {}
    }
    for name in ["unit", "system", "code"] {
        if let Some(part) = age.get(name).filter(|part| part.kind() == Kind::String) {
            out.push_str(&format!(",{}:{}", quote(name), part.raw()));
        }
    }
    out.push('}');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn check(name: &str, action: &Action, value: &str, expected: Option<&str>) {
        let document = Document::parse_syntax(value.as_bytes(), &Limits::default());
        let document = document.expect(value);
        let found = rewritten(document.root(), action);
        assert_eq!(found.as_deref(), expected, "{name}: {value}");
    }

    #[test]
    fn values_are_made_less_exact_or_masked() {
        let year = Action::Generalize(Precision::Year);
        let month = Action::Generalize(Precision::Month);
        for (value, years, months) in [
            (r#""1974-12-25""#, Some(r#""1974""#), Some(r#""1974-12""#)),
            (r#""1974-12""#, Some(r#""1974""#), Some(r#""1974-12""#)),
            (r#""1974""#, Some(r#""1974""#), Some(r#""1974""#)),
            (
                r#""2026-01-31T10:00:00+01:00""#,
                Some(r#""2026""#),
                Some(r#""2026-01""#),
            ),
            (r#""19741225""#, None, None),
            (r#""1974-1""#, None, None),
            (r#""1974/12/25""#, None, None),
            (r#""about 1974""#, None, None),
            (r#""""#, None, None),
            (r#""١٩٧٤-12""#, None, None),
            ("1974", None, None),
            ("null", None, None),
            (
                r#"{"id":"x","start":"1974-12-25","end":"1975-01-02"}"#,
                Some(r#"{"start":"1974","end":"1975"}"#),
                Some(r#"{"start":"1974-12","end":"1975-01"}"#),
            ),
            (
                r#"{"end":"1975-01-02","_start":{"extension":[]}}"#,
                Some(r#"{"end":"1975"}"#),
                Some(r#"{"end":"1975-01"}"#),
            ),
            (r#"{"start":"yesterday"}"#, None, None),
            (r#"{"start":1974}"#, None, None),
            ("{}", None, None),
            (
                r#"["1974-12-25","1980"]"#,
                Some(r#"["1974","1980"]"#),
                Some(r#"["1974-12","1980"]"#),
            ),
            (r#"["1974-12-25",null]"#, None, None),
        ] {
            check("year", &year, value, years);
            check("month", &month, value, months);
        }
    }

    #[test]
    fn areas_and_ages_are_coarse() {
        let area = Action::Generalize(Precision::Area);
        for (value, expected) in [
            (r#""02139""#, Some(r#""021""#)),
            (r#""SW1A 1AA""#, Some(r#""SW1""#)),
            (r#""äöüß""#, Some(r#""äöü""#)),
            (r#""021""#, None),
            (r#""""#, None),
            ("2139", None),
        ] {
            check("area", &area, value, expected);
        }
        let age = Action::Generalize(Precision::Age);
        for (value, expected) in [
            (
                r#"{"value":93,"unit":"years","system":"http://unitsofmeasure.org","code":"a"}"#,
                Some(
                    r#"{"value":90,"comparator":">=","unit":"years","system":"http://unitsofmeasure.org","code":"a"}"#,
                ),
            ),
            (
                r#"{"value":89.5}"#,
                Some(r#"{"value":90,"comparator":">="}"#),
            ),
            (
                r#"{"value":89,"code":"a"}"#,
                Some(r#"{"value":89,"code":"a"}"#),
            ),
            (
                r#"{"value":50,"comparator":"<","code":"a"}"#,
                Some(r#"{"value":50,"comparator":"<","code":"a"}"#),
            ),
            (
                r#"{"value":8,"code":"mo","extension":[1]}"#,
                Some(r#"{"value":8,"code":"mo"}"#),
            ),
            (r#"{"value":1200,"code":"mo"}"#, None),
            // Not every unit that is no year is shorter than one.
            (r#"{"value":93,"code":"a_j"}"#, None),
            (r#"{"value":93,"code":"years"}"#, None),
            (r#"{"value":93,"code":["a"]}"#, None),
            // It may be much less than 90.
            (r#"{"value":95,"comparator":"<","code":"a"}"#, None),
            (r#"{"value":95,"comparator":"<=","code":"a"}"#, None),
            (
                r#"{"value":95,"comparator":">","code":"a"}"#,
                Some(r#"{"value":90,"comparator":">=","code":"a"}"#),
            ),
            (
                r#"{"value":9.3e1,"code":"a"}"#,
                Some(r#"{"value":90,"comparator":">=","code":"a"}"#),
            ),
            (
                r#"{"value":8,"comparator":{"x":1},"code":"wk"}"#,
                Some(r#"{"value":8,"code":"wk"}"#),
            ),
            (r#"{"value":"93"}"#, None),
            (
                r#"{"value":1e999}"#,
                Some(r#"{"value":90,"comparator":">="}"#),
            ),
            (r#"{"code":"a"}"#, None),
            ("93", None),
        ] {
            check("age", &age, value, expected);
        }
    }

    #[test]
    fn a_text_stands_in_the_place_of_texts() {
        let replace = Action::Replace("***".into());
        for (value, expected) in [
            (r#""Chalmers""#, Some(r#""***""#)),
            (r#"["Peter","James"]"#, Some(r#"["***"]"#)),
            (r#"["Peter",null]"#, Some(r#"["***"]"#)),
            (r#"["Peter",1]"#, None),
            ("1", None),
            ("{}", None),
            ("null", None),
        ] {
            check("replace", &replace, value, expected);
        }
    }
}
