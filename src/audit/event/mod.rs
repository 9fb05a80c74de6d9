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

use sha2::{Digest as _, Sha256};

use super::chain::hex;
use super::line::{Line, rfc3339};
use super::{AuditPolicy, Concerned, EntryRecord, Outcome, Record};
use agent::write_agents;
use entity::write_entities;
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

/// The events of an exchange that ended so, each one line of JSON; `now` in nanoseconds since 1970.
pub fn events(record: &Record, outcome: Outcome, status: u16, now: u64) -> Vec<String> {
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
    let period = [record.began_by(now), now].map(rfc3339);
    let written = abouts.iter().enumerate();
    written
        .map(|(place, about)| written_event(about, place, now, &period))
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

/// Room for most events, so that they are written without being moved.
const EVENT: usize = 4096;

/// Written as it grows, not as a tree: where there is a repository each exchange is at least one of them.
fn written_event(about: &About<'_>, place: usize, now: u64, [start, end]: &[String; 2]) -> String {
    let record = about.record;
    let mut out = Line::of(EVENT);
    out.constant(r#""resourceType":"AuditEvent""#);
    out.text("id", Some(&about.id(place, now)));
    about.write_profiles(&mut out);
    about.write_types(&mut out);
    out.text("action", Some(about.pattern.action));
    out.key("period");
    out.open('{');
    out.text("end", Some(end));
    out.text("start", Some(start));
    out.close('}');
    out.text("recorded", Some(end));
    match about.success {
        Success::Full => out.text("outcome", Some("0")),
        Success::Open => out.text("outcomeDesc", Some(Outcome::Announced.name())),
        fault => {
            out.text("outcome", Some(fault.code()));
            // Of what nobody decided on there is none.
            out.text(
                "outcomeDesc",
                Some(about.rule).filter(|rule| !rule.is_empty()),
            );
        }
    }
    concepts(&mut out, "purposeOfEvent", &record.purposes);
    write_agents(&mut out, about);
    write_source(&mut out, &record.policy);
    write_entities(&mut out, about);
    out.close('}');
    out.0
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

    /// `meta`, with the profiles that it follows.
    fn write_profiles(&self, out: &mut Line) {
        if self.success != Success::Full {
            return;
        }
        let own = match (self.pattern.profile, self.patient) {
            ("PrivacyDisclosure.Source", None) | ("", _) => None,
            ("PrivacyDisclosure.Source", _) => Some(("", "PrivacyDisclosure.Source")),
            (profile, Some(_)) => Some(("Patient", profile)),
            (profile, None) => Some(("", profile)),
        };
        let token = agent::names_token(self).then_some([
            ("", "OAUTHaccessTokenUse.Minimal"),
            ("", "OAUTHaccessTokenUse.Comprehensive"),
        ]);
        if own.is_none() && token.is_none() {
            return;
        }
        out.key("meta");
        out.open('{');
        out.key("profile");
        out.open('[');
        for (before, name) in own.into_iter().chain(token.into_iter().flatten()) {
            out.comma();
            out.open('"');
            for part in [PROFILES, before, name] {
                out.constant(part);
            }
            out.close('"');
        }
        out.constant("]}");
    }

    /// `type` and `subtype`.
    fn write_types(&self, out: &mut Line) {
        let refused = !matches!(self.success, Success::Full | Success::Open);
        let by_consent = refused && self.rule.starts_with("consent.");
        let (event_type, first) = match (by_consent, self.pattern.profile) {
            (true, _) => ((DICOM, "110113"), Some((AUTHORIZATION, "AuthZ-Consent"))),
            (false, "PrivacyDisclosure.Source") => {
                ((DICOM, "110106"), Some((LIFECYCLE, "disclose")))
            }
            (false, _) => ((EVENT_TYPE, "rest"), None),
        };
        let interaction = match self.pattern.code {
            "" => None,
            code => Some((RESTFUL, code)),
        };
        let emergency = self.record.breaks_glass().then_some((DICOM, "110127"));
        out.key("type");
        coding(out, event_type);
        let subtypes = [first, interaction, emergency];
        if subtypes.iter().any(Option::is_some) {
            out.key("subtype");
            codings(out, subtypes.into_iter().flatten());
        }
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
    let digest: [u8; 32] = Sha256::digest(message.as_bytes()).into();
    let (half, _) = digest.split_at(16);
    let mut out = String::with_capacity(32);
    hex(&mut out, half);
    out
}

fn write_source(out: &mut Line, policy: &AuditPolicy) {
    out.key("source");
    out.open('{');
    out.key("observer");
    agent::identified(out, None, &policy.observer);
    out.constant(concat!(
        r#","type":[{"code":"4","system":"#,
        r#""http://terminology.hl7.org/CodeSystem/security-source-type"}]}"#
    ));
}

/// Purposes or roles, where there are any: a coding where the token has one, else its text.
fn concepts(out: &mut Line, key: &'static str, words: &[String]) {
    if words.is_empty() {
        return;
    }
    out.key(key);
    out.open('[');
    for word in words {
        out.comma();
        out.open('{');
        match word.rsplit_once('|') {
            Some((system, code)) if is_token(system) && is_code(code) => {
                out.constant(r#""coding":[{"#);
                out.text("code", Some(code));
                out.text("system", Some(system));
                out.constant("}]");
            }
            _ => out.text("text", Some(word)),
        }
        out.close('}');
    }
    out.close(']');
}

/// Whether it is one by R4 (<https://hl7.org/fhir/R4/datatypes.html#code>).
fn is_code(text: &str) -> bool {
    text.split(' ').all(is_token)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

/// A code of the standard's, behind its system.
type Coding = (&'static str, &'static str);

fn coding(out: &mut Line, (system, code): Coding) {
    let parts = [r#"{"code":""#, code, r#"","system":""#, system, r#""}"#];
    for part in parts {
        out.constant(part);
    }
}

fn codings(out: &mut Line, codings: impl IntoIterator<Item = Coding>) {
    out.open('[');
    for own in codings {
        out.comma();
        coding(out, own);
    }
    out.close(']');
}
