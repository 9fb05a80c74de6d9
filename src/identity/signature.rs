//! Signatures, and nothing of tokens: a key, the bytes that were signed, the signature.

use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike as _, ECDSAP384PublicKeyLike as _, ES256PublicKey, ES384PublicKey,
    Ed25519PublicKey, EdDSAPublicKeyLike as _, PS256PublicKey, RS256PublicKey, RSAPublicKeyLike,
};
use p256::ecdsa::signature::Verifier as _;
use superboring::{pkey::PKey, sign::Verifier};

use super::Algorithm;

/// A public key that was read, and checked to be one, for exactly one algorithm.
#[derive(Debug)]
pub(super) enum PublicKey {
    EdDsa(Ed25519PublicKey),
    Es256(ES256PublicKey),
    Es384(ES384PublicKey),
    Ps256(PS256PublicKey),
    Rs256(RS256PublicKey),
}

impl PublicKey {
    /// Reads the text of a JWK (RFC 7517). `None`: a parameter is missing or of the wrong size, the
    /// point is not on the curve, or the modulus has not 2048 to 4096 bits with the exponent 65537.
    pub fn read(algorithm: Algorithm, jwk: &str) -> Option<Self> {
        let key = match algorithm {
            Algorithm::EdDsa => PublicKey::EdDsa(Ed25519PublicKey::from_jwk(jwk).ok()?),
            Algorithm::Es256 => PublicKey::Es256(ES256PublicKey::from_jwk(jwk).ok()?),
            Algorithm::Es384 => PublicKey::Es384(ES384PublicKey::from_jwk(jwk).ok()?),
            Algorithm::Ps256 => PublicKey::Ps256(PS256PublicKey::from_jwk(jwk).ok()?),
            Algorithm::Rs256 => PublicKey::Rs256(RS256PublicKey::from_jwk(jwk).ok()?),
        };
        Some(key)
    }

    /// The algorithm that the key is for.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            PublicKey::EdDsa(_) => Algorithm::EdDsa,
            PublicKey::Es256(_) => Algorithm::Es256,
            PublicKey::Es384(_) => Algorithm::Es384,
            PublicKey::Ps256(_) => Algorithm::Ps256,
            PublicKey::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// Whether the signature is that of these bytes, in the form of JWS: for ECDSA r and s side by
    /// side (RFC 7518 section 3.4), for PSS with a salt of 32 bytes (section 3.5).
    pub fn holds(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            PublicKey::EdDsa(key) => ed25519_compact::Signature::from_slice(signature)
                .and_then(|signature| key.public_key().as_ref().verify(signed, &signature))
                .is_ok(),
            PublicKey::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.public_key().as_ref().verify(signed, &signature))
                .is_ok(),
            PublicKey::Es384(key) => p384::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.public_key().as_ref().verify(signed, &signature))
                .is_ok(),
            PublicKey::Ps256(key) => rsa_holds(key, signed, signature) == Some(true),
            PublicKey::Rs256(key) => rsa_holds(key, signed, signature) == Some(true),
        }
    }
}

/// `None`: the library could not decide.
fn rsa_holds<K: RSAPublicKeyLike>(key: &K, signed: &[u8], signature: &[u8]) -> Option<bool> {
    let rsa = PKey::from_rsa(key.public_key().as_ref().clone()).ok()?;
    let mut verifier = Verifier::new(K::hash(), &rsa).ok()?;
    verifier.set_rsa_padding(key.padding_scheme()).ok()?;
    verifier.update(signed).ok()?;
    verifier.verify(signature).ok()
}
