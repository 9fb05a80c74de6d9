//! Configurations in both of their forms: what is read is within its bounds, and both say the same.

use std::fmt::Write as _;

use fhir_guard::config::{KEPT, Policy, read};
use serde_json::Value;

#[path = "../../src/config/structure/encode.rs"]
mod encode;

pub use encode::object as structure;

/// A configuration as the host hands it over: JSON text or a serialised Struct; says whether it
/// gives a policy.
///
/// # Panics
/// Where the two forms differ, a bound does not hold, or what is said of mistakes is no short text.
pub fn check(bytes: &[u8]) -> bool {
    let found = read(bytes);
    match &found {
        Ok(policy) => within(policy),
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            assert!(mistakes.iter().count() <= KEPT);
            let text = mistakes.to_string();
            let plain = |character: char| character == '\n' || !character.is_control();
            assert!(text.chars().all(plain), "{text:?}");
            assert!(text.len() < 64 << 10, "{} bytes are said", text.len());
        }
    }
    let value = serde_json::from_slice::<Value>(bytes).ok();
    if let Some(value) = value.filter(|value| value.is_object() && !has_integers(value)) {
        let other = read(&structure(&value));
        // A document that is refused before it is read whole is refused in the words of its form;
        // an empty Struct has no bytes at all, and is called nothing.
        let whole = fhir_guard::json::Document::parse(bytes, &limits()).is_ok()
            && value.as_object().is_some_and(|members| !members.is_empty());
        if whole && bytes.len() < (1 << 20) {
            assert_eq!(told(&found), told(&other));
        }
    }
    found.is_ok()
}

/// What is said of a configuration, a policy included.
fn told(found: &Result<Policy, fhir_guard::config::Mistakes>) -> String {
    let mut text = String::new();
    match found {
        Ok(policy) => write!(text, "{policy:?}"),
        Err(mistakes) => write!(text, "{mistakes}"),
    }
    .expect("text");
    text
}

/// Numbers of JSON that a double does not hold are others in a Struct.
fn has_integers(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().unwrap_or(f64::INFINITY);
            double.abs() >= 9e15 || serde_json::Number::from_f64(double).is_none()
        }
        Value::Array(items) => items.iter().any(has_integers),
        Value::Object(members) => members.values().any(has_integers),
        _ => false,
    }
}

fn limits() -> fhir_guard::json::Limits {
    fhir_guard::json::Limits {
        depth: fhir_guard::config::DEPTH,
        values: 100_000,
    }
}

/// The bounds of the documentation, on what was read.
fn within(policy: &Policy) {
    assert!((1..=64).contains(&policy.issuers.len()));
    for issuer in &policy.issuers {
        assert!((1..=64).contains(&issuer.audiences.len()));
        assert!(!issuer.algorithms.is_empty() && (1..=8).contains(&issuer.types.len()));
        assert!(issuer.clock_skew <= 300);
    }
    assert!(policy.limits.len() <= 8 && policy.redactions.len() <= 64);
    assert!(policy.fhir.public.len() <= 64);
    let (hold, resource) = (policy.response.hold_limit, policy.response.resource_limit);
    assert!((1 << 10..=16 << 20).contains(&hold));
    assert!((hold..=64 << 20).contains(&resource));
    assert!((1 << 10..=8 << 20).contains(&policy.fhir.body_limit));
}
