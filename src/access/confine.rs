//! What `patient/` scopes open.

use super::Terms;
use super::hidden::searched;
use crate::denial::Denial;
use crate::fhir::{Compartment, PatientCompartment, ResourceType};
use crate::identity::Principal;
use crate::request::{Change, Interaction, Search, Types};

/// What a `patient/` scope opens: the own Patient, other instances of types of which the answer tells
/// whose they are, searches for what is the own patient's ([`confine_search`]), and writes of the
/// configured types. `false`: a search that has to be narrowed before it goes on.
pub(super) fn confine(
    principal: &Principal,
    interaction: &Interaction,
    resource_type: ResourceType,
    terms: &Terms<'_>,
) -> Result<bool, Denial> {
    let absent = Denial::Absent {
        forbidden: terms.forbidden,
    };
    let own = |id: &str| principal.patient() == Some(id);
    let whose = &terms.fhir.compartment;
    match interaction {
        Interaction::Read { id, .. }
        | Interaction::Vread { id, .. }
        | Interaction::HistoryInstance { id, .. } => {
            // Whose anything else is shows in the answer.
            let opens = match resource_type.is_patient() {
                true => own(id),
                false => whose.decides(resource_type),
            };
            opens.then_some(true).ok_or(absent)
        }
        Interaction::Search { .. } | Interaction::SearchAcross { .. } => {
            let Some(search) = searched(interaction, resource_type)? else {
                return Err(absent);
            };
            let patient = principal.patient().unwrap_or_default();
            match interaction.compartment() {
                None => {
                    let universal = whose.is_universal(resource_type);
                    confine_search(patient, &search, resource_type, (whose, universal), absent)
                }
                Some((Compartment::Patient, id)) if own(id) => {
                    // Of Patients it holds those who are linked to the own one.
                    let listed = match interaction {
                        Interaction::SearchAcross { reach, .. } => reach.types != Types::All,
                        _ => true,
                    };
                    let confined = !(resource_type.is_patient() && listed);
                    confine_search(patient, &search, resource_type, (whose, confined), absent)
                }
                Some((Compartment::Patient, _)) => Err(absent),
                // Whose compartment it is says nothing of whose data are in it.
                Some((Compartment::Practitioner, _)) => Err(Denial::NotSupported("interaction")),
            }
        }
        Interaction::Conditional(conditional) => {
            let own = principal.patient().unwrap_or_default();
            if conditional.change != Change::Create {
                // Whose it is cannot be pinned before.
                Err(Denial::NotSupported("patient-conditional"))
            } else if resource_type.is_patient()
                || !terms.fhir.writes.patient_types.contains(&resource_type)
            {
                Err(Denial::NotSupported("patient-write-type"))
            } else {
                let search = &conditional.search;
                match confine_search(own, search, resource_type, (whose, false), absent)? {
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
        | Interaction::Public(_) => Err(Denial::NotSupported("interaction")),
    }
}

/// Whether a search is confined: some parameter lets nothing through but what belongs to the own patient.
/// It looks at membership elements only, and each of its alternatives is the own patient. (A Patient is
/// found by `_id` alone: one that links to another is not the other.) Beside it others may narrow the
/// search further, also by references in membership elements: parameters are joined by *and*. In the own
/// compartment, and of what is nobody's, it is `confined` already.
///
/// # Errors
/// A parameter that looks at a membership element names another patient; or it names the own one among
/// others, which would not be found once the search is narrowed; or it finds by other resources.
pub(super) fn confine_search(
    own: &str,
    search: &Search,
    resource_type: ResourceType,
    (compartment, mut confined): (&PatientCompartment, bool),
    absent: Denial,
) -> Result<bool, Denial> {
    let mut among_others = false;
    for parameter in &search.parameters {
        // What it finds others by may not be the own patient's.
        if !parameter.path.is_empty() {
            return Err(Denial::NotSupported("parameter"));
        }
        let by_id = resource_type.is_patient() && parameter.definition.name() == "_id";
        if !by_id && !compartment.is_searched_by(resource_type, parameter.definition) {
            continue;
        }
        let (mut names_own, mut only_own) = (false, true);
        for value in &parameter.values {
            let patient = match by_id {
                true => Some(value.as_str()),
                false => value.strip_prefix("Patient/"),
            };
            match patient {
                Some(id) if id == own => names_own = true,
                Some(_) => return Err(absent),
                None => only_own = false,
            }
        }
        let tells = by_id || !resource_type.is_patient();
        let plain = parameter.modifier.is_none() && !parameter.values.is_empty();
        confined |= tells && only_own && plain;
        among_others |= names_own && !only_own;
    }
    match among_others && !confined {
        true => Err(Denial::NotSupported("parameter")),
        false => Ok(confined),
    }
}
