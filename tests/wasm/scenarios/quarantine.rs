//! Tokens that one worker shuts out on all of them, through shared data that cannot be trusted.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use fhir_guard_harness::tokens::{Algorithm, DpopClient, DpopProof};
use serde_json::{Value, json};

use super::faults::damaged;
use super::keys;
use crate::deployment::{Deployment, Script, with_keys};
use crate::host::{Fault, Shared};
use crate::structure;
use crate::vm::Vm;

const URI: &str = "https://fhir.example.org/r4/Patient/p1";

const KEY: &[u8] = b"fhir-guard.quarantine.v2";

/// The configuration of these scenarios: a token is shut out for so long.
fn quarantines(policy: &mut Value, time: &str) {
    policy["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
    policy["dpop"] = json!({ "quarantine": time });
    policy["limits"] = json!([]);
}

fn deployment(time: &str) -> Deployment {
    Deployment::with(|policy| quarantines(policy, time))
}

fn client() -> DpopClient {
    DpopClient::new("client", Algorithm::Es256)
}

/// A token of the client, of this id.
fn token(deployment: &Deployment, id: &str) -> String {
    let claims = deployment.claims("patient/*.rs").jti(id);
    deployment.sign(&claims.claim("cnf", client().confirmation()))
}

/// A read with a new proof.
fn read(deployment: &Deployment, token: &str) -> Script {
    let now = deployment.host.world().clock / 1_000_000_000;
    let proof = DpopProof::new("GET", URI, token, now);
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

/// Status and rule of a read.
fn check(name: &str, script: &Script, vm: &Vm, status: u16, rule: &str) {
    let end = script.drive(vm);
    assert_eq!(end.status(), status, "{name}: {end:?}");
    let found = end.record();
    assert_eq!(found["rule"], rule, "{name}");
    assert_eq!(found["client"], "clinic-a", "{name}: whose it was");
}

fn passes(name: &str, deployment: &Deployment, token: &str, vm: &Vm) {
    let script = read(deployment, token);
    check(name, &script, vm, 200, "scope:patient/*.rs");
}

fn is_out(name: &str, deployment: &Deployment, token: &str, vm: &Vm) {
    check(name, &read(deployment, token), vm, 401, "token.quarantined");
}

/// The token's proof comes twice.
fn replay(deployment: &Deployment, token: &str, vm: &Vm) {
    let script = read(deployment, token);
    check("first", &script, vm, 200, "scope:patient/*.rs");
    check("again", &script, vm, 401, "dpop.replay");
}

fn advance(deployment: &Deployment, milliseconds: u64) {
    deployment.host.advance(Duration::from_millis(milliseconds));
}

#[test]
fn what_one_worker_shuts_out_the_other_refuses_after_its_next_tick() {
    let deployment = deployment("1m");
    let (one, two) = (deployment.vm(), deployment.vm());
    assert_eq!(one.tick_period(), Some(1000));
    let (stolen, fine) = (token(&deployment, "stolen"), token(&deployment, "fine"));
    for vm in [&one, &two] {
        passes("remembered", &deployment, &stolen, vm);
        passes("remembered", &deployment, &fine, vm);
    }
    replay(&deployment, &stolen, &one);
    is_out("at once", &deployment, &stolen, &one);
    passes("not seen yet", &deployment, &stolen, &two);
    advance(&deployment, 1000);
    two.tick();
    is_out("seen", &deployment, &stolen, &two);
    passes("another of the client", &deployment, &fine, &two);
    // A worker that begins, and a configuration that takes over, know it at once.
    let late = deployment.vm();
    is_out("a new worker", &deployment, &stolen, &late);
    let mut policy = with_keys();
    quarantines(&mut policy, "1m");
    assert!(two.configure(&structure::object(&policy)));
    is_out("a new configuration", &deployment, &stolen, &two);
    advance(&deployment, 58_000);
    is_out("the last second", &deployment, &stolen, &two);
    advance(&deployment, 1000);
    for vm in [&one, &two, &late] {
        passes("its time is over", &deployment, &stolen, vm);
        vm.tick();
        passes("and forgotten", &deployment, &stolen, vm);
    }
}

#[test]
fn rubbish_in_shared_data_lets_nobody_in_and_shuts_nobody_out() {
    let deployment = deployment("1h");
    let (one, two) = (deployment.vm(), deployment.vm());
    let (stolen, fine) = (token(&deployment, "stolen"), token(&deployment, "fine"));
    replay(&deployment, &stolen, &one);
    advance(&deployment, 1000);
    two.tick();
    let rubbish = damaged().into_iter().chain([
        b"FGQ\x02".to_vec(),
        [b"FGQ\x02".as_slice(), &[0xff; 20]].concat(),
        [b"FGQ\x02".as_slice(), &[0xff; 19]].concat(),
        [b"FGQ\x02".as_slice(), &[0; 20 * 257]].concat(),
        [b"FGQ\x01".as_slice(), &[0xff; 20]].concat(),
    ]);
    for (index, bytes) in rubbish.enumerate() {
        deployment.host.world().shared.set(KEY, &bytes, 0);
        advance(&deployment, 1000);
        for (vm, worker) in [(&one, "one"), (&two, "two")] {
            vm.tick();
            let name = format!("rubbish {index}, worker {worker}");
            is_out(&name, &deployment, &stolen, vm);
            passes(&name, &deployment, &fine, vm);
        }
    }
    // What a worker knows it writes down again when it adds.
    let other = token(&deployment, "other");
    replay(&deployment, &other, &one);
    let late = deployment.vm();
    is_out("the first", &deployment, &stolen, &late);
    is_out("the second", &deployment, &other, &late);
    // Shared data that fails keeps nobody from coming in, and what was seen stays.
    for status in (2..=20).filter(|status| *status != 8).chain([u32::MAX]) {
        let fault = Fault::Status(status);
        deployment.host.fault("proxy_get_shared_data", fault);
        advance(&deployment, 1000);
        two.tick();
        assert!(deployment.host.heal() > 0, "{status}");
        is_out("failing", &deployment, &stolen, &two);
        passes("failing", &deployment, &fine, &two);
    }
}

#[test]
fn a_token_is_shut_out_here_at_least_where_it_cannot_be_written_down() {
    let deployment = deployment("1h");
    let (one, two) = (deployment.vm(), deployment.vm());
    for status in [2_u32, 10, 12, u32::MAX] {
        let stolen = token(&deployment, &format!("stolen {status}"));
        let script = read(&deployment, &stolen);
        check("first", &script, &one, 200, "scope:patient/*.rs");
        // The look at the proof is the first read and no write: the rest is the quarantine's.
        let fault = Fault::Status(status);
        deployment
            .host
            .fault_at("proxy_get_shared_data", 2, fault.clone());
        deployment.host.fault_at("proxy_set_shared_data", 1, fault);
        check("again", &script, &one, 401, "dpop.replay");
        assert_eq!(deployment.host.heal(), 1, "no write after a failed read");
        is_out("here", &deployment, &stolen, &one);
        passes("there nobody knows", &deployment, &stolen, &two);
    }
    // Another worker comes between, and nothing of either is lost.
    let (mine, theirs) = (token(&deployment, "mine"), token(&deployment, "theirs"));
    replay(&deployment, &theirs, &two);
    let (table, _) = deployment.host.world().shared.get(KEY).expect("a table");
    deployment.host.world().shared.set(KEY, b"FGQ\x02", 0);
    let script = read(&deployment, &mine);
    check("first", &script, &one, 200, "scope:patient/*.rs");
    let race = move |shared: &mut Shared| {
        shared.set(KEY, &table, 0);
    };
    let race = Fault::Race(Rc::new(race));
    deployment.host.fault_at("proxy_set_shared_data", 1, race);
    check("again", &script, &one, 401, "dpop.replay");
    assert_eq!(deployment.host.heal(), 1);
    let late = deployment.vm();
    is_out("mine", &deployment, &mine, &late);
    is_out("theirs", &deployment, &theirs, &late);
}

/// The calls of the host in the meantime.
fn cost(deployment: &Deployment, act: impl FnOnce()) -> BTreeMap<String, u64> {
    let before = deployment.host.world().calls.clone();
    act();
    let after = deployment.host.world().calls.clone();
    let grown = after.into_iter().map(|(name, count)| {
        let grown = count - before.get(&name).copied().unwrap_or(0);
        (name, grown)
    });
    grown.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn requests_cost_no_host_call_more_and_ticks_one_read_a_second() {
    let plain = Deployment::with(|policy| policy["limits"] = json!([]));
    let guarded = deployment("1m");
    let (off, on) = (plain.vm(), guarded.vm());
    assert_eq!(off.tick_period(), Some(1000), "statistics only");
    replay(&guarded, &token(&guarded, "stolen"), &on);
    // With somebody shut out, and with nobody.
    let request = |deployment: &Deployment, vm: &Vm| {
        let script = deployment.read();
        script.drive(vm);
        cost(deployment, || assert_eq!(script.drive(vm).status(), 200))
    };
    assert_eq!(request(&guarded, &on), request(&plain, &off));
    // What was counted is told.
    on.tick();
    let clock = ("proxy_get_current_time_nanoseconds".to_owned(), 2);
    let idle = BTreeMap::from([clock.clone()]);
    // The other is for records that were left.
    let looks = BTreeMap::from([clock, ("proxy_get_shared_data".to_owned(), 2)]);
    advance(&guarded, 1000);
    assert_eq!(cost(&guarded, || on.tick()), looks);
    assert_eq!(cost(&guarded, || on.tick()), idle, "at once");
    advance(&guarded, 899);
    assert_eq!(cost(&guarded, || on.tick()), idle, "too early");
    advance(&guarded, 1);
    assert_eq!(cost(&guarded, || on.tick()), looks, "its time");
    // With keys that are fetched there are more ticks, and no more looks.
    let fetched = Deployment::with(|policy| {
        quarantines(policy, "1m");
        policy["issuers"][0]["keys"] = json!({
            "uri": "https://as.example.org/jwks", "cluster": keys::CLUSTER,
        });
    });
    fetched.host.world().clusters.insert(keys::CLUSTER.into());
    let vm = fetched.vm();
    assert_eq!(vm.tick_period(), Some(100));
    keys::warm(&vm);
    let ticks = cost(&fetched, || {
        for _ in 0..100 {
            advance(&fetched, 100);
            vm.tick();
        }
    });
    let reads = ticks["proxy_get_shared_data"];
    assert!((120..=124).contains(&reads), "100 for the keys: {reads}");
}

#[test]
fn without_ticks_nobody_can_be_shut_out() {
    let function = "proxy_set_tick_period_milliseconds";
    let deployment = deployment("1m");
    deployment.host.fault(function, Fault::Status(2));
    let started = deployment.host.start();
    assert_eq!(started.err(), Some("proxy_on_configure"));
    let logged = deployment.host.logged(4);
    assert!(
        logged
            .iter()
            .any(|line| line.contains("the proxy gives no ticks"))
    );
}
