//! `fhir-guard`: see [`USAGE`].

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use fhir_guard::identity::MacKey;
use fhir_guard_companion::audit;
use fhir_guard_companion::check::check;
use fhir_guard_companion::disclosures::{self, Untold, Wanted};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::Extent;
use lexopt::prelude::*;

const USAGE: &str = "\
fhir-guard audit verify [--key [NAME=]FILE]... [--part | --complete] [--json] [--threads N] LOG...
    Verifies the chains of audit records. LOG: plain or gzip, - for standard input; records alone on their lines,
    at the end of a line of text, or as a string in a line of JSON; AuditEvents, one a line. Give it all files of
    the log together, the proxy's own log, which has the ends of chains, and what a repository has.
    --key      a public key (PEM, JWK or JWK set), for the checkpoints signed by NAME, or any; without one nothing
               shows who wrote the log
    --part     the files are a part of the log: what came before may be elsewhere
    --complete the files are all of the log and all that its repositories have: an intent that is not there is missing
    --json     one document in the place of lines
    --threads  how many cores read and hash, from 1 to 64; all unless set
fhir-guard audit who-saw Patient/ID [--from TIME] [--to TIME] [--hash-secret FILE]... [the options of verify] LOG...
    Who asked for a resource, or for what is a patient's, one JSON object a line, with what proves it: signed,
    chained or none. TIME: 2026-01-31, or with as much of T23:59:59.123Z as you like, in UTC; of the exchange's
    beginning, which is at --from or later, and before --to.
    What verify says of the log goes to standard error, always as lines. AuditEvents are passed over.
    --hash-secret   secrets.audit_key, where records have hashes in the place of references
fhir-guard check FILE
    Reads a configuration of the filter, YAML or JSON, and tells every mistake. The variables that its secrets name
    must be set.

Exit status: 0 nothing is found wrong, 1 something is, 2 it could not be looked at.";

#[derive(Default)]
struct Options {
    words: Vec<OsString>,
    keys: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    secrets: Vec<String>,
    part: bool,
    complete: bool,
    json: bool,
    threads: Option<usize>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "fhir-guard: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let options = options().map_err(|error| format!("{error}\n\n{USAGE}"))?;
    let words = options.words.iter().map(|word| word.to_str());
    let words: Option<Vec<&str>> = words.collect();
    let words = words.ok_or("a word is not UTF-8")?;
    match words.as_slice() {
        ["audit", "verify", files @ ..] if !files.is_empty() => verify(&options, files, None),
        ["audit", "who-saw", reference, files @ ..] if !files.is_empty() => {
            let secrets: Result<Vec<MacKey>, String> =
                options.secrets.iter().map(|file| secret(file)).collect();
            let (from, to) = (options.from.as_deref(), options.to.as_deref());
            let wanted = Wanted::new(reference, &secrets?, from, to)?;
            verify(&options, files, Some(&wanted))
        }
        ["check", file] => configuration(file),
        _ => Err(format!("what is to be done?\n\n{USAGE}")),
    }
}

fn options() -> Result<Options, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("key") => options.keys.push(parser.value()?.string()?),
            Long("from") => options.from = Some(parser.value()?.string()?),
            Long("to") => options.to = Some(parser.value()?.string()?),
            Long("hash-secret") => options.secrets.push(parser.value()?.string()?),
            Long("part") => options.part = true,
            Long("complete") => options.complete = true,
            Long("json") => options.json = true,
            Long("threads") => options.threads = Some(parser.value()?.parse()?),
            Long("help") | Short('h') => {
                let _ = writeln!(io::stdout(), "{USAGE}");
                std::process::exit(0);
            }
            Value(word) => options.words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

fn verify(options: &Options, files: &[&str], wanted: Option<&Wanted>) -> Result<bool, String> {
    let mut keys = Keys::default();
    for key in &options.keys {
        let (name, file) = match key.split_once('=') {
            Some((name, file)) => (Some(name), file),
            None => (None, key.as_str()),
        };
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        keys.add(&text, name)
            .map_err(|error| format!("{file}: {error}"))?;
    }
    let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(threads).clamp(1, 64);
    let extent = match (options.part, options.complete) {
        (true, true) => return Err("--part and --complete contradict each other".to_owned()),
        (true, false) => Extent::Part,
        (false, true) => Extent::Complete,
        (false, false) => Extent::Log,
    };
    let report = audit::verify(&files, &keys, extent, threads)?;
    let out = &mut io::stdout().lock();
    let mut told = Ok(());
    let written = match wanted {
        None => audit::write(&report, &keys, options.json, out),
        Some(wanted) => {
            let mut written = Ok(());
            let found = disclosures::who_saw(&files, &report, wanted, threads, &mut |found| {
                if written.is_ok() {
                    written = writeln!(out, "{found}");
                }
            })?;
            told = untold(&found, &options.secrets);
            // What is wrong with the log belongs to the answer, and not into it.
            written.and_then(|()| audit::write(&report, &keys, false, &mut io::stderr()))
        }
    };
    written.map_err(|error| format!("standard output: {error}"))?;
    told.map(|()| report.findings.count == 0)
}

/// Says what could not be told.
///
/// # Errors
/// There are hashes, and no key.
fn untold(found: &Untold, secrets: &[String]) -> Result<(), String> {
    let Untold { unnamed, hashed } = found;
    let mut err = io::stderr();
    if *unnamed > 0 {
        let _ = writeln!(
            err,
            "{unnamed} exchanges more may have: they concern more patients than their records name (patients_more)"
        );
    }
    match (hashed, secrets) {
        (0, _) => Ok(()),
        (_, []) => Err(format!(
            "{hashed} records have hashes in the place of references: expected --hash-secret with secrets.audit_key of their time"
        )),
        (_, keys) => {
            let _ = writeln!(
                err,
                "{hashed} records name others by hashes, or this one by that of another key than the {} given",
                keys.len()
            );
            Ok(())
        }
    }
}

/// The key of keyed hashes in this file, in the form of `secrets.audit_key`.
fn secret(file: &str) -> Result<MacKey, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    MacKey::read(&text)
        .ok_or_else(|| format!("{file}: expected 32 to 256 bytes, in hexadecimal digits or base64"))
}

fn configuration(file: &str) -> Result<bool, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let environment = |name: &str| std::env::var(name).ok();
    let (good, said) = match check(&text, &environment) {
        Ok(warnings) => (true, warnings.join("\n")),
        Err(mistakes) => (false, mistakes),
    };
    if !said.is_empty() {
        writeln!(io::stdout(), "{said}").map_err(|error| format!("standard output: {error}"))?;
    }
    Ok(good)
}
