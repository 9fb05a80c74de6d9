//! Signatures that the host verifies, and hosts that do it wrongly.

use std::cell::Cell;

use fhir_guard_harness::tokens::{Algorithm as Signer, Forgery};

use super::super::signature::ecdsa_der;
use super::*;

const WRONG: Denial = Denial::Token(TokenFault::Signature);

/// The algorithms that a host can have.
const ASKED: [Signer; 6] = [
    Signer::Rs256,
    Signer::Rs384,
    Signer::Rs512,
    Signer::Es256,
    Signer::Es384,
    Signer::Es512,
];

#[test]
fn r_and_s_become_numbers_in_der() {
    let check = |name: &str, r: &[u8], s: &[u8], expected: Option<&[u8]>| {
        let found = ecdsa_der(&[r, s].concat(), 4);
        assert_eq!(found.as_deref(), expected, "{name}");
    };
    let der = |r: &[u8], s: &[u8]| {
        let sizes = [r.len(), s.len(), r.len() + s.len() + 4].map(|size| size as u8);
        [&[0x30, sizes[2], 2, sizes[0]], r, &[2, sizes[1]], s].concat()
    };
    let (one, low, high) = ([0, 0, 0, 1], [0x7f, 1, 2, 3], [0x80, 0, 0, 0]);
    check("small", &one, &one, Some(&der(&[1], &[1])));
    check("full", &low, &low, Some(&der(&low, &low)));
    check(
        "a high bit",
        &high,
        &low,
        Some(&der(&[0, 0x80, 0, 0, 0], &low)),
    );
    check(
        "the other",
        &low,
        &high,
        Some(&der(&low, &[0, 0x80, 0, 0, 0])),
    );
    check(
        "zeros before a high bit",
        &[0, 0, 0xff, 0],
        &[0, 0x7f, 0, 0],
        Some(&der(&[0, 0xff, 0], &[0x7f, 0, 0])),
    );
    check("r is zero", &[0; 4], &one, None);
    check("s is zero", &one, &[0; 4], None);
    check("both are", &[0; 4], &[0; 4], None);
    check("a byte less", &[1; 4], &[1; 3], None);
    check("a byte more", &[1; 4], &[1; 5], None);
    check("half of it", &[1; 4], &[], None);
    check("nothing", &[], &[], None);
    // r and s of P-521 take a length of two bytes, even where they are short by one.
    for (first, length) in [(1, 132 + 4), (0, 132 + 2)] {
        let mut number = [0x55; 66];
        number[0] = first;
        let found = ecdsa_der(&number.repeat(2), 66).expect("a signature");
        assert_eq!(found[..3], [0x30, 0x81, length], "{first}");
        assert_eq!(found.len(), usize::from(length) + 3, "{first}");
    }
    let found = ecdsa_der(&[0xff; 132], 66).expect("a signature");
    assert_eq!(found[..6], [0x30, 0x81, 138, 2, 67, 0]);
}

#[test]
fn a_host_is_trusted_with_what_it_answered_rightly() {
    let all: Vec<&str> = ASKED.iter().map(|algorithm| algorithm.name()).collect();
    let check = |name: &str, answer: &dyn Fn(&HostCheck) -> Option<bool>, expected: &[&str]| {
        assert_eq!(answered(answer).names(), expected, "{name}");
    };
    check("right", &|check| Some(right(check)), &all);
    check(
        "silent where it is wrong",
        &|check| right(check).then_some(true),
        &all,
    );
    check("always yes", &|_| Some(true), &[]);
    check("always no", &|_| Some(false), &[]);
    check("silent", &|_| None, &[]);
    check("the contrary", &|check| Some(!right(check)), &[]);
    let only =
        |hash: &'static str| move |check: &HostCheck| Some(right(check) && check.hash == hash);
    check("sha256 alone", &only("sha256"), &["RS256", "ES256"]);
    check("sha512 alone", &only("sha512"), &["RS512", "ES512"]);
    let lax = |check: &HostCheck| Some(right(check) || check.hash == "sha384");
    check(
        "lax about sha384",
        &lax,
        &["RS256", "RS512", "ES256", "ES512"],
    );
    let short = |check: &HostCheck| (check.key.len() < 200).then(|| right(check));
    check("without RSA", &short, &["ES256", "ES384", "ES512"]);
    // One wrong answer is enough, whichever it is.
    let questions = known_answers().len();
    assert_eq!(questions, 24);
    for wrong in 0..questions {
        let asked = Cell::new(0);
        let found = answered(|check| {
            let number = asked.replace(asked.get() + 1);
            Some(right(check) != (number == wrong))
        });
        let mut expected = all.clone();
        expected.remove(wrong / 4);
        assert_eq!(found.names(), expected, "question {wrong}");
    }
}

#[test]
fn a_host_that_was_not_asked_everything_once_is_trusted_with_nothing() {
    let answers: Vec<_> = known_answers()
        .into_iter()
        .map(|question| {
            let answer = Some(right(question.check()));
            (question, answer)
        })
        .collect();
    assert_eq!(HostAlgorithms::of(&[]), HostAlgorithms::default());
    assert!(!HostAlgorithms::default().has(Algorithm::Rs256));
    for left_out in 0..4 {
        let mut fewer = answers.clone();
        fewer.remove(left_out);
        assert!(
            !HostAlgorithms::of(&fewer).has(Algorithm::Rs256),
            "{left_out}"
        );
        assert!(
            HostAlgorithms::of(&fewer).has(Algorithm::Es256),
            "{left_out}"
        );
    }
    let twice = [answers.clone(), answers].concat();
    assert_eq!(
        HostAlgorithms::of(&twice),
        HostAlgorithms::default(),
        "twice"
    );
}

#[test]
fn the_known_answers_are_those_of_our_own_code_too() {
    use jwt_simple::prelude::{
        ECDSAP256PublicKeyLike as _, ECDSAP384PublicKeyLike as _, ES256PublicKey, ES384PublicKey,
        RS256PublicKey, RS384PublicKey, RS512PublicKey, RSAPublicKeyLike,
    };
    use p256::ecdsa::signature::Verifier as _;
    fn rsa<K: RSAPublicKeyLike>(key: &K, check: &HostCheck) -> bool {
        let key =
            superboring::pkey::PKey::from_rsa(key.public_key().as_ref().clone()).expect("RSA");
        let mut verifier = superboring::sign::Verifier::new(K::hash(), &key).expect("a hash");
        verifier
            .set_rsa_padding(superboring::rsa::Padding::PKCS1)
            .expect("a padding");
        verifier.update(&check.text).expect("bytes");
        verifier.verify(&check.signature).unwrap_or(false)
    }
    let mut held = 0;
    for (number, question) in known_answers().iter().enumerate() {
        let check = question.check();
        let (text, signature) = (check.text.as_slice(), check.signature.as_slice());
        let found = match number / 4 {
            0 => rsa(&RS256PublicKey::from_der(&check.key).expect("a key"), check),
            1 => rsa(&RS384PublicKey::from_der(&check.key).expect("a key"), check),
            2 => rsa(&RS512PublicKey::from_der(&check.key).expect("a key"), check),
            3 => {
                let key = ES256PublicKey::from_der(&check.key).expect("a key");
                let signature = p256::ecdsa::Signature::from_der(signature).expect("DER");
                key.public_key().as_ref().verify(text, &signature).is_ok()
            }
            4 => {
                let key = ES384PublicKey::from_der(&check.key).expect("a key");
                let signature = p384::ecdsa::Signature::from_der(signature).expect("DER");
                key.public_key().as_ref().verify(text, &signature).is_ok()
            }
            _ => {
                // The point is the last of the key.
                let point = check.key.last_chunk::<133>().expect("a key");
                let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).expect("a point");
                let signature = p521::ecdsa::Signature::from_der(signature).expect("DER");
                key.verify(text, &signature).is_ok()
            }
        };
        assert_eq!(found, number % 4 == 0, "question {number}");
        held += usize::from(found);
    }
    assert_eq!(held, 6);
}

#[test]
fn a_token_holds_by_the_answer_of_the_host() {
    let issuer = issuer();
    for signer in Signer::ALL {
        let name = signer.name();
        let asked = ASKED.contains(&signer);
        let good = issuer.token(&good().algorithm(signer));
        let altered = issuer.token(
            &super::good()
                .algorithm(signer)
                .forged(Forgery::FlippedBit(99)),
        );
        let check = |what: &str, token: &str, answer: Option<bool>, expected: Option<Denial>| {
            let questions = Cell::new(0);
            let found = judged_with(token, policy(&issuer.jwks()), NOW, &HOST, |check| {
                questions.set(questions.get() + 1);
                assert!(token.as_bytes().starts_with(&check.text), "what was signed");
                answer
            });
            assert_eq!(found.err(), expected, "{name}, {what}");
            assert_eq!(questions.get(), usize::from(asked), "{name}, {what}");
        };
        // What it says is believed: that it knows was found out before.
        check("good, yes", &good, Some(true), None);
        check("good, no", &good, Some(false), asked.then_some(WRONG));
        check("altered, no", &altered, Some(false), Some(WRONG));
        let believed = (!asked).then_some(WRONG);
        check("altered, yes", &altered, Some(true), believed);
        // Without an answer our own code decides.
        check("good, no answer", &good, None, None);
        check("altered, no answer", &altered, None, Some(WRONG));
        let nobody = HostAlgorithms::default();
        let found = judged_with(&good, policy(&issuer.jwks()), NOW, &nobody, |_| {
            panic!("{name}: a host that is not trusted is asked")
        });
        assert_eq!(found.err(), None, "{name}, nobody to ask");
    }
}

#[test]
fn a_signature_that_can_be_none_is_not_asked_about() {
    let issuer = issuer();
    let check = |signer: Signer, bytes: Vec<u8>, asked: bool| {
        let name = format!("{}, {} bytes", signer.name(), bytes.len());
        let claims = good().algorithm(signer).forged(Forgery::Bytes(bytes));
        let questions = Cell::new(0);
        let token = issuer.token(&claims);
        let found = judged_with(&token, policy(&issuer.jwks()), NOW, &HOST, |check| {
            questions.set(questions.get() + 1);
            Some(right(check))
        });
        assert_eq!(found.err(), Some(WRONG), "{name}");
        assert_eq!(questions.get() > 0, asked, "{name}");
    };
    for signer in ASKED {
        let length = match signer {
            Signer::Es256 => 64,
            Signer::Es384 => 96,
            Signer::Es512 => 132,
            _ => 256,
        };
        check(signer, vec![1; length], true);
        for other in [1, length - 1, length + 1, length * 2] {
            check(signer, vec![1; other], false);
        }
        // In DER the same signature would be as good; in JWS it is none.
        check(signer, [&[0x30, 70][..], &[1; 70]].concat(), false);
        let zero = vec![0; length];
        let half = [vec![0; length / 2], vec![1; length / 2]].concat();
        let rsa = length == 256;
        check(signer, zero, rsa);
        check(signer, half, rsa);
    }
}

#[test]
fn nothing_is_asked_about_a_token_that_is_refused_anyway() {
    let issuer = issuer();
    for (name, claims) in [
        ("expired", good().expires_at(NOW - 1000)),
        (
            "another audience",
            good().audience("https://elsewhere.example"),
        ),
        ("another key", good().header("kid", "x".into())),
        ("another algorithm", good().header("alg", "RS256".into())),
        ("no subject", good().without("sub")),
    ] {
        let token = issuer.token(&claims);
        let found = judged_with(&token, policy(&issuer.jwks()), NOW, &HOST, |_| {
            panic!("{name}: the host is asked")
        });
        assert!(found.is_err(), "{name}");
    }
}
