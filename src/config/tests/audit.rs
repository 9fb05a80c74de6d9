//! `audit`.

use super::*;
use crate::audit::{Format, Full, Telling};

#[test]
fn audit_is_read_or_explained() {
    let key = || {
        (
            "/secrets",
            json!({"audit_key": {"inline": "ab".repeat(32)}}),
        )
    };
    let with = |name: &str, value: Value| {
        let mut audit = json!({"observer": "fhir.example.org"});
        audit[name] = value;
        ("/audit", audit)
    };
    let repository = |name: &str, value: Value| {
        let mut own = json!({"cluster": "audit", "uri": "https://audit.example.org/fhir"});
        own[name] = value;
        with("repository", own)
    };
    let uri = "/audit/repository/uri: expected the URL that batches are posted to, without user name and fragment, found";
    for (name, changes, expected) in [
        ("hashed", vec![key(), with("references", json!("hashed"))], String::new()),
        ("nothing", vec![with("references", json!("none"))], String::new()),
        ("names", vec![with("query", json!("names"))], String::new()),
        ("plain", vec![with("token_id", json!("plain"))], String::new()),
        ("nobody", vec![with("patients", json!(0))], String::new()),
        ("the most patients", vec![with("patients", json!(100))], String::new()),
        (
            "more",
            vec![with("patients", json!(101))],
            "/audit/patients: expected a whole number from 0 to 100, found another number".into(),
        ),
        (
            "hashed without a key",
            vec![with("address", json!("hashed"))],
            "/audit/address: expected secrets.audit_key beside it, found no such key".into(),
        ),
        (
            "no names of addresses",
            vec![with("address", json!("names"))],
            "/audit/address: expected \"plain\", \"hashed\" or \"none\", found \"names\"".into(),
        ),
        (
            "no query at all",
            vec![with("query", json!("none"))],
            "/audit/query: expected \"plain\", \"hashed\" or \"names\", found \"none\"".into(),
        ),
        ("alerts", vec![with("alerts", json!("ecs"))], String::new()),
        ("the others", vec![with("alerts", json!("ocsf"))], String::new()),
        (
            "alerts of another form",
            vec![with("alerts", json!("cef"))],
            "/audit/alerts: expected \"ecs\" or \"ocsf\", found \"cef\"".into(),
        ),
        ("a repository", vec![repository("format", json!("records"))], String::new()),
        ("strict", vec![repository("strict", json!(true))], String::new()),
        ("not strict", vec![repository("strict", json!(false))], String::new()),
        (
            "strict in quotes",
            vec![repository("strict", json!("true"))],
            "/audit/repository/strict: expected true or false, found a string (write it without quotes)".into(),
        ),
        (
            "strict, and not all of it",
            vec![with("repository", json!({"cluster": "audit", "uri": "https://audit.example.org/fhir",
                "strict": true, "full": "access-log"}))],
            "/audit/repository/strict: expected full: refuse beside it, found full: access-log".into(),
        ),
        (
            "not strict, and not all of it",
            vec![with("repository", json!({"cluster": "audit", "uri": "https://audit.example.org/fhir",
                "strict": false, "full": "access-log"}))],
            String::new(),
        ),
        ("the longest queue", vec![repository("queue", json!("64MiB"))], String::new()),
        (
            "longer",
            vec![repository("queue", json!("65MiB"))],
            "/audit/repository/queue: expected a size from 64KiB to 64MiB, a whole number with B, KB, KiB, MB or MiB, found \"65MiB\"".into(),
        ),
        (
            "no batch",
            vec![repository("batch", json!(0))],
            "/audit/repository/batch: expected a whole number from 1 to 1000, found another number".into(),
        ),
        ("a user name", vec![repository("uri", json!("https://u:p@h/"))], format!("{uri} other text")),
        ("nothing of it", vec![with("repository", json!({}))],
            format!("/audit/repository/cluster: expected an Envoy cluster, found nothing\n{uri} nothing")),
    ] {
        assert_eq!(said(&changes), expected, "{name}");
    }
}

#[test]
fn what_audit_leaves_out_has_the_safe_default() {
    let mut document = super::complete();
    let policy = read(document.to_string().as_bytes()).expect("a policy");
    let plain = |telling: &Telling| matches!(telling, Telling::Plain);
    let audit = &policy.audit;
    assert!(plain(&audit.references) && plain(&audit.address));
    assert_eq!(audit.alerts, None);
    assert!(!audit.query.is_told() && !audit.token_id.is_told());
    assert_eq!((audit.patients, policy.repository.as_ref()), (20, None));
    document["secrets"]["audit_key"] = json!({"inline": "ab".repeat(32)});
    let own = json!({"cluster": "audit", "uri": "https://audit.example.org/fhir?a=b"});
    document["audit"]["repository"] = own;
    let policy = read(document.to_string().as_bytes()).expect("a policy");
    let audit = &policy.audit;
    assert!(plain(&audit.references) && plain(&audit.address));
    assert!(audit.query.is_hashed() && audit.token_id.is_hashed());
    let repository = policy.repository.expect("a repository");
    assert_eq!(
        (repository.format, repository.full),
        (Format::Events, Full::Refuse)
    );
    assert_eq!((repository.batch, repository.queue), (100, 4 << 20));
    assert!(!repository.strict);
    let place = (repository.authority.as_str(), repository.path.as_str());
    assert_eq!(place, ("audit.example.org", "/fhir?a=b"));
}

/// An Ed25519 key, as openssl writes it.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIGYakjd79p595ey6LzlNdqYbVohElqY+gcToLCSKnH+n";

#[test]
fn a_chain_is_read_or_explained() {
    let key = |text: &str| ("/secrets", json!({"checkpoint_key": {"inline": text}}));
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
            "/audit/chain/key_id: expected secrets.checkpoint_key beside it, found no such key",
        ),
        (
            "another key",
            vec![key("AAAA"), chain(json!({"key_id": "k"}))],
            "/audit/chain/key_id: expected secrets.checkpoint_key to be a private key on P-256, or of Ed25519, in DER, found another key",
        ),
        (
            "no base64",
            vec![key("-----BEGIN")],
            "/secrets/checkpoint_key/inline: expected a private key in DER, in base64, found other text",
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
