//! Bulk exports: who may start one, and what of its files is for the caller.

use std::rc::Rc;

use super::consent::{self, Consent};
use super::operation::of_both;
use super::{Facts, Granted, Level, Permit, Spared, Terms, granting, required};
use crate::access::hidden::of_compartment;
use crate::denial::Denial;
use crate::fhir::{Compartment, ResourceType, search_parameter};
use crate::identity::Principal;
use crate::request::{Export, ExportOf, ExportStep, Interaction, Request, Search, Types};

/// Permits a step of an export. The caller needs a token with `system/` scopes that is bound to a certificate,
/// `r` and `s` of each type that is listed, of Patient where patients are exported, and of Group where those
/// of a group are. Each step is decided on as if the export were to start, and a file by its type alone. Of a
/// file leaves what the caller may find and read.
pub(super) fn authorize(
    principal: &Rc<Principal>,
    request: &Request,
    export: &Export,
    terms: &Terms<'_>,
) -> Result<Permit, Denial> {
    let lacking = |of: &str| Denial::Scope(format!("{}/{of}.rs", Level::System.name()));
    let Some((Level::System, scopes)) = granting(principal) else {
        return Err(lacking("*"));
    };
    if !principal.bindings().contains(&"certificate") {
        return Err(Denial::Rule("export.unbound".into()));
    }
    let facts = |resource_type| {
        Facts::new(
            principal,
            &request.interaction,
            resource_type,
            terms.circumstances,
        )
    };
    let granted = |resource_type: ResourceType| {
        let granted = of_both(scopes, resource_type).filter(|_| !resource_type.is_container())?;
        Some(granted.seen(terms.rules.seen(&facts(resource_type))))
    };
    let started_at = match export.of {
        ExportOf::System => &[][..],
        ExportOf::Patients => &["Patient"][..],
        ExportOf::Group(_) => &["Group", "Patient"][..],
    };
    let rules = terms.rules;
    let mut reported = Vec::new();
    let mut needed = Vec::new();
    for name in started_at {
        let resource_type = ResourceType::parse(name).ok_or(Denial::Path)?;
        let own = granted(resource_type).ok_or_else(|| lacking(name))?;
        // Whether this group is one that the caller may see is not known.
        if !resource_type.is_patient() && !own.is_all() {
            return Err(Denial::NotSupported("group"));
        }
        rules.admit(&facts(resource_type), &mut reported)?;
        needed.push(resource_type);
    }
    let listed = export.types != Types::All;
    let mut admitted = Vec::new();
    for resource_type in export.types.within(None).iter() {
        let opened = match granted(*resource_type) {
            Some(granted) => rules
                .admit(&facts(*resource_type), &mut reported)
                .map(|()| granted),
            None => Err(lacking(resource_type.name())),
        };
        match opened {
            Ok(granted) => admitted.push((*resource_type, granted)),
            Err(denial) if listed => return Err(denial),
            Err(_) => {}
        }
    }
    if admitted.is_empty() {
        return Err(lacking("*"));
    }
    let all = match listed {
        true => admitted.len(),
        false => Types::All.within(None).len(),
    };
    let filters = filters(principal, export, &admitted, &facts, terms)?;
    let types: Vec<ResourceType> = admitted.iter().map(|(of, _)| *of).collect();
    let export = export.filtered(filters, terms.fhir);
    let export = &match admitted.len() < all {
        true => export.of_types(types.clone()),
        false => export,
    };
    // Before a job starts of which nobody could be told.
    export.check_length()?;
    // What went wrong is told in words of ours, whatever was exported.
    let outcome = |of: ResourceType| of.name() == "OperationOutcome";
    let (granted, others) = match export.step {
        ExportStep::File(of, _) if outcome(of) => (Granted::All, Vec::new()),
        ExportStep::File(of, _) => {
            let own = admitted.iter().position(|(known, _)| *known == of);
            let own = own.map(|place| admitted.swap_remove(place).1);
            (own.ok_or_else(|| lacking(of.name()))?, Vec::new())
        }
        _ => (Granted::All, admitted),
    };
    let file = match export.step {
        ExportStep::File(of, _) if !outcome(of) => Some(of),
        _ => None,
    };
    let leaving = match &file {
        Some(of) => std::slice::from_ref(of),
        None => &types,
    };
    let mut spared: Option<Spared> = None;
    for resource_type in leaving {
        let own = rules.spared(&facts(*resource_type))?;
        spared = Some(spared.map_or(own, |spared| spared.and(own)));
    }
    let now = terms.circumstances.time / 1_000_000_000;
    let decided = || needed.iter().chain(leaving).copied();
    for resource_type in decided() {
        for rule in terms.step_up {
            rule.check(&request.interaction, resource_type, principal.login(), now)?;
        }
    }
    let each = decided().map(facts);
    let asking = required(rules, principal, request, each, now, &mut reported)?;
    let mut permit = Permit {
        request: Request {
            interaction: Interaction::Export(Box::new(export.clone())),
            ..request.clone()
        },
        principal: Some(Rc::clone(principal)),
        rule: "export".to_owned(),
        patient: None,
        practitioner: None,
        readable: Some(granted.clone()),
        granted,
        others,
        level: Some(Level::System),
        spared: spared.unwrap_or_default(),
        reported: Vec::new(),
        consent: Consent::NotNeeded,
        counts: false,
        circumstances: Some(terms.circumstances),
    };
    if let Some((rule, facts)) = asking {
        permit.consent =
            consent::needed(&permit, Level::System, rule, &facts, terms, &mut reported)?;
    }
    if let ExportOf::Group(_) = export.of {
        in_group(&permit, &types, &facts, terms)?;
    }
    reported.sort_unstable();
    reported.dedup();
    permit.reported = reported;
    Ok(permit)
}

/// Refuses an export by the members of a group, where who they are is hidden: that a resource is in it would tell.
fn in_group<'f>(
    permit: &Permit,
    types: &[ResourceType],
    facts: &dyn Fn(ResourceType) -> Facts<'f>,
    terms: &Terms<'_>,
) -> Result<(), Denial> {
    let refused = Err(Denial::NotSupported("group"));
    let of = |resource_type| {
        Ok(Permit {
            spared: terms.rules.spared(&facts(resource_type))?,
            ..permit.clone()
        })
    };
    let group = ResourceType::parse("Group").ok_or(Denial::Path)?;
    let member = search_parameter(group, "member").and_then(|member| member.searched());
    let own = of(group)?;
    let hidden = |searched| (terms.hidden)(&own, group, searched);
    if member.is_none_or(|mut searched| searched.any(hidden)) {
        return refused;
    }
    for resource_type in types {
        let own = of(*resource_type)?;
        if of_compartment(&own, Compartment::Patient, *resource_type, terms).is_err() {
            return refused;
        }
    }
    Ok(())
}

/// The filters, each as narrow as what granular scopes match, where that can be said: that there is a file would
/// tell. Refuses those by which the caller could not search, or that look at what is hidden in the export.
fn filters<'f>(
    principal: &Rc<Principal>,
    export: &Export,
    admitted: &[(ResourceType, Granted)],
    facts: &dyn Fn(ResourceType) -> Facts<'f>,
    terms: &Terms<'_>,
) -> Result<Vec<(ResourceType, Search)>, Denial> {
    let mut narrowed = Vec::new();
    for (resource_type, search) in &export.filters {
        if !admitted.iter().any(|(known, _)| known == resource_type) {
            return Err(Denial::Request("type-filter"));
        }
        let asked = Request {
            interaction: Interaction::Search {
                resource_type: *resource_type,
                search: search.clone(),
            },
            head_only: false,
            form: false,
            page: None,
            provenance: None,
        };
        let found = super::authorize(principal, &asked, terms)?;
        let own = Permit {
            spared: terms.rules.spared(&facts(*resource_type))?,
            ..found
        };
        let hides = |search: &Search| {
            search
                .searched()
                .any(|of| (terms.hidden)(&own, *resource_type, of))
        };
        if hides(search) {
            return Err(Denial::NotSupported("parameter"));
        }
        let narrow = own.request.interaction.search();
        let narrow = narrow.map(|narrow| Search {
            parameters: narrow.parameters.clone(),
            ..search.clone()
        });
        let narrow = narrow.filter(|narrow| !hides(narrow));
        narrowed.push((*resource_type, narrow.unwrap_or_else(|| search.clone())));
    }
    Ok(narrowed)
}
