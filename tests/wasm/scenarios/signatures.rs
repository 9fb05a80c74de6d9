//! Signatures that the host verifies, and hosts that do not, or lie.

use std::cell::Cell;
use std::rc::Rc;

use fhir_guard_harness::tokens::{Algorithm, Forgery};
use serde_json::json;

use super::faults::{damaged, statuses};
use crate::deployment::{Deployment, End, Script, issuer};
use crate::host::{Fault, ForeignFunction};
use crate::memory::{Bytes, status};
use crate::signatures::{answer, verify};
use crate::vm::Vm;

const CALL: &str = "proxy_call_foreign_function";

/// What the log says where the host has everything.
const ALL: &str = "RS256 RS384 RS512 ES256 ES384 ES512";

/// A deployment that takes tokens of these algorithms.
fn deployment(algorithms: &[Algorithm], host: bool) -> Deployment {
    Deployment::with(|policy| {
        let names: Vec<_> = algorithms
            .iter()
            .map(|algorithm| algorithm.name())
            .collect();
        let keys: Vec<_> = algorithms.iter().map(|one| issuer().jwk(*one)).collect();
        policy["issuers"][0]["algorithms"] = json!(names);
        policy["issuers"][0]["keys"] = json!({ "inline": { "keys": keys } });
        policy["signatures"] = json!({ "host": host });
        policy["limits"] = json!([]);
    })
}

/// A read with a token of this algorithm that nobody has seen, good or altered.
fn read(deployment: &Deployment, algorithm: Algorithm, forgery: Forgery) -> Script {
    thread_local!(static NUMBER: Cell<u32> = const { Cell::new(0) });
    let number = NUMBER.replace(NUMBER.get() + 1);
    let claims = deployment
        .claims("patient/*.rs")
        .jti(&format!("token-{number}"))
        .algorithm(algorithm)
        .forged(forgery);
    let token = deployment.sign(&claims);
    Script {
        request: deployment.head("GET", "/r4/Patient/p1", &token),
        ..deployment.read()
    }
}

/// That a good token opens and an altered one does not, whoever verifies it.
fn check(name: &str, deployment: &Deployment, vm: &Vm, algorithm: Algorithm) {
    let name = format!("{name}, {}", algorithm.name());
    let good = read(deployment, algorithm, Forgery::None).drive(vm);
    assert_eq!(good.status(), 200, "{name}: {good:?}");
    let altered = read(deployment, algorithm, Forgery::FlippedBit(77)).drive(vm);
    check_refused(&name, &altered, 401, "token.signature");
}

fn check_refused(name: &str, end: &End, status: u16, rule: &str) {
    assert_eq!(end.status(), status, "{name}: {end:?}");
    assert_eq!(end.record()["rule"], rule, "{name}");
    assert_eq!(end.upstream.headers, None, "{name}");
}

/// What the log says the host verifies.
fn said(deployment: &Deployment) -> String {
    let lines = deployment.host.logged(2);
    let line = lines.iter().rev().find_map(|line| {
        let (_, names) = line.split_once("configured; signatures verified by Envoy: ")?;
        Some(names.to_owned())
    });
    line.unwrap_or_else(|| panic!("no such line: {lines:?}"))
}

#[test]
fn every_algorithm_is_verified_by_the_host_or_by_our_own_code() {
    let deployment = deployment(&Algorithm::ALL, true);
    let vm = deployment.vm();
    assert_eq!(said(&deployment), ALL);
    for algorithm in Algorithm::ALL {
        let before = deployment.host.calls(CALL);
        check("host", &deployment, &vm, algorithm);
        let asked = if ALL.contains(algorithm.name()) { 2 } else { 0 };
        let name = algorithm.name();
        assert_eq!(deployment.host.calls(CALL) - before, asked, "{name}");
    }
}

#[test]
fn with_the_switch_off_the_host_is_asked_nothing() {
    let deployment = deployment(&Algorithm::ALL, false);
    let vm = deployment.vm();
    assert_eq!(said(&deployment), "none");
    for algorithm in Algorithm::ALL {
        check("our own code", &deployment, &vm, algorithm);
    }
    assert_eq!(deployment.host.calls(CALL), 0);
}

#[test]
fn a_host_that_gives_a_wrong_known_answer_verifies_nothing() {
    let check_lie = |name: &str, function: ForeignFunction, expected: &str| {
        let deployment = deployment(&[Algorithm::Es256], true);
        deployment
            .host
            .foreign("verify_signature", move |argument| function(argument));
        let vm = deployment.vm();
        assert_eq!(said(&deployment), expected, "{name}");
        check(name, &deployment, &vm, Algorithm::Es256);
    };
    let fixed = |status: u32, bytes: Bytes| -> ForeignFunction {
        Rc::new(move |_| (status, bytes.clone()))
    };
    check_lie("always yes", fixed(status::OK, answer(true)), "none");
    check_lie("always no", fixed(status::OK, answer(false)), "none");
    check_lie("garbage", fixed(status::OK, vec![0xff; 40]), "none");
    check_lie("nothing", fixed(status::OK, Bytes::new()), "none");
    check_lie(
        "yes, and an error",
        fixed(status::BAD_ARGUMENT, answer(true)),
        "none",
    );
    check_lie(
        "no such function",
        fixed(status::NOT_FOUND, Bytes::new()),
        "none",
    );
    // Right where it holds, and an error where it does not, as some Envoys may say it.
    let errors = |argument: &[u8]| match verify(argument) {
        (_, found) if found == answer(true) => (status::OK, found),
        _ => (status::BAD_ARGUMENT, Bytes::new()),
    };
    check_lie("an error for no", Rc::new(errors), ALL);
    let contrary = |argument: &[u8]| {
        let (status, found) = verify(argument);
        (status, answer(found != answer(true)))
    };
    check_lie("the contrary", Rc::new(contrary), "none");
}

#[test]
fn a_host_that_fails_later_leaves_it_to_our_own_code() {
    let deployment = deployment(&[Algorithm::Es256, Algorithm::Es512], true);
    let vm = deployment.vm();
    let mut faults: Vec<(String, Fault)> = statuses()
        .map(|status| (format!("status {status}"), Fault::Status(status)))
        .collect();
    for (index, bytes) in damaged().into_iter().enumerate() {
        faults.push((format!("damaged bytes {index}"), Fault::Bytes(bytes)));
    }
    for size in [0, 1, u32::MAX] {
        faults.push((format!("null with size {size}"), Fault::Null(size)));
    }
    for (name, fault) in faults {
        deployment.host.fault(CALL, fault);
        for algorithm in [Algorithm::Es256, Algorithm::Es512] {
            check(&name, &deployment, &vm, algorithm);
        }
        assert_eq!(deployment.host.heal(), 4, "{name}");
        check("healed", &deployment, &vm, Algorithm::Es512);
    }
}

#[test]
fn a_repeated_token_is_not_asked_about_again() {
    let deployment = deployment(&[Algorithm::Rs256], true);
    let vm = deployment.vm();
    let good = read(&deployment, Algorithm::Rs256, Forgery::None);
    let altered = read(&deployment, Algorithm::Rs256, Forgery::FlippedBit(7));
    for (round, asked) in [(1, 2), (2, 1), (3, 1)] {
        let before = deployment.host.calls(CALL);
        assert_eq!(good.drive(&vm).status(), 200, "round {round}");
        assert_eq!(altered.drive(&vm).status(), 401, "round {round}");
        // What does not hold is not remembered.
        assert_eq!(deployment.host.calls(CALL) - before, asked, "round {round}");
    }
}
