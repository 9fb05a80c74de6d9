//! Searches that ask for no more than what is the caller's own, and what granular scopes match.

use super::{Permit, Terms};
use crate::denial::Denial;
use crate::fhir::{Owner, ResourceType, SearchParameter, search_parameter};
use crate::request::{FhirPolicy, Interaction, Parameter, Request};

impl Permit {
    /// The same permit, with pages of at most so many matches where it is for a search or a history, as far as that can
    /// be asked for: not where the page is one of the upstream's own form, and not where no resources are.
    pub fn paged(self, most: u32, fhir: &FhirPolicy) -> Permit {
        match self.request.paged(most, fhir) {
            Some(request) => Permit { request, ..self },
            None => self,
        }
    }
}

/// The same permit, with a search that asks only for what is the owner's: by one more condition, which
/// means that of each of these types.
///
/// # Errors
/// There is no such condition, what it looks at is hidden from the caller, or with it the search would not
/// be read again as what it is.
pub(super) fn confined(
    permit: Permit,
    owner: &Owner<'_>,
    types: &[ResourceType],
    terms: &Terms<'_>,
) -> Result<Permit, Denial> {
    let condition = condition(&permit, owner, types, terms);
    let request = condition.and_then(|own| permit.request.narrowed(vec![own], terms.fhir));
    match request {
        Some(request) => Ok(Permit { request, ..permit }),
        None => Err(Denial::NotSupported("parameter")),
    }
}

/// The condition that a resource of any of these types is the owner's. By `patient` where there is such a
/// parameter, else by `subject`, and of a practitioner by `practitioner`; else by the first of the definition
/// that is left.
fn condition(
    permit: &Permit,
    owner: &Owner<'_>,
    types: &[ResourceType],
    terms: &Terms<'_>,
) -> Option<Parameter> {
    let Request {
        interaction, page, ..
    } = permit.request();
    // What goes upstream for a page is a link of the upstream's own, to which nothing can be added.
    if page.is_some() {
        return None;
    }
    let first = types.first()?;
    let may_ask = |name: &str| {
        types.iter().all(|of| {
            let definition = search_parameter(*of, name);
            definition.is_some_and(|definition| {
                let tells = match owner.is_of(*of) {
                    true => name == "_id",
                    false => {
                        definition.targets().any(|target| owner.is_of(target))
                            && owner.is_searched_by(*of, definition)
                    }
                };
                let hidden = |searched| (terms.hidden)(permit, *of, searched);
                let mut searched = definition.searched().into_iter().flatten();
                tells && !searched.any(hidden)
            })
        })
    };
    // What names a patient stands in a search once, and twice it would say little.
    let asked = |definition: SearchParameter| {
        let mut parameters = interaction
            .search()
            .into_iter()
            .flat_map(|search| &search.parameters);
        parameters.any(|known| known.definition == definition)
    };
    let preferred = match owner.is_patient() {
        true => &["_id", "patient", "subject"][..],
        false => &["_id", "practitioner"],
    };
    let preferred = preferred.iter();
    let preferred = preferred.filter_map(|name| search_parameter(*first, name));
    let definition = preferred
        .chain(owner.parameters(*first))
        .find(|definition| may_ask(definition.name()) && !asked(*definition))?;
    let value = match owner.is_of(*first) {
        true => owner.id.to_owned(),
        false => format!("{}/{}", owner.compartment.name(), owner.id),
    };
    Some(Parameter {
        path: Vec::new(),
        definition,
        modifier: None,
        values: vec![value],
    })
}

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
