//! Both sides of every bound.

use serde_json::{Value, json};

use super::*;

/// Makes the item of a list.
type Item<'a> = &'a dyn Fn(usize) -> Value;

/// Makes text of a length.
type Text<'a> = &'a dyn Fn(usize) -> String;

#[test]
fn lists_and_texts_are_bounded_on_both_sides() {
    let many =
        |count: usize, item: &dyn Fn(usize) -> Value| Value::Array((0..count).map(item).collect());
    let item = |list: &str, index: usize, key: &str, value: Value| {
        let mut item = complete()[list][0].clone();
        item["key_of_the_row"] = json!(index);
        item.as_object_mut().unwrap().remove("key_of_the_row");
        item[key] = value;
        item
    };
    let issuer = |index: usize| {
        item(
            "issuers",
            index,
            "issuer",
            json!(format!("https://as{index}.example.org")),
        )
    };
    let limit = |index: usize| item("limits", index, "name", json!(format!("limit-{index}")));
    let rule = |index: usize| item("step_up", index, "name", json!(format!("rule-{index}")));
    let condition = |index: usize| item("rules", index, "name", json!(format!("rule-{index}")));
    let types: Vec<_> = ResourceType::all()
        .filter(|found| !found.is_container())
        .map(ResourceType::name)
        .collect();
    let resource_type = |index: usize| json!(types[index]);
    let redaction = |index: usize| item("redaction", index, "name", json!(format!("rule-{index}")));
    let text = |index: usize| json!(format!("text{index}"));
    let element = |index: usize| json!(format!("address.text{index}"));
    let base = |index: usize| json!(format!("https://store{index}.example.org"));
    let place = |index: usize| json!(format!("/place{index}"));
    let rows: Vec<(&str, usize, Item<'_>, &str)> = vec![
        (
            "/issuers",
            64,
            &issuer,
            "a list of 1 to 64 issuers, found 65",
        ),
        (
            "/issuers/0/audiences",
            64,
            &text,
            "a list of 1 to 64 audiences, found 65",
        ),
        (
            "/issuers/0/clients",
            1024,
            &text,
            "a list of 1 to 1024 client ids, found 1025",
        ),
        (
            "/issuers/0/types",
            8,
            &text,
            "a list of 1 to 8 media types, found 9",
        ),
        (
            "/issuers/0/claims/user",
            8,
            &place,
            "a list of 1 to 8 JSON pointers, found 9",
        ),
        (
            "/issuers/0/claims/roles",
            8,
            &place,
            "a list of 1 to 8 JSON pointers, found 9",
        ),
        (
            "/issuers/0/claims/bases",
            8,
            &base,
            "a list of 1 to 8 base URLs, found 9",
        ),
        (
            "/fhir/public",
            64,
            &text,
            "a list of 0 to 64 paths, found 65",
        ),
        ("/limits", 8, &limit, "a list of 0 to 8 limits, found 9"),
        (
            "/discovery/scopes",
            256,
            &text,
            "a list of 1 to 256 scopes, found 257",
        ),
        ("/step_up", 64, &rule, "a list of 0 to 64 rules, found 65"),
        (
            "/rules",
            64,
            &condition,
            "a list of 0 to 64 rules, found 65",
        ),
        (
            "/step_up/0/types",
            64,
            &resource_type,
            "a list of 1 to 64 resource types, found 65",
        ),
        (
            "/step_up/0/acr",
            16,
            &text,
            "a list of 1 to 16 values of acr, found 17",
        ),
        (
            "/step_up/0/amr",
            16,
            &text,
            "a list of 1 to 16 values of amr, found 17",
        ),
        (
            "/redaction",
            64,
            &redaction,
            "a list of 0 to 64 redactions, found 65",
        ),
        (
            "/redaction/0/elements",
            256,
            &element,
            "a list of 1 to 256 elements, found 257",
        ),
    ];
    for (pointer, bound, make, expected) in rows {
        assert_eq!(
            said(&[(pointer, many(bound, make))]),
            "",
            "{pointer} of {bound}"
        );
        assert_eq!(
            said(&[(pointer, many(bound + 1, make))]),
            format!("{pointer}: expected {expected}")
        );
    }
    let url = |length: usize| format!("https://{}", "a".repeat(length - 8));
    let slash = |length: usize| format!("/{}", "a".repeat(length - 1));
    let letters = |length: usize| "a".repeat(length);
    let texts: Vec<(&str, usize, Text<'_>)> = vec![
        ("/fhir/base", 2048, &url),
        ("/fhir/public/0", 2048, &letters),
        ("/fhir/upstream/base", 2048, &url),
        ("/fhir/upstream/cluster", 256, &letters),
        ("/issuers/0/issuer", 2048, &url),
        ("/issuers/0/tenant", 64, &letters),
        ("/issuers/0/audiences/0", 2048, &letters),
        ("/issuers/0/clients/0", 256, &letters),
        ("/issuers/0/types/0", 64, &letters),
        ("/issuers/0/claims/user/0", 256, &slash),
        ("/issuers/0/claims/bases/0", 2048, &url),
        ("/limits/0/name", 32, &letters),
        ("/discovery/scopes/0", 256, &letters),
        ("/step_up/0/name", 64, &letters),
        ("/step_up/0/acr/0", 256, &letters),
        ("/step_up/0/amr/0", 64, &letters),
        ("/redaction/0/name", 64, &letters),
        ("/audit/observer", 64, &letters),
    ];
    for (pointer, bound, make) in texts {
        assert_eq!(
            said(&[(pointer, json!(make(bound)))]),
            "",
            "{pointer} of {bound}"
        );
        for length in [0, bound + 1] {
            let value = if length == 0 {
                String::new()
            } else {
                make(length)
            };
            let said = said(&[(pointer, json!(value))]);
            assert!(
                said.starts_with(&format!("{pointer}: expected ")),
                "{pointer}: {said}"
            );
            assert!(
                said.ends_with(&format!(" of 1 to {bound} bytes, found {length} bytes")),
                "{pointer}: {said}"
            );
        }
    }
    for (pointer, low, high, below, above) in [
        ("/fhir/body_limit", "1KiB", "8MiB", "1023B", "8388609B"),
        ("/response/hold_limit", "1KiB", "8MiB", "1023B", "16777217B"),
        (
            "/response/resource_limit",
            "512KiB",
            "64MiB",
            "1023B",
            "67108865B",
        ),
        ("/issuers/0/clock_skew", "0s", "5m", "-1s", "301s"),
        ("/step_up/0/max_age", "1s", "720h", "0s", "721h"),
        ("/waiting/time", "100ms", "30s", "99ms", "31s"),
    ] {
        assert_eq!(said(&[(pointer, json!(low))]), "", "{pointer} {low}");
        assert_eq!(said(&[(pointer, json!(high))]), "", "{pointer} {high}");
        for outside in [below, above] {
            let said = said(&[(pointer, json!(outside))]);
            assert!(
                said.ends_with(&format!(", found {outside:?}")),
                "{pointer} {outside}: {said}"
            );
        }
    }
    let tight = json!({"uri": "https://as/jwks", "cluster": "as", "refresh": "10s",
        "max_age": "20s", "timeout": "4500ms"});
    assert_eq!(
        said(&[("/issuers/0/keys", tight)]),
        "",
        "the slowest of the tightest"
    );
    for (key, low, high, below, above) in [
        ("refresh", "10s", "15m", "9s", "25h"),
        ("max_age", "30m", "720h", "9s", "721h"),
        ("cooldown", "1s", "1h", "999ms", "61m"),
        ("timeout", "100ms", "30s", "99ms", "31s"),
    ] {
        let said = |value: &str| {
            let mut keys = json!({"uri": "https://as/jwks", "cluster": "as", "refresh": "15m"});
            keys[key] = json!(value);
            said(&[("/issuers/0/keys", keys)])
        };
        assert_eq!(
            (said(low), said(high)),
            (String::new(), String::new()),
            "{key}"
        );
        for outside in [below, above] {
            let said = said(outside);
            assert!(
                said.starts_with(&format!("/issuers/0/keys/{key}: expected a duration from ")),
                "{said}"
            );
        }
    }
    let most = json!([{"name": "a", "key": ["client"], "rate": "1/s", "burst": 1}, {"name": "b", "key": ["client"], "rate": "1/d", "burst": 32}]);
    assert!(
        said(&[("/limits", most)]).starts_with("/limits/1: "),
        "31 days"
    );
}

#[test]
fn a_document_of_mistakes_is_bounded() {
    let unknown: serde_json::Map<String, Value> = (0..5000)
        .map(|index| (format!("unknown{index}"), json!(1)))
        .collect();
    let mistakes = read(Value::Object(unknown).to_string().as_bytes()).unwrap_err();
    let text = mistakes.to_string();
    assert_eq!(mistakes.len(), 5003);
    assert_eq!(text.lines().count(), SHOWN + 1);
    assert!(text.ends_with("\nand 4953 more"), "{text}");
    assert!(text.len() < SHOWN * 1000);
}

#[test]
fn any_value_at_any_place_gives_a_policy_or_a_mistake_there() {
    fn places(value: &Value, pointer: String, out: &mut Vec<String>) {
        let inside = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(map) => map
                .iter()
                .for_each(|(key, value)| places(value, inside(key), out)),
            Value::Array(list) => {
                let items = list.iter().enumerate();
                items.for_each(|(index, value)| places(value, inside(&index.to_string()), out));
            }
            _ => {}
        }
        if !pointer.is_empty() {
            out.push(pointer);
        }
    }
    let mut all = Vec::new();
    places(&complete(), String::new(), &mut all);
    assert!(all.len() > 60, "{}", all.len());
    let values = [
        json!(null),
        json!(true),
        json!(1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"x": 1}),
    ];
    for pointer in all {
        for value in &values {
            let mut document = complete();
            set(&mut document, &pointer, value.clone());
            let Err(mistakes) = read(document.to_string().as_bytes()) else {
                continue;
            };
            assert!(!mistakes.is_empty(), "{pointer}: {value}");
            let near = |place: &str| place.starts_with(&pointer) || pointer.starts_with(place);
            for mistake in mistakes.iter() {
                assert!(
                    near(&mistake.pointer) || pointer.contains("_limit"),
                    "{pointer}: {value}: {mistakes}"
                );
            }
        }
    }
}
