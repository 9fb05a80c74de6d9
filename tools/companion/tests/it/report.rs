//! What `audit verify` prints, and how it exits.

use std::process::Command;

use fhir_guard::audit::Outcome;
use serde_json::Value;

use crate::events;
use crate::simulated::Line;
use crate::strict::log;

/// The lines of a log.
pub fn texts(lines: &[Line]) -> impl Iterator<Item = &str> {
    lines.iter().map(|line| line.text.as_str())
}

/// Files, options and exit status; what the last line of the text says, and how many intents nothing tells of.
type Row<'a> = (&'a str, Vec<&'a [String]>, &'a [&'a str], i32, &'a str, u64);

#[test]
fn nothing_is_said_to_be_right_while_intents_stand_open() {
    let here = std::env::temp_dir().join(format!("fhir-guard-report-{}", std::process::id()));
    std::fs::create_dir_all(&here).expect("a directory");
    let (young, old) = (log(999), log(3));
    let (r, i) = (&young.records[..], &young.intents[..]);
    // A worker that was killed leaves no early copy.
    let open = "nothing is found wrong, but no signature was checked: without --key nothing shows who wrote it; nothing tells what became of 1 announced exchanges, which may be under way";
    let whole = "nothing is wrong, but no signature was checked";
    let absent = "the intents of 1 exchanges are in none of these files";
    let told = events::of(&young, 999, 3, Outcome::Allowed);
    let early = [young.early(999, 3)];
    let rows: [Row<'_>; 11] = [
        ("an intent stands open", vec![r, i], &[], 0, open, 1),
        (
            "its early copy is there",
            vec![r, i, &early],
            &[],
            0,
            open,
            1,
        ),
        ("an event tells", vec![r, i, &told], &[], 0, whole, 0),
        ("none stands open", vec![r, &i[..2]], &[], 0, whole, 0),
        (
            "for long",
            vec![&old.records, &old.intents],
            &[],
            1,
            ": 1 finding",
            0,
        ),
        (
            "a part",
            vec![&old.records, &old.intents],
            &["--part"],
            0,
            open,
            1,
        ),
        ("the access log alone", vec![r], &[], 0, absent, 0),
        (
            "and no repository",
            vec![r],
            &["--complete"],
            1,
            ": 1 finding",
            0,
        ),
        ("complete", vec![r, &i[..2]], &["--complete"], 0, whole, 0),
        (
            "complete, and open",
            vec![r, i],
            &["--complete"],
            0,
            open,
            1,
        ),
        (
            "contradictory",
            vec![r],
            &["--complete", "--part"],
            2,
            "",
            0,
        ),
    ];
    for (name, files, options, expected, words, under_way) in rows {
        let paths = (0..files.len()).map(|number| here.join(number.to_string()));
        let paths: Vec<_> = paths.collect();
        for (path, lines) in paths.iter().zip(&files) {
            std::fs::write(path, lines.join("\n") + "\n").expect("a file");
        }
        let run = |own: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_fhir-guard"))
                .args(["audit", "verify"])
                .args(options)
                .args(own)
                .args(&paths)
                .output();
            let output = output.expect("it runs");
            assert_eq!(output.status.code(), Some(expected), "{name}");
            String::from_utf8(output.stdout).expect("text")
        };
        let text = run(&[]);
        let last = text.lines().last().unwrap_or_default();
        assert!(last.contains(words), "{name}: {last}");
        assert_eq!(
            last.contains("nothing is wrong"),
            words == whole || words == absent,
            "{name}"
        );
        let document = run(&["--json"]);
        if expected == 2 {
            continue;
        }
        let document: Value = serde_json::from_str(&document).expect("JSON");
        assert_eq!(document["good"], expected == 0, "{name}");
        for own in [&document, &document["chains"][0]] {
            assert_eq!(own["under_way"], under_way, "{name}");
        }
    }
    let _ = std::fs::remove_dir_all(&here);
}
