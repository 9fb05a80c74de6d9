//! Links to further pages: of the same form as the request, or of the upstream's own, carried in links of
//! ours.

use super::head::{Method, RequestHead};
use super::target::{fits, only};
use super::{FhirPolicy, Interaction, Request, query};
use crate::denial::Denial;
use crate::fhir::ResourceType;

/// Another page of what an interaction asks for, by a link that the upstream made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The canonical target of the request for it, below the external base.
    pub target: String,
    /// Path and query below the upstream's base.
    pub upstream: String,
}

/// The longest token of a page, in bytes.
pub const MAX_TOKEN: usize = 4096;

impl Request {
    /// Path and query of this request below the upstream's base.
    pub fn upstream_target(&self) -> String {
        match &self.page {
            Some(page) => page.upstream.clone(),
            None => self.interaction.target(),
        }
    }

    /// Path and query of this request below the external base.
    pub fn target(&self) -> String {
        match &self.page {
            Some(page) => page.target.clone(),
            None => self.interaction.target(),
        }
    }
}

/// The canonical external URL of another page of this interaction, when `url` (a paging link of the
/// upstream, below either base) asks for the same selection and nothing else.
pub fn page_of(url: &str, interaction: &Interaction, policy: &FhirPolicy) -> Option<String> {
    let relative = policy.relative(url)?;
    let (path, query) = relative.split_once('?')?;
    let parameters = query::decode(query).ok()?;
    let page = match interaction {
        Interaction::Search {
            resource_type,
            search,
        } if path == format!("/{resource_type}") => {
            let page = query::search(*resource_type, &parameters, &policy.base).ok()?;
            let page = page.is_page_of(search).then_some(page)?;
            Interaction::Search {
                resource_type: *resource_type,
                search: page,
            }
        }
        Interaction::HistoryType {
            resource_type,
            page,
        } if path == format!("/{resource_type}/_history") => {
            let next = query::page(&parameters).ok()?;
            let next = next.is_page_of(page).then_some(next)?;
            Interaction::HistoryType {
                resource_type: *resource_type,
                page: next,
            }
        }
        Interaction::HistoryInstance {
            resource_type,
            id,
            page,
        } if path == format!("/{resource_type}/{id}/_history") => {
            let next = query::page(&parameters).ok()?;
            let next = next.is_page_of(page).then_some(next)?;
            Interaction::HistoryInstance {
                resource_type: *resource_type,
                id: id.clone(),
                page: next,
            }
        }
        _ => return None,
    };
    fits(&page, policy).then(|| format!("{}{}", policy.base.as_str(), page.target()))
}

/// Another page, by the token alone: what it is a page of stands in it.
pub(super) fn page(
    head: &RequestHead,
    resource_type: ResourceType,
    token: &str,
) -> Result<Interaction, Denial> {
    only(
        matches!(head.method, Method::Get | Method::Head),
        "GET, HEAD",
    )?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(letter) {
        return Err(Denial::Request("page"));
    }
    Ok(Interaction::Page {
        resource_type,
        token: token.to_owned(),
    })
}
