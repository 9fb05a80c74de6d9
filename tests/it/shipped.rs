//! The shipped manifest says what the filter understands.

use std::path::Path;

use fhir_guard::config;
use fhir_guard_harness::envoy::Manifest;
use fhir_guard_harness::tokens::{Algorithm, Issuer};
use serde_json::{Value, json};

/// The filter's configurations in the shipped manifest, one a listener.
fn shipped() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    Manifest::load(root.join("envoy/envoy.yaml"))
        .expect("the shipped manifest can be read")
        .plugin(|policy| found.push(policy.clone()))
        .build()
        .expect("the filter is in it");
    found
}

#[test]
fn all_that_is_missing_in_it_are_the_keys() {
    for policy in shipped() {
        let mistakes = config::read(policy.to_string().as_bytes()).expect_err("no keys, no start");
        assert_eq!(
            mistakes.to_string(),
            "/issuers/0/keys/inline/keys: expected 1 to 64 keys, found 0"
        );
    }
}

#[test]
fn with_keys_it_is_accepted_on_every_listener() {
    let policies = shipped();
    assert_eq!(policies.len(), 2, "two listeners");
    for mut policy in policies {
        policy["issuers"][0]["keys"] =
            json!({ "inline": Issuer::new("https://as.example.org").jwks() });
        policy["issuers"][0]["algorithms"] = json!(Algorithm::ALL.map(Algorithm::name));
        let read = config::read(policy.to_string().as_bytes());
        assert!(read.is_ok(), "{}", read.expect_err("mistakes"));
    }
}
