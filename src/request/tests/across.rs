//! Searches over several types, and in compartments.

use super::*;

const TYPE: &str = "request.not-supported.type";
const PARAMETER: &str = "request.not-supported.parameter";
const LIST: &str = "request.malformed.type";

#[test]
fn what_reaches_over_types_has_one_form() {
    let (system, compartment) = ("search-system", "search-compartment");
    for (path, code, target) in [
        (
            "?_type=Patient,Observation",
            system,
            "?_type=Patient,Observation",
        ),
        (
            "?patient=p1&_type=Observation%2CCondition&_count=5",
            system,
            "?_type=Observation,Condition&patient=Patient/p1&_count=5",
        ),
        ("", system, ""),
        ("?", system, ""),
        ("?_lastUpdated=ge2020", system, "?_lastUpdated=ge2020"),
        (
            "/Patient/p1/Observation?code=a&_sort=-date",
            compartment,
            "/Patient/p1/Observation?code=a&_sort=-date",
        ),
        ("/Patient/p1/*", compartment, "/Patient/p1/*"),
        (
            "/Patient/p1/*?_type=Observation,Condition&code=x",
            compartment,
            "/Patient/p1/*?_type=Observation,Condition&code=x",
        ),
        (
            "/Practitioner/d1/Encounter?subject=p1",
            compartment,
            "/Practitioner/d1/Encounter?subject=Patient/p1",
        ),
        ("/_history", "history-system", "/_history"),
        (
            "/_history?_since=2020&_type=Patient",
            "history-system",
            "/_history?_type=Patient&_since=2020",
        ),
    ] {
        for method in ["GET", "HEAD"] {
            understood(method, &format!("/r4{path}"), &[], code, target);
        }
    }
}

#[test]
fn a_base_without_a_path_is_the_system_itself() {
    let mut policy = policy();
    policy.base = BaseUrl::parse("https://fhir.example.org").expect("a base");
    policy.upstream.base = BaseUrl::parse("http://fhir").expect("a base");
    let head = head("GET", "/?_type=Patient", &[]).expect("a head");
    let request = Request::parse(&head, &policy).expect("a request");
    let fields = upstream_headers(&head, &request, &policy, true);
    assert!(fields.contains(&(b":path".to_vec(), b"/?_type=Patient".to_vec())));
}

#[test]
fn several_types_are_named_and_understood_bypass_24_25() {
    for (path, rule) in [
        ("?_type=Unknown", LIST),
        ("?_type=patient", LIST),
        ("?_type=", LIST),
        ("?_type=Patient,", LIST),
        ("?_type=Patient,Patient", LIST),
        ("?_type=*", LIST),
        (
            "?_type=Patient&_type=Observation",
            "request.malformed.repeated-parameter",
        ),
        (
            "/Patient/p1/*?_type=Observation&_type=Task",
            "request.malformed.repeated-parameter",
        ),
        // Every type must have the parameter, and read it alike.
        ("?_type=Patient,Observation&code=x", PARAMETER),
        ("?_type=Observation,Patient&patient=p1", PARAMETER),
        ("?code=x", PARAMETER),
        ("/Patient/p1/*?code=x", PARAMETER),
        (
            "?_type=Observation,Patient&_sort=date",
            "request.not-supported.sort",
        ),
        // A bare id is of another type here and there.
        ("?_type=Observation,Media&subject=p1&_text=x", PARAMETER),
        // In no compartment, or not in this one.
        ("/Patient/p1/Task", TYPE),
        ("/Patient/p1/*?_type=Observation,Task", TYPE),
        ("/Practitioner/d1/Coverage", TYPE),
        ("/Patient/p1/Practitioner", TYPE),
        // The type is in the path.
        ("/Patient/p1/Observation?_type=Condition", PARAMETER),
        ("/Observation?_type=Observation", PARAMETER),
        ("/Observation/_history?_type=Observation", PARAMETER),
        ("/_history?patient=p1", PARAMETER),
        ("/_history?_at=2020", PARAMETER),
    ] {
        refused("types", "GET", &format!("/r4{path}"), &[], rule);
    }
    // 143 types, seven times.
    let many = |count: usize| format!("/r4?{}", vec!["_tag=x"; count].join("&"));
    assert!(parse("GET", &many(7), &[]).is_ok(), "the most readings");
    refused("cost", "GET", &many(8), &[], "request.too-costly.types");
}

#[test]
fn a_page_reaches_as_far() {
    let check = |asked: &str, link: &str, expected: Option<&str>| {
        let request = parse("GET", &format!("/r4{asked}"), &[]).expect(asked);
        let found = page_of(link, &request.interaction, &policy());
        let expected = expected.map(|target| format!("https://fhir.example.org/r4{target}"));
        assert_eq!(found, expected, "{asked}, linked to {link}");
    };
    let several = "?_type=Observation,Condition&patient=p1";
    let next = "?_type=Observation,Condition&patient=Patient/p1&_offset=9";
    check(several, &format!("http://fhir/base{next}"), Some(next));
    check(
        several,
        "http://fhir/base/?patient=p1&_type=Observation,Condition&_offset=9",
        None,
    );
    for other in [
        "?_type=Observation&patient=p1&_offset=9",
        "?_type=Condition,Observation&patient=p1&_offset=9",
        "?patient=p1&_offset=9",
        "?_type=Observation,Condition&patient=p2&_offset=9",
        "/Observation?_type=Observation,Condition&patient=p1&_offset=9",
    ] {
        check(several, &format!("http://fhir/base{other}"), None);
    }
    let own = "/Patient/p1/Observation?code=x";
    let next = "/Patient/p1/Observation?code=x&_offset=9";
    check(own, &format!("http://fhir/base{next}"), Some(next));
    check(
        own,
        "http://fhir/base/Patient/p2/Observation?code=x&_offset=9",
        None,
    );
    check(
        own,
        "http://fhir/base/Patient/p1/Condition?code=x&_offset=9",
        None,
    );
    check(own, "http://fhir/base/Observation?code=x&_offset=9", None);
    let all = "/Patient/p1/*?_tag=x";
    check(
        all,
        "http://fhir/base/Patient/p1/*?_tag=x&_offset=9",
        Some("/Patient/p1/*?_tag=x&_offset=9"),
    );
    check(
        all,
        "http://fhir/base/Patient/p1/*?_tag=x&_type=Task&_offset=9",
        None,
    );
    check(
        "/_history",
        "http://fhir/base/_history?_count=5",
        Some("/_history?_count=5"),
    );
    check(
        "/_history",
        "http://fhir/base/_history?_count=5&_type=Patient",
        None,
    );
    let found = |link: &str| {
        page_of(
            link,
            &form("/Observation/_search", "code=x")
                .expect("a search")
                .interaction,
            &policy(),
        )
    };
    // Servers that leave the word in their links mean the search.
    for path in ["/Observation/_search", "/Observation"] {
        let link = format!("http://fhir/base{path}?code=x&_offset=9");
        let page = "https://fhir.example.org/r4/Observation?code=x&_offset=9";
        assert_eq!(found(&link).as_deref(), Some(page), "{path}");
    }
}
