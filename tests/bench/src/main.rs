//! `make bench`: what the filter costs in a real Envoy, against a bare one, against Envoy's own
//! chain, and against what any wasm filter costs there.
//!
//! `bench [--rounds=N] [--quick] [--docs] [--case=TEXT]`. One Envoy for each variant, all of them running, one at
//! a time under load; rounds in which every variant has its turn in every case. A wrong answer
//! ends the run with status 1; a missed mark is printed, and ends nothing.
//!
//! | module | its one duty |
//! | --- | --- |
//! | `case` | what is measured |
//! | `variant` | what is measured against what |
//! | `policy` | the configurations of the filter itself |
//! | `data` | the documents that are served |
//! | `upstream` | the server that serves them |
//! | `sink` | the repository of audit records |
//! | `stage` | everything that runs |
//! | `load` | the generator |
//! | `check` | whether answers and records are right |
//! | `process` | CPU times, cores, and the external processor |
//! | `report` | medians, ratios and marks |
//! | `table` | the report for a person |
//! | `plot` | the report as a picture |

mod case;
mod check;
mod data;
mod load;
mod plot;
mod policy;
mod process;
mod report;
mod sink;
mod stage;
mod table;
mod upstream;
mod variant;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use case::{Case, Tokens};
use process::Cores;
use report::{Report, Sample};
use stage::{Caller, Modules, Stage, root};
use tokio::time::Instant;
use variant::Variant;

/// What is there for its CPU time alone gets this part of the requests.
const BRIEFLY: usize = 4;
/// Where the newest report lies, not part of the repository.
const FOLDER: &str = ".run";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let run = async {
        let options = Options::parse(std::env::args().skip(1))?;
        run(&options).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long and how much.
struct Options {
    rounds: usize,
    /// A quarter of the requests, for a first look.
    quick: bool,
    /// Writes docs/benchmarks.md and docs/bench.svg as well.
    docs: bool,
    /// Only the cases whose names contain this.
    case: String,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            rounds: 0,
            quick: false,
            docs: false,
            case: String::new(),
        };
        for argument in arguments {
            match argument.split_once('=') {
                None if argument == "--quick" => options.quick = true,
                None if argument == "--docs" => options.docs = true,
                Some(("--case", text)) => options.case = text.to_owned(),
                Some(("--rounds", number)) => {
                    let rounds = number
                        .parse()
                        .ok()
                        .filter(|rounds| (1..=100).contains(rounds));
                    options.rounds = rounds
                        .ok_or_else(|| format!("found {argument}, expected 1 to 100 rounds"))?;
                }
                _ => {
                    return Err(format!(
                        "found {argument}, expected --rounds=N, --case=TEXT, --quick or --docs"
                    ));
                }
            }
        }
        if !options.cases().any(|_| true) || (options.docs && !options.case.is_empty()) {
            let names: Vec<&str> = case::ALL.iter().map(|case| case.name).collect();
            return Err(format!(
                "found --case={}, expected a part of the name of a case, and no --docs: {}",
                options.case,
                names.join("; ")
            ));
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 2 } else { 5 };
        }
        Ok(options)
    }

    fn cases(&self) -> impl Iterator<Item = &'static Case> + '_ {
        let wanted = |case: &&Case| case.name.contains(&self.case);
        case::ALL.iter().filter(wanted)
    }

    fn scale(&self, requests: usize) -> usize {
        if self.quick { requests / 4 } else { requests }
    }
}

async fn run(options: &Options) -> Result<(), String> {
    let began = Instant::now();
    let modules = Modules::find()?;
    let cores = Cores::choose()?;
    if !cores.apart() {
        println!("one core only: Envoy and the generator share it, so latencies say little");
    }
    println!("starting {} Envoys", Variant::ALL.len());
    let mut stage = Stage::start(cores, &modules).await?;
    let mut report = Report::new(modules.size()?, options.rounds, process::machine());
    // All cores are still open to them, as where Envoy starts in earnest.
    for _ in 0..if options.quick { 1 } else { 3 } {
        report
            .bare_start
            .push(stage.start_time(Variant::Bare).await?);
        report.start.push(stage.start_time(Variant::Ours).await?);
    }
    stage.bind()?;
    // The compiler of the VM works in steps: what is measured is the last one.
    println!("warming up");
    let (es256, rs256) = (case::NEW_ES256, case::NEW_RS256);
    let (everything, strict) = (case::EVERYTHING, case::STRICT);
    for case in [
        case::REPEATED,
        everything,
        strict,
        es256,
        rs256,
        case::LARGE_UNTOUCHED,
    ] {
        for case in case::ALL.iter().filter(|other| other.name == case) {
            round(&mut stage, case, options).await?;
        }
    }
    for number in 1..=options.rounds {
        for case in options.cases() {
            let seconds = began.elapsed().as_secs();
            println!(
                "round {number} of {}, {seconds} s: {}",
                options.rounds, case.name
            );
            report.add(case.name, round(&mut stage, case, options).await?);
        }
    }
    let text = table::text(&report);
    println!("\n{text}");
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    write(
        &folder.join("bench.json"),
        &format!("{:#}\n", report.json()),
    )?;
    write(&folder.join("bench.svg"), &plot::svg(&report))?;
    println!(
        "in {} s; {FOLDER}/bench.json, {FOLDER}/bench.svg",
        began.elapsed().as_secs()
    );
    if options.docs {
        write(&root().join("docs/bench.svg"), &plot::svg(&report))?;
        let page = root().join("docs/benchmarks.md");
        let old = fs::read_to_string(&page)
            .map_err(|error| format!("cannot read {}: {error}", page.display()))?;
        write(&page, &table::renewed(&old, &report)?)?;
        println!("docs/benchmarks.md and docs/bench.svg are renewed");
    }
    Ok(())
}

/// One turn of every variant.
async fn round(stage: &mut Stage, case: &Case, options: &Options) -> Result<Vec<Sample>, String> {
    let open = case.rate.map(|rate| (options.scale(rate as usize), rate));
    let closed = options.scale(case.requests);
    let warm = match case.tokens {
        Tokens::Repeated => closed / 10,
        Tokens::New(_) => 16,
    };
    let requests = 1 + warm + closed + open.map_or(0, |(requests, _)| requests);
    let callers = stage.callers(case, requests)?;
    let mut samples = Vec::new();
    for variant in Variant::ALL
        .into_iter()
        .filter(|variant| variant.takes(case))
    {
        let counts = match variant.briefly() {
            true => Counts {
                warm: warm.div_ceil(BRIEFLY),
                closed: closed.div_ceil(BRIEFLY),
                open: None,
            },
            false => Counts { warm, closed, open },
        };
        match measure(stage, case, variant, &callers, &counts).await {
            Ok(sample) => samples.push(sample),
            Err(error) => {
                let (case, name) = (case.name, variant.name());
                let log = check::odd_record(&stage.log(variant)?).await;
                return Err(format!("{case}, {name}: {error}; its access log: {log}"));
            }
        }
    }
    Ok(samples)
}

struct Counts {
    warm: usize,
    closed: usize,
    /// Requests, and their rate a second.
    open: Option<(usize, u32)>,
}

async fn measure(
    stage: &Stage,
    case: &Case,
    variant: Variant,
    callers: &[Caller],
    counts: &Counts,
) -> Result<Sample, String> {
    let load = stage.connect(variant, case, callers).await?;
    let document = stage.documents.get(&case.document).ok_or("no document")?;
    let probe = load.probe().await?;
    let expected = check::answer(variant, case, document, &probe)?;
    load.closed(counts.warm, expected).await?;
    // What is owed to the repository is part of a request, and none of the next one's.
    let told = |requests| stage.sink.wait(check::reported(variant, requests));
    told(1 + counts.warm).await?;
    let before = stage.cpu_time(variant)?;
    let took = load.closed(counts.closed, expected).await?;
    told(1 + counts.warm + counts.closed).await?;
    let cpu = stage.cpu_time(variant)?.saturating_sub(before);
    let (mut latencies, mut requests) = (Vec::new(), 1 + counts.warm + counts.closed);
    if let Some((open, rate)) = counts.open {
        latencies = load.open(open, rate, expected).await?;
        requests += open;
    }
    told(requests).await?;
    stage.sink.clear();
    check::records(variant, case, &stage.log(variant)?, requests).await?;
    Ok(Sample {
        variant,
        requests: counts.closed,
        bytes: document.len(),
        cpu,
        took,
        latencies,
    })
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Microseconds.
fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
