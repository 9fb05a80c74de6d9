//! Headers as hops write them, and as clients may.

use fhir_guard_harness::pki::Pki;

use super::super::CertificateRules;
use super::*;

const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// One row of the grammar: the keys and values of the last element, or a refusal.
fn check(name: &str, header: &str, expected: Option<&[(&str, &str)]>) {
    let found = elements(header.as_bytes());
    let last = found.as_ref().and_then(|elements| elements.last());
    let found: Option<Vec<(&str, &str)>> = last.map(|element| {
        let pairs = element.iter();
        pairs.map(|(key, value)| (*key, value.as_str())).collect()
    });
    assert_eq!(found.as_deref(), expected, "{name}: {header}");
}

#[test]
fn an_element_is_pairs_of_known_keys() {
    check("nothing", "", Some(&[]));
    check("one pair", "Hash=a", Some(&[("Hash", "a")]));
    check("two", "Hash=a;URI=b", Some(&[("Hash", "a"), ("URI", "b")]));
    check(
        "no value",
        "Hash=a;URI=",
        Some(&[("Hash", "a"), ("URI", "")]),
    );
    check(
        "an equals sign in a value",
        "URI=a?b=c",
        Some(&[("URI", "a?b=c")]),
    );
    check(
        "names of one kind",
        "URI=a;URI=b;DNS=c;DNS=c;By=d;By=e",
        Some(&[
            ("URI", "a"),
            ("URI", "b"),
            ("DNS", "c"),
            ("DNS", "c"),
            ("By", "d"),
            ("By", "e"),
        ]),
    );
    check("two elements", "Hash=a,Hash=b", Some(&[("Hash", "b")]));
    check("an empty one before", ",Hash=b", Some(&[("Hash", "b")]));
    check("an empty one behind", "Hash=b,", Some(&[]));
    for (name, header) in [
        ("an unknown key", "Hash=a;Serial=1"),
        ("an unknown key before", "x=1,Hash=a"),
        ("another case", "hash=a"),
        ("no key", "=a"),
        ("no equals sign", "Hash"),
        ("no equals sign, then one", "Hash;URI=a"),
        ("a space before a key", "Hash=a; URI=b"),
        ("a space before an element", "Hash=a, Hash=b"),
        ("a semicolon at the end", "Hash=a;"),
        ("a semicolon at the beginning", ";Hash=a"),
        ("two semicolons", "Hash=a;;URI=b"),
        ("a semicolon and a comma", "Hash=a;,Hash=b"),
        ("a hash twice", "Hash=a;Hash=b"),
        ("the same hash twice", "Hash=a;Hash=a"),
        ("a certificate twice", "Cert=a;Cert=b"),
        ("a subject twice", "Subject=\"a\";Subject=\"b\""),
        ("a chain twice", "Chain=a;Chain=b"),
    ] {
        check(name, header, None);
    }
    for byte in ["\0", "\n", "\t", "\u{7f}", "ä"] {
        check("a byte that no field has", &format!("URI=a{byte}"), None);
    }
    assert!(elements(&[b'U', b'R', b'I', b'=', 0xff]).is_none());
}

#[test]
fn quotes_end_where_every_reader_ends_them() {
    check("quoted", "URI=\"a\"", Some(&[("URI", "a")]));
    check(
        "nothing in quotes",
        "Subject=\"\"",
        Some(&[("Subject", "")]),
    );
    check(
        "separators in quotes",
        "URI=\"a,b;c=d\"",
        Some(&[("URI", "a,b;c=d")]),
    );
    check(
        "more behind it",
        "Subject=\"a\";URI=b,Hash=\"c\"",
        Some(&[("Hash", "c")]),
    );
    check(
        "an escaped quote",
        r#"URI="a\"b""#,
        Some(&[("URI", "a\"b")]),
    );
    check(
        "an escaped quote at the end",
        r#"URI="a\"""#,
        Some(&[("URI", "a\"")]),
    );
    check(
        "a backslash before anything else",
        r#"Subject="O=a\, b\\c""#,
        Some(&[("Subject", r"O=a\, b\\c")]),
    );
    check(
        "a backslash out of quotes",
        r"URI=a\b",
        Some(&[("URI", r"a\b")]),
    );
    for (name, header) in [
        ("not closed", "URI=\"a"),
        ("closed by an escaped quote", r#"URI="a\""#),
        ("a quote alone", "URI=\""),
        ("something behind a quote", "URI=\"a\"b"),
        ("a space behind a quote", "URI=\"a\" ;DNS=b"),
        ("a quote behind a quote", "URI=\"a\"\"b\""),
        ("a quote in the middle", "URI=a\"b\""),
        ("a quote at the end", "URI=a\""),
        ("two backslashes and a quote", r#"URI="a\\";DNS=b"#),
        ("three backslashes and a quote", r#"URI="a\\\"";DNS=b"#),
        ("quotes about a key", "\"URI\"=a"),
    ] {
        check(name, header, None);
    }
}

/// What a client sent before the hop added its own.
#[test]
fn what_a_client_wrote_cannot_reach_into_the_element_of_the_hop() {
    let forged = "ff".repeat(32);
    let hops = format!(
        "By=spiffe://hop;Hash={HASH};Cert=\"x\";Subject=\"CN=real,O=Clinic\";URI=spiffe://real"
    );
    let without_cert = hops.replace("Cert=\"x\";", "");
    let empty_subject = format!("Hash={HASH};Subject=\"\";URI=spiffe://real");
    for clients in [
        format!("Hash={forged}"),
        format!("Hash={forged};URI=spiffe://forged"),
        format!("Hash={forged},Hash={forged}"),
        format!("Hash={forged};Subject=\""),
        format!("Hash={forged};Subject=\"x"),
        format!("Hash={forged};Subject=\"\\"),
        format!("Hash={forged};Subject=\"\\\\"),
        format!("Hash={forged};Subject=\"\\\""),
        format!("Hash={forged};Subject="),
        format!("Hash={forged};"),
        "URI=\"".to_owned(),
        "\"".to_owned(),
        "x".to_owned(),
        String::new(),
        ",".to_owned(),
    ] {
        for own in [&hops, &without_cert, &empty_subject] {
            let header = format!("{clients},{own}");
            let Some(elements) = elements(header.as_bytes()) else {
                continue;
            };
            let last = elements.last().expect("an element");
            let expected = elements_of(own);
            assert_eq!(*last, expected, "{header}");
        }
    }
}

fn elements_of(text: &str) -> Element {
    let mut all = elements(text.as_bytes()).expect("good");
    all.pop().expect("an element")
}

#[test]
fn the_certificate_is_that_of_the_last_element() {
    let read = |header: &str| last(header.as_bytes(), true);
    let other = "ff".repeat(32);
    for (name, header, good) in [
        ("a hash", format!("Hash={HASH}"), true),
        (
            "an upper-case one",
            format!("Hash={}", HASH.to_uppercase()),
            true,
        ),
        ("the last of two", format!("Hash={other},Hash={HASH}"), true),
        (
            "names",
            format!("Hash={HASH};URI=spiffe://a;DNS=b;Subject=\"CN=c\""),
            true,
        ),
        (
            "empty names",
            format!("Hash={HASH};URI=;DNS=;Subject=\"\""),
            true,
        ),
        ("none", String::new(), false),
        ("an empty one", ",".to_owned(), false),
        ("no hash", "URI=spiffe://a".to_owned(), false),
        (
            "a hash in the one before only",
            format!("Hash={HASH},URI=spiffe://a"),
            false,
        ),
        (
            "a short hash",
            format!("Hash={}", HASH.split_at(1).1),
            false,
        ),
        ("a long hash", format!("Hash={HASH}0"), false),
        (
            "a hash of other letters",
            format!("Hash=g{}", HASH.split_at(1).1),
            false,
        ),
        ("an empty hash", "Hash=".to_owned(), false),
        ("a URI that is none", format!("Hash={HASH};URI=a b"), false),
        (
            "a DNS name that is none",
            format!("Hash={HASH};DNS=a/b"),
            false,
        ),
    ] {
        let found = read(&header);
        match good {
            true => {
                let found = found.unwrap_or_else(|denial| panic!("{name}: {denial:?}"));
                assert_eq!(found.thumbprint_hex(), HASH, "{name}");
            }
            false => assert_eq!(found.err(), Some(MALFORMED), "{name}"),
        }
    }
    let refused = |header: &str| last(header.as_bytes(), false).err() == Some(MALFORMED);
    assert!(!refused(&format!("Hash={HASH}")), "alone");
    assert!(
        refused(&format!("Hash={other},Hash={HASH}")),
        "one before it"
    );
    assert!(refused(&format!(",Hash={HASH}")), "an empty one before it");
    let names = read(&format!(
        "Hash={HASH};URI=spiffe://a;URI=spiffe://b;DNS=c;Subject=\"CN=d,O=e\""
    ));
    let names = names.expect("good").names;
    assert_eq!(names.uris, ["spiffe://a", "spiffe://b"]);
    assert_eq!(
        (names.dns.as_slice(), names.subject.as_deref()),
        (&["c".to_owned()][..], Some("CN=d,O=e"))
    );
    let header = |length: usize| format!("Hash={HASH};URI=x:{}", "y".repeat(length - 76));
    assert_eq!(header(MAX_FORWARDED).len(), MAX_FORWARDED);
    assert!(elements(header(MAX_FORWARDED).as_bytes()).is_some());
    assert!(elements(header(MAX_FORWARDED + 1).as_bytes()).is_none());
}

#[test]
fn a_whole_certificate_must_be_that_of_the_hash() {
    let pki = Pki::new();
    let certificate = pki.client_named("lab", &["spiffe://a", "spiffe://b"], &["c"]);
    let cert = |pem: &str| {
        pem.replace('\n', "%0A")
            .replace('+', "%2B")
            .replace(' ', "%20")
    };
    let cert = |pem: &str| cert(pem).replace('=', "%3D").replace('/', "%2F");
    let (hash, own) = (
        &certificate.thumbprint_hex,
        cert(&certificate.certificate_pem),
    );
    let other = pki.client("other");
    let header = |hash: &str, cert: &str| {
        format!("By=spiffe://hop;Hash={hash};Cert=\"{cert}\";Subject=\"CN=x\";URI=spiffe://x")
    };
    let found = last(header(hash, &own).as_bytes(), true).expect("good");
    assert_eq!(found.thumbprint_hex(), *hash);
    assert_eq!(
        found.names.uris,
        ["spiffe://a", "spiffe://b"],
        "of the certificate itself"
    );
    assert_eq!(found.names.subject.as_deref(), Some("CN=lab,O=Clinic"));
    for (name, header) in [
        (
            "another certificate",
            header(hash, &cert(&other.certificate_pem)),
        ),
        ("another hash", header(&other.thumbprint_hex, &own)),
        ("no certificate", header(hash, "")),
        ("rubbish", header(hash, "abc")),
        ("two of them", header(hash, &format!("{own}{own}"))),
    ] {
        let refused = Some(Denial::Token(TokenFault::Certificate));
        assert_eq!(last(header.as_bytes(), true).err(), refused, "{name}");
    }
}

#[test]
fn what_is_written_is_read_as_it_was() {
    use ForwardedPart::{Dns, Hash, Subject, Uri};
    let header =
        format!("Hash={HASH};URI=spiffe://a?b=c;URI=spiffe://d;DNS=e;Subject=\"CN=f\\, g,O=h\"");
    let certificate = last(header.as_bytes(), true).expect("good");
    for (parts, expected) in [
        (vec![Hash], format!("Hash={HASH}")),
        (
            vec![Hash, Subject, Uri, Dns],
            format!(
                "Hash={HASH};Subject=\"CN=f\\, g,O=h\";URI=\"spiffe://a?b=c\";URI=spiffe://d;DNS=e"
            ),
        ),
        (vec![Dns, Hash], format!("DNS=e;Hash={HASH}")),
    ] {
        let rules = CertificateRules {
            forward: parts.clone(),
            ..CertificateRules::default()
        };
        let told = rules.forwarded(&certificate).expect("something");
        assert_eq!(told, expected);
        assert!(elements(told.as_bytes()).is_some(), "{told}");
    }
    assert_eq!(CertificateRules::default().forwarded(&certificate), None);
    // What readers could take for another is left out.
    for subject in ["CN=a\\\"b", "CN=a\\\\"] {
        let certificate = PeerCertificate {
            thumbprint: [0; 32],
            names: Rc::new(Names {
                subject: Some(subject.to_owned()),
                ..Names::unknown()
            }),
        };
        assert_eq!(write(&certificate, &[Subject]), "", "{subject}");
    }
}
