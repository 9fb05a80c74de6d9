//! Answers that are asked for in part, or as a number.

use super::*;

#[test]
fn what_decides_is_asked_for_too_bypass_19() {
    for (scope, target, expected) in [
        (
            "user/*.s",
            "GET /Observation?_elements=code",
            "/Observation?_elements=code,id,meta",
        ),
        (
            "user/*.s",
            "GET /Observation?_elements=meta,id",
            "/Observation?_elements=meta,id",
        ),
        (
            "patient/*.s",
            "GET /Observation?patient=p1&_elements=id",
            "/Observation?patient=Patient/p1&_elements=id,meta,performer,subject,contained",
        ),
        (
            "patient/*.s",
            "GET /Observation?_elements=id",
            "/Observation?patient=Patient/p1&_elements=id,meta,performer,subject,contained",
        ),
        (
            "patient/*.s",
            "GET /Appointment?actor=Patient/p1&_elements=status",
            "/Appointment?actor=Patient/p1&_elements=status,id,meta,participant,contained",
        ),
        (
            "patient/*.s",
            "GET ?_type=Observation,Coverage&patient=p1&_elements=status",
            "?_type=Observation,Coverage&patient=Patient/p1&_elements=status,id,meta,performer,subject,contained,beneficiary,payor,policyHolder,subscriber",
        ),
        (
            "user/Observation.s?category=a",
            "GET /Observation?_elements=id",
            "/Observation?category=a&_elements=id,meta,category",
        ),
        // Of a choice the server is asked for all.
        (
            "user/MedicationRequest.s?code=a",
            "GET /MedicationRequest?_elements=id",
            "/MedicationRequest?code=a&_elements=id,meta,medication",
        ),
        (
            "patient/*.s",
            "GET /Observation?patient=p1&_summary=data",
            "/Observation?patient=Patient/p1&_summary=data",
        ),
        (
            "patient/*.s",
            "GET /Observation?patient=p1&_summary=false",
            "/Observation?patient=Patient/p1",
        ),
        (
            "patient/*.s",
            "GET /Observation?patient=p1&_total=none",
            "/Observation?patient=Patient/p1",
        ),
    ] {
        let permit = decided(&principal(scope, &[]), target).expect(target);
        let found = permit.request().interaction.target();
        assert_eq!(found, expected, "{scope} {target}");
        // What a link leads to is decided on alike.
        let again = decided(&principal(scope, &[]), &format!("GET {found}")).expect(&found);
        assert_eq!(again.request(), permit.request(), "{scope} {target}");
    }
}

/// What goes up would be read again, however many types decide.
#[test]
fn what_decides_of_all_types_fits_beside_what_is_asked_for_bypass_19() {
    let patient = principal("patient/*.s", &[]);
    let target = |count: usize| {
        let of = |name: &str| crate::fhir::elements(ResourceType::parse(name).expect("a type"));
        let mut names: Vec<&str> = of("Claim").chain(of("ExplanationOfBenefit")).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(count);
        format!("GET /Patient/p1/*?_elements={}", names.join(","))
    };
    for count in [1, 25] {
        let permit = decided(&patient, &target(count)).expect("permitted");
        let found = permit.request().interaction.target();
        let again = decided(&patient, &format!("GET {found}")).expect(&found);
        assert_eq!(again.request(), permit.request());
        let asked = found
            .split_once("_elements=")
            .map(|(_, names)| names.split(',').count());
        assert!(asked > Some(32), "{found}");
    }
    // Too many together.
    let found = decided(&patient, &target(60)).err();
    assert_eq!(found, Some(Denial::NotSupported("elements")));
}

#[test]
fn a_number_is_for_who_may_see_all_bypass_20() {
    let total = Err("request.not-supported.total");
    let summary = Err("request.not-supported.summary");
    let granular = "user/Observation.s?category=a";
    for (scope, query, expected) in [
        ("user/*.s", "_summary=count", Ok(true)),
        ("user/*.s", "_total=accurate", Ok(true)),
        ("user/*.s", "_summary=true", Ok(false)),
        ("user/*.s", "_summary=text", Ok(false)),
        ("user/*.s", "code=x", Ok(false)),
        ("user/*.s", "_total=none", Ok(false)),
        (granular, "_summary=count", total),
        (granular, "_total=estimate", total),
        (granular, "_summary=true", summary),
        (granular, "_summary=text", summary),
        (granular, "_summary=data", Ok(false)),
        ("patient/*.s", "patient=p1&_summary=count", total),
        ("patient/*.s", "patient=p1&_total=accurate", total),
        ("patient/*.s", "patient=p1&_summary=true", summary),
        ("patient/*.s", "patient=p1&_summary=text", summary),
        (
            "patient/*.s",
            "patient=p2&_summary=count",
            Err("compartment"),
        ),
    ] {
        let found = decided(&principal(scope, &[]), &format!("GET /Observation?{query}"));
        let found = found.map(|permit| permit.shows_total());
        let found = found.map_err(|denial| denial.rule());
        assert_eq!(found, expected.map_err(str::to_owned), "{scope} {query}");
    }
    let mixed = principal("user/Observation.s?category=a user/Condition.s", &[]);
    let found = decided(&mixed, "GET ?_type=Condition,Observation&_summary=count");
    assert_eq!(found.err(), Some(Denial::NotSupported("total")));
    let found = decided(&mixed, "GET ?_type=Condition&_summary=count");
    assert!(found.is_ok_and(|permit| permit.shows_total()));
}

#[test]
fn a_server_that_is_trusted_counts_for_patients_too_bypass_20() {
    let total = Err("request.not-supported.total");
    let summary = Err("request.not-supported.summary");
    let organization = ResourceType::parse("Organization").expect("a type");
    let trusting = FhirPolicy {
        search: SearchPolicy {
            trusted_total: true,
            ..SearchPolicy::default()
        },
        compartment: Rc::new(crate::fhir::PatientCompartment {
            universal: vec![organization],
            ..Default::default()
        }),
        ..fhir()
    };
    let terms = Terms {
        fhir: &trusting,
        ..terms()
    };
    for (scope, target, expected) in [
        (
            "patient/*.s",
            "/Observation?_summary=count",
            Ok("/Observation?patient=Patient/p1&_summary=count"),
        ),
        (
            "patient/*.s",
            "/Observation?performer=Patient/p1&_total=accurate",
            Ok("/Observation?performer=Patient/p1&_total=accurate"),
        ),
        (
            "patient/*.s",
            "/Patient?_total=estimate",
            Ok("/Patient?_id=p1&_total=estimate"),
        ),
        ("patient/*.s", "/Observation?_summary=true", summary),
        ("patient/*.s", "/Observation?_summary=text", summary),
        // What does not match a granular scope is counted all the same.
        (
            "patient/Observation.s?category=a",
            "/Observation?_total=accurate",
            total,
        ),
        (
            "user/Observation.s?category=a",
            "/Observation?_summary=count",
            total,
        ),
        // Nothing in the query confines these, or not each of them.
        ("patient/*.s", "/Organization?_summary=count", total),
        (
            "patient/*.s",
            "/Patient/p1/Observation?_summary=count",
            total,
        ),
        (
            "patient/*.s",
            "?_type=Observation,Condition&_total=accurate",
            total,
        ),
        (
            "patient/*.s",
            "/Observation?patient=p2&_summary=count",
            Err("compartment"),
        ),
    ] {
        let found = authorize(
            &principal(scope, &[]),
            &request(&format!("GET {target}")),
            &terms,
        );
        let found = found.map(|permit| {
            assert!(permit.shows_total(), "{target}");
            permit.request().interaction.target()
        });
        let found = found.map_err(|denial| denial.rule());
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, expected, "{scope} {target}");
    }
    // Not asked for, not told.
    let caller = principal("patient/*.s", &[]);
    let permit = authorize(&caller, &request("GET /Observation"), &terms).expect("a permit");
    assert!(!permit.shows_total());
}

#[test]
fn a_modifier_confines_nothing_and_narrows_no_scope_bypass_12() {
    // `not` is the opposite of what the scope asks for.
    let caller = principal("user/Observation.s?category=a", &[]);
    let permit = decided(&caller, "GET /Observation?category:not=a").expect("a permit");
    let target = permit.request().interaction.target();
    assert_eq!(target, "/Observation?category:not=a&category=a");
    for (target, expected) in [
        (
            "GET /Observation?patient:Patient=p1",
            Ok("scope:patient/*.s"),
        ),
        ("GET /Observation?subject:Patient=p2", Err("compartment")),
        (
            "GET /Observation?patient=p1&code:missing=true",
            Ok("scope:patient/*.s"),
        ),
    ] {
        check(target, "patient/*.s", &[], target, expected);
    }
    let caller = principal("patient/*.s", &[]);
    for (target, expected) in [
        (
            "/Observation?code:not=a",
            "/Observation?code:not=a&patient=Patient/p1",
        ),
        ("/Patient?family:exact=a", "/Patient?family:exact=a&_id=p1"),
    ] {
        let permit = decided(&caller, &format!("GET {target}")).expect(target);
        assert_eq!(permit.request().interaction.target(), expected);
    }
}

#[test]
fn a_page_was_asked_for_with_all_that_decides() {
    use crate::request::{Page, PageLink};
    for (elements, expected) in [
        ("id,meta,performer,subject,contained", None),
        // Asked for when something else decided: the server's link cannot be changed any more.
        ("id,meta", Some("request.not-supported.elements")),
    ] {
        let target = format!("GET /Observation?patient=p1&_elements={elements}");
        let request = Request {
            page: Some(Page {
                link: PageLink {
                    resource_type: ResourceType::parse("Observation"),
                    token: "a".to_owned(),
                },
                upstream: "?_getpages=x".to_owned(),
            }),
            ..request(&target)
        };
        let found = authorize(&principal("patient/*.s", &[]), &request, &terms());
        let found = found.err().map(|denial| denial.rule());
        assert_eq!(found.as_deref(), expected, "{elements}");
    }
}
