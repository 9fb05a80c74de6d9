//! What the upstream is told about the caller.

use serde_json::{Value, json};

use super::*;

/// The value of the field for one fact; `None` where there is no field, an error where the request is
/// refused.
fn told(fact: Fact, claims: &Claims) -> Result<Option<String>, ()> {
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    let roles = Pointer::parse("/roles").expect("a pointer");
    policy.claims.roles = vec![roles.clone()];
    policy.claims.purpose = vec![roles];
    let token = judged(&issuer.token(claims), policy, NOW).expect("a token");
    let certificate = CertificatePolicy {
        required: false,
        validated_by: ValidatedBy::Attribute,
    };
    let principal =
        Principal::establish(Rc::new(token), None, None, certificate).expect("a caller");
    let field = (fact, "x-told".to_owned());
    let told = Told {
        fields: vec![field],
    };
    let mut fields = told.fields(Some(&principal), "r-1").ok_or(())?;
    let found = fields.pop();
    assert!(fields.is_empty());
    Ok(found.map(|(name, value)| {
        assert_eq!(name, "x-told");
        value
    }))
}

#[test]
fn each_fact_is_told_in_its_form() {
    let claims = good()
        .claim("encounter", json!("Encounter/e1"))
        .claim("roles", json!(["nurse", "on call"]));
    for (fact, expected) in [
        (Fact::Client, "clinic-a"),
        (Fact::Encounter, "e1"),
        (Fact::Issuer, "https://as.example.org"),
        (Fact::Patient, "p1"),
        (Fact::Purpose, "nurse,on call"),
        (Fact::RequestId, "r-1"),
        (Fact::Roles, "nurse,on call"),
        (Fact::Scope, "patient/*.rs"),
        (Fact::Subject, "practitioner-1"),
        (Fact::Tenant, "clinic"),
        (Fact::User, "Practitioner/practitioner-1"),
    ] {
        assert_eq!(
            told(fact, &claims),
            Ok(Some(expected.to_owned())),
            "{fact:?}"
        );
    }
    let bare = good().without("patient").without("fhirUser");
    for fact in [
        Fact::Encounter,
        Fact::Patient,
        Fact::User,
        Fact::Roles,
        Fact::Purpose,
    ] {
        assert_eq!(told(fact, &bare), Ok(None), "{fact:?}");
    }
}

#[test]
fn no_value_breaks_out_of_its_field_or_its_list() {
    for (subject, expected) in [
        ("plain", "plain"),
        ("two words", "two words"),
        (" at the ends ", "%20at the ends%20"),
        (" ", "%20"),
        ("Zo\u{eb}", "Zo%C3%AB"),
        ("100%", "100%25"),
        ("%0d%0a", "%250d%250a"),
        ("a,b;c=\"d\"", "a,b;c=\"d\""),
        ("\u{2028}", "%E2%80%A8"),
        ("\u{feff}x", "%EF%BB%BFx"),
    ] {
        let found = told(Fact::Subject, &good().subject(subject));
        assert_eq!(found, Ok(Some(expected.to_owned())), "{subject:?}");
    }
    for (fact, claim, value, expected) in [
        (Fact::Roles, "roles", json!(["a,b", "c"]), "a%2Cb,c"),
        (Fact::Purpose, "roles", json!("TREAT,BTG"), "TREAT%2CBTG"),
        (
            Fact::Roles,
            "roles",
            json!({"system": "urn:x", "code": "a"}),
            "urn:x|a",
        ),
        (Fact::Scope, "scope", json!(["a b", "c"]), "a%20b c"),
        (Fact::Scope, "scope", json!("a  b"), "a b"),
        (Fact::Scope, "scope", json!("a\nb"), "a%0Ab"),
        (
            Fact::Scope,
            "scope",
            json!("a\r\nx-admin: 1"),
            "a%0D%0Ax-admin: 1",
        ),
    ] {
        let found = told(fact, &good().claim(claim, value.clone()));
        assert_eq!(found, Ok(Some(expected.to_owned())), "{value}");
    }
}

#[test]
fn a_value_is_told_whole_or_the_request_is_refused() {
    let scopes = |bytes: usize| -> Value { json!("a".repeat(bytes)) };
    for (bytes, holds) in [(MAX_TOLD, true), (MAX_TOLD + 1, false)] {
        let found = told(Fact::Scope, &good().claim("scope", scopes(bytes)));
        assert_eq!(found.is_ok(), holds, "{bytes}");
    }
    // Encoded it is what counts.
    let third = json!("%".repeat(MAX_TOLD / 3 + 1));
    assert_eq!(told(Fact::Scope, &good().claim("scope", third)), Err(()));
}

#[test]
fn of_a_public_path_nothing_is_told_but_the_request() {
    let fields = Fact::ALL.map(|fact| (fact, format!("x-{}", fact.name().replace('_', "-"))));
    let told = Told {
        fields: fields.to_vec(),
    };
    let found = told.fields(None, "r-1");
    let expected = vec![("x-request-id".to_owned(), "r-1".to_owned())];
    assert_eq!(found, Some(expected));
    assert_eq!(told.fields(None, ""), Some(Vec::new()));
}
