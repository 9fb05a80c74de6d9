//! Logs that somebody else wrote.

use fhir_guard_companion::audit;
use fhir_guard_companion::disclosures::{Wanted, who_saw};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::{self, Fact};
use fhir_guard_companion::verify::{Extent, Judging, Place, Report, Verifier};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A chain of three records and its end, as the filter writes it.
const EXAMPLE: &str = include_str!("../../docs/audit.md");

/// An event of an exchange, and its chain.
const EVENTS: &str = include_str!("../../docs/audit-events.md");
const CHAIN: &str = "74686520666972737420636861696e2e";

/// Whose disclosures are looked for.
const PATIENT: &str = "Patient/123";
const ID: &str = "123";

/// One byte that says how it is judged; then the log. Says whether nothing was wrong with it.
///
/// # Panics
/// Where a report does not hold together: a proof without a key, findings that are not counted, more records than
/// lines, "nothing is wrong" while intents stand open, the same log judged in two ways, or told of in a line that does
/// not tell of it.
pub fn check(bytes: &[u8]) -> bool {
    let (choice, text) = match bytes.split_first() {
        Some((choice, text)) => (*choice, text),
        None => return false,
    };
    let mut keys = Keys::default();
    if choice & 1 == 1 {
        keys.add(pem(), None).expect("a key");
    }
    let extent = match choice >> 1 & 3 {
        0 => Extent::Part,
        1 => Extent::Complete,
        _ => Extent::Log,
    };
    let all: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    all.iter().for_each(|line| one(line, &keys));
    // The second file may have copies of what is in the first.
    let many = 1 + usize::from(choice >> 3 & 1);
    let files: Vec<Vec<u8>> = (0..many)
        .map(|file| {
            let own = all.iter().skip(file).step_by(many);
            own.copied().collect::<Vec<_>>().join(&b"\n"[..])
        })
        .collect();
    let report = in_memory(&files, &keys, extent);
    whole(&report, &keys);
    from_disk(&files, &keys, extent, &report);
    report.records > 0 && report.findings.count == 0
}

/// What could be the record in a line, against what the line says.
fn one(text: &[u8], keys: &Keys) {
    let (all, fact) = (line::records(text), line::read(text, keys));
    for own in &all {
        assert!(own.starts_with(b"{\"v\":1,\"time\":\""), "a record");
        assert!(own.len() <= text.len(), "longer than its line");
    }
    let alone = line::record(text);
    assert_eq!(alone.is_none(), all.len() > 1, "one, or none that is sure");
    if let Fact::Sealed(sealed) = &fact {
        let alone = alone.expect("of several none is the record");
        assert_eq!(sealed.hash, *Sha256::digest(&alone), "of these bytes");
        assert!(sealed.seq > 0);
        // Alone on its line it says the same.
        assert_eq!(line::read(&alone, keys), fact);
    }
}

fn in_memory(files: &[Vec<u8>], keys: &Keys, extent: Extent) -> Report {
    let judging = Judging {
        signed: !keys.is_empty(),
        extent,
    };
    let names = (0..files.len()).map(|file| file.to_string()).collect();
    let (mut verifier, mut in_chains) = (Verifier::new(judging, names), 0_u64);
    for (file, text) in files.iter().enumerate() {
        for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if !text.is_empty() {
                let fact = line::read(text, keys);
                in_chains += u64::from(matches!(fact, Fact::Sealed(_)));
                verifier.take(Place { file, line }, fact);
            }
        }
    }
    let report = verifier.finish();
    assert_eq!(report.records, in_chains, "every record is counted");
    report
}

/// What holds of every report.
fn whole(report: &Report, keys: &Keys) {
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
    let mut text = Vec::new();
    audit::write(report, keys, false, &mut text).expect("it is written");
    let text = String::from_utf8(text).expect("text");
    let open = report.sum(|chain| chain.under_way);
    let is_right = report.findings.count == 0 && open == 0;
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(last.contains("nothing is wrong"), is_right, "{last}");
    let mut text = Vec::new();
    audit::write(report, keys, true, &mut text).expect("it is written");
    let document: Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(document["good"], report.findings.count == 0);
}

/// The same from files, and who saw a patient.
fn from_disk(files: &[Vec<u8>], keys: &Keys, extent: Extent, expected: &Report) {
    let here = std::env::temp_dir();
    let own = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let names = (0..files.len()).map(|file| here.join(format!("fhir-guard-fuzz-{own}-{file}")));
    let names: Vec<String> = names.map(|name| name.display().to_string()).collect();
    for (name, text) in names.iter().zip(files) {
        std::fs::write(name, text).expect("a file");
    }
    // What begins as gzip does is read as that.
    let plain = !files.iter().any(|text| text.starts_with(&[0x1f, 0x8b]));
    match audit::verify(&names, keys, extent, 1) {
        Err(error) => assert!(!plain, "{error}"),
        Ok(report) => {
            // Several files may be read in another order.
            if plain && files.len() == 1 {
                assert_eq!(report.lines, expected.lines, "the same lines");
                assert_eq!(report.findings.count, expected.findings.count, "the same");
            }
            whole(&report, keys);
            let wanted = Wanted::new(PATIENT, &[], None, None).expect("a reference");
            let mut told = Vec::new();
            let done = who_saw(&names, &report, &wanted, 1, &mut |found| told.push(found));
            done.expect("it is read again");
            seen(&told, files, &names, &report, plain);
        }
    }
    for name in &names {
        let _ = std::fs::remove_file(name);
    }
}

/// What is told of a patient stands in the line, and has no better proof than its chain.
fn seen(told: &[Value], files: &[Vec<u8>], names: &[String], report: &Report, plain: bool) {
    let signed = report.chains.iter().any(|chain| chain.proved > 0);
    for one in told {
        let proof = one["proof"].as_str().expect("a proof");
        assert!(["signed", "chained", "none"].contains(&proof), "{one}");
        assert!(proof != "signed" || signed, "{one}");
        let file = names.iter().position(|name| one["file"] == **name);
        let (text, line) = (&files[file.expect("a file")], one["line"].as_u64());
        if !plain {
            continue;
        }
        let line = usize::try_from(line.expect("a number")).expect("small") - 1;
        let line = text.split(|byte| *byte == b'\n').nth(line);
        let all = line::records(line.expect("a line"));
        let of = |own: &[u8]| serde_json::from_slice::<Value>(own).ok();
        let own = all.iter().filter_map(|own| of(own));
        let same = |own: &Value| {
            ["time", "outcome", "refs"]
                .iter()
                .all(|name| own.get(*name).unwrap_or(&Value::Null) == &one[*name])
        };
        let own: Vec<Value> = own.filter(same).collect();
        let names = |own: &Value| own.to_string().contains(PATIENT) || own["patient"] == ID;
        assert!(own.iter().any(names), "{one}");
    }
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
    // Unsigned, of one chain, and of this patient in each member that names one.
    let named: Vec<String> = [
        r#""refs":["Patient/123"]"#,
        r#""entries":[{"ref":"Patient/123"}],"created":"Patient/123""#,
        r#""patients":["Patient/9"],"patients_more":3,"patient":"123""#,
    ]
    .iter()
    .map(|members| lines[1].replacen("\"rule\"", &format!("{members},\"rule\""), 1))
    .collect();
    let quoted = format!(
        "{{\"a\":{},\"b\":{}}}",
        Value::from(&*named[0]),
        Value::from(&*named[1])
    );
    let early = named[0].split_once(",\"chain\"").map(|(own, _)| own);
    let early = early.zip(
        intent
            .as_ref()
            .and_then(|line| line.split_once(",\"chain\"")),
    );
    let early = early.map(|(own, (_, chain))| format!("{own},\"chain\"{chain}"));
    for choice in 0..16 {
        for text in named.iter().chain(&early).chain([&quoted]) {
            let text = [lines[0], text, &format!("[info] {text}")].join("\n");
            seeds.push([&[choice][..], text.as_bytes()].concat());
        }
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
