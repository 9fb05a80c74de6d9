//! Permits that rest on a patient's consent.

use std::rc::Rc;

use super::{Permit, Terms};
use crate::access::Level;
use crate::access::confine::confine_search;
use crate::access::facts::Facts;
use crate::access::hidden::searched;
use crate::access::rules::Rule;
use crate::consent::{Action, Actor, Caller, Ruling};
use crate::denial::Denial;
use crate::fhir::{Compartment, Owner, ResourceType};
use crate::identity::Principal;
use crate::request::{Change, FhirPolicy, Interaction, OperationAnswer, Search};

/// What a permit has to do with consent.
#[derive(Clone, Debug)]
pub(super) enum Consent {
    /// No rule asks for it, or the token says that it was given.
    NotNeeded,
    /// It has to be asked for before anything is forwarded.
    Needed(Rc<ConsentNeed>),
    /// It was asked for; the answer is held to it.
    Given(Rc<ConsentNeed>, Rc<Ruling>),
}

/// What has to be known of a patient's consent.
#[derive(Clone, Debug)]
pub struct ConsentNeed {
    /// The rule that asks for it.
    pub rule: String,
    /// What it would refuse is recorded, and not refused.
    pub report: bool,
    /// Whose consent it is, by the id of the Patient.
    pub patient: String,
    /// Who is calling, as Consents may name them.
    pub caller: Rc<Caller>,
}

impl Permit {
    /// Whose consent has to be asked for before anything is forwarded.
    pub fn needs_consent(&self) -> Option<&Rc<ConsentNeed>> {
        match &self.consent {
            Consent::Needed(need) => Some(need),
            Consent::NotNeeded | Consent::Given(..) => None,
        }
    }

    /// What the consent that was asked for says of the answer.
    pub fn ruling(&self) -> Option<&Rc<Ruling>> {
        match &self.consent {
            Consent::Given(_, ruling) => Some(ruling),
            Consent::NotNeeded | Consent::Needed(_) => None,
        }
    }

    /// The patient to whom the answer is confined: the one of the permit, or the one who consented.
    pub fn confined_to(&self) -> Option<&str> {
        match &self.consent {
            Consent::Given(need, _) => Some(&need.patient),
            Consent::NotNeeded | Consent::Needed(_) => self.patient(),
        }
    }

    /// Whether each resource of an answer is looked at for whose it is.
    pub(in crate::access) fn is_confined(&self) -> bool {
        self.rests_on_consent() || self.patient.is_some() || self.practitioner.is_some()
    }

    /// Whether each resource of an answer is held to a consent.
    pub(super) fn rests_on_consent(&self) -> bool {
        match &self.consent {
            Consent::NotNeeded => false,
            Consent::Needed(need) => !need.report,
            Consent::Given(..) => true,
        }
    }

    /// The permit with the consent that was asked for.
    ///
    /// # Errors
    /// It does not permit what is asked for.
    pub fn consented(mut self, ruling: Ruling) -> Result<Self, Denial> {
        let Consent::Needed(need) = &self.consent else {
            return Ok(self);
        };
        let interaction = &self.request.interaction;
        let action = match interaction.change() {
            None => Action::Access,
            Some(Change::Create) => Action::Collect,
            Some(Change::Update | Change::Patch | Change::Delete) => Action::Correct,
        };
        let written = interaction.change().and(interaction.id());
        match ruling.check(action, &interaction.types(), written) {
            Err(found) => {
                let denial = need.denial(found);
                self.unconsented(denial)
            }
            // Nothing is withheld for a rule that only reports.
            Ok(()) if need.report => {
                self.consent = Consent::NotNeeded;
                Ok(self)
            }
            Ok(()) => {
                self.consent = Consent::Given(Rc::clone(need), Rc::new(ruling));
                Ok(self)
            }
        }
    }

    /// The permit without the consent that was asked for, where the rule only reports.
    ///
    /// # Errors
    /// This denial, everywhere else.
    pub fn unconsented(mut self, denial: Denial) -> Result<Self, Denial> {
        match &self.consent {
            Consent::Needed(need) if need.report => {
                self.reported.push(denial.rule());
                self.consent = Consent::NotNeeded;
                Ok(self)
            }
            _ => Err(denial),
        }
    }
}

impl ConsentNeed {
    /// The refusal for this reason.
    pub fn denial(&self, found: &str) -> Denial {
        denial(&self.rule, found)
    }
}

/// What a rule that requires consent asks for.
///
/// # Errors
/// The token says that there is none, or the request does not tell whose consent it takes.
pub(super) fn needed(
    permit: &Permit,
    level: Level,
    rule: &Rule,
    facts: &Facts<'_>,
    terms: &Terms<'_>,
    reported: &mut Vec<String>,
) -> Result<Consent, Denial> {
    let Some(principal) = &permit.principal else {
        return Ok(Consent::NotNeeded);
    };
    let interaction = &permit.request.interaction;
    let patient = whose(principal, level, interaction, terms.fhir);
    let consent = &terms.rules.consent;
    let claims = principal.claims();
    let said = consent
        .claim
        .as_ref()
        .and_then(|claim| claim.of_claims(claims?));
    // A token for one patient says nothing of another's consent.
    let same = principal.patient().is_none() || principal.patient() == patient.as_deref();
    let found = match (said, patient) {
        (Some(said), _) if said == "permit" && same => return Ok(Consent::NotNeeded),
        (Some(said), _) if said != "permit" => "the token says so",
        (_, Some(patient)) => {
            let mut caller = Caller {
                actors: principal
                    .user()
                    .and_then(Actor::parse)
                    .into_iter()
                    .collect(),
                others: Vec::new(),
                purposes: principal.purposes().to_vec(),
            };
            for (actor, when) in &consent.actors {
                let holds = when.holds(facts).map_err(|fault| {
                    Denial::Rule(format!("error.consent.actors.{}", fault.name()))
                })?;
                match holds {
                    true => caller.actors.push(actor.clone()),
                    false => caller.others.push(actor.clone()),
                }
            }
            return Ok(Consent::Needed(Rc::new(ConsentNeed {
                rule: rule.name.clone(),
                report: rule.report,
                patient,
                caller: Rc::new(caller),
            })));
        }
        (_, None) => "the request does not tell whose consent it takes",
    };
    let denial = denial(&rule.name, found);
    match rule.report {
        true => {
            reported.push(denial.rule());
            Ok(Consent::NotNeeded)
        }
        false => Err(denial),
    }
}

fn denial(rule: &str, found: &str) -> Denial {
    Denial::Rule(format!("consent.{rule}: {found}"))
}

/// The one patient whom a request is about: the one in context, else the Patient that is asked for, or the
/// one to whom a search is confined.
fn whose(
    principal: &Principal,
    level: Level,
    interaction: &Interaction,
    fhir: &FhirPolicy,
) -> Option<String> {
    if let Interaction::Operation(call) = interaction {
        let answer = call.operation.answer;
        let plain = matches!(
            answer,
            OperationAnswer::Parameters | OperationAnswer::Outcome
        );
        // What it changes, or tells in words, nobody can hold to a consent.
        if plain || call.post {
            return None;
        }
    }
    if level == Level::Patient {
        return principal.patient().map(str::to_owned);
    }
    match interaction {
        Interaction::Search { .. } | Interaction::SearchAcross { .. } => {}
        _ => {
            let patient = interaction.resource_type()?.is_patient();
            return interaction.id().filter(|_| patient).map(str::to_owned);
        }
    }
    let mut found: Option<String> = None;
    for resource_type in interaction.types().iter() {
        let search = searched(interaction, *resource_type).ok()??;
        let (own, confined) = match interaction.compartment() {
            Some((Compartment::Patient, id)) => (id.to_owned(), true),
            _ => (named(&search, *resource_type, fhir)?, false),
        };
        let owner = Owner::patient(&own, &fhir.compartment);
        let absent = Denial::Absent { forbidden: false };
        let confined = confine_search(&owner, &search, *resource_type, confined, absent).ok()?;
        if !confined || found.get_or_insert_with(|| own.clone()) != &own {
            return None;
        }
    }
    found
}

/// A patient whom a search names where it is asked whose a resource is.
fn named(search: &Search, resource_type: ResourceType, fhir: &FhirPolicy) -> Option<String> {
    search.parameters.iter().find_map(|parameter| {
        let first = parameter.values.first()?;
        if resource_type.is_patient() {
            return (parameter.definition.name() == "_id").then(|| first.clone());
        }
        let tells = fhir
            .compartment
            .is_searched_by(resource_type, parameter.definition);
        let id = first.strip_prefix("Patient/").filter(|_| tells)?;
        Some(id.to_owned())
    })
}
