//! Exchanges of ours, and the events that they leave.

use std::collections::HashMap;

use fhir_guard::audit::{Chain, ChainPolicy, Place};
use fhir_guard::exchange::{Exchange, Guard, Step};
use fhir_guard::identity::{ConnectionAttributes, HostAlgorithms};
use fhir_guard::shared::{Answer, Step as Share, Work};
use fhir_guard::wire::Pair;
use serde_json::{Value, json};

use crate::tokens::{Mint, NOW};
use crate::vectors::Vectors;

/// The certificate of the connection, SHA-256 in hexadecimal, and as tokens name it.
const CERTIFICATE: (&str, &str) = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
);

const JSON: &str = "application/fhir+json";

pub struct World {
    guard: Guard,
    mint: Mint,
    shared: HashMap<String, (Vec<u8>, u32)>,
}

/// One exchange: who asks for what, and what the server says.
#[derive(Clone)]
pub struct Ask {
    pub name: &'static str,
    pub claims: Value,
    pub method: &'static str,
    pub path: String,
    pub body: Option<String>,
    /// What the server says where the filter asks it before: Consents, or the current version.
    pub before: &'static str,
    pub status: u16,
    /// Fields of the answer beside its type.
    pub fields: Vec<(&'static str, &'static str)>,
    /// What the server answers; empty where it is not asked, or has nothing to say.
    pub answer: String,
    /// How many bytes of it come, where the server goes away then.
    pub broken: Option<usize>,
}

/// What came of an exchange.
pub struct Done {
    /// What was said to a strict repository before it went on.
    pub intents: Vec<Value>,
    pub events: Vec<Value>,
    pub record: Value,
    /// The head and the body that left, where it was forwarded.
    pub head: Vec<Pair>,
    pub body: Vec<u8>,
}

impl World {
    pub fn new(vectors: &Vectors, edit: impl FnOnce(&mut Value)) -> World {
        let mint = Mint::new(vectors);
        let mut config = json!({
            "fhir": {
                "base": "https://fhir.example.org/r4",
                "upstream": {"cluster": "fhir", "base": "http://fhir", "trust": ["if_match"]},
                "body_check": "none",
                "patient_writes": ["DocumentReference", "List"],
                "conditional": ["create", "update", "patch", "delete-single"],
                "bundles": {"types": ["batch", "transaction"]},
                "operations": [{
                    "name": "everything", "level": "instance", "types": ["Patient"],
                    "scopes": ["user/*.rs"], "answer": "bundle",
                }],
                "export": {"levels": ["system"], "files": ["/files/"]},
            },
            "issuers": [{
                "issuer": "https://as.example.org",
                "audiences": ["https://fhir.example.org"],
                "algorithms": ["ES256"],
                "keys": {"inline": mint.keys()},
                "types": ["jwt"],
                "proof": ["certificate"],
                "claims": {"purpose": ["/purpose"], "roles": ["/roles"]},
            }],
            "client_certificate": {"required": false},
            "step_up": [{"name": "mfa", "types": ["Condition"], "interactions": ["read"], "amr": ["mfa"]}],
            "rules": [{
                "name": "research", "effect": "require", "types": ["Procedure"], "interactions": ["search-type"],
                "require": {"consent": true},
            }],
            "limits": [{
                "name": "few", "key": ["client"], "rate": "1/h", "burst": 1,
                "when": "fhir.type == 'Encounter' && fhir.interaction == 'read'",
            }],
            "egress": [{"name": "one", "types": ["Device"], "records": 1, "over": "cut"}],
            "response": {"hold_limit": "4KiB"},
            "secrets": {
                "audit_key": {"inline": "5a".repeat(32)},
                "page_key": {"inline": "01".repeat(32)},
            },
            "audit": {"observer": "fhir.example.org"},
        });
        edit(&mut config);
        let policy = fhir_guard::config::read_with(config.to_string().as_bytes(), &|_| None)
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        World {
            guard: Guard::new(policy, HostAlgorithms::default()),
            mint,
            shared: HashMap::new(),
        }
    }

    /// The events of one exchange.
    pub fn events(&mut self, ask: &Ask) -> Vec<Value> {
        self.ask(ask).events
    }

    /// The events of an exchange that others answered before its head came.
    pub fn headless(&self) -> Vec<Value> {
        let mut exchange = Exchange::of(&self.guard);
        exchange.end();
        let events = exchange.events(NOW * 1_000_000_000, Some(400));
        events.iter().map(|event| read(event)).collect()
    }

    /// One exchange.
    pub fn ask(&mut self, ask: &Ask) -> Done {
        let mut exchange = Exchange::default();
        let now = NOW * 1_000_000_000;
        let mut done = Done {
            intents: Vec::new(),
            events: Vec::new(),
            record: Value::Null,
            head: Vec::new(),
            body: Vec::new(),
        };
        let head = self.head(ask);
        let guard = &mut self.guard;
        let mut body = ask.body.clone();
        let ended = body.is_none();
        let mut step = exchange.request_headers(guard, &head, &attributes(), now, ended);
        loop {
            step = match step {
                Step::Charge => {
                    let charging = exchange.charging().expect("a charge");
                    let verdict = carry_out(&mut self.shared, charging);
                    exchange.charged(guard, &verdict)
                }
                Step::Wait if exchange.is_waiting() => {
                    match exchange.intent(guard, now, || Some(place())) {
                        Some(call) => {
                            let sent: Value = serde_json::from_slice(&call.body).expect("JSON");
                            let sent = sent["entry"].as_array().expect("a transaction").iter();
                            done.intents = sent.map(|entry| entry["resource"].clone()).collect();
                            exchange.announced(guard, Some((200, b"")), now)
                        }
                        None => {
                            exchange.call(guard).expect("somebody is asked");
                            let head = pairs(&[
                                (":status", "200"),
                                ("content-type", JSON),
                                ("etag", "W/\"1\""),
                            ]);
                            exchange.answered(guard, Some((&head, ask.before.as_bytes())))
                        }
                    }
                }
                Step::HoldHead(_) | Step::Wait => {
                    let body = body.take().expect(ask.name);
                    exchange.request_body(guard, body.as_bytes(), true)
                }
                Step::Forward(_) | Step::Rewrite { .. } | Step::Write(_) => {
                    answer(guard, &mut exchange, ask, &mut done);
                    break;
                }
                Step::Reply(_) => break,
                step => panic!("{}: {step:?}", ask.name),
            };
        }
        exchange.end();
        if let Some(mut settling) = exchange.settling(now) {
            carry_out(&mut self.shared, &mut settling);
        }
        exchange.take_place(Some(place()));
        let events = exchange.events(now + 5_000_000, None);
        done.events = events.iter().map(|event| read(event)).collect();
        let record = exchange.record(now, None);
        done.record = serde_json::from_str(&record).expect("JSON");
        done
    }

    fn head(&self, ask: &Ask) -> Vec<Pair> {
        let mut claims = json!({"cnf": {"x5t#S256": CERTIFICATE.1}});
        let members = claims.as_object_mut().expect("claims");
        members.extend(ask.claims.as_object().expect("claims").clone());
        let content_type = match (ask.method, ask.path.ends_with("/_search")) {
            ("PATCH", _) => "application/json-patch+json",
            (_, true) => "application/x-www-form-urlencoded",
            _ => JSON,
        };
        pairs(&[
            (":method", ask.method),
            (":scheme", "https"),
            (":authority", "fhir.example.org"),
            (":path", &format!("/r4{}", ask.path)),
            (
                "authorization",
                &format!("Bearer {}", self.mint.token(&claims)),
            ),
            ("content-type", content_type),
            ("x-request-id", "76d148b6-586d-11ec-bf63-0242ac130002"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ])
    }
}

/// An event as a value.
pub fn read(event: &str) -> Value {
    serde_json::from_str(event).expect("JSON")
}

/// The first place in a chain.
fn place() -> Place {
    let policy = ChainPolicy {
        signer: None,
        records: 1,
        time: 1,
    };
    let mut chain = Chain::new(policy, *b"the first chain.");
    let ticket = chain.ticket();
    chain.place(ticket)
}

fn attributes() -> ConnectionAttributes {
    ConnectionAttributes {
        source: Some(b"192.0.2.7:4711".to_vec()),
        mtls: Some(vec![1]),
        digest: Some(CERTIFICATE.0.as_bytes().to_vec()),
        validated: Some(vec![1]),
        ..ConnectionAttributes::default()
    }
}

fn answer(guard: &Guard, exchange: &mut Exchange, ask: &Ask, done: &mut Done) {
    let status = ask.status.to_string();
    let mut head = pairs(&[(":status", &status), ("content-type", JSON)]);
    for (name, value) in &ask.fields {
        head.retain(|(own, _)| own != name.as_bytes());
        head.extend(pairs(&[(name, value)]));
    }
    let ended = ask.answer.is_empty();
    match exchange.response_headers(guard, &head, Some(b"via_upstream"), ended) {
        Step::Release(head) | Step::HoldHead(head) => done.head = head,
        _ => return,
    }
    let came = ask.broken.unwrap_or(ask.answer.len());
    let came = ask.answer.as_bytes().get(..came).expect("a part");
    if ended {
        return;
    }
    if let Step::Write(body) = exchange.response_body(guard, came, ask.broken.is_none()) {
        done.body = body;
    }
}

/// Carries out work on shared data, as the proxy does.
fn carry_out<W: Work>(shared: &mut HashMap<String, (Vec<u8>, u32)>, work: &mut W) -> W::Outcome {
    loop {
        let answer = match work.step() {
            Share::Done(outcome) => return outcome,
            Share::Read { key } => {
                let (bytes, version) = shared.get(key).cloned().unzip();
                Answer::Value { bytes, version }
            }
            Share::Write {
                key,
                value,
                version,
            } => {
                let next = version.unwrap_or(0) + 1;
                shared.insert(key.to_owned(), (value.to_vec(), next));
                Answer::Written
            }
        };
        work.answer(answer);
    }
}

fn pairs(fields: &[(&str, &str)]) -> Vec<Pair> {
    let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    fields.iter().map(pair).collect()
}

/// The example of docs/audit-events.md is this event.
pub fn is_on_the_page(event: &Value) {
    let page = include_str!("../../../docs/audit-events.md");
    let example = page.split_once("```json\n").expect("an example").1;
    let example = example.split("```").next().unwrap_or_default();
    let example: Value = serde_json::from_str(example).expect("JSON");
    assert_eq!(*event, example, "docs/audit-events.md: {event}");
}
