//! From path and method to the interaction (FHIR R4, "RESTful API").

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::message::{Ask, Content, Reply, pairs};
use super::search::{self, Search};
use super::store::{Store, Version};
use super::{batch, capability, conditional, export, write};

/// The path under which everything lies.
pub const BASE: &str = "/fhir";

/// Carries the request out against the store.
pub fn answer(store: &mut Store, ask: &Ask) -> Reply {
    let accept = ask.header("accept").unwrap_or_default();
    if accept.contains("xml") && !accept.contains("json") && !accept.contains("*/*") {
        return Reply::outcome(
            406,
            "not-supported",
            format!("this server writes JSON only, accept was {accept:?}"),
        );
    }
    let Some(rest) = ask.path.strip_prefix(BASE) else {
        return Reply::outcome(
            404,
            "not-found",
            format!("no handler for {}, the base is {BASE}", ask.path),
        );
    };
    let segments: Vec<String> = rest
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let Some(page) = page(ask) {
        return answer(store, &page);
    }
    let base = base(ask);
    let method = if ask.method == "HEAD" {
        "GET"
    } else {
        ask.method.as_str()
    };
    if let Some(reply) = export::answer(store, ask, &segments, &base) {
        return reply;
    }
    match (method, segments.as_slice()) {
        ("GET", ["metadata"]) => Reply::resource(200, capability::statement(store, &base)),
        ("GET", [".well-known", "smart-configuration"]) => capability::smart(&base),
        ("POST", []) => batch::run(store, ask),
        ("GET", []) => find(store, ask, ask.query.clone(), None, &base, ""),
        ("POST", ["_search"]) => find(store, ask, form(ask), None, &base, ""),
        ("GET", ["_history"]) => {
            let all = || store.types().map(str::to_owned).collect();
            let kinds = listed(&ask.query).unwrap_or_else(all);
            histories(store, &kinds, &base, ask)
        }
        (_, [kind, ..]) if !capability::TYPES.contains(kind) => Reply::outcome(
            404,
            "not-supported",
            format!("unknown resource type {kind:?} in {}", ask.path),
        ),
        ("GET", [kind]) => find(store, ask, ask.query.clone(), Some(kind), &base, kind),
        ("POST", [kind, "_search"]) => find(store, ask, form(ask), Some(kind), &base, kind),
        ("POST", [kind]) => conditional::run(store, ask, kind, &base)
            .unwrap_or_else(|| write::create(store, ask, kind, &base)),
        ("GET", [kind, "_history"]) => histories(store, &[(*kind).to_owned()], &base, ask),
        ("GET" | "POST", ["Patient", "$everything"]) => {
            let patients: Vec<String> = store.ids("Patient").map(|(id, _)| id.to_owned()).collect();
            search::everything(
                store,
                &patients,
                &format!("{base}/Patient/$everything"),
                &base,
                &ask.query,
            )
        }
        ("GET" | "POST", ["Patient", id, "$everything"]) => match store.resource("Patient", id) {
            Some(_) => search::everything(
                store,
                &[(*id).to_owned()],
                &format!("{base}/Patient/{id}/$everything"),
                &base,
                &ask.query,
            ),
            None => absent(store, "Patient", id),
        },
        ("GET", [kind, id]) => read(store, ask, kind, id),
        ("GET", [kind, id, "_history"]) => match store.versions(kind, id) {
            [] => absent(store, kind, id),
            versions => {
                let all = versions
                    .iter()
                    .map(|version| (*kind, *id, version))
                    .collect();
                search::history(
                    all,
                    &format!("{base}/{kind}/{id}/_history"),
                    &base,
                    &ask.query,
                )
            }
        },
        ("GET", [kind, id, "_history", number]) => vread(store, kind, id, number),
        ("GET", [owner @ ("Patient" | "Practitioner"), id, kind])
            if *kind == "*" || capability::TYPES.contains(kind) =>
        {
            compartment(store, ask, ask.query.clone(), (owner, id), kind, &base)
        }
        ("POST", [owner @ ("Patient" | "Practitioner"), id, "_search"]) => {
            compartment(store, ask, form(ask), (owner, id), "*", &base)
        }
        ("POST", [owner @ ("Patient" | "Practitioner"), id, kind, "_search"]) => {
            compartment(store, ask, form(ask), (owner, id), kind, &base)
        }
        ("PUT", [kind, id]) => write::update(store, ask, kind, id, &base),
        ("PATCH", [kind, id]) => write::patch(store, ask, kind, id),
        ("DELETE", [kind, id]) => write::delete(store, ask, kind, id),
        ("PUT" | "PATCH" | "DELETE", [kind]) if !ask.query.is_empty() => {
            conditional::run(store, ask, kind, &base).unwrap_or_else(|| Reply::empty(405))
        }
        ("GET" | "POST", _) => Reply::outcome(
            404,
            "not-found",
            format!("no handler for {method} {}", ask.path),
        ),
        _ => Reply::outcome(
            405,
            "not-supported",
            format!("{method} is not supported on {}", ask.path),
        ),
    }
}

/// The base URL as the caller knows it: the scheme and authority it asked for, as servers behind a proxy do.
pub fn base(ask: &Ask) -> String {
    let scheme = ask
        .header("x-forwarded-proto")
        .unwrap_or_else(|| "http".into());
    let host = ask
        .header("host")
        .unwrap_or_else(|| "fhir.internal.example".into());
    format!("{scheme}://{host}{BASE}")
}

/// A reply with a version of a resource, its ETag and Last-Modified.
pub fn versioned(status: u16, version: &Version, resource: Value) -> Reply {
    let reply = Reply::resource(status, resource).with("etag", format!("W/\"{}\"", version.number));
    match super::date::http_date(&version.last_updated) {
        Some(date) => reply.with("last-modified", date),
        None => reply,
    }
}

/// 404 for what never was, 410 for what was deleted.
pub fn absent(store: &Store, kind: &str, id: &str) -> Reply {
    match store.versions(kind, id) {
        [] => Reply::outcome(
            404,
            "not-found",
            format!(
                "no row in table {} of db-1.internal for {kind}/{id}",
                kind.to_lowercase()
            ),
        ),
        [.., last] => {
            let before = store
                .versions(kind, id)
                .iter()
                .rev()
                .find_map(|version| version.resource.as_ref());
            let who = before.map(describe).unwrap_or_default();
            Reply::outcome(
                410,
                "deleted",
                format!("{kind}/{id}{who} was deleted at {}", last.last_updated),
            )
            .with("etag", format!("W/\"{}\"", last.number))
        }
    }
}

/// What talkative diagnostics say about a resource: whose it is.
pub fn describe(resource: &Value) -> String {
    let whose = ["subject", "patient", "beneficiary"]
        .iter()
        .find_map(|name| resource[*name]["display"].as_str());
    match whose.or(resource["name"][0]["text"].as_str()) {
        Some(name) => format!(" of {name}"),
        None => String::new(),
    }
}

fn read(store: &Store, ask: &Ask, kind: &str, id: &str) -> Reply {
    let Some((version, resource)) = store
        .current(kind, id)
        .and_then(|version| Some((version, version.resource.as_ref()?)))
    else {
        return absent(store, kind, id);
    };
    let etag = format!("W/\"{}\"", version.number);
    if ask
        .header("if-none-match")
        .is_some_and(|wanted| wanted == etag)
    {
        return Reply::empty(304).with("etag", etag);
    }
    let accept = ask.header("accept").unwrap_or_default();
    let wants_content =
        !accept.is_empty() && !["json", "*/*"].iter().any(|part| accept.contains(part));
    let mut reply = versioned(200, version, search::elements(resource, &ask.query));
    if kind == "Binary" && wants_content {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD
            .decode(resource["data"].as_str().unwrap_or_default());
        reply.set(
            "content-type",
            resource["contentType"]
                .as_str()
                .unwrap_or("application/octet-stream"),
        );
        reply.content = Content::Raw(data.unwrap_or_default());
    }
    reply
}

fn vread(store: &Store, kind: &str, id: &str, number: &str) -> Reply {
    match store
        .versions(kind, id)
        .iter()
        .find(|version| version.number.to_string() == number)
    {
        Some(version) => match &version.resource {
            Some(resource) => versioned(200, version, resource.clone()),
            None => Reply::outcome(
                410,
                "deleted",
                format!("version {number} of {kind}/{id} is its deletion"),
            ),
        },
        None if store.versions(kind, id).is_empty() => absent(store, kind, id),
        None => Reply::outcome(
            404,
            "not-found",
            format!("{kind}/{id} has no version {number:?}"),
        ),
    }
}

fn find(
    store: &Store,
    ask: &Ask,
    parameters: Vec<(String, String)>,
    kind: Option<&str>,
    base: &str,
    path: &str,
) -> Reply {
    let types = match (kind, listed(&parameters)) {
        (Some(kind), _) => vec![kind.to_owned()],
        (None, Some(listed)) => listed,
        (None, None) => store.types().map(str::to_owned).collect(),
    };
    let url = if path.is_empty() {
        base.to_owned()
    } else {
        format!("{base}/{path}")
    };
    let strict = ask.prefers("handling=strict");
    Search {
        types,
        parameters: &parameters,
        strict,
        compartment: None,
        url,
        base,
    }
    .run(store)
}

fn compartment(
    store: &Store,
    ask: &Ask,
    parameters: Vec<(String, String)>,
    (owner, id): (&str, &str),
    kind: &str,
    base: &str,
) -> Reply {
    let types = match kind {
        "*" => listed(&parameters).unwrap_or_else(|| store.types().map(str::to_owned).collect()),
        kind => vec![kind.to_owned()],
    };
    Search {
        types,
        parameters: &parameters,
        strict: ask.prefers("handling=strict"),
        compartment: Some((owner, id)),
        url: format!("{base}/{owner}/{id}/{kind}"),
        base,
    }
    .run(store)
}

/// The types of `_type`.
fn listed(parameters: &[(String, String)]) -> Option<Vec<String>> {
    let (_, value) = parameters.iter().find(|(name, _)| name == "_type")?;
    Some(value.split(',').map(str::to_owned).collect())
}

/// The parameters of POST `_search`: those of the query and those of the form.
/// What a link of the `opaque-pages` form leads to.
fn page(ask: &Ask) -> Option<Ask> {
    let (_, page) = ask.query.iter().find(|(name, _)| name == "_getpages")?;
    let digits = page.as_bytes().as_chunks::<2>().0;
    let byte = |digits: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let target: Option<Vec<u8>> = digits.iter().map(byte).collect();
    let target = String::from_utf8(target?).ok()?;
    let (path, query) = target.split_once('?')?;
    Some(Ask {
        path: format!("{BASE}/{path}"),
        query: pairs(query.as_bytes()),
        ..ask.clone()
    })
}

fn form(ask: &Ask) -> Vec<(String, String)> {
    let mut all = ask.query.clone();
    all.extend(pairs(&ask.body));
    all
}

fn histories(store: &Store, kinds: &[String], base: &str, ask: &Ask) -> Reply {
    let ids = kinds.iter().flat_map(|kind| {
        store
            .ids(kind)
            .map(move |(id, versions)| (kind.as_str(), id, versions))
    });
    let all = ids
        .flat_map(|(kind, id, versions)| versions.iter().map(move |version| (kind, id, version)))
        .collect();
    let path = if let [kind] = kinds {
        format!("/{kind}")
    } else {
        String::new()
    };
    search::history(all, &format!("{base}{path}/_history"), base, &ask.query)
}
