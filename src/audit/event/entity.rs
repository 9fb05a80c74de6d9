//! What it was about: the resource or the query, the patient, and how the exchange is known elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::agent::{identified, open_identified};
use super::{About, Coding, Line, coding};
use crate::audit::{Record, Subject, Telling};
use crate::request::escape;

const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BALP_TYPE: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
/// The system of hashed references.
const HASH: &str = "urn:fhir-guard:reference-hash";
const TRACE: &str = "https://www.w3.org/TR/trace-context/#traceparent-header";

/// `entity`.
pub(super) fn write_entities(out: &mut Line, about: &About<'_>) {
    let record = about.record;
    out.key("entity");
    out.open('[');
    match about.method.filter(|_| about.pattern.asks) {
        Some(method) => write_query(out, about, method),
        None => write_data(out, about),
    }
    if let Some(patient) = about.patient {
        let before = out.0.len();
        open_entity(out, Some("1"), (ENTITY_TYPE, "1"));
        out.key("what");
        match write_what(out, record, patient, None) {
            true => out.close('}'),
            false => out.0.truncate(before),
        }
    }
    if !record.request_id.is_empty() {
        open_entity(out, None, (BALP_TYPE, "XrequestId"));
        out.key("what");
        identified(out, None, &record.request_id);
        out.close('}');
    }
    write_exchange(out, about);
    out.close(']');
}

/// What an entity begins with: its role and its type.
fn open_entity(out: &mut Line, role: Option<&'static str>, entity_type: Coding) {
    out.comma();
    out.open('{');
    if let Some(role) = role {
        out.key("role");
        coding(out, (ROLE, role));
    }
    out.key("type");
    coding(out, entity_type);
}

/// The resource that was read or written.
fn write_data(out: &mut Line, about: &About<'_>) {
    let record = about.record;
    open_entity(out, Some("4"), (ENTITY_TYPE, "2"));
    out.key("what");
    let named = about
        .reference
        .is_some_and(|own| write_what(out, record, own, about.version));
    if !named {
        out.open('{');
        out.text("display", Some(record.resource_type.unwrap_or("unknown")));
        out.close('}');
    }
    out.close('}');
}

/// What was asked: method, URL and query as records tell them, in base64.
fn write_query(out: &mut Line, about: &About<'_>, method: &str) {
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
    open_entity(out, Some("24"), (ENTITY_TYPE, "2"));
    out.text("query", Some(&STANDARD.encode(asked)));
    out.close('}');
}

/// The decision, and what of it counts.
fn write_exchange(out: &mut Line, about: &About<'_>) {
    let record = about.record;
    out.comma();
    out.constant(r#"{"detail":["#);
    let mut add = |name: &'static str, value: &str| {
        if !value.is_empty() {
            out.comma();
            out.open('{');
            out.text("type", Some(name));
            out.text("valueString", Some(value));
            out.close('}');
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
    out.constant(r#"],"name":"exchange","type":"#);
    coding(out, (ENTITY_TYPE, "4"));
    if let Some(trace) = &record.trace {
        out.key("what");
        identified(out, Some(TRACE), trace);
    }
    out.close('}');
}

/// A reference as it is told; a hashed one keeps its type. Whether there is anything to tell.
fn write_what(out: &mut Line, record: &Record, reference: &str, version: Option<&str>) -> bool {
    let telling = &record.policy.references;
    let (resource_type, id) = match reference.split_once('/') {
        Some((resource_type, _)) => (resource_type, true),
        None => (reference, false),
    };
    if !id || matches!(telling, Telling::Nothing) {
        out.open('{');
        out.text("display", Some(resource_type));
        out.text("type", Some(resource_type));
    } else if telling.is_plain(reference) {
        let version = version.map(|version| format!("/_history/{version}"));
        let full = format!("{reference}{}", version.unwrap_or_default());
        out.open('{');
        out.text("reference", Some(&full));
    } else {
        let told = telling.reference(reference);
        let hash = told.as_deref().and_then(|told| told.split_once('#'));
        let Some((_, hash)) = hash else {
            return false;
        };
        open_identified(out, Some(HASH), hash);
        out.text("type", Some(resource_type));
    }
    out.close('}');
    true
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
