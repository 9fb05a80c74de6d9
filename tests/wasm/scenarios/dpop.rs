//! DPoP in the release module: a proof that another worker has seen, shared data that cannot be
//! trusted, and the key of nonces from the environment of the virtual machine.

use std::rc::Rc;
use std::time::Duration;

use fhir_guard_harness::tokens::{Algorithm, DpopClient, DpopProof};
use serde_json::json;

use crate::deployment::{Deployment, End, Script};
use crate::host::{Fault, Shared};
use crate::memory::values;

const URI: &str = "https://fhir.example.org/r4/Patient/p1";

fn deployment() -> Deployment {
    deployment_with("none")
}

fn deployment_with(nonce: &str) -> Deployment {
    Deployment::with(|policy| {
        policy["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
        policy["dpop"] = json!({ "nonce": nonce });
        policy["secrets"] = json!({ "nonce_key": { "inline": "01".repeat(32) } });
        policy["limits"] = json!([]);
    })
}

fn client() -> DpopClient {
    DpopClient::new("client", Algorithm::Es256)
}

fn now(deployment: &Deployment) -> u64 {
    deployment.host.world().clock / 1_000_000_000
}

/// A read with a new proof, which `edit` changes.
fn read(deployment: &Deployment, edit: impl FnOnce(DpopProof) -> DpopProof) -> Script {
    let claims = deployment.claims("patient/*.rs");
    let token = deployment.sign(&claims.claim("cnf", client().confirmation()));
    let proof = edit(DpopProof::new("GET", URI, &token, now(deployment)));
    let mut request = deployment.head("GET", "/r4/Patient/p1", "");
    let credentials = request
        .iter_mut()
        .find(|(name, _)| name == b"authorization");
    credentials.expect("a field").1 = format!("DPoP {token}").into_bytes();
    request.push((b"dpop".to_vec(), client().sign(&proof).into_bytes()));
    Script {
        request,
        ..deployment.read()
    }
}

fn check_refused(name: &str, end: &End, rule: &str) {
    assert_eq!(end.status(), 401, "{name}: {end:?}");
    assert_eq!(end.record()["rule"], rule, "{name}");
    assert_eq!(end.upstream.headers, None, "{name}");
}

#[test]
fn a_proof_is_used_up_on_every_worker() {
    let deployment = deployment();
    let workers = [deployment.vm(), deployment.vm()];
    for round in 0..8 {
        let (first, other) = (&workers[round % 2], &workers[(round + 1) % 2]);
        let script = read(&deployment, |proof| proof);
        let end = script.drive(first);
        assert_eq!(end.status(), 200, "round {round}: {end:?}");
        let sent = end.upstream.headers.expect("a request");
        assert!(values(&sent, "dpop").is_empty(), "the proof goes on");
        assert!(
            values(&sent, "authorization").is_empty(),
            "so does the token"
        );
        for worker in [other, first, other] {
            let name = format!("round {round}");
            check_refused(&name, &script.drive(worker), "dpop.replay");
        }
        deployment.host.advance(Duration::from_secs(3));
    }
    // Both have seen all of it, and a worker that has just begun has not.
    let script = read(&deployment, |proof| proof);
    assert_eq!(script.drive(&workers[0]).status(), 200);
    check_refused(
        "a new worker",
        &script.drive(&deployment.vm()),
        "dpop.replay",
    );
}

#[test]
fn a_proof_that_does_not_hold_is_not_written_down() {
    let deployment = deployment();
    let vm = deployment.vm();
    for (name, script, rule) in [
        (
            "signature",
            read(&deployment, |proof| proof.flipped_bit(9)),
            "dpop.signature",
        ),
        (
            "method",
            read(&deployment, |proof| proof.claim("htm", json!("PUT"))),
            "dpop.htm",
        ),
        (
            "place",
            read(&deployment, |proof| proof.claim("htu", json!("https://x/"))),
            "dpop.htu",
        ),
        (
            "token",
            read(&deployment, |proof| proof.claim("ath", json!("x"))),
            "dpop.ath",
        ),
    ] {
        check_refused(name, &script.drive(&vm), rule);
    }
    let written = deployment.host.calls("proxy_set_shared_data");
    assert_eq!(written, 0);
    assert_eq!(deployment.host.world().shared.keys(), Vec::<Vec<u8>>::new());
}

#[test]
fn another_worker_between_read_and_write_wins() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = read(&deployment, |proof| proof);
    // What the slot looks like when the other one is done, seen on a twin.
    let twin = {
        let twin = self::deployment();
        assert_eq!(script.drive(&twin.vm()).status(), 200);
        let key = twin.host.world().shared.keys().remove(0);
        let (bytes, _) = twin.host.world().shared.get(&key).expect("a slot");
        (key, bytes)
    };
    let race = move |shared: &mut Shared| {
        shared.set(&twin.0, &twin.1, 0);
    };
    let race = Fault::Race(Rc::new(race));
    deployment.host.fault_at("proxy_set_shared_data", 1, race);
    check_refused("the loser", &script.drive(&vm), "dpop.replay");
    assert_eq!(deployment.host.heal(), 1);
}

#[test]
fn shared_data_that_cannot_be_trusted_refuses_and_heals() {
    let deployment = deployment();
    let vm = deployment.vm();
    for value in [
        &b""[..],
        b"rubbish",
        &[0xff; 1032],
        &[0; 100_000],
        b"FGP\x01\0\0\0",
    ] {
        let script = read(&deployment, |proof| proof);
        assert_eq!(script.drive(&vm).status(), 200);
        let keys = deployment.host.world().shared.keys();
        for key in &keys {
            deployment.host.world().shared.set(key, value, 0);
        }
        check_refused("replayed", &script.drive(&vm), "dpop.replay-table");
        check_refused("again", &script.drive(&vm), "dpop.replay-table");
        deployment.host.advance(Duration::from_secs(31));
        check_refused("later", &script.drive(&vm), "dpop.replay-table");
    }
    for function in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        // 1 is an absent key, 8 a lost race.
        let failing = (2..=20).filter(|status| *status != 8).chain([u32::MAX]);
        for status in failing {
            let script = read(&deployment, |proof| proof);
            deployment.host.fault(function, Fault::Status(status));
            let name = format!("{function} {status}");
            check_refused(&name, &script.drive(&vm), "dpop.replay-table");
            deployment.host.heal();
        }
    }
    assert_eq!(read(&deployment, |proof| proof).drive(&vm).status(), 200);
}

#[test]
fn a_nonce_is_made_with_the_key_of_the_environment() {
    let from_environment = |value: &str| {
        let deployment = Deployment::with(|policy| {
            policy["issuers"][0]["proof"] = json!(["dpop"]);
            policy["dpop"] = json!({ "nonce": "required" });
            policy["secrets"] = json!({ "nonce_key": { "env": "NONCE_KEY" } });
        });
        let variable = ("NONCE_KEY".to_owned(), value.to_owned());
        deployment.host.world().environment.push(variable);
        deployment
    };
    let nonce = |end: &End| {
        let headers = end.downstream.headers.as_ref().expect("an answer");
        let found = values(headers, "dpop-nonce");
        found
            .first()
            .map(|nonce| String::from_utf8_lossy(nonce).into_owned())
    };
    let inline = deployment_with("required");
    let warnings = |deployment: &Deployment| {
        let logged = deployment.host.logged(3);
        logged
            .iter()
            .filter(|line| line.contains("/secrets/nonce_key"))
            .count()
    };
    let end = read(&inline, |proof| proof).drive(&inline.vm());
    check_refused("none", &end, "dpop.nonce");
    let first = nonce(&end).expect("a nonce");
    assert_eq!(warnings(&inline), 1);
    let named = from_environment(&"01".repeat(32));
    let vm = named.vm();
    assert_eq!(warnings(&named), 0);
    let with = |nonce: &str| read(&named, |proof| proof.claim("nonce", json!(nonce)));
    let end = with(&first).drive(&vm);
    assert_eq!(end.status(), 200, "the same key: {end:?}");
    assert_eq!(nonce(&end), None);
    let other = from_environment(&"02".repeat(32));
    check_refused(
        "another key",
        &with(&first).drive(&other.vm()),
        "dpop.nonce",
    );
    named.host.advance(Duration::from_secs(300));
    let end = with(&first).drive(&vm);
    assert_eq!(end.status(), 200, "the one before: {end:?}");
    let next = nonce(&end).expect("the newest");
    named.host.advance(Duration::from_secs(300));
    check_refused("an old one", &with(&first).drive(&vm), "dpop.nonce");
    assert_eq!(with(&next).drive(&vm).status(), 200);
    for (name, value) in [("short", "01"), ("empty", ""), ("no key", "correct horse")] {
        let deployment = from_environment(value);
        assert!(deployment.host.start().is_err(), "{name}");
    }
}
