//! What is alarming about an exchange, as one event for those who watch over many systems.
//!
//! An alert is beside the record, never in its place: it names the caller, what was found and what was done, and the
//! request, by which the record is found. Of patients it says nothing. One of the same kind about the same caller is
//! made once a minute ([`Repeats`]).

mod ecs;
mod kind;
mod ocsf;
mod repeats;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::line::Line;
use super::{Outcome, Record, event};
use crate::risk::{Action, Detector};
pub use kind::{Alarm, Severity};
pub use repeats::Repeats;

/// By whose names alerts are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AlertFormat {
    /// The Elastic Common Schema.
    Ecs,
    /// Detection Findings of the Open Cybersecurity Schema Framework.
    Ocsf,
}

/// An alert, written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alert {
    /// How grave it is.
    pub severity: Severity,
    /// One JSON object on one line.
    pub line: String,
}

impl Record {
    /// The alert of an exchange that is over, as the policy wants it; `None` where there is nothing alarming, or
    /// it was told less than a minute ago. `now` is in nanoseconds since 1970.
    pub fn alert(
        &self,
        outcome: Outcome,
        status: u16,
        now: u64,
        repeats: &mut Repeats,
    ) -> Option<Alert> {
        let format = self.policy.alerts?;
        let raised = Alarm::ALL.into_iter();
        let raised = raised.filter(|alarm| self.raises(*alarm, outcome));
        let mut alarm = None;
        let (mut also, mut left_out) = (Vec::new(), 0);
        for own in raised {
            let told = repeats.tell(self.edge(own), now);
            // One exchange of several kinds was left out once.
            left_out = left_out.max(told.unwrap_or_default());
            match alarm {
                None if told.is_some() => alarm = Some(own),
                _ => also.push(own.name()),
            }
        }
        let alarm = alarm?;
        let facts = Facts {
            record: self,
            alarm,
            also,
            left_out,
            outcome,
            status,
            now,
            id: event::id(self, alarm.name(), now),
            reason: self.reason(alarm),
            address: self
                .address
                .as_deref()
                .and_then(|own| self.policy.address.address(own)),
            user: self
                .user
                .as_deref()
                .and_then(|own| self.policy.references.reference(own)),
        };
        Some(Alert {
            severity: alarm.severity(),
            line: match format {
                AlertFormat::Ecs => ecs::line(&facts),
                AlertFormat::Ocsf => ocsf::line(&facts),
            },
        })
    }

    /// Why, for people.
    fn reason(&self, alarm: Alarm) -> String {
        let told = self.risk.as_ref().filter(|_| alarm.is_by_score());
        match told {
            Some(told) => {
                let reasons = told.reasons.iter().copied();
                let reasons: Vec<&str> = reasons.map(kind::explanation).collect();
                reasons.join("; ")
            }
            None => alarm.explanation().to_owned(),
        }
    }
}

/// What both forms say.
struct Facts<'a> {
    record: &'a Record,
    /// The gravest that was not told of late.
    alarm: Alarm,
    /// What else is alarming.
    also: Vec<&'static str>,
    /// How many alerts were left out before it.
    left_out: u32,
    outcome: Outcome,
    status: u16,
    now: u64,
    /// The same for every copy of this alert, and no other's.
    id: String,
    reason: String,
    /// As the policy tells it.
    address: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
}

impl Facts<'_> {
    /// One line for people.
    fn message(&self) -> String {
        format!("{}: {}", self.alarm.title(), self.reason)
    }

    /// The address, where it is told as it is.
    fn ip(&self) -> Option<&str> {
        self.address.as_deref().filter(|own| !own.starts_with('#'))
    }

    /// When the exchange began.
    fn began(&self) -> u64 {
        match self.record.began {
            0 => self.now,
            began => began,
        }
    }

    /// The id of the trace, of `traceparent`.
    fn trace(&self) -> Option<&str> {
        self.record.trace.as_deref()?.split('-').nth(1)
    }

    /// Whether it was refused or withheld; `None` where that is not known.
    fn denied(&self) -> Option<bool> {
        match self.outcome {
            Outcome::Allowed | Outcome::Cut | Outcome::Forwarded => Some(false),
            Outcome::Refused | Outcome::Withheld => Some(true),
            Outcome::Announced | Outcome::Proxy | Outcome::Undecided => None,
        }
    }

    /// Those that have spoken, by name.
    fn detectors(&self) -> Vec<&'static str> {
        let told = self.record.risk.iter().flat_map(|told| &told.reasons);
        told.copied().map(Detector::name).collect()
    }

    /// What neither standard has a place for.
    fn rest(&self, out: &mut Line) {
        let record = self.record;
        let some = |text: &'_ str| !text.is_empty();
        out.text("outcome", Some(self.outcome.name()));
        let rule = Some(record.rule.as_str());
        out.text("rule", rule.map(named).filter(|rule| some(rule)));
        out.text("client", record.client.as_deref());
        out.text("user", self.user.as_deref());
        out.list("purposes", &record.purposes);
        out.text("interaction", record.interaction);
        out.text("type", record.resource_type);
        out.text("route", record.route.as_deref());
        out.list("detectors", &self.detectors());
        if let Some(told) = &record.risk {
            out.text("action", Some(told.action.name()));
            out.text("would", told.would.map(Action::name));
        }
        out.list("also", &self.also);
    }
}

/// A rule's name without what it found, which may be text of the upstream, and a scope without its query.
fn named(rule: &str) -> &str {
    let name = rule.split_once(": ").map_or(rule, |(name, _)| name);
    name.split_once('?').map_or(name, |(name, _)| name)
}
