//! Tokens as callers may send them, keys as operators may write them.

mod cache;
mod claims;
mod keys;
mod possession;
mod signatures;
mod times;

use fhir_guard_harness::tokens::{Claims, Issuer};
use serde_json::Value;

use super::*;
use crate::denial::{Denial, TokenFault};
use crate::request::BaseUrl;

/// The time of every test, in seconds since 1970.
const NOW: u64 = 1_800_000_000;

const SKEW: u64 = 30;

fn issuer() -> Issuer {
    Issuer::new("https://as.example.org")
}

/// A policy that takes everything that issuer can sign; proof is not asked for here.
fn policy(jwks: &Value) -> IssuerPolicy {
    IssuerPolicy {
        issuer: "https://as.example.org".to_owned(),
        tenant: Some("clinic".to_owned()),
        audiences: vec![
            "https://fhir.example.org".to_owned(),
            "https://other.example.org".to_owned(),
        ],
        algorithms: Algorithm::ALL.to_vec(),
        keys: Rc::new(KeySet::read(jwks, &Algorithm::ALL).expect("good keys")),
        types: vec!["at+jwt".to_owned()],
        proof: Proof::None,
        clock_skew: SKEW,
        claims: ClaimPointers::default(),
    }
}

fn judged(token: &str, policy: IssuerPolicy, now: u64) -> Result<AccessToken, TokenFault> {
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    verify(token, &[policy], &base, now).map_err(|denial| match denial {
        Denial::Token(fault) => fault,
        other => panic!("{other:?} is no fault of a token"),
    })
}

/// One row: a token of these claims against the usual policy at the usual time.
fn check(name: &str, claims: &Claims, expected: Option<TokenFault>) {
    let issuer = issuer();
    let found = judged(&issuer.token(claims), policy(&issuer.jwks()), NOW);
    assert_eq!(found.err(), expected, "{name}");
}

fn good() -> Claims {
    Claims::new(NOW)
}
