//! What every answer must be, whatever it answers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard_harness::client::Response;
use serde_json::{Value, json};

/// What may leave in a head. Everything else that a server says stays behind the filter.
const FIELDS: [&str; 21] = [
    "allow",
    "cache-control",
    // `close`, of the proxy's own, over HTTP/1.1.
    "connection",
    "content-length",
    // Of an export that has started.
    "content-location",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "strict-transport-security",
    "traceparent",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-progress",
    "x-request-id",
];

/// What no answer to a caller confined to p1 may hold: another patient (names, numbers, references),
/// where the upstream is, and what it says about itself.
const CANARIES: [&str; 19] = [
    "Okonkwo",
    "Chidi",
    "MRN-100002",
    "Patient/p2",
    "\"p2\"",
    "-p2-",
    "foreign-",
    "Brannigan",
    "Patient/p3",
    "patient2@",
    "internal",
    "127.0.0.1",
    "localhost",
    "NullPointer",
    "db-1.",
    "JSESSIONID",
    "fhir-guard-test-server",
    "x-flood",
    "Rust 1.95",
];

/// Holds an answer to what is true of every one: its fields, its id, no word of others.
pub fn check(name: &str, answer: &Response) {
    check_head(name, answer);
    let mut all = answer.text();
    for (field, value) in answer.headers.iter().chain(&answer.trailers) {
        all.push_str(&format!("\n{field}: {}", String::from_utf8_lossy(value)));
    }
    for canary in CANARIES {
        assert!(!all.contains(canary), "{name}: {canary} has left in {all}");
    }
    assert!(answer.trailers.is_empty(), "{name}: trailers");
}

/// The exact list of fields, no caching, HSTS, one request id.
pub fn check_head(name: &str, answer: &Response) {
    for (field, _) in &answer.headers {
        let known = FIELDS.contains(&field.as_str());
        assert!(known, "{name}: the field {field} has left");
        let lines = answer.headers.iter().filter(|(other, _)| other == field);
        assert_eq!(lines.count(), 1, "{name}: {field} stands more than once");
    }
    let value = |field: &str| answer.header(field).unwrap_or_default();
    assert_eq!(
        value("strict-transport-security"),
        "max-age=31536000; includeSubDomains",
        "{name}"
    );
    assert_eq!(value("x-request-id").len(), 36, "{name}: x-request-id");
    assert_eq!(value("cache-control"), "no-store, private", "{name}");
    let kind = match answer.status {
        202 | 204 => "",
        200 if name.contains("/_export/file/") => "application/fhir+ndjson",
        _ => "application/fhir+json",
    };
    assert_eq!(value("content-type"), kind, "{name}");
}

/// A refusal of the filter: status, `issue.code`, the request's id, and nothing else.
pub fn check_refusal(name: &str, answer: &Response, status: u16, code: &str) {
    check(name, answer);
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    let id = answer.header("x-request-id").unwrap_or_default();
    // Envoy writes the members of its own ones in another order.
    let expected = json!({"resourceType": "OperationOutcome", "issue": [
        {"severity": "error", "code": code, "diagnostics": format!("request {id}")}
    ]});
    assert_eq!(answer.json().expect(name), expected, "{name}");
    assert_eq!(answer.header("etag"), None, "{name}");
}

/// An answer without what differs from one exchange to the next. Its trace tells nothing but its id.
pub fn without_ids(answer: &Response) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let id = answer.header("x-request-id").unwrap_or_default();
    let trace = answer.header("traceparent").unwrap_or_default();
    let begun = format!("00-{}-", id.replace('-', ""));
    assert!(trace.starts_with(&begun), "{trace} of {id}");
    let varies = |name: &str| matches!(name, "x-request-id" | "date" | "ratelimit" | "traceparent");
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !varies(name));
    (answer.status, headers, answer.text().replace(&id, "ID"))
}

/// The resources of a Bundle, in order.
pub fn resources(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries
        .into_iter()
        .map(|mut entry| entry["resource"].take())
        .collect()
}

/// Whether this link carries one of the server's own form, of which nothing may show.
pub fn is_sealed(link: &str) -> bool {
    let Some((_, token)) = link.split_once("?_page=") else {
        return false;
    };
    let bytes = URL_SAFE_NO_PAD.decode(token).expect("base64url");
    let shown = String::from_utf8_lossy(&bytes);
    for part in ["_getpages", "Observation", "Patient", "_count"] {
        assert!(!shown.contains(part), "{part} shows in {shown:?}");
    }
    true
}
