//! The one place where permission comes from.

use std::rc::Rc;

use super::facts::{Circumstances, Facts};
use super::rules::{Rules, Spared};
use super::{Granted, Letter, Level, Scope, StepUp};
use crate::denial::Denial;
use crate::fhir::{Compartment, ResourceType, Searched};
use crate::identity::{Principal, Scopes};
use crate::json::Node;
use crate::request::{Change, FhirPolicy, Interaction, Request, Search};

/// The permission for one request: nothing is forwarded without it, and what is forwarded is the
/// interaction that it names. Only [`authorize`] and [`permit_public`] make one.
#[derive(Clone, Debug)]
pub struct Permit {
    request: Request,
    principal: Option<Rc<Principal>>,
    rule: String,
    patient: Option<String>,
    /// What the interaction is permitted for.
    granted: Granted,
    /// What the caller may read of the type; `None` where that is nothing.
    readable: Option<Granted>,
    /// The level of the scopes; `None` on a public path.
    level: Option<Level>,
    spared: Spared,
    reported: Vec<String>,
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

    /// Whether it rests on the current version of what is written: it must be read, and be the own
    /// patient's, and the write be pinned to it.
    pub fn rests_on_current(&self) -> bool {
        let changes = matches!(
            self.request.interaction,
            Interaction::Update { .. } | Interaction::Patch { .. } | Interaction::Delete { .. }
        );
        self.patient.is_some() && changes
    }

    /// Whether the caller may read what a write leaves behind, or some of it.
    pub fn may_read(&self) -> bool {
        self.readable.is_some()
    }

    /// Whether the caller may read every resource of the type.
    pub fn may_read_all(&self) -> bool {
        self.readable.as_ref().is_some_and(Granted::is_all)
    }

    /// Which resources of the type an answer may hold: those that the interaction is permitted for, and
    /// after a write those that the caller may read. `None`: none of them.
    pub fn visible(&self) -> Option<&Granted> {
        match letter(&self.request.interaction) {
            Some(Letter::Create | Letter::Update | Letter::Delete) => self.readable.as_ref(),
            Some(Letter::Read | Letter::Search) | None => Some(&self.granted),
        }
    }

    /// Whether the interaction is permitted for all resources of its type.
    pub fn is_for_all(&self) -> bool {
        self.granted.is_all()
    }

    /// Whether this resource may be written: refuses one that the interaction is not permitted for.
    pub fn check_written(&self, resource: Node<'_>) -> Result<(), Denial> {
        match self.granted.covers(resource) {
            true => Ok(()),
            false => Err(lacking(self.level, &self.request.interaction)),
        }
    }

    /// The search that this permit is for.
    pub fn search(&self) -> Option<&Search> {
        match &self.request.interaction {
            Interaction::Search { search, .. } => Some(search),
            Interaction::HistoryInstance { page, .. } | Interaction::HistoryType { page, .. } => {
                Some(page)
            }
            Interaction::Conditional(conditional) => Some(&conditional.search),
            _ => None,
        }
    }

    /// Whether the condition of the redaction at this place does not hold.
    pub fn spares_redaction(&self, place: usize) -> bool {
        bit(self.spared.redactions, place)
    }

    /// Whether the condition of the limit at this place does not hold.
    pub fn spares_limit(&self, place: usize) -> bool {
        bit(self.spared.limits, place)
    }

    /// What rules that only report would have refused it for, as the audit record names them.
    pub fn reported(&self) -> &[String] {
        &self.reported
    }

    /// Whether an active scope of the caller includes this one, for rules that spare some callers.
    pub fn holds_scope(&self, wanted: &Scope) -> bool {
        let counting = self.principal.as_ref().and_then(|caller| granting(caller));
        counting.is_some_and(|(_, scopes)| scopes.data().any(|scope| scope.includes(wanted)))
    }
}

fn bit(bits: u64, place: usize) -> bool {
    let place = u32::try_from(place).ok();
    place
        .and_then(|place| bits.checked_shr(place))
        .unwrap_or_default()
        & 1
        == 1
}

/// Permits a request for a public path.
pub fn permit_public(request: &Request) -> Option<Permit> {
    matches!(request.interaction, Interaction::Public(_)).then(|| Permit {
        request: request.clone(),
        principal: None,
        rule: "public".to_owned(),
        patient: None,
        granted: Granted::All,
        readable: Some(Granted::All),
        level: None,
        spared: Spared::default(),
        reported: Vec::new(),
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

/// Permits a request of an established principal, or refuses it.
pub fn authorize(
    principal: &Rc<Principal>,
    request: &Request,
    terms: &Terms<'_>,
) -> Result<Permit, Denial> {
    let interaction = &request.interaction;
    let (Some(resource_type), Some(letter)) = (interaction.resource_type(), letter(interaction))
    else {
        return Err(Denial::Path);
    };
    let counting = granting(principal);
    let found = counting.and_then(|(level, scopes)| {
        let granted = Granted::of(scopes, resource_type, letter)?;
        Some((level, scopes, granted))
    });
    let Some((level, scopes, granted)) = found else {
        let level = counting.map(|(level, _)| level);
        return Err(lacking(level, interaction));
    };
    // Other resources, or bytes, inside: what the type says decides nothing about them.
    if resource_type.is_container() {
        return Err(Denial::NotSupported("type"));
    }
    let writes = matches!(letter, Letter::Create | Letter::Update | Letter::Delete);
    if writes && resource_type.steers_server() {
        return Err(Denial::NotSupported("type"));
    }
    // Whether what is there already matches is not known before it was read.
    if writes && letter != Letter::Create && !granted.is_all() {
        return Err(Denial::NotSupported("granular-write"));
    }
    if let Interaction::Conditional(_) = interaction {
        // What comes of it tells what the search found.
        match Granted::of(scopes, resource_type, Letter::Search) {
            None => return Err(lacking(Some(level), interaction)),
            Some(searched) if searched.is_all() && granted.is_all() => {}
            Some(_) => return Err(Denial::NotSupported("granular-write")),
        }
    }
    let mut permit = Permit {
        request: request.clone(),
        principal: Some(Rc::clone(principal)),
        rule: rule(scopes, resource_type, letter, &granted),
        patient: match level {
            Level::Patient => principal.patient().map(str::to_owned),
            Level::System | Level::User => None,
        },
        granted,
        readable: Granted::of(scopes, resource_type, Letter::Read),
        level: Some(level),
        spared: Spared::default(),
        reported: Vec::new(),
    };
    if level == Level::Patient {
        confine(principal, interaction, resource_type, terms)?;
    }
    let facts = Facts::new(principal, interaction, terms.circumstances);
    let mut reported = Vec::new();
    terms.rules.admit(interaction, &facts, &mut reported)?;
    permit.spared = terms.rules.spared(&facts)?;
    let searched = permit.search().into_iter().flat_map(Search::searched);
    for searched in searched {
        if (terms.hidden)(&permit, resource_type, searched) {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    permit = narrowed(permit, resource_type, terms);
    // Last: another login is of no use to whoever may not do it at all.
    let now = terms.circumstances.time / 1_000_000_000;
    for rule in terms.step_up {
        rule.check(interaction, principal.login(), now)?;
    }
    let rules = terms.rules;
    rules.require(principal, interaction, &facts, now, &mut reported)?;
    permit.reported = reported;
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
fn lacking(level: Option<Level>, interaction: &Interaction) -> Denial {
    let level = level.unwrap_or(Level::User).name();
    match (interaction.resource_type(), letter(interaction)) {
        (Some(resource_type), Some(letter)) => {
            let search = match interaction {
                Interaction::Conditional(_) => "s",
                _ => "",
            };
            Denial::Scope(format!(
                "{level}/{resource_type}.{}{search}",
                letter.symbol()
            ))
        }
        _ => Denial::Path,
    }
}

/// The scope that allowed it: the first for all resources of the type, else the first granular one.
fn rule(scopes: &Scopes, resource_type: ResourceType, letter: Letter, granted: &Granted) -> String {
    let allowing = scopes.data().find(|scope| {
        scope.covers(resource_type, letter) && scope.is_granular() != granted.is_all()
    });
    let name = allowing.map(|scope| scopes.name(scope));
    format!("scope:{}", name.unwrap_or_default())
}

/// The same permit, with a search that asks for less: only for what granular scopes match, where one
/// more condition can say that.
fn narrowed(permit: Permit, resource_type: ResourceType, terms: &Terms<'_>) -> Permit {
    let Interaction::Search { search, .. } = &permit.request.interaction else {
        return permit;
    };
    let mut more = permit.granted.narrowing(search);
    // A link to the next page asks for it too, and would be refused.
    more.retain(|parameter| {
        let hidden = |searched| (terms.hidden)(&permit, resource_type, searched);
        let searched = parameter.definition.searched();
        searched.is_some_and(|mut searched| !searched.any(hidden))
    });
    if more.is_empty() {
        return permit;
    }
    match permit.request.narrowed(more, terms.fhir) {
        Some(request) => Permit { request, ..permit },
        None => permit,
    }
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

/// What a `patient/` scope opens: the own Patient, searches that are confined to the own patient
/// ([`confine_search`]), and writes of the configured types. Everything else cannot be decided before the
/// answer is there, and is refused.
fn confine(
    principal: &Principal,
    interaction: &Interaction,
    resource_type: ResourceType,
    terms: &Terms<'_>,
) -> Result<(), Denial> {
    let absent = Denial::Absent {
        forbidden: terms.forbidden,
    };
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
            let own = principal.patient().unwrap_or_default();
            confine_search(own, search, resource_type, absent)
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
                confine_search(own, &conditional.search, resource_type, absent)
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
                Ok(())
            }
        }
        Interaction::HistoryType { .. } | Interaction::Public(_) => {
            Err(Denial::NotSupported("interaction"))
        }
    }
}

/// A search is confined when some parameter lets nothing through but what belongs to the own patient:
/// it looks at membership elements only, and each of its alternatives is the own patient. (A Patient is
/// found by `_id` alone: one that links to another is not the other.) Beside it others may narrow the
/// search further, also by references in membership elements: parameters are joined by *and*. But none
/// that looks at a membership element may name another patient.
fn confine_search(
    own: &str,
    search: &Search,
    resource_type: ResourceType,
    absent: Denial,
) -> Result<(), Denial> {
    let compartment = Compartment::Patient;
    let mut confined = false;
    for parameter in &search.parameters {
        let by_id = resource_type.is_patient() && parameter.definition.name() == "_id";
        if !by_id && !compartment.is_searched_by(resource_type, parameter.definition) {
            continue;
        }
        let mut only_own = true;
        for value in &parameter.values {
            let patient = match by_id {
                true => Some(value.as_str()),
                false => value.strip_prefix("Patient/"),
            };
            match patient {
                Some(id) if id == own => {}
                Some(_) => return Err(absent),
                None => only_own = false,
            }
        }
        let tells = by_id || !resource_type.is_patient();
        confined |= tells && only_own && !parameter.values.is_empty();
    }
    if confined {
        Ok(())
    } else {
        Err(Denial::NotSupported("parameter"))
    }
}
