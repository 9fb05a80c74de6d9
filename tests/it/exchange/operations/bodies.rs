//! The bodies of operations: what they may hold.

use super::*;

fn parameters(list: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": list})
}

#[test]
fn a_body_holds_what_is_declared_bypass_39() {
    let observation = |subject: &str| {
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": subject}})
    };
    let holding = |resource: Value| parameters(json!([{"name": "resource", "resource": resource}]));
    let body = Err("request.malformed.body");
    let mismatch = Err("request.malformed.body-mismatch");
    let validate = "POST /r4/Observation/$validate";
    let rows: Vec<(&str, &str, Value, Result<&str, &str>)> = vec![
        (
            "user/*.rs",
            validate,
            holding(observation("Patient/p2")),
            Ok(""),
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"name": "mode", "valueCode": "create"}])),
            Ok(""),
        ),
        (
            "user/*.rs",
            validate,
            json!({"resourceType": "Parameters"}),
            Ok(""),
        ),
        ("user/*.rs", validate, observation("Patient/p2"), mismatch),
        ("user/*.rs", validate, json!([]), mismatch),
        (
            "user/*.rs",
            validate,
            holding(json!({"resourceType": "Patient"})),
            mismatch,
        ),
        (
            "user/*.rs",
            validate,
            holding(json!({"resourceType": "Bundle", "type": "batch"})),
            mismatch,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"name": "mode", "resource": observation("Patient/p2")}])),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"name": "Mode", "valueCode": "create"}])),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"name": "mode", "valueCode": "create", "valueString": "x"}])),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"name": "mode"}])),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"name": "mode", "part": [{"name": "mode", "valueCode": "x"}]}])),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(
                json!([{"name": "resource", "resource": observation("Patient/p2"),
                "part": []}]),
            ),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"name": "mode",
                "valueSignature": {"who": {"resourceType": "Patient"}}}])),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!({"name": "mode"})),
            body,
        ),
        (
            "user/*.rs",
            validate,
            parameters(json!([{"valueCode": "create"}])),
            body,
        ),
        (
            "user/*.rs",
            validate,
            json!({"resourceType": "Parameters", "meta": {}, "parameter": []}),
            body,
        ),
        (
            "user/*.rs",
            validate,
            holding(observation("Patient?identifier=7")),
            Err("request.not-supported.conditional-reference"),
        ),
        (
            "user/*.rs",
            validate,
            holding(json!({"resourceType": "Observation", "nonsense": 1})),
            Err("request.malformed.body-structure"),
        ),
        (
            "user/Observation.rs?category=a",
            validate,
            holding(observation("Patient/p2")),
            Err("request.not-supported.granular-write"),
        ),
        (
            "patient/*.rs",
            "POST /r4/Patient/p1/$summary",
            parameters(json!([{"name": "note", "resource": observation("Patient/p1")}])),
            Ok(""),
        ),
        (
            "patient/*.rs",
            "POST /r4/Patient/p1/$summary",
            parameters(json!([{"name": "note", "resource": observation("Patient/p2")}])),
            Err("compartment.body"),
        ),
        (
            "patient/*.rs",
            "POST /r4/Patient/p1/$everything?_count=5",
            parameters(json!([])),
            PARAMETER,
        ),
    ];
    let mut world = listing_with(|config| config["fhir"]["body_limit"] = json!("64KiB"));
    for (scope, target, body, expected) in rows {
        let found = outcome(&mut world, scope, target, Some(&body));
        let found = found.as_deref().map_err(|(_, rule)| rule.as_str());
        assert_eq!(found, expected, "{scope}: {target} {body}");
    }
    for (count, expected) in [(64, true), (65, false)] {
        let list = vec![json!({"name": "mode", "valueCode": "create"}); count];
        let body = parameters(json!(list));
        let found = outcome(&mut world, "user/*.rs", validate, Some(&body));
        assert_eq!(found.is_ok(), expected, "{count} parameters: {found:?}");
    }
    let found = outcome(&mut world, "user/*.rs", validate, None);
    assert_eq!(
        found,
        Err((415, "request.media-type".to_owned())),
        "no body"
    );
}
