//! The deployment, the requests and the answers that the programs choose from.

use std::cell::RefCell;
use std::collections::HashMap;

use fhir_guard::config::Policy;
use fhir_guard::exchange::Guard;
use fhir_guard::identity::{Algorithm, HostAlgorithms};
use fhir_guard::limit::Verdict;
use fhir_guard::shared::{Answer, Step as Charge};
use fhir_guard::wire::Pair;
use serde_json::{Value, json};

use crate::input::Input;
use crate::token::{ISSUER, claims, header, keys, token};

/// The hold limit, in bytes.
pub const HOLD: usize = 1024;

/// A word where a rule hides something.
pub const HIDDEN: &str = "CANARY-HIDDEN";

/// A word in what is not the patient's of the token.
pub const OTHERS: &str = "CANARY-OTHERS";

/// Scopes of the tokens.
pub const SCOPES: [&str; 6] = [
    "patient/*.rs",
    "patient/*.cruds",
    "system/*.cruds",
    "system/*.d",
    "user/Observation.rs",
    "",
];

/// Methods and paths.
pub const TARGETS: [&str; 15] = [
    "GET /r4/Patient/p1",
    "HEAD /r4/Patient/p1",
    "GET /r4/Observation?patient=p1",
    "GET /r4/Patient/p1/_history",
    "GET /r4/Patient/p1/_history/1",
    "GET /r4/metadata",
    "POST /r4/Observation",
    "PUT /r4/Observation/o1",
    "PATCH /r4/Observation/o1",
    "DELETE /r4/Patient/p1",
    "GET /r4/Patient/p2",
    "GET /r4/Observation?patient=p1&_count=5",
    "POST /r4/Patient",
    "GET /r4/%50atient/p1",
    "DELETE /r4/Observation/o1",
];

/// Statuses of answers.
pub const STATUSES: [&str; 12] = [
    "200", "201", "204", "304", "404", "410", "412", "500", "0", "", "99999", "-1",
];

/// `response.code_details`.
pub const DETAILS: [Option<&str>; 6] = [
    Some("via_upstream"),
    Some("via_upstream"),
    None,
    Some("route_not_found"),
    Some("cache.hit"),
    Some("\u{1}"),
];

/// Bodies of answers.
pub const ANSWERS: [&str; 9] = [
    r#"{"resourceType":"Patient","id":"p1","birthDate":"CANARY-HIDDEN","gender":"male"}"#,
    r#"{"resourceType":"Patient","id":"p2","birthDate":"CANARY-HIDDEN","language":"CANARY-OTHERS"}"#,
    r#"{"resourceType":"Bundle","type":"searchset","total":2,"entry":[{"resource":{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"}}},{"resource":{"resourceType":"Observation","id":"o2","subject":{"reference":"Patient/p2","display":"CANARY-OTHERS"}}}]}"#,
    r#"{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Patient","id":"p1","meta":{"versionId":"1"},"birthDate":"CANARY-HIDDEN"}},{"resource":{"resourceType":"Patient","id":"p2","language":"CANARY-OTHERS"}}]}"#,
    r#"{"resourceType":"OperationOutcome","issue":[{"diagnostics":"CANARY-OTHERS CANARY-HIDDEN"}]}"#,
    r#"{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/p1"},"contained":[{"resourceType":"Patient","id":"x","birthDate":"CANARY-HIDDEN"}]}"#,
    r#"{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p2"},"note":[{"text":"CANARY-OTHERS"}]}"#,
    r#"{"resourceType":"Patient","id":"p1","birthDate":"CANARY-HIDDEN""#,
    LARGE,
];

/// Beyond the hold limit: it streams.
const LARGE: &str = concat!(
    r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"},"note":[{"text":""#,
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    r#""}]}},{"resource":{"resourceType":"Observation","id":"o2","subject":{"reference":"Patient/p2","display":"CANARY-OTHERS"}}},"#,
    r#"{"resource":{"resourceType":"Observation","id":"o3","subject":{"reference":"Patient/p1"},"note":[{"text":""#,
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    r#""}]}}]}"#
);

/// One worker with the usual policy.
pub fn guard() -> Guard {
    let keys = json!({"inline": keys()});
    Guard::new(
        policy(&keys, &["ES256", "EdDSA"]),
        HostAlgorithms::default(),
    )
}

/// The same policy with keys that are fetched, for an issuer of these algorithms.
pub fn cold_policy(algorithms: &[Algorithm]) -> Policy {
    let keys = json!({"uri": "https://as.example.org/jwks", "cluster": "as"});
    let names: Vec<&str> = algorithms
        .iter()
        .map(|algorithm| algorithm.name())
        .collect();
    policy(&keys, &names)
}

/// One worker that has no keys yet.
pub fn cold() -> Guard {
    let policy = cold_policy(&[Algorithm::Es256, Algorithm::EdDsa]);
    Guard::new(policy, HostAlgorithms::default())
}

fn policy(keys: &Value, algorithms: &[&str]) -> Policy {
    let document = json!({
        "fhir": {
            "base": "https://fhir.example.org/r4",
            "upstream": {"cluster": "fhir", "base": "http://fhir/base", "trust": ["if_match"]},
            "body_limit": "1KiB",
        },
        "issuers": [{
            "issuer": ISSUER,
            "audiences": ["https://fhir.example.org"],
            "algorithms": algorithms,
            "keys": keys,
        }],
        "limits": [{"name": "per-client", "key": ["client", "address"], "rate": "50/s", "burst": 100}],
        "redaction": [{
            "name": "demographics",
            "resource": "Patient",
            "elements": ["birthDate"],
            "action": "remove",
        }],
        "response": {"hold_limit": "1KiB", "resource_limit": "64KiB"},
        "audit": {"observer": "fhir.example.org"},
    });
    let policy = fhir_guard::config::read(document.to_string().as_bytes());
    policy.unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// What a key server may answer: the keys, nothing, rubbish, or other keys.
pub fn key_answer(choice: u8) -> Option<(u16, Vec<u8>)> {
    match choice % 4 {
        0 => Some((200, keys().to_string().into_bytes())),
        1 => None,
        2 => Some((200, b"rubbish".to_vec())),
        _ => {
            let mut keys = keys();
            for key in keys["keys"].as_array_mut().into_iter().flatten() {
                key["kid"] = json!("another");
            }
            Some((200, keys.to_string().into_bytes()))
        }
    }
}

/// The head and the body of an answer.
type UpstreamAnswer = (Vec<Pair>, &'static [u8]);

/// What the upstream may say of the current version, and whether the patient may change that.
pub fn current(choice: u8) -> (Option<UpstreamAnswer>, bool) {
    const OWN: &str = r#"{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/p1"}}"#;
    let (status, etag, body) = match choice % 6 {
        0 => ("200", "W/\"3\"", OWN),
        1 => return (None, false),
        2 => ("200", "W/\"3\"", ANSWERS[6]),
        3 => ("404", "", ""),
        4 => ("200", "\"3\"", OWN),
        _ => ("200", "W/\"3\"", "rubbish"),
    };
    let head = [
        (":status", status),
        ("content-type", "application/fhir+json"),
        ("etag", etag),
    ];
    (
        Some((pairs(&head), body.as_bytes())),
        choice.is_multiple_of(6),
    )
}

/// Whether a target changes what is there.
pub fn changes(target: u8) -> bool {
    TARGETS[usize::from(target) % TARGETS.len()].starts_with(['D', 'P'])
        && !TARGETS[usize::from(target) % TARGETS.len()].starts_with("POST")
}

/// Whether the scope is for one patient.
pub fn is_confined(scope: u8) -> bool {
    SCOPES[usize::from(scope) % SCOPES.len()].starts_with("patient/")
}

/// Whether the target needs no token.
pub fn is_public(target: u8) -> bool {
    TARGETS[usize::from(target) % TARGETS.len()].ends_with("/metadata")
}

/// The head of a request with a good token of this scope.
pub fn head(scope: u8, target: u8) -> Vec<Pair> {
    thread_local! {
        /// Signing takes its time.
        static TOKENS: RefCell<HashMap<&'static str, String>> = RefCell::default();
    }
    let scope = SCOPES[usize::from(scope) % SCOPES.len()];
    let token = TOKENS.with_borrow_mut(|tokens| {
        let new = || {
            let (header, claims) = (header(false).to_string(), claims(scope).to_string());
            token(header.as_bytes(), claims.as_bytes(), false)
        };
        tokens.entry(scope).or_insert_with(new).clone()
    });
    let target = TARGETS[usize::from(target) % TARGETS.len()];
    let (method, path) = target.split_once(' ').expect("a method and a path");
    let content_type = match method {
        "PATCH" => "application/json-patch+json",
        _ => "application/fhir+json",
    };
    pairs(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "fhir.example.org"),
        (":path", path),
        ("x-request-id", "r-1"),
        ("authorization", &format!("Bearer {token}")),
        ("content-type", content_type),
    ])
}

/// The head of an answer with this status.
pub fn answer_head(status: u8) -> Vec<Pair> {
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    pairs(&[
        (":status", status),
        ("content-type", "application/fhir+json"),
    ])
}

/// Shared data that is empty, and takes what is written.
pub fn shared<T>(step: &Charge<'_, T>) -> Answer {
    match step {
        Charge::Write { .. } => Answer::Written,
        _ => Answer::Value {
            bytes: None,
            version: None,
        },
    }
}

/// Shared data that answers anything.
pub fn lie(step: &Charge<'_, Verdict>, answers: &mut Input<'_>) -> Answer {
    match answers.byte() % 4 {
        0 => Answer::Conflict,
        1 => Answer::Failed,
        2 => Answer::Value {
            bytes: Some(answers.take(64).to_vec()),
            version: Some(1),
        },
        _ => shared(step),
    }
}

/// Fields as the host hands them over.
pub fn pairs(fields: &[(&str, &str)]) -> Vec<Pair> {
    let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    fields.iter().map(pair).collect()
}
