//! Tables of exchanges: what each must come to, on the wire and in its record.

use fhir_guard_harness::client::{Client, End, Request, Response};
use serde_json::{Value, json};

use crate::world::World;

/// How a refusal looks on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    pub status: u16,
    /// `issue.code`.
    pub code: &'static str,
    /// `WWW-Authenticate`, whole.
    pub challenge: Option<&'static str>,
}

pub const EXPIRED: Refusal = refusal(401, "expired", Some(INVALID_TOKEN));
pub const FORGED: Refusal = refusal(401, "login", Some(INVALID_TOKEN));
pub const NO_CREDENTIALS: Refusal = refusal(
    401,
    "login",
    Some(
        r#"Bearer realm="fhir", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#,
    ),
);
pub const TWO_CREDENTIALS: Refusal = refusal(
    400,
    "invalid",
    Some(r#"Bearer realm="fhir", error="invalid_request""#),
);
pub const ABSENT: Refusal = refusal(404, "not-found", None);
pub const MALFORMED: Refusal = refusal(400, "invalid", None);
pub const METHOD: Refusal = refusal(405, "not-supported", None);
pub const NOT_ACCEPTABLE: Refusal = refusal(406, "not-supported", None);
pub const NOT_SUPPORTED: Refusal = refusal(400, "not-supported", None);
pub const MEDIA_TYPE: Refusal = refusal(415, "not-supported", None);
pub const TOO_LARGE: Refusal = refusal(413, "too-long", None);
pub const THROTTLED: Refusal = refusal(429, "throttled", None);

/// The record of what Envoy refuses by itself.
pub const BY_ENVOY: &str = "proxy";

/// As [`BY_ENVOY`], but the filter saw nothing of it and only leaves a record that nothing was
/// decided, without an id: Envoy made one, but tells it to nobody any more.
pub const UNSEEN: &str = "undecided";

/// As [`UNSEEN`], but so early that Envoy had made no id yet: the message could not be read, or its
/// path not be normalised. The answer says `request -`.
pub const BEFORE_ID: &str = "undecided, before there is a request id";

const INVALID_TOKEN: &str = r#"Bearer realm="fhir", error="invalid_token", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#;

/// What no refusal may say: data, policy, keys, and what stands behind.
const CANARIES: [&str; 14] = [
    "p1",
    "p2",
    "Patient",
    "clinic",
    "scope:",
    "token.",
    "as.example.org",
    "es256",
    "127.0.0.1",
    "fhir_server",
    "envoy",
    "upstream",
    "birth",
    "wasm",
];

pub const fn refusal(status: u16, code: &'static str, challenge: Option<&'static str>) -> Refusal {
    Refusal {
        status,
        code,
        challenge,
    }
}

/// What is wrong with a refusal, whoever gave it; empty when it is as it must be.
pub fn faults(answer: &Response, expected: Refusal, has_id: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |what: &str, found: Value, wanted: Value| {
        if found != wanted {
            faults.push(format!("{what} is {found}, expected {wanted}"));
        }
    };
    let header = |name: &str| json!(answer.header(name));
    expect("the status", json!(answer.status), json!(expected.status));
    expect(
        "content-type",
        header("content-type"),
        json!("application/fhir+json"),
    );
    expect(
        "www-authenticate",
        header("www-authenticate"),
        json!(expected.challenge),
    );
    expect("server", header("server"), Value::Null);
    expect("the end", json!(answer.end == End::Complete), json!(true));
    let id = answer.header("x-request-id");
    let length = id.as_ref().map(String::len);
    expect(
        "the request id's length",
        json!(length),
        json!(has_id.then_some(36)),
    );
    let id = id.unwrap_or_else(|| "-".to_owned());
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "error",
            "code": expected.code,
            "diagnostics": format!("request {id}"),
        }],
    });
    expect("the body", answer.json().unwrap_or(Value::Null), outcome);
    let text = answer.text();
    for canary in CANARIES {
        // A request id is hexadecimal, and no canary may be taken for a part of it.
        expect(canary, json!(text.contains(canary)), json!(false));
    }
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value);
        // The one policy that a client is told: which scope it lacks.
        let spoken = name == "www-authenticate" || name.starts_with("ratelimit");
        for canary in CANARIES {
            expect(
                &format!("{canary} in {name}"),
                json!(!spoken && value.contains(canary)),
                json!(false),
            );
        }
    }
    faults
}

/// Exchanges with one world. Every row is carried out, and [`Table::finish`] tells of all that
/// failed.
pub struct Table<'w> {
    pub world: &'w World,
    faults: Vec<String>,
    /// Name, request id, status and rule of the rows so far.
    rows: Vec<(String, String, u16, String)>,
}

impl<'w> Table<'w> {
    pub fn new(world: &'w World) -> Self {
        Table {
            world,
            faults: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Sends a request that must be refused, without anything going upstream, and recorded with
    /// this rule.
    pub async fn refused(
        &mut self,
        name: &str,
        client: &Client,
        request: Request,
        expected: Refusal,
        rule: &str,
    ) {
        let before = self.world.fhir.requests().len();
        self.world.expect_records(1);
        match client.send(request).await {
            Ok(answer) => self.is_refused(name, &answer, expected, rule),
            Err(error) => self.fault(name, &error),
        }
        self.nothing_sent(name, before);
    }

    /// As [`Table::refused`], for bytes that no HTTP library would send.
    pub async fn raw_refused(
        &mut self,
        name: &str,
        client: &Client,
        bytes: &[u8],
        expected: Refusal,
        rule: &str,
    ) {
        let before = self.world.fhir.requests().len();
        self.world.expect_records(1);
        match client.raw(bytes).await.and_then(|answer| parse(&answer)) {
            Ok(answer) => self.is_refused(name, &answer, expected, rule),
            Err(error) => self.fault(name, &error),
        }
        self.nothing_sent(name, before);
    }

    /// Sends a request that must be answered with this status.
    pub async fn answered(
        &mut self,
        name: &str,
        client: &Client,
        request: Request,
        status: u16,
    ) -> Option<Response> {
        self.world.expect_records(1);
        match client.send(request).await {
            Ok(answer) => {
                self.is_answered(name, &answer, status);
                Some(answer)
            }
            Err(error) => {
                self.fault(name, &error);
                None
            }
        }
    }

    /// As [`Table::answered`], for bytes that no HTTP library would send.
    pub async fn raw_answered(
        &mut self,
        name: &str,
        client: &Client,
        bytes: &[u8],
        status: u16,
    ) -> Option<Response> {
        self.world.expect_records(1);
        match client.raw(bytes).await.and_then(|answer| parse(&answer)) {
            Ok(answer) => {
                self.is_answered(name, &answer, status);
                Some(answer)
            }
            Err(error) => {
                self.fault(name, &error);
                None
            }
        }
    }

    pub fn is_refused(&mut self, name: &str, answer: &Response, expected: Refusal, rule: &str) {
        for fault in faults(answer, expected, rule != BEFORE_ID) {
            self.fault(name, &fault);
        }
        let is_ours = ![BEFORE_ID, UNSEEN, "proxy"].contains(&rule);
        if is_ours && answer.header("traceparent").is_none() {
            self.fault(name, "no trace");
        }
        self.row(name, answer, expected.status, rule);
    }

    pub fn fault(&mut self, name: &str, fault: &str) {
        self.faults.push(format!("{name}: {fault}"));
    }

    /// Asserts that every row was as it must be, and is recorded so.
    pub async fn finish(self) {
        let Table {
            world,
            mut faults,
            rows,
        } = self;
        let records = world.records().await;
        let unseen: Vec<&Value> = records
            .iter()
            .filter(|record| record.get("request_id").is_none())
            .collect();
        let expected = *world.unseen.lock().expect("no test has failed inside");
        if unseen.len() != expected {
            let found = unseen.len();
            faults.push(format!(
                "{found} records have no request id, expected {expected}"
            ));
        }
        for record in unseen {
            if record["outcome"] != "undecided" || record.get("rule").is_some() {
                faults.push(format!("something was decided unseen: {record}"));
            }
        }
        for (name, id, status, rule) in rows {
            if [BEFORE_ID, UNSEEN].contains(&rule.as_str()) {
                continue;
            }
            let mut of_row = records
                .iter()
                .filter(|record| record["request_id"] == id.as_str());
            let (Some(record), None) = (of_row.next(), of_row.next()) else {
                faults.push(format!("{name}: not exactly one record has its request id"));
                continue;
            };
            let outcome = match rule.as_str() {
                BY_ENVOY => "proxy",
                "" => "allowed",
                _ => "refused",
            };
            // A rule may be followed by what exactly was found; the native tables hold that.
            let found = record["rule"].as_str().unwrap_or_default();
            let found = found.split_once(": ").map_or(found, |(rule, _)| rule);
            let rule_holds = rule.is_empty() || found == rule;
            if !rule_holds || record["status"] != status || record["outcome"] != outcome {
                faults.push(format!(
                    "{name}: recorded as {record}, expected {outcome} {status} {rule}"
                ));
            }
        }
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }

    fn is_answered(&mut self, name: &str, answer: &Response, status: u16) {
        if answer.status != status || answer.end != End::Complete {
            let fault = format!(
                "answered {} ({:?}) {}, expected {status}",
                answer.status,
                answer.end,
                answer.text()
            );
            self.fault(name, &fault);
        }
        self.row(name, answer, status, "");
    }

    fn row(&mut self, name: &str, answer: &Response, status: u16, rule: &str) {
        let id = answer.header("x-request-id").unwrap_or_default();
        if [BEFORE_ID, UNSEEN].contains(&rule) {
            *self.world.unseen.lock().expect("no test has failed inside") += 1;
        }
        self.rows
            .push((name.to_owned(), id, status, rule.to_owned()));
    }

    fn nothing_sent(&mut self, name: &str, before: usize) {
        let after = self.world.fhir.requests().len();
        if after != before {
            self.fault(name, "something went upstream");
        }
    }
}

/// The first answer in the bytes of an HTTP/1.1 connection, up to `content-length` or its last chunk.
pub fn parse(bytes: &[u8]) -> Result<Response, String> {
    // An interim answer says only that the body may come.
    let bytes = bytes
        .strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        .unwrap_or(bytes);
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let end = bytes
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .ok_or_else(|| format!("no head of an answer in {:?}", shown()))?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| format!("no status in {:?}", shown()))?;
    let headers: Vec<(String, Vec<u8>)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().as_bytes().to_vec()))
        .collect();
    let rest = &bytes[end + 4..];
    let mut answer = Response {
        status,
        headers,
        trailers: Vec::new(),
        body: rest.to_vec(),
        end: End::Complete,
    };
    if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().map_err(|_| "no length".to_owned())?;
        let body = rest.get(..length).ok_or("the body is cut")?;
        answer.body = body.to_vec();
    } else if answer.header("transfer-encoding").is_some() {
        answer.body = chunks(rest).ok_or("the last chunk is missing")?;
    }
    Ok(answer)
}

fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|part| part == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = rest.get(line + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
