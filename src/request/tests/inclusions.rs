//! What is sent along with matches.

use super::*;

const REFUSED: Result<&str, &str> = Err("request.not-supported.include");

fn check(path: &str, expected: Result<&str, &str>) {
    let allowed = [
        (false, "Observation:subject:Patient"),
        (false, "Observation:performer:Practitioner"),
        (false, "Observation:performer:Organization"),
        (false, "Encounter:service-provider"),
        (true, "Provenance:target"),
        (true, "Observation:subject:Patient"),
    ];
    let allowed = allowed.map(|(reverse, text)| Inclusion::parse(reverse, text).expect(text));
    let policy = FhirPolicy {
        search: SearchPolicy {
            include: allowed.to_vec(),
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
        (
            "/Observation?_include:iterate=Observation:subject",
            Err("request.not-supported.parameter"),
        ),
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
            Err("request.not-supported.parameter"),
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
