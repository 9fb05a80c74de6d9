//! What scopes open that are confined to a compartment.

use super::Terms;
use super::hidden::searched;
use crate::denial::Denial;
use crate::fhir::{Compartment, Owner, ResourceType, SearchKind, is_id};
use crate::identity::{Level, Principal};
use crate::request::{Change, FhirPolicy, Interaction, Search, Types, UserAccess};

/// To whose compartment a caller with scopes of this level is confined; `None`: to nobody's, or the caller
/// has none ([`has_owner`]).
pub(super) fn owner<'a>(
    principal: &'a Principal,
    level: Level,
    fhir: &'a FhirPolicy,
) -> Option<Owner<'a>> {
    match (level, fhir.user_access) {
        (Level::Patient, _) => Some(Owner::patient(principal.patient()?, &fhir.compartment)),
        (Level::User, UserAccess::Compartment) => {
            let id = principal.user()?.strip_prefix("Practitioner/");
            let id = id.filter(|id| is_id(id))?;
            Some(Owner::practitioner(id, &fhir.compartment))
        }
        (Level::User, UserAccess::All) | (Level::System, _) => None,
    }
}

/// Whether a caller who has to be confined can be.
pub(super) fn has_owner(principal: &Principal, level: Level, fhir: &FhirPolicy) -> bool {
    let confines = match level {
        Level::Patient => true,
        Level::User => fhir.user_access == UserAccess::Compartment,
        Level::System => false,
    };
    !confines || owner(principal, level, fhir).is_some()
}

/// What a scope opens that is confined to somebody's compartment: the own Patient or Practitioner, other
/// instances of types of which the answer tells whose they are, searches for what is the owner's
/// ([`confine_search`]), and to patients writes of the configured types. `false`: a search that has to be
/// narrowed before it goes on.
pub(super) fn confine(
    owner: &Owner<'_>,
    interaction: &Interaction,
    resource_type: ResourceType,
    terms: &Terms<'_>,
) -> Result<bool, Denial> {
    let absent = Denial::Absent {
        forbidden: terms.forbidden,
    };
    let own = |id: &str| owner.id == id;
    let universal = owner.terms.is_universal(resource_type);
    if interaction.change().is_some() && !owner.is_patient() {
        return Err(Denial::NotSupported("user-write"));
    }
    match interaction {
        Interaction::Read { id, .. }
        | Interaction::Vread { id, .. }
        | Interaction::HistoryInstance { id, .. } => {
            // Whose anything else is shows in the answer.
            let opens = match owner.is_of(resource_type) {
                true => own(id) || universal,
                false => owner.decides(resource_type),
            };
            opens.then_some(true).ok_or(absent)
        }
        Interaction::Search { .. } | Interaction::SearchAcross { .. } => {
            let Some(search) = searched(interaction, resource_type)? else {
                return Err(absent);
            };
            let confined = match interaction.compartment() {
                None => universal,
                Some((compartment, id)) if compartment == owner.compartment && own(id) => {
                    // Of Patients it holds those who are linked to the own one.
                    let listed = match interaction {
                        Interaction::SearchAcross { reach, .. } => reach.types != Types::All,
                        _ => true,
                    };
                    universal || !(owner.is_of(resource_type) && listed)
                }
                // Whose else it is too, the search may say.
                Some(_) if !owner.is_patient() => universal,
                Some((Compartment::Patient, _)) => return Err(absent),
                // Whose compartment it is says nothing of whose data are in it.
                Some((Compartment::Practitioner, _)) => {
                    return Err(Denial::NotSupported("interaction"));
                }
            };
            confine_search(owner, &search, resource_type, confined, absent)
        }
        Interaction::Conditional(conditional) => {
            if conditional.change != Change::Create {
                // Whose it is cannot be pinned before.
                Err(Denial::NotSupported("patient-conditional"))
            } else if resource_type.is_patient()
                || !terms.fhir.writes.patient_types.contains(&resource_type)
            {
                Err(Denial::NotSupported("patient-write-type"))
            } else {
                let search = &conditional.search;
                match confine_search(owner, search, resource_type, false, absent)? {
                    true => Ok(true),
                    // Where another condition stands, another instance may be found.
                    false => Err(Denial::NotSupported("parameter")),
                }
            }
        }
        // Whose it is shows in the body, and what is there in the current version: both are looked at
        // before anything is forwarded.
        Interaction::Create { .. } | Interaction::Delete { .. } if resource_type.is_patient() => {
            Err(Denial::NotSupported("patient-write-type"))
        }
        Interaction::Create { .. }
        | Interaction::Update { .. }
        | Interaction::Patch { .. }
        | Interaction::Delete { .. } => {
            let writes = &terms.fhir.writes;
            let pinned = writes.if_match || matches!(interaction, Interaction::Create { .. });
            let foreign = resource_type.is_patient() && !interaction.id().is_some_and(own);
            if !writes.patient_types.contains(&resource_type) {
                Err(Denial::NotSupported("patient-write-type"))
            } else if !pinned {
                Err(Denial::NotSupported("patient-write"))
            } else if foreign {
                Err(absent)
            } else {
                Ok(true)
            }
        }
        Interaction::HistorySystem { .. }
        | Interaction::HistoryType { .. }
        | Interaction::Operation(_)
        | Interaction::Export(_)
        | Interaction::Public(_) => Err(Denial::NotSupported("interaction")),
    }
}

/// Whether a search is confined: some parameter lets nothing through but what belongs to the owner.
/// It looks at membership elements only, and each of its alternatives is the owner. (The own Patient or
/// Practitioner is found by `_id` alone: one that links to another is not the other.) Beside it others may
/// narrow the search further, also by references in membership elements: parameters are joined by *and*. In
/// the own compartment, and of what is nobody's, it is `confined` already.
///
/// # Errors
/// A parameter names another patient than the owner; or it names the owner among others, which would not be found once the search is narrowed; or it finds by other resources.
pub(super) fn confine_search(
    owner: &Owner<'_>,
    search: &Search,
    resource_type: ResourceType,
    mut confined: bool,
    absent: Denial,
) -> Result<bool, Denial> {
    let mut among_others = false;
    for parameter in &search.parameters {
        // What it finds others by may not be the owner's.
        if !parameter.path.is_empty() {
            return Err(Denial::NotSupported("parameter"));
        }
        // References to others are taken out of what is a patient's, and a match would tell of them.
        let refers = parameter.definition.kind() == SearchKind::Reference && owner.is_patient();
        let mut named = parameter
            .values
            .iter()
            .filter_map(|value| owner.named(value));
        if refers && named.any(|id| id != owner.id) {
            return Err(absent);
        }
        let by_id = owner.is_of(resource_type) && parameter.definition.name() == "_id";
        if !by_id && !owner.is_searched_by(resource_type, parameter.definition) {
            continue;
        }
        let (mut names_own, mut only_own) = (false, true);
        for value in &parameter.values {
            let named = match by_id {
                true => Some(value.as_str()),
                false => owner.named(value),
            };
            match named {
                Some(id) if id == owner.id => names_own = true,
                // A practitioner works with others.
                Some(_) if owner.is_patient() => return Err(absent),
                // Links are taken out of the own Patient, and a match would tell of them.
                None if owner.is_patient() && owner.is_of(resource_type) => {
                    return Err(Denial::NotSupported("parameter"));
                }
                _ => only_own = false,
            }
        }
        let tells = by_id || !owner.is_of(resource_type);
        let plain = parameter.modifier.is_none() && !parameter.values.is_empty();
        confined |= tells && only_own && plain;
        among_others |= names_own && !only_own;
    }
    match among_others && !confined {
        true => Err(Denial::NotSupported("parameter")),
        false => Ok(confined),
    }
}
