//! Intents: the call, and whatever comes instead of its acknowledgement.

use serde_json::{Value, json};

use super::faults::faults;
use super::keys::{self, check_passes, check_unavailable};
use crate::deployment::{AUDIT, Deployment, End, Script};
use crate::host::Fault;
use crate::memory::Headers;
use crate::stream::{Stream, lines};
use crate::vm::{Callout, Vm};

const CLUSTER: &str = "repository";

/// The shipped configuration, with a strict repository of records.
fn deployment() -> Deployment {
    with(|_| ())
}

fn with(edit: impl FnOnce(&mut Value)) -> Deployment {
    let deployment = Deployment::with(|policy| {
        policy["audit"]["chain"] = json!({});
        policy["audit"]["repository"] = json!({
            "cluster": CLUSTER, "uri": "https://audit.example.org/records", "format": "records",
            "strict": true,
        });
        edit(policy);
    });
    deployment.host.world().clusters.insert(CLUSTER.into());
    deployment
}

/// The intents that are under way; the others are batches.
fn intents(vm: &Vm) -> Vec<Callout> {
    let is_intent = |call: &Callout| {
        let text = String::from_utf8_lossy(&call.body);
        text.contains("\"outcome\":\"announced\"")
    };
    let mut calls = vm.callouts();
    calls.retain(is_intent);
    calls
}

fn intent(vm: &Vm) -> Callout {
    let calls = intents(vm);
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls[0].clone()
}

/// An exchange up to where it waits.
fn waits(vm: &Vm, script: &Script) -> Stream {
    let stream = vm.stream();
    script.ask(&stream);
    assert!(stream.upstream().headers.is_none(), "it has not gone on");
    assert_eq!(stream.reply(), None);
    stream
}

fn answer(vm: &Vm, call: &Callout, status: &str) {
    vm.answer(
        call.token,
        lines(&[(":status", status)]),
        b"",
        Headers::new(),
    );
}

fn member(line: &[u8]) -> Value {
    let record: Value = serde_json::from_slice(line).expect("JSON");
    record["chain"].clone()
}

#[test]
fn a_request_goes_on_when_its_intent_is_acknowledged() {
    let deployment = deployment();
    let vm = deployment.vm();
    for script in [deployment.read(), deployment.search(), deployment.update()] {
        let stream = waits(&vm, &script);
        let call = intent(&vm);
        assert_eq!((call.cluster.as_str(), call.timeout), (CLUSTER, 5000));
        vm.tick();
        assert!(stream.upstream().headers.is_none(), "time alone is nothing");
        answer(&vm, &call, "201");
        assert!(stream.upstream().headers.is_some(), "without a tick");
        assert_eq!(stream.upstream().body, script.request_body.concat());
        assert!(stream.upstream().ended);
        let told = member(&call.body);
        let early = stream.filter_state(AUDIT);
        let early = member(&early.expect("an early copy"));
        assert_eq!(
            (&early["id"], &early["ticket"]),
            (&told["id"], &told["intent"])
        );
        check_passes("acknowledged", &stream, &script);
        let record = End::of(&stream).record();
        assert_eq!(record["chain"]["intent"], told["intent"]);
        assert!(record["announced"].is_u64(), "{record}");
        deployment.rest();
    }
}

#[test]
fn a_body_may_be_split_anywhere() {
    let deployment = deployment();
    let vm = deployment.vm();
    let whole = deployment.update();
    let body = whole.request_body.concat();
    for split in 0..=body.len() {
        let (first, second) = body.split_at(split);
        let script = Script {
            request_body: vec![first.to_vec(), second.to_vec()],
            ..whole.clone()
        };
        let stream = waits(&vm, &script);
        answer(&vm, &intent(&vm), "200");
        assert_eq!(stream.upstream().body, body, "{split}");
        check_passes("split", &stream, &script);
        deployment.rest();
    }
}

#[test]
fn whatever_comes_instead_of_an_acknowledgement_closes() {
    let deployment = deployment();
    let vm = deployment.vm();
    let with = |status: &'static str| {
        let vm = &vm;
        move |call: &Callout| answer(vm, call, status)
    };
    let check = |name: &str, act: &dyn Fn(&Callout)| {
        for script in [deployment.read(), deployment.update()] {
            let stream = waits(&vm, &script);
            act(&intent(&vm));
            assert_eq!(stream.upstream().headers, None, "{name}");
            check_unavailable(name, &stream, "unavailable.audit-intent");
            let chain = &End::of(&stream).record()["chain"];
            assert!(
                chain["ticket"].is_u64() && chain.get("intent").is_none(),
                "{name}"
            );
            deployment.rest();
        }
    };
    check("no answer", &|call| vm.fail_callout(call.token));
    check("status 500", &with("500"));
    check("status 404", &with("404"));
    check("status 302", &with("302"));
    check("letters", &with("ok"));
}

#[test]
fn a_call_that_the_proxy_refuses_is_no_acknowledgement() {
    let deployment = deployment();
    deployment.host.world().clusters.clear();
    let vm = deployment.vm();
    for script in [deployment.read(), deployment.update()] {
        let stream = vm.stream();
        script.ask(&stream);
        assert_eq!(stream.upstream().headers, None);
        check_unavailable("refused", &stream, "unavailable.audit-intent");
        deployment.rest();
    }
}

#[test]
fn the_acknowledgement_to_one_who_is_gone_does_no_harm() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = deployment.read();
    for _ in 0..50 {
        let (gone, stays) = (waits(&vm, &script), waits(&vm, &script));
        let calls = intents(&vm);
        assert_eq!(calls.len(), 2, "each has its own");
        gone.on_reset();
        gone.finish();
        assert_eq!(End::of(&gone).record()["outcome"], "cut");
        answer(&vm, &calls[0], "200");
        assert_eq!(gone.upstream().headers, None);
        assert!(
            stays.upstream().headers.is_none(),
            "it was not for this one"
        );
        answer(&vm, &calls[1], "200");
        check_passes("stays", &stays, &script);
        deployment.rest();
    }
}

/// Callers who come and reset do not keep another from its answer: what was asked in vain is asked by the root.
#[test]
fn who_comes_and_goes_takes_no_intent_of_others_along() {
    let deployment = with(|policy| {
        policy["issuers"][0]["introspection"] = json!({
            "uri": "https://as.example.org/introspect", "cluster": keys::CLUSTER, "tokens": ["jwt"],
        });
    });
    deployment
        .host
        .world()
        .clusters
        .insert(keys::CLUSTER.into());
    let vm = deployment.vm();
    let script = deployment.read();
    // Both wait for one answer about their token, which comes to the first.
    let (first, second) = (waits(&vm, &script), waits(&vm, &script));
    let introspection = vm.callouts();
    assert_eq!(introspection.len(), 1);
    let head = lines(&[(":status", "200")]);
    let active = b"{\"active\":true}";
    vm.answer(introspection[0].token, head, active, Headers::new());
    let goes = |stream: &Stream| {
        stream.on_reset();
        stream.finish();
        for call in intents(&vm) {
            answer(&vm, &call, "200");
        }
    };
    assert_eq!(intents(&vm).len(), 2, "both in the name of the first");
    goes(&first);
    assert_eq!(second.upstream().headers, None, "its answer was lost");
    for _ in 0..3 {
        let other = waits(&vm, &script);
        assert_eq!(intents(&vm).len(), 1, "its own, and nobody else's");
        goes(&other);
        assert_eq!(second.upstream().headers, None, "still waits");
    }
    vm.tick();
    answer(&vm, &intent(&vm), "200");
    check_passes("in the name of the root", &second, &script);
}

#[test]
fn a_stream_that_cannot_be_named_is_announced_again_in_the_same_words() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = deployment.read();
    let stream = waits(&vm, &script);
    let first = intent(&vm);
    // The first is the SDK's own.
    deployment
        .host
        .fault_at("proxy_set_effective_context", 2, Fault::Status(2));
    answer(&vm, &first, "200");
    assert_eq!(deployment.host.heal(), 1, "planted in vain");
    assert_eq!(stream.upstream().headers, None);
    vm.tick();
    let again = intent(&vm);
    assert_eq!(first.body, again.body);
    answer(&vm, &again, "200");
    check_passes("again", &stream, &script);
}

/// Whatever call fails on the way in, and however: what is not acknowledged does not go on.
#[test]
fn no_fault_of_the_host_lets_a_request_go_on_unannounced() {
    let deployment = deployment();
    let vm = deployment.vm();
    let mut planted = 0;
    for script in [deployment.read(), deployment.update()] {
        let refused = |stream: &Stream, name: &str| {
            for call in intents(&vm) {
                answer(&vm, &call, "500");
            }
            vm.tick();
            assert_eq!(stream.upstream().headers, None, "{name}");
            stream.on_reset();
            stream.finish();
            for call in vm.callouts() {
                answer(&vm, &call, "200");
            }
            deployment.rest();
        };
        // What a worker asks for once it has asked for.
        refused(&waits(&vm, &script), "the first");
        let imports: Vec<String> = deployment
            .host
            .imports()
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        let count = |name: &String| deployment.host.calls(name);
        let before: Vec<u64> = imports.iter().map(count).collect();
        let stream = waits(&vm, &script);
        let after: Vec<u64> = imports.iter().map(count).collect();
        refused(&stream, "without a fault");
        for ((function, before), after) in imports.iter().zip(before).zip(after) {
            for nth in 1..=after - before {
                for (what, fault) in faults(function) {
                    // The SDK's own calls: it takes an answer that it does not know for the end.
                    let ends = match function.as_str() {
                        "proxy_http_call" => !matches!(fault, Fault::Status(2 | 10)),
                        "proxy_set_effective_context" => true,
                        _ => false,
                    };
                    if ends {
                        continue;
                    }
                    let name = format!("{what} from call {nth} of {function}");
                    deployment.host.fault_at(function, nth, fault);
                    let stream = vm.stream();
                    script.ask(&stream);
                    planted += deployment.host.heal();
                    refused(&stream, &name);
                }
            }
        }
    }
    assert!(planted > 500, "{planted}");
}
