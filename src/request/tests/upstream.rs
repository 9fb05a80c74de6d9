//! The head that goes upstream.

use super::*;

fn check(
    name: &str,
    (method, path): (&str, &str),
    fields: &[(&str, &str)],
    (authorization, may_read): (Authorization, bool),
    expected: &[(&str, &str)],
) {
    let mut policy = policy();
    policy.upstream.authorization = authorization;
    let head = head(method, path, fields).expect(name);
    let request = Request::parse(&head, &policy).expect(name);
    let found: Vec<(String, String)> = upstream_headers(&head, &request, &policy, may_read)
        .into_iter()
        .map(|(name, value)| {
            let text = |bytes| String::from_utf8(bytes).expect("text");
            (text(name), text(value))
        })
        .collect();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(found, expected, "{name}");
}

/// Pseudo-headers first, then what every request has.
macro_rules! fields {
    ($method:literal, $path:literal, $($more:expr),* $(,)?) => {
        &[
            (":method", $method),
            (":path", $path),
            (":authority", "fhir"),
            ("accept", "application/fhir+json"),
            ("accept-encoding", "identity"),
            $($more),*
        ]
    };
}

const STRIP: (Authorization, bool) = (Authorization::Strip, true);
const HOST: (&str, &str) = ("x-forwarded-host", "fhir.example.org");
const SCHEME: (&str, &str) = (":scheme", "https");

#[test]
fn what_was_decided_on_is_what_goes() {
    let read = ("GET", "/r4/Patient/p1?_pretty=true");
    check(
        "a read",
        read,
        &[],
        STRIP,
        fields!("GET", "/base/Patient/p1", HOST, SCHEME),
    );
    let head = ("HEAD", "/r4/Patient/p1");
    check(
        "a HEAD",
        head,
        &[],
        STRIP,
        fields!("GET", "/base/Patient/p1", HOST, SCHEME),
    );
    let search = ("GET", "/r4/Observation?patient=p1");
    let strict = ("prefer", "handling=strict");
    let path = fields!(
        "GET",
        "/base/Observation?patient=Patient/p1",
        strict,
        HOST,
        SCHEME
    );
    check("a search", search, &[], STRIP, path);
    check(
        "a search that would be lenient",
        search,
        &[("prefer", "handling=lenient")],
        STRIP,
        path,
    );
    let delete = ("DELETE", "/r4/Patient/p1");
    check(
        "a deletion",
        delete,
        &[],
        STRIP,
        fields!("DELETE", "/base/Patient/p1", HOST, SCHEME),
    );
}

#[test]
fn nothing_that_a_client_invents_goes_on() {
    let read = ("GET", "/r4/Patient/p1");
    let invented = [
        ("authorization", "Bearer a.b.c"),
        ("cookie", "a=b"),
        ("forwarded", "for=10.0.0.1"),
        ("x-forwarded-client-cert", "Hash=00"),
        ("x-forwarded-host", "evil.example"),
        ("x-original-url", "/r4/Patient/p2"),
        ("x-rewrite-url", "/r4/Patient/p2"),
        ("x-authorization-subject", "admin"),
        ("x-patient-id", "p2"),
        ("x-consent-scope", "btg"),
        ("range", "bytes=0-9"),
        ("if-none-match", "W/\"1\""),
        ("if-modified-since", "now"),
        ("accept-encoding", "gzip"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("prefer", "return=representation"),
        ("x-envoy-original-path", "/r4/Patient/p2"),
    ];
    check(
        "invented",
        read,
        &invented,
        STRIP,
        fields!("GET", "/base/Patient/p1", HOST, SCHEME),
    );
    let token = [("authorization", "bearer a.b.c")];
    let kept = fields!(
        "GET",
        "/base/Patient/p1",
        HOST,
        ("authorization", "Bearer a.b.c"),
        SCHEME
    );
    check(
        "kept where the operator wrote so",
        read,
        &token,
        (Authorization::Keep, true),
        kept,
    );
    let passing = [
        ("x-forwarded-for", "10.0.0.1, 192.0.2.7"),
        ("x-request-id", "r-1"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("tracestate", "a=b"),
        ("user-agent", "curl"),
        ("x-forwarded-proto", "https"),
    ];
    let expected = fields!(
        "GET",
        "/base/Patient/p1",
        ("x-forwarded-for", "192.0.2.7"),
        HOST,
        ("x-request-id", "r-1"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ),
        SCHEME,
        ("tracestate", "a=b"),
        ("user-agent", "curl"),
        ("x-forwarded-proto", "https"),
    );
    check("what passes", read, &passing, STRIP, expected);
    for (name, trace) in [
        ("the state of no trace", None),
        ("of none that is well-formed", Some(("traceparent", "00-1"))),
    ] {
        let state = [("tracestate", "a=b")].into_iter().chain(trace);
        let state: Vec<_> = state.collect();
        let expected = fields!("GET", "/base/Patient/p1", HOST, SCHEME);
        check(name, read, &state, STRIP, expected);
    }
}

#[test]
fn a_writer_is_answered_with_what_he_may_read() {
    let json = ("content-type", "application/fhir+json");
    let prefer = |value| ("prefer", value);
    for (may_read, asked, expected) in [
        (true, None, None),
        (
            true,
            Some("return=representation"),
            Some("return=representation"),
        ),
        (
            true,
            Some("return=OperationOutcome"),
            Some("return=OperationOutcome"),
        ),
        (false, None, Some("return=minimal")),
        (false, Some("return=representation"), Some("return=minimal")),
    ] {
        let mut sent = vec![json, ("if-match", "W/\"3\"")];
        sent.extend(asked.map(prefer));
        let mut wanted = vec![
            (":method", "PUT"),
            (":path", "/base/Patient/p1"),
            (":authority", "fhir"),
            ("accept", "application/fhir+json"),
            ("accept-encoding", "identity"),
        ];
        wanted.extend(expected.map(prefer));
        wanted.extend([("if-match", "W/\"3\""), HOST, SCHEME, json]);
        let name = format!("{may_read} {asked:?}");
        let put = ("PUT", "/r4/Patient/p1");
        check(&name, put, &sent, (Authorization::Strip, may_read), &wanted);
    }
}
