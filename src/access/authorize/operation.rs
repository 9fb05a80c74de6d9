//! Operations: who may call one, and what of its answer is for the caller.

use std::rc::Rc;

use super::super::hidden::of_compartment;
use super::consent::{self, Consent};
use super::{Facts, Granted, Letter, Level, Permit, Scope, Spared, Terms, granting, required};
use crate::denial::Denial;
use crate::fhir::{Compartment, ResourceType, search_parameter};
use crate::identity::{Principal, Scopes};
use crate::request::{Call, OperationAnswer, OperationLevel, Request, Types, UserAccess};

/// Permits a call of a listed operation. The caller needs `r` and `s` of the type that it is called on, the
/// scopes that the operator asks for, and of an answer sees what is of types with both.
pub(super) fn authorize(
    principal: &Rc<Principal>,
    request: &Request,
    call: &Call,
    terms: &Terms<'_>,
) -> Result<Permit, Denial> {
    let main = call.main_type().ok_or(Denial::Path)?;
    let lacking = |level: Level, of: &str| Denial::Scope(format!("{}/{of}.rs", level.name()));
    let Some((level, scopes)) = granting(principal) else {
        return Err(lacking(Level::User, main.name()));
    };
    // What comes of it is not confined to a practitioner's compartment.
    if level == Level::User && terms.fhir.user_access == UserAccess::Compartment {
        return Err(Denial::NotSupported("operation"));
    }
    for text in &call.operation.scopes {
        let wanted = Scope::parse(text);
        let held = |wanted: Scope| scopes.data().any(|scope| scope.includes(&wanted));
        if !wanted.is_some_and(held) {
            return Err(Denial::Scope(text.clone()));
        }
    }
    let facts = |resource_type| {
        Facts::new(
            principal,
            &request.interaction,
            resource_type,
            terms.circumstances,
        )
    };
    let of_both = |resource_type| {
        let granted = of_both(scopes, resource_type)?;
        Some(granted.seen(terms.rules.seen(&facts(resource_type))))
    };
    // An answer that is not looked into may tell of what the caller may not see, and a call may change it.
    let screened = matches!(
        call.operation.answer,
        OperationAnswer::Bundle | OperationAnswer::Resource(_)
    );
    let refused = |of| {
        let seen = terms.rules.seen(&facts(of));
        seen.labels.is_some() || (seen.texts.is_some() && !screened)
    };
    if (call.post || !screened) && ResourceType::all().any(refused) {
        return Err(Denial::NotSupported("operation"));
    }
    if let Some(resource_type) = call.resource_type {
        let called_on = of_both(resource_type);
        let called_on = called_on.ok_or_else(|| lacking(level, resource_type.name()))?;
        // Whether what it is called on matches is not known.
        if (call.post || !screened) && !called_on.is_all() {
            return Err(Denial::NotSupported("granular-write"));
        }
    }
    let patient = match level {
        Level::Patient => principal.patient().map(str::to_owned),
        Level::System | Level::User => None,
    };
    confine(principal, call, level, terms)?;
    let mut answered = answered(&of_both, call, level, terms)?;
    let mut reported = Vec::new();
    let rules = terms.rules;
    // What it is called on, and what decides on the answer.
    let called_on = call.resource_type.filter(|of| *of != main);
    for resource_type in called_on.into_iter().chain([main]) {
        rules.admit(&facts(resource_type), &mut reported)?;
    }
    // A rule against a type that nobody asked for takes that type out of the answer.
    let listed = call.types != Types::All;
    let mut admitted = Vec::with_capacity(answered.len());
    for (resource_type, granted) in answered.drain(..) {
        match rules.admit(&facts(resource_type), &mut reported) {
            Ok(()) => admitted.push((resource_type, granted)),
            Err(denial) if listed || resource_type == main => return Err(denial),
            Err(_) => {}
        }
    }
    let mut spared = rules.spared(&facts(main))?;
    let others = admitted.iter().map(|(of, _)| *of);
    for resource_type in others.chain(called_on) {
        spared = Spared::and(spared, rules.spared(&facts(resource_type))?);
    }
    if !screened {
        // It may tell of any type, whatever it is called on.
        for resource_type in ResourceType::all() {
            spared.redactions &= rules.spared(&facts(resource_type))?.redactions;
        }
    }
    let own = admitted.iter().position(|(of, _)| *of == main);
    let granted = own.map_or(Granted::NOTHING, |place| admitted.swap_remove(place).1);
    let now = terms.circumstances.time / 1_000_000_000;
    let types = || {
        let others = admitted.iter().map(|(of, _)| *of);
        others.chain([main]).chain(called_on)
    };
    for resource_type in types() {
        for rule in terms.step_up {
            rule.check(&request.interaction, resource_type, principal.login(), now)?;
        }
    }
    let asking = required(
        rules,
        principal,
        request,
        types().map(facts),
        now,
        &mut reported,
    )?;
    let mut permit = Permit {
        request: request.clone(),
        principal: Some(Rc::clone(principal)),
        rule: format!("operation:{}", call.operation.name),
        patient,
        practitioner: None,
        readable: Some(granted.clone()),
        granted,
        others: Vec::new(),
        level: Some(level),
        spared,
        reported: Vec::new(),
        consent: Consent::NotNeeded,
        counts: false,
        circumstances: Some(terms.circumstances),
    };
    if let Some((rule, facts)) = asking {
        permit.consent = consent::needed(&permit, level, rule, &facts, terms, &mut reported)?;
    }
    for resource_type in types() {
        unhidden(&permit, call, resource_type, terms)?;
        // What comes of somebody's instance tells whose it is.
        if let Some(compartment) = call
            .id
            .as_ref()
            .and(call.resource_type)
            .and_then(Compartment::of)
        {
            of_compartment(&permit, compartment, resource_type, terms)?;
        }
    }
    reported.sort_unstable();
    reported.dedup();
    permit.reported = reported;
    permit.others = admitted;
    Ok(permit)
}

/// What the caller may read as well as find of a type; `None` where that is nothing.
pub(super) fn of_both(scopes: &Scopes, resource_type: ResourceType) -> Option<Granted> {
    let read = Granted::of(scopes, resource_type, Letter::Read)?;
    let found = Granted::of(scopes, resource_type, Letter::Search)?;
    match (read.scopes(), found.scopes()) {
        (None, _) => Some(found),
        (_, None) => Some(read),
        (Some(read), Some(found)) => {
            let both = read.iter();
            let both = both.filter(|scope| found.iter().any(|other| Rc::ptr_eq(scope, other)));
            let both: Vec<Rc<Scope>> = both.cloned().collect();
            (!both.is_empty()).then_some(Granted::Matching(both))
        }
    }
}

/// The types that an answer may hold, and what of each.
fn answered(
    of_both: &dyn Fn(ResourceType) -> Option<Granted>,
    call: &Call,
    level: Level,
    terms: &Terms<'_>,
) -> Result<Vec<(ResourceType, Granted)>, Denial> {
    let lacking = |of: &str| Denial::Scope(format!("{}/{of}.rs", level.name()));
    let granted = |resource_type: ResourceType| {
        let own = level != Level::Patient || terms.fhir.compartment.decides(resource_type);
        let held = own && !resource_type.is_container();
        let granted = of_both(resource_type).filter(|_| held)?;
        Some((resource_type, granted))
    };
    let required = |resource_type: ResourceType| {
        granted(resource_type).ok_or_else(|| lacking(resource_type.name()))
    };
    match (call.operation.answer, &call.types) {
        (OperationAnswer::Resource(resource_type), _) => Ok(vec![required(resource_type)?]),
        (OperationAnswer::Parameters | OperationAnswer::Outcome, _) => Ok(Vec::new()),
        (OperationAnswer::Bundle, Types::All) => {
            let all: Vec<_> = ResourceType::all().filter_map(granted).collect();
            match all.is_empty() {
                true => Err(lacking("*")),
                false => Ok(all),
            }
        }
        (OperationAnswer::Bundle, listed) => {
            listed.within(None).iter().map(|of| required(*of)).collect()
        }
    }
}

/// What no list opens: `$everything` of all patients but to systems, and to a patient whatever is not about
/// the own Patient, or can only be looked at whole.
fn confine(
    principal: &Principal,
    call: &Call,
    level: Level,
    terms: &Terms<'_>,
) -> Result<(), Denial> {
    let operation = &call.operation;
    let refused = Err(Denial::NotSupported("operation"));
    if operation.name == "everything" && call.id.is_none() && level != Level::System {
        return refused;
    }
    if level != Level::Patient {
        return Ok(());
    }
    let screened = matches!(
        operation.answer,
        OperationAnswer::Bundle | OperationAnswer::Resource(_)
    );
    match &operation.level {
        _ if operation.name == "match" || !screened => refused,
        OperationLevel::System => refused,
        // It may change what it is not asked about.
        OperationLevel::Type(_) if call.post => refused,
        // What comes of another's would tell whether that one is there.
        _ if names_another(principal, call, terms) => Err(Denial::Absent {
            forbidden: terms.forbidden,
        }),
        OperationLevel::Type(_) => Ok(()),
        OperationLevel::Instance(_)
            if is_own(principal, call.resource_type, call.id.as_deref()) =>
        {
            Ok(())
        }
        OperationLevel::Instance(_) => Err(Denial::Absent {
            forbidden: terms.forbidden,
        }),
    }
}

/// Whether a parameter names another patient than the own one.
fn names_another(principal: &Principal, call: &Call, terms: &Terms<'_>) -> bool {
    let own = principal.patient().unwrap_or_default();
    let mut values = call.parameters.iter();
    values.any(|(name, value)| {
        let value = terms.fhir.base.relative(value);
        let of_patient =
            matches!(name.as_str(), "patient" | "subject") || value.contains("Patient/");
        of_patient && value.strip_prefix("Patient/").unwrap_or(value) != own
    })
}

/// Refuses parameters by which hidden elements are searched. Which ones a body has is not known yet.
fn unhidden(
    permit: &Permit,
    call: &Call,
    resource_type: ResourceType,
    terms: &Terms<'_>,
) -> Result<(), Denial> {
    let declared = call.operation.parameters.iter().filter(|_| call.post);
    let given = call.parameters.iter().map(|(name, _)| name);
    for name in declared.chain(given) {
        let definition = search_parameter(resource_type, name);
        let mut searched = definition.and_then(|definition| definition.searched());
        let mut searched = searched.iter_mut().flatten();
        if searched.any(|searched| (terms.hidden)(permit, resource_type, searched)) {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    Ok(())
}

/// Whether this is the own Patient.
fn is_own(principal: &Principal, resource_type: Option<ResourceType>, id: Option<&str>) -> bool {
    resource_type.is_some_and(ResourceType::is_patient) && id.is_some() && id == principal.patient()
}
