//! Consents, and the caller whom they are asked about.

use std::rc::Rc;

use super::content::{Seen, has_codes, has_dates};
use super::document::{Consents, Criterion, Rule, Says};
use super::terms::{Actor, Instance};
use super::{Effect, Match, purpose};
use crate::fhir::ResourceType;
use crate::json::Node;

/// What is done (<http://terminology.hl7.org/CodeSystem/consentaction>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are the codes")]
pub enum Action {
    Access,
    Collect,
    Correct,
}

/// Who asks, as Consents may name them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Caller {
    /// Who the caller is, by each of its names.
    pub actors: Vec<Actor>,
    /// Whom else the operator knows of: the caller is none of them.
    pub others: Vec<Actor>,
    /// Why, each a code or `system|code`.
    pub purposes: Vec<String>,
}

/// What the Consents of one patient say to one caller at one time.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// The Consents.
    pub consents: Rc<Consents>,
    /// The caller.
    pub caller: Rc<Caller>,
    /// What a Consent does whose root rule does not say.
    pub default: Effect,
    /// In nanoseconds since 1970.
    pub now: u64,
}

/// One question to the rules.
struct Question<'a> {
    ruling: &'a Ruling,
    action: Action,
    resource_type: ResourceType,
    /// What it is, or is contained in, with its id where that is known.
    instance: (ResourceType, Option<&'a str>),
    content: &'a Content<'a>,
}

/// What it is about.
enum Content<'a> {
    /// It will be seen before it leaves.
    Coming,
    /// Nobody will see it.
    Unseen,
    Seen(Seen<'a>),
}

impl Caller {
    /// What it holds of the worker's memory, in bytes, about.
    pub fn held(&self) -> usize {
        let actors = self.actors.iter().chain(&self.others).map(Actor::len);
        let purposes = self.purposes.iter().map(String::len);
        actors.chain(purposes).map(|length| 64 + length).sum()
    }
}

impl Ruling {
    /// Whether something of these types may be done, where `written` is the id of what is there already and
    /// is written. Where only the answer tells whether it may be seen, it may: [`Ruling::covers`] decides
    /// then.
    ///
    /// # Errors
    /// What stands against it, for the record.
    pub fn check(
        &self,
        action: Action,
        types: &[ResourceType],
        written: Option<&str>,
    ) -> Result<(), &'static str> {
        let content = match action {
            Action::Access => Content::Coming,
            Action::Collect | Action::Correct => Content::Unseen,
        };
        for resource_type in types {
            let question = Question {
                ruling: self,
                action,
                resource_type: *resource_type,
                instance: (*resource_type, written),
                content: &content,
            };
            match question.decide() {
                Some(Effect::Permit) => {}
                Some(Effect::Deny) => return Err("a consent denies it"),
                None => return Err("no consent permits it"),
            }
        }
        Ok(())
    }

    /// Whether a resource of this type may be seen, with each that it contains.
    pub fn covers<'d>(
        &self,
        resource_type: ResourceType,
        resource: Node<'d>,
        contained: &[(ResourceType, Node<'d>)],
    ) -> bool {
        let id = resource.get("id").and_then(|id| id.str());
        let contained = contained.iter().copied();
        let mut all = std::iter::once((resource_type, resource)).chain(contained);
        all.all(|(of_type, part)| {
            let question = Question {
                ruling: self,
                action: Action::Access,
                resource_type: of_type,
                instance: (resource_type, id.as_deref()),
                content: &Content::Seen(Seen::new(of_type, part)),
            };
            question.decide() == Some(Effect::Permit)
        })
    }
}

impl Question<'_> {
    /// What all Consents say together; `None` where none of them says anything.
    fn decide(&self) -> Option<Effect> {
        self.strictest(&self.ruling.consents.rules)
    }

    fn strictest(&self, rules: &[Rule]) -> Option<Effect> {
        let mut permits = None;
        for rule in rules {
            match self.ask(rule) {
                Some(Effect::Deny) => return Some(Effect::Deny),
                Some(Effect::Permit) => permits = Some(Effect::Permit),
                None => {}
            }
        }
        permits
    }

    /// What a rule says of this, with its exceptions.
    fn ask(&self, rule: &Rule) -> Option<Effect> {
        let effect = match rule.says {
            Says::Effect(effect) => effect,
            Says::Nothing => self.ruling.default,
            Says::Unreadable => Effect::Deny,
        };
        let said = match (rule.says, self.strictest(&rule.exceptions)) {
            (Says::Unreadable, _) | (_, None) => effect,
            (_, Some(exception)) => exception,
        };
        match (self.matches(rule, effect), said) {
            (Match::Yes, said) => Some(said),
            (Match::No, _) => None,
            (Match::Unknown, Effect::Deny) => Some(Effect::Deny),
            (Match::Open, Effect::Permit) => Some(Effect::Permit),
            (Match::Unknown | Match::Open, _) => None,
        }
    }

    fn matches(&self, rule: &Rule, effect: Effect) -> Match {
        let understood = match rule.partly {
            true => Match::Unknown,
            false => Match::Yes,
        };
        let caller = &self.ruling.caller;
        let of_actor = |actor: &Actor| {
            let is_like = |known: &Actor| known.is_like(actor);
            if caller.actors.contains(actor) {
                Match::Yes
            } else if caller.actors.iter().chain(&caller.others).any(is_like) {
                Match::No
            } else {
                Match::Unknown
            }
        };
        let purposes = rule.purposes.as_ref();
        let purposes = purposes.map_or(Match::Yes, |codes| {
            purpose::matches(codes, &caller.purposes)
        });
        Match::all([
            understood,
            rule.period.matches(i128::from(self.ruling.now)),
            any(&rule.actors, of_actor),
            any(&rule.deeds, |deed| deed.matches(self.action)),
            any(&rule.classes, |class| {
                Match::of(*class == self.resource_type)
            }),
            any(&rule.labels, |label| match self.content {
                Content::Coming => Match::Open,
                Content::Unseen => Match::Unknown,
                Content::Seen(seen) => match seen.labels() {
                    Some(labels) => label.matches(labels, effect),
                    None => Match::Unknown,
                },
            }),
            any(&rule.codes, |concept| match self.content {
                Content::Coming if has_codes(self.resource_type) => Match::Open,
                Content::Coming | Content::Unseen => Match::Unknown,
                Content::Seen(seen) => concept.matches(seen.codes()),
            }),
            any(&rule.instances, |instance| self.is(instance)),
            rule.dates.map_or(Match::Yes, |dates| match self.content {
                Content::Coming if has_dates(self.resource_type) => Match::Open,
                Content::Coming | Content::Unseen => Match::Unknown,
                Content::Seen(seen) => Match::alike(seen.dates().iter().map(|date| match date {
                    Some(date) => dates.contains(date),
                    None => Match::Unknown,
                })),
            }),
            purposes,
        ])
    }

    /// Whether this resource is what it is about.
    fn is(&self, instance: &Instance) -> Match {
        let (resource_type, id) = self.instance;
        match (id, self.content) {
            _ if resource_type != instance.resource_type => Match::No,
            (Some(id), _) => Match::of(id == instance.id),
            (None, Content::Coming) => Match::Open,
            (None, Content::Unseen | Content::Seen(_)) => Match::Unknown,
        }
    }
}

fn any<T>(criterion: &Criterion<T>, matches: impl Fn(&T) -> Match) -> Match {
    let Some(items) = criterion else {
        return Match::Yes;
    };
    Match::any(items.iter().map(|item| match item {
        Some(item) => matches(item),
        None => Match::Unknown,
    }))
}
