//! The module as an operator deploys it: the configuration of the shipped manifest, an issuer whose
//! keys it knows, a client with a certificate, and exchanges driven from end to end.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use fhir_guard_harness::envoy::Manifest;
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use fhir_guard_harness::tokens::{Algorithm, Claims, Issuer};
use serde_json::{Value, json};

use crate::exchange::Sent;
use crate::host::Host;
use crate::memory::{Bytes, Headers, values};
use crate::stream::{Stream, lines};
use crate::structure;
use crate::vm::Vm;

/// The external base of the shipped configuration.
pub const BASE: &str = "https://fhir.example.org/r4";

/// The one name of filter state under which a record may stand.
pub const AUDIT: &str = "fhir_guard.audit";

/// What stands in every upstream body of these scenarios where the shipped redaction or the
/// compartment hides it: wherever it leaves, something was not inspected.
pub const SECRET: &str = "7291-secret";

/// One host with the configuration of an operator, and a client that may use it.
pub struct Deployment {
    /// The process.
    pub host: Host,
    issuer: Issuer,
    certificate: ClientCertificate,
}

/// What happens in one exchange, as far as client and upstream decide it.
#[derive(Clone)]
pub struct Script {
    /// The request's head.
    pub request: Headers,
    /// The pieces of its body, as they come; the last one ends it. None: the head ends it.
    pub request_body: Vec<Bytes>,
    /// The head of the upstream's answer.
    pub response: Headers,
    /// The pieces of its body; the last one ends it, unless there are trailers.
    pub response_body: Vec<Bytes>,
    /// Its trailers.
    pub response_trailers: Option<Headers>,
}

/// What came of an exchange.
#[derive(Clone, PartialEq, Eq)]
pub struct End {
    /// What the upstream saw.
    pub upstream: Sent,
    /// What the client saw.
    pub downstream: Sent,
    /// Why the stream was reset.
    pub reset: Option<String>,
    /// Every filter state, by its name.
    pub states: Vec<(Bytes, Bytes)>,
}

impl Deployment {
    /// The shipped configuration with the keys of an issuer that exists.
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same, changed.
    pub fn with(edit: impl FnOnce(&mut Value)) -> Self {
        let issuer = issuer();
        let mut policy = with_keys();
        edit(&mut policy);
        let certificate = certificate();
        let host = Host::release();
        host.configuration(&structure::object(&policy));
        host.attribute(&["connection", "mtls"], &[1]);
        host.attribute(&["connection", "peer_certificate_valid"], &[1]);
        host.attribute(
            &["connection", "sha256_peer_certificate_digest"],
            certificate.thumbprint_hex.as_bytes(),
        );
        host.attribute(&["source", "address"], b"192.0.2.7:40000");
        host.foreign("verify_signature", crate::signatures::verify);
        Self {
            host,
            issuer,
            certificate,
        }
    }

    /// A worker.
    pub fn vm(&self) -> Vm {
        self.host.vm()
    }

    /// The client's certificate.
    pub fn certificate(&self) -> &ClientCertificate {
        &self.certificate
    }

    /// A bound token of patient p1 that stays good while these tests move the clock.
    pub fn token(&self, scope: &str) -> String {
        self.sign(&self.claims(scope))
    }

    /// The token of these claims.
    pub fn sign(&self, claims: &Claims) -> String {
        self.issuer.token(claims)
    }

    /// The claims of [`Deployment::token`].
    pub fn claims(&self, scope: &str) -> Claims {
        let now = self.host.world().clock / 1_000_000_000;
        Claims::new(now)
            .audience(BASE)
            .bound_to(&self.certificate)
            .expires_at(now + 100_000_000)
            .scope(scope)
    }

    /// The head of a request as Envoy hands it over, with a trace: one that is begun is another each time.
    pub fn head(&self, method: &str, path: &str, token: &str) -> Headers {
        lines(&[
            (":authority", "fhir.example.org"),
            (":path", path),
            (":method", method),
            (":scheme", "https"),
            ("user-agent", "scenario/1"),
            ("accept", "application/fhir+json"),
            ("authorization", &format!("Bearer {token}")),
            ("cookie", "session=spoofed"),
            ("x-user-id", "spoofed"),
            ("x-forwarded-for", "203.0.113.9,192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "9c2c4a2e-0000-4000-8000-000000000001"),
            (
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
        ])
    }

    /// Reads the own Patient: the head is held, the body decided whole, and redacted.
    pub fn read(&self) -> Script {
        let token = self.token("patient/*.rs");
        Script {
            request: self.head("GET", "/r4/Patient/p1", &token),
            request_body: Vec::new(),
            response: answer("200"),
            response_body: vec![patient("p1").into_bytes()],
            response_trailers: None,
        }
    }

    /// Searches: the answer is a Bundle, of which a part is not for this caller.
    pub fn search(&self) -> Script {
        let token = self.token("patient/*.rs");
        Script {
            request: self.head("GET", "/r4/Observation?patient=p1", &token),
            response_body: vec![bundle(3, 0).into_bytes()],
            ..self.read()
        }
    }

    /// Updates, as somebody from whom nothing is hidden: the body of the request is held as well.
    pub fn update(&self) -> Script {
        let token = self.token("user/Observation.cru user/Patient.rs");
        let mut request = self.head("PUT", "/r4/Observation/o1", &token);
        request.extend(lines(&[("content-type", "application/fhir+json")]));
        let body = observation("o1", "p1", 0);
        let (first, second) = body.split_at(body.len() / 2);
        Script {
            request,
            request_body: vec![first.into(), second.into()],
            response: answer("200"),
            response_body: vec![body.clone().into_bytes()],
            response_trailers: None,
        }
    }

    /// Lets buckets fill up again, and those that were damaged too.
    pub fn rest(&self) {
        self.host.advance(Duration::from_secs(10));
    }
}

impl Script {
    /// Drives an exchange to its end: what the proxy would call, in its order, for as long as the
    /// filter lets it.
    pub fn drive(&self, vm: &Vm) -> End {
        let stream = vm.stream();
        self.ask(&stream);
        if stream.upstream().headers.is_some() && stream.upstream().ended {
            self.answer(&stream);
        }
        stream.finish();
        End::of(&stream)
    }

    /// The client's part.
    pub fn ask(&self, stream: &Stream) {
        stream.on_request_headers(self.request.clone(), self.request_body.is_empty());
        let last = self.request_body.len().saturating_sub(1);
        for (index, piece) in self.request_body.iter().enumerate() {
            stream.on_request_body(piece, index == last);
        }
    }

    /// The upstream's part.
    pub fn answer(&self, stream: &Stream) {
        stream.on_response_headers(self.response.clone(), self.response_body.is_empty());
        let last = self.response_body.len().saturating_sub(1);
        for (index, piece) in self.response_body.iter().enumerate() {
            let ended = index == last && self.response_trailers.is_none();
            stream.on_response_body(piece, ended);
        }
        if let Some(trailers) = &self.response_trailers {
            stream.on_response_trailers(trailers.clone());
        }
    }
}

impl End {
    /// What has come of an exchange so far.
    pub fn of(stream: &Stream) -> Self {
        let names = stream.filter_state_names();
        let states = names.into_iter().map(|name| {
            let text = String::from_utf8_lossy(&name).into_owned();
            let value = stream.filter_state(&text).unwrap_or_default();
            (name, value)
        });
        Self {
            upstream: stream.upstream(),
            downstream: stream.downstream(),
            reset: stream.reset(),
            states: states.collect(),
        }
    }

    /// The status that the client got; 0 for none.
    pub fn status(&self) -> u16 {
        let headers = self.downstream.headers.as_ref();
        let status = headers.map(|headers| values(headers, ":status").concat());
        let text = status.map(|status| String::from_utf8_lossy(&status).into_owned());
        text.map_or(0, |text| text.parse().expect("a number"))
    }

    /// The one record.
    pub fn record(&self) -> Value {
        let [(name, value)] = self.states.as_slice() else {
            panic!("one filter state is expected, found {:?}", self.states);
        };
        assert_eq!(name, AUDIT.as_bytes());
        serde_json::from_slice(value).expect("the record is JSON")
    }

    /// Whether the client knows that the exchange is over, and got nothing that it must not have:
    /// the whole answer as it was decided, an OperationOutcome, or a stream that was cut.
    pub fn check_closed(&self, name: &str, decided: &End) {
        self.check_clean(name);
        let body = &self.downstream.body;
        if self.reset.is_some() {
            assert!(
                decided.downstream.body.starts_with(body),
                "{name}: something else has left before the cut: {self:?}"
            );
            return;
        }
        assert!(self.downstream.ended, "{name}: the client waits: {self:?}");
        if self.status() != 200 {
            let outcome: Value = serde_json::from_slice(body)
                .unwrap_or_else(|why| panic!("{name}: no OperationOutcome ({why}): {self:?}"));
            assert_eq!(outcome["resourceType"], "OperationOutcome", "{name}");
            return;
        }
        let headers = self.downstream.headers.iter().flatten();
        for (field, _) in headers {
            let leaves = !matches!(
                field.as_slice(),
                b"server" | b"set-cookie" | b"x-powered-by"
            );
            assert!(leaves, "{name}: the upstream's head has left: {self:?}");
        }
        // What was written is written: the answer to a write may lack its body, not its status.
        let bare = body.is_empty() && !decided.upstream.body.is_empty();
        let whole = decided.status() == 200 && *body == decided.downstream.body;
        assert!(bare || whole, "{name}: something else has left: {self:?}");
    }
}

impl End {
    /// Nothing has left that is hidden.
    pub fn check_clean(&self, name: &str) {
        let trailers = self.downstream.trailers.iter().flatten();
        let mut parts = trailers
            .map(|(_, value)| value.as_slice())
            .chain([self.downstream.body.as_slice()]);
        let hidden = |part: &[u8]| {
            part.windows(SECRET.len())
                .any(|window| window == SECRET.as_bytes())
        };
        assert!(
            !parts.any(hidden),
            "{name}: what is hidden has left: {self:?}"
        );
    }
}

impl fmt::Debug for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let way = |sent: &Sent| {
            let headers = sent.headers.iter().flatten();
            let headers: Vec<String> = headers
                .map(|(name, value)| format!("{}: {}", text(name), text(value)))
                .collect();
            format!("{headers:?} {} ended: {}", text(&sent.body), sent.ended)
        };
        write!(
            out,
            "upstream {}; downstream {}; reset {:?}; states {:?}",
            way(&self.upstream),
            way(&self.downstream),
            self.reset,
            self.states
                .iter()
                .map(|(_, value)| text(value))
                .collect::<Vec<_>>()
        )
    }
}

/// An answer without what counts requests.
pub fn without_limits(sent: &Sent) -> Sent {
    let mut sent = sent.clone();
    if let Some(headers) = &mut sent.headers {
        headers.retain(|(name, _)| name != b"ratelimit");
    }
    sent
}

/// The filter's configuration in the shipped manifest, the same on all listeners.
pub fn shipped() -> Value {
    let mut found: Vec<Value> = Vec::new();
    manifest()
        .plugin(|policy| found.push(policy.clone()))
        .build()
        .expect("the shipped manifest has the filter");
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    found.swap_remove(0)
}

/// The same once an operator has put in the keys of the issuer; it is shipped without any.
pub fn with_keys() -> Value {
    let mut policy = shipped();
    policy["issuers"][0]["keys"]["inline"]["keys"] = json!([issuer().jwk(Algorithm::Es256)]);
    policy
}

/// The shipped manifest.
pub fn manifest() -> Manifest {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Manifest::load(root.join("envoy/envoy.yaml")).expect("the shipped manifest can be read")
}

/// The head of an upstream's answer, with fields that must not leave.
pub fn answer(status: &str) -> Headers {
    lines(&[
        (":status", status),
        ("content-type", "application/fhir+json;charset=UTF-8"),
        ("etag", "W/\"3\""),
        ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("server", "hapi"),
        ("set-cookie", "upstream=1"),
        ("x-powered-by", "hapi"),
    ])
}

/// A Patient with elements that the shipped redaction hides.
pub fn patient(id: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","text":{{"status":"generated","div":"<div>{SECRET}</div>"}},"active":true,"name":[{{"family":"Chalmers"}}],"birthDate":"1974-12-25","_birthDate":{{"id":"{SECRET}"}},"address":[{{"line":["{SECRET}"]}}],"gender":"male"}}"#
    )
}

/// [`patient`] as it may leave.
pub fn redacted(id: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","meta":{{"security":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}}],"tag":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}}]}},"active":true,"name":[{{"family":"Chalmers"}}],"gender":"male"}}"#
    )
}

/// An Observation of this patient, with so many bytes of a note.
pub fn observation(id: &str, patient: &str, note: usize) -> String {
    let note = "n".repeat(note);
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"pulse"}},"subject":{{"reference":"Patient/{patient}"}},"note":[{{"text":"{note}."}}]}}"#
    )
}

/// A searchset of Observations, of which every third is another patient's, and names the secret.
pub fn bundle(entries: usize, note: usize) -> String {
    let entry = |index: usize| {
        let resource = if index % 3 == 1 {
            observation(&format!("o{index}"), "p2", note).replace("pulse", SECRET)
        } else {
            observation(&format!("o{index}"), "p1", note)
        };
        format!(
            r#"{{"fullUrl":"http://fhir.internal/fhir/Observation/o{index}","resource":{resource},"search":{{"mode":"match"}}}}"#
        )
    };
    let entries: Vec<String> = (0..entries).map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","id":"b1","type":"searchset","total":{},"link":[{{"relation":"self","url":"http://fhir.internal/fhir/Observation?patient=p1"}}],"entry":[{}]}}"#,
        entries.len(),
        entries.join(",")
    )
}

/// Bytes that look like nothing (a linear congruential generator, Knuth's constants).
pub fn rubbish(seed: u64, length: usize) -> Bytes {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// The issuer of every deployment.
pub fn issuer() -> Issuer {
    Issuer::new("https://as.example.org")
}

fn certificate() -> ClientCertificate {
    static CERTIFICATE: OnceLock<ClientCertificate> = OnceLock::new();
    CERTIFICATE
        .get_or_init(|| Pki::new().client("clinic-a"))
        .clone()
}
