//! `audit.chain`.

use super::*;

/// An Ed25519 key, as openssl writes it.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIGYakjd79p595ey6LzlNdqYbVohElqY+gcToLCSKnH+n";

#[test]
fn a_chain_is_read_or_explained() {
    let key = |text: &str| ("/secrets", json!({"audit_key": {"inline": text}}));
    let chain = |value: Value| ("/audit/chain", value);
    for (name, changes, expected) in [
        ("unsigned", vec![chain(json!({}))], ""),
        ("signed", vec![key(KEY), chain(json!({"key_id": "k"}))], ""),
        ("a key that signs nothing", vec![key(KEY)], ""),
        (
            "each a checkpoint",
            vec![chain(json!({"records": 1, "time": "1s"}))],
            "",
        ),
        (
            "at the upper bounds",
            vec![chain(json!({"records": 100_000, "time": "24h"}))],
            "",
        ),
        (
            "no records",
            vec![chain(json!({"records": 0}))],
            "/audit/chain/records: expected a whole number from 1 to 100000, found another number",
        ),
        (
            "too many records",
            vec![chain(json!({"records": 100_001}))],
            "/audit/chain/records: expected a whole number from 1 to 100000, found another number",
        ),
        (
            "too short",
            vec![chain(json!({"time": "999ms"}))],
            "/audit/chain/time: ",
        ),
        (
            "too long",
            vec![chain(json!({"time": "1441m"}))],
            "/audit/chain/time: ",
        ),
        (
            "no key",
            vec![chain(json!({"key_id": "k"}))],
            "/audit/chain/key_id: expected secrets.audit_key beside it, found no such key",
        ),
        (
            "another key",
            vec![key("AAAA"), chain(json!({"key_id": "k"}))],
            "/audit/chain/key_id: expected secrets.audit_key to be a private key on P-256, or of Ed25519, in DER, found another key",
        ),
        (
            "no base64",
            vec![key("-----BEGIN")],
            "/secrets/audit_key/inline: expected a private key in DER, in base64, found other text",
        ),
        (
            "a word",
            vec![chain(json!(true))],
            "/audit/chain: expected an object with key_id, records or time, found ",
        ),
        (
            "an unknown key",
            vec![chain(json!({"record": 1}))],
            "/audit/chain: ",
        ),
    ] {
        let found = said(&changes);
        let same = match expected.ends_with(' ') {
            true => found.starts_with("/audit/chain") && found.lines().count() == 1,
            false => found == expected,
        };
        assert!(same, "{name}: {found}");
    }
}
