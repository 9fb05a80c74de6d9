//! The verifier against the filter's own chains: honest logs, and logs that somebody has edited.

use std::collections::BTreeSet;
use std::process::Command;

use crate::simulated::{Line, Random, Strict, jwks, log, logs};
use fhir_guard::audit::Format;
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line;
use fhir_guard_companion::verify::{Judging, Kind, Place, Report, Verifier};

pub fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add(&jwks(), None).expect("a key");
    keys
}

fn verify<'a>(lines: impl Iterator<Item = &'a str>, keys: &Keys, part: bool) -> Report {
    let signed = !keys.is_empty();
    let mut verifier = Verifier::new(Judging { signed, part }, vec!["log".to_owned()]);
    for (number, text) in (1..).zip(lines) {
        let place = Place {
            file: 0,
            line: number,
        };
        verifier.take(place, line::read(text.as_bytes(), keys));
    }
    verifier.finish()
}

pub fn texts(lines: &[Line]) -> impl Iterator<Item = &str> {
    lines.iter().map(|line| line.text.as_str())
}

pub fn told(report: &Report) -> String {
    let findings = &report.findings;
    let lines = findings.kept.iter().map(|finding| findings.line(finding));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn honest_logs_raise_no_alarm() {
    for seed in 1..=40 {
        let mut random = Random(seed);
        let signed = seed % 2 == 0;
        let every = [1, 7, 100][random.below(3)];
        let lines = log(2000, every, signed, &mut random);
        let keys = if signed { keys() } else { Keys::default() };
        let report = verify(texts(&lines), &keys, false);
        assert_eq!(report.findings.count, 0, "seed {seed}: {}", told(&report));
        let ended: Vec<_> = report.chains.iter().filter(|chain| chain.ended).collect();
        assert!(!ended.is_empty());
        for chain in ended {
            let proved = if signed { chain.last } else { 0 };
            assert_eq!((chain.first, chain.proved), (1, proved));
        }
        // Any part of it is honest, too.
        let from = random.below(lines.len());
        let report = verify(texts(&lines[from..]), &keys, true);
        assert_eq!(
            report.findings.count,
            0,
            "seed {seed} from {from}: {}",
            told(&report)
        );
    }
}

/// What somebody does to a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Edit {
    Alter,
    Delete,
    Swap,
    Repeat,
    Forge,
    Insert,
    Transplant,
}

/// Edits the record at this place; where it then stands, or stood. `None` where that would change nothing.
fn edit(lines: &mut [Line], at: usize, edit: Edit, random: &mut Random) -> Option<()> {
    let own = lines[at].clone();
    if own.seq.is_none() || own.last_words {
        return None;
    }
    // Nothing vouches for an end that is not signed.
    if own.text.contains("\"end\":") && !own.text.contains("\"sig\":") {
        return None;
    }
    match edit {
        Edit::Alter => {
            let place = random.below(own.text.len());
            let mut bytes = own.text.into_bytes();
            bytes[place] = match bytes[place] {
                b'0' => b'1',
                _ => b'0',
            };
            let text = String::from_utf8(bytes).expect("ASCII");
            // Without its end a chain is open, which the report says; nothing can miss it.
            if !text.contains(",\"chain\":{") && text.contains("\"end\":") {
                return None;
            }
            lines[at].text = text;
        }
        Edit::Delete => {
            // Without its end a chain is open, which the report says; nothing can miss it.
            if own.text.contains("\"end\":") {
                return None;
            }
            lines[at].text.clear();
        }
        Edit::Swap => {
            let mut behind = lines.iter().enumerate().skip(at + 1);
            let same = |line: &Line| line.chain == own.chain && line.seq.is_some();
            // The end of a chain may stand anywhere.
            let plain = |line: &Line| same(line) && !line.text.contains("\"end\":");
            let (other, _) = behind.find(|(_, line)| plain(line))?;
            if own.text.contains("\"end\":") {
                return None;
            }
            let text = std::mem::replace(&mut lines[other].text, own.text);
            lines[at].text = text;
        }
        Edit::Repeat => {
            let again = own.text.clone();
            lines[at].text = format!("{}\n{again}", own.text);
        }
        Edit::Forge => {
            lines[at].text =
                own.text
                    .replacen("\"outcome\":\"allowed\"", "\"outcome\":\"refused\"", 1);
            if lines[at].text == own.text {
                return None;
            }
        }
        // One that was never written, before it: with its number and its hash of the one before.
        Edit::Insert => {
            let forged = own.text.replacen("\"passed\":1", "\"passed\":2", 1);
            if forged == own.text {
                return None;
            }
            lines[at].text = format!("{forged}\n{}", own.text);
        }
        // Into another chain.
        Edit::Transplant => {
            if own.text.contains("\"end\":") {
                return None;
            }
            let other = lines.iter().find(|line| line.chain != own.chain)?;
            let (from, to) = (chain_of(&own), chain_of(other));
            lines[at].text = own.text.replace(&from, &to);
        }
    }
    Some(())
}

/// Whether a finding tells of this record: by its line, or by its number.
fn named(report: &Report, line: usize, chain: &str, seq: u64) -> bool {
    report.findings.kept.iter().any(|finding| {
        let place = finding.place.map(|place| place.line);
        if finding.chain.is_none() && place == u64::try_from(line).ok() {
            return true;
        }
        let of = finding.chain.is_some_and(|id| line::hex(&id) == chain);
        of && finding
            .seqs
            .is_some_and(|(from, to)| (from..=to).contains(&seq))
    })
}

fn chain_of(line: &Line) -> String {
    let (_, rest) = line
        .text
        .rsplit_once("\"chain\":{\"v\":1,\"id\":\"")
        .expect("a chain");
    rest.get(..32).expect("an id").to_owned()
}

const EDITS: [Edit; 7] = [
    Edit::Alter,
    Edit::Delete,
    Edit::Swap,
    Edit::Repeat,
    Edit::Forge,
    Edit::Insert,
    Edit::Transplant,
];

#[test]
fn every_single_edit_is_named() {
    let keys = keys();
    let mut tried = 0;
    for round in 0..2500 {
        let mut random = Random(1000 + round % 25);
        let lines = log(120, 10, round % 2 == 0, &mut random);
        let mut random = Random(77 + round);
        let at = random.below(lines.len());
        let what = EDITS[random.below(EDITS.len())];
        let mut edited = lines.clone();
        if edit(&mut edited, at, what, &mut random).is_none() {
            continue;
        }
        tried += 1;
        let known = if round % 2 == 0 {
            &keys
        } else {
            &Keys::default()
        };
        let report = verify(
            texts(&edited).flat_map(|text| text.split('\n')),
            known,
            false,
        );
        let (chain, seq) = (chain_of(&lines[at]), lines[at].seq.expect("a record"));
        assert!(
            // Of two that changed places, one is in the wrong one.
            named(&report, at + 1, &chain, seq)
                || (what == Edit::Swap && named(&report, at + 1, &chain, seq + 1)),
            "{what:?} of record {seq} of {chain} (round {round}):\n{}\nwas\n{}\nis\n{}",
            told(&report),
            lines[at].text,
            edited[at].text,
        );
        // One edit is no flood.
        assert!(
            report.findings.count <= 8,
            "{what:?} (round {round}):\n{}",
            told(&report)
        );
    }
    assert!(tried > 2000, "{tried}");
}

#[test]
fn thousands_of_edits_of_a_hundred_thousand_records_are_all_named() {
    let mut random = Random(42);
    let lines = log(100_000, 100, true, &mut random);
    let mut edited = lines.clone();
    let (mut places, mut wanted) = (BTreeSet::new(), Vec::new());
    while places.len() < 4000 {
        // Apart, so that none hides another.
        let at = random.below(lines.len() / 24) * 24;
        // But for the last kind, whose numbers may be far beyond the chain that it comes into.
        let what = EDITS[random.below(EDITS.len() - 1)];
        if places.insert(at) && edit(&mut edited, at, what, &mut random).is_some() {
            wanted.push((at, what));
        }
    }
    let keys = keys();
    assert_eq!(verify(texts(&lines), &keys, false).findings.count, 0);
    let report = verify(
        texts(&edited).flat_map(|text| text.split('\n')),
        &keys,
        false,
    );
    let mut by_chain: BTreeSet<(String, u64)> = BTreeSet::new();
    for finding in &report.findings.kept {
        if let (Some(id), Some((from, to))) = (finding.chain, finding.seqs) {
            let id = line::hex(&id);
            by_chain.extend((from..=to.min(from + 1000)).map(|seq| (id.clone(), seq)));
        }
    }
    assert!(wanted.len() > 3000, "{}", wanted.len());
    let edits = u64::try_from(wanted.len()).expect("small");
    // What nobody touched is not named, but for what stands beside it.
    let touched: BTreeSet<(String, u64)> = wanted
        .iter()
        .flat_map(|(at, _)| {
            let (chain, seq) = (chain_of(&lines[*at]), lines[*at].seq.expect("a record"));
            (seq.saturating_sub(1)..=seq + 1).map(move |seq| (chain.clone(), seq))
        })
        .collect();
    // A changed id is that of a chain which there never was: of that all is missing.
    let chains: BTreeSet<String> = lines.iter().map(chain_of).collect();
    let untouched = by_chain.difference(&touched);
    let untouched: Vec<_> = untouched
        .filter(|(chain, _)| chains.contains(chain))
        .collect();
    // A changed digit of a number names the record that it now says it is.
    let first = untouched.first();
    assert!(untouched.len() <= 5, "{}: {first:?}", untouched.len());
    assert!(
        report.findings.count < 3 * edits,
        "{}",
        report.findings.count
    );
    let missed: Vec<_> = wanted
        .iter()
        .filter(|(at, what)| {
            let (chain, seq) = (chain_of(&lines[*at]), lines[*at].seq.expect("a record"));
            let other = *what == Edit::Swap && by_chain.contains(&(chain.clone(), seq + 1));
            // An end that says that it is another chain's is named as that one's: nothing misses it here.
            let is_end = lines[*at].text.contains("\"end\":");
            let stray = by_chain
                .iter()
                .any(|(id, last)| *last == seq && !chains.contains(id));
            !(other || (is_end && stray) || by_chain.contains(&(chain, seq)))
        })
        .map(|(at, what)| format!("{what:?} {}", lines[*at].text))
        .collect();
    assert!(
        missed.is_empty(),
        "{} missed, first {:?}",
        missed.len(),
        missed.first()
    );
}

fn kinds(report: &Report) -> Vec<Kind> {
    report
        .findings
        .kept
        .iter()
        .map(|finding| finding.kind)
        .collect()
}

#[test]
fn what_vanishes_as_a_whole_is_told_of_by_others() {
    let mut random = Random(3);
    let lines = log(600, 5, true, &mut random);
    let keys = keys();
    let chains: BTreeSet<usize> = lines.iter().map(|line| line.chain).collect();
    let count = |chain: usize| lines.iter().filter(|line| line.chain == chain).count();
    for chain in chains.iter().copied().filter(|chain| count(*chain) > 40) {
        let without = lines.iter().filter(|line| line.chain != chain);
        let report = verify(without.map(|line| line.text.as_str()), &keys, false);
        assert_eq!(kinds(&report), [Kind::MissingChain], "{}", told(&report));
        // Its last records are missing, and its end.
        let own: Vec<_> = lines.iter().filter(|line| line.chain == chain).collect();
        let cut = own[own.len() / 2].seq.unwrap_or(1);
        let short = lines
            .iter()
            .filter(|line| line.chain != chain || line.seq.is_some_and(|seq| seq < cut));
        let report = verify(short.map(|line| line.text.as_str()), &keys, false);
        assert_eq!(kinds(&report), [Kind::Truncated], "{}", told(&report));
    }
}

#[test]
fn whoever_rewrites_a_chain_needs_the_key() {
    let mut random = Random(5);
    let unsigned = log(300, 10, false, &mut random);
    let report = verify(texts(&unsigned), &keys(), false);
    let unsigned: BTreeSet<_> = kinds(&report).into_iter().map(Kind::name).collect();
    assert_eq!(unsigned.into_iter().collect::<Vec<_>>(), ["unsigned"]);
    let signed = log(300, 10, true, &mut Random(5));
    let mut other = Keys::default();
    other.add(&jwks(), Some("another")).expect("a key");
    let report = verify(texts(&signed), &other, false);
    assert!(
        kinds(&report).iter().all(|kind| *kind == Kind::UnknownKey),
        "{}",
        told(&report)
    );
    assert!(report.chains.iter().all(|chain| chain.proved == 0));
}

#[test]
fn a_record_is_found_in_lines_of_text_and_of_json() {
    let lines = log(200, 10, true, &mut Random(8));
    let keys = keys();
    type Frame = fn(&str) -> String;
    let frames: [(&str, Frame); 3] = [
        ("text", |text| {
            format!("[2026-01-31T00:00:00Z] \"{{\\\"v\\\":1,\" 200 {text}")
        }),
        ("JSON", |text| {
            serde_json::json!({"agent": "{\"v\":1,\"time\":\"x", "record": text, "z": "}}"})
                .to_string()
        }),
        ("OpenTelemetry", |text| {
            serde_json::json!({"body": {"stringValue": text}}).to_string()
        }),
    ];
    for (name, frame) in frames {
        let framed: Vec<String> = texts(&lines).map(frame).collect();
        let report = verify(framed.iter().map(String::as_str), &keys, false);
        assert_eq!(report.findings.count, 0, "{name}: {}", told(&report));
        assert_eq!(
            report.records + report.early,
            u64::try_from(lines.len()).expect("small"),
            "{name}"
        );
    }
}

#[test]
fn a_second_verifier_comes_to_the_same_verdicts() {
    let here = std::env::temp_dir().join(format!("fhir-guard-second-{}", std::process::id()));
    std::fs::create_dir_all(&here).expect("a directory");
    let mut expected = Vec::new();
    for round in 0..400 {
        let mut random = Random(9000 + round);
        // Half of them are strict, some chains with a repository that is not here.
        let form = [Format::Records, Format::Events][usize::from(round % 8 < 4)];
        let strict = |number: usize| match (round % 2, number % 3) {
            (0, _) | (_, 0) => Strict::No,
            (_, 1) => Strict::Here(form),
            _ => Strict::Elsewhere,
        };
        let (lines, mut repository) = logs(60, 5, false, &strict, &mut random);
        let mut edited = lines.clone();
        if round % 3 == 1 && !repository.is_empty() {
            // One intent, or what became of it; the first, or the last of many events, too.
            let (_, chain, ticket) = repository[random.below(repository.len())];
            repository.retain(|(text, own, number)| {
                (*own, *number) != (chain, ticket) || !text.contains("\"announced\"")
            });
        }
        if round % 4 > 0 {
            let at = random.below(lines.len());
            let _ = edit(
                &mut edited,
                at,
                EDITS[random.below(EDITS.len())],
                &mut random,
            );
        }
        let told_of = repository.iter().map(|(text, ..)| text.as_str());
        let text: Vec<&str> = texts(&edited).chain(told_of).collect();
        let text = text.join("\n");
        let report = verify(text.split('\n'), &Keys::default(), false);
        let path = here.join(format!("{round}.log"));
        std::fs::write(&path, &text).expect("a file");
        expected.push((path, report.findings.count == 0, told(&report)));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/second.py");
    let output = Command::new("python3")
        .arg(script)
        .args(expected.iter().map(|(path, ..)| path))
        .output()
        .expect("Python 3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let verdicts: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (path, good, told) in &expected {
        let other = &verdicts[path.to_str().expect("text")];
        assert_eq!(other, good, "{}: {told}", path.display());
    }
    let good = expected.iter().filter(|(_, good, _)| *good).count();
    assert!((100..300).contains(&good), "{good}");
    let _ = std::fs::remove_dir_all(&here);
}
