//! The record of an exchange: what was asked, by whom, what was decided, by which rule.
//!
//! The keys are a closed list, versioned by `v`; none is ever renamed. No health data, no token nor
//! any part of one, and nothing a caller wrote goes in unescaped.

mod chain;
mod heads;
mod line;

use crate::risk::Finding;
pub use chain::{Chain, ChainPolicy, Sealed};
pub use heads::{Head, Publishing};
use line::{Line, digits, rfc3339};

/// What audit records say about this deployment, and where they go.
#[derive(Clone, Debug)]
pub struct AuditPolicy {
    /// The name of the observing system, for example `fhir.example.org`.
    pub observer: String,
    /// How records are chained; `None` where each stands for itself.
    pub chain: Option<ChainPolicy>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Outcome {
    /// Permitted, and the answer left as far as the permit goes.
    Allowed,
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
    /// The standard's code of the interaction.
    pub interaction: Option<&'static str>,
    /// The resource type.
    pub resource_type: Option<&'static str>,
    /// The instance that was asked for, as `Type/id`.
    pub refs: Vec<String>,
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
    /// The code that stands in what left.
    pub watermark: Option<String>,
    /// The id of the patient in context, where that code binds it.
    pub patient: Option<String>,
    /// The limits that were charged: name and what remains.
    pub limits: Vec<(String, u32)>,
    /// The limits that would have refused it, had the caller no priority.
    pub priority: Vec<String>,
    /// What looks wrong about the caller.
    pub risk: Option<Finding>,
}

/// One request of a Bundle.
#[derive(Clone, Debug, Default)]
pub struct EntryRecord {
    /// The standard's code; `None` where it is no request that is understood.
    pub interaction: Option<&'static str>,
    /// The type, or the instance as `Type/id`.
    pub reference: Option<String>,
    /// The status with which it was answered; 0 when none is known.
    pub status: u16,
    /// The rule that decided.
    pub rule: String,
}

/// The version of the list of keys.
const VERSION: u8 = 1;

impl Record {
    /// The record as one line of JSON, keys in a fixed order; `now` in nanoseconds since 1970.
    /// What is not known is left out.
    pub fn line(&self, now: u64) -> String {
        self.line_of(self.outcome, self.status, now)
    }

    /// As [`line`](Self::line), with another outcome and status. An exchange whose beginning is not
    /// known began now.
    pub fn line_of(&self, outcome: Outcome, status: u16, now: u64) -> String {
        let began = if self.began == 0 { now } else { self.began };
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
        out.text("tenant", self.tenant.as_deref());
        out.text("issuer", self.issuer.as_deref());
        out.text("client", self.client.as_deref());
        out.text("subject", self.subject.as_deref());
        out.text("certificate", self.certificate.as_deref());
        out.text("interaction", self.interaction);
        out.text("type", self.resource_type);
        out.list("refs", &self.refs);
        out.entries(&self.entries);
        out.text("current", self.current.as_deref());
        out.number("passed", self.passed);
        out.number("removed", self.removed);
        out.number("redacted", self.redacted);
        out.text("watermark", self.watermark.as_deref());
        out.text("patient", self.patient.as_deref());
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
        out.list("priority", &self.priority);
        out.list("reported", &self.reported);
        out.risk(self.risk.as_ref());
        out.number("us", now.saturating_sub(began) / 1000);
        out.close('}');
        out.0
    }
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Allowed => "allowed",
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
mod tests {
    use crate::risk::Detector;
    use serde_json::Value;

    use super::*;

    #[test]
    fn times_are_civil() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000_000_000), expected);
        }
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let record = Record {
            subject: Some("a\"b\n\u{2028}\u{85}\u{1f600}\u{7f}".to_owned()),
            rule: "x\r\n{\"outcome\":\"allowed\"}".to_owned(),
            ..Record::default()
        };
        let line = record.line(5);
        assert!(
            line.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{line}"
        );
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["subject"], "a\"b\n\u{2028}\u{85}\u{1f600}\u{7f}");
        assert_eq!(value["outcome"], "undecided");
    }

    #[test]
    fn keys_are_the_closed_list_in_order() {
        let some = || Some("x".to_owned());
        let record = Record {
            request_id: "r".to_owned(),
            trace: some(),
            status: 200,
            rule: "scope".to_owned(),
            tenant: some(),
            issuer: some(),
            client: some(),
            subject: some(),
            certificate: some(),
            interaction: Some("read"),
            resource_type: Some("Patient"),
            refs: vec!["Patient/1".to_owned()],
            entries: vec![EntryRecord::default()],
            current: some(),
            watermark: some(),
            patient: some(),
            limits: vec![("per-client".to_owned(), 3)],
            priority: vec!["per-client".to_owned()],
            reported: vec!["deny.night".to_owned()],
            risk: Some(Finding {
                score: 60,
                reasons: vec![Detector::Absent],
                isolates: false,
            }),
            ..Record::default()
        };
        let line = record.line(2_000);
        let mut at = 0;
        for key in [
            "v",
            "time",
            "request_id",
            "trace",
            "outcome",
            "status",
            "rule",
            "tenant",
            "issuer",
            "client",
            "subject",
            "certificate",
            "interaction",
            "type",
            "refs",
            "entries",
            "current",
            "passed",
            "removed",
            "redacted",
            "watermark",
            "patient",
            "limits",
            "priority",
            "reported",
            "risk",
            "us",
        ] {
            let found = line
                .get(at..)
                .and_then(|rest| rest.find(&format!("\"{key}\":")));
            at += found.unwrap_or_else(|| panic!("{key} is not where it belongs in {line}"));
        }
    }
}
