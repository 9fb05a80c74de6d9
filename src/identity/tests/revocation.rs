//! Lists of what was taken back.

use serde_json::{Value, json};

use super::super::revocation::{ENTRIES, Revocations, Shown};

const AS: &str = "https://as.example.org";
const PRINT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

const SHOWN: Shown<'_> = Shown {
    issuer: AS,
    token_id: "t1",
    subject: "s1",
    client: "c1",
    certificate: Some(PRINT),
    issued: 1000,
};

/// One row: what a list of this one entry says about [`SHOWN`] at 2000; `None`: it is no list.
fn check(name: &str, entry: Value, expected: Option<bool>) {
    let list = json!({"revoked": [entry]}).to_string();
    let found = Revocations::read(list.as_bytes());
    let found = found.map(|list| list.revokes(&SHOWN, 2000)).ok();
    assert_eq!(found, expected, "{name}");
}

#[test]
fn an_entry_means_what_all_its_members_mean() {
    let (yes, no) = (Some(true), Some(false));
    check("the issuer", json!({"issuer": AS}), yes);
    check("another issuer", json!({"issuer": "https://b"}), no);
    check("a token", json!({"issuer": AS, "jti": "t1"}), yes);
    check("another token", json!({"issuer": AS, "jti": "t2"}), no);
    check(
        "another's token",
        json!({"issuer": "https://b", "jti": "t1"}),
        no,
    );
    check("a subject", json!({"issuer": AS, "sub": "s1"}), yes);
    check(
        "a subject is no client",
        json!({"issuer": AS, "client_id": "s1"}),
        no,
    );
    check("a client", json!({"issuer": AS, "client_id": "c1"}), yes);
    check(
        "a subject at a client",
        json!({"issuer": AS, "sub": "s1", "client_id": "c1"}),
        yes,
    );
    check(
        "a subject at another client",
        json!({"issuer": AS, "sub": "s1", "client_id": "c2"}),
        no,
    );
    check("a certificate", json!({"certificate": PRINT}), yes);
    check(
        "a certificate in capitals",
        json!({"certificate": PRINT.to_uppercase()}),
        yes,
    );
    check(
        "a certificate of a client",
        json!({"issuer": AS, "client_id": "c1", "certificate": PRINT}),
        yes,
    );
    check(
        "another certificate",
        json!({"certificate": PRINT.replace('0', "1")}),
        no,
    );
    check(
        "issued before",
        json!({"issuer": AS, "sub": "s1", "issued_before": 1001}),
        yes,
    );
    check(
        "issued at that very time",
        json!({"issuer": AS, "sub": "s1", "issued_before": 1000}),
        no,
    );
    check(
        "all of an issuer before",
        json!({"issuer": AS, "issued_before": 1001}),
        yes,
    );
    check("still", json!({"issuer": AS, "until": 2001}), yes);
    check("no longer", json!({"issuer": AS, "until": 2000}), no);
}

#[test]
fn what_is_not_understood_is_no_list() {
    for (name, entry) in [
        ("nothing", json!({})),
        ("everybody for a while", json!({"until": 3000})),
        ("everybody before", json!({"issued_before": 3000})),
        ("a token of nobody", json!({"jti": "t1"})),
        (
            "a subject of nobody",
            json!({"sub": "s1", "certificate": PRINT}),
        ),
        (
            "a certificate before",
            json!({"certificate": PRINT, "issued_before": 3000}),
        ),
        ("an unknown member", json!({"issuer": AS, "acr": "x"})),
        ("a number", json!({"issuer": AS, "sub": 1})),
        ("an empty text", json!({"issuer": AS, "sub": ""})),
        ("null", json!({"issuer": AS, "sub": null})),
        ("a time as text", json!({"issuer": AS, "until": "3000"})),
        ("half a second", json!({"issuer": AS, "until": 3000.5})),
        ("a time before 1970", json!({"issuer": AS, "until": -1})),
        ("a short thumbprint", json!({"certificate": "00"})),
        ("a text", json!("t1")),
    ] {
        check(name, entry, None);
    }
    for text in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"revoked": {}}"#,
        r#"{"revoked": [], "more": []}"#,
        r#"{"revoked": [], "revoked": []}"#,
        r#"{"revoked": []} x"#,
    ] {
        assert!(Revocations::read(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn lists_are_bounded_and_may_be_empty() {
    let list = |count: usize| {
        let entry = |number| json!({"issuer": AS, "jti": format!("x{number}")});
        json!({"revoked": (0..count).map(entry).collect::<Vec<_>>()}).to_string()
    };
    let empty = Revocations::read(list(0).as_bytes()).expect("a list");
    assert!(empty.is_empty() && !empty.revokes(&SHOWN, 0));
    let most = Revocations::read(list(ENTRIES).as_bytes()).expect("a list");
    assert_eq!(most.len(), ENTRIES);
    assert!(Revocations::read(list(ENTRIES + 1).as_bytes()).is_err());
}

#[test]
fn a_caller_without_a_certificate_is_not_taken_for_one() {
    let list = json!({"revoked": [{"certificate": PRINT}]}).to_string();
    let list = Revocations::read(list.as_bytes()).expect("a list");
    let shown = Shown {
        certificate: None,
        ..SHOWN
    };
    assert!(!list.revokes(&shown, 0));
    // Two entries about the same subject: the one must not hide the other.
    let list = json!({"revoked": [
        {"issuer": AS, "sub": "s1", "issued_before": 10},
        {"issuer": AS, "sub": "s1", "issued_before": 1001, "until": 3000},
        {"issuer": AS, "sub": "s1", "issued_before": 20, "until": 9000},
    ]})
    .to_string();
    let list = Revocations::read(list.as_bytes()).expect("a list");
    assert!(list.revokes(&SHOWN, 2999) && !list.revokes(&SHOWN, 3000));
}
