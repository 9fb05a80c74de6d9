//! Key sets that somebody else wrote.

use fhir_guard_harness::tokens::Algorithm as Signer;
use serde_json::{Value, json};

use super::keys::key;
use super::*;

/// The `kid` of each key that a token can be verified with, of a fetched set; or what was expected.
fn usable(set: &Value, allowed: &[Algorithm], kids: &[&str]) -> Result<Vec<String>, &'static str> {
    let found = KeySet::read_fetched(set, allowed)?;
    let host = HostAlgorithms::default();
    let known = |kid: &&&str| {
        // Of no key of the set: only that there is one is asked.
        let verdict = found.verify(Algorithm::Es256, Some(kid), b"x", b"y", &host);
        !matches!(verdict, Verdict::NoKey)
    };
    let kids = kids.iter().filter(known);
    Ok(kids.map(|kid| (*kid).to_owned()).collect())
}

#[test]
fn of_a_fetched_set_the_keys_are_taken_that_can_be_used() {
    let good = key(Signer::Es256, json!({"kid": "good"}));
    let check = |name: &str, other: Value, taken: bool| {
        for keys in [json!([good, other]), json!([other, good])] {
            let found = usable(
                &json!({ "keys": keys }),
                &Algorithm::ALL,
                &["good", "other"],
            );
            let expected = if taken {
                vec!["good", "other"]
            } else {
                vec!["good"]
            };
            assert_eq!(
                found,
                Ok(expected.into_iter().map(str::to_owned).collect()),
                "{name}"
            );
        }
    };
    let other = |signer, changes: Value| {
        let mut changes = changes;
        changes["kid"] = json!("other");
        key(signer, changes)
    };
    check("another", other(Signer::Es384, json!({})), true);
    check("RSA", other(Signer::Rs256, json!({})), true);
    check(
        "without use",
        other(Signer::Es256, json!({"use": null})),
        true,
    );
    check(
        "members that nobody knows",
        other(Signer::Es256, json!({"x5c": ["x"], "x": null})),
        false,
    );
    check(
        "unknown members beside",
        other(Signer::Es256, json!({"x5c": ["x"], "nbf": 1})),
        true,
    );
    check(
        "for encryption",
        other(Signer::Rs256, json!({"use": "enc"})),
        false,
    );
    check(
        "for signing",
        other(Signer::Es256, json!({"key_ops": ["sign"]})),
        false,
    );
    check(
        "use is no text",
        other(Signer::Es256, json!({"use": 1})),
        false,
    );
    check(
        "an unknown type",
        other(Signer::Es256, json!({"kty": "AKP"})),
        false,
    );
    check(
        "an unknown curve",
        other(Signer::Es256, json!({"crv": "secp256k1"})),
        false,
    );
    check(
        "secret members",
        other(Signer::Es256, json!({"d": "AQAB"})),
        false,
    );
    check(
        "symmetric",
        json!({"kty": "oct", "kid": "other", "alg": "HS256", "k": "c2VjcmV0"}),
        false,
    );
    check(
        "a wrong alg",
        other(Signer::Es256, json!({"alg": "ES384"})),
        false,
    );
    check(
        "alg is no text",
        other(Signer::Es256, json!({"alg": 1})),
        false,
    );
    check(
        "RSA without alg, six fit",
        other(Signer::Rs256, json!({"alg": null})),
        false,
    );
    check(
        "RSA, too small",
        other(Signer::Rs256, json!({"n": "A".repeat(171)})),
        false,
    );
    check(
        "RSA, too large",
        other(Signer::Rs256, json!({"n": "_".repeat(700)})),
        false,
    );
    check(
        "RSA of megabytes",
        other(Signer::Rs256, json!({"n": "_".repeat(200_000)})),
        false,
    );
    check(
        "not on the curve",
        other(Signer::Es256, json!({"x": "A".repeat(43)})),
        false,
    );
    check(
        "coordinates too long",
        other(Signer::Es256, json!({"x": "_".repeat(100)})),
        false,
    );
    check("no object", json!("key"), false);
    check("nothing", json!(null), false);
    check("an object of nothing", json!({}), false);
    check(
        "an id of no text",
        key(Signer::Es384, json!({"kid": 1})),
        false,
    );
    check("an empty id", key(Signer::Es384, json!({"kid": ""})), false);
    check(
        "an id too long",
        key(Signer::Es384, json!({"kid": "x".repeat(257)})),
        false,
    );
}

#[test]
fn in_a_fetched_set_nobody_can_say_which_of_two_is_meant() {
    let set = |keys: &[Value]| usable(&json!({ "keys": keys }), &Algorithm::ALL, &["a", "b", "c"]);
    let named = |signer, kid: &str| key(signer, json!({ "kid": kid }));
    let of = |kids: &[&str]| Ok(kids.iter().map(|kid| (*kid).to_owned()).collect());
    let (a, b) = (named(Signer::Es256, "a"), named(Signer::Es256, "b"));
    assert_eq!(
        set(&[a.clone(), b.clone()]),
        of(&["a", "b"]),
        "one key, two names"
    );
    assert_eq!(
        set(&[a.clone(), b.clone(), a.clone()]),
        of(&["b"]),
        "the same key twice"
    );
    let twin = named(Signer::Es384, "a");
    assert_eq!(
        set(&[a.clone(), twin.clone(), b.clone()]),
        of(&["b"]),
        "another algorithm"
    );
    let thrice = [a.clone(), twin, b.clone(), a.clone()];
    assert_eq!(set(&thrice), of(&["b"]), "three of them");
    let closed = key(Signer::Es384, json!({"kid": "a", "use": "enc"}));
    assert_eq!(
        set(&[a.clone(), closed]),
        of(&["a"]),
        "the other is not for signatures"
    );
    assert!(set(&[a.clone(), a]).is_err(), "none is left");

    // Without an id it is the algorithm that names a key.
    let host = HostAlgorithms::default();
    let bare = |signer| key(signer, json!({"kid": null}));
    let check = |name: &str, keys: &[Value], expected: bool| {
        let found = KeySet::read_fetched(&json!({ "keys": keys }), &Algorithm::ALL);
        let known = found.is_ok_and(|found| {
            let verdict = found.verify(Algorithm::Es256, None, b"x", b"y", &host);
            !matches!(verdict, Verdict::NoKey)
        });
        assert_eq!(known, expected, "{name}");
    };
    check("alone", &[bare(Signer::Es256), bare(Signer::Es384)], true);
    check(
        "two without",
        &[
            bare(Signer::Es256),
            bare(Signer::Es256),
            bare(Signer::Es384),
        ],
        false,
    );
    check("one without, one with", &[bare(Signer::Es256), b], false);
}

#[test]
fn a_fetched_set_is_a_list_of_at_most_64_keys_with_one_that_fits() {
    let list = "a JWK set of at most 64 keys";
    let fit = "a JWK set with a public key for one of the issuer's algorithms";
    let check = |name: &str, set: &Value, allowed: &[Algorithm], expected: Option<&str>| {
        assert_eq!(KeySet::read_fetched(set, allowed).err(), expected, "{name}");
    };
    let all = &Algorithm::ALL;
    for value in [
        json!(null),
        json!([]),
        json!({}),
        json!({"keys": {}}),
        json!("keys"),
    ] {
        check("no set", &value, all, Some(list));
    }
    check("empty", &json!({"keys": []}), all, Some(fit));
    check(
        "of nothing",
        &json!({"keys": [null, 1, {}]}),
        all,
        Some(fit),
    );
    let of = |count: usize| {
        let keys: Vec<_> = (0..count)
            .map(|number| key(Signer::Es256, json!({ "kid": number.to_string() })))
            .collect();
        json!({ "keys": keys })
    };
    check("the most", &of(64), all, None);
    check("one more", &of(65), all, Some(list));
    let mut padded = of(1);
    padded["keys"]
        .as_array_mut()
        .expect("a list")
        .resize(65, json!(null));
    check("what is passed over counts", &padded, all, Some(list));
    let set = issuer().jwks();
    check("what the issuer may use", &set, &[Algorithm::Es256], None);
    let one = json!({"keys": [key(Signer::Es256, json!({}))]});
    check(
        "nothing that it may use",
        &one,
        &[Algorithm::Rs256],
        Some(fit),
    );

    // An RSA key without `alg`.
    let rsa = json!({"keys": [key(Signer::Rs256, json!({"alg": null}))]});
    check(
        "one algorithm fits",
        &rsa,
        &[Algorithm::Es256, Algorithm::Rs256],
        None,
    );
    check("another", &rsa, &[Algorithm::Ps512], None);
    check(
        "two fit",
        &rsa,
        &[Algorithm::Rs256, Algorithm::Ps256],
        Some(fit),
    );
    check("none fits", &rsa, &[Algorithm::Es256], Some(fit));
}
