//! Modifiers: a closed table (<https://hl7.org/fhir/R4/search.html#modifiers>).

use super::search::{Modifier, Parameter};
use super::{FhirPolicy, values};
use crate::denial::Denial;
use crate::fhir::{Compartment, ResourceType, SearchKind, SearchParameter};

/// Reads a parameter with a modifier. Everything that is not in the table is refused: what it matches is not
/// known here.
pub(super) fn read(
    resource_type: ResourceType,
    definition: SearchParameter,
    modifier: &str,
    value: &str,
    policy: &FhirPolicy,
) -> Result<Parameter, Denial> {
    let base = &policy.base;
    let refused = Denial::NotSupported("parameter");
    let (modifier, values) = match (definition.kind(), modifier) {
        (SearchKind::String, "exact") => (Modifier::Exact, values::read(definition, value, base)?),
        (SearchKind::String, "contains") if policy.search.contains => {
            (Modifier::Contains, values::read(definition, value, base)?)
        }
        (SearchKind::Token, "not") if definition.name() != "_id" => {
            (Modifier::Not, values::read(definition, value, base)?)
        }
        (_, "missing") if !names_owner(resource_type, definition, policy) => match value {
            "true" | "false" => (Modifier::Missing, vec![value.to_owned()]),
            _ => return Err(Denial::Request("missing")),
        },
        (SearchKind::Reference, name) => {
            // It says what the ids are of, and goes up as `Type/id`.
            let target = ResourceType::parse(name).ok_or(refused)?;
            return Ok(Parameter {
                path: Vec::new(),
                definition,
                modifier: None,
                values: values::read_typed(definition, target, value, base)?,
            });
        }
        _ => return Err(refused),
    };
    Ok(Parameter {
        path: Vec::new(),
        definition,
        modifier: Some(modifier),
        values,
    })
}

/// Whether a match says whose a resource is: what has no owner is what nobody may ask for.
fn names_owner(
    resource_type: ResourceType,
    definition: SearchParameter,
    policy: &FhirPolicy,
) -> bool {
    definition.name() == "_id"
        || policy.compartment.is_searched_by(resource_type, definition)
        || Compartment::Practitioner.is_searched_by(resource_type, definition)
}
