//! Key sets, and what is wrong with them.

use fhir_guard_harness::tokens::Algorithm as Signer;
use serde_json::{Value, json};

use super::*;

const SECRET: &str =
    "expected a public key: this one has secret members, and must be considered disclosed";
const KIND: &str = "expected `kty` EC with `crv` P-256, P-384 or P-521, OKP with Ed25519, or RSA";
const UNFIT: &str =
    "expected `alg` to fit the type of key and to be among the issuer's `algorithms`";
const FOREIGN: &str = "expected a key for one of the issuer's `algorithms`";
const CHOICE: &str =
    "expected `alg`, because the issuer allows more than one algorithm for this type of key";
const TWICE: &str = "expected a `kid` that no other key of the set has";
const KEY_OPS: &str = "expected `key_ops` to hold `verify` and nothing else";
const KID: &str = "expected `kid` to be a string of 1 to 256 bytes";

fn unusable(name: &str) -> String {
    format!(
        "expected a usable {name} key: its parameters are missing, of the wrong size, or not on the curve"
    )
}

/// The key of an algorithm with some members changed; null takes a member out.
pub(super) fn key(algorithm: Signer, changes: Value) -> Value {
    let mut key = issuer().jwk(algorithm);
    let members = key.as_object_mut().expect("a key");
    for (name, value) in changes.as_object().expect("changes") {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    key
}

fn check_set(name: &str, set: &Value, allowed: &[Algorithm], expected: &[(&str, &str)]) {
    let found = KeySet::read(set, allowed).err().unwrap_or_default();
    let found: Vec<_> = found
        .iter()
        .map(|mistake| (mistake.pointer.as_str(), mistake.message.as_str()))
        .collect();
    assert_eq!(found, expected, "{name}");
}

fn check(name: &str, key: Value, expected: Option<&str>) {
    let expected: Vec<_> = expected
        .map(|message| ("/keys/0", message))
        .into_iter()
        .collect();
    check_set(name, &json!({ "keys": [key] }), &Algorithm::ALL, &expected);
}

#[test]
fn a_set_is_a_list_of_one_to_64_keys() {
    let set = "expected a JWK set: an object with a list `keys`";
    for value in [
        json!(null),
        json!([]),
        json!({}),
        json!({"keys": {}}),
        json!("keys"),
    ] {
        check_set("no set", &value, &Algorithm::ALL, &[("", set)]);
    }
    let of = |count: usize| {
        let keys: Vec<_> = (0..count)
            .map(|number| key(Signer::Es256, json!({ "kid": number.to_string() })))
            .collect();
        json!({ "keys": keys })
    };
    let none = [("/keys", "expected 1 to 64 keys, found 0")];
    let many = [("/keys", "expected 1 to 64 keys, found 65")];
    check_set("none", &of(0), &Algorithm::ALL, &none);
    check_set("one", &of(1), &Algorithm::ALL, &[]);
    check_set("the most", &of(64), &Algorithm::ALL, &[]);
    check_set("one more", &of(65), &Algorithm::ALL, &many);
    check_set("every kind", &issuer().jwks(), &Algorithm::ALL, &[]);
}

#[test]
fn a_key_is_public_and_for_signatures() {
    check("no object", json!("key"), Some("expected an object"));
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        check(
            name,
            key(Signer::Rs256, json!({ name: "AQAB" })),
            Some(SECRET),
        );
    }
    let secret = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0"});
    check("symmetric", secret, Some(SECRET));
    for value in [json!("enc"), json!(""), json!(1), json!(["sig"])] {
        let bad = key(Signer::Es256, json!({ "use": value }));
        check("use", bad, Some("expected `use` to be `sig`"));
    }
    check(
        "without use",
        key(Signer::Es256, json!({"use": null})),
        None,
    );
    for (value, expected) in [
        (json!(["verify"]), None),
        (json!(["sign", "verify"]), Some(KEY_OPS)),
        (json!(["verify", "verify"]), Some(KEY_OPS)),
        (json!(["sign"]), Some(KEY_OPS)),
        (json!([]), Some(KEY_OPS)),
        (json!("verify"), Some(KEY_OPS)),
    ] {
        check(
            "key_ops",
            key(Signer::Es256, json!({ "key_ops": value })),
            expected,
        );
    }
    for (value, expected) in [
        (json!("x".repeat(256)), None),
        (json!("x".repeat(257)), Some(KID)),
        (json!(""), Some(KID)),
        (json!(1), Some(KID)),
    ] {
        check("kid", key(Signer::Es256, json!({ "kid": value })), expected);
    }
    check(
        "without kid",
        key(Signer::Es256, json!({"kid": null})),
        None,
    );
}

#[test]
fn a_key_has_one_algorithm() {
    for (name, changes) in [
        ("another curve", json!({"crv": "P-224"})),
        ("the curve of Bitcoin", json!({"crv": "secp256k1"})),
        ("no curve", json!({"crv": null})),
        ("no type", json!({"kty": null})),
        ("another type", json!({"kty": "ec"})),
    ] {
        check(name, key(Signer::Es256, changes), Some(KIND));
    }
    check(
        "X25519",
        key(Signer::EdDsa, json!({"crv": "X25519"})),
        Some(KIND),
    );
    check(
        "RSA on a curve",
        key(Signer::Rs256, json!({"crv": "P-256"})),
        Some(KIND),
    );
    for (curve, alg) in [("P-521", "ES256"), ("P-256", "ES512"), ("P-384", "ES512")] {
        let changes = json!({ "crv": curve, "alg": alg });
        check(
            "alg of another curve",
            key(Signer::Es512, changes),
            Some(UNFIT),
        );
    }
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        let changes = json!({ "alg": alg });
        check(alg, key(Signer::Rs256, changes.clone()), None);
        check(alg, key(Signer::Es256, changes), Some(UNFIT));
    }
    for alg in [
        json!("ES384"),
        json!("HS256"),
        json!("none"),
        json!(1),
        json!("rs256"),
    ] {
        check(
            "alg",
            key(Signer::Es256, json!({ "alg": alg })),
            Some(UNFIT),
        );
        check(
            "alg",
            key(Signer::Rs256, json!({ "alg": alg })),
            Some(UNFIT),
        );
    }
    check(
        "alg follows from the curve",
        key(Signer::Es384, json!({"alg": null})),
        None,
    );
    check(
        "RSA leaves a choice",
        key(Signer::Rs256, json!({"alg": null})),
        Some(CHOICE),
    );
    let one = |algorithm, changes| json!({ "keys": [key(algorithm, changes)] });
    let (rs256, es256) = ([Algorithm::Rs256], [Algorithm::Es256]);
    check_set(
        "no choice left",
        &one(Signer::Rs256, json!({"alg": null})),
        &rs256,
        &[],
    );
    let rsa = [Algorithm::Rs512, Algorithm::Es256];
    let silent = one(Signer::Rs256, json!({"alg": null}));
    check_set("the only one of RSA", &silent, &rsa, &[]);
    let rsa = [Algorithm::Rs512, Algorithm::Ps512];
    check_set("two of RSA", &silent, &rsa, &[("/keys/0", CHOICE)]);
    check_set(
        "not allowed",
        &one(Signer::Es384, json!({})),
        &es256,
        &[("/keys/0", FOREIGN)],
    );
    let silent = one(Signer::Es384, json!({"alg": null}));
    check_set(
        "not allowed, unsaid",
        &silent,
        &es256,
        &[("/keys/0", UNFIT)],
    );
}

#[test]
fn a_key_can_verify() {
    let zero = |length| json!({ "x": base64url(&vec![0; length]) });
    check(
        "not on the curve",
        key(Signer::Es256, zero(32)),
        Some(&unusable("ES256")),
    );
    check(
        "too short",
        key(Signer::Es256, zero(31)),
        Some(&unusable("ES256")),
    );
    check(
        "too long",
        key(Signer::Es384, zero(49)),
        Some(&unusable("ES384")),
    );
    check(
        "no y",
        key(Signer::Es256, json!({"y": null})),
        Some(&unusable("ES256")),
    );
    check(
        "x a number",
        key(Signer::Es256, json!({"x": 1})),
        Some(&unusable("ES256")),
    );
    check(
        "short Ed25519",
        key(Signer::EdDsa, zero(31)),
        Some(&unusable("EdDSA")),
    );
    check(
        "no modulus",
        key(Signer::Rs256, json!({"n": null})),
        Some(&unusable("RS256")),
    );
    check(
        "no exponent",
        key(Signer::Ps256, json!({"e": null})),
        Some(&unusable("PS256")),
    );
    // Of P-521 both coordinates have all 66 bytes, and are those of a point.
    let of = |first: u8, length: usize| {
        let mut bytes = vec![0x55; length];
        bytes[0] = first;
        json!(base64url(&bytes))
    };
    for name in ["x", "y"] {
        for value in [
            of(0, 66),
            of(1, 66),
            of(2, 66),
            of(0xff, 66),
            of(1, 65),
            of(1, 67),
            json!(""),
            json!(1),
            json!(null),
            json!(base64url(&[1; 66]) + "="),
        ] {
            check(
                "P-521",
                key(Signer::Es512, json!({ name: value })),
                Some(&unusable("ES512")),
            );
        }
    }
    let mut modulus = vec![0xff; 128];
    modulus[127] = 0xfd;
    let short = json!({ "n": base64url(&modulus) });
    check(
        "1024 bits",
        key(Signer::Rs256, short),
        Some(&unusable("RS256")),
    );
}

#[test]
fn every_mistake_of_a_set_is_told_at_its_place() {
    let nameless = |algorithm| key(algorithm, json!({"kid": null}));
    let set = json!({"keys": [
        key(Signer::Es256, json!({"kid": "one"})),
        key(Signer::Es384, json!({"kid": "one"})),
        key(Signer::EdDsa, json!({"d": "x"})),
        nameless(Signer::Es256),
        nameless(Signer::Es384),
        nameless(Signer::Es256),
        7,
    ]});
    let expected = [
        ("/keys/1", TWICE),
        ("/keys/2", SECRET),
        ("/keys/5", TWICE),
        ("/keys/6", "expected an object"),
    ];
    check_set("many", &set, &Algorithm::ALL, &expected);
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
