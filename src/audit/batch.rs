//! A batch of records for a repository, and what its answer says of it.
//!
//! # Bounds
//!
//! A batch has at most 1 MiB, unless its first record alone has more. Of an answer at most [`ANSWER`] bytes are looked
//! at.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::chain::hex;
use crate::json::{Document, Limits};
use crate::remote::{Call, Source};

/// Where records go beside the access log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repository {
    /// The Envoy cluster.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// What is sent.
    pub format: Format,
    /// Records, or events, of one batch.
    pub batch: usize,
    /// Bytes of records that a worker keeps before the queue is full.
    pub queue: usize,
    /// What becomes of requests while it is.
    pub full: Full,
    /// How long an answer may take, in nanoseconds.
    pub timeout: u64,
    /// Nothing is forwarded before its intent is acknowledged.
    pub strict: bool,
}

/// What is sent to a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Transactions of FHIR AuditEvents, each by `PUT` under an id of its own.
    Events,
    /// The lines of the access log, as NDJSON.
    Records,
}

/// What becomes of requests while the queue is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// Their records go to the access log alone.
    AccessLog,
    /// They are refused, 503.
    Refuse,
}

/// What an answer says of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// Nothing: it is sent again.
    Failed,
    /// It will not be taken another time either.
    Refused,
    /// It has all of them.
    Taken,
}

/// The most bytes of a batch, unless its first record alone has more.
pub(super) const BATCH: usize = 1 << 20;

/// The most bytes of an answer to a transaction.
pub const ANSWER: usize = 4 << 20;

impl Format {
    /// What an answer says of a batch of so many records or events; `None` is no answer.
    ///
    /// A status other than 2xx acknowledges nothing. To a transaction a server answers with a Bundle that says of each
    /// entry what became of it (<https://hl7.org/fhir/R4/http.html#transaction-response>): one that has not all of them,
    /// or one that is something else, acknowledges nothing either, and one that failed is refused. A body without bytes
    /// leaves it to the status.
    pub fn word(self, records: usize, answer: Option<(u16, &[u8])>) -> Word {
        match (answer, self) {
            (Some((400 | 413 | 422, _)), _) => Word::Refused,
            (Some((200..300, body)), Format::Events) if !body.is_empty() => told(records, body),
            (Some((200..300, _)), _) => Word::Taken,
            _ => Word::Failed,
        }
    }
}

fn told(records: usize, body: &[u8]) -> Word {
    if body.len() > ANSWER {
        return Word::Failed;
    }
    let Ok(bundle) = Document::parse(body, &Limits::default()) else {
        return Word::Failed;
    };
    let bundle = bundle.root();
    let is = |name, text| bundle.get(name).is_some_and(|found| found.is_str(text));
    let is_answer = is("type", "transaction-response") || is("type", "batch-response");
    if !is("resourceType", "Bundle") || !is_answer {
        return Word::Failed;
    }
    let entries = bundle.get("entry").into_iter();
    let mut taken = 0_usize;
    for entry in entries.flat_map(|entries| entries.items()) {
        let status = entry.get("response").and_then(|told| told.get("status"));
        let status = status.and_then(|status| status.str()).unwrap_or_default();
        // `201 Created`, or the number alone.
        let number = status.split(' ').next().unwrap_or_default();
        match number.parse::<u16>() {
            Ok(200..300) => taken = taken.saturating_add(1),
            Ok(400 | 413 | 422) => return Word::Refused,
            _ => return Word::Failed,
        }
    }
    match taken == records {
        true => Word::Taken,
        false => Word::Failed,
    }
}

impl Repository {
    /// How many records, or events, a batch may have.
    pub const BATCHES: RangeInclusive<u32> = 1..=1000;

    /// How long an answer may take.
    pub const TIMES: RangeInclusive<Duration> =
        Duration::from_millis(100)..=Duration::from_secs(30);

    /// Whether it is one that a configuration can have: what others say of one must not make calls that none would.
    pub(super) fn is_sound(&self) -> bool {
        let (authority, path) = (&self.authority, &self.path);
        let place = Source::locate(&format!("https://{authority}{path}"));
        let same = place.is_some_and(|place| (&place.0, &place.1) == (authority, path));
        let named = !self.cluster.is_empty() && self.cluster.bytes().all(|b| b.is_ascii_graphic());
        let batch = u32::try_from(self.batch).is_ok_and(|own| Self::BATCHES.contains(&own));
        same && named && batch && Self::TIMES.contains(&Duration::from_nanos(self.timeout))
    }

    /// Whether the other is the same server, who is sent the same.
    pub(super) fn is_place_of(&self, other: &Repository) -> bool {
        let place = |one: &Repository| {
            let texts = [&one.cluster, &one.authority, &one.path].map(String::clone);
            (texts, one.format)
        };
        place(self) == place(other)
    }

    /// The call that posts these.
    pub(super) fn call(&self, batch: &[&str]) -> Call {
        let (media_type, body) = match self.format {
            Format::Records => ("application/x-ndjson", batch.join("\n") + "\n"),
            Format::Events => ("application/fhir+json", transaction(batch)),
        };
        let digest = match self.format {
            Format::Records => Sha256::digest(body.as_bytes()),
            // The id of an event is a hash of what it is of: to hash all of them again would cost as much as to
            // write them.
            Format::Events => {
                let ids: Vec<&str> = batch.iter().map(|event| id(event)).collect();
                Sha256::digest(ids.join("\n").as_bytes())
            }
        };
        let mut key = String::with_capacity(64);
        hex(&mut key, &digest);
        let field = |name: &'static str, value: &str| (Cow::Borrowed(name), value.to_owned());
        let mut headers = vec![
            field(":method", "POST"),
            field(":path", &self.path),
            field(":authority", &self.authority),
            field("content-type", media_type),
            field("idempotency-key", &key),
        ];
        if self.format == Format::Events {
            // What became of each is enough.
            headers.push(field("prefer", "return=minimal"));
        }
        Call {
            cluster: self.cluster.clone(),
            headers,
            body: body.into_bytes(),
            timeout: Duration::from_nanos(self.timeout),
        }
    }
}

/// A Bundle that puts each event under its id: all of them, or none.
fn transaction(events: &[&str]) -> String {
    // Written once, at its full length: of what a repository costs most is copying.
    let bytes: usize = events.iter().map(|event| event.len()).sum();
    let around = events.len().saturating_mul(128).saturating_add(64);
    let mut out = String::with_capacity(bytes.saturating_add(around));
    out.push_str(r#"{"resourceType":"Bundle","type":"transaction","entry":["#);
    for (place, event) in events.iter().enumerate() {
        let before = if place == 0 { "" } else { "," };
        let parts = [
            before,
            r#"{"resource":"#,
            event,
            r#","request":{"method":"PUT","url":"AuditEvent/"#,
            id(event),
            r#""}}"#,
        ];
        parts.iter().for_each(|part| out.push_str(part));
    }
    out.push_str("]}");
    out
}

/// The id of an event of ours.
fn id(event: &str) -> &str {
    let after = event.split_once("\"id\":\"").map(|(_, rest)| rest);
    let id = after.and_then(|rest| rest.split('"').next());
    id.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn repository(format: Format) -> Repository {
        Repository {
            cluster: "audit".to_owned(),
            authority: "audit.example.org".to_owned(),
            path: "/fhir".to_owned(),
            format,
            batch: 4,
            queue: 1 << 16,
            full: Full::Refuse,
            timeout: 1_000_000_000,
            strict: false,
        }
    }

    #[test]
    fn events_go_by_transaction_under_their_ids() {
        let event = |id: &str| format!(r#"{{"id":"{id}","resourceType":"AuditEvent"}}"#);
        let events = ["a1", "b2"].map(event);
        let call = repository(Format::Events).call(&[&events[0], &events[1]]);
        let bundle: Value = serde_json::from_slice(&call.body).expect("JSON");
        assert_eq!(bundle["type"], "transaction");
        for (place, id) in ["a1", "b2"].into_iter().enumerate() {
            let entry = &bundle["entry"][place];
            assert_eq!(entry["request"]["method"], "PUT");
            assert_eq!(entry["request"]["url"], format!("AuditEvent/{id}"));
            assert_eq!(entry["resource"]["id"], id);
        }
        assert!(call.headers.iter().any(|(name, _)| name == "prefer"));
        let call = repository(Format::Records).call(&["{}"]);
        assert!(call.headers.iter().all(|(name, _)| name != "prefer"));
    }

    #[test]
    fn the_same_batch_has_the_same_key_and_no_other_has() {
        let event = |id: &str| format!(r#"{{"resourceType":"AuditEvent","id":"{id}"}}"#);
        let [one, two] = ["a1", "b2"].map(event);
        let sha256 = |text: &str| {
            let mut key = String::new();
            hex(&mut key, &Sha256::digest(text.as_bytes()));
            key
        };
        for (name, format, batch, expected) in [
            ("an event", Format::Events, vec![one.as_str()], "a1"),
            ("another", Format::Events, vec![two.as_str()], "b2"),
            ("both", Format::Events, vec![&one, &two], "a1\nb2"),
            ("otherwise", Format::Events, vec![&two, &one], "b2\na1"),
            ("a record", Format::Records, vec!["{}"], "{}\n"),
            ("two", Format::Records, vec!["{}", "{}"], "{}\n{}\n"),
        ] {
            let call = repository(format).call(&batch);
            let mut keys = call.headers.iter();
            let key = keys.find(|(name, _)| name == "idempotency-key");
            assert_eq!(key.map(|(_, key)| key), Some(&sha256(expected)), "{name}");
        }
    }

    #[test]
    fn only_what_says_so_acknowledges() {
        let bundle = |statuses: &[&str]| {
            let entry = |status: &&str| json!({"response": {"status": status}});
            let entries: Vec<Value> = statuses.iter().map(entry).collect();
            json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})
                .to_string()
        };
        let other = |name: &str, value: &str| {
            let mut bundle: Value =
                serde_json::from_str(&bundle(&["201", "200 OK"])).expect("JSON");
            bundle[name] = value.into();
            bundle.to_string()
        };
        let large = format!("{}{}", bundle(&["201", "200 OK"]), " ".repeat(ANSWER));
        for (name, status, body, expected) in [
            ("nothing but the status", 200, String::new(), Word::Taken),
            ("no content", 204, String::new(), Word::Taken),
            (
                "each of them",
                200,
                bundle(&["201 Created", "200"]),
                Word::Taken,
            ),
            (
                "as a batch",
                200,
                other("type", "batch-response"),
                Word::Taken,
            ),
            (
                "one failed",
                200,
                bundle(&["201", "422 Unprocessable"]),
                Word::Refused,
            ),
            (
                "one failed, later",
                200,
                bundle(&["201", "503"]),
                Word::Failed,
            ),
            ("one has no status", 200, bundle(&["201", ""]), Word::Failed),
            (
                "a status that is none",
                200,
                bundle(&["201", "2000"]),
                Word::Failed,
            ),
            ("too few", 200, bundle(&["201"]), Word::Failed),
            (
                "too many",
                200,
                bundle(&["201", "201", "201"]),
                Word::Failed,
            ),
            ("none", 200, bundle(&[]), Word::Failed),
            (
                "another Bundle",
                200,
                other("type", "searchset"),
                Word::Failed,
            ),
            (
                "another resource",
                200,
                other("resourceType", "List"),
                Word::Failed,
            ),
            (
                "a page to log in",
                200,
                "<html></html>".to_owned(),
                Word::Failed,
            ),
            ("not text", 200, "{\"".to_owned(), Word::Failed),
            ("larger than the bound", 200, large, Word::Failed),
            ("redirected", 302, bundle(&["201", "201"]), Word::Failed),
            ("refused", 422, String::new(), Word::Refused),
            ("away", 503, String::new(), Word::Failed),
            ("informational", 199, String::new(), Word::Failed),
        ] {
            let word = Format::Events.word(2, Some((status, body.as_bytes())));
            assert_eq!(word, expected, "{name}");
        }
        assert_eq!(Format::Events.word(1, None), Word::Failed);
        assert_eq!(Format::Records.word(1, Some((200, b"<html>"))), Word::Taken);
        assert_eq!(Format::Records.word(1, Some((302, b""))), Word::Failed);
    }
}
