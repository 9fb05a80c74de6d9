//! What it was about: the resource or the query, the patient, and how the exchange is known elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::agent::identified;
use super::{About, coding, object, text};
use crate::audit::{Record, Subject, Telling};
use crate::request::escape;

const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BALP_TYPE: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
/// The system of hashed references.
const HASH: &str = "urn:fhir-guard:reference-hash";
const TRACE: &str = "https://www.w3.org/TR/trace-context/#traceparent-header";

pub(super) fn entities(about: &About<'_>) -> Vec<Value> {
    let record = about.record;
    let subject = match about.method.filter(|_| about.pattern.asks) {
        Some(method) => query(about, method),
        None => data(about),
    };
    let mut entities = vec![subject];
    entities.extend(about.patient.and_then(|patient| {
        Some(object([
            ("what", what(record, patient, None)?),
            ("type", coding(ENTITY_TYPE, "1")),
            ("role", coding(ROLE, "1")),
        ]))
    }));
    if !record.request_id.is_empty() {
        entities.push(object([
            ("what", identified(None, &record.request_id)),
            ("type", coding(BALP_TYPE, "XrequestId")),
        ]));
    }
    entities.push(exchange(about));
    entities
}

/// The resource that was read or written.
fn data(about: &About<'_>) -> Value {
    let named = about
        .reference
        .and_then(|own| what(about.record, own, about.version));
    let nameless = || {
        object([(
            "display",
            text(about.record.resource_type.unwrap_or("unknown")),
        )])
    };
    object([
        ("what", named.unwrap_or_else(nameless)),
        ("type", coding(ENTITY_TYPE, "2")),
        ("role", coding(ROLE, "4")),
    ])
}

/// What was asked: method, URL and query as records tell them, in base64.
fn query(about: &About<'_>, method: &str) -> Value {
    let record = about.record;
    let path = about.path();
    let mut asked = format!("{method} {}{path}", record.policy.base);
    // Without it, it would be a create (https://hl7.org/fhir/R4/http.html#search).
    if method == "POST" && about.pattern.code.starts_with("search") {
        asked.push_str("/_search");
    }
    for (place, (name, value)) in about.query.iter().enumerate() {
        asked.push(if place == 0 { '?' } else { '&' });
        escape(name, &mut asked);
        match &record.policy.query {
            Telling::Plain => {
                asked.push('=');
                escape(value, &mut asked);
            }
            Telling::Hashed(key) => {
                let hash = Subject::Parameter.hash(key, &format!("{name}={value}"));
                asked.push_str(&format!("=#{hash}"));
            }
            Telling::Nothing => {}
        }
    }
    object([
        ("type", coding(ENTITY_TYPE, "2")),
        ("role", coding(ROLE, "24")),
        ("query", text(&STANDARD.encode(asked))),
    ])
}

/// The decision, and what of it counts.
fn exchange(about: &About<'_>) -> Value {
    let record = about.record;
    let mut details = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            details.push(object([("type", text(name)), ("valueString", text(value))]));
        }
    };
    add("rule", about.rule);
    if about.status != 0 {
        add("status", &about.status.to_string());
    }
    add("passed", &record.passed.to_string());
    add("removed", &record.removed.to_string());
    add("redacted", &record.redacted.to_string());
    if about.more > 0 {
        add("patients_more", &about.more.to_string());
    }
    if let Some(place) = &record.place {
        add("chain", &place.chain());
        add("ticket", &place.ticket().to_string());
    }
    add("tenant", record.tenant.as_deref().unwrap_or_default());
    add("watermark", record.watermark.as_deref().unwrap_or_default());
    let mut entity = Map::new();
    if let Some(trace) = &record.trace {
        entity.insert("what".to_owned(), identified(Some(TRACE), trace));
    }
    entity.insert("type".to_owned(), coding(ENTITY_TYPE, "4"));
    entity.insert("name".to_owned(), text("exchange"));
    entity.insert("detail".to_owned(), Value::Array(details));
    Value::Object(entity)
}

/// A reference as it is told; a hashed one keeps its type.
fn what(record: &Record, reference: &str, version: Option<&str>) -> Option<Value> {
    let telling = &record.policy.references;
    let (resource_type, id) = match reference.split_once('/') {
        Some((resource_type, _)) => (resource_type, true),
        None => (reference, false),
    };
    if !id || matches!(telling, Telling::Nothing) {
        let display = text(resource_type);
        return Some(object([
            ("type", text(resource_type)),
            ("display", display),
        ]));
    }
    if telling.is_plain(reference) {
        let version = version.map(|version| format!("/_history/{version}"));
        let full = format!("{reference}{}", version.unwrap_or_default());
        return Some(object([("reference", text(&full))]));
    }
    let told = telling.reference(reference)?;
    let (_, hash) = told.split_once('#')?;
    let mut hashed = identified(Some(HASH), hash);
    if let Some(members) = hashed.as_object_mut() {
        members.insert("type".to_owned(), text(resource_type));
    }
    Some(hashed)
}

impl About<'_> {
    /// The path that was asked for, with the instance as it is told.
    fn path(&self) -> String {
        let record = self.record;
        let Some(route) = self.route else {
            let told = self.reference;
            let told = told.and_then(|own| record.policy.references.reference(own));
            return told.map(|own| format!("/{own}")).unwrap_or_default();
        };
        let told = self
            .reference
            .and_then(|own| record.policy.references.reference(own));
        match told.as_deref().and_then(|own| own.split_once(['/', '#'])) {
            Some((_, id)) if record.policy.references.is_told() => {
                let mark = if record.policy.references.is_hashed() {
                    "#"
                } else {
                    ""
                };
                route.replace("[id]", &format!("{mark}{id}"))
            }
            _ => route.to_owned(),
        }
    }
}
