//! `make loss`: many exchanges through one Envoy, while what should keep their records stalls, refuses, dies and comes
//! back, the listeners are taken anew, the log is rotated, workers trap, and Envoy is killed. Then every answer that a
//! client got is looked for in the access log and in the repository.
//!
//! In strict mode the repository has the intent of each of them. Otherwise only what Envoy had in its memory when it was
//! killed may be missing, and the verifier finds nothing wrong but ends that are missing. Where no worker and no Envoy
//! dies, the repository has the record of each of them in either mode, however often the listener was taken anew.

mod faults;
mod judge;
mod kills;
mod load;
mod repository;
#[cfg(test)]
mod rows;
mod sinks;
mod stage;
mod trap;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use faults::Faults;
use judge::Judgement;
use load::Load;
use stage::Stage;
pub use trap::trapping;

/// Callers with a connection each: every second one of HTTP/2, with several requests at once.
const CALLERS: usize = 12;

/// Between two lines of progress.
const LINE: Duration = Duration::from_secs(5);

/// How many exchanges, how, and with which random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Exchanges of all modes together.
    pub exchanges: u64,
    /// Seconds of load of each mode after which it ends all the same.
    pub seconds: Option<u64>,
    /// Begins the random numbers; what happens still depends on time.
    pub seed: u64,
    /// What is tried, in this order.
    pub modes: Vec<Mode>,
    /// What the repository gets.
    pub format: Format,
    /// Whether workers trap and Envoy is killed.
    pub deaths: bool,
    /// Without the faults that others have in them: the short form of the tests.
    pub brief: bool,
}

/// `audit.repository.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Transactions of AuditEvents.
    Events,
    /// The lines of the access log.
    Records,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Events => "audit-events",
            Format::Records => "records",
        }
    }
}

/// Whether the repository is strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `audit.repository.strict: true`.
    Strict,
    /// Access log and repository, and no answer waits for either.
    Relaxed,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Strict => "strict",
            Mode::Relaxed => "relaxed",
        }
    }
}

impl Options {
    /// Reads `--exchanges=N` (default 1 000 000), `--seconds=N` (default: as long as it takes), `--seed=N` (default:
    /// another one each time), `--mode=strict` or `relaxed` (default: half of the exchanges each), `--format=records`
    /// (default) or `audit-events`, and `--deaths=no` (default: they die).
    ///
    /// # Errors
    /// The argument that is not understood.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            exchanges: 1_000_000,
            seconds: None,
            seed: fastrand::u64(..),
            modes: vec![Mode::Strict, Mode::Relaxed],
            format: Format::Records,
            deaths: true,
            brief: false,
        };
        for argument in arguments {
            let number = |text: &str| {
                let own = text.parse().ok().filter(|own| *own > 0);
                own.ok_or_else(|| format!("{argument}: found {text:?}, expected a number above 0"))
            };
            match argument.split_once('=') {
                Some(("--exchanges", text)) => options.exchanges = number(text)?,
                Some(("--seconds", text)) => options.seconds = Some(number(text)?),
                Some(("--seed", text)) => options.seed = number(text)?,
                Some(("--mode", "strict")) => options.modes = vec![Mode::Strict],
                Some(("--mode", "relaxed")) => options.modes = vec![Mode::Relaxed],
                Some(("--format", "records")) => options.format = Format::Records,
                Some(("--format", "audit-events")) => options.format = Format::Events,
                Some(("--deaths", "no")) => options.deaths = false,
                _ => {
                    return Err(format!(
                        "{argument:?} is not understood, expected --exchanges=N, --seconds=N, --seed=N, --mode=strict, --mode=relaxed, --format=records, --format=audit-events or --deaths=no"
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// Runs every mode and prints table and verdict: true when nothing was lost that may not be.
///
/// # Errors
/// What could not be set up or looked at; that is no verdict.
pub async fn run(options: Options) -> Result<bool, String> {
    let Options { exchanges, .. } = options;
    println!(
        "loss: {exchanges} exchanges, --seed={}, --format={}{}, {CALLERS} callers",
        options.seed,
        options.format.name(),
        if options.deaths { "" } else { " --deaths=no" },
    );
    let share = exchanges.div_ceil(options.modes.len() as u64);
    let mut judgements = Vec::new();
    for mode in &options.modes {
        judgements.push(one(*mode, share, &options).await?);
    }
    Ok(judge::verdict(&judgements))
}

async fn one(mode: Mode, exchanges: u64, options: &Options) -> Result<Judgement, String> {
    let mut random = Rng::with_seed(options.seed);
    let stage = Arc::new(Stage::set_up(mode, options.format).await?);
    let load = Arc::new(Load::new(exchanges));
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let (stage, load, random) = (Arc::clone(&stage), Arc::clone(&load), random.fork());
        callers.spawn(async move { load::call(&stage, &load, number, random).await });
    }
    let began = Instant::now();
    let told = Arc::clone(&load);
    let progress = tokio::spawn(async move {
        loop {
            sleep(LINE).await;
            let seconds = began.elapsed().as_secs();
            println!("{seconds:>6} s  {:<8} {}", mode.name(), told.line());
        }
    });
    let mut faults = Faults::new(random, options);
    let until = options
        .seconds
        .map(|seconds| began + Duration::from_secs(seconds));
    let caused = faults.cause(&stage, &load, until).await;
    load.end();
    let seconds = began.elapsed();
    while let Some(done) = callers.join_next().await {
        done.map_err(|error| format!("a caller of the campaign itself failed: {error}"))?;
    }
    progress.abort();
    caused?;
    stage.settle(options.deaths).await?;
    stage.quit().await?;
    let files = stage.files(options.format);
    Judgement::of(mode, &files, &load, &faults, seconds)
}

#[cfg(test)]
mod tests {
    use super::{Format, Mode, Options};

    #[test]
    fn options_are_understood_or_refused() {
        let parse = |text: &str| Options::parse(text.split_whitespace().map(str::to_owned));
        assert_eq!(parse("").map(|options| options.exchanges), Ok(1_000_000));
        let options = Options {
            exchanges: 5,
            seconds: Some(9),
            seed: 7,
            modes: vec![Mode::Relaxed],
            format: Format::Events,
            deaths: false,
            brief: false,
        };
        let text =
            "--seed=7 --exchanges=5 --seconds=9 --mode=relaxed --format=audit-events --deaths=no";
        assert_eq!(parse(text), Ok(options));
        for bad in [
            "--exchanges=0",
            "--seconds=x",
            "--mode=both",
            "--format=text",
            "--deaths=yes",
            "--seed",
            "5",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
