//! Envoys that scenarios have one after the other, each with listeners of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use fhir_guard_harness::envoy::{Envoy, module};
use fhir_guard_harness::pki::Pki;

/// What a scenario leaves to the next. Its FHIR server is not among it: each has its own, on the same port.
pub struct Kept {
    pub place: Place,
    pub envoy: Envoy,
}

/// What Envoy's configuration refers to.
pub struct Place {
    pub pki: Pki,
    /// The certificates and the module.
    pub directory: PathBuf,
    /// Of the FHIR server; 0: any.
    pub port: u16,
}

impl Place {
    pub fn new(pki: Option<Pki>, port: u16) -> Place {
        let directory = directory();
        std::fs::copy(
            module().expect("make wasm has been run"),
            directory.join("fhir_guard.wasm"),
        )
        .expect("the module can be copied");
        let mut place = Place {
            pki: Pki::new(),
            directory,
            port,
        };
        place.is_of(pki.unwrap_or_else(Pki::new));
        place
    }

    /// Its certificates are these.
    pub fn is_of(&mut self, pki: Pki) {
        pki.client("clinic-a");
        pki.client("clinic-b");
        let tls = self.directory.join("tls");
        pki.write_to(&tls).expect("certificates can be written");
        self.pki = pki;
    }
}

const ACTIVE: [&str; 2] = [
    "http.fhir.downstream_cx_active",
    "cluster.fhir_server.upstream_cx_active",
];

static IDLE: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// An Envoy that nobody uses and in which nothing of the scenario before is under way. One that is still busy after a
/// while is given up.
pub async fn take() -> Option<Kept> {
    let kept = IDLE.lock().expect("nobody panics").pop()?;
    for _ in 0..100 {
        let stats = kept.envoy.stats().await.expect("statistics");
        let is_idle = |name: &&str| stats.get(*name).is_none_or(|count| *count == 0);
        if ACTIVE.iter().all(is_idle) {
            // Twice the time after which Envoy writes its log.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Some(kept);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// Leaves an Envoy to the next.
pub fn give_back(kept: Kept) {
    IDLE.lock().expect("nobody panics").push(kept);
}

/// Removes these folders when this process has ended: what is idle is dropped by nobody.
pub fn remove_at_the_end(folders: [&Path; 2]) {
    static WATCHES: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    if std::env::var_os("KEEP").is_some() {
        return;
    }
    let watch = Command::new("sh")
        .args(["-c", "cat >/dev/null; rm -rf \"$@\"", "sh"])
        .args(folders)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    // Kept, because its end of the pipe must stay open.
    WATCHES.lock().expect("nobody panics").push(watch);
}

fn directory() -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("fhir-guard-{}-{number}", std::process::id()));
    std::fs::create_dir_all(path.join("tls")).expect("a temporary directory");
    path
}
