//! Tokens about which an authorization server is asked: whose call it is, and who hears the answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::keys::{CLUSTER, check_passes, check_unavailable, waits};
use crate::deployment::{BASE, Deployment, End, Script};
use crate::memory::Headers;
use crate::stream::lines;
use crate::structure;
use crate::vm::{Callout, Vm};

const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA";

/// The shipped configuration, whose issuer is asked about opaque tokens.
fn deployment() -> Deployment {
    let deployment = Deployment::with(|policy| {
        policy["issuers"][0]["introspection"] = json!({
            "uri": "https://as.example.org/introspect", "cluster": CLUSTER,
        });
    });
    deployment.host.world().clusters.insert(CLUSTER.into());
    deployment
}

/// A read with this token.
fn script(deployment: &Deployment, token: &str) -> Script {
    let request = deployment.head("GET", "/r4/Patient/p1", token);
    Script {
        request,
        ..deployment.read()
    }
}

/// What the server says of a good token.
fn good(deployment: &Deployment) -> Vec<u8> {
    let now = deployment.host.world().clock / 1_000_000_000;
    let thumbprint = &deployment.certificate().thumbprint_sha256_base64url;
    let answer = json!({"active": true, "client_id": "app", "scope": "patient/*.rs", "patient": "p1",
        "exp": now + 3600, "aud": BASE, "cnf": {"x5t#S256": thumbprint}});
    answer.to_string().into_bytes()
}

fn answer(vm: &Vm, call: &Callout, body: &[u8]) {
    vm.answer(
        call.token,
        lines(&[(":status", "200")]),
        body,
        Headers::new(),
    );
}

/// The one call that is under way.
fn call(vm: &Vm) -> Callout {
    let calls = vm.callouts();
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls[0].clone()
}

fn check_refused(name: &str, vm: &Vm, script: &Script, rule: &str) {
    let end = script.drive(vm);
    assert_eq!(end.status(), 401, "{name}: {end:?}");
    assert_eq!(end.record()["rule"], json!(rule), "{name}");
}

#[test]
fn the_answer_comes_at_once_to_all_that_wait() {
    let deployment = deployment();
    let vm = deployment.vm();
    assert_eq!(vm.tick_period(), Some(100));
    let script = script(&deployment, TOKEN);
    let all: Vec<_> = (0..5).map(|_| waits(&vm, &script)).collect();
    let asked = call(&vm);
    assert_eq!((asked.cluster.as_str(), asked.timeout), (CLUSTER, 2000));
    let expected = format!("token={TOKEN}&token_type_hint=access_token");
    assert_eq!(asked.body, expected.as_bytes());
    assert_eq!(asked.headers[0], (b":method".to_vec(), b"POST".to_vec()));
    answer(&vm, &asked, &good(&deployment));
    // Without a tick.
    for stream in &all {
        check_passes("all", stream, &script);
    }
    assert_eq!(script.drive(&vm).status(), 200);
    assert_eq!(vm.callouts(), []);
    let logs = deployment
        .host
        .world()
        .logs
        .iter()
        .any(|log| log.message.contains(TOKEN));
    assert!(!logs, "a token in the log");
}

#[test]
fn where_the_one_who_asked_goes_away_the_others_have_their_answer() {
    let check = |name: &str, late: bool| {
        let deployment = deployment();
        let vm = deployment.vm();
        let script = script(&deployment, TOKEN);
        let (asked, other) = (waits(&vm, &script), waits(&vm, &script));
        let lost = call(&vm);
        asked.on_reset();
        asked.finish();
        assert_eq!(End::of(&asked).record()["outcome"], "cut");
        if late {
            // Its answer finds nobody, and does no harm.
            answer(&vm, &lost, b"rubbish");
            assert!(other.upstream().headers.is_none(), "{name}");
        }
        vm.tick();
        let again = vm.callouts().pop().expect("it is asked again");
        assert_ne!(again.token, lost.token, "{name}");
        assert_eq!(again.body, lost.body);
        answer(&vm, &again, &good(&deployment));
        check_passes(name, &other, &script);
        if !late {
            answer(&vm, &lost, b"rubbish");
        }
        assert_eq!(script.drive(&vm).status(), 200, "{name}");
    };
    check("its answer comes before", true);
    check("its answer comes after", false);
}

#[test]
fn who_goes_away_alone_leaves_no_question_behind() {
    let deployment = deployment();
    let vm = deployment.vm();
    let mut grown = 0;
    for round in 0..1000 {
        let script = script(&deployment, &format!("{TOKEN}{round}"));
        let stream = waits(&vm, &script);
        let lost = call(&vm);
        stream.on_reset();
        stream.finish();
        vm.tick();
        assert_eq!(vm.callouts().len(), 1, "nobody else asks");
        vm.fail_callout(lost.token);
        if round == 300 {
            grown = vm.memory_bytes();
        }
    }
    assert_eq!(vm.memory_bytes(), grown, "it does not grow");
    let script = script(&deployment, TOKEN);
    let stream = waits(&vm, &script);
    answer(&vm, &call(&vm), &good(&deployment));
    check_passes("afterwards", &stream, &script);
}

#[test]
fn two_tokens_and_two_workers_have_their_own_answers() {
    let deployment = deployment();
    let (one, two) = (deployment.vm(), deployment.vm());
    let scripts = ["a", "b"].map(|token| script(&deployment, token));
    let [here, there] = [&one, &two].map(|vm| waits(vm, &scripts[0]));
    let other = waits(&one, &scripts[1]);
    assert_eq!((one.callouts().len(), two.callouts().len()), (2, 1));
    let calls = one.callouts();
    answer(&one, &calls[1], b"{\"active\":false}");
    let refused = other.downstream().headers.is_some();
    assert!(refused && here.upstream().headers.is_none());
    answer(&one, &calls[0], &good(&deployment));
    check_passes("here", &here, &scripts[0]);
    assert!(
        there.upstream().headers.is_none(),
        "answers are a worker's own"
    );
    answer(&two, &call(&two), &good(&deployment));
    check_passes("there", &there, &scripts[0]);
    check_refused("the other", &one, &scripts[1], "token.inactive");
}

#[test]
fn whatever_comes_instead_of_an_answer_closes() {
    let check = |name: &str, act: &dyn Fn(&Vm), said: &str| {
        let deployment = deployment();
        let vm = deployment.vm();
        let script = script(&deployment, TOKEN);
        let stream = waits(&vm, &script);
        act(&vm);
        check_unavailable(name, &stream, "unavailable.introspection");
        let logged = deployment.host.logged(3);
        let [line] = logged.as_slice() else {
            panic!("{name}: one line is expected, found {logged:?}");
        };
        let place =
            "introspection for https://as.example.org at cluster authorization_server: found ";
        assert!(
            line.contains(place) && line.contains(said),
            "{name}: {line}"
        );
        assert!(line.len() < 300 && !line.contains(TOKEN), "{name}: {line}");
        // After a second it is asked again, and recovers.
        let before = vm.memory_bytes();
        deployment.host.advance(Duration::from_secs(1));
        let stream = waits(&vm, &script);
        answer(&vm, &call(&vm), &good(&deployment));
        check_passes(name, &stream, &script);
        assert!(vm.memory_bytes() - before < 1 << 20, "{name}");
    };
    let body = |status: &'static str, body: Vec<u8>| {
        move |vm: &Vm| {
            let status = lines(&[(":status", status)]);
            vm.answer(call(vm).token, status, &body, Headers::new());
        }
    };
    let active = || b"{\"active\":true}".to_vec();
    check(
        "no answer",
        &|vm| vm.fail_callout(call(vm).token),
        "no answer in time",
    );
    check("status 500", &body("500", active()), "status 500");
    check("status 401", &body("401", active()), "status 401");
    check("letters", &body("ok", active()), "no answer in time");
    check("empty", &body("200", Vec::new()), "no");
    check(
        "rubbish",
        &body("200", vec![0xff; 1000]),
        "not one well-formed JSON object",
    );
    check(
        "a list",
        &body("200", b"[]".to_vec()),
        "not one well-formed JSON object",
    );
    check(
        "64 KiB and a byte",
        &body("200", vec![b' '; (64 << 10) + 1]),
        "more than 65536 bytes",
    );
    check(
        "20 MB",
        &body("200", vec![b'x'; 20_000_000]),
        "more than 65536 bytes",
    );
}

#[test]
fn a_call_that_the_proxy_refuses_is_no_answer() {
    let deployment = deployment();
    deployment.host.world().clusters.clear();
    let vm = deployment.vm();
    let script = script(&deployment, TOKEN);
    let stream = waits(&vm, &script);
    vm.tick();
    check_unavailable("refused", &stream, "unavailable.introspection");
    deployment.host.world().clusters.insert(CLUSTER.into());
    deployment.host.advance(Duration::from_secs(1));
    let stream = waits(&vm, &script);
    answer(&vm, &call(&vm), &good(&deployment));
    check_passes("well again", &stream, &script);
}

#[test]
fn a_jwt_is_asked_about_after_its_signature_was_verified() {
    let deployment = Deployment::with(|policy| {
        policy["issuers"][0]["introspection"] = json!({
            "uri": "https://as.example.org/introspect", "cluster": CLUSTER, "tokens": ["jwt"],
        });
    });
    deployment.host.world().clusters.insert(CLUSTER.into());
    let vm = deployment.vm();
    let read = deployment.read();
    let stream = waits(&vm, &read);
    answer(&vm, &call(&vm), b"{\"active\":true}");
    check_passes("active", &stream, &read);
    // With a body, in pieces, of which one comes after the answer.
    let update = deployment.update();
    let stream = waits(&vm, &update);
    stream.on_request_body(&update.request_body[0], false);
    answer(&vm, &call(&vm), b"{\"active\":true}");
    stream.on_request_body(&update.request_body[1], true);
    assert_eq!(stream.upstream().body, update.request_body.concat());
    check_passes("a body", &stream, &update);
    let mut forged = deployment.read();
    for (name, value) in &mut forged.request {
        if name == b"authorization" {
            let at = value.len() - 20;
            value[at] = if value[at] == b'A' { b'B' } else { b'A' };
        }
    }
    let end = forged.drive(&vm);
    let rule: Value = end.record()["rule"].clone();
    assert_eq!(end.status(), 401);
    assert!(
        rule.as_str()
            .is_some_and(|rule| rule.starts_with("token.signature")),
        "{rule}"
    );
    assert_eq!(vm.callouts(), [], "nobody is asked about a forgery");
}

#[test]
fn a_question_may_be_answered_after_the_configuration_was_replaced() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = script(&deployment, TOKEN);
    let old = waits(&vm, &script);
    let asked = call(&vm);
    let mut policy = crate::deployment::shipped();
    let issuer = policy["issuers"][0].as_object_mut().expect("an issuer");
    // Nothing but the server knows what a token means.
    issuer.remove("keys");
    issuer.remove("algorithms");
    policy["issuers"][0]["introspection"] =
        json!({"uri": "https://as.example.org/introspect", "cluster": CLUSTER});
    assert!(vm.configure(&structure::object(&policy)));
    // The new one knows nothing of the old one's questions, nor of its answers.
    let new = waits(&vm, &script);
    assert_eq!(vm.callouts().len(), 2);
    answer(&vm, &asked, &good(&deployment));
    check_passes("of the old configuration", &old, &script);
    assert!(new.upstream().headers.is_none());
    answer(&vm, &call(&vm), &good(&deployment));
    check_passes("of the new", &new, &script);
}
