//! Bulk export (Bulk Data Access IG 2.0): a job that is done when it is asked for the second time, and its files.

use serde_json::{Value, json};

use super::capability;
use super::message::{Ask, Reply};
use super::store::Store;

/// Most jobs that are remembered; the oldest go first.
const JOBS: usize = 100;

/// One export.
#[derive(Clone, Debug)]
pub struct Job {
    types: Vec<String>,
    /// The request that started it.
    request: String,
    /// How often it was asked for.
    asked: u32,
    cancelled: bool,
}

/// Carries out what is about exports; None where nothing is.
pub fn answer(store: &mut Store, ask: &Ask, segments: &[&str], base: &str) -> Option<Reply> {
    let place = segments.join("/");
    match (ask.method.as_str(), segments) {
        ("GET", ["$export"] | ["Patient", "$export"]) => Some(start(store, ask, base, &place)),
        ("GET", ["Group", id, "$export"]) => Some(match store.resource("Group", id) {
            Some(_) => start(store, ask, base, &place),
            None => gone(&place),
        }),
        ("GET", ["$export-status", number]) => Some(status(store, base, number)),
        ("DELETE", ["$export-status", number]) => Some(match job(store, number) {
            Some(job) => {
                job.cancelled = true;
                Reply::empty(202)
            }
            None => gone(number),
        }),
        ("GET", ["$export-files", number, name]) => Some(file(store, number, name)),
        _ => None,
    }
}

fn start(store: &mut Store, ask: &Ask, base: &str, place: &str) -> Reply {
    if !ask.prefers("respond-async") {
        return Reply::outcome(400, "invalid", "Prefer: respond-async is missing".into());
    }
    let listed = ask.query.iter().find(|(name, _)| name == "_type");
    let types = match listed {
        Some((_, listed)) => listed.split(',').map(str::to_owned).collect(),
        None => capability::TYPES.map(str::to_owned).to_vec(),
    };
    let number = store.exported;
    store.exported += 1;
    let job = Job {
        types,
        request: format!("{base}/{place}"),
        asked: 0,
        cancelled: false,
    };
    store.jobs.push_back((number, job));
    if store.jobs.len() > JOBS {
        store.jobs.pop_front();
    }
    Reply::empty(202).with(
        "content-location",
        format!("{base}/$export-status/{number}"),
    )
}

fn status(store: &mut Store, base: &str, number: &str) -> Reply {
    let Some(job) = job(store, number) else {
        return gone(number);
    };
    job.asked += 1;
    if job.asked == 1 {
        return Reply::empty(202)
            .with("retry-after", "1")
            .with("x-progress", "50% (at Patient/p1)");
    }
    let (types, request) = (job.types.clone(), job.request.clone());
    let mut output = Vec::new();
    for of in types {
        let count = store.of_type(&of).count();
        if count > 0 {
            let url = format!("{base}/$export-files/{number}/{of}.ndjson");
            output.push(json!({"type": of, "url": url, "count": count}));
        }
    }
    let url = format!("{base}/$export-files/{number}/errors");
    let manifest = json!({
        "transactionTime": "2026-01-01T00:00:00Z", "request": request, "requiresAccessToken": true,
        "output": output, "deleted": [], "error": [{"type": "OperationOutcome", "url": url}],
    });
    Reply::raw(200, "application/json", manifest.to_string().into_bytes())
}

fn file(store: &mut Store, number: &str, name: &str) -> Reply {
    if job(store, number).is_none() {
        return gone(number);
    }
    let lines: Vec<Value> = match name.strip_suffix(".ndjson") {
        Some(of) => store.of_type(of).cloned().collect(),
        None => vec![json!({"resourceType": "OperationOutcome", "issue": [
            {"severity": "warning", "code": "incomplete", "diagnostics": "Patient/p2 was not read"}]})],
    };
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Reply::raw(200, "application/fhir+ndjson", lines.into_bytes())
}

fn job<'s>(store: &'s mut Store, number: &str) -> Option<&'s mut Job> {
    let number: u64 = number.parse().ok()?;
    let mut jobs = store.jobs.iter_mut();
    let (_, job) = jobs.find(|(known, _)| *known == number)?;
    (!job.cancelled).then_some(job)
}

fn gone(what: &str) -> Reply {
    Reply::outcome(404, "not-found", format!("{what} is not known"))
}
