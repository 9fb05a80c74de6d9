//! A proxy of a few lines: it does what the steps say and asserts what must hold at each of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

use fhir_guard::denial::Reply;
use fhir_guard::exchange::{Exchange, Guard, Step};
use fhir_guard::identity::{ConnectionAttributes, HostAlgorithms, HostCheck, known_answers};
use fhir_guard::shared::{Answer as Shared, Step as Share, Work};
use fhir_guard::wire::Pair;
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use fhir_guard_harness::tokens::{Algorithm, Claims, Issuer};
use fhir_guard_harness::verify::verifies;
use serde_json::{Value, json};

/// The time of every exchange, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;
/// The hold limit of every deployment here, in bytes: the smallest, so that tests can cross it.
pub const HOLD: usize = 1024;

/// One worker with its policy.
pub struct Deployment {
    pub guard: Guard,
    pub issuer: Issuer,
    pub certificate: ClientCertificate,
    config: Value,
    shared: SharedData,
}

/// Shared data of all workers: key to value and version.
type SharedData = Rc<RefCell<HashMap<String, (Vec<u8>, u32)>>>;

/// A host that verifies every signature that it can.
static HOST: LazyLock<HostAlgorithms> =
    LazyLock::new(|| HostAlgorithms::asking(known_answers(), |check| Some(right(check))));

/// What the host answers.
pub fn right(check: &HostCheck) -> bool {
    verifies(check.hash, &check.key, &check.signature, &check.text)
}

/// What the client saw of an answer.
#[derive(Debug, Eq, PartialEq)]
pub struct Answer {
    /// The head that left, if one did.
    pub head: Option<Vec<Pair>>,
    /// The body that left.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How an answer ended.
#[derive(Debug, Eq, PartialEq)]
pub enum End {
    /// All of it came.
    Complete,
    /// The filter answered itself.
    Reply(Reply),
    /// The stream was cut.
    Reset,
}

impl Deployment {
    pub fn new() -> Deployment {
        Deployment::with(|_| ())
    }

    /// A deployment whose configuration differs from the usual one.
    pub fn with(edit: impl FnOnce(&mut Value)) -> Deployment {
        let issuer = Issuer::new("https://as.example.org");
        let mut config = json!({
            "fhir": {
                "base": "https://fhir.example.org/r4",
                "upstream": {"cluster": "fhir", "base": "http://fhir/base"},
                "body_limit": "1KiB",
            },
            "issuers": [{
                "issuer": issuer.name(),
                "audiences": ["https://fhir.example.org"],
                "algorithms": ["ES256"],
                "keys": {"inline": {"keys": [issuer.jwk(Algorithm::Es256)]}},
            }],
            "redaction": [{
                "name": "demographics",
                "resource": "Patient",
                "elements": ["birthDate"],
                "action": "remove",
            }],
            "response": {"hold_limit": "1KiB", "resource_limit": "64KiB"},
            "audit": {"observer": "fhir.example.org"},
        });
        edit(&mut config);
        Deployment {
            guard: guard(&config),
            issuer,
            certificate: Pki::new().client("clinic-a"),
            config,
            shared: Rc::default(),
        }
    }

    /// Another worker with the same configuration and the same shared data.
    pub fn worker(&self) -> Deployment {
        self.changed(|_| ())
    }

    /// The same for the same callers, with another configuration.
    pub fn changed(&self, edit: impl FnOnce(&mut Value)) -> Deployment {
        let mut config = self.config.clone();
        edit(&mut config);
        Deployment {
            guard: guard(&config),
            issuer: self.issuer.clone(),
            certificate: self.certificate.clone(),
            config,
            shared: Rc::clone(&self.shared),
        }
    }

    /// The head of a request with a good token of this scope.
    pub fn head(&self, scope: &str, target: &str, fields: &[(&str, &str)]) -> Vec<Pair> {
        let token = self.issuer.token(&self.claims().scope(scope));
        self.head_with(&token, target, fields)
    }

    /// The claims of a good token.
    pub fn claims(&self) -> Claims {
        Claims::new(NOW).bound_to(&self.certificate)
    }

    /// The text of a token of these claims.
    pub fn token(&self, claims: &Claims) -> String {
        self.issuer.token(claims)
    }

    /// The head of a request with this token.
    pub fn head_with(&self, token: &str, target: &str, fields: &[(&str, &str)]) -> Vec<Pair> {
        self.head_as(&format!("Bearer {token}"), target, fields)
    }

    /// The head of a request with these credentials.
    pub fn head_as(&self, token: &str, target: &str, fields: &[(&str, &str)]) -> Vec<Pair> {
        let (method, path) = target.split_once(' ').expect("a method and a path");
        let own = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "fhir.example.org"),
            (":path", path),
            ("x-request-id", "r-1"),
            ("authorization", token),
        ];
        pairs(own.iter().chain(fields))
    }

    /// Every bucket is full again.
    pub fn forget_limits(&mut self) {
        self.shared.borrow_mut().clear();
    }

    /// Every value whose key begins so is rubbish.
    pub fn damage(&mut self, keys: &str) {
        for (key, (value, _)) in self.shared.borrow_mut().iter_mut() {
            if key.starts_with(keys) {
                *value = b"rubbish".to_vec();
            }
        }
    }

    pub fn attributes(&self) -> ConnectionAttributes {
        ConnectionAttributes {
            mtls: Some(vec![1]),
            digest: Some(self.certificate.thumbprint_hex.clone().into_bytes()),
            validated: Some(vec![1]),
            source: Some(b"192.0.2.1:4711".to_vec()),
            ..ConnectionAttributes::default()
        }
    }

    /// The head of a request through all of its decisions; signatures are verified by the host, and
    /// charges carried out.
    pub fn ask(&mut self, exchange: &mut Exchange, head: Vec<Pair>, ended: bool) -> Step {
        self.ask_at(exchange, head, ended, NOW * 1_000_000_000)
    }

    /// The same at another time, in nanoseconds since 1970.
    pub fn ask_at(
        &mut self,
        exchange: &mut Exchange,
        head: Vec<Pair>,
        ended: bool,
        now: u64,
    ) -> Step {
        let attributes = self.attributes();
        let step = exchange.request_headers(&mut self.guard, &head, &attributes, now, ended);
        self.decided(exchange, step)
    }

    /// Wakes a request that waits, and goes through all of its decisions.
    pub fn wake(&mut self, exchange: &mut Exchange, now: u64) -> Step {
        let step = exchange.wake(&mut self.guard, now);
        self.decided(exchange, step)
    }

    /// A piece of the body of a request, with all that is decided then.
    pub fn body(&mut self, exchange: &mut Exchange, piece: &[u8], ended: bool) -> Step {
        let step = exchange.request_body(&self.guard, piece, ended);
        self.decided(exchange, step)
    }

    /// Goes on through all decisions from this step.
    pub fn decided(&mut self, exchange: &mut Exchange, mut step: Step) -> Step {
        loop {
            step = match step {
                Step::Verify => {
                    let answer = Some(right(exchange.verifying().expect("a signature")));
                    exchange.verified(&mut self.guard, answer)
                }
                Step::Note => {
                    let outcome = carry_out(&self.shared, exchange.noting().expect("a proof"));
                    exchange.noted(&self.guard, outcome)
                }
                Step::ShutOut => {
                    let found = carry_out(&self.shared, exchange.shutting_out().expect("work"));
                    exchange.shut_out(&mut self.guard, found)
                }
                Step::Charge => {
                    let verdict = carry_out(&self.shared, exchange.charging().expect("a charge"));
                    exchange.charged(&self.guard, &verdict)
                }
                Step::Consult => {
                    let now = NOW * 1_000_000_000;
                    let found = carry_out(&self.shared, exchange.consulting(now).expect("a look"));
                    exchange.consulted(&self.guard, found)
                }
                step => return step,
            };
        }
    }

    /// The authorization server.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The caller's certificate.
    pub fn certificate(&self) -> &ClientCertificate {
        &self.certificate
    }

    /// An exchange that was forwarded, without a body.
    pub fn forwarded(&mut self, scope: &str, target: &str) -> Exchange {
        let mut exchange = Exchange::default();
        let head = self.head(scope, target, &[]);
        let step = self.ask(&mut exchange, head, true);
        assert!(matches!(step, Step::Forward(_)), "{target}: {step:?}");
        exchange
    }

    /// An exchange that was forwarded, with this body of a request.
    pub fn written(&mut self, scope: &str, target: &str, body: &[u8]) -> Exchange {
        let mut exchange = Exchange::default();
        let content_type = match target.starts_with("PATCH") {
            true => "application/json-patch+json",
            false => "application/fhir+json",
        };
        let head = self.head(scope, target, &[("content-type", content_type)]);
        let step = self.ask(&mut exchange, head, false);
        assert!(matches!(step, Step::HoldHead(_)), "{target}: {step:?}");
        let step = exchange.request_body(&self.guard, body, true);
        assert_eq!(step, Step::Write(body.to_vec()), "{target}");
        exchange
    }

    /// The upstream's answer through the exchange, cut into these pieces; the last one ends it,
    /// unless trailers follow.
    pub fn answer(
        &self,
        exchange: &mut Exchange,
        head: &[(&str, &str)],
        pieces: &[&[u8]],
        trailers: bool,
    ) -> Answer {
        let head = pairs(head.iter());
        let via = Some(&b"via_upstream"[..]);
        let ended = pieces.is_empty() && !trailers;
        let mut seen = Answer {
            head: None,
            body: Vec::new(),
            end: End::Complete,
        };
        let mut held = None;
        match exchange.response_headers(&self.guard, &head, via, ended) {
            Step::HoldHead(head) => held = Some(head),
            Step::Release(head) => seen.head = Some(head),
            step => return seen.ended_by(step),
        }
        for (index, piece) in pieces.iter().enumerate() {
            let ended = index + 1 == pieces.len() && !trailers;
            match exchange.response_body(&self.guard, piece, ended) {
                Step::Hold => {
                    assert!(
                        held.is_some() && !ended,
                        "held at the end, or after the head left"
                    );
                }
                Step::Write(bytes) => {
                    if let Some(head) = held.take() {
                        assert!(
                            bytes.len() <= HOLD,
                            "{} bytes into a held body",
                            bytes.len()
                        );
                        seen.head = Some(head);
                    }
                    seen.body.extend(bytes);
                }
                Step::Finish { headers, body } => {
                    assert!(
                        held.take().is_some(),
                        "a head that has left is written anew"
                    );
                    assert!(body.len() <= HOLD, "{} bytes into a held body", body.len());
                    seen.head = Some(headers);
                    seen.body.extend(body);
                }
                step => return seen.ended_by(step),
            }
        }
        if trailers {
            match exchange.response_trailers() {
                Step::DropTrailers => seen.head = seen.head.or(held.take()),
                step => return seen.ended_by(step),
            }
        }
        assert_eq!(held, None, "the head never left");
        seen
    }

    /// The record of an exchange that is over.
    pub fn record(&self, exchange: &mut Exchange) -> Value {
        exchange.end();
        if let Some(mut settling) = exchange.settling(NOW * 1_000_000_000) {
            self.carry_out(&mut settling);
        }
        let line = exchange.record(NOW * 1_000_000_000 + 5_000, None);
        serde_json::from_str(&line).expect("JSON")
    }

    /// Carries out other work on shared data.
    pub fn carry_out<W: Work>(&self, work: &mut W) -> W::Outcome {
        carry_out(&self.shared, work)
    }

    /// A tick: looks for news of the first document; whether it is to be fetched now.
    pub fn tick(&mut self, now: u64) -> bool {
        let mut look = self.guard.look(0, now).expect("a document");
        let looked = carry_out(&self.shared, &mut look);
        drop(look);
        let (call, said) = self.guard.looked(0, &looked, now);
        assert_eq!(said, Ok(()), "what another worker stored");
        call.is_some()
    }

    /// The answer to the call, taken and handed to the other workers.
    pub fn fetched(&mut self, answer: Option<(u16, &[u8])>, now: u64) -> Result<(), String> {
        self.guard.answered(0, answer)?;
        let (_, body) = answer.expect("nothing is no good answer");
        let mut store = self.guard.store(0, body, now).expect("a document");
        assert!(carry_out(&self.shared, &mut store));
        Ok(())
    }
}

fn guard(config: &Value) -> Guard {
    let key = |_: &str| Some("01".repeat(32));
    let policy = fhir_guard::config::read_with(config.to_string().as_bytes(), &key)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Guard::new(policy, HOST.clone())
}

/// Carries out work on shared data, as the proxy does.
fn carry_out<W: Work>(shared: &SharedData, work: &mut W) -> W::Outcome {
    let mut shared = shared.borrow_mut();
    loop {
        let answer = match work.step() {
            Share::Done(outcome) => return outcome,
            Share::Read { key } => {
                let (bytes, version) = shared.get(key).cloned().unzip();
                Shared::Value { bytes, version }
            }
            Share::Write {
                key,
                value,
                version,
            } => {
                let current = shared.get(key).map(|(_, version)| *version);
                assert_eq!(current, version, "nobody else writes");
                let next = version.unwrap_or(0) + 1;
                shared.insert(key.to_owned(), (value.to_vec(), next));
                Shared::Written
            }
        };
        work.answer(answer);
    }
}

impl Answer {
    fn ended_by(mut self, step: Step) -> Answer {
        self.end = match step {
            Step::Reply(reply) => {
                assert_eq!(self.head, None, "a reply after the head left");
                assert!(
                    self.body.is_empty(),
                    "a reply after a part of the body left"
                );
                End::Reply(reply)
            }
            Step::Reset => End::Reset,
            other => panic!("{other:?} has no place here"),
        };
        self
    }

    /// The status that the client saw.
    pub fn status(&self) -> u16 {
        if let End::Reply(reply) = &self.end {
            return reply.status;
        }
        let fields = self.head.as_ref().expect("a head");
        let status = fields.iter().find(|(name, _)| name == b":status");
        let text = String::from_utf8(status.expect("a status").1.clone()).expect("text");
        text.parse().expect("a number")
    }
}

/// Fields as the host hands them over.
pub fn pairs<'a>(fields: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Vec<Pair> {
    fields
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

/// A rule without the sentence behind it.
pub fn slug(rule: &Value) -> &str {
    let rule = rule.as_str().unwrap_or_default();
    rule.split(": ").next().unwrap_or_default()
}
