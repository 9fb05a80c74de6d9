//! `client_certificate`: where certificates come from, and whose they must be.

use super::*;
use crate::identity::{
    CertificateMatch, CertificateNeeds, CertificateSource, ClientCertificates, ForwardedPart,
    UnlistedClients,
};

/// What the complete example comes to.
pub(super) fn complete() -> CertificateRules {
    let some = |text: &str| Some(text.to_owned());
    let none = CertificateMatch::default;
    CertificateRules {
        conditions: CertificateNeeds::default(),
        source: CertificateSource::Forwarded {
            trusted_hops: vec![
                CertificateMatch {
                    san_uri: some("spiffe://mesh/ns/edge/sa/gateway"),
                    ..none()
                },
                CertificateMatch {
                    subject_dn: some("CN=edge,O=Clinic"),
                    ..none()
                },
            ],
            earlier_elements: false,
        },
        clients: vec![ClientCertificates {
            client_id: "lab".to_owned(),
            issuer: None,
            certificates: vec![
                CertificateMatch {
                    thumbprint: Some([10; 32]),
                    ..none()
                },
                CertificateMatch {
                    san_uri: some("spiffe://lab"),
                    issuer_dn: some("CN=CA"),
                    ..none()
                },
            ],
        }],
        unlisted: UnlistedClients::SanDns,
        forward: vec![ForwardedPart::Hash, ForwardedPart::Subject],
    }
}

fn check(name: &str, key: &str, value: Value, expected: &str) {
    let pointer = format!("/client_certificate{key}");
    let expected = match expected {
        "" => String::new(),
        text => format!("/client_certificate{text}"),
    };
    assert_eq!(said(&[(&pointer, value)]), expected, "{name}");
}

#[test]
fn each_key_has_its_mistakes() {
    let source = ": expected connection, or xfcc: {trusted_hops: [...]}, found";
    check("connection", "/source", json!("connection"), "");
    check(
        "a header",
        "/source",
        json!("header"),
        &format!("/source{source} \"header\""),
    );
    check(
        "xfcc alone",
        "/source",
        json!("xfcc"),
        &format!("/source{source} \"xfcc\""),
    );
    check(
        "a list",
        "/source",
        json!([]),
        &format!("/source{source} a list"),
    );
    check(
        "nothing",
        "/source",
        json!({}),
        "/source/xfcc: expected an object with trusted_hops, found nothing",
    );
    check(
        "no hops",
        "/source/xfcc",
        json!({}),
        "/source/xfcc/trusted_hops: expected a list of the certificates of hops, found nothing",
    );
    check(
        "elements that are neither",
        "/source/xfcc/earlier_elements",
        json!("kept"),
        "/source/xfcc/earlier_elements: expected \"ignored\" or \"refused\", found \"kept\"",
    );
    let hop = "/source/xfcc/trusted_hops/0";
    let uri = ": expected a URI as it stands in the certificate, such as spiffe://example.org/gateway, found other text";
    let wanted = ": expected a certificate, an object with thumbprint, san_uri, san_dns or subject_dn, found";
    check(
        "a hop by all",
        hop,
        json!({"san_uri": "spiffe://a", "san_dns": "a", "thumbprint": "0".repeat(64), "subject_dn": "CN=a"}),
        "",
    );
    check(
        "a hop that is no URI",
        hop,
        json!("gateway"),
        &format!("{hop}{uri}"),
    );
    check(
        "a hop with a space",
        hop,
        json!("spiffe://a b"),
        &format!("{hop}{uri}"),
    );
    check("a hop with a wildcard", hop, json!("spiffe://mesh/*"), "");
    check(
        "a hop as a number",
        hop,
        json!(1),
        &format!("{hop}{wanted} a number"),
    );
    check(
        "a hop without names",
        hop,
        json!({}),
        &format!("{hop}{wanted} none of them"),
    );
    check(
        "an issuer alone",
        hop,
        json!({"issuer_dn": "CN=a"}),
        &format!("{hop}{wanted} none of them"),
    );
    check(
        "an unknown name",
        hop,
        json!({"san_url": "spiffe://a"}),
        &format!(
            "{hop}{wanted} none of them\n/client_certificate{hop}/san_url: expected one of the keys thumbprint, san_uri, san_dns, subject_dn, issuer_dn, found the unknown key \"san_url\" (did you mean \"san_uri\"?)"
        ),
    );
    let own = "/clients/0/certificates/0";
    let digits = "/thumbprint: expected SHA-256 of the certificate, 64 hexadecimal digits in lower case without colons, found other text";
    for (name, text) in [
        ("short", "a".repeat(63)),
        ("long", "a".repeat(65)),
        ("far too long", "a".repeat(66)),
        ("upper case", "A".repeat(64)),
        ("colons", "aa:".repeat(21) + "a"),
        ("a sign", "+a".repeat(32)),
        ("base64url", "q".repeat(43)),
    ] {
        check(
            name,
            &format!("{own}/thumbprint"),
            json!(text),
            &format!("{own}{digits}"),
        );
    }
    let name = ": expected a name as Envoy gives it (RFC 2253), such as CN=lab,O=Clinic, without spaces behind commas, found other text";
    for (row, text) in [
        ("spaces behind commas", "CN=a, O=b"),
        ("slashes", "/CN=a/O=b"),
        ("no type", "lab"),
        ("beyond ASCII", "CN=ä"),
    ] {
        let place = format!("{own}/subject_dn");
        check(row, &place, json!(text), &format!("{place}{name}"));
        let place = format!("{own}/issuer_dn");
        check(row, &place, json!(text), &format!("{place}{name}"));
    }
    check(
        "a DNS name with a slash",
        &format!("{own}/san_dns"),
        json!("a/b"),
        &format!(
            "{own}/san_dns: expected a DNS name as it stands in the certificate, found other text"
        ),
    );
    check(
        "a client without certificates",
        "/clients/0",
        json!({"client_id": "a"}),
        "/clients/0/certificates: expected a list of the certificates that the client may use, found nothing",
    );
    check(
        "a client without id",
        "/clients/0",
        json!({"certificates": [{"san_dns": "a"}]}),
        "/clients/0/client_id: expected the id of an OAuth client, found nothing",
    );
    check(
        "an issuer that is not configured",
        "/clients/0/issuer",
        json!("https://as.example.org/"),
        "/clients/0/issuer: expected the issuer of one of the issuers, found another",
    );
    check(
        "an issuer that is",
        "/clients/0/issuer",
        json!("https://as.example.org"),
        "",
    );
    check(
        "others by a word that is none",
        "/unlisted_clients",
        json!("allowed"),
        "/unlisted_clients: expected \"unpinned\", \"refused\", \"san_uri\", \"san_dns\" or \"subject_cn\", found \"allowed\"",
    );
    check(
        "a part twice",
        "/forward",
        json!(["hash", "hash"]),
        "/forward/1: expected each word once, found one for the second time",
    );
    check(
        "the certificate itself",
        "/forward/0",
        json!("cert"),
        "/forward/0: expected \"hash\", \"subject\", \"uri\" or \"dns\", found \"cert\"",
    );
}

#[test]
fn a_client_is_listed_once() {
    let client = |id: &str, issuer: Option<&str>| {
        let mut client = json!({"client_id": id, "certificates": [{"san_dns": "a"}]});
        if let Some(issuer) = issuer {
            client["issuer"] = json!(issuer);
        }
        client
    };
    let (own, other) = (
        Some("https://as.example.org"),
        Some("https://two.example.org"),
    );
    for (name, first, second, good) in [
        ("two", client("a", None), client("b", None), true),
        ("one twice", client("a", None), client("a", None), false),
        (
            "of all, and of one",
            client("a", None),
            client("a", own),
            false,
        ),
        (
            "of one, and of all",
            client("a", own),
            client("a", None),
            false,
        ),
        ("of one twice", client("a", own), client("a", own), false),
        ("of two", client("a", own), client("a", other), true),
    ] {
        let mut second_issuer = super::complete()["issuers"][0].clone();
        second_issuer["issuer"] = json!("https://two.example.org");
        let said = said(&[
            ("/issuers/-", second_issuer),
            ("/client_certificate/clients", json!([first, second])),
        ]);
        let expected = "/client_certificate/clients/1/client_id: expected a client of its own, or one of another issuer, found that of /client_certificate/clients/0";
        assert_eq!(said, if good { "" } else { expected }, "{name}");
    }
}

#[test]
fn elements_before_the_hops_own_are_refused_unless_an_operator_wrote_otherwise() {
    for (name, xfcc, expected) in [
        ("left out", json!({}), false),
        ("refused", json!({"earlier_elements": "refused"}), false),
        ("ignored", json!({"earlier_elements": "ignored"}), true),
    ] {
        let mut document = super::complete();
        let place = &mut document["client_certificate"]["source"]["xfcc"];
        let hops = place["trusted_hops"].clone();
        *place = xfcc;
        place["trusted_hops"] = hops;
        let policy = read(&serde_json::to_vec(&document).expect("JSON")).expect(name);
        match policy.certificate_rules.source {
            CertificateSource::Forwarded {
                earlier_elements, ..
            } => assert_eq!(earlier_elements, expected, "{name}"),
            CertificateSource::Connection => panic!("{name}"),
        }
    }
}

#[test]
fn lists_have_bounds() {
    let hops = |count: usize| json!(vec!["spiffe://a"; count]);
    let certificates = |count: usize| json!(vec![json!({"san_dns": "a"}); count]);
    let clients = |count: usize| -> Value {
        (0..count)
            .map(|index| json!({"client_id": index.to_string(), "certificates": certificates(1)}))
            .collect()
    };
    type List<'a> = &'a dyn Fn(usize) -> Value;
    let lists: [(&str, List<'_>, usize, usize); 3] = [
        ("/source/xfcc/trusted_hops", &hops, 1, 16),
        ("/clients/0/certificates", &certificates, 1, 16),
        ("/clients", &clients, 0, 256),
    ];
    for (key, list, least, most) in lists {
        for count in [least, most] {
            check("within", key, list(count), "");
        }
        for count in [least.checked_sub(1), Some(most + 1)].into_iter().flatten() {
            let said = said(&[(&format!("/client_certificate{key}"), list(count))]);
            assert!(
                said.starts_with(&format!("/client_certificate{key}: expected a list of")),
                "{said}"
            );
        }
    }
    for (key, most, make) in [
        ("/clients/0/client_id", 256, ""),
        ("/clients/0/certificates/0/san_dns", 255, ""),
        ("/clients/0/certificates/0/san_uri", 2048, "x:"),
        ("/clients/0/certificates/0/subject_dn", 2048, "CN="),
        ("/clients/0/certificates/0/issuer_dn", 2048, "CN="),
    ] {
        let text = |length: usize| json!(format!("{make}{}", "a".repeat(length - make.len())));
        check(key, key, text(most), "");
        let said = said(&[(&format!("/client_certificate{key}"), text(most + 1))]);
        assert!(
            said.contains(&format!("of 1 to {most} bytes, found {} bytes", most + 1)),
            "{said}"
        );
    }
}
