//! What goes on only when a repository has acknowledged its intent, on both workers.

#[cfg(test)]
mod events;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fhir_guard_companion::audit::verify;
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::Extent;
use fhir_guard_harness::authorization::{Answer, AuthorizationServer};
use fhir_guard_harness::client::{Request, Response};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::keys::authorization_server;
use crate::world::{Setting, World};

const PATH: &str = "/audit";

/// What a repository has acknowledged, line by line.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<String>>>);

impl Taken {
    /// From now on it acknowledges.
    fn take_on(&self, server: &AuthorizationServer) {
        let taken = Arc::clone(&self.0);
        server.answer_with(PATH, move |asked| {
            let text = String::from_utf8_lossy(&asked.body).into_owned();
            let mut taken = taken.lock().expect("no handler panics");
            taken.extend(text.lines().map(str::to_owned));
            Answer::Status(201)
        });
    }

    fn text(&self) -> String {
        let lines = self.0.lock().expect("no handler panics").join("\n");
        lines + "\n"
    }

    fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The ids of the requests that were announced, or of those that are over.
    fn ids(&self, announced: bool) -> HashSet<String> {
        let lines = self.lines().into_iter();
        let own = lines.filter(|line| (line["outcome"] == "announced") == announced);
        own.filter_map(|line| line["request_id"].as_str().map(str::to_owned))
            .collect()
    }
}

async fn world(timeout: &str, format: &str) -> (World, AuthorizationServer) {
    let server = AuthorizationServer::start().await;
    let (port, timeout) = (server.address().port(), timeout.to_owned());
    let format = format.to_owned();
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            policy["limits"] = json!([]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
            policy["audit"]["chain"] = json!({});
            policy["audit"]["repository"] = json!({
                "cluster": "repository",
                "uri": format!("http://127.0.0.1:{port}{PATH}"),
                "timeout": timeout,
                "format": format,
                "strict": true,
            });
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "repository", port);
        })),
        ..Setting::default()
    };
    (World::with(setting).await, server)
}

/// A request of a caller who may do everything.
async fn ask(world: &World, method: &str, path: &str, body: &str) -> Response {
    let mut request = Request::new(method, path).bearer(&world.token("system/*.cruds"));
    if !body.is_empty() {
        request = request.body("application/fhir+json", body);
    }
    // A connection of its own: the kernel chooses the worker.
    world.send(&world.client(), request).await
}

fn observation(length: usize) -> String {
    let text = "x".repeat(length);
    json!({"resourceType": "Observation", "status": "final", "code": {"text": text},
        "subject": {"reference": "Patient/p1"}})
    .to_string()
}

fn id(answer: &Response) -> String {
    answer.header("x-request-id").expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_was_announced_and_pairs_with_what_became_of_it() {
    let (world, server) = world("5s", "records").await;
    let taken = Taken::default();
    taken.take_on(&server);
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient/p1"}},
    ]})
    .to_string();
    for (method, path, body, status) in [
        ("GET", "/r4/Patient/p1", String::new(), 200),
        ("GET", "/r4/Observation?patient=p1", String::new(), 200),
        ("GET", "/r4/metadata", String::new(), 200),
        ("POST", "/r4/Observation", observation(1), 201),
        // In more than one piece.
        ("POST", "/r4/Observation", observation(200_000), 201),
        ("POST", "/r4", batch, 200),
    ] {
        let answer = ask(&world, method, path, &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(taken.ids(true).contains(&id(&answer)), "{method} {path}");
    }
    // A refusal is not announced, and is in the records all the same.
    let refused = world.get("system/Observation.rs", "/r4/Patient/p1").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let records = world.records().await;
    let began = Instant::now();
    while taken.ids(false).len() < records.len() {
        assert!(began.elapsed() < Duration::from_secs(30), "they never came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(taken.ids(true).len(), records.len() - 1);
    assert!(!taken.ids(true).contains(&id(&refused)));
    // The verifier pairs them, and knows the copies of the two sinks for what they are.
    let own = world.envoy.directory().join("repository.log");
    let log = world.envoy.directory().join("records.log");
    let text: Vec<String> = records.iter().map(Value::to_string).collect();
    assert_eq!(text.len(), records.len());
    let lines = taken.text();
    let copies: Vec<&str> = lines
        .lines()
        .filter(|line| !line.contains("\"announced\",") && !line.is_empty())
        .collect();
    for (name, first, second, expected) in [
        ("whole", lines.clone(), copies.join("\n"), ""),
        (
            "an intent is gone",
            lines.lines().skip(1).collect::<Vec<_>>().join("\n"),
            copies.join("\n"),
            "unannounced",
        ),
        (
            "a copy is another",
            lines.clone(),
            copies
                .join("\n")
                .replacen("\"passed\":1", "\"passed\":2", 1),
            "changed",
        ),
    ] {
        std::fs::write(&own, first).expect("a file");
        std::fs::write(&log, second + "\n").expect("a file");
        let files = [&own, &log].map(|path| path.display().to_string());
        let report = verify(&files, &Keys::default(), Extent::Log, 1).expect("it is read");
        let found = report.findings.kept.iter();
        let mut found: Vec<&str> = found.map(|finding| finding.kind.name()).collect();
        found.dedup();
        assert_eq!(found.join(" "), expected, "{name}: {:?}", report.findings);
        assert!(
            report.copied + 1 >= copies.len() as u64,
            "{name}: {report:?}"
        );
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_on_where_the_repository_does_not_acknowledge() {
    let (world, server) = world("500ms", "records").await;
    let late = Box::new(Answer::Status(200));
    let mut effects = Vec::new();
    for (name, state) in [
        ("refuses", Answer::Status(403)),
        ("finds it malformed", Answer::Status(400)),
        ("fails", Answer::Status(500)),
        ("redirects", Answer::Status(302)),
        ("closes", Answer::Close),
        ("stalls", Answer::After(Duration::from_secs(2), late)),
    ] {
        server.answer(PATH, state);
        for (method, path, body) in [
            ("GET", "/r4/Patient/p1", String::new()),
            ("PUT", "/r4/Observation/strict", {
                let mut own: Value = serde_json::from_str(&observation(1)).expect("JSON");
                own["id"] = json!("strict");
                own.to_string()
            }),
        ] {
            let answer = ask(&world, method, path, &body).await;
            assert_eq!(answer.status, 503, "{name}: {}", answer.text());
            assert!(answer.header("retry-after").is_some(), "{name}");
            effects.push(id(&answer));
        }
    }
    let port = server.address().port();
    drop(server);
    let answer = ask(&world, "GET", "/r4/Patient/p1", "").await;
    assert_eq!(answer.status, 503, "nobody listens: {}", answer.text());
    let text = world.direct("/Observation/strict").await;
    let found = String::from_utf8_lossy(&text);
    assert!(
        found.contains("OperationOutcome"),
        "it was written: {found}"
    );
    let records = world.records().await;
    for record in &records {
        assert_eq!(record["rule"], "unavailable.audit-intent", "{record}");
        assert_eq!(record["outcome"], "refused");
    }
    let server = AuthorizationServer::start_on(port).await;
    let taken = Taken::default();
    taken.take_on(&server);
    let answer = ask(&world, "GET", "/r4/Patient/p1", "").await;
    assert_eq!(answer.status, 200, "it is back: {}", answer.text());
    world.close().await;
}

/// Thousands of exchanges while the repository is killed and started again, and then Envoy is killed: no client got an
/// answer of which the repository has no intent.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_leaves_without_its_intent_whoever_dies() {
    const ANSWERS: usize = 3000;
    // Its process lies outside of our reach.
    if std::env::var("FHIR_GUARD_ENVOY").is_ok_and(|form| form == "compose") {
        return;
    }
    let (world, server) = world("1s", "records").await;
    let taken = Taken::default();
    taken.take_on(&server);
    let port = server.address().port();
    let (good, over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let answers: Arc<Mutex<Vec<(u16, String)>>> = Arc::default();
    let token = world.token("system/*.rs");
    let mut load = JoinSet::new();
    for _ in 0..16 {
        let (good, over, answers) = (Arc::clone(&good), Arc::clone(&over), Arc::clone(&answers));
        let client = world.client().reuse(true).timeout(Duration::from_secs(5));
        let token = token.clone();
        load.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let request = Request::get("/r4/Patient/p1").bearer(&token);
                let Ok(answer) = client.send(request).await else {
                    // Envoy is gone, or nearly.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                };
                if answer.status == 200 {
                    good.fetch_add(1, Ordering::Relaxed);
                }
                let mut answers = answers.lock().expect("nobody panics");
                answers.push((answer.status, id(&answer)));
            }
        });
    }
    let until = |count: usize| {
        let good = Arc::clone(&good);
        async move {
            let began = Instant::now();
            while good.load(Ordering::Relaxed) < count {
                let found = good.load(Ordering::Relaxed);
                assert!(
                    began.elapsed() < Duration::from_secs(120),
                    "{found} answers"
                );
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    until(ANSWERS / 3).await;
    drop(server);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let server = AuthorizationServer::start_on(port).await;
    taken.take_on(&server);
    let again = good.load(Ordering::Relaxed) + ANSWERS / 3;
    until(again).await;
    // It acknowledges nothing for a while, and is slow.
    server.answer(PATH, Answer::Status(500));
    tokio::time::sleep(Duration::from_millis(300)).await;
    taken.take_on(&server);
    until(ANSWERS.max(again + ANSWERS / 3)).await;
    let killed = std::process::Command::new("kill")
        .args(["-9", &world.envoy.pid().to_string()])
        .status();
    assert!(killed.expect("kill").success());
    tokio::time::sleep(Duration::from_millis(500)).await;
    over.store(true, Ordering::Relaxed);
    load.join_all().await;
    let answers = answers.lock().expect("nobody panics").clone();
    let intents = taken.ids(true);
    let (mut released, mut refused) = (0, 0);
    for (status, id) in &answers {
        match status {
            200 => {
                released += 1;
                assert!(
                    intents.contains(id),
                    "{id} was answered, and is not announced"
                );
            }
            503 => refused += 1,
            status => panic!("{status}"),
        }
    }
    assert!(released >= ANSWERS && refused > 0, "{released}, {refused}");
    // What the repository has is whole, but for what nobody could send any more.
    let [own, none] = ["repository.log", "none.log"].map(|name| {
        let path = world.envoy.directory().join(name);
        path.display().to_string()
    });
    std::fs::write(&own, taken.text()).expect("a file");
    std::fs::write(&none, "").expect("a file");
    let report = verify(&[own, none], &Keys::default(), Extent::Log, 1).expect("it is read");
    let found = report.findings.kept.iter();
    let found: HashSet<&str> = found.map(|finding| finding.kind.name()).collect();
    assert!(
        found.iter().all(|kind| *kind == "truncated"),
        "{:?}",
        report.findings
    );
    assert!(report.intents as usize >= released, "{report:?}");
    let mut times: Vec<u64> = taken
        .lines()
        .iter()
        .filter_map(|line| line["announced"].as_u64())
        .collect();
    times.sort_unstable();
    let part = |of: usize| times.get(times.len() * of / 100).copied().unwrap_or(0);
    println!(
        "{released} answers, each with an intent; {refused} refused; {} intents; {} records before the kill; acknowledged after {} us (median), {} us (99 of 100)",
        intents.len(),
        times.len(),
        part(50),
        part(99),
    );
}
