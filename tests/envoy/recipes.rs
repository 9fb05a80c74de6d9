//! What the server behind the filter receives: the fields of its caller, and a token of its own. The
//! recipes of docs/upstreams.md are loaded as they stand there.

use std::path::{Path, PathBuf};
use std::process::Command;

use fhir_guard_harness::client::Request;
use fhir_guard_harness::envoy::{Envoy, Manifest, module};
use fhir_guard_harness::tokens::{Algorithm, Issuer};
use serde_json::{Value, json};

use crate::table::{FORGED, Table};
use crate::world::{Setting, World, tells_validity};

/// What is written into the file of the recipes.
const SECRET: &str = "Bearer of-the-server";

/// The block of the recipes whose fence says this.
fn block(kind: &str) -> Value {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/upstreams.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let fence = format!("```yaml {kind}\n");
    let (_, rest) = page
        .split_once(&fence)
        .unwrap_or_else(|| panic!("no block {kind}"));
    let (text, _) = rest.split_once("```").expect("the end of the block");
    let text = text.trim_end_matches(' ');
    let text = text.replace("Bearer SECRET", SECRET);
    // The reader takes mappings only, and a block may be a list.
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    let mut read = Manifest::parse(&format!("block:\n{indented}"))
        .and_then(Manifest::build)
        .unwrap_or_else(|error| panic!("{kind}: {error}"));
    read["block"].take()
}

/// A directory for the file with the server's credential.
fn directory() -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("fhir-guard-recipe-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(path.join("upstream")).expect("a directory");
    let credential = block("credential").to_string();
    std::fs::write(path.join("upstream/credential.yaml"), credential).expect("a file");
    path
}

/// Puts a filter between ours and the router, on every listener, and gives Envoy a name.
fn insert(config: &mut Value, filter: &Value) {
    config["node"] = block("node");
    let listeners = &mut config["static_resources"]["listeners"];
    for listener in listeners.as_array_mut().expect("listeners") {
        let filters =
            &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
        let filters = filters.as_array_mut().expect("filters");
        let router = filters.len() - 1;
        filters.insert(router, filter.clone());
    }
}

#[test]
fn every_recipe_is_loaded() {
    for server in ["hapi", "azure", "google"] {
        let directory = directory();
        let fhir = block(&format!("{server} fhir"));
        let filter = block(&format!("{server} filter"));
        let clusters = block(&format!("{server} clusters"));
        let issuer = Issuer::new("https://as.example.org");
        fhir_guard_harness::pki::Pki::new()
            .write_to(&directory.join("tls"))
            .expect("certificates can be written");
        let wasm = directory.join("fhir_guard.wasm");
        std::fs::copy(module().expect("make wasm has been run"), wasm).expect("a copy");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = |missing: bool| {
            let mut plugin_fhir = fhir.clone();
            if missing {
                plugin_fhir["upstream"]["identity"]["client"] = json!("host");
            }
            Manifest::load(root.join("envoy/envoy.yaml"))
                .expect("the shipped manifest can be read")
                .plugin(|policy| {
                    policy["fhir"] = plugin_fhir.clone();
                    policy["issuers"][0]["keys"] =
                        json!({"inline": {"keys": [issuer.jwk(Algorithm::Es256)]}});
                    if !tells_validity() {
                        policy["client_certificate"]["validated_by"] = json!("listener");
                    }
                })
                .edit(|config| {
                    config["static_resources"]["clusters"] = clusters.clone();
                    insert(config, &filter);
                })
                .files("/etc/fhir-guard/", &directory)
                .build()
                .expect("every patch finds its place")
        };
        // A recipe that is refused shows that the other was looked at.
        for (wrong, expected) in [(false, true), (true, false)] {
            let file = directory.join("envoy.json");
            std::fs::write(&file, config(wrong).to_string()).expect("a file");
            let output = Command::new(Envoy::find().expect("an Envoy"))
                .args(["--mode", "validate", "-c"])
                .arg(&file)
                .output()
                .expect("Envoy runs");
            let log = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.success(), expected, "{server}: {log}");
            assert!(
                expected || log.contains("/fhir/upstream/identity/client: expected a name"),
                "{server}: {log}"
            );
        }
        let _ = std::fs::remove_dir_all(&directory);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_gets_its_own_token_and_our_word_about_the_caller() {
    let directory = directory();
    let (filter, own) = (block("hapi filter"), directory.clone());
    let identity = block("hapi fhir")["upstream"]["identity"].clone();
    let told = identity.clone();
    let world = World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["fhir"]["upstream"]["identity"] = told.clone();
            policy["issuers"][0]["tenant"] = json!("Tenant-1");
        })),
        envoy: Some(Box::new(move |config| {
            let text = filter.to_string();
            let text = text.replace("/etc/fhir-guard", own.to_str().expect("a path"));
            insert(config, &serde_json::from_str(&text).expect("JSON"));
        })),
        ..Setting::default()
    })
    .await;
    let client = world.client();
    let mut table = Table::new(&world);
    let claims = world.claims().subject("Zo\u{eb} %0d");
    let token = world.issuer.token(&claims);
    let fields: Vec<(String, String)> = identity
        .as_object()
        .expect("an object")
        .iter()
        .map(|(fact, name)| (fact.clone(), name.as_str().expect("a name").to_owned()))
        .collect();
    let spoofing = |request: Request| {
        let request = fields
            .iter()
            .fold(request, |request, (_, name)| request.header(name, "admin"));
        request.header("x-authorization-subject", "admin")
    };
    let read = || spoofing(Request::get("/r4/Patient/p1"));
    table
        .answered("a read", &client, read().bearer(&token), 200)
        .await;
    let public = spoofing(Request::get("/r4/metadata"));
    table.answered("a public path", &client, public, 200).await;
    let forged = read().bearer(&format!("{token}x"));
    table
        .refused("refused", &client, forged, FORGED, "token.signature")
        .await;
    let sent = world.fhir.requests();
    let [data, public] = sent.as_slice() else {
        panic!("{} requests went upstream", sent.len())
    };
    let of = |recorded: &fhir_guard_harness::fhir::Recorded, name: &str| -> Vec<String> {
        let named = recorded.headers.iter().filter(|(header, _)| header == name);
        named
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    };
    for (fact, name) in &fields {
        let expected = match fact.as_str() {
            "subject" => "Zo%C3%AB %250d",
            "user" => "Practitioner/practitioner-1",
            "client" => "clinic-a",
            "patient" => "p1",
            "tenant" => "Tenant-1",
            other => panic!("{other}"),
        };
        assert_eq!(of(data, name), [expected], "{fact}");
        assert!(of(public, name).is_empty(), "{fact} of nobody");
    }
    for recorded in [data, public] {
        assert_eq!(of(recorded, "authorization"), [SECRET]);
        assert!(of(recorded, "x-authorization-subject").is_empty());
        for (name, value) in &recorded.headers {
            let value = String::from_utf8_lossy(value);
            assert!(
                !value.contains(&token) && value != "admin",
                "{name}: {value}"
            );
        }
    }
    table.finish().await;
    world.close().await;
    let _ = std::fs::remove_dir_all(&directory);
}
