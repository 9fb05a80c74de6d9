//! The operator's rules with conditions. They take away from what scopes permit, and never add.

use std::net::IpAddr;
use std::rc::Rc;

use super::Seen;
use super::facts::{Fact, Facts};
use super::step_up::{Requirement, applies};
use crate::cel::{Condition, Fault};
use crate::consent::Actor;
use crate::denial::Denial;
use crate::dlp::{self, Texts};
use crate::fhir::ResourceType;
use crate::identity::{CertificateNeeds, Pointer, Principal};
use crate::label::{Clearance, Cleared, LabelPolicy};
use crate::request::{Change, Provenance, Request};

/// The rules of one policy, and the conditions of its redactions and limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Rules about requests.
    pub rules: Vec<Rule>,
    /// When each redaction applies, by its place; `None` where it always does. At most 64.
    pub redactions: Vec<Named>,
    /// When each limit applies, by its place; `None` where it always does. At most 64.
    pub limits: Vec<Named>,
    /// Who goes first under each limit, by its place; `None` where no condition says. At most 64.
    pub priority: Vec<Option<Condition>>,
    /// When each guardrail applies, by its place; `None` where it always does. At most 64.
    pub egress: Vec<Named>,
    /// What is known of consent without asking.
    pub consent: ConsentTerms,
    /// Security labels, where they are looked at.
    pub labels: Option<LabelTerms>,
    /// When an answer is signed, where answers are; `None` is always.
    pub signature: Option<Condition>,
    /// When what leaves is marked, where it is; `None` is always.
    pub watermark: Option<Condition>,
    /// What is looked for in texts, each with the condition under which it is. At most [`dlp::MANY`].
    pub dlp: Vec<(Rc<dlp::Rule>, Option<Condition>)>,
}

/// Who may see what carries which security labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelTerms {
    /// How labels are read.
    pub policy: Rc<LabelPolicy>,
    /// What callers are cleared for, each with the condition under which they are.
    pub clearances: Vec<(Rc<Clearance>, Option<Condition>)>,
}

/// What is known of consent from the caller alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsentTerms {
    /// Where a token says `permit` or `deny` itself.
    pub claim: Option<Pointer>,
    /// For whom callers act, each with the condition under which one does.
    pub actors: Vec<(Actor, Condition)>,
}

/// The condition of a redaction, a limit or a guardrail, with the name of that.
pub type Named = (String, Option<Condition>);

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Shown in the audit record.
    pub name: String,
    /// The interactions by their codes; `None` where the operator named none, so that all are.
    pub interactions: Option<Vec<&'static str>>,
    /// The types that are asked for; `None` where the operator named none, so that all are.
    pub types: Option<Vec<ResourceType>>,
    /// When it applies, or for [`Effect::Allow`] when it is satisfied; `None` is always.
    pub when: Option<Condition>,
    /// What it does.
    pub effect: Effect,
    /// What it would do is recorded, and not done.
    pub report: bool,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Of all rules of this kind for an interaction and a type one must be satisfied.
    Allow,
    /// Refuses.
    Deny,
    /// Asks for a stronger or fresher login, for a bound token, or for where a write comes from.
    Require {
        /// What is asked of the login.
        login: Requirement,
        /// The token must be bound in one of these ways; nothing is asked where there are none.
        bound: Vec<&'static str>,
        /// A write must say where it comes from.
        provenance: bool,
        /// The patient must consent.
        consent: bool,
    },
}

/// What conditions have decided for one permit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spared {
    /// Redactions that do not apply, a bit for each place.
    pub redactions: u64,
    /// Limits that do not apply.
    pub limits: u64,
    /// Limits that put the caller first.
    pub priority: u64,
    /// The answer is not signed.
    pub signature: bool,
    /// What leaves is not marked.
    pub watermark: bool,
    /// Guardrails that do not apply.
    pub egress: u64,
}

impl Spared {
    /// What is spared here and there.
    pub fn and(self, other: Spared) -> Spared {
        Spared {
            redactions: self.redactions & other.redactions,
            limits: self.limits & other.limits,
            priority: self.priority & other.priority,
            signature: self.signature && other.signature,
            watermark: self.watermark && other.watermark,
            egress: self.egress & other.egress,
        }
    }
}

impl Rules {
    /// Whether any condition is about this.
    pub fn uses(&self, fact: Fact) -> bool {
        let rules = self.rules.iter().filter_map(|rule| rule.when.as_ref());
        let others = self.redactions.iter().chain(&self.limits);
        let others = others.chain(&self.egress);
        let others = others.filter_map(|(_, when)| when.as_ref());
        let actors = self.consent.actors.iter().map(|(_, when)| when);
        let clearances = self.labels.iter().flat_map(|labels| &labels.clearances);
        let texts = self.dlp.iter().filter_map(|(_, when)| when.as_ref());
        let texts = texts.chain(self.priority.iter().flatten());
        rules
            .chain(others)
            .chain(actors)
            .chain(clearances.filter_map(|(_, when)| when.as_ref()))
            .chain(&self.signature)
            .chain(&self.watermark)
            .chain(texts)
            .any(|when| when.uses(fact.place()))
    }

    /// What has to be known of the caller's certificate.
    pub fn certificate_needs(&self) -> CertificateNeeds {
        let used = Fact::ALL.iter().filter(|(fact, ..)| self.uses(*fact));
        used.fold(CertificateNeeds::default(), |needs, (fact, ..)| {
            needs.and(fact.needs())
        })
    }

    /// An address as conditions are given it.
    pub fn address(text: &str) -> Option<IpAddr> {
        text.parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical())
    }

    /// Whether the rules that deny or allow let a request pass; what rules that only report would
    /// have done goes into `reported`.
    pub(super) fn admit(
        &self,
        facts: &Facts<'_>,
        reported: &mut Vec<String>,
    ) -> Result<(), Denial> {
        let of = |effect: Effect| {
            let rules = self.rules.iter().filter(move |rule| rule.effect == effect);
            rules.filter(|rule| rule.is_about(facts))
        };
        for rule in of(Effect::Deny) {
            match rule.holds(facts) {
                Ok(false) => {}
                Ok(true) => rule.refuse("deny", reported)?,
                Err(fault) => rule.refuse(&fault, reported)?,
            }
        }
        let (mut enforced, mut wished) = (None, None);
        let (mut satisfied, mut would_be) = (false, false);
        for rule in of(Effect::Allow) {
            let holds = match rule.holds(facts) {
                Ok(holds) => holds,
                Err(fault) => {
                    rule.refuse(&fault, reported)?;
                    continue;
                }
            };
            match rule.report {
                true => (wished, would_be) = (wished.or(Some(rule)), would_be || holds),
                false => (enforced, satisfied) = (enforced.or(Some(rule)), satisfied || holds),
            }
        }
        if let Some(rule) = enforced.filter(|_| !satisfied) {
            rule.refuse("allow", reported)?;
        }
        if let Some(rule) = wished.filter(|_| !satisfied && !would_be) {
            rule.refuse("allow", reported)?;
        }
        Ok(())
    }

    /// Which redactions, limits and guardrails do not apply.
    pub(super) fn spared(&self, facts: &Facts<'_>) -> Result<Spared, Denial> {
        let spared = |conditions: &[Named], kind: &str| {
            let mut bits = 0_u64;
            for (place, (name, when)) in (0_u32..).zip(conditions) {
                let Some(when) = when else { continue };
                let holds = when.holds(facts).map_err(|fault| {
                    Denial::Rule(format!("error.{kind}.{name}.{}", fault.name()))
                })?;
                if !holds {
                    // What has no bit is never spared.
                    bits |= 1_u64.checked_shl(place).unwrap_or_default();
                }
            }
            Ok(bits)
        };
        // Where it cannot be decided it is signed, and marked: that opens nothing.
        let without = |when: &Option<Condition>| {
            let when = when.as_ref();
            when.is_some_and(|when| !when.holds(facts).unwrap_or(true))
        };
        let mut priority = 0_u64;
        for (place, when) in (0_u32..).zip(&self.priority) {
            // Where it cannot be decided nobody goes first.
            if when
                .as_ref()
                .is_none_or(|when| when.holds(facts).unwrap_or(false))
            {
                priority |= 1_u64.checked_shl(place).unwrap_or_default();
            }
        }
        Ok(Spared {
            priority,
            redactions: spared(&self.redactions, "redaction")?,
            limits: spared(&self.limits, "limit")?,
            signature: without(&self.signature),
            watermark: without(&self.watermark),
            egress: spared(&self.egress, "egress")?,
        })
    }

    /// What the caller may see of what scopes grant.
    pub(super) fn seen(&self, facts: &Facts<'_>) -> Seen {
        Seen {
            labels: self.cleared(facts),
            texts: self.texts(facts),
        }
    }

    /// What is looked for in texts. A rule whose condition cannot be decided holds.
    fn texts(&self, facts: &Facts<'_>) -> Option<Rc<Texts>> {
        let held = |(rule, when): &(Rc<dlp::Rule>, Option<Condition>)| {
            let when = when.as_ref();
            let holds = when.is_none_or(|when| when.holds(facts).unwrap_or(true));
            holds.then(|| Rc::clone(rule))
        };
        let held = self.dlp.iter().filter_map(held).collect();
        Texts::new(held, facts.resource_type)
    }

    /// What the caller may see by its labels; `None` is everything. A clearance whose condition cannot be
    /// decided is none.
    fn cleared(&self, facts: &Facts<'_>) -> Option<Rc<Cleared>> {
        let labels = self.labels.as_ref()?;
        let held = |(clearance, when): &(Rc<Clearance>, Option<Condition>)| {
            let holds = when
                .as_ref()
                .is_none_or(|when| when.holds(facts).unwrap_or_default());
            holds.then(|| Rc::clone(clearance))
        };
        let held = labels.clearances.iter().filter_map(held).collect();
        Cleared::new(&labels.policy, held)
    }

    /// Whether any rule asks for a patient's consent.
    pub fn require_consent(&self) -> bool {
        let asks = |rule: &Rule| matches!(rule.effect, Effect::Require { consent: true, .. });
        self.rules.iter().any(asks)
    }

    /// Whether what rules require is there, and the rule that requires consent, where one does; `now` in
    /// seconds since 1970.
    pub(super) fn require(
        &self,
        principal: &Principal,
        request: &Request,
        facts: &Facts<'_>,
        now: u64,
        reported: &mut Vec<String>,
    ) -> Result<Option<&Rule>, Denial> {
        let mut consent: Option<&Rule> = None;
        for rule in &self.rules {
            let Effect::Require {
                login,
                bound,
                provenance,
                consent: consents,
            } = &rule.effect
            else {
                continue;
            };
            if !rule.is_about(facts) {
                continue;
            }
            match rule.holds(facts) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(fault) => {
                    rule.refuse(&fault, reported)?;
                    continue;
                }
            }
            let is_bound = |way: &&str| principal.bindings().contains(way);
            if !bound.is_empty() && !bound.iter().any(is_bound) {
                rule.refuse("require", reported)?;
                continue;
            }
            let mut asked = login.check(&rule.name, principal.login(), now);
            if asked.is_ok() && *provenance && lacks_provenance(request, facts) {
                asked = Err(Denial::Provenance(rule.name.clone()));
            }
            if let Err(denial) = asked {
                match rule.report {
                    true => reported.push(denial.rule()),
                    false => return Err(denial),
                }
            }
            // One that only reports must not stand in the place of another.
            if *consents && !consent.is_some_and(|before| before.outweighs(rule)) {
                consent = Some(rule);
            }
        }
        Ok(consent)
    }
}

/// Whether this writes something, and nothing says where that comes from. A Provenance says so itself.
fn lacks_provenance(request: &Request, facts: &Facts<'_>) -> bool {
    match request.interaction.change() {
        None => false,
        Some(Change::Create | Change::Update) if Provenance::is_type(facts.resource_type) => false,
        Some(_) => request.provenance.is_none(),
    }
}

/// What made a rule refuse: its name in the audit record stands in the middle.
trait Reason {
    fn rule(&self, name: &str) -> String;
}

impl Reason for &str {
    fn rule(&self, name: &str) -> String {
        format!("{self}.{name}")
    }
}

impl Reason for &Fault {
    fn rule(&self, name: &str) -> String {
        format!("error.rule.{name}.{}", self.name())
    }
}

impl Rule {
    /// Whether this one is to be asked for in the place of another: one that only reports is not, where the
    /// other refuses.
    pub(super) fn outweighs(&self, other: &Rule) -> bool {
        !self.report || other.report
    }

    fn is_about(&self, facts: &Facts<'_>) -> bool {
        let (interaction, resource_type) = (facts.interaction, facts.resource_type);
        applies(&self.interactions, &self.types, interaction, resource_type)
    }

    fn holds(&self, facts: &Facts<'_>) -> Result<bool, Fault> {
        self.when
            .as_ref()
            .map_or(Ok(true), |when| when.holds(facts))
    }

    /// Refuses, or says that it would have.
    fn refuse(&self, reason: impl Reason, reported: &mut Vec<String>) -> Result<(), Denial> {
        let rule = reason.rule(&self.name);
        match self.report {
            true => {
                reported.push(rule);
                Ok(())
            }
            false => Err(Denial::Rule(rule)),
        }
    }
}
