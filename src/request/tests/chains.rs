//! Chains and `_has`.

use super::*;

const PARAMETER: Result<&str, &str> = Err("request.not-supported.parameter");

fn check(path: &str, expected: Result<&str, &str>) {
    let allowed = [
        (false, "Observation:subject:Patient"),
        (false, "Observation:performer:Practitioner"),
        (false, "Observation:performer:Organization"),
        (false, "Patient:general-practitioner:Practitioner"),
        (false, "Encounter:service-provider"),
        (false, "Encounter:part-of"),
        (true, "Observation:patient"),
        (true, "Observation:subject:Group"),
        (true, "Patient:general-practitioner"),
        (true, "AuditEvent:entity"),
        (true, "Provenance:target"),
    ];
    let policy = FhirPolicy {
        search: SearchPolicy {
            chains: allowed
                .map(|(reverse, text)| Inclusion::parse(reverse, text).expect(text))
                .to_vec(),
            ..SearchPolicy::default()
        },
        ..policy()
    };
    let head = head("GET", &format!("/r4{path}"), &[]).expect(path);
    let found = Request::parse(&head, &policy);
    if let Ok(request) = &found {
        let link = format!(
            "{}{}&_offset=5",
            policy.base.as_str(),
            request.interaction.target()
        );
        let page = page_of(&link, &request.interaction, &policy);
        assert_eq!(page, Some(link), "{path}");
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
fn chains_have_the_hops_of_the_list_bypass_1_to_3() {
    for (path, expected) in [
        (
            "/Observation?subject:Patient.family=a",
            Ok("/Observation?subject:Patient.family=a"),
        ),
        // The one type that is allowed, or possible, is written out.
        (
            "/Observation?subject.family=a",
            Ok("/Observation?subject:Patient.family=a"),
        ),
        (
            "/Encounter?service-provider.name=a",
            Ok("/Encounter?service-provider:Organization.name=a"),
        ),
        (
            "/Observation?subject.general-practitioner.family=a,b&code=x",
            Ok("/Observation?subject:Patient.general-practitioner:Practitioner.family=a,b&code=x"),
        ),
        (
            "/Observation?performer:Practitioner.family=a",
            Ok("/Observation?performer:Practitioner.family=a"),
        ),
        (
            "/Patient?_has:Observation:patient:code=a",
            Ok("/Patient?_has:Observation:patient:code=a"),
        ),
        (
            "/Patient/p1/Observation?subject.family=a",
            Ok("/Patient/p1/Observation?subject:Patient.family=a"),
        ),
        (
            "/Encounter?part-of.part-of.service-provider.name=a",
            Ok(
                "/Encounter?part-of:Encounter.part-of:Encounter.service-provider:Organization.name=a",
            ),
        ),
        (
            "/Encounter?part-of.part-of.part-of.service-provider.name=a",
            Err("request.too-costly.chain"),
        ),
        ("/Observation?performer.family=a", PARAMETER),
        ("/Observation?performer:Patient.family=a", PARAMETER),
        ("/Observation?subject:Group.name=a", PARAMETER),
        ("/Observation?patient.family=a", PARAMETER),
        ("/Observation?encounter.class=a", PARAMETER),
        ("/Observation?subject:Patient.family:exact=a", PARAMETER),
        ("/Observation?subject:Patient.nothing=a", PARAMETER),
        ("/Observation?subject:Patient._text=a", PARAMETER),
        ("/Observation?subject:Patient.=a", PARAMETER),
        ("/Observation?.family=a", PARAMETER),
        ("/Observation?subject..family=a", PARAMETER),
        ("/Observation?subject:Patient:x.family=a", PARAMETER),
        ("/Patient?_has:Condition:patient:code=a", PARAMETER),
        // That one is for groups.
        ("/Patient?_has:Observation:subject:code=a", PARAMETER),
        ("/Patient?_has:Observation:performer:code=a", PARAMETER),
        ("/Patient?_has:Observation:patient:code:not=a", PARAMETER),
        (
            "/Patient?_has:Observation:patient:subject.family=a",
            PARAMETER,
        ),
        (
            "/Observation?subject:Patient._has:Observation:patient:code=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:Observation:patient:Patient:code=a",
            PARAMETER,
        ),
        ("/Patient?_has:Observation:patient=a", PARAMETER),
        ("/Patient?_has:Observation=a", PARAMETER),
        ("/Patient?_has=a", PARAMETER),
        ("/Practitioner?_has:Observation:patient:code=a", PARAMETER),
        (
            "/Observation?_sort=subject.family",
            Err("request.not-supported.sort"),
        ),
        // Each type would go another way.
        ("?_type=Observation,Encounter&subject.family=a", PARAMETER),
        (
            "/Observation?subject.birthdate=x",
            Err("request.malformed.date"),
        ),
        (
            "/Observation?subject.family=a&subject.family=b",
            Err("request.malformed.repeated-parameter"),
        ),
        (
            "/Observation?subject.family=a&subject.given=b",
            Ok("/Observation?subject:Patient.family=a&subject:Patient.given=b"),
        ),
    ] {
        check(path, expected);
    }
}

#[test]
fn has_nests_by_the_hops_of_the_list_bypass_1_to_3() {
    let nested = "/Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name=a";
    let deepest = "/Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:_has:AuditEvent:entity:agent-name=a,b";
    for (path, expected) in [
        (nested, Ok(nested)),
        (deepest, Ok(deepest)),
        (
            "/Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:_has:AuditEvent:entity:_has:Provenance:target:recorded=2020",
            Err("request.too-costly.chain"),
        ),
        // Each hop is of the list, and leads to what the one before it is of.
        (
            "/Patient?_has:Observation:patient:_has:Condition:evidence-detail:code=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:Condition:patient:_has:AuditEvent:entity:agent-name=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:Observation:patient:_has:Observation:patient:code=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:AuditEvent:entity:_has:Observation:patient:code=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:Observation:patient:_has:AuditEvent:entity=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:Observation:patient:_has:AuditEvent=a",
            PARAMETER,
        ),
        ("/Patient?_has:Observation:patient:_has:=a", PARAMETER),
        ("/Patient?_has:Observation:patient:_has=a", PARAMETER),
        ("/Patient?_has:_has:Observation:patient:code=a", PARAMETER),
        ("/Patient?_has::=a", PARAMETER),
        (
            "/Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name:exact=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:Observation:patient:_has:AuditEvent:entity:agent.name=a",
            PARAMETER,
        ),
        (
            "/Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name=a&_has:Observation:patient:_has:AuditEvent:entity:agent-name=b",
            Err("request.malformed.repeated-parameter"),
        ),
        (
            "?_type=Patient,Group&_has:Observation:patient:_has:AuditEvent:entity:agent-name=a",
            PARAMETER,
        ),
    ] {
        check(path, expected);
    }
    let many = format!("/Patient?{}code=a", "_has:Observation:patient:".repeat(300));
    check(&many, PARAMETER);
}
