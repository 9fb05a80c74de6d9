//! `labels`.

use super::*;
use crate::fhir::{Confidentiality, PolicyCode};
use crate::label::Kind;

pub(super) fn complete() -> Value {
    labels("", Value::Null)
}

fn labels(name: &str, value: Value) -> Value {
    let mut labels = json!({
        "unlabelled": "normal",
        "clearances": [
            {"confidentiality": "normal"},
            {"when": "'psychiatry' in principal.roles", "confidentiality": "restricted",
                "sensitivities": ["PSY", "http://example.org/labels|vip",
                    "http://terminology.hl7.org/CodeSystem/v3-ActCode|MH",
                    "http://terminology.hl7.org/CodeSystem/v3-ActCode|NEW"]},
            {"confidentiality": "low", "sensitivities": ["*"]},
        ],
        "codes": [{"codes": ["http://icd|F11.20", "http://icd|F11.21"],
            "confidentiality": "restricted", "sensitivities": ["OPIOIDUD"]}],
    });
    if !name.is_empty() {
        labels[name] = value;
    }
    labels
}

#[test]
fn labels_are_read() {
    let policy = read(super::complete().to_string().as_bytes()).expect("a policy");
    let terms = policy.rules.labels.expect("labels");
    assert_eq!(terms.policy.unlabelled, Confidentiality::Normal);
    let [rule] = terms.policy.codes.as_slice() else {
        panic!("{:?}", terms.policy.codes)
    };
    assert!(rule.codes.contains(&("http://icd".into(), "F11.20".into())) && rule.codes.len() == 2);
    assert_eq!(rule.confidentiality, Some(Confidentiality::Restricted));
    let policy_code = |code: &str| Kind::Policy(PolicyCode::parse(code).expect(code));
    let other = |system: &str, code: &str| Kind::Other {
        system: system.into(),
        code: code.into(),
    };
    assert_eq!(rule.kinds, [policy_code("OPIOIDUD")]);
    let [plain, (psychiatry, when), (all, _)] = terms.clearances.as_slice() else {
        panic!("{:?}", terms.clearances)
    };
    assert!(plain.1.is_none() && plain.0.kinds.is_empty() && !plain.0.every_kind);
    assert!(when.is_some() && psychiatry.confidentiality == Confidentiality::Restricted);
    assert_eq!(
        psychiatry.kinds,
        [
            policy_code("PSY"),
            other("http://example.org/labels", "vip"),
            policy_code("MH"),
            other(PolicyCode::SYSTEM, "NEW"),
        ]
    );
    assert!(all.every_kind && all.kinds.is_empty());
    let mut without = super::complete();
    set(&mut without, "/labels", REMOVED.into());
    let without = read(without.to_string().as_bytes()).expect("a policy");
    assert!(without.rules.labels.is_none());
}

#[test]
fn labels_are_read_or_explained() {
    let level = "expected \"unrestricted\", \"low\", \"moderate\", \"normal\", \"restricted\" or \"very-restricted\", found";
    let clearance = |name: &str, value: Value| {
        let mut clearance = json!({"confidentiality": "normal"});
        clearance[name] = value;
        labels("clearances", json!([clearance]))
    };
    let rule = |name: &str, value: Value| {
        let mut rule = json!({"codes": ["http://icd|x"], "sensitivities": ["HIV"]});
        rule[name] = value;
        labels("codes", json!([rule]))
    };
    let many = |count: usize| Value::Array(vec![json!({"confidentiality": "normal"}); count]);
    let codes = |count: usize| Value::Array(vec![json!("http://icd|x"); count]);
    for (value, expected) in [
        (labels("", Value::Null), String::new()),
        (
            labels("unlabelled", json!("N")),
            format!("/labels/unlabelled: {level} \"N\""),
        ),
        (
            labels("unlabelled", json!(false)),
            format!("/labels/unlabelled: {level} false (write it in quotes)"),
        ),
        (
            json!({"clearances": many(1)}),
            format!("/labels/unlabelled: {level} nothing"),
        ),
        (
            json!({"unlabelled": "normal"}),
            "/labels/clearances: expected a list of what callers are cleared for, found nothing".into(),
        ),
        (labels("clearances", many(64)), String::new()),
        (
            labels("clearances", many(65)),
            "/labels/clearances: expected a list of 1 to 64 clearances, found 65".into(),
        ),
        (
            labels("clearances", json!([])),
            "/labels/clearances: expected a list of 1 to 64 clearances, found 0".into(),
        ),
        (
            clearance("sensitivities", json!(["HIW"])),
            "/labels/clearances/0/sensitivities/0: expected a code of v3-ActCode such as HIV, or another with its system, system|code, found \"HIW\" (did you mean \"HIV\"?)".into(),
        ),
        (
            clearance("sensitivities", json!(["*", "HIV"])),
            "/labels/clearances/0/sensitivities/0: expected a code of v3-ActCode such as HIV, or another with its system, system|code, found \"*\", which stands alone in a clearance".into(),
        ),
        (
            clearance("sensitivities", json!(["|x"])),
            "/labels/clearances/0/sensitivities/0: expected a code of v3-ActCode such as HIV, or another with its system, system|code, found other text".into(),
        ),
        (
            clearance("when", json!("principal.nobody")),
            "/labels/clearances/0/when: line 1, column 11: expected one of".into(),
        ),
        (rule("codes", codes(1024)), String::new()),
        (
            rule("codes", codes(1025)),
            "/labels/codes/0/codes: expected a list of 1 to 1024 codes, found 1025".into(),
        ),
        (
            rule("codes", json!(["F11"])),
            "/labels/codes/0/codes/0: expected a code with its system, system|code, found other text".into(),
        ),
        (
            rule("sensitivities", json!([])),
            "/labels/codes/0: expected an object with codes, and with confidentiality or sensitivities, found neither of them".into(),
        ),
        (
            rule("sensitivities", json!(["*"])),
            "/labels/codes/0/sensitivities/0: expected a code of v3-ActCode such as HIV, or another with its system, system|code, found \"*\", which stands alone in a clearance".into(),
        ),
    ] {
        let found = said(&[("/labels", value.clone())]);
        let same = match expected.ends_with("one of") {
            true => found.starts_with("/labels/clearances/0/when: line 1, column"),
            false => found == expected,
        };
        assert!(same, "{value}: {found}");
    }
}
