//! Who saw what: over honest logs, hashed ones, and lines in which a caller has his own text.

use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use fhir_guard::audit::{AuditPolicy, Outcome, Record, Telling};
use fhir_guard::identity::MacKey;
use fhir_guard_companion::audit;
use fhir_guard_companion::disclosures::{Untold, Wanted, who_saw};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::Extent;
use serde_json::Value;

use crate::audit::{keys, told};
use crate::report::texts;
use crate::simulated::{Random, log};

/// A folder that is gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("fhir-guard-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ask(files: &[String], public: &Keys, wanted: &Wanted) -> (Vec<Value>, Untold) {
    let report = audit::verify(files, public, Extent::Log, 2).expect("it is read");
    let mut found = Vec::new();
    let take = &mut |line| found.push(line);
    let untold = who_saw(files, &report, wanted, 2, take).expect("it is read");
    (found, untold)
}

#[test]
fn each_exchange_is_told_with_what_proves_it() {
    let folder = Folder::new("who");
    let lines = log(500, 10, true, &mut Random(11));
    let text: Vec<&str> = texts(&lines).collect();
    let files = [folder.file("log", &text.join("\n"))];
    let report = audit::verify(&files, &keys(), Extent::Log, 2).expect("it is read");
    assert_eq!(report.findings.count, 0, "{}", told(&report));
    let first: Value = serde_json::from_str(&lines[0].text).expect("JSON");
    let reference = first["refs"][0].as_str().expect("a reference").to_owned();
    let wanted = |from, to| Wanted::new(&reference, &[], from, to).expect("wanted");
    let (found, untold) = ask(&files, &keys(), &wanted(Some("2026-02-02"), None));
    let named = format!("\"{reference}\"");
    let expected = texts(&lines).filter(|text| text.contains(&named)).count();
    assert_eq!((found.len(), untold), (expected, Untold::default()));
    assert!(expected > 0);
    assert!(found.iter().any(|line| line["proof"] == "signed"));
    for (from, to) in [(Some("2027"), None), (None, Some("2026-02"))] {
        assert_eq!(ask(&files, &keys(), &wanted(from, to)).0, [] as [Value; 0]);
    }
    for line in &found {
        assert!(["signed", "chained", "none"].contains(&line["proof"].as_str().expect("text")));
    }
}

/// A secret as a file of it has it, and the key.
fn secret(digit: &str) -> (String, MacKey) {
    let text = digit.repeat(64);
    let key = MacKey::read(&text).expect("a key");
    (text, key)
}

/// Ten reads of Patient/1 to Patient/10, as a filter with this key writes them, and one that names not all.
fn hashed(secret: &str) -> String {
    let key = Rc::new(MacKey::read(secret).expect("a key"));
    let policy = Rc::new(AuditPolicy {
        references: Telling::Hashed(key),
        ..AuditPolicy::default()
    });
    let record = |id: u64| Record {
        policy: Rc::clone(&policy),
        began: 1_770_000_000_000_000_000 + id,
        request_id: format!("r{id}"),
        refs: vec![format!("Patient/{id}")],
        ..Record::default()
    };
    let line = |id| record(id).line_of(Outcome::Allowed, 200, 1_770_000_000_000_000_000);
    (1..=10).map(|id| line(id) + "\n").collect()
}

#[test]
fn hashes_are_found_by_their_keys_and_those_of_other_keys_are_said() {
    let folder = Folder::new("hashes");
    let (old, new) = (secret("a"), secret("b"));
    let secrets = [("old", &old.0), ("new", &new.0)].map(|(name, text)| folder.file(name, text));
    let log = folder.file("log", &(hashed(&old.0) + &hashed(&new.0)));
    let files = [log.clone()];
    for (name, given, times, others) in [
        ("no key", &[][..], 0, 20),
        ("the old key", &[0][..], 1, 19),
        ("both", &[0, 1], 2, 18),
    ] {
        let macs = given.iter().map(|at| secret(["a", "b"][*at]).1);
        let wanted = Wanted::new("Patient/3", &macs.collect::<Vec<_>>(), None, None);
        let (found, untold) = ask(&files, &Keys::default(), &wanted.expect("good"));
        assert_eq!(found.len(), times, "{name}");
        assert_eq!((untold.unnamed, untold.hashed), (0, others), "{name}");

        let mut command = Command::new(env!("CARGO_BIN_EXE_fhir-guard"));
        command.args(["audit", "who-saw", "Patient/3"]);
        for at in given {
            command.arg("--hash-secret").arg(&secrets[*at]);
        }
        let output = command.arg(&log).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let lines = String::from_utf8_lossy(&output.stdout).lines().count();
        let code = if given.is_empty() { 2 } else { 0 };
        assert_eq!(
            (output.status.code(), lines),
            (Some(code), times),
            "{name}: {said}"
        );
        assert!(
            said.contains(&format!("{others} records ")),
            "{name}: {said}"
        );
    }
    // Of another type nothing is hidden.
    let group = Wanted::new("Group/3", &[], None, None).expect("good");
    assert_eq!(ask(&files, &Keys::default(), &group).1, Untold::default());
}

/// Where a log prints a text of the caller beside the record, he can make it look like one.
#[test]
fn nobody_hides_an_exchange_behind_a_text_of_his_own() {
    let folder = Folder::new("beside");
    let lines = log(40, 10, true, &mut Random(4));
    let at = lines
        .iter()
        .position(|line| line.seq.is_some())
        .expect("a record");
    let own: Value = serde_json::from_str(&lines[at].text).expect("JSON");
    let reference = own["refs"][0].as_str().expect("a reference");
    let forged = lines[at]
        .text
        .replace("\"refs\":[", "\"refs\":[\"Patient/forged\",");
    let text = texts(&lines)
        .enumerate()
        .map(|(line, text)| match line == at {
            true => serde_json::json!({"agent": forged, "record": text}).to_string(),
            false => serde_json::json!({"record": text}).to_string(),
        });
    let files = [folder.file("log", &text.collect::<Vec<_>>().join("\n"))];
    let wanted = Wanted::new(reference, &[], None, None).expect("good");
    let (found, _) = ask(&files, &keys(), &wanted);
    let line = serde_json::json!(at + 1);
    let proofs: Vec<&Value> = found
        .iter()
        .filter(|one| one["line"] == line)
        .map(|one| &one["proof"])
        .collect();
    assert_eq!(
        proofs,
        ["none", "none"],
        "the record, and what is not told from it"
    );
}
