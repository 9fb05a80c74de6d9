//! `dlp`.

use super::*;
use crate::dlp::{Action as What, Known, Own, Pattern};

pub(super) fn complete() -> Value {
    json!([rule("", Value::Null)])
}

fn rule(name: &str, value: Value) -> Value {
    let mut rule = json!({
        "name": "numbers",
        "patterns": ["card", "us-ssn", {"pattern": "MRN-[0-9]{8}"}],
        "action": "mask",
        "types": ["Patient"],
        "except": ["telecom"],
        "when": "'desk' in principal.roles",
    });
    if !name.is_empty() {
        rule[name] = value;
    }
    rule
}

#[test]
fn rules_about_texts_are_read() {
    let policy = read(super::complete().to_string().as_bytes()).expect("a policy");
    let [(rule, when)] = policy.rules.dlp.as_slice() else {
        panic!("{:?}", policy.rules.dlp)
    };
    assert!(when.is_some());
    assert_eq!(rule.action, What::Mask);
    let own = Own::read("MRN-[0-9]{8}").expect("a pattern");
    let known = [Known::Card, Known::UsSsn].map(Pattern::Known);
    assert_eq!(rule.patterns.get(..2), Some(&known[..]));
    assert_eq!(rule.patterns.get(2), Some(&Pattern::Own(own)));
    assert_eq!(
        rule.types,
        ResourceType::parse("Patient").map(|of| vec![of])
    );
    assert_eq!(rule.except, ["telecom"]);
    let mut without = super::complete();
    set(&mut without, "/dlp", REMOVED.into());
    let without = read(without.to_string().as_bytes()).expect("a policy");
    assert!(without.rules.dlp.is_empty());
}

#[test]
fn rules_about_texts_are_read_or_explained() {
    let named = |count: usize, patterns: usize| -> Value {
        let of = |index| json!({"name": format!("r{index}"), "action": "refuse", "patterns": vec!["card"; patterns]});
        (0..count).map(of).collect()
    };
    let pattern = |text: &str| json!([rule("patterns", json!([{"pattern": text}]))]);
    for (value, expected) in [
        (named(16, 1), ""),
        (
            named(17, 1),
            "/dlp: expected a list of 0 to 16 rules about texts, found 17",
        ),
        (named(1, 16), ""),
        (named(2, 8), ""),
        (
            named(1, 17),
            "/dlp/0/patterns: expected a list of 1 to 16 patterns, found 17",
        ),
        (
            named(2, 9),
            "/dlp: expected at most 16 patterns in all rules, found 18",
        ),
        (
            named(1, 0),
            "/dlp/0/patterns: expected a list of 1 to 16 patterns, found 0",
        ),
        (
            json!([rule("", Value::Null), rule("", Value::Null)]),
            "/dlp/1/name: expected a name of its own, found that of /dlp/0",
        ),
        (
            json!([rule("patterns", json!(["cards"]))]),
            "/dlp/0/patterns/0: expected \"card\", \"us-ssn\", \"iban\", \"email\", \"phone\" or an object with pattern, found \"cards\" (did you mean \"card\"?)",
        ),
        (pattern(&format!("[{}]", "a".repeat(254))), ""),
        (
            pattern(&"a".repeat(257)),
            "/dlp/0/patterns/0/pattern: expected a regular expression of 1 to 256 bytes, found 257 bytes",
        ),
        (
            pattern("a*"),
            "/dlp/0/patterns/0/pattern: expected a regular expression, found another: it matches the empty text",
        ),
        (
            pattern("(a"),
            "/dlp/0/patterns/0/pattern: expected a regular expression, found another: ",
        ),
        (
            pattern("(a{100}){100}"),
            "/dlp/0/patterns/0/pattern: expected a regular expression, found another: ",
        ),
        (
            json!([rule("action", json!("drop"))]),
            "/dlp/0/action: expected \"mask\" or \"refuse\", found \"drop\"",
        ),
        (
            json!([rule("types", json!(["Patients"]))]),
            "/dlp/0/types/0: expected a FHIR R4 resource type such as Patient, found \"Patients\" (did you mean \"Patient\"?)",
        ),
        (
            json!([rule("except", json!(["Patient.telecom"]))]),
            "/dlp/0/except/0: expected the name of an element such as telecom, without a path, found other text",
        ),
        (
            json!([rule("when", json!("principal.nobody"))]),
            "/dlp/0/when: line 1, column 1: expected a variable, found \"principal.nobody\"",
        ),
    ] {
        let found = said(&[("/dlp", value.clone())]);
        let same = match expected.ends_with(": ") {
            true => found.starts_with(expected),
            false => found == expected,
        };
        assert!(same, "{value}: {found}");
    }
}
