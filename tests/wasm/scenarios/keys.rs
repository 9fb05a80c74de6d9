//! Keys that are fetched: ticks, calls and their answers, and requests that wait.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::deployment::{Deployment, End, Script, issuer};
use crate::exchange::Action;
use crate::memory::{Headers, values};
use crate::stream::{Stream, lines};
use crate::structure;
use crate::vm::{Callout, Vm};

pub(super) const CLUSTER: &str = "authorization_server";

/// The shipped configuration, with keys that are fetched.
pub(super) fn deployment() -> Deployment {
    with(|_| ())
}

fn with(edit: impl FnOnce(&mut Value)) -> Deployment {
    let deployment = Deployment::with(|policy| {
        policy["issuers"][0]["keys"] = keys();
        edit(policy);
    });
    deployment.host.world().clusters.insert(CLUSTER.into());
    deployment
}

fn keys() -> Value {
    json!({ "uri": "https://as.example.org/jwks?x=1", "cluster": CLUSTER })
}

pub(super) fn jwks() -> Vec<u8> {
    issuer().jwks().to_string().into_bytes()
}

/// A request that waits.
pub(super) fn waits(vm: &Vm, script: &Script) -> Stream {
    let stream = vm.stream();
    let asked = stream.on_request_headers(script.request.clone(), script.request_body.is_empty());
    assert_eq!((asked.action, asked.reply), (Some(Action::Pause), None));
    assert!(stream.upstream().headers.is_none());
    stream
}

/// The one call that is under way.
pub(super) fn call(vm: &Vm) -> Callout {
    let calls = vm.callouts();
    let [call] = calls.as_slice() else {
        panic!("one call is expected, found {calls:?}");
    };
    call.clone()
}

fn answer(vm: &Vm, status: &str, body: &[u8]) {
    vm.answer(
        call(vm).token,
        lines(&[(":status", status)]),
        body,
        Headers::new(),
    );
}

/// Fetched, and known to this worker.
pub(super) fn warm(vm: &Vm) {
    vm.tick();
    answer(vm, "200", &jwks());
}

/// The end of a request that was refused: its status and what the record says.
fn refused(stream: &Stream) -> (u16, Value) {
    assert_eq!(stream.upstream().headers, None);
    stream.finish();
    let end = End::of(stream);
    assert!(end.downstream.ended, "{end:?}");
    (end.status(), end.record()["rule"].clone())
}

pub(super) fn check_unavailable(name: &str, stream: &Stream, rule: &str) {
    let headers = stream.downstream().headers.unwrap_or_default();
    assert_eq!(values(&headers, "retry-after"), [b"1"], "{name}");
    assert_eq!(refused(stream), (503, json!(rule)), "{name}");
}

/// The end of a request that was let go on.
pub(super) fn check_passes(name: &str, stream: &Stream, script: &Script) {
    assert!(stream.upstream().headers.is_some(), "{name}: it waits");
    script.answer(stream);
    stream.finish();
    let end = End::of(stream);
    assert_eq!(end.status(), 200, "{name}: {end:?}");
    assert_eq!(end.record()["outcome"], "allowed", "{name}");
}

#[test]
fn one_worker_fetches_and_the_other_sees_it() {
    let deployment = deployment();
    let (one, two) = (deployment.vm(), deployment.vm());
    assert_eq!(one.tick_period(), Some(100));
    let (read, update) = (deployment.read(), deployment.update());
    let (here, there) = (waits(&one, &read), waits(&two, &update));
    for piece in &update.request_body {
        let ended = update.request_body.last() == Some(piece);
        assert_eq!(
            there.on_request_body(piece, ended).action,
            Some(Action::Pause)
        );
    }
    one.tick();
    two.tick();
    assert_eq!(two.callouts(), []);
    let asked = call(&one);
    assert_eq!(
        (asked.cluster.as_str(), asked.timeout, asked.body.len()),
        (CLUSTER, 2000, 0)
    );
    let expected = [
        (":method", "GET"),
        (":path", "/jwks?x=1"),
        (":authority", "as.example.org"),
        ("accept", "application/json"),
    ];
    assert_eq!(asked.headers, lines(&expected));
    for _ in 0..5 {
        deployment.host.advance(Duration::from_millis(100));
        one.tick();
        two.tick();
    }
    assert_eq!((one.callouts().len(), two.callouts().len()), (1, 0));
    answer(&one, "200", &jwks());
    check_passes("who fetched", &here, &read);
    assert!(
        there.upstream().headers.is_none(),
        "the other has not looked"
    );
    two.tick();
    assert_eq!(there.upstream().body, update.request_body.concat());
    check_passes("the other", &there, &update);
    for vm in [&one, &two] {
        assert_eq!(read.drive(vm).status(), 200);
    }
    let keys = deployment.host.world().shared.keys();
    let remote = keys
        .iter()
        .filter(|key| key.starts_with(b"fhir-guard.remote.v1."));
    assert_eq!(remote.count(), 2, "{keys:?}");
}

#[test]
fn a_body_in_the_middle_goes_on_after_the_wait() {
    let deployment = deployment();
    let vm = deployment.vm();
    let update = deployment.update();
    for before in 0..=1 {
        let stream = waits(&vm, &update);
        for piece in &update.request_body[..before] {
            assert_eq!(
                stream.on_request_body(piece, false).action,
                Some(Action::Pause)
            );
        }
        match before {
            0 => warm(&vm),
            _ => vm.tick(),
        }
        assert!(stream.upstream().headers.is_none(), "the body is not whole");
        for (index, piece) in update.request_body.iter().enumerate().skip(before) {
            stream.on_request_body(piece, index == 1);
        }
        assert_eq!(
            stream.upstream().body,
            update.request_body.concat(),
            "{before}"
        );
        check_passes("the middle", &stream, &update);
        // For the second round a token of its own, and keys that are too old.
        deployment.host.advance(Duration::from_secs(3601));
        if before == 0 {
            let read = deployment.read();
            let cold = waits(&vm, &read);
            vm.tick();
            answer(&vm, "200", &jwks());
            check_passes("keys again", &cold, &read);
            deployment.host.advance(Duration::from_secs(3601));
            let stream = waits(&vm, &update);
            stream.on_request_body(&update.request_body[0], false);
            warm(&vm);
            stream.on_request_body(&update.request_body[1], true);
            check_passes("half of it", &stream, &update);
            break;
        }
    }
}

#[test]
fn a_bad_answer_is_logged_and_nobody_waits_for_it() {
    let check = |name: &str, act: &dyn Fn(&Vm), said: &str| {
        let deployment = deployment();
        let vm = deployment.vm();
        let script = deployment.read();
        let stream = waits(&vm, &script);
        vm.tick();
        act(&vm);
        check_unavailable(name, &stream, "unavailable.keys");
        check_unavailable(name, &at_once(&vm, &script), "unavailable.keys");
        let logged = deployment.host.logged(3);
        let [line] = logged.as_slice() else {
            panic!("{name}: one line is expected, found {logged:?}");
        };
        let place = "keys of https://as.example.org from cluster authorization_server, \
                     as.example.org/jwks?x=1: found ";
        assert!(
            line.contains(place) && line.contains(said),
            "{name}: {line}"
        );
        assert!(line.len() < 400, "{name}: {line}");
        // By itself it is asked again, and recovers.
        deployment.host.advance(Duration::from_millis(4999));
        vm.tick();
        assert_eq!(vm.callouts(), [], "{name}");
        deployment.host.advance(Duration::from_millis(1));
        let stream = waits_or_refused(&vm, &script);
        warm(&vm);
        drop(stream);
        assert_eq!(script.drive(&vm).status(), 200, "{name}");
    };
    let body = |status: &'static str, body: Vec<u8>| move |vm: &Vm| answer(vm, status, &body);
    check(
        "status 500",
        &body("500", jwks()),
        "status 500, expected 200",
    );
    check("status 404", &body("404", Vec::new()), "status 404");
    check(
        "no answer",
        &|vm| vm.fail_callout(call(vm).token),
        "no answer in time",
    );
    check(
        "a status of letters",
        &body("ok", jwks()),
        "no answer in time",
    );
    check(
        "a status too large",
        &body("200000", jwks()),
        "no answer in time",
    );
    check("empty", &body("200", Vec::new()), "no");
    check(
        "rubbish",
        &body("200", vec![0xff; 1000]),
        "not one well-formed JSON object",
    );
    check(
        "no keys",
        &body("200", b"{}".to_vec()),
        "something else than a JWK set",
    );
    check(
        "256 KiB and a byte",
        &body("200", vec![b' '; (256 << 10) + 1]),
        "more than 262144 bytes",
    );
    check(
        "20 MB",
        &body("200", vec![b'x'; 20_000_000]),
        "more than 262144 bytes",
    );
    let mut most = jwks();
    most.resize(256 << 10, b' ');
    let deployment = deployment();
    let vm = deployment.vm();
    vm.tick();
    answer(&vm, "200", &most);
    assert_eq!(deployment.read().drive(&vm).status(), 200, "the most");
}

/// A request that is answered at once.
fn at_once(vm: &Vm, script: &Script) -> Stream {
    let stream = vm.stream();
    let asked = stream.on_request_headers(script.request.clone(), true);
    assert!(asked.reply.is_some(), "{asked:?}");
    stream
}

/// A request of which something becomes, before the next attempt or with it.
fn waits_or_refused(vm: &Vm, script: &Script) -> Stream {
    let stream = vm.stream();
    stream.on_request_headers(script.request.clone(), true);
    stream
}

#[test]
fn an_answer_of_megabytes_takes_no_memory() {
    let deployment = deployment();
    let vm = deployment.vm();
    vm.tick();
    let before = vm.memory_bytes();
    answer(&vm, "200", &vec![b'x'; 20_000_000]);
    let grown = vm.memory_bytes() - before;
    assert!(grown < 2 << 20, "{grown} bytes");
}

#[test]
fn a_call_may_be_answered_after_the_configuration_was_replaced() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = deployment.read();
    let old = waits(&vm, &script);
    vm.tick();
    let call = call(&vm);
    let mut policy = crate::deployment::shipped();
    policy["issuers"][0]["keys"] = keys();
    assert!(vm.configure(&structure::object(&policy)));
    let new = waits(&vm, &script);
    vm.tick();
    assert_eq!(vm.callouts().len(), 1, "the attempt is that of both");
    vm.answer(
        call.token,
        lines(&[(":status", "200")]),
        &jwks(),
        Headers::new(),
    );
    check_passes("of the old configuration", &old, &script);
    vm.tick();
    check_passes("of the new", &new, &script);

    // A wait of the old one ends by its own time, should nothing else come.
    let deployment = self::deployment();
    let vm = deployment.vm();
    let old = waits(&vm, &script);
    assert!(vm.configure(&structure::object(&policy)));
    vm.tick();
    deployment.host.advance(Duration::from_secs(5));
    vm.tick();
    check_unavailable("of the old", &old, "unavailable.waiting");
}

#[test]
fn who_goes_away_while_waiting_gives_everything_back() {
    let deployment = with(|policy| {
        policy["waiting"] = json!({"requests": 1});
        policy["fhir"]["body_limit"] = json!("512KiB");
    });
    let vm = deployment.vm();
    let update = deployment.update();
    let piece = vec![b' '; 100_000];
    let mut warm_up = 0;
    for round in 0..300 {
        let stream = waits(&vm, &update);
        stream.on_request_body(&piece, false);
        stream.on_request_body(&piece, round % 2 == 0);
        check_unavailable(
            "the only place",
            &at_once(&vm, &deployment.read()),
            "unavailable.waiting",
        );
        stream.on_reset();
        if round % 3 == 0 {
            vm.tick();
        }
        stream.finish();
        if round % 3 == 1 {
            vm.tick();
        }
        if !vm.callouts().is_empty() {
            vm.fail_callout(call(&vm).token);
            deployment.host.advance(Duration::from_secs(5));
            vm.tick();
        }
        let record = End::of(&stream).record();
        assert_eq!(
            (&record["outcome"], &record["status"]),
            (&json!("cut"), &json!(null)),
            "{record}"
        );
        if round == 20 {
            warm_up = vm.memory_bytes();
        }
    }
    assert_eq!(vm.memory_bytes(), warm_up, "it does not grow");
}

#[test]
fn a_repeated_token_costs_as_few_host_calls_as_with_inline_keys() {
    let calls = |deployment: &Deployment, vm: &Vm| {
        let script = deployment.read();
        script.drive(vm);
        let before: u64 = deployment.host.world().calls.values().sum();
        assert_eq!(script.drive(vm).status(), 200);
        deployment.host.world().calls.values().sum::<u64>() - before
    };
    let (inline, fetched) = (Deployment::new(), deployment());
    let vm = fetched.vm();
    warm(&vm);
    assert_eq!(calls(&fetched, &vm), calls(&inline, &inline.vm()));
    // An idle tick, once what was counted is told: the clock for the looks and for records, and one read.
    vm.tick();
    let before = fetched.host.world().calls.clone();
    vm.tick();
    let after = fetched.host.world().calls.clone();
    let cost: BTreeMap<_, _> = after
        .iter()
        .map(|(name, count)| {
            (
                name.as_str(),
                count - before.get(name).copied().unwrap_or(0),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    let expected = [
        ("proxy_get_current_time_nanoseconds", 2),
        ("proxy_get_shared_data", 1),
    ];
    assert_eq!(cost, BTreeMap::from(expected));
}
