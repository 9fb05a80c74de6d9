//! The worked examples of RFC 7515, 7638, 8037, 8705 and 9449, and of SMART App Launch.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fhir_guard::identity::{Algorithm, KeySet};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::account::{Account, Decision, Suite};
use crate::signatures::{Jws, altered, decided, hex, public, set};
use crate::tokens::{Mint, NOW, judged, usable};
use crate::vectors::{Vectors, list, text};

const MAC: &str = "it is signed with a MAC, which the filter does not have";
const NO_KEY: &str = "its key is not published with it";
const DPOP: &str = "it takes DPoP or the thumbprint of a key, which the filter does not have";

pub fn examples(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "RFC 7515, 7638, 8037, 8705, 9449 and SMART App Launch, examples",
        rules: &[(MAC, 6), (NO_KEY, 2), (DPOP, 7)],
        corrections: &[],
        accepted: 12,
        refused: 9080,
    });
    let table = vectors.json("rfc/rfc_vectors.json");
    for example in list(&table, "rfc7515_appendix_a") {
        let id = format!("RFC 7515, {}", text(example, "section"));
        let key = list(example, "keys").first().unwrap_or(&Value::Null);
        for compact in list(example, "jws") {
            signed(&mut account, &id, compact.as_str().expect("a JWS"), key);
        }
    }
    let example = &table["rfc8037_appendix_a"];
    signed(
        &mut account,
        "RFC 8037, A.4",
        text(example, "jws"),
        &example["jwk"],
    );
    account.leave(DPOP); // RFC 7638 section 3.1: the thumbprint of a key.
    account.leave(DPOP); // RFC 8037, A.3: the thumbprint of a key.
    certificate(&mut account, vectors, &table);
    dpop(&mut account, &table["rfc9449"]);
    let table = vectors.json("rfc/smart_ig_tokens.json");
    for (index, example) in list(&table, "tokens").iter().enumerate() {
        let id = format!("SMART App Launch, {index} of {}", text(example, "file"));
        let key = example["verifies_with"].as_u64();
        let key = key.map_or(Value::Null, |at| table["keys"][at as usize]["jwk"].clone());
        signed(&mut account, &id, text(example, "token"), &key);
    }
    account.close();
}

/// An example of a signature, as it stands, and altered by a bit and shortened. An unsecured one
/// is refused; a key that is published with its secret is, too.
fn signed(account: &mut Account, id: &str, compact: &str, key: &Value) {
    let jws = Jws::read(compact).expect(id);
    let algorithm = Algorithm::parse(&jws.algorithm);
    match (&*jws.algorithm, algorithm) {
        ("none", _) => {
            let found = Decision::accept_if(jws.holds(&set(key)));
            return account.judge(id, Decision::Refuse, found);
        }
        (name, _) if name.starts_with("HS") => return account.leave(MAC),
        _ if key.is_null() => return account.leave(NO_KEY),
        _ => {}
    }
    let keys = set(&public(key));
    account.judge(id, Decision::Accept, Decision::accept_if(jws.holds(&keys)));
    if public(key) != *key {
        let found = Decision::accept_if(jws.holds(&set(key)));
        account.judge(&format!("{id}, with its secret"), Decision::Refuse, found);
    }
    let algorithm = algorithm.expect(id);
    let keys = KeySet::read(&keys, &[algorithm]).expect(id);
    // P-384 takes its time: every sixteenth is enough of it.
    let step = if algorithm == Algorithm::Es384 { 16 } else { 1 };
    for signature in altered(&jws.signature).into_iter().step_by(step) {
        let id_of_key = jws.key_id.as_deref();
        let found = decided(&keys, algorithm, id_of_key, &jws.signed, &signature);
        let found = Decision::accept_if(found);
        account.judge(&format!("{id}, altered"), Decision::Refuse, found);
    }
}

/// RFC 8705: the thumbprint of appendix A binds a token to that certificate and to no other.
fn certificate(account: &mut Account, vectors: &Vectors, table: &Value) {
    let example = &table["rfc8705_appendix_a"];
    let thumbprint = text(example, "x5t_S256");
    let pem: String = text(example, "certificate_pem")
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let der = STANDARD.decode(pem).expect("PEM");
    let digest = Sha256::digest(der);
    let stated = hex(text(example, "sha256_hex"));
    assert_eq!(digest.as_slice(), stated, "the vector's own digest");
    let other = text(&table["rfc8705_section_3_1_payload"]["cnf"], "x5t#S256");
    let mint = Mint::new(vectors);
    // Whether a token with this confirmation opens for the certificate.
    let bound = |confirmed: &str| {
        let claims = json!({"cnf": {"x5t#S256": confirmed}});
        mint.caller(&claims, Some(text(example, "sha256_hex")))
            .is_ok()
    };
    for (id, confirmed, expected) in [
        ("RFC 8705, A", thumbprint, Decision::Accept),
        (
            "RFC 8705, 3.1 with the certificate of A",
            other,
            Decision::Refuse,
        ),
    ] {
        let found = Decision::accept_if(bound(confirmed));
        account.judge(id, expected, found);
    }
    for altered in altered(&URL_SAFE_NO_PAD.decode(thumbprint).expect("a thumbprint")) {
        let confirmed = URL_SAFE_NO_PAD.encode(altered);
        let found = Decision::accept_if(bound(&confirmed));
        account.judge("RFC 8705, A, altered", Decision::Refuse, found);
    }
    let key = KeySet::read(&set(&example["jwk"]), &Algorithm::ALL);
    account.judge(
        "RFC 8705, A, key",
        Decision::Accept,
        Decision::accept_if(key.is_ok()),
    );
}

/// RFC 9449: the signatures of the proofs hold under the keys they carry; none of them is a token.
fn dpop(account: &mut Account, table: &Value) {
    for (index, proof) in list(table, "proofs").iter().enumerate() {
        let id = format!("RFC 9449, proof {index}");
        let (compact, key) = (text(proof, "proof"), &proof["header"]["jwk"]);
        signed(account, &id, compact, key);
        let found = judged(compact, &usable(std::slice::from_ref(key)), NOW).is_ok();
        let found = Decision::accept_if(found);
        account.judge(&format!("{id}, as a token"), Decision::Refuse, found);
        account.leave(DPOP); // What the proof says: method, URL, time, hash of the token.
    }
    account.leave(DPOP); // The hash of an access token.
    account.leave(DPOP); // A token that is bound to a key.
}
