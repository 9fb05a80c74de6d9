//! The tour: a FHIR server, Envoy with the filter before it, and a person who is shown both.
//!
//! | file | its one duty |
//! | --- | --- |
//! | `options` | the command line |
//! | `stage` | the work folder, certificates, tokens, servers |
//! | `composed` | the same in containers, as `envoy/docker-compose.yaml` has it |
//! | `call` | one request: the curl command, and the answer |
//! | `steps` | what is asked in the tour |
//! | `judge` | what must come of it |
//! | `trail` | the audit records, as a table and as they must be |
//! | `show` | text for a terminal |

mod call;
mod composed;
mod judge;
mod options;
mod show;
mod stage;
mod steps;
mod trail;

use std::io::{IsTerminal as _, stdin};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use call::Caller;
use judge::Seen;
pub use options::{Options, OwnServer};
use show::Show;
use stage::Stage;
use steps::Step;

/// How often a tour that stays up looks whether Envoy does.
const WATCH: Duration = Duration::from_secs(1);

/// Sets everything up, shows it, and stays up until a signal; with [`Options::check`] it asserts
/// every step and returns at once. No process and no port outlives it. With [`Options::compose`] it
/// runs in containers; without a check it only makes the files for them, and says how to go on.
///
/// # Errors
/// What could not be set up, and what to do; with [`Options::check`] every step that differs.
pub async fn run(options: Options) -> Result<(), String> {
    if options.compose && !options.check {
        return composed::prepare(&Show::new());
    }
    let signal = interrupted()?;
    let check = options.check;
    tokio::select! {
        ended = tour(options) => ended,
        name = signal => match check {
            true => Err(format!("ended by {name} before the last step")),
            false => {
                println!("\n{name}: stopping Envoy and the FHIR server");
                Ok(())
            }
        },
    }
}

async fn tour(options: Options) -> Result<(), String> {
    let show = Show::new();
    let mut stage = Stage::set_up(&options, &show).await?;
    let caller = Caller::new(&stage).await;
    let mut reader = Pause::new(&options);
    let mut seen = Seen::new(&stage);
    let mut differences = Vec::new();
    let steps = steps::all(&stage.patient);
    for (index, step) in steps.iter().enumerate() {
        reader.wait(&show).await;
        show.title(index + 1, steps.len() + 1, step.title, step.why);
        show.command(&caller.command_line(&step.call));
        let answer = caller.send(&step.call).await;
        let verdict = answer.and_then(|answer| {
            present(&show, step, &answer, &seen);
            seen.judge(step, &answer)
        });
        if let Err(difference) = verdict {
            show.difference(&difference);
            differences.push(format!("step {} ({}): {difference}", index + 1, step.title));
        }
    }
    reader.wait(&show).await;
    show.title(steps.len() + 1, steps.len() + 1, trail::TITLE, trail::WHY);
    show.command(&stage.audit_command());
    if let Err(difference) = trail::present(&stage, &seen, &show).await {
        show.difference(&difference);
        differences.push(format!(
            "step {} ({}): {difference}",
            steps.len() + 1,
            trail::TITLE
        ));
    }
    if options.check {
        return match differences.is_empty() {
            true => {
                println!("\nall {} steps are as they must be", steps.len() + 1);
                if !seen.own_data {
                    show.note("what your server itself answers was shown, not judged");
                }
                Ok(())
            }
            false => Err(differences.join("\n      ")),
        };
    }
    show.farewell(&stage, &steps, &caller);
    loop {
        sleep(WATCH).await;
        if !stage.envoy.is_running() {
            return Err(format!(
                "envoy ended by itself; its log ended: {}",
                stage.envoy.log().lines().last().unwrap_or("(nothing)")
            ));
        }
    }
}

/// What of an answer is worth a look in this step.
fn present(show: &Show, step: &Step, answer: &call::Answer, seen: &Seen) {
    let bodies = !step.needs_data || seen.own_data || step.is_patient();
    show.answer(answer, bodies);
    if let Some(note) = seen.note(step, answer) {
        show.note(&note);
    }
}

/// The person at the keyboard, if there is one.
struct Pause(Option<mpsc::UnboundedReceiver<()>>);

impl Pause {
    fn new(options: &Options) -> Pause {
        if options.check || !stdin().is_terminal() {
            return Pause(None);
        }
        let (sender, lines) = mpsc::unbounded_channel();
        // A thread of its own: a blocked read must not keep the process from ending.
        std::thread::spawn(move || {
            let mut line = String::new();
            while stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0)
                && sender.send(()).is_ok()
            {
                line.clear();
            }
        });
        Pause(Some(lines))
    }

    async fn wait(&mut self, show: &Show) {
        if let Some(lines) = &mut self.0 {
            show.prompt("press Enter to go on, Ctrl-C to stop");
            if lines.recv().await.is_none() {
                self.0 = None;
            }
        }
    }
}

/// Waits for the name of the signal that ends the process. Listens from now on.
fn interrupted() -> Result<impl Future<Output = &'static str>, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "SIGTERM",
            _ = hang_up.recv() => "SIGHUP",
        }
    })
}
