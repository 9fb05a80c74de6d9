//! The verdict: every promise, what was found, what was expected.

use std::time::Duration;

use tokio::time::sleep;

use super::Soak;
use super::hostile::GREEDY_READ;
use super::memory::Sample;
use super::records::Records;
use super::tally::Counts;
use crate::client::{Request, Version};

/// Below this many looks nothing can be said about growth.
const LOOKS: usize = 120;

/// The resident memory of a process breathes: buffers of connections, freed pages that the
/// allocator keeps. Growth is more than this between two thirds of the time, on average.
const BREATH: u64 = 24 << 20;

/// A linear memory grows to what the largest exchanges at once need, and never shrinks. How many are
/// large at once is chance, so what is compared is a typical look: growth is more than this.
const MACHINE_BREATH: u64 = 1 << 20;

/// The most that a worker may ever have: a few of the largest resources at once, each held, read and
/// written anew, which is up to 40 MiB for one of 8 MiB.
const MACHINE_MOST: u64 = 160 << 20;

/// Connections may still be closing.
const DESCRIPTORS: usize = 24;

/// How long Envoy may take to drain and to write its last records.
const CALM_DOWN: Duration = Duration::from_secs(10);

/// Everything the verdict is made of.
pub(super) struct Watched {
    counts: Counts,
    before: Sample,
    samples: Vec<Sample>,
    after: Sample,
    records: Records,
    /// Requests that Envoy counted on the guarded listeners.
    requests: u64,
    /// Statistics that tell of a trap, with their values.
    traps: Vec<(String, u64)>,
    panicked: bool,
    /// The statuses of an honest read on either listener, after all of it.
    at_last: [Result<u16, String>; 2],
    reloads: u64,
}

impl Watched {
    pub(super) async fn collect(
        soak: &Soak,
        before: Sample,
        samples: Vec<Sample>,
        mut records: Records,
    ) -> Result<Watched, String> {
        sleep(CALM_DOWN).await;
        let at_last = [at_last(soak, true).await, at_last(soak, false).await];
        sleep(Duration::from_secs(1)).await;
        records.read()?;
        let stats = soak.stage.envoy.stats().await?;
        let traps = stats
            .iter()
            .filter(|(name, value)| name.contains("vm_reload") && **value > 0);
        Ok(Watched {
            counts: soak.tally.counts(),
            before,
            samples,
            after: Sample::of(soak.stage.envoy.pid())?,
            records,
            requests: stats
                .get("http.fhir.downstream_rq_total")
                .copied()
                .unwrap_or(0),
            traps: traps.map(|(name, value)| (name.clone(), *value)).collect(),
            panicked: soak.stage.envoy.log().contains("panicked"),
            at_last,
            reloads: soak.stage.reloads(),
        })
    }

    /// Prints it; true when every promise was kept.
    pub(super) fn verdict(&self) -> bool {
        self.print_deeds();
        let mut kept = true;
        for (promise, result) in self.promises() {
            let (word, found) = match result {
                Ok(found) => ("kept", found),
                Err(found) => {
                    kept = false;
                    ("BROKEN", found)
                }
            };
            println!("{word:<7} {promise}: {found}");
        }
        println!(
            "soak: {}",
            match kept {
                true => "every promise was kept",
                false => "promises were broken",
            }
        );
        kept
    }

    fn print_deeds(&self) {
        println!(
            "\n{:<22}{:>9}{:>9}{:>9}{:>9}{:>12}",
            "deed", "sent", "served", "refused", "of 429", "broken off"
        );
        for (name, count) in &self.counts.deeds {
            println!(
                "{name:<22}{:>9}{:>9}{:>9}{:>9}{:>12}",
                count.sent, count.served, count.refused, count.limited, count.broken_off
            );
        }
        println!("\nrecords: {:?}\n", self.records.outcomes);
    }

    fn promises(&self) -> Vec<(&'static str, Result<String, String>)> {
        let held = |good: bool, found: String| if good { Ok(found) } else { Err(found) };
        let Counts {
            broken,
            broken_in_all,
            ..
        } = &self.counts;
        let greedy = self.counts.of(GREEDY_READ);
        let read = self.counts.of("read");
        let most = self.samples.iter().map(Sample::largest_machine).max();
        let most = most.unwrap_or(0);
        let (middle, last) = self.thirds();
        let mut promises = vec![
            (
                "each caller gets what is its and nothing else",
                held(
                    *broken_in_all == 0 && read.served > 0,
                    match broken.first() {
                        None => format!(
                            "{} exchanges, {} reads served",
                            self.counts.sent(),
                            read.served
                        ),
                        Some(first) => format!("{broken_in_all} times not; first: {first}"),
                    },
                ),
            ),
            (
                "a limit lets through what it says, and no more",
                held(
                    greedy.served > 0,
                    format!("{} of {} requests got 429", greedy.limited, greedy.sent),
                ),
            ),
            (
                "one record for each request that Envoy saw",
                held(
                    self.records.count() == self.requests
                        && self.records.bad == 0
                        && self.requests > 0,
                    format!(
                        "{} records, {} requests, {} bad lines",
                        self.records.count(),
                        self.requests,
                        self.records.bad
                    ),
                ),
            ),
            (
                "no trap",
                held(
                    self.traps.is_empty() && !self.panicked,
                    format!(
                        "{:?}, {} in the log",
                        self.traps,
                        if self.panicked { "a panic" } else { "no panic" }
                    ),
                ),
            ),
            (
                "an honest read is served after all of it",
                held(
                    self.at_last == [Ok(200), Ok(200)],
                    format!("{:?} on the two listeners", self.at_last),
                ),
            ),
            (
                "machines and connections go when their time is over",
                held(
                    self.after.machines.len() <= self.before.machines.len()
                        && self.after.descriptors <= self.before.descriptors + DESCRIPTORS
                        && !self.before.machines.is_empty(),
                    format!(
                        "{} machines and {} files before, {} and {} after {} reloads",
                        self.before.machines.len(),
                        self.before.descriptors,
                        self.after.machines.len(),
                        self.after.descriptors,
                        self.reloads
                    ),
                ),
            ),
        ];
        if self.samples.len() < LOOKS {
            println!("not judged: whether memory grows, because that takes at least {LOOKS} s");
            return promises;
        }
        promises.push((
            "the filter's memory is flat",
            held(
                typical(last) <= typical(middle) + MACHINE_BREATH && most <= MACHINE_MOST,
                format!(
                    "typically {} kB a worker in the second third of the time, {} kB in the last; never more than {} kB",
                    typical(middle) >> 10,
                    typical(last) >> 10,
                    most >> 10
                ),
            ),
        ));
        promises.push((
            "the process's memory is flat",
            held(
                resident(last) <= resident(middle) + BREATH,
                format!(
                    "on average {} MB resident in the second third of the time, {} MB in the last; {} MB before and {} MB after",
                    resident(middle) >> 20,
                    resident(last) >> 20,
                    self.before.resident >> 20,
                    self.after.resident >> 20
                ),
            ),
        ));
        promises
    }

    fn thirds(&self) -> (&[Sample], &[Sample]) {
        let third = self.samples.len() / 3;
        let (rest, last) = self.samples.split_at(self.samples.len() - third);
        (rest.get(third..).unwrap_or_default(), last)
    }
}

/// The median of the largest linear memory.
fn typical(samples: &[Sample]) -> u64 {
    let mut sizes: Vec<u64> = samples.iter().map(Sample::largest_machine).collect();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or(0)
}

fn resident(samples: &[Sample]) -> u64 {
    let sum: u64 = samples.iter().map(|sample| sample.resident).sum();
    sum / (samples.len() as u64).max(1)
}

async fn at_last(soak: &Soak, secure: bool) -> Result<u16, String> {
    let stage = &soak.stage;
    let certificate = stage.certificate(0);
    let (client, request) = match secure {
        true => {
            let claims = stage.claims(9000).scope("patient/Patient.r");
            let token = stage.issuer.token(&claims.without("fhirUser"));
            let client = stage.client(Some(&certificate), Version::Http2);
            (client, Request::get("/r4/Patient/p1").bearer(&token))
        }
        false => {
            let client = stage.client(None, Version::Http1);
            (client, Request::get("/r4/metadata"))
        }
    };
    let answer = client.send(request).await;
    answer.map(|answer| answer.status)
}
