//! `egress`.

use super::*;
use crate::response::{Egress, Over};

/// `egress` of `complete`.
pub(super) fn complete() -> Value {
    json!([{"name": "page", "types": ["Observation"], "records": 50, "bytes": "1MiB", "patients": 2, "over": "cut",
        "when": "'partner' in principal.roles"}])
}

/// What `complete` says of guardrails.
pub(super) fn check_complete(policy: &Policy) {
    let expected = Egress {
        name: "page".into(),
        types: ResourceType::parse("Observation").map(|found| vec![found]),
        records: Some(50),
        bytes: Some(1 << 20),
        patients: Some(2),
        over: Over::Cut,
    };
    // The other tells whom answers are about, because a limit asks.
    let [rule, _] = policy.egress.as_slice() else {
        panic!("{:?}", policy.egress)
    };
    assert_eq!(**rule, expected);
    let [(name, Some(_))] = policy.rules.egress.as_slice() else {
        panic!("{:?}", policy.rules.egress)
    };
    assert_eq!(name, "page");
}

#[test]
fn guardrails_are_read_or_explained() {
    let rule = |more: Value| {
        let mut rule = json!({"name": "r", "over": "refuse"});
        let members = more.as_object().expect("an object").clone();
        rule.as_object_mut().expect("an object").extend(members);
        rule
    };
    let whole =
        |most: u32| format!("expected a whole number from 1 to {most}, found another number");
    let types: Vec<_> = ResourceType::all()
        .filter(|found| !found.is_container())
        .map(ResourceType::name)
        .collect();
    for (name, more, expected) in [
        ("one", json!({"records": 1}), String::new()),
        ("as many as can be", json!({"records": 100_000}), String::new()),
        ("none", json!({"records": 0}), format!("/egress/0/records: {}", whole(100_000))),
        ("more", json!({"records": 100_001}), format!("/egress/0/records: {}", whole(100_000))),
        ("least bytes", json!({"bytes": "1KiB"}), String::new()),
        ("most bytes", json!({"bytes": "1024MiB"}), String::new()),
        (
            "fewer bytes",
            json!({"bytes": "1023B"}),
            "/egress/0/bytes: ".to_owned(),
        ),
        (
            "more bytes",
            json!({"bytes": "1025MiB"}),
            "/egress/0/bytes: ".to_owned(),
        ),
        ("one patient", json!({"patients": 1}), String::new()),
        ("most patients", json!({"patients": 10_000}), String::new()),
        ("more patients", json!({"patients": 10_001}), format!("/egress/0/patients: {}", whole(10_000))),
        (
            "nothing bounded",
            json!({}),
            "/egress/0: expected records, bytes or patients, how much may leave, found none of them".to_owned(),
        ),
        (
            "another word",
            json!({"records": 1, "over": "clamp"}),
            "/egress/0/over: expected \"refuse\" or \"cut\", found \"clamp\"".to_owned(),
        ),
        ("64 types", json!({"records": 1, "types": types[..64]}), String::new()),
        (
            "65 types",
            json!({"records": 1, "types": types[..65]}),
            "/egress/0/types: expected a list of 1 to 64 resource types, found 65".to_owned(),
        ),
        (
            "no types",
            json!({"records": 1, "types": []}),
            "/egress/0/types: expected a list of 1 to 64 resource types, found 0".to_owned(),
        ),
        (
            "not known",
            json!({"records": 1, "per": "day"}),
            "/egress/0/per: ".to_owned(),
        ),
    ] {
        let found = said(&[("/egress", json!([rule(more)]))]);
        assert_eq!(found.is_empty(), expected.is_empty(), "{name}: {found}");
        assert!(found.contains(&expected), "{name}: {found}");
    }
    let many = |count: usize| {
        let rules = (0..count).map(|at| rule(json!({"name": format!("r{at}"), "records": 1})));
        said(&[("/egress", rules.collect())])
    };
    assert_eq!(many(16), "");
    assert_eq!(
        many(17),
        "/egress: expected a list of 0 to 16 guardrails, found 17"
    );
    let twice = json!([rule(json!({"records": 1})), rule(json!({"records": 2}))]);
    let found = said(&[("/egress", twice)]);
    assert_eq!(
        found,
        "/egress/1/name: expected a name of its own, found that of /egress/0"
    );
    let unset = said(&[("/egress", json!([{"name": "r", "records": 1}]))]);
    assert_eq!(
        unset,
        "/egress/0/over: expected \"refuse\" or \"cut\", found nothing"
    );
}
