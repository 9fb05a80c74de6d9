//! The record of an exchange: what was asked, by whom, what was decided, by which rule.
//!
//! The keys are a closed list, versioned by `v`; none is ever renamed. No health data, no token nor
//! any part of one, and nothing a caller wrote goes in unescaped.

mod alert;
mod batch;
mod chain;
pub mod event;
mod handover;
mod heads;
mod line;
mod policy;
mod queue;

use std::rc::Rc;

use crate::risk;
pub use alert::{Alarm, Alert, AlertFormat, Repeats, Severity};
pub use batch::{ANSWER, Format, Full, Repository, Word};
pub use chain::{Chain, ChainPolicy, Place, Sealed, Ticket};
pub use handover::{Leaving, Rest, Seen, Taking};
pub use heads::{Head, Publishing};
use line::{Line, digits, rfc3339};
pub use policy::{AuditPolicy, Subject, Telling, Told};
pub use queue::{Caller, Queue};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Outcome {
    /// Permitted, and the answer left as far as the permit goes.
    Allowed,
    /// Permitted, and not forwarded before the repository has said that it has this: an intent, no record.
    Announced,
    /// Permitted, but the answer was cut short: by the upstream, the client, or a limit.
    Cut,
    /// Permitted and forwarded; the answer is not decided yet. Seen only where a worker died.
    Forwarded,
    /// Answered by the proxy itself: no route, upstream away, or refused before the filter.
    Proxy,
    /// Refused before anything was forwarded.
    Refused,
    /// Nothing was decided: the request ended before its head was complete.
    #[default]
    Undecided,
    /// Permitted and forwarded, and the answer withheld.
    Withheld,
}

/// What becomes the one record of an exchange.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What of it is told, and how.
    pub policy: Rc<AuditPolicy>,
    /// Its place in a chain, once it has a ticket: events tell it. Lines have it from their chain.
    pub place: Option<Place>,
    /// When the exchange began, in nanoseconds since 1970.
    pub began: u64,
    /// Envoy's request id, made safe.
    pub request_id: String,
    /// `traceparent`.
    pub trace: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that the client got; 0 when none is known.
    pub status: u16,
    /// The rule that decided.
    pub rule: String,
    /// What rules that only report would have refused it for.
    pub reported: Vec<String>,
    /// The operator's name for whom the issuer serves.
    pub tenant: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// The OAuth client.
    pub client: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// The thumbprint of the client certificate, in hexadecimal.
    pub certificate: Option<String>,
    /// Where the connection comes from, without the port.
    pub address: Option<String>,
    /// The user as `Type/id` (`fhirUser`).
    pub user: Option<String>,
    /// The caller's roles, by the token: texts, or `system|code`.
    pub roles: Vec<String>,
    /// Why the data is asked for, by the token: texts, or `system|code`.
    pub purposes: Vec<String>,
    /// `jti`.
    pub token_id: Option<String>,
    /// The method.
    pub method: Option<&'static str>,
    /// The canonical path below the base, with `[id]` and `[vid]` for what names an instance.
    pub route: Option<String>,
    /// The standard's code of the interaction.
    pub interaction: Option<&'static str>,
    /// The resource type.
    pub resource_type: Option<&'static str>,
    /// The instance that was asked for, as `Type/id`.
    pub refs: Vec<String>,
    /// The version that was asked for.
    pub version: Option<String>,
    /// The canonical query, names and values without their escapes.
    pub query: Vec<(String, String)>,
    /// What was created, as `Type/id`.
    pub created: Option<String>,
    /// Whom it concerns: patients that the request names, that the caller is confined to, or that what left
    /// is about.
    pub concerned: Concerned,
    /// The requests of a Bundle, in order, at most as many as one may have.
    pub entries: Vec<EntryRecord>,
    /// The version to which a write was pinned, as an entity tag: it was read before.
    pub current: Option<String>,
    /// Resources that left.
    pub passed: u64,
    /// Resources that were taken out of the answer.
    pub removed: u64,
    /// Resources from which elements were taken out.
    pub redacted: u64,
    /// Bytes of the answer's body that left.
    pub bytes: u64,
    /// The code that stands in what left.
    pub watermark: Option<String>,
    /// The id of the patient in context, where that code binds it.
    pub patient: Option<String>,
    /// The limits that were charged: name and what remains.
    pub limits: Vec<(String, u32)>,
    /// What a server of several proxies was asked, and how that ended.
    pub global: Option<GlobalRecord>,
    /// The limits that would have refused it, had the caller no priority.
    pub priority: Vec<String>,
    /// The limits that counted it together with others, or refused it, because their slot was full.
    pub crowded: Vec<String>,
    /// What looks wrong about the caller.
    pub risk: Option<risk::Told>,
    /// How long it took until the repository had said that it has the intent, in microseconds.
    pub announced: Option<u64>,
    /// What of it is written already.
    pub written: Option<Written>,
}

/// What was asked, and by whom, as it is written: once for the early copy, the line and the events.
#[derive(Clone, Debug)]
pub struct Written {
    /// From `tenant` to `query`, an object that is not closed.
    asked: String,
    /// The hash of the token's id, where that is told.
    token_hash: Option<String>,
}

/// Patients, each once, in the order in which they were met.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Concerned {
    /// As `Patient/id`; at most [`AuditPolicy::PATIENTS`].
    pub patients: Vec<String>,
    /// How many more were met; one that a request names twice may count twice.
    pub more: u64,
}

impl Concerned {
    /// Adds a patient, `Patient/id`; beyond `most` it is only counted.
    pub fn add(&mut self, patient: &str, most: usize) {
        if self.patients.iter().any(|known| known == patient) {
            return;
        }
        match self.patients.len() < most.min(AuditPolicy::PATIENTS) {
            true => self.patients.push(patient.to_owned()),
            false => self.more = self.more.saturating_add(1),
        }
    }

    /// Adds those of so many whom an answer was about that it names; beyond `most` they are only counted.
    pub fn meet(&mut self, named: &[String], all: usize, most: usize) {
        if most == 0 {
            return;
        }
        let Concerned { patients, more } = self;
        for patient in named {
            if patients.len() < most && !patients.contains(patient) {
                patients.push(patient.clone());
            }
        }
        let told = named.iter().filter(|own| patients.contains(own)).count();
        let untold = u64::try_from(all.saturating_sub(told)).unwrap_or(u64::MAX);
        *more = untold.max(*more);
    }
}

/// What a server of several proxies was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GlobalRecord {
    /// The names of the limits.
    pub limits: Vec<String>,
    /// How it ended: `ok`, `over-limit`, or why it was not judged; `waiting` where it never did.
    pub ended: &'static str,
}

/// One request of a Bundle.
#[derive(Clone, Debug, Default)]
pub struct EntryRecord {
    /// The standard's code; `None` where it is no request that is understood.
    pub interaction: Option<&'static str>,
    /// As that of a [`Record`].
    pub route: Option<String>,
    /// The type, or the instance as `Type/id`.
    pub reference: Option<String>,
    /// As that of a [`Record`]; of all requests together at most [`AuditPolicy::PATIENTS`] beside the first of
    /// each.
    pub concerned: Concerned,
    /// As that of a [`Record`]; empty where those before have [`MAX_QUERIES`] parameters.
    pub query: Vec<(String, String)>,
    /// The status with which it was answered; 0 when none is known.
    pub status: u16,
    /// The rule that decided.
    pub rule: String,
}

/// The most query parameters that are kept of all requests of a Bundle.
pub const MAX_QUERIES: usize = 256;

/// The version of the list of keys.
const VERSION: u8 = 1;

impl Record {
    /// How many patients a request of the Bundle may name that names so many.
    pub fn entry_room(&self, names: usize) -> usize {
        let others = self
            .entries
            .iter()
            .map(|own| own.concerned.patients.len().saturating_sub(1));
        let room = AuditPolicy::PATIENTS.saturating_sub(others.sum());
        self.policy.patients.min(names.max(1).saturating_add(room))
    }

    /// The record as one line of JSON, keys in a fixed order; `now` in nanoseconds since 1970.
    /// What is not known is left out.
    pub fn line(&self, now: u64) -> String {
        self.line_of(self.outcome, self.status, now)
    }

    /// When the exchange began; where that is not known, now.
    fn began_by(&self, now: u64) -> u64 {
        match self.began {
            0 => now,
            began => began,
        }
    }

    /// As [`line`](Self::line), with another outcome and status.
    pub fn line_of(&self, outcome: Outcome, status: u16, now: u64) -> String {
        let began = self.began_by(now);
        let some = |text: &'_ str| !text.is_empty();
        let mut out = Line::new();
        out.number("v", VERSION.into());
        out.text("time", Some(&rfc3339(began)));
        out.text(
            "request_id",
            Some(self.request_id.as_str()).filter(|id| some(id)),
        );
        out.text("trace", self.trace.as_deref());
        out.text("outcome", Some(outcome.name()));
        if status != 0 {
            out.number("status", status.into());
        }
        out.text("rule", Some(self.rule.as_str()).filter(|rule| some(rule)));
        match &self.written {
            Some(written) => {
                debug_assert_eq!(written.asked, self.asked().asked, "written too early");
                out.members(&written.asked);
            }
            None => self.write_asked(&mut out, self.told_token_id().as_ref()),
        }
        let told = &*self.policy;
        out.entries(&self.entries, told);
        let created = self.created.as_deref();
        out.text(
            "created",
            created
                .and_then(|own| told.references.reference(own))
                .as_deref(),
        );
        out.list(
            "patients",
            &told.references.references(&self.concerned.patients),
        );
        if self.concerned.more > 0 {
            out.number("patients_more", self.concerned.more);
        }
        out.text("current", self.current.as_deref());
        out.number("passed", self.passed);
        out.number("removed", self.removed);
        out.number("redacted", self.redacted);
        out.number("bytes", self.bytes);
        out.text("watermark", self.watermark.as_deref());
        out.text("patient", self.bound_patient().as_deref());
        if !self.limits.is_empty() {
            out.key("limits");
            out.open('{');
            for (name, remaining) in &self.limits {
                out.item(name);
                out.0.push(':');
                digits(&mut out.0, u64::from(*remaining), 1);
            }
            out.close('}');
        }
        if let Some(global) = &self.global {
            out.key("global");
            out.open('{');
            out.list("limits", &global.limits);
            out.text("ended", Some(global.ended));
            out.close('}');
        }
        out.list("priority", &self.priority);
        out.list("crowded", &self.crowded);
        out.list("reported", &self.reported);
        out.risk(self.risk.as_ref());
        if let Some(announced) = self.announced {
            out.number("announced", announced);
        }
        out.number("us", now.saturating_sub(began) / 1000);
        out.close('}');
        out.0
    }
}

impl Record {
    /// The request goes on: what was asked, and by whom, is as it will be, and is written once.
    pub fn write_asked_once(&mut self) {
        self.written = Some(self.asked());
    }

    fn asked(&self) -> Written {
        let token = self.token_id.as_deref();
        let token = token.and_then(|id| self.policy.token_id.tell(Subject::TokenId, id));
        let mut out = Line::of(768);
        self.write_asked(&mut out, token.as_ref());
        Written {
            asked: out.0,
            token_hash: match token {
                Some(Told::Hash(hash)) => Some(hash),
                Some(Told::Plain(_)) | None => None,
            },
        }
    }

    /// The id of the token as records tell it.
    fn told_token_id(&self) -> Option<Told<'_>> {
        let hash = self.written.as_ref().and_then(|own| own.token_hash.clone());
        let tell = |id| self.policy.token_id.tell(Subject::TokenId, id);
        let told = || self.token_id.as_deref().and_then(tell);
        hash.map(Told::Hash).or_else(told)
    }

    /// What was asked, and by whom.
    fn write_asked(&self, out: &mut Line, token: Option<&Told<'_>>) {
        out.text("tenant", self.tenant.as_deref());
        out.text("issuer", self.issuer.as_deref());
        out.text("client", self.client.as_deref());
        out.text("subject", self.subject.as_deref());
        out.text("certificate", self.certificate.as_deref());
        let told = &*self.policy;
        let address = self.address.as_deref();
        out.text(
            "address",
            address.and_then(|own| told.address.address(own)).as_deref(),
        );
        let user = self.user.as_deref();
        out.text(
            "user",
            user.and_then(|own| told.references.reference(own))
                .as_deref(),
        );
        out.list("roles", &self.roles);
        out.list("purposes", &self.purposes);
        out.token_id(token);
        out.text("method", self.method);
        out.text("route", self.route.as_deref());
        out.text("interaction", self.interaction);
        out.text("type", self.resource_type);
        out.list("refs", &told.references.references(&self.refs));
        out.text("version", self.version.as_deref());
        out.query(&self.query, &told.query);
    }

    /// The patient in context as records write it: the id alone where it is told.
    fn bound_patient(&self) -> Option<String> {
        let patient = format!("Patient/{}", self.patient.as_deref()?);
        let told = self.policy.references.reference(&patient)?;
        Some(told.strip_prefix("Patient/").unwrap_or(&told).to_owned())
    }
}

impl Outcome {
    /// Its name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Allowed => "allowed",
            Outcome::Announced => "announced",
            Outcome::Cut => "cut",
            Outcome::Forwarded => "forwarded",
            Outcome::Proxy => "proxy",
            Outcome::Refused => "refused",
            Outcome::Undecided => "undecided",
            Outcome::Withheld => "withheld",
        }
    }
}

#[cfg(test)]
mod tests;
