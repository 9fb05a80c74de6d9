//! Answers that are asked for in part, or as a number.

use super::{Granted, Permit, Terms};
use crate::consent;
use crate::denial::Denial;
use crate::fhir::{self, Compartment, PatientCompartment, ResourceType, is_choice_type};
use crate::request::{Search, Summary};

impl Permit {
    /// The same permit, for a search that asks for none but these root elements and those that decisions rest
    /// on, as far as that can be asked for.
    pub fn reduced_to(self, kept: &[&'static str], terms: &Terms<'_>) -> Permit {
        let Some(request) = self.request.reduced_to(kept) else {
            return self;
        };
        let mut reduced = Permit {
            request,
            ..self.clone()
        };
        match reduced.reduce(terms) {
            Ok(()) => reduced,
            Err(_) => self,
        }
    }

    /// Has a search ask for what its answer is decided on, or refuses it.
    pub(super) fn reduce(&mut self, terms: &Terms<'_>) -> Result<(), Denial> {
        let interaction = &self.request().interaction;
        let (Some(search), Some(first)) =
            (interaction.search(), interaction.types().first().copied())
        else {
            return Ok(());
        };
        let others = self.others.iter();
        let others = others.map(|(other, granted)| (*other, granted));
        let each: Vec<_> = std::iter::once((first, &self.granted))
            .chain(others)
            .collect();
        let needed = needed(self, &each, search, &terms.fhir.compartment)?;
        self.request = self.request.with_elements(&needed, terms.fhir)?;
        Ok(())
    }
}

/// The elements that a search of these types must ask for, so that its answer can be decided on; none where
/// it asks for whole resources. Refuses what would leave nothing to decide on: a number tells of what the
/// caller may not see, and a summary may lack who a resource is about.
fn needed(
    permit: &Permit,
    types: &[(ResourceType, &Granted)],
    search: &Search,
    compartment: &PatientCompartment,
) -> Result<Vec<&'static str>, Denial> {
    if search.asks_for_total() && !permit.may_count() {
        return Err(Denial::NotSupported("total"));
    }
    let whole = !permit.is_confined() && permit.is_for_all();
    if !whole && matches!(search.summary, Some(Summary::Text | Summary::True)) {
        return Err(Denial::NotSupported("summary"));
    }
    // Nor would the narrative be there, whose text may be what a resource is withheld for.
    let withheld = |granted: &Granted| granted.texts().is_some_and(|texts| texts.withholds());
    let by_text = types.iter().any(|(_, granted)| withheld(granted));
    if by_text && search.summary == Some(Summary::Data) {
        return Err(Denial::NotSupported("summary"));
    }
    // It starts from what is taken out of the answer, too, and would tell of that.
    if !whole && search.include.iter().any(|inclusion| inclusion.iterate) {
        return Err(Denial::NotSupported("include"));
    }
    if search.elements.is_empty() {
        return Ok(Vec::new());
    }
    let mut needed = vec!["id", "meta"];
    for (resource_type, granted) in types {
        let practitioner = permit.practitioner().is_some();
        if permit.is_confined() {
            let of_practitioner =
                practitioner.then(|| Compartment::Practitioner.elements(*resource_type));
            let members = compartment.elements(*resource_type);
            let members = members.chain(of_practitioner.into_iter().flatten());
            needed.extend(members.filter_map(|path| path.names().next()));
            // Whom references within the resource lead to.
            needed.extend(named(*resource_type, "contained"));
        }
        if let Some(labels) = granted.labels() {
            if labels.looks_everywhere() {
                return Err(Denial::NotSupported("elements"));
            }
            let carry = ["contained", "extension", "modifierExtension"].into_iter();
            needed.extend(carry.filter_map(|element| named(*resource_type, element)));
        }
        // What is not asked for cannot be looked at.
        if withheld(granted) {
            return Err(Denial::NotSupported("elements"));
        }
        if granted.texts().is_some_and(|texts| texts.refuses()) {
            needed.extend(named(*resource_type, "contained"));
        }
        if permit.rests_on_consent() {
            let looked_at = consent::elements(*resource_type);
            needed.extend(looked_at.filter_map(|element| named(*resource_type, element)));
        }
        let rests_on = granted.elements();
        needed.extend(rests_on.filter_map(|element| named(*resource_type, element)));
    }
    Ok(needed)
}

/// The root element as `_elements` names it: of a choice without the type.
fn named(resource_type: ResourceType, element: &str) -> Option<&'static str> {
    let is = |name: &&str| {
        let rest = element.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || is_choice_type(rest))
    };
    let mut names: Vec<&'static str> = fhir::elements(resource_type).filter(is).collect();
    // `value` fits where `valueSet` is, too.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.first().copied()
}
