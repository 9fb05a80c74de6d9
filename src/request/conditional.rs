//! Writes of whatever a search finds: conditional create, update, patch and delete
//! (<https://hl7.org/fhir/R4/http.html#cond-update>).

use super::head::{MAX_PATH, Method, RequestHead};
use super::query::{self, Pair};
use super::{Change, FhirPolicy, Search};
use crate::denial::Denial;
use crate::fhir::ResourceType;

/// A write of what a search finds, or of nothing where it finds something (create) or too much.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conditional {
    /// What is done.
    pub change: Change,
    /// The type.
    pub resource_type: ResourceType,
    /// What selects: at least one parameter, and nothing about order, pages or form.
    pub search: Search,
}

impl Conditional {
    /// `If-None-Exist` of a create: the canonical query.
    pub(super) fn if_none_exist(&self) -> Option<String> {
        let query = self.search.query();
        let query = query.strip_prefix('?')?.to_owned();
        (self.change == Change::Create).then_some(query)
    }

    /// Whether the canonical search, in a header too, would be read again.
    pub(super) fn fits(&self) -> bool {
        self.search.query().len() <= MAX_PATH
    }
}

/// `POST [base]/T` with `If-None-Exist`.
pub(super) fn create(
    resource_type: ResourceType,
    query: &str,
    policy: &FhirPolicy,
) -> Result<Conditional, Denial> {
    if !policy.writes.conditional.contains(&Change::Create) {
        return Err(Denial::NotSupported("condition"));
    }
    read(
        Change::Create,
        resource_type,
        &query::decode(query)?,
        policy,
    )
}

/// `PUT`, `PATCH` or `DELETE [base]/T?...`
pub(super) fn change(
    head: &RequestHead,
    resource_type: ResourceType,
    parameters: &[Pair],
    policy: &FhirPolicy,
) -> Result<Conditional, Denial> {
    let (change, content_type) = match head.method {
        Method::Put => (Change::Update, Some("application/fhir+json")),
        Method::Patch => (Change::Patch, Some("application/json-patch+json")),
        _ => (Change::Delete, None),
    };
    // Without a search it would be about everything.
    if parameters.is_empty() || !policy.writes.conditional.contains(&change) {
        return Err(Denial::Method("GET, HEAD, POST"));
    }
    // The version of what, nobody knows.
    if head.if_match.is_some() {
        return Err(Denial::NotSupported("condition"));
    }
    content_type.map_or(Ok(()), |wanted| head.check_type(wanted))?;
    read(change, resource_type, parameters, policy)
}

fn read(
    change: Change,
    resource_type: ResourceType,
    parameters: &[Pair],
    policy: &FhirPolicy,
) -> Result<Conditional, Denial> {
    Ok(Conditional {
        change,
        resource_type,
        search: query::condition(resource_type, parameters, policy)?,
    })
}
