//! Searches by `POST`.

use super::*;

/// One row of forms that are understood: code, target and form that go upstream.
fn check(path: &str, body: &str, code: &str, target: &str, sent: &str) {
    let request = form(path, body).unwrap_or_else(|denial| panic!("{path} {body}: {denial:?}"));
    assert_eq!(request.interaction.code(), code, "{path} {body}");
    assert_eq!(request.body().as_deref(), Some(sent), "{path} {body}");
    let head = head("POST", &format!("/r4{path}"), FORM).expect(path);
    let fields = upstream_headers(&head, &request, &policy(), true);
    let field = |wanted: &str| {
        let found: Vec<_> = fields
            .iter()
            .filter(|(name, _)| name == wanted.as_bytes())
            .collect();
        assert_eq!(found.len(), 1, "{wanted}: {path}");
        String::from_utf8(found[0].1.clone()).expect("text")
    };
    assert_eq!(field(":method"), "POST");
    assert_eq!(field(":path"), format!("/base{target}"));
    assert_eq!(field("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(field("content-length"), sent.len().to_string());
    assert_eq!(field("prefer"), "handling=strict");
}

#[test]
fn a_form_goes_up_as_one_bypass_17() {
    let of_type = "search-type";
    for (path, body, sent) in [
        (
            "/Observation/_search",
            "patient=p1&code=a+b",
            "patient=Patient/p1&code=a%20b",
        ),
        (
            "/Observation/_search?patient=p1",
            "code=x",
            "patient=Patient/p1&code=x",
        ),
        ("/Observation/_search?patient=p1", "", "patient=Patient/p1"),
        ("/Observation/_search", "", ""),
        (
            "/Observation/_search?_count=9999",
            "_format=json",
            "_count=1000",
        ),
    ] {
        check(path, body, of_type, "/Observation/_search", sent);
    }
    check(
        "/_search?_type=Patient",
        "_id=p1",
        "search-system",
        "/_search",
        "_type=Patient&_id=p1",
    );
    check(
        "/_search",
        "_id=p1&_type=Patient",
        "search-system",
        "/_search",
        "_type=Patient&_id=p1",
    );
    let compartment = "search-compartment";
    let path = "/Patient/p1/Observation/_search";
    check(path, "code=x", compartment, path, "code=x");
    check(
        "/Patient/p1/_search",
        "_tag=x",
        compartment,
        "/Patient/p1/_search",
        "_tag=x",
    );
    // What does not fit into a path fits into a form.
    let long = vec![format!("code={}", "x".repeat(1000)); 60].join("&");
    check(
        "/Observation/_search",
        &long,
        of_type,
        "/Observation/_search",
        &long,
    );
}

#[test]
fn a_form_is_held_to_what_a_query_is_bypass_17_79() {
    let repeated = "request.malformed.repeated-parameter";
    let query = "request.malformed.query";
    for (path, body, rule) in [
        // What stands here and there is not chosen from.
        ("/Observation/_search?patient=p1", "patient=p2", repeated),
        ("/Observation/_search?patient=p1", "patient=p1", repeated),
        (
            "/Observation/_search?_count=1",
            "_count=2",
            "request.malformed.page",
        ),
        ("/_search?_type=Patient", "_type=Observation", repeated),
        (
            "/Observation/_search",
            "_method=DELETE",
            "request.malformed.method-override",
        ),
        (
            "/Observation/_search",
            "patient=p1&_method=GET",
            "request.malformed.method-override",
        ),
        (
            "/Observation/_search",
            "access_token=x",
            "credentials.malformed",
        ),
        ("/Observation/_search", "code=%zz", query),
        ("/Observation/_search", "code=%2570", query),
        ("/Observation/_search", "code=x\r\n", query),
        ("/Observation/_search", "%70atient=p1", query),
        ("/Observation/_search", "patient=p1&", query),
        ("/Observation/_search", "{\"patient\":\"p1\"}", query),
        (
            "/Observation/_search",
            "patient.name=x",
            "request.not-supported.parameter",
        ),
        (
            "/Patient/p1/Task/_search",
            "_id=x",
            "request.not-supported.type",
        ),
    ] {
        let found = form(path, body).err().map(|denial| denial.rule());
        assert_eq!(found.as_deref(), Some(rule), "{path} {body}");
    }
    let codes = |count: usize| vec!["code=x"; count].join("&");
    let path = format!("/Observation/_search?{}", codes(32));
    assert!(form(&path, &codes(32)).is_ok(), "64 parameters");
    assert_eq!(
        form(&path, &codes(33)).err(),
        Some(Denial::Request("query")),
        "65"
    );
    let bytes = Form::parse(
        &head("POST", "/r4/Patient/_search", FORM).expect("a head"),
        &policy(),
    );
    let bytes = bytes
        .expect("understood")
        .expect("a form")
        .complete(b"name=\xff", &policy());
    assert_eq!(bytes.err(), Some(Denial::Request("query")), "not UTF-8");
}

#[test]
fn a_form_has_its_type_and_its_place_bypass_17_18() {
    let media = "request.media-type";
    let typed = |content_type: &str, rule: Option<&str>| {
        let fields = [("content-type", content_type)];
        let found = head("POST", "/r4/Patient/_search", &fields);
        let found = found.and_then(|head| Form::parse(&head, &policy()));
        let found = found.err().map(|denial| denial.rule());
        assert_eq!(found.as_deref(), rule, "{content_type}");
    };
    typed("application/x-www-form-urlencoded", None);
    typed("Application/X-WWW-Form-Urlencoded; charset=UTF-8", None);
    for other in [
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/x-www-form-urlencoded; charset=utf-16",
        "multipart/form-data; boundary=x",
        "application/fhir+json",
        "application/json",
        "text/plain",
        "",
    ] {
        typed(other, Some(media));
    }
    for (path, rule) in [
        ("/Unknown/_search", "request.path"),
        ("/Patient/p1/Observation/o1/_search", "request.path"),
        ("/Encounter/e1/_search", "request.path"),
        ("/_search/_search", "request.path"),
        ("/Patient/a_b/_search", "request.path"),
    ] {
        let found = form(path, "").err().map(|denial| denial.rule());
        assert_eq!(found.as_deref(), Some(rule), "{path}");
    }
    let condition = [FORM[0], ("if-none-exist", "identifier=x")];
    let found = head("POST", "/r4/Patient/_search", &condition);
    let found = found.and_then(|head| Form::parse(&head, &policy()));
    assert_eq!(found.err(), Some(Denial::NotSupported("condition")));
    for (method, path) in [("POST", "/r4/Patient"), ("GET", "/r4/Patient/_search")] {
        let found = head(method, path, FORM).and_then(|head| Form::parse(&head, &policy()));
        assert_eq!(found, Ok(None), "{method} {path}");
    }
}
