//! Which resources granular scopes are for.

use super::*;
use crate::json::{Document, Limits};

/// What a scope of this type with these parameters is for.
fn granted(type_name: &str, parameters: &[&str]) -> Granted {
    let scope = |text: &&str| {
        let text = format!("user/{type_name}.cruds?{text}");
        Rc::new(Scope::parse(&text).expect(&text))
    };
    Granted::Matching(parameters.iter().map(scope).collect())
}

fn covers(granted: &Granted, resource: &str) -> bool {
    let document = Document::parse(resource.as_bytes(), &Limits::default()).expect(resource);
    granted.covers(document.root())
}

#[test]
fn a_value_is_compared_by_its_data_type() {
    for (parameters, elements, expected) in [
        // CodeableConcept
        (
            "category=a",
            r#""category":[{"coding":[{"system":"s","code":"a"}]}]"#,
            true,
        ),
        (
            "category=s|a",
            r#""category":[{"coding":[{"system":"s","code":"a"}]}]"#,
            true,
        ),
        (
            "category=s|",
            r#""category":[{"coding":[{"system":"s","code":"b"}]}]"#,
            true,
        ),
        (
            "category=|a",
            r#""category":[{"coding":[{"code":"a"}]}]"#,
            true,
        ),
        (
            "category=|a",
            r#""category":[{"coding":[{"system":"s","code":"a"}]}]"#,
            false,
        ),
        (
            "category=|a",
            r#""category":[{"coding":[{"system":"","code":"a"}]}]"#,
            false,
        ),
        (
            "category=s|a",
            r#""category":[{"coding":[{"system":"t","code":"a"}]}]"#,
            false,
        ),
        (
            "category=s|a",
            r#""category":[{"coding":[{"code":"a"}]}]"#,
            false,
        ),
        (
            "category=s|",
            r#""category":[{"coding":[{"code":"a"}]}]"#,
            false,
        ),
        (
            "category=a",
            r#""category":[{"coding":[{"system":"s","code":"A"}]}]"#,
            false,
        ),
        (
            "category=a",
            r#""category":[{"coding":[{"system":"a","code":"b"}]}]"#,
            false,
        ),
        (
            "category=a",
            r#""category":[{"coding":[{"system":"s","display":"a"}],"text":"a"}]"#,
            false,
        ),
        ("category=a", r#""category":[{"text":"a"}]"#, false),
        ("category=a", r#""category":[{"coding":[]}]"#, false),
        // Other categories, and other codings, beside the one that matches do no harm.
        (
            "category=s|a",
            r#""category":[{"text":"x"},{"coding":[{"code":"b"},{"system":"s","code":"\u0061"}]}]"#,
            true,
        ),
        // System and code must stand in one coding.
        (
            "category=s|a",
            r#""category":[{"coding":[{"system":"s","code":"b"},{"code":"a"}]}]"#,
            false,
        ),
        (
            "code=x",
            r#""code":{"coding":[{"system":"http://loinc.org","code":"x"}]}"#,
            true,
        ),
        // Code
        ("status=final", r#""status":"final""#, true),
        ("status=final", r#""status":"finale""#, false),
        ("status=|final", r#""status":"final""#, false),
        ("status=s|final", r#""status":"final""#, false),
        ("status=a,final", r#""status":"final""#, true),
        // Meta
        (
            "_security=s|N",
            r#""meta":{"security":[{"system":"s","code":"N"}]}"#,
            true,
        ),
        (
            "_security=s|N",
            r#""meta":{"tag":[{"system":"s","code":"N"}]}"#,
            false,
        ),
        (
            "_tag=t",
            r#""meta":{"tag":[{"code":"x"},{"code":"t"}]}"#,
            true,
        ),
        // Both, and each parameter may be met by another coding.
        (
            "category=a&status=final",
            r#""category":[{"coding":[{"code":"a"}]}],"status":"final""#,
            true,
        ),
        (
            "category=a&status=final",
            r#""category":[{"coding":[{"code":"a"}]}]"#,
            false,
        ),
        ("category=a&status=final", r#""status":"final""#, false),
        (
            "category=a&category=b",
            r#""category":[{"coding":[{"code":"a"},{"code":"b"}]}]"#,
            true,
        ),
        (
            "category=a&category=b",
            r#""category":[{"coding":[{"code":"a"}]}]"#,
            false,
        ),
        // What cannot be decided does not match.
        ("category=a", r#""status":"final""#, false),
        (
            "category=a",
            r#""Category":[{"coding":[{"code":"a"}]}]"#,
            false,
        ),
        ("category=a", r#""category":null"#, false),
        (
            "category=a",
            r#""category":[null,{"coding":[{"code":"b"}]}]"#,
            false,
        ),
        (
            "category=a",
            r#""category":[{"coding":{"code":"a"}}]"#,
            false,
        ),
        ("category=a", r#""category":[{"coding":[["a"]]}]"#, false),
        ("category=a", r#""category":[{"coding":["a"]}]"#, false),
        (
            "category=a",
            r#""category":[[{"coding":[{"code":"a"}]}]]"#,
            false,
        ),
        (
            "category=1",
            r#""category":[{"coding":[{"code":1}]}]"#,
            false,
        ),
        ("category=1", r#""category":[1]"#, false),
        (
            "category=a",
            r#""component":[{"category":[{"coding":[{"code":"a"}]}]}]"#,
            false,
        ),
        (
            "category=a",
            r#""contained":[{"resourceType":"Observation","category":[{"coding":[{"code":"a"}]}]}]"#,
            false,
        ),
        (
            "status=final",
            r#""_status":{"extension":[{"url":"u","valueCode":"final"}]}"#,
            false,
        ),
    ] {
        let resource = format!(r#"{{"resourceType":"Observation",{elements}}}"#);
        let found = covers(&granted("Observation", &[parameters]), &resource);
        assert_eq!(found, expected, "{parameters}: {elements}");
    }
    for (type_name, parameters, elements, expected) in [
        (
            "Patient",
            "identifier=s|1",
            r#""identifier":[{"system":"s","value":"1"}]"#,
            true,
        ),
        (
            "Patient",
            "identifier=1",
            r#""identifier":[{"value":"1"}]"#,
            true,
        ),
        (
            "Patient",
            "identifier=|1",
            r#""identifier":[{"value":"1"}]"#,
            true,
        ),
        (
            "Patient",
            "identifier=s|1",
            r#""identifier":[{"system":"s","value":"2","code":"1"}]"#,
            false,
        ),
        (
            "Patient",
            "identifier=MR",
            r#""identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"1"}]"#,
            false,
        ),
        ("Patient", "gender=female", r#""gender":"female""#, true),
        (
            "MedicationRequest",
            "code=x",
            r#""medicationCodeableConcept":{"coding":[{"code":"x"}]}"#,
            true,
        ),
        (
            "MedicationRequest",
            "code=x",
            r#""medicationReference":{"reference":"x","code":"x"}"#,
            false,
        ),
        (
            "MedicationRequest",
            "code=x",
            r#""medication":{"coding":[{"code":"x"}]}"#,
            false,
        ),
        (
            "AllergyIntolerance",
            "code=x",
            r#""code":{"coding":[{"code":"x"}]}"#,
            true,
        ),
        (
            "AllergyIntolerance",
            "code=x",
            r#""reaction":[{"manifestation":[]},{"substance":{"coding":[{"code":"x"}]}}]"#,
            true,
        ),
        (
            "AllergyIntolerance",
            "code=x",
            r#""reaction":[{"manifestation":[{"coding":[{"code":"x"}]}]}]"#,
            false,
        ),
        (
            "Encounter",
            "class=s|AMB",
            r#""class":{"system":"s","code":"AMB"}"#,
            true,
        ),
    ] {
        let resource = format!(r#"{{"resourceType":"{type_name}",{elements}}}"#);
        let found = covers(&granted(type_name, &[parameters]), &resource);
        assert_eq!(found, expected, "{type_name} {parameters}: {elements}");
    }
}

#[test]
fn one_scope_that_matches_is_enough_and_none_is_not() {
    let laboratory = r#"{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}]}"#;
    for (parameters, expected) in [
        (vec!["category=laboratory"], true),
        (vec!["category=survey", "category=laboratory"], true),
        (vec!["category=laboratory", "category=survey"], true),
        (vec!["category=survey", "status=final"], true),
        (
            vec!["category=survey", "category=laboratory&status=amended"],
            false,
        ),
        (vec!["category=survey", "category=vital-signs"], false),
        (vec![], false),
    ] {
        let found = covers(&granted("Observation", &parameters), laboratory);
        assert_eq!(found, expected, "{parameters:?}");
    }
    assert!(covers(&Granted::All, laboratory));
    assert!(!covers(&Granted::NOTHING, laboratory));
}

#[test]
fn the_values_that_are_looked_at_are_bounded() {
    let with = |before: usize| {
        // Each value that does not match counts two: the concept and its one coding.
        let other = r#"{"coding":[{"code":"b"}]},"#.repeat(before);
        let resource = format!(
            r#"{{"resourceType":"Observation","category":[{other}{{"coding":[{{"code":"a"}}]}}],"status":"final"}}"#
        );
        let of = |parameters| covers(&granted("Observation", &[parameters]), &resource);
        assert!(of("status=final"), "each parameter has its own bound");
        of("category=a")
    };
    assert_eq!(crate::access::MAX_LOOKED_AT, 1000);
    assert!(with(499));
    assert!(!with(500));
}

/// An exception of a rule is for whoever sees everything of a type.
#[test]
fn a_granular_scope_spares_nobody() {
    let holds = |scope| {
        let permit = decided(&principal(scope, &[]), "GET /Patient").expect(scope);
        permit.holds_scope(&Scope::parse("user/Patient.r").expect("a scope"))
    };
    assert!(holds("user/Patient.rs"));
    assert!(!holds("user/Patient.rs?gender=female"));
    assert!(!holds("user/Patient.rs?gender=female user/Patient.s"));
}
