//! How searches may be asked, as the operator wants it.

use super::include::MAX_INCLUSIONS;
use super::{Inclusion, MAX_COUNT, Parameter, Search};
use crate::denial::Denial;
use crate::fhir::{DAY, ResourceType, SearchParameter, date_span};

/// How searches may be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SearchPolicy {
    /// `_count` of a search or a history that names none; `None` leaves it to the upstream.
    pub default_count: Option<u32>,
    /// The largest `_count`; what is larger is brought down to it. At most [`MAX_COUNT`].
    pub max_count: u32,
    /// The most values of all parameters of a search together.
    pub max_values: usize,
    /// Whether `:contains` is taken, which no index helps with.
    pub contains: bool,
    /// Types that are searched within dates only.
    pub date_ranges: Vec<DateRange>,
    /// What may be sent along with matches.
    pub include: Vec<Inclusion>,
    /// The most inclusions of a search that start from what is sent along as well.
    pub iterate: usize,
    /// The hops that a chain may have, and in reverse those of `_has`.
    pub chains: Vec<Inclusion>,
    /// Whether the upstream is trusted to count exactly what a search asks for, so that a patient may be
    /// told how much of the own there is.
    pub trusted_total: bool,
}

/// A type that is searched within dates only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DateRange {
    /// The type.
    pub resource_type: ResourceType,
    /// The parameters of dates that bound a search, one of which must.
    pub parameters: Vec<SearchParameter>,
    /// The most days from the first to the last.
    pub days: u32,
}

impl Default for SearchPolicy {
    /// No page is chosen for the client, up to 1000 entries; 256 values; no `:contains`, no dates needed, nothing sent along, no chains, no totals on trust.
    fn default() -> Self {
        SearchPolicy {
            default_count: None,
            max_count: MAX_COUNT,
            max_values: 256,
            contains: false,
            date_ranges: Vec::new(),
            include: Vec::new(),
            iterate: 0,
            chains: Vec::new(),
            trusted_total: false,
        }
    }
}

impl SearchPolicy {
    /// Refuses a search of this type that would cost too much.
    pub(super) fn check_cost(
        &self,
        resource_type: ResourceType,
        search: &Search,
    ) -> Result<(), Denial> {
        let values = search.parameters.iter().map(|own| own.values.len());
        if values.sum::<usize>() > self.max_values {
            return Err(Denial::TooCostly("values".into()));
        }
        if search.include.len() > MAX_INCLUSIONS {
            return Err(Denial::TooCostly("include".into()));
        }
        // Whoever names the instances asks for no more than these.
        let plain = |own: &Parameter| own.modifier.is_none() && own.path.is_empty();
        let named = |own: &Parameter| own.definition.name() == "_id" && plain(own);
        let needed = self.date_ranges.iter();
        let mut needed = needed.filter(|range| range.resource_type == resource_type);
        match search.parameters.iter().any(named) || needed.all(|range| range.bounds(search)) {
            true => Ok(()),
            false => Err(Denial::TooCostly("date-range".into())),
        }
    }
}

impl DateRange {
    /// Whether a search asks for no more days.
    fn bounds(&self, search: &Search) -> bool {
        self.parameters.iter().any(|definition| {
            let (mut from, mut to) = (None, None);
            let own = search.parameters.iter();
            for parameter in own.filter(|own| own.definition == *definition && own.path.is_empty())
            {
                // One of several dates bounds nothing, and neither does the lack of one.
                let ([value], None) = (parameter.values.as_slice(), parameter.modifier) else {
                    continue;
                };
                let (first, last) = bounds(value);
                from = from.max(first);
                to = to.into_iter().chain(last).min();
            }
            match (from, to) {
                (Some(from), Some(to)) => i64::saturating_sub(to, from) <= i64::from(self.days),
                _ => false,
            }
        })
    }
}

/// The first day that a date with its prefix lets through, and the day behind the last, since 1970; `None`
/// where it bounds nothing, or where that is up to the upstream (`ap`).
fn bounds(value: &str) -> (Option<i64>, Option<i64>) {
    let split = value.split_at_checked(2).unwrap_or(("", value));
    let (prefix, date) = match split {
        (prefix, date) if prefix.bytes().all(|byte| byte.is_ascii_lowercase()) => (prefix, date),
        _ => ("eq", value),
    };
    let Some((from, to)) = days_of(date) else {
        return (None, None);
    };
    match prefix {
        "eq" => (Some(from), Some(to)),
        "ge" | "gt" | "sa" => (Some(from), None),
        "le" | "lt" | "eb" => (None, Some(to)),
        _ => (None, None),
    }
}

/// The first day of a year, a month or a day, and the one behind its last, since 1970.
fn days_of(date: &str) -> Option<(i64, i64)> {
    let [from, to] = date_span(date.split('T').next()?)?;
    let day = |instant: i128| i64::try_from(instant / DAY).ok();
    Some((day(from)?, day(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::search_parameter;

    #[test]
    fn a_date_has_its_days() {
        for (value, expected) in [
            ("1970-01-01", (Some(0), Some(1))),
            ("1970", (Some(0), Some(365))),
            ("2000-02", (Some(10_988), Some(11_017))),
            ("eq2024-12", (Some(20_058), Some(20_089))),
            ("ge2027-01-15T08:00:00Z", (Some(20_833), None)),
            ("gt2027-01-15", (Some(20_833), None)),
            ("sa2027-01-15", (Some(20_833), None)),
            ("lt2027-01-15", (None, Some(20_834))),
            ("le2027", (None, Some(21_184))),
            ("eb2027", (None, Some(21_184))),
            ("ne2027", (None, None)),
            ("ap2027", (None, None)),
            ("2027-13", (None, None)),
            ("2027-01-32", (None, None)),
            ("2027-01-01-01", (None, None)),
            ("20270101", (None, None)),
            ("2027-", (None, None)),
        ] {
            assert_eq!(bounds(value), expected, "{value}");
        }
    }

    #[test]
    fn a_range_is_bounded_on_both_sides_bypass_27() {
        let observation = ResourceType::parse("Observation").expect("a type");
        let definition = |name: &str| search_parameter(observation, name).expect("a parameter");
        let range = DateRange {
            resource_type: observation,
            parameters: vec![definition("date"), definition("_lastUpdated")],
            days: 31,
        };
        for (dates, expected) in [
            (&["date=2024-01"][..], true),
            (&["date=2024-01-05"], true),
            (&["date=2024"], false),
            (&["date=ge2024-01-01", "date=lt2024-01-31"], true),
            (&["date=ge2024-01-01", "date=le2024-01-31"], true),
            (&["date=ge2024-01-01", "date=le2024-02-01"], false),
            (&["date=le2024-01-31", "date=ge2024-01-01"], true),
            (
                &[
                    "date=ge2024-01-01",
                    "date=ge2024-05-01",
                    "date=lt2024-05-20",
                ],
                true,
            ),
            (
                &["date=ge2024-01-01", "date=lt2025", "date=lt2024-01-20"],
                true,
            ),
            (&["_lastUpdated=2024-01"], true),
            // Of two parameters each bounds one side.
            (&["date=ge2024-01-01", "_lastUpdated=lt2024-01-20"], false),
            (&["date=2024-01,2025-01"], false),
            (&["date=ge2024-01-01"], false),
            (&["date=lt2024-01-01"], false),
            (&["date=ne2024-01-01"], false),
            (&["code=2024-01"], false),
            (&[], false),
        ] {
            let parameter = |text: &&str| {
                let (name, values) = text.split_once('=').expect("a value");
                Parameter {
                    path: Vec::new(),
                    definition: definition(name),
                    modifier: None,
                    values: values.split(',').map(str::to_owned).collect(),
                }
            };
            let search = Search {
                parameters: dates.iter().map(parameter).collect(),
                ..Search::default()
            };
            assert_eq!(range.bounds(&search), expected, "{dates:?}");
        }
    }
}
