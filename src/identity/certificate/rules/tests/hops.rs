//! Who speaks for a caller.

use super::*;

#[test]
fn a_hop_speaks_for_a_caller_only_where_it_is_trusted() {
    let own = "00".repeat(31);
    let field = |byte: u8| format!("Hash={own}{byte:02x}").into_bytes();
    let mut forwarded = [0; 32];
    forwarded[31] = 7;
    let rules = CertificateRules {
        source: CertificateSource::Forwarded {
            trusted_hops: vec![thumbprint(1), uri("spiffe://lab")],
            earlier_elements: true,
        },
        ..CertificateRules::default()
    };
    let malformed = Err(MALFORMED);
    let itself = CertificateMatch {
        thumbprint: Some(forwarded),
        ..CertificateMatch::default()
    };
    use xfcc::MALFORMED;
    for (name, hop, fields, expected) in [
        (
            "trusted",
            Some(bare(1)),
            vec![field(7)],
            Ok(Some(forwarded)),
        ),
        (
            "trusted by a name",
            Some(certificate(2)),
            vec![field(7)],
            Ok(Some(forwarded)),
        ),
        ("not trusted", Some(bare(2)), vec![field(7)], Ok(None)),
        (
            "not trusted, and malformed",
            Some(bare(2)),
            vec![b"x".to_vec()],
            Ok(None),
        ),
        ("no certificate", None, vec![field(7)], Ok(None)),
        ("trusted, nothing said", Some(bare(1)), vec![], Ok(None)),
        (
            "trusted, empty",
            Some(bare(1)),
            vec![Vec::new()],
            malformed.clone(),
        ),
        (
            "trusted, malformed",
            Some(bare(1)),
            vec![b"x".to_vec()],
            malformed.clone(),
        ),
        (
            "trusted, twice",
            Some(bare(1)),
            vec![field(7), field(7)],
            malformed,
        ),
    ] {
        let found = rules.choose(hop, &fields, 15);
        let found = found.map(|found| found.map(|found| *found.thumbprint()));
        assert_eq!(found, expected, "{name}");
    }
    let rules = CertificateRules {
        source: CertificateSource::Forwarded {
            trusted_hops: vec![itself],
            earlier_elements: true,
        },
        ..CertificateRules::default()
    };
    let hop = PeerCertificate {
        thumbprint: forwarded,
        ..bare(0)
    };
    let found = rules.choose(Some(hop.clone()), &[field(7)], 15);
    let refused = Err(Denial::Token(TokenFault::Certificate));
    assert_eq!(found, refused, "an element about the hop itself");
    assert!(rules.choose(Some(hop), &[field(8)], 15).is_ok());
    let own = CertificateRules::default();
    let found = own.choose(Some(bare(1)), &[field(7)], 15).expect("good");
    assert_eq!(found, Some(bare(1)), "nobody asked for the header");
}
