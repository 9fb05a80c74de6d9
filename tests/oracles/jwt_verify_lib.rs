//! jwt_verify_lib, the library below Envoy's own JWT filter: key sets, signatures, tokens.

use fhir_guard::denial::{Denial, TokenFault};
use fhir_guard::identity::{Algorithm, KeySet, MAX_TOKEN};
use serde_json::Value;

use crate::account::{Account, Decision, Suite};
use crate::signatures::{Jws, altered, decided, set};
use crate::tokens::{claims, judged, usable};
use crate::vectors::{Vectors, list, text};

const CASES: &str = "jwt_verify_lib/jwt_verify_lib_cases.json";

const OTHER_KIND: &str = "it is of another kind, which has an account of its own";
const NO_SET: &str = "its keys are no JWK set but PEM or X.509, which the filter does not read";
const MAC: &str = "its key is symmetric: the filter has no MACs";
const OTHER_ALGORITHM: &str = "it is signed with an algorithm that the filter does not have";
const SHORT: &str = "its key lacks a byte of y, and is refused as a key: row 35 of the key sets";
const NAMELESS: &str = "it names its key, and no key has a name: the filter asks for the name";
const LONG: &str = "it is longer than the 8 KiB that the filter takes";
const CLAIMS: &str =
    "its claims are at fault, and lack what RFC 9068 asks for besides: a refusal would say nothing";

/// Key sets that are taken or not.
pub fn keys(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "jwt_verify_lib, key sets",
        rules: &[(OTHER_KIND, 49), (NO_SET, 4), (MAC, 3)],
        corrections: &[
            ("2", "x is no point of the curve (RFC 8032 section 5.1.3)"),
            ("35", "y lacks a byte (RFC 7518 section 6.2.1.3)"),
            (
                "40",
                "a key on a curve must say which one (RFC 7518 section 6.2.1.1)",
            ),
            (
                "45",
                "keys on curves must say which one (RFC 7518 section 6.2.1.1)",
            ),
        ],
        accepted: 2,
        refused: 26,
    });
    for row in list(&vectors.json(CASES), "cases") {
        let id = row["id"].to_string();
        let Some(keys) = row["jwks"].as_str().filter(|_| row["jwks_type"] == "JWKS") else {
            account.leave(if row["kind"] == "jwks_parse" {
                NO_SET
            } else {
                OTHER_KIND
            });
            continue;
        };
        if row["kind"] != "jwks_parse" {
            account.leave(OTHER_KIND);
        } else if keys.contains("\"oct\"") {
            account.leave(MAC);
        } else {
            let keys = serde_json::from_str(keys).ok();
            let found = keys.map(|keys: Value| KeySet::read(&keys, &Algorithm::ALL));
            let found = Decision::accept_if(matches!(found, Some(Ok(_))));
            account.judge(&id, accept(row), found);
        }
    }
    account.close();
}

/// Signatures: each row, and where the table says so every signature that is altered by a bit or
/// cut short.
pub fn signatures(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "jwt_verify_lib, signatures",
        rules: &[
            (OTHER_KIND, 62),
            (NO_SET, 5),
            (OTHER_ALGORITHM, 5),
            (SHORT, 1),
            (NAMELESS, 1),
        ],
        corrections: &[],
        accepted: 9,
        refused: 7489,
    });
    for row in list(&vectors.json(CASES), "cases") {
        let id = row["id"].to_string();
        if row["kind"] != "verify" {
            account.leave(OTHER_KIND);
            continue;
        }
        let Some(jws) = row["jwt"].as_str().and_then(Jws::read) else {
            account.leave(NO_SET);
            continue;
        };
        if row["jwks_type"] != "JWKS" || text(row, "jwks").contains("CERTIFICATE") {
            account.leave(NO_SET);
            continue;
        }
        let Some(algorithm) = Algorithm::parse(&jws.algorithm) else {
            account.leave(OTHER_ALGORITHM);
            continue;
        };
        let keys = members(text(row, "jwks"));
        if algorithm == Algorithm::Es512 {
            account.leave(SHORT);
            continue;
        }
        if jws.key_id.is_some() && keys.iter().all(|key| key["kid"].is_null()) {
            account.leave(NAMELESS);
            continue;
        }
        // Each key by itself: which of several is meant is the filter's own, stricter choice.
        let sets: Vec<KeySet> = keys
            .iter()
            .filter_map(|key| KeySet::read(&set(key), &[algorithm]).ok())
            .collect();
        let holds = |signature: &[u8]| {
            let id = jws.key_id.as_deref();
            sets.iter()
                .any(|set| decided(set, algorithm, id, &jws.signed, signature))
        };
        account.judge(&id, accept(row), Decision::accept_if(holds(&jws.signature)));
        if row.get("every_signature_bitflip_or_truncation").is_some() {
            for signature in altered(&jws.signature) {
                let found = Decision::accept_if(holds(&signature));
                account.judge(&format!("{id}, altered"), Decision::Refuse, found);
            }
        }
    }
    account.close();
}

/// The form and the header of whole tokens: accepted is what the filter's reader refuses, if at all,
/// for its claims or its key.
pub fn forms(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "jwt_verify_lib, form and header of tokens",
        rules: &[
            (OTHER_KIND, 57),
            (OTHER_ALGORITHM, 4),
            (LONG, 3),
            (CLAIMS, 4),
        ],
        corrections: &[],
        accepted: 8,
        refused: 8,
    });
    for row in list(&vectors.json(CASES), "cases") {
        if row["kind"] != "jwt_parse" {
            account.leave(OTHER_KIND);
            continue;
        }
        let token = text(row, "jwt");
        let algorithm = Jws::read(token).map(|jws| jws.algorithm);
        if algorithm.is_some_and(|name| row["accept"] == true && Algorithm::parse(&name).is_none())
        {
            account.leave(OTHER_ALGORITHM);
        } else if text(row, "expected").starts_with("JwtPayloadParseError") {
            account.leave(CLAIMS);
        } else if token.len() > MAX_TOKEN {
            account.leave(LONG);
        } else {
            account.judge(&row["id"].to_string(), accept(row), form(token));
        }
    }
    account.close();
}

fn form(token: &str) -> Decision {
    use TokenFault::{Algorithm, Header, Malformed, Signature, Type};
    let issued = claims(token).and_then(|claims| claims["iat"].as_u64());
    let fault = match judged(token, &usable(&[]), issued.unwrap_or(0)) {
        Ok(_) => return Decision::Accept,
        Err(Denial::Token(fault)) => fault,
        Err(other) => panic!("{other:?} is no fault of a token"),
    };
    let of_form = matches!(fault, Malformed | Header | Algorithm | Type | Signature);
    Decision::accept_if(!of_form)
}

/// The keys of a set in text.
fn members(keys: &str) -> Vec<Value> {
    let keys: Value = serde_json::from_str(keys).unwrap_or_default();
    keys["keys"].as_array().cloned().unwrap_or_default()
}

fn accept(row: &Value) -> Decision {
    Decision::accept_if(row["accept"] == true)
}
