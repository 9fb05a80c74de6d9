//! Logs that somebody else wrote.

use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::{self, Fact};
use fhir_guard_companion::verify::{Judging, Place, Verifier};

/// A chain of three records and its end, as the filter writes it.
const EXAMPLE: &str = include_str!("../../docs/audit.md");

/// An event of an exchange, and its chain.
const EVENTS: &str = include_str!("../../docs/audit-events.md");
const CHAIN: &str = "74686520666972737420636861696e2e";

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
        // The second may have copies of what is in the first.
        let files = match choice & 4 {
            4 => vec!["log".to_owned(), "copies".to_owned()],
            _ => vec!["log".to_owned()],
        };
        let many = files.len();
        let mut verifier = Verifier::new(judging, files);
        let mut in_chains = 0_u64;
        for (number, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let fact = line::read(text, &keys);
            in_chains += u64::from(matches!(fact, Fact::Sealed(_)));
            let file = usize::try_from(number).unwrap_or(0) % many;
            let place = Place { file, line: number };
            verifier.take(place, fact);
        }
        (verifier.finish(), in_chains)
    };
    let (report, in_chains) = judge();
    assert_eq!(report.records, in_chains, "every record is counted");
    let told = report.records + report.early + report.intents + report.events + report.others;
    assert!(told <= report.lines && report.copied <= report.lines);
    assert!(report.findings.kept.len() as u64 <= report.findings.count);
    for chain in &report.chains {
        assert!(chain.proved <= chain.last, "proved beyond the end");
        assert!(
            chain.by_events <= chain.unsigned,
            "nothing vouches for events"
        );
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
    let announced = lines.last().and_then(|line| line.split_once(",\"seq\":"));
    let (_, event) = EVENTS.split_once("```json\n").expect("an example");
    let (event, _) = event.split_once("```").expect("its end");
    let over = event.replace('\n', "");
    // Of the chain of the example above; announced, and what became of it.
    let over = over.replace(CHAIN, "000102030405060708090a0b0c0d0e0f");
    let open = over.replace("\"outcome\": \"0\"", "\"outcomeDesc\": \"announced\"");
    assert!(over != open && over.contains("0c0d0e0f"), "{over}");
    let intent = announced.map(|(begins, _)| format!("{begins},\"intent\":1}}}}"));
    for choice in 0..8 {
        let twice = [lines.join("\n"), lines.join("\n")].join("\n");
        seeds.push([&[choice][..], twice.as_bytes()].concat());
        for text in [&over, &open] {
            let text = [lines.join("\n"), text.clone()].join("\n");
            seeds.push([&[choice][..], text.as_bytes()].concat());
        }
        seeds.extend(
            intent
                .iter()
                .map(|line| [&[choice][..], line.as_bytes()].concat()),
        );
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
