//! batch and transaction.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::folder::rewrite;
use super::message::{Ask, Content, Reply, pairs};
use super::route::{self, BASE};
use super::store::{Store, text};
use super::{date, write};

/// Most entries of one Bundle.
const ENTRIES: usize = 5000;

/// POST of a Bundle on the base. A batch answers entry by entry; a transaction happens whole or not at all.
pub fn run(store: &mut Store, ask: &Ask) -> Reply {
    let bundle: Value = match serde_json::from_slice(&ask.body) {
        Ok(bundle) => bundle,
        Err(error) => {
            return Reply::outcome(400, "structure", format!("the body is not JSON: {error}"));
        }
    };
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    if bundle["resourceType"] != "Bundle" || entries.len() > ENTRIES {
        return Reply::outcome(
            400,
            "invalid",
            format!("the base takes a Bundle of up to {ENTRIES} entries"),
        );
    }
    match bundle["type"].as_str() {
        Some("batch") => {
            let answers = entries
                .iter()
                .map(|entry| response(&one(store, ask, entry, None)))
                .collect();
            reply("batch-response", answers)
        }
        Some("transaction") => transaction(store, ask, entries),
        other => Reply::outcome(
            400,
            "invalid",
            format!("the base takes a Bundle of type batch or transaction, found {other:?}"),
        ),
    }
}

fn transaction(store: &mut Store, ask: &Ask, mut entries: Vec<Value>) -> Reply {
    let mut trial = store.clone();
    let mut ids = vec![None; entries.len()];
    let mut targets = BTreeMap::new();
    for (entry, id) in entries.iter().zip(&mut ids) {
        if entry["request"]["method"] == "POST" {
            let new = trial.new_id();
            if let (Some(url), Some(kind)) = (
                text(entry, "fullUrl"),
                text(&entry["resource"], "resourceType"),
            ) {
                targets.insert(url, format!("{kind}/{new}"));
            }
            *id = Some(new);
        }
    }
    entries
        .iter_mut()
        .for_each(|entry| rewrite(&mut entry["resource"], &targets));
    let order = |entry: &Value| match entry["request"]["method"].as_str() {
        Some("DELETE") => 0,
        Some("POST") => 1,
        Some("PUT" | "PATCH") => 2,
        _ => 3,
    };
    let mut sequence: Vec<usize> = (0..entries.len()).collect();
    sequence.sort_by_key(|index| order(&entries[*index]));
    let mut answers = vec![Value::Null; entries.len()];
    for index in sequence {
        let result = one(&mut trial, ask, &entries[index], ids[index].as_deref());
        if result.status >= 400 {
            let cause = result
                .value()
                .and_then(|outcome| outcome.pointer("/issue/0/diagnostics"))
                .cloned()
                .unwrap_or_default();
            return Reply::outcome(
                result.status,
                "transient",
                format!("transaction rolled back at entry {index}: {cause}"),
            );
        }
        answers[index] = response(&result);
    }
    *store = trial;
    reply("transaction-response", answers)
}

fn one(store: &mut Store, ask: &Ask, entry: &Value, id: Option<&str>) -> Reply {
    let request = &entry["request"];
    let (Some(method), Some(url)) = (text(request, "method"), text(request, "url")) else {
        return Reply::outcome(400, "required", "entry.request needs method and url".into());
    };
    let base = route::base(ask);
    let relative = url
        .strip_prefix(&base)
        .unwrap_or(&url)
        .trim_start_matches('/')
        .to_owned();
    let (path, query) = relative.split_once('?').unwrap_or((&relative, ""));
    if path.is_empty() && method == "POST" {
        return Reply::outcome(
            400,
            "invalid",
            "a Bundle inside a Bundle is not carried out".into(),
        );
    }
    let mut inner = Ask {
        method,
        path: format!("{BASE}/{path}"),
        query: pairs(query.as_bytes()),
        headers: ask
            .headers
            .iter()
            .filter(|(name, _)| ["host", "x-forwarded-proto", "prefer"].contains(&name.as_str()))
            .cloned()
            .collect(),
        body: Bytes::new(),
    };
    for (member, header) in [
        ("ifMatch", "if-match"),
        ("ifNoneMatch", "if-none-match"),
        ("ifNoneExist", "if-none-exist"),
    ] {
        if let Some(value) = text(request, member) {
            inner.headers.push((header.into(), value.into_bytes()));
        }
    }
    if entry["resource"].is_object() {
        inner
            .headers
            .push(("content-type".into(), b"application/fhir+json".to_vec()));
        inner.body = Bytes::from(entry["resource"].to_string());
    }
    match id {
        Some(id)
            if inner.method == "POST"
                && inner.header("if-none-exist").is_none()
                && entry["resource"]["resourceType"] == path
                && store.has_room() =>
        {
            write::created(store, &inner, path, id, entry["resource"].clone(), &base)
        }
        _ => route::answer(store, &inner),
    }
}

fn response(reply: &Reply) -> Value {
    let mut response = json!({"status": reply.status.to_string()});
    for (header, member) in [("location", "location"), ("etag", "etag")] {
        if let Some(value) = reply.header(header) {
            response[member] = json!(value);
        }
    }
    let mut entry = json!({});
    if let Content::Resource(resource) = &reply.content {
        if let Some(updated) = resource.pointer("/meta/lastUpdated") {
            response["lastModified"] = updated.clone();
        }
        let slot = if reply.status >= 400 {
            &mut response["outcome"]
        } else {
            &mut entry["resource"]
        };
        *slot = resource.clone();
    }
    entry["response"] = response;
    entry
}

fn reply(kind: &str, entries: Vec<Value>) -> Reply {
    let mut bundle = json!({"resourceType": "Bundle", "id": "answer", "meta": {"lastUpdated": date::instant(0)}, "type": kind});
    if !entries.is_empty() {
        bundle["entry"] = Value::Array(entries);
    }
    Reply::resource(200, bundle)
}
