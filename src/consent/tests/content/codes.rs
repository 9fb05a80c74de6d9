//! Rules about codes.

use super::*;

#[test]
fn codes_are_those_that_the_search_parameter_looks_at() {
    let wanted = || json!([coded(LOINC, "1"), {"coding": [{"system": LOINC, "code": "2"}, {"system": "urn:x", "code": "II"}]}]);
    let of = |value: Value| resource("Observation", "code", &value);
    let two = json!({"coding": [{"system": "urn:y", "code": "9"}, {"system": LOINC, "code": "1"}]});
    let allergy = json!({"resourceType": "AllergyIntolerance", "code": coded(LOINC, "9"),
        "reaction": [{"manifestation": []}, {"substance": coded(LOINC, "1")}]});
    let family = json!({"resourceType": "FamilyMemberHistory",
        "condition": [{"code": coded(LOINC, "9")}, {"code": coded(LOINC, "1")}]});
    let component = json!({"resourceType": "Observation", "code": coded(LOINC, "9"),
        "component": [{"code": coded(LOINC, "1")}]});
    let reference = json!({"reference": "Medication/1"});
    let many = |last: &str| {
        let mut codings = vec![json!({"system": LOINC, "code": "9"}); 999];
        codings.push(json!({"system": LOINC, "code": last}));
        codings
    };
    let mut more = many("1");
    more.push(json!({"system": LOINC, "code": "9"}));
    for (name, resource, (permits, denies)) in [
        ("the same", of(coded(LOINC, "1")), YES),
        ("another", of(coded(LOINC, "9")), NO),
        ("another system", of(coded("urn:x", "1")), NO),
        ("another case", of(coded(LOINC, "iI")), NO),
        ("the same of another coding", of(coded("urn:x", "II")), YES),
        ("one of two", of(two), YES),
        ("no system", of(json!({"coding": [{"code": "1"}]})), UNKNOWN),
        (
            "no system, another",
            of(json!({"coding": [{"code": "9"}]})),
            NO,
        ),
        (
            "no code",
            of(json!({"coding": [{"system": LOINC, "display": "x"}]})),
            UNKNOWN,
        ),
        ("in words", of(json!({"text": "HIV"})), UNKNOWN),
        ("no codings", of(json!({"coding": []})), UNKNOWN),
        ("a text", of(json!("1")), UNKNOWN),
        ("null", of(json!(null)), UNKNOWN),
        (
            "a list",
            of(json!([coded(LOINC, "9"), coded(LOINC, "1")])),
            YES,
        ),
        ("lists in a list", of(json!([[coded(LOINC, "1")]])), UNKNOWN),
        (
            "a number for a code",
            of(json!({"coding": [{"system": LOINC, "code": 1}]})),
            UNKNOWN,
        ),
        (
            "as many as are looked at",
            of(json!({"coding": many("1")})),
            YES,
        ),
        ("as many, others", of(json!({"coding": many("9")})), NO),
        ("one more", of(json!({"coding": more})), UNKNOWN),
        ("none", json!({"resourceType": "Observation"}), UNKNOWN),
        ("of a component", component, NO),
        ("of a substance", allergy, YES),
        ("of a relative's condition", family, YES),
        (
            "a medication",
            resource(
                "MedicationRequest",
                "medicationCodeableConcept",
                &coded(LOINC, "1"),
            ),
            YES,
        ),
        (
            "another medication",
            resource(
                "MedicationStatement",
                "medicationCodeableConcept",
                &coded(LOINC, "9"),
            ),
            NO,
        ),
        (
            "a medication elsewhere",
            resource("MedicationRequest", "medicationReference", &reference),
            UNKNOWN,
        ),
        (
            "a type without the parameter",
            resource("Immunization", "vaccineCode", &coded(LOINC, "1")),
            UNKNOWN,
        ),
        (
            "a code without a system",
            resource("SearchParameter", "code", &json!("1")),
            UNKNOWN,
        ),
    ] {
        check(name, ("code", wanted()), &resource, permits, denies);
    }
    // What of a rule is not understood may be what stands in the resource.
    for (name, codes) in [
        ("in words", json!([{"text": "HIV"}])),
        ("no system", json!([{"coding": [{"code": "9"}]}])),
        ("no codings", json!([{"coding": []}])),
        (
            "modified",
            json!([{"coding": [{"system": LOINC, "code": "9", "_code": {}}]}]),
        ),
        ("no list", coded(LOINC, "9")),
        ("empty", json!([])),
    ] {
        check(name, ("code", codes), &of(coded(LOINC, "1")), false, true);
    }
    let beside = json!([{"text": "HIV"}, coded(LOINC, "1")]);
    check(
        "one is understood",
        ("code", beside),
        &of(coded(LOINC, "1")),
        true,
        true,
    );
}
