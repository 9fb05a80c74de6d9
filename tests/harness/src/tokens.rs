//! Access tokens (RFC 9068) as an authorization server would sign them, and as an attacker would
//! like them to be.

mod claims;
mod dpop;
mod keys;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub use claims::{Claims, Forgery};
pub use dpop::{DpopClient, DpopProof};
use keys::Keys;
pub use keys::{Algorithm, hs256};

/// Seconds since 1970: tokens for a real Envoy are made for the real time.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness is no part of the core, and Envoy reads the same clock"
)]
#[must_use]
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// An authorization server's name and keys. Clones share the keys.
#[derive(Clone)]
pub struct Issuer {
    name: String,
    generation: u32,
    keys: Arc<Keys>,
}

impl Issuer {
    /// The issuer of this name (`iss`) with one key per algorithm; RS* and PS* share one RSA key
    /// under six key ids, so that only the algorithm of the JWK tells them apart.
    ///
    /// Within one process the same name has the same keys, because an RSA key takes its time.
    #[must_use]
    pub fn new(name: &str) -> Issuer {
        Issuer {
            name: name.to_owned(),
            generation: 0,
            keys: keys_of(format!("{name} 0")),
        }
    }

    /// The same issuer after a key rotation: other keys under other key ids.
    #[must_use]
    pub fn rotated(&self) -> Issuer {
        let generation = self.generation + 1;
        Issuer {
            name: self.name.clone(),
            generation,
            keys: keys_of(format!("{} {generation}", self.name)),
        }
    }

    /// Somebody who claims to be this issuer: same name, same key ids, other keys.
    #[must_use]
    pub fn impostor(&self) -> Issuer {
        Issuer {
            keys: keys_of(format!("{} {} impostor", self.name, self.generation)),
            ..self.clone()
        }
    }

    /// The value of `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id of this algorithm's key, such as `es256-0`; the number counts rotations.
    #[must_use]
    pub fn kid(&self, algorithm: Algorithm) -> String {
        format!("{}-{}", algorithm.name().to_lowercase(), self.generation)
    }

    /// The public keys as a JWK Set (RFC 7517), each with `kid`, `alg` and `use`.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": Algorithm::ALL.map(|algorithm| self.jwk(algorithm)) })
    }

    /// One public key as a JWK with `kid`, `alg` and `use`.
    #[must_use]
    pub fn jwk(&self, algorithm: Algorithm) -> Value {
        let mut jwk = self.keys.jwk(algorithm);
        jwk["kid"] = json!(self.kid(algorithm));
        jwk["alg"] = json!(algorithm.name());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key as ring verifies with it: RSAPublicKey DER, an uncompressed point, or 32 bytes.
    #[must_use]
    pub fn public_key(&self, algorithm: Algorithm) -> Vec<u8> {
        self.keys.public_key(algorithm)
    }

    /// The public key as SubjectPublicKeyInfo DER (RFC 5280 section 4.1).
    #[must_use]
    pub fn public_key_der(&self, algorithm: Algorithm) -> Vec<u8> {
        self.keys.public_key_der(algorithm)
    }

    /// The public key as PEM, the text an HMAC confusion attack takes as its secret.
    #[must_use]
    pub fn public_key_pem(&self, algorithm: Algorithm) -> String {
        let text = STANDARD.encode(self.public_key_der(algorithm));
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem + "-----END PUBLIC KEY-----\n"
    }

    /// A signature over any bytes, as JWS wants it: fixed-length `r || s` for ECDSA (RFC 7518
    /// section 3.4).
    #[must_use]
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        self.keys.sign(algorithm, message)
    }

    /// The token of these claims in JWS compact serialisation (RFC 7515 section 7.1).
    #[must_use]
    pub fn token(&self, claims: &Claims) -> String {
        let header = claims.header_bytes(&self.kid(claims.algorithm));
        let payload = claims.payload_bytes(&self.name);
        let mut message = URL_SAFE_NO_PAD.encode(header);
        message.push('.');
        message += &URL_SAFE_NO_PAD.encode(payload);
        let signature = claims.forgery.signature(self, claims.algorithm, &message);
        message.push('.');
        message + &URL_SAFE_NO_PAD.encode(signature)
    }
}

/// One set of keys per seed for the whole process.
fn keys_of(seed: String) -> Arc<Keys> {
    static KEYS: LazyLock<Mutex<HashMap<String, Arc<Keys>>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(
        keys.entry(seed)
            .or_insert_with(|| Arc::new(Keys::generate())),
    )
}

#[cfg(test)]
mod tests;
