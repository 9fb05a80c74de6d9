//! What stands for the whole campaign: the files, the servers, and an Envoy that takes its listener from a file and is
//! started again after each death, on the same port and with the same log.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fhir_guard_harness::client::{Client, Version};
use fhir_guard_harness::envoy::{Envoy, Manifest, Spec, free_port, module};
use fhir_guard_harness::fhir::{self, FhirServer};
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use fhir_guard_harness::tokens::{Claims, Issuer, now};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::kills::FLUSH;
use crate::load::{Millis, clock};
use crate::repository::Repository;
use crate::sinks::Files;
use crate::trap::trapping;
use crate::{Format, Mode};

/// The external base of the guarded API.
const BASE: &str = "https://fhir.example.org/r4";

/// An Ed25519 key, as openssl writes it, and the public key to it.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd";
pub(crate) const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAnHShm8hLNta6MmsEXXiY+LAhLhSPhEt/3vE3/u29RpA=
-----END PUBLIC KEY-----";

/// Heads of answers that a machine of the module that traps takes until it does.
const TRAPS_AT: u32 = 150;

const PLUGIN: &str = "/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";

pub(crate) struct Stage {
    // First, so that Envoy is gone before what it talks to.
    envoy: Mutex<Option<Envoy>>,
    pub(crate) repository: Repository,
    config: Value,
    listener: Value,
    pki: Pki,
    certificate: ClientCertificate,
    issuer: Issuer,
    address: SocketAddr,
    /// Grows when connections are best made anew.
    generation: AtomicU64,
    version: AtomicU64,
    rotations: AtomicU64,
    _fhir: FhirServer,
    path: PathBuf,
    /// Removed at the end, unless the environment variable `KEEP` is set.
    _directory: Option<TempDir>,
}

impl Stage {
    pub(crate) async fn set_up(mode: Mode, format: Format) -> Result<Stage, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let directory = tempfile::Builder::new()
            .prefix("fhir-guard-loss-")
            .tempdir();
        let directory = directory.map_err(|error| format!("cannot make a directory: {error}"))?;
        let path = &directory.path().to_owned();
        let pki = Pki::new();
        let certificate = pki.client("clinic-a");
        pki.write_to(&path.join("tls"))?;
        let module = module()?;
        let bytes = fs::read(&module)
            .map_err(|error| format!("cannot read {}: {error}", module.display()))?;
        write(&path.join("trapping.wasm"), &trapping(&bytes, TRAPS_AT)?)?;
        write(&path.join("fhir_guard.wasm"), &bytes)?;
        let issuer = Issuer::new("https://as.example.org");
        let server = FhirServer::try_start(fhir::Options::default()).await?;
        let (upstream, jwks, version) = (server.address(), issuer.jwks(), Envoy::version()?);
        let (secure, audit) = (free_port()?, free_port()?);
        let mut config = Manifest::load(root.join("envoy/envoy.yaml"))?
            .port("secure", secure)
            .port("open", free_port()?)
            .admin_port(0)
            .serving(upstream, &jwks, version >= [1, 39, 0])
            .files("/etc/fhir-guard/", path)
            .access_log(&path.join("access.log"))
            .plugin(|policy| {
                policy["limits"] = json!([]);
                policy["secrets"]["checkpoint_key"] = json!({ "inline": KEY });
                policy["audit"]["chain"] =
                    json!({ "key_id": "audit-1", "records": 100, "time": "1s" });
                policy["audit"]["repository"] = json!({
                    "cluster": "repository",
                    "uri": format!("http://127.0.0.1:{audit}/audit"),
                    "format": format.name(),
                    "timeout": "1s",
                    "queue": "256KiB",
                    "strict": mode == Mode::Strict,
                });
            })
            .local_only()
            .edit(|config| add_cluster(config, audit))
            .build()?;
        let listener = take_listener(&mut config, path)?;
        let stage = Stage {
            envoy: Mutex::default(),
            repository: Repository::new(audit, &path.join("repository.ndjson"))?,
            config,
            listener,
            pki,
            certificate,
            issuer,
            address: SocketAddr::from(([127, 0, 0, 1], secure)),
            generation: AtomicU64::new(0),
            version: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            _fhir: server,
            path: path.clone(),
            _directory: match env::var_os("KEEP") {
                None => Some(directory),
                Some(_) => {
                    println!("the logs are kept in {}", directory.keep().display());
                    None
                }
            },
        };
        stage.write_listener(false)?;
        stage.repository.start().await?;
        stage.start().await?;
        Ok(stage)
    }

    pub(crate) fn client(&self, version: Version) -> Client {
        Client::new(&self.pki, Some(&self.certificate), version, self.address)
            .authority("fhir.example.org")
            .timeout(Duration::from_secs(10))
            .reuse(true)
    }

    /// A token for everything that can be read.
    pub(crate) fn token(&self) -> String {
        let claims = Claims::new(now()).audience(BASE).scope("system/*.rs");
        self.issuer.token(&claims.bound_to(&self.certificate))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Gives Envoy its listener anew, with another configuration of the filter and of its machine; or with the module
    /// that traps.
    pub(crate) async fn reload(&self, traps: bool) -> Result<(), String> {
        let before = self.count("listener_manager.lds.update_success").await?;
        let refused = self.count("listener_manager.lds.update_rejected").await?;
        self.write_listener(traps)?;
        for _ in 0..1500 {
            if self.count("listener_manager.lds.update_rejected").await? > refused {
                return Err(format!("envoy refuses the listener: {}", self.log().await));
            }
            let taken = self.count("listener_manager.lds.update_success").await? > before;
            if taken
                && self
                    .count("listener_manager.total_listeners_warming")
                    .await?
                    == 0
            {
                self.generation.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(format!(
            "envoy does not take the listener: {}",
            self.log().await
        ))
    }

    /// How many machines have come back after a trap, in the life of this Envoy.
    pub(crate) async fn revived(&self) -> Result<u64, String> {
        let envoy = self.envoy.lock().await;
        let stats = envoy.as_ref().ok_or("envoy is away")?.stats().await?;
        let own = stats
            .iter()
            .filter(|(name, _)| name.ends_with("vm_reload_success"));
        Ok(own.map(|(_, count)| count).sum())
    }

    /// Moves the access log away and lets Envoy open it anew.
    pub(crate) async fn rotate(&self) -> Result<(), String> {
        let number = 1 + self.rotations.fetch_add(1, Ordering::Relaxed);
        let log = self.file("access.log");
        fs::rename(&log, log.with_extension(format!("{number}.log")))
            .map_err(|error| format!("cannot move {}: {error}", log.display()))?;
        let envoy = self.envoy.lock().await;
        let envoy = envoy.as_ref().ok_or("envoy is away")?;
        envoy.admin_post("/reopen_logs").await.map(|_| ())
    }

    /// Kills Envoy with SIGKILL, and starts another: when it was killed.
    pub(crate) async fn kill(&self) -> Result<Millis, String> {
        let mut kept = self.envoy.lock().await;
        let mut envoy = kept.take().ok_or("envoy is away")?;
        let pid = envoy.pid().to_string();
        let status = Command::new("kill").args(["-9", &pid]).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!("cannot kill {pid}"));
        }
        let killed = clock();
        ended(&mut envoy).await?;
        self.keep_log(&envoy)?;
        drop((envoy, kept));
        self.start().await?;
        Ok(killed)
    }

    /// Waits until nothing comes to the repository any more; longer where nothing may be missing then, because queues
    /// rest after failures.
    pub(crate) async fn settle(&self, deaths: bool) -> Result<(), String> {
        let enough = if deaths { 6 } else { 24 };
        let (mut before, mut quiet) = (0, 0);
        for _ in 0..180 {
            sleep(Duration::from_millis(500)).await;
            let lines = self.repository.lines();
            quiet = if lines == before { quiet + 1 } else { 0 };
            if quiet == enough {
                return Ok(());
            }
            before = lines;
        }
        Err("the repository is never quiet".to_owned())
    }

    /// Ends Envoy in good order, and keeps what its log says of the ends of chains.
    pub(crate) async fn quit(&self) -> Result<(), String> {
        let mut envoy = self.envoy.lock().await.take().ok_or("envoy is away")?;
        // It may be gone before it has answered.
        let _ = envoy.admin_post("/quitquitquit").await;
        ended(&mut envoy).await?;
        self.keep_log(&envoy)?;
        self.repository.kill().await;
        Ok(())
    }

    /// The access log, as often as it was moved away; what the repository has; what Envoy's own log has kept.
    pub(crate) fn files(&self, format: Format) -> Files {
        let rotated = 1..=self.rotations.load(Ordering::Relaxed);
        let mut all: Vec<PathBuf> = rotated
            .map(|number| self.file(&format!("access.{number}.log")))
            .collect();
        all.push(self.file("access.log"));
        Files {
            access: all,
            own: self.file("envoy.log"),
            repository: self.file("repository.ndjson"),
            format,
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    async fn start(&self) -> Result<(), String> {
        let spec = Spec {
            flush: Duration::from_millis(FLUSH.unsigned_abs()),
            ..Spec::new(self.config.clone())
        };
        let envoy = Envoy::start(spec).await?;
        if envoy
            .stat("listener_manager.total_listeners_active")
            .await?
            != 1
        {
            return Err(format!("envoy has no listener: {}", tail(&envoy.log())));
        }
        *self.envoy.lock().await = Some(envoy);
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Asked again where Envoy does not answer: while it compiles the module it has no time for questions.
    async fn count(&self, name: &str) -> Result<u64, String> {
        let envoy = self.envoy.lock().await;
        let envoy = envoy.as_ref().ok_or("envoy is away")?;
        let mut answer = envoy.stat(name).await;
        for _ in 0..10 {
            if answer.is_ok() {
                break;
            }
            answer = envoy.stat(name).await;
        }
        answer
    }

    async fn log(&self) -> String {
        let envoy = self.envoy.lock().await;
        envoy
            .as_ref()
            .map(|envoy| tail(&envoy.log()))
            .unwrap_or_default()
    }

    fn keep_log(&self, envoy: &Envoy) -> Result<(), String> {
        let path = self.file("envoy.log");
        let mut text = fs::read(&path).unwrap_or_default();
        text.extend_from_slice(envoy.log().as_bytes());
        write(&path, &text)
    }

    /// Envoy looks at a file when another is moved to its place.
    fn write_listener(&self, traps: bool) -> Result<(), String> {
        let number = self.version.fetch_add(1, Ordering::Relaxed);
        let mut listener = self.listener.clone();
        let plugin = listener
            .pointer_mut(PLUGIN)
            .ok_or("no filter in the listener")?;
        let skew = json!(format!("{}s", 20 + number % 10));
        plugin["configuration"]["value"]["issuers"][0]["clock_skew"] = skew;
        plugin["vm_config"]["configuration"] = json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": format!("{number}"),
        });
        if traps {
            let module = self.file("trapping.wasm").display().to_string();
            plugin["vm_config"]["code"]["local"]["filename"] = json!(module);
        }
        let response = json!({ "version_info": number.to_string(), "resources": [listener] });
        let new = self.file("listeners.json.new");
        write(&new, response.to_string().as_bytes())?;
        fs::rename(&new, self.file("listeners.json"))
            .map_err(|error| format!("cannot move {}: {error}", new.display()))
    }
}

async fn ended(envoy: &mut Envoy) -> Result<(), String> {
    for _ in 0..1500 {
        if !envoy.is_running() {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err("envoy does not end".to_owned())
}

fn add_cluster(config: &mut Value, port: u16) {
    if let Some(clusters) = config["static_resources"]["clusters"].as_array_mut() {
        clusters.push(json!({
            "name": "repository",
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": "repository", "endpoints": [{"lb_endpoints": [{
                "endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}},
            }]}]},
        }));
    }
}

/// Takes the listener `secure` out of the configuration and names the file that brings it.
fn take_listener(config: &mut Value, directory: &Path) -> Result<Value, String> {
    let listeners = config["static_resources"]["listeners"].take();
    let mut listeners = listeners.as_array().into_iter().flatten();
    let own = listeners.find(|listener| listener["name"] == "secure");
    let mut own = own.ok_or("the manifest has no listener secure")?.clone();
    own["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    config["static_resources"]["listeners"] = json!([]);
    config["node"] = json!({ "id": "loss", "cluster": "loss" });
    let path = directory.join("listeners.json").display().to_string();
    config["dynamic_resources"] =
        json!({ "lds_config": { "path_config_source": { "path": path } } });
    Ok(own)
}

fn tail(log: &str) -> String {
    let start = log.ceil_char_boundary(log.len().saturating_sub(3000));
    log.split_at(start).1.to_owned()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
