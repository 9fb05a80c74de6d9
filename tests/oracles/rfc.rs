//! The worked examples of RFC 7515, 7638, 8037, 8705 and 9449, and of SMART App Launch.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fhir_guard::identity::{
    Algorithm, DpopPolicy, DpopProof, HostAlgorithms, KeySet, Presented, ProofVerification,
    thumbprint,
};
use fhir_guard::request::BaseUrl;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::account::{Account, Decision, Suite};
use crate::signatures::{Jws, altered, decided, hex, public, set};
use crate::tokens::{Mint, NOW, judged, usable};
use crate::vectors::{Vectors, list, text};

const MAC: &str = "it is signed with a MAC, which the filter does not have";
const NO_KEY: &str = "its key is not published with it";

pub fn examples(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "RFC 7515, 7638, 8037, 8705, 9449 and SMART App Launch, examples",
        rules: &[(MAC, 6), (NO_KEY, 2)],
        corrections: &[],
        accepted: 17,
        refused: 9694,
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
    key_thumbprint(&mut account, "RFC 7638, 3.1", &table["rfc7638_section_3_1"]);
    key_thumbprint(&mut account, "RFC 8037, A.3", example);
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

/// The thumbprint of a key, and none of a key that lacks what it is made of.
fn key_thumbprint(account: &mut Account, id: &str, example: &Value) {
    let key = &example["jwk"];
    let found = thumbprint(key).map(|found| URL_SAFE_NO_PAD.encode(found));
    let stated = Some(text(example, "thumbprint"));
    let found = Decision::accept_if(found.as_deref() == stated);
    account.judge(id, Decision::Accept, found);
    for name in ["kty", "crv", "x", "n", "e"] {
        let mut key = key.clone();
        if key.as_object_mut().expect(id).remove(name).is_some() {
            let found = Decision::accept_if(thumbprint(&key).is_some());
            account.judge(&format!("{id}, without {name}"), Decision::Refuse, found);
        }
    }
}

/// RFC 9449: the proof for a resource holds for its request, its token and its moment, and for no
/// others; those for the token endpoint have no hash of a token, and open nothing. No proof is a token.
fn dpop(account: &mut Account, table: &Value) {
    let token = text(table, "access_token");
    for (index, example) in list(table, "proofs").iter().enumerate() {
        let id = format!("RFC 9449, proof {index}");
        let (compact, key) = (text(example, "proof"), &example["header"]["jwk"]);
        signed(account, &id, compact, key);
        let found = judged(compact, &usable(std::slice::from_ref(key)), NOW).is_ok();
        let found = Decision::accept_if(found);
        account.judge(&format!("{id}, as a token"), Decision::Refuse, found);
        let request = Use::of(example, token);
        let opens = example["claims"].get("ath").is_some();
        let expected = Decision::accept_if(opens);
        account.judge(&format!("{id}, used"), expected, request.found(compact));
        if opens {
            for (what, other) in request.others() {
                let id = format!("{id}, used with {what}");
                account.judge(&id, Decision::Refuse, other.found(compact));
            }
        }
    }
    let found = URL_SAFE_NO_PAD.encode(Sha256::digest(token)) == text(table, "ath");
    let id = "RFC 9449, the hash of the token";
    account.judge(id, Decision::Accept, Decision::accept_if(found));
    let bound = text(&table["jkt_bound_claims"]["cnf"], "jkt");
    let key = &list(table, "proofs")[0]["header"]["jwk"];
    let found = thumbprint(key).map(|found| URL_SAFE_NO_PAD.encode(found));
    let found = Decision::accept_if(found.as_deref() == Some(bound));
    account.judge("RFC 9449, the key of the token", Decision::Accept, found);
}

/// A request with a proof.
#[derive(Clone)]
struct Use {
    method: String,
    base: String,
    path: String,
    token: String,
    key: Vec<u8>,
    now: u64,
}

impl Use {
    /// The request that a proof was made for, by somebody with this token.
    fn of(example: &Value, token: &str) -> Use {
        let claims = &example["claims"];
        let uri = text(claims, "htu");
        let (base, path) = uri.rsplit_once('/').expect("a path");
        Use {
            method: text(claims, "htm").to_owned(),
            base: base.to_owned(),
            path: format!("/{path}"),
            token: token.to_owned(),
            key: URL_SAFE_NO_PAD
                .decode(text(example, "jkt"))
                .expect("a thumbprint"),
            now: claims["iat"].as_u64().expect("a time"),
        }
    }

    /// Everything that is another request, each named by what is different.
    fn others(&self) -> Vec<(&'static str, Use)> {
        let mut others = Vec::new();
        let mut add = |what, edit: &dyn Fn(&mut Use)| {
            let mut other = self.clone();
            edit(&mut other);
            others.push((what, other));
        };
        add("another method", &|request| {
            request.method = "POST".to_owned()
        });
        add("another path", &|request| request.path += "/1");
        add("another host", &|request| {
            request.base = "https://evil.example".to_owned()
        });
        add("another scheme", &|request| {
            request.base = request.base.replace("https", "http")
        });
        add("a time before", &|request| request.now -= 6);
        add("a time after", &|request| request.now += 66);
        let tokens = altered(self.token.as_bytes()).into_iter();
        for token in tokens.filter_map(|token| String::from_utf8(token).ok()) {
            add("another token", &|request| request.token.clone_from(&token));
        }
        for key in altered(&self.key).into_iter().filter(|key| key.len() == 32) {
            add("another key", &|request| request.key.clone_from(&key));
        }
        others
    }

    fn found(&self, compact: &str) -> Decision {
        let policy = DpopPolicy {
            algorithms: Algorithm::ALL.to_vec(),
            window: 60,
            clock_skew: 5,
            nonces: None,
            quarantine: None,
        };
        let presented = Presented {
            method: &self.method,
            base: &BaseUrl::parse(&self.base).expect("a base"),
            path: &self.path,
            token: &self.token,
            key: self.key.as_slice().try_into().expect("32 bytes"),
        };
        let host = HostAlgorithms::default();
        let proof = DpopProof::verify(compact, &presented, &policy, self.now, &host);
        let proof = proof.and_then(ProofVerification::unaided);
        Decision::accept_if(proof.is_ok())
    }
}
