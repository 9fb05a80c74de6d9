//! Consents as a server sends them.

use super::period::Period;
use super::terms::{self, Actor, Concept, Deed, Instance, Label, only};
use super::{DEPTH, Effect, KEPT};
use crate::fhir::ResourceType;
use crate::json::{Kind, Node};
use crate::request::BaseUrl;

const SCOPES: &str = "http://terminology.hl7.org/CodeSystem/consentscope";

/// What the server was asked for.
pub struct Asked<'a> {
    /// The id of the patient.
    pub patient: &'a str,
    /// The bases below which absolute references mean resources of this API.
    pub bases: &'a [&'a BaseUrl],
    /// How many Consents are looked at.
    pub most: usize,
}

/// Why the answer does not tell what the patient consents to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is not the answer to the search; what was found, without data.
    Answer(&'static str),
    /// There are more Consents, or they say more, than is looked at.
    TooMuch,
}

/// The Consents of one patient that count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Consents {
    pub(super) rules: Vec<Rule>,
}

/// A rule (`Consent.provision`) with its exceptions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Rule {
    pub says: Says,
    /// Something in it is not understood.
    pub partly: bool,
    pub period: Period,
    pub actors: Criterion<Actor>,
    pub deeds: Criterion<Deed>,
    pub labels: Criterion<Label>,
    pub purposes: Criterion<String>,
    pub classes: Criterion<ResourceType>,
    pub codes: Criterion<Concept>,
    pub instances: Criterion<Instance>,
    /// When what it is about was.
    pub dates: Option<Period>,
    pub exceptions: Vec<Rule>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Says {
    /// What the operator's policy does.
    #[default]
    Nothing,
    Effect(Effect),
    /// It cannot be told.
    Unreadable,
}

/// Alternatives; `None` where all are meant, and inside for one that is not understood.
pub(super) type Criterion<T> = Option<Vec<Option<T>>>;

/// The bases of references.
pub(super) struct Base<'a>(&'a [&'a BaseUrl]);

impl Base<'_> {
    /// A reference without its base.
    pub fn relative<'t>(&self, text: &'t str) -> &'t str {
        let below = self
            .0
            .iter()
            .find_map(|base| base.strip(text)?.strip_prefix('/'));
        below.unwrap_or(text)
    }
}

impl Consents {
    /// Reads a searchset. A Consent counts when it is active, is of the scope `patient-privacy` and is of
    /// this patient; one of which that cannot be told denies everything.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn read(root: Node<'_>, asked: &Asked<'_>) -> Result<Consents, Fault> {
        let is = |name: &str, text: &str| root.get(name).is_some_and(|value| value.is_str(text));
        if !is("resourceType", "Bundle") || !is("type", "searchset") {
            return Err(Fault::Answer("consent: the answer is no searchset"));
        }
        let list = |name: &str| match root.get(name) {
            None => Ok(None),
            Some(list) if list.kind() == Kind::Array => Ok(Some(list)),
            Some(_) => Err(Fault::Answer("consent: a part of the answer is no list")),
        };
        let mut links = list("link")?.into_iter().flat_map(Node::items);
        if links.any(|link| link.get("relation").is_none_or(|name| name.is_str("next"))) {
            return Err(Fault::TooMuch);
        }
        let mut consents = Consents::default();
        let mut budget = Budget { left: KEPT };
        let mut found = 0_usize;
        for entry in list("entry")?.into_iter().flat_map(Node::items) {
            found += 1;
            if found > asked.most {
                return Err(Fault::TooMuch);
            }
            let resource = entry.get("resource");
            let resource = resource.ok_or(Fault::Answer(
                "consent: an entry of the answer has no resource",
            ))?;
            let own_type = resource.get("resourceType");
            if !own_type.is_some_and(|own| own.is_str("Consent")) {
                return Err(Fault::Answer(
                    "consent: an entry of the answer is no Consent",
                ));
            }
            consents
                .rules
                .extend(consent(resource, asked, &mut budget)?);
        }
        match root.get("total") {
            Some(total) if total.raw() != found.to_string() => Err(Fault::TooMuch),
            _ => Ok(consents),
        }
    }
}

/// What may still be kept.
struct Budget {
    left: usize,
}

impl Budget {
    fn spend(&mut self, cost: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(cost).ok_or(Fault::TooMuch)?;
        Ok(())
    }
}

/// The root rule of a Consent that counts.
fn consent(
    resource: Node<'_>,
    asked: &Asked<'_>,
    budget: &mut Budget,
) -> Result<Option<Rule>, Fault> {
    let base = Base(asked.bases);
    budget.spend(256)?;
    match counts(resource, asked.patient, &base) {
        Some(true) => {}
        Some(false) => return Ok(None),
        None => {
            return Ok(Some(Rule {
                says: Says::Unreadable,
                ..Rule::default()
            }));
        }
    }
    let mut root = match resource.get("provision") {
        Some(provision) => rule(provision, &base, 1, budget)?,
        None => Rule::default(),
    };
    let subsetted = |tag: Node<'_>| tag.get("code").is_some_and(|code| code.is_str("SUBSETTED"));
    let tags = resource.get("meta").and_then(|meta| meta.get("tag"));
    root.partly |= tags.is_some_and(|tags| tags.items().any(subsetted))
        || ["modifierExtension", "implicitRules", "_provision"]
            .iter()
            .any(|name| resource.get(name).is_some());
    Ok(Some(root))
}

/// Whether a Consent counts; `None` where that cannot be told.
fn counts(resource: Node<'_>, patient: &str, base: &Base<'_>) -> Option<bool> {
    match resource.get("status")?.str()?.as_ref() {
        "active" => {}
        "draft" | "proposed" | "rejected" | "inactive" | "entered-in-error" => return Some(false),
        _ => return None,
    }
    let (mut privacy, mut own) = (false, false);
    for coding in resource.get("scope")?.get("coding")?.items() {
        if coding.get("code")?.is_str("patient-privacy") {
            privacy = true;
            own |= coding
                .get("system")
                .is_some_and(|system| system.is_str(SCOPES));
        }
    }
    if privacy != own {
        return None;
    }
    let reference = resource.get("patient")?.get("reference")?.str()?;
    match Actor::parse(base.relative(&reference))? {
        Actor::Reference { resource_type, id } if resource_type.is_patient() => {
            Some(privacy && id == patient)
        }
        _ => None,
    }
}

fn rule(node: Node<'_>, base: &Base<'_>, depth: usize, budget: &mut Budget) -> Result<Rule, Fault> {
    budget.spend(256)?;
    if depth > DEPTH {
        return Err(Fault::TooMuch);
    }
    let code = node.get("type").map(Node::str);
    let says = match code.as_ref().map(Option::as_deref) {
        // Of an exception nobody could tell what it is one to.
        None if depth == 1 => Says::Nothing,
        Some(Some("permit")) => Says::Effect(Effect::Permit),
        Some(Some("deny")) => Says::Effect(Effect::Deny),
        _ => Says::Unreadable,
    };
    let known = [
        "type",
        "period",
        "actor",
        "action",
        "securityLabel",
        "purpose",
        "class",
        "code",
        "data",
        "dataPeriod",
        "provision",
    ];
    let mut partly = only(node, &known).is_none();
    let [period, dates] = ["period", "dataPeriod"].map(|name| node.get(name).map(Period::read));
    partly |= period == Some(None) || dates == Some(None);
    let mut exceptions = Vec::new();
    if let Some(nested) = node.get("provision") {
        // An empty list is none of the standard's: something was lost.
        partly |= nested.items().next().is_none();
        for exception in nested.items() {
            exceptions.push(rule(exception, base, depth + 1, budget)?);
        }
    }
    Ok(Rule {
        says,
        partly,
        period: period.flatten().unwrap_or_default(),
        actors: criterion(node, "actor", budget, Actor::len, |item| {
            Actor::read(item, base)
        })?,
        deeds: criterion(node, "action", budget, |_| 0, Deed::read)?,
        labels: criterion(node, "securityLabel", budget, Label::len, Label::read)?,
        purposes: criterion(node, "purpose", budget, String::len, terms::purpose)?,
        classes: criterion(node, "class", budget, |_| 0, terms::class)?,
        codes: criterion(node, "code", budget, Concept::len, Concept::read)?,
        instances: criterion(node, "data", budget, Instance::len, |item| {
            Instance::read(item, base)
        })?,
        dates: dates.flatten(),
        exceptions,
    })
}

/// The alternatives of an element. What is no list, or an empty one, is not understood.
fn criterion<T>(
    node: Node<'_>,
    name: &str,
    budget: &mut Budget,
    length: impl Fn(&T) -> usize,
    read: impl Fn(Node<'_>) -> Option<T>,
) -> Result<Criterion<T>, Fault> {
    let Some(list) = node.get(name) else {
        return Ok(None);
    };
    let mut items = Vec::new();
    for item in list.items() {
        let item = read(item);
        budget.spend(64 + item.as_ref().map_or(0, &length))?;
        items.push(item);
    }
    if items.is_empty() {
        items.push(None);
    }
    Ok(Some(items))
}
