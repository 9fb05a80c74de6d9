//! Form, algorithm, key and signature.

use fhir_guard_harness::tokens::{Algorithm as Signer, Forgery};
use serde_json::json;

use super::*;
use TokenFault::{Algorithm as WrongAlgorithm, Header, Key, Malformed, Signature, Size, Type};

#[test]
fn every_algorithm_is_taken_with_and_without_a_key_id() {
    for algorithm in Signer::ALL {
        let claims = good().algorithm(algorithm);
        check(algorithm.name(), &claims, None);
        check(algorithm.name(), &claims.without("kid"), None);
    }
}

#[test]
fn an_algorithm_is_that_of_the_key_and_of_the_policy() {
    for name in [
        "none", "None", "nOnE", "HS256", "ES256K", "es256", "RS1", "",
    ] {
        check(
            name,
            &good().header("alg", json!(name)),
            Some(WrongAlgorithm),
        );
    }
    let wrong = Some(WrongAlgorithm);
    check("unsigned", &good().forged(Forgery::Unsigned), wrong);
    for forgery in [Forgery::HmacOfPublicKeyDer, Forgery::HmacOfPublicKeyPem] {
        for algorithm in Signer::ALL {
            let claims = good().algorithm(algorithm).forged(forgery.clone());
            check("hmac under the public key", &claims, wrong);
            let claims = claims.header("alg", json!(algorithm.name()));
            check("hmac that says otherwise", &claims, Some(Signature));
        }
    }
    check("alg missing", &good().without("alg"), wrong);
    check("alg a list", &good().header("alg", json!(["ES256"])), wrong);
    for signer in Signer::ALL {
        for other in Signer::ALL.into_iter().filter(|other| *other != signer) {
            let name = format!("{} for {}", other.name(), signer.name());
            let signed = good().algorithm(signer).forged(Forgery::KeyOf(other));
            check(&name, &signed, Some(Signature));
            let said = good().algorithm(signer).header("alg", json!(other.name()));
            check(&format!("{name}, by its name"), &said, wrong);
        }
    }
    let issuer = issuer();
    let mut narrow = policy(&issuer.jwks());
    narrow.algorithms = vec![Algorithm::Es384];
    let found = judged(&issuer.token(&good()), narrow, NOW);
    assert_eq!(found.err(), wrong, "an algorithm that the policy lacks");
}

#[test]
fn a_signature_with_any_bit_turned_over_does_not_hold() {
    let signature = Some(Signature);
    for bit in 0..512 {
        let claims = good().forged(Forgery::FlippedBit(bit));
        check(&format!("bit {bit}"), &claims, signature);
    }
    for algorithm in Signer::ALL {
        for bit in [0, 7, 255, 256, 511] {
            let forged = good().algorithm(algorithm).forged(Forgery::FlippedBit(bit));
            check(algorithm.name(), &forged, signature);
        }
        for bytes in [
            vec![],
            vec![0],
            vec![0; 64],
            vec![0; 96],
            vec![0; 132],
            vec![0; 256],
            vec![0xff; 64],
        ] {
            let name = format!("{} of {} bytes", algorithm.name(), bytes.len());
            let forged = good().algorithm(algorithm).forged(Forgery::Bytes(bytes));
            // The forgery of no bytes is not the one that says `none`.
            check(&name, &forged, signature);
        }
        for length in [1, 31, 32, 63] {
            let forged = good()
                .algorithm(algorithm)
                .forged(Forgery::Truncated(length));
            check(algorithm.name(), &forged, signature);
        }
    }
    // The order of P-256, and zero, for r and s: the classic of 2022.
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = order
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).expect("ASCII"))
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        .collect();
    for (name, bytes) in [
        (
            "r and s are the order",
            [order.clone(), order.clone()].concat(),
        ),
        (
            "r is the order, s zero",
            [order.clone(), vec![0; 32]].concat(),
        ),
        ("r zero, s the order", [vec![0; 32], order].concat()),
    ] {
        check(name, &good().forged(Forgery::Bytes(bytes)), signature);
    }
}

#[test]
fn a_key_is_the_one_that_is_named() {
    let unknown = Some(Key);
    check(
        "unknown kid",
        &good().header("kid", json!("es256-1")),
        unknown,
    );
    check("empty kid", &good().header("kid", json!("")), unknown);
    check(
        "kid of other case",
        &good().header("kid", json!("ES256-0")),
        unknown,
    );
    check(
        "kid a path",
        &good().header("kid", json!("../../dev/null")),
        unknown,
    );
    for value in [json!(1), json!(null), json!(["es256-0"])] {
        check("kid no string", &good().header("kid", value), Some(Header));
    }
    let issuer = issuer();
    for (name, signer, expected) in [
        ("somebody with the same names", issuer.impostor(), Signature),
        ("keys that are not known yet", issuer.rotated(), Key),
    ] {
        let found = judged(&signer.token(&good()), policy(&issuer.jwks()), NOW);
        assert_eq!(found.err(), Some(expected), "{name}");
    }
    let mut second = issuer.rotated().jwks();
    let both = second["keys"].as_array_mut().expect("keys");
    both.extend(issuer.jwks()["keys"].as_array().expect("keys").clone());
    for (name, claims, expected) in [
        ("two keys, one named", good(), None),
        ("two keys, none named", good().without("kid"), Some(Key)),
    ] {
        let found = judged(&issuer.token(&claims), policy(&second), NOW);
        assert_eq!(found.err(), expected, "{name}");
    }
}

#[test]
fn a_token_does_not_choose_its_own_key_or_meaning() {
    for name in [
        "b64", "crit", "enc", "jku", "jwk", "salt", "x5c", "x5u", "zip",
    ] {
        for value in [
            json!(null),
            json!(false),
            json!([]),
            json!("https://evil.example"),
        ] {
            check(name, &good().header(name, value), Some(Header));
        }
    }
    for name in ["cty", "kid", "x5t", "x5t#S256"] {
        for value in [json!(null), json!(1), json!(["x"]), json!({})] {
            let name = format!("{name} {value}");
            check(
                &name,
                &good().header(name.split(' ').next().expect("a name"), value),
                Some(Header),
            );
        }
    }
    let own = issuer().impostor().jwk(Signer::Es256);
    check("its own key", &good().header("jwk", own), Some(Header));
}

#[test]
fn only_an_access_token_is_one() {
    for (value, expected) in [
        (json!("at+jwt"), None),
        (json!("AT+JWT"), None),
        (json!("application/at+jwt"), None),
        (json!("Application/At+Jwt"), None),
        (json!("JWT"), Some(Type)),
        (json!("dpop+jwt"), Some(Type)),
        (json!("logout+jwt"), Some(Type)),
        (json!(" at+jwt"), Some(Type)),
        (json!("application/application/at+jwt"), Some(Type)),
        (json!(""), Some(Type)),
        (json!(["at+jwt"]), Some(Type)),
    ] {
        check(
            &format!("typ {value}"),
            &good().header("typ", value),
            expected,
        );
    }
    check("typ missing", &good().without("typ"), Some(Type));
    // What an operator allows is taken, whatever a library would call a token.
    let issuer = issuer();
    let mut own = policy(&issuer.jwks());
    own.types = vec!["vnd.example.access".to_owned()];
    let named = issuer.token(&good().header("typ", json!("vnd.example.access")));
    assert_eq!(
        judged(&named, own.clone(), NOW).err(),
        None,
        "a type of one's own"
    );
    let found = judged(&issuer.token(&good()), own, NOW);
    assert_eq!(found.err(), Some(Type), "not that type");
    for name in ["at_hash", "c_hash", "nonce"] {
        check(name, &good().claim(name, json!("x")), Some(Type));
    }
}

#[test]
fn a_token_is_three_parts_of_strict_base64url_and_json() {
    let issuer = issuer();
    let token = issuer.token(&good());
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three parts")
    };
    for (name, text) in [
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{token}.")),
        ("five parts", format!("{header}.{payload}.{signature}.a.b")),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        ("a space", format!("{header}. {payload}.{signature}")),
        ("padding", format!("{header}.{payload}=.{signature}")),
        (
            "base64 of the other kind",
            format!("{header}.{payload}+/.{signature}"),
        ),
        ("not ASCII", format!("{header}.{payload}é.{signature}")),
    ] {
        let found = judged(&text, policy(&issuer.jwks()), NOW);
        assert_eq!(found.err(), Some(Malformed), "{name}");
    }
    let twice = br#"{"alg":"ES256","kid":"es256-0","typ":"at+jwt","alg":"ES256"}"#;
    let hidden = br#"{"alg":"ES256","kid":"es256-0","typ":"at+jwt","\u0061lg":"none"}"#;
    for bytes in [
        &twice[..],
        &hidden[..],
        b"[]",
        b"null",
        b"",
        b"{",
        b"{}{}",
        b"\xff",
        b"\xef\xbb\xbf{}",
    ] {
        let name = String::from_utf8_lossy(bytes);
        check(&name, &good().raw_header(bytes), Some(Malformed));
        check(&name, &good().raw_payload(bytes), Some(Malformed));
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let deep = judged(
        &issuer.token(&good().raw_payload(deep)),
        policy(&issuer.jwks()),
        NOW,
    );
    assert!(
        matches!(deep.err(), Some(Malformed | Size)),
        "nested deeply"
    );
    check(
        "nested past the bound",
        &good().raw_payload(format!("{}{}", "[".repeat(900), "]".repeat(900))),
        Some(Malformed),
    );
    // A stray bit in the last character says the same bytes in another text: two texts, one token.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let value = alphabet.find(last).expect("a letter of base64url");
    assert_eq!(value % 16, 0, "64 bytes leave four bits of the last letter");
    for stray in 1..16 {
        let letter = alphabet.chars().nth(value + stray).expect("a letter");
        let found = judged(&format!("{rest}{letter}"), policy(&issuer.jwks()), NOW);
        assert_eq!(found.err(), Some(Signature), "stray bits: {stray}");
    }
    for tail in ["=", "==", "A", "\n"] {
        let found = judged(&format!("{token}{tail}"), policy(&issuer.jwks()), NOW);
        assert_eq!(found.err(), Some(Signature), "a tail: {tail:?}");
    }
}

#[test]
fn the_longest_token_is_taken_and_the_next_is_not() {
    let issuer = issuer();
    let of_length = |length: usize| {
        let start = (length - 700) * 3 / 4;
        (start..start + 700)
            .map(|pad| good().claim("pad", json!("x".repeat(pad))))
            .map(|claims| issuer.token(&claims))
            .find(|token| token.len() == length)
            .expect("a token of this length")
    };
    for (length, expected) in [(MAX_TOKEN, None), (MAX_TOKEN + 1, Some(Size))] {
        let found = judged(&of_length(length), policy(&issuer.jwks()), NOW);
        assert_eq!(found.err(), expected, "{length}");
    }
    let huge = "a".repeat(1 << 20);
    assert_eq!(judged(&huge, policy(&issuer.jwks()), NOW).err(), Some(Size));
}
