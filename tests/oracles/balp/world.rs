//! Exchanges of ours, and the events that they leave.

use fhir_guard::exchange::{Exchange, Guard, Step};
use fhir_guard::identity::{ConnectionAttributes, HostAlgorithms};
use fhir_guard::shared::{Step as Share, Work as _};
use fhir_guard::wire::Pair;
use serde_json::{Value, json};

use crate::tokens::{Mint, NOW};
use crate::vectors::Vectors;

pub struct World {
    guard: Guard,
    mint: Mint,
}

/// One exchange: who asks for what, and what the server says.
pub struct Ask {
    pub name: &'static str,
    pub claims: Value,
    pub method: &'static str,
    pub path: &'static str,
    pub body: Option<Value>,
    pub status: u16,
    /// What the server answers; empty where it is not asked, or has nothing to say.
    pub answer: &'static str,
}

impl World {
    pub fn new(vectors: &Vectors, edit: impl FnOnce(&mut Value)) -> World {
        let mint = Mint::new(vectors);
        let mut config = json!({
            "fhir": {
                "base": "https://fhir.example.org/r4",
                "upstream": {"cluster": "fhir", "base": "http://fhir"},
                "body_check": "none",
                "bundles": {"types": ["batch", "transaction"]},
                "operations": [{
                    "name": "everything", "level": "instance", "types": ["Patient"],
                    "scopes": ["user/*.rs"], "answer": "bundle",
                }],
            },
            "issuers": [{
                "issuer": "https://as.example.org",
                "audiences": ["https://fhir.example.org"],
                "algorithms": ["ES256"],
                "keys": {"inline": mint.keys()},
                "types": ["jwt"],
                "proof": ["none"],
                "claims": {"purpose": ["/purpose"], "roles": ["/roles"]},
            }],
            "client_certificate": {"required": false},
            "step_up": [{"name": "mfa", "types": ["Condition"], "interactions": ["read"], "amr": ["mfa"]}],
            "secrets": {"audit_key": {"inline": "5a".repeat(32)}},
            "audit": {"observer": "fhir.example.org"},
        });
        edit(&mut config);
        let policy = fhir_guard::config::read_with(config.to_string().as_bytes(), &|_| None)
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        World {
            guard: Guard::new(policy, HostAlgorithms::default()),
            mint,
        }
    }

    /// The events of one exchange.
    pub fn events(&mut self, ask: &Ask) -> Vec<Value> {
        let mut exchange = Exchange::default();
        let now = NOW * 1_000_000_000;
        let attributes = ConnectionAttributes {
            source: Some(b"192.0.2.7:4711".to_vec()),
            ..ConnectionAttributes::default()
        };
        let guard = &mut self.guard;
        let mut body = ask.body.as_ref().map(Value::to_string);
        let token = format!("Bearer {}", self.mint.token(&ask.claims));
        let head = pairs(&[
            (":method", ask.method),
            (":scheme", "https"),
            (":authority", "fhir.example.org"),
            (":path", &format!("/r4{}", ask.path)),
            ("authorization", &token),
            (
                "content-type",
                match ask.method {
                    "PATCH" => "application/json-patch+json",
                    _ => "application/fhir+json",
                },
            ),
            ("x-request-id", "76d148b6-586d-11ec-bf63-0242ac130002"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ]);
        let ended = body.is_none();
        let mut step = exchange.request_headers(guard, &head, &attributes, now, ended);
        loop {
            step = match step {
                Step::Charge => {
                    let charging = exchange.charging().expect("a charge");
                    let Share::Done(verdict) = charging.step() else {
                        panic!("there are no limits here");
                    };
                    exchange.charged(guard, &verdict)
                }
                Step::HoldHead(_) | Step::Wait => {
                    let body = body.take().expect(ask.name);
                    exchange.request_body(guard, body.as_bytes(), true)
                }
                Step::Forward(_) | Step::Rewrite { .. } | Step::Write(_) => {
                    answer(guard, &mut exchange, ask);
                    break;
                }
                Step::Reply(_) => break,
                step => panic!("{}: {step:?}", ask.name),
            };
        }
        exchange.end();
        let events = exchange.events(now + 5_000_000, None);
        events.iter().map(|event| read(event)).collect()
    }
}

/// An event as a value.
pub fn read(event: &str) -> Value {
    serde_json::from_str(event).expect("JSON")
}

fn answer(guard: &Guard, exchange: &mut Exchange, ask: &Ask) {
    let status = ask.status.to_string();
    let mut head = pairs(&[
        (":status", &status),
        ("content-type", "application/fhir+json"),
    ]);
    if ask.status == 201 {
        head.extend(pairs(&[(
            "location",
            "http://fhir/List/ex-list/_history/1",
        )]));
    }
    let ended = ask.answer.is_empty();
    let step = exchange.response_headers(guard, &head, Some(b"via_upstream"), ended);
    if !ended && !matches!(step, Step::Reply(_)) {
        exchange.response_body(guard, ask.answer.as_bytes(), true);
    }
}

fn pairs(fields: &[(&str, &str)]) -> Vec<Pair> {
    let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    fields.iter().map(pair).collect()
}
