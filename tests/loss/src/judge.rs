//! What the sinks have, against what the clients got.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use fhir_guard_companion::audit::verify;
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::Id;
use fhir_guard_companion::verify::{ChainReport, Extent, Finding, Kind, Report};

use crate::faults::Faults;
use crate::kills::{HELD, Kills, Lost, SLACK};
use crate::load::{Load, Millis, Released};
use crate::sinks::{Files, Line, Sinks};
use crate::stage::PUBLIC;
use crate::{Format, Mode};

/// Findings that are told one by one.
const TOLD: usize = 5;

/// How long an exchange of the campaign takes at most: callers give up after ten seconds. Where an intent stands open,
/// its chain has no record that was written later than this: a worker that lives leaves a record.
const LONGEST: Millis = 10_000 + 2 * SLACK;

pub(crate) struct Judgement {
    mode: Mode,
    deadly: bool,
    lines: Vec<String>,
    broken: Vec<String>,
}

/// What is known beside the files.
pub(crate) struct Facts<'f> {
    pub(crate) mode: Mode,
    /// Whether workers or Envoy were killed.
    pub(crate) deadly: bool,
    pub(crate) kills: &'f [Millis],
    pub(crate) released: &'f [Released],
    /// Answers without an id.
    pub(crate) nameless: u64,
}

/// What the verifier says.
pub(crate) struct Verified {
    /// Of all files.
    pub(crate) whole: Report,
    /// Of the logs and the intents: what no log has stands open.
    pub(crate) announced: Report,
}

/// What is missing, and what is wrong.
pub(crate) struct Judged {
    not_in_log: Lost,
    nowhere: Lost,
    /// Released answers of which the repository has nothing, and no record.
    not_in_repository: u64,
    unfinished: u64,
    /// The most bytes that a kill took of the access log.
    taken: u64,
    pub(crate) broken: Vec<String>,
}

impl Judgement {
    pub(crate) fn of(
        mode: Mode,
        files: &Files,
        load: &Load,
        faults: &Faults,
        time: Duration,
    ) -> Result<Judgement, String> {
        let mut keys = Keys::default();
        keys.add(PUBLIC, Some("audit-1"))?;
        let sinks = files.read()?;
        let verified = Verified::of(files, &keys)?;
        let released = load.released();
        let facts = Facts {
            mode,
            deadly: faults.deadly(),
            kills: &faults.kills,
            released: &released,
            nameless: load.nameless(),
        };
        let judged = judge(&facts, &sinks, &verified, files.format);
        let (log, repository) = (&sinks.log, &sinks.repository);
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
            format!(
                "released, and not in the access log: {}",
                judged.not_in_log.line()
            ),
            format!(
                "released, and not in the repository: {}; and not as a record: {}",
                judged.not_in_repository, judged.unfinished
            ),
            format!("released, and in neither: {}", judged.nowhere.line()),
            format!(
                "bytes of the access log that one kill took: at most {}",
                judged.taken
            ),
            format!("verifier: {}", told(&verified.whole)),
        ];
        Ok(Judgement {
            mode,
            deadly: facts.deadly,
            lines,
            broken: judged.broken,
        })
    }
}

impl Verified {
    pub(crate) fn of(files: &Files, keys: &Keys) -> Result<Verified, String> {
        Ok(Verified {
            whole: verify(&files.given(true), keys, Extent::Log, 2)?,
            announced: verify(&files.given(false), keys, Extent::Log, 2)?,
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

/// Holds everything against everything.
pub(crate) fn judge(
    facts: &Facts<'_>,
    sinks: &Sinks,
    verified: &Verified,
    format: Format,
) -> Judged {
    let Sinks {
        log, repository, ..
    } = sinks;
    let kills = Kills::new(facts.kills, log.sealed.values());
    let mean = log.bytes / log.lines.max(1);
    let in_log = |id: &u128| log.records.contains(id) || log.early.contains(id);
    let has_record = |id: &u128| repository.records.contains(id) || repository.over.contains(id);
    let in_repository = |id: &u128| has_record(id) || repository.intents.contains_key(id);
    let lost = |is_lost: &dyn Fn(&u128) -> bool| {
        let all = facts.released.iter().filter(|own| is_lost(&own.id));
        kills.lost(all.map(|own| ((own.at, own.at), (1, mean))))
    };
    let count = |is_lost: &dyn Fn(&u128) -> bool| {
        let all = facts.released.iter().filter(|own| is_lost(&own.id));
        all.count() as u64
    };
    let not_in_log = lost(&|id| !in_log(id));
    // What a kill took of the log: records that the repository has are known to the byte.
    let copies = repository.sealed.iter();
    let copies = copies.filter(|(place, _)| !log.sealed.contains_key(place));
    let copies =
        kills.lost(copies.map(|(_, line)| ((line.written, line.written), (1, line.bytes))));
    let gone = lost(&|id| !in_log(id) && !repository.records.contains(id));
    let (wrong, gaps) = findings(&verified.whole, sinks, &kills, facts.deadly, mean);
    let taken = (0..facts.kills.len()).map(|kill| {
        let of = |lost: &Lost| lost.kills.get(kill).map_or(0, |(_, bytes)| *bytes);
        of(&copies) + of(&gone).max(of(&gaps))
    });
    let taken = taken.max().unwrap_or(0);
    let unfinished = count(&|id| !has_record(id));
    let mut broken = Vec::new();
    let mut check = |count: u64, what: &str| {
        if count > 0 {
            broken.push(format!("{count} {what}"));
        }
    };
    if facts.mode == Mode::Strict {
        let unannounced = count(&|id| !repository.intents.contains_key(id));
        check(
            unannounced,
            "released answers of which the repository has no intent",
        );
        check(
            unfound(facts.released, sinks, verified),
            "released answers without a record of which the verifier does not tell",
        );
    }
    if !facts.deadly {
        check(
            unfinished,
            "released answers of which the repository has no record, and nothing has died",
        );
    }
    check(
        not_in_log.unexplained,
        "lines of the log are lost that no kill of Envoy can have taken",
    );
    check(
        copies.unexplained,
        "records of the repository are not in the log, and no kill of Envoy can have taken them",
    );
    if taken > HELD {
        check(
            taken,
            "bytes of the log were taken by one kill: more than Envoy keeps",
        );
    }
    check(
        outlived(&verified.whole, sinks, format, facts.deadly),
        "intents stand open of workers that went on",
    );
    check(facts.nameless, "answers have no id");
    check(
        wrong.len() as u64,
        "findings of the verifier that no kill explains",
    );
    check(
        u64::from(facts.released.is_empty()),
        "run without an answer",
    );
    let findings = &verified.whole.findings;
    broken.extend(wrong.iter().take(TOLD).map(|own| findings.line(own)));
    Judged {
        nowhere: lost(&|id| !in_log(id) && !in_repository(id)),
        not_in_repository: count(&|id| !in_repository(id)),
        not_in_log,
        unfinished,
        taken,
        broken,
    }
}

/// The findings that no death explains, and what is missing by the others.
fn findings<'r>(
    report: &'r Report,
    sinks: &Sinks,
    kills: &Kills,
    deadly: bool,
    mean: u64,
) -> (Vec<&'r Finding>, Lost) {
    let chains = by_id(report);
    let (mut wrong, mut missing) = (Vec::new(), Vec::new());
    for finding in &report.findings.kept {
        let chain = finding.chain.and_then(|id| chains.get(&id));
        let ended = chain.is_some_and(|chain| chain.ended);
        match finding.kind {
            // Whether its worker went on is looked at for all that stand open, told or not.
            Kind::Unfinished if deadly && !ended => {}
            Kind::Gap | Kind::Truncated | Kind::MissingChain if !ended => {
                let seqs = finding.seqs;
                let lines = seqs.map_or(0, |(from, to)| to.saturating_sub(from) + 1);
                match window(finding, sinks) {
                    Some((from, to)) if kills.taking(from, to).is_some() => {
                        missing.push(((from, to), (lines, lines.saturating_mul(mean))));
                    }
                    _ => wrong.push(finding),
                }
            }
            _ => wrong.push(finding),
        }
    }
    (wrong, kills.lost(missing.into_iter()))
}

/// When the records were written that are missing: at the earliest, and at the latest.
fn window(finding: &Finding, sinks: &Sinks) -> Option<(Millis, Millis)> {
    let chain = finding.chain?;
    let written = |seq: Option<u64>| {
        let place = (chain, seq?);
        let own = [&sinks.log, &sinks.repository]
            .into_iter()
            .find_map(|sink| sink.sealed.get(&place));
        own.map(|line: &Line| line.written)
    };
    let told = sinks.told.get(&chain).copied();
    let Some((from, to)) = finding.seqs else {
        // It had no record yet when another told of it.
        return told.map(|(_, at)| (at, Millis::MAX));
    };
    let told = told.filter(|(seq, _)| *seq >= to).map(|(_, at)| at);
    let last = written(to.checked_add(1)).or(told)?;
    Some((written(from.checked_sub(1)).unwrap_or(last), last))
}

/// Released answers of which no log has a record, and which the verifier does not name: by the intents alone, and by
/// all that the repository has.
fn unfound(released: &[Released], sinks: &Sinks, verified: &Verified) -> u64 {
    let (whole, announced) = (by_id(&verified.whole), by_id(&verified.announced));
    let Sinks {
        log, repository, ..
    } = sinks;
    let stands = |reports: &HashMap<Id, &ChainReport>, chain: &Id, ticket: &u64| {
        let chain = reports.get(chain);
        chain.is_some_and(|chain| chain.intents.binary_search(ticket).is_ok())
    };
    let (mut unfound, mut by_events) = (0, HashMap::<Id, u64>::new());
    for own in released {
        if log.records.contains(&own.id) || log.early.contains(&own.id) {
            continue;
        }
        // Of those that were not announced another check tells.
        let Some((chain, ticket)) = repository.intents.get(&own.id) else {
            continue;
        };
        let closed = repository.records.contains(&own.id);
        let named = stands(&announced, chain, ticket) && (closed || stands(&whole, chain, ticket));
        unfound += u64::from(!named);
        if repository.closed.contains(&(*chain, *ticket)) {
            *by_events.entry(*chain).or_default() += 1;
        }
    }
    let counted = |chain: &Id| {
        whole
            .get(chain)
            .map_or(0, |own| own.by_events.min(own.unsigned))
    };
    let missed = by_events
        .iter()
        .map(|(chain, count)| count.saturating_sub(counted(chain)));
    unfound + missed.sum::<u64>()
}

/// Intents of which nothing tells more, though their chains went on for longer than an exchange takes; or at all, where
/// nothing died.
fn outlived(report: &Report, sinks: &Sinks, format: Format, deadly: bool) -> u64 {
    let (log, repository) = (&sinks.log, &sinks.repository);
    let mut last: HashMap<Id, Millis> = HashMap::new();
    for ((chain, _), line) in log.sealed.iter().chain(&repository.sealed) {
        let known = last.entry(*chain).or_insert(line.written);
        *known = line.written.max(*known);
    }
    let open = report.chains.iter().flat_map(|chain| {
        let tickets = chain.intents.iter();
        tickets.map(move |ticket| (chain, (chain.id, *ticket)))
    });
    let wrong = open.filter(|(chain, place)| {
        let closed = format == Format::Events && repository.closed.contains(place);
        let began = repository.began.get(place).copied().unwrap_or(0);
        let went_on = last
            .get(&chain.id)
            .is_some_and(|last| last - began > LONGEST);
        !closed && (!deadly || chain.ended || went_on)
    });
    wrong.count() as u64
}

fn by_id(report: &Report) -> HashMap<Id, &ChainReport> {
    let chains = report.chains.iter();
    chains.map(|chain| (chain.id, chain)).collect()
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
        "{} records in {} chains, {ended} of them with an end; {} early copies; {} events; {} copies; {open} intents \
         without a record, of {} of them events alone tell; findings: {}",
        report.records,
        report.chains.len(),
        report.early,
        report.events,
        report.copied,
        report.sum(|chain| chain.by_events),
        match kinds.is_empty() {
            true => "none".to_owned(),
            false => kinds.join(", "),
        },
    )
}
