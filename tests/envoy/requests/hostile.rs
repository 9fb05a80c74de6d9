//! Header bytes that no library would send: each gets an answer, and so does the next request.

use std::time::Duration;

use fhir_guard_harness::client::{End, Request, Version};

use super::ask;
use crate::table::{BEFORE_ID, MALFORMED, Table, faults, parse, refusal};
use crate::world::{Setting, World};

/// Fields that the filter reads, and some that it does not.
const FIELDS: [&str; 19] = [
    "accept",
    "authorization",
    "content-type",
    "content-encoding",
    "cookie",
    "if-match",
    "if-none-exist",
    "if-none-match",
    "prefer",
    "traceparent",
    "tracestate",
    "upgrade",
    "user-agent",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-http-method",
    "x-request-id",
    "x-whatever",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_gets_an_answer() {
    let world = World::shared(Setting::default()).await;
    let client = world.client().quiet(Duration::from_millis(100));
    let token = world.token("patient/*.rs");
    let head = format!(
        "GET /r4/Patient/p1 HTTP/1.1\r\nhost: fhir.example.org\r\nauthorization: Bearer {token}\r\n"
    );
    let mut answered = 0;
    for byte in 1..=0xff_u8 {
        let mut bytes = head.clone().into_bytes();
        // A field that goes on to the upstream when it may.
        bytes.extend_from_slice(b"user-agent: a");
        bytes.push(byte);
        bytes.extend_from_slice(b"b\r\nconnection: close\r\n\r\n");
        world.fhir.forget_requests();
        let answer = client.raw(&bytes).await.expect("bytes");
        let answer = parse(&answer).unwrap_or_else(|error| panic!("{byte:#x}: {error}"));
        let sent = world.fhir.requests();
        let agent = sent.first().and_then(|sent| sent.header("user-agent"));
        // A line break makes another field; a control character is refused by Envoy, before it
        // reads the rest; a carriage return alone it leaves out.
        // Beyond ASCII is left behind by the filter.
        match byte {
            b'\r' => assert!(
                answer.status == 200 && agent.as_deref() == Some("ab"),
                "{agent:?}"
            ),
            b'\t' | 0x80..=0xff => assert!(
                answer.status == 200 && agent.is_none(),
                "{byte:#x}: {agent:?}"
            ),
            b' '..=0x7e => {
                let whole = format!("a{}b", char::from(byte));
                assert!(
                    answer.status == 200 && agent == Some(whole),
                    "{byte:#x}: {agent:?}"
                );
            }
            _ => {
                let faults = faults(&answer, MALFORMED, false);
                assert!(
                    faults.is_empty() && sent.is_empty(),
                    "{byte:#x}: {faults:?}"
                );
            }
        }
        world.expect_records(1);
        answered += 1;
    }
    assert_eq!(answered, 255);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_may_hold_every_byte() {
    let world = World::shared(Setting::default()).await;
    let every: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).collect();
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        for field in FIELDS {
            for value in [
                every.clone(),
                b"\xff\xfe\xfd".to_vec(),
                "\u{e9}\u{2028}".as_bytes().to_vec(),
            ] {
                let mut request = Request::get("/r4/Patient/p1");
                if field != "authorization" {
                    request = request.bearer(&world.token("patient/*.rs"));
                }
                let answer = client.send(request.header(field, &value)).await;
                world.expect_records(1);
                let answer = answer.unwrap_or_else(|error| panic!("{field}, {version:?}: {error}"));
                assert_eq!(answer.end, End::Complete, "{field}, {version:?}");
                assert!(
                    matches!(answer.status, 200 | 400 | 401 | 403 | 406 | 415),
                    "{field}, {version:?}: {answer:?}"
                );
                let next = ask(&world, "patient/*.rs", "GET", "/r4/Patient/p1");
                assert_eq!(
                    world.send(&client, next).await.status,
                    200,
                    "after {field}, {version:?}"
                );
            }
        }
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_too_much() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    let token = world.token("patient/*.rs");
    let raw = world.client().quiet(Duration::from_millis(200));
    let head = format!(
        "GET /r4/Patient/p1 HTTP/1.1\r\nhost: fhir.example.org\r\nauthorization: Bearer {token}\r\n"
    );
    let many = |count: usize| {
        (0..count)
            .map(|number| format!("x-{number}: y\r\n"))
            .collect::<String>()
    };
    let large = refusal(431, "invalid", None);
    for (name, more) in [
        ("200 fields", many(200)),
        ("a field of 40 kB", format!("x: {}\r\n", "y".repeat(40_000))),
        (
            "40 fields of 1 kB",
            (0..40)
                .map(|number| format!("x-{number}: {}\r\n", "y".repeat(1000)))
                .collect(),
        ),
        ("a name of 40 kB", format!("{}: y\r\n", "x".repeat(40_000))),
    ] {
        let bytes = format!("{head}{more}\r\n");
        table
            .raw_refused(name, &raw, bytes.as_bytes(), large, BEFORE_ID)
            .await;
    }
    let bytes = format!(
        "{head}{}x: {}\r\nconnection: close\r\n\r\n",
        many(80),
        "y".repeat(20_000)
    );
    table
        .raw_answered("much, but not too much", &raw, bytes.as_bytes(), 200)
        .await;
    // Over HTTP/2 Envoy resets the stream, or the connection, where it cannot read the head, and
    // answers where it can; the next request gets its answer all the same.
    let client = world.client().reuse(true);
    let plain = || ask(&world, "patient/*.rs", "GET", "/r4/Patient/p1");
    let mut flood = plain();
    for number in 0..200 {
        flood = flood.header(format!("x-{number}"), "y");
    }
    for (name, request) in [
        ("200 fields, HTTP/2", flood),
        (
            "a field of 40 kB, HTTP/2",
            plain().header("x", "y".repeat(40_000)),
        ),
        ("an underscore, HTTP/2", plain().header("x_y", "1")),
    ] {
        let answer = client.send(request).await;
        assert!(answer.is_err(), "{name}: {answer:?}");
        // The filter is not even made then; the record is the proxy's own.
        world.expect_records(1);
        *world.unseen.lock().expect("no test has failed inside") += 1;
        table
            .answered(&format!("after {name}"), &client, plain(), 200)
            .await;
    }
    let path = format!("/r4/Patient/{}", "x".repeat(9000));
    let rule = "request.malformed.path";
    let client = world.client();
    table
        .refused(
            "a long path",
            &client,
            ask(&world, "patient/*.rs", "GET", &path),
            MALFORMED,
            rule,
        )
        .await;
    table.finish().await;
    world.close().await;
}
