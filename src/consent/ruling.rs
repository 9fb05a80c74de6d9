//! Consents, and the caller whom they are asked about.

use std::rc::Rc;

use super::document::{Consents, Criterion, Rule, Says};
use super::terms::{Actor, Label};
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
    pub caller: Caller,
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
    content: &'a Content,
}

/// The labels of what it is about.
enum Content {
    /// It will be seen before it leaves.
    Coming,
    /// Nobody will see it, or it cannot be told.
    Unseen,
    Labels(Vec<Label>),
}

impl Ruling {
    /// Whether something of these types may be done. Where only the answer tells whether it may be seen,
    /// it may: [`Ruling::covers`] decides then.
    ///
    /// # Errors
    /// What stands against it, for the record.
    pub fn check(&self, action: Action, types: &[ResourceType]) -> Result<(), &'static str> {
        let content = match action {
            Action::Access => Content::Coming,
            Action::Collect | Action::Correct => Content::Unseen,
        };
        for resource_type in types {
            let question = Question {
                ruling: self,
                action,
                resource_type: *resource_type,
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

    /// Whether a resource of this type may be seen.
    pub fn covers(&self, resource_type: ResourceType, resource: Node<'_>) -> bool {
        let content = Label::of(resource).map_or(Content::Unseen, Content::Labels);
        let question = Question {
            ruling: self,
            action: Action::Access,
            resource_type,
            content: &content,
        };
        question.decide() == Some(Effect::Permit)
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
                Content::Labels(labels) => label.matches(labels, effect),
            }),
            purposes,
        ])
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
