//! Signatures as the suites have them: a key, the bytes that were signed, the signature. They take
//! the path that the signature of a token takes, without being a token's.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard::identity::{Algorithm, HostAlgorithms, HostCheck, KeySet, Verdict, known_answers};
use fhir_guard_harness::verify::verifies;
use serde_json::{Value, json};

/// A JWS in the compact form, taken apart (RFC 7515 section 5.2), whatever its payload is.
pub struct Jws {
    /// `alg` as it stands there.
    pub algorithm: String,
    pub key_id: Option<String>,
    pub signed: Vec<u8>,
    pub signature: Vec<u8>,
}

impl Jws {
    /// `None`: it has not the compact form.
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return None;
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let signed = format!("{header}.{payload}").into_bytes();
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        decode(payload)?;
        Some(Jws {
            algorithm: header["alg"].as_str()?.to_owned(),
            key_id: header["kid"].as_str().map(str::to_owned),

            signed,
            signature: decode(signature)?,
        })
    }

    /// Whether the filter takes the signature as that of one of these keys.
    pub fn holds(&self, keys: &Value) -> bool {
        Algorithm::parse(&self.algorithm).is_some_and(|algorithm| {
            let id = self.key_id.as_deref();
            holds(keys, algorithm, id, &self.signed, &self.signature)
        })
    }
}

/// Whether the filter takes a signature as that of one of these keys. The algorithm is the only one
/// that the issuer is allowed, as it is where a key does not name its own.
pub fn holds(
    keys: &Value,
    algorithm: Algorithm,
    id: Option<&str>,
    signed: &[u8],
    signature: &[u8],
) -> bool {
    KeySet::read(keys, &[algorithm])
        .is_ok_and(|keys| decided(&keys, algorithm, id, signed, signature))
}

/// Whether a signature is that of one of these keys, to our own code and to a host: both must say the
/// same.
///
/// # Panics
/// Where they do not.
pub fn decided(
    keys: &KeySet,
    algorithm: Algorithm,
    id: Option<&str>,
    signed: &[u8],
    signature: &[u8],
) -> bool {
    let verdict = |host: &HostAlgorithms| keys.verify(algorithm, id, signed, signature, host);
    let by_host = match verdict(&HOST) {
        Verdict::Undecided(question) => {
            let answer = Some(right(question.check()));
            question.answered(answer)
        }
        other => matches!(other, Verdict::Holds(_)),
    };
    let by_us = matches!(verdict(&HostAlgorithms::default()), Verdict::Holds(_));
    assert_eq!(by_us, by_host, "{}: by us, and by a host", algorithm.name());
    by_host
}

/// A host that has every algorithm that a host can have.
pub static HOST: LazyLock<HostAlgorithms> =
    LazyLock::new(|| HostAlgorithms::asking(known_answers(), |check| Some(right(check))));

/// What a host answers, by other libraries than the filter's.
pub fn right(check: &HostCheck) -> bool {
    verifies(check.hash, &check.key, &check.signature, &check.text)
}

/// A set of this one key.
pub fn set(key: &Value) -> Value {
    json!({ "keys": [key] })
}

/// A key without its secret members.
pub fn public(key: &Value) -> Value {
    let mut key = key.clone();
    let members = key.as_object_mut().expect("a key");
    members
        .retain(|name, _| !matches!(&**name, "d" | "p" | "q" | "dp" | "dq" | "qi" | "oth" | "k"));
    key
}

/// Every signature that differs from this one in one bit, and every one that is shorter.
pub fn altered(signature: &[u8]) -> Vec<Vec<u8>> {
    let flipped = (0..signature.len() * 8).map(|bit| {
        let mut other = signature.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        other
    });
    let shorter = (0..signature.len()).map(|length| signature[..length].to_vec());
    flipped.chain(shorter).collect()
}

/// Bytes that are written in hexadecimal.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).expect("hexadecimal") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
