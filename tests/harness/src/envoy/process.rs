//! The process of one Envoy: its start, and its certain end.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long Envoy has after SIGTERM before SIGKILL.
const END_WITHIN: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts Envoy in this directory, its console in `console.log`.
    pub(super) fn start(
        executable: &Path,
        directory: &Path,
        arguments: &[String],
    ) -> Result<Process, String> {
        let failed = |error: io::Error| format!("cannot start {}: {error}", executable.display());
        let console = File::create(directory.join("console.log")).map_err(failed)?;
        let mut command = Command::new(executable);
        command
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(console.try_clone().map_err(failed)?)
            .stderr(console);
        let child = spawn(command).map_err(failed)?;
        Ok(Process { child })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended; nothing while it lives.
    pub(super) fn exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGTERM, then after two seconds SIGKILL; returns when the process is gone.
    pub(super) fn end(&mut self) {
        if self.exit().is_some() {
            return;
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself a moment ago.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        for _ in 0..END_WITHIN.as_millis() / POLL.as_millis() {
            if self.exit().is_some() {
                return;
            }
            thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `--version` prints.
pub(super) fn version(executable: &Path) -> Result<String, String> {
    let output = Command::new(executable).arg("--version").output();
    let output =
        output.map_err(|error| format!("cannot start {}: {error}", executable.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

type Job = (Command, Sender<io::Result<Child>>);

/// Starts a child that the kernel kills when this process dies, however it dies.
///
/// The signal belongs to the thread that started the child, not to the process, and a test's thread
/// ends with the test: so one thread that lives as long as the process starts them all.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    static JOBS: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
        let (sender, jobs): (_, Receiver<Job>) = mpsc::channel();
        thread::spawn(move || {
            for (mut command, answer) in jobs {
                // Nobody waits any more when this fails, and dropping a child does not end it: the
                // death signal will.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    die_with_parent(&mut command);
    let (answer, child) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    JOBS.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .map_err(|error| gone(error.to_string()))?;
    child.recv().map_err(|error| gone(error.to_string()))?
}

#[allow(
    unsafe_code,
    reason = "there is no safe way to run code between fork and exec; this is one system call"
)]
fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure runs in the child between fork and exec and calls prctl only, which is
    // async-signal-safe, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
    }
}
