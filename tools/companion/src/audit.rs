//! `audit verify` and `audit who-saw`.

use std::collections::HashMap;
use std::io::{self, Write};

use memchr::memmem;
use serde_json::{Value, json};

use crate::keys::Keys;
use crate::line::{self, Id, hex};
use crate::read;
use crate::verify::{ChainReport, Judging, KEPT, Place, Report, Verifier};

/// Verifies a log. The files are read in the order of the times of their first records.
///
/// # Errors
/// A file cannot be read: which, and why.
pub fn verify(files: &[String], keys: &Keys, part: bool, threads: usize) -> Result<Report, String> {
    let files = in_order(files)?;
    let judging = Judging {
        signed: !keys.is_empty(),
        part,
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
        let keys = Keys::default();
        let first =
            text.split(|byte| *byte == b'\n')
                .find_map(|text| match line::read(text, &keys) {
                    line::Fact::Sealed(record) => record.time,
                    _ => None,
                });
        timed.push((first, name.clone()));
    }
    timed.sort_by_key(|(first, _)| *first);
    Ok(timed.into_iter().map(|(_, name)| name).collect())
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
            "ended": chain.ended, "early": chain.early, "open": chain.open,
        })
    });
    let outside = report.outside.iter();
    let outside = outside.map(|(id, seq)| json!({"chain": hex(id), "last": seq}));
    json!({
        "good": findings.count == 0, "signatures": !keys.is_empty(),
        "lines": report.lines, "records": report.records, "early": report.early, "others": report.others,
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
        others,
        ..
    } = report;
    let verdict = match (findings.count, keys.is_empty()) {
        (0, false) => "nothing is wrong".to_owned(),
        (0, true) => "nothing is wrong, but no signature was checked: without --key nothing shows who wrote it".to_owned(),
        (1, _) => "1 finding".to_owned(),
        (count, _) => format!("{count} findings"),
    };
    writeln!(
        out,
        "{lines} lines: {records} records in {} chains, {early} early copies, {others} others: {verdict}",
        report.chains.len()
    )
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
    out
}

/// Whose disclosures, and when.
#[derive(Debug)]
pub struct Wanted {
    /// `Patient/123`.
    pub reference: String,
    /// Exchanges that began then or later: the beginning of a time such as `2026-01-31T23:59`.
    pub from: Option<String>,
    /// Exchanges that began before.
    pub to: Option<String>,
}

/// Finds who asked for it, or for whom its records say that it was the patient: each exchange once, with what proves
/// it. Only records count; what a line says is as good as its log, so the report of [`verify`] comes first.
///
/// # Errors
/// A file cannot be read: which, and why.
pub fn who_saw(
    files: &[String],
    report: &Report,
    wanted: &Wanted,
    threads: usize,
    take: &mut dyn FnMut(Value),
) -> Result<(), String> {
    let chains: HashMap<Id, &ChainReport> = report
        .chains
        .iter()
        .map(|chain| (chain.id, chain))
        .collect();
    let id = wanted.reference.rsplit('/').next().unwrap_or_default();
    let keys = Keys::default();
    let look = |text: &[u8]| {
        memmem::find(text, id.as_bytes())?;
        let record: Value = serde_json::from_slice(&line::record(text)).ok()?;
        tells(&record, wanted).then(|| (line::read(text, &keys), record))
    };
    for name in &report.findings.files {
        if !files.contains(name) || name == "-" {
            return Err(format!("{name}: cannot be read again"));
        }
        let opened = read::open(name).map_err(|error| format!("{name}: {error}"))?;
        read::each(opened, threads, &look, &mut |line, found| {
            let Some((fact, record)) = found else { return };
            let proof = match &fact {
                line::Fact::Sealed(sealed) => proof(chains.get(&sealed.id).copied(), sealed.seq),
                _ => "none",
            };
            let pick = |name: &str| record.get(name).cloned().unwrap_or(Value::Null);
            take(json!({
                "time": pick("time"), "issuer": pick("issuer"), "client": pick("client"),
                "subject": pick("subject"), "certificate": pick("certificate"),
                "interaction": pick("interaction"), "type": pick("type"), "refs": pick("refs"),
                "outcome": pick("outcome"), "status": pick("status"), "rule": pick("rule"),
                "request_id": pick("request_id"), "proof": proof, "file": name, "line": line,
            }));
        })
        .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// What shows that a record is what was written.
fn proof(chain: Option<&ChainReport>, seq: u64) -> &'static str {
    match chain {
        Some(chain) if seq <= chain.proved => "signed",
        Some(chain) if chain.fault.is_none_or(|fault| seq < fault) => "chained",
        _ => "none",
    }
}

fn tells(record: &Value, wanted: &Wanted) -> bool {
    let reference = wanted.reference.as_str();
    let patient = reference.strip_prefix("Patient/");
    let text =
        |value: Option<&Value>, expected: &str| value.and_then(Value::as_str) == Some(expected);
    let list = |name: &str| {
        record
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let named = list("refs").any(|found| text(Some(found), reference))
        || list("entries").any(|entry| text(entry.get("ref"), reference))
        || patient.is_some_and(|id| text(record.get("patient"), id));
    let time = record
        .get("time")
        .and_then(Value::as_str)
        .unwrap_or_default();
    named
        && wanted.from.as_deref().is_none_or(|from| time >= from)
        && wanted.to.as_deref().is_none_or(|to| time < to)
}
