//! The client certificate: as Envoy saw it on the connection, or as a hop in front passed it on.

mod cache;
mod dn;
mod leaf;
mod rules;
mod xfcc;

use std::rc::Rc;

use crate::denial::{Denial, TokenFault};

pub use cache::CertificateCache;
pub use dn::is_distinguished_name;
pub use leaf::{MAX_CERTIFICATE, san_dns, san_uri};
pub use rules::{
    CertificateMatch, CertificateNeeds, CertificateRules, CertificateSource, ClientCertificates,
    ForwardedPart, UnlistedClients,
};
pub use xfcc::{Element, MAX_FORWARDED, elements};

/// How the connection's certificate is judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CertificatePolicy {
    /// Whether a caller with a token must show one.
    pub required: bool,
    /// Who says that its chain was verified.
    pub validated_by: ValidatedBy,
}

/// Who says that a certificate's chain was verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ValidatedBy {
    /// Envoy, by `connection.peer_certificate_valid` (since 1.39). Where it is missing, no
    /// certificate counts.
    Attribute,
    /// The operator: the listener lets no unverified certificate in (`trusted_ca` is set and
    /// `trust_chain_verification` is not `ACCEPT_UNTRUSTED`). For Envoys before 1.39.
    Listener,
}

/// The connection's attributes as the host gave them: bytes, unchecked, absent when it had none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnectionAttributes {
    /// `connection.mtls`: one byte, whether a certificate was presented. Need not be asked for where the
    /// digest says so.
    pub mtls: Option<Vec<u8>>,
    /// `connection.sha256_peer_certificate_digest`: 64 hexadecimal digits.
    pub digest: Option<Vec<u8>>,
    /// `connection.peer_certificate_valid`: one byte.
    pub validated: Option<Vec<u8>>,
    /// `source.address`: `ip:port`.
    pub source: Option<Vec<u8>>,
    /// `xds.route_name`: of the route that the proxy chose for this request. Asked for where it counts.
    pub route: Option<Vec<u8>>,
    /// `connection.subject_peer_certificate`: text as RFC 2253 has it. Asked for where
    /// [`CertificateNeeds::subject`] says so.
    pub subject: Option<Vec<u8>>,
    /// `connection.peer_certificate` (since 1.38): PEM, plain or with percent-encoding. Asked for
    /// where [`CertificateNeeds::leaf`] says so.
    pub leaf: Option<Vec<u8>>,
}

/// A client certificate that was presented, and whose key the client proved to hold by the TLS
/// handshake: with this Envoy, or with a hop that the operator trusts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerCertificate {
    thumbprint: [u8; 32],
    names: Rc<Names>,
}

/// What is known of a certificate beyond its thumbprint. What is not known matches no rule.
#[derive(Debug, Eq, PartialEq)]
struct Names {
    /// Text as RFC 2253 has it.
    subject: Option<String>,
    /// The same of the issuer.
    issuer: Option<String>,
    /// All subject alternative names of the kind URI.
    uris: Vec<String>,
    /// All subject alternative names of the kind DNS.
    dns: Vec<String>,
    /// Seconds since 1970; 0 when unknown.
    not_before: u64,
    /// Seconds since 1970; the largest number when unknown.
    not_after: u64,
}

impl Names {
    fn unknown() -> Self {
        Names {
            subject: None,
            issuer: None,
            uris: Vec::new(),
            dns: Vec::new(),
            not_before: 0,
            not_after: u64::MAX,
        }
    }
}

impl PeerCertificate {
    /// The certificate of the connection, of which nothing but the thumbprint is known yet; `None`
    /// without one. One that was presented but not verified, or attributes that contradict each
    /// other, are refused.
    pub fn read(
        attributes: &ConnectionAttributes,
        policy: CertificatePolicy,
    ) -> Result<Option<Self>, Denial> {
        let refused = Denial::Token(TokenFault::Certificate);
        let Some(digest) = attributes
            .digest
            .as_deref()
            .filter(|digest| !digest.is_empty())
        else {
            return match attributes.mtls.as_deref() {
                Some([1]) => Err(refused),
                _ => Ok(None),
            };
        };
        let verified = match policy.validated_by {
            ValidatedBy::Attribute => attributes.validated.as_deref() == Some(&[1]),
            // An Envoy that does have the attribute is believed when it says no.
            ValidatedBy::Listener => attributes
                .validated
                .as_deref()
                .is_none_or(|value| value == [1]),
        };
        let presented = attributes.mtls.as_deref().is_none_or(|value| value == [1]);
        if !presented || !verified {
            return Err(refused);
        }
        let thumbprint = from_hex(digest).ok_or(refused)?;
        Ok(Some(PeerCertificate {
            thumbprint,
            names: Rc::new(Names::unknown()),
        }))
    }

    /// SHA-256 of the DER form.
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The subject as RFC 2253 has it, where it is known.
    pub fn subject(&self) -> Option<&str> {
        self.names.subject.as_deref()
    }

    /// The issuer as RFC 2253 has it, where it is known.
    pub fn issuer(&self) -> Option<&str> {
        self.names.issuer.as_deref()
    }

    /// The subject alternative names of the kind DNS, as far as they are known.
    pub fn dns(&self) -> &[String] {
        &self.names.dns
    }

    /// The subject alternative names of the kind URI, as far as they are known.
    pub fn uris(&self) -> &[String] {
        &self.names.uris
    }

    /// The thumbprint in lower-case hexadecimal, as Envoy and `openssl` print it.
    pub fn thumbprint_hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.thumbprint {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(match digit {
                    0..=9 => b'0' + digit,
                    _ => b'a' - 10 + digit,
                }));
            }
        }
        text
    }

    /// Within its validity (RFC 5280 section 4.1.2.5), as far as that is known; `now` is in seconds
    /// since 1970. Envoy asks once a connection, and a connection may outlive the certificate.
    fn check_time(&self, now: u64) -> Result<(), Denial> {
        if (self.names.not_before..=self.names.not_after).contains(&now) {
            Ok(())
        } else {
            Err(Denial::Token(TokenFault::Certificate))
        }
    }
}

impl ConnectionAttributes {
    /// The peer's address without its port; empty when unknown.
    pub fn address(&self) -> String {
        let text = self
            .source
            .as_deref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default();
        match text.parse::<std::net::SocketAddr>() {
            Ok(address) => address.ip().to_string(),
            Err(_) => String::new(),
        }
    }

    /// The name of the route; absent where it has none, or one that is no text.
    pub fn route(&self) -> Option<String> {
        let text = std::str::from_utf8(self.route.as_deref()?).ok()?;
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (slot, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let [high, low] = pair else { return None };
        *slot = digit(high)? << 4 | digit(low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &[u8] = b"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn check(
        name: &str,
        mtls: &[u8],
        digest: &[u8],
        validated: &[u8],
        by: ValidatedBy,
        expected: Result<bool, ()>,
    ) {
        let some = |bytes: &[u8]| (!bytes.is_empty()).then(|| bytes.to_vec());
        let attributes = ConnectionAttributes {
            mtls: some(mtls),
            digest: some(digest),
            validated: some(validated),
            ..ConnectionAttributes::default()
        };
        let policy = CertificatePolicy {
            required: true,
            validated_by: by,
        };
        let found = PeerCertificate::read(&attributes, policy)
            .map(|found| found.is_some())
            .map_err(|_| ());
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn only_a_presented_and_verified_certificate_counts() {
        use ValidatedBy::{Attribute, Listener};
        check("verified", &[1], DIGEST, &[1], Attribute, Ok(true));
        check(
            "a digest says enough",
            b"",
            DIGEST,
            &[1],
            Attribute,
            Ok(true),
        );
        check(
            "the same, unverified",
            b"",
            DIGEST,
            &[0],
            Attribute,
            Err(()),
        );
        check(
            "the same by the operator",
            b"",
            DIGEST,
            b"",
            Listener,
            Ok(true),
        );
        check("none", &[0], b"", &[0], Attribute, Ok(false));
        check("nothing known", b"", b"", b"", Attribute, Ok(false));
        check("unverified", &[1], DIGEST, &[0], Attribute, Err(()));
        check(
            "not said by an old Envoy",
            &[1],
            DIGEST,
            b"",
            Attribute,
            Err(()),
        );
        check(
            "said by the operator",
            &[1],
            DIGEST,
            b"",
            Listener,
            Ok(true),
        );
        check(
            "the operator is contradicted",
            &[1],
            DIGEST,
            &[0],
            Listener,
            Err(()),
        );
        check("digest without TLS", &[0], DIGEST, &[1], Attribute, Err(()));
        check("TLS without digest", &[1], b"", &[1], Attribute, Err(()));
        check("a wide boolean", &[1, 0], DIGEST, &[1], Attribute, Err(()));
        check(
            "a short digest",
            &[1],
            &DIGEST[..63],
            &[1],
            Attribute,
            Err(()),
        );
        check(
            "upper case",
            &[1],
            &DIGEST.to_ascii_uppercase(),
            &[1],
            Attribute,
            Err(()),
        );
        check("rubbish", &[1], &[0xff; 64], &[1], Attribute, Err(()));
    }

    #[test]
    fn a_digest_is_read_digit_by_digit_and_printed_alike() {
        let attributes = ConnectionAttributes {
            mtls: Some(vec![1]),
            digest: Some(DIGEST.to_vec()),
            validated: Some(vec![1]),
            ..ConnectionAttributes::default()
        };
        let policy = CertificatePolicy {
            required: true,
            validated_by: ValidatedBy::Attribute,
        };
        let found = PeerCertificate::read(&attributes, policy).expect("good");
        let found = found.expect("a certificate");
        let half: [u8; 16] = std::array::from_fn(|at| 0x11 * at as u8);
        assert_eq!(found.thumbprint().as_slice(), [half, half].concat());
        assert_eq!(found.thumbprint_hex().as_bytes(), DIGEST);
    }

    #[test]
    fn an_address_has_no_port() {
        for (source, expected) in [
            ("192.0.2.1:443", "192.0.2.1"),
            ("[2001:db8::1]:1", "2001:db8::1"),
            ("", ""),
            ("x", ""),
            ("1.2.3.4", ""),
        ] {
            let attributes = ConnectionAttributes {
                source: Some(source.as_bytes().to_vec()),
                ..Default::default()
            };
            assert_eq!(attributes.address(), expected, "{source}");
        }
    }
}
