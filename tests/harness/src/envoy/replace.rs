//! An Envoy that is given other listeners and clusters while it runs. To compile the module is most of what a start
//! costs, and an Envoy that has it compiled keeps it as long as some listener uses it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Envoy, POLL, READY_WITHIN, Spec, free_port, manifest, new_directory};

/// What comes from files: the key in the configuration, the type, and the statistic that counts its updates.
const KINDS: [(&str, &str, &str); 2] = [
    (
        "clusters",
        "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "cluster_manager.cds",
    ),
    (
        "listeners",
        "type.googleapis.com/envoy.config.listener.v3.Listener",
        "listener_manager.lds",
    ),
];

impl Envoy {
    /// As [`Envoy::start`], for [`Envoy::replace`].
    ///
    /// # Errors
    /// As [`Envoy::start`], and when a file cannot be written.
    pub async fn start_replaceable(spec: Spec) -> Result<Envoy, String> {
        let Spec { mut config, .. } = spec;
        let files = new_directory()?;
        let audit = files.path().join("audit.log");
        manifest::fill_ports(&mut config, free_port)?;
        manifest::redirect_access_logs(&mut config, &audit);
        let listeners = manifest::listener_addresses(&config)?;
        let named = config.clone();
        for (kind, resources) in take(&mut config) {
            write(files.path(), kind, &resources)?;
        }
        let file = |kind: &str| files.path().join(format!("{kind}.json"));
        let source = |kind| json!({ "path_config_source": { "path": file(kind) } });
        config["node"] = json!({ "id": "replaceable", "cluster": "replaceable" });
        config["dynamic_resources"] =
            json!({ "lds_config": source("listeners"), "cds_config": source("clusters") });
        let mut envoy = Envoy::start_once(files, Spec { config, ..spec }, Some(&named)).await?;
        envoy.listeners = listeners;
        envoy.audit = Some(audit);
        let stats = envoy.stats().await?;
        for (kind, _, statistic) in KINDS {
            let taken = stats.get(&format!("{statistic}.update_success"));
            if taken.is_none_or(|count| *count == 0) {
                return Err(envoy.refusal(kind));
            }
        }
        Ok(envoy)
    }

    /// Gives it the listeners, on other ports, and the clusters of this configuration, in the place of those it has,
    /// and waits until it has them. The rest of the configuration is that of the start.
    ///
    /// # Errors
    /// When Envoy was not started for it, does not take them, or a file cannot be written.
    pub async fn replace(&mut self, mut config: Value) -> Result<(), String> {
        manifest::fill_ports(&mut config, free_port)?;
        manifest::redirect_access_logs(&mut config, &self.path.join("audit.log"));
        let listeners = manifest::listener_addresses(&config)?;
        let taken = take(&mut config);
        if rest(config) != rest(self.started()?) {
            return Err("only listeners and clusters can be replaced".to_owned());
        }
        for ((kind, resources), (_, _, statistic)) in taken.into_iter().zip(KINDS) {
            let count = |stats: &BTreeMap<String, u64>, of: &[&str]| -> u64 {
                let name = |of: &&str| format!("{statistic}.update_{of}");
                let counts = of.iter().filter_map(|of| stats.get(&name(of)));
                counts.sum()
            };
            // What Envoy does not understand, and what it understands and does not take.
            let refused = ["failure", "rejected"];
            let before = self.stats().await?;
            write(&self.path, kind, &resources)?;
            let mut rounds = READY_WITHIN.as_millis() / POLL.as_millis();
            loop {
                let stats = self.stats().await?;
                if count(&stats, &refused) > count(&before, &refused) || rounds == 0 {
                    return Err(self.refusal(kind));
                }
                let warm = [
                    "cluster_manager.warming_clusters",
                    "listener_manager.total_listeners_warming",
                ];
                let is_taken = count(&stats, &["success"]) > count(&before, &["success"]);
                let is_warm = warm
                    .iter()
                    .all(|name| stats.get(*name).is_none_or(|one| *one == 0));
                if is_taken && is_warm {
                    break;
                }
                rounds -= 1;
                sleep(POLL).await;
            }
        }
        self.listeners = listeners;
        Ok(())
    }

    fn refusal(&self, kind: &str) -> String {
        let log = self.log_tail();
        format!("envoy does not take these {kind}; its log ends: {log}")
    }

    /// The configuration that it was started with.
    fn started(&self) -> Result<Value, String> {
        let file = self.path.join("envoy.json");
        let text =
            fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()))
    }
}

/// What is the same for all that one Envoy is given.
fn rest(mut config: Value) -> Value {
    if let Some(members) = config.as_object_mut() {
        for own in ["admin", "node", "dynamic_resources"] {
            members.remove(own);
        }
    }
    config
}

/// Takes what comes from files out of a configuration.
fn take(config: &mut Value) -> [(&'static str, Vec<Value>); 2] {
    KINDS.map(|(kind, of_type, _)| {
        let taken = config["static_resources"][kind].take();
        config["static_resources"][kind] = json!([]);
        let mut resources = match taken {
            Value::Array(resources) => resources,
            _ => Vec::new(),
        };
        for resource in &mut resources {
            resource["@type"] = json!(of_type);
        }
        (kind, resources)
    })
}

/// Envoy looks at a file when another is moved to its place.
fn write(directory: &Path, kind: &str, resources: &[Value]) -> Result<(), String> {
    static VERSION: AtomicU64 = AtomicU64::new(0);
    let version = VERSION.fetch_add(1, Ordering::Relaxed);
    let response = json!({ "version_info": version.to_string(), "resources": resources });
    let new = directory.join(format!("{kind}.new"));
    fs::write(&new, response.to_string())
        .and_then(|()| fs::rename(&new, directory.join(format!("{kind}.json"))))
        .map_err(|error| format!("cannot write {kind} into {}: {error}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Running, configuration};
    use super::*;
    use crate::client::{Client, Request, Version};
    use crate::pki::Pki;

    #[tokio::test]
    async fn listeners_and_clusters_are_replaced_and_nothing_else() {
        let pki = Pki::new();
        let (config, files) = configuration(&pki, free_port().unwrap());
        let envoy = Envoy::start_replaceable(Spec::new(config.clone())).await;
        let mut running = Running {
            pki,
            envoy: envoy.unwrap(),
            files,
        };
        let asked = async |running: &Running| {
            let address = running.envoy.address("open");
            let client = Client::new(&running.pki, None, Version::Http1, address);
            let answer = client.send(Request::get("/x")).await.unwrap();
            (answer.text(), address)
        };
        let (first, before) = asked(&running).await;
        assert_eq!(first, "direct");

        let mut other = config.clone();
        let routes = "/static_resources/listeners/1/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
        other.pointer_mut(routes).unwrap()[1]["direct_response"]["body"]["inline_string"] =
            json!("other");
        for listener in [0, 1] {
            let port = "/address/socket_address/port_value";
            *other["static_resources"]["listeners"][listener]
                .pointer_mut(port)
                .unwrap() = json!(0);
        }
        running.envoy.replace(other.clone()).await.unwrap();
        let (then, after) = asked(&running).await;
        assert_eq!(then, "other");
        assert_ne!(before, after);
        assert_eq!(running.envoy.audit_of(2).await.unwrap().len(), 2);

        let mut wrong = other.clone();
        wrong["static_resources"]["listeners"][0]["filter_chains"][0]["filters"] = json!("none");
        let error = running.envoy.replace(wrong).await.unwrap_err();
        assert!(
            error.contains("envoy does not take these listeners"),
            "{error}"
        );
        other["stats_config"] = json!({});
        let error = running.envoy.replace(other).await.unwrap_err();
        assert_eq!(error, "only listeners and clusters can be replaced");
    }
}
