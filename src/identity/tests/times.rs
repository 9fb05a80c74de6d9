//! When a token holds, to the second.

use serde_json::json;

use super::*;
use TokenFault::{Claims as BadClaims, Expired, NotYet};

fn at(name: &str, claims: &Claims, skew: u64, now: u64, expected: Option<TokenFault>) {
    let issuer = issuer();
    let mut policy = policy(&issuer.jwks());
    policy.clock_skew = skew;
    let found = judged(&issuer.token(claims), policy, now);
    assert_eq!(found.err(), expected, "{name}");
}

#[test]
fn a_token_holds_from_its_first_to_its_last_second() {
    for skew in [0, 1, SKEW, 300] {
        let claims = good().expires_at(NOW + 100);
        let name = |text: &str| format!("{text}, skew {skew}");
        let (from, until) = (NOW - skew, NOW + 100 + skew);
        at(&name("one before"), &claims, skew, from - 1, Some(NotYet));
        at(&name("the first"), &claims, skew, from, None);
        at(&name("the last"), &claims, skew, until - 1, None);
        at(&name("one after"), &claims, skew, until, Some(Expired));
    }
    let later = good().claim("nbf", json!(NOW + 50));
    at("nbf after iat, before", &later, 0, NOW + 49, Some(NotYet));
    at("nbf after iat, there", &later, 0, NOW + 50, None);
    let earlier = good().claim("nbf", json!(NOW - 50));
    at("nbf before iat", &earlier, 0, NOW - 1, Some(NotYet));
    at("without nbf", &good().without("nbf"), 0, NOW, None);
    let never = good().expires_at(NOW - 100).claim("nbf", json!(NOW));
    at("never", &never, 0, NOW, Some(Expired));
    at("at the beginning of time", &good(), SKEW, 0, Some(NotYet));
    at("at the end of time", &good(), SKEW, u64::MAX, Some(Expired));
}

#[test]
fn a_time_is_a_number_that_a_clock_can_show() {
    let last = 4_294_967_295_u64;
    for (value, expected) in [
        (json!(NOW + 100), None),
        (json!((NOW + 100) as f64 + 0.9), None),
        (json!(1.8e9 + 100.0), None),
        (json!(last), None),
        (json!(last + 1), Some(BadClaims)),
        (json!(u64::MAX), Some(BadClaims)),
        (json!(1e300), Some(BadClaims)),
        (json!(-1), Some(BadClaims)),
        (json!(0), Some(Expired)),
        (json!((NOW + 100).to_string()), Some(BadClaims)),
        (json!(null), Some(BadClaims)),
        (json!(true), Some(BadClaims)),
        (json!([NOW + 100]), Some(BadClaims)),
    ] {
        check(
            &format!("exp {value}"),
            &good().claim("exp", value),
            expected,
        );
    }
    for name in ["exp", "iat"] {
        check(
            &format!("without {name}"),
            &good().without(name),
            Some(BadClaims),
        );
    }
    for name in ["iat", "nbf"] {
        for value in [json!("1"), json!(-1), json!(null), json!(1e10), json!({})] {
            check(
                &format!("{name} {value}"),
                &good().claim(name, value),
                Some(BadClaims),
            );
        }
    }
    // Rounded down: a fraction never makes a token live longer than the second it names.
    let claims = good().claim("exp", json!(NOW as f64 + 0.999));
    at("half a second is none", &claims, 0, NOW, Some(Expired));
}

#[test]
fn a_remembered_token_is_asked_for_its_time_again() {
    let issuer = issuer();
    let token = judged(&issuer.token(&good()), policy(&issuer.jwks()), NOW).expect("a token");
    let until = NOW + 300 + SKEW;
    assert_eq!(token.check_time(until - 1), Ok(()));
    assert_eq!(token.check_time(until), Err(Denial::Token(Expired)));
    assert_eq!(token.check_time(NOW - SKEW - 1), Err(Denial::Token(NotYet)));
}
