//! Who may use a token.

use serde_json::json;

use super::*;
use crate::identity::{DpopProof, ProvenKey};

/// A token bound to the certificate whose digest is all of this byte.
fn token(bound_to: Option<u8>, proof: Proof) -> Rc<AccessToken> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    policy.proof = proof;
    let mut claims = good();
    if let Some(byte) = bound_to {
        let thumbprint = URL_SAFE_NO_PAD.encode([byte; 32]);
        claims = claims.claim("cnf", json!({ "x5t#S256": thumbprint }));
    }
    Rc::new(judged(&issuer.token(&claims), policy, NOW).expect("a token"))
}

fn certificate(byte: u8, policy: CertificatePolicy) -> PeerCertificate {
    let attributes = ConnectionAttributes {
        mtls: Some(vec![1]),
        digest: Some(format!("{byte:02x}").repeat(32).into_bytes()),
        validated: Some(vec![1]),
        ..Default::default()
    };
    let found = PeerCertificate::read(&attributes, policy).expect("verified");
    found.expect("a certificate")
}

fn check(
    name: &str,
    (bound_to, proof): (Option<u8>, Proof),
    shown: Option<u8>,
    required: bool,
    expected: Result<(), TokenFault>,
) {
    let policy = CertificatePolicy {
        required,
        validated_by: ValidatedBy::Attribute,
    };
    let shown = shown.map(|byte| certificate(byte, policy));
    let found = Principal::establish(token(bound_to, proof), shown.clone(), None, policy);
    match expected {
        Ok(()) => {
            let principal = found.expect(name);
            assert_eq!(principal.certificate(), shown.as_ref(), "{name}");
            assert_eq!(principal.client(), "clinic-a", "{name}");
            assert_eq!(principal.tenant(), Some("clinic"), "{name}");
        }
        Err(fault) => assert_eq!(found.err(), Some(Denial::Token(fault)), "{name}"),
    }
}

#[test]
fn a_token_opens_only_for_the_certificate_it_is_bound_to() {
    use Proof::{Certificate, None as Bearer};
    use TokenFault::{Binding, Certificate as Missing};
    let bound = (Some(1), Certificate);
    check("its own certificate", bound, Some(1), true, Ok(()));
    check("another one's", bound, Some(2), true, Err(Binding));
    check(
        "none, where one is required",
        bound,
        None,
        true,
        Err(Missing),
    );
    check(
        "none, where it is optional",
        bound,
        None,
        false,
        Err(Binding),
    );
    check(
        "no cnf, no entry",
        (None, Certificate),
        Some(1),
        true,
        Err(Binding),
    );
    check(
        "no cnf and no certificate",
        (None, Certificate),
        None,
        false,
        Err(Binding),
    );
    check(
        "bearer, as the operator wrote",
        (None, Bearer),
        None,
        false,
        Ok(()),
    );
    check(
        "bearer with any certificate",
        (None, Bearer),
        Some(2),
        true,
        Ok(()),
    );
    check(
        "bearer without the required one",
        (None, Bearer),
        None,
        true,
        Err(Missing),
    );
    // A confirmation that is there is held to, whatever the operator spared the others.
    check(
        "bearer allowed, but bound",
        (Some(1), Bearer),
        Some(2),
        false,
        Err(Binding),
    );
    check(
        "bearer allowed, bound, none shown",
        (Some(1), Bearer),
        None,
        false,
        Err(Binding),
    );
    check(
        "bearer allowed, bound, and shown",
        (Some(1), Bearer),
        Some(1),
        false,
        Ok(()),
    );
}

#[test]
fn one_bit_of_a_thumbprint_is_another_certificate() {
    for bit in 0..8 {
        let name = format!("bit {bit}");
        let bound = (Some(0), Proof::Certificate);
        check(&name, bound, Some(1 << bit), true, Err(TokenFault::Binding));
    }
}

/// A token with these confirmations, each the SHA-256 that is all of its byte.
fn confirmed(
    certificate: Option<u8>,
    key: Option<u8>,
    proof: Proof,
) -> Result<Rc<AccessToken>, TokenFault> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    policy.proof = proof;
    let mut confirmation = json!({});
    for (name, byte) in [("x5t#S256", certificate), ("jkt", key)] {
        if let Some(byte) = byte {
            confirmation[name] = json!(URL_SAFE_NO_PAD.encode([byte; 32]));
        }
    }
    let claims = match confirmation == json!({}) {
        true => good(),
        false => good().claim("cnf", confirmation),
    };
    judged(&issuer.token(&claims), policy, NOW).map(Rc::new)
}

/// A key that was proven for this very request.
fn proven(byte: u8) -> ProvenKey {
    ProvenKey::of(&DpopProof {
        key: [byte; 32],
        id: "x".to_owned(),
        issued: NOW,
        next_nonce: None,
    })
}

#[test]
fn every_confirmation_is_satisfied_and_one_is_a_proof_that_is_taken() {
    use Proof::{Certificate, Dpop, Either, None as Bearer};
    let policy = CertificatePolicy {
        required: false,
        validated_by: ValidatedBy::Attribute,
    };
    // The confirmations of the token, what the issuer takes, what the caller has, and whether it is in.
    let check = |name: &str,
                 token: (Option<u8>, Option<u8>),
                 proof,
                 shown: (Option<u8>, Option<u8>),
                 holds: bool| {
        let found = confirmed(token.0, token.1, proof)
            .map_err(Denial::Token)
            .and_then(|token| {
                let certificate = shown.0.map(|byte| certificate(byte, policy));
                let key = shown.1.map(proven);
                Principal::establish(token, certificate, key.as_ref(), policy)
            });
        let expected = (!holds).then_some(Denial::Token(TokenFault::Binding));
        assert_eq!(found.err(), expected, "{name}, {proof:?}");
    };
    let (unbound, by_certificate, by_key, by_both) = (
        (None, None),
        (Some(1), None),
        (None, Some(2)),
        (Some(1), Some(2)),
    );
    for proof in [Certificate, Dpop, Either, Bearer] {
        let (takes_certificate, takes_key) = (
            matches!(proof, Certificate | Either),
            matches!(proof, Dpop | Either),
        );
        let bearer = proof == Bearer;
        let all = [unbound, by_certificate, by_key, by_both];
        for shown in all {
            let held = |what: &str| format!("{what}, {shown:?} shown");
            let bearer_scheme = shown.1.is_none();
            check(
                &held("unbound"),
                unbound,
                proof,
                shown,
                bearer && bearer_scheme,
            );
            let certificate = shown.0.is_some() && bearer_scheme;
            let holds = certificate && (takes_certificate || bearer);
            check(&held("certificate"), by_certificate, proof, shown, holds);
            let holds = shown.1.is_some() && takes_key;
            check(&held("key"), by_key, proof, shown, holds);
            check(
                &held("both"),
                by_both,
                proof,
                shown,
                takes_key && shown == by_both,
            );
        }
        check(
            "another certificate",
            by_both,
            proof,
            (Some(3), Some(2)),
            false,
        );
        check("another key", by_both, proof, (Some(1), Some(3)), false);
        check("another key alone", by_key, proof, (None, Some(3)), false);
        check("exchanged", by_both, proof, (Some(2), Some(1)), false);
    }
}

#[test]
fn what_is_no_confirmation_refuses() {
    let key = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    policy.proof = Proof::Either;
    let cut = key.strip_suffix('I').expect("the last character");
    for (name, confirmation, holds) in [
        ("a key", json!({ "jkt": key }), true),
        (
            "a key and a certificate",
            json!({ "jkt": key, "x5t#S256": key }),
            true,
        ),
        ("padded", json!({ "jkt": format!("{key}=") }), false),
        ("cut", json!({ "jkt": cut }), false),
        ("stray bits", json!({ "jkt": format!("{cut}J") }), false),
        ("no text", json!({ "jkt": 1 }), false),
        ("null", json!({ "jkt": null }), false),
        ("a list", json!({ "jkt": [key] }), false),
        ("another name", json!({ "JKT": key }), false),
        ("a key as it is", json!({ "jwk": {} }), false),
        ("a key and more", json!({ "jkt": key, "kid": "x" }), false),
        ("nothing", json!({}), false),
    ] {
        let token = issuer.token(&good().claim("cnf", confirmation));
        let found = judged(&token, policy.clone(), NOW);
        let expected = (!holds).then_some(TokenFault::Binding);
        assert_eq!(found.err(), expected, "{name}");
    }
}
