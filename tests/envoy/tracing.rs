//! Spans of Envoy, by the shipped configuration: what is in them, and that their trace is that of the record.

use std::path::Path;
use std::time::Duration;

use fhir_guard_harness::client::{Request, Version};
use fhir_guard_harness::collector::{Collector, Span};
use fhir_guard_harness::envoy::{Envoy, Manifest};
use serde_json::{Value, json};

use crate::world::{EditEnvoy, Setting, World};

const SINK: &str = "envoy/sinks/tracing.yaml";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Adds what is shipped to each listener, edited; callers are internal, so that Envoy takes their word for more.
fn with_sink(collector: &Collector, edit: fn(&mut Value)) -> EditEnvoy {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let address = collector.address();
    let mut sink = Manifest::load(root.join(SINK))
        .and_then(Manifest::build)
        .expect(SINK);
    if !is_new() {
        // What docs/sinks.md says of them.
        sink["http_filters"][0]["typed_config"]["mutations"]["request_mutations"][0]["append"]["header"]
            ["value"] = json!(format!("00-%TRACE_ID%-{PARENT}-00"));
    }
    if Envoy::version().expect("a version") < [1, 37, 0] {
        let tags = sink["tracing"]["custom_tags"].as_array_mut();
        tags.expect("tags").retain(|tag| tag.get("value").is_none());
    }
    sink["tracing"]["random_sampling"]["value"] = json!(100);
    edit(&mut sink);
    let endpoint = &mut sink["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
    endpoint["endpoint"]["address"]["socket_address"] =
        json!({ "address": address.ip().to_string(), "port_value": address.port() });
    Box::new(move |config| {
        let fixed = &mut config["static_resources"];
        let clusters = fixed["clusters"].as_array_mut().expect("clusters");
        clusters.push(sink["clusters"][0].clone());
        for listener in fixed["listeners"].as_array_mut().expect("listeners") {
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            for name in ["early_header_mutation_extensions", "tracing"] {
                manager[name] = sink[name].clone();
            }
            let filters = manager["http_filters"].as_array_mut().expect("filters");
            let before = sink["http_filters"].as_array().expect("filters").iter();
            filters.splice(0..0, before.cloned());
            let local = json!([{ "address_prefix": "127.0.0.0", "prefix_len": 8 }]);
            manager["internal_address_config"] = json!({ "cidr_ranges": local });
        }
        let flush = json!({ "tracing": { "opentelemetry": { "flush_interval_ms": 100 } } });
        config["layered_runtime"]["layers"] = json!([{ "name": "test", "static_layer": flush }]);
    })
}

/// Whether this Envoy has `%SPAN_ID%`, tells only methods that are known, and asks its own sampling in any case.
fn is_new() -> bool {
    Envoy::version().expect("Envoy tells its version") >= [1, 38, 0]
}

async fn world(collector: &Collector, edit: fn(&mut Value)) -> World {
    World::with(Setting {
        envoy: Some(with_sink(collector, edit)),
        ..Setting::default()
    })
    .await
}

/// The spans, once there are so many.
async fn spans(collector: &Collector, count: usize) -> Vec<Span> {
    for _ in 0..100 {
        if collector.spans().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let spans = collector.spans();
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans
}

fn as_shipped(_: &mut Value) {}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_the_trace_of_its_span() {
    let collector = Collector::start().await;
    let world = world(&collector, as_shipped).await;
    let token = world.token("system/*.rs");
    let client = world.client().reuse(true);
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let mut traced = 0;
    // The trace that is continued, and whether there is a span.
    for (name, path, sent, continued, is_traced) in [
        ("none", "/r4/Patient/p1", None, None, true),
        (
            "one",
            "/r4/Patient/p1",
            Some(sampled.clone()),
            Some(TRACE),
            true,
        ),
        (
            "one, refused",
            "/r4/Patient",
            Some(sampled.clone()),
            Some(TRACE),
            true,
        ),
        (
            "not sampled",
            "/r4/Patient/p1",
            Some(sampled.replace("-01", "-00")),
            Some(TRACE),
            false,
        ),
        (
            "upper case",
            "/r4/Patient/p1",
            Some(sampled.to_uppercase()),
            Some(TRACE),
            true,
        ),
        (
            "no version",
            "/r4/Patient/p1",
            Some(sampled.replacen("00", "ff", 1)),
            Some(TRACE),
            true,
        ),
        (
            "malformed",
            "/r4/Patient/p1",
            Some("diabetes".to_owned()),
            None,
            false,
        ),
        (
            "no trace",
            "/r4/Patient/p1",
            Some(sampled.replace(TRACE, &"0".repeat(32))),
            None,
            false,
        ),
    ] {
        let malformed = sent.is_some() && continued.is_none();
        world.fhir.forget_requests();
        let mut request = Request::get(path);
        if let Some(sent) = sent {
            request = request.header("traceparent", sent);
        }
        let refused = path == "/r4/Patient";
        if !refused {
            request = request.bearer(&token);
        }
        let answer = world.send(&client, request).await;
        assert_eq!(answer.status, if refused { 401 } else { 200 }, "{name}");
        let record = world.records().await.pop().expect("a record");
        let id = answer.header("x-request-id");
        assert_eq!(record["request_id"].as_str(), id.as_deref(), "{name}");
        let told = record["trace"].as_str();
        // Where Envoy has no trace, the filter begins one, by the digits of the request id.
        let own = id.as_deref().unwrap_or_default().replace('-', "");
        let begun = told.is_some_and(|told| told.starts_with(&format!("00-{own}-")));
        assert!(told.is_some() && (begun || !malformed), "{name}: {told:?}");
        if let (Some(told), Some(continued)) = (told, continued) {
            assert!(told.starts_with(&format!("00-{continued}-")), "{name}");
        }
        let ids = |text: &str| -> String {
            let parts = text.split('-').skip(1);
            let parts: Vec<&str> = parts.take(1 + usize::from(is_new())).collect();
            parts.join("-")
        };
        let upstream = world.fhir.requests();
        if let Some(upstream) = upstream.first() {
            let found = upstream.header("traceparent");
            let found = found.as_deref();
            assert_eq!(found.map(ids), told.map(ids), "{name}");
            let flags = found.map(|text| text.ends_with("-01"));
            assert_eq!(flags, told.map(|_| is_traced || malformed), "{name}");
        }
        traced += usize::from(is_traced);
        let spans = spans(&collector, traced).await;
        if is_traced {
            let told = told.map(ids).unwrap_or_default();
            let own = spans.iter().filter(|span| span.ids().starts_with(&told));
            let mut own = own.filter(|span| span.tag("guid:x-request-id") == id.as_deref());
            let span = own.next().unwrap_or_else(|| panic!("{name}: {spans:#?}"));
            assert_eq!(
                span.parent_span_id.is_empty(),
                continued.is_none(),
                "{name}"
            );
            let details = if refused {
                "fhir_guard"
            } else {
                "via_upstream"
            };
            if span.tag("response_code_details").is_some() || is_new() {
                assert_eq!(span.tag("response_code_details"), Some(details), "{name}");
            }
        }
    }
    world.close().await;
}

/// Sends a word of its own in each place, and gives the places whose words are in spans.
async fn found(edit: fn(&mut Value)) -> Vec<&'static str> {
    let collector = Collector::start().await;
    let world = world(&collector, edit).await;
    let token = world.token("system/*.rs");
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let mut sent = 0;
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let client = client.reuse(true);
        let get = |path: &str| Request::get(path).bearer(&token);
        // Refused, so that the filter leaves the client's fields as they are.
        let field = |name: &str, word: &str| get("/r4/unknown/1").header(name, word);
        let mut requests = vec![
            get("/r4/Patient?name=wordquery"),
            get("/r4/wordpath/1"),
            field("user-agent", "wordagent"),
            field("tracestate", "v=wordstate").header("traceparent", &sampled),
            field("x-envoy-decorator-operation", "wordoperation"),
            field("x-envoy-downstream-service-cluster", "wordcluster"),
            field("x-client-trace-id", "wordclient"),
            field("grpc-timeout", "9wordtimeout")
                .header("content-type", "application/grpc+wordtype"),
            get("/r4/wordgrpc/1?a=wordgrpcquery").header("content-type", "application/grpc"),
            field("x-envoy-original-path", "/wordoriginal"),
            field("x-forwarded-proto", "wordscheme"),
            field("baggage", "a=wordbaggage"),
        ];
        if version == Version::Http2 {
            requests.push(Request::new("WORDMETHOD", "/r4/unknown/1").bearer(&token));
        }
        for request in requests {
            let answer = world.send(&client, request).await;
            assert!(answer.status < 500, "{answer:?}");
            sent += 1;
        }
    }
    // A host of the client's choice stays in what is refused.
    let certificate = world.pki.client("clinic-a");
    let client = world.client_of(Some(&certificate), Version::Http1, "secure");
    let request = Request::get("/r4/unknown/1").header("host", "wordhost");
    world.send(&client, request).await;
    let spans = spans(&collector, sent + 1).await;
    assert!(
        spans
            .iter()
            .all(|span| span.tag("http.status_code").is_some())
    );
    let addresses = spans.iter().filter_map(|span| span.tag("peer.address"));
    let mut places = Vec::new();
    if addresses.into_iter().any(|address| address != "-") {
        places.push("address");
    }
    let all = collector.exports().concat();
    for place in [
        "agent",
        "baggage",
        "client",
        "cluster",
        "grpc",
        "grpcquery",
        "host",
        "METHOD",
        "operation",
        "original",
        "path",
        "query",
        "scheme",
        "state",
        "timeout",
        "type",
    ] {
        let word = match place {
            "METHOD" => "WORDMETHOD".to_owned(),
            _ => format!("word{place}"),
        };
        // As whole words: one begins as another does.
        let mut windows = all.windows(word.len() + 1);
        let is_end = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_lowercase());
        if windows.any(|text| text.starts_with(word.as_bytes()) && is_end(text.last())) {
            places.push(place);
        }
    }
    world.close().await;
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_write_is_in_no_span() {
    assert_eq!(found(as_shipped).await, [""; 0]);
}

/// That words would be found: what Envoy writes by default.
#[tokio::test(flavor = "multi_thread")]
async fn spans_without_the_shipped_tags_have_what_callers_write() {
    let places = found(|sink| {
        sink["early_header_mutation_extensions"] = json!([]);
        sink["tracing"]["custom_tags"] = json!([]);
        let tracing = sink["tracing"].as_object_mut();
        tracing.expect("tracing").remove("max_path_tag_length");
    })
    .await;
    let mut expected = vec![
        "address",
        "agent",
        "client",
        "cluster",
        "grpc",
        "grpcquery",
        "host",
        "operation",
        "original",
        "path",
        "query",
        "state",
        "timeout",
        "type",
    ];
    if !is_new() {
        expected.insert(7, "METHOD");
    }
    assert_eq!(places, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_no_callers_choice() {
    let collector = Collector::start().await;
    let none = |sink: &mut Value| sink["tracing"]["random_sampling"]["value"] = json!(0);
    let world = world(&collector, none).await;
    let token = world.token("system/*.rs");
    let client = world.client().reuse(true);
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    for (name, value) in [
        ("traceparent", sampled.as_str()),
        ("x-client-trace-id", "a"),
        ("x-envoy-force-trace", "1"),
        ("x-b3-sampled", "1"),
    ] {
        let request = Request::get("/r4/Patient/p1").bearer(&token);
        let answer = world.send(&client, request.header(name, value)).await;
        assert_eq!(answer.status, 200, "{name}");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // An older one takes the word of `traceparent`.
    spans(&collector, usize::from(!is_new())).await;
    world.close().await;
}
