//! What a patch makes is built like a body that is written.

use super::*;

#[test]
fn what_a_patch_makes_is_checked_like_a_body() {
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let fine = pinned();
    let broken = || refused(400, "request.malformed.body-structure");
    // The name of the row, the patch, and what comes of it by `structure` and `names`.
    let rows = [
        (
            "a good one",
            add("/note", json!([{"text": "x"}])),
            [fine.clone(), fine.clone()],
        ),
        (
            "no name of this type",
            add("/x", json!("y")),
            [broken(), broken()],
        ),
        (
            "none deeper down",
            add("/code/x", json!("y")),
            [broken(), broken()],
        ),
        (
            "one where a list stands",
            add("/note", json!({"text": "x"})),
            [broken(), fine.clone()],
        ),
        (
            "another kind of value",
            add("/code/text", json!(1)),
            [broken(), fine.clone()],
        ),
        (
            "a second type of a choice",
            add("/valueString", json!("y")),
            [broken(), fine.clone()],
        ),
        (
            "what is required is gone",
            json!({"op": "remove", "path": "/code"}),
            [broken(), fine.clone()],
        ),
        (
            "an empty list is left",
            json!({"op": "remove", "path": "/performer/0"}),
            [broken(), fine],
        ),
    ];
    let mut current = stored("Patient/p1");
    current["valueInteger"] = json!(1);
    current["performer"] = json!([{"reference": "Practitioner/7"}]);
    for (place, check) in ["structure", "names"].into_iter().enumerate() {
        let mut world = trusting_with(|config| config["fhir"]["body_check"] = json!(check));
        for (name, operation, expected) in &rows {
            let patch = json!([operation]);
            let found = on(&mut world, "PATCH", Some(&patch), &current);
            assert_eq!(found, expected[place], "{check}: {name}");
        }
    }
    let mut world = trusting();
    for (name, operation, _) in rows {
        let found = on(&mut world, "PATCH", Some(&json!([operation])), &current);
        assert_eq!(found, pinned(), "none: {name}");
    }
}

#[test]
fn what_was_there_before_counts_as_well() {
    let harmless = json!([{"op": "replace", "path": "/status", "value": "amended"}]);
    let check = |check: &str, name: &str, value: Value, rule: Option<&str>| {
        let mut world = trusting_with(|config| config["fhir"]["body_check"] = json!(check));
        let mut current = stored("Patient/p1");
        current[name] = value;
        let found = on(&mut world, "PATCH", Some(&harmless), &current);
        let expected = rule.map_or(pinned(), |rule| refused(400, rule));
        assert_eq!(found, expected, "{check}: {name}");
    };
    let vendor = || json!("secret-value");
    check(
        "structure",
        "vendorOnly",
        vendor(),
        Some("request.malformed.body-structure"),
    );
    check("none", "vendorOnly", vendor(), None);
    let partial = json!({"tag": [{"code": "SUBSETTED"}]});
    check(
        "none",
        "meta",
        partial,
        Some("request.malformed.body-redacted"),
    );
    let search = json!({"reference": "Device?identifier=x"});
    check(
        "none",
        "device",
        search,
        Some("request.not-supported.conditional-reference"),
    );
}

#[test]
fn the_record_says_where_and_no_value() {
    let mut world = trusting_with(|config| config["fhir"]["body_check"] = json!("structure"));
    let mut current = stored("Patient/p1");
    current["note"] = json!([{"text": "secret-value"}]);
    let patch = json!([{"op": "add", "path": "/note/0/text", "value": ["secret-value"]}]);
    let body = current.to_string();
    let head = head_of("200", ETAG);
    let (step, record) = answered(
        &mut world,
        "PATCH",
        Some(&patch),
        &[],
        &head,
        body.as_bytes(),
    );
    assert!(
        matches!(&step, Step::Reply(reply) if reply.status == 400),
        "{step:?}"
    );
    let place = "request.malformed.body-structure: Observation.note[0].text";
    let rule = record["rule"].as_str().unwrap_or_default();
    assert!(rule.starts_with(place), "{rule}");
    assert!(!record.to_string().contains("secret-value"), "{record}");
}
