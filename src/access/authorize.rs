//! The one place where permission comes from.

mod consent;
mod export;
mod narrowed;
mod operation;
mod permit;
mod reduced;

use std::borrow::Cow;
use std::rc::Rc;

use super::confine::{confine, has_owner, owner};
use super::facts::{Circumstances, Facts};
use super::hidden::unhidden;
use super::provenance;
use super::rules::{Rule, Rules, Spared};
use super::{Granted, Letter, Level, Scope, Seen, StepUp};
use crate::denial::Denial;
use crate::fhir::{Compartment, ResourceType, Searched};
use crate::identity::{Principal, Scopes};
use crate::request::{Change, FhirPolicy, Interaction, Request, Search, Subscription};
use consent::Consent;
pub use consent::ConsentNeed;

/// The permission for one request: nothing is forwarded without it, and what is forwarded is the
/// interaction that it names. Only [`authorize`] and [`permit_public`] make one.
#[derive(Clone, Debug)]
pub struct Permit {
    request: Request,
    principal: Option<Rc<Principal>>,
    rule: String,
    patient: Option<String>,
    practitioner: Option<String>,
    /// What the interaction is permitted for, of the type, or the first of several.
    granted: Granted,
    /// And of the others that an answer may hold.
    others: Vec<(ResourceType, Granted)>,
    /// What the caller may read of the type; `None` where that is nothing.
    readable: Option<Granted>,
    /// The level of the scopes; `None` on a public path.
    level: Option<Level>,
    spared: Spared,
    reported: Vec<String>,
    consent: Consent,
    /// Whether the server is trusted to count no more than what the search is confined to.
    counts: bool,
    /// What it was decided under; `None` on a public path.
    circumstances: Option<Circumstances>,
}

/// Permits a request for a public path.
pub fn permit_public(request: &Request) -> Option<Permit> {
    matches!(request.interaction, Interaction::Public(_)).then(|| Permit {
        request: request.clone(),
        principal: None,
        rule: "public".to_owned(),
        patient: None,
        practitioner: None,
        granted: Granted::All,
        others: Vec::new(),
        readable: Some(Granted::All),
        level: None,
        spared: Spared::default(),
        reported: Vec::new(),
        consent: Consent::NotNeeded,
        counts: false,
        circumstances: None,
    })
}

/// What a decision rests on beside the request and who is calling.
pub struct Terms<'a> {
    /// Where the API is: a search may be made narrower only in a form that can be read again.
    pub fhir: &'a FhirPolicy,
    /// The deployment's answer for absent instances is 403.
    pub forbidden: bool,
    /// Whether an element of a type is hidden from this caller: a search on it would tell what may
    /// not be seen.
    pub hidden: &'a dyn Fn(&Permit, ResourceType, Searched) -> bool,
    /// Where more is asked of the login.
    pub step_up: &'a [StepUp],
    /// Rules with conditions.
    pub rules: &'a Rules,
    /// What conditions may be about beside the caller and the request.
    pub circumstances: Circumstances,
}

/// Permits a request of an established principal, or refuses it. A search over several types is decided
/// for each of them as if it were for this one alone, and so is what is sent along with matches.
pub fn authorize(
    principal: &Rc<Principal>,
    request: &Request,
    terms: &Terms<'_>,
) -> Result<Permit, Denial> {
    let interaction = &request.interaction;
    if let Interaction::Operation(call) = interaction {
        return operation::authorize(principal, request, call, terms);
    }
    if let Interaction::Export(export) = interaction {
        return export::authorize(principal, request, export, terms);
    }
    let types = interaction.types();
    let (Some((first, others)), Some(letter)) = (types.split_first(), letter(interaction)) else {
        return Err(Denial::Path);
    };
    let facts =
        |resource_type| Facts::new(principal, interaction, resource_type, terms.circumstances);
    let seen = |resource_type| terms.rules.seen(&facts(resource_type));
    let opened = |resource_type, seen| {
        let terms = (terms.fhir, seen);
        opened(principal, interaction, resource_type, letter, terms)
    };
    let seen_of_first = seen(*first);
    let (level, scopes, granted) = opened(*first, seen_of_first.clone())?;
    let readable = Granted::of(scopes, *first, Letter::Read);
    let owner = owner(principal, level, terms.fhir);
    let of = |compartment: Compartment| {
        let own = owner.filter(|own| own.compartment == compartment);
        own.map(|own| own.id.to_owned())
    };
    let mut permit = Permit {
        request: request.clone(),
        principal: Some(Rc::clone(principal)),
        rule: rule(scopes, *first, letter, &granted),
        patient: of(Compartment::Patient),
        practitioner: of(Compartment::Practitioner),
        granted,
        others: Vec::with_capacity(others.len()),
        readable: readable.map(|granted| granted.seen(seen_of_first)),
        level: Some(level),
        spared: Spared::default(),
        reported: Vec::new(),
        consent: Consent::NotNeeded,
        counts: counts(interaction, terms.fhir),
        circumstances: Some(terms.circumstances),
    };
    let included = interaction.included();
    for other in others.iter().chain(&included) {
        let (_, _, granted) = opened(*other, seen(*other))?;
        permit.others.push((*other, granted));
    }
    // A match tells of what it was found by, so that all of it must be the caller's to see.
    let looked_through = interaction.search().map(Search::looks_through);
    let looked_through = looked_through.unwrap_or_default();
    for other in &looked_through {
        let (_, _, granted) = opened(*other, seen(*other))?;
        if !granted.is_all() {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    let all = || {
        let further = looked_through.iter().filter(|of| !types.contains(of));
        types.iter().chain(&included).chain(further)
    };
    let mut confined = true;
    if let Some(owner) = &owner {
        for resource_type in types.iter() {
            confined &= confine(owner, interaction, *resource_type, terms)?;
        }
    }
    if level == Level::Patient {
        provenance::confine(principal, request, terms.fhir)?;
    }
    let mut reported = Vec::new();
    let rules = terms.rules;
    let mut spared = None;
    for resource_type in all() {
        let facts = facts(*resource_type);
        rules.admit(&facts, &mut reported)?;
        let of_type = rules.spared(&facts)?;
        // What is hidden, or charged, for one type is so for the whole answer.
        spared = Some(spared.map_or(of_type, |spared: Spared| spared.and(of_type)));
    }
    permit.spared = spared.unwrap_or_default();
    for resource_type in types.iter() {
        unhidden(&permit, *resource_type, terms)?;
    }
    if let Some(owner) = owner.filter(|_| !confined) {
        permit = narrowed::confined(permit, &owner, &types, terms)?;
    }
    permit.reduce(terms)?;
    if let [only] = types.as_ref() {
        permit = narrowed::narrowed(permit, *only, terms);
    }
    // Last: another login is of no use to whoever may not do it at all.
    let now = terms.circumstances.time / 1_000_000_000;
    for resource_type in all() {
        for rule in terms.step_up {
            rule.check(interaction, *resource_type, principal.login(), now)?;
        }
    }
    let each = all().map(|resource_type| facts(*resource_type));
    if let Some((rule, facts)) = required(rules, principal, request, each, now, &mut reported)? {
        permit.consent = consent::needed(&permit, level, rule, &facts, terms, &mut reported)?;
        permit.reduce(terms)?;
    }
    // A rule may have said so of several types.
    for name in reported {
        if !permit.reported.contains(&name) {
            permit.reported.push(name);
        }
    }
    Ok(permit)
}

/// Whether what rules require of each of these is there, and the rule that asks for consent, with what it was
/// asked about.
fn required<'r, 'f>(
    rules: &'r Rules,
    principal: &Principal,
    request: &Request,
    each: impl Iterator<Item = Facts<'f>>,
    now: u64,
    reported: &mut Vec<String>,
) -> Result<Option<(&'r Rule, Facts<'f>)>, Denial> {
    let mut asking: Option<(&Rule, Facts<'_>)> = None;
    for facts in each {
        let found = rules.require(principal, request, &facts, now, reported)?;
        asking = match (asking, found) {
            (Some((rule, facts)), Some(other)) if rule.outweighs(other) => Some((rule, facts)),
            (before, None) => before,
            (_, Some(rule)) => Some((rule, facts)),
        };
    }
    Ok(asking)
}

/// The scopes that count, and what they open of a type to this interaction; refuses what no scope can open.
fn opened<'p>(
    principal: &'p Principal,
    interaction: &Interaction,
    resource_type: ResourceType,
    letter: Letter,
    (fhir, seen): (&FhirPolicy, Seen),
) -> Result<(Level, &'p Scopes, Granted), Denial> {
    let counting = granting(principal);
    let found = counting.and_then(|(level, scopes)| {
        if !has_owner(principal, level, fhir) {
            return None;
        }
        let granted = Granted::of(scopes, resource_type, letter)?;
        Some((level, scopes, granted.seen(seen)))
    });
    let Some((level, scopes, granted)) = found else {
        let level = counting.map(|(level, _)| level);
        return Err(lacking(level, interaction, resource_type));
    };
    // Other resources, or bytes, inside: what the type says decides nothing about them.
    if resource_type.is_container() {
        return Err(Denial::NotSupported("type"));
    }
    let writes = matches!(letter, Letter::Create | Letter::Update | Letter::Delete);
    if writes && resource_type.steers_server() {
        let subscribes = Subscription::is_type(resource_type)
            && !fhir.writes.subscriptions.is_empty()
            && !matches!(
                interaction,
                Interaction::Patch { .. } | Interaction::Conditional(_)
            );
        if !subscribes || level == Level::Patient || !granted.is_all() {
            return Err(Denial::NotSupported("type"));
        }
    }
    // Whether what is there already matches is not known before it was read, and the write pinned to it.
    let pinned = fhir.writes.if_match && !matches!(interaction, Interaction::Conditional(_));
    if writes && letter != Letter::Create && !granted.is_all() && !pinned {
        return Err(Denial::NotSupported("granular-write"));
    }
    if let Interaction::Conditional(_) = interaction {
        // What comes of it tells what the search found.
        match Granted::of(scopes, resource_type, Letter::Search) {
            None => return Err(lacking(Some(level), interaction, resource_type)),
            Some(searched) if searched.is_all() && granted.is_all() => {}
            Some(_) => return Err(Denial::NotSupported("granular-write")),
        }
    }
    Ok((level, scopes, granted))
}

/// Whether the server is trusted to count what this search is confined to, by a condition of its own.
fn counts(interaction: &Interaction, fhir: &FhirPolicy) -> bool {
    let confined = |of: ResourceType| !fhir.compartment.is_universal(of);
    match interaction {
        Interaction::Search { resource_type, .. } => {
            fhir.search.trusted_total && confined(*resource_type)
        }
        _ => false,
    }
}

/// The letter that an interaction needs (SMART App Launch 2.2).
fn letter(interaction: &Interaction) -> Option<Letter> {
    match interaction {
        Interaction::Public(_) | Interaction::Operation(_) | Interaction::Export(_) => None,
        Interaction::Read { .. }
        | Interaction::Vread { .. }
        | Interaction::HistoryInstance { .. } => Some(Letter::Read),
        Interaction::HistorySystem { .. }
        | Interaction::HistoryType { .. }
        | Interaction::Search { .. }
        | Interaction::SearchAcross { .. } => Some(Letter::Search),
        Interaction::Create { .. }
        | Interaction::Update { .. }
        | Interaction::Patch { .. }
        | Interaction::Delete { .. }
        | Interaction::Conditional(_) => interaction.change().map(|change| match change {
            Change::Create => Letter::Create,
            Change::Update | Change::Patch => Letter::Update,
            Change::Delete => Letter::Delete,
        }),
    }
}

/// The refusal for want of a scope, which names the one that would be enough.
fn lacking(level: Option<Level>, interaction: &Interaction, resource_type: ResourceType) -> Denial {
    let level = level.unwrap_or(Level::User).name();
    let name = match interaction.types() {
        // One for each would be a long list.
        Cow::Owned(all) if all.len() > 1 => "*",
        _ => resource_type.name(),
    };
    match letter(interaction) {
        Some(letter) => {
            let search = match interaction {
                Interaction::Conditional(_) => "s",
                _ => "",
            };
            Denial::Scope(format!("{level}/{name}.{}{search}", letter.symbol()))
        }
        None => Denial::Path,
    }
}

/// The scope that allowed it: the first for all resources of the type, else the first granular one.
fn rule(scopes: &Scopes, resource_type: ResourceType, letter: Letter, granted: &Granted) -> String {
    let allowing = scopes.data().find(|scope| {
        scope.covers(resource_type, letter) && scope.is_granular() != granted.is_of_type()
    });
    let name = allowing.map(|scope| scopes.name(scope));
    format!("scope:{}", name.unwrap_or_default())
}

/// The scopes that count, and their one level. `patient/` means nothing without a patient in context,
/// nor `user/` without a user whose rights are known.
fn granting(principal: &Principal) -> Option<(Level, &Scopes)> {
    let scopes = principal.scopes();
    let level = scopes.level()?;
    let established = match level {
        Level::Patient => principal.patient().is_some(),
        Level::User => principal.user().is_some_and(is_professional),
        Level::System => true,
    };
    established.then_some((level, scopes))
}

/// Whether this user may be taken for somebody whose own rights reach beyond one patient. What a
/// Patient, a RelatedPerson or a Person may see is not known here, so it is nothing.
fn is_professional(user: &str) -> bool {
    user.starts_with("Practitioner/") || user.starts_with("PractitionerRole/")
}
