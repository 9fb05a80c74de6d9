//! `detectors`: what is looked for, and what comes of it.

use serde_json::json;

use super::*;
use crate::risk::{Detector, RiskPolicy, Volume};

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
fn what_is_done_is_read() {
    let policy = with(&[(
        "/detectors",
        json!({
            "report_only": true, "watch_only": ["places", "volume"],
            "clamp_at": 40, "clamp_by": 8,
            "step_up_at": 60, "step_up": {"acr": ["loa3"], "max_age": "5m"},
            "quarantine_at": 70, "quarantine_for": "1h",
            "isolate": ["tenant"], "tenant_at": 900,
            "certificates": {"within": "5m"}, "travel": {"within": "30s"},
            "places": {"header": "x-geo-country", "within": "2h"},
            "learn": "168h", "volume": {"ratio": 10, "records": 5000, "bytes": "100MiB"},
        }),
    )]);
    let policy = policy.expect("good");
    assert_eq!(policy.place_header.as_deref(), Some("x-geo-country"));
    assert_eq!(policy.risk_step_up.classes, ["loa3"]);
    assert_eq!(policy.risk_step_up.max_age, Some(300));
    let mut watch_only = [false; 14];
    watch_only[Detector::Places as usize] = true;
    watch_only[Detector::Volume as usize] = true;
    let expected = RiskPolicy {
        report_only: true,
        watch_only,
        clamp_at: Some(40),
        clamp_by: 8,
        step_up_at: Some(60),
        quarantine_at: Some(70),
        quarantine_for: 3600,
        isolates_tenants: true,
        tenant_at: 900,
        certificates_within: 300,
        travel_within: 30,
        places_within: 7200,
        learn: 604_800,
        volume: Volume {
            ratio: 10,
            records: 5000,
            bytes: 100 << 20,
        },
        ..RiskPolicy::default()
    };
    assert_eq!(policy.risk, Some(expected));
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
        "\"certificate\", \"client\" or \"tenant\", found \"address\"",
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
    check(
        json!({"step_up_at": 60}),
        "step_up",
        "step_up and step_up_at together, found one of them",
    );
    check(
        json!({"step_up": {"acr": ["loa3"]}}),
        "step_up",
        "step_up and step_up_at together, found one of them",
    );
    check(
        json!({"step_up_at": 60, "step_up": {}}),
        "step_up",
        "acr, amr or max_age, what is asked of the login, found other text",
    );
    check(json!({"clamp_at": 0}), "clamp_at", points);
    check(json!({"quarantine_at": 0}), "quarantine_at", points);
    check(json!({"tenant_at": 0}), "tenant_at", points);
    check(
        json!({"clamp_by": 1}),
        "clamp_by",
        "a whole number from 2 to 100, found another number",
    );
    let header = "a header that begins with x-, of a-z, 0-9 and -, found other text";
    check(
        json!({"places": {"header": "cookie"}}),
        "places/header",
        header,
    );
    check(
        json!({"places": {"header": "x-Geo"}}),
        "places/header",
        header,
    );
    check(
        json!({"watch_only": ["volume", "volume"]}),
        "watch_only/1",
        "each word once, found one for the second time",
    );
    check(
        json!({"volume": {"ratio": 1}}),
        "volume/ratio",
        "a whole number from 2 to 1000, found another number",
    );
    check(
        json!({"learn": "169h"}),
        "learn",
        "a duration from 10s to 168h, a whole number with ms, s, m or h, found \"169h\"",
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
