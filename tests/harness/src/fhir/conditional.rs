//! Conditional create, update, patch and delete: writes of what a search finds.

use super::message::{Ask, Reply};
use super::search::Search;
use super::store::Store;
use super::{message, write};

/// Carries out a write on the type, by its search; `None` where it has none.
pub fn run(store: &mut Store, ask: &Ask, kind: &str, base: &str) -> Option<Reply> {
    let search = match ask.method.as_str() {
        "POST" => message::pairs(ask.header("if-none-exist")?.as_bytes()),
        "PUT" | "PATCH" | "DELETE" if !ask.query.is_empty() => ask.query.clone(),
        _ => return None,
    };
    let found = match ids(store, kind, &search, base) {
        Ok(found) => found,
        Err(refusal) => return Some(refusal),
    };
    let several = || {
        let diagnostics = format!("{kind} has more than one match: {found:?}");
        Reply::outcome(412, "multiple-matches", diagnostics)
    };
    let absent = || Reply::outcome(404, "not-found", format!("no {kind} matches"));
    Some(match (ask.method.as_str(), found.as_slice()) {
        (_, [_, _, ..]) => several(),
        ("POST" | "PUT", []) => write::create(store, ask, kind, base),
        ("POST", [id]) => match store.current(kind, id) {
            Some(version) => {
                let location = format!("{base}/{kind}/{id}/_history/{}", version.number);
                write::answer(ask, 200, version).with("location", location)
            }
            None => absent(),
        },
        ("PUT", [id]) => write::update(store, &with_id(ask, id), kind, id, base),
        ("PATCH", [id]) => write::patch(store, ask, kind, id),
        ("DELETE", [id]) => write::delete(store, ask, kind, id),
        _ => absent(),
    })
}

/// The ids of what a search finds.
fn ids(
    store: &Store,
    kind: &str,
    parameters: &[(String, String)],
    base: &str,
) -> Result<Vec<String>, Reply> {
    let found = Search {
        types: vec![kind.to_owned()],
        parameters,
        strict: true,
        compartment: None,
        url: format!("{base}/{kind}"),
        base,
    }
    .run(store);
    let Some(bundle) = found.value().filter(|_| found.status == 200) else {
        return Err(found);
    };
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let id = |entry: &serde_json::Value| Some(entry["resource"]["id"].as_str()?.to_owned());
    Ok(entries.filter_map(id).collect())
}

/// The same with this id in the resource, where it has none.
fn with_id(ask: &Ask, id: &str) -> Ask {
    let mut ask = ask.clone();
    if let Ok(mut resource) = serde_json::from_slice::<serde_json::Value>(&ask.body)
        && resource.is_object()
        && resource.get("id").is_none()
    {
        resource["id"] = id.into();
        ask.body = resource.to_string().into();
    }
    ask
}
