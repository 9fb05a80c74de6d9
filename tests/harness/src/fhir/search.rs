//! Searches, compartments, `$everything` and histories: everything that answers with a page of a Bundle.

use serde_json::{Value, json};

use super::beyond;
use super::message::Reply;
use super::parameter::{Criterion, references};
use super::store::{Store, Version, text};

/// Entries on a page unless `_count` says otherwise.
const PAGE: usize = 50;
/// Most entries on a page.
const LONGEST_PAGE: usize = 1000;
/// Parameters about the result rather than about resources.
const RESULT: [&str; 13] = [
    "_include",
    "_include:iterate",
    "_revinclude",
    "_revinclude:iterate",
    "_count",
    "_offset",
    "_format",
    "_pretty",
    "_summary",
    "_total",
    "_type",
    "_elements",
    "x-hostile",
];

/// What the name of a search by what others say begins with.
const HAS: &str = "_has:";

/// A search that was understood.
pub struct Search<'a> {
    /// Types searched.
    pub types: Vec<String>,
    /// All parameters, decoded, in order.
    pub parameters: &'a [(String, String)],
    /// `Prefer: handling=strict`: parameters that are not known are an error.
    pub strict: bool,
    /// Only resources about this Patient, or that name this Practitioner: type and id (compartment search).
    pub compartment: Option<(&'a str, &'a str)>,
    /// URL of the search without query.
    pub url: String,
    /// Base URL, for `fullUrl`.
    pub base: &'a str,
}

impl Search<'_> {
    /// The searchset, or the refusal.
    pub fn run(&self, store: &Store) -> Reply {
        match self.bundle(store) {
            Ok(bundle) => Reply::resource(200, bundle),
            Err(diagnostics) => Reply::outcome(400, "invalid", diagnostics),
        }
    }

    fn bundle(&self, store: &Store) -> Result<Value, String> {
        let mut understood = Vec::new();
        let mut matches: Vec<&Value> = Vec::new();
        for kind in &self.types {
            let criteria = self.criteria(kind, &mut understood)?;
            let belongs = |resource: &&Value| {
                self.compartment.is_none_or(|(owner, id)| match owner {
                    "Patient" => super::store::patient_of(resource).as_deref() == Some(id),
                    _ => references(resource, "*")
                        .is_some_and(|all| all.contains(&format!("{owner}/{id}"))),
                })
            };
            let all = store.of_type(kind).filter(belongs);
            let fits = |resource: &&Value| criteria.iter().all(|own| own.matches(resource));
            for resource in all.filter(fits) {
                if self.has(store, resource)? {
                    matches.push(resource);
                }
            }
        }
        let page = Page::of(self.parameters)?;
        let shown: Vec<&Value> = matches
            .iter()
            .skip(page.offset)
            .take(page.count)
            .copied()
            .collect();
        let mut entries: Vec<Value> = shown
            .iter()
            .map(|resource| entry(self.base, resource, "match", self.parameters))
            .collect();
        for resource in beyond::included(store, self.parameters, &shown)? {
            entries.push(entry(self.base, resource, "include", &[]));
        }
        let understood: Vec<(String, String)> = self
            .parameters
            .iter()
            .filter(|(name, _)| RESULT.contains(&name.as_str()) || understood.contains(name))
            .cloned()
            .collect();
        Ok(page.bundle("searchset", &self.url, &understood, matches.len(), entries))
    }

    /// Whether others refer to this resource as every `_has` says.
    fn has(&self, store: &Store, resource: &Value) -> Result<bool, String> {
        for (name, value) in self.parameters {
            if let Some(path) = name.strip_prefix(HAS)
                && !beyond::has(store, path, value, resource)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn criteria(&self, kind: &str, understood: &mut Vec<String>) -> Result<Vec<Criterion>, String> {
        let mut criteria = Vec::new();
        for (name, value) in self
            .parameters
            .iter()
            .filter(|(name, _)| !RESULT.contains(&name.as_str()))
        {
            if name.starts_with(HAS) {
                understood.push(name.clone());
                continue;
            }
            match Criterion::parse(kind, name, value) {
                Some(criterion) => {
                    criteria.push(criterion?);
                    understood.push(name.clone());
                }
                None if self.strict => {
                    return Err(format!(
                        "unknown search parameter {name:?} for type {kind}, value was {value:?}"
                    ));
                }
                None => {}
            }
        }
        Ok(criteria)
    }
}

/// `Patient/$everything` for these patients: them, what is about them, and whom and where that refers to.
pub fn everything(
    store: &Store,
    patients: &[String],
    url: &str,
    base: &str,
    parameters: &[(String, String)],
) -> Reply {
    let mut found: Vec<&Value> = Vec::new();
    for patient in patients {
        found.extend(store.resource("Patient", patient));
        found.extend(
            store
                .of_patient(patient)
                .into_iter()
                .filter(|resource| resource["resourceType"] != "Patient"),
        );
    }
    let all: Vec<String> = found
        .iter()
        .flat_map(|resource| references(resource, "*").unwrap_or_default())
        .collect();
    let mut around: Vec<&Value> = Vec::new();
    for target in all.iter().filter_map(|reference| store.resolve(reference)) {
        let is_place = ["Practitioner", "Organization", "Location"]
            .iter()
            .any(|kind| target["resourceType"] == *kind);
        if is_place && !around.iter().any(|known| std::ptr::eq(*known, target)) {
            around.push(target);
        }
    }
    found.extend(around);
    let page = match Page::of(parameters) {
        Ok(page) => page,
        Err(error) => return Reply::outcome(400, "invalid", error),
    };
    let entries = found
        .iter()
        .skip(page.offset)
        .take(page.count)
        .map(|resource| entry(base, resource, "match", &[]));
    Reply::resource(
        200,
        page.bundle("searchset", url, parameters, found.len(), entries.collect()),
    )
}

/// A history Bundle, newest first; `versions` is type, id and version.
pub fn history(
    mut versions: Vec<(&str, &str, &Version)>,
    url: &str,
    base: &str,
    parameters: &[(String, String)],
) -> Reply {
    versions.sort_by(|left, right| {
        (&right.2.last_updated, right.2.number).cmp(&(&left.2.last_updated, left.2.number))
    });
    let page = match Page::of(parameters) {
        Ok(page) => page,
        Err(error) => return Reply::outcome(400, "invalid", error),
    };
    let entries = versions.iter().skip(page.offset).take(page.count).map(|(kind, id, version)| {
        let mut entry = json!({
            "fullUrl": format!("{base}/{kind}/{id}"),
            "request": {"method": version.method, "url": format!("{kind}/{id}")},
            "response": {
                "status": if version.resource.is_none() { "204" } else if version.number == 1 { "201" } else { "200" },
                "etag": format!("W/\"{}\"", version.number),
                "lastModified": version.last_updated
            }
        });
        if let Some(resource) = &version.resource {
            entry["resource"] = resource.clone();
        }
        entry
    });
    Reply::resource(
        200,
        page.bundle(
            "history",
            url,
            parameters,
            versions.len(),
            entries.collect(),
        ),
    )
}

/// A searchset entry; `_elements` of the parameters cuts the resource down.
pub fn entry(base: &str, resource: &Value, mode: &str, parameters: &[(String, String)]) -> Value {
    let kind = text(resource, "resourceType").unwrap_or_default();
    let id = text(resource, "id").unwrap_or_default();
    json!({
        "fullUrl": format!("{base}/{kind}/{id}"),
        "resource": elements(resource, parameters),
        "search": {"mode": mode}
    })
}

/// The resource with only the elements of `_elements` (top level) and the tag SUBSETTED.
pub fn elements(resource: &Value, parameters: &[(String, String)]) -> Value {
    let Some((_, wanted)) = parameters.iter().find(|(name, _)| name == "_elements") else {
        return resource.clone();
    };
    let always = [
        "resourceType",
        "id",
        "meta",
        "status",
        "code",
        "subject",
        "patient",
        "intent",
    ];
    // Of a choice the name without its type means all of them.
    let is = |name: &str, element: &str| {
        let rest = name.strip_prefix(element);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_uppercase))
    };
    let keep =
        |name: &str| always.contains(&name) || wanted.split(',').any(|element| is(name, element));
    let mut subset = resource.clone();
    if let Some(members) = subset.as_object_mut() {
        members.retain(|name, _| keep(name));
    }
    let tag = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"});
    subset["meta"]["tag"] = json!([tag]);
    subset
}

struct Page {
    count: usize,
    offset: usize,
    count_only: bool,
}

impl Page {
    fn of(parameters: &[(String, String)]) -> Result<Self, String> {
        let number =
            |wanted: &str, default: usize| match parameters.iter().find(|(name, _)| name == wanted)
            {
                None => Ok(default),
                Some((_, value)) => value
                    .parse::<usize>()
                    .map_err(|_| format!("{wanted}={value}: not a number from 0 up")),
            };
        let summary = parameters
            .iter()
            .any(|(name, value)| name == "_summary" && value == "count");
        let count = number("_count", PAGE)?.min(LONGEST_PAGE);
        let count_only = summary || count == 0;
        Ok(Self {
            count: if count_only { 0 } else { count },
            offset: number("_offset", 0)?,
            count_only,
        })
    }

    fn bundle(
        &self,
        kind: &str,
        url: &str,
        parameters: &[(String, String)],
        total: usize,
        entries: Vec<Value>,
    ) -> Value {
        let mut links = vec![link("self", url, parameters)];
        if !self.count_only {
            let mut paging = |relation: &str, offset: usize| {
                let mut other: Vec<(String, String)> = parameters
                    .iter()
                    .filter(|(name, _)| name != "_offset" && name != "_count")
                    .cloned()
                    .collect();
                other.push(("_count".into(), self.count.to_string()));
                other.push(("_offset".into(), offset.to_string()));
                links.push(link(relation, url, &other));
            };
            if self.offset.saturating_add(self.count) < total {
                paging("next", self.offset.saturating_add(self.count));
            }
            if self.offset > 0 {
                paging("previous", self.offset.saturating_sub(self.count));
            }
        }
        let mut bundle = json!({
            "resourceType": "Bundle",
            "id": "page",
            "meta": {"lastUpdated": super::date::instant(0)},
            "type": kind,
            "total": total,
            "link": links
        });
        // An empty array is not FHIR JSON.
        if !entries.is_empty() {
            bundle["entry"] = Value::Array(entries);
        }
        bundle
    }
}

/// A Bundle link.
pub fn link(relation: &str, url: &str, parameters: &[(String, String)]) -> Value {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let separator = if query.is_empty() { "" } else { "?" };
    json!({"relation": relation, "url": format!("{url}{separator}{query}")})
}
