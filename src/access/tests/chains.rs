//! Chains and `_has`: what a match is found by is the caller's to see, or nothing is found.

use super::*;
use crate::fhir::Searched;
use crate::request::{Inclusion, SearchPolicy};

fn decide(scope: &str, path: &str, terms: &Terms<'_>) -> Result<String, String> {
    let pairs = [(":method", "GET"), (":path", &format!("/r4{path}"))];
    let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let head = RequestHead::parse(&pairs).1.expect(path);
    let request = Request::parse(&head, terms.fhir).expect(path);
    let permit = authorize(&principal(scope, &[]), &request, terms);
    let permit = permit.map_err(|denial| match denial {
        Denial::Scope(lacking) => format!("lacks {lacking}"),
        other => other.rule(),
    })?;
    assert!(permit.others().is_empty(), "nothing is sent along");
    Ok(permit.request().interaction.target())
}

#[test]
fn each_hop_is_the_callers_to_see_bypass_1_3() {
    let hops = [
        (false, "Observation:subject:Patient"),
        (false, "Patient:general-practitioner:Practitioner"),
        (true, "Observation:patient"),
        (true, "AuditEvent:entity"),
    ];
    let hops = hops.map(|(reverse, text)| Inclusion::parse(reverse, text).expect(text));
    let fhir = FhirPolicy {
        search: SearchPolicy {
            chains: hops.to_vec(),
            ..SearchPolicy::default()
        },
        ..fhir()
    };
    let terms = Terms {
        fhir: &fhir,
        ..terms()
    };
    let parameter = Err("request.not-supported.parameter");
    let chain = "/Observation?subject:Patient.family=a";
    let long = "/Observation?subject:Patient.general-practitioner:Practitioner.family=a";
    let has = "/Patient?_has:Observation:patient:code=a";
    let nested = "/Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name=a";
    let both = "user/Observation.s user/Patient.s";
    for (scope, path, expected) in [
        (both, chain, Ok(chain)),
        ("user/*.s", long, Ok(long)),
        (both, long, Err("lacks user/Practitioner.s")),
        (
            "user/Observation.s user/Patient.r",
            chain,
            Err("lacks user/Patient.s"),
        ),
        (both, has, Ok(has)),
        ("user/Patient.s", has, Err("lacks user/Observation.s")),
        ("user/*.s", nested, Ok(nested)),
        (both, nested, Err("lacks user/AuditEvent.s")),
        (
            "user/Patient.s user/AuditEvent.s",
            nested,
            Err("lacks user/Observation.s"),
        ),
        (
            "user/Patient.s user/AuditEvent.s user/Observation.s?category=a",
            nested,
            parameter,
        ),
        (
            "user/Patient.s user/Observation.s user/AuditEvent.s?action=C",
            nested,
            parameter,
        ),
        (
            "patient/*.s",
            "/Patient?_id=p1&_has:Observation:patient:_has:AuditEvent:entity:agent-name=a",
            parameter,
        ),
        // What some may not see is not found by.
        (
            "user/Observation.s user/Patient.s?gender=male",
            chain,
            parameter,
        ),
        (
            "user/Patient.s user/Observation.s?category=a",
            has,
            parameter,
        ),
        (
            "user/Patient.s user/Observation.s?category=a",
            chain,
            parameter,
        ),
        (
            "patient/*.s",
            "/Observation?patient=p1&subject:Patient.family=a",
            parameter,
        ),
        (
            "patient/*.s",
            "/Patient?_id=p1&_has:Observation:patient:code=a",
            parameter,
        ),
        (
            "patient/*.s",
            "/Patient/p1/Observation?subject:Patient.family=a",
            parameter,
        ),
    ] {
        let found = decide(scope, path, &terms);
        assert_eq!(
            found,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{scope} {path}"
        );
    }
    for (of, element, path) in [
        ("Patient", "name.family", chain),
        ("Observation", "subject.reference", chain),
        ("Observation", "code", has),
        ("Observation", "subject.reference", has),
        ("AuditEvent", "agent.name", nested),
        ("AuditEvent", "entity.what.reference", nested),
        ("Observation", "subject.reference", nested),
        ("Practitioner", "name.family", long),
        ("Patient", "generalPractitioner.reference", long),
    ] {
        let hidden = |_: &Permit, own: ResourceType, searched: Searched| {
            own.name() == of && searched.to_string() == element
        };
        let terms = Terms {
            hidden: &hidden,
            ..terms
        };
        let found = decide("user/*.s", path, &terms);
        assert_eq!(
            found,
            parameter.map(str::to_owned).map_err(str::to_owned),
            "{of}.{element} {path}"
        );
    }
    let rules = Rules {
        rules: vec![Rule {
            name: "r".to_owned(),
            interactions: None,
            types: Some(vec![ResourceType::parse("Observation").expect("a type")]),
            when: None,
            effect: Effect::Deny,
            report: false,
        }],
        ..Rules::default()
    };
    let terms = Terms {
        rules: &rules,
        ..terms
    };
    for path in [has, nested] {
        assert_eq!(decide("user/*.s", path, &terms), Err("deny.r".to_owned()));
    }
}
