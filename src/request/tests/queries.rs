//! Queries, by the class of bypass that each row stands for.

use super::*;

const PARAMETER: &str = "request.not-supported.parameter";
const QUERY: &str = "request.malformed.query";
const REPEATED: &str = "request.malformed.repeated-parameter";
const REFERENCE: &str = "request.malformed.reference";
const PAGE: &str = "request.malformed.page";

fn check(class: &str, query: &str, rule: &str) {
    refused(class, "GET", &format!("/r4/Observation?{query}"), &[], rule);
}

#[test]
fn what_is_understood_has_one_form() {
    for (query, canonical) in [
        ("patient=p1", "patient=Patient/p1"),
        ("patient=Patient/p1", "patient=Patient/p1"),
        ("patient=Patient%2Fp1", "patient=Patient/p1"),
        (
            "patient=https://fhir.example.org/r4/Patient/p1",
            "patient=Patient/p1",
        ),
        ("patient=p1,p2", "patient=Patient/p1,Patient/p2"),
        ("subject=p1&_count=5000", "subject=Patient/p1&_count=1000"),
        ("subject=Group/g1", "subject=Group/g1"),
        (
            "performer=https://fhir.example.org/r4/Organization/o1,Patient/p1",
            "performer=Organization/o1,Patient/p1",
        ),
        (
            "device=Device/d1&device=Device/d2",
            "device=Device/d1&device=Device/d2",
        ),
        ("value-quantity=gt5.4||mg", "value-quantity=gt5.4%7C%7Cmg"),
        (
            "_tag=x&_profile=http://a.example/p",
            "_tag=x&_profile=http://a.example/p",
        ),
        ("_count=007&patient=p1", "patient=Patient/p1&_count=7"),
        (
            "code=http://loinc.org%7C1234-5",
            "code=http://loinc.org%7C1234-5",
        ),
        ("code=a%2Cb", "code=a,b"),
        ("code=a%5C%2Cb", "code=a%5C,b"),
        ("code=a+b", "code=a%20b"),
        ("code=%C3%A9", "code=%C3%A9"),
        ("code=a%26patient=p2", "code=a%26patient%3Dp2"),
        (
            "date=ge2020-01-01&date=lt2021",
            "date=ge2020-01-01&date=lt2021",
        ),
        (
            "date=2020-01-01T00:00:00%2B01:00",
            "date=2020-01-01T00:00:00%2B01:00",
        ),
        ("_sort=-date,_lastUpdated", "_sort=-date,_lastUpdated"),
        ("_id=a,b&_offset=1000000", "_id=a,b&_offset=1000000"),
        (
            "_format=json&_pretty=false&patient=p1",
            "patient=Patient/p1",
        ),
        (
            "_format=application/fhir%2Bjson&patient=p1",
            "patient=Patient/p1",
        ),
        (
            "_format=application/fhir+json&patient=p1",
            "patient=Patient/p1",
        ),
    ] {
        let path = format!("/r4/Observation?{query}");
        let canonical = format!("/Observation?{canonical}");
        understood("GET", &path, &[], "search-type", &canonical);
    }
}

#[test]
fn a_query_that_two_readers_read_in_two_ways_is_refused() {
    for (class, query) in [
        ("percent-encoded name", "%70atient=p1"),
        (
            "percent-encoded underscore",
            "%5Fhas:Observation:patient:code=x",
        ),
        ("double encoding", "code=%2570"),
        ("double encoding of the separator", "code=x%2526patient=p2"),
        ("cut escape", "code=%4"),
        ("cut escape", "code=%"),
        ("escape of no digits", "code=%zz"),
        ("escape of another kind", "code=%u0041"),
        ("signs for digits", "code=%+1"),
        ("overlong UTF-8", "code=%C0%AF"),
        ("surrogate in UTF-8", "code=%ED%A0%80"),
        ("not UTF-8", "code=%FF"),
        ("NUL", "code=a%00b"),
        ("line feed", "code=a%0Ab"),
        ("C1 control", "code=%C2%85"),
        ("nothing between separators", "patient=p1&&code=x"),
        ("separator at the end", "patient=p1&"),
        ("separator in front", "&patient=p1"),
        ("name without value", "patient=p1&code"),
        ("value without name", "=p1"),
        ("array of another framework", "patient[]=p1"),
        ("semicolon in a name", "code;patient=p1"),
        ("plus in a name", "pat+ient=p1"),
        ("second question mark", "?patient=p1"),
        ("empty value", "code="),
        ("empty alternative", "code=a,,b"),
        ("escape at the end", "code=a%5C"),
        ("escape of nothing", "code=a%5Cx"),
    ] {
        check(class, query, QUERY);
    }
    check(
        "semicolon for a separator",
        "patient=p1;patient=p2",
        REFERENCE,
    );
    check("fragment", "patient=p1#x", REFERENCE);
    check("question mark in a value", "patient=p1?x", REFERENCE);
}

#[test]
fn a_repetition_that_decides_whose_data_is_meant_is_refused() {
    check("pollution", "patient=p1&patient=p2", REPEATED);
    check(
        "pollution, the same twice",
        "patient=p1&patient=p1",
        REPEATED,
    );
    check("pollution", "subject=p1&code=x&subject=p2", REPEATED);
    check("pollution", "_id=a&_id=b", REPEATED);
    check(
        "pollution, of another membership parameter",
        "performer=Patient/p1&performer=Practitioner/a",
        REPEATED,
    );
    check("pollution", "_sort=date&_sort=-date", REPEATED);
    check("pollution", "_format=json&_format=json", REPEATED);
    check("pollution", "_pretty=true&_pretty=true", REPEATED);
    check("pollution", "_count=1&_count=2", PAGE);
    check("pollution", "_offset=1&_offset=2", PAGE);
}

#[test]
fn what_is_not_understood_is_refused() {
    for (class, query) in [
        ("reverse chain", "_has:Observation:patient:code=x"),
        ("inclusion by another name", "_included=Observation:subject"),
        (
            "inclusion by an old name",
            "_include:recurse=Observation:subject",
        ),
        (
            "inclusion with a version",
            "_include:R4=Observation:subject",
        ),
        ("reverse inclusion", "_revinclude:recurse=Provenance:target"),
        ("chain", "patient.name=x"),
        ("typed chain", "subject:Patient.name=x"),
        ("long chain", "patient.general-practitioner.name=x"),
        ("modifier", "patient:identifier=x"),
        ("modifier", "patient:missing=false"),
        ("modifier", "subject.identifier=x"),
        ("modifier", "code:in=http://vs"),
        ("modifier", "code:above=x"),
        ("modifier", "code:below=x"),
        ("modifier", "code:text=x"),
        ("modifier", "code:of-type=x"),
        ("modifier of nothing", "code:=x"),
        ("free text", "_text=x"),
        ("free text", "_content=x"),
        ("filter language", "_filter=patient+eq+p2"),
        ("named query", "_query=everything"),
        ("list", "_list=$current-problems"),
        ("composite", "code-value-quantity=x$1"),
        ("composite", "component-code-value-concept=x$y"),
        ("contained", "_contained=true"),
        ("contained", "_containedType=contained"),
        ("several types", "_type=Patient"),
        ("point in time", "_at=2020"),
        ("since, in a search", "_since=2020"),
        ("page of the vendor", "_getpages=abc&_getpagesoffset=20"),
        ("page of the vendor", "ct=abc"),
        ("page of the vendor", "_page=2"),
        ("count of the vendor", "_maxresults=5"),
        ("count of the vendor", "_limit=5"),
        ("count of the vendor", "count=5"),
        ("case", "Patient=p1"),
        ("case", "PATIENT=p1"),
        ("case", "_Count=5"),
        ("case", "_ID=x"),
        ("prototype", "__proto__=x"),
        ("a parameter of another type", "birthdate=2000"),
    ] {
        check(class, query, PARAMETER);
    }
    for query in [
        "_include=Observation:subject",
        "_include=*",
        "_revinclude=Provenance:target",
    ] {
        check("inclusion", query, "request.not-supported.include");
    }
    check(
        "sort by what is no date",
        "_sort=code",
        "request.not-supported.sort",
    );
    check(
        "sort by a reference",
        "_sort=patient",
        "request.not-supported.sort",
    );
    check("sort by nothing", "_sort=", "request.not-supported.sort");
    check(
        "sort twice down",
        "_sort=--date",
        "request.not-supported.sort",
    );
    check(
        "method override",
        "_method=DELETE",
        "request.malformed.method-override",
    );
    check(
        "token in the query",
        "access_token=a.b.c",
        "credentials.malformed",
    );
    check("xml", "_format=xml", "request.accept");
    check("turtle", "_format=ttl", "request.accept");
    check("a flag that is none", "_pretty=yes", PARAMETER);
    let path = "/r4/metadata?access_token=a.b.c";
    refused(
        "token on a public path",
        "GET",
        path,
        &[],
        "credentials.malformed",
    );
    refused(
        "mode",
        "GET",
        "/r4/metadata?mode=terminology",
        &[],
        PARAMETER,
    );
    refused(
        "reduction of a read",
        "GET",
        "/r4/Patient/p1?_elements=id",
        &[],
        PARAMETER,
    );
    refused(
        "reduction of a version",
        "GET",
        "/r4/Patient/p1/_history/1?_summary=true",
        &[],
        PARAMETER,
    );
    refused(
        "search in a history",
        "GET",
        "/r4/Patient/_history?patient=p1",
        &[],
        PARAMETER,
    );
    refused(
        "point in time",
        "GET",
        "/r4/Patient/_history?_at=2020",
        &[],
        PARAMETER,
    );
    refused(
        "since, twice",
        "GET",
        "/r4/Patient/_history?_since=2020&_since=2021",
        &[],
        PARAMETER,
    );
}

#[test]
fn a_reference_is_to_one_patient_of_this_server() {
    for value in [
        "Practitioner/p1",
        "patient/p1",
        "Patient/",
        "Patient/p1/_history/4",
        "Patient/Patient/p1",
        "/Patient/p1",
        "urn:uuid:6f1c5a2e-2d7a-4b6c-9b57-0c8a6f2a9d11",
        "%23p1",
        "http://fhir.example.org/r4/Patient/p1",
        "https://elsewhere.example/r4/Patient/p1",
        "https://fhir.example.org/r44/Patient/p1",
        "https://fhir.example.org/r4/Practitioner/p1",
        "http://fhir/base/Patient/p1",
        "p1,Group/g1",
        "p%5C,1",
        "p*",
        "..",
    ] {
        // An escaped comma is no alternative, and no id either.
        check("reference", &format!("patient={value}"), REFERENCE);
    }
    check("reference of many types", "performer=p1", REFERENCE);
    check(
        "reference of another type",
        "subject=Encounter/e1",
        REFERENCE,
    );
    check("quantity", "value-quantity=x", "request.malformed.quantity");
    check("uri", "_profile=a+b", "request.malformed.uri");
    check("id", "_id=a_b", "request.malformed.id");
    check("id", "_id=Observation/a", "request.malformed.id");
    for value in [
        "x",
        "20",
        "ge",
        "2020-01-01x",
        "ge%20",
        "2020-01-01T00:00:00+01:00",
        "ge2020,lt",
    ] {
        check("date", &format!("date={value}"), "request.malformed.date");
    }
}

#[test]
fn pages_and_amounts_are_bounded() {
    for query in [
        "_count=0",
        "_count=-1",
        "_count=+5",
        "_count=1e3",
        "_count=",
        "_count=1.0",
        "_count=1234567890",
        "_count=%31%20",
        "_offset=1000001",
        "_offset=-1",
        "_count=5,6",
    ] {
        check("page", query, PAGE);
    }
    let many = |count: usize| vec!["code=x"; count].join("&");
    let path = |query: &str| format!("/r4/Observation?{query}");
    assert!(
        parse("GET", &path(&many(64)), &[]).is_ok(),
        "the most parameters"
    );
    check("one more parameter", &many(65), QUERY);
    let long = |length: usize| format!("code={}", "x".repeat(length));
    assert!(
        parse("GET", &path(&long(1024)), &[]).is_ok(),
        "the longest value"
    );
    check("one more byte", &long(1025), QUERY);
    // Written out, these references are longer than a value may be; nobody could read them again.
    let references = |count: usize| format!("patient={}", vec!["1"; count].join(","));
    assert!(
        parse("GET", &path(&references(102)), &[]).is_ok(),
        "the most references"
    );
    check("one more reference", &references(103), QUERY);
    let escaped = |count: usize| vec![format!("code={}", "!".repeat(1000)); count].join("&");
    assert!(
        parse("GET", &path(&escaped(2)), &[]).is_ok(),
        "escaped, it fits"
    );
    check("escaped, it does not fit", &escaped(3), QUERY);
}
