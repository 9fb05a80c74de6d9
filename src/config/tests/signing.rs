//! `signing`.

use super::*;

/// An Ed25519 key, as openssl writes it.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIGYakjd79p595ey6LzlNdqYbVohElqY+gcToLCSKnH+n";

#[test]
fn signing_is_read_or_explained() {
    let kinds = "/signing: expected secrets.signing_key to be a private key on P-256, or of Ed25519, in DER, found another key";
    let key = |text: &str| ("/secrets", json!({"signing_key": {"inline": text}}));
    let signing = || {
        (
            "/signing",
            json!({"key_id": "k", "when": "fhir.type != 'Condition'"}),
        )
    };
    for (name, changes, expected) in [
        ("by a rule", vec![key(KEY), signing()], ""),
        (
            "always",
            vec![key(KEY), ("/signing", json!({"key_id": "k"}))],
            "",
        ),
        ("a key that signs nothing", vec![key(KEY)], ""),
        (
            "no name",
            vec![key(KEY), ("/signing", json!({}))],
            "/signing/key_id: expected a name, found nothing",
        ),
        (
            "no key",
            vec![signing()],
            "/signing: expected secrets.signing_key beside it, found no such key",
        ),
        ("another key", vec![key("AAAA"), signing()], kinds),
        (
            "no base64",
            vec![key("-----BEGIN"), signing()],
            "/secrets/signing_key/inline: expected a private key in DER, in base64, found other text",
        ),
        (
            "no condition",
            vec![
                key(KEY),
                (
                    "/signing",
                    json!({"key_id": "k", "when": "fhir.type == 'Patent'"}),
                ),
            ],
            "/signing/when: line 1, column 14: fhir.type",
        ),
    ] {
        let found = said(&changes);
        let same = match name {
            "no condition" => found.starts_with("/signing/when: line 1"),
            _ => found == expected,
        };
        assert!(same, "{name}: {found}");
    }
}
