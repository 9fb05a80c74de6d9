//! One key per algorithm, and signatures with them.

use std::sync::OnceLock;

use p521::ecdsa::signature::Signer as _;
use p521::pkcs8::EncodePublicKey as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use ring::{hmac, rsa::PublicKeyComponents};
use rsa::pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};

/// Signature algorithms of RFC 7518 section 3.1 and RFC 8037 that the filter knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA, P-256, SHA-256.
    Es256,
    /// ECDSA, P-384, SHA-384.
    Es384,
    /// ECDSA, P-521, SHA-512.
    Es512,
    /// RSASSA-PKCS1-v1_5, SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5, SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5, SHA-512.
    Rs512,
    /// RSASSA-PSS, SHA-256.
    Ps256,
    /// RSASSA-PSS, SHA-384.
    Ps384,
    /// RSASSA-PSS, SHA-512.
    Ps512,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 10] = [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::EdDsa,
    ];

    /// The value of `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// The padding of an RSA signature; absent for the other algorithms.
    fn rsa(self) -> Option<&'static dyn ring::signature::RsaEncoding> {
        match self {
            Algorithm::Rs256 => Some(&RSA_PKCS1_SHA256),
            Algorithm::Rs384 => Some(&RSA_PKCS1_SHA384),
            Algorithm::Rs512 => Some(&RSA_PKCS1_SHA512),
            Algorithm::Ps256 => Some(&RSA_PSS_SHA256),
            Algorithm::Ps384 => Some(&RSA_PSS_SHA384),
            Algorithm::Ps512 => Some(&RSA_PSS_SHA512),
            _ => None,
        }
    }
}

/// HMAC with SHA-256, the signature of `HS256`; the secret is whatever the attacker likes.
#[must_use]
pub fn hs256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message)
        .as_ref()
        .to_vec()
}

/// The key pairs of one issuer.
pub(super) struct Keys {
    es256: Pair<EcdsaKeyPair>,
    es384: Pair<EcdsaKeyPair>,
    es512: Pair<p521::ecdsa::SigningKey>,
    ed_dsa: Pair<Ed25519KeyPair>,
    /// Made when first needed: it takes a good part of a second.
    rsa: OnceLock<Pair<RsaKeyPair>>,
}

struct Pair<K> {
    key: K,
    /// SubjectPublicKeyInfo.
    public_key_der: Vec<u8>,
}

impl Keys {
    pub(super) fn generate() -> Keys {
        Keys {
            es256: ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            es384: ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            es512: p521(),
            ed_dsa: ed25519(),
            rsa: OnceLock::new(),
        }
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match algorithm {
            Algorithm::Es256 => sign_ecdsa(&self.es256.key, message),
            Algorithm::Es384 => sign_ecdsa(&self.es384.key, message),
            Algorithm::Es512 => {
                let signature: p521::ecdsa::Signature = self.es512.key.sign(message);
                signature.to_bytes().to_vec()
            }
            Algorithm::EdDsa => self.ed_dsa.key.sign(message).as_ref().to_vec(),
            rsa => sign_rsa(&self.rsa().key, rsa.rsa().expect("RSA"), message),
        }
    }

    pub(super) fn public_key(&self, algorithm: Algorithm) -> Vec<u8> {
        match algorithm {
            Algorithm::Es256 => self.es256.key.public_key().as_ref().to_vec(),
            Algorithm::Es384 => self.es384.key.public_key().as_ref().to_vec(),
            Algorithm::Es512 => {
                let point = self.es512.key.verifying_key().to_sec1_point(false);
                point.as_bytes().to_vec()
            }
            Algorithm::EdDsa => self.ed_dsa.key.public_key().as_ref().to_vec(),
            _ => self.rsa().key.public_key().as_ref().to_vec(),
        }
    }

    pub(super) fn public_key_der(&self, algorithm: Algorithm) -> Vec<u8> {
        match algorithm {
            Algorithm::Es256 => self.es256.public_key_der.clone(),
            Algorithm::Es384 => self.es384.public_key_der.clone(),
            Algorithm::Es512 => self.es512.public_key_der.clone(),
            Algorithm::EdDsa => self.ed_dsa.public_key_der.clone(),
            _ => self.rsa().public_key_der.clone(),
        }
    }

    /// Only the members that are the key: RFC 7518 section 6, RFC 8037 section 2.
    pub(super) fn jwk(&self, algorithm: Algorithm) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public_key = self.public_key(algorithm);
        let curve = match algorithm {
            Algorithm::EdDsa => {
                return json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&public_key) });
            }
            rsa if rsa.rsa().is_some() => {
                let public = PublicKeyComponents::<Vec<u8>>::from(self.rsa().key.public());
                return json!({ "kty": "RSA", "n": text(&public.n), "e": text(&public.e) });
            }
            Algorithm::Es256 => "P-256",
            Algorithm::Es384 => "P-384",
            _ => "P-521",
        };
        // An uncompressed point is one byte 0x04 and two coordinates of equal length.
        let (x, y) = public_key[1..].split_at(public_key.len() / 2);
        json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
    }

    fn rsa(&self) -> &Pair<RsaKeyPair> {
        self.rsa.get_or_init(rsa_2048)
    }
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Pair<EcdsaKeyPair> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("an EC key is made");
    Pair {
        public_key_der: public_key_der(pkcs8.as_ref()),
        key: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("ring's own key"),
    }
}

fn p521() -> Pair<p521::ecdsa::SigningKey> {
    let key = loop {
        let mut scalar = [0; 66];
        SystemRandom::new().fill(&mut scalar).expect("randomness");
        // 521 bits; a scalar beyond the order is not taken.
        scalar[0] &= 1;
        if let Ok(key) = p521::ecdsa::SigningKey::from_slice(&scalar) {
            break key;
        }
    };
    let public = p521::PublicKey::from(key.verifying_key());
    let public = public.to_public_key_der().expect("a key has a DER form");
    Pair {
        public_key_der: public.as_bytes().to_vec(),
        key,
    }
}

fn ed25519() -> Pair<Ed25519KeyPair> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("an Ed25519 key");
    Pair {
        public_key_der: public_key_der(pkcs8.as_ref()),
        key: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("ring's own key"),
    }
}

fn rsa_2048() -> Pair<RsaKeyPair> {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("an RSA key");
    let pkcs8 = key.to_pkcs8_der().expect("an RSA key has a DER form");
    Pair {
        public_key_der: public_key_der(pkcs8.as_bytes()),
        key: RsaKeyPair::from_pkcs8(pkcs8.as_bytes()).expect("ring reads PKCS#8"),
    }
}

/// SubjectPublicKeyInfo of the key in this PKCS#8 document.
fn public_key_der(pkcs8: &[u8]) -> Vec<u8> {
    use rcgen::PublicKeyData as _;
    rcgen::KeyPair::try_from(pkcs8)
        .expect("the certificate library reads PKCS#8")
        .subject_public_key_info()
}

fn sign_ecdsa(key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    let signature = key.sign(&SystemRandom::new(), message);
    signature.expect("an EC key signs").as_ref().to_vec()
}

fn sign_rsa(
    key: &RsaKeyPair,
    padding: &'static dyn ring::signature::RsaEncoding,
    message: &[u8],
) -> Vec<u8> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(padding, &SystemRandom::new(), message, &mut signature)
        .expect("an RSA key signs");
    signature
}
