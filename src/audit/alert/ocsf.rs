//! As a Detection Finding of the Open Cybersecurity Schema Framework (<https://schema.ocsf.io/1.5.0/>).

use super::super::Outcome;
use super::super::line::Line;
use super::{Alarm, Facts};

const VERSION: &str = "1.5.0";

/// The class Detection Finding of the category Findings, and its activity Create.
const CLASS: u64 = 2004;
const CREATE: u64 = 1;

pub(super) fn line(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let alarm = facts.alarm;
    let mut out = Line::new();
    out.number("category_uid", CLASS / 1000);
    out.text("category_name", Some("Findings"));
    out.number("class_uid", CLASS);
    out.text("class_name", Some("Detection Finding"));
    out.number("activity_id", CREATE);
    out.text("activity_name", Some("Create"));
    out.number("type_uid", CLASS * 100 + CREATE);
    out.text("type_name", Some("Detection Finding: Create"));
    out.number("time", facts.now / 1_000_000);
    out.number("start_time", facts.began() / 1_000_000);
    out.number("severity_id", alarm.severity() as u64);
    out.text("severity", Some(alarm.severity().name()));
    out.number("status_id", 1);
    out.text("status", Some("New"));
    out.key("is_alert");
    out.0.push_str("true");
    let (action, name) = match facts.denied() {
        Some(true) => (2, "Denied"),
        Some(false) => (1, "Allowed"),
        None => (0, "Unknown"),
    };
    out.number("action_id", action);
    out.text("action", Some(name));
    let (disposition, name) = disposition(alarm, facts.outcome);
    out.number("disposition_id", disposition);
    out.text("disposition", Some(name));
    // What detectors find is a guess, the rest is a fact.
    let (confidence, name) = match alarm.is_by_score() {
        true => (2, "Medium"),
        false => (3, "High"),
    };
    out.number("confidence_id", confidence);
    out.text("confidence", Some(name));
    if let Some(told) = &record.risk {
        out.number("risk_score", told.score.into());
    }
    out.number("count", u64::from(facts.left_out).saturating_add(1));
    out.text("message", Some(&facts.message()));
    out.object("metadata", &|out| metadata(facts, out));
    out.object("finding_info", &|out| finding(facts, out));
    out.key("evidences");
    out.open('[');
    // Which needs a caller, or a place where it comes from.
    if record.subject.is_some() || record.client.is_some() || facts.address.is_some() {
        out.open('{');
        evidence(facts, &mut out);
        out.close('}');
    }
    out.close(']');
    out.object("unmapped", &|out| {
        facts.rest(out);
        out.text("certificate", record.certificate.as_deref());
        out.text("trace", facts.trace());
    });
    out.close('}');
    out.0
}

fn metadata(facts: &Facts<'_>, out: &mut Line) {
    let record = facts.record;
    out.text("version", Some(VERSION));
    out.list("profiles", &["security_control"]);
    out.object("product", &|out| {
        out.text("name", Some("fhir-guard"));
        out.text("vendor_name", Some("fhir-guard"));
        out.text("version", Some(env!("CARGO_PKG_VERSION")));
    });
    out.text("uid", Some(&facts.id));
    out.text("event_code", Some(facts.alarm.name()));
    out.text("log_name", Some("fhir_guard.alert"));
    out.text("log_provider", Some(&record.policy.observer));
    out.text("tenant_uid", record.tenant.as_deref());
    let id = Some(record.request_id.as_str());
    out.text("correlation_uid", id.filter(|id| !id.is_empty()));
}

fn finding(facts: &Facts<'_>, out: &mut Line) {
    let alarm = facts.alarm;
    out.text("uid", Some(&facts.id));
    out.text("title", Some(alarm.title()));
    out.text("desc", Some(&facts.reason));
    let mut types = vec![alarm.name()];
    types.extend(facts.detectors());
    out.list("types", &types);
    out.number("created_time", facts.now / 1_000_000);
    out.object("analytic", &|out| {
        out.text("uid", Some(alarm.name()));
        out.text("name", Some(alarm.name()));
        let (id, name) = match alarm.is_by_score() {
            true => (2, "Behavioral"),
            false => (1, "Rule"),
        };
        out.number("type_id", id);
        out.text("type", Some(name));
    });
}

fn evidence(facts: &Facts<'_>, out: &mut Line) {
    let record = facts.record;
    out.object("actor", &|out| {
        if record.subject.is_some() {
            out.object("user", &|out| {
                out.text("uid", record.subject.as_deref());
                out.text("uid_alt", facts.user.as_deref());
                out.text("domain", record.issuer.as_deref());
            });
        }
        out.text("app_uid", record.client.as_deref());
    });
    out.object("src_endpoint", &|out| match facts.ip() {
        Some(ip) => out.text("ip", Some(ip)),
        None => out.text("uid", facts.address.as_deref()),
    });
    out.object("http_request", &|out| {
        out.text("http_method", record.method);
        let id = Some(record.request_id.as_str());
        out.text("uid", id.filter(|id| !id.is_empty()));
    });
    out.object("http_response", &|out| {
        if facts.status != 0 {
            out.number("code", facts.status.into());
        }
    });
}

/// What became of it, by the numbers of the profile Security Control.
fn disposition(alarm: Alarm, outcome: Outcome) -> (u64, &'static str) {
    match alarm {
        Alarm::Isolate => (4, "Isolated"),
        Alarm::Quarantine => (3, "Quarantined"),
        Alarm::Binding | Alarm::Pin | Alarm::Replay => (2, "Blocked"),
        Alarm::StepUp => (25, "Rejected"),
        Alarm::Clamp => (7, "Custom Action"),
        Alarm::BreakGlass => (17, "Logged"),
        Alarm::Egress if outcome == Outcome::Withheld => (2, "Blocked"),
        Alarm::Egress => (7, "Custom Action"),
        Alarm::Report => (15, "Detected"),
    }
}
