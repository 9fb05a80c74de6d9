//! Where records go that the host does not take.

use fhir_guard_companion::audit::verify;
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::Extent;
use serde_json::{Value, json};

use crate::deployment::{AUDIT, Deployment, Script};
use crate::host::Fault;

/// The level of warnings, which no proxy drops by itself.
const WARN: u32 = 3;

/// What a proxy writes for these exchanges: a line of the access log for each whose filter state has one, and its
/// own log, where `refused` names the calls that keep a record and fail, from 1.
fn written(deployment: &Deployment, scripts: &[Script], refused: &[u64]) -> [Vec<String>; 2] {
    let vm = deployment.vm();
    for call in refused {
        let function = "proxy_set_property";
        deployment.host.fault_at(function, *call, Fault::Status(2));
    }
    let mut access = Vec::new();
    for script in scripts {
        let end = script.drive(&vm);
        let kept = end.states.iter().find(|(name, _)| name == AUDIT.as_bytes());
        access.extend(kept.map(|(_, line)| String::from_utf8_lossy(line).into_owned()));
    }
    assert_eq!(deployment.host.heal(), refused.len() as u64);
    let mut own = deployment.host.logged(WARN);
    own.retain(|line| line.starts_with("{\"v\":1"));
    [access, own]
}

fn check(name: &str, chained: bool, refused: &[u64], expected: (&[&str], &[&str])) {
    let deployment = Deployment::with(|policy| {
        if chained {
            policy["audit"]["chain"] = json!({});
        }
    });
    let reads = [(); 3].map(|()| deployment.read());
    let logs = written(&deployment, &reads, refused);
    let outcomes = logs.each_ref().map(|lines| {
        let record = |line: &String| serde_json::from_str::<Value>(line).expect("a record");
        let records = lines.iter().map(record);
        let outcome = |record: Value| record["outcome"].as_str().map(str::to_owned);
        records.filter_map(outcome).collect::<Vec<String>>()
    });
    assert_eq!(outcomes, [expected.0, expected.1], "{name}");
    if chained {
        let folder = std::env::temp_dir().join(format!("fhir-guard-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let files = ["access", "own"].map(|log| folder.join(format!("{name}.{log}")));
        for (file, lines) in files.iter().zip(&logs) {
            std::fs::write(file, lines.join("\n")).expect("a file");
        }
        let files = files.map(|file| file.to_string_lossy().into_owned());
        let report = verify(&files, &Keys::default(), Extent::Log, 1).expect("a report");
        let found = report.findings.kept;
        assert!(found.is_empty(), "{name}: {found:?}, {logs:?}");
        assert_eq!(report.records, 3, "{name}: {logs:?}");
        std::fs::remove_dir_all(&folder).expect("it was there");
    }
}

#[test]
fn a_record_that_the_host_does_not_take_goes_to_its_log() {
    // The calls come in twos: the early copy, and the record.
    let (kept, copy) = ("allowed", "forwarded");
    for chained in [true, false] {
        for (name, refused, access, own) in [
            ("nothing", &[][..], &[kept, kept, kept][..], &[][..]),
            ("a copy", &[3], &[kept, kept, kept], &[]),
            ("a record", &[4], &[kept, copy, kept], &[kept]),
            ("both", &[3, 4], &[kept, kept], &[kept]),
            ("the first", &[2], &[copy, kept, kept], &[kept]),
            ("the last", &[6], &[kept, kept, copy], &[kept]),
            ("all", &[1, 2, 3, 4, 5, 6], &[], &[kept, kept, kept]),
        ] {
            check(name, chained, refused, (access, own));
        }
    }
}
