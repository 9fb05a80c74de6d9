//! Whole tokens of other suites before the filter's own reader of tokens.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard::denial::{Denial, TokenFault};
use fhir_guard::identity::{
    AccessToken, Algorithm, CertificatePolicy, ClaimPointers, ConnectionAttributes, HostAlgorithms,
    IssuerPolicy, KeyRing, KeySet, KeySource, PeerCertificate, Pointer, Principal, Proof,
    ValidatedBy, Verification, verify,
};
use fhir_guard::request::BaseUrl;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::signatures::{HOST, public, right, set};
use crate::vectors::{Vectors, text};

/// The time of the tokens that are made here, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

/// What the filter makes of a token under these keys, at a time in seconds since 1970. The issuer's
/// policy is as wide as it can be made: whatever issuer and audiences the token names, tokens of
/// type `JWT`, no proof, no skew, and every claim that is asked for may be the subject.
pub fn judged(token: &str, keys: &Rc<KeySet>, now: u64) -> Result<AccessToken, Denial> {
    let subject = || Pointer::parse("/sub").into_iter().collect();
    let pointers = ClaimPointers {
        client: subject(),
        scope: subject(),
        token_id: subject(),
        ..ClaimPointers::default()
    };
    judged_by(token, keys, now, pointers)
}

/// Makes tokens with the key that RFC 7515, appendix A.3 publishes.
pub struct Mint {
    signer: SigningKey,
    key: Value,
}

impl Mint {
    pub fn new(vectors: &Vectors) -> Self {
        let table = vectors.json("rfc/rfc_vectors.json");
        let key = &table["rfc7515_appendix_a"][2]["keys"][0];
        let secret = URL_SAFE_NO_PAD.decode(text(key, "d")).expect("a scalar");
        Mint {
            signer: SigningKey::from_slice(&secret).expect("a scalar"),
            key: key.clone(),
        }
    }

    /// The key set that the tokens are verified with.
    pub fn keys(&self) -> Value {
        json!({"keys": [public(&self.key)]})
    }

    /// A token that has these claims beside those that every token has.
    pub fn token(&self, claims: &Value) -> String {
        let mut all = json!({
            "iss": "https://as.example.org",
            "sub": "ty.webb@example.com",
            "aud": "https://fhir.example.org",
            "client_id": "app",
            "jti": "1",
            "scope": "",
            "iat": NOW,
            "exp": NOW + 60,
        });
        let members = all.as_object_mut().expect("claims");
        members.extend(claims.as_object().expect("claims").clone());
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!(
            "{}.{}",
            encode(json!({"alg": "ES256", "typ": "JWT"})),
            encode(all)
        );
        let signature: Signature = self.signer.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// A caller whose token has these claims beside those that every token has, and who shows a
    /// certificate of this digest, if any.
    pub fn caller(&self, claims: &Value, digest: Option<&str>) -> Result<Principal, Denial> {
        let usable = usable(&[public(&self.key)]);
        let token = judged_by(&self.token(claims), &usable, NOW, ClaimPointers::default())?;
        let policy = CertificatePolicy {
            required: digest.is_some(),
            validated_by: ValidatedBy::Attribute,
        };
        let attributes = ConnectionAttributes {
            mtls: digest.map(|_| vec![1]),
            digest: digest.map(|digest| digest.as_bytes().to_vec()),
            validated: digest.map(|_| vec![1]),
            ..Default::default()
        };
        let certificate = PeerCertificate::read(&attributes, policy)?;
        Principal::establish(Rc::new(token), certificate, None, policy)
    }
}

fn judged_by(
    token: &str,
    keys: &Rc<KeySet>,
    now: u64,
    pointers: ClaimPointers,
) -> Result<AccessToken, Denial> {
    let claims = claims(token).unwrap_or_default();
    let one = |value: &Value| value.as_str().map(str::to_owned);
    let audiences: Vec<String> = match &claims["aud"] {
        Value::Array(items) => items.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    };
    let policy = IssuerPolicy {
        issuer: one(&claims["iss"]).unwrap_or_else(|| "nobody".to_owned()),
        tenant: None,
        audiences,
        clients: None,
        algorithms: Algorithm::ALL.to_vec(),
        keys: KeySource::Inline(Rc::clone(keys)),
        types: vec!["jwt".to_owned()],
        proof: Proof::None,
        clock_skew: 0,
        claims: pointers,
        introspection: None,
    };
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let verified = |host: &HostAlgorithms| {
        let issuers = std::slice::from_ref(&policy);
        verify(token, issuers, &KeyRing::new(issuers), &base, now, host)
    };
    let by_us = verified(&HostAlgorithms::default()).and_then(Verification::unaided);
    let by_host = verified(&HOST).and_then(|verification| match verification {
        Verification::Verified(token) => Ok(token),
        Verification::Unverified(token) => {
            let answer = Some(right(token.check()));
            token.answered(answer)
        }
        Verification::Keyless(missing) => panic!("{missing:?}"),
    });
    assert_eq!(by_us, by_host, "by us, and by a host");
    by_host
}

/// Whether the filter's reader says that a text has not the form of a token.
pub fn malformed(text: &str) -> bool {
    judged(text, &usable(&[]), 0).err() == Some(Denial::Token(TokenFault::Malformed))
}

/// Those of the keys that the filter takes, beside the one of RFC 8037, appendix A.2.
pub fn usable(keys: &[Value]) -> Rc<KeySet> {
    let mut known = vec![json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "RFC 8037",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })];
    let taken = |key: &&Value| KeySet::read(&set(key), &Algorithm::ALL).is_ok();
    known.extend(keys.iter().filter(taken).cloned());
    Rc::new(KeySet::read(&json!({ "keys": known }), &Algorithm::ALL).expect("good keys"))
}

/// The claims of a token, if it has the form of one.
pub fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.is_object().then_some(claims)
}
