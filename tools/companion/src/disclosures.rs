//! `audit who-saw`: the exchanges that disclosed a resource, or what is a patient's.

use std::collections::{HashMap, HashSet};

use fhir_guard::audit::Subject;
use fhir_guard::identity::MacKey;
use memchr::memmem;
use serde_json::{Value, json};

use crate::keys::Keys;
use crate::line::{self, Hash, Id};
use crate::read;
use crate::verify::{ChainReport, Report};

/// Whose disclosures, and when.
#[derive(Debug)]
pub struct Wanted {
    /// As records write it: `Patient/123`, and its hashes.
    references: Vec<String>,
    /// As records write a patient in context: `123`, and the same hashes.
    contexts: Vec<String>,
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
            is_patient: resource_type == "Patient",
            from: from.map(time).transpose()?,
            to: to.map(time).transpose()?,
        })
    }

    /// What stands in every line that could tell of it.
    fn marks(&self) -> impl Iterator<Item = &str> {
        self.contexts.iter().map(String::as_str)
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

/// The beginning of a time, without `Z`: that would be greater than any fraction of the second.
fn time(text: &str) -> Result<String, String> {
    let own = text.strip_suffix('Z').unwrap_or(text);
    let like = |(found, form): (u8, u8)| match form {
        b'0' => found.is_ascii_digit(),
        form => found == form,
    };
    let good = own.len() >= 4 && own.len() <= TIME.len() && own.bytes().zip(TIME.bytes()).all(like);
    good.then(|| own.to_owned())
        .ok_or_else(|| format!("expected a time such as 2026-01-31T23:59, found {text:?}"))
}

/// Finds who asked for it, or for whom its records say that it was a patient's: each exchange once, with what proves
/// it. Only records count; what a line says is as good as its log, so the report of [`verify`](crate::audit::verify)
/// comes first. Returns how many more exchanges may have disclosed it, whose records name not all patients.
///
/// # Errors
/// A file cannot be read: which, and why.
pub fn who_saw(
    files: &[String],
    report: &Report,
    wanted: &Wanted,
    threads: usize,
    take: &mut dyn FnMut(Value),
) -> Result<u64, String> {
    let chains: HashMap<Id, &ChainReport> = report
        .chains
        .iter()
        .map(|chain| (chain.id, chain))
        .collect();
    let keys = Keys::default();
    let look = |text: &[u8]| {
        let has = |mark: &str| memmem::find(text, mark.as_bytes()).is_some();
        if !wanted.marks().any(has) && !has("patients_more") {
            return None;
        }
        let record: Value = serde_json::from_slice(&line::record(text)?).ok()?;
        // An audit event, which tells of an exchange that has a record.
        if record.get("resourceType").is_some() {
            return None;
        }
        let told = wanted.is_told(&record);
        let meant = wanted.is_in_time(&record) && (told || wanted.may_be_meant(&record));
        meant.then(|| (told, line::read(text, &keys), record))
    };
    let mut unnamed = 0_u64;
    // What several files have is told once.
    let mut known: HashSet<Hash> = HashSet::new();
    for name in &report.findings.files {
        if !files.contains(name) || name == "-" {
            return Err(format!("{name}: cannot be read again"));
        }
        let opened = read::open(name).map_err(|error| format!("{name}: {error}"))?;
        read::each(opened, threads, &look, &mut |line, found| {
            let Some((told, fact, record)) = found else {
                return;
            };
            let again = match &fact {
                line::Fact::Sealed(sealed) => !known.insert(sealed.hash),
                // Where nothing else tells what became of it.
                line::Fact::Intent { id, ticket, .. } => {
                    let chain = chains.get(id);
                    chain.is_none_or(|chain| chain.intents.binary_search(ticket).is_err())
                }
                _ => false,
            };
            if again {
                return;
            }
            if !told {
                unnamed = unnamed.saturating_add(1);
                return;
            }
            let proof = match &fact {
                line::Fact::Sealed(sealed) => proof(chains.get(&sealed.id).copied(), sealed.seq),
                _ => "none",
            };
            let pick = |name: &str| record.get(name).cloned().unwrap_or(Value::Null);
            take(json!({
                "time": pick("time"), "issuer": pick("issuer"), "client": pick("client"),
                "subject": pick("subject"), "user": pick("user"), "purposes": pick("purposes"),
                "certificate": pick("certificate"),
                "interaction": pick("interaction"), "type": pick("type"), "refs": pick("refs"),
                "outcome": pick("outcome"), "status": pick("status"), "rule": pick("rule"),
                "request_id": pick("request_id"), "proof": proof, "file": name, "line": line,
            }));
        })
        .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(unnamed)
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
            ("", None),
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
