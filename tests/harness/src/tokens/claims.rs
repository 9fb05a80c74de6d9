//! What stands in a token, and how its signature is falsified.

use serde_json::{Map, Value, json};

use super::{Algorithm, Issuer, hs256};
use crate::pki::ClientCertificate;

/// A token before it is signed. Starts as a good one; every method takes it and hands it on.
#[derive(Clone, Debug)]
pub struct Claims {
    pub(super) algorithm: Algorithm,
    pub(super) forgery: Forgery,
    header: Map<String, Value>,
    raw_header: Option<Vec<u8>>,
    payload: Map<String, Value>,
    raw_payload: Option<Vec<u8>>,
    without: Vec<String>,
}

/// What is done to the signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Forgery {
    /// Nothing: the issuer's key of the token's algorithm signs.
    #[default]
    None,
    /// No signature; the part after the second dot is empty.
    Unsigned,
    /// Signed with the issuer's key of this algorithm, whatever the header says.
    KeyOf(Algorithm),
    /// HMAC-SHA-256 under the public key's SubjectPublicKeyInfo DER.
    HmacOfPublicKeyDer,
    /// HMAC-SHA-256 under the public key's PEM text.
    HmacOfPublicKeyPem,
    /// A right signature with this bit, counted from the first, turned over (modulo its length).
    FlippedBit(usize),
    /// The first bytes of a right signature, this many.
    Truncated(usize),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Claims {
    /// A good access token (RFC 9068) that is valid from `now` (Unix seconds) for 300 seconds.
    ///
    /// `iss` and `kid` are the signing issuer's; the rest: `typ` at+jwt, ES256, `sub`
    /// practitioner-1, `aud` `https://fhir.example.org`, `client_id` clinic-a, `scope`
    /// patient/*.rs, `patient` p1, `fhirUser` Practitioner/practitioner-1, `iat` = `nbf` = now, a
    /// `jti` made of `now`. No `cnf`: see [`Claims::bound_to`].
    #[must_use]
    pub fn new(now: u64) -> Claims {
        let payload = json!({
            "aud": "https://fhir.example.org",
            "client_id": "clinic-a",
            "exp": now + 300,
            "fhirUser": "Practitioner/practitioner-1",
            "iat": now,
            "jti": format!("token-{now}"),
            "nbf": now,
            "patient": "p1",
            "scope": "patient/*.rs",
            "sub": "practitioner-1",
        });
        let Value::Object(payload) = payload else {
            unreachable!("the payload above is an object");
        };
        Claims {
            algorithm: Algorithm::Es256,
            forgery: Forgery::None,
            header: Map::new(),
            raw_header: None,
            payload,
            raw_payload: None,
            without: Vec::new(),
        }
    }

    /// Signs with this algorithm and says so in the header.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Claims {
        self.algorithm = algorithm;
        self
    }

    /// Binds the token to this certificate: `cnf.x5t#S256` (RFC 8705 section 3.1).
    #[must_use]
    pub fn bound_to(self, certificate: &ClientCertificate) -> Claims {
        let thumbprint = &certificate.thumbprint_sha256_base64url;
        self.claim("cnf", json!({ "x5t#S256": thumbprint }))
    }

    /// Sets `scope`.
    #[must_use]
    pub fn scope(self, scope: &str) -> Claims {
        self.claim("scope", json!(scope))
    }

    /// Sets `patient`, the SMART launch context.
    #[must_use]
    pub fn patient(self, id: &str) -> Claims {
        self.claim("patient", json!(id))
    }

    /// Sets `client_id`.
    #[must_use]
    pub fn client_id(self, id: &str) -> Claims {
        self.claim("client_id", json!(id))
    }

    /// Sets `sub`.
    #[must_use]
    pub fn subject(self, subject: &str) -> Claims {
        self.claim("sub", json!(subject))
    }

    /// Sets `fhirUser`.
    #[must_use]
    pub fn fhir_user(self, reference: &str) -> Claims {
        self.claim("fhirUser", json!(reference))
    }

    /// Sets `aud`.
    #[must_use]
    pub fn audience(self, audience: &str) -> Claims {
        self.claim("aud", json!(audience))
    }

    /// Sets `jti`.
    #[must_use]
    pub fn jti(self, id: &str) -> Claims {
        self.claim("jti", json!(id))
    }

    /// Sets `exp` (Unix seconds).
    #[must_use]
    pub fn expires_at(self, seconds: u64) -> Claims {
        self.claim("exp", json!(seconds))
    }

    /// Sets any claim to any value, `iss` included.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Claims {
        self.payload.insert(name.to_owned(), value);
        self
    }

    /// Sets any header parameter to any value, `alg`, `kid` and `typ` included. The key that signs
    /// stays that of [`Claims::algorithm`].
    #[must_use]
    pub fn header(mut self, name: &str, value: Value) -> Claims {
        self.header.insert(name.to_owned(), value);
        self
    }

    /// Leaves out the claim and the header parameter of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Claims {
        self.without.push(name.to_owned());
        self
    }

    /// These bytes instead of the payload: duplicate names, bytes that are not JSON, another root.
    #[must_use]
    pub fn raw_payload(mut self, bytes: impl Into<Vec<u8>>) -> Claims {
        self.raw_payload = Some(bytes.into());
        self
    }

    /// These bytes instead of the header.
    #[must_use]
    pub fn raw_header(mut self, bytes: impl Into<Vec<u8>>) -> Claims {
        self.raw_header = Some(bytes.into());
        self
    }

    /// Falsifies the signature, and `alg` where the attack lives from it: `none` for
    /// [`Forgery::Unsigned`], `HS256` for the HMAC ones, unless [`Claims::header`] says otherwise.
    #[must_use]
    pub fn forged(mut self, forgery: Forgery) -> Claims {
        self.forgery = forgery;
        self
    }

    pub(super) fn header_bytes(&self, kid: &str) -> Vec<u8> {
        if let Some(bytes) = &self.raw_header {
            return bytes.clone();
        }
        let algorithm = match self.forgery {
            Forgery::Unsigned => "none",
            Forgery::HmacOfPublicKeyDer | Forgery::HmacOfPublicKeyPem => "HS256",
            _ => self.algorithm.name(),
        };
        let defaults = [("alg", algorithm), ("kid", kid), ("typ", "at+jwt")];
        self.merged(&defaults, &self.header)
    }

    pub(super) fn payload_bytes(&self, issuer: &str) -> Vec<u8> {
        match &self.raw_payload {
            Some(bytes) => bytes.clone(),
            None => self.merged(&[("iss", issuer)], &self.payload),
        }
    }

    fn merged(&self, defaults: &[(&str, &str)], own: &Map<String, Value>) -> Vec<u8> {
        let mut all: Map<String, Value> = defaults
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        all.extend(own.clone());
        all.retain(|name, _| !self.without.contains(name));
        Value::Object(all).to_string().into_bytes()
    }
}

impl Forgery {
    pub(super) fn signature(
        &self,
        issuer: &Issuer,
        algorithm: Algorithm,
        message: &str,
    ) -> Vec<u8> {
        let message = message.as_bytes();
        let right = || issuer.sign(algorithm, message);
        match self {
            Forgery::None => right(),
            Forgery::Unsigned => Vec::new(),
            Forgery::KeyOf(other) => issuer.sign(*other, message),
            Forgery::HmacOfPublicKeyDer => hs256(&issuer.public_key_der(algorithm), message),
            Forgery::HmacOfPublicKeyPem => {
                hs256(issuer.public_key_pem(algorithm).as_bytes(), message)
            }
            Forgery::FlippedBit(bit) => {
                let mut signature = right();
                let bit = bit % (signature.len() * 8);
                signature[bit / 8] ^= 0x80 >> (bit % 8);
                signature
            }
            Forgery::Truncated(length) => {
                let mut signature = right();
                signature.truncate(*length);
                signature
            }
            Forgery::Bytes(bytes) => bytes.clone(),
        }
    }
}
