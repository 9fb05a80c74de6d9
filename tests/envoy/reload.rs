//! The listener `secure` in a file of its own, from which Envoy takes it anew while requests are under way.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fhir_guard_harness::client::{Client, Version};
use fhir_guard_harness::envoy::free_port;
use serde_json::{Value, json};

use crate::world::{EditEnvoy, World};

const PLUGIN: &str = "/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";

/// The file, and the listener in it. Dropping it removes the folder.
pub struct Reload {
    pub directory: PathBuf,
    port: u16,
    listener: Arc<Mutex<Value>>,
    version: AtomicU64,
}

impl Reload {
    /// A folder of this name; `None` where Envoy runs in a container, which does not see it.
    pub fn new(name: &str) -> Option<Reload> {
        if std::env::var("FHIR_GUARD_ENVOY").is_ok_and(|form| form == "compose") {
            return None;
        }
        let name = format!("fhir-guard-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        Some(Reload {
            directory,
            port: free_port().expect("a free port"),
            listener: Arc::default(),
            version: AtomicU64::new(0),
        })
    }

    /// Moves the listener from Envoy's configuration, with this change, into the file.
    pub fn edit(&self, change: impl FnOnce(&mut Value) + 'static) -> EditEnvoy {
        let (directory, port) = (self.directory.clone(), self.port);
        let kept = Arc::clone(&self.listener);
        Box::new(move |config| {
            let listeners = config["static_resources"]["listeners"].take();
            let listeners = listeners.as_array().expect("listeners");
            let of_name = |listener: &&Value| listener["name"] == "secure";
            let mut own = listeners.iter().find(of_name).expect("secure").clone();
            own["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            own["address"]["socket_address"]["port_value"] = json!(port);
            change(&mut own);
            config["static_resources"]["listeners"] = json!([]);
            give(&directory, 0, &own);
            let path = directory.join("listeners.json").display().to_string();
            config["node"] = json!({ "id": "reload", "cluster": "reload" });
            config["dynamic_resources"] =
                json!({ "lds_config": { "path_config_source": { "path": path } } });
            *kept.lock().expect("nobody panics") = own;
        })
    }

    /// A client of `clinic-a`.
    pub fn client(&self, world: &World, version: Version) -> Client {
        let certificate = world.pki.client("clinic-a");
        let address = ([127, 0, 0, 1], self.port).into();
        let client = Client::new(&world.pki, Some(&certificate), version, address);
        client.authority("fhir.example.org")
    }

    /// Gives Envoy the listener with another configuration of the filter, and waits until it has it.
    pub async fn replace(&self, world: &World) {
        self.change(world, |plugin| {
            plugin["configuration"]["value"]["issuers"][0]["clock_skew"] = json!("29s");
        })
        .await;
    }

    /// Gives Envoy the first listener with this change of the plugin, and waits until it has it.
    pub async fn change(&self, world: &World, change: impl FnOnce(&mut Value)) {
        self.give(world, "update_success", change).await;
    }

    /// Gives Envoy the listener with this change of the filter's configuration, which it must refuse, and tells what
    /// its log says of it.
    pub async fn refused(&self, world: &World, change: impl FnOnce(&mut Value)) -> String {
        let before = world.envoy.log().len();
        self.give(world, "update_rejected", |plugin| {
            change(&mut plugin["configuration"]);
        })
        .await;
        for _ in 0..250 {
            // Written some time after it was counted.
            let log = world.envoy.log().split_off(before);
            if log.contains("listener(s) secure") {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("envoy does not say what it refuses");
    }

    /// Gives Envoy the first listener with this change, and waits until this statistic has counted it.
    async fn give(&self, world: &World, counter: &str, change: impl FnOnce(&mut Value)) {
        let counter = format!("listener_manager.lds.{counter}");
        let count = async || world.envoy.stat(&counter).await.expect("a number");
        let before = count().await;
        let mut own = self.listener.lock().expect("nobody panics").clone();
        let plugin = own.pointer_mut(PLUGIN).expect("the filter");
        change(plugin);
        if plugin["configuration"].is_null() {
            let members = plugin.as_object_mut().expect("an object");
            members.remove("configuration");
        }
        let version = 1 + self.version.fetch_add(1, Ordering::Relaxed);
        give(&self.directory, version, &own);
        // Another machine is compiled first.
        for _ in 0..3000 {
            if count().await > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("envoy does not take its listener");
    }
}

impl Drop for Reload {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Envoy looks at a file when another is moved to its place.
fn give(directory: &Path, version: u64, listener: &Value) {
    let new = directory.join("listeners.json.new");
    let response = json!({ "version_info": version.to_string(), "resources": [listener] });
    std::fs::write(&new, response.to_string()).expect("a file");
    std::fs::rename(&new, directory.join("listeners.json")).expect("a file");
}
