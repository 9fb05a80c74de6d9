//! Answers that are one resource.

use super::*;

const WITHHELD: &str = "withheld";
const UNINSPECTABLE: &str = "uninspectable";
const SAME: &str = "same";

fn check(name: &str, cover: Cover, body: &str, expected: &str) {
    let found = match outcome(cover, body) {
        Ok((text, _)) if text == body.trim() => SAME,
        Ok((text, _)) => panic!("{name}: changed to {text}"),
        Err(Fault::Withheld) => WITHHELD,
        Err(Fault::Uninspectable(_)) => UNINSPECTABLE,
        Err(Fault::TooLarge) => "too large",
        Err(Fault::Egress) => "too much",
    };
    assert_eq!(found, expected, "{name}");
}

#[test]
fn a_read_is_the_resource_that_was_asked_for() {
    let row = |name: &str, body: &str, expected: &str| {
        check(name, read("Patient", Some("1")), body, expected)
    };
    row(
        "as it is",
        " {\"resourceType\" : \"Patient\",\n \"id\":\"1\",\"x\":[1.50, {} ] } \n",
        SAME,
    );
    row(
        "escaped",
        r#"{"resourc\u0065Type":"Pati\u0065nt","id":"\u0031"}"#,
        SAME,
    );
    row(
        "other type",
        r#"{"resourceType":"Person","id":"1"}"#,
        UNINSPECTABLE,
    );
    row(
        "outcome",
        r#"{"resourceType":"OperationOutcome","id":"1"}"#,
        UNINSPECTABLE,
    );
    row(
        "bundle",
        r#"{"resourceType":"Bundle","id":"1"}"#,
        UNINSPECTABLE,
    );
    row("no type", r#"{"id":"1"}"#, UNINSPECTABLE);
    row(
        "other id",
        r#"{"resourceType":"Patient","id":"12"}"#,
        UNINSPECTABLE,
    );
    row("no id", r#"{"resourceType":"Patient"}"#, UNINSPECTABLE);
    row(
        "id no string",
        r#"{"resourceType":"Patient","id":1}"#,
        UNINSPECTABLE,
    );
    row(
        "id twice",
        r#"{"resourceType":"Patient","id":"2","id":"1"}"#,
        UNINSPECTABLE,
    );
    row(
        "meta no object",
        r#"{"resourceType":"Patient","id":"1","meta":[]}"#,
        UNINSPECTABLE,
    );
    row(
        "nested",
        r#"{"resourceType":"Patient","id":"1","x":{"resourceType":"Patient"}}"#,
        UNINSPECTABLE,
    );
    row(
        "nested, escaped",
        r#"{"resourceType":"Patient","id":"1","x":[{"r\u0065sourceType":"Patient"}]}"#,
        UNINSPECTABLE,
    );
    row(
        "contained",
        r#"{"resourceType":"Patient","id":"1","contained":[{"resourceType":"Organization"}]}"#,
        SAME,
    );
    row(
        "contained twice over",
        r#"{"resourceType":"Patient","id":"1","contained":[{"resourceType":"List","contained":[]}]}"#,
        UNINSPECTABLE,
    );
    row(
        "contained no resource",
        r#"{"resourceType":"Patient","id":"1","contained":[{}]}"#,
        UNINSPECTABLE,
    );
    row(
        "array",
        r#"[{"resourceType":"Patient","id":"1"}]"#,
        UNINSPECTABLE,
    );
    row(
        "two",
        r#"{"resourceType":"Patient","id":"1"}{"resourceType":"Patient","id":"1"}"#,
        UNINSPECTABLE,
    );
    row(
        "garbage behind",
        r#"{"resourceType":"Patient","id":"1"}x"#,
        UNINSPECTABLE,
    );
    row("empty", "", UNINSPECTABLE);
    check(
        "created",
        read("Patient", None),
        r#"{"resourceType":"Patient","id":"new"}"#,
        SAME,
    );
    check(
        "created without id",
        read("Patient", None),
        r#"{"resourceType":"Patient"}"#,
        UNINSPECTABLE,
    );
    check(
        "opaque",
        cover(Expected::Opaque),
        r#"{"kind": "x","rest":[{"resourceType":1}]}"#,
        SAME,
    );
    check(
        "opaque, broken",
        cover(Expected::Opaque),
        r#"{"kind":"x","kind":"y"}"#,
        UNINSPECTABLE,
    );
}

#[test]
fn a_version_is_the_one_that_was_asked_for() {
    for (meta, expected) in [
        (r#"{"versionId":"3"}"#, SAME),
        (r#"{"versionId":"4"}"#, UNINSPECTABLE),
        (r#"{"versionId":3}"#, UNINSPECTABLE),
        ("{}", UNINSPECTABLE),
    ] {
        let vread = cover(Expected::Resource {
            resource_type: kind("Patient"),
            id: Some("1".into()),
            version: Some("3".into()),
        });
        let body = format!(r#"{{"resourceType":"Patient","id":"1","meta":{meta}}}"#);
        check(meta, vread, &body, expected);
    }
}

#[test]
fn a_patient_sees_only_what_names_the_patient() {
    let row = |name: &str, resource_type: &str, rest: &str, expected: &str| {
        let body = format!(r#"{{"resourceType":"{resource_type}","id":"1"{rest}}}"#);
        check(
            name,
            for_patient(read(resource_type, Some("1")), "1"),
            &body,
            expected,
        );
    };
    row(
        "own",
        "Observation",
        r#","subject":{"reference":"Patient/1"}"#,
        SAME,
    );
    row(
        "other",
        "Observation",
        r#","subject":{"reference":"Patient/12"}"#,
        WITHHELD,
    );
    row("none", "Observation", "", WITHHELD);
    row("no compartment", "Organization", "", WITHHELD);
    row("the patient", "Patient", "", SAME);
    check(
        "another patient",
        for_patient(read("Patient", Some("2")), "1"),
        r#"{"resourceType":"Patient","id":"2"}"#,
        WITHHELD,
    );
}

#[test]
fn a_patients_links_to_others_go() {
    let body = r#"{"resourceType":"Patient","id":"1", "link":[{"other":{"reference":"Patient/CANARY"}}],"_link":[{"id":"CANARY"}],"gender":"other"}"#;
    let text = passed("link", for_patient(read("Patient", Some("1")), "1"), body);
    assert!(!text.contains(CANARY), "{text}");
    assert!(
        text.contains(r#""gender":"other""#) && text.contains("SUBSETTED"),
        "{text}"
    );
    check("unrestricted", read("Patient", Some("1")), body, SAME);
}
