//! A real Envoy, as a process of its own or in a container, and its configuration.

pub mod compose;
mod container;
mod manifest;
mod process;
mod replace;
mod runner;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::client::get_plain;
pub use manifest::Manifest;
use runner::Runner;

/// How long Envoy may take until its admin interface says that it is ready.
pub const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long [`Envoy::audit_of`] waits for its records.
pub const AUDIT_WITHIN: Duration = Duration::from_secs(30);

/// How long [`Envoy::log_with`] waits for its text.
pub const LOG_WITHIN: Duration = Duration::from_secs(30);

/// The environment variable that says in what form Envoy runs: `process`, which is the default, or
/// `compose`: in a container of `envoy/docker-compose.yaml`.
pub const FORM: &str = "FHIR_GUARD_ENVOY";

const POLL: Duration = Duration::from_millis(20);
const LOG_TAIL_BYTES: usize = 4000;

/// A running Envoy. Dropping it ends the process and removes its directory, which stays when the
/// environment variable `KEEP` is set.
pub struct Envoy {
    // Before the directory: the process must be gone when its files go.
    runner: Runner,
    directory: Option<TempDir>,
    path: PathBuf,
    admin: SocketAddr,
    listeners: BTreeMap<String, SocketAddr>,
    audit: Option<PathBuf>,
}

/// What to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The whole bootstrap configuration, patched: see [`Manifest`]. Port 0 (admin, listeners)
    /// means any free port; an access log on `/dev/stdout` goes to the file [`Envoy::audit`] reads.
    pub config: Value,
    /// Worker threads, `--concurrency`.
    pub concurrency: u32,
    /// How long lines of a file may wait in memory; Envoy's default of ten seconds is longer than a test.
    pub flush: Duration,
}

impl Spec {
    /// This configuration with two workers, and lines of files within 50 ms.
    #[must_use]
    pub fn new(config: Value) -> Spec {
        Spec {
            config,
            concurrency: 2,
            flush: Duration::from_millis(50),
        }
    }
}

impl Envoy {
    /// The Envoy executable: the environment variable `ENVOY`, else what `make tools` installed.
    ///
    /// # Errors
    /// Where it was looked for, and what to do.
    pub fn find() -> Result<PathBuf, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        find_in(env::var_os("ENVOY"), &root)
    }

    /// The version of the Envoy that [`Envoy::start`] starts: 1, 40, 0.
    ///
    /// # Errors
    /// When it is not there, or tells none.
    pub fn version() -> Result<[u32; 3], String> {
        static VERSION: LazyLock<Result<[u32; 3], String>> = LazyLock::new(runner::version);
        VERSION.clone()
    }

    /// Starts Envoy and waits until it is ready.
    ///
    /// # Errors
    /// When it is not installed, has no admin address, ended, or is not ready within
    /// [`READY_WITHIN`]; the end of its log is part of the text.
    ///
    /// A port that was free a moment ago may be taken by now, where many tests look for one: then
    /// it is tried again with others.
    pub async fn start(spec: Spec) -> Result<Envoy, String> {
        for _ in 0..3 {
            match Envoy::start_once(new_directory()?, spec.clone(), None).await {
                Err(error) if error.contains("Address already in use") => continue,
                done => return done,
            }
        }
        Envoy::start_once(new_directory()?, spec, None).await
    }

    /// In this directory. The files that `named` names, else the configuration, are there for Envoy, wherever it
    /// runs.
    async fn start_once(
        directory: TempDir,
        spec: Spec,
        named: Option<&Value>,
    ) -> Result<Envoy, String> {
        let path = directory.path().to_owned();
        let Spec { mut config, .. } = spec;
        manifest::fill_ports(&mut config, free_port)?;
        manifest::redirect_access_logs(&mut config, &path.join("audit.log"));
        let admin = manifest::admin_address(&config)?;
        let listeners = manifest::listener_addresses(&config)?;
        let audit = manifest::access_log(&config);
        let file = path.join("envoy.json");
        fs::write(&file, config.to_string())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let options = (spec.concurrency, spec.flush);
        let runner = Runner::start(&path, named.unwrap_or(&config), options)?;
        let mut envoy = Envoy {
            runner,
            directory: Some(directory),
            path,
            admin,
            listeners,
            audit,
        };
        envoy.wait_until_ready().await?;
        Ok(envoy)
    }

    /// The address of the listener of this name.
    ///
    /// # Panics
    /// When there is none: the test asks for a listener its configuration does not have.
    #[must_use]
    pub fn address(&self, listener: &str) -> SocketAddr {
        match self.listeners.get(listener) {
            Some(address) => *address,
            None => panic!(
                "no listener {listener:?} in the envoy configuration, only {:?}",
                self.listeners.keys()
            ),
        }
    }

    /// The addresses of all listeners.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.values().copied()
    }

    /// The address of the admin interface.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The directory with `envoy.json`, `envoy.log` and the access log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.path
    }

    /// The process id, outside the container if there is one.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.runner.pid()
    }

    /// Whether the process still lives: false after a crash.
    pub fn is_running(&mut self) -> bool {
        self.runner.exit().is_none()
    }

    /// The body of a GET of this admin path.
    ///
    /// # Errors
    /// When the admin interface does not answer 200 completely.
    pub async fn admin(&self, path: &str) -> Result<String, String> {
        self.ask_admin("GET", path).await
    }

    /// The body of a POST to this admin path, as `/drain_listeners` or `/logging` want it.
    ///
    /// # Errors
    /// As [`Envoy::admin`].
    pub async fn admin_post(&self, path: &str) -> Result<String, String> {
        self.ask_admin("POST", path).await
    }

    /// A counter or gauge; 0 when there is none of this name, because Envoy makes many of them
    /// only when they first count.
    ///
    /// # Errors
    /// As [`Envoy::admin`].
    pub async fn stat(&self, name: &str) -> Result<u64, String> {
        Ok(self.stats().await?.get(name).copied().unwrap_or(0))
    }

    /// Every counter and gauge by name. Histograms and text readouts are left out.
    ///
    /// # Errors
    /// As [`Envoy::admin`].
    pub async fn stats(&self) -> Result<BTreeMap<String, u64>, String> {
        let text = self.admin("/stats").await?;
        let stats = text.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Ok(stats.collect())
    }

    /// The access log so far, one value per line. Envoy writes a line some 50 ms after the stream
    /// ended: see [`Envoy::audit_of`].
    ///
    /// # Errors
    /// The number of the first line that is not a JSON value; a file that cannot be read; no
    /// access log in the configuration. The line itself is not quoted.
    pub fn audit(&self) -> Result<Vec<Value>, String> {
        let path = self
            .audit
            .as_ref()
            .ok_or("the envoy configuration has no file access log")?;
        // Envoy makes the file at once, but a plain read may still be the first.
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|error| format!("cannot read {}: {error}", path.display()))?,
        };
        parse_audit(&bytes)
    }

    /// The access log as soon as it has at least this many records.
    ///
    /// # Errors
    /// When they have not come within [`AUDIT_WITHIN`], and as [`Envoy::audit`].
    pub async fn audit_of(&self, records: usize) -> Result<Vec<Value>, String> {
        let found = poll(AUDIT_WITHIN, || {
            let audit = self.audit();
            let enough = audit.as_ref().is_ok_and(|audit| audit.len() >= records);
            (enough || audit.is_err()).then_some(audit)
        });
        match found.await {
            Some(audit) => audit,
            None => Err(format!(
                "the access log has {} records after {AUDIT_WITHIN:?}, expected {records}",
                self.audit()?.len()
            )),
        }
    }

    /// Envoy's own log, all of it, after whatever it wrote to its console. Lines come some 50 ms
    /// late: see [`Envoy::log_with`].
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read(self.path.join("envoy.log")).unwrap_or_default();
        let bytes = [self.runner.console(&self.path), log].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Envoy's own log as soon as it contains this text.
    ///
    /// # Errors
    /// When it does not within [`LOG_WITHIN`].
    pub async fn log_with(&self, text: &str) -> Result<String, String> {
        let found = poll(LOG_WITHIN, || {
            Some(self.log()).filter(|log| log.contains(text))
        });
        found.await.ok_or_else(|| {
            format!(
                "envoy's log does not contain {text:?} after {LOG_WITHIN:?}; it ends: {}",
                self.log_tail()
            )
        })
    }

    async fn wait_until_ready(&mut self) -> Result<(), String> {
        for _ in 0..READY_WITHIN.as_millis() / POLL.as_millis() {
            if let Some(exit) = self.runner.exit() {
                return Err(format!(
                    "envoy ended while starting ({exit}); its log ends: {}",
                    self.log_tail()
                ));
            }
            if self.admin("/ready").await.is_ok() {
                return Ok(());
            }
            sleep(POLL).await;
        }
        Err(format!(
            "envoy is not ready after {READY_WITHIN:?}; its log ends: {}",
            self.log_tail()
        ))
    }

    async fn ask_admin(&self, method: &str, path: &str) -> Result<String, String> {
        let response = get_plain(self.admin, method, path).await?;
        match (response.status, &response.end) {
            (200, crate::client::End::Complete) => Ok(response.text()),
            (status, end) => Err(format!(
                "envoy's admin interface answered {method} {path} with {status} ({end:?}), expected 200"
            )),
        }
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let start = log.len().saturating_sub(LOG_TAIL_BYTES);
        log[log.ceil_char_boundary(start)..].to_owned()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.runner.end();
        if env::var_os("KEEP").is_some()
            && let Some(directory) = self.directory.take()
        {
            eprintln!("envoy's files are kept in {}", directory.keep().display());
        }
    }
}

/// The release module: the file that the environment variable `FHIR_GUARD_WASM` names, else where
/// `make wasm` puts it.
///
/// # Errors
/// Where there is none, and what to do.
pub fn module() -> Result<PathBuf, String> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/fhir_guard.wasm");
    let path = env::var_os("FHIR_GUARD_WASM").map_or(built, PathBuf::from);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("no module at {}: run make wasm", path.display())),
    }
}

/// A TCP port of 127.0.0.1 that nobody listens on, and that this function gives out only once in
/// the life of the process. It lies outside the range from which the system itself gives ports to
/// connections and to listeners of port 0, where another would soon take it; a process that was told
/// the same number may still be first.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16, String> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let ports = ports_of_nobody();
    let count = u32::from(ports.end - ports.start);
    // Processes that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(997);
    for _ in 0..count {
        let next = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % count;
        let port = ports.start + u16::try_from(next).map_err(|error| error.to_string())?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no free port on 127.0.0.1 in {ports:?}"))
}

/// Ports that Linux gives to nobody who does not name them (`ip_local_port_range`); elsewhere, the
/// registered ports that IANA's range for this purpose leaves.
fn ports_of_nobody() -> Range<u16> {
    let own = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = own
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok());
    let first: u16 = first.unwrap_or(49_152);
    match first {
        // A machine that gives out nearly everything.
        ..=12_000 => 1_024..first.max(2_048),
        _ => 10_000..first,
    }
}

fn new_directory() -> Result<TempDir, String> {
    tempfile::Builder::new()
        .prefix("fhir-guard-envoy-")
        .tempdir()
        .map_err(|error| format!("cannot make a directory for envoy: {error}"))
}

fn find_in(variable: Option<OsString>, root: &Path) -> Result<PathBuf, String> {
    if let Some(path) = variable.map(PathBuf::from) {
        return match path.is_file() {
            true => Ok(path),
            false => Err(format!(
                "the environment variable ENVOY names {}, where there is no file",
                path.display()
            )),
        };
    }
    let path = root.join(".tools/envoy/envoy/_bin/envoy");
    match path.is_file() {
        true => Ok(path),
        false => Err(format!(
            "no envoy in {}: run make tools, or set the environment variable ENVOY",
            path.display()
        )),
    }
}

/// Asks until there is an answer, and a last time when the time is over.
async fn poll<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..within.as_millis() / POLL.as_millis() {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        sleep(POLL).await;
    }
    ask()
}

/// Whole lines only: the last one may still be on its way.
pub(crate) fn parse_audit(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let lines = bytes[..whole.unwrap_or(0)].split(|byte| *byte == b'\n');
    let lines = lines.take(if whole.is_some() { usize::MAX } else { 0 });
    lines
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|error| {
                let number = index + 1;
                format!("line {number} of the access log is not JSON: {error}")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
