//! `minimum`.

use super::*;

#[test]
fn a_list_stands_behind_the_redactions_with_its_condition() {
    let mut document = complete();
    document["minimum"] = json!([{"name": "least", "resource": "Observation", "elements": ["code", "value"],
        "when": "!('physician' in principal.roles)"}]);
    let policy = read(document.to_string().as_bytes()).expect("a policy");
    let [_, rule] = policy.redactions.as_slice() else {
        panic!("{:?}", policy.redactions)
    };
    assert_eq!(rule.unless, None);
    assert_eq!(rule.redaction.kept(), Some(&["code", "value"][..]));
    let observation = ResourceType::parse("Observation");
    assert_eq!(Some(rule.redaction.resource_type), observation);
    let [_, (name, Some(_))] = policy.rules.redactions.as_slice() else {
        panic!("{:?}", policy.rules.redactions)
    };
    assert_eq!(name, "least");
}

#[test]
fn lists_of_what_is_necessary_are_read_or_explained() {
    let of = "expected a root element of Observation, of a choice without its type, found";
    for (elements, expected) in [
        (json!(["code"]), String::new()),
        (
            json!(["id", "meta", "contained", "extension", "value"]),
            String::new(),
        ),
        (
            json!([]),
            "/minimum/0/elements: expected a list of 1 to 48 elements, found 0".into(),
        ),
        (
            json!(["code", "coed"]),
            format!("/minimum/0/elements/1: {of} \"coed\" (did you mean \"code\"?)"),
        ),
        (
            json!(["valueQuantity"]),
            format!("/minimum/0/elements/0: {of}"),
        ),
        (json!(["value[x]"]), format!("/minimum/0/elements/0: {of}")),
        (json!(["code.text"]), format!("/minimum/0/elements/0: {of}")),
        (
            json!(["text"]),
            format!("/minimum/0/elements/0: {of} the narrative, which repeats the others"),
        ),
        (
            json!(["code", "code"]),
            "/minimum/0/elements/1: expected each element once, found one for the second time"
                .into(),
        ),
        (
            json!(vec!["code"; 49]),
            "/minimum/0/elements: expected a list of 1 to 48 elements, found 49".into(),
        ),
    ] {
        let rule = json!([{"name": "least", "resource": "Observation", "elements": elements}]);
        let found = said(&[("/minimum", rule)]);
        assert_eq!(found.is_empty(), expected.is_empty(), "{elements}: {found}");
        assert!(found.contains(&expected), "{elements}: {found}");
    }
    let many = |count: usize| {
        let rule =
            |at| json!({"name": format!("r{at}"), "resource": "Observation", "elements": ["code"]});
        said(&[("/minimum", (0..count).map(rule).collect())])
    };
    assert_eq!(many(63), "");
    assert_eq!(
        many(64),
        "/minimum: expected at most 64 together with redaction, found 65"
    );
    assert_eq!(
        many(65),
        "/minimum: expected a list of 0 to 64 lists of elements, found 65"
    );
}
