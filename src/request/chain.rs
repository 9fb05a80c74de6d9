//! Chains and `_has`: a search by what other resources say
//! (<https://hl7.org/fhir/R4/search.html#chaining>).

use super::search::Parameter;
use super::{FhirPolicy, Inclusion, values};
use crate::denial::Denial;
use crate::fhir::{ResourceType, search_parameter};

/// The most hops of one chain.
pub(super) const MAX_HOPS: usize = 3;

/// Whether this is the name of a chain, or of a `_has`.
pub(super) fn is_chained(name: &str) -> bool {
    name.contains('.') || name.starts_with("_has:")
}

/// Reads `subject:Patient.family`, `patient.general-practitioner.family`, `_has:Observation:patient:code` or
/// `_has:Observation:patient:_has:AuditEvent:entity:agent`. Each hop must be one that the operator allows,
/// and leads to one type; at its end stands a parameter without a modifier.
pub(super) fn read(
    resource_type: ResourceType,
    name: &str,
    value: &str,
    policy: &FhirPolicy,
) -> Result<Parameter, Denial> {
    let refused = || Denial::NotSupported("parameter");
    let allowed = &policy.search.chains;
    let mut path = Vec::new();
    let mut of = resource_type;
    let last = if name.starts_with("_has:") {
        let mut rest = name;
        while let Some(nested) = rest.strip_prefix("_has:") {
            // A type and a parameter.
            let mut colons = nested.match_indices(':').map(|(at, _)| at);
            let end = colons.nth(1).ok_or_else(refused)?;
            let (hop, last) = nested.split_at(end);
            let hop = Inclusion::read(true, hop, &[of], allowed).map_err(|_| refused())?;
            path.push(Inclusion {
                // What is searched for, or led to so far, and nothing else.
                target: Some(of),
                ..hop
            });
            of = hop.source;
            rest = last.strip_prefix(':').ok_or_else(refused)?;
        }
        rest
    } else {
        let (hops, last) = name.rsplit_once('.').ok_or_else(refused)?;
        for hop in hops.split('.') {
            let hop = format!("{of}:{hop}");
            let hop = Inclusion::read(false, &hop, &[of], allowed).map_err(|_| refused())?;
            let mut all = hop.parameter.targets();
            let only = all.next().filter(|_| all.next().is_none());
            of = hop.target.or(only).ok_or_else(refused)?;
            path.push(Inclusion {
                target: Some(of),
                ..hop
            });
        }
        last
    };
    if path.len() > MAX_HOPS {
        return Err(Denial::TooCostly("chain".into()));
    }
    let definition = search_parameter(of, last)
        .filter(|definition| values::are_understood(*definition))
        .ok_or_else(refused)?;
    Ok(Parameter {
        path,
        definition,
        modifier: None,
        values: values::read(definition, value, &policy.base)?,
    })
}

impl Parameter {
    /// The type that its definition is of, where it is another's than that of the search.
    pub fn leads_to(&self) -> Option<ResourceType> {
        let last = self.path.last()?;
        match last.reverse {
            true => Some(last.source),
            false => last.target,
        }
    }

    /// What stands before the name of the last parameter.
    pub(super) fn prefix(&self) -> String {
        let hop = |hop: &Inclusion| match (hop.reverse, hop.target) {
            (true, _) => format!("_has:{}:{}:", hop.source, hop.parameter.name()),
            (false, Some(target)) => format!("{}:{target}.", hop.parameter.name()),
            (false, None) => format!("{}.", hop.parameter.name()),
        };
        self.path.iter().map(hop).collect()
    }
}
