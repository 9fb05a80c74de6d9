//! Conditions and the values they are about: whatever the text, it is read or its mistake has a
//! place; whatever the values, it is decided or cannot be, and the logic is that of the language.

use std::net::IpAddr;

use fhir_guard::cel::{
    Condition, Environment, Facts, LENGTH, Timestamp, Type, Value, Variable, Zone,
};
use serde_json::Value as Json;

use crate::sources::literals;

/// The values of one input.
struct Known {
    claims: Json,
    roles: Vec<String>,
    time: i128,
}

const VARIABLES: [(&str, Type); 6] = [
    ("token.claims", Type::Map),
    ("principal.roles", Type::Strings),
    ("principal.tenant", Type::String),
    ("source.address", Type::Ip),
    ("request.time", Type::Timestamp),
    ("fhir.interaction", Type::String),
];

impl Facts for Known {
    fn value(&self, variable: usize) -> Option<Value<'_>> {
        match variable {
            // What another reader of claims would have refused is an error here.
            0 => Some(Value::of(&self.claims)),
            1 => Some(Value::Strings(&self.roles)),
            2 => self.roles.first().map(|role| Value::String(role)),
            3 => Some(Value::Ip(IpAddr::from([10, 1, 2, 3]))),
            4 => Timestamp::from_nanoseconds(self.time).map(Value::Timestamp),
            _ => Some(Value::String("read")),
        }
    }
}

/// A line of JSON, the claims, and a condition after it; or a condition alone. Says whether it was
/// read.
///
/// # Panics
/// Where the place of a mistake is none of the text, or logic is not what it is.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(input) = std::str::from_utf8(bytes) else {
        return false;
    };
    let (claims, text) = match input.split_once('\n') {
        Some((first, rest)) if first.starts_with('{') => (first, rest),
        _ => (
            r#"{"level": 3, "name": "Ada", "list": ["a", 1], "map": {"k": "v"}}"#,
            input,
        ),
    };
    let known = Known {
        claims: serde_json::from_str(claims).unwrap_or_default(),
        roles: text.split(['"', '\'']).take(4).map(str::to_owned).collect(),
        time: i128::from(text.len() as u64) * 3_600_000_000_000 * 24 * 365,
    };
    let Some(condition) = read(text) else {
        return false;
    };
    let found = condition.holds(&known);
    assert_eq!(found, condition.holds(&known), "twice is the same");
    let wrapped = |before: &str, after: &str| {
        let text = format!("{before}({text}\n){after}");
        read(&text).map(|condition| condition.holds(&known))
    };
    for (before, after, expected) in [
        ("!", "", found.map(|holds| !holds)),
        ("!!", "", found),
        ("", " && true", found),
        ("true && ", "", found),
        ("", " || false", found),
        ("false || ", "", found),
        ("", " && false", Ok(false)),
        ("false && ", "", Ok(false)),
        ("", " || true", Ok(true)),
        ("true || ", "", Ok(true)),
        ("true ? ", " : false", found),
    ] {
        // It may be beyond a bound now.
        if let Some(outcome) = wrapped(before, after) {
            assert_eq!(outcome, expected, "{before}({text}){after}");
        }
    }
    true
}

fn read(text: &str) -> Option<Condition> {
    let variable = |(name, kind): &(&'static str, Type)| Variable {
        name,
        kind: *kind,
        words: match *name {
            "fhir.interaction" => vec!["read", "vread", "create"],
            _ => Vec::new(),
        },
    };
    let zone = Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
    let environment = Environment {
        variables: &VARIABLES.iter().map(variable).collect::<Vec<_>>(),
        zones: Some(&[("Europe/Berlin".to_owned(), zone)]),
    };
    match Condition::read(text, &environment) {
        Ok(condition) => {
            assert!(text.len() <= LENGTH);
            Some(condition)
        }
        Err(mistake) => {
            let lines: Vec<&str> = text.split('\n').collect();
            let line = lines.get(mistake.line - 1).expect("a line of the text");
            assert!(mistake.column <= line.chars().count() + 1, "{mistake:?}");
            assert!(mistake.message.len() < 300, "{mistake:?}");
            None
        }
    }
}

/// The conditions of the product's own tables, and claims for them.
pub fn seeds() -> Vec<Vec<u8>> {
    let claims = [
        "",
        "{\"level\": 1e300, \"name\": null, \"list\": [], \"map\": {}}\n",
        "{\"level\": \"x\", \"name\": {\"first\": 1}, \"ratio\": 0.5, \"net\": \"10.0.0.1\"}\n",
    ];
    let texts = literals(&["src/cel/tests"]);
    let texts = texts.iter().filter(|text| text.len() < 400);
    let pairs = texts.flat_map(|text| claims.iter().map(move |claims| format!("{claims}{text}")));
    pairs.map(String::into_bytes).collect()
}
