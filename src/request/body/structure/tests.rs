//! Bodies of resources, and what is wrong with their structure.

use super::*;
use crate::json::{Document, Limits};

fn found(level: BodyCheck, body: &str) -> Result<(), String> {
    let document = Document::parse(body.as_bytes(), &Limits::default()).expect(body);
    check(document.root(), level).map_err(Cow::into_owned)
}

/// `strict` and `names` are what is wrong at each level; empty for nothing.
fn check_row(members: &str, strict: &str, names: &str) {
    let body = format!(r#"{{"resourceType":"Patient"{members}}}"#);
    for (level, expected) in [
        (BodyCheck::Structure, strict),
        (BodyCheck::Names, names),
        (BodyCheck::None, ""),
    ] {
        let text = found(level, &body).err().unwrap_or_default();
        assert_eq!(text, expected, "{level:?} {body}");
    }
}

#[test]
fn elements_have_the_names_of_their_type() {
    const UNKNOWN: &str = "no element of this type has this name";
    for (members, place) in [
        (r#","birthdate":"2000""#, "Patient.?"),
        (
            r#","name":[{"family":"A"},{"first":"B"}]"#,
            "Patient.name[1].?",
        ),
        (r#","deceased":true"#, "Patient.?"),
        (r#","deceasedQuantity":{"value":1}"#, "Patient.?"),
        (r#","_name":[{"id":"a"}]"#, "Patient._name"),
        (r#","_id":{"id":"a"}"#, "Patient._id"),
        (r#","__birthDate":{"id":"a"}"#, "Patient.?"),
        (r#","_":{"id":"a"}"#, "Patient.?"),
        // Words of the client's choice, which may be a name or a diagnosis; those of R4 are a closed list.
        (r#","diabetes":true"#, "Patient.?"),
        (r#","_Smith":{"id":"a"}"#, "Patient.?"),
        (r#","Condition":true"#, "Patient.?"),
        (r#","dosage":[]"#, "Patient.dosage"),
        (r#","valueQuantity":{}"#, "Patient.valueQuantity"),
        (r#","":1"#, "Patient.?"),
        (r#","Jos\u00e9 was here":1"#, "Patient.?"),
        (
            r#","_birthDate":{"value":"2000"}"#,
            "Patient._birthDate.value",
        ),
        (
            r#","contact":[{"name":{"use":"old","x":1}}]"#,
            "Patient.contact[0].name.?",
        ),
        (
            r#","contained":[{"resourceType":"Observation","code":{"text":"a"},"birthDate":"x"}]"#,
            "Patient.contained[0].birthDate",
        ),
        (
            r#","extension":[{"url":"u","valueCoding":{"code":"a","b":"c"}}]"#,
            "Patient.extension[0].valueCoding.?",
        ),
    ] {
        let expected = format!("{place}: {UNKNOWN}");
        check_row(members, &expected, &expected);
    }
}

#[test]
fn values_have_the_kind_and_number_of_their_element() {
    for (members, expected) in [
        ("", ""),
        (
            r#","name":[{"family":"A","given":["B","C"]}],"active":true"#,
            "",
        ),
        (
            r#","deceasedBoolean":false,"_deceasedBoolean":{"id":"a"}"#,
            "",
        ),
        (r#","multipleBirthInteger":-2147483648"#, ""),
        (r#","extension":[{"url":"u","valueDecimal":1.50e3}]"#, ""),
        (
            r#","contained":[{"resourceType":"Basic","code":{"text":"a"}}]"#,
            "",
        ),
        (
            r#","name":{"family":"A"}"#,
            "Patient.name: expected an array",
        ),
        (
            r#","birthDate":["2000"]"#,
            "Patient.birthDate: expected one value, found an array",
        ),
        (
            r#","birthDate":2000"#,
            "Patient.birthDate: expected a text that is not empty",
        ),
        (
            r#","birthDate":"""#,
            "Patient.birthDate: expected a text that is not empty",
        ),
        (
            r#","birthDate":null"#,
            "Patient.birthDate: expected a text that is not empty",
        ),
        (
            r#","active":"true""#,
            "Patient.active: expected true or false",
        ),
        (
            r#","multipleBirthInteger":1.0"#,
            "Patient.multipleBirthInteger: expected an integer of 32 bits",
        ),
        (
            r#","multipleBirthInteger":2147483648"#,
            "Patient.multipleBirthInteger: expected an integer of 32 bits",
        ),
        (
            r#","multipleBirthInteger":"1""#,
            "Patient.multipleBirthInteger: expected an integer of 32 bits",
        ),
        (
            r#","telecom":[{"rank":0}]"#,
            "Patient.telecom[0].rank: expected an integer of 1 to 2147483647",
        ),
        (
            r#","photo":[{"size":-1}]"#,
            "Patient.photo[0].size: expected an integer of 0 to 2147483647",
        ),
        (
            r#","extension":[{"url":"u","valueDecimal":"1"}]"#,
            "Patient.extension[0].valueDecimal: expected a number",
        ),
        (
            r#","name":[]"#,
            "Patient.name: expected an array with values, found an empty one",
        ),
        (
            r#","name":[{}]"#,
            "Patient.name[0]: expected an object with elements, found an empty one",
        ),
        (r#","name":["A"]"#, "Patient.name[0]: expected an object"),
        (r#","name":[null]"#, "Patient.name[0]: expected an object"),
        (
            r#","maritalStatus":"M""#,
            "Patient.maritalStatus: expected an object",
        ),
        (
            r#","deceasedBoolean":true,"deceasedDateTime":"2000""#,
            "Patient.deceasedDateTime: a second type of a choice of which one may stand here",
        ),
        (
            r#","deceasedBoolean":true,"_deceasedDateTime":{"id":"a"}"#,
            "Patient._deceasedDateTime: a second type of a choice of which one may stand here",
        ),
        (
            r#","link":[{"type":"seealso"}]"#,
            "Patient.link[0].other: a required element is missing",
        ),
        (
            r#","text":{"status":"empty"}"#,
            "Patient.text.div: a required element is missing",
        ),
        (r#","text":{"status":"empty","_div":{"id":"a"}}"#, ""),
        (
            r#","contained":[{"resourceType":"Basic"}]"#,
            "Patient.contained[0].code: a required element is missing",
        ),
    ] {
        // Where the kind of a value is not looked at, its names still are.
        check_row(members, expected, "");
    }
}

#[test]
fn what_stands_beside_a_value_stands_where_the_value_does() {
    const NULL: &str = "found null and nothing beside it";
    for (members, expected) in [
        (r#""given":["A",null],"_given":[null,{"id":"a"}]"#, ""),
        (r#""_given":[{"id":"a"}]"#, ""),
        (r#""given":["A"],"_given":[{"id":"a"}]"#, ""),
        (
            r#""_family":{"extension":[{"url":"u","valueCode":"masked"}]}"#,
            "",
        ),
        (r#""given":[null]"#, NULL),
        (r#""given":["A",null],"_given":[null]"#, NULL),
        (r#""given":[null],"_given":[null]"#, NULL),
        (
            r#""_given":[null]"#,
            "given[0]: expected an object, found null and no value beside it",
        ),
        (r#""_given":[]"#, "an empty one"),
        (r#""_given":{"id":"a"}"#, "_given: expected an array"),
        (r#""_family":[{"id":"a"}]"#, "_family: expected an object"),
        (r#""_family":{}"#, "an empty one"),
        (r#""_family":null"#, "_family: expected an object"),
        (
            r#""_family":{"id":"a","extension":{"url":"u"}}"#,
            "extension: expected an array",
        ),
    ] {
        let body = format!(r#"{{"resourceType":"Patient","name":[{{{members}}}]}}"#);
        let text = found(BodyCheck::Structure, &body).err().unwrap_or_default();
        let same = text.is_empty() == expected.is_empty() && text.ends_with(expected);
        assert!(same, "{members}: {text:?}, expected {expected:?}");
    }
}

#[test]
fn no_names_hide_where_a_value_is_of_the_wrong_kind() {
    for members in [
        r#","birthDate":{"x":1}"#,
        r#","birthDate":[{"x":1}]"#,
        r#","name":[[{"x":1}]]"#,
        r#","_birthDate":[{"x":1}]"#,
    ] {
        let body = format!(r#"{{"resourceType":"Patient"{members}}}"#);
        assert!(found(BodyCheck::Names, &body).is_err(), "{body}");
    }
}

#[test]
fn a_long_path_is_cut() {
    let deep = r#"{"url":"u","extension":["#.repeat(20) + "1" + &"]}".repeat(20);
    let body = format!(r#"{{"resourceType":"Patient","extension":[{deep}]}}"#);
    let text = found(BodyCheck::Structure, &body).unwrap_err();
    assert!(text.len() < LONGEST_PATH + 100, "{text}");
    assert!(text.contains("...: expected an object"), "{text}");
}
