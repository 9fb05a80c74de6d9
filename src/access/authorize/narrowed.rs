//! Searches that ask for no more than what granular scopes match.

use super::{Permit, Terms};
use crate::fhir::ResourceType;
use crate::request::Interaction;

/// The same permit, with a search that asks for less: only for what granular scopes match, where one
/// more condition can say that.
pub(super) fn narrowed(permit: Permit, resource_type: ResourceType, terms: &Terms<'_>) -> Permit {
    let interaction = &permit.request.interaction;
    let (Interaction::Search { search, .. } | Interaction::SearchAcross { search, .. }) =
        interaction
    else {
        return permit;
    };
    let mut more = permit.granted.narrowing(search);
    // A link to the next page asks for it too, and would be refused.
    more.retain(|parameter| {
        let hidden = |searched| (terms.hidden)(&permit, resource_type, searched);
        let searched = parameter.definition.searched();
        searched.is_some_and(|mut searched| !searched.any(hidden))
    });
    if more.is_empty() {
        return permit;
    }
    match permit.request.narrowed(more, terms.fhir) {
        Some(request) => Permit { request, ..permit },
        None => permit,
    }
}
