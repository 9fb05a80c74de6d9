//! The claims of a token: who it is of, for whom, and when.

use fhir_guard_harness::tokens::Issuer;
use serde_json::json;

use super::read;
use super::tokens::{Tokens, payload};
use crate::world::now;

pub(super) async fn identities(tokens: &mut Tokens<'_>) {
    for issuer in [
        json!("https://as.example.org/"),
        json!("https://AS.example.org"),
        json!("http://as.example.org"),
        json!("https://as.example.org.evil.example.org"),
        json!(""),
        json!(1),
        json!(null),
        json!(["https://as.example.org"]),
    ] {
        let claims = tokens.claims().claim("iss", issuer.clone());
        tokens.bad(&format!("iss {issuer}"), claims, "issuer").await;
    }
    let claims = tokens.claims().without("iss");
    tokens.bad("no iss", claims, "issuer").await;
    let stranger = Issuer::new("https://other.example.org").token(&tokens.claims());
    tokens.bad_text("another issuer", &stranger, "issuer").await;

    let ours = "https://fhir.example.org/r4";
    for audience in [
        json!("https://fhir.example.org"),
        json!("https://fhir.example.org/r4/"),
        json!("https://fhir.example.org/r4/Patient"),
        json!("other"),
        json!(""),
        json!([]),
        json!(["other"]),
        json!([ours, 1]),
        json!([[ours]]),
        json!({ "0": ours }),
        json!(null),
        json!(true),
    ] {
        let claims = tokens.claims().claim("aud", audience.clone());
        tokens
            .bad(&format!("aud {audience}"), claims, "audience")
            .await;
    }
    let claims = tokens.claims().without("aud");
    tokens.bad("no aud", claims, "audience").await;
    let claims = tokens.claims().claim("aud", json!(["other", ours]));
    tokens.good("aud is a list with us in it", claims).await;

    for name in ["nonce", "at_hash", "c_hash"] {
        let claims = tokens.claims().claim(name, json!("x"));
        tokens
            .bad(&format!("an ID token with {name}"), claims, "type")
            .await;
    }
}

pub(super) async fn times(tokens: &mut Tokens<'_>) {
    let rubbish = [
        json!("1700000000"),
        json!(1e300),
        json!(-1),
        json!(-1e-9),
        json!(null),
        json!(true),
        json!([1]),
        json!(4_294_967_296_u64),
        json!(u64::MAX),
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in &rubbish {
            let claims = tokens.claims().claim(name, value.clone());
            tokens
                .bad(&format!("{name} {value}"), claims, "claims")
                .await;
        }
    }
    // Numbers of JSON that no Value holds.
    for number in [
        "1e400",
        "-0.0e999",
        "99999999999999999999999999",
        "1E9999999999",
    ] {
        let payload =
            payload(tokens, "exp", "0").replace("\"exp\":0", &format!("\"exp\":{number}"));
        let claims = tokens.claims().raw_payload(payload);
        let token = tokens.table.world.issuer.token(&claims);
        let refused = tokens.client.send(read(&token)).await;
        tokens.table.world.expect_records(1);
        match refused {
            Ok(answer) if answer.status == 401 => {}
            other => tokens
                .table
                .fault(&format!("exp {number}"), &format!("{other:?}")),
        }
    }
    for name in ["exp", "iat"] {
        let claims = tokens.claims().without(name);
        tokens.bad(&format!("no {name}"), claims, "claims").await;
    }
    let claims = tokens.claims().without("nbf");
    tokens.good("no nbf", claims).await;

    // 30 s of skew on both sides. The clock only goes forward: what is exact on one side has room
    // on the other.
    for (name, past, fault) in [
        ("expired long ago", 3600, "expired"),
        ("expired beyond the skew", 30, "expired"),
    ] {
        let claims = tokens.claims().expires_at(now() - past);
        tokens.bad(name, claims, fault).await;
    }
    let claims = tokens.claims().expires_at(now() - 25);
    tokens.good("expired within the skew", claims).await;
    let claims = tokens.claims().expires_at(0);
    tokens.bad("exp 0", claims, "expired").await;
    for name in ["nbf", "iat"] {
        let claims = tokens.claims().claim(name, json!(now() + 30));
        tokens
            .good(&format!("{name} within the skew"), claims)
            .await;
        let claims = tokens.claims().claim(name, json!(now() + 34));
        tokens
            .bad(&format!("{name} beyond the skew"), claims, "not-yet")
            .await;
        let claims = tokens
            .claims()
            .claim(name, json!(now() + 3600))
            .expires_at(now() + 7200);
        tokens
            .bad(&format!("{name} in an hour"), claims, "not-yet")
            .await;
    }
}

pub(super) async fn claims(tokens: &mut Tokens<'_>) {
    let long = "x".repeat(257);
    let unusable = [
        json!(""),
        json!(1),
        json!(null),
        json!(["x", "y"]),
        json!({"x": 1}),
        json!("a\nb"),
        json!("a\u{0}b"),
        json!("\u{85}"),
        json!(long),
    ];
    for name in ["jti", "sub", "client_id", "azp", "patient", "fhirUser"] {
        for value in &unusable {
            let claims = tokens.claims().claim(name, value.clone());
            tokens
                .bad(&format!("{name} {value}"), claims, "claims")
                .await;
        }
    }
    for name in ["jti", "sub", "client_id", "scope"] {
        let claims = tokens.claims().without(name);
        tokens.bad(&format!("no {name}"), claims, "claims").await;
    }
    for value in [json!(1), json!(null), json!({}), json!(["patient/*.rs", 1])] {
        let claims = tokens.claims().claim("scope", value.clone());
        tokens
            .bad(&format!("scope {value}"), claims, "claims")
            .await;
    }
    let claims = tokens.claims().claim("scope", json!(["patient/*.rs"]));
    tokens.good("scope as a list", claims).await;
    let claims = tokens.claims().claim("azp", json!("clinic-b"));
    tokens
        .bad("client_id and azp in conflict", claims, "claims")
        .await;
    let claims = tokens.claims().claim("azp", json!("clinic-a"));
    tokens.good("client_id and azp agree", claims).await;
    let claims = tokens
        .claims()
        .without("client_id")
        .claim("azp", json!("clinic-a"));
    tokens.good("azp alone", claims).await;
    for user in [
        "Device/1",
        "Practitioner/",
        "Practitioner",
        "practitioner/1",
        "Practitioner/1/2",
        "https://other.example.org/r4/Practitioner/1",
        "Practitioner/../1",
    ] {
        let claims = tokens.claims().fhir_user(user);
        tokens
            .bad(&format!("fhirUser {user}"), claims, "claims")
            .await;
    }
}

pub(super) async fn patients(tokens: &mut Tokens<'_>) {
    let base = "https://fhir.example.org/r4";
    let conflicting = json!({ "patient": "p2" });
    let claims = tokens.claims().claim("launch", conflicting);
    tokens.bad("two patients", claims, "claims").await;
    let claims = tokens.claims().claim("launch", json!({ "patient": "p1" }));
    tokens.good("the same patient twice", claims).await;
    let claims = tokens
        .claims()
        .claim("launch", json!({ "patient": ["p1"] }));
    tokens.good("the second is a list of one", claims).await;
    let claims = tokens
        .claims()
        .claim("launch", json!({ "patient": ["p1", "p2"] }));
    tokens
        .bad("the second is a list of two", claims, "claims")
        .await;
    for patient in [
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "https://other.example.org/r4/Patient/p1",
        "https://fhir.example.org/r4x/Patient/p1",
        "https://fhir.example.org/r4/Practitioner/p1",
        "Practitioner/p1",
        "Patient/",
        "Patient/p1/_history/1",
        "Patient/Patient/p1",
        "Patient/p1?x=y",
        "../Patient/p1",
        "p1,p2",
        "p1|p2",
        "p1 ",
        " p1",
        "*",
        "p%31",
        "p\u{ff11}",
    ] {
        let claims = tokens.claims().patient(patient);
        tokens
            .bad(&format!("patient {patient:?}"), claims, "claims")
            .await;
    }
    for patient in ["Patient/p1", &format!("{base}/Patient/p1")] {
        let claims = tokens.claims().patient(patient);
        tokens.good(&format!("patient {patient:?}"), claims).await;
    }
}
