//! Paging links of the upstream.

use super::*;

fn check(asked: &str, link: &str, expected: Option<&str>) {
    let request = parse("GET", &format!("/r4{asked}"), &[]).expect(asked);
    let found = page_of(link, &request.interaction, &policy());
    let expected = expected.map(|target| format!("https://fhir.example.org/r4{target}"));
    assert_eq!(found, expected, "{asked}, linked to {link}");
}

#[test]
fn a_page_asks_for_the_same_selection() {
    let asked = "/Observation?patient=p1&code=x,y&_count=10";
    let selection = "patient=Patient/p1&code=x,y";
    let next = format!("/Observation?{selection}&_count=10&_offset=10");
    let inside = |query: &str| format!("http://fhir/base/Observation?{query}");
    for link in [
        inside(&format!("{selection}&_count=10&_offset=10")),
        inside("_offset=10&_count=10&patient=p1&code=x,y"),
        inside("patient=Patient%2Fp1&code=x%2Cy&_count=10&_offset=10&_format=json"),
        format!("https://fhir.example.org/r4{next}"),
    ] {
        check(asked, &link, Some(&next));
    }
    check(
        asked,
        &inside(selection),
        Some(&format!("/Observation?{selection}")),
    );
    for link in [
        // Another selection.
        inside("patient=p2&code=x,y&_offset=10"),
        inside("patient=p1,p2&code=x,y&_offset=10"),
        inside("patient=p1&_offset=10"),
        inside("patient=p1&code=x&_offset=10"),
        inside("patient=p1&code=x,y&status=final&_offset=10"),
        inside("subject=p1&code=x,y&_offset=10"),
        inside("patient=p1&code=x,y&_sort=date&_offset=10"),
        inside("patient=p1&code=x,y&_include=Observation:subject"),
        // A page that only the upstream can read.
        "http://fhir/base?_getpages=abc&_getpagesoffset=10".to_owned(),
        inside("ct=abc"),
        inside(&format!("{selection}&_offset=10&access_token=x")),
        // Another place.
        "http://fhir/base/Patient?patient=p1&code=x,y&_offset=10".to_owned(),
        "http://fhir/base/Observation/o1?patient=p1&code=x,y&_offset=10".to_owned(),
        "http://fhir/base/Observation".to_owned(),
        "http://fhir/other/Observation?patient=p1&code=x,y&_offset=10".to_owned(),
        format!("Observation?{selection}"),
        String::new(),
    ] {
        check(asked, &link, None);
    }
}

#[test]
fn a_link_without_a_query_is_no_page() {
    check("/Observation", "http://fhir/base/Observation?", None);
    check(
        "/Observation",
        "http://fhir/base/Observation?_pretty=true",
        None,
    );
}

#[test]
fn a_page_of_a_history_is_of_the_same_history() {
    let asked = "/Patient/p1/_history?_since=2020";
    let link = |rest: &str| format!("http://fhir/base/Patient/{rest}");
    check(
        asked,
        &link("p1/_history?_since=2020&_offset=5"),
        Some("/Patient/p1/_history?_since=2020&_offset=5"),
    );
    for rest in [
        "p2/_history?_since=2020&_offset=5",
        "p1/_history?_offset=5",
        "p1/_history?_since=2019&_offset=5",
        "_history?_since=2020&_offset=5",
        "p1/_history/1?_since=2020",
    ] {
        check(asked, &link(rest), None);
    }
    check(
        "/Patient/_history",
        &link("_history?_count=5"),
        Some("/Patient/_history?_count=5"),
    );
    check("/Patient/_history", &link("p1/_history?_count=5"), None);
    check("/Patient/p1", &link("p1?_count=5"), None);
    check("/metadata", "http://fhir/base/metadata?_count=5", None);
}
