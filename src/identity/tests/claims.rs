//! The shapes of claims.

use serde_json::{Value, json};

use super::*;
use TokenFault::{Audience, Binding, Claims as BadClaims, Issuer as WrongIssuer};

const BAD: Option<TokenFault> = Some(BadClaims);

#[test]
fn issuer_and_audience_are_compared_exactly() {
    for (value, expected) in [
        (json!("https://as.example.org"), None),
        (json!("https://as.example.org/"), Some(WrongIssuer)),
        (json!("https://AS.example.org"), Some(WrongIssuer)),
        (json!("https://as.example.org.evil"), Some(WrongIssuer)),
        (json!(""), Some(WrongIssuer)),
        (json!(["https://as.example.org"]), Some(WrongIssuer)),
        (json!(null), Some(WrongIssuer)),
    ] {
        check(
            &format!("iss {value}"),
            &good().claim("iss", value),
            expected,
        );
    }
    check("iss missing", &good().without("iss"), Some(WrongIssuer));
    let ours = "https://fhir.example.org";
    for (value, expected) in [
        (json!(ours), None),
        (json!([ours]), None),
        (json!(["https://elsewhere.example", ours]), None),
        (json!("https://other.example.org"), None),
        (json!("https://fhir.example.org/"), Some(Audience)),
        (json!("https://fhir.example.org/r4"), Some(Audience)),
        (json!("https://FHIR.example.org"), Some(Audience)),
        (json!("https://elsewhere.example"), Some(Audience)),
        (
            json!(format!("{ours} https://elsewhere.example")),
            Some(Audience),
        ),
        (json!([ours, 1]), Some(Audience)),
        (json!([[ours]]), Some(Audience)),
        (json!([]), Some(Audience)),
        (json!({ ours: true }), Some(Audience)),
        (json!(null), Some(Audience)),
    ] {
        check(
            &format!("aud {value}"),
            &good().claim("aud", value),
            expected,
        );
    }
    check("aud missing", &good().without("aud"), Some(Audience));
}

#[test]
fn who_is_calling_is_said_once_and_in_text() {
    for name in ["sub", "client_id", "jti", "scope"] {
        check(&format!("{name} missing"), &good().without(name), BAD);
        for value in [json!(1), json!(null), json!({}), json!([1]), json!(true)] {
            check(&format!("{name} {value}"), &good().claim(name, value), BAD);
        }
    }
    let (longest, longer) = ("x".repeat(256), "x".repeat(257));
    for name in ["sub", "client_id", "jti"] {
        for (text, expected) in [
            (longest.as_str(), None),
            (longer.as_str(), BAD),
            ("", BAD),
            ("a\nb", BAD),
            ("a\u{0}b", BAD),
            ("a\u{85}b", BAD),
            ("a b", None),
            ("Zoë", None),
        ] {
            check(
                &format!("{name} {text:?}"),
                &good().claim(name, json!(text)),
                expected,
            );
        }
    }
    let two = |client: Value, azp: Value| good().claim("client_id", client).claim("azp", azp);
    check("two that agree", &two(json!("a"), json!("a")), None);
    check("two that disagree", &two(json!("a"), json!("b")), BAD);
    check("one of them a number", &two(json!("a"), json!(1)), BAD);
    check(
        "only the other",
        &good().without("client_id").claim("azp", json!("a")),
        None,
    );
}

#[test]
fn a_patient_is_one_patient_of_this_server() {
    for (value, expected) in [
        (json!("p1"), Ok("p1")),
        (json!("Patient/p1"), Ok("p1")),
        (json!("https://fhir.example.org/r4/Patient/p1"), Ok("p1")),
        (json!("https://fhir.example.org/r4/p1"), Ok("p1")),
        (json!("https://fhir.example.org/r44/Patient/p1"), Err(())),
        (json!("https://elsewhere.example/r4/Patient/p1"), Err(())),
        (json!("Practitioner/p1"), Err(())),
        (json!("patient/p1"), Err(())),
        (json!("Patient/p1/_history/1"), Err(())),
        (json!("Patient/Patient/p1"), Err(())),
        (json!("p1 p2"), Err(())),
        (json!("p1,p2"), Err(())),
        (json!(["p1"]), Ok("p1")),
        (json!(["Patient/p1"]), Ok("p1")),
        (json!(["p1", "p1"]), Err(())),
        (json!(["p1", "p2"]), Err(())),
        (json!([["p1"]]), Err(())),
        (json!([1]), Err(())),
        (json!([]), Err(())),
        (json!({"patient": "p1"}), Err(())),
        (json!({"reference": "Patient/p1"}), Err(())),
        (json!("{\"patient\":\"p1\"}"), Err(())),
        (
            json!("urn:uuid:6f1c5a2e-2d7a-4b6c-9b57-0c8a6f2a9d11"),
            Err(()),
        ),
        (json!("p1^^^&1.2.3&ISO"), Err(())),
        (json!(".."), Err(())),
        (json!(""), Err(())),
        (json!(null), Err(())),
    ] {
        let found = token(&good().claim("patient", value.clone()));
        let found = found.map(|token| token.patient);
        match expected {
            Ok(id) => assert_eq!(found, Ok(Some(id.to_owned())), "{value}"),
            Err(()) => assert_eq!(found, Err(BadClaims), "{value}"),
        }
    }
    assert_eq!(
        token(&good().without("patient")).map(|token| token.patient),
        Ok(None)
    );
}

#[test]
fn a_user_is_one_of_five_types_of_this_server() {
    for (value, expected) in [
        ("Practitioner/d1", Ok("Practitioner/d1")),
        ("PractitionerRole/d1", Ok("PractitionerRole/d1")),
        ("Patient/d1", Ok("Patient/d1")),
        ("Person/d1", Ok("Person/d1")),
        ("RelatedPerson/d1", Ok("RelatedPerson/d1")),
        (
            "https://fhir.example.org/r4/Practitioner/d1",
            Ok("Practitioner/d1"),
        ),
        ("https://elsewhere.example/r4/Practitioner/d1", Err(())),
        ("Organization/d1", Err(())),
        ("practitioner/d1", Err(())),
        ("Practitioner", Err(())),
        ("Practitioner/", Err(())),
        ("Practitioner/d1/_history/1", Err(())),
        ("Practitioner/..", Err(())),
        ("", Err(())),
    ] {
        let found = token(&good().fhir_user(value)).map(|token| token.user);
        match expected {
            Ok(user) => assert_eq!(found, Ok(Some(user.to_owned())), "{value}"),
            Err(()) => assert_eq!(found, Err(BadClaims), "{value}"),
        }
    }
}

#[test]
fn scopes_are_a_text_or_a_list() {
    for (value, expected) in [
        (json!("a b"), &["a", "b"][..]),
        (json!("  a   b "), &["a", "b"]),
        (json!(["a", "b"]), &["a", "b"]),
        // A space inside an item belongs to the item, which then is no scope that grants.
        (json!(["a b"]), &["a b"]),
        (json!("a\tb"), &["a\tb"]),
        (json!(""), &[]),
        (json!([]), &[]),
    ] {
        let found = token(&good().claim("scope", value.clone())).expect("a token");
        assert_eq!(found.scopes.texts(), expected, "{value}");
    }
}

#[test]
fn claims_are_where_the_operator_says() {
    let pointer = |text: &str| Pointer::parse(text).expect("a pointer");
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    policy.claims.patient = vec![pointer("/patient"), pointer("/context/patient")];
    policy.claims.scope = vec![pointer("/scp"), pointer("/scope")];
    for (name, claims, expected) in [
        ("one place", good(), Some("p1")),
        (
            "the other",
            good()
                .without("patient")
                .claim("context", json!({"patient": "p2"})),
            Some("p2"),
        ),
        (
            "both agree",
            good().claim("context", json!({"patient": "p1"})),
            Some("p1"),
        ),
        (
            "both disagree",
            good().claim("context", json!({"patient": "p2"})),
            None,
        ),
        (
            "the same in two shapes is the same",
            good().claim("context", json!({"patient": ["Patient/p1"]})),
            Some("p1"),
        ),
        (
            "scopes disagree",
            good().claim("scp", json!(["patient/*.cruds"])),
            None,
        ),
        (
            "scopes agree in two shapes",
            good().claim("scp", json!(["patient/*.rs"])),
            Some("p1"),
        ),
    ] {
        let found = judged(&issuer.token(&claims), policy.clone(), NOW);
        match expected {
            Some(id) => assert_eq!(found.expect(name).patient.as_deref(), Some(id), "{name}"),
            None => assert_eq!(found.err(), BAD, "{name}"),
        }
    }
    for text in ["", "/", "patient", "x/patient"] {
        assert_eq!(Pointer::parse(text), None, "{text}");
    }
    assert!(Pointer::parse(&format!("/{}", "x".repeat(255))).is_some());
    assert!(Pointer::parse(&format!("/{}", "x".repeat(256))).is_none());
}

#[test]
fn a_confirmation_is_a_thumbprint_and_nothing_else() {
    let thumbprint = "A".repeat(43);
    let confirmed = |value: Value| good().claim("cnf", value);
    check(
        "a thumbprint",
        &confirmed(json!({"x5t#S256": thumbprint})),
        None,
    );
    for value in [
        json!({}),
        json!([]),
        json!(null),
        json!("x5t#S256"),
        json!({"x5t#S256": null}),
        json!({"x5t#S256": 1}),
        json!({"x5t#S256": ""}),
        json!({"x5t#S256": "A".repeat(42)}),
        json!({"x5t#S256": "A".repeat(44)}),
        json!({"x5t#S256": format!("{thumbprint}=")}),
        json!({"x5t#S256": format!("{}B", "A".repeat(42))}),
        json!({"x5t#S256": "0".repeat(64)}),
        json!({"x5t": thumbprint}),
        json!({"jkt": thumbprint}),
        json!({"x5t#S256": thumbprint, "jkt": thumbprint}),
        json!({"x5t#s256": thumbprint}),
        json!({"jwk": {}}),
        json!({"kid": "es256-0"}),
    ] {
        check(&format!("cnf {value}"), &confirmed(value), Some(Binding));
    }
}

fn token(claims: &Claims) -> Result<AccessToken, TokenFault> {
    let issuer = issuer();
    judged(&issuer.token(claims), policy(&issuer.jwks()), NOW)
}
