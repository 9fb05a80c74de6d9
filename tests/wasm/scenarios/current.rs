//! Writes of patients: the call for the current version, and whatever comes instead of its answer.

use serde_json::{Value, json};

use super::keys::{self, check_passes, check_unavailable};
use crate::deployment::{Deployment, End, Script, observation};
use crate::exchange::Action;
use crate::host::Fault;
use crate::memory::{Headers, values};
use crate::stream::{Stream, lines};
use crate::structure;
use crate::vm::{Callout, Vm};

/// The shipped configuration, whose server is trusted with `If-Match`.
fn deployment() -> Deployment {
    with(|_| ())
}

fn with(edit: impl FnOnce(&mut Value)) -> Deployment {
    let deployment = Deployment::with(|policy| {
        policy["fhir"]["upstream"]["trust"] = json!(["if_match"]);
        edit(policy);
    });
    for name in [cluster(), keys::CLUSTER.to_owned()] {
        deployment.host.world().clusters.insert(name.into());
    }
    deployment
}

/// The cluster of the FHIR server.
fn cluster() -> String {
    let shipped = crate::deployment::shipped();
    let name = shipped["fhir"]["upstream"]["cluster"].as_str();
    name.expect("a cluster").to_owned()
}

/// An update by patient p1 of his own Observation.
fn update(deployment: &Deployment) -> Script {
    let token = deployment.token("patient/*.cruds");
    let mut request = deployment.head("PUT", "/r4/Observation/o1", &token);
    request.extend(lines(&[("content-type", "application/fhir+json")]));
    Script {
        request,
        ..deployment.update()
    }
}

/// A deletion, whose head is all there is.
fn delete(deployment: &Deployment) -> Script {
    let token = deployment.token("patient/*.cruds");
    Script {
        request: deployment.head("DELETE", "/r4/Observation/o1", &token),
        request_body: Vec::new(),
        response: lines(&[(":status", "204")]),
        response_body: Vec::new(),
        response_trailers: None,
    }
}

/// A write up to where it waits.
fn waits(vm: &Vm, script: &Script) -> Stream {
    let stream = vm.stream();
    script.ask(&stream);
    assert!(stream.upstream().headers.is_none(), "it has not gone on");
    assert_eq!(stream.reply(), None);
    stream
}

fn call(vm: &Vm) -> Callout {
    let calls = vm.callouts();
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls[0].clone()
}

fn answer(vm: &Vm, call: &Callout, status: &str, body: &[u8]) {
    let head = lines(&[
        (":status", status),
        ("content-type", "application/fhir+json"),
        ("etag", "W/\"3\""),
    ]);
    vm.answer(call.token, head, body, Headers::new());
}

fn own() -> Vec<u8> {
    observation("o1", "p1", 0).into_bytes()
}

fn check_pinned(name: &str, stream: &Stream) {
    let sent = stream.upstream().headers.unwrap_or_default();
    assert_eq!(values(&sent, "if-match"), [b"W/\"3\""], "{name}");
}

#[test]
fn a_write_goes_on_when_the_current_version_is_there() {
    let deployment = deployment();
    let vm = deployment.vm();
    assert_eq!(vm.tick_period(), Some(100));
    let update = update(&deployment);
    let stream = waits(&vm, &update);
    let asked = call(&vm);
    assert_eq!(asked.cluster, cluster());
    assert_eq!(asked.timeout, 5000);
    assert!(asked.body.is_empty());
    assert_eq!(asked.headers[0], (b":method".to_vec(), b"GET".to_vec()));
    // Without a tick, and with all of the body.
    answer(&vm, &asked, "200", &own());
    check_pinned("update", &stream);
    assert_eq!(stream.upstream().body, update.request_body.concat());
    assert!(stream.upstream().ended);
    check_passes("update", &stream, &update);
    let delete = delete(&deployment);
    let stream = waits(&vm, &delete);
    answer(&vm, &call(&vm), "200", &own());
    check_pinned("delete", &stream);
    delete.answer(&stream);
    stream.finish();
    let end = End::of(&stream);
    assert_eq!(
        (end.status(), &end.record()["current"]),
        (204, &json!("W/\"3\""))
    );
    assert_eq!(vm.callouts(), []);
}

#[test]
fn a_body_may_be_split_anywhere() {
    let deployment = deployment();
    let vm = deployment.vm();
    let whole = update(&deployment);
    let body = whole.request_body.concat();
    for split in 0..body.len() {
        let (first, second) = body.split_at(split);
        let script = Script {
            request_body: vec![first.to_vec(), second.to_vec()],
            ..whole.clone()
        };
        let stream = waits(&vm, &script);
        answer(&vm, &call(&vm), "200", &own());
        check_pinned("split", &stream);
        assert_eq!(stream.upstream().body, body, "{split}");
        check_passes("split", &stream, &script);
        deployment.rest();
    }
}

#[test]
fn nobody_is_asked_before_the_body_is_whole_and_good() {
    let deployment = deployment();
    let vm = deployment.vm();
    let mut script = update(&deployment);
    let stream = vm.stream();
    let asked = stream.on_request_headers(script.request.clone(), false);
    assert_eq!(asked.action, Some(Action::Pause));
    stream.on_request_body(&script.request_body[0], false);
    vm.tick();
    assert_eq!(vm.callouts(), []);
    stream.on_reset();
    stream.finish();
    script.request_body = vec![observation("o1", "p2", 0).into_bytes()];
    let end = script.drive(&vm);
    assert_eq!((end.status(), vm.callouts().len()), (403, 0));
}

#[test]
fn whatever_comes_instead_of_an_answer_closes() {
    let deployment = deployment();
    let vm = deployment.vm();
    let check = |name: &str, act: &dyn Fn(&Callout), status: u16, rule: &str| {
        for script in [update(&deployment), delete(&deployment)] {
            let stream = waits(&vm, &script);
            act(&call(&vm));
            assert_eq!(stream.upstream().headers, None, "{name}");
            if status == 503 {
                check_unavailable(name, &stream, rule);
            } else {
                stream.finish();
                let end = End::of(&stream);
                let found = end.record()["rule"].to_string();
                assert_eq!(end.status(), status, "{name}: {end:?}");
                assert!(found.contains(rule), "{name}: {found}");
            }
            deployment.rest();
            let stream = waits(&vm, &script);
            answer(&vm, &call(&vm), "200", &own());
            check_pinned(name, &stream);
            stream.on_reset();
            stream.finish();
        }
    };
    let (away, unknown) = ("unavailable.current-version", "answer.current-version: ");
    let with = |status: &'static str, body: Vec<u8>| {
        let vm = &vm;
        move |call: &Callout| answer(vm, call, status, &body)
    };
    check("no answer", &|call| vm.fail_callout(call.token), 503, away);
    check("status 500", &with("500", own()), 503, away);
    check("letters", &with("ok", own()), 503, away);
    check("status 404", &with("404", Vec::new()), 404, "compartment");
    check("status 304", &with("304", Vec::new()), 404, unknown);
    check("empty", &with("200", Vec::new()), 404, unknown);
    check("rubbish", &with("200", vec![0xff; 1000]), 404, unknown);
    check("deep", &with("200", vec![b'['; 1 << 20]), 404, unknown);
    check("20 MB", &with("200", vec![b' '; 20_000_000]), 404, "larger");
    let other = observation("o1", "p2", 0).into_bytes();
    check("another's", &with("200", other), 404, "compartment");
    let untagged = |call: &Callout| {
        let head = lines(&[
            (":status", "200"),
            ("content-type", "application/fhir+json"),
        ]);
        vm.answer(call.token, head, &own(), Headers::new());
    };
    check(
        "no tag",
        &untagged,
        502,
        "answer.current-version: it has no etag",
    );
}

#[test]
fn a_call_that_the_proxy_refuses_is_no_answer() {
    let deployment = deployment();
    deployment.host.world().clusters.clear();
    let vm = deployment.vm();
    for script in [update(&deployment), delete(&deployment)] {
        let stream = vm.stream();
        script.ask(&stream);
        check_unavailable("refused", &stream, "unavailable.current-version");
    }
    deployment.host.world().clusters.insert(cluster().into());
    let script = update(&deployment);
    let stream = waits(&vm, &script);
    answer(&vm, &call(&vm), "200", &own());
    check_passes("well again", &stream, &script);
}

#[test]
fn the_answer_to_one_who_is_gone_does_no_harm() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = update(&deployment);
    let mut grown = 0;
    for round in 0..600 {
        let (gone, stays) = (waits(&vm, &script), waits(&vm, &script));
        let calls = vm.callouts();
        assert_eq!(calls.len(), 2, "each has its own");
        gone.on_reset();
        gone.finish();
        assert_eq!(End::of(&gone).record()["outcome"], "cut");
        answer(&vm, &calls[0], "200", b"rubbish");
        assert!(stays.upstream().headers.is_none());
        answer(&vm, &calls[1], "200", &own());
        check_pinned("stays", &stays);
        check_passes("stays", &stays, &script);
        deployment.rest();
        if round == 300 {
            grown = vm.memory_bytes();
        }
    }
    assert_eq!(vm.memory_bytes(), grown, "it does not grow");
}

#[test]
fn a_stream_that_cannot_be_named_is_asked_for_again() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = update(&deployment);
    let stream = waits(&vm, &script);
    // The first is the SDK's own.
    deployment
        .host
        .fault_at("proxy_set_effective_context", 2, Fault::Status(2));
    answer(&vm, &call(&vm), "200", &own());
    assert_eq!(deployment.host.heal(), 1, "planted in vain");
    assert_eq!(stream.upstream().headers, None);
    vm.tick();
    answer(&vm, &call(&vm), "200", &own());
    check_pinned("again", &stream);
}

#[test]
fn a_head_that_the_proxy_does_not_take_ends_the_write() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = update(&deployment);
    for function in ["proxy_set_header_map_pairs", "proxy_continue_stream"] {
        let stream = waits(&vm, &script);
        deployment.host.fault(function, Fault::Status(2));
        answer(&vm, &call(&vm), "200", &own());
        deployment.host.heal();
        stream.finish();
        let end = End::of(&stream);
        assert_eq!(
            (end.status(), &end.record()["rule"]),
            (503, &json!("unavailable.host")),
            "{function}"
        );
        assert_eq!(end.upstream.headers, None, "{function}");
    }
}

/// Keys come first: who waited for them asks in the name of the stream, or the root, that was woken.
#[test]
fn a_write_may_wait_for_keys_and_then_for_its_version() {
    let deployment = with(|policy| {
        policy["issuers"][0]["keys"] =
            json!({ "uri": "https://as.example.org/jwks?x=1", "cluster": keys::CLUSTER });
    });
    let vm = deployment.vm();
    let (update, delete) = (update(&deployment), delete(&deployment));
    let (first, second, late) = (waits(&vm, &update), waits(&vm, &delete), vm.stream());
    late.on_request_headers(update.request.clone(), false);
    late.on_request_body(&update.request_body[0], false);
    keys::warm(&vm);
    let calls = vm.callouts();
    assert_eq!(calls.len(), 2, "the body of the third is not whole");
    late.on_request_body(&update.request_body[1], true);
    assert_eq!(vm.callouts().len(), 3);
    for call in vm.callouts() {
        answer(&vm, &call, "200", &own());
    }
    for stream in [&first, &second, &late] {
        check_pinned("after the keys", stream);
    }
    assert_eq!(late.upstream().body, update.request_body.concat());
    check_passes("update", &first, &update);
    check_passes("late", &late, &update);
}

/// As above, but the one in whose name the other's call was made goes away before the answer.
#[test]
fn a_call_in_the_name_of_one_who_is_gone_is_made_again() {
    let deployment = with(|policy| {
        policy["issuers"][0]["introspection"] = json!({
            "uri": "https://as.example.org/introspect", "cluster": keys::CLUSTER, "tokens": ["jwt"],
        });
    });
    let vm = deployment.vm();
    let script = delete(&deployment);
    // Both wait for one answer about their token, which comes to the first.
    let (first, second) = (waits(&vm, &script), waits(&vm, &script));
    let introspection = call(&vm);
    let head = lines(&[(":status", "200")]);
    vm.answer(
        introspection.token,
        head,
        b"{\"active\":true}",
        Headers::new(),
    );
    let calls = vm.callouts();
    assert_eq!(calls.len(), 2, "both were sent in the name of the first");
    first.on_reset();
    first.finish();
    for call in &calls {
        answer(&vm, call, "200", &own());
    }
    assert!(second.upstream().headers.is_none(), "its answer was lost");
    vm.tick();
    answer(&vm, &call(&vm), "200", &own());
    check_pinned("the second", &second);
}

#[test]
fn a_write_is_decided_under_its_own_configuration() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = update(&deployment);
    let old = waits(&vm, &script);
    let asked = call(&vm);
    assert!(vm.configure(&structure::object(&crate::deployment::with_keys())));
    let refused = script.drive(&vm);
    assert_eq!(refused.status(), 400, "the new one trusts nobody");
    answer(&vm, &asked, "200", &own());
    check_pinned("of the old", &old);
    check_passes("of the old", &old, &script);
}
