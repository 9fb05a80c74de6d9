//! The one place where permission comes from.

use std::rc::Rc;

use super::{Letter, Level, Scope};
use crate::denial::Denial;
use crate::fhir::{ResourceType, SearchKind, patient_membership};
use crate::identity::Principal;
use crate::request::{Interaction, Request, Search};

/// The permission for one request: nothing is forwarded without it, and what is forwarded is the
/// interaction that it names. Only [`authorize`] and [`permit_public`] make one.
#[derive(Clone, Debug)]
pub struct Permit {
    request: Request,
    principal: Option<Rc<Principal>>,
    rule: String,
    /// The scopes that count for the caller; none on a public path.
    scopes: Vec<Scope>,
    patient: Option<String>,
    may_read: bool,
}

impl Permit {
    /// What is permitted.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who is calling; `None` on a public path.
    pub fn principal(&self) -> Option<&Rc<Principal>> {
        self.principal.as_ref()
    }

    /// What allowed it, for the audit record: a scope as it stands in the token, or `public`.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The patient to whose compartment the answer is confined; `None` when it is not.
    pub fn patient(&self) -> Option<&str> {
        self.patient.as_deref()
    }

    /// Whether the caller may read what a write leaves behind.
    pub fn may_read(&self) -> bool {
        self.may_read
    }

    /// The search that this permit is for.
    pub fn search(&self) -> Option<&Search> {
        match &self.request.interaction {
            Interaction::Search { search, .. } => Some(search),
            Interaction::HistoryInstance { page, .. } | Interaction::HistoryType { page, .. } => {
                Some(page)
            }
            _ => None,
        }
    }

    /// Whether an active scope of the caller includes this one, for rules that spare some callers.
    pub fn holds_scope(&self, wanted: &Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(wanted))
    }
}

/// Permits a request for a public path.
pub fn permit_public(request: &Request) -> Option<Permit> {
    matches!(request.interaction, Interaction::Public(_)).then(|| Permit {
        request: request.clone(),
        principal: None,
        rule: "public".to_owned(),
        scopes: Vec::new(),
        patient: None,
        may_read: true,
    })
}

/// Permits a request of an established principal, or refuses it.
///
/// `hidden` tells whether an element of a type is hidden from this caller: a search on it would
/// tell what may not be seen. `forbidden` is the deployment's answer for absent instances.
pub fn authorize(
    principal: &Rc<Principal>,
    request: &Request,
    forbidden: bool,
    hidden: &dyn Fn(&Permit, ResourceType, &str) -> bool,
) -> Result<Permit, Denial> {
    let interaction = &request.interaction;
    let (Some(resource_type), Some(letter)) = (interaction.resource_type(), letter(interaction))
    else {
        return Err(Denial::Path);
    };
    let granted = granting(principal);
    let level = granted.as_ref().map_or(Level::User, |(level, _)| *level);
    let (scopes, text) = granted
        .and_then(|(_, scopes)| {
            let covers = |(_, scope): &&(&str, Scope)| scope.covers(resource_type, letter);
            let text = scopes.iter().find(covers)?.0;
            Some((scopes, text))
        })
        .ok_or_else(|| {
            let (level, letter) = (level.name(), letter.symbol());
            Denial::Scope(format!("{level}/{resource_type}.{letter}"))
        })?;
    let scopes: Vec<Scope> = scopes.into_iter().map(|(_, scope)| scope).collect();
    // Other resources, or bytes, inside: what the type says decides nothing about them.
    if resource_type.is_container() {
        return Err(Denial::NotSupported("type"));
    }
    let writes = matches!(letter, Letter::Create | Letter::Update | Letter::Delete);
    if writes && resource_type.steers_server() {
        return Err(Denial::NotSupported("type"));
    }
    let permit = Permit {
        request: request.clone(),
        principal: Some(Rc::clone(principal)),
        rule: format!("scope:{text}"),
        patient: match level {
            Level::Patient => principal.patient().map(str::to_owned),
            Level::System | Level::User => None,
        },
        may_read: scopes
            .iter()
            .any(|scope| scope.covers(resource_type, Letter::Read)),
        scopes,
    };
    if level == Level::Patient {
        confine(principal, interaction, resource_type, forbidden)?;
    }
    let searched = permit.search().into_iter().flat_map(Search::elements);
    for element in searched {
        if hidden(&permit, resource_type, element) {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    Ok(permit)
}

/// The letter that an interaction needs (SMART App Launch 2.2).
fn letter(interaction: &Interaction) -> Option<Letter> {
    match interaction {
        Interaction::Public(_) => None,
        Interaction::Read { .. }
        | Interaction::Vread { .. }
        | Interaction::HistoryInstance { .. } => Some(Letter::Read),
        Interaction::HistoryType { .. } | Interaction::Search { .. } => Some(Letter::Search),
        Interaction::Create { .. } => Some(Letter::Create),
        Interaction::Update { .. } | Interaction::Patch { .. } => Some(Letter::Update),
        Interaction::Delete { .. } => Some(Letter::Delete),
    }
}

/// The scopes that count, and their one level. A token that mixes levels would, as a union, let the
/// widest win unseen; so it grants nothing, even where a scope of another level is not understood
/// otherwise. `patient/` means nothing without a patient in context, nor `user/` without a user whose
/// rights are known.
fn granting(principal: &Principal) -> Option<(Level, Vec<(&str, Scope)>)> {
    let scopes: Vec<(&str, Scope)> = principal
        .scopes()
        .iter()
        .filter_map(|text| Some((text.as_str(), Scope::parse(text)?)))
        .collect();
    let level = scopes.first()?.1.level;
    let established = match level {
        Level::Patient => principal.patient().is_some(),
        Level::User => principal.user().is_some_and(is_professional),
        Level::System => true,
    };
    let levels = principal.scopes().iter();
    let single = levels
        .filter_map(|text| Level::of(text))
        .all(|other| other == level);
    (established && single).then_some((level, scopes))
}

/// Whether this user may be taken for somebody whose own rights reach beyond one patient. What a
/// Patient, a RelatedPerson or a Person may see is not known here, so it is nothing.
fn is_professional(user: &str) -> bool {
    user.starts_with("Practitioner/") || user.starts_with("PractitionerRole/")
}

/// What a `patient/` scope opens: the own Patient, and searches that name the own patient exactly
/// once. Everything else cannot be decided before the answer is there, and is refused.
fn confine(
    principal: &Principal,
    interaction: &Interaction,
    resource_type: ResourceType,
    forbidden: bool,
) -> Result<(), Denial> {
    let absent = Denial::Absent { forbidden };
    let own = |id: &str| principal.patient() == Some(id);
    match interaction {
        Interaction::Read { id, .. }
        | Interaction::Vread { id, .. }
        | Interaction::HistoryInstance { id, .. } => {
            if resource_type.is_patient() && own(id) {
                Ok(())
            } else {
                Err(absent)
            }
        }
        Interaction::Search { search, .. } => {
            let naming: Vec<_> = search
                .parameters
                .iter()
                .filter(|parameter| match resource_type.name() {
                    "Patient" => parameter.definition.name == "_id",
                    _ => parameter.definition.kind == SearchKind::Patient,
                })
                .collect();
            let [parameter] = naming.as_slice() else {
                return Err(Denial::NotSupported("parameter"));
            };
            let [id] = parameter.values.as_slice() else {
                return Err(absent);
            };
            if !own(id) || patient_membership(resource_type).is_empty() {
                Err(absent)
            } else {
                Ok(())
            }
        }
        Interaction::Create { .. }
        | Interaction::Update { .. }
        | Interaction::Patch { .. }
        | Interaction::Delete { .. } => Err(Denial::NotSupported("patient-write")),
        Interaction::HistoryType { .. } | Interaction::Public(_) => {
            Err(Denial::NotSupported("interaction"))
        }
    }
}
