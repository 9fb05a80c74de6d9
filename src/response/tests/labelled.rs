//! Redactions of what carries a label.

use super::*;
use crate::fhir::{Confidentiality, PolicyCode};
use crate::label::{Carried, INLINE, Kind, LabelPolicy};

const SUD: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"SUD"}"#;

/// Takes the notes out of Observations, and names out of Patients, that are about the use of substances.
fn under(mut cover: Cover) -> Cover {
    for (resource_type, element) in [("Observation", "note"), ("Patient", "name")] {
        let elements = [element.to_owned()];
        let rule = Redaction::new(
            "rule".into(),
            kind(resource_type),
            &elements,
            Action::Remove,
        );
        let mut rule = rule.expect("elements that can be used");
        rule.labelled = Some(Carried {
            policy: Rc::new(LabelPolicy {
                unlabelled: Confidentiality::Unrestricted,
                codes: Vec::new(),
            }),
            confidentiality: None,
            kinds: vec![Kind::Policy(PolicyCode::parse("SUD").expect("a code"))],
        });
        cover.redactions.push(Rc::new(rule));
    }
    cover
}

fn observation(id: &str, members: &str) -> String {
    let note = format!(r#""note":[{{"text":"{CANARY}"}}]"#);
    format!(r#"{{"resourceType":"Observation","id":"{id}",{note}{members}}}"#)
}

#[test]
fn only_what_carries_the_label_is_redacted() {
    let meta = format!(r#","meta":{{"security":[{SUD}]}}"#);
    let inline = format!(r#"{{"url":"{INLINE}","valueCoding":{SUD}}}"#);
    for (name, members, hidden) in [
        ("no label", "".to_owned(), false),
        ("another label", meta.replace("SUD", "HIV"), false),
        ("the label", meta.clone(), true),
        ("a narrower one", meta.replace("SUD", "OPIOIDUD"), true),
        (
            "of what is contained",
            format!(r#","contained":[{{"resourceType":"Device"{meta}}}]"#),
            true,
        ),
        (
            "of an element",
            format!(r#","subject":{{"extension":[{inline}]}}"#),
            true,
        ),
        (
            "a part, which may have lost it",
            r#","meta":{"tag":[{"code":"SUBSETTED"}]}"#.to_owned(),
            true,
        ),
    ] {
        let body = observation("o", &members);
        let (text, counts) = outcome(under(read("Observation", None)), &body).expect(name);
        assert_eq!(text.contains(CANARY), !hidden, "{name}: {text}");
        assert_eq!(text.contains("REDACTED"), hidden, "{name}: {text}");
        assert_eq!(counts.redacted, u64::from(hidden), "{name}");
        assert!(hidden || text == body, "{name}: {text}");
    }
}

#[test]
fn the_label_of_a_container_is_that_of_what_it_contains() {
    let contained = format!(
        r#","contained":[{{"resourceType":"Patient","id":"c","name":[{{"text":"{CANARY}"}}]}}]"#
    );
    let meta = format!(r#","meta":{{"security":[{SUD}]}}"#);
    let body = observation("o", &format!("{contained}{meta}"));
    let text = passed("labelled", under(read("Observation", None)), &body);
    assert!(!text.contains(CANARY), "{text}");
}

#[test]
fn the_labels_of_a_bundle_and_of_an_entry_are_those_of_what_is_in_it() {
    let inline = format!(r#","extension":[{{"url":"{INLINE}","valueCoding":{SUD}}}]"#);
    let meta = format!(r#""meta":{{"security":[{SUD}]}},"#);
    for (name, meta, extension, hidden) in [
        ("no label", "", "", [false, false]),
        ("of the entry", "", inline.as_str(), [true, false]),
        ("of the bundle", meta.as_str(), "", [true, true]),
    ] {
        let (one, two) = (observation("a", ""), observation("b", ""));
        let body = format!(
            r#"{{"resourceType":"Bundle","type":"searchset",{meta}"entry":[{{"resource":{one}{extension}}},{{"resource":{two}}}]}}"#
        );
        let cover = under(bundle(BundleKind::Searchset, "Observation", None));
        let text = passed(name, cover, &body);
        let parts: Vec<&str> = text.split("\"id\":\"").skip(1).collect();
        let found: Vec<bool> = parts.iter().map(|part| !part.contains(CANARY)).collect();
        assert_eq!(found, hidden, "{name}: {text}");
    }
    let late = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{}}}],"meta":{{"security":[{SUD}]}}}}"#,
        observation("a", "")
    );
    let cover = under(bundle(BundleKind::Searchset, "Observation", None));
    let fault = "the labels of the bundle stand behind its entries";
    assert_eq!(outcome(cover, &late), Err(Fault::Uninspectable(fault)));
}
