//! `audit verify`, and its report.

use std::io::{self, Write};

use crate::keys::Keys;
use crate::line::{self, hex};
use crate::read;
use crate::verify::{ChainReport, Extent, Judging, KEPT, Place, Report, Verifier};
use serde_json::{Value, json};

/// Verifies a log. The files are read in the order in which their first records were written.
///
/// # Errors
/// A file cannot be read: which, and why.
pub fn verify(
    files: &[String],
    keys: &Keys,
    extent: Extent,
    threads: usize,
) -> Result<Report, String> {
    let files = in_order(files)?;
    let judging = Judging {
        signed: !keys.is_empty(),
        extent,
    };
    let mut verifier = Verifier::new(judging, files.clone());
    for (file, name) in files.iter().enumerate() {
        let opened = read::open(name).map_err(|error| format!("{name}: {error}"))?;
        read::each(
            opened,
            threads,
            &|text| line::read(text, keys),
            &mut |line, fact| {
                verifier.take(Place { file, line }, fact);
            },
        )
        .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(verifier.finish())
}

/// Bytes in which the first record of a file is looked for.
const BEGINNING: usize = 1 << 20;

fn in_order(files: &[String]) -> Result<Vec<String>, String> {
    let mut timed = Vec::new();
    for name in files {
        // Standard input can be read once only.
        let text = match name.as_str() {
            "-" => Vec::new(),
            name => read::beginning(name, BEGINNING).map_err(|error| format!("{name}: {error}"))?,
        };
        let first = text.split(|byte| *byte == b'\n').find_map(written);
        timed.push((first, name.clone()));
    }
    timed.sort_by_key(|(first, _)| *first);
    Ok(timed.into_iter().map(|(_, name)| name).collect())
}

/// When a record was written. One whose exchange took an hour began before all the others of its file, and of the file
/// before.
fn written(text: &[u8]) -> Option<i128> {
    let line::Fact::Sealed(_) = line::read(text, &Keys::default()) else {
        return None;
    };
    line::written(&line::record(text)?)
}

/// Writes what was found: for people, or as one JSON document.
///
/// # Errors
/// It cannot be written.
pub fn write(report: &Report, keys: &Keys, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
    match as_json {
        true => writeln!(out, "{}", document(report, keys)),
        false => lines(report, keys, out),
    }
}

fn document(report: &Report, keys: &Keys) -> Value {
    let findings = &report.findings;
    let found = findings.kept.iter().map(|finding| {
        json!({
            "kind": finding.kind.name(),
            "file": finding.place.and_then(|place| findings.files.get(place.file)),
            "line": finding.place.map(|place| place.line),
            "chain": finding.chain.map(|chain| hex(&chain)),
            "from": finding.seqs.map(|(from, _)| from),
            "to": finding.seqs.map(|(_, to)| to),
            "text": finding.text,
        })
    });
    let chains = report.chains.iter().map(|chain| {
        json!({
            "chain": hex(&chain.id), "first": chain.first, "last": chain.last, "proved": chain.proved,
            "ended": chain.ended, "early": chain.early, "open": chain.open, "intents": chain.intents,
            "under_way": chain.under_way,
            "unsigned": chain.unsigned, "by_events": chain.by_events, "absent": chain.absent,
        })
    });
    let outside = report.outside.iter();
    let outside = outside.map(|(id, seq)| json!({"chain": hex(id), "last": seq}));
    json!({
        "good": findings.count == 0, "signatures": !keys.is_empty(),
        "lines": report.lines, "records": report.records, "early": report.early, "intents": report.intents, "events": report.events,
        "copied": report.copied, "others": report.others,
        "unsigned": report.sum(|chain| chain.unsigned), "by_events": report.sum(|chain| chain.by_events),
        "absent": report.sum(|chain| chain.absent), "under_way": report.sum(|chain| chain.under_way),
        "findings": found.collect::<Vec<_>>(), "count": findings.count,
        "chains": chains.collect::<Vec<_>>(), "outside": outside.collect::<Vec<_>>(),
    })
}

fn lines(report: &Report, keys: &Keys, out: &mut dyn Write) -> io::Result<()> {
    let findings = &report.findings;
    for finding in &findings.kept {
        writeln!(out, "{}", findings.line(finding))?;
    }
    if findings.count > KEPT as u64 {
        writeln!(out, "and {} more", findings.count - KEPT as u64)?;
    }
    for chain in &report.chains {
        writeln!(out, "{}", line_of(chain, keys))?;
    }
    for (id, seq) in &report.outside {
        let id = hex(id);
        writeln!(
            out,
            "chain {id}: not in these files, told of up to record {seq}"
        )?;
    }
    let Report {
        lines,
        records,
        early,
        intents,
        events,
        copied,
        others,
        ..
    } = report;
    let under_way = report.sum(|chain| chain.under_way);
    let good = match under_way {
        0 => "nothing is wrong",
        _ => "nothing is found wrong",
    };
    let verdict = match (findings.count, keys.is_empty()) {
        (0, false) => good.to_owned(),
        (0, true) => format!(
            "{good}, but no signature was checked: without --key nothing shows who wrote it"
        ),
        (1, _) => "1 finding".to_owned(),
        (count, _) => format!("{count} findings"),
    };
    writeln!(
        out,
        "{lines} lines: {records} records in {} chains, {early} early copies, {intents} intents, {events} audit events, {others} others, {copied} of them copies: {verdict}{}",
        report.chains.len(),
        notes(
            under_way,
            report.sum(|chain| chain.absent),
            report.sum(|chain| chain.unsigned),
            report.sum(|chain| chain.by_events)
        ),
    )
}

/// What is nothing wrong, and is not to be passed over.
fn notes(under_way: u64, absent: u64, unsigned: u64, by_events: u64) -> String {
    let mut out = String::new();
    if under_way > 0 {
        out.push_str(&format!(
            "; nothing tells what became of {under_way} announced exchanges, which may be under way"
        ));
    }
    if absent > 0 {
        out.push_str(&format!(
            "; the intents of {absent} exchanges are in none of these files"
        ));
    }
    if unsigned > 0 {
        out.push_str(&format!(
            "; nothing signed tells what became of {unsigned} announced exchanges, and of {by_events} of them events alone tell"
        ));
    }
    out
}

fn line_of(chain: &ChainReport, keys: &Keys) -> String {
    let ChainReport {
        first,
        last,
        proved,
        early,
        open,
        ..
    } = chain;
    let mut out = format!("chain {}: ", hex(&chain.id));
    out.push_str(&match (last, proved) {
        (0, _) => "no record".to_owned(),
        _ if keys.is_empty() => format!("records {first} to {last}"),
        (_, 0) => format!("records {first} to {last}, none proved"),
        (last, proved) if last == proved => format!("records {first} to {last}, all proved"),
        _ => format!("records {first} to {last}, proved up to {proved}"),
    });
    out.push_str(match chain.ended {
        true => ", and its end",
        false => "; its end is not here",
    });
    if *early > 0 {
        out.push_str(&format!(
            "; early copies of {early} exchanges that were never finished"
        ));
    }
    if *open > 0 {
        out.push_str(&format!(
            "; {open} exchanges had been forwarded, and were under way when the log ends"
        ));
    }
    out + &notes(
        chain.under_way,
        chain.absent,
        chain.unsigned,
        chain.by_events,
    )
}
