//! `consent`.

use super::*;
use crate::consent::{Actor, Effect};
use crate::request::BaseUrl;

fn base(text: &str) -> BaseUrl {
    BaseUrl::parse(text).expect("a base")
}

/// What `complete` says of consent.
pub(super) fn check_complete(policy: &Policy) {
    let expected = ConsentPolicy {
        cluster: "consents".to_owned(),
        base: base("http://consents/fhir"),
        cache: 0,
        count: 5,
        default: Effect::Permit,
    };
    assert_eq!(policy.consent, expected);
    let terms = &policy.rules.consent;
    assert!(terms.claim.is_some() && policy.issuers[0].claims.kept);
    let identifier = Actor::Identifier {
        system: "urn:x".to_owned(),
        value: "1".to_owned(),
    };
    let organization = Actor::parse("Organization/h1").expect("a reference");
    let actors: Vec<_> = terms.actors.iter().map(|(actor, _)| actor).collect();
    assert_eq!(actors, [&organization, &identifier]);
    assert!(policy.rules.require_consent());
}

/// What holds without the section.
pub(super) fn check_default(policy: &Policy) {
    let expected = ConsentPolicy {
        cluster: policy.fhir.upstream.cluster.clone(),
        base: policy.fhir.upstream.base.clone(),
        cache: 30_000_000_000,
        count: 20,
        default: Effect::Deny,
    };
    assert_eq!(policy.consent, expected);
    assert_eq!(policy.rules.consent, Default::default());
    assert!(!policy.rules.require_consent());
}

#[test]
fn consent_is_read_or_explained() {
    let either =
        "/consent/actors/0: expected either reference or identifier, found both of them, or none";
    let reference = "/consent/actors/0/reference: expected a reference such as Organization/h1, found other text";
    let actor = |name: &str, value: Value| {
        let mut actor = json!({"reference": "Organization/h1", "when": "true"});
        actor[name] = value;
        json!([actor])
    };
    let actors = |count: usize| Value::Array(vec![actor("when", json!("true"))[0].clone(); count]);
    for (place, value, expected) in [
        ("/consent", json!({}), ""),
        ("/consent/cache", json!("5m"), ""),
        (
            "/consent/cache",
            json!("301s"),
            "/consent/cache: expected a duration from 0s to 5m, a whole number with ms, s, m or h, found \"301s\"",
        ),
        ("/consent/count", json!(1), ""),
        ("/consent/count", json!(100), ""),
        (
            "/consent/count",
            json!(0),
            "/consent/count: expected a whole number from 1 to 100, found another number",
        ),
        (
            "/consent/count",
            json!(101),
            "/consent/count: expected a whole number from 1 to 100, found another number",
        ),
        (
            "/consent/default",
            json!("allow"),
            "/consent/default: expected \"deny\" or \"permit\", found \"allow\"",
        ),
        (
            "/consent/claim",
            json!("consent"),
            "/consent/claim: expected a JSON pointer such as /client_id, found other text",
        ),
        (
            "/consent/cluster",
            json!("a b"),
            "/consent/cluster: expected printable ASCII without spaces, found other text",
        ),
        (
            "/consent/base",
            json!("consents"),
            "/consent/base: expected a URL that begins with `https://` or `http://`, found other text",
        ),
        ("/consent/actors", actors(64), ""),
        (
            "/consent/actors",
            actors(65),
            "/consent/actors: expected a list of 0 to 64 actors, found 65",
        ),
        ("/consent/actors", json!([{"when": "true"}]), either),
        (
            "/consent/actors",
            actor("identifier", json!({"system": "urn:x", "value": "1"})),
            either,
        ),
        (
            "/consent/actors",
            actor("reference", json!("h1")),
            reference,
        ),
        (
            "/consent/actors",
            actor("reference", json!("Hospital/h1")),
            reference,
        ),
        (
            "/consent/actors",
            json!([{"identifier": {"system": "urn:x"}, "when": "true"}]),
            "/consent/actors/0/identifier/value: expected text, found nothing",
        ),
        (
            "/consent/actors",
            json!([{"reference": "Organization/h1"}]),
            "/consent/actors/0/when: expected a condition in CEL, found nothing",
        ),
        (
            "/consent/actors",
            actor("when", json!("fhir.type == 'Patient'")),
            "/consent/actors/0/when: expected a condition about the caller, found one about what is asked for",
        ),
    ] {
        assert_eq!(said(&[(place, value.clone())]), expected, "{place} {value}");
    }
}
