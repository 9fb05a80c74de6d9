//! By the names of the Elastic Common Schema (<https://www.elastic.co/docs/reference/ecs>).

use super::super::line::{Line, rfc3339};
use super::Facts;

/// All names that are used have been in it since 8.0.
const VERSION: &str = "8.11.0";

pub(super) fn line(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let mut out = Line::new();
    out.text("@timestamp", Some(&rfc3339(facts.now)));
    out.text("message", Some(&facts.message()));
    out.object("ecs", &|out| out.text("version", Some(VERSION)));
    out.object("event", &|out| event(facts, out));
    out.object("rule", &|out| {
        out.text("id", Some(facts.alarm.name()));
        out.text("name", Some(facts.alarm.title()));
    });
    out.object("observer", &|out| {
        out.text("name", Some(&record.policy.observer));
        out.text("product", Some("fhir-guard"));
        out.text("type", Some("proxy"));
        out.text("vendor", Some("fhir-guard"));
        out.text("version", Some(env!("CARGO_PKG_VERSION")));
    });
    out.object("source", &|out| {
        out.text("address", facts.address.as_deref());
        out.text("ip", facts.ip());
    });
    out.object("user", &|out| {
        out.text("id", record.subject.as_deref());
        out.text("domain", record.issuer.as_deref());
    });
    out.object("organization", &|out| {
        out.text("id", record.tenant.as_deref());
    });
    // The schema wants hashes in capitals.
    let certificate = record.certificate.as_deref().map(str::to_ascii_uppercase);
    out.object("tls", &|out| {
        out.object("client", &|out| {
            out.object("hash", &|out| out.text("sha256", certificate.as_deref()));
        });
    });
    out.object("http", &|out| {
        out.object("request", &|out| {
            let id = Some(record.request_id.as_str());
            out.text("id", id.filter(|id| !id.is_empty()));
            out.text("method", record.method);
        });
        out.object("response", &|out| {
            if facts.status != 0 {
                out.number("status_code", facts.status.into());
            }
        });
    });
    out.object("trace", &|out| out.text("id", facts.trace()));
    out.object("labels", &|out| {
        facts.rest(out);
        if facts.left_out > 0 {
            // Labels are keywords.
            out.text("left_out", Some(&facts.left_out.to_string()));
        }
    });
    out.close('}');
    out.0
}

fn event(facts: &Facts<'_>, out: &mut Line) {
    let (kind, outcome) = match facts.denied() {
        Some(true) => ("denied", "failure"),
        Some(false) => ("allowed", "success"),
        None => ("info", "unknown"),
    };
    out.text("kind", Some("alert"));
    out.list("category", &["intrusion_detection"]);
    out.list("type", &[kind]);
    out.text("action", Some(facts.alarm.name()));
    out.text("outcome", Some(outcome));
    out.text("reason", Some(&facts.reason));
    out.number("severity", facts.alarm.severity() as u64);
    if let Some(told) = &facts.record.risk {
        out.number("risk_score", told.score.into());
    }
    out.text("id", Some(&facts.id));
    out.text("module", Some("fhir_guard"));
    out.text("dataset", Some("fhir_guard.alert"));
    out.text("start", Some(&rfc3339(facts.began())));
}
