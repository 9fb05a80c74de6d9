//! What a resource says of itself where it is not whole.

use super::labels::cleared;
use super::texts::under;
use super::*;
use crate::dlp::Action as What;
use crate::label::INLINE;

/// `R`, `M` and `S` in braces stand for the codings.
fn coded(text: &str) -> String {
    let of = |code| {
        format!(
            r#"{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"{code}"}}"#
        )
    };
    text.replace("{R}", &of("REDACTED"))
        .replace("{M}", &of("MASKED"))
        .replace("{S}", &of("SUBSETTED"))
}

#[test]
fn labels_and_tag_are_added_once_where_they_disturb_nothing() {
    for (name, action, meta, expected) in [
        (
            "empty meta",
            Action::Remove,
            "{ }",
            r#"{"security":[{R}],"tag":[{S}] }"#,
        ),
        (
            "meta",
            Action::Mask,
            r#"{ "versionId" : "1" }"#,
            r#"{ "versionId" : "1","security":[{R},{M}],"tag":[{S}] }"#,
        ),
        (
            "empty lists",
            Action::Mask,
            r#"{"tag":[ ], "security":[ ]}"#,
            r#"{"tag":[{S} ], "security":[{R},{M} ]}"#,
        ),
        (
            "a label of the upstream",
            Action::Remove,
            r#"{"security":[ {"code":"x"} ]}"#,
            r#"{"security":[ {"code":"x"},{R} ],"tag":[{S}]}"#,
        ),
        (
            "a tag of the upstream",
            Action::Remove,
            r#"{"tag":[{"code":"x"} ]}"#,
            r#"{"tag":[{"code":"x"},{S} ],"security":[{R}]}"#,
        ),
        (
            "one is there",
            Action::Mask,
            r#"{"security":[{M},{"code":"R"}],"tag":[{S}]}"#,
            r#"{"security":[{M},{"code":"R"},{R}],"tag":[{S}]}"#,
        ),
        (
            "all are there",
            Action::Mask,
            r#"{"security":[{M},{R}],"tag":[{S}]}"#,
            r#"{"security":[{M},{R}],"tag":[{S}]}"#,
        ),
        (
            "the code of another system",
            Action::Remove,
            r#"{"security":[{"system":"x","code":"REDACTED"}],"tag":[{S}]}"#,
            r#"{"security":[{"system":"x","code":"REDACTED"},{R}],"tag":[{S}]}"#,
        ),
    ] {
        let cover = hiding(read("Patient", None), "Patient", action, &["birthDate"]);
        let (meta, expected) = (coded(meta), coded(expected));
        let body = format!(r#"{{"meta":{meta},"resourceType":"Patient","id":"1"}}"#);
        let expected = format!(r#"{{"meta":{expected},"resourceType":"Patient","id":"1"}}"#);
        assert_eq!(passed(name, cover, &body), expected, "{name}");
    }
}

/// The labels say what holds for the caller: from two resources that look alike when they leave, nobody can
/// tell in which something stood.
#[test]
fn the_labels_do_not_tell_what_was_found() {
    let hides = |action: Action, cover: Cover| hiding(cover, "Patient", action, &["telecom"]);
    let of = || read("Patient", Some("p"));
    let number = r#","telecom":[{"value":"4111 1111 1111 1111"}]"#;
    let labelled = format!(
        r#","telecom":[{{"extension":[{{"url":"{INLINE}","valueCoding":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"SUD"}}}}]}}]"#
    );
    let link = r#","link":[{"type":"seealso"}]"#;
    for (name, cover, body, meta) in [
        ("no rule", of(), number, ""),
        ("removed", hides(Action::Remove, of()), number, REMOVED),
        ("nothing there", hides(Action::Remove, of()), "", REMOVED),
        (
            "masked, nothing there",
            hides(Action::Mask, of()),
            "",
            MASKED,
        ),
        (
            "replaced, nothing there",
            hiding(
                of(),
                "Patient",
                Action::Replace("x".into()),
                &["name.family"],
            ),
            "",
            MASKED,
        ),
        (
            "both, nothing there",
            hides(Action::Remove, hides(Action::Mask, of())),
            "",
            MASKED,
        ),
        (
            "a number in what is removed",
            hides(Action::Remove, under(of(), "Patient", What::Mask)),
            number,
            MASKED,
        ),
        (
            "no number in what is removed",
            hides(Action::Remove, under(of(), "Patient", What::Mask)),
            "",
            MASKED,
        ),
        (
            "texts that are only refused for",
            hides(Action::Remove, under(of(), "Patient", What::Refuse)),
            "",
            REMOVED,
        ),
        (
            "a label in what is removed",
            hides(Action::Remove, cleared(of(), "N", None)),
            &labelled,
            MASKED,
        ),
        (
            "no label in what is removed",
            hides(Action::Remove, cleared(of(), "N", None)),
            "",
            MASKED,
        ),
        (
            "texts, nothing there",
            under(of(), "Patient", What::Mask),
            "",
            "",
        ),
        ("labels, nothing there", cleared(of(), "N", None), "", ""),
        ("links of a patient", for_patient(of(), "p"), link, REMOVED),
    ] {
        let patient = |meta: &str, rest: &str| {
            let meta = if meta.is_empty() {
                ""
            } else {
                &format!(",{meta}")
            };
            format!(r#"{{"resourceType":"Patient","id":"p"{meta}{rest}}}"#)
        };
        let rest = if meta.is_empty() { body } else { "" };
        let expected = patient(meta, rest);
        let found = passed(name, cover, &patient("", body));
        assert_eq!(found, expected, "{name}");
    }
}
