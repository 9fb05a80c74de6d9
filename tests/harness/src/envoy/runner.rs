//! What an Envoy runs in: a process, or a container of the shipped compose file.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::container::{self, Container};
use super::process::{self, Process};
use super::{Envoy, FORM};

pub(super) enum Runner {
    Process(Process),
    Container(Container),
}

impl Runner {
    /// Starts Envoy with `envoy.json` of this directory, logging to `envoy.log`. The files that `config`
    /// names are there for it.
    pub(super) fn start(
        directory: &Path,
        config: &Value,
        (concurrency, flush): (u32, Duration),
    ) -> Result<Runner, String> {
        let arguments = arguments(directory, concurrency, flush);
        match in_container()? {
            true => Container::start(directory, config, &arguments).map(Runner::Container),
            false => Process::start(&Envoy::find()?, directory, &arguments).map(Runner::Process),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        match self {
            Runner::Process(process) => process.pid(),
            Runner::Container(container) => container.pid(),
        }
    }

    /// How Envoy ended; nothing while it lives.
    pub(super) fn exit(&mut self) -> Option<String> {
        match self {
            Runner::Process(process) => process.exit().map(|status| status.to_string()),
            Runner::Container(container) => container.exit(),
        }
    }

    /// What Envoy wrote to its console.
    pub(super) fn console(&self, directory: &Path) -> Vec<u8> {
        match self {
            Runner::Process(_) => fs::read(directory.join("console.log")).unwrap_or_default(),
            Runner::Container(container) => container.console(),
        }
    }

    /// SIGTERM, then after two seconds SIGKILL; returns when Envoy is gone.
    pub(super) fn end(&mut self) {
        match self {
            Runner::Process(process) => process.end(),
            Runner::Container(container) => container.end(),
        }
    }
}

/// What `envoy --version` says.
pub(super) fn version() -> Result<[u32; 3], String> {
    let text = match in_container()? {
        true => container::version()?,
        false => process::version(&Envoy::find()?)?,
    };
    read_version(&text).ok_or_else(|| format!("envoy --version tells no version: {}", text.trim()))
}

/// The version in `envoy  version: 9e55.../1.40.0/Clean/RELEASE/BoringSSL`.
fn read_version(text: &str) -> Option<[u32; 3]> {
    let (_, after) = text.split_once(" version: ")?;
    let parts: Option<Vec<u32>> = after
        .split('/')
        .nth(1)?
        .split(['.', '-'])
        .take(3)
        .map(|part| part.parse().ok())
        .collect();
    parts?.try_into().ok()
}

/// Which form [`FORM`] asks for.
fn in_container() -> Result<bool, String> {
    match env::var(FORM).as_deref() {
        Err(env::VarError::NotPresent) | Ok("" | "process") => Ok(false),
        Ok("compose") => Ok(true),
        found => Err(format!("{FORM} is {found:?}, expected process or compose")),
    }
}

fn arguments(directory: &Path, concurrency: u32, flush: Duration) -> Vec<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    let words = [
        "-c",
        &file("envoy.json"),
        "--concurrency",
        &concurrency.to_string(),
        "--log-level",
        "info",
        "--log-path",
        &file("envoy.log"),
        "--file-flush-interval-msec",
        &flush.as_millis().to_string(),
        // Nor would a test wait ten minutes until a listener that was replaced is gone.
        "--drain-time-s",
        "3",
        // No shared memory with other Envoys, hence none left behind and no base id to agree on.
        "--disable-hot-restart",
    ];
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read() {
        for (text, expected) in [
            (
                "\n/x/1.2.3/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n",
                Some([1, 40, 0]),
            ),
            (
                "envoy  version: 9e55/1.36.4-dev/Modified/DEBUG/BoringSSL",
                Some([1, 36, 4]),
            ),
            ("envoy  version: 9e55/1.40/Clean", None),
            ("envoy", None),
        ] {
            assert_eq!(read_version(text), expected, "{text}");
        }
    }
}
