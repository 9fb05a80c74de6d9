//! A proxy of a few lines around the filter: requests of other suites go all the way through it, and so
//! do the answers that their servers give.

use fhir_guard::exchange::{Exchange, Guard, Step};
use fhir_guard::identity::{ConnectionAttributes, HostAlgorithms};
use fhir_guard::shared::{Step as Share, Work};
use fhir_guard::wire::Pair;
use serde_json::{Value, json};

use crate::account::Decision;
use crate::tokens::{Mint, NOW};
use crate::vectors::Vectors;

/// One worker in front of a server.
pub struct World {
    guard: Guard,
    mint: Mint,
    base: String,
}

/// Who asks: what is in the token.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub scope: String,
    pub patient: Option<String>,
    pub user: Option<String>,
}

/// What is asked, and what a server would say.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub method: String,
    /// Below the base: path and query.
    pub path: String,
    pub body: Option<Value>,
    /// What is there already, where the filter asks for it.
    pub current: Option<Value>,
    /// Whether the server that was asked keeps a patient's search of several types within the compartment.
    pub confines: bool,
    /// The answer of the server; `None` where the verdict is about the request alone.
    pub answer: Option<Value>,
}

/// What came of it.
#[derive(Debug)]
pub struct Answered {
    /// Whether it went to the server.
    pub forwarded: bool,
    /// What left of the server's answer; null where nothing did.
    pub body: Value,
}

impl World {
    /// A deployment in front of this base that is as open as an operator can make it: every type that
    /// patients may be let write, labels of clients, and a server that honours `If-Match`.
    pub fn new(vectors: &Vectors, base: &str, edit: impl FnOnce(&mut Value)) -> World {
        let mint = Mint::new(vectors);
        let mut config = json!({
            "fhir": {
                "base": base,
                "upstream": {"cluster": "fhir", "base": "http://fhir", "trust": ["if_match"]},
                "body_limit": "8MiB",
                "body_check": "none",
                "client_labels": "kept",
                "bundles": {"types": ["batch", "transaction"]},
                "search": {
                    "include": ["Device:patient", "Observation:subject"],
                    "revinclude": ["Condition:subject", "MedicationRequest:subject", "Observation:subject"],
                },
                "conditional": ["create", "update", "patch", "delete-single"],
            },
            "issuers": [{
                "issuer": "https://as.example.org",
                "audiences": ["https://fhir.example.org"],
                "algorithms": ["ES256"],
                "keys": {"inline": mint.keys()},
                "types": ["jwt"],
                "proof": ["none"],
            }],
            "client_certificate": {"required": false},
            "response": {"hold_limit": "16MiB", "resource_limit": "16MiB"},
            "audit": {"observer": "fhir.example.org"},
        });
        edit(&mut config);
        let policy = fhir_guard::config::read_with(config.to_string().as_bytes(), &|_| None)
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let path = base.split('/').skip(3).map(|segment| format!("/{segment}"));
        World {
            guard: Guard::new(policy, HostAlgorithms::default()),
            mint,
            base: path.collect(),
        }
    }

    /// One exchange.
    pub fn ask(&mut self, caller: &Caller, ask: &Ask) -> Answered {
        let mut exchange = Exchange::default();
        let head = self.head(caller, ask);
        let attributes = ConnectionAttributes::default();
        let now = NOW * 1_000_000_000;
        let mut body = ask.body.as_ref().map(Value::to_string);
        let ended = body.is_none();
        let guard = &mut self.guard;
        let mut step = exchange.request_headers(guard, &head, &attributes, now, ended);
        let forwarded = loop {
            step = match step {
                Step::Charge => {
                    let charging = exchange.charging().expect("a charge");
                    let Share::Done(verdict) = charging.step() else {
                        panic!("there are no limits here");
                    };
                    exchange.charged(guard, &verdict)
                }
                Step::HoldHead(_) | Step::Wait if body.is_some() => {
                    let body = body.take().unwrap_or_default();
                    exchange.request_body(guard, body.as_bytes(), true)
                }
                Step::Wait => {
                    exchange.call(guard).expect("somebody is asked");
                    let (head, current) = current(ask.current.as_ref());
                    exchange.answered(guard, Some((&head, current.as_bytes())))
                }
                Step::Forward(_) | Step::Rewrite { .. } | Step::Write(_) => break true,
                Step::Reply(_) => break false,
                step => panic!("{ask:?}: {step:?}"),
            };
        };
        let answer = ask.answer.as_ref().filter(|_| forwarded);
        Answered {
            forwarded,
            body: answer.map_or(Value::Null, |answer| left(guard, exchange, answer)),
        }
    }

    fn head(&self, caller: &Caller, ask: &Ask) -> Vec<Pair> {
        let mut claims = json!({"scope": caller.scope});
        for (name, claim) in [("patient", &caller.patient), ("fhirUser", &caller.user)] {
            if let Some(claim) = claim {
                claims[name] = json!(claim);
            }
        }
        let token = format!("Bearer {}", self.mint.token(&claims));
        let path = format!("{}{}", self.base, ask.path);
        let content_type = match ask.method.as_str() {
            "PATCH" => "application/json-patch+json",
            _ => "application/fhir+json",
        };
        pairs(&[
            (":method", &ask.method),
            (":scheme", "https"),
            (":authority", "fhir.example.org"),
            (":path", &path),
            ("authorization", &token),
            ("content-type", content_type),
        ])
    }
}

impl Answered {
    /// Whether it was let through, and all of the answer with it.
    pub fn decision(&self, ask: &Ask) -> Decision {
        let Some(answer) = &ask.answer else {
            return Decision::accept_if(self.forwarded);
        };
        let whole = match answer["entry"].as_array() {
            Some(entries) => {
                let left = self.body["entry"].as_array().map_or(0, Vec::len);
                !self.body.is_null() && left == entries.len()
            }
            None => self.body["resourceType"] == answer["resourceType"],
        };
        Decision::accept_if(whole)
    }

    /// The resources that left of a Bundle, as `Type/id`.
    pub fn entries(&self) -> Vec<String> {
        let entries = self.body["entry"].as_array();
        let entries = entries.map(Vec::as_slice).unwrap_or_default();
        let names = entries.iter().map(|entry| name_of(&entry["resource"]));
        names.collect()
    }
}

/// `Type/id`.
pub fn name_of(resource: &Value) -> String {
    let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("resourceType"), text("id"))
}

fn pairs(fields: &[(&str, &str)]) -> Vec<Pair> {
    let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    fields.iter().map(pair).collect()
}

/// What the server says of the current version.
fn current(resource: Option<&Value>) -> (Vec<Pair>, String) {
    let json = ("content-type", "application/fhir+json");
    match resource {
        Some(resource) => (
            pairs(&[(":status", "200"), json, ("etag", "W/\"1\"")]),
            resource.to_string(),
        ),
        None => (pairs(&[(":status", "404")]), String::new()),
    }
}

/// A resource as servers write it: what it is stands first.
fn written(resource: &Value) -> String {
    let mut rest = resource.clone();
    let own_type = rest["resourceType"].take();
    let members = rest.as_object_mut().expect("a resource");
    members.remove("resourceType");
    let rest = rest.to_string();
    match rest.strip_prefix('{') {
        Some("}") | None => format!("{{\"resourceType\":{own_type}}}"),
        Some(rest) => format!("{{\"resourceType\":{own_type},{rest}"),
    }
}

/// What leaves of an answer.
fn left(guard: &Guard, mut exchange: Exchange, answer: &Value) -> Value {
    let head = pairs(&[
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ]);
    let answer = written(answer);
    match exchange.response_headers(guard, &head, Some(b"via_upstream"), false) {
        Step::HoldHead(_) | Step::Release(_) => {}
        step => panic!("{step:?}"),
    }
    match exchange.response_body(guard, answer.as_bytes(), true) {
        Step::Write(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Step::Reply(_) => Value::Null,
        step => panic!("{step:?}"),
    }
}
