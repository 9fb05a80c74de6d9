//! Signed answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;

/// An Ed25519 key, as openssl writes it.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIGYakjd79p595ey6LzlNdqYbVohElqY+gcToLCSKnH+n";

fn world() -> Deployment {
    Deployment::with(|config| {
        config["secrets"] = json!({"signing_key": {"inline": KEY}});
        config["signing"] = json!({"key_id": "k-1", "when": "fhir.type != 'Condition'"});
        config["fhir"]["bundles"] = json!({"types": ["batch"]});
    })
}

const HEAD: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

/// The field of this name in what the client gets, and the body.
fn answered(target: &str, body: &[u8]) -> (Option<String>, Option<String>, Vec<u8>) {
    let mut world = world();
    let mut exchange = world.forwarded("system/*.rs", target);
    let pieces: Vec<&[u8]> = body.chunks(200).collect();
    let answer = world.answer(&mut exchange, &HEAD, &pieces, false);
    assert!(matches!(answer.end, End::Complete), "{target}");
    let head = answer.head.expect("a head");
    let field = |wanted: &str| {
        let mut found = head.iter().filter(|(name, _)| name == wanted.as_bytes());
        let value = found.next().map(|(_, value)| value.clone());
        assert!(found.next().is_none(), "{wanted} stands twice");
        value.map(|value| String::from_utf8(value).expect("text"))
    };
    (
        field("content-digest"),
        field("signature-input"),
        answer.body,
    )
}

#[test]
fn an_answer_that_is_held_is_signed_over_what_leaves() {
    let patient = patient("p1", 10).to_string();
    let (digest, input, body) = answered("GET /r4/Patient/p1", patient.as_bytes());
    assert_eq!(body, redacted("p1", 10), "what leaves, not what came");
    let expected = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&body)));
    assert_eq!(digest, Some(expected));
    let input = input.expect("a signature");
    assert!(
        input.starts_with("guard=(\"@status\" \"content-digest\" \"content-type\"")
            && input.ends_with(";keyid=\"k-1\";alg=\"ed25519\""),
        "{input}"
    );
}

#[test]
fn what_is_not_held_or_not_to_be_signed_has_no_signature() {
    let long = patient("p1", 5 * driver::HOLD).to_string();
    let (digest, input, _) = answered("GET /r4/Patient/p1", long.as_bytes());
    assert_eq!((digest, input), (None, None), "it streams");
    let (digest, input, body) = answered(
        "HEAD /r4/Patient/p1",
        patient("p1", 1).to_string().as_bytes(),
    );
    assert_eq!((digest, input, body.len()), (None, None, 0), "no body");
    let condition = r#"{"resourceType":"Condition","id":"c1"}"#;
    let (digest, input, _) = answered("GET /r4/Condition/c1", condition.as_bytes());
    assert_eq!((digest, input), (None, None), "not by the rule");
}
