//! What a request asks for, and the one form in which it is written.

use std::borrow::Cow;

use super::{Call, Change, Conditional, Export, Inclusion, Reach, Search, Types};
use crate::fhir::{Compartment, ResourceType};

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
    /// A search over several types, or in a compartment.
    SearchAcross {
        /// Where, and over which types.
        reach: Reach,
        /// The parameters, all of them understood of each type.
        search: Search,
    },
    /// `GET [base]/_history`
    HistorySystem {
        /// Of which types.
        types: Types,
        /// `_count`, `_offset` and `_since`.
        page: Search,
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
    /// `GET` or `POST` of `$name`, on the system, a type or an instance.
    Operation(Box<Call>),
    /// A bulk export, or what has become of one.
    Export(Box<Export>),
}

impl Interaction {
    /// The codes of all that reach data.
    pub const CODES: [&'static str; 14] = [
        "read",
        "vread",
        "history-instance",
        "history-type",
        "history-system",
        "search-type",
        "search-system",
        "search-compartment",
        "create",
        "update",
        "patch",
        "delete",
        "operation",
        "export",
    ];

    /// The standard's code (<https://hl7.org/fhir/R4/valueset-type-restful-interaction.html>), and
    /// `search-compartment` and `export`, for which R4 has none.
    pub fn code(&self) -> &'static str {
        match self {
            Interaction::Public(_) => "capabilities",
            Interaction::Read { .. } => "read",
            Interaction::Vread { .. } => "vread",
            Interaction::HistoryInstance { .. } => "history-instance",
            Interaction::HistoryType { .. } => "history-type",
            Interaction::HistorySystem { .. } => "history-system",
            Interaction::Search { .. } => "search-type",
            Interaction::SearchAcross { reach, .. } => match reach.compartment {
                Some(_) => "search-compartment",
                None => "search-system",
            },
            Interaction::Create { .. } => Change::Create.code(),
            Interaction::Update { .. } => Change::Update.code(),
            Interaction::Patch { .. } => Change::Patch.code(),
            Interaction::Delete { .. } => Change::Delete.code(),
            Interaction::Conditional(conditional) => conditional.change.code(),
            Interaction::Operation(_) => "operation",
            Interaction::Export(_) => "export",
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
            Interaction::Public(_) | Interaction::HistorySystem { .. } => None,
            Interaction::SearchAcross { reach, .. } => reach.types.one(),
            Interaction::Operation(call) => call.resource_type,
            Interaction::Export(export) => export.resource_type(),
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
            Interaction::Operation(call) => call.id.as_deref(),
            Interaction::Export(export) => export.id(),
            Interaction::Public(_)
            | Interaction::HistorySystem { .. }
            | Interaction::HistoryType { .. }
            | Interaction::Search { .. }
            | Interaction::SearchAcross { .. }
            | Interaction::Create { .. }
            | Interaction::Conditional(_) => None,
        }
    }

    /// Every type that an answer may hold: the one that is asked for, or all that a search reaches.
    /// None on a public path.
    pub fn types(&self) -> Cow<'_, [ResourceType]> {
        match self {
            Interaction::HistorySystem { types, .. } => types.within(None),
            Interaction::SearchAcross { reach, .. } => reach.types(),
            _ => Cow::Owned(Vec::from_iter(self.resource_type())),
        }
    }

    /// Further types, of which an answer may hold what is sent along with the matches.
    pub fn included(&self) -> Vec<ResourceType> {
        let types = self.types();
        let inclusions = self.search().into_iter().flat_map(|search| &search.include);
        let mut further = Vec::new();
        for found in inclusions.flat_map(Inclusion::types) {
            if !types.contains(&found) && !further.contains(&found) {
                further.push(found);
            }
        }
        further
    }

    /// The search, or the page of a history, that is asked for.
    pub fn search(&self) -> Option<&Search> {
        match self {
            Interaction::Search { search, .. } | Interaction::SearchAcross { search, .. } => {
                Some(search)
            }
            Interaction::HistoryInstance { page, .. }
            | Interaction::HistorySystem { page, .. }
            | Interaction::HistoryType { page, .. } => Some(page),
            Interaction::Conditional(conditional) => Some(&conditional.search),
            _ => None,
        }
    }

    /// The compartment that is searched, and the id of whose it is.
    pub fn compartment(&self) -> Option<(Compartment, &str)> {
        match self {
            Interaction::SearchAcross { reach, .. } => {
                let (compartment, id) = reach.compartment.as_ref()?;
                Some((*compartment, id))
            }
            _ => None,
        }
    }

    /// The canonical target below a base: path and query.
    pub fn target(&self) -> String {
        format!("{}{}", self.path(), self.query())
    }

    /// The canonical path below a base: empty, or beginning with `/`.
    pub fn path(&self) -> String {
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
                resource_type, id, ..
            } => format!("/{resource_type}/{id}/_history"),
            Interaction::HistorySystem { .. } => "/_history".to_owned(),
            Interaction::HistoryType { resource_type, .. } => format!("/{resource_type}/_history"),
            Interaction::Search { resource_type, .. } | Interaction::Create { resource_type } => {
                format!("/{resource_type}")
            }
            Interaction::SearchAcross { reach, .. } => reach.path(),
            Interaction::Conditional(conditional) => format!("/{}", conditional.resource_type),
            Interaction::Operation(call) => call.path(),
            Interaction::Export(export) => export.path(),
        }
    }

    /// The canonical query: empty, or beginning with `?`.
    pub(super) fn query(&self) -> String {
        let query = self.search().map(Search::query).unwrap_or_default();
        let types = match self {
            Interaction::HistorySystem { types, .. } => types,
            Interaction::SearchAcross { reach, .. } => &reach.types,
            // It goes in a header.
            Interaction::Conditional(conditional) if conditional.change == Change::Create => {
                return String::new();
            }
            Interaction::Operation(call) => return call.query(),
            Interaction::Export(export) => return export.query(),
            _ => return query,
        };
        match types.listed() {
            Some(listed) => format!("?_type={listed}{}", query.replacen('?', "&", 1)),
            None => query,
        }
    }
}
