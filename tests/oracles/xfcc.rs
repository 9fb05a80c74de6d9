//! `x-forwarded-client-cert` as other parsers read it and Envoy writes it, and certificates of
//! Envoy's own tests.
//!
//! A header is judged twice: by its elements, and by the certificate that comes of it when a trusted
//! hop adds an element of its own behind it. A certificate is judged by what comes of an element that
//! holds it, with its hash and with every digit of that changed.

use fhir_guard::denial::Denial;
use fhir_guard::identity::{
    CertificateCache, CertificateMatch, CertificateNeeds, CertificatePolicy, CertificateRules,
    CertificateSource, ConnectionAttributes, ForwardedPart, PeerCertificate, ValidatedBy, elements,
};
use serde_json::Value;

use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const OTHER_KEYS: &str =
    "it has keys that Envoy does not write: those are refused (asserted apart)";

const AGAIN: &str =
    "Envoy writes By and URI once for each URI of a certificate (envoyproxy/envoy#20724)";
const SUBJECT: &str = "Subject is text: whether it is a name is asked where a rule is about it";

/// The thumbprint of the hop, and of what the hop says.
const HOP: [u8; 32] = [1; 32];
const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

const KEYS: [&str; 7] = ["By", "Hash", "Cert", "Chain", "Subject", "URI", "DNS"];

pub fn elements_of_others(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "XFCC, elements",
        rules: &[(OTHER_KEYS, 6)],
        corrections: &[
            ("40, alone", SUBJECT),
            ("40, before a hop's", SUBJECT),
            ("49, alone", AGAIN),
            ("49, before a hop's", AGAIN),
            ("53, alone", AGAIN),
            ("53, before a hop's", AGAIN),
        ],
        accepted: 32,
        refused: 20,
    });
    let table = vectors.json("xfcc/xfcc_cases.json");
    for row in list(&table, "cases") {
        let header = text(row, "header");
        let found = elements(header.as_bytes());
        let expected = Decision::accept_if(row["expected"] == "parse");
        if expected == Decision::Accept && !known_keys(row) {
            assert!(found.is_none(), "{header}: a key that is not Envoy's");
            account.leave(OTHER_KEYS);
            continue;
        }
        let id = format!("{}, alone", row["id"]);
        match &found {
            Some(found) if expected == Decision::Accept && *found != wanted(row) => {
                account.disagree(&id, &format!("found {found:?}"));
            }
            _ => account.judge(&id, expected, Decision::accept_if(found.is_some())),
        }
        let id = format!("{}, before a hop's", row["id"]);
        match forwarded(&format!("{header},Hash={HASH}")) {
            Ok(Some(certificate)) if certificate.thumbprint_hex() != HASH => {
                account.disagree(&id, "found another certificate");
            }
            found => account.judge(
                &id,
                expected,
                Decision::accept_if(matches!(found, Ok(Some(_)))),
            ),
        }
    }
    account.close();
}

pub fn certificates(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "XFCC, certificates of Envoy's tests",
        rules: &[],
        corrections: &[],
        accepted: 20,
        refused: 640,
    });
    let table = vectors.json("xfcc/envoy_tls_certs.json");
    for row in list(&table, "certs") {
        let (name, hash) = (text(row, "name"), text(row, "sha256_hex"));
        let cert = text(row, "xfcc_cert_value");
        let told = |hash: &str| forwarded(&format!("Hash={hash};Cert=\"{cert}\""));
        match told(hash) {
            Ok(Some(found)) if names(&found) == expected_names(row) => {
                account.judge(name, Decision::Accept, Decision::Accept);
            }
            Ok(Some(found)) => account.disagree(name, &format!("found {}", names(&found))),
            _ => account.judge(name, Decision::Accept, Decision::Refuse),
        }
        // The same as the connection's own, from the text as the attribute has it.
        let own = of_connection(hash, text(row, "pem"));
        let id = format!("{name}, of the connection");
        account.judge(&id, Decision::Accept, Decision::accept_if(own.is_ok()));
        for place in 0..hash.len() {
            let mut other: Vec<char> = hash.chars().collect();
            other[place] = if other[place] == '0' { '1' } else { '0' };
            let other: String = other.into_iter().collect();
            let id = format!("{name}, digit {place}");
            let found = told(&other).is_ok() || of_connection(&other, text(row, "pem")).is_ok();
            account.judge(&id, Decision::Refuse, Decision::accept_if(found));
        }
    }
    account.close();
}

/// What a trusted hop says of its caller. The certificates are of 2020 to 2022.
fn forwarded(header: &str) -> Result<Option<PeerCertificate>, Denial> {
    let hex: String = HOP.iter().map(|byte| format!("{byte:02x}")).collect();
    let hop = PeerCertificate::read(&attributes(&hex), POLICY)?;
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
    rules.choose(hop, &[header.as_bytes().to_vec()], NOW)
}

fn of_connection(hash: &str, pem: &str) -> Result<Option<PeerCertificate>, Denial> {
    let attributes = ConnectionAttributes {
        leaf: Some(pem.as_bytes().to_vec()),
        ..attributes(hash)
    };
    let needs = CertificateNeeds {
        leaf: true,
        subject: false,
    };
    CertificateCache::default().read(&attributes, POLICY, needs, NOW)
}

/// 2021-01-01.
const NOW: u64 = 1_609_459_200;

const POLICY: CertificatePolicy = CertificatePolicy {
    required: true,
    validated_by: ValidatedBy::Attribute,
};

fn attributes(hash: &str) -> ConnectionAttributes {
    ConnectionAttributes {
        mtls: Some(vec![1]),
        digest: Some(hash.as_bytes().to_vec()),
        validated: Some(vec![1]),
        ..ConnectionAttributes::default()
    }
}

/// What the filter knows of a certificate, as it would tell the upstream.
fn names(certificate: &PeerCertificate) -> String {
    let rules = CertificateRules {
        forward: vec![
            ForwardedPart::Hash,
            ForwardedPart::Subject,
            ForwardedPart::Uri,
            ForwardedPart::Dns,
        ],
        ..CertificateRules::default()
    };
    rules.forwarded(certificate).expect("something is told")
}

fn expected_names(row: &Value) -> String {
    let mut told = vec![
        format!("Hash={}", text(row, "sha256_hex")),
        format!("Subject=\"{}\"", text(row, "subject")),
    ];
    for (key, member) in [("URI", "san_uri"), ("DNS", "san_dns")] {
        for name in row[member].as_array().into_iter().flatten() {
            told.push(format!("{key}={}", name.as_str().expect("a name")));
        }
    }
    told.join(";")
}

fn known_keys(row: &Value) -> bool {
    // The keys as they are written, not as the table has made them equal.
    elements_in(row)
        .all(|(key, _)| KEYS.contains(&key) && text(row, "header").contains(&format!("{key}=")))
}

fn elements_in(row: &Value) -> impl Iterator<Item = (&str, &str)> {
    let pairs = list(row, "elements").iter().flat_map(|element| {
        let pairs = element.as_array();
        pairs.into_iter().flatten()
    });
    pairs.map(|pair| {
        let at = |index: usize| pair[index].as_str().expect("text");
        (at(0), at(1))
    })
}

/// The elements of the table; an empty header is one empty element to some and none to others.
fn wanted(row: &Value) -> Vec<Vec<(&'static str, String)>> {
    let mut elements: Vec<Vec<(&'static str, String)>> = list(row, "elements")
        .iter()
        .map(|element| {
            let pairs = element.as_array().expect("a list").iter();
            pairs
                .map(|pair| {
                    let key = pair[0].as_str().expect("a key");
                    let key = KEYS
                        .iter()
                        .find(|known| **known == key)
                        .expect("a known key");
                    (*key, pair[1].as_str().expect("a value").to_owned())
                })
                .collect()
        })
        .collect();
    if elements.is_empty() {
        elements.push(Vec::new());
    }
    elements
}
