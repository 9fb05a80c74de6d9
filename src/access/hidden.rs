//! Searches by what is hidden from the caller.

use std::borrow::Cow;

use super::{Permit, Terms};
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::request::{Interaction, Search};

/// Refuses a search by what is hidden from the caller: its matches, and their order, would tell.
pub(super) fn unhidden(
    permit: &Permit,
    resource_type: ResourceType,
    terms: &Terms<'_>,
) -> Result<(), Denial> {
    let Some(search) = searched(&permit.request().interaction, resource_type)? else {
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
