//! Signatures of answers (RFC 9421), over the digest of what leaves (RFC 9530).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_compact::SecretKey;
use p256::SecretKey as SecretKey256;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use sha2::{Digest as _, Sha256};

use crate::wire::Pair;

/// What a signature covers beside `@status` and `content-digest`, where it leaves.
const COVERED: [&str; 5] = [
    "content-type",
    "etag",
    "last-modified",
    "location",
    "x-request-id",
];

/// The name of the signature in its fields.
const LABEL: &str = "guard";

/// What an Ed25519 key in PKCS #8 begins with (RFC 8410 section 7); its 32 bytes follow.
const ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A key that signs answers.
pub struct Signer {
    key: Key,
    id: String,
}

enum Key {
    P256(Box<SigningKey>),
    Ed25519(Box<SecretKey>),
}

/// The key is not shown.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.id)
    }
}

impl Signer {
    /// Reads a private key on P-256 (DER, in PKCS #8 or as RFC 5915 has it), or of Ed25519 (PKCS #8). `id` is its name for those who
    /// verify, of the characters `A-Z a-z 0-9 - . _`. `None` where it is neither.
    pub fn read(der: &[u8], id: String) -> Option<Signer> {
        let key = match der.strip_prefix(&ED25519) {
            Some(seed) => {
                let seed = ed25519_compact::Seed::from_slice(seed).ok()?;
                Key::Ed25519(Box::new(ed25519_compact::KeyPair::from_seed(seed).sk))
            }
            // What openssl writes depends on its version.
            None => {
                let key = SecretKey256::from_pkcs8_der(der).ok();
                let key = key.or_else(|| SecretKey256::from_sec1_der(der).ok())?;
                Key::P256(Box::new(SigningKey::from(key)))
            }
        };
        Some(Signer { key, id })
    }

    /// The fields that sign an answer with this head and this body, made at this time, in seconds since
    /// 1970: `content-digest`, `signature-input` and `signature`.
    pub fn fields(&self, head: &[Pair], body: &[u8], created: u64) -> Vec<Pair> {
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)));
        let (input, base) = self.base(head, &digest, created);
        let signature = STANDARD.encode(self.sign(base.as_bytes()));
        [
            ("content-digest", digest),
            ("signature-input", format!("{LABEL}={input}")),
            ("signature", format!("{LABEL}=:{signature}:")),
        ]
        .map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()))
        .into()
    }

    /// The parameters of the signature, and what is signed (RFC 9421 section 2.5).
    fn base(&self, head: &[Pair], digest: &str, created: u64) -> (String, String) {
        let field = |wanted: &str| {
            let mut found = head
                .iter()
                .filter(|(name, _)| name == wanted.as_bytes())
                .filter_map(|(_, value)| std::str::from_utf8(value).ok());
            // A field that stands twice is not covered.
            found.next().filter(|_| found.next().is_none())
        };
        let mut lines = format!("\"@status\": {}\n", field(":status").unwrap_or_default());
        lines.push_str(&format!("\"content-digest\": {digest}\n"));
        let mut names = vec!["@status", "content-digest"];
        for name in COVERED {
            if let Some(value) = field(name) {
                names.push(name);
                lines.push_str(&format!("\"{name}\": {}\n", value.trim()));
            }
        }
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let parameters = format!(
            "({});created={created};keyid=\"{}\";alg=\"{}\"",
            names.join(" "),
            self.id,
            self.algorithm()
        );
        lines.push_str(&format!("\"@signature-params\": {parameters}"));
        (parameters, lines)
    }

    /// The name of the algorithm (RFC 9421 section 6.2.2).
    fn algorithm(&self) -> &'static str {
        match self.key {
            Key::P256(_) => "ecdsa-p256-sha256",
            Key::Ed25519(_) => "ed25519",
        }
    }

    /// The name of the key for those who verify.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the algorithm where JOSE is spoken (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub fn jose(&self) -> &'static str {
        match self.key {
            Key::P256(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        }
    }

    /// The 64 bytes of a signature over these. Both kinds are deterministic (RFC 6979, RFC 8032): nothing
    /// random is needed.
    pub fn sign(&self, base: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::P256(key) => {
                let signature: Signature = key.sign(base);
                signature.to_bytes().to_vec()
            }
            Key::Ed25519(key) => key.sign(base, None).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier as _;

    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER`.
    const SEC1: &str = "MHcCAQEEIJllpVKGqw04Z7f8uINjPolKRakvnOuLczygwZBgoEA5oAoGCCqGSM49AwEHoUQDQgAEhNqH55XU8iz+oaGiTD/33l/iYrLusIFpDoILoasm9OOqYeQP34l4ADyJWJVCMjeQXLNxd7qPrgKqYz8+zUHeYA==";
    /// The same through `openssl pkcs8 -topk8 -nocrypt -outform DER`.
    const P256: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9M38OcEx2ji3hB0e2Nb1OPkZfsPRo2XcgpS4tqBrp9qhRANCAARHolOsDaSqzzAu9fErfaG9rk/5TYsIxJwc8wLRQbFenLG1OkdEh0un7///7g/0hkdRuvIPuF/WXyflq3b7p1K5";
    /// `openssl genpkey -algorithm ed25519 -outform DER`.
    const ED: &str = "MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd";

    fn signer(key: &str) -> Signer {
        let der = STANDARD.decode(key).expect("base64");
        Signer::read(&der, "k-1".into()).expect("a key")
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<Pair> {
        let pair =
            |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        fields.iter().map(pair).collect()
    }

    fn text(fields: &[Pair], name: &str) -> String {
        let found = fields.iter().find(|(own, _)| own == name.as_bytes());
        String::from_utf8(found.expect(name).1.clone()).expect("text")
    }

    /// What is signed, put together as whoever verifies does: by what `signature-input` says.
    fn verified(head: &[Pair], fields: &[Pair]) -> (String, Vec<u8>) {
        let input = text(fields, "signature-input");
        let parameters = input.strip_prefix("guard=").expect("the label");
        let inside = parameters.split(['(', ')']).nth(1).expect("a list");
        let mut base = String::new();
        for name in inside.split(' ').map(|name| name.trim_matches('"')) {
            let value = match name {
                "@status" => text(head, ":status"),
                "content-digest" => text(fields, name),
                name => text(head, name),
            };
            base.push_str(&format!("\"{name}\": {value}\n"));
        }
        base.push_str(&format!("\"@signature-params\": {parameters}"));
        let signature = text(fields, "signature");
        let signature = signature
            .strip_prefix("guard=:")
            .and_then(|rest| rest.strip_suffix(':'));
        (
            base,
            STANDARD.decode(signature.expect("bytes")).expect("base64"),
        )
    }

    #[test]
    fn whoever_has_the_public_key_can_verify_status_fields_and_body() {
        let head = pairs(&[
            (":status", "200"),
            ("content-type", "application/fhir+json"),
            ("cache-control", "no-store"),
            ("etag", "W/\"1\""),
            ("x-request-id", "r-1"),
        ]);
        let body = br#"{"resourceType":"Patient"}"#;
        for key in [SEC1, P256, ED] {
            let signer = signer(key);
            let fields = signer.fields(&head, body, 1_700_000_000);
            let algorithm = signer.algorithm();
            assert_eq!(
                text(&fields, "signature-input"),
                format!(
                    "guard=(\"@status\" \"content-digest\" \"content-type\" \"etag\" \"x-request-id\");created=1700000000;keyid=\"k-1\";alg=\"{algorithm}\""
                )
            );
            assert_eq!(
                text(&fields, "content-digest"),
                format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
            );
            let (base, signature) = verified(&head, &fields);
            let holds = |base: &str| match &signer.key {
                Key::P256(key) => {
                    let key = VerifyingKey::from(key.as_ref());
                    let signature = Signature::from_slice(&signature).expect("64 bytes");
                    key.verify(base.as_bytes(), &signature).is_ok()
                }
                Key::Ed25519(key) => {
                    let signature = ed25519_compact::Signature::from_slice(&signature);
                    let signature = signature.expect("64 bytes");
                    key.public_key().verify(base.as_bytes(), &signature).is_ok()
                }
            };
            assert!(holds(&base), "{base}");
            for (from, to) in [
                ("\"@status\": 200", "\"@status\": 201"),
                ("W/\"1\"", "W/\"2\""),
                ("sha-256=:", "sha-256=:A"),
                ("created=1700000000", "created=1700000001"),
                ("k-1", "k-2"),
            ] {
                assert!(
                    base.contains(from) && !holds(&base.replace(from, to)),
                    "{from}"
                );
            }
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_not_covered() {
        let head = pairs(&[(":status", "200"), ("etag", "a"), ("etag", "b")]);
        let fields = signer(ED).fields(&head, b"", 1);
        assert!(!text(&fields, "signature-input").contains("etag"));
    }

    #[test]
    fn keys_are_of_two_kinds() {
        for wrong in [&b""[..], b"x", &ED25519[..], &[0x30, 0x82, 0xff, 0xff]] {
            assert!(Signer::read(wrong, "k".into()).is_none(), "{wrong:?}");
        }
        let mut long = STANDARD.decode(ED).expect("base64");
        long.push(0);
        assert!(Signer::read(&long, "k".into()).is_none());
    }
}
