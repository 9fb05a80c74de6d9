//! Logs that somebody else wrote.

use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::{self, Fact};
use fhir_guard_companion::verify::{Judging, Place, Verifier};

/// A chain of three records and its end, as the filter writes it.
const EXAMPLE: &str = include_str!("../../docs/audit.md");

/// One byte that says how it is judged; then the log. Says whether nothing was wrong with it.
///
/// # Panics
/// Where the report does not hold together: a proof without a key, findings that are not counted, more records than
/// lines, or the same log judged twice in two ways.
pub fn check(bytes: &[u8]) -> bool {
    let (choice, text) = match bytes.split_first() {
        Some((choice, text)) => (*choice, text),
        None => return false,
    };
    let mut keys = Keys::default();
    if choice & 1 == 1 {
        keys.add(pem(), None).expect("a key");
    }
    let judging = Judging {
        signed: !keys.is_empty(),
        part: choice & 2 == 2,
    };
    let judge = || {
        let mut verifier = Verifier::new(judging, vec!["log".to_owned()]);
        let mut in_chains = 0_u64;
        for (number, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let fact = line::read(text, &keys);
            in_chains += u64::from(matches!(fact, Fact::Sealed(_)));
            let place = Place {
                file: 0,
                line: number,
            };
            verifier.take(place, fact);
        }
        (verifier.finish(), in_chains)
    };
    let (report, in_chains) = judge();
    assert_eq!(report.records, in_chains, "every record is counted");
    assert!(report.records + report.early + report.others <= report.lines);
    assert!(report.findings.kept.len() as u64 <= report.findings.count);
    for chain in &report.chains {
        assert!(chain.proved <= chain.last, "proved beyond the end");
        assert!(
            chain.proved == 0 || !keys.is_empty(),
            "proved without a key"
        );
        assert!(
            chain.fault.is_none_or(|fault| chain.proved < fault),
            "proved beyond a fault"
        );
    }
    for finding in &report.findings.kept {
        assert!(report.findings.line(finding).len() < 500, "bounded words");
    }
    let (again, _) = judge();
    assert_eq!(again.findings.count, report.findings.count);
    report.records > 0 && report.findings.count == 0
}

/// The public key of the example.
fn pem() -> &'static str {
    let (_, rest) = EXAMPLE.split_once("-----BEGIN").expect("a key");
    let start = EXAMPLE.len() - rest.len() - "-----BEGIN".len();
    &EXAMPLE[start..]
}

/// The example and its parts, judged in every way.
pub fn seeds() -> Vec<Vec<u8>> {
    let (_, rest) = EXAMPLE.split_once("```text\n").expect("an example");
    let (example, _) = rest.split_once("\n```").expect("its end");
    let lines: Vec<&str> = example.lines().collect();
    let mut seeds = Vec::new();
    for choice in 0..4 {
        for from in 0..lines.len() {
            for to in from + 1..=lines.len() {
                let text = lines[from..to].join("\n");
                seeds.push([&[choice][..], text.as_bytes()].concat());
            }
        }
        let backwards: Vec<&str> = lines.iter().rev().copied().collect();
        seeds.push([&[choice][..], backwards.join("\n").as_bytes()].concat());
        seeds.push([&[choice][..], b"{\"v\":1}"].concat());
    }
    seeds
}
