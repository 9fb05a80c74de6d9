//! `redaction`.

use super::*;
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
