//! What rules leave that replace or generalise.

use super::*;

const ABSENT: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

/// What becomes of a Patient with these members; `ABSENT` stands for a masked value.
fn check(name: &str, rules: &[(Action, &str)], body: &str, expected: &str) {
    let mut cover = read("Patient", None);
    for (action, element) in rules {
        cover = hiding(cover, "Patient", action.clone(), &[element]);
    }
    let body = format!(r#"{{"resourceType":"Patient","id":"1",{body}}}"#);
    let expected = expected.replace("ABSENT", ABSENT);
    let removes = rules.iter().all(|(action, _)| *action == Action::Remove);
    let meta = if removes { REMOVED } else { MASKED };
    let expected = format!(r#"{{"resourceType":"Patient","id":"1",{meta},{expected}}}"#);
    assert_eq!(passed(name, cover, &body), expected, "{name}");
}

fn to(precision: Precision) -> Action {
    Action::Generalize(precision)
}

fn with(text: &str) -> Action {
    Action::Replace(text.into())
}

#[test]
fn what_is_rewritten_takes_its_sibling_along_and_leaves_the_rest() {
    check(
        "a date",
        &[(to(Precision::Year), "birthDate")],
        r#""gender" : "male","birthDate" : "1974-12-25", "active":true"#,
        r#""gender" : "male","birthDate" : "1974", "active":true"#,
    );
    check(
        "with its sibling, which says it exactly",
        &[(to(Precision::Year), "birthDate")],
        r#""birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"time","valueDateTime":"1974-12-25T14:35:45-05:00"}]},"active":true"#,
        r#""birthDate":"1974","active":true"#,
    );
    check(
        "a sibling alone",
        &[(to(Precision::Year), "birthDate")],
        r#""_birthDate":{"extension":[{"url":"time","valueDateTime":"1974-12-25"}]},"active":true"#,
        r#""_birthDate":ABSENT,"active":true"#,
    );
    check(
        "no date",
        &[(to(Precision::Year), "birthDate")],
        r#""birthDate":"25.12.1974","active":true"#,
        r#""_birthDate":ABSENT,"active":true"#,
    );
    check(
        "another kind of value",
        &[(to(Precision::Year), "birthDate")],
        r#""birthDate":{"x":"1974-12-25"},"active":true"#,
        r#""birthDate":ABSENT,"active":true"#,
    );
    check(
        "in every item",
        &[(to(Precision::Area), "address.postalCode")],
        r#""address":[{"postalCode":"02139","use":"home"},{"postalCode":"021"},{"city":"x"}]"#,
        r#""address":[{"postalCode":"021","use":"home"},{"_postalCode":ABSENT},{"city":"x"}]"#,
    );
    check(
        "a period",
        &[(to(Precision::Month), "name.period")],
        r#""name":[{"period":{"start":"2001-05-06","end":"2002-01-01"},"family":"x"}]"#,
        r#""name":[{"period":{"start":"2001-05","end":"2002-01"},"family":"x"}]"#,
    );
    check(
        "in an extension",
        &[(to(Precision::Year), "extension(http://e).valueDate")],
        r#""extension":[{"url":"http://e","valueDate":"2001-05-06"},{"url":"http://f","valueDate":"2001-05-06"}]"#,
        r#""extension":[{"url":"http://e","valueDate":"2001"},{"url":"http://f","valueDate":"2001-05-06"}]"#,
    );
    check(
        "texts",
        &[
            (with("***"), "name.given"),
            (with("a \"b\""), "name.family"),
        ],
        r#""name":[{"family":"Chalmers","given":["Peter","James"],"_given":[null,{"id":"x"}],"use":"official"}]"#,
        r#""name":[{"family":"a \"b\"","given":["***"],"use":"official"}]"#,
    );
    check(
        "without the narrative",
        &[(with("***"), "name.family")],
        r#""text":{"status":"generated","div":"<div>Chalmers</div>"},"name":[{"family":"Chalmers"}]"#,
        r#""name":[{"family":"***"}]"#,
    );
}

#[test]
fn where_two_rules_meet_the_one_holds_that_leaves_less() {
    let year = || (to(Precision::Year), "birthDate");
    let body = r#""birthDate":"1974-12-25","active":true"#;
    for (name, other, expected) in [
        (
            "month",
            (to(Precision::Month), "birthDate"),
            r#""birthDate":"1974","active":true"#,
        ),
        (
            "mask",
            (Action::Mask, "birthDate"),
            r#""_birthDate":ABSENT,"active":true"#,
        ),
        ("remove", (Action::Remove, "birthDate"), r#""active":true"#),
    ] {
        check(name, &[year(), other.clone()], body, expected);
        check(name, &[other, year()], body, expected);
    }
    check(
        "a whole and its part",
        &[(Action::Mask, "name"), (with("***"), "name.family")],
        r#""name":[{"family":"x","given":["y"]}]"#,
        r#""name":[ABSENT]"#,
    );
    // What generalises the whole must not bring out a part that another rule takes.
    for part in ["name.period.start", "name.period.end"] {
        for action in [Action::Remove, Action::Mask] {
            check(
                "a part of what is generalised",
                &[(to(Precision::Year), "name.period"), (action, part)],
                r#""name":[{"period":{"start":"2001-05-06","end":"2002-01-01"},"use":"usual"}]"#,
                r#""name":[{"period":ABSENT,"use":"usual"}]"#,
            );
        }
    }
}

#[test]
fn a_rule_is_for_elements_that_it_leaves_valid() {
    for (action, element, expected) in [
        (to(Precision::Year), "birthDate", None),
        (to(Precision::Year), "deceasedDateTime", None),
        (to(Precision::Year), "address.period", None),
        (to(Precision::Year), "contact.period.start", None),
        (
            to(Precision::Month),
            "deceased[x]",
            Some("a date or a period"),
        ),
        (to(Precision::Month), "deceased", Some("a date or a period")),
        (
            to(Precision::Month),
            "deceasedBoolean",
            Some("a date or a period"),
        ),
        (to(Precision::Month), "gender", Some("a date or a period")),
        (to(Precision::Month), "name", Some("a date or a period")),
        (
            to(Precision::Month),
            "photo.data.x",
            Some("a date or a period"),
        ),
        (to(Precision::Area), "address.postalCode", None),
        (
            to(Precision::Area),
            "address",
            Some("a text such as postalCode"),
        ),
        (
            to(Precision::Area),
            "gender",
            Some("a text such as postalCode"),
        ),
        (to(Precision::Age), "birthDate", Some("an age")),
        (with("x"), "name.family", None),
        (with("x"), "extension(http://e).valueString", None),
        (with("x"), "gender", Some("a text, of one type")),
        (with("x"), "birthDate", Some("a text, of one type")),
        (
            with("x"),
            "extension(http://e)",
            Some("a text, of one type"),
        ),
        (Action::Mask, "gender", None),
    ] {
        let found = Redaction::new(
            "r".into(),
            kind("Patient"),
            &[element.into()],
            action.clone(),
        );
        let found = found.err().map(|mistakes| mistakes[0].message.clone());
        match expected {
            None => assert_eq!(found, None, "{action:?} {element}"),
            Some(expected) => {
                let found = found.unwrap_or_default();
                assert!(found.contains(expected), "{action:?} {element}: {found}");
            }
        }
    }
    let age = |element: &str| {
        Redaction::new(
            "r".into(),
            kind("Condition"),
            &[element.into()],
            to(Precision::Age),
        )
        .is_ok()
    };
    assert!(age("onsetAge") && age("abatementAge") && !age("onset") && !age("onsetPeriod"));
}

#[test]
fn a_rule_can_be_for_some_of_several_values() {
    let ssn = "identifier(system=http://hl7.org/fhir/sid/us-ssn)";
    check(
        "removed",
        &[(Action::Remove, ssn)],
        r#""identifier":[{"system":"http://mrn","value":"1"},{"system":"http:\/\/hl7.org/fhir/sid/us-ssn","value":"2"}],"active":true"#,
        r#""identifier":[{"system":"http://mrn","value":"1"}],"active":true"#,
    );
    check(
        "all of them",
        &[(Action::Remove, ssn)],
        r#""identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":"2"}],"active":true"#,
        r#""active":true"#,
    );
    check(
        "masked",
        &[(Action::Mask, ssn)],
        r#""identifier":[{"system":"http://mrn","value":"1"},{"system":"http://hl7.org/fhir/sid/us-ssn","value":"2"}]"#,
        r#""identifier":[{"system":"http://mrn","value":"1"},ABSENT]"#,
    );
    check(
        "a part of them",
        &[(with("***"), "telecom(system=phone).value")],
        r#""telecom":[{"system":"phone","value":"555","_value":{"id":"x"}},{"system":"email","value":"a@b"},{"value":"5"}]"#,
        r#""telecom":[{"system":"phone","value":"***"},{"system":"email","value":"a@b"},{"value":"5"}]"#,
    );
    check(
        "one where a list belongs",
        &[(Action::Mask, "telecom(system=phone).value")],
        r#""telecom":{"system":"phone","value":"555"},"active":true"#,
        r#""telecom":{"system":"phone","_value":ABSENT},"active":true"#,
    );
    check(
        "within one of an element",
        &[(
            Action::Remove,
            "maritalStatus.coding(system=http://a).display",
        )],
        r#""maritalStatus":{"coding":[{"system":"http://a","code":"M","display":"x"},{"system":"http://b","display":"y"}]}"#,
        r#""maritalStatus":{"coding":[{"system":"http://a","code":"M"},{"system":"http://b","display":"y"}]}"#,
    );
}
