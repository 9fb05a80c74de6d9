//! Methods and paths.

use super::*;

const FHIR: &[(&str, &str)] = &[("content-type", "application/fhir+json; charset=UTF-8")];

#[test]
fn interactions_are_recognised() {
    let json = &[("content-type", "application/json")];
    let patch = &[("content-type", "application/json-patch+json")];
    understood("GET", "/r4/Patient/p1", &[], "read", "/Patient/p1");
    understood("HEAD", "/r4/Patient/p1", &[], "read", "/Patient/p1");
    understood(
        "GET",
        "/r4/Patient/p1?_format=json&_pretty=true",
        &[],
        "read",
        "/Patient/p1",
    );
    let version = "/Patient/p1/_history/2";
    understood("GET", "/r4/Patient/p1/_history/2", &[], "vread", version);
    let history = "/Patient/p1/_history";
    understood(
        "GET",
        "/r4/Patient/p1/_history",
        &[],
        "history-instance",
        history,
    );
    understood(
        "GET",
        "/r4/Patient/_history",
        &[],
        "history-type",
        "/Patient/_history",
    );
    understood("GET", "/r4/Patient", &[], "search-type", "/Patient");
    understood("GET", "/r4/Patient?", &[], "search-type", "/Patient");
    understood("POST", "/r4/Patient", FHIR, "create", "/Patient");
    understood("POST", "/r4/Patient", json, "create", "/Patient");
    understood("PUT", "/r4/Patient/p1", FHIR, "update", "/Patient/p1");
    understood("PATCH", "/r4/Patient/p1", patch, "patch", "/Patient/p1");
    understood("DELETE", "/r4/Patient/p1", &[], "delete", "/Patient/p1");
    understood("GET", "/r4/metadata", &[], "capabilities", "/metadata");
    let smart = "/.well-known/smart-configuration";
    understood("GET", &format!("/r4{smart}"), &[], "capabilities", smart);
}

#[test]
fn a_path_that_two_readers_read_in_two_ways_is_refused() {
    for (class, path) in [
        ("percent-encoding", "/r4/Pati%65nt/p1"),
        ("percent-encoding of a slash", "/r4/Patient%2Fp1"),
        (
            "percent-encoding of a dot segment",
            "/r4/Patient/%2e%2e/metadata",
        ),
        ("double encoding", "/r4/Patient/%252e%252e"),
        ("overlong UTF-8", "/r4/Patient/%c0%af"),
        ("NUL", "/r4/Patient/p1%00"),
        ("path parameter", "/r4/Patient/p1;jsessionid=1"),
        ("path parameter on dots", "/r4/metadata/..;/Patient/p1"),
        ("backslash", "/r4/Patient\\p1"),
        ("dot segment", "/r4/./Patient/p1"),
        ("dot segments", "/r4/metadata/../Patient/p1"),
        ("dot segments at the end", "/r4/Patient/.."),
        ("double slash", "/r4//Patient/p1"),
        ("double slash in front", "//r4/Patient/p1"),
        ("trailing slash", "/r4/Patient/p1/"),
        ("trailing slash of the base", "/r4/"),
        ("trailing slash of a public path", "/r4/metadata/"),
        ("absolute form", "https://fhir.example.org/r4/Patient/p1"),
        ("fragment", "/r4/Patient/p1#x"),
        ("asterisk", "*"),
        ("relative", "r4/Patient/p1"),
        ("empty", ""),
        ("wildcard in a segment", "/r4/Patient/p*"),
        ("wildcard in the middle", "/r4/Patient/*/Observation"),
        ("wildcards", "/r4/Patient/*/*"),
        ("plus", "/r4/Patient/a+b"),
        ("at", "/r4/Patient@evil/p1"),
        ("comma", "/r4/Patient/p1,p2"),
    ] {
        refused(class, "GET", path, &[], "request.malformed.path");
    }
}

#[test]
fn a_path_that_is_nothing_of_this_api_is_not_there() {
    for (class, path) in [
        ("another base", "/r5/Patient/p1"),
        ("a longer base", "/r44/Patient/p1"),
        ("above the base", "/Patient/p1"),
        ("case", "/r4/patient/p1"),
        ("case", "/r4/PATIENT"),
        ("case of the base", "/R4/Patient/p1"),
        ("case of a public path", "/r4/Metadata"),
        ("unknown type", "/r4/Patients/p1"),
        ("abstract type", "/r4/DomainResource/p1"),
        ("wildcard", "/r4/*"),
        ("wildcard", "/r4/Patient/*"),
        ("wildcard", "/r4/Unknown/p1/*"),
        ("no compartment", "/r4/Encounter/e1/Observation"),
        ("an unknown type in a compartment", "/r4/Patient/p1/Unknown"),
        ("case in a compartment", "/r4/patient/p1/Observation"),
        ("an id that is none", "/r4/Patient/a_b/Observation"),
        ("deeper than a compartment", "/r4/Patient/p1/Observation/o1"),
        ("operation on the system", "/r4/$export"),
        ("operation on a type", "/r4/Patient/$everything"),
        ("operation on a type", "/r4/Patient/$match"),
        ("operation on an instance", "/r4/Patient/p1/$everything"),
        ("operation on a version", "/r4/Patient/p1/_history/1/$meta"),
        ("graph", "/r4/$graphql"),
        ("the server's own pages", "/r4/actuator/env"),
        ("below a public path", "/r4/metadata/x"),
        ("history of a history", "/r4/Patient/p1/_history/1/_history"),
        ("an id that is none", "/r4/Patient/a_b"),
        ("a version that is none", "/r4/Patient/p1/_history/a_b"),
        ("an id too long", &format!("/r4/Patient/{}", "a".repeat(65))),
    ] {
        refused(class, "GET", path, &[], "request.path");
    }
}

#[test]
fn a_method_that_a_path_does_not_have_is_refused() {
    for (method, path) in [
        ("PUT", "/r4/Patient"),
        ("PATCH", "/r4/Patient"),
        ("DELETE", "/r4/Patient"),
        ("POST", "/r4/Patient/p1"),
        ("POST", "/r4/Patient/_history"),
        ("DELETE", "/r4/Patient/p1/_history"),
        ("DELETE", "/r4/Patient/p1/_history/1"),
        ("PUT", "/r4/Patient/p1/_history/1"),
        ("POST", "/r4/metadata"),
        ("POST", "/r4"),
        ("POST", "/r4/_history"),
        ("DELETE", "/r4?_type=Patient"),
        ("POST", "/r4/Patient/p1/Observation"),
        ("DELETE", "/r4/Patient/p1/*"),
        ("GET", "/r4/Patient/_search"),
        ("HEAD", "/r4/_search"),
        ("PUT", "/r4/Patient/_search"),
        ("DELETE", "/r4/Patient/p1/_search"),
        ("PATCH", "/r4/Patient/p1/Observation/_search"),
        ("TRACE", "/r4/Patient/p1"),
        ("CONNECT", "/r4/Patient/p1"),
        ("OPTIONS", "/r4/Patient/p1"),
        ("get", "/r4/Patient/p1"),
    ] {
        refused("method", method, path, FHIR, "request.method");
    }
}

#[test]
fn a_condition_on_a_write_is_refused() {
    let condition = "request.not-supported.condition";
    for field in [
        "if-none-exist",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
    ] {
        let fields = &[FHIR[0], (field, "identifier=x")];
        refused("conditional", "POST", "/r4/Patient", fields, condition);
    }
    let parameter = "request.not-supported.parameter";
    for (method, path) in [
        ("PUT", "/r4/Patient/p1?identifier=x"),
        ("POST", "/r4/Patient?a=b"),
        ("DELETE", "/r4/Patient/p1?_cascade=delete"),
    ] {
        refused("conditional", method, path, FHIR, parameter);
    }
    // Without an id a conditional write is a method that the path does not have.
    for method in ["PUT", "PATCH", "DELETE"] {
        refused(
            "conditional",
            method,
            "/r4/Patient?identifier=x",
            FHIR,
            "request.method",
        );
    }
}

#[test]
fn a_body_has_the_type_of_its_interaction() {
    for (method, path, content_type) in [
        ("POST", "/r4/Patient", "application/fhir+xml"),
        ("POST", "/r4/Patient", "text/json"),
        ("POST", "/r4/Patient", "application/x-www-form-urlencoded"),
        ("POST", "/r4/Patient", "multipart/form-data; boundary=x"),
        ("POST", "/r4/Patient", "application/json-patch+json"),
        (
            "POST",
            "/r4/Patient",
            "application/fhir+json; charset=utf-16",
        ),
        ("POST", "/r4/Patient", "application/fhir+json, text/plain"),
        ("POST", "/r4/Patient", ""),
        ("PATCH", "/r4/Patient/p1", "application/fhir+json"),
        ("PATCH", "/r4/Patient/p1", "application/json"),
        ("PATCH", "/r4/Patient/p1", "application/merge-patch+json"),
    ] {
        let fields = &[("content-type", content_type)];
        refused(content_type, method, path, fields, "request.media-type");
    }
    refused("no type", "POST", "/r4/Patient", &[], "request.media-type");
    refused(
        "no type",
        "PUT",
        "/r4/Patient/p1",
        &[],
        "request.media-type",
    );
}
