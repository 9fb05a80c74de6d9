//! A Bundle of requests: batch and transaction (<https://hl7.org/fhir/R4/http.html#transaction>).
//!
//! Each entry is read by the parser of single requests, as the head that it would be. What goes upstream
//! is a Bundle that is written anew: of each entry its canonical request, and the bytes of its resource.

use std::collections::{BTreeMap, BTreeSet};

use super::head::Method;
use super::labels::is_labelled;
use super::place::below_base;
use super::query;
use super::{FhirPolicy, Interaction, Provenance, Request, RequestHead};
use crate::denial::Denial;
use crate::fhir::{ResourceType, is_id};
use crate::json::{Kind, Node, escape_into};

/// Which Bundles of requests are taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BundlePolicy {
    /// Their types.
    pub kinds: Vec<BatchKind>,
    /// How many entries one may have, at most [`BundlePolicy::MOST`].
    pub entries: usize,
}

impl BundlePolicy {
    /// The most entries that an operator may choose: each leaves a line in the audit record.
    pub const MOST: usize = 200;
}

impl Default for BundlePolicy {
    /// None is taken.
    fn default() -> Self {
        BundlePolicy {
            kinds: Vec::new(),
            entries: 100,
        }
    }
}

/// How the entries of a Bundle are carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BatchKind {
    /// Each by itself.
    Batch,
    /// All of them, or none.
    Transaction,
}

impl BatchKind {
    /// `Bundle.type` of the request; the standard's code of the interaction, too.
    pub fn code(self) -> &'static str {
        match self {
            BatchKind::Batch => "batch",
            BatchKind::Transaction => "transaction",
        }
    }

    /// `Bundle.type` of the answer.
    pub fn response(self) -> &'static str {
        match self {
            BatchKind::Batch => "batch-response",
            BatchKind::Transaction => "transaction-response",
        }
    }
}

/// A Bundle of requests.
pub struct Batch<'d> {
    /// How it is carried out.
    pub kind: BatchKind,
    /// Its entries, at least one; those that are no request that is understood with the reason.
    pub entries: Vec<Result<BatchEntry<'d>, Denial>>,
    /// What references may lead to inside it.
    pub targets: Targets,
}

/// One request of a Bundle.
pub struct BatchEntry<'d> {
    /// What it asks for.
    pub request: Request,
    /// The resource, as it was written.
    pub resource: Option<&'d str>,
    method: Method,
    if_match: Option<String>,
    pub(super) urn: Option<String>,
}

/// The entries of a transaction that a reference in it may lead to, by the `urn:uuid:` of their
/// `fullUrl`; none in a batch, whose entries know nothing of each other.
#[derive(Clone, Debug, Default)]
pub struct Targets(BTreeMap<String, ResourceType>);

impl Targets {
    /// The type of the resource that this text leads to.
    pub fn get(&self, text: &str) -> Option<ResourceType> {
        self.0.get(text).copied()
    }
}

impl<'d> Batch<'d> {
    /// Whether the body of a request with this head is to be such a Bundle: `POST [base]`, where any is
    /// taken.
    ///
    /// # Errors
    /// There is more in the head than such a request has.
    pub fn is_asked(head: &RequestHead, policy: &FhirPolicy) -> Result<bool, Denial> {
        if head.method != Method::Post || policy.bundles.kinds.is_empty() {
            return Ok(false);
        }
        let (path, query) = head.path.split_once('?').unwrap_or((&head.path, ""));
        if !below_base(path, policy).is_ok_and(str::is_empty) {
            return Ok(false);
        }
        query::none(&query::decode(query)?)?;
        if head.conditional || head.if_match.is_some() || head.if_none_exist.is_some() {
            return Err(Denial::NotSupported("condition"));
        }
        Provenance::none(head, policy)?;
        head.check_type("application/fhir+json")?;
        Ok(true)
    }

    /// Reads a Bundle of requests. What is wrong with one entry is that entry's result.
    ///
    /// # Errors
    /// It is no Bundle of a type that is taken; it has no entries, or more than are taken; two of them
    /// have the same `fullUrl`; or it has something that would be lost.
    pub fn read(root: Node<'d>, policy: &FhirPolicy) -> Result<Self, Denial> {
        let wrong = |found: &'static str| Err(Denial::Body("bundle", found.into()));
        let is = |name, text: &str| root.get(name).is_some_and(|value| value.is_str(text));
        if !is("resourceType", "Bundle") {
            return wrong("the body is no Bundle");
        }
        let mut kinds = policy.bundles.kinds.iter();
        let Some(kind) = kinds.find(|kind| is("type", kind.code())) else {
            return Err(Denial::NotSupported("bundle-type"));
        };
        if !has_only(root, &MEMBERS) {
            return wrong("it has an element that no Bundle of requests needs");
        }
        if root.get("meta").is_some_and(is_labelled) {
            return Err(Denial::NotSupported("label"));
        }
        let entries = root
            .get("entry")
            .filter(|entry| entry.kind() == Kind::Array);
        let Some(entries) = entries.filter(|entries| entries.items().next().is_some()) else {
            return wrong("it has no entries");
        };
        if entries.items().count() > policy.bundles.entries {
            return wrong("it has more entries than are taken");
        }
        let mut seen = BTreeSet::new();
        let urls = entries
            .items()
            .filter_map(|entry| entry.get("fullUrl")?.str());
        for url in urls {
            // A uuid is the same in both cases.
            if !seen.insert(url.to_ascii_lowercase()) {
                return wrong("two entries have the same fullUrl");
            }
        }
        let targets = match kind {
            BatchKind::Batch => Targets::default(),
            BatchKind::Transaction => Targets(entries.items().filter_map(target).collect()),
        };
        let nodes = entries.items();
        let mut entries: Vec<_> = entries
            .items()
            .map(|entry| read(entry, &targets, policy))
            .collect();
        if *kind == BatchKind::Transaction {
            Provenance::note(&mut entries, nodes, policy);
        }
        Ok(Batch {
            kind: *kind,
            entries,
            targets,
        })
    }

    /// What a Bundle that goes upstream begins with; behind its entries, with commas between them, comes
    /// [`Batch::END`].
    pub fn begin(&self) -> String {
        let code = self.kind.code();
        format!(r#"{{"resourceType":"Bundle","type":"{code}","entry":["#)
    }

    /// What it ends with.
    pub const END: &'static str = "]}";
}

impl BatchEntry<'_> {
    /// Writes the entry anew, with the request that was permitted for it.
    pub fn write(&self, permitted: &Request, out: &mut String) {
        let interaction = &permitted.interaction;
        let mut text = |before: &str, value: &str| {
            out.push_str(before);
            escape_into(out, value);
            out.push('"');
        };
        match &self.urn {
            Some(urn) => {
                text(r#"{"fullUrl":""#, urn);
                text(r#","request":{"method":""#, self.method.canonical());
            }
            None => text(r#"{"request":{"method":""#, self.method.canonical()),
        }
        text(r#","url":""#, interaction.target().trim_start_matches('/'));
        let changes = interaction.change().is_some();
        if let Some(tag) = self.if_match.as_ref().filter(|_| changes) {
            text(r#","ifMatch":""#, tag);
        }
        if let Interaction::Conditional(conditional) = interaction
            && let Some(query) = conditional.if_none_exist()
        {
            text(r#","ifNoneExist":""#, &query);
        }
        out.push('}');
        if let Some(resource) = self.resource {
            out.push_str(r#","resource":"#);
            out.push_str(resource);
        }
        out.push('}');
    }
}

/// What a Bundle of requests may have. Only its type and its entries go on; the rest says nothing that
/// would be missed.
const MEMBERS: [&str; 10] = [
    "entry",
    "id",
    "identifier",
    "language",
    "link",
    "meta",
    "resourceType",
    "timestamp",
    "total",
    "type",
];

const ENTRY: [&str; 3] = ["fullUrl", "request", "resource"];

const REQUEST: [&str; 6] = [
    "ifMatch",
    "ifModifiedSince",
    "ifNoneExist",
    "ifNoneMatch",
    "method",
    "url",
];

fn has_only(object: Node<'_>, names: &[&str]) -> bool {
    object
        .members()
        .all(|member| names.contains(&member.name().as_ref()))
}

/// An entry that leaves a resource behind, by its `urn:uuid:`.
fn target(entry: Node<'_>) -> Option<(String, ResourceType)> {
    let method = entry.get("request")?.get("method")?;
    if !method.is_str("POST") && !method.is_str("PUT") {
        return None;
    }
    let url = entry.get("fullUrl")?.str().filter(|url| is_urn(url))?;
    let name = entry.get("resource")?.get("resourceType")?.str()?;
    Some((url.into_owned(), ResourceType::parse(&name)?))
}

fn is_urn(url: &str) -> bool {
    let uuid = url.strip_prefix("urn:uuid:");
    uuid.is_some_and(|uuid| uuid.len() == 36 && is_id(uuid))
}

fn read<'d>(
    entry: Node<'d>,
    targets: &Targets,
    policy: &FhirPolicy,
) -> Result<BatchEntry<'d>, Denial> {
    let wrong = |found: &'static str| Denial::Body("bundle-entry", found.into());
    let asked = entry
        .get("request")
        .filter(|request| request.kind() == Kind::Object)
        .ok_or(wrong("an entry has no request"))?;
    if !has_only(entry, &ENTRY) || !has_only(asked, &REQUEST) {
        return Err(wrong("an entry has an element that no request needs"));
    }
    let conditions = ["ifModifiedSince", "ifNoneMatch"];
    if conditions.iter().any(|name| asked.get(name).is_some()) {
        return Err(Denial::NotSupported("condition"));
    }
    let malformed = wrong("an entry's request is no method with a url");
    let head = head(asked, policy).ok_or(malformed)??;
    let request = Request::parse(&head, policy)?;
    // What it answers is looked at in a way of its own.
    if let Interaction::Operation(_) | Interaction::Export(_) = request.interaction {
        return Err(Denial::NotSupported("interaction"));
    }
    let urn = match entry.get("fullUrl") {
        None => None,
        Some(url) => full_url(url, &request.interaction, policy)?,
    };
    let resource = entry.get("resource");
    if resource.is_some_and(|resource| leads_nowhere(resource, targets)) {
        return Err(wrong("a reference is to no entry of the transaction"));
    }
    Ok(BatchEntry {
        request,
        resource: resource.map(Node::raw),
        method: head.method,
        if_match: head.if_match,
        urn,
    })
}

/// The head that the request of an entry would have by itself.
fn head(asked: Node<'_>, policy: &FhirPolicy) -> Option<Result<RequestHead, Denial>> {
    let text = |name| asked.get(name).map(Node::str);
    let (base, url) = (policy.base.path(), text("url")??);
    let path = match url.starts_with('?') && !base.is_empty() {
        // A search of the system.
        true => format!("{base}{url}"),
        false => format!("{base}/{url}"),
    };
    let mut fields = vec![
        (":method", text("method")??.into_owned()),
        (":path", path),
        ("content-type", "application/fhir+json".to_owned()),
    ];
    for (member, name) in [("ifMatch", "if-match"), ("ifNoneExist", "if-none-exist")] {
        if let Some(value) = text(member) {
            fields.push((name, value?.into_owned()));
        }
    }
    let bytes = |(name, value): (&str, String)| (name.as_bytes().to_vec(), value.into_bytes());
    let fields: Vec<_> = fields.into_iter().map(bytes).collect();
    Some(RequestHead::parse(&fields).1)
}

/// The `urn:uuid:` of an entry. The URL of its own instance says nothing more than its request; any other
/// would make references lead elsewhere.
fn full_url(
    url: Node<'_>,
    interaction: &Interaction,
    policy: &FhirPolicy,
) -> Result<Option<String>, Denial> {
    let url = url.str().unwrap_or_default();
    if is_urn(&url) {
        return Ok(Some(url.into_owned()));
    }
    let instance = interaction.resource_type().zip(interaction.id());
    let own = instance.map(|(name, id)| format!("{}/{name}/{id}", policy.base.as_str()));
    match own.is_some_and(|own| own == url) {
        true => Ok(None),
        false => Err(Denial::Request("full-url")),
    }
}

/// Whether a reference here or below is a `urn:` of no entry. As deep as the document's limit.
fn leads_nowhere(node: Node<'_>, targets: &Targets) -> bool {
    let lost = |value: Node<'_>| {
        value.str().is_some_and(|text| {
            let scheme = text.get(..4).unwrap_or_default();
            scheme.eq_ignore_ascii_case("urn:") && targets.get(&text).is_none()
        })
    };
    let mut references = node.all_named("reference");
    // Servers take a list of one for the one.
    references.any(|reference| lost(reference) || reference.items().any(lost))
}
