//! DPoP (RFC 9449) as a client would do it: a key, and proofs made with it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value, json};

use super::{Algorithm, Keys, keys_of};

/// A client that holds a key for each algorithm, and proves it with one of them. Clones share the keys.
#[derive(Clone)]
pub struct DpopClient {
    algorithm: Algorithm,
    keys: Arc<Keys>,
}

/// A proof before it is signed. Starts as a good one; every method takes it and hands it on.
#[derive(Clone, Debug)]
pub struct DpopProof {
    header: Map<String, Value>,
    raw_header: Option<Vec<u8>>,
    claims: Map<String, Value>,
    raw_claims: Option<Vec<u8>>,
    without: Vec<String>,
    flipped_bit: Option<usize>,
}

impl DpopClient {
    /// The client of this name; within one process the same name has the same keys.
    #[must_use]
    pub fn new(name: &str, algorithm: Algorithm) -> DpopClient {
        DpopClient {
            algorithm,
            keys: keys_of(format!("{name} dpop")),
        }
    }

    /// The public key, as it stands in a proof.
    #[must_use]
    pub fn jwk(&self) -> Value {
        self.keys.jwk(self.algorithm)
    }

    /// The thumbprint of the key (RFC 7638), as a token has it in `cnf.jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let names: &[&str] = match jwk["kty"].as_str() {
            Some("EC") => &["crv", "kty", "x", "y"],
            Some("OKP") => &["crv", "kty", "x"],
            _ => &["e", "kty", "n"],
        };
        let members: Vec<String> = names
            .iter()
            .map(|name| format!("\"{name}\":{}", jwk[*name]))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    /// The confirmation of tokens for this client: `cnf`.
    #[must_use]
    pub fn confirmation(&self) -> Value {
        json!({ "jkt": self.thumbprint() })
    }

    /// The proof in JWS compact serialisation.
    #[must_use]
    pub fn sign(&self, proof: &DpopProof) -> String {
        let mut header = Map::new();
        header.insert("typ".into(), json!("dpop+jwt"));
        header.insert("alg".into(), json!(self.algorithm.name()));
        header.insert("jwk".into(), self.jwk());
        header.extend(proof.header.clone());
        let object = |members: Map<String, Value>| {
            let kept = members
                .into_iter()
                .filter(|(name, _)| !proof.without.contains(name));
            Value::Object(kept.collect()).to_string().into_bytes()
        };
        let header = proof.raw_header.clone().unwrap_or_else(|| object(header));
        let claims = proof
            .raw_claims
            .clone()
            .unwrap_or_else(|| object(proof.claims.clone()));
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let mut signature = self.keys.sign(self.algorithm, message.as_bytes());
        if let Some(bit) = proof.flipped_bit {
            let bit = bit % (signature.len() * 8);
            signature[bit / 8] ^= 0x80 >> (bit % 8);
        }
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl DpopProof {
    /// A good proof for a request with this token, of its own `jti`.
    #[must_use]
    pub fn new(method: &str, uri: &str, token: &str, now: u64) -> DpopProof {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).expect("randomness");
        let proof = DpopProof {
            header: Map::new(),
            raw_header: None,
            claims: Map::new(),
            raw_claims: None,
            without: Vec::new(),
            flipped_bit: None,
        };
        let hash = digest(&SHA256, token.as_bytes());
        proof
            .claim("jti", json!(URL_SAFE_NO_PAD.encode(id)))
            .claim("htm", json!(method))
            .claim("htu", json!(uri))
            .claim("iat", json!(now))
            .claim("ath", json!(URL_SAFE_NO_PAD.encode(hash)))
    }

    /// With this claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    /// With this member of the header.
    #[must_use]
    pub fn header(mut self, name: &str, value: Value) -> Self {
        self.header.insert(name.to_owned(), value);
        self
    }

    /// Without this claim, or member of the header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }

    /// With exactly these bytes in the place of the header.
    #[must_use]
    pub fn raw_header(mut self, bytes: &[u8]) -> Self {
        self.raw_header = Some(bytes.to_vec());
        self
    }

    /// With exactly these bytes in the place of the claims.
    #[must_use]
    pub fn raw_claims(mut self, bytes: &[u8]) -> Self {
        self.raw_claims = Some(bytes.to_vec());
        self
    }

    /// The claims as they stand.
    #[must_use]
    pub fn claims(&self) -> Value {
        Value::Object(self.claims.clone())
    }

    /// With this bit of the signature turned over.
    #[must_use]
    pub fn flipped_bit(mut self, bit: usize) -> Self {
        self.flipped_bit = Some(bit);
        self
    }
}
