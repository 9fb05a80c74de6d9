//! Misbehaviour in what the answer holds: other patients' resources in every place there is.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::Misbehaviour;
use super::select::{Foreign, INTERNAL};
use crate::fhir::message::{Ask, Content, Reply, pairs};
use crate::fhir::route;
use crate::fhir::store::{Store, patient_of};

/// Entries of `many-small`.
const MANY: usize = 20_000;
/// Nesting of `deep`: every extension is an array and an object.
const DEEP: usize = 2_500;
const MB: usize = 1024 * 1024;

/// The reply with its resources changed; misbehaviours about something else leave it.
pub fn apply(
    kind: Misbehaviour,
    store: &mut Store,
    ask: &Ask,
    honest: Reply,
    foreign: &Foreign,
) -> Reply {
    match kind {
        Misbehaviour::IgnoreFilters => unfiltered(store, ask).unwrap_or(honest),
        Misbehaviour::LieSelf => match unfiltered(store, ask) {
            Some(all) => with(all, |all| {
                let links = honest.value().and_then(|value| value.get("link")).cloned();
                if let Some(links) = links {
                    all["link"] = links;
                }
            }),
            None => honest,
        },
        Misbehaviour::ForeignInclude => with(honest, |value| {
            if is_bundle(value) {
                let base = route::base(ask);
                let all = [
                    (&foreign.patient, "include"),
                    (&foreign.resource, "include"),
                    (&foreign.resource, "match"),
                ];
                for (resource, mode) in all {
                    add(
                        value,
                        crate::fhir::search::entry(&base, resource, mode, &[]),
                    );
                }
            }
        }),
        Misbehaviour::ForeignContained => with(honest, |value| {
            each(value, &mut |resource| {
                let mut patient = foreign.patient.clone();
                patient["id"] = json!("foreign-patient");
                let mut observation = foreign.resource.clone();
                observation["id"] = json!("foreign-resource");
                resource["contained"] = json!([patient, observation]);
            });
        }),
        Misbehaviour::WrongId => with(honest, |value| {
            each(value, &mut |resource| {
                let kind = resource["resourceType"].clone();
                let theirs = store
                    .of_patient(&foreign.id)
                    .into_iter()
                    .find(|other| other["resourceType"] == kind)
                    .cloned();
                *resource = theirs.unwrap_or_else(|| foreign.patient.clone());
            });
        }),
        Misbehaviour::WrongType => with(honest, |value| {
            each(value, &mut |resource| {
                let is_patient = resource["resourceType"] == "Patient";
                *resource = if is_patient {
                    foreign.resource.clone()
                } else {
                    foreign.patient.clone()
                };
            });
        }),
        Misbehaviour::NestedBundle => with(honest, |value| {
            let nested = json!({"resource": {
                "resourceType": "Bundle", "id": "nested", "type": "collection",
                "entry": [{"resource": foreign.resource}, {"resource": foreign.patient}]
            }});
            if !is_bundle(value) {
                *value = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": value.take()}]});
            }
            add(value, nested);
        }),
        Misbehaviour::Parameters => with(honest, |value| {
            *value = json!({"resourceType": "Parameters", "parameter": [
                {"name": "return", "resource": value.take()},
                {"name": "more", "part": [{"name": "patient", "resource": foreign.patient}]}
            ]});
        }),
        Misbehaviour::LeakyLinks => with(honest, |value| {
            if is_bundle(value) {
                let url = format!("{INTERNAL}/Observation?patient={}&_offset=50", foreign.id);
                value["link"] =
                    json!([{"relation": "self", "url": url}, {"relation": "next", "url": url}]);
                each_entry(value, &mut |entry| {
                    entry["fullUrl"] = json!(format!("{INTERNAL}/Observation/o-{}-1", foreign.id));
                    entry["link"] = json!([{"relation": "alternate", "url": url}]);
                });
            }
        }),
        Misbehaviour::OpaquePages => with(honest, |value| {
            let bundle = is_bundle(value);
            let links = value.get_mut("link").filter(|_| bundle);
            for link in links.and_then(Value::as_array_mut).into_iter().flatten() {
                if link["relation"] != "self" {
                    link["url"] = json!(opaque(link["url"].as_str().unwrap_or_default()));
                }
            }
        }),
        Misbehaviour::Deep => deep(honest),
        Misbehaviour::Big20Mb => many(honest, 20 * MB / 4096 + 1, 4096),
        Misbehaviour::ManySmall => many(honest, MANY, 0),
        Misbehaviour::BigResource9Mb => with(honest, |value| {
            let mut first = true;
            each(value, &mut |resource| {
                if std::mem::take(&mut first) {
                    resource["text"] = json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "x".repeat(9 * MB))});
                }
            });
        }),
        _ => honest,
    }
}

/// The search without its filters; None if the request is no search.
fn unfiltered(store: &mut Store, ask: &Ask) -> Option<Reply> {
    let keep = |pairs: &[(String, String)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .filter(|(name, _)| {
                ["_count", "_offset", "_include", "_revinclude"].contains(&name.as_str())
            })
            .cloned()
            .collect()
    };
    let segments: Vec<&str> = ask
        .path
        .strip_prefix(route::BASE)?
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let path = match (ask.method.as_str(), segments.as_slice()) {
        ("GET" | "HEAD", [kind]) | ("POST", [kind, "_search"])
            if kind.starts_with(|first: char| first.is_ascii_uppercase()) =>
        {
            (*kind).to_owned()
        }
        ("GET" | "HEAD", ["Patient", _, "$everything"]) => "Patient/$everything".to_owned(),
        ("GET" | "HEAD", ["Patient", _, kind]) if !kind.starts_with('_') => (*kind).to_owned(),
        _ => return None,
    };
    let mut query = keep(&ask.query);
    query.extend(keep(&pairs(&ask.body)));
    let open = Ask {
        method: "GET".into(),
        path: format!("{}/{path}", route::BASE),
        query,
        headers: ask.headers.clone(),
        body: Bytes::new(),
    };
    Some(route::answer(store, &open))
}

fn with(mut reply: Reply, change: impl FnOnce(&mut Value)) -> Reply {
    if let Content::Resource(value) = &mut reply.content {
        change(value);
    }
    reply
}

fn is_bundle(value: &Value) -> bool {
    value["resourceType"] == "Bundle"
}

fn add(bundle: &mut Value, entry: Value) {
    match bundle["entry"].as_array_mut() {
        Some(entries) => entries.push(entry),
        None => bundle["entry"] = json!([entry]),
    }
}

fn each_entry(bundle: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    for entry in bundle
        .get_mut("entry")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        change(entry);
    }
}

/// Every resource of a Bundle, or the resource itself.
fn each(value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    if !is_bundle(value) {
        change(value);
        return;
    }
    each_entry(value, &mut |entry| {
        if let Some(resource) = entry.get_mut("resource") {
            change(resource);
        }
    });
}

/// Written as text: a value this deep would have to be built and dropped by recursion.
/// A link that only this server understands: `route` does.
fn opaque(url: &str) -> String {
    let (base, page) = url.split_once("/fhir/").unwrap_or((url, ""));
    let page: String = page.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{base}/fhir?_getpages={page}&_bundletype=searchset")
}

fn deep(honest: Reply) -> Reply {
    let Some(value) = honest.value() else {
        return honest;
    };
    let patient = subject(value);
    let mut text = format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"deep\",\"status\":\"final\",\"code\":{{\"text\":\"deep\"}},\"subject\":{{\"reference\":\"Patient/{patient}\"}}"
    );
    for _ in 0..DEEP {
        text.push_str(",\"extension\":[{\"url\":\"http://example.org/deep\"");
    }
    text.push_str(&"}]".repeat(DEEP));
    text.push('}');
    if is_bundle(value) {
        text = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":1,\"entry\":[{{\"resource\":{text}}}]}}"
        );
    }
    Reply {
        content: Content::Raw(text.into_bytes()),
        ..honest
    }
}

/// A searchset of `entries` small Observations of the patient asked for, each padded; written as text for speed.
fn many(honest: Reply, entries: usize, padding: usize) -> Reply {
    let patient = honest.value().map_or_else(|| "p1".into(), subject);
    let padding = "x".repeat(padding);
    let mut text = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{entries},\"entry\":["
    );
    for index in 0..entries {
        let comma = if index == 0 { "" } else { "," };
        text.push_str(&format!(
            "{comma}{{\"resource\":{{\"resourceType\":\"Observation\",\"id\":\"many-{index}\",\"status\":\"final\",\"code\":{{\"text\":\"many\"}},\"subject\":{{\"reference\":\"Patient/{patient}\"}},\"valueString\":\"v{padding}\"}},\"search\":{{\"mode\":\"match\"}}}}"
        ));
    }
    text.push_str("]}");
    Reply {
        content: Content::Raw(text.into_bytes()),
        ..honest
    }
}

fn subject(value: &Value) -> String {
    patient_of(value)
        .or_else(|| patient_of(value.pointer("/entry/0/resource")?))
        .unwrap_or_else(|| "p1".into())
}
