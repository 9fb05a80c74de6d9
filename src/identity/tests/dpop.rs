//! Proofs as callers may send them.

mod claims;

use std::cell::Cell;

use fhir_guard_harness::tokens::{Algorithm as Signer, DpopClient, DpopProof as Made};
use serde_json::json;

use super::*;
use crate::denial::DpopFault as Fault;
use crate::identity::dpop::{DpopPolicy, DpopProof, Presented};

const TOKEN: &str = "a.b.c";

const URI: &str = "https://fhir.example.org/r4/Patient/p1";

fn dpop_policy() -> DpopPolicy {
    DpopPolicy {
        algorithms: Algorithm::ALL.to_vec(),
        window: 60,
        clock_skew: 5,
        nonces: None,
        quarantine: None,
    }
}

fn client() -> DpopClient {
    DpopClient::new("client", Signer::Es256)
}

fn made() -> Made {
    Made::new("GET", URI, TOKEN, NOW)
}

/// A proof before our own code and before a host: both must come to the same.
fn judged(
    text: &str,
    key: &str,
    request: (&str, &str),
    policy: &DpopPolicy,
    now: u64,
) -> Result<DpopProof, Denial> {
    let judge = |host: &HostAlgorithms, answer: &dyn Fn(&HostCheck) -> Option<bool>| {
        let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
        let key = base64url(key);
        let presented = Presented {
            method: request.0,
            base: &base,
            path: request.1,
            token: TOKEN,
            key: &key,
        };
        match DpopProof::verify(text, &presented, policy, now, host)? {
            ProofVerification::Verified(proof) => Ok(proof),
            ProofVerification::Unverified(proof) => {
                let answer = answer(proof.check());
                proof.answered(answer)
            }
        }
    };
    let by_host = judge(&HOST, &|check| Some(right(check)));
    let by_us = judge(&HostAlgorithms::default(), &|_| None);
    assert_eq!(by_us, by_host, "by us, and by the host");
    by_host
}

fn base64url(text: &str) -> [u8; 32] {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64url");
    bytes.try_into().expect("32 bytes")
}

fn check_text(name: &str, text: &str, expected: Option<Fault>) {
    let request = ("GET", "/r4/Patient/p1?x=1");
    let found = judged(text, &client().thumbprint(), request, &dpop_policy(), NOW);
    assert_eq!(found.err(), expected.map(Denial::Dpop), "{name}");
}

/// One row: a proof against the usual request at the usual time.
fn check(name: &str, proof: &Made, expected: Option<Fault>) {
    check_text(name, &client().sign(proof), expected);
}

#[test]
fn the_header_has_a_public_key_and_nothing_that_chooses_another() {
    for (name, typ, fault) in [
        ("jwt", json!("JWT"), Some(Fault::Type)),
        ("access token", json!("at+jwt"), Some(Fault::Type)),
        ("upper case", json!("DPoP+jwt"), Some(Fault::Type)),
        (
            "whole media type",
            json!("application/dpop+jwt"),
            Some(Fault::Type),
        ),
        ("a list", json!(["dpop+jwt"]), Some(Fault::Type)),
        ("empty", json!(""), Some(Fault::Type)),
    ] {
        check(name, &made().header("typ", typ), fault);
    }
    check("no typ", &made().without("typ"), Some(Fault::Type));
    for name in [
        "b64", "crit", "cty", "enc", "jku", "x5c", "x5t", "x5t#S256", "x5u", "zip",
    ] {
        for value in [json!("x"), json!([]), json!(null), json!(["exp"])] {
            check(name, &made().header(name, value), Some(Fault::Header));
        }
    }
    check("kid", &made().header("kid", json!("one")), None);
    check(
        "kid, no text",
        &made().header("kid", json!(1)),
        Some(Fault::Header),
    );
    check("another member", &made().header("foo", json!(1)), None);
    for alg in ["none", "HS256", "es256", "ES256K", "", "RS1", "Ed25519"] {
        check(
            alg,
            &made().header("alg", json!(alg)),
            Some(Fault::Algorithm),
        );
    }
    check("no alg", &made().without("alg"), Some(Fault::Algorithm));
    check(
        "alg is a list",
        &made().header("alg", json!(["ES256"])),
        Some(Fault::Algorithm),
    );
    check("no jwk", &made().without("jwk"), Some(Fault::Key));
    let jwk = |name: &str, value: Value| {
        let mut jwk = client().jwk();
        jwk[name] = value;
        made().header("jwk", jwk)
    };
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        check(name, &jwk(name, json!("AQAB")), Some(Fault::Key));
        check(name, &jwk(name, json!(null)), Some(Fault::Key));
    }
    check("alg of the key", &jwk("alg", json!("ES256")), None);
    check(
        "another alg of the key",
        &jwk("alg", json!("ES384")),
        Some(Fault::Key),
    );
    check("for signatures", &jwk("use", json!("sig")), None);
    check(
        "for encryption",
        &jwk("use", json!("enc")),
        Some(Fault::Key),
    );
    check("to verify", &jwk("key_ops", json!(["verify"])), None);
    check(
        "to sign",
        &jwk("key_ops", json!(["sign"])),
        Some(Fault::Key),
    );
    check("extractable", &jwk("ext", json!(true)), None);
    check(
        "not on the curve",
        &jwk("x", client().jwk()["y"].clone()),
        Some(Fault::Key),
    );
    check(
        "another curve",
        &jwk("crv", json!("P-384")),
        Some(Fault::Key),
    );
    check("symmetric", &jwk("kty", json!("oct")), Some(Fault::Key));
    for value in [
        json!(null),
        json!("x"),
        json!([]),
        json!([client().jwk()]),
        json!({}),
    ] {
        let name = format!("jwk {value}");
        check(&name, &made().header("jwk", value), Some(Fault::Key));
    }
}

#[test]
fn each_algorithm_proves_its_own_key() {
    for signer in Signer::ALL {
        let name = signer.name();
        let client = DpopClient::new("client", signer);
        let other = DpopClient::new("other", signer);
        let check = |what: &str, text: &str, key: &str, expected: Option<Denial>| {
            let request = ("GET", "/r4/Patient/p1");
            let found = judged(text, key, request, &dpop_policy(), NOW);
            assert_eq!(found.err(), expected, "{name}, {what}");
        };
        let own = client.thumbprint();
        check("good", &client.sign(&made()), &own, None);
        let binding = Some(Denial::Token(TokenFault::Binding));
        check("of another", &other.sign(&made()), &own, binding.clone());
        check(
            "for another",
            &client.sign(&made()),
            &other.thumbprint(),
            binding,
        );
        let wrong = Some(Denial::Dpop(Fault::Signature));
        let text = other.sign(&made().header("jwk", client.jwk()));
        check("signed by another", &text, &own, wrong.clone());
        for bit in [0, 7, 255, 256, 300] {
            let text = client.sign(&made().flipped_bit(bit));
            check("a bit turned over", &text, &own, wrong.clone());
        }
        let good = client.sign(&made());
        let (signed, _) = good.rsplit_once('.').expect("three parts");
        check("unsigned", &format!("{signed}."), &own, wrong);
        let fewer = DpopPolicy {
            algorithms: vec![Algorithm::EdDsa, Algorithm::Es512],
            ..dpop_policy()
        };
        let found = judged(&good, &own, ("GET", "/r4/Patient/p1"), &fewer, NOW);
        let taken = [Signer::EdDsa, Signer::Es512].contains(&signer);
        let expected = (!taken).then_some(Denial::Dpop(Fault::Algorithm));
        assert_eq!(found.err(), expected, "{name}, where few are taken");
    }
}

#[test]
fn a_proof_is_a_compact_jws_of_bounded_size() {
    let good = client().sign(&made());
    for (name, text) in [
        ("nothing", String::new()),
        ("no dots", "x".to_owned()),
        (
            "two parts",
            good.rsplit_once('.').expect("parts").0.to_owned(),
        ),
        ("four parts", format!("{good}.x")),
        ("padded", format!("{good}=")),
        ("a space before", format!(" {good}")),
        ("the standard alphabet", good.replacen("eyJ", "ey+", 1)),
        ("no JSON", client().sign(&made().raw_claims(b"x"))),
        ("a list", client().sign(&made().raw_claims(b"[]"))),
        ("two documents", client().sign(&made().raw_claims(b"{}{}"))),
        (
            "no UTF-8",
            client().sign(&made().raw_claims(b"{\"a\":\"\xff\"}")),
        ),
        (
            "a header of no JSON",
            client().sign(&made().raw_header(b"x")),
        ),
        (
            "a header twice",
            client().sign(&made().raw_header(b"{\"typ\":\"dpop+jwt\",\"typ\":\"dpop+jwt\"}")),
        ),
    ] {
        check_text(name, &text, Some(Fault::Malformed));
    }
    // Padding that brings the whole to an exact length: three bytes of claims are four of the proof.
    let sized = |length: usize| {
        (0..4096)
            .map(|pad| client().sign(&made().claim("pad", json!("x".repeat(pad)))))
            .find(|text| text.len() >= length)
            .expect("long enough")
    };
    let longest = sized(4095);
    assert!(longest.len() <= 4096, "{}", longest.len());
    check_text("the longest", &longest, None);
    check_text("a longer one", &sized(4097), Some(Fault::Size));
    assert_eq!(crate::request::MAX_PROOF, 4096);
}

#[test]
fn a_proof_holds_by_the_answer_of_the_host() {
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let key = base64url(&client().thumbprint());
    let presented = Presented {
        method: "GET",
        base: &base,
        path: "/r4/Patient/p1",
        token: TOKEN,
        key: &key,
    };
    let check = |name: &str, proof: &Made, answer: Option<bool>, holds: bool| {
        let asked = Cell::new(0);
        let text = client().sign(proof);
        let found = DpopProof::verify(&text, &presented, &dpop_policy(), NOW, &HOST);
        let found = match found.expect(name) {
            ProofVerification::Verified(_) => panic!("{name}: nobody was asked"),
            ProofVerification::Unverified(proof) => {
                asked.set(asked.get() + 1);
                assert!(text.as_bytes().starts_with(&proof.check().text), "{name}");
                proof.answered(answer)
            }
        };
        assert_eq!(found.is_ok(), holds, "{name}");
        assert_eq!(asked.get(), 1, "{name}");
    };
    let altered = made().flipped_bit(99);
    check("good, yes", &made(), Some(true), true);
    check("good, no", &made(), Some(false), false);
    check("good, no answer", &made(), None, true);
    check("altered, no", &altered, Some(false), false);
    check("altered, no answer", &altered, None, false);
}

#[test]
fn where_a_nonce_is_asked_for_a_proof_has_one_of_ours() {
    let key = NonceKey::new(MacKey::read(&"01".repeat(32)).expect("a key"));
    let policy = DpopPolicy {
        nonces: Some(key.clone()),
        ..dpop_policy()
    };
    let check =
        |name: &str, nonce: Option<Value>, now: u64, expected: Result<Option<String>, ()>| {
            let proof = Made::new("GET", URI, TOKEN, now);
            let proof = match nonce {
                Some(nonce) => proof.claim("nonce", nonce),
                None => proof,
            };
            let text = client().sign(&proof);
            let found = judged(
                &text,
                &client().thumbprint(),
                ("GET", "/r4/Patient/p1"),
                &policy,
                now,
            );
            let expected = expected.map_err(|()| Denial::DpopNonce(key.current(now)));
            assert_eq!(found.map(|proof| proof.next_nonce), expected, "{name}");
        };
    let start = NOW / NonceKey::STEP * NonceKey::STEP;
    let nonce = || Some(json!(key.current(start)));
    let next = Some(key.current(start + NonceKey::STEP));
    check("none", None, start, Err(()));
    check("at once", nonce(), start, Ok(None));
    check("its last second", nonce(), start + 299, Ok(None));
    check("of before", nonce(), start + 300, Ok(next.clone()));
    check("the last second of before", nonce(), start + 599, Ok(next));
    check("gone", nonce(), start + 600, Err(()));
    check("before its time", nonce(), start - 1, Err(()));
    check("a stranger's", Some(json!("x")), start, Err(()));
    check("a number", Some(json!(1)), start, Err(()));
    check("a list", Some(json!([key.current(start)])), start, Err(()));
    check("empty", Some(json!("")), start, Err(()));
}
