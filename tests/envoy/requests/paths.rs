//! Paths with two readings, other methods in disguise, and the corners of HTTP.

use std::time::Duration;

use fhir_guard_harness::client::{Client, Version};
use serde_json::json;

use super::ask;
use crate::table::{ABSENT, BEFORE_ID, MALFORMED, METHOD, Refusal, Table, UNSEEN, parse, refusal};
use crate::world::{Setting, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_path_has_one_reading() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    let client = raw(&world);
    let token = world.token("patient/*.rs");
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: fhir.example.org\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n").into_bytes()
    };
    // Envoy's normalisation, before anybody decides: one path for all, and it goes on as such.
    for path in [
        "/r4/Patient/p1",
        "//r4///Patient/p1",
        "/r4/./Patient/p1",
        "/x/../r4/Patient/p1",
        "/r4/Patient/p2/../p1",
        "/r4/Observation/%2e%2e/Patient/p1",
        "/r4/Patient/%2E/p1",
        "/../../r4/Patient/p1",
        "/r4\\Patient\\p1",
        "/r4/Patient/p%31",
        "/r4/%50atient/p1",
        "https://fhir.example.org/r4/Patient/p1",
        "http://evil.example.org/r4/Patient/p1",
    ] {
        world.fhir.forget_requests();
        table.raw_answered(path, &client, &get(path), 200).await;
        let sent: Vec<_> = world
            .fhir
            .requests()
            .into_iter()
            .map(|sent| sent.path_and_query)
            .collect();
        if sent != ["/fhir/Patient/p1"] {
            table.fault(path, &format!("{sent:?} went upstream"));
        }
    }
    for path in [
        "/r4/Patient/p1/",
        "/r4/Patient/p1//",
        "/r4/Patient/p1/.",
        "/r4/Patient/p2/..",
        "/r4/Patient/p1;x=y",
        "/r4/Patient;x/p1",
        "/r4/Patient/p1%20",
        "/r4/Patient/p1%09",
        "/r4/Patient/p1%0a",
        "/r4/Patient/p1%7f",
        "/r4/Patient/%c0%ae%c0%ae/p1",
        "/r4/Patient/%u002e",
        "/r4/Patient/p1%",
        "/r4/Patient/p1%3fx",
        "/r4/Patient/p1%23x",
        "/r4/Patient/p1%3b",
        "/r4/Patient/%252e%252e/p1",
        "/r4/Patient/p1%252f",
        "/r4/Patient/p1,p2",
        "/r4/Patient/p*",
        "/r4/Patient/p1:x",
        "/r4/Patient/p1@x",
        "/r4/Patient/p1|x",
        "/r4/Patient/\"p1\"",
        "/r4/Patient/<p1>",
        "/r4/Patient/{p1}",
        "/r4/Patient/p1^",
        "/r4/Patient/p1`",
        "/r4/Patient/p1+",
        "/r4/Patient/p1=",
        "/r4/Patient/p1!",
        "/r4/Patient/(p1)",
        "/r4/Patient/'p1'",
    ] {
        table
            .raw_refused(
                path,
                &client,
                &get(path),
                MALFORMED,
                "request.malformed.path",
            )
            .await;
    }
    for path in [
        "/R4/Patient/p1",
        "/r4/PATIENT/p1",
        "/r4/patient/p1",
        "/r4/Patient/p1_",
        "/r4/Patient/p~1",
        "/r4/Patient/$p1",
    ] {
        table
            .raw_refused(path, &client, &get(path), ABSENT, "request.path")
            .await;
    }
    // Refused by Envoy, before the filter.
    for path in [
        "/r4/Patient%2fp1",
        "/r4/Patient%2Fp1",
        "/r4/Patient%5cp1",
        "/r4/Patient/..%2fp1",
        "/r4/Patient/p1%00",
        "/r4/Patient/p1#x",
        "/r4/Patient/p1?x#y",
    ] {
        table
            .raw_refused(path, &client, &get(path), MALFORMED, BEFORE_ID)
            .await;
    }
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_is_what_it_says() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    let all = "system/*.cruds";
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        for name in [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "X-HTTP-Method-Override",
        ] {
            for value in ["DELETE", "GET", ""] {
                let request = ask(&world, all, "GET", "/r4/Patient/p1").header(name, value);
                let row = format!("{name}: {value}, {version:?}");
                table
                    .refused(
                        &row,
                        &client,
                        request,
                        MALFORMED,
                        "request.malformed.method-override",
                    )
                    .await;
            }
        }
        for method in ["OPTIONS", "TRACE", "LINK", "PROPFIND"] {
            let request = ask(&world, all, method, "/r4/Patient/p1");
            table
                .refused(
                    &format!("{method}, {version:?}"),
                    &client,
                    request,
                    METHOD,
                    "request.method",
                )
                .await;
        }
    }
    table.finish().await;
    corners(&world).await;
    world.close().await;
}

/// What is not a plain request of HTTP/1.1.
async fn corners(world: &World) {
    let mut table = Table::new(world);
    let client = raw(world);
    let token = world.token("patient/*.rs");
    let authorized = format!("authorization: Bearer {token}\r\n");
    let host = "host: fhir.example.org\r\n";
    let old = |status, code| refusal(status, code, None);
    // Methods that Envoy's parser does not know never come to be a request.
    for method in ["Get", "get", "QUERY", "XYZ", "G\u{e9}T"] {
        let bytes = format!("{method} /r4/Patient/p1 HTTP/1.1\r\n{host}{authorized}\r\n");
        table
            .raw_refused(method, &client, bytes.as_bytes(), MALFORMED, BEFORE_ID)
            .await;
    }
    let rows: Vec<(&str, String, Refusal, &str)> = vec![
        (
            "HTTP/1.0",
            format!("GET /r4/Patient/p1 HTTP/1.0\r\n{host}{authorized}\r\n"),
            old(426, "invalid"),
            BEFORE_ID,
        ),
        (
            "no host",
            format!("GET /r4/Patient/p1 HTTP/1.1\r\n{authorized}\r\n"),
            MALFORMED,
            BEFORE_ID,
        ),
        (
            "an upgrade",
            format!(
                "GET /r4/Patient/p1 HTTP/1.1\r\n{host}{authorized}connection: upgrade\r\nupgrade: websocket\r\n\r\n"
            ),
            old(403, "invalid"),
            UNSEEN,
        ),
        (
            "CONNECT",
            format!("CONNECT fhir.example.org:443 HTTP/1.1\r\n{host}{authorized}\r\n"),
            METHOD,
            "request.method",
        ),
        (
            "no method",
            format!("/r4/Patient/p1 HTTP/1.1\r\n{host}{authorized}\r\n"),
            MALFORMED,
            BEFORE_ID,
        ),
        (
            "HTTP/3.7",
            format!("GET /r4/Patient/p1 HTTP/3.7\r\n{host}{authorized}\r\n"),
            old(426, "invalid"),
            BEFORE_ID,
        ),
        (
            "an asterisk",
            format!("OPTIONS * HTTP/1.1\r\n{host}{authorized}\r\n"),
            ABSENT,
            BEFORE_ID,
        ),
        (
            "a space before the colon",
            format!("GET /r4/Patient/p1 HTTP/1.1\r\n{host}authorization : Bearer {token}\r\n\r\n"),
            MALFORMED,
            BEFORE_ID,
        ),
        (
            "a line without a colon",
            format!("GET /r4/Patient/p1 HTTP/1.1\r\n{host}{authorized}x\r\n\r\n"),
            MALFORMED,
            BEFORE_ID,
        ),
        (
            "an underscore",
            format!("GET /r4/Patient/p1 HTTP/1.1\r\n{host}{authorized}x_y: 1\r\n\r\n"),
            MALFORMED,
            BEFORE_ID,
        ),
        (
            "a space in the path",
            format!("GET /r4/Patient/p1 x HTTP/1.1\r\n{host}{authorized}\r\n"),
            MALFORMED,
            BEFORE_ID,
        ),
    ];
    for (name, bytes, refusal, rule) in rows {
        table
            .raw_refused(name, &client, bytes.as_bytes(), refusal, rule)
            .await;
    }
    // What Envoy reads in one way, it reads so for everybody: a folded line is one line, a second
    // host is of no account where the upstream's own is written, an upgrade to HTTP/2 may be
    // ignored.
    for (name, more) in [
        ("a folded line", "x: a\r\n b\r\n"),
        ("two hosts", "host: evil.example.org\r\n"),
        (
            "an upgrade to HTTP/2",
            "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
        ),
        ("a body that is expected", "expect: 100-continue\r\n"),
    ] {
        world.fhir.forget_requests();
        let bytes = format!("GET /r4/Patient/p1 HTTP/1.1\r\n{host}{more}{authorized}\r\n");
        table
            .raw_answered(name, &client, bytes.as_bytes(), 200)
            .await;
        let upstream = Some(world.fhir.address().to_string());
        for sent in world.fhir.requests() {
            let spoken = ["upgrade", "http2-settings", "expect", "x"];
            let goes_on = spoken.iter().any(|name| sent.header(name).is_some());
            if goes_on || sent.header("host") != upstream {
                table.fault(name, &format!("{:?} went upstream", sent.headers));
            }
        }
    }
    // A folded credential is one credential.
    let folded =
        format!("GET /r4/Patient/p1 HTTP/1.1\r\n{host}authorization: Bearer\r\n {token}\r\n\r\n");
    table
        .raw_answered("a folded token", &client, folded.as_bytes(), 200)
        .await;
    table.finish().await;
    reflected(world).await;
}

/// A path that Envoy cannot normalise is refused before the client's own request id is replaced:
/// it comes back, but cannot change the shape of the outcome, and no record takes it for an id.
async fn reflected(world: &World) {
    let client = raw(world);
    for id in [
        r#"a","code":"success","x":"b"#,
        r"a",
        "11111111-1111-4111-8111-111111111111",
    ] {
        let bytes = format!(
            "GET /r4/Patient%2fp1 HTTP/1.1\r\nhost: fhir.example.org\r\nx-request-id: {id}\r\n\r\n"
        );
        let answer = client.raw(bytes.as_bytes()).await.expect("bytes");
        let answer = parse(&answer).expect("an answer");
        world.expect_records(1);
        *world.unseen.lock().expect("no test has failed inside") += 1;
        let outcome = json!({
            "resourceType": "OperationOutcome",
            "issue": [{
                "severity": "error",
                "code": "invalid",
                "diagnostics": format!("request {id}"),
            }],
        });
        assert_eq!(answer.json(), Ok(outcome), "{}", answer.text());
        assert_eq!(answer.status, 400);
    }
    Table::new(world).finish().await;
}

/// One that does not wait for the connection to be closed.
fn raw(world: &World) -> Client {
    world.client().quiet(Duration::from_millis(200))
}
