//! Conditions: what is read, what is said about mistakes, and what comes of values.

mod evaluation;
mod mistakes;
mod times;

use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::network::ip;
use super::*;

/// The values of one table.
pub(super) struct Known {
    claims: Json,
    roles: Vec<String>,
    tenant: Option<&'static str>,
    address: Option<IpAddr>,
    /// In seconds since 1970.
    time: i64,
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
            0 => Some(Value::of(&self.claims)),
            1 => Some(Value::Strings(&self.roles)),
            2 => self.tenant.map(Value::String),
            3 => self.address.map(Value::Ip),
            4 => Timestamp::from_seconds(self.time).map(Value::Timestamp),
            _ => Some(Value::String("read")),
        }
    }
}

/// 2009-02-13T23:31:30Z, a Friday.
pub(super) const TIME: i64 = 1_234_567_890;

pub(super) fn known() -> Known {
    Known {
        claims: json!({"level": 3, "ratio": 0.5, "name": "Ada", "flag": true, "none": null,
            "list": ["a", 1, [2], {"k": "v"}], "map": {"k": {"deep": "x"}}, "big": u64::MAX,
            "https://example.org/unit": "icu", "auth_time": TIME, "net": "10.1.2.3"}),
        roles: ["nurse", "physician"].map(str::to_owned).to_vec(),
        tenant: None,
        address: ip("10.1.2.3"),
        time: TIME,
    }
}

pub(super) fn condition(text: &str) -> Result<Condition, Mistake> {
    let variable = |(name, kind): &(&'static str, Type)| Variable {
        name,
        kind: *kind,
        words: match *name {
            "fhir.interaction" => vec!["read", "vread", "create"],
            _ => Vec::new(),
        },
    };
    let zone = |name: &str, text| (name.to_owned(), Zone::posix(text).expect(text));
    let environment = Environment {
        variables: &VARIABLES.iter().map(variable).collect::<Vec<_>>(),
        zones: Some(&[
            zone("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"),
            zone("Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3"),
            zone("US/Central", "CST6CDT,M3.2.0,M11.1.0"),
            zone("Asia/Kathmandu", "<+0545>-5:45"),
        ]),
    };
    Condition::read(text, &environment)
}

/// What comes of a condition about the known values.
pub(super) fn outcome(text: &str) -> Result<bool, Fault> {
    let condition = condition(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
    condition.holds(&known())
}

pub(super) fn check(rows: &[(&str, Result<bool, Fault>)]) {
    for (text, expected) in rows {
        assert_eq!(outcome(text), *expected, "{text}");
    }
}

#[test]
fn a_condition_says_what_it_is_about() {
    let found = condition("'a' in principal.roles || has(token.claims.x)").expect("a condition");
    let used: Vec<usize> = (0..VARIABLES.len())
        .filter(|place| found.uses(*place))
        .collect();
    assert_eq!(used, [0, 1]);
}
