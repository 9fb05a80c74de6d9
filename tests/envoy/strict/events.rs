//! Intents that are audit events, and the verifier over them after Envoy was killed.

use std::path::Path;

use fhir_guard_companion::verify::{Extent, Report};

use super::*;

/// The events of what a repository was sent, as a bulk export of it would have them: a line each, with what a server
/// adds.
fn exported(taken: &Taken) -> Vec<Value> {
    let bundles = taken.lines().into_iter();
    let entries = bundles.flat_map(|bundle| bundle["entry"].as_array().expect("entries").clone());
    let events = entries.map(|mut entry| {
        let mut event = entry["resource"].take();
        event["meta"]["versionId"] = json!("1");
        event["meta"]["lastUpdated"] = json!("2026-01-31T12:00:00.000+00:00");
        event["text"] = json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"});
        event
    });
    events.collect()
}

fn is_intent(event: &Value) -> bool {
    event["outcomeDesc"] == "announced" && event["outcome"].is_null()
}

/// The request ids of what was announced, or is over.
fn requests(events: &[Value], announced: bool) -> HashSet<String> {
    let own = events.iter().filter(|event| is_intent(event) == announced);
    own.map(request).collect()
}

fn request(event: &Value) -> String {
    let entities = event["entity"].as_array().expect("entities");
    let own = |entity: &&Value| entity["type"]["code"] == "XrequestId";
    let entity = entities.iter().find(own).expect("a request id");
    let id = entity["what"]["identifier"]["value"].as_str();
    id.expect("text").to_owned()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What is said of an access log beside these events, and the kinds of what is found.
fn judged(here: &Path, log: &[&str], events: &[Value]) -> (Report, String) {
    let paths = ["own.log", "events.ndjson"].map(|name| here.join(name));
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    std::fs::write(&paths[0], log.join("\n") + "\n").expect("a file");
    std::fs::write(&paths[1], events.join("\n") + "\n").expect("a file");
    let paths = paths.map(|path| path.display().to_string());
    let report = verify(&paths, &Keys::default(), Extent::Log, 2).expect("it is read");
    let found = report.findings.kept.iter();
    let found: Vec<&str> = found.map(|finding| finding.kind.name()).collect();
    let found = found.join(" ");
    (report, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_that_are_events_pair_with_the_log_of_a_killed_envoy() {
    const OVER: usize = 24;
    const UNDER_WAY: usize = 4;
    // Its process lies outside of our reach.
    if std::env::var("FHIR_GUARD_ENVOY").is_ok_and(|form| form == "compose") {
        return;
    }
    let (world, server) = world("30s", "audit-events").await;
    let taken = Taken::default();
    taken.take_on(&server);
    for number in 0..OVER {
        let path = [
            "/r4/Patient/p1",
            "/r4/Observation?patient=p1",
            "/r4/Observation",
        ][number % 3];
        let answer = ask(&world, "GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let known = requests(&exported(&taken), true);
        assert!(known.contains(&id(&answer)), "{path} was not announced");
    }
    let records = world.records().await;
    assert_eq!(records.len(), OVER);
    until("what became of them", || {
        requests(&exported(&taken), false).len() == OVER
    })
    .await;
    // From now on it takes, and does not say so.
    let own = taken.clone();
    server.answer_with(PATH, move |asked| {
        let text = String::from_utf8_lossy(&asked.body).into_owned();
        let mut taken = own.0.lock().expect("no handler panics");
        taken.extend(text.lines().map(str::to_owned));
        Answer::After(Duration::from_secs(60), Box::new(Answer::Status(201)))
    });
    let token = world.token("system/*.rs");
    let mut waiting = JoinSet::new();
    for _ in 0..UNDER_WAY {
        let (client, token) = (world.client(), token.clone());
        waiting.spawn(async move {
            let request = Request::get("/r4/Patient/p1").bearer(&token);
            client.send(request).await.is_ok()
        });
    }
    until("what is under way", || {
        requests(&exported(&taken), true).len() == OVER + UNDER_WAY
    })
    .await;
    let killed = std::process::Command::new("kill")
        .args(["-9", &world.envoy.pid().to_string()])
        .status();
    assert!(killed.expect("kill").success());
    assert_eq!(waiting.join_all().await, [false; UNDER_WAY]);
    let here = world.envoy.directory();
    let text = std::fs::read_to_string(here.join("audit.log")).expect("the access log");
    let log: Vec<&str> = text.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(log.len(), OVER);
    let events = exported(&taken);
    let open = |report: &Report| {
        let open = report.chains.iter().map(|chain| chain.intents.len());
        open.sum::<usize>()
    };
    let by_events = |report: &Report| report.sum(|chain| chain.by_events);
    let (report, found) = judged(here, &log, &events);
    assert_eq!(found, "", "{:?}", report.findings);
    assert_eq!((open(&report), by_events(&report)), (UNDER_WAY, 0));
    assert_eq!((report.events as usize, report.others), (events.len(), 0));
    // What the kill took of the file is told by events alone.
    let (report, found) = judged(here, &log[..OVER - 1], &events);
    assert_eq!(found, "", "{:?}", report.findings);
    assert_eq!((open(&report), by_events(&report)), (UNDER_WAY + 1, 1));
    let own = requests(&events, false).into_iter().next().expect("one");
    let is_own = |event: &&Value| !is_intent(event) || request(event) != own;
    let rest: Vec<Value> = events.iter().filter(is_own).cloned().collect();
    let (report, found) = judged(here, &log, &rest);
    assert_eq!(found, "unannounced", "{:?}", report.findings);
    // The log goes on for an hour, in another chain.
    let mut later = events.clone();
    let mut last = events[0].clone();
    last["period"]["start"] = json!("2999-01-31T12:00:00.000Z");
    for entity in last["entity"].as_array_mut().expect("entities") {
        for detail in entity["detail"].as_array_mut().into_iter().flatten() {
            if detail["type"] == "chain" {
                detail["valueString"] = json!("ab".repeat(16));
            }
        }
    }
    last["outcome"] = json!("0");
    later.push(last);
    let (report, found) = judged(here, &log, &later);
    assert_eq!(
        found,
        ["unfinished"; UNDER_WAY].join(" "),
        "{:?}",
        report.findings
    );
}
