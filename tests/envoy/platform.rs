//! What the shipped manifest and the filter need of Envoy, found out on the one that runs: which of it
//! is there, and that the filter stays closed where it is not.
//!
//! Prints a line for each: `feature: NAME: yes` or `no`. `make matrix` makes a table of them.

use fhir_guard_harness::client::{End, Request, Version};
use fhir_guard_harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::table::{MALFORMED, faults};
use crate::world::{Setting, World};

/// The oldest Envoy that the manifest is for.
const OLDEST: [u32; 3] = [1, 36, 0];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_relied_on_is_there_or_nothing_opens() {
    let version = Envoy::version().expect("Envoy tells its version");
    let mut wrong = Vec::new();
    let mut row = |name: &str, since: [u32; 3], found: bool| {
        println!("feature: {name}: {}", if found { "yes" } else { "no" });
        if found != (version >= since) {
            wrong.push(format!("{name}: {found} on {version:?}, since {since:?}"));
        }
    };

    let validity = [1, 39, 0];
    row(
        "`connection.peer_certificate_valid`: the shipped configuration is accepted as it is",
        validity,
        shipped_is_accepted().await,
    );

    let world = World::start().await;
    let read = world.get("patient/*.rs", "/r4/Patient/p1").await;
    let patient = read.json().unwrap_or_default();
    row(
        "`connection.mtls`, `connection.sha256_peer_certificate_digest`: a bound token opens",
        OLDEST,
        read.status == 200,
    );
    row(
        "`allow_on_headers_stop_iteration`: a held answer arrives, redacted",
        OLDEST,
        patient["id"] == "p1" && patient["birthDate"] == Value::Null,
    );
    let log = world.envoy.log();
    row(
        "`verify_signature`: right and wrong signatures of RS256 to RS512 and ES256 to ES512 are told apart when the configuration is loaded",
        OLDEST,
        log.contains("signatures verified by Envoy: RS256 RS384 RS512 ES256 ES384 ES512"),
    );
    let records = world.records().await;
    row(
        "`%FILTER_STATE(...:PLAIN)%` and its CEL filter: the audit record is written",
        OLDEST,
        records[0]["rule"] == "scope:patient/*.rs",
    );
    let slash = world
        .send(&world.client(), Request::get("/r4/Patient%2Fp1"))
        .await;
    row(
        "`local_reply_config` with CEL, `path_with_escaped_slashes_action`: Envoy's own refusal is an OperationOutcome",
        OLDEST,
        faults(&slash, MALFORMED, false).is_empty(),
    );
    world.fhir.misbehave(Some("content-length-too-long"));
    let cut = world.get("patient/*.rs", "/r4/Patient/p1").await;
    world.fhir.misbehave(None);
    row(
        "HTTP/2: an answer that is cut ends with an error, not with `NO_ERROR`",
        [1, 37, 0],
        cut.end != End::Complete,
    );
    let stats = world.envoy.stats().await.expect("statistics");
    row(
        "`failure_policy: FAIL_RELOAD`: reloads are counted",
        OLDEST,
        stats.contains_key("wasm.fhir_guard.vm_reload_success"),
    );
    world.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// With the default: accepted, and a bound token opens; or refused, with the version that is needed.
async fn shipped_is_accepted() -> bool {
    let setting = || Setting {
        policy: Some(Box::new(|policy| {
            policy["client_certificate"]["validated_by"] = json!("attribute");
        })),
        ..Setting::default()
    };
    if !crate::world::tells_validity() {
        let error = World::refuses(setting()).await;
        assert!(
            error.contains("needs Envoy 1.39 or later, found 1."),
            "{error}"
        );
        return false;
    }
    let world = World::with(setting()).await;
    let client = world.client_of(
        Some(&world.pki.client("clinic-a")),
        Version::Http1,
        "secure",
    );
    let request = Request::get("/r4/Patient/p1").bearer(&world.token("patient/*.rs"));
    let answer = world.send(&client, request).await;
    world.close().await;
    answer.status == 200
}
