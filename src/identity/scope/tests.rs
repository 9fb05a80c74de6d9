//! Scopes, one by one and as the union of a token.

use super::*;

/// What a scope grants: its letters, then its parameters as they were understood.
fn read(text: &str) -> Option<String> {
    let scope = Scope::parse(text)?;
    let letters = ALL
        .iter()
        .filter(|letter| scope.letters & letter.bit() != 0);
    let mut out: String = letters.map(|letter| letter.symbol()).collect();
    for parameter in &scope.parameters {
        let values: Vec<String> = parameter.values.iter().map(ToString::to_string).collect();
        let elements: Vec<String> = parameter
            .definition
            .searched()
            .expect("elements")
            .map(|searched| searched.path.to_string())
            .collect();
        let elements = elements.join(",");
        out += &format!(
            " {} in {elements}: {}",
            parameter.definition.name(),
            values.join(" ")
        );
    }
    Some(out)
}

#[test]
fn scopes_of_both_versions_are_read() {
    for (text, expected) in [
        ("patient/Observation.rs", "rs"),
        ("patient/Observation.read", "rs"),
        ("user/*.write", "cud"),
        ("system/*.*", "cruds"),
        ("system/Patient.cruds", "cruds"),
        ("user/Patient.d", "d"),
    ] {
        assert_eq!(read(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn granular_scopes_are_read() {
    let laboratory = "rs category in category: http://terminology.hl7.org/CodeSystem/observation-category|laboratory";
    for (text, expected) in [
        (
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            laboratory,
        ),
        (
            "patient/Observation.rs?category=http%3A%2F%2Fterminology.hl7.org%2fCodeSystem%2Fobservation-category%7Claboratory",
            laboratory,
        ),
        (
            "user/Observation.s?category=laboratory",
            "s category in category: laboratory",
        ),
        (
            "user/Observation.s?category=a,s|b,|c,s|",
            "s category in category: a s|b |c s|",
        ),
        (
            "user/Observation.r?category=a&status=final",
            "r category in category: a status in status: final",
        ),
        (
            "user/Observation.r?category=a&category=b",
            "r category in category: a category in category: b",
        ),
        (
            "system/Condition.cud?category=x",
            "cud category in category: x",
        ),
        (
            "user/MedicationRequest.r?code=x",
            "r code in medicationCodeableConcept: x",
        ),
        (
            "user/AllergyIntolerance.r?code=x",
            "r code in code,reaction.substance: x",
        ),
        ("user/Patient.r?gender=female", "r gender in gender: female"),
        ("user/Task.r?_tag=t", "r _tag in meta.tag: t"),
        (
            "user/Patient.rs?_security=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N",
            "rs _security in meta.security: http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N",
        ),
        (
            "user/Patient.r?identifier=urn:oid:1.2.36|8003_60-~x@y",
            "r identifier in identifier: urn:oid:1.2.36|8003_60-~x@y",
        ),
    ] {
        assert_eq!(read(text).as_deref(), Some(expected), "{text}");
    }
}

/// Nothing of it is honoured, not even the part that is understood.
#[test]
fn what_is_not_wholly_understood_grants_nothing() {
    for text in [
        "",
        "openid",
        "fhirUser",
        "launch/patient",
        "offline_access",
        "patient/Observation",
        "patient/Observation.",
        "patient/observation.rs",
        "patient/Observation.sr",
        "patient/Observation.rr",
        "patient/Observation.rsx",
        "patient/Observation.crudsx",
        "patient/Observation.Read",
        "patient/Observation.rs?",
        "Patient/Observation.rs",
        "patient/*.",
        "patient/.rs",
        "/Observation.rs",
        "patient//Observation.rs",
        "patient/Observation.rs ",
        "patient/Patients.rs",
        "patient/**.rs",
        "admin/*.*",
        "http://smarthealthit.org/fhir/scopes/patient/Observation.rs",
        // Parameters.
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?=laboratory",
        "patient/Observation.rs?&category=a",
        "patient/Observation.rs?category=a&",
        "patient/Observation.rs?category=a&&status=final",
        "patient/Observation.rs?category==a",
        "patient/Observation.rs?category=a=b",
        "patient/Observation.rs?category=a?status=final",
        "patient/Observation.rs?category=a,",
        "patient/Observation.rs?category=,a",
        "patient/Observation.rs?category=a,,b",
        "patient/Observation.rs?category=|",
        "patient/Observation.rs?category=s|a|b",
        "patient/Observation.rs?category=a&nonsense=b",
        "patient/Observation.rs?Category=a",
        "patient/Observation.?category=a",
        "patient/Observation.sr?category=a",
        "patient/Observation?category=a",
        "patient/?category=a",
        // Version 1 has no parameters, and a type must be named.
        "patient/Observation.read?category=a",
        "patient/Observation.*?category=a",
        "patient/*.rs?_security=N",
        "patient/*.rs?category=a",
        // Of another kind than token, or one whose value does not decide.
        "patient/Observation.rs?date=ge2020",
        "patient/Observation.rs?_lastUpdated=ge2020",
        "patient/Observation.rs?patient=p1",
        "patient/Patient.rs?name=john",
        "patient/Patient.rs?_id=p1",
        "user/Patient.rs?email=a@example.org",
        "user/Patient.rs?phone=555",
        "user/Patient.rs?deceased=false",
        // Modifiers, chains, and what only a search may have.
        "patient/Observation.rs?category:not=a",
        "patient/Observation.rs?category:in=http://example.org/vs",
        "patient/Observation.rs?code:below=a",
        "patient/Observation.rs?subject.name=a",
        "patient/Observation.rs?subject:Patient.name=a",
        "user/Patient.rs?_has:Observation:patient:code=a",
        "user/Patient.rs?_filter=a",
        "user/Patient.rs?_text=a",
        "patient/Observation.rs?_include=Observation:subject",
        "patient/Observation.rs?category=a&_revinclude=Observation:subject",
        "patient/Observation.rs?_sort=date",
        // Escapes with more than one reading.
        "patient/Observation.rs?category=a%2Cb",
        "patient/Observation.rs?category=a%257Cb",
        "patient/Observation.rs?category=a%20b",
        "patient/Observation.rs?category=a%26status=final",
        "patient/Observation.rs?category=a%",
        "patient/Observation.rs?category=a%7",
        "patient/Observation.rs?category=a%7\u{e9}",
        "patient/Observation.rs?c%61tegory=a",
        "patient/Observation.rs%3Fcategory=a",
        "patient/Observation.rs?category=a+b",
        "patient/Observation.rs?category=a\\,b",
        "patient/Observation.rs?category=a$b",
        "patient/Observation.rs?category=a#b",
        "patient/Observation.rs?category=\u{e9}",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_scope_has_at_most_eight_parameters() {
    let of = |count: usize| format!("user/Observation.r?{}", vec!["code=a"; count].join("&"));
    assert!(Scope::parse(&of(8)).is_some());
    assert!(Scope::parse(&of(9)).is_none());
}

/// The names of the scopes that count, whether one is malformed.
fn union(texts: &[String]) -> (Vec<String>, bool) {
    let scopes = Scopes::read(texts.to_vec());
    assert_eq!(scopes.texts(), texts);
    let names = scopes.data().map(|scope| scopes.name(scope)).collect();
    assert_eq!(scopes.level().is_some(), scopes.data().next().is_some());
    (names, scopes.malformed())
}

#[test]
fn the_scopes_of_a_token_are_a_union_of_one_level() {
    for (texts, expected, malformed) in [
        ("", "", false),
        ("openid fhirUser launch/patient admin", "", false),
        (
            "openid patient/Patient.r launch",
            "patient/Patient.r",
            false,
        ),
        (
            "user/Patient.read user/Observation.rs?category=a&status=b user/*.s",
            "user/Patient.read user/Observation.rs?category&status user/*.s",
            false,
        ),
        // No value of a parameter is told: it may be somebody's identifier.
        (
            "user/Patient.r?identifier=s|1",
            "user/Patient.r?identifier",
            false,
        ),
        ("user/Patient.r user/Patient.sr", "user/Patient.r", true),
        ("user/Patient.sr", "", true),
        (
            "system/Observation.rs?date=2020 system/Patient.r",
            "system/Patient.r",
            true,
        ),
        ("patient/Patient.r user/Patient.r", "", false),
        ("patient/Patient.r user/nothing", "", true),
        ("system/Nothing.r patient/Patient.r", "", true),
        ("patient/Observation.r?category=a system/*.r", "", false),
    ] {
        let texts: Vec<String> = texts.split_whitespace().map(str::to_owned).collect();
        let (names, found) = union(&texts);
        assert_eq!(
            (names.join(" ").as_str(), found),
            (expected, malformed),
            "{texts:?}"
        );
    }
}

#[test]
fn a_token_with_too_many_scopes_or_values_grants_nothing() {
    let scopes = |count: usize, text: &str| vec![text.to_owned(); count];
    assert_eq!(
        union(&scopes(MAX_SCOPES, "user/Patient.r")).0.len(),
        MAX_SCOPES
    );
    assert!(
        union(&scopes(MAX_SCOPES + 1, "user/Patient.r"))
            .0
            .is_empty()
    );
    assert!(union(&scopes(MAX_SCOPES + 1, "openid")).0.is_empty());
    let values = |count: usize| format!("user/Condition.r?category={}", vec!["a"; count].join(","));
    let with = |count: usize| {
        let mut all = scopes(2, &values(100));
        all.push(values(count));
        all.push("user/Patient.r".to_owned());
        union(&all).0.len()
    };
    assert_eq!(MAX_SCOPE_VALUES, 256);
    assert_eq!(with(56), 4);
    assert_eq!(with(57), 0);
}

#[test]
fn a_granular_scope_includes_no_other() {
    let includes = |one: &str, other: &str| {
        let scope = |text| Scope::parse(text).expect(text);
        scope(one).includes(&scope(other))
    };
    for (one, other, expected) in [
        ("user/Patient.rs", "user/Patient.r", true),
        ("user/*.cruds", "user/Patient.r", true),
        ("user/*.cruds", "user/Patient.r?gender=x", true),
        ("user/Patient.r", "user/Patient.rs", false),
        ("user/Patient.r", "user/*.r", false),
        ("user/Patient.r", "system/Patient.r", false),
        ("user/Patient.rs?gender=x", "user/Patient.r", false),
        ("user/Patient.rs?gender=x", "user/Patient.r?gender=x", true),
        ("user/Patient.rs?gender=x", "user/Patient.r?gender=y", false),
    ] {
        assert_eq!(includes(one, other), expected, "{one} {other}");
    }
}

#[test]
fn one_value_includes_another() {
    for (one, other, expected) in [
        ("a", "a", true),
        ("a", "s|a", true),
        ("a", "|a", true),
        ("a", "s|", false),
        ("a", "b", false),
        ("s|", "s|a", true),
        ("s|", "s|", true),
        ("s|", "t|a", false),
        ("s|", "a", false),
        ("s|a", "s|a", true),
        ("s|a", "a", false),
        ("s|a", "s|", false),
        ("|a", "|a", true),
        ("|a", "a", false),
        ("|a", "s|a", false),
    ] {
        let value = |text| TokenValue::parse(text).expect(text);
        assert_eq!(
            value(one).includes(&value(other)),
            expected,
            "{one} {other}"
        );
    }
}
