//! Tokens as callers may send them, keys as operators may write them.

mod cache;
mod claims;
mod context;
mod dpop;
mod fetched;
mod host;
mod introspection;
mod keys;
mod possession;
mod quarantine;
mod replay;
mod revocation;
mod ring;
mod signatures;
mod times;
mod told;

use std::sync::LazyLock;

use fhir_guard_harness::tokens::{Claims, Issuer};
use fhir_guard_harness::verify::verifies;
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
        clients: None,
        algorithms: Algorithm::ALL.to_vec(),
        keys: KeySource::Inline(Rc::new(
            KeySet::read(jwks, &Algorithm::ALL).expect("good keys"),
        )),
        types: vec!["at+jwt".to_owned()],
        proof: Proof::None,
        clock_skew: SKEW,
        claims: ClaimPointers::default(),
        introspection: None,
    }
}

/// A token before our own code and before a host: both must come to the same.
fn judged(token: &str, policy: IssuerPolicy, now: u64) -> Result<AccessToken, TokenFault> {
    let by_host = judged_with(token, policy.clone(), now, &HOST, |check| {
        Some(right(check))
    });
    let by_us = judged_with(token, policy, now, &HostAlgorithms::default(), |_| None);
    assert_eq!(by_us, by_host, "by us, and by the host");
    by_host.map_err(|denial| match denial {
        Denial::Token(fault) => fault,
        other => panic!("{other:?} is no fault of a token"),
    })
}

/// The same with a host that has these algorithms and answers so.
fn judged_with(
    token: &str,
    policy: IssuerPolicy,
    now: u64,
    host: &HostAlgorithms,
    answer: impl Fn(&HostCheck) -> Option<bool>,
) -> Result<AccessToken, Denial> {
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let ring = KeyRing::new(std::slice::from_ref(&policy));
    match verify(token, &[policy], &ring, &base, now, host)? {
        Verification::Verified(token) => Ok(token),
        Verification::Unverified(token) => {
            let answer = answer(token.check());
            token.answered(answer)
        }
        Verification::Keyless(missing) => panic!("{missing:?}"),
    }
}

/// Everything that a host can have.
static HOST: LazyLock<HostAlgorithms> = LazyLock::new(|| answered(|check| Some(right(check))));

/// What a host is trusted with that answers so.
fn answered(answer: impl Fn(&HostCheck) -> Option<bool>) -> HostAlgorithms {
    HostAlgorithms::asking(known_answers(), answer)
}

/// The right answer, by other libraries.
fn right(check: &HostCheck) -> bool {
    verifies(check.hash, &check.key, &check.signature, &check.text)
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
