//! Intents and what became of them, in one file and in several.

use std::sync::atomic::{AtomicUsize, Ordering};

use fhir_guard::audit::{Chain, ChainPolicy, Outcome, Record, Ticket};
use fhir_guard_companion::audit;
use fhir_guard_companion::disclosures::{Wanted, who_saw};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::{self, Fact};

use crate::audit::told;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_770_000_000 * SECOND;

/// A log of one chain, line by line, and what the repository was told.
struct Log {
    chain: Chain,
    intents: Vec<String>,
    records: Vec<String>,
}

impl Log {
    fn new() -> Log {
        let policy = ChainPolicy {
            signer: None,
            records: 100,
            time: 3600 * SECOND,
        };
        Log {
            chain: Chain::new(policy, [7; 16]),
            intents: Vec::new(),
            records: Vec::new(),
        }
    }

    fn exchange(at: u64) -> Record {
        Record {
            began: START + at * SECOND,
            refs: vec![format!("Patient/{at}")],
            ..Record::default()
        }
    }

    /// An exchange that began then is announced; its ticket.
    fn announce(&mut self, at: u64) -> u64 {
        let ticket = self.chain.ticket();
        let record = Log::exchange(at);
        let line = record.line_of(Outcome::Announced, 0, record.began);
        self.intents.push(self.chain.intent(line, ticket));
        ticket
    }

    /// An exchange that began then is over.
    fn keep(&mut self, at: u64, ticket: Option<Ticket>) {
        let record = Log::exchange(at);
        let now = record.began + SECOND;
        let sealed = self.chain.seal(record.line(now), ticket, None, now);
        self.records.push(self.chain.commit(sealed));
    }

    /// What is printed where its worker died.
    fn early(&self, at: u64, ticket: u64) -> String {
        let record = Log::exchange(at);
        let line = record.line_of(Outcome::Forwarded, 0, record.began);
        self.chain.early(line, ticket)
    }
}

/// Three exchanges: acknowledged, refused because it was not, and not announced at all; with another one that is
/// announced at this second and of which nothing more is known.
fn log(open: u64) -> Log {
    let mut log = Log::new();
    let first = log.announce(1);
    let second = log.announce(2);
    log.announce(open);
    log.keep(1, Some(Ticket::Announced(first)));
    log.keep(2, Some(Ticket::Given(second)));
    log.keep(1000, None);
    log
}

/// The kinds of what is found in these files, and how many lines are copies.
fn check(name: &str, files: &[&[String]], part: bool, expected: &str, copied: u64) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name_here = format!("fhir-guard-strict-{}-{number}", std::process::id());
    let here = std::env::temp_dir().join(name_here);
    std::fs::create_dir_all(&here).expect("a directory");
    let paths: Vec<String> = (0..files.len())
        .map(|number| here.join(format!("{number}.log")).display().to_string())
        .collect();
    for (path, lines) in paths.iter().zip(files) {
        std::fs::write(path, lines.join("\n") + "\n").expect("a file");
    }
    let report = audit::verify(&paths, &Keys::default(), part, 1).expect("it is read");
    let found = report.findings.kept.iter();
    let found: Vec<&str> = found.map(|finding| finding.kind.name()).collect();
    assert_eq!(found.join(" "), expected, "{name}: {}", told(&report));
    assert_eq!(report.copied, copied, "{name}");
    let _ = std::fs::remove_dir_all(&here);
}

#[test]
fn intents_and_records_pair() {
    let fresh = log(999);
    let old = log(3);
    let bound = log(1000 - 600);
    let within = log(1000 - 599);
    let changed = |lines: &[String], at: usize| {
        let mut lines = lines.to_vec();
        lines[at] = lines[at].replacen("\"passed\":0", "\"passed\":1", 1);
        lines
    };
    let reversed: Vec<String> = fresh.records.iter().rev().cloned().collect();
    let repository = [fresh.intents.clone(), fresh.records.clone()].concat();
    let twice = [
        repository.clone(),
        fresh.intents.clone(),
        fresh.records.clone(),
    ]
    .concat();
    let (i, r) = (&fresh.intents[..], &fresh.records[..]);
    for (name, files, expected, copied) in [
        ("the access log alone", vec![r], "", 0),
        ("the repository alone", vec![&repository[..]], "", 0),
        ("both", vec![r, &repository], "", 3),
        ("both, the other way round", vec![&repository, r], "", 3),
        ("sent again", vec![r, &twice], "", 9),
        ("intents in a file of their own", vec![i, r], "", 0),
        (
            "an intent that nobody needs is gone",
            vec![&i[..1], r],
            "",
            0,
        ),
        ("an intent is gone", vec![&i[1..], r], "unannounced", 0),
        (
            "it may be under way",
            vec![&within.intents, &within.records],
            "",
            0,
        ),
        (
            "too long ago for that",
            vec![&bound.intents, &bound.records],
            "unfinished",
            0,
        ),
        (
            "long ago",
            vec![&old.intents, &old.records],
            "unfinished",
            0,
        ),
        ("one file lacks the last", vec![&r[..2], &repository], "", 2),
        (
            "one file lacks what is between",
            vec![&[r[0].clone(), r[2].clone()], &repository],
            "",
            2,
        ),
        (
            "one file lacks the first",
            vec![&r[1..], &repository],
            "",
            2,
        ),
        (
            "both lack one",
            vec![&[r[0].clone(), r[2].clone()], i],
            "gap unfinished",
            0,
        ),
    ] {
        check(name, &files, false, expected, copied);
    }
    check(
        "a copy is another",
        &[r, &changed(r, 1)],
        false,
        "changed",
        2,
    );
    check("a part", &[&old.intents[1..], &old.records], true, "", 0);
    check(
        "out of order in one file",
        &[&reversed],
        false,
        "reordered reordered",
        0,
    );
    // Who writes to the access log alone adds lines for what the repository has.
    let theirs = [old.intents.clone(), old.records.clone()].concat();
    let later = |text: &str| old.intents[2].replacen("2026-02-02T02:40:03", text, 1);
    for (name, line, copied) in [
        ("an early copy", old.early(3, 3), 3),
        ("as if it were new", later("2026-02-02T02:56:40"), 4),
        ("as if it were to come", later("2999-01-01T00:00:00"), 4),
        ("without a time", later("99:99"), 4),
    ] {
        assert!(line != old.intents[2], "{name}");
        // Both begin with the same record: they are read as they are given.
        let own = [std::slice::from_ref(&line), &old.records[..]].concat();
        check(name, &[&own, &theirs], false, "unfinished", copied);
        check(name, &[&theirs, &own], false, "unfinished", copied);
    }
    let early = fresh.early(999, 3);
    check(
        "two copies of an early one",
        &[std::slice::from_ref(&early), std::slice::from_ref(&early)],
        false,
        "",
        1,
    );
}

#[test]
fn a_chain_that_has_ended_leaves_nothing_under_way() {
    let mut own = log(999);
    let (end, _) = own.chain.end(START + 1001 * SECOND).expect("an end");
    let intents = own.intents.clone();
    let whole = [own.records.clone(), vec![end.clone()]].concat();
    check(
        "it was never recorded",
        &[&whole, &intents],
        false,
        "lost unfinished",
        0,
    );
    let mut own = log(999);
    own.keep(999, Some(Ticket::Announced(3)));
    let (end, _) = own.chain.end(START + 1001 * SECOND).expect("an end");
    let whole = [own.records.clone(), vec![end]].concat();
    check("all is there", &[&whole, &own.intents], false, "", 0);
    check("the end twice", &[&whole, &whole.clone()], false, "", 5);
}

#[test]
fn an_intent_is_of_one_form() {
    let line = "{\"v\":1,\"time\":\"2026-01-31T12:00:00.000Z\",\"us\":0,\"chain\":{\"v\":1,\"id\":\"000102030405060708090a0b0c0d0e0f\"";
    for (name, rest, good) in [
        ("an intent", ",\"intent\":7}}", true),
        ("no number", ",\"intent\":}}", false),
        ("zeros in front", ",\"intent\":07}}", false),
        ("both", ",\"intent\":7,\"ticket\":7}}", false),
        ("a text", ",\"intent\":\"7\"}}", false),
    ] {
        let fact = line::read(format!("{line}{rest}").as_bytes(), &Keys::default());
        let found = matches!(
            fact,
            Fact::Intent {
                ticket: 7,
                time: Some(_),
                ..
            }
        );
        assert_eq!(found, good, "{name}: {fact:?}");
    }
}

#[test]
fn who_saw_tells_of_each_exchange_once() {
    let here = std::env::temp_dir().join(format!("fhir-guard-once-{}", std::process::id()));
    std::fs::create_dir_all(&here).expect("a directory");
    let own = log(999);
    let repository = [own.intents.clone(), own.records.clone()].concat();
    let paths = ["a", "b"].map(|name| here.join(name).display().to_string());
    std::fs::write(&paths[0], own.records.join("\n")).expect("a file");
    std::fs::write(&paths[1], repository.join("\n")).expect("a file");
    let report = audit::verify(&paths, &Keys::default(), false, 1).expect("it is read");
    for (patient, outcomes) in [
        ("Patient/1", vec!["undecided"]),
        ("Patient/2", vec!["undecided"]),
        ("Patient/999", vec!["announced"]),
        ("Patient/5", vec![]),
    ] {
        let wanted = Wanted::new(patient, &[], None, None).expect("good");
        let mut found = Vec::new();
        let mut take = |one: serde_json::Value| {
            found.push(one["outcome"].as_str().unwrap_or_default().to_owned());
        };
        who_saw(&paths, &report, &wanted, 1, &mut take).expect("it is read");
        assert_eq!(found, outcomes, "{patient}");
    }
    let _ = std::fs::remove_dir_all(&here);
}
