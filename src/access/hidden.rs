//! Searches by what is hidden from the caller.

use std::borrow::Cow;

use super::{Permit, Terms};
use crate::denial::Denial;
use crate::fhir::{Compartment, ResourceType};
use crate::request::{Interaction, Search};

/// Refuses a search by what is hidden from the caller: its matches, and their order, would tell.
pub(super) fn unhidden(
    permit: &Permit,
    resource_type: ResourceType,
    terms: &Terms<'_>,
) -> Result<(), Denial> {
    let interaction = &permit.request().interaction;
    if let Some((compartment, _)) = interaction.compartment() {
        of_compartment(permit, compartment, resource_type, terms)?;
    }
    let Some(search) = searched(interaction, resource_type)? else {
        return Ok(());
    };
    for searched in search.searched() {
        if (terms.hidden)(permit, resource_type, searched) {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    for (of, searched) in search.searched_elsewhere() {
        if (terms.hidden)(permit, of, searched) {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    for inclusion in &search.include {
        // What is sent along tells what is referred to.
        let mut searched = inclusion.searched();
        if searched.any(|searched| (terms.hidden)(permit, inclusion.source, searched)) {
            return Err(Denial::NotSupported("include"));
        }
    }
    Ok(())
}

/// Refuses what is asked for by a compartment of somebody, where the elements that say whose a resource is are
/// hidden: that it is there would tell. A patient knows whose the own ones are.
pub(super) fn of_compartment(
    permit: &Permit,
    compartment: Compartment,
    resource_type: ResourceType,
    terms: &Terms<'_>,
) -> Result<(), Denial> {
    let mut parameters = compartment.parameters(resource_type);
    let tells = parameters.any(|parameter| {
        let mut searched = parameter.searched().into_iter().flatten();
        searched.any(|searched| (terms.hidden)(permit, resource_type, searched))
    });
    match tells && permit.patient().is_none() {
        true => Err(Denial::NotSupported("parameter")),
        false => Ok(()),
    }
}

/// The search of an interaction, as one of this type.
pub(super) fn searched(
    interaction: &Interaction,
    resource_type: ResourceType,
) -> Result<Option<Cow<'_, Search>>, Denial> {
    let Some(search) = interaction.search() else {
        return Ok(None);
    };
    if interaction.resource_type() == Some(resource_type) {
        return Ok(Some(Cow::Borrowed(search)));
    }
    let of_type = search.of(resource_type);
    let of_type = of_type.ok_or(Denial::NotSupported("parameter"))?;
    Ok(Some(Cow::Owned(of_type)))
}
