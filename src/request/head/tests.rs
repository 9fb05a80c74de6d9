use super::*;

fn parse(extra: &[(&str, &[u8])]) -> Result<RequestHead, Denial> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (b":method".to_vec(), b"GET".to_vec()),
        (b":path".to_vec(), b"/r4/Patient/1".to_vec()),
        (b":scheme".to_vec(), b"https".to_vec()),
        (b":authority".to_vec(), b"fhir.example.org".to_vec()),
    ];
    for (name, value) in extra {
        match pairs
            .iter_mut()
            .find(|(known, _)| name.starts_with(':') && known == name.as_bytes())
        {
            Some(pair) => pair.1 = value.to_vec(),
            None => pairs.push((name.as_bytes().to_vec(), value.to_vec())),
        }
    }
    RequestHead::parse(&pairs).1
}

fn check(name: &str, extra: &[(&str, &[u8])], expected: Option<Denial>) {
    let found = parse(extra).and_then(|head| head.check_answer(AnswerForm::Json));
    assert_eq!(found.err(), expected, "{name}");
}

#[test]
fn what_is_ambiguous_or_not_understood_is_refused() {
    let malformed = Some(Denial::CredentialsMalformed);
    check("plain", &[], None);
    check("one token", &[("authorization", b"Bearer a.b.c")], None);
    check(
        "scheme in any case",
        &[("authorization", b"bEARER a.b.c")],
        None,
    );
    check(
        "another scheme is no credential",
        &[("authorization", b"Basic abc")],
        None,
    );
    check(
        "two",
        &[
            ("authorization", b"Bearer a"),
            ("authorization", b"Bearer a"),
        ],
        malformed.clone(),
    );
    check(
        "two schemes",
        &[
            ("authorization", b"Bearer a"),
            ("authorization", b"Basic a"),
        ],
        malformed.clone(),
    );
    check(
        "two in one",
        &[("authorization", b"Bearer a, Bearer b")],
        malformed.clone(),
    );
    check(
        "two in one, the other first",
        &[("authorization", b"Basic a,Bearer b")],
        malformed.clone(),
    );
    check(
        "two of other schemes in one",
        &[("authorization", b"Basic a, Negotiate b")],
        malformed.clone(),
    );
    check(
        "parameters of one other scheme",
        &[(
            "authorization",
            br#"Digest username="a", nc = 1, uri="/x y""#,
        )],
        None,
    );
    check(
        "no token",
        &[("authorization", b"Bearer")],
        malformed.clone(),
    );
    check(
        "only spaces",
        &[("authorization", b"Bearer  ")],
        malformed.clone(),
    );
    check(
        "trailing space",
        &[("authorization", b"Bearer a ")],
        malformed.clone(),
    );
    check(
        "only padding",
        &[("authorization", b"Bearer ==")],
        malformed.clone(),
    );
    check(
        "not UTF-8",
        &[("authorization", b"Bearer \xff")],
        malformed.clone(),
    );
    check("empty", &[("authorization", b"")], malformed);
    check(
        "override",
        &[("x-http-method-override", b"DELETE")],
        Some(Denial::Request("method-override")),
    );
    check(
        "upgrade",
        &[("upgrade", b"websocket")],
        Some(Denial::Request("upgrade")),
    );
    check(
        "extended CONNECT",
        &[(":protocol", b"websocket")],
        Some(Denial::Request("upgrade")),
    );
    check(
        "path not ASCII",
        &[(":path", b"/r4/\xff")],
        Some(Denial::Request("path")),
    );
    check(
        "path with space",
        &[(":path", b"/r4/a b")],
        Some(Denial::Request("path")),
    );
    let methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
    for method in ["get", "TRACE", "CONNECT", "OPTIONS", ""] {
        check(
            method,
            &[(":method", method.as_bytes())],
            Some(Denial::Method(methods)),
        );
    }
    check(
        "xml only",
        &[("accept", b"application/fhir+xml")],
        Some(Denial::NotAcceptable),
    );
    check(
        "json refused",
        &[("accept", b"application/json;q=0")],
        Some(Denial::NotAcceptable),
    );
    check(
        "json among others",
        &[("accept", b"text/html, application/fhir+json;q=0.1")],
        None,
    );
    check(
        "json in the second line",
        &[("accept", b"text/html"), ("accept", b"*/*")],
        None,
    );
    check(
        "gzip body",
        &[("content-encoding", b"gzip")],
        Some(Denial::UnsupportedMediaType),
    );
    check(
        "charset",
        &[("content-type", b"application/json; charset=utf-16")],
        Some(Denial::UnsupportedMediaType),
    );
    check(
        "strong tag",
        &[("if-match", b"\"3\"")],
        Some(Denial::Request("if-match")),
    );
    check(
        "two tags",
        &[("if-match", b"W/\"3\""), ("if-match", b"W/\"4\"")],
        Some(Denial::Request("if-match")),
    );
    check(
        "async",
        &[("prefer", b"respond-async")],
        Some(Denial::NotSupported("prefer")),
    );
    check(
        "hostile bytes elsewhere",
        &[("x-any", b"\x00\xff\x01")],
        None,
    );
}

#[test]
fn an_answer_has_the_form_that_the_client_takes() {
    use AnswerForm::{Json, Later, Lines};
    let (unfit, prefer) = (
        Err(Denial::NotAcceptable),
        Err(Denial::NotSupported("prefer")),
    );
    for (extra, form, expected) in [
        (&[][..], Json, Ok(())),
        (&[], Later, Ok(())),
        (&[], Lines, Ok(())),
        (
            &[("accept", &b"application/fhir+ndjson"[..])],
            Lines,
            Ok(()),
        ),
        (&[("accept", b"application/ndjson")], Lines, Ok(())),
        (&[("accept", b"application/*")], Lines, Ok(())),
        (
            &[("accept", b"application/fhir+ndjson")],
            Json,
            unfit.clone(),
        ),
        (
            &[("accept", b"application/fhir+ndjson")],
            Later,
            unfit.clone(),
        ),
        (
            &[("accept", b"application/fhir+json")],
            Lines,
            unfit.clone(),
        ),
        (
            &[("accept", b"application/fhir+ndjson;q=0")],
            Lines,
            unfit.clone(),
        ),
        (&[("prefer", b"respond-async")], Later, Ok(())),
        (
            &[("prefer", b"handling=lenient, respond-async")],
            Later,
            Ok(()),
        ),
        (&[("prefer", b"respond-async")], Lines, prefer.clone()),
        (
            &[("prefer", b"respond-async"), ("accept", b"text/html")],
            Json,
            unfit.clone(),
        ),
    ] {
        let found = parse(extra).expect("a head").check_answer(form);
        assert_eq!(found, expected, "{extra:?} {form:?}");
    }
}

#[test]
fn a_trace_has_the_form_of_its_standard() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = "b7ad6b7169203331";
    for (name, value, passes) in [
        ("good", good.to_owned(), true),
        ("not sampled", good.replace("-01", "-00"), true),
        ("a later version", good.replacen("00", "cc", 1), true),
        ("no version", good.replacen("00", "ff", 1), false),
        ("upper case", good.to_uppercase(), false),
        ("no trace", good.replace(trace, &"0".repeat(32)), false),
        ("no parent", good.replace(parent, &"0".repeat(16)), false),
        ("a short trace", good.replace(trace, "0af76519"), false),
        ("more behind", format!("{good}-00"), false),
        ("a hyphen more", format!("{good}-"), false),
        ("short flags", good.replace("-01", "-1"), false),
        ("no flags", good.replace("-01", ""), false),
        (
            "hyphens anywhere",
            format!("f-eedbeef{}", "0".repeat(46)),
            false,
        ),
        ("hyphens only", "-".repeat(55), false),
        ("a word", "diabetes".to_owned(), false),
        ("nothing", String::new(), false),
    ] {
        let fields = [("traceparent", value.as_bytes()), ("tracestate", b"a=b")];
        let head = parse(&fields).expect(name);
        assert_eq!(head.traceparent, passes.then_some(value.clone()), "{name}");
        let mut passing = head.passing.iter();
        let state = passing.any(|(name, _)| name == b"tracestate");
        assert_eq!(state, passes, "{name}: the state of no trace");
    }
    let head = parse(&[("traceparent", b"\xff")]).expect("not UTF-8");
    assert_eq!(head.traceparent, None);
}

#[test]
fn only_named_fields_pass() {
    let head = parse(&[
        ("cookie", b"a"),
        ("x-forwarded-client-cert", b"a"),
        ("x-patient-id", b"a"),
        ("range", b"bytes=0-1"),
        ("if-none-match", b"W/\"1\""),
        ("x-forwarded-for", b"10.0.0.1, 192.0.2.7"),
        ("user-agent", b"curl"),
        ("x-request-id", b"a\"b\n-1"),
    ])
    .expect("a head");
    let names: Vec<_> = head
        .passing
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    assert_eq!(names, [":scheme", "user-agent"]);
    assert_eq!(head.forwarded_for.as_deref(), Some("192.0.2.7"));
    assert_eq!(head.request_id, "ab-1");
    assert!(
        !head.conditional,
        "a condition on a read is only left behind"
    );
}
