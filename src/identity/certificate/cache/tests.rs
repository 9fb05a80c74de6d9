//! What is asked of the host, and what is remembered.

use fhir_guard_harness::pki::{ClientCertificate, Pki};

use super::*;
use crate::identity::ValidatedBy;

const NOW: u64 = 1_800_000_000;

const LEAF: CertificateNeeds = CertificateNeeds {
    leaf: true,
    subject: false,
};

const SUBJECT: CertificateNeeds = CertificateNeeds {
    leaf: false,
    subject: true,
};

const POLICY: CertificatePolicy = CertificatePolicy {
    required: true,
    validated_by: ValidatedBy::Attribute,
};

fn attributes(certificate: &ClientCertificate) -> ConnectionAttributes {
    ConnectionAttributes {
        mtls: Some(vec![1]),
        digest: Some(certificate.thumbprint_hex.clone().into_bytes()),
        validated: Some(vec![1]),
        subject: Some(b"CN=told,O=Clinic".to_vec()),
        leaf: Some(certificate.certificate_pem.clone().into_bytes()),
        ..ConnectionAttributes::default()
    }
}

#[test]
fn a_certificate_is_asked_for_once() {
    let certificate = Pki::new().client("lab");
    let mut cache = CertificateCache::default();
    let mut told = attributes(&certificate);
    let digest = told.digest.clone();
    let none = CertificateNeeds::default();
    assert_eq!(cache.asks(digest.as_deref(), LEAF), LEAF, "not known");
    assert_eq!(cache.asks(digest.as_deref(), none), none, "no rule");
    assert_eq!(cache.asks(None, LEAF), none, "no certificate");
    assert_eq!(cache.asks(Some(b"x"), LEAF), none, "no digest");
    let first = cache.read(&told, POLICY, LEAF, NOW).expect("good");
    assert_eq!(cache.asks(digest.as_deref(), LEAF), none, "known");
    told.leaf = None;
    let second = cache.read(&told, POLICY, LEAF, NOW).expect("remembered");
    assert_eq!(first, second);
    let names = &first.expect("a certificate").names;
    assert_eq!(names.uris, ["spiffe://example.org/lab"]);
}

#[test]
fn what_is_needed_must_be_there_and_true() {
    let pki = Pki::new();
    let (own, other) = (pki.client("lab"), pki.client("other"));
    let change = |edit: &dyn Fn(&mut ConnectionAttributes)| {
        let mut told = attributes(&own);
        edit(&mut told);
        told
    };
    for (name, needs, told, good) in [
        ("all of it", LEAF, change(&|_| ()), true),
        (
            "no certificate itself",
            LEAF,
            change(&|told| told.leaf = None),
            false,
        ),
        (
            "an empty one",
            LEAF,
            change(&|told| told.leaf = Some(Vec::new())),
            false,
        ),
        (
            "rubbish",
            LEAF,
            change(&|told| told.leaf = Some(vec![0xff; 99])),
            false,
        ),
        (
            "another one's",
            LEAF,
            change(&|told| told.leaf = Some(other.certificate_pem.clone().into_bytes())),
            false,
        ),
        (
            "not needed, and rubbish",
            SUBJECT,
            change(&|told| told.leaf = Some(vec![0xff])),
            true,
        ),
        (
            "no subject",
            SUBJECT,
            change(&|told| told.subject = None),
            true,
        ),
        (
            "a subject that is none",
            SUBJECT,
            change(&|told| told.subject = Some(vec![0xff])),
            true,
        ),
    ] {
        let found = CertificateCache::default().read(&told, POLICY, needs, NOW);
        assert_eq!(found.is_ok(), good, "{name}");
    }
    let read = |needs, told: &ConnectionAttributes| {
        let found = CertificateCache::default().read(told, POLICY, needs, NOW);
        found
            .expect("good")
            .expect("a certificate")
            .names
            .subject
            .clone()
    };
    let told = attributes(&own);
    assert_eq!(read(SUBJECT, &told).as_deref(), Some("CN=told,O=Clinic"));
    assert_eq!(read(LEAF, &told).as_deref(), Some("CN=lab,O=Clinic"));
    assert_eq!(read(SUBJECT, &change(&|told| told.subject = None)), None);
}

#[test]
fn a_certificate_ends_while_its_connection_stays() {
    let certificate = Pki::new().client("lab");
    let told = attributes(&certificate);
    let mut cache = CertificateCache::default();
    // 2020-01-01 to 2120-01-01, both included.
    for (now, valid) in [
        (1_577_836_799, false),
        (1_577_836_800, true),
        (NOW, true),
        (4_733_510_400, true),
        (4_733_510_401, false),
        (NOW, true),
    ] {
        assert_eq!(cache.read(&told, POLICY, LEAF, now).is_ok(), valid, "{now}");
    }
    // What nobody asks for is not known.
    let found = cache.read(&told, POLICY, CertificateNeeds::default(), u64::MAX);
    assert!(found.is_ok());
}

#[test]
fn the_cache_is_bounded_and_forgets_what_is_not_used() {
    let certificate = Pki::new().client("lab");
    let told = attributes(&certificate);
    let mut cache = CertificateCache::default();
    cache.read(&told, POLICY, LEAF, NOW).expect("good");
    let flood = |cache: &mut CertificateCache, count: u64, from: u64| {
        for number in from..from + count {
            let told = ConnectionAttributes {
                digest: Some(format!("{number:064x}").into_bytes()),
                ..told.clone()
            };
            cache.read(&told, POLICY, SUBJECT, NOW).expect("good");
            assert!(cache.0.len() <= CertificateCache::CAPACITY);
        }
    };
    let half = CertificateCache::CAPACITY as u64 / 2;
    let known = |cache: &CertificateCache| cache.asks(told.digest.as_deref(), LEAF) != LEAF;
    flood(&mut cache, half, 0);
    assert!(known(&cache), "one generation");
    cache
        .read(&told, POLICY, LEAF, NOW)
        .expect("used, hence young");
    flood(&mut cache, half - 1, half);
    assert!(known(&cache), "in steady use");
    flood(&mut cache, 2 * half, 2 * half);
    assert!(!known(&cache), "forgotten");
    assert!(cache.read(&told, POLICY, LEAF, NOW).is_ok(), "asked again");
}
