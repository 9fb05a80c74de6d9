//! A host that fails, or lies, while keys are fetched and requests wait for them.

use std::time::Duration;

use super::faults::{TOLD, damaged, faults, statuses};
use super::keys::{CLUSTER, check_passes, check_unavailable, deployment, jwks, waits, warm};
use crate::deployment::Deployment;
use crate::host::Fault;
use crate::memory::Headers;
use crate::stream::lines;
use crate::vm::Vm;

#[test]
fn a_call_that_the_proxy_refuses_is_a_failure() {
    let check = |name: &str, refuse: &dyn Fn(&Deployment)| {
        let deployment = deployment();
        let vm = deployment.vm();
        let stream = waits(&vm, &deployment.read());
        refuse(&deployment);
        vm.tick();
        deployment.host.heal();
        check_unavailable(name, &stream, "unavailable.keys");
        deployment.host.world().clusters.insert(CLUSTER.into());
        deployment.host.advance(Duration::from_secs(5));
        warm(&vm);
        assert_eq!(deployment.read().drive(&vm).status(), 200, "{name}");
    };
    check("no such cluster", &|deployment| {
        deployment.host.world().clusters.clear()
    });
    for status in [2, 10] {
        check("a status", &|deployment| {
            deployment
                .host
                .fault("proxy_http_call", Fault::Status(status));
        });
    }
    // No Envoy says anything else. The SDK takes it for the end, and so does the proxy.
    for status in statuses().filter(|status| ![0, 2, 10].contains(status)) {
        let deployment = deployment();
        let vm = deployment.vm();
        let stream = waits(&vm, &deployment.read());
        vm.may_trap();
        deployment
            .host
            .fault("proxy_http_call", Fault::Status(status));
        vm.tick();
        deployment.host.heal();
        deployment.host.advance(Duration::from_secs(5));
        vm.tick();
        assert_eq!(stream.upstream().headers, None, "{status}");
    }
}

#[test]
fn without_ticks_no_keys_can_be_fetched() {
    for status in statuses().skip(1) {
        let deployment = deployment();
        let host = &deployment.host;
        host.fault("proxy_set_tick_period_milliseconds", Fault::Status(status));
        assert_eq!(host.start().err(), Some("proxy_on_configure"), "{status}");
        let logged = host.logged(4);
        assert!(
            logged
                .iter()
                .any(|line| line.contains("the proxy gives no ticks"))
        );
    }
    let inline = Deployment::new();
    let function = "proxy_set_tick_period_milliseconds";
    inline.host.fault(function, Fault::Status(2));
    assert_eq!(
        inline.read().drive(&inline.vm()).status(),
        200,
        "nobody needs them"
    );
}

#[test]
fn a_stream_that_cannot_be_named_or_let_go_on_does_not_go_on_undecided() {
    for status in statuses().skip(1) {
        let deployment = deployment();
        let (one, two) = (deployment.vm(), deployment.vm());
        let script = deployment.read();
        let (named, continued) = (waits(&two, &script), waits(&two, &script));
        warm(&one);
        deployment
            .host
            .fault("proxy_set_effective_context", Fault::Status(status));
        two.tick();
        assert_eq!(named.upstream().headers, None, "{status}");
        assert_eq!(deployment.host.heal(), 2);
        // Asked again, in its order: the first cannot go on, the second can.
        deployment
            .host
            .fault_at("proxy_continue_stream", 1, Fault::Status(status));
        two.tick();
        assert_eq!(deployment.host.heal(), 1);
        check_unavailable("not let go on", &named, "unavailable.host");
        check_passes("let go on", &continued, &script);
    }
}

/// Calls on this way whose Ok the filter has to believe.
const NEW_TOLD: [&str; 3] = [
    "proxy_continue_stream",
    "proxy_http_call",
    "proxy_set_effective_context",
];

/// What happens to a request on its way from waiting to being let go on: the worker's own fetch, or that of
/// another.
fn go_on(fetches: &Vm, looks: &Vm) {
    fetches.tick();
    if let Some(call) = fetches.callouts().first() {
        fetches.answer(
            call.token,
            lines(&[(":status", "200")]),
            &jwks(),
            Headers::new(),
        );
    }
    looks.tick();
}

#[test]
fn whatever_the_host_does_a_waiting_request_is_decided_or_does_not_go_on() {
    let script = deployment().read();
    let decided = {
        let deployment = deployment();
        let vm = deployment.vm();
        warm(&vm);
        script.drive(&vm)
    };
    let counts = {
        let deployment = deployment();
        let vms = (deployment.vm(), deployment.vm());
        let streams = [waits(&vms.0, &script), waits(&vms.1, &script)];
        let before = deployment.host.world().calls.clone();
        go_on(&vms.0, &vms.1);
        drop(streams);
        let mut calls = deployment.host.world().calls.clone();
        for (name, count) in &mut calls {
            *count -= before.get(name).copied().unwrap_or(0);
        }
        calls.retain(|_, count| *count > 0);
        calls
    };
    println!("host calls of a fetch, a look and two requests: {counts:?}");
    assert!(counts.contains_key("proxy_http_call") && counts.contains_key("proxy_continue_stream"));
    let mut planted = 0;
    for (function, count) in &counts {
        for nth in 1..=*count {
            // A sixth of all, another at each call: two workers are started for every one.
            let some = (1_u64..).zip(faults(function));
            for (_, (what, fault)) in some.filter(|(number, _)| (number + nth) % 6 == 0) {
                let told =
                    TOLD.contains(&function.as_str()) || NEW_TOLD.contains(&function.as_str());
                let lie = told && matches!(fault, Fault::Status(0));
                let name = format!("{what} from call {nth} of {function}");
                let deployment = deployment();
                let (one, two) = (deployment.vm(), deployment.vm());
                // The SDK's own calls: it takes an answer that it does not know for the end.
                if matches!(
                    function.as_str(),
                    "proxy_http_call" | "proxy_set_effective_context"
                ) {
                    one.may_trap();
                }
                let streams = [waits(&one, &script), waits(&two, &script)];
                deployment.host.fault_at(function, nth, fault);
                go_on(&one, &two);
                planted += deployment.host.heal();
                // In the end everything is decided: the keys come, or the time is over.
                for _ in 0..4 {
                    go_on(&one, &two);
                    deployment.host.advance(Duration::from_millis(2500));
                }
                for (vm, stream) in [&one, &two].into_iter().zip(&streams) {
                    if let Some(headers) = stream.upstream().headers {
                        let expected = decided.upstream.headers.as_ref();
                        assert!(lie || Some(&headers) == expected, "{name}: {headers:?}");
                        continue;
                    }
                    let over = stream.downstream().ended || stream.reset().is_some();
                    let lost = vm.failed().is_some();
                    assert!(over || lie || lost, "{name}: it waits for ever");
                }
            }
        }
    }
    println!("{planted} faults");
}

#[test]
fn shared_values_of_anybody_do_no_harm() {
    let deployment = deployment();
    let one = deployment.vm();
    let script = deployment.read();
    warm(&one);
    let keys = deployment.host.world().shared.keys();
    let remote: Vec<_> = keys
        .into_iter()
        .filter(|key| key.starts_with(b"fhir-guard.remote.v1."))
        .collect();
    assert_eq!(remote.len(), 2);
    for key in &remote {
        for value in damaged() {
            deployment.host.world().shared.set(key, &value, 0);
            deployment.host.advance(Duration::from_millis(100));
            one.tick();
            let two = deployment.vm();
            two.tick();
            // Who has the keys goes on.
            assert_eq!(script.drive(&one).status(), 200);
            deployment.rest();
            one.tick();
            for call in one.callouts() {
                one.fail_callout(call.token);
            }
        }
    }
}
