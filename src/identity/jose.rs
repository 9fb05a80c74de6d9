//! What access tokens and proofs have in common.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json;

/// Times beyond this (the year 2106) are rubbish.
const MAX_TIME: f64 = 4_294_967_295.0;

/// A compact JWS in its parts, none of them decoded: what was signed, its header, its payload, and the
/// signature. `None` without exactly two dots: one more would be in the payload, where base64url has
/// none.
pub(super) fn parts(text: &str) -> Option<[&str; 4]> {
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    Some([signed, header, payload, signature])
}

/// One part of a JWS: strict base64url without padding or stray bits, holding one JSON object without
/// doubled names.
pub(super) fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    json::object(&bytes)
}

/// A NumericDate (RFC 7519 section 2) in whole seconds, rounded down; `None` where it is no time.
pub(super) fn time(value: &Value) -> Option<u64> {
    match value.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked right here"
        )]
        Some(seconds) if (0.0..=MAX_TIME).contains(&seconds) => Some(seconds as u64),
        _ => None,
    }
}
