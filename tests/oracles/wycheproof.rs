//! Wycheproof: JWS and JWK, and raw signatures of the algorithms that tokens may have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard::identity::Algorithm;
use serde_json::{Value, json};

use crate::account::{Account, Decision, Suite};
use crate::signatures::{Jws, hex, holds, set};
use crate::tokens::malformed;
use crate::vectors::{Vectors, list, text};

const MAC: &str = "its key is symmetric: the filter has no MACs";
const OTHER_SIZE: &str =
    "signed with PS384, its key says PS256 (RFC 7517 section 4.4, RFC 8725 section 3.1)";

/// The payloads of valid rows are no JSON objects: as tokens all rows would be refused.
pub fn jws_and_jwk(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "Wycheproof, JWS and JWK",
        rules: &[(MAC, 26)],
        corrections: &[("JWS 346", OTHER_SIZE), ("JWS 350", OTHER_SIZE)],
        accepted: 15,
        refused: 170,
    });
    for (name, file) in [
        ("JWS", "wycheproof/json_web_signature_test.json"),
        ("JWK", "wycheproof/json_web_key_test.json"),
    ] {
        let table = vectors.json(file);
        for group in list(&table, "testGroups") {
            for row in list(group, "tests") {
                let id = format!("{name} {}", row["tcId"]);
                match jws_rule(group) {
                    Some(rule) => account.leave(rule),
                    None => account.judge(&id, result(row), jws(group, row)),
                }
            }
        }
    }
    account.close();
}

pub fn ecdsa(vectors: &Vectors) {
    let account = Account::new(Suite {
        title: "Wycheproof, ECDSA on P-256 (r and s side by side)",
        rules: &[],
        corrections: &[],
        accepted: 173,
        refused: 89,
    });
    let table = vectors.json("wycheproof/raw/ecdsa_secp256r1_sha256_p1363_test.json");
    raw(account, &table, Algorithm::Es256, |group| {
        let coordinate = |name| {
            let bytes = hex(text(&group["publicKey"], name));
            // Written as a number: with a zero in front where that needs a sign, without those it has.
            let digits = bytes.iter().skip_while(|byte| **byte == 0);
            let digits: Vec<u8> = digits.copied().collect();
            let mut padded = vec![0; 32 - digits.len()];
            padded.extend(digits);
            URL_SAFE_NO_PAD.encode(padded)
        };
        json!({"kty": "EC", "crv": "P-256", "x": coordinate("wx"), "y": coordinate("wy")})
    });
}

pub fn rsa_pkcs1(vectors: &Vectors) {
    let account = Account::new(Suite {
        title: "Wycheproof, RSA PKCS #1 v1.5 with 2048 bits",
        rules: &[(EXPONENT, 2), (ACCEPTABLE, 1)],
        corrections: &[],
        accepted: 7,
        refused: 249,
    });
    let table = vectors.json("wycheproof/raw/rsa_signature_2048_sha256_test.json");
    raw(account, &table, Algorithm::Rs256, |group| {
        group["keyJwk"].clone()
    });
}

pub fn rsa_pss(vectors: &Vectors) {
    let account = Account::new(Suite {
        title: "Wycheproof, RSA PSS with 2048 bits and a salt of 32 bytes",
        rules: &[],
        corrections: &[],
        accepted: 63,
        refused: 45,
    });
    let table = vectors.json("wycheproof/raw/rsa_pss_2048_sha256_mgf1_32_test.json");
    raw(account, &table, Algorithm::Ps256, |group| {
        group["publicKeyJwk"].clone()
    });
}

const EXPONENT: &str =
    "its key has the exponent 3: the filter takes 65537 only (FIPS 186-5 asks for more than 65536)";
const ACCEPTABLE: &str = "the suite leaves it to the implementation";

fn raw(mut account: Account, table: &Value, algorithm: Algorithm, key: impl Fn(&Value) -> Value) {
    for group in list(table, "testGroups") {
        let key = key(group);
        let keys = set(&key);
        for row in list(group, "tests") {
            if key["e"] == "Aw" {
                account.leave(EXPONENT);
            } else if row["result"] == "acceptable" {
                account.leave(ACCEPTABLE);
            } else {
                let (signed, signature) = (hex(text(row, "msg")), hex(text(row, "sig")));
                let found = holds(&keys, algorithm, None, &signed, &signature);
                let id = format!("tcId {}", row["tcId"]);
                account.judge(&id, result(row), Decision::accept_if(found));
            }
        }
    }
    account.close();
}

/// Why a row does not apply.
fn jws_rule(group: &Value) -> Option<&'static str> {
    let private = group["private"]["keys"][0].as_object();
    let private = private.or(group["private"].as_object()).expect("a key");
    (private["kty"] == "oct").then_some(MAC)
}

/// What the filter decides. What has not the compact form goes to its reader of tokens.
fn jws(group: &Value, row: &Value) -> Decision {
    let (keys, compact) = (keys(group), text(row, "jws"));
    let found = match Jws::read(compact) {
        Some(jws) => jws.holds(&keys),
        None => !malformed(compact),
    };
    Decision::accept_if(found)
}

fn keys(group: &Value) -> Value {
    let public = &group["public"];
    if public["keys"].is_array() {
        public.clone()
    } else {
        set(public)
    }
}

fn result(row: &Value) -> Decision {
    match text(row, "result") {
        "valid" => Decision::Accept,
        "invalid" => Decision::Refuse,
        other => panic!("a result of another kind: {other}"),
    }
}
