//! What a proof is about: which request, which token, which moment.

use serde_json::json;

use super::*;

#[test]
fn every_claim_is_there_and_right() {
    check("good", &made(), None);
    for (name, fault) in [
        ("jti", Fault::Id),
        ("htm", Fault::Method),
        ("htu", Fault::Uri),
        ("iat", Fault::Time),
        ("ath", Fault::AccessToken),
    ] {
        let row = |what: &str| format!("{name} {what}");
        check(&row("missing"), &made().without(name), Some(fault));
        let values = [
            json!(null),
            json!(true),
            json!([]),
            json!({}),
            json!(""),
            json!(-1),
            json!([made().claims()[name]]),
        ];
        for value in values {
            let proof = made().claim(name, value.clone());
            check(&row(&value.to_string()), &proof, Some(fault));
        }
        let text = made().claims().to_string();
        let twice = format!(
            "{},\"{name}\":{}}}",
            text.trim_end_matches('}'),
            made().claims()[name]
        );
        check(
            &row("twice"),
            &made().raw_claims(twice.as_bytes()),
            Some(Fault::Malformed),
        );
    }
    check("more claims", &made().claim("foo", json!({"a": [1]})), None);
    check(
        "a nonce that nobody asked for",
        &made().claim("nonce", json!("x")),
        None,
    );
}

#[test]
fn an_id_is_text_of_1_to_256_bytes() {
    check("one byte", &made().claim("jti", json!("x")), None);
    check("256", &made().claim("jti", json!("x".repeat(256))), None);
    check(
        "257",
        &made().claim("jti", json!("x".repeat(257))),
        Some(Fault::Id),
    );
    check(
        "256 of two bytes",
        &made().claim("jti", json!("é".repeat(128))),
        None,
    );
    check(
        "258 of two bytes",
        &made().claim("jti", json!("é".repeat(129))),
        Some(Fault::Id),
    );
    check("a number", &made().claim("jti", json!(7)), Some(Fault::Id));
}

#[test]
fn a_proof_is_for_one_method() {
    for method in ["get", "Get", "POST", "HEAD", "GET ", " GET", "GET,POST"] {
        check(
            method,
            &made().claim("htm", json!(method)),
            Some(Fault::Method),
        );
    }
    for method in ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"] {
        let text = client().sign(&Made::new(method, URI, TOKEN, NOW));
        let key = client().thumbprint();
        let found = judged(&text, &key, (method, "/r4/Patient/p1"), &dpop_policy(), NOW);
        assert!(found.is_ok(), "{method}");
    }
}

#[test]
fn a_proof_is_for_one_place() {
    for (name, uri, holds) in [
        ("as it is", URI, true),
        (
            "with the query",
            "https://fhir.example.org/r4/Patient/p1?x=1",
            true,
        ),
        (
            "with another query",
            "https://fhir.example.org/r4/Patient/p1?y",
            true,
        ),
        (
            "with a fragment",
            "https://fhir.example.org/r4/Patient/p1#y",
            true,
        ),
        (
            "another form",
            "HTTPS://FHIR.example.org:443/r4/./x/../%50atient/p1",
            true,
        ),
        (
            "another instance",
            "https://fhir.example.org/r4/Patient/p2",
            false,
        ),
        (
            "an instance in another case",
            "https://fhir.example.org/r4/Patient/P1",
            false,
        ),
        ("the base", "https://fhir.example.org/r4", false),
        (
            "a trailing slash",
            "https://fhir.example.org/r4/Patient/p1/",
            false,
        ),
        (
            "two slashes",
            "https://fhir.example.org/r4//Patient/p1",
            false,
        ),
        (
            "an escaped slash",
            "https://fhir.example.org/r4/Patient%2Fp1",
            false,
        ),
        (
            "another host",
            "https://evil.example.org/r4/Patient/p1",
            false,
        ),
        (
            "a longer host",
            "https://fhir.example.org.evil/r4/Patient/p1",
            false,
        ),
        (
            "the host with a dot",
            "https://fhir.example.org./r4/Patient/p1",
            false,
        ),
        (
            "another port",
            "https://fhir.example.org:8443/r4/Patient/p1",
            false,
        ),
        (
            "without TLS",
            "http://fhir.example.org/r4/Patient/p1",
            false,
        ),
        (
            "without TLS, its port",
            "http://fhir.example.org:443/r4/Patient/p1",
            false,
        ),
        (
            "a user name",
            "https://x@fhir.example.org/r4/Patient/p1",
            false,
        ),
        ("the path alone", "/r4/Patient/p1", false),
        ("the upstream's", "http://fhir/r4/Patient/p1", false),
        (
            "a space behind",
            "https://fhir.example.org/r4/Patient/p1 ",
            false,
        ),
    ] {
        let proof = made().claim("htu", json!(uri));
        check(name, &proof, (!holds).then_some(Fault::Uri));
    }
}

#[test]
fn a_proof_is_of_now() {
    for (name, iat, holds) in [
        ("now", json!(NOW), true),
        ("a fraction", json!(NOW as f64 + 0.5), true),
        ("the oldest", json!(NOW - 65), true),
        ("a second older", json!(NOW - 66), false),
        ("the earliest", json!(NOW + 5), true),
        ("a second too early", json!(NOW + 6), false),
        ("in milliseconds", json!(NOW * 1000), false),
        ("zero", json!(0), false),
        ("text", json!(NOW.to_string()), false),
        ("huge", json!(1e300), false),
    ] {
        check(
            name,
            &made().claim("iat", iat),
            (!holds).then_some(Fault::Time),
        );
    }
    for (name, claim, value, holds) in [
        ("not expired", "exp", json!(NOW + 1), true),
        ("expired within the skew", "exp", json!(NOW - 4), true),
        ("expired", "exp", json!(NOW - 5), false),
        ("exp is text", "exp", json!("x"), false),
        ("begun", "nbf", json!(NOW), true),
        ("begins within the skew", "nbf", json!(NOW + 5), true),
        ("not begun", "nbf", json!(NOW + 6), false),
        ("nbf is text", "nbf", json!("x"), false),
    ] {
        check(
            name,
            &made().claim(claim, value),
            (!holds).then_some(Fault::Time),
        );
    }
}

#[test]
fn a_proof_is_for_one_token() {
    let good = made().claims()["ath"].as_str().expect("text").to_owned();
    for (name, hash) in [
        ("of another token", made_for("a.b.d")),
        ("cut", good.chars().take(42).collect()),
        ("padded", format!("{good}=")),
        ("of nothing", made_for("")),
        ("the token itself", TOKEN.to_owned()),
    ] {
        check(
            name,
            &made().claim("ath", json!(hash)),
            Some(Fault::AccessToken),
        );
    }
}

fn made_for(token: &str) -> String {
    let claims = Made::new("GET", URI, token, NOW).claims();
    claims["ath"].as_str().expect("text").to_owned()
}
