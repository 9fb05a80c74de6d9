//! Answers by their head, size and kind.

use super::*;

const JSON: (&str, &str) = ("content-type", "application/fhir+json");

fn ok(body: &[u8]) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let length = body.len().to_string();
    let head = vec![
        (":status", "200".to_owned()),
        ("content-type", "application/fhir+json".to_owned()),
        ("content-length", length),
    ];
    (head, body.to_vec())
}

/// Reads the own patient: the upstream answers so, and the client sees this status and rule.
fn check(name: &str, head: &[(&str, &str)], pieces: &[&[u8]], status: u16, rule: &str) {
    let mut world = Deployment::new();
    let mut exchange = world.forwarded("patient/*.rs", "GET /r4/Patient/p1");
    let answer = world.answer(&mut exchange, head, pieces, false);
    assert_eq!(answer.status(), status, "{name}");
    if status != 200 {
        let End::Reply(reply) = &answer.end else {
            panic!("{name}: {answer:?}")
        };
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(body["resourceType"], "OperationOutcome", "{name}");
        assert_eq!(body["issue"][0]["diagnostics"], "request r-1", "{name}");
    }
    let record = world.record(&mut exchange);
    assert_eq!(driver::slug(&record["rule"]), rule, "{name}: {record}");
    assert_eq!(record["status"], status, "{name}: {record}");
}

#[test]
fn an_answer_that_cannot_be_inspected_is_replaced() {
    let body = patient("p1", 0).to_string();
    let body = body.as_bytes();
    let allowed = "scope:patient/*.rs";
    let status = |status| [(":status", status), JSON];
    check("good", &status("200"), &[body], 200, allowed);
    let type_of = |value| [(":status", "200"), ("content-type", value)];
    check(
        "with parameters",
        &type_of("application/fhir+json; charset=UTF-8; fhirVersion=4.0"),
        &[body],
        200,
        allowed,
    );
    for value in [
        "application/fhir+xml",
        "text/html",
        "",
        "application/json; charset=utf-16",
        "application/json, text/html",
    ] {
        check(
            "another type",
            &type_of(value),
            &[body],
            502,
            "answer.content-type",
        );
    }
    check(
        "no type",
        &[(":status", "200")],
        &[body],
        502,
        "answer.content-type",
    );
    check(
        "two types",
        &[(":status", "200"), JSON, JSON],
        &[body],
        502,
        "answer.content-type",
    );
    for value in ["gzip", "br", "identity, gzip", "x"] {
        let head = [(":status", "200"), JSON, ("content-encoding", value)];
        check("encoded", &head, &[body], 502, "answer.content-encoding");
    }
    let identity = [(":status", "200"), JSON, ("content-encoding", "identity")];
    check("not encoded", &identity, &[body], 200, allowed);
    check("no status", &[JSON], &[body], 502, "answer.status");
    check(
        "two states",
        &[(":status", "200"), (":status", "200"), JSON],
        &[body],
        502,
        "answer.status",
    );
    check("no number", &status("two"), &[body], 502, "answer.status");
    check("no body", &status("200"), &[], 502, "answer.empty");
    for (name, body) in [
        ("empty body", &b""[..]),
        ("cut", &body[..body.len() - 1]),
        ("two values", b"{}{}"),
        ("not UTF-8", b"{\"resourceType\":\"\xff\"}"),
        (
            "a key twice",
            br#"{"resourceType":"Patient","id":"p1","id":"p1"}"#,
        ),
        (
            "a hidden key twice",
            br#"{"resourceType":"Patient","id":"p1","i\u0064":"p1"}"#,
        ),
        (
            "another type",
            br#"{"resourceType":"Observation","id":"p1"}"#,
        ),
        ("another id", br#"{"resourceType":"Patient","id":"p2"}"#),
        ("no id", br#"{"resourceType":"Patient"}"#),
        ("a list", b"[]"),
        ("text", b"<html>"),
    ] {
        check(name, &status("200"), &[body], 502, "answer.body");
        if !body.is_empty() {
            let (one, two) = body.split_at(body.len() / 2);
            check(name, &status("200"), &[one, two], 502, "answer.body");
        }
    }
}

#[test]
fn a_refusal_of_the_upstream_keeps_its_meaning_and_loses_its_words() {
    let secret =
        br#"{"resourceType":"OperationOutcome","issue":[{"diagnostics":"Zoe, 1970-01-01"}]}"#;
    let allowed = "scope:patient/*.rs";
    for (upstream, status, rule) in [
        ("400", 400, allowed),
        ("404", 404, allowed),
        ("410", 410, allowed),
        ("412", 412, allowed),
        ("503", 503, "upstream.503"),
        ("201", 502, "upstream.201"),
        ("204", 502, "upstream.204"),
        ("206", 502, "upstream.206"),
        ("301", 502, "upstream.301"),
        ("304", 502, "upstream.304"),
        ("401", 502, "upstream.401"),
        ("403", 502, "upstream.403"),
        ("500", 502, "upstream.500"),
    ] {
        check(
            upstream,
            &[(":status", upstream), JSON],
            &[secret],
            status,
            rule,
        );
        check(upstream, &[(":status", upstream)], &[], status, rule);
    }
}

/// A read whose answer comes in one piece: whether its head leaves at once, and what follows.
fn one_piece(name: &str, body: &[u8], announced: bool, streams: bool, left: Option<&[u8]>) {
    let (mut head, body) = ok(body);
    if !announced {
        head.pop();
    }
    let mut world = Deployment::new();
    let mut exchange = world.forwarded("patient/*.rs", "GET /r4/Patient/p1");
    let head: Vec<_> = head
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let head = driver::pairs(head.iter());
    let step = exchange.response_headers(&world.guard, &head, Some(b"via_upstream"), false);
    assert_eq!(
        matches!(step, Step::Release(_)),
        streams,
        "{name}: {step:?}"
    );
    let step = exchange.response_body(&world.guard, &body, true);
    let record = world.record(&mut exchange);
    match left {
        Some(left) => assert_eq!(step, Step::Write(left.to_vec()), "{name}"),
        None => assert_eq!(
            driver::slug(&record["rule"]),
            "answer.larger-than-hold-limit",
            "{name}: {step:?}"
        ),
    }
}

#[test]
fn the_hold_limit_is_kept_to_the_byte() {
    let half = driver::HOLD / 2;
    // What counts in one piece is what is written: the mark of a redaction makes an answer longer.
    let sized = |length: usize| {
        let padding = length - redacted("p1", 0).len();
        (patient("p1", padding).to_string(), redacted("p1", padding))
    };
    let (body, most) = sized(driver::HOLD);
    assert!(body.len() < most.len() && most.len() == driver::HOLD);
    one_piece("at the limit", body.as_bytes(), false, false, Some(&most));
    let (body, _) = sized(driver::HOLD + 1);
    // In one piece and unannounced: nothing can be written but into the held body.
    one_piece("above it", body.as_bytes(), false, false, None);
    // Announced, what may grow beyond the limit is never held.
    let padding = |length: usize| length - patient("p1", 0).to_string().len();
    for (length, streams) in [(half, false), (half + 1, true), (2 * driver::HOLD, true)] {
        let body = patient("p1", padding(length)).to_string();
        assert_eq!(body.len(), length);
        let screened = redacted("p1", padding(length));
        one_piece(
            &format!("{length} announced"),
            body.as_bytes(),
            true,
            streams,
            Some(&screened),
        );
    }
}

#[test]
fn half_of_the_hold_limit_is_held_and_more_is_streamed() {
    let half = driver::HOLD / 2;
    for (first, streams) in [(half, false), (half + 1, true)] {
        let mut world = Deployment::new();
        let mut exchange = world.forwarded("patient/*.rs", "GET /r4/Patient/p1");
        let body = patient("p1", 2 * driver::HOLD).to_string();
        let head = driver::pairs([(":status", "200"), JSON].iter());
        let step = exchange.response_headers(&world.guard, &head, Some(b"via_upstream"), false);
        assert!(matches!(step, Step::HoldHead(_)), "{step:?}");
        let (one, two) = body.as_bytes().split_at(first);
        let step = exchange.response_body(&world.guard, one, false);
        let expected = if streams {
            Step::Write(Vec::new())
        } else {
            Step::Hold
        };
        assert_eq!(step, expected, "{first} bytes");
        // What is wrong is still refused while the head is held, and cut once it has left.
        let step = exchange.response_body(&world.guard, &two[..two.len() - 1], true);
        if streams {
            assert_eq!(step, Step::Reset, "{first} bytes");
            assert_eq!(world.record(&mut exchange)["outcome"], "cut");
        } else {
            assert!(matches!(step, Step::Reply(_)), "{first} bytes: {step:?}");
            assert_eq!(world.record(&mut exchange)["outcome"], "withheld");
        }
    }
}

#[test]
fn a_resource_beyond_its_limit_does_not_leave() {
    let base = patient("p1", 0).to_string().len();
    for (length, complete) in [(64 << 10, true), ((64 << 10) + 1, false)] {
        let body = patient("p1", length - base).to_string();
        let mut world = Deployment::new();
        let mut exchange = world.forwarded("patient/*.rs", "GET /r4/Patient/p1");
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(1000).collect();
        let answer = world.answer(&mut exchange, &[(":status", "200"), JSON], &pieces, false);
        assert_eq!(answer.end == End::Complete, complete, "{length}");
        assert_eq!(answer.body.is_empty(), !complete, "{length}");
    }
}

#[test]
fn a_head_is_answered_with_the_head_of_what_was_decided() {
    for (name, padding) in [("small", 0), ("beyond the hold limit", 5 * driver::HOLD)] {
        let (head, body) = ok(patient("p1", padding).to_string().as_bytes());
        let head: Vec<_> = head
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let pieces: Vec<&[u8]> = body.chunks(100).collect();
        let mut world = Deployment::new();
        let mut exchange = world.forwarded("patient/*.rs", "HEAD /r4/Patient/p1");
        let answer = world.answer(&mut exchange, &head, &pieces, false);
        assert_eq!((answer.status(), answer.body.len()), (200, 0), "{name}");
        let fields = answer.head.expect("a head");
        assert!(
            fields.iter().all(|(name, _)| name != b"content-length"),
            "{name}"
        );
    }
    let mut world = Deployment::new();
    let mut exchange = world.forwarded("patient/*.rs", "HEAD /r4/Patient/p1");
    let other = patient("p2", 0).to_string();
    let answer = world.answer(
        &mut exchange,
        &[(":status", "200"), JSON],
        &[other.as_bytes()],
        false,
    );
    assert_eq!(answer.status(), 502, "a HEAD tells no more than a GET");
}

#[test]
fn what_was_written_is_not_said_to_have_failed() {
    let body = &br#"{"resourceType":"Observation","id":"o1","valueString":"seen"}"#[..];
    let nothing: &[u8] = b"";
    let created = |status| [(":status", status), JSON];
    let (all, blind) = ("system/*.cruds", "system/*.cud");
    for (name, scope, head, answer, left) in [
        ("screened", all, &created("200")[..], body, body),
        ("created", all, &created("201"), body, body),
        ("may not read", blind, &created("200"), body, nothing),
        (
            "not JSON",
            all,
            &created("200"),
            b"<html>1970-01-01",
            nothing,
        ),
        (
            "another type",
            all,
            &[(":status", "200"), ("content-type", "text/html")],
            body,
            nothing,
        ),
        (
            "encoded",
            all,
            &[(":status", "200"), JSON, ("content-encoding", "gzip")],
            body,
            nothing,
        ),
        (
            "another id",
            all,
            &created("200"),
            br#"{"resourceType":"Observation","id":"o9"}"#,
            nothing,
        ),
        ("cut", all, &created("200"), &body[..9], nothing),
        ("no content", all, &[(":status", "204")], nothing, nothing),
    ] {
        for at in [0, answer.len() / 2] {
            let mut world = Deployment::new();
            let mut exchange = world.written(
                scope,
                "PUT /r4/Observation/o1",
                br#"{"resourceType":"Observation","id":"o1","code":{"text":"x"}}"#,
            );
            let (one, two) = answer.split_at(at);
            let seen = world.answer(&mut exchange, head, &[one, two], false);
            assert_eq!(seen.end, End::Complete, "{name}");
            assert_eq!(seen.status().to_string(), head[0].1, "{name}");
            assert_eq!(seen.body, left, "{name}");
            assert_eq!(world.record(&mut exchange)["outcome"], "allowed", "{name}");
        }
    }
    let mut world = Deployment::new();
    let mut exchange = world.forwarded("system/Patient.d", "DELETE /r4/Patient/p1");
    let seen = world.answer(&mut exchange, &created("200"), &[body], false);
    assert_eq!((seen.status(), seen.body), (200, Vec::new()), "a deletion");
    // The redactions of a read hold for what a create is answered with.
    let mut exchange = world.written(all, "POST /r4/Patient", br#"{"resourceType":"Patient"}"#);
    let answer = patient("p1", 0).to_string();
    let seen = world.answer(&mut exchange, &created("201"), &[answer.as_bytes()], false);
    assert_eq!(
        (seen.status(), seen.body),
        (201, redacted("p1", 0)),
        "a create"
    );
}

#[test]
fn trailers_end_an_answer_and_never_leave() {
    let body = patient("p1", 0).to_string();
    let head = [(":status", "200"), JSON];
    let mut world = Deployment::new();
    for (name, body, expected) in [
        ("after the whole", body.as_bytes(), End::Complete),
        ("after a part", &body.as_bytes()[..20], End::Reset),
    ] {
        let mut exchange = world.forwarded("patient/*.rs", "GET /r4/Patient/p1");
        let answer = world.answer(&mut exchange, &head, &[body], true);
        match expected {
            End::Complete => assert_eq!(answer.body, redacted("p1", 0), "{name}"),
            _ => assert_eq!(answer.status(), 502, "{name}"),
        }
    }
}
