//! From method and path to the interaction (<https://hl7.org/fhir/R4/http.html>).

use super::conditional::{self, Conditional};
use super::head::{MAX_PATH, Method, RequestHead};
use super::path::{below, known, logical_id, only, plain_path};
use super::query::{self, Parameter, Search};
use super::{BaseUrl, Change, FhirPolicy};
use crate::denial::Denial;
use crate::fhir::ResourceType;

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
    /// A write of whatever a search finds.
    Conditional(Conditional),
}

/// A request that is understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What it asks for.
    pub interaction: Interaction,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
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
            Interaction::Search { .. } => "search-type",
            Interaction::Create { .. } => Change::Create.code(),
            Interaction::Update { .. } => Change::Update.code(),
            Interaction::Patch { .. } => Change::Patch.code(),
            Interaction::Delete { .. } => Change::Delete.code(),
            Interaction::Conditional(conditional) => conditional.change.code(),
        }
    }

    /// What it does to a resource, where it writes.
    pub fn change(&self) -> Option<Change> {
        match self {
            Interaction::Create { .. } => Some(Change::Create),
            Interaction::Update { .. } => Some(Change::Update),
            Interaction::Patch { .. } => Some(Change::Patch),
            Interaction::Delete { .. } => Some(Change::Delete),
            Interaction::Conditional(conditional) => Some(conditional.change),
            _ => None,
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
            | Interaction::Create { resource_type }
            | Interaction::Update { resource_type, .. }
            | Interaction::Patch { resource_type, .. }
            | Interaction::Delete { resource_type, .. } => Some(*resource_type),
            Interaction::Conditional(conditional) => Some(conditional.resource_type),
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
            | Interaction::Create { .. }
            | Interaction::Conditional(_) => None,
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
            Interaction::Create { resource_type } => format!("/{resource_type}"),
            Interaction::Conditional(conditional) => conditional.target(),
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

/// Whether the canonical form can be read again, here and by the upstream: it is longer than what
/// came in where references are written out and characters escaped.
fn fits(interaction: &Interaction, policy: &FhirPolicy) -> bool {
    let length = interaction.target().len();
    let holds = |base: &BaseUrl| base.path().len() + length <= MAX_PATH;
    let values = match interaction {
        Interaction::Search { search, .. } => search.values_fit(),
        Interaction::Conditional(conditional) => conditional.fits(),
        _ => true,
    };
    values && holds(&policy.base) && holds(&policy.upstream.base)
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
