//! How far a search reaches: over several types, or in a compartment.

use std::borrow::Cow;

use super::place::{known, logical_id};
use super::query::{self, Pair};
use super::{FhirPolicy, Interaction};
use crate::denial::Denial;
use crate::fhir::{Compartment, ResourceType};

/// Where a search over several types looks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reach {
    /// The compartment, and the id of whose it is; `None`: all that the server has.
    pub compartment: Option<(Compartment, String)>,
    /// The types.
    pub types: Types,
}

/// The types that a search over several is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Types {
    /// One, in the path: `Patient/p1/Observation`.
    One(ResourceType),
    /// Those of `_type`, at least one and each once.
    Listed(Vec<ResourceType>),
    /// All that there are, or all of the compartment.
    All,
}

impl Reach {
    /// Reads the path below the base: nothing, `Patient/id/T`, `Patient/id/*` or `Patient/id`. Types that
    /// are listed are not known yet.
    pub(super) fn parse(segments: &[&str]) -> Result<Reach, Denial> {
        let (owner, types) = match segments {
            [""] | [] => (None, Types::All),
            [owner, id] | [owner, id, "*"] => (Some((owner, id)), Types::All),
            [owner, id, name] => (Some((owner, id)), Types::One(known(name)?)),
            _ => return Err(Denial::Path),
        };
        let compartment = match owner {
            Some((owner, id)) => {
                let compartment = Compartment::of(known(owner)?).ok_or(Denial::Path)?;
                Some((compartment, logical_id(id)?))
            }
            None => None,
        };
        Ok(Reach { compartment, types })
    }

    /// The search with these parameters.
    pub(super) fn search(
        mut self,
        parameters: Vec<Pair>,
        policy: &FhirPolicy,
    ) -> Result<Interaction, Denial> {
        let parameters = match self.types {
            // In the path already.
            Types::One(_) => parameters,
            _ => {
                let (types, parameters) = Types::take(parameters)?;
                self.types = types;
                parameters
            }
        };
        let types = self.types();
        let outside = |compartment: Compartment| types.iter().any(|of| !compartment.holds(*of));
        if self
            .compartment
            .as_ref()
            .is_some_and(|(of, _)| outside(*of))
        {
            return Err(Denial::NotSupported("type"));
        }
        let search = query::search(&types, &parameters, policy)?;
        Ok(Interaction::SearchAcross {
            search,
            reach: self,
        })
    }

    /// Every type that the answer may hold.
    pub fn types(&self) -> Cow<'_, [ResourceType]> {
        self.types
            .within(self.compartment.as_ref().map(|(of, _)| *of))
    }

    /// The canonical path below a base.
    pub(super) fn path(&self) -> String {
        let Some((compartment, id)) = &self.compartment else {
            return String::new();
        };
        let owner = compartment.name();
        match &self.types {
            Types::One(resource_type) => format!("/{owner}/{id}/{resource_type}"),
            Types::Listed(_) | Types::All => format!("/{owner}/{id}/*"),
        }
    }
}

impl Types {
    /// Takes `_type` out of the parameters.
    pub(super) fn take(parameters: Vec<Pair>) -> Result<(Types, Vec<Pair>), Denial> {
        let is_list = |(name, _): &Pair| name == "_type";
        let (listed, rest): (Vec<_>, Vec<_>) = parameters.into_iter().partition(is_list);
        let types = match listed.as_slice() {
            [] => return Ok((Types::All, rest)),
            [(_, names)] => names.split(',').map(ResourceType::parse),
            _ => return Err(Denial::Request("repeated-parameter")),
        };
        let mut once = Vec::new();
        for found in types {
            let found = found.ok_or(Denial::Request("type"))?;
            if once.contains(&found) {
                return Err(Denial::Request("type"));
            }
            once.push(found);
        }
        Ok((Types::Listed(once), rest))
    }

    /// All of them, within a compartment where there is one. What carries other resources is never meant
    /// by not naming it.
    pub fn within(&self, compartment: Option<Compartment>) -> Cow<'_, [ResourceType]> {
        match self {
            Types::One(one) => Cow::Borrowed(std::slice::from_ref(one)),
            Types::Listed(listed) => Cow::Borrowed(listed),
            Types::All => {
                let inside = |found: &ResourceType| match compartment {
                    Some(compartment) => compartment.holds(*found),
                    None => !found.is_container(),
                };
                Cow::Owned(ResourceType::all().filter(inside).collect())
            }
        }
    }

    /// The only one, where the path or the list names one.
    pub(super) fn one(&self) -> Option<ResourceType> {
        match self {
            Types::One(one) => Some(*one),
            Types::Listed(listed) => match listed.as_slice() {
                [one] => Some(*one),
                _ => None,
            },
            Types::All => None,
        }
    }

    /// The value of `_type`.
    pub(super) fn listed(&self) -> Option<String> {
        match self {
            Types::Listed(listed) => {
                let names: Vec<&str> = listed.iter().map(|found| found.name()).collect();
                Some(names.join(","))
            }
            Types::One(_) | Types::All => None,
        }
    }
}
