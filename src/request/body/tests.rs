use super::*;

const MALFORMED: Result<(), &str> = Err("malformed");
const MISMATCH: Result<(), &str> = Err("mismatch");
const REDACTED: Result<(), &str> = Err("redacted");

fn outcome<T>(result: Result<T, BodyFault>) -> Result<(), &'static str> {
    result.map(|_| ()).map_err(|fault| match fault {
        BodyFault::Conditional => "conditional",
        BodyFault::Malformed(_) => "malformed",
        BodyFault::Mismatch(_) => "mismatch",
        BodyFault::Reads => "reads",
        BodyFault::Redacted => "redacted",
        BodyFault::Structure(_) => "structure",
    })
}

fn check(name: &str, id: Option<&str>, body: &str, expected: Result<(), &str>) {
    let patient = ResourceType::parse("Patient").unwrap();
    let found = check_body(body.as_bytes(), patient, id, BodyCheck::Structure);
    let found = found.map(|_| ());
    assert_eq!(outcome(found.clone()), expected, "{name}: {found:?}");
}

#[test]
fn a_body_is_the_resource_of_the_request() {
    let (id, create) = (Some("1"), None);
    check(
        "update",
        id,
        r#"{"resourceType":"Patient","id":"1"}"#,
        Ok(()),
    );
    check("create", create, r#"{"resourceType":"Patient"}"#, Ok(()));
    check(
        "create with id",
        create,
        r#"{"resourceType":"Patient","id":"x"}"#,
        Ok(()),
    );
    check(
        "escaped",
        id,
        r#"{"resourc\u0065Type":"Pati\u0065nt","\u0069d":"1"}"#,
        Ok(()),
    );
    check(
        "contained",
        id,
        r#"{"resourceType":"Patient","id":"1","contained":[{"resourceType":"Organization","id":"o"}]}"#,
        Ok(()),
    );
    check(
        "type",
        id,
        r#"{"resourceType":"Person","id":"1"}"#,
        MISMATCH,
    );
    check(
        "type escaped",
        id,
        r#"{"resourceType":"P\u0065rson","id":"1"}"#,
        MISMATCH,
    );
    check(
        "unknown type",
        id,
        r#"{"resourceType":"patient","id":"1"}"#,
        MALFORMED,
    );
    check("no type", id, r#"{"id":"1"}"#, MALFORMED);
    check(
        "type no string",
        id,
        r#"{"resourceType":["Patient"],"id":"1"}"#,
        MALFORMED,
    );
    check(
        "other id",
        id,
        r#"{"resourceType":"Patient","id":"12"}"#,
        MISMATCH,
    );
    check("no id", id, r#"{"resourceType":"Patient"}"#, MISMATCH);
    check(
        "id no string",
        id,
        r#"{"resourceType":"Patient","id":1}"#,
        MALFORMED,
    );
    check(
        "id no id",
        create,
        r#"{"resourceType":"Patient","id":"a/b"}"#,
        MALFORMED,
    );
    check(
        "id twice",
        id,
        r#"{"resourceType":"Patient","id":"1","\u0069d":"2"}"#,
        MALFORMED,
    );
    check(
        "twice deep",
        id,
        r#"{"resourceType":"Patient","id":"1","name":[{"use":"a","use":"b"}]}"#,
        MALFORMED,
    );
    check(
        "nested",
        id,
        r#"{"resourceType":"Patient","id":"1","link":[{"other":{"resourceType":"Patient"}}]}"#,
        MALFORMED,
    );
    check(
        "contained in contained",
        id,
        r#"{"resourceType":"Patient","id":"1","contained":[{"resourceType":"List","contained":[]}]}"#,
        MALFORMED,
    );
    check(
        "contained no array",
        id,
        r#"{"resourceType":"Patient","id":"1","contained":{"resourceType":"List"}}"#,
        MALFORMED,
    );
    check(
        "contained no object",
        id,
        r#"{"resourceType":"Patient","id":"1","contained":[1]}"#,
        MALFORMED,
    );
    check(
        "contained no type",
        id,
        r#"{"resourceType":"Patient","id":"1","contained":[{}]}"#,
        MALFORMED,
    );
    check(
        "array",
        id,
        r#"[{"resourceType":"Patient","id":"1"}]"#,
        MALFORMED,
    );
    check("empty", id, "", MALFORMED);
    check(
        "bom",
        id,
        "\u{feff}{\"resourceType\":\"Patient\",\"id\":\"1\"}",
        MALFORMED,
    );
    check(
        "two",
        id,
        r#"{"resourceType":"Patient","id":"1"}{}"#,
        MALFORMED,
    );
    for code in ["SUBSETTED", "REDACTED", "MASKED", "SUBSETT\\u0045D"] {
        for list in ["tag", "security"] {
            let body = format!(
                r#"{{"resourceType":"Patient","id":"1","meta":{{"{list}":[{{"code":"other"}},{{"code":"{code}"}}]}}}}"#
            );
            check("partial", id, &body, REDACTED);
        }
    }
    check(
        "other tag",
        id,
        r#"{"resourceType":"Patient","id":"1","meta":{"tag":[{"code":"R"}]}}"#,
        Ok(()),
    );
}

#[test]
fn a_patch_is_a_bounded_json_patch() {
    let one = r#"{"op":"remove","path":"/a"}"#;
    let many = |count: usize| format!("[{}]", vec![one; count].join(","));
    for (name, body, expected) in [
        ("one", many(1), Ok(())),
        ("most", many(PATCH_OPERATIONS), Ok(())),
        ("too many", many(PATCH_OPERATIONS + 1), MALFORMED),
        ("none", "[]".into(), MALFORMED),
        ("object", one.into(), MALFORMED),
        (
            "add",
            r#"[{"op":"add","path":"/a","value":null}]"#.into(),
            Ok(()),
        ),
        (
            "add nothing",
            r#"[{"op":"add","path":"/a"}]"#.into(),
            MALFORMED,
        ),
        (
            "move",
            r#"[{"op":"move","path":"/a","from":"/b"}]"#.into(),
            Ok(()),
        ),
        (
            "move from nowhere",
            r#"[{"op":"move","path":"/a"}]"#.into(),
            MALFORMED,
        ),
        (
            "unknown op",
            r#"[{"op":"merge","path":"/a"}]"#.into(),
            MALFORMED,
        ),
        (
            "whole",
            r#"[{"op":"replace","path":"","value":{}}]"#.into(),
            MALFORMED,
        ),
        (
            "no slash",
            r#"[{"op":"remove","path":"a"}]"#.into(),
            MALFORMED,
        ),
        (
            "no string",
            r#"[{"op":"remove","path":1}]"#.into(),
            MALFORMED,
        ),
        (
            "path twice",
            r#"[{"op":"remove","path":"/a","path":"/b"}]"#.into(),
            MALFORMED,
        ),
        ("no object", "[[]]".into(), MALFORMED),
    ] {
        let found = check_patch(body.as_bytes(), true, true);
        assert_eq!(outcome(found), expected, "{name}");
    }
}

#[test]
fn who_may_not_read_everything_patches_without_reading() {
    for (operation, expected) in [
        (r#"{"op":"add","path":"/a","value":1}"#, Ok(())),
        (r#"{"op":"replace","path":"/a","value":1}"#, Ok(())),
        (r#"{"op":"remove","path":"/a"}"#, Ok(())),
        (r#"{"op":"test","path":"/a","value":1}"#, Err("reads")),
        (r#"{"op":"copy","path":"/a","from":"/b"}"#, Err("reads")),
        (r#"{"op":"move","path":"/a","from":"/b"}"#, Err("reads")),
        (r#"{"op":"t\u0065st","path":"/a","value":1}"#, Err("reads")),
    ] {
        let body = format!(r#"[{{"op":"remove","path":"/x"}},{operation}]"#);
        let found = check_patch(body.as_bytes(), false, true);
        assert_eq!(outcome(found), expected, "{operation}");
        assert_eq!(
            outcome(check_patch(body.as_bytes(), true, true)),
            Ok(()),
            "{operation}"
        );
    }
}

#[test]
fn a_reference_that_is_a_search_is_refused_wherever_it_stands() {
    let observation = ResourceType::parse("Observation").expect("a type of R4");
    for (name, rest, expected) in [
        ("plain", r#""subject":{"reference":"Patient/1"}"#, Ok(())),
        ("other text", r#""note":[{"text":"why?"}]"#, Ok(())),
        (
            "a search",
            r#""subject":{"reference":"Patient?birthdate=1974-12-25"}"#,
            Err("conditional"),
        ),
        (
            "escaped",
            r#""subject":{"r\u0065ference":"Patient\u003fname=x"}"#,
            Err("conditional"),
        ),
        (
            "in a list",
            r#""subject":{"reference":["Patient?birthdate=1974-12-25"]}"#,
            Err("conditional"),
        ),
        (
            "deep",
            r#""contained":[{"resourceType":"Group","member":[{"entity":{"reference":"Patient?x=1"}}]}]"#,
            Err("conditional"),
        ),
    ] {
        let body = format!(r#"{{"resourceType":"Observation",{rest}}}"#);
        let found = check_body(body.as_bytes(), observation, None, BodyCheck::None);
        assert_eq!(outcome(found), expected, "{name}");
    }
    for (operation, expected) in [
        (
            r#"{"op":"replace","path":"/subject/reference","value":"Patient/1"}"#,
            Ok(()),
        ),
        (
            r#"{"op":"replace","path":"/subject/reference","value":"Patient?name=x"}"#,
            Err("conditional"),
        ),
        (
            r#"{"op":"add","path":"/performer/-","value":{"reference":"Patient?name=x"}}"#,
            Err("conditional"),
        ),
    ] {
        let found = outcome(check_patch(format!("[{operation}]").as_bytes(), true, true));
        assert_eq!(found, expected, "{operation}");
    }
    for operation in [
        r#"{"op":"add","path":"/subject/reference/0","value":"Patient?name=x"}"#,
        r#"{"op":"add","path":"/subject/reference","value":["Patient?name=x"]}"#,
        r#"{"op":"move","path":"/subject/reference","from":"/note/0/text"}"#,
        r#"{"op":"copy","path":"/subject/reference","from":"/note/0/text"}"#,
    ] {
        let found = outcome(check_patch(format!("[{operation}]").as_bytes(), true, true));
        assert_eq!(found, Err("conditional"), "{operation}");
    }
    for operation in [
        r#"{"op":"add","path":"/note","Path":"/subject/reference","value":"Patient?name=x"}"#,
        r#"{"op":"add","path":"/note","Op":"test","value":1}"#,
        r#"{"op":"add","path":"//subject/reference","value":"x"}"#,
        r#"{"op":"add","path":"/subject/reference/","value":"x"}"#,
        r#"{"op":"add","path":"/subject~1reference","value":"x"}"#,
        r#"{"op":"add","path":"/","value":"x"}"#,
    ] {
        let found = outcome(check_patch(format!("[{operation}]").as_bytes(), true, true));
        assert_eq!(found, Err("malformed"), "{operation}");
    }
}

#[test]
fn a_patch_stays_off_what_decides_about_the_resource() {
    for (operation, contained, expected) in [
        (
            r#"{"op":"replace","path":"/resourceType","value":"Person"}"#,
            true,
            Err("mismatch"),
        ),
        (
            r#"{"op":"replace","path":"/id","value":"2"}"#,
            true,
            Err("mismatch"),
        ),
        (
            r#"{"op":"replace","path":"/contained/0/resourceType","value":"Person"}"#,
            true,
            Ok(()),
        ),
        (
            r#"{"op":"replace","path":"/contained/0/resourceType","value":"Person"}"#,
            false,
            Err("reads"),
        ),
        (
            r#"{"op":"move","path":"/note","from":"/contained/0/name"}"#,
            false,
            Err("reads"),
        ),
        (
            r#"{"op":"add","path":"/containedX","value":1}"#,
            false,
            Ok(()),
        ),
        (
            r#"{"op":"move","path":"/note","from":"/id"}"#,
            true,
            Err("mismatch"),
        ),
        (
            r#"{"op":"copy","path":"/note/0/text","from":"/text/div"}"#,
            false,
            Err("reads"),
        ),
        (
            r#"{"op":"test","path":"/text/div","value":"x"}"#,
            false,
            Err("reads"),
        ),
    ] {
        let found = outcome(check_patch(
            format!("[{operation}]").as_bytes(),
            true,
            contained,
        ));
        assert_eq!(found, expected, "{operation}");
    }
}
