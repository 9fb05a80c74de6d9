//! From method and path to the interaction (<https://hl7.org/fhir/R4/http.html>).

use super::head::{MAX_PATH, Method, RequestHead};
use super::query::{self, Parameter, Search};
use super::{BaseUrl, FhirPolicy, Page, page_link};
use crate::denial::Denial;
use crate::fhir::{ResourceType, is_id};

/// What a request asks for. Whatever has no variant here is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Interaction {
    /// A path that the operator made public, relative to the base.
    Public(String),
    /// `GET [base]/T/id`
    Read {
        /// The type.
        resource_type: ResourceType,
        /// The id.
        id: String,
    },
    /// `GET [base]/T/id/_history/v`
    Vread {
        /// The type.
        resource_type: ResourceType,
        /// The id.
        id: String,
        /// The version.
        version: String,
    },
    /// `GET [base]/T/id/_history`
    HistoryInstance {
        /// The type.
        resource_type: ResourceType,
        /// The id.
        id: String,
        /// `_count`, `_offset` and `_since`.
        page: Search,
    },
    /// `GET [base]/T/_history`
    HistoryType {
        /// The type.
        resource_type: ResourceType,
        /// `_count`, `_offset` and `_since`.
        page: Search,
    },
    /// `GET [base]/T?...`
    Search {
        /// The type.
        resource_type: ResourceType,
        /// The parameters, all of them understood.
        search: Search,
    },
    /// `GET [base]/T?_page=token`: another page of what was asked for before, which the token tells.
    Page {
        /// The type.
        resource_type: ResourceType,
        /// What a link of ours carried, not looked into yet: 1 to [`super::MAX_TOKEN`] bytes of base64url.
        token: String,
    },
    /// `POST [base]/T`
    Create {
        /// The type.
        resource_type: ResourceType,
    },
    /// `PUT [base]/T/id`
    Update {
        /// The type.
        resource_type: ResourceType,
        /// The id.
        id: String,
    },
    /// `PATCH [base]/T/id`
    Patch {
        /// The type.
        resource_type: ResourceType,
        /// The id.
        id: String,
    },
    /// `DELETE [base]/T/id`
    Delete {
        /// The type.
        resource_type: ResourceType,
        /// The id.
        id: String,
    },
}

/// A request that is understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What it asks for.
    pub interaction: Interaction,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// Where this is another page, by a link of the upstream's own form.
    pub page: Option<Page>,
}

impl Request {
    /// Understands a request, or refuses it.
    pub fn parse(head: &RequestHead, policy: &FhirPolicy) -> Result<Self, Denial> {
        let (path, query) = match head.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (head.path.as_str(), None),
        };
        plain_path(path)?;
        let relative = below(path, policy.base.path())?;
        if let Some(token) = query.and_then(|query| query.strip_prefix("_page=")) {
            return Ok(Request {
                interaction: page_link::page(head, known(relative)?, token)?,
                head_only: head.method == Method::Head,
                page: None,
            });
        }
        let parameters = query::decode(query.unwrap_or_default())?;
        // What is created has no version before.
        let creates = head.method == Method::Post && head.if_match.is_some();
        if head.conditional || creates {
            return Err(Denial::NotSupported("condition"));
        }
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
                page: None,
            });
        }
        let segments: Vec<&str> = relative.split('/').collect();
        let interaction = match segments.as_slice() {
            [type_name] => on_type(head, known(type_name)?, &parameters, policy)?,
            [type_name, "_history"] => {
                let resource_type = known(type_name)?;
                only(reads, "GET, HEAD")?;
                Interaction::HistoryType {
                    resource_type,
                    page: query::page(&parameters)?,
                }
            }
            [type_name, id] => on_instance(head, known(type_name)?, logical_id(id)?, &parameters)?,
            [type_name, id, "_history"] => {
                let (resource_type, id) = (known(type_name)?, logical_id(id)?);
                only(reads, "GET, HEAD")?;
                Interaction::HistoryInstance {
                    resource_type,
                    id,
                    page: query::page(&parameters)?,
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
            _ => return Err(Denial::Path),
        };
        if !fits(&interaction, policy) {
            return Err(Denial::Request("query"));
        }
        Ok(Request {
            interaction,
            head_only,
            page: None,
        })
    }
}

impl Request {
    /// The same search with these conditions behind its own. `None` where this is no search, or where
    /// the canonical form would not be read again as what it is.
    pub fn narrowed(&self, conditions: Vec<Parameter>, policy: &FhirPolicy) -> Option<Self> {
        let Interaction::Search {
            resource_type,
            search,
        } = &self.interaction
        else {
            return None;
        };
        let mut search = search.clone();
        search.parameters.extend(conditions);
        let query = search.query();
        let parameters = query::decode(query.strip_prefix('?')?).ok()?;
        let again = query::search(*resource_type, &parameters, &policy.base).ok()?;
        let interaction = Interaction::Search {
            resource_type: *resource_type,
            search,
        };
        let same = matches!(&interaction, Interaction::Search { search, .. } if *search == again);
        (same && fits(&interaction, policy)).then_some(Request {
            interaction,
            head_only: self.head_only,
            page: self.page.clone(),
        })
    }
}

impl Interaction {
    /// The codes of all that reach data.
    pub const CODES: [&'static str; 9] = [
        "read",
        "vread",
        "history-instance",
        "history-type",
        "search-type",
        "create",
        "update",
        "patch",
        "delete",
    ];

    /// The standard's code (<https://hl7.org/fhir/R4/valueset-type-restful-interaction.html>).
    pub fn code(&self) -> &'static str {
        match self {
            Interaction::Public(_) => "capabilities",
            Interaction::Read { .. } => "read",
            Interaction::Vread { .. } => "vread",
            Interaction::HistoryInstance { .. } => "history-instance",
            Interaction::HistoryType { .. } => "history-type",
            Interaction::Search { .. } | Interaction::Page { .. } => "search-type",
            Interaction::Create { .. } => "create",
            Interaction::Update { .. } => "update",
            Interaction::Patch { .. } => "patch",
            Interaction::Delete { .. } => "delete",
        }
    }

    /// The type that is asked for, where there is one.
    pub fn resource_type(&self) -> Option<ResourceType> {
        match self {
            Interaction::Public(_) => None,
            Interaction::Read { resource_type, .. }
            | Interaction::Vread { resource_type, .. }
            | Interaction::HistoryInstance { resource_type, .. }
            | Interaction::HistoryType { resource_type, .. }
            | Interaction::Search { resource_type, .. }
            | Interaction::Page { resource_type, .. }
            | Interaction::Create { resource_type }
            | Interaction::Update { resource_type, .. }
            | Interaction::Patch { resource_type, .. }
            | Interaction::Delete { resource_type, .. } => Some(*resource_type),
        }
    }

    /// The instance that is asked for, where there is one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Interaction::Read { id, .. }
            | Interaction::Vread { id, .. }
            | Interaction::HistoryInstance { id, .. }
            | Interaction::Update { id, .. }
            | Interaction::Patch { id, .. }
            | Interaction::Delete { id, .. } => Some(id),
            Interaction::Public(_)
            | Interaction::HistoryType { .. }
            | Interaction::Search { .. }
            | Interaction::Page { .. }
            | Interaction::Create { .. } => None,
        }
    }

    /// The canonical target below a base: path and query, beginning with `/`.
    pub fn target(&self) -> String {
        match self {
            Interaction::Public(path) => format!("/{path}"),
            Interaction::Read { resource_type, id }
            | Interaction::Update { resource_type, id }
            | Interaction::Patch { resource_type, id }
            | Interaction::Delete { resource_type, id } => format!("/{resource_type}/{id}"),
            Interaction::Vread {
                resource_type,
                id,
                version,
            } => format!("/{resource_type}/{id}/_history/{version}"),
            Interaction::HistoryInstance {
                resource_type,
                id,
                page,
            } => {
                format!("/{resource_type}/{id}/_history{}", page.query())
            }
            Interaction::HistoryType {
                resource_type,
                page,
            } => format!("/{resource_type}/_history{}", page.query()),
            Interaction::Search {
                resource_type,
                search,
            } => format!("/{resource_type}{}", search.query()),
            Interaction::Page {
                resource_type,
                token,
            } => format!("/{resource_type}?_page={token}"),
            Interaction::Create { resource_type } => format!("/{resource_type}"),
        }
    }
}

/// Whether the canonical form can be read again, here and by the upstream: it is longer than what
/// came in where references are written out and characters escaped.
pub(super) fn fits(interaction: &Interaction, policy: &FhirPolicy) -> bool {
    let length = interaction.target().len();
    let holds = |base: &BaseUrl| base.path().len() + length <= MAX_PATH;
    let values = match interaction {
        Interaction::Search { search, .. } => search.values_fit(),
        _ => true,
    };
    values && holds(&policy.base) && holds(&policy.upstream.base)
}

/// A path whose reading depends on who reads it is refused, not repaired: `%`, `\`, `;`, empty and
/// dot segments mean one thing to a proxy and another to a server (CVE-2019-9901, CVE-2021-29492).
fn plain_path(path: &str) -> Result<(), Denial> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'$')
    };
    let holds = path.starts_with('/')
        && path.bytes().all(plain)
        && path
            .split('/')
            .skip(1)
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..");
    if holds {
        Ok(())
    } else {
        Err(Denial::Request("path"))
    }
}

/// What follows the external base's path, without the slash.
fn below<'a>(path: &'a str, base: &str) -> Result<&'a str, Denial> {
    path.strip_prefix(base)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or(Denial::Path)
}

fn known(name: &str) -> Result<ResourceType, Denial> {
    ResourceType::parse(name).ok_or(Denial::Path)
}

fn logical_id(text: &str) -> Result<String, Denial> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err(Denial::Path)
    }
}

pub(super) fn only(allowed: bool, allow: &'static str) -> Result<(), Denial> {
    if allowed {
        Ok(())
    } else {
        Err(Denial::Method(allow))
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
            search: query::search(resource_type, parameters, &policy.base)?,
        }),
        Method::Post => {
            query::none(parameters)?;
            body_type(head, "application/fhir+json")?;
            Ok(Interaction::Create { resource_type })
        }
        Method::Put | Method::Patch | Method::Delete => Err(Denial::Method("GET, HEAD, POST")),
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
            body_type(head, "application/fhir+json")?;
            Ok(Interaction::Update { resource_type, id })
        }
        Method::Patch => {
            body_type(head, "application/json-patch+json")?;
            Ok(Interaction::Patch { resource_type, id })
        }
        Method::Delete => Ok(Interaction::Delete { resource_type, id }),
        Method::Post => Err(Denial::Method("GET, HEAD, PUT, PATCH, DELETE")),
    }
}

/// `application/json` is accepted for a resource, as the standard asks of servers
/// (<https://hl7.org/fhir/R4/http.html#mime-type>).
fn body_type(head: &RequestHead, wanted: &str) -> Result<(), Denial> {
    match head.content_type.as_deref() {
        Some(found) if found == wanted => Ok(()),
        Some("application/json") if wanted == "application/fhir+json" => Ok(()),
        _ => Err(Denial::UnsupportedMediaType),
    }
}
