//! A listener that is replaced while requests wait.

use std::path::Path;
use std::sync::{Arc, Mutex};

use fhir_guard_harness::client::{Client, Version};
use fhir_guard_harness::envoy::free_port;

use super::*;

const PLUGIN: &str = "/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";

/// Envoy looks at a file when another is moved to its place.
fn give(directory: &Path, version: u64, listeners: &[Value]) {
    let new = directory.join("listeners.json.new");
    let response = json!({ "version_info": version.to_string(), "resources": listeners });
    std::fs::write(&new, response.to_string()).expect("a file");
    std::fs::rename(&new, directory.join("listeners.json")).expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_outlive_a_reload_and_the_new_listener_has_the_keys() {
    // Its files lie outside of the containers.
    if std::env::var("FHIR_GUARD_ENVOY").is_ok_and(|form| form == "compose") {
        return;
    }
    let server = AuthorizationServer::start().await;
    let port = server.address().port();
    let directory = std::env::temp_dir().join(format!("fhir-guard-keys-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let place = directory.clone();
    let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
    let secure = free_port().expect("a free port");
    let kept = Arc::clone(&taken);
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            policy["issuers"][0]["keys"] = json!({
                "uri": format!("http://127.0.0.1:{port}{JWKS}"),
                "cluster": "authorization_server", "timeout": "4s",
            });
            policy["limits"] = json!([]);
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "authorization_server", port);
            let all = config["static_resources"]["listeners"].as_array_mut();
            let mut all = std::mem::take(all.expect("listeners"));
            all.retain(|listener| listener["name"] == "secure");
            for listener in &mut all {
                listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
                listener["address"]["socket_address"]["port_value"] = json!(secure);
            }
            assert_eq!(all.len(), 1);
            give(&place, 0, &all);
            let path = place.join("listeners.json").display().to_string();
            config["node"] = json!({ "id": "keys", "cluster": "keys" });
            config["dynamic_resources"] =
                json!({ "lds_config": { "path_config_source": { "path": path } } });
            *kept.lock().expect("nobody panics") = all;
        })),
        ..Setting::default()
    };
    let jwks = Box::new(Answer::Json(issuer().jwks()));
    server.answer(JWKS, Answer::After(Duration::from_millis(2500), jwks));
    let world = World::with(setting).await;
    let certificate = world.pki.client("clinic-a");
    let client = |version| {
        Client::new(
            &world.pki,
            Some(&certificate),
            version,
            ([127, 0, 0, 1], secure).into(),
        )
        .authority("fhir.example.org")
    };
    let token = world.token("patient/*.rs");
    let request = || Request::get("/r4/Patient/p1").bearer(&token);
    let clients: Vec<Client> = (0..8)
        .map(|number| client([Version::Http1, Version::Http2][number % 2]))
        .collect();
    let mut waiting = tokio::task::JoinSet::new();
    for client in clients {
        let request = request();
        waiting.spawn(async move { client.send(request).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;

    let mut changed = taken.lock().expect("nobody panics").clone();
    let plugin = changed[0].pointer_mut(PLUGIN).expect("the filter");
    plugin["configuration"]["value"]["issuers"][0]["clock_skew"] = json!("29s");
    give(&directory, 1, &changed);
    let mut tries = 0;
    while world
        .envoy
        .stat("listener_manager.lds.update_success")
        .await
        .expect("a number")
        < 2
    {
        tries += 1;
        assert!(tries < 250, "envoy does not take its listeners");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(waiting.len(), 8);
    assert!(waiting.try_join_next().is_none(), "they wait");
    let mut answered = 0;
    for _ in 0..8 {
        let answer = client(Version::Http1)
            .send(request())
            .await
            .expect("an answer");
        assert_eq!(answer.status, 200, "of the new listener: {}", answer.text());
        answered += 1;
    }
    while let Some(answer) = waiting.join_next().await {
        let answer = answer.expect("no panic").expect("an answer");
        assert_eq!(answer.status, 200, "of the old listener: {}", answer.text());
        answered += 1;
    }
    assert_eq!(answered, 16);
    assert!(
        server.asked(JWKS).len() <= 2,
        "the new one has its keys from the old one"
    );
    let log = world.envoy.log();
    assert!(!log.contains("panicked"), "the module panicked");
    for (name, value) in world.envoy.stats().await.expect("statistics") {
        assert!(
            !(name.contains("vm_reload") && value > 0),
            "{name} is {value}"
        );
    }
    drop(world);
    let _ = std::fs::remove_dir_all(&directory);
}
