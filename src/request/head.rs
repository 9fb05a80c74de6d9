//! The head of a request, read once from the bytes that the proxy hands over.

use super::credentials::{self, Credentials};
use super::{provenance, trace};
use crate::denial::{Denial, DpopFault};

/// A method that a FHIR API may have (<https://hl7.org/fhir/R4/http.html>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of RFC 9110")]
pub enum Method {
    Delete,
    Get,
    Head,
    Patch,
    Post,
    Put,
}

/// The `Prefer` values that are understood (<https://hl7.org/fhir/R4/http.html#ops>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum Preference {
    Minimal,
    OperationOutcome,
    Representation,
}

/// The form in which a request can be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnswerForm {
    /// JSON.
    Json,
    /// Later: for now with a link to ask at
    /// (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request>).
    Later,
    /// NDJSON: lines of JSON.
    Lines,
}

/// The head of a request: every field that a decision needs, each read exactly once.
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// `:path`, visible ASCII, unparsed.
    pub path: String,
    /// The client's credentials.
    pub credentials: Credentials,
    /// `Content-Length`, in bytes.
    pub content_length: Option<u64>,
    /// The media type of the body, in lower case, without parameters; `None` without the header.
    pub content_type: Option<String>,
    /// `If-Match`, one weak entity tag; it means something on update, patch and delete.
    pub if_match: Option<String>,
    /// What a write shall answer with.
    pub preference: Option<Preference>,
    /// The id of this request: from Envoy, or made safe; empty when there is none.
    pub request_id: String,
    /// `traceparent` (W3C Trace Context), when it has the right form, or one that was begun here.
    pub traceparent: Option<String>,
    /// The address that the proxy itself noted last in `x-forwarded-for`; what stood before it is a
    /// client's word.
    pub forwarded_for: Option<String>,
    /// The values of all `x-forwarded-client-cert` fields, in order: what hops in front say of the
    /// certificates that they saw, and what a client may have made up.
    pub forwarded_certificates: Vec<Vec<u8>>,
    /// The pseudo-headers and the few fields that go on as they came, in order.
    pub passing: Vec<(Vec<u8>, Vec<u8>)>,
    /// `If-None-Exist` of a create, visible ASCII, unparsed.
    pub if_none_exist: Option<String>,
    /// `X-Provenance`, printable ASCII, unparsed; or what is wrong with it, which matters on writes only.
    pub provenance: Option<Result<String, &'static str>>,
    /// Whether the client wants an answer later (`Prefer: respond-async`, RFC 7240 section 4.1).
    later: bool,
    /// Whether `Accept` covers JSON, and whether it covers NDJSON.
    accepts: (bool, bool),
    /// Whether another condition came in a header: a precondition on a write, or `If-None-Exist` where
    /// nothing is created.
    pub conditional: bool,
}

/// The largest `:path` that is looked at, in bytes.
pub const MAX_PATH: usize = 8 * 1024;

/// Fields that go on to the upstream exactly as the proxy handed them over. Everything that is not
/// named here, or written by us, stays behind: identity headers, cookies, ranges, encodings,
/// conditions and whatever else a client may invent.
const PASSING: [&str; 5] = [
    "content-length",
    "content-type",
    "user-agent",
    "x-forwarded-proto",
    "tracestate",
];

/// Pseudo-headers that go on; `:path`, `:method` and `:authority` are written by us.
const PSEUDO: [&str; 1] = [":scheme"];

impl Method {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Method::Delete => "DELETE",
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Patch => "PATCH",
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }

    /// Its name upstream. What answers a `HEAD` is decided on by the body: a bare one would tell that
    /// something exists.
    pub(super) fn canonical(self) -> &'static str {
        match self {
            Method::Head => "GET",
            other => other.name(),
        }
    }
}

impl RequestHead {
    /// Reads the pairs in the order of the wire, names in lower case. Bytes that are not what a
    /// field may hold are refused where the field matters and left behind where it does not.
    pub fn parse(pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> (String, Result<Self, Denial>) {
        let request_id = request_id(pairs);
        let head = Self::parse_fields(pairs, request_id.clone());
        (request_id, head)
    }

    fn parse_fields(
        pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        request_id: String,
    ) -> Result<Self, Denial> {
        let mut fields = Fields::default();
        let mut passing = Vec::new();
        let mut forwarded_certificates = Vec::new();
        for (name, value) in pairs {
            let (Ok(name), value) = (std::str::from_utf8(name.as_ref()), value.as_ref()) else {
                continue;
            };
            fields.take(name, value)?;
            let passes = PSEUDO.contains(&name) || PASSING.contains(&name);
            if name == "x-forwarded-client-cert" {
                forwarded_certificates.push(value.to_vec());
            } else if passes && is_field_text(value) {
                passing.push((name.as_bytes().to_vec(), value.to_vec()));
            }
        }
        if fields.traceparent.is_none() {
            // It is of no trace, and not of one that is begun here.
            passing.retain(|(name, _)| name != b"tracestate");
        }
        let method = method(fields.method.as_deref())?;
        if fields.has_protocol || fields.upgrade {
            return Err(Denial::Request("upgrade"));
        }
        let writes = !matches!(method, Method::Get | Method::Head);
        Ok(RequestHead {
            method,
            path: fields.path.ok_or(Denial::Request("path"))?,
            credentials: credentials::complete(fields.credentials, fields.proof),
            content_length: fields.content_length,
            content_type: fields.content_type,
            if_match: fields.if_match,
            preference: fields.preference,
            request_id,
            traceparent: fields.traceparent,
            forwarded_for: fields.forwarded_for,
            forwarded_certificates,
            passing,
            conditional: (fields.if_none_exist.is_some() && method != Method::Post)
                || (writes && fields.precondition),
            if_none_exist: fields.if_none_exist,
            provenance: fields.provenance,
            later: fields.later,
            accepts: fields.accepts.unwrap_or((true, true)),
        })
    }

    /// Begins a trace where none came. `now` is in nanoseconds since 1970.
    pub fn begin_trace(&mut self, now: u64) {
        let begin = || trace::begin(&self.request_id, now);
        self.traceparent.get_or_insert_with(begin);
    }
}

impl RequestHead {
    /// Refuses a client that takes no answer of this form, or wants one later where there is none.
    pub fn check_answer(&self, form: AnswerForm) -> Result<(), Denial> {
        let (json, lines) = self.accepts;
        let accepted = match form {
            AnswerForm::Json | AnswerForm::Later => json,
            AnswerForm::Lines => lines,
        };
        if !accepted {
            return Err(Denial::NotAcceptable);
        }
        match self.later && form != AnswerForm::Later {
            true => Err(Denial::NotSupported("prefer")),
            false => Ok(()),
        }
    }

    /// Whether the body is of the type that is wanted. `application/json` is accepted for a resource, as
    /// the standard asks of servers (<https://hl7.org/fhir/R4/http.html#mime-type>).
    pub(super) fn check_type(&self, wanted: &str) -> Result<(), Denial> {
        match self.content_type.as_deref() {
            Some(found) if found == wanted => Ok(()),
            Some("application/json") if wanted == "application/fhir+json" => Ok(()),
            _ => Err(Denial::UnsupportedMediaType),
        }
    }
}

#[derive(Default)]
struct Fields {
    method: Option<Vec<u8>>,
    path: Option<String>,
    credentials: Option<Credentials>,
    proof: Option<Result<String, DpopFault>>,
    content_length: Option<u64>,
    content_type: Option<String>,
    if_match: Option<String>,
    preference: Option<Preference>,
    traceparent: Option<String>,
    forwarded_for: Option<String>,
    if_none_exist: Option<String>,
    provenance: Option<Result<String, &'static str>>,
    precondition: bool,
    has_protocol: bool,
    upgrade: bool,
    later: bool,
    /// JSON and NDJSON. `None` without an `Accept`: everything is welcome then.
    accepts: Option<(bool, bool)>,
}

impl Fields {
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), Denial> {
        match name {
            ":method" => once(&mut self.method, value.to_vec(), Denial::Request("method"))?,
            ":path" => {
                let malformed = Denial::Request("path");
                let path = path_text(value).ok_or(malformed.clone())?;
                once(&mut self.path, path, malformed)?;
            }
            ":protocol" => self.has_protocol = true,
            "upgrade" => self.upgrade = true,
            "accept" => {
                let (json, lines) = self.accepts.unwrap_or_default();
                self.accepts = Some((json || accepts(value, JSON), lines || accepts(value, LINES)));
            }
            "authorization" => {
                once(
                    &mut self.credentials,
                    credentials::read(value)?,
                    Denial::CredentialsMalformed,
                )?;
            }
            // Whether it matters is known only when the scheme is.
            "dpop" => self.proof = Some(credentials::read_proof(self.proof.is_some(), value)),
            "content-encoding" if !value.eq_ignore_ascii_case(b"identity") => {
                return Err(Denial::UnsupportedMediaType);
            }
            "content-length" => {
                let malformed = Denial::Request("content-length");
                let length = content_length(value).ok_or(malformed.clone())?;
                once(&mut self.content_length, length, malformed)?;
            }
            "content-type" => {
                once(
                    &mut self.content_type,
                    media_type(value)?,
                    Denial::UnsupportedMediaType,
                )?;
            }
            "if-match" => {
                let tag = weak_tag(value).ok_or(Denial::Request("if-match"))?;
                once(&mut self.if_match, tag, Denial::Request("if-match"))?;
            }
            "if-none-exist" => {
                let malformed = Denial::Request("if-none-exist");
                let query = path_text(value).ok_or(malformed.clone())?;
                once(&mut self.if_none_exist, query, malformed)?;
            }
            "if-none-match" | "if-modified-since" | "if-unmodified-since" => {
                self.precondition = true
            }
            "prefer" => self.prefer(value)?,
            "traceparent" => self.traceparent = trace::read(value),
            "x-forwarded-for" => self.forwarded_for = last_address(value),
            "x-http-method" | "x-http-method-override" | "x-method-override" => {
                return Err(Denial::Request("method-override"));
            }
            "x-provenance" => {
                self.provenance = Some(provenance::read(self.provenance.is_some(), value));
            }
            _ => {}
        }
        Ok(())
    }

    fn prefer(&mut self, value: &[u8]) -> Result<(), Denial> {
        let text = std::str::from_utf8(value).map_err(|_| Denial::Request("prefer"))?;
        for part in text.split([',', ';']).map(str::trim) {
            match part {
                "return=minimal" => self.preference = Some(Preference::Minimal),
                "return=OperationOutcome" => self.preference = Some(Preference::OperationOutcome),
                "return=representation" => self.preference = Some(Preference::Representation),
                "respond-async" => self.later = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Media types of JSON.
const JSON: &[&str] = &[
    "application/fhir+json",
    "application/json",
    "application/json+fhir",
];

/// Media types of NDJSON.
const LINES: &[&str] = &["application/fhir+ndjson", "application/ndjson"];

fn once<T>(slot: &mut Option<T>, value: T, doubled: Denial) -> Result<(), Denial> {
    if slot.is_some() {
        return Err(doubled);
    }
    *slot = Some(value);
    Ok(())
}

fn method(bytes: Option<&[u8]>) -> Result<Method, Denial> {
    match bytes {
        Some(b"DELETE") => Ok(Method::Delete),
        Some(b"GET") => Ok(Method::Get),
        Some(b"HEAD") => Ok(Method::Head),
        Some(b"PATCH") => Ok(Method::Patch),
        Some(b"POST") => Ok(Method::Post),
        Some(b"PUT") => Ok(Method::Put),
        None => Err(Denial::Request("head")),
        Some(_) => Err(Denial::Method("GET, HEAD, POST, PUT, PATCH, DELETE")),
    }
}

fn path_text(value: &[u8]) -> Option<String> {
    let ok = value.len() <= MAX_PATH && value.iter().all(u8::is_ascii_graphic);
    ok.then(|| String::from_utf8_lossy(value).into_owned())
}

/// Digits and nothing else (RFC 9110 section 8.6): it goes on as it came.
fn content_length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// The media type before any parameter. The only parameters understood are `charset=utf-8` and
/// `fhirVersion=4.0`; another charset would make these bytes another text.
fn media_type(value: &[u8]) -> Result<String, Denial> {
    let text = std::str::from_utf8(value).map_err(|_| Denial::UnsupportedMediaType)?;
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    let understood = parts.all(|part| {
        matches!(
            part.as_str(),
            "charset=utf-8" | "charset=\"utf-8\"" | "fhirversion=4.0" | "fhirversion=\"4.0\""
        )
    });
    if understood {
        Ok(media_type)
    } else {
        Err(Denial::UnsupportedMediaType)
    }
}

/// Whether any range of this `Accept` covers what is offered. Weights only choose among that; `q=0` takes a
/// range out.
fn accepts(value: &[u8], offered: &[&str]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    text.split(',').any(|range| {
        let mut parts = range
            .split(';')
            .map(|part| part.trim().to_ascii_lowercase());
        let media_type = parts.next().unwrap_or_default();
        let any = matches!(media_type.as_str(), "*/*" | "application/*");
        let wanted = any || offered.contains(&media_type.as_str());
        wanted && !parts.any(|part| matches!(part.as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// `W/"3"`: the form that FHIR gives to versions (<https://hl7.org/fhir/R4/http.html#versioning>).
pub fn weak_tag(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let version = text.strip_prefix("W/\"")?.strip_suffix('"')?;
    crate::fhir::is_id(version).then(|| text.to_owned())
}

fn last_address(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let address = text.rsplit(',').next()?.trim();
    address
        .parse::<std::net::IpAddr>()
        .ok()
        .map(|address| address.to_string())
}

/// Envoy makes `x-request-id`; whatever arrives is cut to characters that are harmless in a log, a
/// header and a JSON string.
fn request_id(pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> String {
    let mut pairs = pairs.iter();
    let Some((_, value)) = pairs.find(|(name, _)| name.as_ref() == b"x-request-id") else {
        return String::new();
    };
    let safe =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    value
        .as_ref()
        .iter()
        .filter(safe)
        .take(128)
        .map(|byte| char::from(*byte))
        .collect()
}

fn is_field_text(value: &[u8]) -> bool {
    value.len() <= 1024 && value.iter().all(|byte| (0x20..0x7f).contains(byte))
}

#[cfg(test)]
mod tests;
