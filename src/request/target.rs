//! From method and path to the interaction (<https://hl7.org/fhir/R4/http.html>).

use super::conditional;
use super::head::{Method, RequestHead};
use super::place::{known, located, logical_id, only};
use super::query;
use super::{Call, Export, FhirPolicy, Interaction, Page, Provenance, Reach, Types};
use crate::denial::Denial;
use crate::fhir::ResourceType;

/// A request that is understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What it asks for.
    pub interaction: Interaction,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// Whether it is a search that was asked for by `POST`: what goes upstream is one, too.
    pub form: bool,
    /// Where it is another page, by a link of the upstream's own form.
    pub page: Option<Page>,
    /// Where a write comes from, if its writer says so.
    pub provenance: Option<Provenance>,
}

impl Request {
    /// Understands a request, or refuses it. Searches by `POST` are read by [`Form`](super::Form),
    /// further pages by [`PageLink`](super::PageLink).
    pub fn parse(head: &RequestHead, policy: &FhirPolicy) -> Result<Self, Denial> {
        let (relative, parameters) = located(head, policy)?;
        let reads = matches!(head.method, Method::Get | Method::Head);
        let head_only = head.method == Method::Head;
        if policy.public.iter().any(|public| public == relative) {
            if !reads {
                return Err(Denial::Method("GET, HEAD"));
            }
            query::none(&parameters)?;
            return Ok(Request {
                interaction: Interaction::Public(relative.to_owned()),
                head_only,
                form: false,
                page: None,
                provenance: None,
            });
        }
        let segments: Vec<&str> = relative.split('/').collect();
        let interaction = match segments.as_slice() {
            [.., "_search"] => return Err(Denial::Method("POST")),
            [place @ .., last] if last.starts_with('$') => {
                let name = last.strip_prefix('$').unwrap_or_default();
                let export = policy.export.as_ref().filter(|_| name == "export");
                match export {
                    Some(export) => Export::parse(head, place, parameters, export, policy)?,
                    None => Call::parse(head, place, name, parameters, policy)?,
                }
            }
            ["_history"] => {
                only(reads, "GET, HEAD")?;
                let (types, parameters) = Types::take(parameters)?;
                Interaction::HistorySystem {
                    types,
                    page: query::page(&parameters, policy)?,
                }
            }
            [type_name] if !type_name.is_empty() => {
                on_type(head, known(type_name)?, &parameters, policy)?
            }
            [type_name, "_history"] => {
                let resource_type = known(type_name)?;
                only(reads, "GET, HEAD")?;
                Interaction::HistoryType {
                    resource_type,
                    page: query::page(&parameters, policy)?,
                }
            }
            [type_name, id] => on_instance(head, known(type_name)?, logical_id(id)?, &parameters)?,
            [type_name, id, "_history"] => {
                let (resource_type, id) = (known(type_name)?, logical_id(id)?);
                only(reads, "GET, HEAD")?;
                Interaction::HistoryInstance {
                    resource_type,
                    id,
                    page: query::page(&parameters, policy)?,
                }
            }
            [type_name, id, "_history", version] => {
                let (resource_type, id, version) =
                    (known(type_name)?, logical_id(id)?, logical_id(version)?);
                only(reads, "GET, HEAD")?;
                query::none(&parameters)?;
                Interaction::Vread {
                    resource_type,
                    id,
                    version,
                }
            }
            [""] | [_, _, _] => {
                let reach = Reach::parse(&segments)?;
                only(reads, "GET, HEAD")?;
                reach.search(parameters, policy)?
            }
            _ => return Err(Denial::Path),
        };
        let request = Request {
            provenance: Provenance::of(head, &interaction, policy)?,
            interaction,
            head_only,
            form: false,
            page: None,
        };
        match request.fits(policy) {
            true => Ok(request),
            false => Err(Denial::Request("query")),
        }
    }
}

fn on_type(
    head: &RequestHead,
    resource_type: ResourceType,
    parameters: &[query::Pair],
    policy: &FhirPolicy,
) -> Result<Interaction, Denial> {
    match head.method {
        Method::Get | Method::Head => Ok(Interaction::Search {
            resource_type,
            search: query::search(&[resource_type], parameters, policy)?,
        }),
        Method::Post => {
            query::none(parameters)?;
            head.check_type("application/fhir+json")?;
            match &head.if_none_exist {
                None => Ok(Interaction::Create { resource_type }),
                Some(query) => {
                    conditional::create(resource_type, query, policy).map(Interaction::Conditional)
                }
            }
        }
        Method::Put | Method::Patch | Method::Delete => {
            conditional::change(head, resource_type, parameters, policy)
                .map(Interaction::Conditional)
        }
    }
}

fn on_instance(
    head: &RequestHead,
    resource_type: ResourceType,
    id: String,
    parameters: &[query::Pair],
) -> Result<Interaction, Denial> {
    query::none(parameters)?;
    match head.method {
        Method::Get | Method::Head => Ok(Interaction::Read { resource_type, id }),
        Method::Put => {
            head.check_type("application/fhir+json")?;
            Ok(Interaction::Update { resource_type, id })
        }
        Method::Patch => {
            head.check_type("application/json-patch+json")?;
            Ok(Interaction::Patch { resource_type, id })
        }
        Method::Delete => Ok(Interaction::Delete { resource_type, id }),
        Method::Post => Err(Denial::Method("GET, HEAD, PUT, PATCH, DELETE")),
    }
}
