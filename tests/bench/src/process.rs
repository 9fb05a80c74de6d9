//! The CPU time of a process, the cores that processes run on, and the external processor.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::variant;

/// The external processor, which ends with its standard input.
pub struct Processor {
    child: Child,
    address: SocketAddr,
}

impl Processor {
    /// Starts it with the edit of the typical rules.
    pub fn start(program: &Path) -> Result<Processor, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", program.display());
        let mut child = Command::new(program)
            .arg(variant::edit())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            let read = BufReader::new(output).read_line(&mut line);
            read.map_err(|error| failed(&error))?;
        }
        let address = line.trim().parse();
        let address = address.map_err(|_| failed(&"found no address on its first line"))?;
        Ok(Processor { child, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has nothing else to do, and nobody is left to hear that it did not end.
        let _ = self.child.wait();
    }
}

/// The CPU time of all threads of a process, in user space and in the kernel.
pub fn cpu_time(pid: u32) -> Result<Duration, String> {
    let mut nanoseconds = 0;
    for task in tasks(pid)? {
        let file = task.join("schedstat");
        let text = fs::read_to_string(&file).map_err(|error| {
            format!(
                "{}: {error}; CPU times need a kernel with CONFIG_SCHED_INFO",
                file.display()
            )
        })?;
        let own = text.split_ascii_whitespace().next();
        let own = own.and_then(|own| own.parse::<u64>().ok());
        nanoseconds +=
            own.ok_or_else(|| format!("{}: found {text:?}, expected nanoseconds", file.display()))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The cores of Envoy and of the generator: two different ones where there are two.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    envoy: usize,
    generator: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    pub fn choose() -> Result<Cores, String> {
        let allowed = sched_getaffinity(Pid::from_raw(0))
            .map_err(|error| format!("cannot read which cores may be used: {error}"))?;
        let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        let envoy = cores.next().ok_or("no core may be used")?;
        let generator = cores.next().unwrap_or(envoy);
        Ok(Cores { envoy, generator })
    }

    /// Whether Envoy has a core that the generator does not use.
    pub fn apart(self) -> bool {
        self.envoy != self.generator
    }

    /// Binds this process, the generator with the upstream.
    pub fn bind_generator(self) -> Result<(), String> {
        bind(Pid::from_raw(0), self.generator)
    }

    /// Binds every thread of an Envoy.
    pub fn bind_envoy(self, pid: u32) -> Result<(), String> {
        for task in tasks(pid)? {
            let id = task.file_name().and_then(|name| name.to_str());
            if let Some(id) = id.and_then(|id| id.parse().ok()) {
                bind(Pid::from_raw(id), self.envoy)?;
            }
        }
        Ok(())
    }
}

/// The processor, the kernel, and how many cores may be used, for the report.
pub fn machine() -> String {
    let first = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key));
        line.map(|line| line.rsplit(':').next().unwrap_or(line).trim().to_owned())
    };
    let model = first("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let kernel = first("/proc/sys/kernel/osrelease", "").unwrap_or_else(|| "unknown".into());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{model}, {cores} cores, Linux {kernel}")
}

fn tasks(pid: u32) -> Result<Vec<PathBuf>, String> {
    let folder = format!("/proc/{pid}/task");
    let failed = |error| format!("{folder}: {error}; has the Envoy of this number ended?");
    let entries = fs::read_dir(&folder).map_err(failed)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

fn bind(pid: Pid, core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(pid, &set))
        .map_err(|error| format!("cannot bind {pid} to core {core}: {error}"))
}
