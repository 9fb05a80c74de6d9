//! Inclusions: what is sent along with the matches (<https://hl7.org/fhir/R4/search.html#revinclude>).

use super::SearchPolicy;
use crate::denial::Denial;
use crate::fhir::{ResourceType, SearchKind, SearchParameter, Searched, search_parameter};

/// The most inclusions of one search.
pub(super) const MAX_INCLUSIONS: usize = 8;

/// What a search has sent along, and what the operator allows of that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inclusion {
    /// `_revinclude`: what refers to a match, in the place of what a match refers to.
    pub reverse: bool,
    /// The type that refers.
    pub source: ResourceType,
    /// The parameter that looks at the references.
    pub parameter: SearchParameter,
    /// The type that is referred to; `None`: any.
    pub target: Option<ResourceType>,
    /// `:iterate`: from what is sent along as well, not from matches alone.
    pub iterate: bool,
}

impl Inclusion {
    /// Reads `Source:parameter` or `Source:parameter:Target`; `None` where that is no reference that there
    /// can be. `*` is none.
    pub fn parse(reverse: bool, text: &str) -> Option<Inclusion> {
        let mut parts = text.split(':');
        let source = ResourceType::parse(parts.next()?)?;
        let parameter = search_parameter(source, parts.next()?)?;
        let target = match parts.next() {
            Some(name) => Some(ResourceType::parse(name)?),
            None => None,
        };
        let fits = parameter.kind() == SearchKind::Reference
            && parameter.searched().is_some()
            && target.is_none_or(|target| parameter.can_target(target))
            && parts.next().is_none();
        fits.then_some(Inclusion {
            reverse,
            source,
            parameter,
            target,
            iterate: false,
        })
    }

    /// The inclusion that is asked for in a search of these types, as far as it is allowed: of the one type
    /// that is allowed where none is named.
    pub(super) fn read(
        reverse: bool,
        text: &str,
        types: &[ResourceType],
        allowed: &[Inclusion],
    ) -> Result<Inclusion, Denial> {
        let refused = || Denial::NotSupported("include");
        let mut asked = Inclusion::parse(reverse, text).ok_or_else(refused)?;
        let found = match reverse {
            false => types.contains(&asked.source),
            true => types.iter().any(|own| {
                asked.parameter.can_target(*own) && asked.target.is_none_or(|of| of == *own)
            }),
        };
        // What is searched for is what the reference leads to.
        let reached = |of: &Inclusion| !reverse || of.target.is_none_or(|to| types.contains(&to));
        let fits = |of: &&Inclusion| {
            reached(of)
                && (of.reverse, of.source, of.parameter) == (reverse, asked.source, asked.parameter)
                && (of.target.is_none() || asked.target.is_none_or(|own| of.target == Some(own)))
        };
        let fitting: Vec<&Inclusion> = allowed.iter().filter(fits).collect();
        if fitting.is_empty() || !found {
            return Err(refused());
        }
        if asked.target.is_none() {
            asked.target = match fitting.as_slice() {
                all if all.iter().any(|of| of.target.is_none()) => None,
                [one] => one.target,
                _ => return Err(refused()),
            };
        }
        Ok(asked)
    }

    /// Adds the inclusions that iterate, in reverse or not, to the others of a search of these types, as far as
    /// they are allowed. Each starts from what is searched for, or from what another one sends along.
    pub(super) fn read_iterating(
        mut asked: Vec<(bool, &str)>,
        types: &[ResourceType],
        policy: &SearchPolicy,
        include: &mut Vec<Inclusion>,
    ) -> Result<(), Denial> {
        let refused = || Denial::NotSupported("include");
        if !asked.is_empty() && policy.iterate == 0 {
            return Err(refused());
        }
        if asked.len() > policy.iterate {
            return Err(Denial::TooCostly("include".into()));
        }
        let mut reached = types.to_vec();
        reached.extend(include.iter().flat_map(Inclusion::types));
        while !asked.is_empty() {
            let left = asked.len();
            let mut later = Vec::new();
            for (reverse, text) in asked {
                // What it starts from may be brought by one that stands behind it.
                let Ok(found) = Inclusion::read(reverse, text, &reached, &policy.include) else {
                    later.push((reverse, text));
                    continue;
                };
                let found = Inclusion {
                    iterate: true,
                    ..found
                };
                if include.contains(&found) {
                    return Err(Denial::Request("repeated-parameter"));
                }
                reached.extend(found.types());
                include.push(found);
            }
            if later.len() == left {
                return Err(refused());
            }
            asked = later;
        }
        Ok(())
    }

    /// Every type that is sent along.
    pub fn types(&self) -> Vec<ResourceType> {
        match (self.reverse, self.target) {
            (true, _) => vec![self.source],
            (false, Some(target)) => vec![target],
            (false, None) => self.parameter.targets().collect(),
        }
    }

    /// The elements of the source that it tells about.
    pub fn searched(&self) -> impl Iterator<Item = Searched> {
        self.parameter.searched().into_iter().flatten()
    }

    /// The name in the query.
    pub(crate) fn name(&self) -> &'static str {
        match (self.reverse, self.iterate) {
            (true, true) => "_revinclude:iterate",
            (true, false) => "_revinclude",
            (false, true) => "_include:iterate",
            (false, false) => "_include",
        }
    }

    /// The value in the query.
    pub(super) fn value(&self) -> String {
        let target = self.target.map(|target| format!(":{target}"));
        let target = target.unwrap_or_default();
        format!("{}:{}{target}", self.source, self.parameter.name())
    }
}
