//! Signatures, and nothing of tokens: a key, the bytes that were signed, the signature.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike as _, ECDSAP384PublicKeyLike as _, ES256PublicKey, ES384PublicKey,
    Ed25519PublicKey, EdDSAPublicKeyLike as _, PS256PublicKey, PS384PublicKey, PS512PublicKey,
    RS256PublicKey, RS384PublicKey, RS512PublicKey, RSAPublicKeyLike,
};
use p256::ecdsa::signature::Verifier as _;
use p521::pkcs8::EncodePublicKey as _;
use serde_json::{Map, Value};
use superboring::hash::MessageDigest;
use superboring::pkey::{PKey, Public};
use superboring::rsa::Padding;
use superboring::sign::Verifier;

use super::Algorithm;

/// A signature that the host is asked about, in the form that BoringSSL takes.
#[derive(Clone, Eq, PartialEq)]
pub struct HostCheck {
    /// The hash function: `sha256`, `sha384` or `sha512`. The key tells the rest of the algorithm.
    pub hash: &'static str,
    /// The public key, SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7).
    pub key: Rc<[u8]>,
    /// The signature: of RSA as it is, of ECDSA an Ecdsa-Sig-Value in DER (RFC 3279 section 2.2.3).
    pub signature: Vec<u8>,
    /// The bytes that were signed.
    pub text: Vec<u8>,
}

/// Text and signature together are a token: they are not shown.
impl std::fmt::Debug for HostCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostCheck")
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// A public key that was read, and checked to be one, for exactly one algorithm.
#[derive(Debug)]
pub(super) struct PublicKey {
    algorithm: Algorithm,
    own: Own,
    /// SubjectPublicKeyInfo, where a host could verify with it.
    der: Option<Rc<[u8]>>,
    /// Bytes of every signature of this key.
    length: usize,
}

/// The key as our own code has it.
#[derive(Debug)]
enum Own {
    EdDsa(Ed25519PublicKey),
    Es256(ES256PublicKey),
    Es384(ES384PublicKey),
    Rsa {
        key: Box<PKey<Public>>,
        hash: MessageDigest,
        padding: Padding,
    },
    Es512(p521::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// Reads a JWK (RFC 7517). `None`: a parameter is missing or of the wrong size, the point is not
    /// on the curve, or the modulus has not 2048 to 4096 bits with the exponent 65537.
    pub fn read(algorithm: Algorithm, members: &Map<String, Value>) -> Option<Self> {
        let jwk = || serde_json::to_string(members).ok();
        let (own, der, length) = match algorithm {
            Algorithm::EdDsa => {
                let key = Ed25519PublicKey::from_jwk(&jwk()?).ok()?;
                (Own::EdDsa(key), None, 64)
            }
            Algorithm::Es256 => {
                let key = ES256PublicKey::from_jwk(&jwk()?).ok()?;
                let der = key.public_key().to_der().ok()?;
                (Own::Es256(key), Some(der), 2 * 32)
            }
            Algorithm::Es384 => {
                let key = ES384PublicKey::from_jwk(&jwk()?).ok()?;
                let der = key.public_key().to_der().ok()?;
                (Own::Es384(key), Some(der), 2 * 48)
            }
            Algorithm::Es512 => {
                let key = p521(members)?;
                let der = key.to_public_key_der().ok()?.into_vec();
                (Own::Es512(key), Some(der), 2 * P521)
            }
            Algorithm::Ps256 => rsa(&PS256PublicKey::from_jwk(&jwk()?).ok()?)?,
            Algorithm::Ps384 => rsa(&PS384PublicKey::from_jwk(&jwk()?).ok()?)?,
            Algorithm::Ps512 => rsa(&PS512PublicKey::from_jwk(&jwk()?).ok()?)?,
            Algorithm::Rs256 => rsa(&RS256PublicKey::from_jwk(&jwk()?).ok()?)?,
            Algorithm::Rs384 => rsa(&RS384PublicKey::from_jwk(&jwk()?).ok()?)?,
            Algorithm::Rs512 => rsa(&RS512PublicKey::from_jwk(&jwk()?).ok()?)?,
        };
        Some(PublicKey {
            algorithm,
            own,
            der: der.map(Rc::from),
            length,
        })
    }

    /// The algorithm that the key is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether a signature in the form of JWS can be one of this key, from its length: r and s side by
    /// side (RFC 7518 section 3.4), or as long as the modulus (RFC 8017 sections 8.1.2 and 8.2.2).
    pub fn fits(&self, signature: &[u8]) -> bool {
        signature.len() == self.length
    }

    /// What to ask the host about a signature that [`PublicKey::fits`]; see [`host_check`].
    pub fn host_check(&self, signed: &[u8], signature: &[u8]) -> Option<HostCheck> {
        host_check(self.algorithm, self.der.as_ref()?, signed, signature)
    }

    /// Whether a signature that [`PublicKey::fits`] is that of these bytes, for PSS with a salt as long
    /// as the hash (RFC 7518 section 3.5), by our own code.
    pub fn holds(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.own {
            Own::EdDsa(key) => ed25519_compact::Signature::from_slice(signature)
                .and_then(|signature| key.public_key().as_ref().verify(signed, &signature))
                .is_ok(),
            Own::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.public_key().as_ref().verify(signed, &signature))
                .is_ok(),
            Own::Es384(key) => p384::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.public_key().as_ref().verify(signed, &signature))
                .is_ok(),
            Own::Es512(key) => p521::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify(signed, &signature))
                .is_ok(),
            Own::Rsa { key, hash, padding } => {
                rsa_holds(key, hash, *padding, signed, signature) == Some(true)
            }
        }
    }
}

/// What to ask the host about a signature in the form of JWS. `None`: the host does not have the
/// algorithm, or there is nothing to ask, because r or s is zero.
pub(super) fn host_check(
    algorithm: Algorithm,
    key: &Rc<[u8]>,
    signed: &[u8],
    signature: &[u8],
) -> Option<HostCheck> {
    let (hash, signature) = match algorithm {
        Algorithm::Rs256 => ("sha256", signature.to_vec()),
        Algorithm::Rs384 => ("sha384", signature.to_vec()),
        Algorithm::Rs512 => ("sha512", signature.to_vec()),
        Algorithm::Es256 => ("sha256", ecdsa_der(signature, 32)?),
        Algorithm::Es384 => ("sha384", ecdsa_der(signature, 48)?),
        Algorithm::Es512 => ("sha512", ecdsa_der(signature, P521)?),
        // The host knows neither PSS nor keys without a hash function.
        Algorithm::EdDsa | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => return None,
    };
    Some(HostCheck {
        hash,
        key: Rc::clone(key),
        signature,
        text: signed.to_vec(),
    })
}

/// The bytes of a coordinate of P-521, and of its r and s.
const P521: usize = 66;

/// The key of a JWK on P-521: both coordinates of full length (RFC 7518 section 6.2.1.2).
fn p521(members: &Map<String, Value>) -> Option<p521::ecdsa::VerifyingKey> {
    // Not compressed (SEC 1 section 2.3.3).
    let mut point = vec![4];
    for name in ["x", "y"] {
        let text = members.get(name)?.as_str()?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        if bytes.len() != P521 {
            return None;
        }
        point.extend(bytes);
    }
    p521::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()
}

/// r and s of `size` bytes each, side by side (RFC 7518 section 3.4), to an Ecdsa-Sig-Value in DER.
/// `None`: another length, or a number that is zero, which no signature has.
pub(super) fn ecdsa_der(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    if signature.len() != size.checked_mul(2)? {
        return None;
    }
    let (r, s) = signature.split_at_checked(size)?;
    let mut numbers = integer(r)?;
    numbers.extend(integer(s)?);
    let mut der = vec![0x30];
    push_length(&mut der, numbers.len())?;
    der.extend(numbers);
    Some(der)
}

/// A positive INTEGER in DER: no byte more than the number needs, and a zero in front where the first
/// bit would make it negative (X.690 section 8.3).
fn integer(number: &[u8]) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..)?;
    let sign = usize::from(*digits.first()? >= 0x80);
    let mut der = vec![0x02];
    push_length(&mut der, digits.len().checked_add(sign)?)?;
    der.extend(std::iter::repeat_n(0, sign));
    der.extend(digits);
    Some(der)
}

/// A length in DER (X.690 section 10.1); none here needs more than one byte beside the first.
fn push_length(der: &mut Vec<u8>, length: usize) -> Option<()> {
    let length = u8::try_from(length).ok()?;
    if length >= 0x80 {
        der.push(0x81);
    }
    der.push(length);
    Some(())
}

type Read = (Own, Option<Vec<u8>>, usize);

fn rsa<K: RSAPublicKeyLike>(key: &K) -> Option<Read> {
    let public = key.public_key();
    let own = Own::Rsa {
        key: Box::new(PKey::from_rsa(public.as_ref().clone()).ok()?),
        hash: K::hash(),
        padding: key.padding_scheme(),
    };
    let der = match own {
        Own::Rsa {
            padding: Padding::PKCS1,
            ..
        } => Some(public.to_der().ok()?),
        // The host does not know PSS.
        _ => None,
    };
    Some((own, der, public.to_components().n.len()))
}

/// `None`: the library could not decide.
fn rsa_holds(
    key: &PKey<Public>,
    hash: &MessageDigest,
    padding: Padding,
    signed: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let mut verifier = Verifier::new(hash.clone(), key).ok()?;
    verifier.set_rsa_padding(padding).ok()?;
    verifier.update(signed).ok()?;
    verifier.verify(signature).ok()
}
