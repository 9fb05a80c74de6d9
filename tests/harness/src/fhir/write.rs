//! create, update, patch, delete.

use serde_json::Value;

use super::message::{Ask, Reply};
use super::patch as json_patch;
use super::route::{absent, describe, versioned};
use super::store::{Store, Version};

/// Media types of FHIR JSON a body may have.
const JSON: [&str; 3] = ["application/fhir+json", "application/json", "text/json"];
/// Media type of RFC 6902.
const JSON_PATCH: &str = "application/json-patch+json";

/// create: POST on the type.
pub fn create(store: &mut Store, ask: &Ask, kind: &str, base: &str) -> Reply {
    let resource = match body(ask, kind) {
        Ok(resource) => resource,
        Err(refusal) => return refusal,
    };
    if !store.has_room() {
        return Reply::outcome(507, "too-costly", "the store is full".into());
    }
    let id = store.new_id();
    created(store, ask, kind, &id, resource, base)
}

/// A create under an id that was chosen before, as in a transaction.
pub fn created(
    store: &mut Store,
    ask: &Ask,
    kind: &str,
    id: &str,
    resource: Value,
    base: &str,
) -> Reply {
    let version = store.put(kind, id, Some(resource), "POST");
    answer(ask, 201, &version).with(
        "location",
        format!("{base}/{kind}/{id}/_history/{}", version.number),
    )
}

/// update: PUT on the id; creates what is not there.
pub fn update(store: &mut Store, ask: &Ask, kind: &str, id: &str, base: &str) -> Reply {
    let resource = match body(ask, kind) {
        Ok(resource) => resource,
        Err(refusal) => return refusal,
    };
    if resource["id"].as_str() != Some(id) {
        return Reply::outcome(
            400,
            "invalid",
            format!("the body's id is {}, the URL's is {id:?}", resource["id"]),
        );
    }
    if let Err(refusal) = if_match(store, ask, kind, id) {
        return refusal;
    }
    let exists = store.resource(kind, id).is_some();
    if !exists && !store.has_room() {
        return Reply::outcome(507, "too-costly", "the store is full".into());
    }
    let version = store.put(kind, id, Some(resource), "PUT");
    if exists {
        return answer(ask, 200, &version);
    }
    answer(ask, 201, &version).with(
        "location",
        format!("{base}/{kind}/{id}/_history/{}", version.number),
    )
}

/// patch: JSON Patch on the id.
pub fn patch(store: &mut Store, ask: &Ask, kind: &str, id: &str) -> Reply {
    let media_type = media_type(ask);
    if media_type != JSON_PATCH {
        return Reply::outcome(
            415,
            "not-supported",
            format!("patch takes {JSON_PATCH}, content-type was {media_type:?}"),
        );
    }
    let Some(before) = store.resource(kind, id) else {
        return absent(store, kind, id);
    };
    if let Err(refusal) = if_match(store, ask, kind, id) {
        return refusal;
    }
    let operations: Value = match serde_json::from_slice(&ask.body) {
        Ok(operations) => operations,
        Err(error) => {
            return Reply::outcome(400, "structure", format!("the patch is not JSON: {error}"));
        }
    };
    match json_patch::apply(before, &operations) {
        Ok(after) if after["resourceType"] == kind && after["id"] == id => {
            let version = store.put(kind, id, Some(after), "PATCH");
            answer(ask, 200, &version)
        }
        Ok(_) => Reply::outcome(
            422,
            "processing",
            format!("the patch changes resourceType or id of {kind}/{id}"),
        ),
        Err(error) => Reply::outcome(
            422,
            "processing",
            format!("{kind}/{id}{}: {error}", describe(before)),
        ),
    }
}

/// delete: DELETE on the id; deleting what is gone is no error.
pub fn delete(store: &mut Store, ask: &Ask, kind: &str, id: &str) -> Reply {
    if store.versions(kind, id).is_empty() {
        return absent(store, kind, id);
    }
    if let Err(refusal) = if_match(store, ask, kind, id) {
        return refusal;
    }
    if store.resource(kind, id).is_some() {
        store.put(kind, id, None, "DELETE");
    }
    Reply::empty(204)
}

fn body(ask: &Ask, kind: &str) -> Result<Value, Reply> {
    let media_type = media_type(ask);
    if !JSON.contains(&media_type.as_str()) {
        return Err(Reply::outcome(
            415,
            "not-supported",
            format!("content-type {media_type:?} is none of {JSON:?}"),
        ));
    }
    let resource: Value = serde_json::from_slice(&ask.body).map_err(|error| {
        Reply::outcome(400, "structure", format!("the body is not JSON: {error}"))
    })?;
    if resource["resourceType"] != kind {
        return Err(Reply::outcome(
            400,
            "invalid",
            format!(
                "the body's resourceType is {}, the URL's {kind:?}",
                resource["resourceType"]
            ),
        ));
    }
    Ok(resource)
}

fn media_type(ask: &Ask) -> String {
    let value = ask.header("content-type").unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn if_match(store: &Store, ask: &Ask, kind: &str, id: &str) -> Result<(), Reply> {
    let Some(wanted) = ask.header("if-match") else {
        return Ok(());
    };
    let current = store
        .current(kind, id)
        .filter(|version| version.resource.is_some());
    let etag = current.map(|version| format!("W/\"{}\"", version.number));
    if etag.as_deref() == Some(wanted.as_str()) || (wanted == "*" && etag.is_some()) {
        return Ok(());
    }
    let who = current
        .and_then(|version| version.resource.as_ref())
        .map(describe)
        .unwrap_or_default();
    let etag = etag.unwrap_or_else(|| "absent".into());
    Err(Reply::outcome(
        412,
        "conflict",
        format!("{kind}/{id}{who} is at {etag}, if-match was {wanted}"),
    ))
}

/// What a write answers with.
pub fn answer(ask: &Ask, status: u16, version: &Version) -> Reply {
    let resource = version.resource.clone().unwrap_or_default();
    let mut reply = versioned(status, version, resource);
    if ask.prefers("return=minimal") {
        reply.content = super::message::Content::Empty;
        reply.headers.retain(|(name, _)| name != "content-type");
    }
    reply
}
