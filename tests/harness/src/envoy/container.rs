//! One Envoy in a container of the shipped compose file: its start, and its certain end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::id;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::compose::{self, Project, docker};

/// Says of a container which test process it belongs to.
const LABEL: &str = "fhir-guard.test-process";

pub(super) struct Container {
    id: String,
    /// Of Envoy, outside the container; 0 when it ended at once.
    pid: u32,
    ended: bool,
}

impl Container {
    /// Starts the service `envoy` of the shipped compose file with these arguments. What differs
    /// from the file is where its traffic goes: the network is that of the machine, so that ports and
    /// the test's own servers are where they are for a process; and the files of `config` and the
    /// test's directory are at their own places.
    pub(super) fn start(
        directory: &Path,
        config: &Value,
        arguments: &[String],
    ) -> Result<Container, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        static WATCHED: LazyLock<Result<(), String>> =
            LazyLock::new(|| compose::remove_when_gone(&format!("{LABEL}={}", id())));
        WATCHED.clone()?;
        // Envoy runs as nobody there, and writes its logs here.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777))
            .map_err(|error| format!("cannot open {}: {error}", directory.display()))?;
        let here = directory.display().to_string();
        let mut mounts = vec![compose::mount(&here, false)];
        mounts.extend(
            compose::files_of(config)
                .iter()
                .filter(|file| !Path::new(file).starts_with(directory))
                .map(|file| compose::mount(file, true)),
        );
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fhir-guard-{}-{number}", id());
        let project = Project::changed(name, directory, |file| {
            let envoy = file.pointer_mut("/services/envoy");
            let envoy = envoy
                .and_then(Value::as_object_mut)
                .ok_or("no service envoy")?;
            for key in ["ports", "networks", "depends_on"] {
                envoy
                    .remove(key)
                    .ok_or_else(|| format!("the service envoy has no {key}"))?;
            }
            envoy.extend([
                ("network_mode".to_owned(), json!("host")),
                ("command".to_owned(), json!(arguments)),
                ("volumes".to_owned(), json!(mounts)),
                ("labels".to_owned(), json!({ LABEL: id().to_string() })),
                // A crash must be seen, not mended; and the test asks by itself whether all is well.
                ("restart".to_owned(), json!("no")),
                ("healthcheck".to_owned(), json!({ "disable": true })),
            ]);
            let envoy = Value::Object(std::mem::take(envoy));
            *file = json!({ "services": { "envoy": envoy } });
            Ok(())
        })?;
        project.up()?;
        let mut container = Container {
            id: project.container("envoy")?,
            pid: 0,
            ended: false,
        };
        container.pid = container.inspect("{{.State.Pid}}")?.parse().unwrap_or(0);
        Ok(container)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How Envoy ended; nothing while it lives.
    pub(super) fn exit(&self) -> Option<String> {
        if self.pid != 0 && Path::new(&format!("/proc/{}", self.pid)).exists() {
            return None;
        }
        let state = "{{.State.Running}} {{.State.ExitCode}}";
        match self.inspect(state).as_deref().map(|s| s.split_once(' ')) {
            Ok(Some(("true", _))) => None,
            Ok(Some((_, code))) => Some(format!("exit code {code}")),
            Ok(None) => Some("in a state that docker did not tell".to_owned()),
            Err(error) => Some(error.to_owned()),
        }
    }

    /// What Envoy wrote to its console.
    pub(super) fn console(&self) -> Vec<u8> {
        let (out, error) = compose::logs(&self.id).unwrap_or_default();
        (out + &error).into_bytes()
    }

    /// SIGTERM, then after two seconds SIGKILL; returns when the container is gone.
    pub(super) fn end(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        // Whatever fails here, the watch removes.
        let _ = docker(&["stop", "--time", "2", &self.id]);
        let _ = docker(&["rm", "--force", &self.id]);
    }

    fn inspect(&self, format: &str) -> Result<String, String> {
        docker(&["inspect", "--format", format, &self.id]).map(|text| text.trim().to_owned())
    }
}

/// What `--version` prints in a container of the service `envoy`.
pub(super) fn version() -> Result<String, String> {
    // The engine makes a folder that is to be mounted and is not there.
    let nothing =
        tempfile::tempdir().map_err(|error| format!("cannot make a directory: {error}"))?;
    let files = nothing.path().display().to_string();
    let variables = vec![("FHIR_GUARD_FILES".to_owned(), files)];
    let project = Project::shipped(format!("fhir-guard-{}-version", id()), variables);
    project.run_alone("envoy", &["--version"])
}
