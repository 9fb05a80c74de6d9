//! Docker Compose, version 1 or 2, and the Docker engine behind it, as commands.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

use super::process::spawn;

/// The shipped file, from the repository's root.
const FILE: &str = "envoy/docker-compose.yaml";

/// Removes what has a label when the process at the other end of its standard input has ended, however
/// it has. For ten rounds: a start may be under way in the engine.
const WATCH: &str = r#"cat >/dev/null
for round in 1 2 3 4 5 6 7 8 9 10; do
    for found in $(docker ps --all --quiet --filter "label=$0"); do docker rm --force "$found"; done
    for found in $(docker network ls --quiet --filter "label=$0"); do docker network rm "$found"; done
    sleep 0.5
done"#;

/// Services started together from a compose file. Ended by [`Project::down`], not by itself.
#[derive(Clone, Debug)]
pub struct Project {
    name: String,
    file: PathBuf,
    /// Variables of the compose file.
    variables: Vec<(String, String)>,
}

impl Project {
    /// The shipped compose file as it is, with these variables.
    #[must_use]
    pub fn shipped(name: String, variables: Vec<(String, String)>) -> Project {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Project {
            name,
            file: root.join(FILE),
            variables,
        }
    }

    /// The shipped compose file, changed for one test and written into its directory.
    pub(super) fn changed(
        name: String,
        directory: &Path,
        change: impl FnOnce(&mut Value) -> Result<(), String>,
    ) -> Result<Project, String> {
        let shipped = Project::shipped(name, Vec::new());
        let text = fs::read_to_string(&shipped.file)
            .map_err(|error| format!("cannot read {}: {error}", shipped.file.display()))?;
        let mut services: Value =
            serde_saphyr::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
        change(&mut services).map_err(|error| format!("{FILE}: {error}"))?;
        let file = directory.join("docker-compose.json");
        fs::write(&file, services.to_string())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(Project { file, ..shipped })
    }

    /// Starts every service, and waits for those that others depend on.
    ///
    /// # Errors
    /// What Compose says.
    pub fn up(&self) -> Result<(), String> {
        self.compose(&["up", "--detach"]).map(|_| ())
    }

    /// What a service prints with these arguments, alone and in the place of its own.
    pub(super) fn run_alone(&self, service: &str, arguments: &[&str]) -> Result<String, String> {
        let words = [&["run", "--rm", "--no-deps", "-T", service], arguments].concat();
        let printed = self.compose(&words);
        self.down()?;
        printed
    }

    /// Ends every service, and removes containers and networks.
    ///
    /// # Errors
    /// What Compose says.
    pub fn down(&self) -> Result<(), String> {
        self.compose(&["down", "--timeout", "5"]).map(|_| ())
    }

    /// The id of this service's container, running or ended.
    ///
    /// # Errors
    /// When there is none.
    pub fn container(&self, service: &str) -> Result<String, String> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let of_service = format!("label=com.docker.compose.service={service}");
        let ids = docker(&[
            "ps",
            "--all",
            "--quiet",
            "--filter",
            &project,
            "--filter",
            &of_service,
        ])?;
        match ids.trim() {
            "" => Err(format!("compose made no container for {service}")),
            ids => Ok(ids.to_owned()),
        }
    }

    fn compose(&self, arguments: &[&str]) -> Result<String, String> {
        let words = flavour()?;
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["--project-name", &self.name, "--file"])
            .arg(&self.file)
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        output(command)
    }
}

/// The command that is Compose here: `FHIR_GUARD_COMPOSE`, else `docker compose` (version 2), else
/// `docker-compose` (version 1).
///
/// # Errors
/// When there is neither.
pub fn flavour() -> Result<&'static [String], String> {
    static WORDS: LazyLock<Result<Vec<String>, String>> = LazyLock::new(|| {
        let set = env::var("FHIR_GUARD_COMPOSE").unwrap_or_default();
        let proposals: Vec<&str> = match set.trim() {
            "" => vec!["docker compose", "docker-compose"],
            set => vec![set],
        };
        for proposal in &proposals {
            let words: Vec<String> = proposal.split_whitespace().map(str::to_owned).collect();
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).arg("version");
            if output(command).is_ok() {
                return Ok(words);
            }
        }
        Err(format!(
            "no Docker Compose here: tried {}; install Compose, or name it in FHIR_GUARD_COMPOSE",
            proposals.join(" and ")
        ))
    });
    WORDS.as_deref().map_err(Clone::clone)
}

/// What this docker command prints.
///
/// # Errors
/// What it says when it fails.
pub fn docker(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("docker");
    command.args(arguments);
    output(command)
}

/// Standard output and standard error of a container so far.
///
/// # Errors
/// As [`docker`].
pub fn logs(container: &str) -> Result<(String, String), String> {
    let mut command = Command::new("docker");
    command.args(["logs", container]);
    both(command)
}

/// Has every container and network with this label (`name=value`) removed when this process has ended,
/// also when it was killed. What does it is no child that dies with us: it waits for the end of our
/// pipe, which the kernel closes.
///
/// # Errors
/// When it cannot be started.
pub fn remove_when_gone(label: &str) -> Result<(), String> {
    static WATCHES: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let watch = Command::new("sh")
        .args(["-c", WATCH, label])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start the watch over containers: {error}"))?;
    // Kept, because its end of the pipe must stay open.
    let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    watches.push(watch);
    Ok(())
}

/// The files that a configuration names and that exist, each once.
pub(super) fn files_of(config: &Value) -> BTreeSet<String> {
    match config {
        Value::String(text) if text.starts_with('/') && Path::new(text).is_file() => {
            BTreeSet::from([text.clone()])
        }
        Value::Object(members) => members.values().flat_map(files_of).collect(),
        Value::Array(items) => items.iter().flat_map(files_of).collect(),
        _ => BTreeSet::new(),
    }
}

/// A bind mount at the same place inside.
pub(super) fn mount(path: &str, read_only: bool) -> Value {
    json!({ "type": "bind", "source": path, "target": path, "read_only": read_only })
}

fn output(command: Command) -> Result<String, String> {
    both(command).map(|(output, _)| output)
}

fn both(mut command: Command) -> Result<(String, String), String> {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    let words = words.join(" ");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = spawn(command)
        .and_then(std::process::Child::wait_with_output)
        .map_err(|error| format!("cannot run {words}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    match output.status.success() {
        true => Ok((out, error)),
        false => Err(format!(
            "{words} failed ({}): {}",
            output.status,
            error.trim()
        )),
    }
}
