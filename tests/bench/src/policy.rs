//! The configurations of the filter itself.

use serde_json::{Value, json};

use crate::case::HIDDEN;
use crate::sink;

/// The shipped configuration, for this issuer, with the rule for Observations; nothing is ever used up.
pub fn shipped(policy: &mut Value, jwks: &Value) {
    policy["issuers"][0]["keys"] = json!({ "inline": jwks });
    policy["issuers"][0]["algorithms"] = json!(["ES256", "RS256"]);
    policy["limits"][0]["rate"] = json!("100000/s");
    policy["limits"][0]["burst"] = json!(100_000);
    if let Some(rules) = policy["redaction"].as_array_mut() {
        rules.push(json!({
            "name": "observation-details",
            "unless": {"scope": "patient/Observation.rs"},
            "resource": "Observation",
            "elements": HIDDEN,
            "action": "remove",
        }));
    }
}

/// What a careful operator switches on besides: a signed chain, AuditEvents, alerts, all detectors with all that
/// they do, four limits, labels with a clearance, and a rule with a condition.
pub fn everything(policy: &mut Value) {
    recorded(policy, false);
    policy["audit"]["alerts"] = json!("ecs");
    policy["audit"]["repository"]["format"] = json!("audit-events");
    policy["secrets"]["audit_key"] = json!({ "inline": "5a".repeat(32) });
    let plenty = |limit: Value| {
        let mut limit = limit;
        limit["rate"] = json!("100000/s");
        limit["burst"] = json!(100_000);
        limit
    };
    if let Some(limits) = policy["limits"].as_array_mut() {
        limits.extend([
            plenty(json!({
                "name": "answers",
                "key": ["client", "subject"],
                "cost": { "resources_asked": 50, "resources_returned": 1 },
            })),
            json!({ "name": "at-once", "key": ["client"], "concurrent": 1000 }),
            plenty(json!({ "name": "network", "key": ["address", "interaction", "type"] })),
        ]);
    }
    policy["detectors"] = json!({
        "isolate": ["certificate"],
        "clamp_at": 50,
        "quarantine_at": 80,
        "step_up_at": 60,
        "step_up": { "max_age": "5m" },
    });
    policy["labels"] = json!({
        "unlabelled": "normal",
        "clearances": [
            { "confidentiality": "normal" },
            {
                "when": "\"psychiatry\" in principal.roles",
                "confidentiality": "restricted",
                "sensitivities": ["PSY", "MH", "PSYTHPN"],
            },
        ],
    });
    policy["rules"] = json!([{
        "name": "no-deletes",
        "effect": "deny",
        "when": "fhir.interaction == \"delete\" && !(\"steward\" in principal.roles)",
    }]);
}

/// Records in a signed chain and in a repository, strict or not.
pub fn recorded(policy: &mut Value, strict: bool) {
    // Of Ed25519, as docs/audit.md has it made.
    let key = "MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd";
    policy["secrets"] = json!({ "checkpoint_key": { "inline": key } });
    policy["audit"]["chain"] = json!({ "key_id": "bench" });
    policy["audit"]["repository"] = json!({
        "cluster": sink::CLUSTER,
        "uri": sink::URI,
        "format": "records",
        "strict": strict,
    });
}

/// What writes alerts, into the log of the records: one that nobody expects ends the run.
pub fn alert_log() -> Value {
    let types = "type.googleapis.com/envoy.extensions.access_loggers";
    json!({
        "name": "envoy.access_loggers.file",
        "filter": { "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": format!("{types}.filters.cel.v3.ExpressionFilter"),
                "expression": "'wasm.fhir_guard.alert' in filter_state",
            },
        } },
        "typed_config": {
            "@type": format!("{types}.file.v3.FileAccessLog"),
            "path": "/dev/stdout",
            "log_format": { "text_format_source": {
                "inline_string": "%FILTER_STATE(wasm.fhir_guard.alert:PLAIN)%\n",
            } },
        },
    })
}
