//! What stands for the whole time: Envoy, which takes its listeners from a file and takes them
//! again when the file changes, and a FHIR server that comes and goes on one port.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::weather::Sky;
use crate::client::{Client, Version};
use crate::envoy::{Envoy, Manifest, Spec, free_port, module};
use crate::fhir::{self, FhirServer, Hostile};
use crate::pki::{ClientCertificate, Pki};
use crate::tokens::{Claims, Issuer, now};

/// The external base of the guarded API.
pub(super) const BASE: &str = "https://fhir.example.org/r4";

/// What the limit of a client lets through: at once, and then a second. More than an honest caller
/// asks for.
pub(super) const BURST: u64 = 100;
pub(super) const RATE: u64 = 20;

/// Certificates that callers share.
const CERTIFICATES: usize = 4;

/// How long an operation may take on a machine that is busy with all of this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the filter stands in a listener of the manifest.
const PLUGIN: &str = "/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";

pub(super) struct Stage {
    // First, so that Envoy is gone before what it talks to.
    pub(super) envoy: Envoy,
    pub(super) pki: Pki,
    pub(super) issuer: Issuer,
    secure: SocketAddr,
    open: SocketAddr,
    listeners: Vec<Value>,
    fhir_port: u16,
    fhir: Mutex<Option<FhirServer>>,
    reload: Mutex<Option<Instant>>,
    reloads: AtomicU64,
    directory: TempDir,
}

/// What changes when Envoy takes its listeners again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reload {
    /// The filter's configuration: the machine stays, the filter in it begins anew.
    Policy,
    /// The machine's configuration: every worker gets a new one.
    Machine,
}

impl Stage {
    pub(super) async fn set_up() -> Result<Stage, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let directory = tempfile::Builder::new()
            .prefix("fhir-guard-soak-")
            .tempdir()
            .map_err(|error| format!("cannot make a directory: {error}"))?;
        let pki = Pki::new();
        for number in 0..CERTIFICATES {
            pki.client(&name_of(number));
        }
        pki.write_to(&directory.path().join("tls"))?;
        let module = module()?;
        fs::copy(&module, directory.path().join("fhir_guard.wasm")).map_err(|error| {
            format!("cannot copy the filter from {}: {error}", module.display())
        })?;
        let issuer = Issuer::new("https://as.example.org");
        let server = FhirServer::try_start(options(0)).await?;
        let upstream = server.address();
        let (secure, open) = (free_port()?, free_port()?);
        let jwks = issuer.jwks();
        let version = Envoy::version()?;
        let mut config = Manifest::load(root.join("envoy/envoy.yaml"))?
            .port("secure", secure)
            .port("open", open)
            .admin_port(0)
            .serving(upstream, &jwks, version >= [1, 39, 0])
            .files("/etc/fhir-guard/", directory.path())
            .access_log(&directory.path().join("audit.log"))
            .plugin(|policy| {
                policy["limits"][0]["rate"] = json!(format!("{RATE}/s"));
                policy["limits"][0]["burst"] = json!(BURST);
            })
            .local_only()
            .build()?;
        let listeners = take_listeners(&mut config, directory.path())?;
        write_listeners(directory.path(), 0, &listeners)?;
        let envoy = Envoy::start(Spec::new(config)).await?;
        let active = envoy
            .stat("listener_manager.total_listeners_active")
            .await?;
        if active != listeners.len() as u64 {
            let expected = listeners.len();
            return Err(format!(
                "envoy has {active} listeners, expected {expected}; its log ends: {}",
                tail(&envoy.log())
            ));
        }
        Ok(Stage {
            envoy,
            pki,
            issuer,
            secure: SocketAddr::from(([127, 0, 0, 1], secure)),
            open: SocketAddr::from(([127, 0, 0, 1], open)),
            listeners,
            fhir_port: upstream.port(),
            fhir: Mutex::new(Some(server)),
            reload: Mutex::default(),
            reloads: AtomicU64::new(0),
            directory,
        })
    }

    /// The records, one a line.
    pub(super) fn audit(&self) -> PathBuf {
        self.directory.path().join("audit.log")
    }

    /// The certificate that this caller shows.
    pub(super) fn certificate(&self, caller: usize) -> ClientCertificate {
        self.pki.client(&name_of(caller % CERTIFICATES))
    }

    /// A client on the listener that requires a certificate, or, without one, on the other.
    pub(super) fn client(&self, of: Option<&ClientCertificate>, version: Version) -> Client {
        let address = match of {
            Some(_) => self.secure,
            None => self.open,
        };
        Client::new(&self.pki, of, version, address)
            .authority("fhir.example.org")
            .timeout(PATIENCE)
    }

    /// A good token's claims, bound to this caller's certificate.
    pub(super) fn claims(&self, caller: usize) -> Claims {
        Claims::new(now())
            .audience(BASE)
            .client_id(&format!("soak-{caller}"))
            .bound_to(&self.certificate(caller))
    }

    /// Lets the FHIR server behave as this sky says; away means that nothing listens on its port.
    pub(super) async fn show(&self, sky: Sky) -> Result<(), String> {
        let mut fhir = self.fhir.lock().await;
        match (sky, fhir.take()) {
            (Sky::Away, Some(server)) => server.stop().await,
            (Sky::Away, None) => (),
            (sky, server) => {
                let server = match server {
                    Some(server) => server,
                    None => FhirServer::try_start(options(self.fhir_port)).await?,
                };
                server.misbehave(sky.misbehaviour().map(fhir::Misbehaviour::name));
                // What it remembers is for tests that look at it, and would be mistaken for growth.
                server.forget_requests();
                *fhir = Some(server);
            }
        }
        Ok(())
    }

    /// Gives Envoy its listeners again, changed.
    pub(super) async fn reload(&self, what: Reload) -> Result<(), String> {
        let number = self.reloads.fetch_add(1, Ordering::Relaxed) + 1;
        let mut listeners = self.listeners.clone();
        for listener in &mut listeners {
            let plugin = listener
                .pointer_mut(PLUGIN)
                .ok_or_else(|| format!("a listener of the manifest has no {PLUGIN}"))?;
            match what {
                Reload::Policy => {
                    let skew = json!(format!("{}s", 20 + number % 10));
                    plugin["configuration"]["value"]["issuers"][0]["clock_skew"] = skew;
                }
                Reload::Machine => {
                    plugin["vm_config"]["configuration"] = json!({
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": format!("{number}"),
                    });
                }
            }
        }
        *self.reload.lock().await = Some(Instant::now());
        write_listeners(self.directory.path(), number, &listeners)?;
        // The listeners are there when Envoy says so.
        for _ in 0..500 {
            let name = "listener_manager.lds.update_success";
            if self.envoy.stat(name).await? > number {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(format!(
            "envoy did not take its listeners for the {number}th time within 10 s"
        ))
    }

    /// How often the listeners were taken again.
    pub(super) fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    /// Whether connections may be drained just now, because the listeners changed a moment ago.
    pub(super) async fn is_draining(&self) -> bool {
        let last = *self.reload.lock().await;
        last.is_some_and(|last| last.elapsed() < Duration::from_secs(8))
    }
}

fn name_of(certificate: usize) -> String {
    format!("clinic-{certificate}")
}

fn options(port: u16) -> fhir::Options {
    fhir::Options {
        port,
        hostile: Some(Hostile::OnRequest),
        ..fhir::Options::default()
    }
}

fn tail(log: &str) -> &str {
    let start = log.ceil_char_boundary(log.len().saturating_sub(3000));
    log.split_at(start).1
}

/// Takes the listeners out of the configuration and names the file that brings them.
fn take_listeners(config: &mut Value, directory: &Path) -> Result<Vec<Value>, String> {
    let listeners = config.pointer_mut("/static_resources/listeners");
    let Some(Value::Array(mut listeners)) = listeners.map(Value::take) else {
        return Err("the manifest has no listeners".to_owned());
    };
    for listener in &mut listeners {
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    }
    config["static_resources"]["listeners"] = json!([]);
    config["node"] = json!({ "id": "soak", "cluster": "soak" });
    let path = directory.join("listeners.json").display().to_string();
    config["dynamic_resources"] =
        json!({ "lds_config": { "path_config_source": { "path": path } } });
    Ok(listeners)
}

/// Envoy looks at a file when another is moved to its place.
fn write_listeners(directory: &Path, version: u64, listeners: &[Value]) -> Result<(), String> {
    let file = directory.join("listeners.json");
    let new = directory.join("listeners.json.new");
    let response = json!({ "version_info": version.to_string(), "resources": listeners });
    fs::write(&new, response.to_string())
        .and_then(|()| fs::rename(&new, &file))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
}
