//! The chains of a real Envoy's workers: whole, over a changed configuration and to the end; and edited.

use std::path::Path;
use std::time::Duration;

use fhir_guard_companion::audit::verify;
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::{Extent, Kind, Report};
use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::reload::Reload;
use crate::world::{Setting, World};

/// An Ed25519 key, as openssl writes it, and the public key to it.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAnHShm8hLNta6MmsEXXiY+LAhLhSPhEt/3vE3/u29RpA=
-----END PUBLIC KEY-----";

const LOGS: &str = "/filter_chains/0/filters/0/typed_config/access_log";

fn told(report: &Report) -> String {
    let findings = &report.findings;
    let lines = findings.kept.iter().map(|finding| findings.line(finding));
    lines.collect::<Vec<_>>().join("\n")
}

fn judge(log: &Path, text: &str, envoy_log: &Path) -> Report {
    std::fs::write(log, text).expect("a file");
    let mut keys = Keys::default();
    keys.add(PUBLIC, Some("audit-1")).expect("a key");
    let files = [log, envoy_log].map(|path| path.display().to_string());
    verify(&files, &keys, Extent::Log, 2).expect("it is read")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_two_workers_verifies_and_an_edited_one_does_not() {
    // In a container there is no such file.
    let Some(reload) = Reload::new("tamper") else {
        return;
    };
    let log = reload.directory.join("access.log");
    let path = log.display().to_string();
    let mut world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["secrets"]["checkpoint_key"] = json!({ "inline": KEY });
            policy["audit"]["chain"] = json!({ "key_id": "audit-1", "records": 5, "time": "1s" });
        })),
        envoy: Some(reload.edit(move |listener| {
            let logs = listener.pointer_mut(LOGS).and_then(Value::as_array_mut);
            for log in logs.expect("access logs") {
                log["typed_config"]["path"] = json!(path);
            }
        })),
        ..Setting::default()
    })
    .await;
    let token = world.token("patient/*.rs");
    // Each on a connection of its own, so that both workers have some; some are answered, some refused, some of
    // nobody who waits.
    let send = |count: usize| {
        let mut all = JoinSet::new();
        for number in 0..count {
            let client = reload.client(&world, [Version::Http1, Version::Http2][number % 2]);
            let request = match number % 4 {
                0 => Request::get("/r4/Patient/p1"),
                1 => Request::get("/r4/Patient/p2").bearer(&token),
                _ => Request::get("/r4/Patient/p1").bearer(&token),
            };
            let impatient = number % 7 == 3;
            let client = match impatient {
                true => client.timeout(Duration::from_millis(3)),
                false => client,
            };
            all.spawn(async move {
                let answer = client.send(request).await;
                assert!(answer.is_ok() || impatient, "{answer:?}");
            });
        }
        all
    };
    send(60).join_all().await;
    let under_way = send(20);
    reload.replace(&world).await;
    under_way.join_all().await;
    send(60).join_all().await;
    let envoy_log = world.envoy.directory().join("envoy.log");
    // Envoy ends, and with it every chain.
    let _ = world.envoy.admin_post("/quitquitquit").await;
    for tries in 0.. {
        if !world.envoy.is_running() {
            break;
        }
        assert!(tries < 1000, "envoy does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = std::fs::read_to_string(&log).expect("a log");
    let report = judge(&log, &text, &envoy_log);
    assert_eq!(report.findings.count, 0, "{}\n{text}", told(&report));
    let ended = report.chains.iter().filter(|chain| chain.ended).count();
    let proved = report
        .chains
        .iter()
        .filter(|chain| chain.proved == chain.last);
    assert!(
        report.chains.len() >= 3,
        "two workers, and another configuration: {report:?}"
    );
    assert!(
        ended == report.chains.len() && proved.count() == ended,
        "{report:?}"
    );
    assert!(report.records >= 100, "{report:?}");
    assert_eq!(report.early, 0, "nobody died");
    // Any line of it altered, or taken out, is named.
    let lines: Vec<&str> = text.lines().collect();
    for at in (0..lines.len())
        .step_by(9)
        .filter(|at| lines[*at].contains("\"chain\""))
    {
        let altered = lines[at].replacen("\"v\":1,\"time\":\"2", "\"v\":1,\"time\":\"1", 1);
        for (kind, line) in [(Kind::Changed, altered), (Kind::Gap, String::new())] {
            let mut edited = lines.clone();
            edited[at] = &line;
            let report = judge(&log, &edited.join("\n"), &envoy_log);
            let found = report
                .findings
                .kept
                .iter()
                .any(|finding| finding.kind == kind || finding.kind == Kind::BadSignature);
            assert!(found, "{kind:?} of line {}: {}", at + 1, told(&report));
        }
    }
}
