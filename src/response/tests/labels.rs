//! Answers under security labels: what the caller is not cleared for leaves no trace.

use super::*;
use crate::access::{Granted, Seen};
use crate::fhir::{Confidentiality, PolicyCode};
use crate::label::{Clearance, Cleared, INLINE, Kind, LabelPolicy};

/// A cover for whoever may see what is at most this confidential, and of this sensitivity.
pub(super) fn cleared(mut cover: Cover, level: &str, kind: Option<&str>) -> Cover {
    let policy = Rc::new(LabelPolicy {
        unlabelled: Confidentiality::Normal,
        codes: Vec::new(),
    });
    let kind = kind.map(|code| Kind::Policy(PolicyCode::parse(code).expect(code)));
    let clearance = Clearance {
        confidentiality: Confidentiality::parse(level).expect(level),
        kinds: kind.into_iter().collect(),
        every_kind: false,
    };
    let cleared = Cleared::new(&policy, vec![Rc::new(clearance)]).expect("not everything");
    let labels = Some(cleared);
    cover.granted = Granted::Seen(
        None,
        Seen {
            labels,
            ..Seen::default()
        },
    );
    cover
}

fn label(system: &str, code: &str) -> String {
    format!(r#"{{"system":"http://terminology.hl7.org/CodeSystem/{system}","code":"{code}"}}"#)
}

fn observation(id: &str, labels: &[String]) -> String {
    let labels = labels.join(",");
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","meta":{{"security":[{labels}]}},"status":"final"}}"#
    )
}

#[test]
fn what_the_caller_is_not_cleared_for_is_withheld() {
    let restricted = label("v3-Confidentiality", "R");
    let hiv = label("v3-ActCode", "HIV");
    for (name, level, kind, labels, expected) in [
        ("no label", "N", None, vec![], true),
        (
            "too confidential",
            "N",
            None,
            vec![restricted.clone()],
            false,
        ),
        ("cleared", "R", None, vec![restricted.clone()], true),
        ("a sensitivity", "R", None, vec![hiv.clone()], false),
        (
            "both",
            "R",
            Some("HIV"),
            vec![restricted.clone(), hiv.clone()],
            true,
        ),
    ] {
        let body = observation("o", &labels);
        let one = cleared(read("Observation", Some("o")), level, kind);
        match outcome(one, &body) {
            Ok((text, _)) => assert!(expected && text == body, "{name}: {text}"),
            Err(fault) => assert!(!expected && fault == Fault::Withheld, "{name}: {fault:?}"),
        }
        let other = observation("p", &[]);
        let all = format!(
            r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{body}}},{{"resource":{other}}}]}}"#
        );
        let cover = cleared(
            bundle(BundleKind::Searchset, "Observation", None),
            level,
            kind,
        );
        let (text, counts) = outcome(cover, &all).expect(name);
        assert_eq!(text.contains(r#""id":"o""#), expected, "{name}: {text}");
        assert!(text.contains(&other), "{name}: {text}");
        assert_eq!(counts.removed, u64::from(!expected), "{name}");
    }
}

#[test]
fn the_labels_of_a_bundle_hold_for_its_entries() {
    let bundle_of = |before: &str, behind: &str| {
        let entry = observation("o", &[]);
        format!(
            r#"{{"resourceType":"Bundle",{before}"type":"searchset","entry":[{{"resource":{entry}}}]{behind}}}"#
        )
    };
    let meta = format!(
        r#""meta":{{"security":[{}]}}"#,
        label("v3-Confidentiality", "R")
    );
    let cover = |level| {
        cleared(
            bundle(BundleKind::Searchset, "Observation", None),
            level,
            None,
        )
    };
    let before = bundle_of(&format!("{meta},"), "");
    let text = passed("cleared", cover("R"), &before);
    assert!(text.contains(r#""id":"o""#), "{text}");
    let (text, counts) = outcome(cover("N"), &before).expect("a bundle");
    assert!(!text.contains(r#""id":"o""#), "{text}");
    assert_eq!(counts.removed, 1);
    let behind = bundle_of("", &format!(",{meta}"));
    assert!(outcome(cover("R"), &behind).is_ok());
    assert!(matches!(
        outcome(cover("N"), &behind),
        Err(Fault::Uninspectable(_))
    ));
}

/// An extension that labels the element it stands in.
fn inline(code: &str) -> String {
    format!(
        r#"{{"url":"{INLINE}","valueCoding":{}}}"#,
        label("v3-ActCode", code)
    )
}

/// What becomes of these members of a Patient for a caller who is cleared for `HIV` alone.
fn check(name: &str, members: &str, expected: Option<&str>) {
    let patient = |members: &str, meta: &str| {
        format!(r#"{{"resourceType":"Patient","id":"p"{meta},{members}}}"#)
    };
    let body = patient(members, "");
    let cover = cleared(read("Patient", Some("p")), "N", Some("HIV"));
    let found = outcome(cover, &body);
    let Some(expected) = expected else {
        assert_eq!(found.err(), Some(Fault::Withheld), "{name}");
        return;
    };
    let meta = match expected == members {
        true => String::new(),
        false => format!(",{MASKED}"),
    };
    let (text, counts) = found.expect(name);
    assert_eq!(text, patient(expected, &meta), "{name}");
    assert!(!text.contains(CANARY), "{name}: {text}");
    assert_eq!(counts.redacted, u64::from(expected != members), "{name}");
}

#[test]
fn elements_with_labels_of_their_own_are_masked() {
    let (hiv, sud) = (inline("HIV"), inline("SUD"));
    const ABSENT: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;
    let cleared = format!(r#""maritalStatus":{{"extension":[{hiv}],"text":"x"}}"#);
    check("cleared", &cleared, Some(&cleared));
    let element = format!(r#""maritalStatus":{{"extension":[{sud}],"text":"{CANARY}"}}"#);
    check(
        "an object",
        &element,
        Some(&format!(r#""maritalStatus":{ABSENT}"#)),
    );
    let both = format!(r#""maritalStatus":{{"extension":[{hiv},{sud}],"text":"{CANARY}"}}"#);
    check(
        "two labels",
        &both,
        Some(&format!(r#""maritalStatus":{ABSENT}"#)),
    );
    check(
        "an item",
        &format!(r#""name":[{{"family":"a"}},{{"extension":[{sud}],"family":"{CANARY}"}}]"#),
        Some(&format!(r#""name":[{{"family":"a"}},{ABSENT}]"#)),
    );
    check(
        "a primitive",
        &format!(r#""birthDate":"{CANARY}","_birthDate":{{"extension":[{sud}]}}"#),
        Some(&format!(r#""_birthDate":{ABSENT}"#)),
    );
    check(
        "a sibling alone",
        &format!(r#""_birthDate":{{"extension":[{sud}]}}"#),
        Some(&format!(r#""_birthDate":{ABSENT}"#)),
    );
    check(
        "one of several primitives: how many there are is hidden too",
        &format!(
            r#""name":[{{"given":["{CANARY}","{CANARY}2"],"_given":[null,{{"extension":[{sud}]}}]}}]"#
        ),
        Some(&format!(r#""name":[{{"_given":[{ABSENT}]}}]"#)),
    );
    check(
        "within an element of an element",
        &format!(
            r#""contact":[{{"name":{{"family":"a","period":{{"extension":[{sud}],"start":"{CANARY}"}}}}}}]"#
        ),
        Some(&format!(
            r#""contact":[{{"name":{{"family":"a","period":{ABSENT}}}}}]"#
        )),
    );
    check(
        "with the narrative",
        &format!(
            r#""text":{{"status":"generated","div":"{CANARY}"}},"maritalStatus":{{"extension":[{sud}]}}"#
        ),
        Some(&format!(r#""maritalStatus":{ABSENT}"#)),
    );
    check(
        "not understood",
        &format!(r#""maritalStatus":{{"extension":[{{"url":"{INLINE}"}}],"text":"{CANARY}"}}"#),
        Some(&format!(r#""maritalStatus":{ABSENT}"#)),
    );
    let other =
        r#""maritalStatus":{"extension":[{"url":"http://example.org/x","valueCode":"SUD"}]}"#;
    check("another extension", other, Some(other));
    check(
        "the whole resource",
        &format!(r#""extension":[{sud}]"#),
        None,
    );
    check(
        "what cannot be masked",
        &format!(r#""_language":{{"extension":[{sud}]}},"language":"de""#),
        None,
    );
    check(
        "an extension within one",
        &format!(r#""extension":[{{"url":"http://e","extension":[{sud}]}}]"#),
        Some(
            r#""extension":[{"url":"http://e","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}]"#,
        ),
    );
}

#[test]
fn a_masked_element_keeps_no_url_but_that_of_an_extension() {
    let sud = inline("SUD");
    const ABSENT: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;
    check(
        "an attachment in a list",
        &format!(
            r#""photo":[{{"extension":[{sud}],"url":"https://{CANARY}"}},{{"url":"https://a"}}]"#
        ),
        Some(&format!(r#""photo":[{ABSENT},{{"url":"https://a"}}]"#)),
    );
    check(
        "an extension with a url of another kind",
        &format!(
            r#""extension":[{{"extension":[{sud}],"url":["{CANARY}"]}},{{"url":"http://a"}}]"#
        ),
        Some(&format!(r#""extension":[{ABSENT},{{"url":"http://a"}}]"#)),
    );
}

#[test]
fn a_label_within_what_is_generalised_holds() {
    let sud = inline("SUD");
    let body = format!(
        r#"{{"resourceType":"Patient","id":"p","name":[{{"family":"a","period":{{"start":"1974-12-25","_start":{{"extension":[{sud}]}},"end":"1999-01-01"}}}}]}}"#
    );
    let year = Action::Generalize(Precision::Year);
    let cover = hiding(
        read("Patient", Some("p")),
        "Patient",
        year,
        &["name.period"],
    );
    let text = passed("a label", cleared(cover, "N", Some("HIV")), &body);
    assert!(!text.contains("1974") && text.contains("masked"), "{text}");
}

/// A cover for whoever has these clearances, each of a level and a sensitivity.
fn holding(mut cover: Cover, held: &[(&str, &str)]) -> Cover {
    let policy = Rc::new(LabelPolicy {
        unlabelled: Confidentiality::Normal,
        codes: Vec::new(),
    });
    let clearance = |(level, kind): &(&str, &str)| {
        Rc::new(Clearance {
            confidentiality: Confidentiality::parse(level).expect(level),
            kinds: PolicyCode::parse(kind)
                .map(Kind::Policy)
                .into_iter()
                .collect(),
            every_kind: false,
        })
    };
    let cleared = Cleared::new(&policy, held.iter().map(clearance).collect());
    let seen = Seen {
        labels: Some(cleared.expect("not everything")),
        texts: None,
    };
    cover.granted = Granted::Seen(None, seen);
    cover
}

#[test]
fn two_halves_of_a_clearance_are_none_for_an_element_in_what_is_labelled() {
    let restricted = label("v3-Confidentiality", "R");
    let level = format!(r#"{{"url":"{INLINE}","valueCoding":{restricted}}}"#);
    let hiv = inline("HIV");
    let meta = format!(r#""meta":{{"security":[{restricted}]}},"#);
    let own = format!(r#""maritalStatus":{{"extension":[{hiv},{level}],"text":"{CANARY}"}}"#);
    let below = format!(
        r#""contact":[{{"extension":[{level}],"name":{{"extension":[{hiv}],"text":"{CANARY}"}}}}]"#
    );
    let alone = format!(r#""maritalStatus":{{"extension":[{hiv}],"text":"{CANARY}"}}"#);
    let sibling = format!(r#""birthDate":"{CANARY}","_birthDate":{{"extension":[{hiv}]}}"#);
    for (name, meta, members) in [
        ("on one element", "", &own),
        ("of an element and one in it", "", &below),
        ("of a resource and an element", meta.as_str(), &alone),
        ("of a resource and a primitive", meta.as_str(), &sibling),
    ] {
        let body = format!(r#"{{"resourceType":"Patient","id":"p",{meta}{members}}}"#);
        let patient = || read("Patient", Some("p"));
        let halves = holding(patient(), &[("R", ""), ("N", "HIV")]);
        let text = passed(name, halves, &body);
        assert!(!text.contains(CANARY), "{name}: {text}");
        let whole = holding(patient(), &[("N", ""), ("R", "HIV")]);
        assert_eq!(passed(name, whole, &body), body, "{name}");
    }
}

#[test]
fn two_halves_of_a_clearance_are_none_for_an_entry_in_a_bundle_that_is_labelled() {
    let restricted = label("v3-Confidentiality", "R");
    let entry = observation("o", &[label("v3-ActCode", "HIV")]);
    let body = format!(
        r#"{{"resourceType":"Bundle","meta":{{"security":[{restricted}]}},"type":"searchset","entry":[{{"resource":{entry}}}]}}"#
    );
    let cover = || bundle(BundleKind::Searchset, "Observation", None);
    for (held, expected) in [
        ([("R", ""), ("N", "HIV")], false),
        ([("N", ""), ("R", "HIV")], true),
    ] {
        let text = passed("halves", holding(cover(), &held), &body);
        assert_eq!(text.contains(r#""id":"o""#), expected, "{held:?}: {text}");
    }
}

#[test]
fn the_label_of_an_entry_holds_for_its_resource() {
    let sud = inline("SUD");
    let (one, other) = (observation("o", &[]), observation("p", &[]));
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"extension":[{sud}],"resource":{one}}},{{"resource":{other}}}]}}"#
    );
    for (kind, expected) in [("HIV", false), ("SUD", true)] {
        let cover = bundle(BundleKind::Searchset, "Observation", None);
        let text = passed(kind, cleared(cover, "N", Some(kind)), &body);
        assert_eq!(text.contains(r#""id":"o""#), expected, "{kind}: {text}");
        assert!(text.contains(&other), "{kind}: {text}");
    }
}

#[test]
fn many_labelled_elements_cost_no_more_than_reading_them() {
    let sud = inline("SUD");
    let members: Vec<String> = (0..30_000)
        .map(|at| format!(r#""_a{at}":{{"extension":[{sud}]}},"a{at}":"{CANARY}""#))
        .collect();
    let body = format!(
        r#"{{"resourceType":"Patient","id":"p",{}}}"#,
        members.join(",")
    );
    let cover = cleared(read("Patient", Some("p")), "N", Some("HIV"));
    let (text, _) =
        run(&Rc::new(cover), Limits::default(), body.as_bytes(), &[]).expect("it leaves");
    assert!(!text.contains(CANARY));
}
