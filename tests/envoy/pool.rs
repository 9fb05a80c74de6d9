//! Envoys that scenarios with the same configuration have one after the other: to compile the module is most of
//! what a start costs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use fhir_guard_harness::envoy::Envoy;
use fhir_guard_harness::pki::Pki;

/// What a scenario leaves to the next. Its FHIR server is not among it: each has its own, on the same port.
pub struct Kept {
    pub pki: Pki,
    pub envoy: Envoy,
    pub directory: PathBuf,
    pub port: u16,
}

/// What an Envoy has from scenarios before.
#[derive(Default)]
pub struct Before {
    /// Records in its access log.
    pub records: usize,
    /// Connections that each worker's listeners have had, by statistic.
    pub connections: BTreeMap<String, u64>,
}

const ACTIVE: [&str; 2] = [
    "http.fhir.downstream_cx_active",
    "cluster.fhir_server.upstream_cx_active",
];

static IDLE: Mutex<Vec<(&str, Kept)>> = Mutex::new(Vec::new());

/// An Envoy of this name that nobody uses, as soon as nothing of the scenario before is left in it.
pub async fn take(name: &str) -> Option<(Kept, Before)> {
    let kept = {
        let mut idle = IDLE.lock().expect("nobody panics");
        let place = idle.iter().position(|(own, _)| *own == name)?;
        idle.swap_remove(place).1
    };
    for tries in 0.. {
        let stats = kept.envoy.stats().await.expect("statistics");
        if ACTIVE.iter().all(|name| stats.get(*name) == Some(&0)) {
            break;
        }
        assert!(tries < 500, "a scenario has left something behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Twice the time after which Envoy writes its log.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = Before {
        records: kept.envoy.audit().expect("records").len(),
        connections: connections(&kept.envoy).await,
    };
    Some((kept, before))
}

/// Leaves an Envoy to the next of this name.
pub fn give_back(name: &'static str, kept: Kept) {
    IDLE.lock().expect("nobody panics").push((name, kept));
}

/// How many connections each listener has had on each worker.
pub async fn connections(envoy: &Envoy) -> BTreeMap<String, u64> {
    let stats = envoy.stats().await.expect("statistics").into_iter();
    let of_worker = |name: &str| name.contains(".worker_") && name.ends_with("downstream_cx_total");
    stats.filter(|(name, _)| of_worker(name)).collect()
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
