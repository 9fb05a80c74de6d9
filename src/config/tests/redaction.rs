//! `redaction`.

use super::*;
use crate::fhir::Confidentiality;
use crate::response::Precision;

/// What `complete` says of redactions.
pub(super) fn check_complete(policy: &Policy) {
    let [rule] = policy.redactions.as_slice() else {
        panic!("{:?}", policy.redactions)
    };
    assert_eq!(rule.unless, Scope::parse("user/Patient.rs"));
    assert_eq!(rule.redaction.name, "demographics");
    let patient = ResourceType::parse("Patient");
    assert_eq!(Some(rule.redaction.resource_type), patient);
    assert_eq!(rule.redaction.action, Action::Remove);
}

/// What is said of a redaction of Patient with these members beside name and type.
fn said_of(elements: &[&str], more: Value) -> String {
    let mut rule = json!({"name": "r", "resource": "Patient", "elements": elements});
    let members = more.as_object().expect("an object").clone();
    rule.as_object_mut().expect("an object").extend(members);
    said(&[("/redaction", json!([rule]))])
}

#[test]
fn conditions_on_labels_are_read_or_explained() {
    let expected =
        "/redaction/0/labelled: expected an object with confidentiality or sensitivities, found";
    for (labelled, expected) in [
        (json!({"confidentiality": "restricted"}), String::new()),
        (json!({"sensitivities": ["SUD", "http://example.org/labels|vip"]}), String::new()),
        (json!({}), format!("{expected} neither of them")),
        (json!({"sensitivities": []}), format!("{expected} neither of them")),
        (json!("SUD"), format!("{expected} a string")),
        (
            json!({"sensitivities": ["*"]}),
            "/redaction/0/labelled/sensitivities/0: expected a code of v3-ActCode such as HIV, or another with its system, system|code, found \"*\", which stands alone in a clearance".into(),
        ),
        (
            json!({"confidentiality": "R"}),
            "/redaction/0/labelled/confidentiality: expected \"unrestricted\", \"low\", \"moderate\", \"normal\", \"restricted\" or \"very-restricted\", found \"R\"".into(),
        ),
    ] {
        let more = json!({"action": "remove", "labelled": labelled});
        assert_eq!(said_of(&["birthDate"], more), expected, "{labelled}");
    }
    // Labels are read as for clearances where there are any.
    for (labels, unlabelled) in [
        (None, Confidentiality::Unrestricted),
        (
            Some(
                json!({"unlabelled": "restricted", "clearances": [{"confidentiality": "normal"}]}),
            ),
            Confidentiality::Restricted,
        ),
    ] {
        let mut document = super::complete();
        document["redaction"][0]["labelled"] = json!({"confidentiality": "restricted"});
        set(
            &mut document,
            "/labels",
            labels.unwrap_or(super::REMOVED.into()),
        );
        let policy = read(document.to_string().as_bytes()).expect("a policy");
        let carried = policy.redactions[0].redaction.labelled.as_ref();
        assert_eq!(carried.expect("a condition").policy.unlabelled, unlabelled);
    }
}

#[test]
fn actions_are_read_or_explained() {
    let to = "expected \"year\", \"month\", \"area\" or \"age\", found";
    let text = "/redaction/0/with: expected a text that has more than spaces, without control characters, found other text";
    for (elements, more, expected) in [
        (&["birthDate"][..], json!({"action": "generalize", "to": "year"}), String::new()),
        (&["address.postalCode"], json!({"action": "generalize", "to": "area"}), String::new()),
        (&["name.family", "name.given"], json!({"action": "replace", "with": "x".repeat(256)}), String::new()),
        (&["birthDate"], json!({"action": "generalize"}), format!("/redaction/0/to: {to} nothing")),
        (
            &["birthDate"],
            json!({"action": "generalize", "to": "day"}),
            format!("/redaction/0/to: {to} \"day\""),
        ),
        (
            &["birthDate", "gender"],
            json!({"action": "generalize", "to": "month"}),
            "/redaction/0/elements/1: found another element, expected a date or a period, of one type".into(),
        ),
        (
            &["gender"],
            json!({"action": "replace", "with": "x"}),
            "/redaction/0/elements/0: found another element, expected a text, of one type".into(),
        ),
        (
            &["name.family"],
            json!({"action": "replace"}),
            "/redaction/0/with: expected a text, found nothing".into(),
        ),
        (
            &["name.family"],
            json!({"action": "replace", "with": "x".repeat(257)}),
            "/redaction/0/with: expected a text of 1 to 256 bytes, found 257 bytes".into(),
        ),
        (&["name.family"], json!({"action": "replace", "with": "  "}), text.into()),
        (&["name.family"], json!({"action": "replace", "with": "a\u{7}"}), text.into()),
        (
            &["name.family"],
            json!({"action": "mask", "with": "x"}),
            "/redaction/0/with: expected nothing where action is not replace, found something".into(),
        ),
        (
            &["name.family"],
            json!({"action": "replace", "with": "x", "to": "year"}),
            "/redaction/0/to: expected nothing where action is not generalize, found something".into(),
        ),
        (
            &["name.family"],
            json!({"action": "hide"}),
            "/redaction/0/action: expected \"remove\", \"mask\", \"replace\" or \"generalize\", found \"hide\"".into(),
        ),
    ] {
        assert_eq!(said_of(elements, more.clone()), expected, "{elements:?} {more}");
    }
}

#[test]
fn what_a_rule_does_is_read() {
    let mut document = complete();
    set(
        &mut document,
        "/redaction",
        json!([
            {"name": "a", "resource": "Patient", "elements": ["birthDate"], "action": "generalize", "to": "year"},
            {"name": "b", "resource": "Condition", "elements": ["onsetAge"], "action": "generalize", "to": "age"},
            {"name": "c", "resource": "Patient", "elements": ["name.family"], "action": "replace", "with": "***"},
        ]),
    );
    let policy = read(document.to_string().as_bytes()).expect("a policy");
    let actions: Vec<Action> = policy
        .redactions
        .iter()
        .map(|rule| rule.redaction.action.clone())
        .collect();
    let expected = [
        Action::Generalize(Precision::Year),
        Action::Generalize(Precision::Age),
        Action::Replace("***".into()),
    ];
    assert_eq!(actions, expected);
}
