//! What a token says beside who and what for: context, roles, purposes, the login.

use serde_json::{Value, json};

use super::*;
use TokenFault::Claims as BadClaims;

#[test]
fn an_encounter_is_one_encounter_of_this_server() {
    for (value, expected) in [
        (json!("e1"), Ok("e1")),
        (json!(["Encounter/e1"]), Ok("e1")),
        (json!("https://fhir.example.org/r4/Encounter/e1"), Ok("e1")),
        (
            json!("https://elsewhere.example/r4/Encounter/e1"),
            Err(BadClaims),
        ),
        (json!("Patient/e1"), Err(BadClaims)),
        (json!("e1 e2"), Err(BadClaims)),
        (json!(1), Err(BadClaims)),
    ] {
        let found = token(&good().claim("encounter", value.clone()));
        let found = found.map(|token| token.encounter);
        assert_eq!(found, expected.map(|id| Some(id.to_owned())), "{value}");
    }
    assert_eq!(token(&good()).map(|token| token.encounter), Ok(None));
}

#[test]
fn roles_and_purposes_are_texts_or_codings() {
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    policy.claims.roles = pointers(&["/roles", "/realm_access/roles"]);
    policy.claims.purpose = pointers(&["/purpose_of_use"]);
    let many = |count: usize| json!(vec!["x"; count]);
    for (value, expected) in [
        (json!("nurse"), Some(vec!["nurse"])),
        (json!("head nurse"), Some(vec!["head nurse"])),
        (json!(["a", "b"]), Some(vec!["a", "b"])),
        (json!([]), Some(vec![])),
        (json!({"code": "a"}), Some(vec!["a"])),
        (
            json!([{"system": "urn:x", "code": "a", "display": "A"}, "b"]),
            Some(vec!["urn:x|a", "b"]),
        ),
        (many(64), Some(vec!["x"; 64])),
        (many(65), None),
        (json!([1]), None),
        (json!([["a"]]), None),
        (json!(""), None),
        (json!("a\nb"), None),
        (json!("x".repeat(256)), Some(vec![LONGEST])),
        (json!("x".repeat(257)), None),
        (json!(null), None),
        (json!({"system": "urn:x"}), None),
        (json!({"system": 1, "code": "a"}), None),
    ] {
        for (name, of) in [
            ("roles", (|token| token.roles) as fn(AccessToken) -> _),
            ("purpose_of_use", |token| token.purposes),
        ] {
            let claims = good().claim(name, value.clone());
            let found = judged(&issuer.token(&claims), policy.clone(), NOW).map(of);
            let expected = expected.as_ref().map(|texts| {
                let texts = texts.iter().map(|text| (*text).to_owned());
                texts.collect::<Vec<_>>()
            });
            assert_eq!(found, expected.ok_or(BadClaims), "{name} {value}");
        }
    }
    let two = |role: &str| {
        let claims = good().claim("roles", json!(["a"]));
        claims.claim("realm_access", json!({ "roles": role }))
    };
    for (role, expected) in [("a", None), ("b", Some(BadClaims))] {
        let found = judged(&issuer.token(&two(role)), policy.clone(), NOW);
        assert_eq!(found.err(), expected, "two places, {role}");
    }
}

/// As long as a claim may be.
const LONGEST: &str = match std::str::from_utf8(&[b'x'; 256]) {
    Ok(text) => text,
    Err(_) => "",
};

#[test]
fn a_login_of_another_shape_is_no_login() {
    let login = |name: &str, value: Value| {
        let token = token(&good().claim(name, value)).expect("a token");
        token.login
    };
    for (value, expected) in [
        (json!("loa3"), Some("loa3")),
        (json!(["loa3"]), None),
        (json!(3), None),
        (json!(null), None),
    ] {
        let found = login("acr", value.clone()).class;
        assert_eq!(found.as_deref(), expected, "acr {value}");
    }
    for (value, expected) in [
        (json!(["pwd", "otp"]), vec!["pwd", "otp"]),
        (json!("pwd"), vec![]),
        (json!(["pwd", 1]), vec![]),
        (json!({"pwd": true}), vec![]),
    ] {
        assert_eq!(login("amr", value.clone()).methods, expected, "amr {value}");
    }
    for (value, expected) in [
        (json!(NOW), Some(NOW)),
        (json!(NOW as f64 + 0.9), Some(NOW)),
        (json!(0), Some(0)),
        (json!(-1), None),
        (json!(4_294_967_296_u64), None),
        (json!(NOW.to_string()), None),
        (json!(null), None),
    ] {
        assert_eq!(login("auth_time", value.clone()).time, expected, "{value}");
    }
}

#[test]
fn a_separator_is_read_as_the_slash() {
    use ScopeSeparator::{Dollar, Dot, Encoded, Slash};
    let issuer = issuer();
    for (separator, text, expected) in [
        (Slash, "patient.Observation.rs", "patient.Observation.rs"),
        (Slash, "patient/all.rs", "patient/all.rs"),
        (Dot, "patient.Observation.rs", "patient/Observation.rs"),
        (Dot, "patient.all.read", "patient/*.read"),
        (Dot, "patient/Observation.rs", "patient/Observation.rs"),
        (Dot, "patient.allergy.rs", "patient/allergy.rs"),
        (Dot, "patient.Patient.all", "patient/Patient.*"),
        (Dot, "patient.all.all", "patient/*.*"),
        (Dot, "patient.all", "patient/all"),
        (Dot, "patient.all.", "patient/all."),
        (Slash, "patient/Patient.all", "patient/Patient.all"),
        (
            Dot,
            "patient.Observation.rs?code=http://a.b|c.all",
            "patient/Observation.rs?code=http://a.b|c.all",
        ),
        (Dot, "launch.patient", "launch.patient"),
        (Dot, "Patient.all.read", "Patient.all.read"),
        (Dot, "patients.all.read", "patients.all.read"),
        (Dot, "patient", "patient"),
        (Dollar, "system$all.rs", "system/*.rs"),
        (Dollar, "system.all.rs", "system.all.rs"),
        (Encoded, "user%2FPatient.rs", "user/Patient.rs"),
        (Encoded, "user%2fPatient.rs", "user/Patient.rs"),
        (Encoded, "user%2", "user%2"),
        (Encoded, "user\u{e9}\u{e9}x", "user\u{e9}\u{e9}x"),
    ] {
        let mut policy = policy(&issuer.jwks());
        policy.claims.scope_separator = separator;
        for value in [json!(text), json!([text])] {
            let claims = good().claim("scope", value);
            let found = judged(&issuer.token(&claims), policy.clone(), NOW);
            assert_eq!(
                found.expect(text).scopes.texts(),
                [expected],
                "{separator:?}"
            );
        }
    }
}

#[test]
fn a_prefix_is_taken_off_where_it_is_configured() {
    let issuer = issuer();
    let uri = "http://smarthealthit.org/fhir/scopes/";
    let prefixes = |texts: &[&str]| -> Vec<ScopePrefix> {
        let prefix = |text: &&str| ScopePrefix::parse(text).expect("a prefix");
        texts.iter().map(prefix).collect()
    };
    for (configured, text, expected) in [
        (
            vec![],
            "http://smarthealthit.org/fhir/scopes/patient/*.rs",
            None,
        ),
        (
            vec![uri],
            "http://smarthealthit.org/fhir/scopes/patient/*.rs",
            Some("patient/*.rs"),
        ),
        (vec![uri], "patient/*.rs", Some("patient/*.rs")),
        (
            vec![uri],
            "https://smarthealthit.org/fhir/scopes/patient/*.rs",
            None,
        ),
        (
            vec![uri],
            "http://smarthealthit.org/fhir/scopes/patient.Patient.r",
            Some("patient/Patient.r"),
        ),
        (
            vec![uri],
            "http://smarthealthit.org/fhir/scopes/http://smarthealthit.org/fhir/scopes/patient/*.rs",
            Some("http://smarthealthit.org/fhir/scopes/patient/*.rs"),
        ),
        (
            vec!["api://a/", uri],
            "api://a/user.Patient.r",
            Some("user/Patient.r"),
        ),
        (
            vec!["api://a/", "api://a/b/"],
            "api://a/b/user.Patient.r",
            Some("b/user.Patient.r"),
        ),
    ] {
        let mut policy = policy(&issuer.jwks());
        policy.claims.scope_prefixes = prefixes(&configured);
        policy.claims.scope_separator = ScopeSeparator::Dot;
        let claims = good().claim("scope", json!(text));
        let found = judged(&issuer.token(&claims), policy, NOW).expect(text);
        assert_eq!(
            found.scopes.texts(),
            [expected.unwrap_or(text)],
            "{configured:?}"
        );
    }
}

#[test]
fn a_token_with_a_malformed_scope_is_refused_where_that_is_configured() {
    let issuer = issuer();
    for (text, refused) in [
        ("patient/*.rs", false),
        ("openid launch/patient foo/Patient.r patient/*.rs", false),
        ("patient/Observation.rs?category=a", false),
        ("patient/*.rs patient/Observation.sr", true),
        ("patient/*.rs patient/Observation.rs?date=2020", true),
        ("user/nothing", true),
    ] {
        for choice in [MalformedScopes::Ignore, MalformedScopes::Refuse] {
            let mut policy = policy(&issuer.jwks());
            policy.claims.malformed_scopes = choice;
            let claims = good().claim("scope", json!(text));
            let found = judged(&issuer.token(&claims), policy, NOW);
            let refused = refused && choice == MalformedScopes::Refuse;
            assert_eq!(found.err(), refused.then_some(TokenFault::Scope), "{text}");
        }
    }
}

#[test]
fn a_users_place_names_a_patient_where_the_user_is_one() {
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    policy.claims.patient = pointers(&["/patient", "/fhirUser"]);
    for (patient, user, expected) in [
        (None, "Patient/p1", Ok(Some("p1"))),
        (None, "Practitioner/d1", Ok(None)),
        (Some("p1"), "Practitioner/d1", Ok(Some("p1"))),
        (Some("p1"), "Patient/p1", Ok(Some("p1"))),
        (Some("p1"), "Patient/p2", Err(BadClaims)),
        (None, "p1", Err(BadClaims)),
        (None, "Organization/p1", Err(BadClaims)),
    ] {
        let claims = match patient {
            Some(id) => good().patient(id),
            None => good().without("patient"),
        };
        let claims = claims.fhir_user(user);
        let found = judged(&issuer.token(&claims), policy.clone(), NOW);
        let expected = expected.map(|id: Option<&str>| id.map(str::to_owned));
        assert_eq!(
            found.map(|token| token.patient),
            expected,
            "{patient:?} {user}"
        );
    }
}

fn pointers(texts: &[&str]) -> Vec<Pointer> {
    let pointer = |text: &&str| Pointer::parse(text).expect("a pointer");
    texts.iter().map(pointer).collect()
}

fn token(claims: &Claims) -> Result<AccessToken, TokenFault> {
    let issuer = issuer();
    judged(&issuer.token(claims), policy(&issuer.jwks()), NOW)
}

#[test]
fn claims_are_kept_where_conditions_are_about_them() {
    let issuer = issuer();
    let policy = policy(&issuer.jwks());
    let mut keeping = policy.clone();
    keeping.claims.kept = true;
    // The object and its own claims are values too; `unit` stands for itself and its items.
    let usual = 12;
    let unit = |values: usize| good().claim("unit", json!(vec![1; values - usual - 1]));
    for (name, policy, claims, expected) in [
        ("kept", &keeping, unit(100), Ok(true)),
        ("not kept", &policy, unit(100), Ok(false)),
        ("as many as may be kept", &keeping, unit(1024), Ok(true)),
        (
            "more than may be kept",
            &keeping,
            unit(1025),
            Err(BadClaims),
        ),
        ("more, and not kept", &policy, unit(1025), Ok(false)),
    ] {
        let found = judged(&issuer.token(&claims), policy.clone(), NOW);
        let found = found.map(|token| {
            let kept = token.claims.as_ref();
            assert!(kept.is_none_or(|kept| kept["unit"].is_array()));
            kept.is_some()
        });
        assert_eq!(found, expected, "{name}");
    }
}
