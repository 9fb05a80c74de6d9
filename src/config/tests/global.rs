//! `global_limits`.

use super::*;
use crate::limit::{BreakerPolicy, GlobalLimits};

fn limits(key: &str, global: bool) -> (&'static str, Value) {
    let limit = json!([{"name": "l", "key": [key], "rate": "5/s", "burst": 5, "global": global}]);
    ("/limits", limit)
}

fn service(more: Value) -> (&'static str, Value) {
    let mut service = json!({"cluster": "ratelimit", "domain": "fhir"});
    let members = more.as_object().expect("an object").clone();
    service.as_object_mut().expect("an object").extend(members);
    ("/global_limits", service)
}

fn key() -> (&'static str, Value) {
    let secrets = json!({"limit_key": {"inline": "ab".repeat(32)}});
    ("/secrets", secrets)
}

/// The whole document with these changes.
fn changed(changes: &[(&str, Value)]) -> Value {
    let mut document = complete();
    for (pointer, value) in changes {
        set(&mut document, pointer, value.clone());
    }
    document
}

#[test]
fn a_server_is_read_with_what_it_is_by_default() {
    let read_of = |changes: &[(&str, Value)]| {
        let document = changed(changes).to_string();
        let policy = read(document.as_bytes()).expect("a policy");
        (policy.limits[0].global, policy.global_limits)
    };
    let (global, default) = read_of(&[limits("client", true), service(json!({}))]);
    let GlobalLimits {
        cluster,
        authority,
        domain,
        timeout,
        required,
        breaker,
        key: none,
    } = default.expect("a server");
    assert!(global && none.is_none() && !required);
    let names = [cluster.as_str(), authority.as_str(), domain.as_str()];
    assert_eq!(names, ["ratelimit", "ratelimit", "fhir"]);
    let five_seconds = BreakerPolicy {
        failures: 5,
        pause: 5_000_000_000,
    };
    assert_eq!((timeout, breaker), (50_000_000, five_seconds));
    let all = json!({"authority": "limits.example.org:8081", "timeout": "5ms", "unanswered": "refuse", "failures": 1, "pause": "100ms"});
    let (_, all) = read_of(&[limits("patient", true), service(all), key()]);
    let all = all.expect("a server");
    assert!(all.required && all.key.is_some());
    assert_eq!(all.authority, "limits.example.org:8081");
    let quick = BreakerPolicy {
        failures: 1,
        pause: 100_000_000,
    };
    assert_eq!((all.timeout, all.breaker), (5_000_000, quick));
    let (global, none) = read_of(&[limits("client", false)]);
    assert!(!global && none.is_none());
}

#[test]
fn a_server_belongs_to_limits_that_are_global() {
    let with = |more: Value| vec![limits("client", true), service(more)];
    let missing = "/global_limits: expected secrets.limit_key beside it, because a global limit counts by address, patient, subject or token, found no such key";
    type Row = (&'static str, Vec<(&'static str, Value)>, &'static str);
    let mut rows: Vec<Row> = vec![
        ("good", with(json!({})), ""),
        (
            "no server",
            vec![limits("client", true)],
            "/limits/0/global: expected global_limits beside it, found none",
        ),
        (
            "no limit",
            vec![limits("client", false), service(json!({}))],
            "/global_limits: expected a limit with global: true beside it, found none",
        ),
        (
            "of what is under way",
            vec![
                (
                    "/limits",
                    json!([{"name": "l", "key": ["client"], "concurrent": 5, "global": true}]),
                ),
                service(json!({})),
            ],
            "/limits/0/global: expected nothing beside concurrent and patients, found true",
        ),
        (
            "of patients",
            vec![
                (
                    "/limits",
                    json!([{"name": "l", "key": ["client"], "patients": 5, "window": "24h", "global": true}]),
                ),
                service(json!({})),
            ],
            "/limits/0/global: expected nothing beside concurrent and patients, found true",
        ),
        (
            "no domain",
            vec![
                limits("client", true),
                ("/global_limits", json!({"cluster": "c"})),
            ],
            "/global_limits/domain: expected the domain of the server's rules, found nothing",
        ),
        (
            "a host with a path",
            with(json!({"authority": "a/b"})),
            "/global_limits/authority: expected the name of a host, with or without a port, found other text",
        ),
        (
            "shorter than any answer",
            with(json!({"timeout": "4ms"})),
            "/global_limits/timeout: expected a duration from 5ms to 2s, a whole number with ms, s, m or h, found \"4ms\"",
        ),
        (
            "longer than anybody waits",
            with(json!({"timeout": "2001ms"})),
            "/global_limits/timeout: expected a duration from 5ms to 2s, a whole number with ms, s, m or h, found \"2001ms\"",
        ),
        (
            "never",
            with(json!({"failures": 0})),
            "/global_limits/failures: expected a whole number from 1 to 1000, found another number",
        ),
        (
            "too seldom",
            with(json!({"failures": 1001})),
            "/global_limits/failures: expected a whole number from 1 to 1000, found another number",
        ),
        (
            "no pause",
            with(json!({"pause": "99ms"})),
            "/global_limits/pause: expected a duration from 100ms to 1m, a whole number with ms, s, m or h, found \"99ms\"",
        ),
        (
            "too long a pause",
            with(json!({"pause": "61s"})),
            "/global_limits/pause: expected a duration from 100ms to 1m, a whole number with ms, s, m or h, found \"61s\"",
        ),
        (
            "another word",
            with(json!({"unanswered": "allow"})),
            "/global_limits/unanswered: expected \"local\" or \"refuse\", found \"allow\"",
        ),
    ];
    for personal in ["address", "patient", "subject", "token"] {
        rows.push((
            personal,
            vec![limits(personal, true), service(json!({}))],
            missing,
        ));
        rows.push((
            personal,
            vec![limits(personal, true), service(json!({})), key()],
            "",
        ));
    }
    for (name, changes, expected) in rows {
        assert_eq!(said(&changes), expected, "{name}");
    }
}
