//! What the sinks have, against what the clients got.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::Path;
use std::time::Duration;

use fhir_guard_companion::audit::verify;
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::{Extent, Finding, Kind, Report};
use serde_json::Value;
use tokio::time::Instant;

use crate::faults::Faults;
use crate::load::{Load, Released, number};
use crate::stage::{FLUSH, PUBLIC, Stage};
use crate::{Format, Mode};

/// Findings that are told one by one.
const TOLD: usize = 5;

/// How much later a client of a busy machine may have noted an answer, and the killer the time.
const SLACK: Duration = Duration::from_secs(2);

/// What may be found wrong, and only in chains that a kill ended: that their last records are missing, or records that
/// never went to the repository before such as did, or those that an intent announced.
const OF_A_KILL: [Kind; 4] = [
    Kind::Truncated,
    Kind::MissingChain,
    Kind::Gap,
    Kind::Unfinished,
];

pub(crate) struct Judgement {
    mode: Mode,
    deadly: bool,
    lines: Vec<String>,
    broken: Vec<String>,
}

/// What stands in files of one kind.
#[derive(Default)]
struct Found {
    lines: u64,
    bytes: u64,
    /// Of what is said to be over, or to be under way.
    records: HashSet<u128>,
    /// Of what was only announced.
    intents: HashSet<u128>,
}

/// What was released and is nowhere.
#[derive(Default)]
struct Lost {
    count: u64,
    /// By the kill that took it.
    kills: BTreeMap<usize, u64>,
    /// The longest time from an answer to the kill.
    oldest: Duration,
    /// Which no kill can have taken.
    unexplained: u64,
}

impl Judgement {
    pub(crate) fn of(
        mode: Mode,
        format: Format,
        stage: &Stage,
        load: &Load,
        faults: Faults,
        time: Duration,
    ) -> Result<Judgement, String> {
        let (mut log, mut repository) = (Found::default(), Found::default());
        for file in stage.logs() {
            log.read(&file, Format::Records)?;
        }
        repository.read(&stage.file("repository.ndjson"), format)?;
        let released = load.released();
        let is_lost = |own: &&Released, sinks: &[&Found]| {
            !sinks
                .iter()
                .any(|sink| sink.records.contains(&own.id) || sink.intents.contains(&own.id))
        };
        let of = |sinks: &[&Found]| -> Lost {
            let all = released.iter().filter(|own| is_lost(own, sinks));
            Lost::of(all, &faults.kills)
        };
        let (nowhere, not_in_log, not_in_repository) =
            (of(&[&log, &repository]), of(&[&log]), of(&[&repository]));
        let without = |ids: &HashSet<u128>| {
            let all = released.iter().filter(|own| !ids.contains(&own.id));
            all.count() as u64
        };
        let (unannounced, unfinished) =
            (without(&repository.intents), without(&repository.records));
        let report = verified(stage, format)?;
        let mut broken = Vec::new();
        let mut check = |count: u64, what: &str| {
            if count > 0 {
                broken.push(format!("{count} {what}"));
            }
        };
        match mode {
            Mode::Strict => check(
                unannounced,
                "released answers of which the repository has no intent",
            ),
            Mode::Relaxed => {
                check(
                    nowhere.unexplained,
                    "records are lost that no kill of Envoy can have taken",
                );
                check(
                    not_in_log.unexplained,
                    "lines of the log are lost that no kill of Envoy can have taken",
                );
            }
        }
        if !faults.deadly() {
            check(
                unfinished,
                "released answers of which the repository has no record, and nothing has died",
            );
        }
        check(load.nameless(), "answers have no id");
        let wrong = wrong(&report, !faults.kills.is_empty());
        check(
            wrong.len() as u64,
            "findings of the verifier that no kill explains",
        );
        check(u64::from(released.is_empty()), "run without an answer");
        broken.extend(
            wrong
                .iter()
                .take(TOLD)
                .map(|finding| report.findings.line(finding)),
        );
        let seconds = time.as_secs_f64();
        let rate = load.answered() as f64 / seconds;
        let lines = vec![
            format!(
                "{seconds:.0} s, {rate:.0} exchanges a second: {}",
                load.line()
            ),
            faults.line(),
            format!(
                "access log: {} lines of {} bytes; repository: {} lines of {} bytes, {} of them intents",
                log.lines,
                log.bytes / log.lines.max(1),
                repository.lines,
                repository.bytes / repository.lines.max(1),
                repository.intents.len(),
            ),
            format!("released, and not in the access log: {}", not_in_log.line()),
            format!(
                "released, and not in the repository: {}; and not as a record: {unfinished}",
                not_in_repository.count
            ),
            format!("released, and in neither: {}", nowhere.line()),
            format!("verifier: {}", told(&report)),
        ];
        Ok(Judgement {
            mode,
            deadly: faults.deadly(),
            lines,
            broken,
        })
    }
}

/// Prints what was found: whether all that was promised was kept.
pub(crate) fn verdict(judgements: &[Judgement]) -> bool {
    for judgement in judgements {
        println!("{}", judgement.mode.name());
        for line in &judgement.lines {
            println!("  {line}");
        }
    }
    for judgement in judgements {
        let promise = match judgement.mode {
            _ if !judgement.deadly => "nothing was lost, and the repository has every record",
            Mode::Strict => "no answer was released without an intent in the repository",
            Mode::Relaxed => "nothing was lost but what Envoy had in memory when it was killed",
        };
        match judgement.broken.is_empty() {
            true => println!("KEPT    {promise}"),
            false => println!("BROKEN  {promise}"),
        }
        for what in &judgement.broken {
            println!("        {what}");
        }
    }
    judgements
        .iter()
        .all(|judgement| judgement.broken.is_empty())
}

impl Found {
    /// Reads a file line by line; one that is not there is empty.
    fn read(&mut self, path: &Path, format: Format) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file.map_err(failed)?,
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            self.lines += 1;
            self.bytes += line.len() as u64;
            match format {
                Format::Records => {
                    let announced = line
                        .windows(ANNOUNCED.len())
                        .any(|found| found == ANNOUNCED);
                    self.note(id(&line), announced);
                }
                Format::Events => {
                    let bundle: Value = serde_json::from_slice(&line)
                        .map_err(|error| format!("{}: {error}", path.display()))?;
                    for entry in bundle["entry"].as_array().into_iter().flatten() {
                        let event = &entry["resource"];
                        self.note(id_of(event), event["outcomeDesc"] == "announced");
                    }
                }
            }
            line.clear();
        }
        Ok(())
    }

    fn note(&mut self, id: Option<u128>, announced: bool) {
        match announced {
            true => self.intents.extend(id),
            false => self.records.extend(id),
        }
    }
}

/// The member of an intent. No text can hold it: its quotation marks are escaped there.
const ANNOUNCED: &[u8] = b"\"outcome\":\"announced\"";

/// The request id of an event.
fn id_of(event: &Value) -> Option<u128> {
    let mut entities = event["entity"].as_array()?.iter();
    let own = entities.find(|entity| entity["type"]["code"] == "XrequestId")?;
    number(own["what"]["identifier"]["value"].as_str()?.as_bytes())
}

/// The request id of a record: the first member of this name, for no text stands before it.
fn id(line: &[u8]) -> Option<u128> {
    const MEMBER: &[u8] = b"\"request_id\":\"";
    let at = line
        .windows(MEMBER.len())
        .position(|found| found == MEMBER)?;
    let text = line.get(at + MEMBER.len()..)?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    number(text.get(..end)?)
}

impl Lost {
    fn of<'r>(all: impl Iterator<Item = &'r Released>, kills: &[Instant]) -> Lost {
        let mut lost = Lost::default();
        for own in all {
            lost.count += 1;
            let next = kills.iter().position(|kill| *kill + SLACK >= own.at);
            let age = |kill: &Instant| kill.saturating_duration_since(own.at);
            match next.and_then(|next| Some((next, age(kills.get(next)?)))) {
                Some((next, age)) if age <= FLUSH + SLACK => {
                    *lost.kills.entry(next).or_default() += 1;
                    lost.oldest = lost.oldest.max(age);
                }
                _ => lost.unexplained += 1,
            }
        }
        lost
    }

    fn line(&self) -> String {
        let most = self.kills.values().max().copied().unwrap_or(0);
        format!(
            "{}, at most {most} by one kill, the oldest of them {:.1} s before it; {} by no kill",
            self.count,
            self.oldest.as_secs_f64(),
            self.unexplained,
        )
    }
}

fn verified(stage: &Stage, format: Format) -> Result<Report, String> {
    let mut files = stage.logs();
    // Events are no part of a chain.
    files.extend((format == Format::Records).then(|| stage.file("repository.ndjson")));
    files.push(stage.file("envoy.log"));
    files.retain(|file| file.is_file());
    let files: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let mut keys = Keys::default();
    keys.add(PUBLIC, Some("audit-1"))?;
    verify(&files, &keys, Extent::Log, 2)
}

/// What a kill does not explain.
fn wrong(report: &Report, killed: bool) -> Vec<&Finding> {
    let ended = |finding: &Finding| {
        let mut chains = report.chains.iter();
        chains.any(|chain| chain.ended && Some(chain.id) == finding.chain)
    };
    let findings = report.findings.kept.iter();
    findings
        .filter(|finding| !killed || ended(finding) || !OF_A_KILL.contains(&finding.kind))
        .collect()
}

fn told(report: &Report) -> String {
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for finding in &report.findings.kept {
        let (count, records) = kinds.entry(finding.kind.name()).or_default();
        *count += 1;
        *records += finding
            .seqs
            .map_or(0, |(from, to)| to.saturating_sub(from) + 1);
    }
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, (count, records))| format!("{count} {kind} ({records} records)"))
        .collect();
    let ended = report.chains.iter().filter(|chain| chain.ended).count();
    let open: usize = report.chains.iter().map(|chain| chain.intents.len()).sum();
    format!(
        "{} records in {} chains, {ended} of them with an end; {} early copies; {} copies; {open} intents of which \
         nothing else tells; findings: {}",
        report.records,
        report.chains.len(),
        report.early,
        report.copied,
        match kinds.is_empty() {
            true => "none".to_owned(),
            false => kinds.join(", "),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_record_is_its_first() {
        let own = "{\"v\":1,\"request_id\":\"00000000-0000-0000-0000-0000000000ff\",\"x\":\"\\\"request_id\\\":\\\"1\"}";
        for (line, expected) in [
            (own, Some(255)),
            ("{}", None),
            ("\"request_id\":\"1\"", None),
        ] {
            assert_eq!(id(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn only_what_a_kill_can_have_taken_is_explained() {
        let kill = Instant::now() + Duration::from_secs(1000);
        let late = kill + Duration::from_secs(500);
        for (before, explained) in [(0, true), (9, true), (12, true), (13, false), (400, false)] {
            let own = [Released {
                id: 1,
                at: kill - Duration::from_secs(before),
            }];
            let lost = Lost::of(own.iter(), &[kill, late]);
            assert_eq!(lost.unexplained == 0, explained, "{before} s before");
        }
        let own = [Released {
            id: 1,
            at: kill + Duration::from_secs(3),
        }];
        assert_eq!(
            Lost::of(own.iter(), &[kill]).unexplained,
            1,
            "behind the last"
        );
        assert_eq!(
            Lost::of(own.iter(), &[]).unexplained,
            1,
            "nothing was killed"
        );
    }
}
