//! Writes of what a search finds.

use super::*;

const FHIR: (&str, &str) = ("content-type", "application/fhir+json");
const PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

/// The policy of an operator who takes these.
fn taking(conditional: &[Change]) -> FhirPolicy {
    let mut policy = policy();
    policy.writes.conditional = conditional.to_vec();
    policy
}

/// One row: the target and, for a create, the header that go upstream, or the rule that refuses.
fn check(
    policy: &FhirPolicy,
    target: &str,
    fields: &[(&str, &str)],
    expected: Result<(&str, Option<&str>), &str>,
) {
    let found = head_of(target, fields).and_then(|head| {
        let request = Request::parse(&head, policy)?;
        let sent = upstream_headers(&head, &request, policy, true);
        let field = |wanted: &str| {
            let found = sent.iter().find(|(name, _)| name == wanted.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let path = field(":path").unwrap_or_default();
        Ok((path, field("if-none-exist")))
    });
    let found = found.map_err(|denial| denial.rule());
    let expected = expected
        .map(|(path, search)| (path.to_owned(), search.map(str::to_owned)))
        .map_err(str::to_owned);
    assert_eq!(found, expected, "{target} {fields:?}");
}

const ALL: [Change; 4] = [
    Change::Create,
    Change::Update,
    Change::Patch,
    Change::Delete,
];

#[test]
fn a_search_is_written_anew_bypass_46() {
    let all = taking(&ALL);
    let longest = format!("identifier={}", "x".repeat(1024));
    for (search, expected) in [
        (
            "identifier=http://a.example|7",
            "identifier=http://a.example%7C7",
        ),
        (
            "identifier=http%3A%2F%2Fa.example%7c7",
            "identifier=http://a.example%7C7",
        ),
        ("patient=p1&code=x", "patient=Patient/p1&code=x"),
        (
            "subject=https://fhir.example.org/r4/Patient/p1",
            "subject=Patient/p1",
        ),
        ("_id=o1", "_id=o1"),
        ("_format=json&code=x", "code=x"),
        (&longest, &longest),
    ] {
        let create = [FHIR, ("if-none-exist", search)];
        let header = Ok(("/base/Observation", Some(expected)));
        check(&all, "POST /r4/Observation", &create, header);
        let path = format!("/base/Observation?{expected}");
        for (method, fields) in [("PUT", &[FHIR][..]), ("PATCH", &[PATCH]), ("DELETE", &[])] {
            let target = format!("{method} /r4/Observation?{search}");
            check(&all, &target, fields, Ok((&path, None)));
        }
    }
}

#[test]
fn a_search_that_is_not_wholly_understood_writes_nothing() {
    let all = taking(&ALL);
    let parameter = "request.not-supported.parameter";
    let query = "request.malformed.query";
    let too_long = format!("identifier={}", "x".repeat(1025));
    for (search, rule) in [
        ("unknown=x", parameter),
        ("code:not=x", parameter),
        ("subject.name=x", parameter),
        ("_has:Provenance:target:agent=x", parameter),
        ("_filter=x", parameter),
        ("code-value-quantity=x", parameter),
        // Nothing that selects, or something else beside it.
        ("_format=json", parameter),
        ("_count=1", parameter),
        ("code=x&_count=1", parameter),
        ("code=x&_offset=1", parameter),
        ("code=x&_sort=date", "request.not-supported.parameter"),
        (
            "code=x&_include=Observation:subject",
            "request.not-supported.include",
        ),
        ("code=x&_cascade=delete", parameter),
        (
            "patient=p1&patient=p2",
            "request.malformed.repeated-parameter",
        ),
        ("patient=Group/g", "request.malformed.reference"),
        ("code", query),
        ("code=%2525", query),
        ("code=x&&code=y", query),
        (&too_long, query),
    ] {
        let create = [FHIR, ("if-none-exist", search)];
        check(&all, "POST /r4/Observation", &create, Err(rule));
        for (method, fields) in [("PUT", &[FHIR][..]), ("PATCH", &[PATCH]), ("DELETE", &[])] {
            let target = format!("{method} /r4/Observation?{search}");
            check(&all, &target, fields, Err(rule));
        }
    }
    for (search, rule) in [
        ("", "request.not-supported.parameter"),
        ("?code=x", query),
        ("Observation?code=x", query),
        ("code=a b", "request.malformed.if-none-exist"),
        ("code=\u{e9}", "request.malformed.if-none-exist"),
    ] {
        let create = [FHIR, ("if-none-exist", search)];
        check(&all, "POST /r4/Observation", &create, Err(rule));
    }
    let twice = [
        FHIR,
        ("if-none-exist", "code=x"),
        ("if-none-exist", "code=x"),
    ];
    let doubled = Err("request.malformed.if-none-exist");
    check(&all, "POST /r4/Observation", &twice, doubled);
}

#[test]
fn other_conditions_beside_it_are_refused() {
    let all = taking(&ALL);
    let condition = Err("request.not-supported.condition");
    let search = ("if-none-exist", "code=x");
    for (target, fields) in [
        (
            "POST /r4/Observation",
            vec![FHIR, search, ("if-match", "W/\"1\"")],
        ),
        (
            "POST /r4/Observation",
            vec![FHIR, search, ("if-none-match", "*")],
        ),
        (
            "POST /r4/Observation",
            vec![FHIR, search, ("if-modified-since", "x")],
        ),
        (
            "PUT /r4/Observation?code=x",
            vec![FHIR, ("if-match", "W/\"1\"")],
        ),
        (
            "PATCH /r4/Observation?code=x",
            vec![PATCH, ("if-match", "W/\"1\"")],
        ),
        (
            "DELETE /r4/Observation?code=x",
            vec![("if-match", "W/\"1\"")],
        ),
        ("PUT /r4/Observation?code=x", vec![FHIR, search]),
        ("PUT /r4/Observation/o1", vec![FHIR, search]),
        ("DELETE /r4/Observation/o1", vec![search]),
        ("GET /r4/Observation/o1", vec![search]),
        ("GET /r4/Observation?code=x", vec![search]),
    ] {
        check(&all, target, &fields, condition);
    }
    let parameter = Err("request.not-supported.parameter");
    check(
        &all,
        "POST /r4/Observation?code=x",
        &[FHIR, search],
        parameter,
    );
    check(&all, "PUT /r4/Observation/o1?code=x", &[FHIR], parameter);
    let method = Err("request.method");
    for target in [
        "PUT /r4/Observation",
        "PATCH /r4/Observation",
        "DELETE /r4/Observation",
    ] {
        check(&all, target, &[FHIR], method);
    }
    let media_type = Err("request.media-type");
    check(&all, "PUT /r4/Observation?code=x", &[PATCH], media_type);
    check(&all, "PATCH /r4/Observation?code=x", &[FHIR], media_type);
}

#[test]
fn what_is_not_listed_is_refused() {
    let search = ("if-none-exist", "code=x");
    for (own, target, fields, refusal) in [
        (
            Change::Create,
            "POST /r4/Observation",
            vec![FHIR, search],
            "request.not-supported.condition",
        ),
        (
            Change::Update,
            "PUT /r4/Observation?code=x",
            vec![FHIR],
            "request.method",
        ),
        (
            Change::Patch,
            "PATCH /r4/Observation?code=x",
            vec![PATCH],
            "request.method",
        ),
        (
            Change::Delete,
            "DELETE /r4/Observation?code=x",
            vec![],
            "request.method",
        ),
    ] {
        for listed in ALL {
            let policy = taking(&[listed]);
            let parsed = head_of(target, &fields);
            let found = parsed.and_then(|head| Request::parse(&head, &policy));
            let rule = found.err().map(|denial| denial.rule());
            let expected = (listed != own).then_some(refusal);
            assert_eq!(rule.as_deref(), expected, "{target} with {listed:?}");
        }
        check(&taking(&[]), target, &fields, Err(refusal));
    }
}

fn head_of(target: &str, fields: &[(&str, &str)]) -> Result<RequestHead, Denial> {
    let (method, path) = target.split_once(' ').expect("a method and a path");
    head(method, path, fields)
}
