//! Whole tokens of other suites before the filter's own reader of tokens.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard::denial::{Denial, TokenFault};
use fhir_guard::identity::{
    AccessToken, Algorithm, ClaimPointers, IssuerPolicy, KeySet, Pointer, Proof, verify,
};
use fhir_guard::request::BaseUrl;
use serde_json::{Value, json};

use crate::signatures::set;

/// What the filter makes of a token under these keys, at a time in seconds since 1970. The issuer's
/// policy is as wide as it can be made: whatever issuer and audiences the token names, tokens of
/// type `JWT`, no proof, no skew, and every claim that is asked for may be the subject.
pub fn judged(token: &str, keys: &Rc<KeySet>, now: u64) -> Result<AccessToken, Denial> {
    let claims = claims(token).unwrap_or_default();
    let one = |value: &Value| value.as_str().map(str::to_owned);
    let audiences: Vec<String> = match &claims["aud"] {
        Value::Array(items) => items.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    };
    let subject = || Pointer::parse("/sub").into_iter().collect();
    let policy = IssuerPolicy {
        issuer: one(&claims["iss"]).unwrap_or_else(|| "nobody".to_owned()),
        tenant: None,
        audiences,
        algorithms: Algorithm::ALL.to_vec(),
        keys: Rc::clone(keys),
        types: vec!["jwt".to_owned()],
        proof: Proof::None,
        clock_skew: 0,
        claims: ClaimPointers {
            client: subject(),
            scope: subject(),
            token_id: subject(),
            ..ClaimPointers::default()
        },
    };
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    verify(token, &[policy], &base, now)
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
