//! Certificates, as DER that anybody may have signed, and `x-forwarded-client-cert`, whose
//! beginning anybody may write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_guard::denial::Denial;
use fhir_guard::identity::{
    CertificateCache, CertificateMatch, CertificateNeeds, CertificatePolicy, CertificateRules,
    CertificateSource, ConnectionAttributes, ForwardedPart, PeerCertificate, ValidatedBy, elements,
};
use sha2::{Digest as _, Sha256};

use crate::input::Input;
use crate::seeds::small;
use crate::sources::literals;
use crate::token::{NOW, THUMBPRINT};

/// The hop's own thumbprint.
const HOP: [u8; 32] = [1; 32];

const POLICY: CertificatePolicy = CertificatePolicy {
    required: true,
    validated_by: ValidatedBy::Attribute,
};

/// One byte of choice; then a certificate in DER, or a value of the header. Says whether there is a
/// certificate in it.
///
/// # Panics
/// Where something is read that does not stand there, or where what a client wrote reaches into what
/// the hop wrote.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    match input.byte() & 1 {
        0 => leaf(input.0),
        _ => header(input.0),
    }
}

/// Certificates with one odd name, and values of the header.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let texts = literals(&["src/identity/certificate"]);
    for text in &texts {
        seeds.push([&[1][..], text.as_bytes()].concat());
        let hash = THUMBPRINT;
        for header in [
            format!("Hash={hash};{text}"),
            format!("Hash={hash};URI=\"{text}\""),
            format!("{text},Hash={hash}"),
        ] {
            seeds.push([&[1][..], header.as_bytes()].concat());
        }
    }
    for text in texts.iter().filter(|text| text.len() < 100) {
        for tag in [0x86, 0x82] {
            let names = [(0x86, "spiffe://example.org/a"), (tag, text.as_str())];
            let der = certificate(&names, text, "491231235959Z");
            seeds.push([&[0][..], &der].concat());
        }
    }
    for not_after in ["99991231235959Z", "200101000000Z", "20491231235959Z", "x"] {
        let der = certificate(&[(0x82, "a"), (0x87, "abcd")], "a", not_after);
        seeds.push([&[0][..], &der].concat());
    }
    small(seeds)
}

fn leaf(der: &[u8]) -> bool {
    let digest = hexadecimal(&Sha256::digest(der));
    let pem = pem(der);
    let read = |digest: &str, pem: &str| {
        let attributes = ConnectionAttributes {
            leaf: Some(pem.as_bytes().to_vec()),
            ..attributes(digest)
        };
        let needs = CertificateNeeds {
            leaf: true,
            subject: false,
        };
        CertificateCache::default().read(&attributes, POLICY, needs, NOW)
    };
    let found = read(&digest, &pem);
    assert_eq!(found, read(&digest, &pem), "read differently again");
    assert!(read(THUMBPRINT, &pem).is_err(), "of another digest");
    let coded = pem.replace('+', "%2B").replace('\n', "%0A");
    assert_eq!(found, read(&digest, &coded), "the form of the text");
    let element = format!("Hash={digest};Cert=\"{coded}\"");
    let forwarded = forwarded(&[element.as_bytes()]);
    let Ok(Some(found)) = found else {
        assert!(forwarded.is_err(), "refused on the connection only");
        return false;
    };
    assert_eq!(forwarded, Ok(Some(found.clone())));
    let longer = [der, &[0]].concat();
    let digest = hexadecimal(&Sha256::digest(&longer));
    assert!(read(&digest, &self::pem(&longer)).is_err(), "a byte more");
    told(&found, |name| {
        der.windows(name.len())
            .any(|window| window == name.as_bytes())
    });
    true
}

fn header(value: &[u8]) -> bool {
    let hop = format!("By=x:hop;Hash={THUMBPRINT};Subject=\"CN=own,O=o\\, p\";URI=x:own;DNS=own");
    let own = forwarded(&[hop.as_bytes()]).expect("good");
    let after = [value, b",", hop.as_bytes()].concat();
    if let Ok(found) = forwarded(&[&after]) {
        assert_eq!(found, own, "a client has reached into what the hop wrote");
    }
    let Ok(Some(found)) = forwarded(&[value]) else {
        return false;
    };
    assert!(forwarded(&[value, value]).is_err(), "twice");
    let all = elements(value).expect("it was read");
    let hash = all
        .last()
        .and_then(|last| last.iter().find(|(key, _)| *key == "Hash"));
    let (_, hash) = hash.expect("a hash");
    assert_eq!(hash.to_ascii_lowercase(), found.thumbprint_hex());
    let text = String::from_utf8_lossy(value);
    // Names are those of the certificate where there is one, else they stand in the text.
    told(&found, |name| text.contains("Cert=") || text.contains(name));
    true
}

/// Whatever is known of a certificate, its names stand where it was read, can be written without
/// doubt, and are read again as they were.
fn told(certificate: &PeerCertificate, stands: impl Fn(&str) -> bool) {
    let rules = CertificateRules {
        forward: vec![
            ForwardedPart::Hash,
            ForwardedPart::Uri,
            ForwardedPart::Dns,
            ForwardedPart::Subject,
        ],
        ..CertificateRules::default()
    };
    let text = rules.forwarded(certificate).expect("something is told");
    let all = elements(text.as_bytes()).unwrap_or_else(|| panic!("not read again: {text}"));
    let [element] = all.as_slice() else {
        panic!("more than one element: {text}")
    };
    for (key, value) in element {
        match *key {
            "URI" | "DNS" => assert!(stands(value), "{value} does not stand there"),
            "Hash" => assert_eq!(*value, certificate.thumbprint_hex()),
            key => assert_eq!(key, "Subject"),
        }
    }
}

/// What comes of these fields from a trusted hop.
fn forwarded(fields: &[&[u8]]) -> Result<Option<PeerCertificate>, Denial> {
    let hop = PeerCertificate::read(&attributes(&hexadecimal(&HOP)), POLICY).expect("good");
    let rules = CertificateRules {
        source: CertificateSource::Forwarded {
            trusted_hops: vec![CertificateMatch {
                thumbprint: Some(HOP),
                ..CertificateMatch::default()
            }],
            earlier_elements: true,
        },
        ..CertificateRules::default()
    };
    let fields: Vec<Vec<u8>> = fields.iter().map(|field| field.to_vec()).collect();
    rules.choose(hop, &fields, NOW)
}

fn attributes(digest: &str) -> ConnectionAttributes {
    ConnectionAttributes {
        mtls: Some(vec![1]),
        digest: Some(digest.as_bytes().to_vec()),
        validated: Some(vec![1]),
        ..ConnectionAttributes::default()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// PEM of any bytes.
pub fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

/// A certificate of these subject alternative names, each behind its tag (0x86: URI, 0x82: DNS); its
/// key and signature are empty.
pub fn certificate(names: &[(u8, &str)], subject: &str, not_after: &str) -> Vec<u8> {
    let name = |text: &str| {
        let attribute = [tlv(6, &[0x55, 4, 3]), tlv(12, text.as_bytes())].concat();
        tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)))
    };
    let names: Vec<u8> = names
        .iter()
        .flat_map(|(tag, name)| tlv(*tag, name.as_bytes()))
        .collect();
    let extension = [tlv(6, &[0x55, 0x1d, 17]), tlv(4, &tlv(0x30, &names))].concat();
    let time = match not_after.len() {
        13 => 0x17,
        _ => 0x18,
    };
    let contents = [
        tlv(0xa0, &tlv(2, &[2])),
        tlv(2, &[1]),
        tlv(0x30, &[]),
        name("authority"),
        tlv(
            0x30,
            &[tlv(0x17, b"200101000000Z"), tlv(time, not_after.as_bytes())].concat(),
        ),
        name(subject),
        tlv(0x30, &[]),
        tlv(0xa3, &tlv(0x30, &tlv(0x30, &extension))),
    ];
    let parts = [tlv(0x30, &contents.concat()), tlv(0x30, &[]), tlv(3, &[0])];
    tlv(0x30, &parts.concat())
}

fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).expect("a short certificate");
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, contents.to_vec()].concat()
}
