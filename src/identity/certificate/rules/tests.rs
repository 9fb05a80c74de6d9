//! Rules, each with a certificate that fits and ones that do not.

mod hops;

use std::rc::Rc;

use super::*;

const ISSUER: &str = "https://as.example.org";

fn certificate(byte: u8) -> PeerCertificate {
    PeerCertificate {
        thumbprint: [byte; 32],
        names: Rc::new(Names {
            subject: Some("CN=lab,O=Clinic".to_owned()),
            issuer: Some("CN=Test CA,O=Clinic".to_owned()),
            uris: vec!["spiffe://first".to_owned(), "spiffe://lab".to_owned()],
            dns: vec!["first.example.org".to_owned(), "lab".to_owned()],
            not_before: 10,
            not_after: 20,
        }),
    }
}

fn bare(byte: u8) -> PeerCertificate {
    PeerCertificate {
        thumbprint: [byte; 32],
        names: Rc::new(Names::unknown()),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn thumbprint(byte: u8) -> CertificateMatch {
    CertificateMatch {
        thumbprint: Some([byte; 32]),
        ..CertificateMatch::default()
    }
}

fn uri(text: &str) -> CertificateMatch {
    CertificateMatch {
        san_uri: some(text),
        ..CertificateMatch::default()
    }
}

#[test]
fn everything_that_is_named_must_hold() {
    let all = CertificateMatch {
        thumbprint: Some([1; 32]),
        san_uri: some("spiffe://lab"),
        san_dns: some("lab"),
        subject_dn: some("CN=lab,O=Clinic"),
        issuer_dn: some("CN=Test CA,O=Clinic"),
    };
    let change = |edit: &dyn Fn(&mut CertificateMatch)| {
        let mut wanted = all.clone();
        edit(&mut wanted);
        wanted
    };
    let nothing = CertificateMatch::default();
    for (name, wanted, holds) in [
        ("all of it", all.clone(), true),
        (
            "another thumbprint",
            change(&|all| all.thumbprint = Some([2; 32])),
            false,
        ),
        (
            "another URI",
            change(&|all| all.san_uri = some("spiffe://la")),
            false,
        ),
        (
            "another case",
            change(&|all| all.san_uri = some("spiffe://LAB")),
            false,
        ),
        (
            "another DNS name",
            change(&|all| all.san_dns = some("lab.")),
            false,
        ),
        (
            "another subject",
            change(&|all| all.subject_dn = some("CN=lab")),
            false,
        ),
        (
            "another issuer",
            change(&|all| all.issuer_dn = some("CN=Test CA")),
            false,
        ),
        ("the thumbprint", thumbprint(1), true),
        ("a second name", uri("spiffe://lab"), true),
        ("the first name", uri("spiffe://first"), true),
        ("nothing", nothing.clone(), false),
        (
            "the issuer alone",
            CertificateMatch {
                issuer_dn: some("CN=Test CA,O=Clinic"),
                ..nothing
            },
            false,
        ),
    ] {
        assert_eq!(wanted.holds(&certificate(1)), holds, "{name}");
    }
    // What is not known is not what was wanted.
    for wanted in [
        uri("spiffe://lab"),
        change(&|all| all.thumbprint = None),
        all,
    ] {
        assert!(!wanted.holds(&bare(1)));
    }
    assert!(thumbprint(1).holds(&bare(1)));
}

#[test]
fn a_client_comes_with_its_own_certificates() {
    let rules = |unlisted| CertificateRules {
        clients: vec![
            ClientCertificates {
                client_id: "lab".to_owned(),
                issuer: None,
                certificates: vec![thumbprint(1), thumbprint(2), uri("spiffe://lab-next")],
            },
            ClientCertificates {
                client_id: "ward".to_owned(),
                issuer: some(ISSUER),
                certificates: vec![thumbprint(3)],
            },
        ],
        unlisted,
        ..CertificateRules::default()
    };
    use UnlistedClients::{Refused, SanDns, SanUri, SubjectCn, Unpinned};
    for (name, unlisted, issuer, client, shown, good) in [
        ("the first", Unpinned, ISSUER, "lab", Some(1), true),
        (
            "the next, side by side",
            Unpinned,
            ISSUER,
            "lab",
            Some(2),
            true,
        ),
        ("another's", Unpinned, ISSUER, "lab", Some(3), false),
        ("none", Unpinned, ISSUER, "lab", None, false),
        (
            "of any issuer",
            Unpinned,
            "https://other",
            "lab",
            Some(1),
            true,
        ),
        ("its own", Unpinned, ISSUER, "ward", Some(3), true),
        ("not its own", Unpinned, ISSUER, "ward", Some(1), false),
        (
            "the client of another issuer",
            Unpinned,
            "https://other",
            "ward",
            Some(9),
            true,
        ),
        (
            "the same, refused",
            Refused,
            "https://other",
            "ward",
            Some(3),
            false,
        ),
        ("not listed", Unpinned, ISSUER, "x", Some(9), true),
        (
            "not listed, no certificate",
            Unpinned,
            ISSUER,
            "x",
            None,
            true,
        ),
        ("not listed, refused", Refused, ISSUER, "x", Some(1), false),
        (
            "listed, others refused",
            Refused,
            ISSUER,
            "lab",
            Some(1),
            true,
        ),
        (
            "another case is another client",
            Refused,
            ISSUER,
            "LAB",
            Some(1),
            false,
        ),
        (
            "tied by a URI",
            SanUri,
            ISSUER,
            "spiffe://lab",
            Some(9),
            true,
        ),
        (
            "tied by a URI to another",
            SanUri,
            ISSUER,
            "spiffe://la",
            Some(9),
            false,
        ),
        (
            "a DNS name is no URI",
            SanUri,
            ISSUER,
            "first.example.org",
            Some(9),
            false,
        ),
        (
            "tied by a DNS name",
            SanDns,
            ISSUER,
            "first.example.org",
            Some(9),
            true,
        ),
        (
            "tied by a DNS name to another",
            SanDns,
            ISSUER,
            "second.example.org",
            Some(9),
            false,
        ),
        (
            "tied by the common name to another",
            SubjectCn,
            ISSUER,
            "x",
            Some(9),
            false,
        ),
        (
            "tied, no certificate",
            SanUri,
            ISSUER,
            "spiffe://lab",
            None,
            false,
        ),
        (
            "listed clients have their list",
            SanUri,
            ISSUER,
            "lab",
            Some(1),
            true,
        ),
    ] {
        let shown = shown.map(certificate);
        let found = rules(unlisted).permit(issuer, client, shown.as_ref());
        let expected = match good {
            true => Ok(()),
            false => Err(Denial::Token(TokenFault::Pin)),
        };
        assert_eq!(found, expected, "{name}");
    }
    let tied = CertificateRules {
        unlisted: SubjectCn,
        ..CertificateRules::default()
    };
    assert!(tied.permit(ISSUER, "lab", Some(&certificate(1))).is_ok());
    assert!(tied.permit(ISSUER, "lab", Some(&bare(1))).is_err());
}

#[test]
fn only_what_a_rule_is_about_is_needed() {
    let nothing = CertificateNeeds::default();
    let (leaf, subject) = (
        CertificateNeeds {
            leaf: true,
            ..nothing
        },
        CertificateNeeds {
            subject: true,
            ..nothing
        },
    );
    let client = |wanted: CertificateMatch| CertificateRules {
        clients: vec![ClientCertificates {
            client_id: "lab".to_owned(),
            issuer: None,
            certificates: vec![thumbprint(1), wanted],
        }],
        ..CertificateRules::default()
    };
    let by = |edit: &dyn Fn(&mut CertificateMatch)| {
        let mut wanted = CertificateMatch::default();
        edit(&mut wanted);
        wanted
    };
    let unlisted = |unlisted| CertificateRules {
        unlisted,
        ..CertificateRules::default()
    };
    let forward = |part| CertificateRules {
        forward: vec![part],
        ..CertificateRules::default()
    };
    let hop = |wanted| CertificateRules {
        source: CertificateSource::Forwarded {
            trusted_hops: vec![wanted],
            earlier_elements: true,
        },
        ..client(uri("spiffe://a"))
    };
    for (name, rules, expected) in [
        ("no rules", CertificateRules::default(), nothing),
        ("a thumbprint", client(thumbprint(2)), nothing),
        ("a URI", client(uri("spiffe://a")), leaf),
        (
            "a DNS name",
            client(by(&|wanted| wanted.san_dns = some("a"))),
            leaf,
        ),
        (
            "an issuer",
            client(by(&|wanted| wanted.issuer_dn = some("CN=a"))),
            leaf,
        ),
        (
            "a subject",
            client(by(&|wanted| wanted.subject_dn = some("CN=a"))),
            subject,
        ),
        ("refused", unlisted(UnlistedClients::Refused), nothing),
        ("tied by a URI", unlisted(UnlistedClients::SanUri), leaf),
        (
            "tied by a DNS name",
            unlisted(UnlistedClients::SanDns),
            leaf,
        ),
        (
            "tied by the common name",
            unlisted(UnlistedClients::SubjectCn),
            subject,
        ),
        ("the hash goes on", forward(ForwardedPart::Hash), nothing),
        (
            "the subject goes on",
            forward(ForwardedPart::Subject),
            subject,
        ),
        ("URIs go on", forward(ForwardedPart::Uri), leaf),
        ("DNS names go on", forward(ForwardedPart::Dns), leaf),
        // All other rules are about what the hop says.
        ("a hop by its thumbprint", hop(thumbprint(1)), nothing),
        ("a hop by a URI", hop(uri("spiffe://a")), leaf),
    ] {
        assert_eq!(rules.needs(), expected, "{name}");
    }
}
