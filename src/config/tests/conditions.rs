//! Rules with conditions: what is read, and what is said about what is wrong.

use super::*;
use crate::access::{Effect, Fact, Requirement};
use crate::cel;

#[test]
fn rules_are_read_and_what_they_need_is_known() {
    let mut document = complete();
    let policy = read(document.to_string().as_bytes()).expect("a policy");
    let [rule] = policy.rules.rules.as_slice() else {
        panic!("{:?}", policy.rules)
    };
    assert_eq!(rule.name, "office");
    assert_eq!(rule.interactions, Some(vec!["create"]));
    assert_eq!(
        rule.types,
        Some(ResourceType::parse("Observation").into_iter().collect())
    );
    assert!(rule.report && rule.when.is_some());
    let login = Requirement {
        methods: vec!["otp".to_owned()],
        ..Requirement::default()
    };
    let bound = vec!["certificate", "dpop"];
    let consent = true;
    assert_eq!(
        rule.effect,
        Effect::Require {
            login,
            bound,
            provenance: true,
            consent,
        }
    );
    let named = |list: &[(String, Option<cel::Condition>)]| {
        let named = list
            .iter()
            .map(|(name, when)| (name.clone(), when.is_some()));
        named.collect::<Vec<_>>()
    };
    assert_eq!(
        named(&policy.rules.limits),
        [
            ("per-client".to_owned(), true),
            ("at-once".to_owned(), false),
            ("charts".to_owned(), false)
        ]
    );
    assert_eq!(
        named(&policy.rules.redactions),
        [("demographics".to_owned(), true)]
    );
    set(&mut document, "/consent/claim", json!(REMOVED));
    // What is not asked for is neither kept nor asked of the proxy.
    for (when, claims, leaf, subject, address) in [
        ("true", false, false, false, false),
        ("has(token.claims.x)", true, false, false, false),
        ("'a' in certificate.dns", false, true, false, false),
        ("'a' in certificate.uris", false, true, false, false),
        ("has(certificate.issuer)", false, true, false, false),
        ("has(certificate.subject)", false, false, true, false),
        ("has(certificate.thumbprint)", false, false, false, false),
        ("has(source.address)", false, false, false, true),
    ] {
        let places = [
            "/rules/0/when",
            "/limits/0/when",
            "/limits/0/priority/when",
            "/redaction/0/when",
        ];
        for place in places {
            for cleared in places {
                set(&mut document, cleared, json!("true"));
            }
            set(&mut document, place, json!(when));
            let policy = read(document.to_string().as_bytes()).expect("a policy");
            assert_eq!(policy.issuers[0].claims.kept, claims, "{when}");
            let needs = policy.certificate_rules.conditions;
            assert_eq!((needs.leaf, needs.subject), (leaf, subject), "{when}");
            assert_eq!(policy.rules.uses(Fact::SourceAddress), address, "{when}");
        }
    }
}

#[test]
fn a_wrong_rule_is_said_to_be_wrong() {
    for (pointer, value, expected) in [
        (
            "/rules/0/when",
            json!("principal.role == 'a'"),
            "/rules/0/when: line 1, column 1: expected a variable, found \"principal.role\" (did you mean \"principal.roles\"?)",
        ),
        (
            "/rules/0/when",
            json!("true &&\n  fhir.interaction == 'raed'"),
            "/rules/0/when: line 2, column 23: expected a value that fhir.interaction can have, found \"raed\" (did you mean \"read\"?)",
        ),
        (
            "/limits/0/when",
            json!("denied"),
            "/limits/0/when: line 1, column 1: expected a variable, found \"denied\"",
        ),
        (
            "/redaction/0/when",
            json!("fhir.type == 'Patent'"),
            "/redaction/0/when: line 1, column 14: expected a value that fhir.type can have, found \"Patent\" (did you mean \"Patient\"?)",
        ),
        (
            "/rules/0/when",
            json!(""),
            "/rules/0/when: expected a condition in CEL of 1 to 4096 bytes, found 0 bytes",
        ),
        (
            "/rules/0/when",
            json!("x".repeat(4097)),
            "/rules/0/when: expected a condition in CEL of 1 to 4096 bytes, found 4097 bytes",
        ),
        (
            "/rules/0/when",
            json!(true),
            "/rules/0/when: expected a condition in CEL, found true (write it in quotes)",
        ),
        (
            "/rules/0/when",
            json!("request.time.getHours('Europe/Berlim') > 1"),
            "/rules/0/when: line 1, column 23: expected UTC, an offset such as +01:00, or one of time_zones, found \"Europe/Berlim\" (did you mean \"Europe/Berlin\"?)",
        ),
        (
            "/rules/0/effect",
            json!("choose"),
            "/rules/0/effect: \"choose\" is not available in this version; expected \"allow\", \"deny\" or \"require\", and the condition as \"when\" of the limit or redaction that is to be chosen",
        ),
        (
            "/rules/0/effect",
            json!("denied"),
            "/rules/0/effect: expected \"allow\", \"deny\" or \"require\", found \"denied\"",
        ),
        (
            "/rules/0/effect",
            json!("deny"),
            "/rules/0/require: expected nothing where effect is not require, found something",
        ),
        (
            "/rules/0/require",
            json!(REMOVED),
            "/rules/0/require: expected an object with acr, amr, max_age, bound, provenance or consent, found nothing",
        ),
        (
            "/rules/0/require",
            json!({}),
            "/rules/0/require: expected an object with acr, amr, max_age, bound, provenance or consent, found none of them",
        ),
        (
            "/rules/0/require",
            json!({"amr": ["otp"], "consent": false}),
            "/rules/0/require/consent: expected true, or nothing where consent is not required, found false",
        ),
        (
            "/rules/0/require/provenance",
            json!(false),
            "/rules/0/require/provenance: expected true, or no such key, found false",
        ),
        (
            "/rules/0/require/provenance",
            json!("true"),
            "/rules/0/require/provenance: expected true or false, found a string (write it without quotes)",
        ),
        (
            "/fhir/provenance",
            json!("dropped"),
            "/rules/0/require/provenance: expected fhir.provenance to be \"kept\" where a rule requires it, found another, or none",
        ),
        (
            "/fhir/provenance",
            json!(REMOVED),
            "/rules/0/require/provenance: expected fhir.provenance to be \"kept\" where a rule requires it, found another, or none",
        ),
        (
            "/fhir/provenance",
            json!("keep"),
            "/fhir/provenance: expected \"dropped\", \"kept\" or \"refused\", found \"keep\"",
        ),
        (
            "/rules/0/require/bound",
            json!(["mtls"]),
            "/rules/0/require/bound/0: expected \"certificate\" or \"dpop\", found \"mtls\"",
        ),
        (
            "/rules/-",
            json!({"name": "office", "effect": "deny"}),
            "/rules/1/name: expected a name of its own, found that of /rules/0",
        ),
        (
            "/time_zones/Europe~1Berlin",
            json!("CET"),
            "/time_zones/Europe~1Berlin: expected a POSIX TZ string such as CET-1CEST,M3.5.0,M10.5.0/3, found other text",
        ),
        (
            "/time_zones/UTC",
            json!("UTC0"),
            "/time_zones/UTC: expected a name of the characters A-Z a-z 0-9 / _ + -, other than UTC, found another one",
        ),
        (
            "/time_zones",
            json!(["UTC"]),
            "/time_zones: expected an object with a POSIX TZ string for each name of a time zone, found a list",
        ),
    ] {
        assert_eq!(
            said(&[(pointer, value.clone())]),
            expected,
            "{pointer} {value}"
        );
    }
}

#[test]
fn time_zones_are_bounded() {
    let zones = |count: usize| {
        let zone = |index| (format!("Zone{index}"), json!("UTC0"));
        let mut zones: serde_json::Map<_, _> = (1..count).map(zone).collect();
        zones.insert(
            "Europe/Berlin".to_owned(),
            json!("CET-1CEST,M3.5.0,M10.5.0/3"),
        );
        Value::Object(zones)
    };
    let named = |length: usize| json!({"Europe/Berlin": "CET-1", "x".repeat(length): "CET-1"});
    let long = |length: usize| {
        let name = "x".repeat(length - 3);
        json!({"Europe/Berlin": format!("<{name}>1")})
    };
    for (within, beyond, expected) in [
        (zones(16), zones(17), "/time_zones: expected at most 16 time zones, found 17".to_owned()),
        (named(64), named(65), format!("/time_zones/{}: expected a name of the characters A-Z a-z 0-9 / _ + -, other than UTC, found another one", "x".repeat(65))),
        (long(128), long(129), "/time_zones/Europe~1Berlin: expected a POSIX TZ string such as CET-1CEST,M3.5.0,M10.5.0/3 of 1 to 128 bytes, found 129 bytes".to_owned()),
    ] {
        assert_eq!(said(&[("/time_zones", within)]), "");
        let said = said(&[("/time_zones", beyond)]);
        assert!(said.starts_with(&expected), "{said}");
    }
}
