//! The part of a permit that the screen enforces.

use std::rc::Rc;

use super::watermark::Marking;
use super::{Guard, export, pages};
use crate::access::{Granted, Permit, Terms};
use crate::config::Policy;
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::request::{ExportStep, Interaction, OperationAnswer, Summary, page_of};
use crate::response::{BundleKind, Cover, Egress, Expected, Link, Redaction};

/// What the answer to what is permitted may contain; `began` is when the exchange did, in nanoseconds since
/// 1970.
pub(super) fn cover(
    guard: &Guard,
    permit: &Permit,
    began: u64,
    marking: &Marking,
) -> Result<Cover, Denial> {
    let policy = guard.policy();
    let interaction = permit.request().interaction.clone();
    let (own, caller) = (Rc::clone(policy), permit.principal().cloned());
    let expected = expected(&interaction).ok_or(Denial::Path)?;
    let target = permit.request().target();
    let self_link = format!("{}{target}", policy.fhir.base.as_str());
    Ok(Cover {
        expected,
        patient: permit.confined_to().map(str::to_owned),
        practitioner: permit.practitioner().map(str::to_owned),
        consent: permit.ruling().map(Rc::clone),
        compartment: Rc::clone(&policy.fhir.compartment),
        granted: permit.visible().cloned().unwrap_or(Granted::NOTHING),
        others: permit.others().to_vec(),
        total: permit.shows_total(),
        base: policy.fhir.base.as_str().to_owned(),
        redactions: redactions(guard, permit),
        egress: guardrails(policy, permit).cloned().collect(),
        watermark: marking.watermark(guard, permit),
        self_link,
        links: Rc::new(move |link| {
            let sealing = || Some((own.page_key.as_ref()?, caller.as_ref()?));
            let now = began / 1_000_000_000;
            match (link, &interaction) {
                (Link::Page(url), _) => page_of(url, &interaction, &own.fhir).or_else(|| {
                    let (key, caller) = sealing()?;
                    pages::seal(key, caller, &interaction, &own.fhir, url, now)
                }),
                (Link::File(of, url), Interaction::Export(export)) => {
                    let (key, caller) = sealing()?;
                    export::seal(key, caller, export, &own.fhir, (Some(of), url), now)
                }
                (Link::File(..), _) => None,
            }
        }),
    })
}

/// The redactions that are for this caller. Of an answer in parts what carried a label may be missing.
fn redactions(guard: &Guard, permit: &Permit) -> Vec<Rc<Redaction>> {
    let parts = asks_for_parts(&permit.request().interaction);
    let rules = guard.active(permit);
    rules
        .map(|rule| match rule.decided(|_| parts) {
            Some(decided) => Rc::new(decided),
            None => Rc::clone(rule),
        })
        .collect()
}

/// Whether it asks for parts of resources, or may.
fn asks_for_parts(interaction: &Interaction) -> bool {
    if let Interaction::Operation(call) = interaction {
        let named = |name: &String| matches!(name.as_str(), "_elements" | "_summary");
        return call.operation.parameters.iter().any(named);
    }
    interaction.search().is_some_and(|search| {
        let summary = matches!(search.summary, Some(Summary::Text | Summary::True));
        summary || !search.elements.is_empty()
    })
}

/// The guardrails that are for this caller.
fn guardrails<'a>(policy: &'a Policy, permit: &'a Permit) -> impl Iterator<Item = &'a Rc<Egress>> {
    let rules = policy.egress.iter().enumerate();
    let rules = rules.filter(|(place, _)| !permit.spares_egress(*place));
    // Whom a patient's own answer is about is known, where no limit counts it.
    let known = permit.patient().is_some() && !policy.counts_patients();
    rules
        .map(|(_, rule)| rule)
        .filter(move |rule| !(known && rule.tells()))
}

/// The same permit, asking for no larger pages than may leave in one answer.
pub(super) fn paged(policy: &Policy, permit: Permit) -> Permit {
    let types = permit.request().interaction.types();
    let rules = guardrails(policy, &permit).filter(|rule| {
        types
            .iter()
            .any(|resource_type| rule.counts(*resource_type))
    });
    match rules.filter_map(|rule| rule.records).min() {
        Some(most) => permit.paged(most, &policy.fhir),
        None => permit,
    }
}

/// The same permit, asking for no more elements than may leave.
pub(super) fn reduced(guard: &Guard, permit: Permit, terms: &Terms<'_>) -> Permit {
    let [only] = *permit.request().interaction.types() else {
        return permit;
    };
    let rules = guard
        .active(&permit)
        .filter(|rule| rule.resource_type == only);
    let least = rules
        .filter_map(|rule| rule.kept())
        .fold(None, |least, kept| {
            let both = |least: Vec<&'static str>| {
                let common = least.into_iter().filter(|name| kept.contains(name));
                common.collect()
            };
            Some(least.map_or_else(|| kept.to_vec(), both))
        });
    match least {
        Some(least) => permit.reduced_to(&least, terms),
        None => permit,
    }
}

/// Whether that an instance was deleted would tell the caller that it was there, perhaps one that he may not
/// see.
pub(super) fn is_veiled(permit: &Permit) -> bool {
    !permit.is_for_all() || permit.rests_on_answer() || permit.ruling().is_some()
}

/// `None` for a search over no type at all, which nothing permits.
pub(super) fn expected(interaction: &Interaction) -> Option<Expected> {
    let resource =
        |resource_type, id: Option<&String>, version: Option<&String>| Expected::Resource {
            resource_type,
            id: id.cloned(),
            version: version.cloned(),
        };
    let bundle = |kind, resource_type, id: Option<&String>| Expected::Bundle {
        kind,
        resource_type,
        id: id.cloned(),
    };
    Some(match interaction {
        Interaction::Public(_) => Expected::Opaque,
        Interaction::Read { resource_type, id }
        | Interaction::Update { resource_type, id }
        | Interaction::Patch { resource_type, id }
        | Interaction::Delete { resource_type, id } => resource(*resource_type, Some(id), None),
        Interaction::Vread {
            resource_type,
            id,
            version,
        } => resource(*resource_type, Some(id), Some(version)),
        Interaction::Create { resource_type } => resource(*resource_type, None, None),
        // The upstream finds it, or chooses its id.
        Interaction::Conditional(conditional) => resource(conditional.resource_type, None, None),
        Interaction::HistoryInstance {
            resource_type, id, ..
        } => bundle(BundleKind::History, *resource_type, Some(id)),
        Interaction::HistoryType { resource_type, .. } => {
            bundle(BundleKind::History, *resource_type, None)
        }
        Interaction::Search { resource_type, .. } => {
            bundle(BundleKind::Searchset, *resource_type, None)
        }
        Interaction::HistorySystem { .. } | Interaction::SearchAcross { .. } => {
            let kind = match interaction {
                Interaction::HistorySystem { .. } => BundleKind::History,
                _ => BundleKind::Searchset,
            };
            bundle(kind, *interaction.types().first()?, None)
        }
        Interaction::Operation(call) => match call.operation.answer {
            OperationAnswer::Bundle => bundle(BundleKind::Searchset, call.main_type()?, None),
            OperationAnswer::Resource(resource_type) => resource(resource_type, None, None),
            OperationAnswer::Parameters => Expected::Plain(ResourceType::parse("Parameters")?),
            OperationAnswer::Outcome => Expected::Plain(ResourceType::parse("OperationOutcome")?),
        },
        Interaction::Export(export) => match export.step {
            ExportStep::Status(_) => Expected::Manifest,
            ExportStep::File(resource_type, _) => Expected::Lines(resource_type),
            ExportStep::Start | ExportStep::Cancel(_) => return None,
        },
    })
}
