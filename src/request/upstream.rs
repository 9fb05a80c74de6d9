//! The head that goes upstream: made anew from what was decided on.

use super::form::FORM;
use super::head::{Method, Preference};
use super::{
    Authorization, Change, Credentials, FhirPolicy, Interaction, Provenance, Request, RequestHead,
};

/// The header fields of the canonical request, pseudo-headers first. A writer who may not read is
/// not answered with what was written: `may_read` false asks for the minimal answer.
pub fn upstream_headers(
    head: &RequestHead,
    request: &Request,
    policy: &FhirPolicy,
    may_read: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let form = request.body();
    let export = match &request.interaction {
        Interaction::Export(export) => Some(export),
        _ => None,
    };
    // A server's own link need not be below its base.
    let own_link = export.and_then(|export| export.upstream());
    let target = match (&form, &request.page) {
        (_, Some(page)) => page.upstream.clone(),
        (Some(_), None) => {
            let path = request.interaction.path();
            // All types of a compartment.
            let place = path.strip_suffix("/*").unwrap_or(&path);
            format!("{place}/_search")
        }
        (None, None) => request.interaction.target(),
    };
    let path = match own_link {
        Some(path) => path.to_owned(),
        None => below(&target, policy),
    };
    let mut own = Vec::new();
    if let Some(prefer) = prefer(head, request, may_read) {
        own.push(("prefer", prefer.to_owned()));
    }
    // On a read it would tell which version is there.
    let changes = matches!(head.method, Method::Put | Method::Patch | Method::Delete);
    if let Some(tag) = head.if_match.as_ref().filter(|_| changes) {
        own.push(("if-match", tag.clone()));
    }
    if let Interaction::Conditional(conditional) = &request.interaction
        && let Some(query) = conditional.if_none_exist()
    {
        own.push(("if-none-exist", query));
    }
    if let Some(Provenance::Header(text)) = &request.provenance {
        own.push(("x-provenance", text.to_string()));
    }
    if let Some(form) = &form {
        own.push(("content-type", FORM.to_owned()));
        own.push(("content-length", form.len().to_string()));
    }
    if let Some(export) = export
        && export.holds_lines()
    {
        own.push(("accept", LINES.to_owned()));
    }
    written(head, &path, &own, policy)
}

/// The media type of the files of an export.
const LINES: &str = "application/fhir+ndjson";

/// The header fields of a Bundle of so many bytes that is written anew. Of its entries it is known
/// whether one of them is a search, and whether a writer may not read what is written.
pub fn bundle_headers(
    head: &RequestHead,
    length: usize,
    searches: bool,
    may_read: bool,
    policy: &FhirPolicy,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let strict = searches.then_some("handling=strict");
    let prefer: Vec<&str> = strict.into_iter().chain(returned(head, may_read)).collect();
    let mut own = vec![("content-length", length.to_string())];
    if !prefer.is_empty() {
        own.push(("prefer", prefer.join(", ")));
    }
    written(head, &below("", policy), &own, policy)
}

/// The path of this target below the upstream's base.
fn below(target: &str, policy: &FhirPolicy) -> String {
    let path = format!("{}{target}", policy.upstream.base.path());
    // The system itself, at a base without a path.
    match path.starts_with('/') {
        true => path,
        false => format!("/{path}"),
    }
}

/// The head for this path at the upstream. These fields take the place of ours and of the client's.
fn written(
    head: &RequestHead,
    path: &str,
    own: &[(&str, String)],
    policy: &FhirPolicy,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let upstream = &policy.upstream;
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(head.passing.len() + 12);
    let mut add = |name: &str, value: &str| {
        fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()))
    };
    add(":method", head.method.canonical());
    add(":path", path);
    add(":authority", upstream.base.authority());
    if !own.iter().any(|(name, _)| *name == "accept") {
        add("accept", "application/fhir+json");
    }
    add("accept-encoding", "identity");
    for (name, value) in own {
        add(name, value);
    }
    if let Some(address) = &head.forwarded_for {
        add("x-forwarded-for", address);
    }
    add("x-forwarded-host", policy.base.authority());
    if !head.request_id.is_empty() {
        add("x-request-id", &head.request_id);
    }
    if let Some(traceparent) = &head.traceparent {
        add("traceparent", traceparent);
    }
    if upstream.authorization == Authorization::Keep {
        match &head.credentials {
            Credentials::Bearer(token) => add("authorization", &format!("Bearer {token}")),
            // Without its proof, which was for one use.
            Credentials::Dpop { token, .. } => add("authorization", &format!("DPoP {token}")),
            Credentials::Missing => {}
        }
    }
    let passing = head.passing.iter().filter(|(name, _)| {
        let replaced = |(own, _): &(&str, String)| own.as_bytes() == name.as_slice();
        !own.iter().any(replaced)
    });
    fields.extend(passing.cloned());
    fields
}

/// A search is asked to refuse what it does not understand, so that a parameter on which the
/// decision rests is not silently ignored (<https://hl7.org/fhir/R4/search.html#errors>).
fn prefer(head: &RequestHead, request: &Request, may_read: bool) -> Option<&'static str> {
    // The link is the server's own.
    if request.page.is_some() {
        return None;
    }
    match request.interaction.change() {
        Some(Change::Create | Change::Update | Change::Patch) => returned(head, may_read),
        Some(Change::Delete) => None,
        None => match &request.interaction {
            Interaction::Search { .. } | Interaction::SearchAcross { .. } => {
                Some("handling=strict")
            }
            Interaction::Export(export) if export.starts() => Some(match export.reduced {
                true => "respond-async, handling=lenient",
                false => "respond-async",
            }),
            _ => None,
        },
    }
}

/// What a write shall answer with.
fn returned(head: &RequestHead, may_read: bool) -> Option<&'static str> {
    if !may_read {
        return Some("return=minimal");
    }
    head.preference.map(|preference| match preference {
        Preference::Minimal => "return=minimal",
        Preference::OperationOutcome => "return=OperationOutcome",
        Preference::Representation => "return=representation",
    })
}
