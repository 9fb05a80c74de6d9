//! The public keys by which checkpoints are verified.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_compact::{PublicKey, Signature as Signature25519};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature as Signature256, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use serde_json::Value;

/// What a public Ed25519 key in a SubjectPublicKeyInfo begins with (RFC 8410 section 4); its 32 bytes follow.
const ED25519: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The keys that are known.
#[derive(Default)]
pub struct Keys {
    keys: Vec<(Option<String>, Key)>,
}

enum Key {
    P256(Box<VerifyingKey>),
    Ed25519(PublicKey),
}

/// What came of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    Broken,
    /// No key of this name and algorithm is known.
    UnknownKey,
    /// No keys are known at all.
    NotChecked,
}

impl Keys {
    /// Whether no key is known.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds the keys in this text: a public key in PEM (SubjectPublicKeyInfo, on P-256 or of Ed25519), a JWK or a JWK
    /// set. A key without a name of its own gets `id`; without one it stands for every name.
    ///
    /// # Errors
    /// What is wrong with the text; nothing of it is repeated.
    pub fn add(&mut self, text: &str, id: Option<&str>) -> Result<(), &'static str> {
        let found = match text.trim_start().starts_with('{') {
            true => jwks(text)?,
            false => vec![(None, pem(text)?)],
        };
        for (own, key) in found {
            let name = id.map(str::to_owned).or(own);
            self.keys.push((name, key));
        }
        Ok(())
    }

    /// Whether this signature of that key holds.
    pub fn verify(&self, id: &[u8], algorithm: &[u8], text: &[u8], signature: &[u8]) -> Verdict {
        if self.keys.is_empty() {
            return Verdict::NotChecked;
        }
        let mut verdict = Verdict::UnknownKey;
        for (name, key) in &self.keys {
            if name.as_ref().is_some_and(|name| name.as_bytes() != id) {
                continue;
            }
            let holds = match (key, algorithm) {
                (Key::P256(key), b"ES256") => Signature256::from_slice(signature)
                    .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
                (Key::Ed25519(key), b"EdDSA") => Signature25519::from_slice(signature)
                    .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
                _ => continue,
            };
            if holds {
                return Verdict::Holds;
            }
            verdict = Verdict::Broken;
        }
        verdict
    }
}

fn pem(text: &str) -> Result<Key, &'static str> {
    let expected = "expected a public key in PEM, a JWK or a JWK set";
    let (_, rest) = text
        .split_once("-----BEGIN PUBLIC KEY-----")
        .ok_or(expected)?;
    let (body, _) = rest
        .split_once("-----END PUBLIC KEY-----")
        .ok_or(expected)?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| expected)?;
    match der.strip_prefix(&ED25519) {
        Some(key) => ed25519(key),
        None => VerifyingKey::from_public_key_der(&der)
            .map(|key| Key::P256(Box::new(key)))
            .map_err(|_| "expected a key on P-256 or of Ed25519"),
    }
}

fn ed25519(bytes: &[u8]) -> Result<Key, &'static str> {
    let key = PublicKey::from_slice(bytes).map_err(|_| "expected an Ed25519 key of 32 bytes")?;
    Ok(Key::Ed25519(key))
}

fn jwks(text: &str) -> Result<Vec<(Option<String>, Key)>, &'static str> {
    let set: Value = serde_json::from_str(text).map_err(|_| "expected JSON")?;
    let alone = std::slice::from_ref(&set);
    let keys = set.get("keys").and_then(Value::as_array);
    keys.map_or(alone, Vec::as_slice).iter().map(jwk).collect()
}

fn jwk(jwk: &Value) -> Result<(Option<String>, Key), &'static str> {
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let text = member(name).ok_or("a JWK without its coordinates")?;
        let bytes = URL_SAFE_NO_PAD.decode(text);
        bytes.map_err(|_| "a JWK whose coordinates are not base64url")
    };
    let key = match (member("kty"), member("crv")) {
        (Some("EC"), Some("P-256")) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            if x.len() != 32 || y.len() != 32 {
                return Err("a JWK whose coordinates do not have 32 bytes");
            }
            let point = [&[4][..], &x, &y].concat();
            let key = VerifyingKey::from_sec1_bytes(&point);
            Key::P256(Box::new(key.map_err(|_| "a JWK off its curve")?))
        }
        (Some("OKP"), Some("Ed25519")) => ed25519(&bytes("x")?)?,
        _ => return Err("expected JWKs on P-256 or of Ed25519"),
    };
    Ok((member("kid").map(str::to_owned), key))
}
