//! How scopes are written, and what becomes of those that are not understood.

use serde_json::json;

use super::identity::check;

#[test]
fn prefixes_and_malformed_scopes_are_a_choice_of_each_issuer() {
    let place = "/issuers/0/claims/malformed_scopes";
    for word in ["ignore", "refuse"] {
        check("what becomes of malformed scopes", place, json!(word), "");
    }
    check(
        "another word",
        place,
        json!("deny"),
        "/issuers/0/claims/malformed_scopes: expected \"ignore\" or \"refuse\", found \"deny\"",
    );
    let place = "/issuers/0/claims/scope_prefixes";
    let longest = format!("https://{}/", "a".repeat(247));
    let longer = format!("https://{}/", "a".repeat(248));
    let many = |count| json!(vec!["https://a.example/"; count]);
    for prefixes in [
        json!(["api://a b/"]),
        json!(["a/"]),
        json!(["https://a.example"]),
        json!(["://a/"]),
        json!(["1a://a/"]),
        json!(["https:///"]),
        json!(["https://\u{e9}/"]),
        json!(["a:b://c/"]),
        json!(["https://a\"b/"]),
    ] {
        let expected = "/issuers/0/claims/scope_prefixes/0: expected what stands before a scope, a URL with a slash at its end, found other text";
        check("no prefix", place, prefixes, expected);
    }
    for prefixes in [
        json!(["http://smarthealthit.org/fhir/scopes/", "api://a-b.c/"]),
        json!([longest]),
        many(8),
    ] {
        check("prefixes", place, prefixes, "");
    }
    check(
        "nine prefixes",
        place,
        many(9),
        "/issuers/0/claims/scope_prefixes: expected a list of 1 to 8 prefixes of scopes, found 9",
    );
    check(
        "no prefixes",
        place,
        json!([]),
        "/issuers/0/claims/scope_prefixes: expected a list of 1 to 8 prefixes of scopes, found 0",
    );
    check(
        "a long prefix",
        place,
        json!([longer]),
        "/issuers/0/claims/scope_prefixes/0: expected what stands before a scope, a URL with a slash at its end of 1 to 256 bytes, found 257 bytes",
    );
}
