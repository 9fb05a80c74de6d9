//! `detectors`: what is looked for, and what comes of it.

use serde_json::json;

use super::*;
use crate::risk::{Detector, RiskPolicy};

fn with(changes: &[(&str, Value)]) -> Result<Policy, Mistakes> {
    let mut document = complete();
    for (pointer, value) in changes {
        set(&mut document, pointer, value.clone());
    }
    read(document.to_string().as_bytes())
}

#[test]
fn detectors_are_read_with_their_defaults() {
    let found = |section: Value| with(&[("/detectors", section)]).expect("good").risk;
    assert_eq!(with(&[]).expect("good").risk, None, "nobody looks");
    assert_eq!(found(json!({})), Some(RiskPolicy::default()));
    let all = found(json!({
        "report_at": 7, "isolate_at": 9, "isolate": ["client", "certificate"], "isolate_for": "24h",
        "half_life": "10s", "patients": {"most": 1000, "within": "24h"},
        "weights": {"theft": 1000, "networks": 0},
    }));
    let all = all.expect("configured");
    assert_eq!(
        (all.report_at, all.isolate_at, all.isolate_for),
        (7, 9, 86_400)
    );
    assert!(all.isolates_certificates && all.isolates_clients);
    assert_eq!(
        (all.half_life, all.patients, all.window),
        (10, 1000, 86_400)
    );
    let mut weights = RiskPolicy::default().weights;
    weights.0[Detector::Theft as usize] = 1000;
    weights.0[Detector::Networks as usize] = 0;
    assert_eq!(all.weights, weights);
}

#[test]
fn what_is_wrong_is_said() {
    let check = |section: Value, place: &str, expected: &str| {
        let found = with(&[("/detectors", section)]).expect_err(place);
        let expected = format!("/detectors/{place}: expected {expected}");
        assert_eq!(found.to_string(), expected);
    };
    let points = "a whole number from 1 to 100000, found another number";
    check(json!({"report_at": 0}), "report_at", points);
    check(json!({"isolate_at": 100_001}), "isolate_at", points);
    let time = "a duration from 10s to 24h, a whole number with ms, s, m or h";
    let found = |found: &str| format!("{time}, found \"{found}\"");
    check(json!({"half_life": "9s"}), "half_life", &found("9s"));
    check(json!({"isolate_for": "25h"}), "isolate_for", &found("25h"));
    check(
        json!({"half_life": "10500ms"}),
        "half_life",
        "a duration of whole seconds, found other text",
    );
    check(
        json!({"isolate": ["client", "client"]}),
        "isolate/1",
        "each word once, found one for the second time",
    );
    check(
        json!({"isolate": ["address"]}),
        "isolate/0",
        "\"certificate\" or \"client\", found \"address\"",
    );
    check(
        json!({"weights": {"thefts": 1}}),
        "weights/thefts",
        "the name of a detector as its key, found \"thefts\" (did you mean \"theft\"?)",
    );
    check(
        json!({"weights": {"theft": 1001}}),
        "weights/theft",
        "a whole number from 0 to 1000, found another number",
    );
    check(
        json!({"patients": {"most": 1001}}),
        "patients/most",
        "a whole number from 1 to 1000, found another number",
    );
    let none = |kind: &str| {
        with(&[
            ("/issuers/0/proof", json!(["none"])),
            ("/detectors", json!({"isolate": [kind]})),
        ])
    };
    none("certificate").expect("a certificate is its holder's own");
    assert_eq!(
        none("client").unwrap_err().to_string(),
        "/detectors/isolate: expected no client where an issuer has proof none: whoever has stolen a token \
         could have its client isolated; found client"
    );
}
