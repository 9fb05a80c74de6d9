//! What stands in a file beside records, and in which order files are read.

use fhir_guard::audit::{Chain, ChainPolicy, Record};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::Fact;
use fhir_guard_companion::verify::Extent;
use fhir_guard_companion::{audit, line};

use crate::audit::told;
use crate::simulated::{Random, log};

/// A caller has his own text where the log prints texts of callers, and in the record.
#[test]
fn what_a_caller_wrote_is_no_record() {
    let lines = log(60, 10, true, &mut Random(8));
    let record = &lines[0].text;
    let forged = record.replace("\"seq\":1,", "\"seq\":2,");
    let escaped = serde_json::Value::from(forged.as_str()).to_string();
    let json = |fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, text)| {
            let text = serde_json::Value::from(*text).to_string();
            format!("\"{name}\":{text}")
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    let long = format!("x\"{forged}");
    let own = Some(record.as_str());
    for (name, text, expected) in [
        ("text before it", format!("{escaped} {record}"), own),
        ("raw text before it", format!("\"{forged}\" {record}"), own),
        (
            "a field before it",
            json(&[("a", &long), ("r", record)]),
            own,
        ),
        (
            "a field behind it",
            json(&[("r", record), ("z", &long)]),
            own,
        ),
        (
            "a field that begins as one",
            json(&[("r", record), ("z", "{\"v\":1,\"time\":\"x")]),
            own,
        ),
        (
            "a whole field",
            json(&[("r", record), ("z", &forged)]),
            None,
        ),
    ] {
        let found = line::record(text.as_bytes());
        let found = found.as_deref().map(String::from_utf8_lossy);
        assert_eq!(found.as_deref(), expected, "{name}");
    }
    // In a text of the record itself.
    let own = format!(
        "{{\"v\":1,\"time\":\"2026-01-31T12:00:00.000Z\",\"rule\":{escaped}{}",
        record
            .get(record.find(",\"chain\":{").expect("a chain")..)
            .expect("the end")
    );
    for text in [own.clone(), format!("[info] {own}"), json(&[("r", &own)])] {
        let found = line::record(text.as_bytes()).expect("one");
        assert_eq!(String::from_utf8_lossy(&found), own);
    }
}

/// An exchange that took hours is written where it ends, and began before everything in the file before.
#[test]
fn files_are_read_in_the_order_in_which_they_were_written() {
    let here = std::env::temp_dir().join(format!("fhir-guard-order-{}", std::process::id()));
    std::fs::create_dir_all(&here).expect("a directory");
    let policy = ChainPolicy {
        signer: None,
        records: 100,
        time: 60_000_000_000,
    };
    let mut chain = Chain::new(policy, [7; 16]);
    let start = 1_770_000_000_000_000_000;
    let mut written = Vec::new();
    for (began, ended) in [(5, 6), (7, 8), (1, 9), (9, 10)] {
        let record = Record {
            began: start + began * 3_600_000_000_000,
            ..Record::default()
        };
        let now = start + ended * 3_600_000_000_000;
        let sealed = chain.seal(record.line(now), None, None, now);
        written.push(sealed.line.clone());
        chain.commit(sealed);
    }
    let files = ["b.log", "a.log"].map(|name| here.join(name).display().to_string());
    std::fs::write(&files[0], written[..2].join("\n")).expect("a file");
    std::fs::write(&files[1], written[2..].join("\n")).expect("a file");
    for files in [files.clone(), [files[1].clone(), files[0].clone()]] {
        let report = audit::verify(&files, &Keys::default(), Extent::Log, 1).expect("it is read");
        assert_eq!(report.findings.count, 0, "{}", told(&report));
    }
    let _ = std::fs::remove_dir_all(&here);
}

/// A checkpoint that one sink was never given stands in the other.
#[test]
fn a_checkpoint_may_be_in_another_file() {
    let here = std::env::temp_dir().join(format!("fhir-guard-checks-{}", std::process::id()));
    std::fs::create_dir_all(&here).expect("a directory");
    let policy = ChainPolicy {
        signer: None,
        records: 5,
        time: 60_000_000_000,
    };
    let mut chain = Chain::new(policy, [7; 16]);
    let mut lines = Vec::new();
    for number in 0..30 {
        let now = 1_770_000_000_000_000_000 + number;
        let record = Record {
            began: now,
            ..Record::default()
        };
        let sealed = chain.seal(record.line(now), None, None, now);
        lines.push(sealed.line.clone());
        chain.commit(sealed);
    }
    let without = |from: usize, to: usize| {
        let kept = lines.iter().enumerate();
        let kept = kept.filter(|(at, _)| !(from..=to).contains(&(at + 1)));
        kept.map(|(_, line)| line.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let all = without(0, 0);
    for (name, first, second, expected) in [
        ("whole", all.clone(), all.clone(), ""),
        ("one", without(6, 8), all.clone(), ""),
        ("several", without(6, 22), all.clone(), ""),
        ("each another", without(5, 9), without(14, 22), ""),
        ("the last", without(26, 30), all.clone(), ""),
        ("of both", without(6, 8), without(4, 7), "gap no-checkpoint"),
        (
            "of both, several",
            without(6, 18),
            without(6, 22),
            "gap no-checkpoint",
        ),
        ("no checkpoint of both", without(7, 9), without(8, 9), "gap"),
    ] {
        let files = ["a.log", "b.log"].map(|name| here.join(name).display().to_string());
        std::fs::write(&files[0], first + "\n").expect("a file");
        std::fs::write(&files[1], second + "\n").expect("a file");
        for files in [files.clone(), [files[1].clone(), files[0].clone()]] {
            let report =
                audit::verify(&files, &Keys::default(), Extent::Log, 1).expect("it is read");
            let found = report.findings.kept.iter();
            let mut found: Vec<&str> = found.map(|finding| finding.kind.name()).collect();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.join(" "), expected, "{name}: {}", told(&report));
        }
    }
    let _ = std::fs::remove_dir_all(&here);
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
