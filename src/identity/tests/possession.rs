//! Who may use a token.

use serde_json::json;

use super::*;

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
        source: None,
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
    let found = Principal::establish(token(bound_to, proof), shown.clone(), policy);
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
