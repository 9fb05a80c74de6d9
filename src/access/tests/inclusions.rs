//! What is sent along with matches needs what a search for it needs.

use super::*;
use crate::fhir::Searched;
use crate::request::{Inclusion, SearchPolicy};

/// The rule that permits or refuses, and what of the types besides the first may leave.
fn decide(scope: &str, target: &str, terms: &Terms<'_>) -> Result<String, String> {
    let (_, path) = target.split_once(' ').expect("a path");
    let pairs = [(":method", "GET"), (":path", &format!("/r4{path}"))];
    let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let head = RequestHead::parse(&pairs).1.expect(target);
    let request = Request::parse(&head, terms.fhir).expect(target);
    let permit = authorize(&principal(scope, &[]), &request, terms);
    let permit = permit.map_err(|denial| match denial {
        Denial::Scope(lacking) => format!("lacks {lacking}"),
        other => other.rule(),
    })?;
    let others = permit.others().iter().map(|(other, granted)| {
        let part = if granted.is_all() { "" } else { " in part" };
        format!("{other}{part}")
    });
    Ok(others.collect::<Vec<_>>().join(", "))
}

#[test]
fn each_type_that_is_sent_along_is_decided_on_bypass_4() {
    let allowed = ["Observation:subject:Patient", "Observation:performer"];
    let allowed = allowed.map(|text| Inclusion::parse(false, text).expect(text));
    let back = Inclusion::parse(true, "Provenance:target").expect("an inclusion");
    let fhir = FhirPolicy {
        search: SearchPolicy {
            include: allowed.into_iter().chain([back]).collect(),
            ..SearchPolicy::default()
        },
        ..fhir()
    };
    let terms = Terms {
        fhir: &fhir,
        ..terms()
    };
    let subject = "GET /Observation?_include=Observation:subject";
    let own =
        "GET /Observation?patient=p1&_include=Observation:subject&_revinclude=Provenance:target";
    let both = "user/Observation.s user/Patient.s";
    for (scope, target, expected) in [
        (both, subject, Ok("Patient")),
        ("user/Observation.s", subject, Err("lacks user/Patient.s")),
        (
            "user/Observation.s user/Patient.r",
            subject,
            Err("lacks user/Patient.s"),
        ),
        (
            "user/Observation.s user/Patient.s?gender=male",
            subject,
            Ok("Patient in part"),
        ),
        (
            both,
            "GET /Observation?_include=Observation:performer",
            Err("lacks user/CareTeam.s"),
        ),
        (
            "user/*.s",
            "GET /Observation?_include=Observation:performer:Practitioner",
            Ok("Practitioner"),
        ),
        (
            both,
            "GET /Observation?_revinclude=Provenance:target",
            Err("lacks user/Provenance.s"),
        ),
        ("patient/*.s", own, Ok("Patient, Provenance")),
        ("patient/*.s", subject, Ok("Patient")),
        (
            "patient/*.s",
            "GET /Observation?patient=p2&_include=Observation:subject",
            Err("compartment"),
        ),
        (
            "user/*.s",
            "GET ?_type=Observation,Patient&_include=Observation:subject",
            Ok("Patient"),
        ),
    ] {
        let found = decide(scope, target, &terms);
        assert_eq!(
            found,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{scope} {target}"
        );
    }
    let hidden = |_: &Permit, of: ResourceType, searched: Searched| {
        of.name() == "Observation" && searched.to_string() == "subject.reference"
    };
    let terms = Terms {
        hidden: &hidden,
        ..terms
    };
    let refused = Err("request.not-supported.include".to_owned());
    assert_eq!(decide(both, subject, &terms), refused, "who it is about");
    let rules = Rules {
        rules: vec![Rule {
            name: "r".to_owned(),
            interactions: None,
            types: Some(vec![ResourceType::parse("Patient").expect("a type")]),
            when: None,
            effect: Effect::Deny,
            report: false,
        }],
        ..Rules::default()
    };
    let terms = Terms {
        rules: &rules,
        hidden: &|_, _, _| false,
        ..terms
    };
    assert_eq!(decide(both, subject, &terms), Err("deny.r".to_owned()));
    assert_eq!(
        decide(both, "GET /Observation?code=x", &terms),
        Ok(String::new())
    );
}

#[test]
fn what_is_taken_out_brings_nothing_along_bypass_4() {
    let allowed = [
        "Observation:subject:Patient",
        "Patient:general-practitioner:Practitioner",
    ];
    let allowed = allowed.map(|text| Inclusion::parse(false, text).expect(text));
    let fhir = FhirPolicy {
        search: SearchPolicy {
            include: allowed.to_vec(),
            iterate: 1,
            ..SearchPolicy::default()
        },
        ..fhir()
    };
    let terms = Terms {
        fhir: &fhir,
        ..terms()
    };
    let target = "GET /Observation?patient=p1&_include=Observation:subject&_include:iterate=Patient:general-practitioner";
    let refused = Err("request.not-supported.include");
    let some = "user/Observation.s user/Patient.s";
    for (scope, expected) in [
        ("user/*.s", Ok("Patient, Practitioner")),
        ("system/*.s", Ok("Patient, Practitioner")),
        (some, Err("lacks user/Practitioner.s")),
        (
            "user/Observation.s user/Practitioner.s",
            Err("lacks user/Patient.s"),
        ),
        // What these may not see is taken out of the answer, and would bring others along.
        ("patient/*.s", refused),
        (
            "user/Observation.s user/Practitioner.s user/Patient.s?gender=male",
            refused,
        ),
        (
            "user/Patient.s user/Practitioner.s user/Observation.s?category=a",
            refused,
        ),
        (
            "user/Observation.s user/Patient.s user/Practitioner.s?active=true",
            refused,
        ),
    ] {
        let found = decide(scope, target, &terms);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, expected, "{scope}");
    }
    for (of, element) in [
        ("Observation", "subject.reference"),
        ("Patient", "generalPractitioner.reference"),
    ] {
        let hidden = |_: &Permit, own: ResourceType, searched: Searched| {
            own.name() == of && searched.to_string() == element
        };
        let terms = Terms {
            hidden: &hidden,
            ..terms
        };
        assert!(
            decide("user/*.s", target, &terms).is_err(),
            "{of}.{element}"
        );
    }
    // Without it the same is screened, as ever.
    let plain = "GET /Observation?patient=p1&_include=Observation:subject";
    assert_eq!(
        decide("patient/*.s", plain, &terms),
        Ok("Patient".to_owned())
    );
    // Nor does what a consent takes out.
    let requiring = |report| Rules {
        rules: vec![Rule {
            name: "r".to_owned(),
            interactions: None,
            types: None,
            when: None,
            effect: Effect::Require {
                login: Requirement::default(),
                bound: Vec::new(),
                provenance: false,
                consent: true,
            },
            report,
        }],
        ..Rules::default()
    };
    for (report, expected) in [(false, refused), (true, Ok("Patient, Practitioner"))] {
        let rules = requiring(report);
        let terms = Terms {
            rules: &rules,
            ..terms
        };
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(decide("user/*.s", target, &terms), expected, "{report}");
    }
}
