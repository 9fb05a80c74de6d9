//! Which misbehaviour a request gets, and the way from the honest reply to the spoilt wire.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{Hostile, Misbehaviour, bundles, bytes};
use crate::fhir::json::{self, Style};
use crate::fhir::message::{Ask, Content, FHIR_JSON, Reply};
use crate::fhir::store::{Store, patient_of, split_reference};
use crate::fhir::wire::{Framing, Wire};

/// An address behind the filter that must not come out.
pub(super) const INTERNAL: &str = "http://fhir-7.internal.example:8080/fhir";

/// The misbehaviour for a request: what a test set for all comes first, then what the request names,
/// then the server's default.
pub(in crate::fhir) fn choose(
    set: Option<Misbehaviour>,
    hostile: Option<Hostile>,
    ask: &Ask,
) -> Option<Misbehaviour> {
    let named = || {
        let query = ask
            .query
            .iter()
            .find(|(name, _)| name == "x-hostile")
            .map(|(_, value)| value.clone());
        query.or_else(|| ask.header("x-hostile"))?.parse().ok()
    };
    match (set, hostile) {
        (Some(set), _) => Some(set),
        (None, None) => None,
        (None, Some(Hostile::OnRequest)) => named(),
        (None, Some(Hostile::Always(default))) => named().or(Some(default)),
    }
}

/// The spoilt answer.
pub(in crate::fhir) fn apply(
    kind: Misbehaviour,
    store: &mut Store,
    ask: &Ask,
    honest: Reply,
) -> Wire {
    let asked = asked(ask, &honest);
    let foreign = Foreign::of(store, &asked);
    let mut style = Style::default();
    let mut reply = bundles::apply(kind, store, ask, honest, &foreign);
    let name = &foreign.name;
    match kind {
        Misbehaviour::EntryFirst => style.entry_first = true,
        Misbehaviour::NoResourceType => style.no_resource_type = true,
        Misbehaviour::EscapedKeys => style.escaped_keys = true,
        Misbehaviour::DuplicateKeys => style.second_subject = Some(foreign.id.clone()),
        Misbehaviour::NotJson => {
            reply.content =
                Content::Raw(format!("patient {name}, {}: all fine", foreign.id).into_bytes())
        }
        Misbehaviour::Html200 => {
            let page = format!("<!DOCTYPE html><html><body><h1>{name}</h1></body></html>");
            reply = Reply::raw(200, "text/html; charset=utf-8", page.into_bytes());
        }
        Misbehaviour::Xml => {
            let xml = format!(
                "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"{}\"/><name><text value=\"{name}\"/></name></Patient>",
                foreign.id
            );
            reply = Reply::raw(200, "application/fhir+xml;charset=utf-8", xml.into_bytes());
        }
        Misbehaviour::Empty200 => {
            reply = Reply::empty(200).with("content-type", FHIR_JSON);
        }
        Misbehaviour::Status500 => {
            let diagnostics = format!(
                "NullPointerException while rendering Patient/{} {name}, {}",
                foreign.id, foreign.patient
            );
            reply = Reply::outcome(500, "exception", diagnostics);
        }
        Misbehaviour::Redirect302 => {
            reply.status = 302;
            reply.set("location", format!("{INTERNAL}/Patient/{}", foreign.id));
        }
        Misbehaviour::Status206 => {
            reply.status = 206;
            reply.set("content-range", "bytes 0-99/100");
        }
        Misbehaviour::Status304 => reply = Reply::empty(304).with("etag", "W/\"1\""),
        Misbehaviour::Status204 => reply = Reply::empty(204),
        Misbehaviour::HeaderFlood => {
            for index in 0..80 {
                reply.headers.push((
                    format!("x-flood-{index}"),
                    format!("{name} ")
                        .repeat(3)
                        .replace(|letter: char| !letter.is_ascii(), "?")
                        .trim()
                        .to_owned(),
                ));
            }
        }
        Misbehaviour::LeakyLinks => {
            let url = format!("{INTERNAL}/Patient/{}", foreign.id);
            reply.set("link", format!("<{url}>; rel=\"next\""));
            reply.set("location", url.clone());
            reply.set("content-location", url);
        }
        _ => {}
    }
    let body = match &reply.content {
        Content::Empty => Vec::new(),
        Content::Resource(resource) => json::write(resource, &style),
        Content::Raw(bytes) => bytes.clone(),
    };
    let body = bytes::apply(kind, &mut reply, body, &foreign);
    framed(kind, reply, body, &foreign)
}

/// The patient whose data must not appear.
pub(super) struct Foreign {
    /// Logical id.
    pub id: String,
    /// Name, as text.
    pub name: String,
    /// The Patient.
    pub patient: Value,
    /// An Observation (or whatever there is) of theirs.
    pub resource: Value,
}

impl Foreign {
    fn of(store: &Store, asked: &str) -> Self {
        let id = store.other_patient(asked).unwrap_or_else(|| "p2".into());
        let patient = store
            .resource("Patient", &id)
            .cloned()
            .unwrap_or_else(|| json!({"resourceType": "Patient", "id": id}));
        let all = store.of_patient(&id);
        let observation = all
            .iter()
            .find(|resource| resource["resourceType"] == "Observation");
        let invented = json!({
            "resourceType": "Observation", "id": "foreign", "status": "final", "code": {"text": "foreign"},
            "subject": {"reference": format!("Patient/{id}")}
        });
        let resource = observation.map_or(invented, |resource| (*resource).clone());
        let name = patient["name"][0]["text"]
            .as_str()
            .or(patient["name"][0]["family"].as_str())
            .unwrap_or("Nomen Nescio")
            .to_owned();
        Self {
            id,
            name,
            patient,
            resource,
        }
    }
}

/// The patient the exchange is about: in the answer, else in the path, else in the query.
fn asked(ask: &Ask, honest: &Reply) -> String {
    let in_answer = honest.value().and_then(|value| {
        patient_of(value).or_else(|| patient_of(value.pointer("/entry/0/resource")?))
    });
    let in_path = || {
        let mut segments = ask
            .path
            .split('/')
            .skip_while(|segment| *segment != "Patient");
        segments.nth(1).map(str::to_owned)
    };
    let in_query = || {
        let (_, value) = ask
            .query
            .iter()
            .find(|(name, _)| ["patient", "subject", "_id"].contains(&name.as_str()))?;
        Some(
            split_reference(value)
                .map_or(value.as_str(), |(_, id)| id)
                .to_owned(),
        )
    };
    in_answer
        .or_else(in_path)
        .or_else(in_query)
        .unwrap_or_else(|| "p1".into())
}

fn framed(kind: Misbehaviour, reply: Reply, body: Vec<u8>, foreign: &Foreign) -> Wire {
    let length = body.len();
    let mut wire = Wire::new(reply.status, reply.headers, body);
    match kind {
        Misbehaviour::Chunked => wire.chop(1),
        Misbehaviour::SlowChunks => {
            wire.chop(length.div_ceil(8).max(1));
            wire.pause = Duration::from_millis(150);
        }
        Misbehaviour::Trailers => {
            wire.chop(length.div_ceil(2).max(1));
            wire.trailers = vec![("x-trailer".into(), format!("Patient/{}", foreign.id))];
            wire.headers.push(("trailer".into(), "x-trailer".into()));
        }
        Misbehaviour::ContentLengthTooLong => wire.framing = Framing::Claimed(length as u64 + 1000),
        Misbehaviour::Cut => {
            wire.framing = Framing::Claimed(length as u64);
            wire.cut(length / 2);
        }
        Misbehaviour::Big20Mb
        | Misbehaviour::BigResource9Mb
        | Misbehaviour::ManySmall
        | Misbehaviour::NoContentLength => wire.chop(64 * 1024),
        _ => {}
    }
    wire
}

/// gzip of a body.
pub(in crate::fhir) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to a Vec does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
