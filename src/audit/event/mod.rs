//! Records as FHIR R4 AuditEvents, by the Basic Audit Log Patterns of IHE (BALP 1.1,
//! <https://profiles.ihe.net/ITI/BALP/>).
//!
//! An exchange is one event; a Bundle of requests one for each of them; a query one for each patient that it
//! concerns, as BALP asks for. What succeeded says which profiles it follows. The profiles are for success: what
//! was refused or broken off has the same shape, another `outcome`, and claims no profile.
//!
//! # Bounds
//!
//! Of one record at most [`AuditPolicy::PATIENTS`] events and one, or of a Bundle that many and two for each of its
//! requests.

mod agent;
mod entity;
mod pattern;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::line::rfc3339;
use super::{AuditPolicy, Concerned, EntryRecord, Outcome, Record};
use agent::agents;
use entity::entities;
use pattern::Pattern;

/// Where the profiles are.
const PROFILES: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const RESTFUL: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const AUTHORIZATION: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";

/// What one event is about.
#[derive(Clone, Copy)]
pub(super) struct About<'r> {
    record: &'r Record,
    pattern: &'static Pattern,
    success: Success,
    rule: &'r str,
    /// What was asked for: `Type/id`, a type, or nothing.
    reference: Option<&'r str>,
    version: Option<&'r str>,
    query: &'r [(String, String)],
    /// `None` where no head came.
    method: Option<&'r str>,
    route: Option<&'r str>,
    patient: Option<&'r str>,
    /// How many more patients it concerns.
    more: u64,
    status: u16,
}

/// `AuditEvent.outcome` (<https://hl7.org/fhir/R4/valueset-audit-event-outcome.html>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Success {
    /// `0`
    Full,
    /// `4`: it can be tried again, after another login, later, or in another form; or a part of it went.
    Minor,
    /// `8`: it is not permitted.
    Serious,
    /// `12`: the proxy or the server could not.
    Major,
    /// Not known: it is about to be tried.
    Open,
}

impl Success {
    fn code(self) -> &'static str {
        match self {
            Success::Full => "0",
            Success::Minor => "4",
            Success::Serious => "8",
            Success::Major => "12",
            Success::Open => "",
        }
    }

    fn of(outcome: Outcome, status: u16) -> Success {
        match (outcome, status) {
            (Outcome::Announced, _) => Success::Open,
            (Outcome::Allowed, 0..400) => Success::Full,
            (Outcome::Cut, _) => Success::Minor,
            (_, 403 | 404 | 410) => Success::Serious,
            (_, 400..500) => Success::Minor,
            _ => Success::Major,
        }
    }

    fn of_entry(status: u16) -> Success {
        match status {
            0 => Success::Major,
            _ => Success::of(Outcome::Allowed, status),
        }
    }
}

/// The events of an exchange that ended so; `now` in nanoseconds since 1970.
pub fn events(record: &Record, outcome: Outcome, status: u16, now: u64) -> Vec<Value> {
    let mut abouts: Vec<About<'_>> = Vec::new();
    match record.entries.as_slice() {
        [] => whole(record, Success::of(outcome, status), status, &mut abouts),
        entries => {
            for entry in entries {
                spread(
                    of_entry(record, entry, outcome),
                    &entry.concerned,
                    &mut abouts,
                );
            }
        }
    }
    let written = abouts.iter().enumerate();
    written
        .map(|(place, about)| written_event(about, place, now))
        .collect()
}

fn whole<'r>(record: &'r Record, success: Success, status: u16, abouts: &mut Vec<About<'r>>) {
    let own = record.refs.first().or(record.created.as_ref());
    let about = About {
        record,
        pattern: Pattern::of(record.interaction),
        success,
        rule: &record.rule,
        reference: own.map(String::as_str).or(record.resource_type),
        version: record.version.as_deref(),
        query: &record.query,
        method: record.method,
        route: record.route.as_deref(),
        patient: None,
        more: record.concerned.more,
        status,
    };
    spread(about, &record.concerned, abouts);
}

/// One event, or one for each patient.
fn spread<'r>(about: About<'r>, concerned: &'r Concerned, abouts: &mut Vec<About<'r>>) {
    let patients: &[String] = match about.record.policy.references.is_told() {
        true => &concerned.patients,
        false => &[],
    };
    let of = |patient: &'r String| About {
        patient: Some(patient),
        ..about
    };
    // Who else it concerns is not forgotten where it cannot be said.
    let rest = patients.is_empty() || about.more > 0;
    match patients {
        [first, ..] if !about.pattern.one_per_patient => abouts.push(of(first)),
        patients => {
            abouts.extend(patients.iter().map(of));
            abouts.extend(rest.then_some(about));
        }
    }
}

fn of_entry<'r>(record: &'r Record, entry: &'r EntryRecord, outcome: Outcome) -> About<'r> {
    let success = match outcome {
        Outcome::Allowed => Success::of_entry(entry.status),
        outcome if entry.status == 0 => Success::of(outcome, record.status),
        _ => Success::of_entry(entry.status),
    };
    About {
        record,
        pattern: Pattern::of(entry.interaction),
        success,
        rule: &entry.rule,
        reference: entry.reference.as_deref(),
        version: None,
        query: &entry.query,
        // That of every query that a Bundle can hold.
        method: Some("GET"),
        route: entry.route.as_deref(),
        patient: None,
        more: entry.concerned.more,
        status: entry.status,
    }
}

fn written_event(about: &About<'_>, place: usize, now: u64) -> Value {
    let record = about.record;
    let began = record.began_by(now);
    let mut out = Map::new();
    let mut add = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    add("resourceType", text("AuditEvent"));
    add("id", text(&about.id(place, now)));
    let profiles = about.profiles();
    if !profiles.is_empty() {
        let urls = profiles
            .iter()
            .map(|name| text(&format!("{PROFILES}{name}")));
        add("meta", object([("profile", urls.collect())]));
    }
    let (event_type, subtypes) = about.types();
    add("type", event_type);
    if !subtypes.is_empty() {
        add("subtype", Value::Array(subtypes));
    }
    add("action", text(about.pattern.action));
    let period = [
        ("start", text(&rfc3339(began))),
        ("end", text(&rfc3339(now))),
    ];
    add("period", object(period));
    add("recorded", text(&rfc3339(now)));
    match about.success {
        Success::Full => add("outcome", text("0")),
        Success::Open => add("outcomeDesc", text(Outcome::Announced.name())),
        fault => {
            add("outcome", text(fault.code()));
            // Of what nobody decided on there is none.
            if !about.rule.is_empty() {
                add("outcomeDesc", text(about.rule));
            }
        }
    }
    let reasons: Vec<Value> = record.purposes.iter().map(|word| concept(word)).collect();
    if !reasons.is_empty() {
        add("purposeOfEvent", Value::Array(reasons));
    }
    add("agent", Value::Array(agents(about)));
    add("source", source(&record.policy));
    add("entity", Value::Array(entities(about)));
    Value::Object(out)
}

impl About<'_> {
    /// That of an intent is another one than that of what became of it.
    fn id(&self, place: usize, now: u64) -> String {
        let intent = match self.success {
            Success::Open => "intent ",
            _ => "",
        };
        id(self.record, &format!("{intent}{place}"), now)
    }

    /// The names of the profiles that it follows.
    fn profiles(&self) -> Vec<String> {
        let mut names = Vec::new();
        if self.success != Success::Full {
            return names;
        }
        match (self.pattern.profile, self.patient) {
            ("PrivacyDisclosure.Source", None) | ("", _) => {}
            ("PrivacyDisclosure.Source", _) => names.push("PrivacyDisclosure.Source".to_owned()),
            (profile, Some(_)) => names.push(format!("Patient{profile}")),
            (profile, None) => names.push(profile.to_owned()),
        }
        if agent::names_token(self) {
            names.push("OAUTHaccessTokenUse.Minimal".to_owned());
            names.push("OAUTHaccessTokenUse.Comprehensive".to_owned());
        }
        names
    }

    /// `type` and `subtype`.
    fn types(&self) -> (Value, Vec<Value>) {
        let interaction = match self.pattern.code {
            "" => None,
            code => Some(coding(RESTFUL, code)),
        };
        let mut subtypes: Vec<Value> = Vec::from_iter(interaction);
        let refused = !matches!(self.success, Success::Full | Success::Open);
        let by_consent = refused && self.rule.starts_with("consent.");
        let event_type = match (by_consent, self.pattern.profile) {
            (true, _) => {
                subtypes.insert(0, coding(AUTHORIZATION, "AuthZ-Consent"));
                coding(DICOM, "110113")
            }
            (false, "PrivacyDisclosure.Source") => {
                subtypes.insert(0, coding(LIFECYCLE, "disclose"));
                coding(DICOM, "110106")
            }
            (false, _) => coding(EVENT_TYPE, "rest"),
        };
        if self.record.breaks_glass() {
            subtypes.push(coding(DICOM, "110127"));
        }
        (event_type, subtypes)
    }
}

impl Record {
    /// Whether the token says that it is an emergency: `BTG` (break the glass) or `ETREAT` of v3-ActReason,
    /// bare or with its system.
    pub(super) fn breaks_glass(&self) -> bool {
        self.purposes.iter().any(|purpose| {
            let (system, code) = purpose.rsplit_once('|').unwrap_or((REASON, purpose));
            system == REASON && matches!(code, "BTG" | "ETREAT")
        })
    }
}

/// The same for every delivery of the same event, and no other's: time, request and place, hashed. It is made once,
/// when the exchange is over.
pub(super) fn id(record: &Record, place: &str, now: u64) -> String {
    let parts = [
        record.policy.observer.as_str(),
        record.request_id.as_str(),
        record.subject.as_deref().unwrap_or_default(),
        record.route.as_deref().unwrap_or_default(),
    ];
    let message = format!("{} {place} {}", record.began_by(now), parts.join("\n"));
    let digest = Sha256::digest(message.as_bytes());
    let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
    hex.collect()
}

fn source(policy: &AuditPolicy) -> Value {
    const SOURCE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
    let observer = agent::identified(None, &policy.observer);
    let types = Value::Array(vec![coding(SOURCE, "4")]);
    object([("observer", observer), ("type", types)])
}

/// A purpose or a role: a coding where the token has one, else its text.
fn concept(word: &str) -> Value {
    // What is none by R4 (https://hl7.org/fhir/R4/datatypes.html#code) may still be read.
    let is_code = |code: &str| !code.is_empty() && code.split(' ').all(is_token);
    match word.rsplit_once('|') {
        Some((system, code)) if is_token(system) && is_code(code) => {
            object([("coding", Value::Array(vec![coding(system, code)]))])
        }
        _ => object([("text", text(word))]),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

fn coding(system: &str, code: &str) -> Value {
    object([("system", text(system)), ("code", text(code))])
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.into_iter();
    Value::Object(
        members
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}
