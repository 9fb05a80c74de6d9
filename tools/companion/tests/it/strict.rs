//! Intents and what became of them, in one file and in several.

use std::sync::atomic::{AtomicUsize, Ordering};

use fhir_guard::audit::{Chain, ChainPolicy, Concerned, Outcome, Record, Ticket};
use fhir_guard_companion::audit;
use fhir_guard_companion::disclosures::{Wanted, who_saw};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::{Extent, Report};

use crate::audit::told;
use crate::simulated::{jwks, signer};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_770_000_000 * SECOND;

/// A log of one chain, line by line, and what the repository was told.
pub struct Log {
    pub chain: Chain,
    pub intents: Vec<String>,
    pub records: Vec<String>,
}

impl Log {
    fn new(id: u8) -> Log {
        let policy = ChainPolicy {
            signer: None,
            records: 100,
            time: 3600 * SECOND,
        };
        Log {
            chain: Chain::new(policy, [id; 16]),
            intents: Vec::new(),
            records: Vec::new(),
        }
    }

    /// An exchange that began then, about two patients.
    pub fn exchange(at: u64) -> Record {
        Record {
            interaction: Some("search-type"),
            concerned: Concerned {
                patients: vec![format!("Patient/{at}"), "Patient/all".to_owned()],
                more: 0,
            },
            began: START + at * SECOND,
            refs: vec![format!("Patient/{at}")],
            ..Record::default()
        }
    }

    /// An exchange that began then is announced; its ticket.
    pub fn announce(&mut self, at: u64) -> u64 {
        let ticket = self.chain.ticket();
        let record = Log::exchange(at);
        let line = record.line_of(Outcome::Announced, 0, record.began);
        self.intents.push(self.chain.place(ticket).intent(line));
        ticket
    }

    /// An exchange that began then is over.
    pub fn keep(&mut self, at: u64, ticket: Option<Ticket>) {
        let record = Log::exchange(at);
        let now = record.began + SECOND;
        let sealed = self.chain.seal(record.line(now), ticket, None, now);
        self.records.push(self.chain.commit(sealed));
    }

    /// What is printed where its worker died.
    pub fn early(&self, at: u64, ticket: u64) -> String {
        let record = Log::exchange(at);
        let line = record.line_of(Outcome::Forwarded, 0, record.began);
        self.chain.early(line, ticket)
    }
}

/// Three exchanges: acknowledged, refused because it was not, and not announced at all; with another one that is
/// announced at this second and of which nothing more is known.
pub fn log(open: u64) -> Log {
    log_of(7, open)
}

/// The same in a chain of this id.
fn log_of(id: u8, open: u64) -> Log {
    let mut log = Log::new(id);
    let first = log.announce(1);
    let second = log.announce(2);
    log.announce(open);
    log.keep(1, Some(Ticket::Announced(first)));
    log.keep(2, Some(Ticket::Given(second)));
    log.keep(1000, None);
    log
}

/// The kinds of what is found in these files, and how many lines are copies.
fn check(name: &str, files: &[&[String]], extent: Extent, expected: &str, copied: u64) {
    let (report, found) = judged(files, &Keys::default(), extent);
    assert_eq!(found, expected, "{name}: {}", told(&report));
    assert_eq!(report.copied, copied, "{name}");
}

/// What is said of these files, and the kinds of what is found in them.
pub fn judged(files: &[&[String]], keys: &Keys, extent: Extent) -> (Report, String) {
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
    let report = audit::verify(&paths, keys, extent, 1).expect("it is read");
    let _ = std::fs::remove_dir_all(&here);
    let found = report.findings.kept.iter();
    let found: Vec<&str> = found.map(|finding| finding.kind.name()).collect();
    let found = found.join(" ");
    (report, found)
}

/// Two configurations of one log are strict, and each has a repository of its own. What is missing of a repository is
/// found where anything of it is there, and told where all of it is gone.
#[test]
fn intents_are_missed_where_their_repository_is_there() {
    let (own, other) = (log_of(7, 999), log_of(8, 999));
    let records = [own.records.clone(), other.records.clone()].concat();
    let (i, j) = (&own.intents[..], &other.intents[..]);
    for (name, files, extent, expected, absent) in [
        ("both", vec![&records[..], i, j], Extent::Log, "", [0, 0]),
        ("the one", vec![&records, i], Extent::Log, "", [0, 1]),
        ("the other", vec![&records, j], Extent::Log, "", [1, 0]),
        (
            "the access log alone",
            vec![&records],
            Extent::Log,
            "",
            [1, 1],
        ),
        (
            "an intent of the one is gone",
            vec![&records, &i[1..]],
            Extent::Log,
            "unannounced",
            [0, 1],
        ),
        (
            "of each",
            vec![&records, &i[1..], &j[1..]],
            Extent::Log,
            "unannounced unannounced",
            [0, 0],
        ),
        (
            "both, and no others",
            vec![&records, i, j],
            Extent::Complete,
            "",
            [0, 0],
        ),
        (
            "all of the other's are gone",
            vec![&records, i],
            Extent::Complete,
            "unannounced",
            [0, 0],
        ),
        (
            "all are gone",
            vec![&records],
            Extent::Complete,
            "unannounced unannounced",
            [0, 0],
        ),
        ("a part", vec![&records, &i[1..]], Extent::Part, "", [1, 1]),
    ] {
        let (report, found) = judged(&files, &Keys::default(), extent);
        assert_eq!(found, expected, "{name}: {}", told(&report));
        let found: Vec<u64> = report.chains.iter().map(|own| own.absent).collect();
        assert_eq!(found, absent, "{name}");
        let text = printed(&report);
        let sum: u64 = absent.iter().sum();
        let words = format!("the intents of {sum} exchanges are in none of these files");
        assert_eq!(text.contains(&words), sum > 0, "{name}: {text}");
    }
}

/// Whoever writes to the log of a worker that died can close what it left open, and the report says that nothing signed
/// has.
#[test]
fn what_nothing_signed_closes_is_told() {
    let mut keys = Keys::default();
    keys.add(&jwks(), None).expect("a key");
    let policy = ChainPolicy {
        signer: Some(signer()),
        records: 4,
        time: 3600 * SECOND,
    };
    let mut own = Log::new(7);
    own.chain = Chain::new(policy, [7; 16]);
    for at in 1..=10 {
        let ticket = own.announce(at);
        own.keep(at, Some(Ticket::Announced(ticket)));
    }
    // Checkpoints are the records 1, 5 and 9.
    own.announce(11);
    own.keep(2000, None);
    let honest = own.records.clone();
    own.keep(11, Some(Ticket::Given(11)));
    let forged = &own.records[..];
    let late = [&forged[..3], &forged[9..], &forged[3..9]].concat();
    let damaged = forged[6].replacen("\"passed\":0", "\"passed\":1", 1);
    let damaged = [&forged[..6], &[damaged], &forged[7..]].concat();
    let i = &own.intents[..];
    for (name, files, expected, unsigned) in [
        ("honest", vec![&honest[..], i], "unfinished", 1),
        ("forged", vec![forged, i], "", 2),
        ("up to a checkpoint", vec![&forged[..9], &i[..9]], "", 0),
        ("behind it", vec![&forged[..10], &i[..10]], "", 1),
        ("before it", vec![&forged[..8], &i[..8]], "", 3),
        (
            "intents that come later",
            vec![forged, &i[..9], &i[9..]],
            "",
            2,
        ),
        ("no intents", vec![forged], "", 0),
        (
            "another file has what is before the checkpoint",
            vec![&forged[..1], &forged[9..], forged, i],
            "",
            2,
        ),
        ("one that was changed", vec![&damaged, i], "changed", 6),
        (
            "out of order",
            vec![&late, i],
            "reordered reordered reordered reordered reordered reordered",
            10,
        ),
    ] {
        let (report, found) = judged(&files, &keys, Extent::Log);
        assert_eq!(found, expected, "{name}: {}", told(&report));
        let [chain] = &report.chains[..] else {
            panic!("{name}: one chain");
        };
        assert_eq!((chain.unsigned, chain.by_events), (unsigned, 0), "{name}");
        let (text, words) = (printed(&report), "nothing signed tells what became of");
        assert_eq!(text.contains(words), unsigned > 0, "{name}: {text}");
    }
}

/// The report, for people and for programs.
pub fn printed(report: &Report) -> String {
    let mut out = Vec::new();
    for as_json in [false, true] {
        audit::write(report, &Keys::default(), as_json, &mut out).expect("it is written");
    }
    String::from_utf8(out).expect("text")
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
        check(name, &files, Extent::Log, expected, copied);
    }
    check(
        "a copy is another",
        &[r, &changed(r, 1)],
        Extent::Log,
        "changed",
        2,
    );
    check(
        "a part",
        &[&old.intents[1..], &old.records],
        Extent::Part,
        "",
        0,
    );
    check(
        "out of order in one file",
        &[&reversed],
        Extent::Log,
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
        check(name, &[&own, &theirs], Extent::Log, "unfinished", copied);
        check(name, &[&theirs, &own], Extent::Log, "unfinished", copied);
    }
    let early = fresh.early(999, 3);
    check(
        "two copies of an early one",
        &[std::slice::from_ref(&early), std::slice::from_ref(&early)],
        Extent::Log,
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
        Extent::Log,
        "lost unfinished",
        0,
    );
    let mut own = log(999);
    own.keep(999, Some(Ticket::Announced(3)));
    let (end, _) = own.chain.end(START + 1001 * SECOND).expect("an end");
    let whole = [own.records.clone(), vec![end]].concat();
    check("all is there", &[&whole, &own.intents], Extent::Log, "", 0);
    check(
        "the end twice",
        &[&whole, &whole.clone()],
        Extent::Log,
        "",
        5,
    );
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
    let report = audit::verify(&paths, &Keys::default(), Extent::Log, 1).expect("it is read");
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
