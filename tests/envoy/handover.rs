//! What a configuration has not sent to its repository when another takes its place, on both workers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fhir_guard_harness::authorization::{Answer, AuthorizationServer};
use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::keys::authorization_server;
use crate::reload::Reload;
use crate::world::{Setting, World};

const POLICY: &str = "/configuration/value";

/// What a repository has taken.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<String>>);

impl Taken {
    fn take_on(&self, server: &AuthorizationServer, path: &str) {
        let taken = Arc::clone(&self.0);
        server.answer_with(path, move |asked| {
            let mut taken = taken.lock().expect("no handler panics");
            taken.push_str(&String::from_utf8_lossy(&asked.body));
            Answer::Status(200)
        });
    }

    /// How many of these it has.
    fn count(&self, ids: &HashSet<String>) -> usize {
        let taken = self.0.lock().expect("no handler panics");
        ids.iter().filter(|id| taken.contains(*id)).count()
    }

    async fn has(&self, ids: &HashSet<String>, name: &str) {
        let began = Instant::now();
        while self.count(ids) < ids.len() {
            let count = self.count(ids);
            assert!(
                began.elapsed() < Duration::from_secs(40),
                "{name}: {count} of {} came",
                ids.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn repository(port: u16, path: &str, format: &str) -> Value {
    json!({
        "cluster": "repository",
        "uri": format!("http://127.0.0.1:{port}{path}"),
        "timeout": "500ms",
        "format": format,
    })
}

async fn world(reload: &Reload) -> (World, AuthorizationServer) {
    let server = AuthorizationServer::start().await;
    let port = server.address().port();
    let edit = reload.edit(|_| ());
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            policy["limits"] = json!([]);
            policy["audit"]["chain"] = json!({});
            policy["audit"]["repository"] = repository(port, "/one", "audit-events");
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "repository", port);
            edit(config);
        })),
        ..Setting::default()
    };
    (World::with(setting).await, server)
}

/// So many answers, each over a connection of its own: their ids.
async fn released(world: &World, reload: &Reload, count: usize) -> HashSet<String> {
    let token = world.token("patient/*.rs");
    let mut ids = HashSet::new();
    for _ in 0..count {
        let request = Request::get("/r4/Patient/p1").bearer(&token);
        let answer = world
            .send(&reload.client(world, Version::Http1), request)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        ids.insert(answer.header("x-request-id").expect("an id"));
    }
    ids
}

async fn lost(world: &World) -> u64 {
    let stats = world.envoy.stats().await.expect("statistics");
    let own = stats.iter().filter(|(name, _)| name.contains("audit_lost"));
    own.map(|(_, count)| count).sum()
}

/// How often this stands in Envoy's log.
fn said(world: &World, text: &str) -> usize {
    world.envoy.log().matches(text).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_takes_its_place_sends_what_a_configuration_has_not() {
    // In a container there is no such file.
    let Some(reload) = Reload::new("handover") else {
        return;
    };
    let (mut world, server) = world(&reload).await;
    let port = server.address().port();
    let (one, two) = (Taken::default(), Taken::default());
    two.take_on(&server, "/two");
    let mut all = HashSet::new();
    for (name, path, format, machine) in [
        ("another place", "/two", "records", "a"),
        ("the same, in another machine", "/one", "audit-events", "b"),
        ("none", "", "", "b"),
    ] {
        // What is under way when it ends may be taken, and not heard to be.
        let late = Box::new(Answer::Status(200));
        server.answer("/one", Answer::After(Duration::from_secs(9), late));
        reload
            .change(&world, |plugin| {
                plugin["vm_config"]["configuration"] = json!({
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": machine,
                });
                plugin["configuration"]["value"]["audit"]["observer"] =
                    json!(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
            })
            .await;
        let ids = released(&world, &reload, 12).await;
        let before = said(&world, "were not sent when their configuration ended");
        // One that is refused ends nothing.
        reload
            .refused(&world, |own| {
                own["value"]["audit"]["repository"]["format"] = json!("other");
            })
            .await;
        reload
            .change(&world, |plugin| {
                plugin["vm_config"]["configuration"] = json!({
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": if machine == "a" { "a" } else { "c" },
                });
                let policy = plugin.pointer_mut(POLICY).expect("the policy");
                policy["audit"]["observer"] = json!(format!("after-{machine}-{}", path.len()));
                policy["audit"]["repository"] = repository(port, path, format);
                if path.is_empty() {
                    let audit = policy["audit"].as_object_mut().expect("an object");
                    audit.remove("repository");
                }
            })
            .await;
        let began = Instant::now();
        while said(&world, "were not sent when their configuration ended") == before {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{name}: it never ends"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(one.count(&ids), 0, "{name}");
        one.take_on(&server, "/one");
        one.has(&ids, name).await;
        assert_eq!(two.count(&ids), 0, "{name}: it is not for the other");
        all.extend(ids);
    }
    let ids = released(&world, &reload, 3).await;
    assert_eq!((lost(&world).await, one.count(&all)), (0, all.len()));
    assert_eq!(one.count(&ids), 0, "there is no repository");
    // Nothing can be sent any more when the proxy ends: it says so, and ends.
    server.answer("/one", Answer::Close);
    reload
        .change(&world, |plugin| {
            plugin["configuration"]["value"]["audit"]["observer"] = json!("last");
        })
        .await;
    released(&world, &reload, 4).await;
    let before = said(&world, "were not sent when their configuration ended");
    let _ = world.envoy.admin_post("/quitquitquit").await;
    let began = Instant::now();
    while world.envoy.is_running() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(said(&world, "were not sent when their configuration ended") > before);
    for bad in ["Caught Segmentation", "assert failure", "panicked"] {
        assert_eq!(said(&world, bad), 0, "{}", world.envoy.log());
    }
}

/// Reloads one after the other while the repository says nothing: memory does not grow with them, and all that was
/// released comes when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reloads_beside_a_stalled_repository_lose_nothing_and_keep_no_memory() {
    const RELOADS: usize = 100;
    let Some(reload) = Reload::new("reloads") else {
        return;
    };
    let (world, server) = world(&reload).await;
    let late = Box::new(Answer::Status(200));
    server.answer("/one", Answer::After(Duration::from_secs(9), late));
    let resident = || {
        let status = format!("/proc/{}/status", world.envoy.pid());
        let status = std::fs::read_to_string(status).expect("Envoy runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse::<u64>().ok())
            .expect("kB")
    };
    let mut all = HashSet::new();
    let mut memory = Vec::new();
    for number in 0..RELOADS {
        all.extend(released(&world, &reload, 4).await);
        reload
            .change(&world, |plugin| {
                plugin["configuration"]["value"]["audit"]["observer"] = json!(format!("o{number}"));
            })
            .await;
        memory.push(resident());
    }
    let one = Taken::default();
    one.take_on(&server, "/one");
    one.has(&all, "whatever was reloaded").await;
    assert_eq!(lost(&world).await, 0);
    let (middle, last) = (memory[RELOADS / 2], memory[RELOADS - 1]);
    println!("{middle} kB after half of the reloads, {last} kB after all: {memory:?}");
    assert!(last < middle + 10_000, "{memory:?}");
}
