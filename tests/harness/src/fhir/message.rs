//! Requests and replies as values, before any wire.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::Recorded;

/// Media type of every FHIR body.
pub const FHIR_JSON: &str = "application/fhir+json;charset=utf-8";

/// One request as the server's logic sees it.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Upper case.
    pub method: String,
    /// Everything up to the question mark.
    pub path: String,
    /// Name and value, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Lower-case names.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Whole body.
    pub body: Bytes,
}

impl Ask {
    /// The request as it was recorded.
    pub fn of(recorded: &Recorded) -> Self {
        let (path, query) = recorded
            .path_and_query
            .split_once('?')
            .unwrap_or((&recorded.path_and_query, ""));
        Self {
            method: recorded.method.clone(),
            path: path.to_owned(),
            query: pairs(query.as_bytes()),
            headers: recorded.headers.clone(),
            body: recorded.body.clone(),
        }
    }

    /// The first value of a header; bytes outside UTF-8 are replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Whether a `Prefer` header carries this preference.
    pub fn prefers(&self, preference: &str) -> bool {
        let values = self.headers.iter().filter(|(name, _)| name == "prefer");
        values
            .map(|(_, value)| String::from_utf8_lossy(value))
            .any(|value| {
                value
                    .split([',', ';'])
                    .any(|part| part.trim() == preference)
            })
    }
}

/// What the server says, before it is written out.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Lower-case names, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: Content,
}

/// The body of a reply.
#[derive(Clone, Debug)]
pub enum Content {
    /// No body.
    Empty,
    /// A resource, written as JSON later.
    Resource(Value),
    /// Bytes as they are.
    Raw(Vec<u8>),
}

impl Reply {
    /// A reply without body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Empty,
        }
    }

    /// A reply with a resource.
    pub fn resource(status: u16, resource: Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), FHIR_JSON.into())],
            content: Content::Resource(resource),
        }
    }

    /// A reply with bytes of another media type.
    pub fn raw(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            content: Content::Raw(body),
        }
    }

    /// An OperationOutcome. The diagnostics are as talkative as real servers are: whoever stands in
    /// front has to strip them.
    pub fn outcome(status: u16, code: &str, diagnostics: String) -> Self {
        let issue = json!({"severity": "error", "code": code, "diagnostics": diagnostics});
        Self::resource(
            status,
            json!({"resourceType": "OperationOutcome", "issue": [issue]}),
        )
    }

    /// With one more header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a header, replacing what was there.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(header, _)| header != name);
        self.headers.push((name.to_owned(), value.into()));
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// The resource, if that is what the body is.
    pub fn value(&self) -> Option<&Value> {
        match &self.content {
            Content::Resource(value) => Some(value),
            _ => None,
        }
    }
}

/// Name and value of every `application/x-www-form-urlencoded` pair.
pub fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}
