//! `fhir.search`.

use super::*;
use crate::fhir::search_parameter;
use crate::request::{DateRange, Inclusion, SearchPolicy};

/// What `complete` says of searches.
pub(super) fn of_complete() -> SearchPolicy {
    let observation = ResourceType::parse("Observation").expect("a type");
    SearchPolicy {
        default_count: Some(20),
        max_count: 200,
        max_values: 50,
        contains: true,
        date_ranges: vec![DateRange {
            resource_type: observation,
            parameters: vec![search_parameter(observation, "date").expect("a parameter")],
            days: 366,
        }],
        include: [(false, "Observation:subject"), (true, "Provenance:target")]
            .map(|(reverse, text)| Inclusion::parse(reverse, text).expect(text))
            .to_vec(),
        iterate: 2,
        chains: [
            (false, "Observation:subject:Patient"),
            (true, "Observation:patient"),
        ]
        .map(|(reverse, text)| Inclusion::parse(reverse, text).expect(text))
        .to_vec(),
        trusted_total: true,
    }
}

#[test]
fn searches_are_read_or_explained() {
    let range = |of: &str, name: &str, days: Value| json!([{"resource": of, "parameters": [name], "days": days}]);
    let ranges = "/fhir/search/date_ranges";
    for (place, value, expected) in [
        ("/fhir/search", json!({}), String::new()),
        ("/fhir/search/max_count", json!(1000), String::new()),
        (
            "/fhir/search/max_count",
            json!(1001),
            "/fhir/search/max_count: expected a whole number from 1 to 1000, found another number".into(),
        ),
        ("/fhir/search/default_count", json!(200), String::new()),
        (
            "/fhir/search/default_count",
            json!(201),
            "/fhir/search/default_count: expected a whole number from 1 to 200, found another number".into(),
        ),
        ("/fhir/search/max_values", json!(4096), String::new()),
        (
            "/fhir/search/max_values",
            json!(4097),
            "/fhir/search/max_values: expected a whole number from 1 to 4096, found another number".into(),
        ),
        (ranges, json!([]), String::new()),
        (
            ranges,
            range("Condition", "onset-date", json!(36_525)),
            String::new(),
        ),
        (
            ranges,
            range("Condition", "onset-date", json!(36_526)),
            format!("{ranges}/0/days: expected a whole number from 1 to 36525, found another number"),
        ),
        (
            ranges,
            range("Observation", "code", json!(1)),
            format!(
                "{ranges}/0/parameters/0: expected a search parameter of this type whose values are dates, found another name"
            ),
        ),
        (
            ranges,
            range("Observation", "onset-date", json!(1)),
            format!(
                "{ranges}/0/parameters/0: expected a search parameter of this type whose values are dates, found another name"
            ),
        ),
        (
            ranges,
            range("Bundle", "date", json!(1)),
            format!(
                "{ranges}/0/resource: expected the type of the resources inside, such as Patient, found \"Bundle\", which only carries others"
            ),
        ),
        ("/fhir/search/include", json!(["Observation:performer:Practitioner"]), String::new()),
        (
            "/fhir/search/include",
            json!(["Provenance:target"]),
            "/fhir/search/include/0: expected a reference to what carries no other resources, found another".into(),
        ),
        ("/fhir/search/chains", json!(["Observation:patient"]), String::new()),
        (
            "/fhir/search/has",
            json!(["Observation:code"]),
            "/fhir/search/has/0: expected a reference such as Observation:subject or Observation:performer:Practitioner, found other text".into(),
        ),
        ("/fhir/search/revinclude", json!(["Provenance:target", "Observation:subject:Patient"]), String::new()),
        (
            "/fhir/search/revinclude",
            json!(["*"]),
            "/fhir/search/revinclude/0: expected a reference such as Observation:subject or Observation:performer:Practitioner, found other text".into(),
        ),
        ("/fhir/search/iterate", json!(0), String::new()),
        ("/fhir/search/iterate", json!(3), String::new()),
        (
            "/fhir/search/iterate",
            json!(4),
            "/fhir/search/iterate: expected a whole number from 0 to 3, found another number".into(),
        ),
        (
            "/fhir/search/contains",
            json!("yes"),
            "/fhir/search/contains: expected true or false, found a string (write it without quotes)".into(),
        ),
    ] {
        assert_eq!(
            said(&[(place, value.clone())]).trim_end(),
            expected,
            "{place} {value}"
        );
    }
}
