//! The request that goes upstream: made anew, with nothing in it that a client chose and nobody
//! decided on.

use std::net::IpAddr;

use fhir_guard_harness::client::Version;
use fhir_guard_harness::fhir::Recorded;
use serde_json::json;

use super::ask;
use crate::table::Table;
use crate::world::{Setting, World};

/// What a client may try to say about itself, or to the machinery behind.
const SPOOFED: [(&str, &str); 40] = [
    ("x-forwarded-client-cert", "Hash=00;Subject=\"CN=root\""),
    ("x-forwarded-for", "10.0.0.1, 192.0.2.7"),
    ("x-forwarded-host", "evil.example.org"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-port", "1"),
    ("x-forwarded-prefix", "/evil"),
    ("forwarded", "for=10.0.0.1;host=evil.example.org"),
    ("x-real-ip", "10.0.0.1"),
    ("x-client-ip", "10.0.0.1"),
    ("true-client-ip", "10.0.0.1"),
    ("x-patient-id", "p2"),
    ("x-authorization-patient", "p2"),
    ("x-authorization-scope", "system/*.cruds"),
    ("x-authorization-issuer", "https://as.example.org"),
    ("x-user", "root"),
    ("x-remote-user", "root"),
    ("remote-user", "root"),
    ("x-auth-request-user", "root"),
    ("x-jwt-payload", "e30"),
    ("x-tenant", "other"),
    ("x-provenance", "{}"),
    ("cookie", "session=1"),
    ("proxy-authorization", "Basic dTpw"),
    ("accept-encoding", "gzip, br"),
    ("range", "bytes=0-10"),
    ("if-none-match", "W/\"1\""),
    ("if-modified-since", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ("if-range", "W/\"1\""),
    ("prefer", "handling=lenient"),
    ("x-original-url", "/admin"),
    ("x-rewrite-url", "/admin"),
    ("x-envoy-original-path", "/admin"),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-retry-on", "5xx"),
    ("x-envoy-internal", "true"),
    ("x-envoy-decorator-operation", "x"),
    ("x-envoy-force-trace", "1"),
    ("origin", "https://evil.example.org"),
    ("referer", "https://evil.example.org/r4/Patient/p2"),
    ("x-hostile", "foreign-include"),
];

/// Everything that may ever go upstream; what has a value here has always this one.
const CANONICAL: [(&str, Option<&str>); 9] = [
    ("accept", Some("application/fhir+json")),
    ("accept-encoding", Some("identity")),
    ("host", None),
    ("prefer", None),
    ("user-agent", Some("test/1")),
    ("x-forwarded-for", None),
    ("x-forwarded-host", Some("fhir.example.org")),
    ("x-forwarded-proto", Some("https")),
    ("x-request-id", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_gets_the_canonical_request() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    for version in [Version::Http1, Version::Http2] {
        spoofed(&mut table, version).await;
    }
    table.finish().await;
    world.close().await;
}

async fn spoofed(table: &mut Table<'_>, version: Version) {
    let world = table.world;
    let certificate = world.pki.client("clinic-a");
    let client = world.client_of(Some(&certificate), version, "secure");
    // For a caller on loopback Envoy notes the machine's own address: what it notes for a caller
    // who says nothing is the one that counts.
    world.fhir.forget_requests();
    world.get("patient/*.rs", "/r4/Patient/p1").await;
    let plain = world.fhir.requests();
    let real = plain
        .first()
        .and_then(|sent| sent.header("x-forwarded-for"));
    if real
        .as_ref()
        .is_none_or(|real| real.parse::<IpAddr>().is_err())
    {
        table.fault("the caller's address", &format!("{real:?} went upstream"));
    }
    for (scope, method, path, upstream, prefer) in [
        (
            "patient/*.rs",
            "GET",
            "/r4/Patient/p1",
            "/fhir/Patient/p1",
            None,
        ),
        (
            "patient/*.rs",
            "HEAD",
            "/r4/Patient/p1",
            "/fhir/Patient/p1",
            None,
        ),
        (
            "patient/*.rs",
            "GET",
            "/r4/Patient/p1?_format=json&_pretty=true",
            "/fhir/Patient/p1",
            None,
        ),
        (
            "patient/*.rs",
            "GET",
            "/r4/Observation?_count=2&patient=p1&date=ge2000",
            "/fhir/Observation?patient=Patient/p1&date=ge2000&_count=2",
            Some("handling=strict"),
        ),
        (
            "user/*.rs",
            "GET",
            "/r4/Patient/p1/_history/1",
            "/fhir/Patient/p1/_history/1",
            None,
        ),
        (
            "user/*.rs",
            "GET",
            "/r4/Patient/p1/_history?_count=1",
            "/fhir/Patient/p1/_history?_count=1",
            None,
        ),
        ("user/*.rs", "GET", "/r4/metadata", "/fhir/metadata", None),
    ] {
        world.fhir.forget_requests();
        let name = format!("{method} {path}, {version:?}");
        let mut request = ask(world, scope, method, path).header("user-agent", "test/1");
        for (name, value) in SPOOFED {
            request = request.header(name, value);
        }
        let answer = world.send(&client, request).await;
        if answer.status != 200 {
            table.fault(&name, &format!("{} {}", answer.status, answer.text()));
        }
        let sent = world.fhir.requests();
        let [sent] = sent.as_slice() else {
            table.fault(&name, &format!("{} requests went upstream", sent.len()));
            continue;
        };
        for fault in faults(sent, upstream, prefer, &answer.header("x-request-id")) {
            table.fault(&name, &fault);
        }
        if sent.header("x-forwarded-for") != real {
            table.fault(&name, "the address is not the one that the proxy sees");
        }
        if sent.header("host") != Some(world.fhir.address().to_string()) {
            table.fault(&name, "the authority is not the upstream's");
        }
    }
}

fn faults(sent: &Recorded, path: &str, prefer: Option<&str>, id: &Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    if sent.method != "GET" || sent.path_and_query != path {
        faults.push(format!(
            "{} {} went upstream",
            sent.method, sent.path_and_query
        ));
    }
    if !sent.body.is_empty() {
        faults.push("a body went upstream".to_owned());
    }
    for (name, value) in &sent.headers {
        let value = String::from_utf8_lossy(value);
        match CANONICAL.iter().find(|(known, _)| known == name) {
            None => faults.push(format!("{name}: {value} went upstream")),
            Some((_, Some(expected))) if *expected != value => {
                faults.push(format!("{name}: {value} went upstream"));
            }
            Some(_) => {}
        }
    }
    let mut names: Vec<&String> = sent.headers.iter().map(|(name, _)| name).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    if names.len() != count {
        faults.push("a field went upstream twice".to_owned());
    }
    if sent.header("prefer").as_deref() != prefer {
        faults.push(format!("prefer is {:?}", sent.header("prefer")));
    }
    if sent.header("x-request-id") != *id {
        faults.push("another request id went upstream".to_owned());
    }
    faults
}

/// What a client says its request id were is not taken for it, and a trace goes on only in its form.
#[tokio::test(flavor = "multi_thread")]
async fn ids_and_traces() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    let client = world.client().reuse(true);
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (name, trace, passes) in [
        ("good", good, true),
        ("upper case", &good.to_uppercase(), false),
        ("short", "00-1", false),
        (
            "quotes",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333\"-01",
            false,
        ),
        ("not UTF-8", "\u{e9}", false),
        (
            "no trace",
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            false,
        ),
        (
            "hyphens anywhere",
            &format!("f-eedbeef{}", "0".repeat(46)),
            false,
        ),
    ] {
        world.fhir.forget_requests();
        let request = ask(&world, "patient/*.rs", "GET", "/r4/Patient/p1")
            .header("traceparent", trace)
            .header("tracestate", "x=1")
            .header("x-request-id", "11111111-1111-4111-8111-111111111111");
        let answer = table.answered(name, &client, request, 200).await;
        let sent = world.fhir.requests();
        let found = sent.first().and_then(|sent| sent.header("traceparent"));
        // Otherwise one is begun.
        if (found.as_deref() == Some(trace)) != passes || found.is_none_or(|own| own.len() != 55) {
            table.fault(name, "another trace went upstream");
        }
        let state = sent.first().and_then(|sent| sent.header("tracestate"));
        if state.is_some() != passes {
            table.fault(name, &format!("{state:?} is the state of another trace"));
        }
        let id = answer
            .and_then(|answer| answer.header("x-request-id"))
            .unwrap_or_default();
        if id.starts_with("1111")
            || sent.first().and_then(|sent| sent.header("x-request-id")) != Some(id)
        {
            table.fault(name, "the client chose the request id");
        }
    }
    table.finish().await;
    let traced = world.records().await;
    let traces = traced
        .iter()
        .filter(|record| record["trace"] == good)
        .count();
    assert_eq!(traces, 1);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_let_the_token_pass() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["upstream"]["authorization"] = json!("keep");
        })),
        ..Setting::default()
    })
    .await;
    let token = world.token("patient/*.rs");
    let client = world.client();
    let request = fhir_guard_harness::client::Request::get("/r4/Patient/p1").bearer(&token);
    assert_eq!(world.send(&client, request).await.status, 200);
    let sent = world.fhir.requests();
    assert_eq!(
        sent[0].header("authorization"),
        Some(format!("Bearer {token}"))
    );
    world.close().await;
}
