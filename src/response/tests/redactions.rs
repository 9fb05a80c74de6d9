//! What redactions leave.

use super::*;

const ABSENT: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

/// `TAGGED` stands for the tag, `ABSENT` for a masked value.
fn check(name: &str, action: Action, elements: &[&str], body: &str, expected: &str) {
    let meta = match action {
        Action::Remove => REMOVED,
        _ => MASKED,
    };
    let cover = hiding(read("Patient", None), "Patient", action, elements);
    let body = format!(r#"{{"resourceType":"Patient","id":"1"{body}}}"#);
    // Every resource that a rule is for carries the tag, whether the rule found something or not.
    let untagged = !expected.contains("TAGGED") && !body.contains("\"meta\"");
    let expected = format!("{}{expected}", if untagged { "TAGGED" } else { "" })
        .replace("TAGGED", &format!(",{meta}"))
        .replace("ABSENT", ABSENT);
    let expected = format!(r#"{{"resourceType":"Patient","id":"1"{expected}}}"#);
    assert_eq!(passed(name, cover, &body), expected, "{name}");
}

#[test]
fn what_is_removed_leaves_no_trace_and_the_rest_its_bytes() {
    let remove = |name: &str, elements: &[&str], body: &str, expected: &str| {
        check(name, Action::Remove, elements, body, expected);
    };
    remove(
        "nothing there, and the tag does not tell",
        &["birthDate"],
        r#", "gender" : "male""#,
        r#"TAGGED, "gender" : "male""#,
    );
    remove(
        "last",
        &["birthDate"],
        r#", "gender" : "male",  "birthDate":"1970" "#,
        r#"TAGGED, "gender" : "male" "#,
    );
    remove(
        "middle",
        &["birthDate"],
        r#", "a":1 ,"birthDate":"1970" , "b" :2"#,
        r#"TAGGED, "a":1 , "b" :2"#,
    );
    remove(
        "with sibling",
        &["birthDate"],
        r#","birthDate":"1970","_birthDate":{"id":"x"},"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "sibling alone",
        &["birthDate"],
        r#","_birthDate":{"id":"x"},"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "escaped key",
        &["birthDate"],
        r#","birthDat\u0065":"1970","\u005fbirthDate":{},"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "inner first",
        &["name.family"],
        r#","name":[{"family":"x","use":"a"},{"use":"b","family":"y"}]"#,
        r#"TAGGED,"name":[{"use":"a"},{"use":"b"}]"#,
    );
    remove(
        "inner all",
        &["name.family"],
        r#","name":[{"family":"x"},{"_family":{},"family":"y"}],"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "inner id alone",
        &["name.family"],
        r#","name":[{"id":"n","family":"x"},{"use":"b"}]"#,
        r#"TAGGED,"name":[{"use":"b"}]"#,
    );
    remove(
        "two below one",
        &["name.family", "name.given"],
        r#","name":[{"family":"x","given":["y"]}],"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "whole and part",
        &["name", "name.given"],
        r#","name":[{"family":"x","given":["y"]}],"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "not elsewhere",
        &["family"],
        r#","name":[{"family":"x"}]"#,
        r#"TAGGED,"name":[{"family":"x"}]"#,
    );
    remove(
        "choice",
        &["deceased[x]"],
        r#","deceasedBoolean":true,"_deceasedBoolean":{},"deceasedDateTime":"1970","b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "choice by its base",
        &["deceased"],
        r#","deceasedBoolean":true,"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "choice by its type",
        &["deceasedBoolean"],
        r#","deceasedDateTime":"1970""#,
        r#","deceasedDateTime":"1970""#,
    );
    remove(
        "extension",
        &["extension(u)"],
        r#","extension":[{"url":"v","valueCode":"k"}, {"url":"u","valueCode":"x"}],"b":2"#,
        r#"TAGGED,"extension":[{"url":"v","valueCode":"k"}],"b":2"#,
    );
    remove(
        "only extension",
        &["extension(u)"],
        r#","extension":[{"url":"\u0075","valueCode":"x"}],"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "extension of another url",
        &["extension(u)"],
        r#","extension":[{"url":"uu","valueCode":"x"}]"#,
        r#","extension":[{"url":"uu","valueCode":"x"}]"#,
    );
    remove(
        "modifier extension",
        &["modifierExtension(u)"],
        r#","modifierExtension":[{"url":"u"}],"extension":[{"url":"u"}]"#,
        r#"TAGGED,"extension":[{"url":"u"}]"#,
    );
    remove(
        "extension below",
        &["contact.extension(u)"],
        r#","contact":[{"extension":[{"url":"u"}],"gender":"male"}]"#,
        r#"TAGGED,"contact":[{"gender":"male"}]"#,
    );
    remove(
        "extension of a primitive",
        &["birthDate.extension(u)"],
        r#","birthDate":"1970","_birthDate":{"extension":[{"url":"u"}]}"#,
        r#"TAGGED,"birthDate":"1970""#,
    );
    remove(
        "extension within one",
        &["extension(u).extension(v)"],
        r#","extension":[{"url":"u","extension":[{"url":"v"}]},{"url":"w"}]"#,
        r#"TAGGED,"extension":[{"url":"w"}]"#,
    );
    remove(
        "aligned",
        &["name.given.extension(u)"],
        r#","name":[{"given":["a","b"],"_given":[{"extension":[{"url":"u"}]},{"id":"k","extension":[{"url":"v"}]}]}]"#,
        r#"TAGGED,"name":[{"given":["a","b"],"_given":[null,{"id":"k","extension":[{"url":"v"}]}]}]"#,
    );
    remove(
        "aligned, all",
        &["name.given.extension(u)"],
        r#","name":[{"given":["a","b"],"_given":[{"extension":[{"url":"u"}]},null]}]"#,
        r#"TAGGED,"name":[{"given":["a","b"]}]"#,
    );
    remove(
        "aligned, both null",
        &["name.given.extension(u)"],
        r#","name":[{"given":[null,"b"],"_given":[{"extension":[{"url":"u"}]},null]}]"#,
        r#"TAGGED,"name":[{"given":["b"]}]"#,
    );
    remove(
        "aligned, both null, one stays",
        &["name.given.extension(u)"],
        r#","name":[{"given":["a",null,null],"_given":[null,{"extension":[{"url":"u"}]},{"extension":[{"url":"v"}]}]}]"#,
        r#"TAGGED,"name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"v"}]}]}]"#,
    );
    remove(
        "narrative",
        &["birthDate"],
        r#","text":{"status":"generated","div":"x"},"b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "narrative sibling",
        &["birthDate"],
        r#","_text":{"id":"x"},"text":"odd","b":2"#,
        r#"TAGGED,"b":2"#,
    );
    remove(
        "data called text",
        &["birthDate"],
        r#","maritalStatus":{"text":"single"}"#,
        r#","maritalStatus":{"text":"single"}"#,
    );
    remove(
        "narrative below",
        &["birthDate"],
        r#","x":[{"text":{"div":"x"},"y":1}]"#,
        r#"TAGGED,"x":[{"y":1}]"#,
    );
    remove(
        "empty ones of the upstream stay",
        &["birthDate"],
        r#","birthDate":"1970","a":{},"b":[]"#,
        r#"TAGGED,"a":{},"b":[]"#,
    );
    remove(
        "array of arrays",
        &["name.family"],
        r#","name":[[{"family":"x","use":"a"}]]"#,
        r#"TAGGED,"name":[[{"use":"a"}]]"#,
    );
}

#[test]
fn what_is_masked_says_so() {
    let mask = |name: &str, elements: &[&str], body: &str, expected: &str| {
        check(name, Action::Mask, elements, body, expected);
    };
    mask(
        "primitive",
        &["birthDate"],
        r#","birthDate":"1970","b":2"#,
        r#"TAGGED,"_birthDate":ABSENT,"b":2"#,
    );
    mask(
        "with sibling",
        &["birthDate"],
        r#","birthDate":"1970","_birthDate":{"id":"x"},"b":2"#,
        r#"TAGGED,"_birthDate":ABSENT,"b":2"#,
    );
    mask(
        "sibling first",
        &["birthDate"],
        r#","_birthDate":{"id":"x"},"birthDate":"1970","b":2"#,
        r#"TAGGED,"_birthDate":ABSENT,"b":2"#,
    );
    mask(
        "sibling alone",
        &["birthDate"],
        r#","_birthDate":{"id":"x"},"b":2"#,
        r#"TAGGED,"_birthDate":ABSENT,"b":2"#,
    );
    mask(
        "primitives",
        &["name.given"],
        r#","name":[{"given":["a","b"],"_given":[null,{"id":"x"}],"use":"u"}]"#,
        r#"TAGGED,"name":[{"_given":[ABSENT],"use":"u"}]"#,
    );
    mask(
        "object",
        &["maritalStatus"],
        r#","maritalStatus":{"text":"single"},"b":2"#,
        r#"TAGGED,"maritalStatus":ABSENT,"b":2"#,
    );
    mask(
        "objects",
        &["address"],
        r#","address":[{"city":"x"},{"city":"y"}],"b":2"#,
        r#"TAGGED,"address":[ABSENT],"b":2"#,
    );
    mask(
        "choice",
        &["deceased[x]"],
        r#","deceasedBoolean":true,"b":2"#,
        r#"TAGGED,"_deceasedBoolean":ABSENT,"b":2"#,
    );
    mask(
        "extension",
        &["extension(u)"],
        r#","extension":[{"url":"u","valueCode":"x"},{"url":"v"}]"#,
        r#"TAGGED,"extension":[{"url":"u","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]},{"url":"v"}]"#,
    );
    mask(
        "narrative",
        &["birthDate"],
        r#","text":{"status":"generated","div":"x"},"b":2"#,
        r#"TAGGED,"b":2"#,
    );
}

#[test]
fn removal_wins_over_masking() {
    let cover = hiding(
        read("Patient", None),
        "Patient",
        Action::Mask,
        &["birthDate", "gender"],
    );
    let cover = hiding(cover, "Patient", Action::Remove, &["birthDate"]);
    let text = passed(
        "both",
        cover,
        r#"{"resourceType":"Patient","id":"1","birthDate":"1970","gender":"male"}"#,
    );
    assert!(
        !text.contains("irthDate") && text.contains("\"_gender\""),
        "{text}"
    );
}

#[test]
fn canaries_come_out_nowhere() {
    for action in [Action::Remove, Action::Mask] {
        let elements = [
            "name",
            "birthDate",
            "extension(u)",
            "contact.telecom.value",
            "value[x]",
        ];
        for (place, body) in [
            ("element", r#","birthDate":"CANARY""#),
            (
                "sibling",
                r#","_birthDate":{"extension":[{"valueString":"CANARY"}]}"#,
            ),
            (
                "below",
                r#","name":[{"_given":[{"extension":[{"valueString":"CANARY"}]}]}]"#,
            ),
            (
                "narrative",
                r#","text":{"status":"generated","div":"CANARY"}"#,
            ),
            (
                "narrative of a contained resource",
                r#","contained":[{"resourceType":"Organization","text":{"div":"CANARY"}}]"#,
            ),
            (
                "contained",
                r#","contained":[{"resourceType":"Patient","birthDate":"CANARY"}]"#,
            ),
            (
                "extension",
                r#","extension":[{"url":"u","extension":[{"url":"x","valueString":"CANARY"}]}]"#,
            ),
            (
                "extension, value first",
                r#","extension":[{"valueString":"CANARY","url":"\u0075"}]"#,
            ),
            ("escaped key", r#","b\u0069rthDate":"CANARY""#),
            (
                "deeper",
                r#","contact":[{"telecom":[{"value":"CANARY","_value":{"id":"CANARY"}}]}]"#,
            ),
            (
                "choice",
                r#","valueQuantity":{"value":"CANARY"},"_valueString":{"id":"CANARY"}"#,
            ),
            (
                "wrong shape",
                r#","birthDate":[["CANARY"],{"x":"CANARY"}],"name":"CANARY""#,
            ),
            ("key", r#","birthDate":{"CANARY":1}"#),
        ] {
            let cover = hiding(read("Patient", None), "Patient", action.clone(), &elements);
            let body = format!(r#"{{"resourceType":"Patient","id":"1"{body},"gender":"male"}}"#);
            let text = passed(place, cover, &body);
            assert!(!text.contains(CANARY), "{place}: {text}");
            assert!(
                text.contains(r#""gender":"male""#) && text.contains("SUBSETTED"),
                "{place}: {text}"
            );
            crate::json::Document::parse(text.as_bytes(), &crate::json::Limits::default())
                .expect(place);
        }
        let cover = hiding(read("Patient", None), "Patient", action.clone(), &elements);
        let twice =
            r#"{"resourceType":"Patient","id":"1","birthDate":"1970","birthDate":"CANARY"}"#;
        assert!(matches!(
            outcome(cover, twice),
            Err(Fault::Uninspectable(_))
        ));
    }
}

#[test]
fn rules_reach_contained_resources_and_their_containers_narrative() {
    let cover = hiding(
        read("Observation", None),
        "Patient",
        Action::Remove,
        &["birthDate"],
    );
    let body = r#"{"resourceType":"Observation","id":"1","text":{"div":"CANARY"},"contained":[{"resourceType":"Patient","id":"p","birthDate":"CANARY"},{"resourceType":"Group","text":{"div":"CANARY"}}],"birthDate":"kept"}"#;
    let (text, counts) = outcome(cover, body).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    assert!(
        text.contains(
            r#"[{"resourceType":"Patient","id":"p"},{"resourceType":"Group"}],"birthDate":"kept""#
        ),
        "{text}"
    );
    assert_eq!((counts.passed, counts.redacted), (1, 1));
    // A rule for another type changes nothing.
    let cover = hiding(
        read("Observation", None),
        "Person",
        Action::Remove,
        &["birthDate"],
    );
    assert_eq!(passed("other type", cover, body), body);
}
