//! `watermark`.

use super::*;

#[test]
fn watermark_is_read_or_explained() {
    let system = "/watermark/system: expected a URL of your own that begins with https://, http:// or urn:, by which nothing else is tagged, found";
    let key = || {
        (
            "/secrets",
            json!({"watermark_key": {"inline": "ab".repeat(32)}}),
        )
    };
    let with = |name: &str, value: Value| {
        let mut watermark =
            json!({"system": "https://x/mark", "above": 10, "when": "fhir.type != 'Condition'"});
        watermark[name] = value;
        ("/watermark", watermark)
    };
    let plain = || with("above", json!(0));
    for (name, changes, expected) in [
        ("by a rule", vec![key(), plain()], String::new()),
        ("a key that marks nothing", vec![key()], String::new()),
        ("the most unmarked", vec![key(), with("above", json!(100_000))], String::new()),
        (
            "more",
            vec![key(), with("above", json!(100_001))],
            "/watermark/above: expected a whole number from 0 to 100000, found another number".into(),
        ),
        ("a name", vec![key(), with("system", json!("urn:x:mark"))], String::new()),
        ("no URL", vec![key(), with("system", json!("mark"))], format!("{system} other text")),
        ("nothing behind", vec![key(), with("system", json!("urn:"))], format!("{system} other text")),
        ("a quote", vec![key(), with("system", json!("urn:x\"y"))], format!("{system} other text")),
        (
            "the standard's",
            vec![key(), with("system", json!("http://terminology.hl7.org/CodeSystem/v3-ObservationValue"))],
            format!("{system} other text"),
        ),
        ("no system", vec![key(), ("/watermark", json!({}))], format!("{system} nothing")),
        (
            "no key",
            vec![plain()],
            "/watermark: expected secrets.watermark_key beside it, found no such key".into(),
        ),
        (
            "a short key",
            vec![("/secrets", json!({"watermark_key": {"inline": "ab"}})), plain()],
            "/secrets/watermark_key/inline: expected 32 to 256 bytes, in hexadecimal or base64, found other text".into(),
        ),
    ] {
        assert_eq!(said(&changes), expected, "{name}");
    }
    let policy = read(super::complete().to_string().as_bytes()).expect("a policy");
    assert!(policy.watermarking.is_none());
}
