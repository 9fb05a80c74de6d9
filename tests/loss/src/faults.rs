//! What goes wrong, one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep};

use crate::Options;
use crate::load::{Load, Millis};
use crate::repository::Mood;
use crate::stage::Stage;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The repository takes requests and says nothing.
    Stall,
    /// It says 503.
    Refuse,
    /// It is killed and started again.
    Away,
    /// Envoy takes its listener anew: other machines, other chains.
    Reload,
    /// The same while the repository says nothing, until the old machines are gone.
    ReloadStalled,
    /// The access log is moved away and opened anew.
    Rotate,
    /// Workers trap, again and again.
    Trap,
    /// Envoy is killed with SIGKILL and started again.
    Kill,
    /// The same while the repository says nothing.
    KillStalled,
}

/// Longer than Envoy keeps a listener that was replaced (`--drain-time-s`).
const DRAINED: Duration = Duration::from_millis(4500);

/// The last of [`Fault::ALL`]: a worker or Envoy dies.
const DEATHS: usize = 3;

impl Fault {
    const ALL: [Fault; 9] = [
        Fault::Stall,
        Fault::Refuse,
        Fault::Away,
        Fault::Reload,
        Fault::ReloadStalled,
        Fault::Rotate,
        Fault::Trap,
        Fault::Kill,
        Fault::KillStalled,
    ];

    fn name(self) -> &'static str {
        match self {
            Fault::Stall => "repository stalls",
            Fault::Refuse => "repository says 503",
            Fault::Away => "repository killed",
            Fault::Reload => "listener reloaded",
            Fault::ReloadStalled => "listener reloaded while the repository stalls",
            Fault::Rotate => "log rotated",
            Fault::Trap => "traps",
            Fault::Kill => "Envoy killed",
            Fault::KillStalled => "Envoy killed while the repository stalls",
        }
    }
}

/// What was caused.
pub(crate) struct Faults {
    random: Rng,
    /// What may be caused.
    all: Vec<Fault>,
    deadly: bool,
    /// How often each.
    counts: BTreeMap<Fault, u64>,
    /// Machines that came back after a trap.
    pub(crate) traps: u64,
    /// When Envoy was killed.
    pub(crate) kills: Vec<Millis>,
}

impl Faults {
    pub(crate) fn new(random: Rng, options: &Options) -> Faults {
        let (mild, _) = Fault::ALL.split_at(Fault::ALL.len() - DEATHS);
        let all = if options.deaths { &Fault::ALL } else { mild };
        // The others have them in them.
        let in_others = [Fault::Stall, Fault::Reload, Fault::Kill];
        let all = all.iter().copied();
        let all = all.filter(|fault| !options.brief || !in_others.contains(fault));
        Faults {
            random,
            all: all.collect(),
            deadly: options.deaths,
            counts: BTreeMap::new(),
            traps: 0,
            kills: Vec::new(),
        }
    }

    /// Each in turn, in another order each round, until there are as many exchanges as were wanted and each has been
    /// once, or the time is over.
    pub(crate) async fn cause(
        &mut self,
        stage: &Stage,
        load: &Load,
        until: Option<Instant>,
    ) -> Result<(), String> {
        loop {
            let mut turns = self.all.clone();
            self.random.shuffle(&mut turns);
            for fault in turns {
                self.pause(300..1000).await;
                let every = self.counts.len() == self.all.len();
                if load.is_done() && every || until.is_some_and(|until| Instant::now() >= until) {
                    return Ok(());
                }
                self.perform(fault, stage).await?;
                *self.counts.entry(fault).or_default() += 1;
            }
        }
    }

    /// Whether workers or Envoy died.
    pub(crate) fn deadly(&self) -> bool {
        self.deadly
    }

    /// How often each was caused.
    pub(crate) fn line(&self) -> String {
        let counts = Fault::ALL.iter().map(|fault| {
            let count = self.counts.get(fault).copied().unwrap_or(0);
            format!("{} {count}", fault.name())
        });
        let all: Vec<String> = counts.collect();
        format!("{}; machines that trapped {}", all.join(", "), self.traps)
    }

    async fn perform(&mut self, fault: Fault, stage: &Stage) -> Result<(), String> {
        let repository = &stage.repository;
        match fault {
            Fault::Stall | Fault::Refuse => {
                let mood = match fault {
                    Fault::Stall => Mood::Stalls,
                    _ => Mood::Refuses,
                };
                repository.turn(mood);
                // Longer than the filter waits for an answer.
                self.pause(500..2000).await;
                repository.turn(Mood::Takes);
            }
            Fault::Away => {
                repository.kill().await;
                self.pause(200..1500).await;
                repository.start().await?;
            }
            Fault::Reload => stage.reload(false).await?,
            Fault::ReloadStalled => {
                repository.turn(Mood::Stalls);
                let reloaded = stage.reload(false).await;
                sleep(DRAINED).await;
                repository.turn(Mood::Takes);
                reloaded?;
            }
            Fault::Rotate => stage.rotate().await?,
            Fault::Trap => {
                let before = stage.revived().await?;
                stage.reload(true).await?;
                self.pause(3000..4000).await;
                stage.reload(false).await?;
                self.traps += stage.revived().await?.saturating_sub(before);
            }
            Fault::Kill => self.kills.push(stage.kill().await?),
            Fault::KillStalled => {
                repository.turn(Mood::Stalls);
                self.pause(100..800).await;
                let killed = stage.kill().await;
                repository.turn(Mood::Takes);
                self.kills.push(killed?);
            }
        }
        Ok(())
    }

    async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.random.u64(milliseconds))).await;
    }
}
