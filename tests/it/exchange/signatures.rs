//! Signatures about which the host is asked.

use super::*;

#[test]
fn a_token_is_as_good_as_the_host_says_and_no_better() {
    for (name, answer, flaw, expected) in [
        ("it holds", Some(true), "", None),
        ("it does not", Some(false), "", Some("token.signature")),
        ("no answer, our own code", None, "", None),
        (
            "wrong, and the host says so",
            Some(false),
            "x",
            Some("token.signature"),
        ),
        ("wrong, and no answer", None, "x", Some("token.signature")),
    ] {
        let mut world = Deployment::new();
        let attributes = world.attributes();
        let now = driver::NOW * 1_000_000_000;
        let mut head = world.head("patient/*.rs", "GET /r4/Patient/p1", &[]);
        let token = head.last_mut().expect("a token");
        assert_eq!(token.0, b"authorization");
        if !flaw.is_empty() {
            // The first letter of the signature, which has no bits to spare.
            let at = token
                .1
                .iter()
                .rposition(|byte| *byte == b'.')
                .expect("dots")
                + 1;
            token.1[at] = if token.1[at] == b'A' { b'B' } else { b'A' };
        }
        let mut exchange = Exchange::default();
        let step = exchange.request_headers(&mut world.guard, &head, &attributes, now, true);
        assert_eq!(step, Step::Verify, "{name}");
        let check = exchange.verifying().expect("a signature");
        assert_eq!(driver::right(check), flaw.is_empty(), "{name}");
        let step = exchange.verified(&mut world.guard, answer);
        match expected {
            None => assert_eq!(step, Step::Charge, "{name}"),
            Some(rule) => {
                assert!(
                    matches!(&step, Step::Reply(reply) if reply.status == 401),
                    "{name}: {step:?}"
                );
                assert_eq!(world.record(&mut exchange)["rule"], rule, "{name}");
            }
        }
        // What holds is remembered, and nothing else.
        let mut again = Exchange::default();
        let step = again.request_headers(&mut world.guard, &head, &attributes, now, true);
        let remembered = if expected.is_none() {
            Step::Charge
        } else {
            Step::Verify
        };
        assert_eq!(step, remembered, "{name}, again");
    }
}

#[test]
fn the_host_is_asked_about_no_signature_without_a_certificate() {
    let mut world = Deployment::new();
    let head = world.head("patient/*.rs", "GET /r4/Patient/p1", &[]);
    let (attributes, now) = (Default::default(), driver::NOW * 1_000_000_000);
    let mut exchange = Exchange::default();
    let step = exchange.request_headers(&mut world.guard, &head, &attributes, now, true);
    assert!(
        matches!(&step, Step::Reply(reply) if reply.status == 401),
        "{step:?}"
    );
    assert_eq!(world.record(&mut exchange)["rule"], "token.certificate");
}
