//! What is sent along with matches.

use super::*;

const REFUSED: Result<&str, &str> = Err("request.not-supported.include");

fn check(path: &str, expected: Result<&str, &str>) {
    check_with(0, path, expected);
}

/// The same where so many may iterate.
fn check_with(iterate: usize, path: &str, expected: Result<&str, &str>) {
    let allowed = [
        (false, "Observation:subject:Patient"),
        (false, "Observation:performer:Practitioner"),
        (false, "Observation:performer:Organization"),
        (false, "Encounter:service-provider"),
        (true, "Provenance:target"),
        (true, "Observation:subject:Patient"),
        (true, "Observation:encounter:Encounter"),
        (false, "Observation:has-member:Observation"),
        (false, "Patient:general-practitioner"),
        (true, "Encounter:patient"),
    ];
    let allowed = allowed.map(|(reverse, text)| Inclusion::parse(reverse, text).expect(text));
    let policy = FhirPolicy {
        search: SearchPolicy {
            include: allowed.to_vec(),
            iterate,
            ..SearchPolicy::default()
        },
        ..policy()
    };
    let head = head("GET", &format!("/r4{path}"), &[]).expect(path);
    let found = Request::parse(&head, &policy);
    if let Ok(request) = &found {
        let link = format!("http://fhir/base{}&_offset=5", request.interaction.target());
        let page = page_of(&link, &request.interaction, &policy);
        let own = format!(
            "{}{}&_offset=5",
            policy.base.as_str(),
            request.interaction.target()
        );
        assert_eq!(page, Some(own), "{path}");
        let bare = link.replace("_include", "_x").replace("_revinclude", "_x");
        assert_eq!(
            page_of(&bare, &request.interaction, &policy),
            None,
            "{path}"
        );
    }
    let found = found.map(|request| request.interaction.target());
    let found = found.map_err(|denial| denial.rule());
    assert_eq!(
        found,
        expected.map(str::to_owned).map_err(str::to_owned),
        "{path}"
    );
}

#[test]
fn inclusions_are_those_of_the_list_bypass_2_4() {
    for (path, expected) in [
        // The type that is allowed is the one that is asked for.
        (
            "/Observation?_include=Observation:subject",
            Ok("/Observation?_include=Observation:subject:Patient"),
        ),
        (
            "/Observation?_include=Observation:subject:Patient",
            Ok("/Observation?_include=Observation:subject:Patient"),
        ),
        (
            "/Observation?_include=Observation:performer:Practitioner",
            Ok("/Observation?_include=Observation:performer:Practitioner"),
        ),
        (
            "/Encounter?_include=Encounter:service-provider",
            Ok("/Encounter?_include=Encounter:service-provider"),
        ),
        (
            "/Observation?_revinclude=Provenance:target",
            Ok("/Observation?_revinclude=Provenance:target"),
        ),
        (
            "/Patient?_revinclude=Observation:subject",
            Ok("/Patient?_revinclude=Observation:subject:Patient"),
        ),
        (
            "/Patient/p1/Observation?_include=Observation:subject",
            Ok("/Patient/p1/Observation?_include=Observation:subject:Patient"),
        ),
        (
            "?_type=Observation,Encounter&_include=Encounter:service-provider",
            Ok("?_type=Observation,Encounter&_include=Encounter:service-provider"),
        ),
        // Two are allowed: which one is meant is to be said.
        ("/Observation?_include=Observation:performer", REFUSED),
        (
            "/Observation?_include=Observation:performer:Patient",
            REFUSED,
        ),
        ("/Observation?_include=Observation:subject:Group", REFUSED),
        ("/Observation?_include=Observation:encounter", REFUSED),
        ("/Observation?_include=Observation:*", REFUSED),
        ("/Observation?_include=*", REFUSED),
        ("/Observation?_include=Observation", REFUSED),
        (
            "/Observation?_include=Observation:subject:Patient:x",
            REFUSED,
        ),
        ("/Observation?_include=Observation:code", REFUSED),
        ("/Observation?_include=observation:subject", REFUSED),
        (
            "/Observation?_include=Observation:subject,Observation:performer",
            REFUSED,
        ),
        // Nothing that is searched for refers so.
        ("/Condition?_include=Observation:subject", REFUSED),
        ("/Observation?_revinclude=Observation:subject", REFUSED),
        ("/Observation?_revinclude=Provenance:agent", REFUSED),
        ("/Observation?_revinclude=*", REFUSED),
        ("/Observation?_include=Provenance:target", REFUSED),
        // Steps of steps are not counted, whatever they are called.
        ("/Observation?_include:iterate=Observation:subject", REFUSED),
        (
            "/Observation?_include:recurse=Observation:subject",
            Err("request.not-supported.parameter"),
        ),
        (
            "/Observation?_include:R4=Observation:subject",
            Err("request.not-supported.parameter"),
        ),
        (
            "/Observation?_revinclude:iterate=Provenance:target",
            REFUSED,
        ),
        (
            "/Observation?_include=Observation:subject&_include=Observation:subject:Patient",
            Err("request.malformed.repeated-parameter"),
        ),
        (
            "/Observation?_include=Observation:subject&_elements=code",
            Err("request.not-supported.elements"),
        ),
        (
            "/Observation/_history?_include=Observation:subject",
            Err("request.not-supported.parameter"),
        ),
    ] {
        check(path, expected);
    }
}

#[test]
fn iterating_inclusions_start_from_what_the_search_brings_bypass_2_4() {
    let costly = Err("request.too-costly.include");
    let parameter = Err("request.not-supported.parameter");
    let refused: Result<Vec<&str>, &str> = Err("request.not-supported.include");
    let subject = "_include=Observation:subject:Patient";
    let doctor = "_include:iterate=Patient:general-practitioner";
    let visits = "_revinclude:iterate=Encounter:patient";
    let theirs = "_revinclude:iterate=Observation:encounter:Encounter";
    for (most, query, expected) in [
        (1, vec![subject, doctor], Ok(vec![subject, doctor])),
        // Whichever stands first, what it starts from is brought.
        (1, vec![doctor, subject], Ok(vec![subject, doctor])),
        (
            2,
            vec![subject, doctor, visits],
            Ok(vec![subject, doctor, visits]),
        ),
        (
            3,
            vec![subject, theirs, visits],
            Ok(vec![subject, visits, theirs]),
        ),
        (
            1,
            vec!["_include:iterate=Observation:has-member"],
            Ok(vec!["_include:iterate=Observation:has-member:Observation"]),
        ),
        (
            1,
            vec!["_revinclude:iterate=Provenance:target"],
            Ok(vec!["_revinclude:iterate=Provenance:target"]),
        ),
        // The type that is allowed is the one that is asked for.
        (
            2,
            vec![subject, visits, "_revinclude:iterate=Observation:encounter"],
            Ok(vec![subject, visits, theirs]),
        ),
        (0, vec![subject, doctor], refused.clone()),
        (1, vec![doctor], refused.clone()),
        (1, vec![theirs], refused.clone()),
        (2, vec![doctor, theirs], refused.clone()),
        (1, vec![subject, doctor, visits], costly.clone()),
        (2, vec![subject, doctor, visits, theirs], costly),
        (
            1,
            vec![subject, "_include:iterate=Patient:link"],
            refused.clone(),
        ),
        (
            1,
            vec![subject, "_include:iterate=Patient:*"],
            refused.clone(),
        ),
        (1, vec![subject, "_include:iterate=*"], refused.clone()),
        (1, vec![subject, "_revinclude:iterate=*"], refused.clone()),
        (
            1,
            vec![subject, "_include:recurse=Patient:general-practitioner"],
            parameter.clone(),
        ),
        (
            1,
            vec![subject, "_include:Iterate=Patient:general-practitioner"],
            parameter.clone(),
        ),
        (
            1,
            vec![
                subject,
                "_include:iterate:iterate=Patient:general-practitioner",
            ],
            parameter,
        ),
        (
            2,
            vec![subject, doctor, doctor],
            Err("request.malformed.repeated-parameter"),
        ),
        // Without the modifier it starts from matches alone.
        (
            1,
            vec![subject, "_include=Patient:general-practitioner"],
            refused.clone(),
        ),
        (
            1,
            vec![subject, doctor, "_elements=code"],
            Err("request.not-supported.elements"),
        ),
    ] {
        let path = |query: &[&str]| format!("/Observation?{}", query.join("&"));
        let expected = expected.map(|query| path(&query));
        check_with(
            most,
            &path(&query),
            expected.as_deref().map_err(|rule| *rule),
        );
    }
    let across = "?_type=Observation,Encounter&_include:iterate=Observation:subject:Patient";
    check_with(1, across, Ok(across));
    check_with(
        1,
        &format!("/Observation?{subject}&{doctor}&{theirs}"),
        Err("request.too-costly.include"),
    );
    let history = "/Observation/_history?_include:iterate=Observation:subject";
    check_with(1, history, Err("request.not-supported.parameter"));
}
