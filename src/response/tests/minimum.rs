//! What leaves where a list says what is necessary.

use super::*;

const MASKED: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

fn keeping(mut cover: Cover, resource_type: &str, kept: &[&'static str]) -> Cover {
    let rule = Redaction::minimum("least".into(), kind(resource_type), kept.to_vec());
    cover.redactions.push(Rc::new(rule));
    cover
}

/// What leaves of an Observation with this behind its id; `REMOVED` and `MASKED` stand for those.
fn check(name: &str, kept: &[&'static str], body: &str, expected: &str) {
    let whole = |text: &str| format!(r#"{{"resourceType":"Observation","id":"1"{text}}}"#);
    let cover = keeping(read("Observation", None), "Observation", kept);
    let expected = expected.replace("MASKED", MASKED);
    let expected = whole(&format!(",{REMOVED}{expected}"));
    assert_eq!(passed(name, cover, &whole(body)), expected, "{name}");
}

#[test]
fn what_is_not_listed_does_not_leave() {
    for (name, kept, body, expected) in [
        ("nothing there", &["status"][..], "", ""),
        (
            "listed",
            &["status"],
            r#","status":"final""#,
            r#","status":"final""#,
        ),
        (
            "with its sibling",
            &["issued"],
            r#","issued":"x","_issued":{"id":"y"}"#,
            r#","issued":"x","_issued":{"id":"y"}"#,
        ),
        (
            "not listed",
            &["issued"],
            r#","note":[{"text":"CANARY"}],"issued":"x""#,
            r#","issued":"x""#,
        ),
        (
            "nor its sibling",
            &["issued"],
            r#","_effectiveDateTime":{"id":"CANARY"},"issued":"x""#,
            r#","issued":"x""#,
        ),
        (
            "escaped",
            &["issued"],
            r#","n\u006fte":[{"text":"CANARY"}],"is\u0073ued":"x""#,
            r#","is\u0073ued":"x""#,
        ),
        (
            "what R4 does not know",
            &["issued"],
            r#","patientName":"CANARY","Issued":"CANARY","issuedx":"CANARY","issued":"x""#,
            r#","issued":"x""#,
        ),
        (
            "every type of a choice",
            &["value"],
            r#","valueQuantity":{"value":1}"#,
            r#","valueQuantity":{"value":1}"#,
        ),
        (
            "another choice",
            &["value"],
            r#","effectiveDateTime":"CANARY","valueString":"x""#,
            r#","valueString":"x""#,
        ),
        (
            "what looks like a type of what is no choice of it",
            &["subject"],
            r#","subjectCodeableConcept":{"text":"CANARY"},"subjectString":"CANARY","subject":{"display":"x"}"#,
            r#","subject":{"display":"x"}"#,
        ),
        (
            "a type that the choice has not",
            &["value"],
            r#","valueAddress":{"text":"CANARY"},"valueString":"x""#,
            r#","valueString":"x""#,
        ),
        (
            "no type of a choice",
            &["value"],
            r#","valuex":"CANARY","valueString":"x""#,
            r#","valueString":"x""#,
        ),
        (
            "what is required is masked",
            &["status"],
            r#","code":{"text":"CANARY"},"status":"final""#,
            r#","code":MASKED,"status":"final""#,
        ),
        (
            "what it is read by",
            &["status"],
            r#","implicitRules":"urn:x","language":"de""#,
            r#","implicitRules":"urn:x","language":"de""#,
        ),
        (
            "the narrative",
            &["status"],
            r#","text":{"status":"generated","div":"CANARY"},"status":"final""#,
            r#","status":"final""#,
        ),
        (
            "what is contained",
            &["status"],
            r#","contained":[{"resourceType":"Patient","id":"CANARY"}],"status":"final""#,
            r#","status":"final""#,
        ),
        (
            "extensions",
            &["status"],
            r#","extension":[{"url":"x","valueString":"CANARY"}],"modifierExtension":[{"url":"x","valueString":"CANARY"}]"#,
            "",
        ),
        (
            "all of an element",
            &["extension"],
            r#","extension":[{"url":"x","valueString":"y"}]"#,
            r#","extension":[{"url":"x","valueString":"y"}]"#,
        ),
    ] {
        check(name, kept, body, expected);
    }
}

#[test]
fn every_list_holds_and_each_for_its_type() {
    let body = r#"{"resourceType":"Observation","id":"1","status":"final","issued":"CANARY","contained":[{"resourceType":"Observation","id":"c","note":[{"text":"CANARY"}],"status":"final"},{"resourceType":"Device","id":"d","lotNumber":"x"}]}"#;
    let two = keeping(
        read("Observation", None),
        "Observation",
        &["status", "contained", "issued"],
    );
    let two = keeping(two, "Observation", &["contained", "status"]);
    let expected = format!(
        r#"{{"resourceType":"Observation","id":"1",{REMOVED},"status":"final","contained":[{{"resourceType":"Observation","id":"c","status":"final"}},{{"resourceType":"Device","id":"d","lotNumber":"x"}}]}}"#
    );
    assert_eq!(passed("two lists", two, body), expected);
    // Beside one that hides something of what is listed.
    let both = hiding(
        read("Observation", None),
        "Observation",
        Action::Remove,
        &["code.text"],
    );
    let both = keeping(both, "Observation", &["code"]);
    let body = r#"{"resourceType":"Observation","id":"1","code":{"coding":[{"code":"x"}],"text":"CANARY"},"issued":"CANARY"}"#;
    let expected = format!(
        r#"{{"resourceType":"Observation","id":"1",{REMOVED},"code":{{"coding":[{{"code":"x"}}]}}}}"#
    );
    assert_eq!(passed("beside a redaction", both, body), expected);
    let other = keeping(read("Observation", None), "Patient", &["gender"]);
    let body = r#"{"resourceType":"Observation","id":"1","issued":"x"}"#;
    assert_eq!(passed("another type", other, body), body);
}

#[test]
fn a_search_reveals_what_is_not_listed() {
    let kept = vec!["code", "value", "subject"];
    let rule = Redaction::minimum("least".into(), kind("Observation"), kept);
    for (searched, expected) in [
        ("code", false),
        ("code.text", false),
        ("value", false),
        ("value[x]", false),
        ("valueQuantity", false),
        ("subject", false),
        ("status", true),
        ("effective[x]", true),
        ("effectiveDateTime", true),
        ("extension", true),
        ("extension(http://a.example)", true),
        ("text", true),
        ("id", false),
        ("meta", false),
        ("meta.lastUpdated", false),
        ("implicitRules", false),
        ("language", false),
        ("", true),
        ("no path", true),
    ] {
        assert_eq!(rule.reveals(searched), expected, "{searched}");
    }
}
