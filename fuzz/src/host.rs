//! Everything the host hands over beside bodies: header maps, the connection's attributes, heads of
//! requests and answers, statuses.

use std::net::IpAddr;

use fhir_guard::fhir::ResourceType;
use fhir_guard::identity::{CertificatePolicy, ConnectionAttributes, PeerCertificate, ValidatedBy};
use fhir_guard::request::{Credentials, RequestHead};
use fhir_guard::response::{AnswerHead, Leaving};
use fhir_guard::wire::{self, MAX_PAIRS, Pair};

use crate::input::Input;
use crate::request::policy;

/// The connection's four attributes and the request id, each a byte of choice and a chunk, and a
/// header map; says whether the map is a head of a request or an answer.
///
/// # Panics
/// Where a value that no host should hand over gets further than it may.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let attributes = ConnectionAttributes {
        mtls: attribute(&mut input),
        digest: attribute(&mut input),
        validated: attribute(&mut input),
        source: attribute(&mut input),
        ..ConnectionAttributes::default()
    };
    certificate(&attributes);
    address(&attributes);
    let Some(pairs) = wire::decode(input.0) else {
        return false;
    };
    map(&pairs);
    let request = request(pairs.clone());
    let answer = answer(&pairs);
    request || answer
}

fn attribute(input: &mut Input<'_>) -> Option<Vec<u8>> {
    match input.byte() {
        0 => None,
        1 => Some(vec![1]),
        _ => Some(input.chunk().to_vec()),
    }
}

/// What is a certificate is written out here once more, from the documentation of Envoy's
/// attributes.
fn certificate(attributes: &ConnectionAttributes) {
    let is_true = |value: &Option<Vec<u8>>| value.as_deref() == Some(&[1]);
    let digest = attributes.digest.as_deref().unwrap_or_default();
    let hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = digest.len() == 64 && digest.iter().all(hexadecimal);
    for validated_by in [ValidatedBy::Attribute, ValidatedBy::Listener] {
        let silent = attributes.validated.is_none() && validated_by == ValidatedBy::Listener;
        let verified = is_true(&attributes.validated) || silent;
        // Where there is a digest it need not be asked for.
        let presented = attributes.mtls.is_none() || is_true(&attributes.mtls);
        let policy = CertificatePolicy {
            required: true,
            validated_by,
        };
        match PeerCertificate::read(attributes, policy) {
            Ok(Some(certificate)) => {
                assert!(is_digest && verified && presented);
                assert_eq!(certificate.thumbprint_hex().as_bytes(), digest);
            }
            Ok(None) => assert!(digest.is_empty() && !is_true(&attributes.mtls)),
            Err(_) => assert!(
                !(is_digest && verified && presented),
                "refused: {attributes:?}"
            ),
        }
    }
}

fn address(attributes: &ConnectionAttributes) {
    let address = attributes.address();
    let canonical = address.parse::<IpAddr>().map(|ip| ip.to_string());
    assert!(
        address.is_empty() || canonical == Ok(address),
        "{attributes:?}"
    );
}

/// A map survives the way there and back, or is not written.
fn map(pairs: &[Pair]) {
    assert!(pairs.len() <= MAX_PAIRS);
    if let Some(bytes) = wire::encode(pairs) {
        assert_eq!(wire::decode(&bytes).as_deref(), Some(pairs));
        assert!(bytes.len() <= 1 << 20);
    }
}

fn request(pairs: Vec<Pair>) -> bool {
    let count = |wanted: &[u8]| pairs.iter().filter(|(name, _)| name == wanted).count();
    let once = [":method", ":path"].map(|name| count(name.as_bytes()));
    let twice = count(b"authorization") > 1;
    let (id, head) = RequestHead::parse(&pairs);
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    assert!(id.len() <= 128 && id.bytes().all(safe), "{id:?}");
    let Ok(head) = head else { return false };
    assert!(once == [1, 1] && !twice, "one method, one path, one token");
    assert_eq!(head.request_id, id);
    assert!(head.path.len() <= 8192 && head.path.bytes().all(|byte| byte.is_ascii_graphic()));
    let address = |text: &String| text.parse::<IpAddr>().is_ok();
    assert!(head.forwarded_for.as_ref().is_none_or(address));
    if let Credentials::Bearer(token) = &head.credentials {
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    for (name, value) in &head.passing {
        let known: [&[u8]; 6] = [
            b":scheme",
            b"content-length",
            b"content-type",
            b"user-agent",
            b"x-forwarded-proto",
            b"tracestate",
        ];
        assert!(known.contains(&name.as_slice()), "{name:?}");
        assert!(visible(value), "{value:?}");
    }
    true
}

fn answer(pairs: &[Pair]) -> bool {
    let Ok(head) = AnswerHead::read(pairs) else {
        return false;
    };
    assert!((100..600).contains(&head.status));
    let body = head.check_body();
    let types = pairs.iter().filter(|(name, _)| name == b"content-type");
    assert!(body.is_err() || types.count() == 1);
    let policy = policy();
    let patient = ResourceType::parse("Patient");
    for (name, value) in head.leaving(&policy, Leaving::Json, patient, "r-1", Vec::new()) {
        assert!(visible(&value), "{name:?}: {value:?}");
        assert!(
            name != b"location" || value.starts_with(b"https://fhir.example.org/r4/Patient/"),
            "{value:?}"
        );
    }
    true
}

fn visible(value: &[u8]) -> bool {
    value.iter().all(|byte| (0x20..0x7f).contains(byte))
}
