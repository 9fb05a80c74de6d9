//! Limits over the shared data of two workers.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::deployment::{Deployment, End};
use crate::host::{Fault, Shared};
use crate::memory::{Bytes, values};

const BURST: usize = 5;

/// A deployment that allows five reads, and one more each second.
fn deployment() -> Deployment {
    Deployment::with(|policy| {
        policy["limits"] =
            json!([{ "name": "per-client", "key": ["client"], "rate": "1/s", "burst": BURST }]);
    })
}

/// The one key that a caller's limit has written.
fn slot(deployment: &Deployment) -> Bytes {
    let keys = deployment.host.world().shared.keys();
    let [key] = keys.as_slice() else {
        panic!("one slot is expected, found {keys:?}");
    };
    key.clone()
}

fn refused(end: &End) -> (u16, serde_json::Value) {
    assert_eq!(end.upstream.headers, None, "{end:?}");
    let headers = end.downstream.headers.as_ref().expect("an answer");
    assert_eq!(values(headers, "retry-after").len(), 1, "{end:?}");
    (end.status(), end.record()["rule"].clone())
}

#[test]
fn a_bucket_is_exact_over_two_workers() {
    let deployment = deployment();
    let workers = [deployment.vm(), deployment.vm()];
    let script = deployment.read();
    let mut admitted = 0;
    let mut drive = |round: usize| {
        let end = script.drive(&workers[round % 2]);
        if end.status() == 200 {
            admitted += 1;
        } else {
            assert_eq!(refused(&end), (429, json!("limit.per-client")));
        }
        admitted
    };
    let after_burst = (0..12).map(&mut drive).last();
    assert_eq!(after_burst, Some(BURST));
    deployment.host.advance(Duration::from_millis(999));
    assert_eq!(drive(0), BURST);
    deployment.host.advance(Duration::from_millis(1));
    assert_eq!(
        (drive(1), drive(0), drive(1)),
        (BURST + 1, BURST + 1, BURST + 1)
    );
    deployment.host.advance(Duration::from_secs(3));
    let after_rest = (0..12).map(&mut drive).last();
    assert_eq!(after_rest, Some(BURST + 4));
}

#[test]
fn another_worker_between_read_and_write_is_charged_too() {
    // What the bucket looks like after each number of reads, seen on a twin of the deployment.
    let twin = deployment();
    let vm = twin.vm();
    let states: Vec<Bytes> = (0..BURST)
        .map(|_| {
            assert_eq!(twin.read().drive(&vm).status(), 200);
            let key = slot(&twin);
            let (bytes, _) = twin.host.world().shared.get(&key).expect("a slot");
            bytes
        })
        .collect();
    let key = slot(&twin);
    for (charged, state) in states.iter().enumerate() {
        let deployment = deployment();
        let (key, state) = (key.clone(), state.clone());
        let race = move |shared: &mut Shared| {
            shared.set(&key, &state, 0);
        };
        deployment
            .host
            .fault_at("proxy_set_shared_data", 1, Fault::Race(Rc::new(race)));
        let vm = deployment.vm();
        let script = deployment.read();
        // The race takes charged + 1 of the bucket; the rest is left for this worker.
        let admitted = (0..BURST + 2)
            .filter(|_| script.drive(&vm).status() == 200)
            .count();
        assert_eq!(deployment.host.heal(), 1);
        assert_eq!(
            admitted,
            BURST - charged - 1,
            "charged by the other: {charged} + 1"
        );
    }
}

#[test]
fn shared_data_that_cannot_be_trusted_refuses_and_heals() {
    let check = |name: &str, value: &[u8]| {
        let deployment = deployment();
        let vm = deployment.vm();
        let script = deployment.read();
        assert_eq!(script.drive(&vm).status(), 200);
        let key = slot(&deployment);
        deployment.host.world().shared.set(&key, value, 0);
        let end = script.drive(&vm);
        assert_eq!(refused(&end), (429, json!("limit.per-client")), "{name}");
        deployment.host.advance(Duration::from_secs(1));
        assert_eq!(script.drive(&vm).status(), 200, "{name}: it heals");
        assert_eq!(script.drive(&vm).status(), 429, "{name}: as from empty");
    };
    check("emptied", b"");
    check("rubbish", b"rubbish");
    check("rubbish of a slot's length", &[0x5a; 36]);
    check("a slot cut short", b"FGL\x01\0\0\0");
    check("all ones", &[0xff; 420]);
    check("far too long", &[0; 100_000]);
}

#[test]
fn contention_without_end_refuses() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = deployment.read();
    assert_eq!(script.drive(&vm).status(), 200);
    let key = slot(&deployment);
    let touched = key.clone();
    let touch = move |shared: &mut Shared| {
        let (value, _) = shared.get(&touched).expect("a slot");
        shared.set(&touched, &value, 0);
    };
    let race = || Fault::Race(Rc::new(touch.clone()));
    let reads = || deployment.host.calls("proxy_get_shared_data");
    for nth in 1..=7 {
        deployment
            .host
            .fault_at("proxy_set_shared_data", nth, race());
    }
    let before = reads();
    assert_eq!(script.drive(&vm).status(), 200, "seven conflicts are borne");
    assert_eq!((deployment.host.heal(), reads() - before), (7, 8));

    deployment.host.fault("proxy_set_shared_data", race());
    let end = script.drive(&vm);
    assert_eq!(deployment.host.heal(), 8, "the eighth conflict is the last");
    assert_eq!(refused(&end), (429, json!("limit.contended")));
    assert_eq!(script.drive(&vm).status(), 200, "and then it goes on");
}

#[test]
fn shared_data_that_fails_refuses() {
    let deployment = deployment();
    let vm = deployment.vm();
    let script = deployment.read();
    for function in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        // 1 is an absent key, 8 a lost race.
        let failing = (2..=20).filter(|status| *status != 8).chain([u32::MAX]);
        for status in failing {
            deployment.host.fault(function, Fault::Status(status));
            let end = script.drive(&vm);
            deployment.host.heal();
            let expected = (429, json!("limit.contended"));
            assert_eq!(refused(&end), expected, "{function} {status}");
            assert_eq!(script.drive(&vm).status(), 200, "{function} {status}");
            deployment.rest();
        }
    }
}
