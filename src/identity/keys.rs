//! The public keys of an issuer (RFC 7517), each bound to one algorithm.

use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike, ECDSAP384PublicKeyLike, ES256PublicKey, ES384PublicKey,
    Ed25519PublicKey, EdDSAPublicKeyLike, PS256PublicKey, RS256PublicKey, RSAPublicKeyLike,
    UnixTimeStamp, VerificationOptions,
};
use serde_json::{Map, Value};

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037). None of them is symmetric, and `none` is
/// not among them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the registry")]
pub enum Algorithm {
    EdDsa,
    Es256,
    Es384,
    Ps256,
    Rs256,
}

/// The public keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// What is wrong with a key set, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMistake {
    /// A JSON pointer into the set.
    pub pointer: String,
    /// What was expected.
    pub message: String,
}

/// The most keys in a set.
const MAX_KEYS: usize = 64;

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    material: Material,
}

#[derive(Debug)]
enum Material {
    EdDsa(Ed25519PublicKey),
    Es256(ES256PublicKey),
    Es384(ES384PublicKey),
    Ps256(PS256PublicKey),
    Rs256(RS256PublicKey),
}

impl Algorithm {
    /// Every algorithm, for messages.
    pub const ALL: [Algorithm; 5] = [
        Algorithm::EdDsa,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Ps256,
        Algorithm::Rs256,
    ];

    /// The algorithm of exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Ps256 => "PS256",
            Algorithm::Rs256 => "RS256",
        }
    }
}

impl KeySet {
    /// Reads a JWK set. Every key must be a public key for signatures that one of the allowed
    /// algorithms can use; anything else in the set is a mistake, not something to skip.
    pub fn read(set: &Value, allowed: &[Algorithm]) -> Result<Self, Vec<KeyMistake>> {
        let mistake = |pointer: String, message: &str| KeyMistake {
            pointer,
            message: message.to_owned(),
        };
        let Some(items) = set.get("keys").and_then(Value::as_array) else {
            return Err(vec![mistake(
                String::new(),
                "expected a JWK set: an object with a list `keys`",
            )]);
        };
        if items.is_empty() || items.len() > MAX_KEYS {
            let message = format!("expected 1 to {MAX_KEYS} keys, found {}", items.len());
            return Err(vec![mistake("/keys".to_owned(), &message)]);
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut mistakes = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let pointer = format!("/keys/{index}");
            match read_key(item, allowed) {
                Ok(key)
                    if keys.iter().any(|known| {
                        known.id == key.id && (key.id.is_some() || known.algorithm == key.algorithm)
                    }) =>
                {
                    mistakes.push(mistake(
                        pointer,
                        "expected a `kid` that no other key of the set has",
                    ));
                }
                Ok(key) => keys.push(key),
                Err(message) => mistakes.push(mistake(pointer, &message)),
            }
        }
        if mistakes.is_empty() {
            Ok(KeySet { keys })
        } else {
            Err(mistakes)
        }
    }

    /// Verifies the signature of a compact JWS with the one key it can be of: the one with its
    /// `kid`, or, without a `kid`, the only one for its algorithm. The caller has checked that every
    /// time in the claims is a sane number: the library multiplies them.
    pub(super) fn verify(&self, jws: &str, algorithm: Algorithm, id: Option<&str>) -> Outcome {
        let mut fitting = self.keys.iter().filter(|key| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => key.algorithm == algorithm,
        });
        let (Some(key), None) = (fitting.next(), fitting.next()) else {
            return Outcome::NoKey;
        };
        if key.algorithm != algorithm {
            return Outcome::WrongAlgorithm;
        }
        // Claims are judged elsewhere, with the issuer's own rules; here only the signature counts.
        // The clock is pinned to 1970, where nothing has expired: the library's own clock is never
        // read, and its tolerance of 15 minutes never applies.
        let options = Some(VerificationOptions {
            accept_future: true,
            artificial_time: Some(UnixTimeStamp::from_secs(0)),
            time_tolerance: Some(jwt_simple::prelude::Duration::from_secs(0)),
            max_token_length: Some(super::MAX_TOKEN),
            ..VerificationOptions::default()
        });
        let verified = match &key.material {
            Material::EdDsa(key) => key.verify_token::<Map<String, Value>>(jws, options).is_ok(),
            Material::Es256(key) => key.verify_token::<Map<String, Value>>(jws, options).is_ok(),
            Material::Es384(key) => key.verify_token::<Map<String, Value>>(jws, options).is_ok(),
            Material::Ps256(key) => key.verify_token::<Map<String, Value>>(jws, options).is_ok(),
            Material::Rs256(key) => key.verify_token::<Map<String, Value>>(jws, options).is_ok(),
        };
        if verified {
            Outcome::Verified
        } else {
            Outcome::BadSignature
        }
    }
}

/// How a verification ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    BadSignature,
    NoKey,
    Verified,
    WrongAlgorithm,
}

fn read_key(item: &Value, allowed: &[Algorithm]) -> Result<Key, String> {
    let Some(members) = item.as_object() else {
        return Err("expected an object".to_owned());
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        .iter()
        .any(|name| members.contains_key(*name))
    {
        return Err(
            "expected a public key: this one has secret members, and must be considered disclosed"
                .to_owned(),
        );
    }
    if text("use").is_some_and(|value| value != "sig")
        || (members.contains_key("use") && text("use").is_none())
    {
        return Err("expected `use` to be `sig`".to_owned());
    }
    if let Some(operations) = members.get("key_ops") {
        // A public key can do nothing else; the library takes no other list either.
        let verifies = operations
            .as_array()
            .is_some_and(|list| matches!(list.as_slice(), [only] if only == "verify"));
        if !verifies {
            return Err("expected `key_ops` to hold `verify` and nothing else".to_owned());
        }
    }
    let id = match members.get("kid") {
        None => None,
        Some(Value::String(id)) if !id.is_empty() && id.len() <= 256 => Some(id.clone()),
        Some(_) => return Err("expected `kid` to be a string of 1 to 256 bytes".to_owned()),
    };
    let algorithm = algorithm_of(members, allowed)?;
    let jwk = item.to_string();
    let unusable = |_| {
        format!(
            "expected a usable {} key: its parameters are missing, of the wrong size, or not on the curve",
            algorithm.name()
        )
    };
    let material = match algorithm {
        Algorithm::EdDsa => Material::EdDsa(Ed25519PublicKey::from_jwk(&jwk).map_err(unusable)?),
        Algorithm::Es256 => Material::Es256(ES256PublicKey::from_jwk(&jwk).map_err(unusable)?),
        Algorithm::Es384 => Material::Es384(ES384PublicKey::from_jwk(&jwk).map_err(unusable)?),
        Algorithm::Ps256 => Material::Ps256(PS256PublicKey::from_jwk(&jwk).map_err(unusable)?),
        Algorithm::Rs256 => Material::Rs256(RS256PublicKey::from_jwk(&jwk).map_err(unusable)?),
    };
    Ok(Key {
        id,
        algorithm,
        material,
    })
}

/// One key, one algorithm (RFC 8725 section 3.1): from `alg`, or from the type of key where that
/// leaves no choice.
fn algorithm_of(members: &Map<String, Value>, allowed: &[Algorithm]) -> Result<Algorithm, String> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let fitting: &[Algorithm] = match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => &[Algorithm::Es256],
        (Some("EC"), Some("P-384")) => &[Algorithm::Es384],
        (Some("OKP"), Some("Ed25519")) => &[Algorithm::EdDsa],
        (Some("RSA"), None) => &[Algorithm::Rs256, Algorithm::Ps256],
        _ => {
            return Err(
                "expected `kty` EC with `crv` P-256 or P-384, OKP with Ed25519, or RSA".to_owned(),
            );
        }
    };
    let candidates: Vec<Algorithm> = match members.get("alg") {
        Some(Value::String(name)) => fitting
            .iter()
            .copied()
            .filter(|algorithm| algorithm.name() == name)
            .collect(),
        Some(_) => Vec::new(),
        None => fitting
            .iter()
            .copied()
            .filter(|algorithm| allowed.contains(algorithm))
            .collect(),
    };
    match candidates.as_slice() {
        [algorithm] if allowed.contains(algorithm) => Ok(*algorithm),
        [_] => Err("expected a key for one of the issuer's `algorithms`".to_owned()),
        [] => Err("expected `alg` to fit the type of key and to be among the issuer's `algorithms`".to_owned()),
        _ => Err("expected `alg`, because the issuer allows more than one algorithm for this type of key".to_owned()),
    }
}
