//! `issuers[].introspection` and `revocation`.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

/// Where the only issuer is asked.
fn asked(more: Value) -> Value {
    let mut introspection =
        json!({"uri": "https://as.example.org/introspect?v=1", "cluster": "as"});
    let members = more.as_object().unwrap().clone();
    introspection.as_object_mut().unwrap().extend(members);
    introspection
}

fn with(changes: &[(&str, Value)]) -> Result<Policy, String> {
    let mut document = complete();
    for (pointer, value) in changes {
        set(&mut document, pointer, value.clone());
    }
    let environment = |name: &str| match name {
        "SECRET" => Some("p:w d".to_owned()),
        "EMPTY" => Some(String::new()),
        "LONG" => Some("x".repeat(4097)),
        _ => None,
    };
    let read = read_with(document.to_string().as_bytes(), &environment);
    read.map_err(|mistakes| mistakes.to_string())
}

/// With this introspection: what is good, or what is said.
fn introspection(more: Value) -> Result<crate::identity::Introspection, String> {
    let policy = with(&[("/issuers/0/introspection", asked(more))])?;
    Ok(policy.issuers[0].introspection.clone().unwrap())
}

fn check_said(more: Value, expected: &str) {
    let found = introspection(more.clone()).expect_err("a mistake");
    let whole = format!("/issuers/0/introspection{expected}");
    assert_eq!(found.trim_end(), whole, "{more}");
}

#[test]
fn an_issuer_is_asked_as_the_operator_wrote() {
    let found = introspection(json!({})).unwrap();
    assert_eq!(found.cluster, "as");
    assert_eq!(found.authority, "as.example.org");
    assert_eq!(found.path, "/introspect?v=1");
    assert_eq!(found.authorization, None);
    assert!(found.opaque && !found.jwt && found.audience);
    let times = [found.timeout, found.cache, found.negative_cache];
    assert_eq!(times, [2_000_000_000, 30_000_000_000, 5_000_000_000]);
    let found = introspection(json!({"tokens": ["jwt", "opaque"], "audience": "server",
        "timeout": "100ms", "cache": "5m", "negative_cache": "1m",
        "client": {"id": "a:b", "secret": {"env": "SECRET"}}}));
    let found = found.unwrap();
    assert!(found.opaque && found.jwt && !found.audience);
    let times = [found.timeout, found.cache, found.negative_cache];
    assert_eq!(times, [100_000_000, 300_000_000_000, 60_000_000_000]);
    let basic = crate::identity::Introspection::basic("a:b", "p:w d");
    assert_eq!(found.authorization, Some(basic));
}

#[test]
fn an_inline_secret_is_warned_of_and_never_said() {
    let client = json!({"id": "guard", "secret": {"inline": "hush"}});
    let policy = with(&[(
        "/issuers/0/introspection",
        asked(json!({ "client": client })),
    )])
    .unwrap();
    let mut said = String::new();
    let [warning] = policy.warnings.as_slice() else {
        panic!("{:?}", policy.warnings)
    };
    let place = "/issuers/0/introspection/client/secret/inline: ";
    assert!(warning.starts_with(place), "{warning}");
    write!(said, "{warning} {:?}", policy.issuers[0].introspection).unwrap();
    assert!(!said.contains("hush") && !said.contains("Basic"), "{said}");
}

#[test]
fn both_sides_of_every_bound() {
    let good = |more: Value| assert!(introspection(more.clone()).is_ok(), "{more}");
    for (key, least, below, most, above) in [
        ("timeout", "100ms", "99ms", "30s", "30001ms"),
        ("cache", "100ms", "99ms", "5m", "300001ms"),
        ("negative_cache", "100ms", "99ms", "1m", "60001ms"),
    ] {
        for time in [least, most] {
            good(json!({ key: time }));
        }
        for time in [below, above, "0s"] {
            let found = introspection(json!({ key: time })).expect_err("a mistake");
            assert!(
                found.starts_with(&format!(
                    "/issuers/0/introspection/{key}: expected a duration from"
                )),
                "{found}"
            );
        }
    }
    let client =
        |id: String, secret: String| json!({"client": {"id": id, "secret": {"inline": secret}}});
    good(client("i".into(), "s".into()));
    good(client("i".repeat(256), "s".repeat(4096)));
    check_said(
        client("i".repeat(257), "s".into()),
        "/client/id: expected the id of the client that may ask of 1 to 256 bytes, found 257 bytes",
    );
    check_said(
        client("i".into(), "s".repeat(4097)),
        "/client/secret/inline: expected a secret of 1 to 4096 bytes, found 4097 bytes",
    );
    for name in ["EMPTY", "LONG"] {
        check_said(
            json!({"client": {"id": "i", "secret": {"env": name}}}),
            "/client/secret/env: expected a secret of 1 to 4096 bytes, found another length",
        );
    }
}

#[test]
fn what_is_wrong_is_said() {
    check_said(
        json!({"tokens": []}),
        "/tokens: expected a list of 1 to 2 kinds of tokens, found 0",
    );
    check_said(
        json!({"tokens": ["jwt", "jwt"]}),
        "/tokens/1: expected each word once, found one for the second time",
    );
    check_said(
        json!({"tokens": ["JWT"]}),
        "/tokens/0: expected \"opaque\" or \"jwt\", found \"JWT\" (did you mean \"jwt\"?)",
    );
    check_said(
        json!({"audience": true}),
        "/audience: expected \"required\" or \"server\", found true (write it in quotes)",
    );
    check_said(
        json!({"client": {"id": "i"}}),
        "/client/secret: expected {env: NAME}, the name of an environment variable of this VM, found nothing",
    );
    check_said(
        json!({"client": {"id": "i", "secret": {"env": "NOBODY"}}}),
        "/client/secret/env: expected a variable of vm_config.environment_variables, found one that is not set there",
    );
    check_said(
        json!({"clinet": 1}),
        "/clinet: expected one of the keys uri, cluster, client, tokens, audience, timeout, cache, negative_cache, found the unknown key \"clinet\" (did you mean \"client\"?)",
    );
    let found = with(&[("/issuers/0/introspection", json!({}))]).expect_err("a mistake");
    assert!(
        found.contains("/issuers/0/introspection/uri: expected")
            && found.contains("/issuers/0/introspection/cluster: expected"),
        "{found}"
    );
    for uri in [
        "as.example.org/x",
        "https://u:p@as/x",
        "https://as/x#y",
        "ftp://as/x",
        "",
    ] {
        assert!(introspection(json!({ "uri": uri })).is_err(), "{uri}");
    }
}

#[test]
fn only_one_issuer_can_be_asked_about_opaque_tokens() {
    let second = |tokens: Value| {
        let mut issuer = complete()["issuers"][0].clone();
        issuer["issuer"] = json!("https://b.example.org");
        issuer["introspection"] = asked(tokens);
        issuer
    };
    let first = (
        "/issuers/0/introspection",
        asked(json!({"tokens": ["opaque", "jwt"]})),
    );
    let found = with(&[first.clone(), ("/issuers/-", second(json!({})))]);
    let expected = "/issuers/1/introspection/tokens: expected [jwt], because /issuers/0 is asked about opaque tokens, found opaque";
    assert_eq!(found.expect_err("two").trim_end(), expected);
    assert!(with(&[first, ("/issuers/-", second(json!({"tokens": ["jwt"]})))]).is_ok());
    let first = (
        "/issuers/0/introspection",
        asked(json!({"tokens": ["jwt"]})),
    );
    assert!(with(&[first, ("/issuers/-", second(json!({})))]).is_ok());
}

#[test]
fn keys_may_be_left_out_where_only_the_server_knows() {
    let without = |keys: &[&str], tokens: Value| {
        let asked = (
            "/issuers/0/introspection",
            asked(json!({ "tokens": tokens })),
        );
        let mut changes = vec![asked];
        let pointers: Vec<String> = keys.iter().map(|key| format!("/issuers/0/{key}")).collect();
        changes.extend(
            pointers
                .iter()
                .map(|pointer| (pointer.as_str(), json!(REMOVED))),
        );
        with(&changes)
    };
    assert!(without(&["algorithms", "keys"], json!(["opaque"])).is_ok());
    for keys in [&["keys"][..], &["algorithms"]] {
        assert!(
            without(keys, json!(["opaque"])).is_err(),
            "one needs the other"
        );
    }
    for tokens in [json!(["jwt"]), json!(["opaque", "jwt"])] {
        let found = without(&["algorithms", "keys"], tokens).expect_err("a JWT has a signature");
        assert!(
            found.contains("/issuers/0/keys: expected")
                && found.contains("/issuers/0/algorithms: expected"),
            "{found}"
        );
    }
    assert!(with(&[("/issuers/0/keys", json!(REMOVED))]).is_err());
}

#[test]
fn up_to_eight_lists_of_revocations_are_fetched() {
    let list = |number: usize| json!({"uri": format!("https://as.example.org/r{number}"), "cluster": "as"});
    let lists = |count: usize| Value::Array((0..count).map(list).collect());
    for count in [0, 1, 8] {
        let policy = with(&[("/revocation", lists(count))]).unwrap();
        assert_eq!(policy.revocations.len(), count);
    }
    let found = with(&[("/revocation", lists(9))]).expect_err("a mistake");
    assert!(
        found.starts_with("/revocation: expected a list of 0 to 8 lists"),
        "{found}"
    );
    let policy = with(&[("/revocation", lists(1))]).unwrap();
    let source = &policy.revocations[0];
    assert_eq!(
        (source.refresh, source.max_age),
        (30_000_000_000, 600_000_000_000)
    );
    assert_eq!(source.limit, 2 << 20);
    for wrong in [
        json!({}),
        json!([1]),
        json!([{"uri": "https://as/x"}]),
        json!([{"cluster": "as"}]),
    ] {
        assert!(with(&[("/revocation", wrong.clone())]).is_err(), "{wrong}");
    }
}
