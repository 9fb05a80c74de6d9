//! What audit records say of a request.

use super::*;

fn check(method: &str, path: &str, fields: &[(&str, &str)], route: &str, query: &[(&str, &str)]) {
    let request = parse(method, path, fields).unwrap_or_else(|denial| panic!("{path}: {denial:?}"));
    assert_eq!(request.interaction.route(), route, "{path}");
    let found = request.interaction.parameters();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(found, query, "{path}");
}

#[test]
fn a_route_names_no_instance() {
    let get = |path, route, query: &[(&str, &str)]| check("GET", path, &[], route, query);
    get("/r4/Patient/1", "/Patient/[id]", &[]);
    get("/r4/Patient/Patient", "/Patient/[id]", &[]);
    get(
        "/r4/Patient/1/_history/2",
        "/Patient/[id]/_history/[vid]",
        &[],
    );
    get(
        "/r4/Patient/1/_history?_count=5",
        "/Patient/[id]/_history",
        &[("_count", "5")],
    );
    get("/r4/Patient/_history", "/Patient/_history", &[]);
    get(
        "/r4/Patient/1/Observation?code=http%3A%2F%2Floinc.org%7C1-8",
        "/Patient/[id]/Observation",
        &[("code", "http://loinc.org|1-8")],
    );
    get("/r4/metadata", "/metadata", &[]);
    let json = [("content-type", "application/fhir+json")];
    check("POST", "/r4/Patient", &json, "/Patient", &[]);
}

#[test]
fn a_query_is_told_without_its_escapes() {
    check(
        "GET",
        "/r4/Observation?patient=1&code=http%3A%2F%2Floinc.org%7C%C3%A4%26%3D&_count=10",
        &[],
        "/Observation",
        &[
            ("patient", "Patient/1"),
            ("code", "http://loinc.org|\u{e4}&="),
            ("_count", "10"),
        ],
    );
}
