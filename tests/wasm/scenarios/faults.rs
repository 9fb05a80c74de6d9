//! A host whose calls fail, or hand over rubbish, at any place of an exchange.

use std::collections::BTreeMap;

use serde_json::json;

use crate::deployment::{Deployment, End, SECRET, Script, answer, bundle, rubbish, without_limits};
use crate::host::Fault;
use crate::imports::{Output, output};
use crate::memory::{Bytes, encode_pairs};
use crate::stream::lines;
use crate::vm::Vm;

/// Statuses of the ABI, and some that nobody defined.
pub(super) fn statuses() -> impl Iterator<Item = u32> {
    (0..=20).chain([u32::MAX])
}

/// Calls whose Ok the filter has to believe: the host says that it did what it was told.
pub(super) const TOLD: [&str; 7] = [
    "proxy_close_stream",
    "proxy_log",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
];

/// Everything a call of this function can do wrong, with its name.
pub(super) fn faults(function: &str) -> Vec<(String, Fault)> {
    let mut faults: Vec<(String, Fault)> = statuses()
        .map(|status| (format!("status {status}"), Fault::Status(status)))
        .collect();
    let Some(output) = output(function) else {
        return faults;
    };
    if matches!(output, Output::Allocated { .. }) {
        for size in [0, 1, 17, 1 << 20, u32::MAX] {
            faults.push((format!("null with size {size}"), Fault::Null(size)));
        }
    }
    for (index, bytes) in damaged().into_iter().enumerate() {
        let name = format!("damaged bytes {index}, {} of them", bytes.len());
        faults.push((name, Fault::Bytes(bytes)));
    }
    faults
}

/// Bytes that are no map, no resource, no number, no slot of shared data and no word.
pub(super) fn damaged() -> Vec<Bytes> {
    let map = encode_pairs(&lines(&[
        (":method", "GET"),
        (":path", "/r4/Patient/p1"),
        (":authority", "fhir.example.org"),
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ]));
    let mut all = vec![
        vec![],
        vec![0],
        vec![1],
        vec![0; 4],
        vec![0; 8],
        vec![0xff; 4],
        vec![0xff; 8],
        vec![0xff; 64],
        // Counts that promise more than there is, and lengths that lead past the end.
        [1024_u32.to_le_bytes().as_slice(), &[0; 64]].concat(),
        [1025_u32.to_le_bytes().as_slice(), &[0; 16_400]].concat(),
        [0x2000_0001_u32.to_le_bytes().as_slice(), &[0; 64]].concat(),
        [1, u32::MAX, u32::MAX, 0].map(u32::to_le_bytes).concat(),
        [1, 0x7fff_ffff, 0x7fff_ffff, 0]
            .map(u32::to_le_bytes)
            .concat(),
        // A slot of shared data with a good beginning.
        [b"FGL\x01".as_slice(), &[0xff; 8]].concat(),
        [b"FGL\x01".as_slice(), &[0; 8], &[7; 24 * 18]].concat(),
    ];
    all.extend((4..map.len()).step_by(11).map(|end| map[..end].to_vec()));
    for (seed, length) in [1, 2, 3, 7, 8, 9, 64, 65, 300, 4096, 1 << 18]
        .into_iter()
        .enumerate()
    {
        // Of visible characters it could be a word that a proxy says.
        let mut bytes = rubbish(seed as u64 + 1, length);
        bytes[0] |= 0x80;
        all.push(bytes);
    }
    all
}

/// Plants every fault at every host call of this exchange, one at a time. Whatever happens, what
/// goes upstream is what was decided on, what leaves is what was decided on, the client is not left
/// waiting, and the next exchange is as good as ever.
fn check(name: &str, deployment: &Deployment, script: &Script) {
    let vm = deployment.vm();
    script.drive(&vm);
    let (decided, calls) = counted(deployment, script, &vm);
    assert!(calls.values().sum::<u64>() > 4, "{name}: {calls:?}");
    let mut planted = 0;
    for (function, count) in &calls {
        for (nth, (what, fault)) in
            (1..=*count).flat_map(|nth| faults(function).into_iter().map(move |one| (nth, one)))
        {
            let lie = matches!(fault, Fault::Status(0)) && TOLD.contains(&function.as_str());
            let name = format!("{name}, {what} from call {nth} of {function}");
            deployment.host.fault_at(function, nth, fault);
            let end = script.drive(&vm);
            assert_eq!(deployment.host.heal(), 1, "{name}: planted in vain");
            planted += 1;
            if !lie {
                check_upstream(&name, &end, &decided);
                // Where a cut is refused the client has to wait; it must not get anything.
                if function != "proxy_close_stream" {
                    end.check_closed(&name, &decided);
                }
                end.check_clean(&name);
            }
            check_next(&name, deployment, script, &vm, &decided);
        }
    }
    println!("{name}: {planted} faults at the calls {calls:?}");
}

/// Lets every pair of functions fail throughout: nothing leaves that was not decided on, even where
/// no reply and no reset can be had.
fn check_pairs(name: &str, deployment: &Deployment, script: &Script) {
    let vm = deployment.vm();
    script.drive(&vm);
    let (decided, _) = counted(deployment, script, &vm);
    let functions: Vec<String> = deployment
        .host
        .imports()
        .into_iter()
        .filter(|(module, _)| module == "env")
        .map(|(_, function)| function)
        .collect();
    for (index, first) in functions.iter().enumerate() {
        for second in &functions[index..] {
            let name = format!("{name}, {first} and {second} fail");
            deployment.host.fault(first, Fault::Status(2));
            if second != first {
                deployment.host.fault(second, Fault::Status(10));
            }
            let end = script.drive(&vm);
            deployment.host.heal();
            check_upstream(&name, &end, &decided);
            end.check_clean(&name);
            deployment.rest();
        }
        check_next(first, deployment, script, &vm, &decided);
    }
}

fn counted(deployment: &Deployment, script: &Script, vm: &Vm) -> (End, BTreeMap<String, u64>) {
    deployment.rest();
    let before = deployment.host.world().calls.clone();
    let end = script.drive(vm);
    let mut calls = deployment.host.world().calls.clone();
    for (function, count) in &mut calls {
        *count -= before.get(function).copied().unwrap_or(0);
    }
    calls.retain(|_, count| *count > 0);
    deployment.rest();
    (end, calls)
}

fn check_upstream(name: &str, end: &End, decided: &End) {
    let Some(headers) = &end.upstream.headers else {
        assert!(end.upstream.body.is_empty(), "{name}: a body without head");
        return;
    };
    assert_eq!(Some(headers), decided.upstream.headers.as_ref(), "{name}");
    assert_eq!(end.upstream.body, decided.upstream.body, "{name}");
}

fn check_next(name: &str, deployment: &Deployment, script: &Script, vm: &Vm, decided: &End) {
    deployment.rest();
    let next = script.drive(vm);
    assert_eq!(next.upstream, decided.upstream, "after {name}");
    assert_eq!(
        without_limits(&next.downstream),
        without_limits(&decided.downstream),
        "after {name}"
    );
    assert_eq!(next.reset, decided.reset, "after {name}");
    assert_eq!(
        next.record()["outcome"],
        decided.record()["outcome"],
        "after {name}"
    );
    deployment.rest();
}

/// A deployment that streams whatever is larger than 2 KiB.
fn small() -> Deployment {
    Deployment::with(|policy| policy["response"]["hold_limit"] = json!("2KiB"))
}

/// A Bundle that is too large to be held.
fn streamed(deployment: &Deployment) -> Script {
    let body = bundle(12, 200).into_bytes();
    Script {
        response_body: body.chunks(1500).map(<[u8]>::to_vec).collect(),
        ..deployment.search()
    }
}

/// The same, broken in the middle: it is cut after a part has left.
fn cut(deployment: &Deployment) -> Script {
    let mut script = streamed(deployment);
    let last = script.response_body.len() - 1;
    script.response_body[last - 1] = rubbish(5, 1500);
    script
}

#[test]
fn a_read_survives_every_fault() {
    let deployment = Deployment::new();
    check("read", &deployment, &deployment.read());
}

#[test]
fn an_update_survives_every_fault() {
    let deployment = Deployment::new();
    check("update", &deployment, &deployment.update());
}

#[test]
fn a_streamed_search_survives_every_fault() {
    let deployment = small();
    check("streamed search", &deployment, &streamed(&deployment));
}

#[test]
fn a_search_that_is_cut_survives_every_fault() {
    let deployment = small();
    check("cut search", &deployment, &cut(&deployment));
}

#[test]
fn an_answer_with_trailers_survives_every_fault() {
    let deployment = Deployment::new();
    let script = Script {
        response_trailers: Some(lines(&[("x-checksum", SECRET)])),
        ..deployment.read()
    };
    check("trailers", &deployment, &script);
}

#[test]
fn a_refusal_survives_every_fault() {
    let deployment = Deployment::new();
    let refused = Script {
        request: deployment.head("GET", "/r4/Patient/p2", &deployment.token("patient/*.rs")),
        ..deployment.read()
    };
    check("refused", &deployment, &refused);
    let withheld = Script {
        response: answer("500"),
        response_body: vec![SECRET.into()],
        ..deployment.read()
    };
    check("withheld", &deployment, &withheld);
}

#[test]
fn nothing_leaves_where_two_functions_fail() {
    let deployment = Deployment::new();
    check_pairs("read", &deployment, &deployment.read());
    check_pairs("update", &deployment, &deployment.update());
    let deployment = small();
    check_pairs("streamed search", &deployment, &streamed(&deployment));
    check_pairs("cut search", &deployment, &cut(&deployment));
}

#[test]
fn a_worker_starts_or_refuses_to_whatever_the_host_does() {
    let deployment = Deployment::new();
    drop(deployment.vm());
    let calls = deployment.host.world().calls.clone();
    println!("host calls of a start: {calls:?}");
    for (function, count) in calls {
        // The hash maps of libraries want random numbers once. A host without any starts no worker,
        // and no exchange can bring that about.
        if function == "random_get" {
            continue;
        }
        // The known answers: what is true of the first four is true of the others.
        let count = match function.as_str() {
            "proxy_call_foreign_function" => 4,
            _ => count,
        };
        for nth in 1..=count {
            for (_, fault) in faults(&function) {
                deployment.host.fault_at(&function, nth, fault);
                // Either is right; a trap is not.
                if let Ok(vm) = deployment.host.start() {
                    deployment.host.heal();
                    deployment.read().drive(&vm);
                    deployment.rest();
                }
                deployment.host.heal();
            }
        }
    }
}
