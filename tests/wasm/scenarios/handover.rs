//! What a configuration has not sent when it ends.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::deployment::{Deployment, with_keys};
use crate::host::Fault;
use crate::memory::{Headers, status};
use crate::stream::lines;
use crate::structure;
use crate::vm::{Callout, Vm};

const SECOND: Duration = Duration::from_secs(1);

/// The shipped configuration, with a repository of records at this path.
fn edit(policy: &mut Value, path: &str) {
    policy["limits"] = json!([]);
    policy["audit"]["chain"] = json!({});
    if !path.is_empty() {
        policy["audit"]["repository"] = json!({
            "cluster": "repository", "format": "records", "batch": 3,
            "uri": format!("https://audit.example.org/{path}"),
        });
    }
}

fn deployment() -> Deployment {
    let deployment = Deployment::with(|policy| edit(policy, "one"));
    deployment.host.world().clusters.insert("repository".into());
    deployment
}

fn configuration(path: &str) -> Vec<u8> {
    let mut policy = with_keys();
    edit(&mut policy, path);
    structure::object(&policy)
}

/// So many exchanges: their records, by request id.
fn exchanges(deployment: &Deployment, vm: &Vm, count: usize) -> Vec<String> {
    let own = (0..count).map(|_| deployment.read().drive(vm).record()["chain"].to_string());
    own.collect()
}

/// Ticks, and a repository that takes everything; what came there, with its path.
fn drain(deployment: &Deployment, vm: &Vm) -> Vec<(String, String)> {
    let mut came = Vec::new();
    for _ in 0..10 {
        deployment.host.advance(SECOND);
        vm.tick();
        while let Some(call) = vm.callouts().first().cloned() {
            came.extend(chains(&call));
            vm.answer(
                call.token,
                lines(&[(":status", "200")]),
                b"",
                Headers::new(),
            );
        }
    }
    came
}

fn chains(call: &Callout) -> Vec<(String, String)> {
    let path = call.headers.iter().find(|(name, _)| name == b":path");
    let path = path.map(|(_, path)| String::from_utf8_lossy(path).into_owned());
    let text = String::from_utf8_lossy(&call.body).into_owned();
    let records = text
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).expect("JSON") });
    let path = path.expect("a path");
    records
        .map(|record| (path.clone(), record["chain"].to_string()))
        .collect()
}

fn set(came: &[(String, String)]) -> HashSet<&str> {
    came.iter().map(|(_, chain)| chain.as_str()).collect()
}

#[test]
fn the_next_configuration_sends_what_the_last_one_has_not() {
    for (name, next) in [("the same", "one"), ("another", "two"), ("none", "")] {
        let deployment = deployment();
        let vm = deployment.vm();
        let mut all = exchanges(&deployment, &vm, 5);
        // A part is under way, and nobody will hear the answer.
        vm.tick();
        assert_eq!(vm.callouts().len(), 1, "{name}");
        all.extend(exchanges(&deployment, &vm, 1));
        assert!(vm.configure(&configuration(next)), "{name}");
        vm.end_replaced();
        assert_eq!(vm.callouts().len(), 0, "{name}");
        let came = drain(&deployment, &vm);
        let of_old = set(&came);
        assert!(
            all.iter().all(|own| of_old.contains(own.as_str())),
            "{name}"
        );
        assert_eq!(came.len(), all.len(), "{name}: each once");
        assert!(
            came.iter().all(|(path, _)| path == "/one"),
            "{name}: where it belongs"
        );
        let ends = deployment.host.logged(3);
        assert!(
            ends.iter()
                .any(|line| line.contains("6 records were not sent")),
            "{ends:?}"
        );
        assert!(
            ends.iter().any(|line| line.starts_with("{\"v\":")),
            "the chain ends: {ends:?}"
        );
        assert_eq!(drain(&deployment, &vm).len(), 0, "{name}");
    }
}

#[test]
fn another_worker_or_another_machine_sends_it_and_only_one() {
    let deployment = deployment();
    let (one, other, third) = (deployment.vm(), deployment.vm(), deployment.vm());
    let all = exchanges(&deployment, &one, 7);
    one.shut_down();
    let came = [&other, &third].map(|vm| drain(&deployment, vm));
    let whole = came.concat();
    assert_eq!(whole.len(), all.len(), "each once");
    assert!(all.iter().all(|own| set(&whole).contains(own.as_str())));
}

#[test]
fn whatever_shared_data_does_nothing_traps_and_no_configuration_is_kept() {
    let deployment = deployment();
    for function in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        for fault in [
            Fault::Status(status::BAD_ARGUMENT),
            Fault::Status(status::CAS_MISMATCH),
            Fault::Status(20),
        ] {
            let vm = deployment.vm();
            exchanges(&deployment, &vm, 2);
            assert!(vm.configure(&configuration("two")));
            deployment.host.fault(function, fault);
            vm.end_replaced();
            deployment.host.advance(SECOND);
            vm.tick();
            deployment.host.heal();
            let mut lost = deployment.host.logged(3);
            lost.retain(|line| line.contains("were not sent"));
            assert!(lost.iter().any(|line| line.contains("sends 0")), "{lost:?}");
        }
    }
    let vm = deployment.vm();
    assert_eq!(drain(&deployment, &vm), []);
}

/// Who shares the `vm_id` can leave pieces: a call is made of one that a configuration could have left.
#[test]
fn what_others_leave_makes_no_call_that_no_configuration_would_make() {
    let deployment = deployment();
    let vm = deployment.vm();
    let piece = |batch: &str, timeout: &str, place: &str| {
        format!("fhir-guard audit 1\n1\n0\nrecords\n{batch}\n{timeout}\n{place}\n{{\"chain\":7}}")
    };
    let (time, place) = ("5000000000", "repository\naudit.example.org\n/one");
    for (number, (name, bytes, calls)) in [
        ("a piece", piece("9", time, place), 1),
        ("rubbish", "\0".to_owned(), 0),
        (
            "the half of one",
            piece("9", time, place).chars().take(40).collect(),
            0,
        ),
        (
            "no cluster of the proxy",
            piece("9", time, "other\na\n/"),
            0,
        ),
        ("no cluster", piece("9", time, "\na\n/"), 0),
        (
            "an end of a line",
            piece("9", time, "repository\na\r\n/"),
            0,
        ),
        (
            "and one in the path",
            piece("9", time, "repository\na\n/ HTTP/1.1\r"),
            0,
        ),
        ("no path", piece("9", time, "repository\na\n"), 0),
        ("no authority", piece("9", time, "repository\n\n/"), 0),
        ("a batch of none", piece("0", time, place), 0),
        ("for ever", piece("9", "18446744073709551615", place), 0),
        ("another piece", piece("1000", "30000000000", place), 1),
    ]
    .into_iter()
    .enumerate()
    {
        let set = |key: &[u8], value: &[u8]| {
            let mut world = deployment.host.world();
            assert_eq!(world.shared.set(key, value, 0), status::OK, "{name}");
        };
        set(b"fhir-guard.audit.v1.000", bytes.as_bytes());
        // Something is new.
        set(b"fhir-guard.audit.v1", &(number as u64 + 1).to_be_bytes());
        let came = drain(&deployment, &vm);
        assert_eq!(came.len(), calls, "{name}: {came:?}");
    }
}

#[test]
fn a_machine_that_is_reloaded_again_and_again_keeps_no_more_memory() {
    let deployment = deployment();
    let vm = deployment.vm();
    let mut after = Vec::new();
    let mut count = 0;
    for round in 0..120 {
        // Nobody ever answers.
        count += exchanges(&deployment, &vm, 3).len();
        deployment.host.advance(SECOND);
        vm.tick();
        let path = if round % 2 == 0 { "two" } else { "one" };
        assert!(vm.configure(&configuration(path)));
        vm.end_replaced();
        after.push(vm.memory_bytes());
    }
    assert_eq!(after[60], after[119], "{after:?}");
    let came = drain(&deployment, &vm);
    assert!(set(&came).len() <= count);
    assert!(came.len() > 20, "{}", came.len());
}
