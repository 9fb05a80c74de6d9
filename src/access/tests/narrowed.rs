//! Searches of a patient that say not whose they are: the condition that is added to them.

use super::*;
use crate::fhir::{PatientCompartment, Searched, search_parameter};
use crate::request::{Form, Page, PageLink};

/// What goes upstream of a search with `patient/*.s`, or the rule that refuses it. What goes is decided on
/// alike when it comes again.
fn narrowed(request: &Request, terms: &Terms<'_>) -> Result<String, String> {
    let caller = principal("patient/*.s", &[]);
    let permit = authorize(&caller, request, terms).map_err(|denial| denial.rule())?;
    assert_eq!(permit.patient(), Some("p1"), "the answer is confined");
    let again = authorize(&caller, permit.request(), terms).expect("what was permitted");
    assert_eq!(again.request(), permit.request());
    Ok(permit.request().interaction.target())
}

/// A deployment where Tasks are their patient's, and Organizations nobody's.
fn configured() -> FhirPolicy {
    let task = ResourceType::parse("Task").expect("a type of R4");
    let added = search_parameter(task, "subject").expect("a parameter of R4");
    FhirPolicy {
        compartment: Rc::new(PatientCompartment {
            added: vec![(task, added)],
            universal: ResourceType::parse("Organization").into_iter().collect(),
        }),
        ..fhir()
    }
}

fn read(method: &str, path: &str, policy: &FhirPolicy) -> Request {
    let path = format!("/r4{path}");
    let head = RequestHead::parse(&[(":method", method), (":path", &path)]);
    let head = head.1.expect("a head");
    Request::parse(&head, policy).expect("a request")
}

#[test]
fn a_search_that_names_no_patient_gets_the_own_one_bypass_12() {
    let parameter = Err("request.not-supported.parameter");
    let absent = Err("compartment");
    let policy = configured();
    let terms = Terms {
        fhir: &policy,
        ..terms()
    };
    for (target, expected) in [
        ("/Observation", Ok("/Observation?patient=Patient/p1")),
        (
            "/Observation?code=x&_sort=-date&_count=5",
            Ok("/Observation?code=x&patient=Patient/p1&_sort=-date&_count=5"),
        ),
        (
            "/Observation?_id=o1",
            Ok("/Observation?_id=o1&patient=Patient/p1"),
        ),
        // What names the own patient already stays as it is.
        (
            "/Observation?subject=p1",
            Ok("/Observation?subject=Patient/p1"),
        ),
        (
            "/Observation?performer=Patient/p1",
            Ok("/Observation?performer=Patient/p1"),
        ),
        // Others beside it only narrow.
        (
            "/Observation?performer=Practitioner/a",
            Ok("/Observation?performer=Practitioner/a&patient=Patient/p1"),
        ),
        (
            "/Observation?subject=Group/g",
            Ok("/Observation?subject=Group/g&patient=Patient/p1"),
        ),
        (
            "/Observation?performer=Practitioner/a,Patient/p1",
            parameter,
        ),
        ("/Observation?performer=Practitioner/a,Patient/p2", absent),
        ("/Observation?subject=Patient/p2", absent),
        ("/Observation?patient=p12", absent),
        ("/Patient", Ok("/Patient?_id=p1")),
        ("/Patient?family=x", Ok("/Patient?family=x&_id=p1")),
        (
            "/Patient?link=Patient/p1",
            Ok("/Patient?link=Patient/p1&_id=p1"),
        ),
        // What is taken out of the own Patient is not asked for.
        ("/Patient?link=RelatedPerson/r1", parameter),
        ("/Patient?_id=p1&link=RelatedPerson/r1", parameter),
        ("/Patient?_id=p2", absent),
        ("/Patient?link=Patient/p2", absent),
        // By the first of the definition, where there is neither `patient` nor `subject`.
        ("/Group", Ok("/Group?member=Patient/p1")),
        (
            "/EnrollmentRequest",
            Ok("/EnrollmentRequest?patient=Patient/p1"),
        ),
        ("/SupplyRequest", Ok("/SupplyRequest?subject=Patient/p1")),
        // It may stand once only.
        ("/Group?member=Device/d", parameter),
        // Configured.
        ("/Task", Ok("/Task?patient=Patient/p1")),
        (
            "/Task?subject=Group/g",
            Ok("/Task?subject=Group/g&patient=Patient/p1"),
        ),
        ("/Organization?name=x", Ok("/Organization?name=x")),
        // In the own compartment there is nothing to say.
        (
            "/Patient/p1/Observation?code=x",
            Ok("/Patient/p1/Observation?code=x"),
        ),
        ("/Patient/p1/*", Ok("/Patient/p1/*")),
        ("/Patient/p2/Observation", absent),
        // Not whose they are, in whatever parameter.
        ("/Device", parameter),
        ("/Device?patient=p1", parameter),
        ("/Location?name=x", parameter),
        // Several types: by one parameter that tells of each.
        (
            "?_type=Observation,Condition&_tag=x",
            Ok("?_type=Observation,Condition&_tag=x&patient=Patient/p1"),
        ),
        (
            "?_type=Task,Observation",
            Ok("?_type=Task,Observation&patient=Patient/p1"),
        ),
        (
            "?_type=SupplyRequest,Observation",
            Ok("?_type=SupplyRequest,Observation&subject=Patient/p1"),
        ),
        ("?_type=Group,Observation", parameter),
        ("?_type=Observation,Group", parameter),
        ("?_type=Patient,Observation", parameter),
        ("?_type=Observation,Patient", parameter),
        ("?_type=Observation,Device", parameter),
        ("?_type=Observation,Organization", parameter),
        ("?_type=Organization", Ok("?_type=Organization")),
        ("?_type=Observation,Condition&patient=p2", absent),
        ("", parameter),
    ] {
        for method in ["GET", "HEAD"] {
            let found = narrowed(&read(method, target, &policy), &terms);
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{method} {target}");
        }
    }
}

#[test]
fn a_search_by_post_gets_it_in_its_form() {
    let policy = configured();
    let terms = Terms {
        fhir: &policy,
        ..terms()
    };
    let pairs = [
        (":method", "POST"),
        (":path", "/r4/Observation/_search"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let head = RequestHead::parse(&pairs).1.expect("a head");
    let form = Form::parse(&head, &policy)
        .expect("a form")
        .expect("a form");
    let request = form.complete(b"code=x", &policy).expect("a search");
    assert!(narrowed(&request, &terms).is_ok());
    let permit = authorize(&principal("patient/*.s", &[]), &request, &terms).expect("a permit");
    let body = permit.request().body();
    assert_eq!(body.as_deref(), Some("code=x&patient=Patient/p1"));
}

#[test]
fn a_search_to_which_nothing_can_be_added_is_refused() {
    let refused = "request.not-supported.parameter".to_owned();
    let query = |count: usize| vec!["code=x"; count].join("&");
    // As many parameters as a query may have.
    for (count, passes) in [(63, true), (64, false)] {
        let found = narrowed(
            &request(&format!("GET /Observation?{}", query(count))),
            &terms(),
        );
        let expected = format!("/Observation?{}&patient=Patient/p1", query(count));
        let expected = if passes {
            Ok(expected)
        } else {
            Err(refused.clone())
        };
        assert_eq!(found, expected, "{count}");
    }
    // And as long as a path may be: with `/r4/Observation?` and `&patient=Patient/p1` 35 bytes beside.
    let long = 8 * 1024 - "/r4/Observation?&patient=Patient/p1".len();
    for (more, passes) in [(0, true), (1, false)] {
        let mut query = vec![format!("code={}", "x".repeat(1000)); 8].join("&");
        let last = long + more - query.len() - "&code=".len();
        query.push_str(&format!("&code={}", "x".repeat(last)));
        let found = narrowed(&request(&format!("GET /Observation?{query}")), &terms());
        let added = found
            .as_ref()
            .is_ok_and(|target| target.ends_with("&patient=Patient/p1"));
        assert_eq!(
            (added, found.err()),
            (passes, (!passes).then(|| refused.clone())),
            "{more}"
        );
    }
    // What goes upstream of a further page is a link of the server's own.
    let page = Some(Page {
        link: PageLink {
            resource_type: ResourceType::parse("Observation"),
            token: "a".to_owned(),
        },
        upstream: "?_getpages=x".to_owned(),
    });
    for (target, passes) in [("?patient=p1", true), ("", false)] {
        let request = Request {
            page: page.clone(),
            ..request(&format!("GET /Observation{target}"))
        };
        let found = narrowed(&request, &terms());
        assert_eq!(found.err(), (!passes).then(|| refused.clone()), "{target}");
    }
}

#[test]
fn what_is_hidden_is_not_asked_by_bypass_9() {
    for (elements, expected) in [
        (
            &["Observation.performer"][..],
            Ok("/Observation?patient=Patient/p1"),
        ),
        (
            &["Observation.subject"][..],
            Ok("/Observation?performer=Patient/p1"),
        ),
        (
            &["Observation.subject", "Observation.performer"][..],
            Err("request.not-supported.parameter"),
        ),
    ] {
        let hidden = |_: &Permit, of: ResourceType, searched: Searched| {
            let place = format!("{of}.{}", searched.path);
            elements.contains(&place.as_str())
        };
        let terms = Terms {
            hidden: &hidden,
            ..terms()
        };
        let found = narrowed(&request("GET /Observation"), &terms);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, expected, "{elements:?}");
    }
}
