//! What was measured, and what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{
    self, EVERYTHING, LARGE_TYPICAL, LARGE_UNTOUCHED, NEW_ES256, NEW_RS256, REPEATED,
    SMALL_TYPICAL, SMALL_UNTOUCHED,
};
use crate::us;
use crate::variant::Variant;

/// One variant's turn in one case.
pub struct Sample {
    /// Whose.
    pub variant: Variant,
    /// Requests of the closed loop.
    pub requests: usize,
    /// Bytes that the upstream sends for one of them.
    pub bytes: usize,
    /// CPU time of Envoy over the closed loop.
    pub cpu: Duration,
    /// How long the closed loop took.
    pub took: Duration,
    /// Latencies of the open loop; none where it was not run.
    pub latencies: Vec<Duration>,
}

/// Every sample, by case and variant, in rounds.
pub struct Report {
    /// The size of the filter's module in bytes.
    pub module: u64,
    /// Rounds that were run.
    pub rounds: usize,
    /// The machine.
    pub machine: String,
    /// From the start of a bare Envoy until it was ready.
    pub bare_start: Vec<Duration>,
    /// The same with the filter.
    pub start: Vec<Duration>,
    rows: Vec<Row>,
}

/// One case.
pub struct Row {
    /// Its name.
    pub case: &'static str,
    cells: BTreeMap<usize, Vec<Sample>>,
}

/// One variant in one case, over all rounds.
pub struct Cell {
    /// Median of CPU microseconds a request.
    pub cpu: f64,
    /// Least of them.
    pub least: f64,
    /// Most of them.
    pub most: f64,
    /// Median of requests a second of the closed loop.
    pub rate: f64,
    /// Latencies of the open loop in microseconds: 50, 90, 99 and 99.9 of 100.
    pub latencies: Option<[f64; 4]>,
}

/// A mark, and whether it was reached.
pub struct Mark {
    /// What is asked.
    pub name: &'static str,
    /// What was found, with its unit.
    pub found: String,
    /// What was wanted.
    pub wanted: &'static str,
    /// Whether it is reached.
    pub reached: bool,
}

impl Report {
    /// A report of nothing yet.
    pub fn new(module: u64, rounds: usize, machine: String) -> Report {
        Report {
            module,
            rounds,
            machine,
            bare_start: Vec::new(),
            start: Vec::new(),
            rows: case::ALL
                .iter()
                .map(|case| Row {
                    case: case.name,
                    cells: BTreeMap::new(),
                })
                .collect(),
        }
    }

    /// Takes one round of a case.
    pub fn add(&mut self, case: &str, samples: Vec<Sample>) {
        let Some(row) = self.rows.iter_mut().find(|row| row.case == case) else {
            return;
        };
        for sample in samples {
            row.cells
                .entry(place(sample.variant))
                .or_default()
                .push(sample);
        }
    }

    /// Every case, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a case.
    pub fn row(&self, case: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.case == case)
    }

    /// Megabytes a second at which the VM screens, beyond what copying costs: from the difference
    /// of a large and a small answer, so that what a request costs by itself is in neither.
    pub fn screening(&self) -> Option<f64> {
        let (large, small) = (self.row(LARGE_UNTOUCHED)?, self.row(SMALL_UNTOUCHED)?);
        let bytes = large.bytes()? - small.bytes()?;
        let beyond = |row: &Row| Some(row.cell(Variant::Ours)?.cpu - row.cell(Variant::Copy)?.cpu);
        Some(bytes / (beyond(large)? - beyond(small)?))
    }

    /// What the VM adds to the start of Envoy, in seconds: the least of some starts against the
    /// least of others, because whatever disturbs a start makes it longer.
    pub fn vm_start(&self) -> f64 {
        let least = |all: &[Duration]| all.iter().min().map_or(f64::NAN, Duration::as_secs_f64);
        least(&self.start) - least(&self.bare_start)
    }

    /// Every mark.
    pub fn marks(&self) -> Vec<Mark> {
        let ratio = |case: &str, one: Variant, other: Variant| {
            self.row(case)
                .and_then(|row| row.ratio(one, other))
                .unwrap_or(f64::NAN)
        };
        let repeated = ratio(REPEATED, Variant::Ours, Variant::NativeCached);
        let everything = ratio(EVERYTHING, Variant::Everything, Variant::NativeCached);
        let es256 = ratio(NEW_ES256, Variant::Ours, Variant::Native);
        let rs256 = ratio(NEW_RS256, Variant::Ours, Variant::Native);
        let large = ratio(LARGE_UNTOUCHED, Variant::Bare, Variant::Ours);
        let external = ratio(LARGE_TYPICAL, Variant::External, Variant::Ours);
        let external_small = ratio(SMALL_TYPICAL, Variant::External, Variant::Ours);
        let tree = ratio(LARGE_TYPICAL, Variant::Tree, Variant::Ours);
        let screening = self.screening().unwrap_or(f64::NAN);
        let start = self.vm_start();
        vec![
            Mark {
                name: "repeated token, CPU against native with jwt_cache",
                found: format!("{repeated:.2}"),
                wanted: "at most 1.7",
                reached: repeated <= 1.7,
            },
            Mark {
                name: "everything on, CPU against native with jwt_cache",
                found: format!("{everything:.2}"),
                wanted: "at most 1.9",
                reached: everything <= 1.9,
            },
            Mark {
                name: "always-new ES256 token, CPU against native without cache",
                found: format!("{es256:.2}"),
                wanted: "at most 1.4",
                reached: es256 <= 1.4,
            },
            Mark {
                name: "always-new RS256 token, CPU against native without cache",
                found: format!("{rs256:.2}"),
                wanted: "at most 1.4",
                reached: rs256 <= 1.4,
            },
            Mark {
                name: "screening inside the VM",
                found: format!("{screening:.0} MB/s"),
                wanted: "at least 300 MB/s",
                reached: screening >= 300.0,
            },
            Mark {
                name: "1 MB answers, CPU of bare Envoy against ours",
                found: format!("{large:.2}"),
                wanted: "at least 0.3",
                reached: large >= 0.3,
            },
            Mark {
                name: "1 MB answers, CPU of a wasm filter with serde_json against ours",
                found: format!("{tree:.2}"),
                wanted: "at least 1.5",
                reached: tree >= 1.5,
            },
            Mark {
                name: "1 MB answers, CPU of native and an external processor against ours",
                found: format!("{external:.2}"),
                wanted: "above 1",
                reached: external > 1.0,
            },
            Mark {
                name: "2 kB answers, CPU of native and an external processor against ours",
                found: format!("{external_small:.2}"),
                wanted: "above 1",
                reached: external_small > 1.0,
            },
            Mark {
                name: "module",
                found: format!("{} bytes", self.module),
                wanted: "at most 3000000 bytes",
                reached: self.module <= 3_000_000,
            },
            Mark {
                name: "start of the VM",
                found: format!("{start:.2} s"),
                wanted: "under 1 s",
                reached: start < 1.0,
            },
        ]
    }

    /// Everything, for machines.
    pub fn json(&self) -> Value {
        let cell = |row: &Row, variant: Variant| {
            let cell = row.cell(variant)?;
            let rounds: Vec<f64> = row.cpus(variant);
            Some(json!({
                "cpu_us": cell.cpu,
                "cpu_us_rounds": rounds,
                "requests_per_second": cell.rate,
                "latency_us": cell.latencies.map(|[p50, p90, p99, p999]| {
                    json!({"p50": p50, "p90": p90, "p99": p99, "p99.9": p999})
                }),
            }))
        };
        let cases = self.rows.iter().map(|row| {
            let cells = Variant::ALL
                .into_iter()
                .filter_map(|variant| Some((variant.name().to_owned(), cell(row, variant)?)));
            json!({
                "case": row.case,
                "bytes": row.bytes(),
                "variants": cells.collect::<serde_json::Map<_, _>>(),
            })
        });
        let marks = self.marks().into_iter().map(|mark| {
            json!({
                "mark": mark.name, "found": mark.found, "wanted": mark.wanted,
                "reached": mark.reached,
            })
        });
        json!({
            "machine": self.machine,
            "rounds": self.rounds,
            "module_bytes": self.module,
            "vm_start_s": self.vm_start(),
            "screening_mb_s": self.screening(),
            "cases": cases.collect::<Vec<_>>(),
            "marks": marks.collect::<Vec<_>>(),
        })
    }
}

impl Row {
    /// Bytes that the upstream sends for one request.
    pub fn bytes(&self) -> Option<f64> {
        let sample = self.cells.values().flatten().next()?;
        u32::try_from(sample.bytes).ok().map(f64::from)
    }

    /// A variant over all rounds, where it took part.
    pub fn cell(&self, variant: Variant) -> Option<Cell> {
        let samples = self.cells.get(&place(variant))?;
        let cpus = self.cpus(variant);
        let rates = samples
            .iter()
            .map(|sample| count(sample.requests) / sample.took.as_secs_f64());
        let mut latencies: Vec<Duration> = samples
            .iter()
            .flat_map(|sample| sample.latencies.iter().copied())
            .collect();
        latencies.sort_unstable();
        let at = |part: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a part of a length, below 2^32"
            )]
            let index = (part * count(latencies.len())) as usize;
            latencies.get(index).copied().map(us)
        };
        let parts = || Some([at(0.5)?, at(0.9)?, at(0.99)?, at(0.999)?]);
        Some(Cell {
            least: cpus.iter().copied().fold(f64::INFINITY, f64::min),
            most: cpus.iter().copied().fold(0.0, f64::max),
            cpu: median(cpus),
            rate: median(rates.collect()),
            latencies: parts(),
        })
    }

    /// CPU of one variant against another: the median of the ratios of each round, in which both
    /// had their turn within seconds of each other.
    pub fn ratio(&self, one: Variant, other: Variant) -> Option<f64> {
        let (ones, others) = (self.cpus(one), self.cpus(other));
        let ratios: Vec<f64> = ones.iter().zip(&others).map(|(a, b)| a / b).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }

    fn cpus(&self, variant: Variant) -> Vec<f64> {
        let samples = self.cells.get(&place(variant)).into_iter().flatten();
        samples
            .map(|sample| us(sample.cpu) / count(sample.requests))
            .collect()
    }
}

fn place(variant: Variant) -> usize {
    let mut all = Variant::ALL.iter();
    all.position(|other| *other == variant).unwrap_or(0)
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::NAN, f64::from)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    match values.len() % 2 {
        1 => upper,
        _ => values
            .get(middle.wrapping_sub(1))
            .map_or(f64::NAN, |lower| f64::midpoint(*lower, upper)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let sample = |variant, cpu| Sample {
            variant,
            requests: 10,
            bytes: 2000,
            cpu: Duration::from_micros(cpu),
            took: Duration::from_millis(1),
            latencies: vec![Duration::from_micros(cpu)],
        };
        let mut report = Report::new(1, 3, String::new());
        // The second round was disturbed, for both alike.
        for (bare, ours) in [(100, 200), (1000, 2000), (100, 210)] {
            let samples = vec![sample(Variant::Bare, bare), sample(Variant::Ours, ours)];
            report.add(REPEATED, samples);
        }
        let row = report.row(REPEATED).unwrap();
        assert_eq!(row.ratio(Variant::Ours, Variant::Bare), Some(2.0));
        let cell = row.cell(Variant::Ours).unwrap();
        assert_eq!((cell.cpu, cell.least, cell.most), (21.0, 20.0, 200.0));
        assert_eq!(cell.rate, 10_000.0);
        assert_eq!(cell.latencies, Some([210.0, 2000.0, 2000.0, 2000.0]));
        assert!(row.cell(Variant::Native).is_none());
    }

    #[test]
    fn a_mark_that_was_not_measured_is_not_reached() {
        let missed: Vec<_> = Report::new(3_000_001, 1, String::new()).marks();
        assert!(missed.iter().all(|mark| !mark.reached));
        let module = Report::new(3_000_000, 1, String::new()).marks();
        assert_eq!(module.iter().filter(|mark| mark.reached).count(), 1);
    }
}
