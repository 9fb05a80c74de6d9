//! Links to further pages that the upstream made in a form of its own: bound to who may follow them, and
//! for how long.
//!
//! Such a link says nothing of whose data it leads to (<https://github.com/hapifhir/hapi-fhir/issues/5427>),
//! so it is never taken from a client. A client gets a link of ours, with a token in which the request that
//! was decided on and the upstream's link are sealed: nobody else can make one, and cursors name resources,
//! which need not be the client's to know of. Whoever follows it is decided on anew, as for
//! that request, and the answer is screened like any other.

use crate::denial::Denial;
use crate::identity::{MacKey, Principal, Sealed};
use crate::request::{
    FhirPolicy, Interaction, MAX_TOKEN, Method, Page, PageLink, Request, RequestHead,
};

/// How long a link can be followed, in seconds: servers forget their pages sooner.
const LIFETIME: u64 = 3600;

/// What is sealed. A change of its form takes another number.
const PURPOSE: &str = "fhir-guard page v3";

/// Our link in the place of one of the upstream's, to another page of what was asked for. `None` where
/// that is no link to a search below the upstream's base, or ours would be too long. `now` is in seconds
/// since 1970.
pub(super) fn seal(
    key: &MacKey,
    principal: &Principal,
    interaction: &Interaction,
    fhir: &FhirPolicy,
    url: &str,
    now: u64,
) -> Option<String> {
    let upstream = fhir.relative(url).filter(|_| interaction.has_pages())?;
    let (path, query) = upstream.split_once('?')?;
    // What is understood was found to ask for something else.
    if Request::parse(&head(Method::Get, fhir, upstream).ok()?, fhir).is_ok() {
        return None;
    }
    // A search by `POST` has its pages by `GET`; some servers leave the word in their links.
    let path = path.strip_suffix("/_search").unwrap_or(path);
    let own = interaction.path();
    let own = own.strip_suffix("/*").unwrap_or(&own);
    let searches = path.is_empty() || path == "/" || path == own;
    if !searches || query.is_empty() || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let text = format!("{} {upstream}", interaction.target());
    let link = PageLink {
        resource_type: interaction.resource_type(),
        token: sealed_for(principal, |sealed| {
            sealed.seal(key, now.saturating_add(LIFETIME), &text)
        })?,
    };
    let fits = link.token.len() <= MAX_TOKEN;
    fits.then(|| format!("{}{}", fhir.base.as_str(), link.target()))
}

/// The request that a link is for, if it was made for this caller and is still good.
pub(super) fn open(
    key: Option<&MacKey>,
    principal: &Principal,
    fhir: &FhirPolicy,
    link: &PageLink,
    method: Method,
    now: u64,
) -> Result<Request, Denial> {
    let refused = Denial::Request("page");
    let opened = || {
        let text = sealed_for(principal, |sealed| sealed.open(key?, now, &link.token))?;
        let (target, upstream) = text.split_once(' ')?;
        Some((target.to_owned(), upstream.to_owned()))
    };
    let (target, upstream) = opened().ok_or(refused.clone())?;
    let request = Request::parse(&head(method, fhir, &target)?, fhir)?;
    // It was one when the token was made.
    if !request.interaction.has_pages() || request.interaction.resource_type() != link.resource_type
    {
        return Err(refused);
    }
    Ok(Request {
        page: Some(Page {
            link: link.clone(),
            upstream,
        }),
        ..request
    })
}

/// The head of a request for this target below the external base.
pub(super) fn head(method: Method, fhir: &FhirPolicy, target: &str) -> Result<RequestHead, Denial> {
    let path = format!("{}{target}", fhir.base.path());
    let fields = [(":method", method.name()), (":path", &path)];
    RequestHead::parse(&fields).1
}

/// Links are for this caller: by issuer, tenant, subject, client, patient, encounter, user, roles, purposes and
/// scopes, which are what a server may be told.
fn sealed_for<T>(principal: &Principal, then: impl FnOnce(&Sealed<'_>) -> T) -> T {
    let scopes = principal.scopes().texts().join(" ");
    let optional =
        |text: Option<&str>| text.map_or_else(|| "-".to_owned(), |text| format!("+{text}"));
    then(&Sealed {
        purpose: PURPOSE,
        bound: &[
            principal.issuer(),
            principal.subject(),
            principal.client(),
            &optional(principal.tenant()),
            &optional(principal.patient()),
            &optional(principal.encounter()),
            &optional(principal.user()),
            &scopes,
            &principal.roles().join("\n"),
            &principal.purposes().join("\n"),
        ],
    })
}
