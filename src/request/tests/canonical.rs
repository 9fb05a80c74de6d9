//! Decided on once, read again by anybody: the same.

use super::*;
use crate::fhir::{ResourceType, SearchKind, SearchParameter, search_parameter};

/// A generator that gives the same numbers everywhere (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

const NAMES: [&str; 20] = [
    "performer",
    "encounter",
    "value-quantity",
    "_profile",
    "_tag",
    "patient",
    "subject",
    "_id",
    "_lastUpdated",
    "date",
    "code",
    "status",
    "name",
    "family",
    "birthdate",
    "identifier",
    "type",
    "category",
    "period",
    "onset-date",
];

const PIECES: [&str; 26] = [
    "a",
    "B",
    "7",
    "-",
    ".",
    "_",
    "~",
    ":",
    "/",
    ",",
    "|",
    "$",
    "@",
    "!",
    "'",
    "(",
    "*",
    ";",
    "=",
    "&",
    "+",
    " ",
    "é",
    "\u{1f600}",
    "\\,",
    "\\\\",
];

/// A value that this parameter may have, mostly.
fn value(numbers: &mut Numbers, parameter: SearchParameter) -> String {
    let ids = [
        "p1",
        "Patient/p2",
        "https://fhir.example.org/r4/Patient/p-3.x",
        "p1,p2,Patient/p3",
    ];
    let references = [
        "Encounter/e1",
        "Practitioner/a,https://fhir.example.org/r4/Patient/p1",
        "Organization/o.1",
        "e1",
    ];
    let quantities = ["5.4", "ap-1e3||mg", "lt5|http://unitsofmeasure.org|mg"];
    let dates = [
        "2020",
        "ge2020-02-30",
        "lt2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00+01:00",
    ];
    match parameter.kind() {
        SearchKind::Reference => match parameter.name() {
            "patient" | "subject" => (*numbers.pick(&ids)).to_owned(),
            _ => (*numbers.pick(&references)).to_owned(),
        },
        SearchKind::Quantity => (*numbers.pick(&quantities)).to_owned(),
        SearchKind::Uri => (*numbers.pick(&["http://a.example/p", "urn:oid:1.2"])).to_owned(),
        SearchKind::Date => (*numbers.pick(&dates)).to_owned(),
        _ if parameter.name() == "_id" => (*numbers.pick(&["a", "a,b", "a-b.c"])).to_owned(),
        _ => (0..=numbers.below(12))
            .map(|_| *numbers.pick(&PIECES))
            .collect(),
    }
}

/// The value as some client would write it: each byte escaped or not, where both mean the same.
fn escaped(numbers: &mut Numbers, value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        let must = !byte.is_ascii_graphic() || b"&%+#\\".contains(&byte);
        match (must, numbers.below(4)) {
            (true, _) if byte == b' ' && numbers.below(2) == 0 => out.push('+'),
            (true, _) | (_, 0) => {
                let text = format!("%{byte:02X}");
                out.push_str(&if numbers.below(2) == 0 {
                    text.to_lowercase()
                } else {
                    text
                });
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[test]
fn the_canonical_form_of_a_search_means_the_same() {
    let mut numbers = Numbers(1);
    let types: Vec<ResourceType> = ResourceType::all()
        .filter(|found| search_parameter(*found, "status").is_some() || found.name() == "Patient")
        .collect();
    let mut understood = 0;
    for round in 0..20_000 {
        let resource_type = *numbers.pick(&types);
        let mut query: Vec<String> = Vec::new();
        for _ in 0..numbers.below(5) {
            let name: &str = numbers.pick::<&str>(&NAMES);
            let Some(parameter) = search_parameter(resource_type, name) else {
                continue;
            };
            let value = value(&mut numbers, parameter);
            query.push(format!(
                "{}={}",
                parameter.name(),
                escaped(&mut numbers, &value)
            ));
        }
        for extra in [
            "_count=20",
            "_offset=40",
            "_sort=-_lastUpdated",
            "_format=json",
        ] {
            if numbers.below(4) == 0 {
                query.insert(numbers.below(query.len() + 1), extra.to_owned());
            }
        }
        let path = format!("/r4/{resource_type}?{}", query.join("&"));
        let Ok(first) = parse("GET", &path, &[]) else {
            continue;
        };
        understood += 1;
        let target = first.interaction.target();
        let again = parse("GET", &format!("/r4{target}"), &[]);
        let again =
            again.unwrap_or_else(|denial| panic!("{round}: {path} to {target}: {denial:?}"));
        assert_eq!(again, first, "{round}: {path} to {target}");
        assert_eq!(again.interaction.target(), target, "{round}: {path}");
    }
    assert!(understood > 5_000, "only {understood} were understood");
}

#[test]
fn no_rubbish_is_understood_twice_in_two_ways() {
    let mut numbers = Numbers(2);
    let bytes: Vec<char> = ('!'..='~').collect();
    let mut understood = 0;
    for round in 0..50_000 {
        let rubbish: String = (0..numbers.below(14))
            .map(|_| *numbers.pick(&bytes))
            .collect();
        let path = match numbers.below(3) {
            0 => format!("/r4/Patient/{rubbish}"),
            1 => format!("/r4/Observation?code={rubbish}"),
            _ => format!("/r4/Observation?patient=p1&{rubbish}"),
        };
        let Ok(first) = parse("GET", &path, &[]) else {
            continue;
        };
        understood += 1;
        let again = parse("GET", &format!("/r4{}", first.interaction.target()), &[]);
        assert_eq!(again, Ok(first), "{round}: {path}");
    }
    assert!(understood > 500, "only {understood} were understood");
}

#[test]
fn other_interactions_are_read_again_too() {
    for path in [
        "/r4/Patient/p1",
        "/r4/Patient/...",
        "/r4/Patient/p1/_history/2",
        "/r4/Patient/p1/_history?_count=5&_since=2020-01-01T00:00:00Z",
        "/r4/Patient/_history?_since=2020-01-01T00:00:00%2B01:00&_offset=3",
        "/r4/metadata?_format=json",
    ] {
        let first = parse("GET", path, &[]).expect(path);
        let again = parse("GET", &format!("/r4{}", first.interaction.target()), &[]);
        assert_eq!(again, Ok(first), "{path}");
    }
}
