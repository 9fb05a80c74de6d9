//! The head that goes upstream: made anew from what was decided on.

use super::form::FORM;
use super::head::{Method, Preference};
use super::{Authorization, Change, Credentials, FhirPolicy, Interaction, Request, RequestHead};

/// The header fields of the canonical request, pseudo-headers first. A writer who may not read is
/// not answered with what was written: `may_read` false asks for the minimal answer.
pub fn upstream_headers(
    head: &RequestHead,
    request: &Request,
    policy: &FhirPolicy,
    may_read: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let upstream = &policy.upstream;
    let form = request.body();
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
    let path = format!("{}{target}", upstream.base.path());
    // The system itself, at a base without a path.
    let path = if path.starts_with('/') {
        path
    } else {
        format!("/{path}")
    };
    let method = match head.method {
        // Decided on the body: a bare HEAD would tell that something exists.
        Method::Get | Method::Head => "GET",
        Method::Delete => "DELETE",
        Method::Patch => "PATCH",
        Method::Post => "POST",
        Method::Put => "PUT",
    };
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(head.passing.len() + 12);
    let mut add = |name: &str, value: &str| {
        fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()))
    };
    add(":method", method);
    add(":path", &path);
    add(":authority", upstream.base.authority());
    add("accept", "application/fhir+json");
    add("accept-encoding", "identity");
    if let Some(prefer) = prefer(head, request, may_read) {
        add("prefer", prefer);
    }
    // On a read it would tell which version is there.
    let changes = matches!(head.method, Method::Put | Method::Patch | Method::Delete);
    if let Some(tag) = head.if_match.as_ref().filter(|_| changes) {
        add("if-match", tag);
    }
    if let Interaction::Conditional(conditional) = &request.interaction
        && let Some(query) = conditional.if_none_exist()
    {
        add("if-none-exist", &query);
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
    if let Some(form) = &form {
        add("content-type", FORM);
        add("content-length", &form.len().to_string());
    }
    let passing = head.passing.iter().filter(|(name, _)| {
        form.is_none() || !matches!(name.as_slice(), b"content-type" | b"content-length")
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
        Some(Change::Create | Change::Update | Change::Patch) if !may_read => {
            Some("return=minimal")
        }
        Some(Change::Create | Change::Update | Change::Patch) => {
            head.preference.map(|preference| match preference {
                Preference::Minimal => "return=minimal",
                Preference::OperationOutcome => "return=OperationOutcome",
                Preference::Representation => "return=representation",
            })
        }
        Some(Change::Delete) => None,
        None => matches!(
            request.interaction,
            Interaction::Search { .. } | Interaction::SearchAcross { .. }
        )
        .then_some("handling=strict"),
    }
}
