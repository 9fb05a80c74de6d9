//! `make soak`: honest and hostile callers, a FHIR server that misbehaves and goes away, clients
//! that hang up, listeners that are taken again under load; and at the end a verdict.

mod honest;
mod hostile;
mod judge;
mod memory;
mod records;
mod stage;
mod tally;
mod weather;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use judge::Watched;
pub use memory::Sample;
use records::Records;
use stage::{Reload, Stage};
use tally::Tally;
use weather::{Sky, Weather};

const HONEST: usize = 12;
const ATTACKERS: usize = 3;

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(1);

/// Looks between two lines of progress.
const LINE: u64 = 10;

/// Between two reloads: longer than connections are drained, so that memories can be compared.
const RELOAD: Duration = Duration::from_secs(20);

/// How long and with which random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seconds of traffic.
    pub seconds: u64,
    /// Begins the random numbers; each caller has its own, so what happens still depends on time.
    pub seed: u64,
}

impl Options {
    /// Reads `--seconds=N` (default 600, at least 10) and `--seed=N` (default: another one each time).
    ///
    /// # Errors
    /// The argument that is not understood.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            seconds: 600,
            seed: fastrand::u64(..),
        };
        for argument in arguments {
            let number = |text: &str| {
                text.parse()
                    .map_err(|_| format!("{argument}: found {text:?}, expected a number"))
            };
            match argument.split_once('=') {
                Some(("--seconds", text)) => options.seconds = number(text)?,
                Some(("--seed", text)) => options.seed = number(text)?,
                _ => {
                    return Err(format!(
                        "{argument:?} is not understood, expected --seconds=N or --seed=N"
                    ));
                }
            }
        }
        match options.seconds {
            0..10 => Err(format!(
                "--seconds={}: expected at least 10",
                options.seconds
            )),
            _ => Ok(options),
        }
    }
}

/// What all callers share.
struct Soak {
    stage: Stage,
    weather: Weather,
    tally: Tally,
    over: AtomicBool,
}

impl Soak {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Runs the soak and prints its verdict: true when every promise was kept.
///
/// # Errors
/// What could not be set up or looked at; that is no verdict.
pub async fn run(options: Options) -> Result<bool, String> {
    let Options { seconds, seed } = options;
    println!(
        "soak: {seconds} s, --seed={seed}; {HONEST} honest callers, {ATTACKERS} attackers, one in a hurry"
    );
    let soak = Arc::new(Soak {
        stage: Stage::set_up().await?,
        weather: Weather::new(),
        tally: Tally::default(),
        over: AtomicBool::new(false),
    });
    let mut records = Records::new(soak.stage.audit());
    let before = Sample::of(soak.stage.envoy.pid())?;
    let mut random = Rng::with_seed(seed);
    let mut tasks = JoinSet::new();
    for number in 0..HONEST {
        let (soak, random) = (Arc::clone(&soak), random.fork());
        tasks.spawn(async move { honest::call(&soak, number, random).await });
    }
    for number in 0..ATTACKERS {
        let (soak, random) = (Arc::clone(&soak), random.fork());
        tasks.spawn(async move { hostile::attack(&soak, number, random).await });
    }
    let hurried = Arc::clone(&soak);
    tasks.spawn(async move { hostile::hurry(&hurried).await });
    let (turned, weather) = (Arc::clone(&soak), random.fork());
    tasks.spawn(async move { turn(&turned, weather).await });
    let reloaded = Arc::clone(&soak);
    tasks.spawn(async move { reload(&reloaded).await });

    let samples = watch(&soak, seconds, &mut records).await?;
    soak.over.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| format!("a caller of the soak itself failed: {error}"))?;
    }
    let watched = Watched::collect(&soak, before, samples, records).await?;
    Ok(watched.verdict())
}

/// Looks every second and tells every ten.
async fn watch(soak: &Soak, seconds: u64, records: &mut Records) -> Result<Vec<Sample>, String> {
    let began = Instant::now();
    let mut samples = Vec::new();
    for second in 1..=seconds {
        sleep_until(began + LOOK * u32::try_from(second).unwrap_or(u32::MAX)).await;
        let sample = Sample::of(soak.stage.envoy.pid())?;
        records.read()?;
        if second % LINE == 0 {
            let counts = soak.tally.counts();
            println!(
                "{second:>5} s  {:>8} exchanges  resident {:>4} MB  machines {} of at most {:.1} MB  {:>4} files  {} reloads  {} broken",
                counts.sent(),
                sample.resident >> 20,
                sample.machines.len(),
                sample.largest_machine() as f64 / f64::from(1 << 20),
                sample.descriptors,
                soak.stage.reloads(),
                counts.broken_in_all,
            );
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// Changes the weather until the soak is over, and leaves a clear sky.
async fn turn(soak: &Soak, mut random: Rng) {
    let mut sky = Sky::Clear;
    loop {
        let (next, lasts) = match soak.is_over() {
            true => (Sky::Clear, Duration::ZERO),
            false => sky.next(&mut random),
        };
        sky = next;
        soak.weather.turn(sky);
        if let Err(error) = soak.stage.show(sky).await {
            soak.tally.broken(format!("the soak's own server: {error}"));
        }
        soak.weather.turn(sky);
        if soak.is_over() && sky == Sky::Clear {
            return;
        }
        sleep(lasts).await;
    }
}

/// Changes the listeners, the one way and the other.
async fn reload(soak: &Soak) {
    let mut what = Reload::Policy;
    let mut next = Instant::now() + RELOAD / 2;
    while !soak.is_over() {
        if Instant::now() < next {
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        if let Err(error) = soak.stage.reload(what).await {
            soak.tally.broken(format!("reload: {error}"));
        }
        what = match what {
            Reload::Policy => Reload::Machine,
            Reload::Machine => Reload::Policy,
        };
        next += RELOAD;
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_are_understood_or_refused() {
        let parse = |text: &str| Options::parse(text.split_whitespace().map(str::to_owned));
        assert_eq!(parse("").map(|options| options.seconds), Ok(600));
        let options = Options {
            seconds: 10,
            seed: 7,
        };
        assert_eq!(parse("--seed=7 --seconds=10"), Ok(options));
        for bad in ["--seconds=9", "--seconds=x", "--seconds", "600"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
