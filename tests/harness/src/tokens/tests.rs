use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};

use super::*;
use crate::pki::Pki;

const NOW: u64 = 1_800_000_000;

fn issuer() -> Issuer {
    Issuer::new("https://as.example.org")
}

struct Parts {
    header: Value,
    payload: Vec<u8>,
    message: String,
    signature: Vec<u8>,
}

fn parts(token: &str) -> Parts {
    let pieces: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = pieces[..] else {
        panic!("a token has three parts, this one has {}", pieces.len());
    };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    Parts {
        header: serde_json::from_slice(&decode(header)).unwrap(),
        payload: decode(payload),
        message: format!("{header}.{payload}"),
        signature: decode(signature),
    }
}

/// Verifies from the JWK alone, so that the published key is what is tested.
fn verifies(jwk: &Value, algorithm: Algorithm, token: &str) -> bool {
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = || [vec![4], bytes("x"), bytes("y")].concat();
    let parts = parts(token);
    let (message, signature) = (parts.message.as_bytes(), &parts.signature);
    let check = |algorithm: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
        UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .is_ok()
    };
    let rsa = |parameters| {
        RsaPublicKeyComponents {
            n: bytes("n"),
            e: bytes("e"),
        }
        .verify(parameters, message, signature)
        .is_ok()
    };
    match algorithm {
        Algorithm::Es256 => check(&ECDSA_P256_SHA256_FIXED, point()),
        Algorithm::Es384 => check(&ECDSA_P384_SHA384_FIXED, point()),
        Algorithm::Es512 => p521_verifies(&point(), message, signature),
        Algorithm::Rs256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::EdDsa => check(&ED25519, bytes("x")),
    }
}

fn p521_verifies(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use p521::ecdsa::signature::Verifier as _;
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
    p521::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

#[test]
fn every_algorithm_verifies_with_its_published_key_only() {
    let (issuer, impostor, rotated) = (issuer(), issuer().impostor(), issuer().rotated());
    let jwks = issuer.jwks();
    for (index, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        let name = algorithm.name();
        let jwk = &jwks["keys"][index];
        let claims = Claims::new(NOW).algorithm(algorithm);
        let token = issuer.token(&claims);
        let header = parts(&token).header;
        assert_eq!(
            (&header["alg"], &header["kid"]),
            (&jwk["alg"], &jwk["kid"]),
            "{name}"
        );
        assert_eq!(jwk["use"], "sig", "{name}");
        assert!(verifies(jwk, algorithm, &token), "{name}");
        let others = [("impostor", &impostor), ("rotated", &rotated)];
        for (who, other) in others {
            let token = other.token(&claims);
            assert!(!verifies(jwk, algorithm, &token), "{name} of {who}");
            assert_eq!(
                parts(&token).header["kid"] == jwk["kid"],
                who == "impostor",
                "{name}"
            );
        }
    }
}

#[test]
fn a_forged_signature_does_not_verify() {
    let issuer = issuer();
    for algorithm in Algorithm::ALL {
        let jwk = issuer.jwk(algorithm);
        for (forgery, length) in [
            (Forgery::Unsigned, Some(0)),
            (Forgery::HmacOfPublicKeyDer, Some(32)),
            (Forgery::HmacOfPublicKeyPem, Some(32)),
            (Forgery::FlippedBit(0), None),
            (Forgery::FlippedBit(100_003), None),
            (Forgery::Truncated(31), Some(31)),
            (Forgery::Bytes(vec![0; 64]), Some(64)),
        ] {
            let claims = Claims::new(NOW)
                .algorithm(algorithm)
                .forged(forgery.clone());
            let token = issuer.token(&claims);
            let name = format!("{} {forgery:?}", algorithm.name());
            assert!(!verifies(&jwk, algorithm, &token), "{name}");
            let signature = parts(&token).signature;
            assert!(
                length.is_none_or(|length| signature.len() == length),
                "{name}"
            );
        }
    }
}

#[test]
fn the_header_may_lie_about_the_key() {
    let issuer = issuer();
    let check = |name: &str, claims: Claims, alg: &str, verifies_as: Algorithm| {
        let token = issuer.token(&claims);
        assert_eq!(parts(&token).header["alg"], alg, "{name}");
        assert!(
            verifies(&issuer.jwk(verifies_as), verifies_as, &token),
            "{name}"
        );
    };
    let rs256 = Claims::new(NOW).algorithm(Algorithm::Rs256);
    check(
        "RS256 key, PS256 header",
        rs256.clone().header("alg", json!("PS256")),
        "PS256",
        Algorithm::Rs256,
    );
    check(
        "RS256 header, PS256 signature",
        rs256.clone().forged(Forgery::KeyOf(Algorithm::Ps256)),
        "RS256",
        Algorithm::Ps256,
    );
    check(
        "RS256 header, ES256 signature",
        rs256.forged(Forgery::KeyOf(Algorithm::Es256)),
        "RS256",
        Algorithm::Es256,
    );
}

#[test]
fn hmac_is_under_the_public_key() {
    let issuer = issuer();
    let algorithm = Algorithm::Rs256;
    let pem = issuer.public_key_pem(algorithm);
    let der = issuer.public_key_der(algorithm);
    let key = issuer.public_key(algorithm);
    assert!(der.ends_with(&key), "the PKCS#1 key ends the SPKI");
    for (forgery, secret) in [
        (Forgery::HmacOfPublicKeyPem, pem.as_bytes()),
        (Forgery::HmacOfPublicKeyDer, &der[..]),
    ] {
        let claims = Claims::new(NOW).algorithm(algorithm).forged(forgery);
        let parts = parts(&issuer.token(&claims));
        assert_eq!(parts.header["alg"], "HS256");
        assert_eq!(parts.signature, hs256(secret, parts.message.as_bytes()));
    }
}

#[test]
fn claims_are_what_was_asked_for() {
    let certificate = Pki::new().client("clinic-a");
    let payload = |claims: Claims| parts(&issuer().token(&claims)).payload;
    let value = |claims| serde_json::from_slice::<Value>(&payload(claims)).unwrap();

    let good = value(Claims::new(NOW).bound_to(&certificate));
    let mut names: Vec<&String> = good.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "aud",
            "client_id",
            "cnf",
            "exp",
            "fhirUser",
            "iat",
            "iss",
            "jti",
            "nbf",
            "patient",
            "scope",
            "sub"
        ]
    );
    assert_eq!(good["iss"], "https://as.example.org");
    assert_eq!(good["exp"], NOW + 300);
    assert_eq!(
        good["cnf"]["x5t#S256"],
        certificate.thumbprint_sha256_base64url
    );

    assert_eq!(value(Claims::new(NOW).without("nbf"))["nbf"], Value::Null);
    assert_eq!(
        value(Claims::new(NOW).claim("iss", json!(["a"])))["iss"],
        json!(["a"])
    );
    let twice = r#"{"sub":"a","sub":"b"}"#;
    assert_eq!(
        payload(Claims::new(NOW).raw_payload(twice)),
        twice.as_bytes()
    );
    let token = issuer().token(&Claims::new(NOW).raw_header(r#"{"alg":"ES256","crit":["b64"]}"#));
    assert_eq!(parts(&token).header["crit"], json!(["b64"]));
    let token = issuer().token(&Claims::new(NOW).without("kid").header("typ", json!("JWT")));
    assert_eq!(
        parts(&token).header,
        json!({ "alg": "ES256", "typ": "JWT" })
    );
}

#[test]
fn an_issuer_is_the_same_by_name_in_one_process() {
    let other = Issuer::new("https://other.example.org");
    assert_eq!(issuer().jwks(), issuer().jwks());
    assert_ne!(issuer().jwk(Algorithm::Rs256), other.jwk(Algorithm::Rs256));
}
