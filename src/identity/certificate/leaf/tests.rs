//! Certificates whole, changed and in pieces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_guard_harness::pki::rcgen::{DnType, DnValue, SanType, date_time_ymd};
use fhir_guard_harness::pki::{ClientCertificate, Pki};

use super::*;

/// PEM of these bytes, whatever they are.
fn pem_of(der: &[u8]) -> String {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

/// Percent-encoding of some of the bytes.
fn encoded(text: &str, which: impl Fn(u8) -> bool) -> String {
    text.bytes()
        .map(|byte| match which(byte) {
            true => format!("%{byte:02X}"),
            false => char::from(byte).to_string(),
        })
        .collect()
}

/// The same certificate with other bytes in the place of these; its signature is nobody's business
/// here.
fn with(certificate: &ClientCertificate, from: &str, to: &str) -> String {
    assert_eq!(from.len(), to.len());
    let mut der = certificate.der.clone();
    let at = der
        .windows(from.len())
        .position(|window| window == from.as_bytes())
        .expect("it is in there");
    der[at..at + to.len()].copy_from_slice(to.as_bytes());
    pem_of(&der)
}

#[test]
fn all_names_are_read_in_every_form_of_the_text() {
    let certificate = Pki::new().client_named(
        "lab",
        &["https://a.example/x?y=%20", "spiffe://example.org/lab"],
        &["lab.example.org", "*.lab.example.org"],
    );
    let pem = &certificate.certificate_pem;
    let envoys = |byte: u8| b"\n +/=".contains(&byte);
    for (form, text) in [
        ("plain", pem.clone()),
        ("as Envoy encodes it", encoded(pem, envoys)),
        ("every byte encoded", encoded(pem, |_| true)),
        (
            "lower case",
            encoded(pem, envoys)
                .replace("%2B", "%2b")
                .replace("%0A", "%0a"),
        ),
        ("other line ends", pem.replace('\n', "\r\n")),
        ("made anew", pem_of(&certificate.der)),
    ] {
        let (thumbprint, names) = read(text.as_bytes()).unwrap_or_else(|| panic!("{form}"));
        let hex: String = thumbprint
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, certificate.thumbprint_hex, "{form}");
        assert_eq!(names.subject.as_deref(), Some("CN=lab,O=Clinic"), "{form}");
        assert_eq!(
            names.issuer.as_deref(),
            Some("CN=Test CA,O=Clinic"),
            "{form}"
        );
        assert_eq!(
            names.uris,
            ["https://a.example/x?y=%20", "spiffe://example.org/lab"],
            "{form}"
        );
        assert_eq!(
            names.dns,
            ["lab.example.org", "*.lab.example.org"],
            "{form}"
        );
        assert_eq!(
            (names.not_before, names.not_after),
            (1_577_836_800, 4_733_510_400)
        );
    }
}

#[test]
fn what_is_no_single_certificate_is_refused() {
    let pki = Pki::new();
    let certificate = pki.client("lab");
    let pem = &certificate.certificate_pem;
    let trailing = [&certificate.der[..], &[0]].concat();
    let cut = &certificate.der[..certificate.der.len() - 1];
    for (name, text) in [
        ("nothing", String::new()),
        ("rubbish", "x".repeat(400)),
        (
            "two",
            format!("{pem}{}", pki.client("other").certificate_pem),
        ),
        ("something before it", format!("x\n{pem}")),
        ("something behind it", format!("{pem}x")),
        ("a key", certificate.key_pem.clone()),
        ("another label", pem.replace("CERTIFICATE", "X509 CRL")),
        ("no end", pem.replace("-----END CERTIFICATE-----", "")),
        ("a byte behind the certificate", pem_of(&trailing)),
        ("a byte less", pem_of(cut)),
        ("an escape that is none", format!("{pem}%")),
        (
            "an escape of other digits",
            encoded(pem, |byte| byte == b'\n').replace("%0A", "%0g"),
        ),
        (
            "a plus sign for a space",
            encoded(pem, |_| false).replace(' ', "+"),
        ),
        (
            "DER",
            String::from_utf8_lossy(&certificate.der).into_owned(),
        ),
    ] {
        assert!(read(text.as_bytes()).is_none(), "{name}");
    }
    assert!(read(&certificate.der).is_none(), "DER");
    assert!(read(pem_of(&certificate.der).as_bytes()).is_some());
}

#[test]
fn a_name_that_another_reader_could_take_for_another_is_refused() {
    let certificate = Pki::new().client("lab");
    let uri = "spiffe://example.org/lab";
    let dns = "lab.example.org";
    for (name, from, to, read_as) in [
        ("a URI as it is", uri, uri, true),
        ("a NUL in a URI", uri, "spiffe://example.org\0lab", false),
        ("a space in a URI", uri, "spiffe://example.org lab", false),
        ("a quote in a URI", uri, "spiffe://example.org\"lab", false),
        (
            "a backslash in a URI",
            uri,
            "spiffe://example.org\\lab",
            false,
        ),
        (
            "a line break in a URI",
            uri,
            "spiffe://example.org\nlab",
            false,
        ),
        ("no scheme", uri, "spiffe///example.org/lab", false),
        ("a NUL in a DNS name", dns, "lab.example\0org", false),
        ("a comma in a DNS name", dns, "lab,example.org", false),
        ("a space in a DNS name", dns, "lab example.org", false),
        ("a slash in a DNS name", dns, "lab/example.org", false),
        ("beyond ASCII", uri, "spiffe://example.org/la\u{7f}", false),
        ("a wildcard", dns, "*ab.example.org", true),
    ] {
        // A DNS name stands in the URI as well: what is changed is the whole of it.
        let found = read(with(&certificate, from, to).as_bytes());
        assert_eq!(found.is_some(), read_as, "{name}");
    }
    let pki = Pki::new();
    for (name, uris, dns) in [
        ("an empty URI", vec![""], vec![]),
        ("an empty DNS name", vec![], vec![""]),
        ("an empty one behind a good one", vec![uri, ""], vec![]),
        ("a scheme alone", vec!["spiffe:"], vec![]),
    ] {
        let certificate = pki.client_named("lab", &uris, &dns);
        assert!(
            read(certificate.certificate_pem.as_bytes()).is_none(),
            "{name}"
        );
    }
    let without = pki.client_named("lab", &[], &[]);
    let (_, names) = read(without.certificate_pem.as_bytes()).expect("no names at all");
    assert!(names.uris.is_empty() && names.dns.is_empty());
}

#[test]
fn kinds_of_names_that_no_rule_is_about_are_passed_over() {
    let ip = std::net::Ipv4Addr::LOCALHOST.into();
    let certificate = Pki::new().client_with("lab", |params| {
        params.subject_alt_names = vec![
            SanType::IpAddress(ip),
            SanType::Rfc822Name("lab@example.org".try_into().expect("ASCII")),
            SanType::DnsName("lab.example.org".try_into().expect("ASCII")),
        ];
    });
    let (_, names) = read(certificate.certificate_pem.as_bytes()).expect("a certificate");
    assert_eq!(
        (names.uris.len(), names.dns.as_slice()),
        (0, &["lab.example.org".to_owned()][..])
    );
}

#[test]
fn a_certificate_has_a_size() {
    let pki = Pki::new();
    let of = |count: usize| {
        let names: Vec<String> = (0..count)
            .map(|index| format!("spiffe://{index:0>100}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        pki.client_named("lab", &names, &[]).certificate_pem
    };
    let (small, large) = (of(200), of(240));
    assert!(small.len() > MAX_CERTIFICATE - 4096 && small.len() <= MAX_CERTIFICATE);
    assert_eq!(read(small.as_bytes()).expect("it fits").1.uris.len(), 200);
    assert!(large.len() > MAX_CERTIFICATE);
    assert!(read(large.as_bytes()).is_none());
    let long = |length: usize| format!("spiffe://{}", "x".repeat(length - 9));
    for (length, fits) in [(2048, true), (2049, false)] {
        let certificate = pki.client_named("lab", &[&long(length)], &[]);
        assert_eq!(
            read(certificate.certificate_pem.as_bytes()).is_some(),
            fits,
            "{length}"
        );
    }
}

/// As `openssl x509 -nameopt RFC2253` prints it, which is what Envoy does.
#[test]
fn a_subject_reads_as_envoy_prints_it() {
    let pki = Pki::new();
    let subject = |parts: &[(DnType, DnValue)]| {
        let certificate = pki.client_with("lab", |params| {
            params.distinguished_name = Default::default();
            for (kind, value) in parts {
                params.distinguished_name.push(kind.clone(), value.clone());
            }
        });
        let (_, names) = read(certificate.certificate_pem.as_bytes()).expect("a certificate");
        names.subject
    };
    let utf8 = |text: &str| DnValue::Utf8String(text.to_owned());
    let printable = |text: &str| DnValue::PrintableString(text.try_into().expect("printable"));
    for (parts, expected) in [
        (vec![], Some("")),
        (
            vec![(DnType::CommonName, utf8("a, b+c \"d\" \\e <f>;"))],
            Some("CN=a\\, b\\+c \\\"d\\\" \\\\e \\<f\\>\\;"),
        ),
        (vec![(DnType::CommonName, utf8(" a "))], Some("CN=\\ a\\ ")),
        (vec![(DnType::CommonName, utf8("#a#"))], Some("CN=\\#a#")),
        (
            vec![(DnType::CommonName, utf8("Zoë"))],
            Some("CN=Zo\\C3\\AB"),
        ),
        (vec![(DnType::CommonName, utf8("a\0b"))], Some("CN=a\\00b")),
        (
            vec![
                (DnType::CountryName, printable("DE")),
                (DnType::CommonName, printable("a")),
            ],
            Some("CN=a,C=DE"),
        ),
        // A type that has no name everywhere, and strings in old encodings.
        (vec![(DnType::CustomDnType(vec![1, 2, 3]), utf8("a"))], None),
        (
            vec![(
                DnType::CommonName,
                DnValue::BmpString("a".try_into().expect("text")),
            )],
            None,
        ),
    ] {
        assert_eq!(subject(&parts).as_deref(), expected, "{parts:?}");
    }
}

#[test]
fn validity_is_read_in_both_of_its_forms() {
    let certificate = Pki::new().client_with("lab", |params| {
        params.not_before = date_time_ymd(1999, 12, 31);
        params.not_after = date_time_ymd(9999, 12, 31);
    });
    let (_, names) = read(certificate.certificate_pem.as_bytes()).expect("a certificate");
    assert_eq!(
        (names.not_before, names.not_after),
        (946_598_400, 253_402_214_400)
    );
}
