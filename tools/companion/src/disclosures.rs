//! `audit who-saw`: the exchanges that disclosed a resource, or what is a patient's.

use std::collections::{HashMap, HashSet};

use fhir_guard::audit::Subject;
use fhir_guard::identity::MacKey;
use memchr::memmem;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::keys::Keys;
use crate::line::{self, Fact, Hash, Id};
use crate::read;
use crate::verify::{ChainReport, Report};

/// Whose disclosures, and when.
#[derive(Debug)]
pub struct Wanted {
    /// As records write it: `Patient/123`, and its hashes.
    references: Vec<String>,
    /// As records write a patient in context: `123`, and the same hashes.
    contexts: Vec<String>,
    /// What a hash of any such reference begins with, by whatever key: `"Patient#`.
    hashed: String,
    is_patient: bool,
    /// Exchanges that began then or later.
    from: Option<String>,
    /// Exchanges that began before.
    to: Option<String>,
}

/// Of what a time is a beginning.
const TIME: &str = "0000-00-00T00:00:00.000";

impl Wanted {
    /// Disclosures of this, `Type/id`, also where records have a hash of it with one of these keys. Times are beginnings
    /// of `2026-01-31T23:59:59.123`, in UTC, with or without `Z`.
    ///
    /// # Errors
    /// What is not of this form.
    pub fn new(
        reference: &str,
        keys: &[MacKey],
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<Wanted, String> {
        let expected = || format!("expected a reference such as Patient/123, found {reference:?}");
        let (resource_type, id) = reference.split_once('/').ok_or_else(expected)?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if resource_type.is_empty()
            || !resource_type.bytes().all(|byte| byte.is_ascii_alphabetic())
            || id.is_empty()
            || !id.bytes().all(letter)
        {
            return Err(expected());
        }
        let hash = |key| {
            format!(
                "{resource_type}#{}",
                Subject::Reference.hash(key, reference)
            )
        };
        let hashes: Vec<String> = keys.iter().map(hash).collect();
        let with = |plain: &str| [&[plain.to_owned()][..], &hashes].concat();
        Ok(Wanted {
            references: with(reference),
            contexts: with(id),
            hashed: format!("\"{resource_type}#"),
            is_patient: resource_type == "Patient",
            from: from.map(time).transpose()?,
            to: to.map(time).transpose()?,
        })
    }

    fn is_in_time(&self, record: &Value) -> bool {
        let time = record.get("time").and_then(Value::as_str);
        let time = time.unwrap_or_default();
        self.from.as_deref().is_none_or(|from| time >= from)
            && self.to.as_deref().is_none_or(|to| time < to)
    }

    fn is_told(&self, record: &Value) -> bool {
        let is = |value: Option<&Value>, all: &[String]| {
            let text = value.and_then(Value::as_str);
            text.is_some_and(|text| all.iter().any(|one| one == text))
        };
        let list = |name: &str| {
            let list = record.get(name).and_then(Value::as_array);
            list.into_iter().flatten()
        };
        list("refs")
            .chain(list("patients"))
            .any(|found| is(Some(found), &self.references))
            || list("entries").any(|entry| is(entry.get("ref"), &self.references))
            || is(record.get("created"), &self.references)
            || (self.is_patient && is(record.get("patient"), &self.contexts))
    }

    /// Whether its record names fewer patients than it concerns, of whom this may have been one.
    fn may_be_meant(&self, record: &Value) -> bool {
        self.is_patient && record.get("patients_more").is_some()
    }
}

/// The beginning of a time, without `Z`: that would be greater than any fraction of the second. A number that is begun
/// would be taken for another: `2026-1` for October.
fn time(text: &str) -> Result<String, String> {
    let own = text.strip_suffix('Z').unwrap_or(text);
    let like = |(found, form): (u8, u8)| match form {
        b'0' => found.is_ascii_digit(),
        form => found == form,
    };
    let whole = matches!(own.len(), 4 | 7 | 10 | 13 | 16 | 19 | 21..=23);
    let good = whole && own.bytes().zip(TIME.bytes()).all(like);
    good.then(|| own.to_owned())
        .ok_or_else(|| format!("expected a time such as 2026-01-31T23:59, found {text:?}"))
}

/// What the records of a log could not tell.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Untold {
    /// Exchanges that may have disclosed it: they concern more patients than their records name.
    pub unnamed: u64,
    /// Records that name something of this type by a hash, and not this by any of the given keys: they are about
    /// another, or of another key. What several files have counts in each.
    pub hashed: u64,
}

/// What could be a record, and tells of it or hides whether it does.
struct Found {
    is_told: bool,
    /// Of several in one line, of which all but one are somebody's text, nothing shows which is the record.
    is_alone: bool,
    fact: Fact,
    hash: Hash,
    record: Value,
}

/// Finds who asked for it, or for whom its records say that it was a patient's: each exchange once, with what proves
/// it. Only records count; what a line says is as good as its log, so the report of [`verify`](crate::audit::verify)
/// comes first. Returns what could not be told.
///
/// # Errors
/// A file cannot be read: which, and why.
pub fn who_saw(
    files: &[String],
    report: &Report,
    wanted: &Wanted,
    threads: usize,
    take: &mut dyn FnMut(Value),
) -> Result<Untold, String> {
    let chains: HashMap<Id, &ChainReport> = report
        .chains
        .iter()
        .map(|chain| (chain.id, chain))
        .collect();
    let keys = Keys::default();
    let mut untold = Untold::default();
    // What several files have is told once.
    let mut known: HashSet<Hash> = HashSet::new();
    for name in &report.findings.files {
        if !files.contains(name) || name == "-" {
            return Err(format!("{name}: cannot be read again"));
        }
        let opened = read::open(name).map_err(|error| format!("{name}: {error}"))?;
        let look = |text: &[u8]| wanted.found(text, &keys);
        read::each(opened, threads, &look, &mut |line, all: Vec<Found>| {
            for found in all {
                let more = wanted.may_be_meant(&found.record);
                // They may be most of the log: nothing is remembered of them.
                if !found.is_told && !more {
                    untold.hashed = untold.hashed.saturating_add(1);
                    continue;
                }
                let again = match &found.fact {
                    // Where nothing else tells what became of it.
                    Fact::Intent { id, ticket, .. } => {
                        let chain = chains.get(id);
                        chain.is_none_or(|chain| chain.intents.binary_search(ticket).is_err())
                    }
                    _ => !known.insert(found.hash),
                };
                match (again, found.is_told) {
                    (true, _) => {}
                    (false, true) => take(disclosure(&found, &chains, name, line)),
                    (false, false) => untold.unnamed = untold.unnamed.saturating_add(1),
                }
            }
        })
        .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(untold)
}

impl Wanted {
    fn found(&self, text: &[u8], keys: &Keys) -> Vec<Found> {
        let has = |mark: &str| memmem::find(text, mark.as_bytes()).is_some();
        // In JSON of another log, quotes have a backslash before them.
        let hashed = self.hashed.trim_start_matches('"');
        if !self.contexts.iter().any(|mark| has(mark)) && !has("patients_more") && !has(hashed) {
            return Vec::new();
        }
        let records = line::records(text);
        let is_alone = records.len() < 2;
        let found = records.into_iter().filter_map(|text| {
            let record: Value = serde_json::from_slice(&text).ok()?;
            let is_told = self.is_told(&record);
            let may_be =
                self.may_be_meant(&record) || memmem::find(&text, self.hashed.as_bytes()).is_some();
            let meant = self.is_in_time(&record) && (is_told || may_be);
            meant.then(|| Found {
                is_told,
                is_alone,
                fact: line::read(&text, keys),
                hash: Sha256::digest(&text).into(),
                record,
            })
        });
        found.collect()
    }
}

fn disclosure(found: &Found, chains: &HashMap<Id, &ChainReport>, file: &str, line: u64) -> Value {
    let proof = match &found.fact {
        Fact::Sealed(sealed) if found.is_alone => {
            proof(chains.get(&sealed.id).copied(), sealed.seq)
        }
        _ => "none",
    };
    let pick = |name: &str| found.record.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "time": pick("time"), "issuer": pick("issuer"), "client": pick("client"),
        "subject": pick("subject"), "user": pick("user"), "purposes": pick("purposes"),
        "certificate": pick("certificate"),
        "interaction": pick("interaction"), "type": pick("type"), "refs": pick("refs"),
        "outcome": pick("outcome"), "status": pick("status"), "rule": pick("rule"),
        "request_id": pick("request_id"), "proof": proof, "file": file, "line": line,
    })
}

/// What shows that a record is what was written.
fn proof(chain: Option<&ChainReport>, seq: u64) -> &'static str {
    match chain {
        Some(chain) if seq <= chain.proved => "signed",
        Some(chain) if chain.fault.is_none_or(|fault| seq < fault) => "chained",
        _ => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_beginning_of_one() {
        for (text, expected) in [
            ("2026", Some("2026")),
            ("2026-01-31", Some("2026-01-31")),
            ("2026-01-31T23:59:59Z", Some("2026-01-31T23:59:59")),
            ("2026-01-31T23:59:59.123Z", Some("2026-01-31T23:59:59.123")),
            ("2026-01-31T23:59:59.1", Some("2026-01-31T23:59:59.1")),
            ("", None),
            ("2026-1", None),
            ("2026-01-", None),
            ("2026-01-31T2", None),
            ("2026-01-31T23:59:59.", None),
            ("Z", None),
            ("31.01.2026", None),
            ("2026-01-31 23:59", None),
            ("2026-01-31T23:59:59.123456Z", None),
            ("2026-01-31T23:59:59+01:00", None),
        ] {
            assert_eq!(time(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn every_member_that_names_it_tells_of_it() {
        let key = MacKey::read(&"a".repeat(64)).expect("a key");
        let hash = format!("Patient#{}", Subject::Reference.hash(&key, "Patient/1"));
        let wanted = |keys: &[MacKey]| Wanted::new("Patient/1", keys, None, None).expect("good");
        let (plain, hashed) = (wanted(&[]), wanted(&[key]));
        for (name, record, by_plain, by_hash) in [
            (
                "refs",
                json!({"refs": ["Patient/2", "Patient/1"]}),
                true,
                true,
            ),
            ("patients", json!({"patients": ["Patient/1"]}), true, true),
            ("created", json!({"created": "Patient/1"}), true, true),
            (
                "entries",
                json!({"entries": [{"ref": "Patient/1"}]}),
                true,
                true,
            ),
            ("in context", json!({"patient": "1"}), true, true),
            ("hashed", json!({"patients": [hash]}), false, true),
            ("created, hashed", json!({"created": hash}), false, true),
            ("in context, hashed", json!({"patient": hash}), false, true),
            (
                "another",
                json!({"refs": ["Patient/11"], "patient": "11"}),
                false,
                false,
            ),
            (
                "the caller",
                json!({"user": "Patient/1", "subject": "1"}),
                false,
                false,
            ),
            ("another type", json!({"refs": ["Group/1"]}), false, false),
        ] {
            assert_eq!(plain.is_told(&record), by_plain, "{name}");
            assert_eq!(hashed.is_told(&record), by_hash, "{name}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for reference in [
            "",
            "123",
            "Patient/",
            "/1",
            "Patient/1/_history/1",
            "Patient/a b",
        ] {
            assert!(
                Wanted::new(reference, &[], None, None).is_err(),
                "{reference}"
            );
        }
    }
}
