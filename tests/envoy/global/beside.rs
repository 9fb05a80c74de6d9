//! Envoy's own rate limit filter behind ours, by what ours tells the server. The blocks of docs/configuration.md are
//! loaded as they stand there.

use std::path::Path;

use fhir_guard_harness::envoy::Manifest;

use super::*;

/// The block of the page whose fence says this.
pub fn block(kind: &str) -> Value {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let fence = format!("```yaml {kind}\n");
    let parts = page.split_once(&fence);
    let (_, rest) = parts.unwrap_or_else(|| panic!("no block {kind}"));
    let (text, _) = rest.split_once("```").expect("the end of the block");
    // The reader takes mappings only, and a block may be a list.
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    let read = Manifest::parse(&format!("block:\n{indented}")).and_then(Manifest::build);
    read.unwrap_or_else(|error| panic!("{kind}: {error}"))["block"].take()
}

/// Puts the filter between ours and the router, and the actions into the routes.
fn insert(config: &mut Value) {
    let listeners = &mut config["static_resources"]["listeners"];
    for listener in listeners.as_array_mut().expect("listeners") {
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let filters = manager["http_filters"].as_array_mut().expect("filters");
        let router = filters.len() - 1;
        let mut filter = block("filter");
        // What is written there is for a machine that does nothing else.
        filter["typed_config"]["timeout"] = json!("5s");
        filters.insert(router, filter);
        let hosts = manager["route_config"]["virtual_hosts"].as_array_mut();
        for host in hosts.expect("hosts") {
            for route in host["routes"].as_array_mut().expect("routes") {
                route["route"]["rate_limits"] = block("actions");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_own_filter_asks_by_what_the_server_is_told() {
    let server = RateLimitServer::start().await;
    let port = server.address().port();
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            let told = block("policy")["fhir"]["upstream"]["identity"].take();
            policy["fhir"]["upstream"]["identity"] = told;
            policy["issuers"][0]["tenant"] = json!("clinic");
        })),
        envoy: Some(Box::new(move |config| {
            cluster(config, port);
            insert(config);
        })),
        ..Setting::default()
    })
    .await;
    let answer = read(&world, Version::Http2).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = server.asked();
    let expected = [("limit", "per-client"), ("client", "clinic-a")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].descriptors, [expected.to_vec()]);
    assert_eq!(asked[0].domain, "fhir");
    server.judge(over(5));
    for version in [Version::Http1, Version::Http2] {
        let answer = read(&world, version).await;
        assert_eq!(answer.status, 429, "{}", answer.text());
    }
    let records = world.records().await;
    assert_eq!(records.last().expect("a record")["outcome"], "proxy");
    // Who is refused is not asked about.
    let before = server.asked().len();
    let refused = world.get("patient/Observation.rs", "/r4/Patient/p1").await;
    assert_eq!((refused.status, server.asked().len()), (403, before));
    world.close().await;
}
