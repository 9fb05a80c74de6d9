//! What one part of an answer tells of another that is hidden: references, narratives, siblings, what is
//! contained.

use super::*;

const ABSENT: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

/// What leaves of a resource of this type with these members, beside its tag.
fn left(name: &str, cover: Cover, resource_type: &str, members: &str) -> String {
    let body = format!(r#"{{"resourceType":"{resource_type}","id":"1",{members}}}"#);
    let text = passed(name, cover, &body);
    let head = format!(r#"{{"resourceType":"{resource_type}","id":"1""#);
    let rest = text
        .strip_prefix(&head)
        .and_then(|rest| rest.strip_suffix('}'));
    let rest = rest.expect(name);
    let tagged = [REMOVED, MASKED]
        .iter()
        .find_map(|tag| rest.strip_prefix(',')?.strip_prefix(tag));
    tagged.map_or_else(|| rest.to_owned(), |rest| format!("TAGGED{rest}"))
}

/// What leaves of an Observation while a rule hides these elements of this type.
fn check(name: &str, hidden: (&str, &[&str]), members: &str, expected: &str) {
    let (of_type, elements) = hidden;
    for action in [Action::Remove, Action::Mask] {
        let cover = hiding(read("Observation", None), of_type, action, elements);
        let left = left(name, cover, "Observation", members);
        let expected = expected.replace("ABSENT", ABSENT);
        assert_eq!(left, expected, "{name}");
    }
}

#[test]
fn references_do_not_repeat_what_is_hidden_bypass_55_58() {
    let name = ("Patient", &["name"][..]);
    let part = ("Patient", &["name.family"][..]);
    let number = ("Patient", &["identifier(system=http://ssn)"][..]);
    let both = ("Patient", &["name", "identifier"][..]);
    let date = ("Patient", &["birthDate"][..]);
    let same = |members: &str| format!(",{members}");
    let told =
        r#""subject":{"reference":"Patient/1","display":"CANARY","_display":{"id":"CANARY"}}"#;
    let bare = r#"TAGGED,"subject":{"reference":"Patient/1"}"#;
    check("a name", name, told, bare);
    check("a part of one", part, told, bare);
    check("both", both, told, bare);
    check("what is not in a display", date, told, &same(told));
    check(
        "a number alone",
        number,
        told,
        r#"TAGGED,"subject":{"reference":"Patient/1","display":"CANARY","_display":{"id":"CANARY"}}"#,
    );
    let numbered = r#""subject":{"type":"Patient","identifier":{"value":"CANARY"}}"#;
    check(
        "a number",
        number,
        numbered,
        r#"TAGGED,"subject":{"type":"Patient"}"#,
    );
    check(
        "a name, and its number stays",
        name,
        numbered,
        &format!("TAGGED,{numbered}"),
    );
    let narrative = r#""text":{"status":"generated","div":"CANARY"}"#;
    let with_text = format!(r#"{narrative},"subject":{{"reference":"Patient/1"}}"#);
    check("the narrative goes with it", name, &with_text, bare);
    for to in [
        r#""reference":"https://fhir.example.org/r4/Patient/1""#,
        r#""reference":"https://elsewhere.example/Patient/1/_history/2""#,
        r#""type":"Patient""#,
        r#""type":"http://hl7.org/fhir/StructureDefinition/Patient""#,
        r#""reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#,
        r#""reference":"Practitioner/1","type":"Patient""#,
        r#""ref\u0065rence":"Pati\u0065nt/1""#,
    ] {
        let members = format!(r#""subject":{{{to},"display":"CANARY"}}"#);
        let expected = format!(r#"TAGGED,"subject":{{{to}}}"#);
        check(to, name, &members, &expected);
    }
    check(
        "nothing but a display",
        name,
        r#""subject":{"display":"CANARY"},"issued":"x""#,
        r#"TAGGED,"issued":"x""#,
    );
    for members in [
        r#""performer":[{"reference":"Practitioner/1","display":"a doctor"}]"#,
        r#""performer":[{"type":"Organization","display":"a clinic"}]"#,
        r#""code":{"coding":[{"system":"s","code":"c","display":"a code"}],"text":"x"}"#,
        r#""code":{"coding":[{"display":"a code"}]}"#,
        r##""device":{"reference":"#d","display":"a watch"},"contained":[{"resourceType":"Device","id":"d"}]"##,
    ] {
        check("of others", name, members, &same(members));
    }
    for (place, members, expected) in [
        (
            "deep",
            r#""note":[{"authorReference":{"reference":"Patient/1","display":"CANARY"},"text":"x"}]"#,
            r#"TAGGED,"note":[{"authorReference":{"reference":"Patient/1"},"text":"x"}]"#,
        ),
        (
            "in an extension",
            r#""extension":[{"url":"u","valueReference":{"display":"CANARY"}}],"issued":"x""#,
            r#"TAGGED,"issued":"x""#,
        ),
        (
            "in one of a primitive",
            r#""_issued":{"extension":[{"url":"u","valueReference":{"reference":"Patient/1","display":"CANARY"}}]}"#,
            r#"TAGGED,"_issued":{"extension":[{"url":"u","valueReference":{"reference":"Patient/1"}}]}"#,
        ),
        (
            "in what is contained",
            r##""contained":[{"resourceType":"Specimen","id":"s","subject":{"reference":"Patient/1","display":"CANARY"}}]"##,
            r##"TAGGED,"contained":[{"resourceType":"Specimen","id":"s","subject":{"reference":"Patient/1"}}]"##,
        ),
        (
            "to what is contained",
            r##""contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p","display":"CANARY"}"##,
            r##"TAGGED,"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}"##,
        ),
        (
            "where R4 knows no reference",
            r#""x":[[{"reference":"Patient/1","display":"CANARY"}]]"#,
            r#"TAGGED,"x":[[{"reference":"Patient/1"}]]"#,
        ),
    ] {
        check(place, name, members, expected);
    }
    // What a resource is called is not its name in every type.
    check(
        "a code",
        ("Condition", &["code"]),
        r#""focus":[{"reference":"Condition/1","display":"CANARY"}]"#,
        r#"TAGGED,"focus":[{"reference":"Condition/1"}]"#,
    );
    check(
        "a medication",
        ("MedicationRequest", &["medicationCodeableConcept"]),
        r#""basedOn":[{"reference":"MedicationRequest/1","display":"CANARY"}]"#,
        r#"TAGGED,"basedOn":[{"reference":"MedicationRequest/1"}]"#,
    );
    // A list of what stays hides what it leaves out.
    let mut cover = read("Observation", None);
    let minimum = Redaction::minimum("m".into(), kind("Patient"), vec!["gender"]);
    cover.redactions.push(Rc::new(minimum));
    let text = left("minimum", cover, "Observation", told);
    assert_eq!(text, bare);
}

#[test]
fn a_resource_of_ones_own_names_no_other_patient_bypass_60_76() {
    let row = |name: &str, resource_type: &str, members: &str, expected: &str| {
        let cover = for_patient(read(resource_type, None), "1");
        let left = left(name, cover, resource_type, members);
        assert_eq!(left, expected.replace("ABSENT", ABSENT), "{name}");
    };
    let own = r#""subject":{"reference":"Patient/1"}"#;
    for other in [
        r#"{"reference":"Patient/2","display":"CANARY"}"#,
        r#"{"reference":"Pati\u0065nt/2"}"#,
        r#"{"reference":"patient/2"}"#,
        r#"{"reference":"https://fhir.example.org/r4/Patient/2/_history/1"}"#,
        r#"{"reference":"https://elsewhere.example/Patient/1"}"#,
        r#"{"reference":"Patient?identifier=CANARY"}"#,
        r#"{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}"#,
        r##"{"reference":"#nowhere"}"##,
        r#"{"reference":["Patient/1","Patient/2"]}"#,
        r#"{"type":"Patient","identifier":{"value":"CANARY"}}"#,
        r#"{"type":"http://hl7.org/fhir/StructureDefinition/Patient","display":"CANARY"}"#,
    ] {
        let members = format!(
            r#"{own},"text":{{"div":"CANARY"}},"focus":[{other},{{"reference":"Patient/1"}}]"#
        );
        let expected = format!(r#"TAGGED,{own},"focus":[{{"reference":"Patient/1"}}]"#);
        row(other, "Observation", &members, &expected);
        let members =
            format!(r#"{own},"extension":[{{"url":"u","valueReference":{other}}}],"issued":"x""#);
        row(
            other,
            "Observation",
            &members,
            &format!(r#"TAGGED,{own},"issued":"x""#),
        );
        let members = format!(
            r#"{own},"entry":[{{"item":{other}}},{{"item":{{"reference":"Condition/2"}}}}]"#
        );
        row(
            other,
            "List",
            &members,
            &format!(
                r#"TAGGED,{own},"entry":[{{"item":ABSENT}},{{"item":{{"reference":"Condition/2"}}}}]"#
            ),
        );
    }
    for (resource_type, beside) in [
        ("Communication", r#""about":[{"reference":"Patient/2"}]"#),
        (
            "MeasureReport",
            r#""evaluatedResource":[{"reference":"Patient/2","display":"CANARY"}]"#,
        ),
        (
            "Composition",
            r#""section":[{"entry":[{"reference":"Patient/2"}]}]"#,
        ),
    ] {
        let members = format!(r#"{own},{beside},"language":"x""#);
        let cover = for_patient(read(resource_type, None), "1");
        let left = left(resource_type, cover, resource_type, &members);
        assert!(
            !left.contains("Patient/2") && !left.contains(CANARY),
            "{left}"
        );
    }
    for members in [
        format!(
            r#"{own},"focus":[{{"reference":"Patient/1"}}],"performer":[{{"reference":"Practitioner/2","display":"x"}}]"#
        ),
        format!(r#"{own},"encounter":{{"identifier":{{"value":"7"}}}},"device":{{"display":"x"}}"#),
        format!(r#"{own},"identifier":[{{"type":{{"text":"Patient"}},"value":"Patient/2"}}]"#),
        format!(r#"{own},"text":{{"div":"x"}},"code":{{"coding":[{{"code":"Patient"}}]}}"#),
    ] {
        row(
            "of nobody else",
            "Observation",
            &members,
            &format!(",{members}"),
        );
    }
    // Of whoever may see all, and of a practitioner, it stays.
    let members = format!(r#"{own},"focus":[{{"reference":"Patient/2"}}]"#);
    let all = left("all", read("Observation", None), "Observation", &members);
    assert_eq!(all, format!(",{members}"));
}

#[test]
fn what_is_contained_and_hidden_leaves_no_reference_to_it_bypass_60() {
    let hidden = ("Observation", &["contained"][..]);
    for (name, members, expected) in [
        (
            "a reference",
            r##""contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p","display":"CANARY"},"issued":"x""##,
            r#"TAGGED,"issued":"x""#,
        ),
        (
            "in a list",
            r##""performer":[{"reference":"#p","display":"CANARY"},{"reference":"Practitioner/1"}]"##,
            r#"TAGGED,"performer":[{"reference":"Practitioner/1"}]"#,
        ),
        (
            "to itself",
            r##""focus":[{"reference":"#"}]"##,
            r##"TAGGED,"focus":[{"reference":"#"}]"##,
        ),
    ] {
        let (of_type, elements) = hidden;
        let cover = hiding(read("Observation", None), of_type, Action::Remove, elements);
        assert_eq!(
            left(name, cover, "Observation", members),
            expected,
            "{name}"
        );
    }
    let mut cover = read("Observation", None);
    let kept = Redaction::minimum("m".into(), kind("Observation"), vec!["subject", "status"]);
    cover.redactions.push(Rc::new(kept));
    let members = r##""contained":[{"resourceType":"Group","id":"g"}],"subject":{"reference":"#g"},"status":"final""##;
    assert_eq!(
        left("minimum", cover, "Observation", members),
        r#"TAGGED,"status":"final""#
    );
}

#[test]
fn a_binary_within_is_of_whom_it_says_bypass_63() {
    for (context, leaves) in [
        ("", true),
        (r#","securityContext":{"reference":"Patient/1"}"#, true),
        (r#","securityContext":{"reference":"Encounter/7"}"#, true),
        (r#","securityContext":{"reference":"Patient/2"}"#, false),
        (r#","securityContext":{"identifier":{"value":"7"}}"#, false),
        (r#","securityContext":"Patient/1""#, false),
    ] {
        let body = format!(
            r#"{{"resourceType":"DocumentReference","id":"1","contained":[{{"resourceType":"Binary","id":"b","data":"Q0FOQVJZ"{context}}}],"subject":{{"reference":"Patient/1"}}}}"#
        );
        let cover = for_patient(read("DocumentReference", None), "1");
        let came = outcome(cover, &body);
        let expected = if leaves {
            Ok(body)
        } else {
            Err(Fault::Withheld)
        };
        assert_eq!(came.map(|(text, _)| text), expected, "{context}");
    }
}

#[test]
fn pairs_go_together_and_what_stays_is_aligned_bypass_56_57() {
    let row = |name: &str, action: Action, elements: &[&str], members: &str, expected: &str| {
        let cover = hiding(read("Patient", None), "Patient", action, elements);
        let left = left(name, cover, "Patient", members);
        assert_eq!(left, expected.replace("ABSENT", ABSENT), "{name}");
        assert!(!left.contains(CANARY), "{name}");
    };
    let given = r#""name":[{"given":["CANARY",null,"CANARY"],"_given":[null,{"extension":[{"url":"u","valueString":"CANARY"}]},{"id":"CANARY"}],"use":"official"}]"#;
    row(
        "nulls beside siblings",
        Action::Remove,
        &["name.given"],
        given,
        r#"TAGGED,"name":[{"use":"official"}]"#,
    );
    row(
        "masked",
        Action::Mask,
        &["name.given"],
        given,
        r#"TAGGED,"name":[{"_given":[ABSENT],"use":"official"}]"#,
    );
    row(
        "replaced",
        Action::Replace("***".into()),
        &["name.given"],
        given,
        r#"TAGGED,"name":[{"given":["***"],"use":"official"}]"#,
    );
    row(
        "siblings longer than their list",
        Action::Remove,
        &["name.given"],
        r#""name":[{"given":["CANARY"],"_given":[null,null,{"id":"CANARY"}],"use":"x"}]"#,
        r#"TAGGED,"name":[{"use":"x"}]"#,
    );
    row(
        "a sibling that is no list",
        Action::Remove,
        &["name.given"],
        r#""name":[{"given":["CANARY"],"_given":{"extension":[{"url":"u","valueString":"CANARY"}]},"use":"x"}]"#,
        r#"TAGGED,"name":[{"use":"x"}]"#,
    );
    let u = r#"{"url":"u","valueString":"CANARY"}"#;
    row(
        "extensions of some of the values",
        Action::Remove,
        &["name.given.extension(u)"],
        &format!(
            r#""name":[{{"given":["a","b",null],"_given":[{{"extension":[{u}]}},null,{{"extension":[{u},{{"url":"v"}}]}}]}}]"#
        ),
        r#"TAGGED,"name":[{"given":["a","b",null],"_given":[null,null,{"extension":[{"url":"v"}]}]}]"#,
    );
    row(
        "every extension, be it nested",
        Action::Remove,
        &["extension"],
        &format!(
            r#""extension":[{{"url":"race","extension":[{u},{{"url":"text","valueString":"CANARY"}}]}}],"modifierExtension":[{{"url":"w","valueCode":"k"}}],"gender":"other""#
        ),
        r#"TAGGED,"modifierExtension":[{"url":"w","valueCode":"k"}],"gender":"other""#,
    );
    row(
        "one within another",
        Action::Remove,
        &["extension(race).extension(u)"],
        &format!(
            r#""extension":[{{"url":"race","extension":[{u},{{"url":"v","valueCode":"k"}}]}}]"#
        ),
        r#"TAGGED,"extension":[{"url":"race","extension":[{"url":"v","valueCode":"k"}]}]"#,
    );
    row(
        "of a primitive that has no value",
        Action::Remove,
        &["birthDate.extension(u)"],
        &format!(r#""_birthDate":{{"extension":[{u}]}},"gender":"other""#),
        r#"TAGGED,"gender":"other""#,
    );
    row(
        "a value of another type than usual",
        Action::Remove,
        &["extension(u)"],
        r#""extension":[{"url":"u","valueReference":{"display":"CANARY"}},{"valueAddress":{"text":"CANARY"},"url":"u"}],"gender":"other""#,
        r#"TAGGED,"gender":"other""#,
    );
}

#[test]
fn a_concept_is_hidden_with_all_its_codings_bypass_59() {
    let code = r#""code":{"coding":[{"system":"a","code":"CANARY","display":"CANARY"},{"system":"b","code":"CANARY"},{"display":"CANARY"}],"text":"CANARY","_text":{"extension":[{"url":"u","valueString":"CANARY"}]}},"clinicalStatus":{"text":"x"}"#;
    for (name, elements, expected) in [
        (
            "the whole",
            &["code"][..],
            r#"TAGGED,"clinicalStatus":{"text":"x"}"#,
        ),
        (
            "its parts",
            &["code.coding", "code.text"],
            r#"TAGGED,"clinicalStatus":{"text":"x"}"#,
        ),
    ] {
        let cover = hiding(
            read("Condition", None),
            "Condition",
            Action::Remove,
            elements,
        );
        assert_eq!(left(name, cover, "Condition", code), expected, "{name}");
    }
    let cover = hiding(
        read("Condition", None),
        "Condition",
        Action::Mask,
        &["code"],
    );
    let left = left("masked", cover, "Condition", code);
    assert!(!left.contains(CANARY) && left.contains(ABSENT), "{left}");
}
