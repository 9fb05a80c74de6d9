//! What Envoy's foreign function `verify_signature` decides, by other libraries than the filter's and
//! Envoy's own: signatures with a key in SubjectPublicKeyInfo, those of ECDSA in DER.

use p521::ecdsa::signature::Verifier as _;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// Whether the signature is that of the text under the key. `hash` is `sha256`, `sha384` or `sha512`;
/// what is not understood is `false`.
#[must_use]
pub fn verifies(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> bool {
    let Some((kind, key)) = key_of(key) else {
        return false;
    };
    let algorithm: &dyn VerificationAlgorithm = match (kind, hash) {
        (Kind::Rsa, "sha256") => &RSA_PKCS1_2048_8192_SHA256,
        (Kind::Rsa, "sha384") => &RSA_PKCS1_2048_8192_SHA384,
        (Kind::Rsa, "sha512") => &RSA_PKCS1_2048_8192_SHA512,
        (Kind::P256, "sha256") => &ECDSA_P256_SHA256_ASN1,
        (Kind::P256, "sha384") => &ECDSA_P256_SHA384_ASN1,
        (Kind::P384, "sha256") => &ECDSA_P384_SHA256_ASN1,
        (Kind::P384, "sha384") => &ECDSA_P384_SHA384_ASN1,
        (Kind::P521, "sha512") => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(key);
            let signature = p521::ecdsa::Signature::from_der(signature);
            return match (key, signature) {
                (Ok(key), Ok(signature)) => key.verify(text, &signature).is_ok(),
                _ => false,
            };
        }
        _ => return false,
    };
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(text, signature).is_ok()
}

#[derive(Clone, Copy)]
enum Kind {
    Rsa,
    P256,
    P384,
    P521,
}

/// The AlgorithmIdentifier of each kind of key (RFC 3279 section 2.3.1, RFC 5480 section 2.1.1).
const KINDS: [(Kind, &[u8]); 4] = [
    (
        Kind::Rsa,
        b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00",
    ),
    (
        Kind::P256,
        b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
    ),
    (
        Kind::P384,
        b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22",
    ),
    (
        Kind::P521,
        b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23",
    ),
];

/// The kind of a key in SubjectPublicKeyInfo, and the key as ring takes it.
fn key_of(der: &[u8]) -> Option<(Kind, &[u8])> {
    let (inside, rest) = element(0x30, der)?;
    let (kind, bits) = KINDS
        .iter()
        .find_map(|(kind, algorithm)| Some((*kind, inside.strip_prefix(*algorithm)?)))?;
    let (bits, behind) = element(0x03, bits)?;
    let (unused, key) = bits.split_first()?;
    (rest.is_empty() && behind.is_empty() && *unused == 0).then_some((kind, key))
}

/// The content of a DER element with this tag, and what is behind it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [found, short @ 0..=0x7f, rest @ ..] if *found == tag => (usize::from(*short), rest),
        [found, 0x81, length @ 0x80..=0xff, rest @ ..] if *found == tag => {
            (usize::from(*length), rest)
        }
        [found, 0x82, high @ 1..=0xff, low, rest @ ..] if *found == tag => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
