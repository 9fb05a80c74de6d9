//! What conditions are told, and what comes of them for a permit.

use std::net::IpAddr;

use super::*;
use crate::cel::{Condition, Environment, Fault};

pub(super) fn condition(text: &str) -> Condition {
    let environment = Environment {
        variables: &Fact::variables(),
        zones: None,
    };
    Condition::read(text, &environment).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"))
}

/// What the audit record says about a request under one rule with this condition; nothing where it
/// is permitted.
fn refused(when: &str, claims: Claims, target: &str) -> String {
    let rules = Rules {
        rules: vec![Rule {
            name: "r".to_owned(),
            interactions: None,
            types: None,
            when: Some(condition(when)),
            effect: Effect::Deny,
            report: false,
        }],
        ..Rules::default()
    };
    let circumstances = Circumstances {
        address: Rules::address("::ffff:10.1.2.3"),
        ..at(NOW)
    };
    let terms = Terms {
        rules: &rules,
        circumstances,
        ..terms()
    };
    let principal = principal_of(claims.scope("system/*.cruds"));
    let found = authorize(&principal, &request(target), &terms);
    found.err().map(|denial| denial.rule()).unwrap_or_default()
}

#[test]
fn variables_stand_where_their_places_say() {
    let names: Vec<&str> = Fact::ALL.iter().map(|(_, name, _)| *name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for (place, (fact, name, _)) in Fact::ALL.iter().enumerate() {
        assert_eq!(fact.place(), place, "{name}");
    }
}

#[test]
fn each_variable_tells_what_it_says() {
    let claims = Claims::new(NOW);
    let (read, search) = ("GET /Patient/p1", "GET /Observation?code=x");
    for (when, target, expected) in [
        ("principal.subject == 'practitioner-1'", read, "deny.r"),
        ("principal.client == 'clinic-a'", read, "deny.r"),
        (
            "principal.issuer == 'https://as.example.org'",
            read,
            "deny.r",
        ),
        ("principal.patient == 'p1'", read, "deny.r"),
        (
            "principal.user == 'Practitioner/practitioner-1'",
            read,
            "deny.r",
        ),
        ("principal.scopes == ['system/*.cruds']", read, "deny.r"),
        (
            "size(principal.roles) == 0 && size(principal.purposes) == 0",
            read,
            "deny.r",
        ),
        ("size(token.bindings) == 0", read, "deny.r"),
        (
            "request.time == timestamp('2027-01-15T08:00:00Z')",
            read,
            "deny.r",
        ),
        ("source.address == ip('10.1.2.3')", read, "deny.r"),
        (
            "fhir.interaction == 'read' && fhir.type == 'Patient'",
            read,
            "deny.r",
        ),
        ("fhir.id == 'p1'", read, "deny.r"),
        (
            "fhir.interaction == 'search-type' && !has(fhir.id)",
            search,
            "deny.r",
        ),
        ("fhir.id == 'p1'", search, "error.rule.r.absent"),
        (
            "has(principal.tenant) || has(principal.encounter)",
            read,
            "",
        ),
        ("principal.tenant == 'x'", read, "error.rule.r.absent"),
        // Kept only where the configuration says so.
        ("has(token.claims)", read, ""),
        (
            "has(certificate.thumbprint) || has(certificate.dns) || has(certificate.uris)",
            read,
            "",
        ),
        (
            "has(certificate.subject) || has(certificate.issuer)",
            read,
            "",
        ),
        ("'x' in certificate.dns", read, "error.rule.r.absent"),
    ] {
        assert_eq!(refused(when, claims.clone(), target), expected, "{when}");
    }
    let known = |text: &str| text.parse::<IpAddr>().ok();
    for (text, expected) in [
        ("10.1.2.3", known("10.1.2.3")),
        ("::ffff:10.1.2.3", known("10.1.2.3")),
        ("2001:db8::1", known("2001:db8::1")),
        ("", None),
    ] {
        assert_eq!(Rules::address(text), expected, "{text}");
    }
    assert_eq!(Fault::Absent.name(), "absent");
}

#[test]
fn redactions_and_limits_are_spared_by_their_places() {
    let named = |texts: &[Option<&str>]| {
        let named = texts
            .iter()
            .map(|text| ("n".to_owned(), text.map(condition)));
        named.collect::<Vec<_>>()
    };
    let many: Vec<Option<&str>> = (0..64).map(|at| (at == 63).then_some("false")).collect();
    let rules = Rules {
        rules: Vec::new(),
        redactions: named(&many),
        limits: named(&[None, Some("false"), Some("true")]),
        ..Rules::default()
    };
    let terms = Terms {
        rules: &rules,
        ..terms()
    };
    let principal = principal("system/*.rs", &[]);
    let permit = authorize(&principal, &request("GET /Patient/p1"), &terms).expect("a permit");
    let spared = |of: &dyn Fn(usize) -> bool| (0..100).filter(|at| of(*at)).collect::<Vec<_>>();
    assert_eq!(spared(&|at| permit.spares_redaction(at)), [63]);
    assert_eq!(spared(&|at| permit.spares_limit(at)), [1]);
}
