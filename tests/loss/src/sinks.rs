//! What stands in the files.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::{self, Fact, Id};
use serde_json::Value;

use crate::Format;
use crate::load::{Millis, number};

/// Where the files are.
pub(crate) struct Files {
    /// The access log, as often as it was moved away.
    pub(crate) access: Vec<PathBuf>,
    /// Envoy's own log: it has the ends of chains.
    pub(crate) own: PathBuf,
    pub(crate) repository: PathBuf,
    pub(crate) format: Format,
}

/// All of them, read.
pub(crate) struct Sinks {
    /// Access log and Envoy's own.
    pub(crate) log: Sink,
    pub(crate) repository: Sink,
    /// How far chains had come, and when they said so, where others tell it.
    pub(crate) told: HashMap<Id, (u64, Millis)>,
}

/// What stands in files of one kind.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    /// The request ids of records, of early copies, and of events of what is over.
    pub(crate) records: HashSet<u128>,
    pub(crate) early: HashSet<u128>,
    pub(crate) over: HashSet<u128>,
    /// Of intents, lines or events: chain and ticket.
    pub(crate) intents: HashMap<u128, Place>,
    /// When exchanges began that were announced.
    pub(crate) began: HashMap<Place, Millis>,
    /// Tickets of events of what is over.
    pub(crate) closed: HashSet<Place>,
    /// By chain and number.
    pub(crate) sealed: HashMap<Place, Line>,
}

/// A chain, and a number or a ticket in it.
pub(crate) type Place = (Id, u64);

/// A record in a chain.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) written: Millis,
    pub(crate) bytes: u64,
}

impl Files {
    /// Reads them. Beside the repository's file are then its events, one a line, and its intents alone.
    pub(crate) fn read(&self) -> Result<Sinks, String> {
        let mut sinks = Sinks {
            log: Sink::default(),
            repository: Sink::default(),
            told: HashMap::new(),
        };
        for path in &self.access {
            each(path, &mut |line| {
                sinks.log.count(line);
                sinks.log.take(line, id(line), &mut sinks.told);
                Ok(())
            })?;
        }
        each(&self.own, &mut |line| {
            sinks.log.take(line, id(line), &mut sinks.told);
            Ok(())
        })?;
        let (mut events, mut intents) = (create(&self.events())?, create(&self.intents())?);
        each(&self.repository, &mut |line| {
            let own = &mut sinks.repository;
            own.count(line);
            let all = match self.format {
                Format::Records => vec![(line.to_vec(), id(line))],
                Format::Events => unbundled(line)?,
            };
            for (text, id) in all {
                let out = own.take(&text, id, &mut sinks.told);
                let to = [
                    (Format::Events == self.format, &mut events),
                    (out, &mut intents),
                ];
                for (_, file) in to.into_iter().filter(|(is_for, _)| *is_for) {
                    let written = file.write_all(&text).and_then(|()| file.write_all(b"\n"));
                    written.map_err(|error| format!("cannot write a copy: {error}"))?;
                }
            }
            Ok(())
        })?;
        for file in [&mut events, &mut intents] {
            file.flush()
                .map_err(|error| format!("cannot write a copy: {error}"))?;
        }
        Ok(sinks)
    }

    /// What the verifier is given: everything, or of the repository the intents alone.
    pub(crate) fn given(&self, whole: bool) -> Vec<String> {
        let repository = match (whole, self.format) {
            (false, _) => self.intents(),
            (true, Format::Records) => self.repository.clone(),
            (true, Format::Events) => self.events(),
        };
        let all = self.access.iter().chain([&self.own, &repository]);
        let all = all.filter(|file| file.is_file());
        all.map(|file| file.display().to_string()).collect()
    }

    fn events(&self) -> PathBuf {
        self.repository.with_extension("events.ndjson")
    }

    fn intents(&self) -> PathBuf {
        self.repository.with_extension("intents.ndjson")
    }
}

impl Sink {
    fn count(&mut self, line: &[u8]) {
        self.lines += 1;
        self.bytes += line.len() as u64 + 1;
    }

    /// Whether it is an intent.
    fn take(
        &mut self,
        line: &[u8],
        id: Option<u128>,
        told: &mut HashMap<Id, (u64, Millis)>,
    ) -> bool {
        match line::read(line, &Keys::default()) {
            Fact::Sealed(sealed) => {
                let written = line::record(line).and_then(|record| line::written(&record));
                let written = written.and_then(|time| Millis::try_from(time / 1_000_000).ok());
                let own = Line {
                    written: written.unwrap_or(0),
                    bytes: line.len() as u64 + 1,
                };
                self.records.extend(id);
                self.sealed.insert((sealed.id, sealed.seq), own);
                for link in sealed.checkpoint.iter().flat_map(|found| &found.links) {
                    let at = line::milliseconds(link.at).unwrap_or(0);
                    let known = told.entry(link.id).or_default();
                    *known = (*known).max((link.seq, at));
                }
            }
            Fact::Early { .. } => self.early.extend(id),
            Fact::Intent {
                id: chain,
                ticket,
                time,
            }
            | Fact::Event {
                id: chain,
                ticket,
                time,
                is_over: false,
            } => {
                self.intents.extend(id.map(|id| (id, (chain, ticket))));
                let time = time.and_then(line::milliseconds);
                self.began.insert((chain, ticket), time.unwrap_or(0));
                return true;
            }
            Fact::Event {
                id: chain, ticket, ..
            } => {
                self.over.extend(id);
                self.closed.insert((chain, ticket));
            }
            // Of the latter the verifier tells.
            Fact::Other | Fact::Malformed(_) => {}
        }
        false
    }
}

/// A file line by line; one that is not there is empty.
fn each(path: &Path, take: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file.map_err(failed)?,
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        take(line.strip_suffix(b"\n").unwrap_or(&line))?;
        line.clear();
    }
    Ok(())
}

fn create(path: &Path) -> Result<BufWriter<File>, String> {
    let file = File::create(path);
    let file = file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(BufWriter::new(file))
}

/// A line, and the request id in it.
type Told = (Vec<u8>, Option<u128>);

/// The events of a transaction.
fn unbundled(line: &[u8]) -> Result<Vec<Told>, String> {
    let bundle: Value = serde_json::from_slice(line)
        .map_err(|error| format!("the repository has what is no JSON: {error}"))?;
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let events = entries.map(|entry| {
        let event = &entry["resource"];
        (event.to_string().into_bytes(), id_of(event))
    });
    Ok(events.collect())
}

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

#[cfg(test)]
mod tests {
    use super::id;

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
}
