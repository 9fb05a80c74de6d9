//! The head of an answer: what of the upstream's goes on, and what we put in its place.

use crate::denial::Denial;
use crate::fhir::{ResourceType, is_id};
use crate::request::FhirPolicy;
use crate::wire::Pair;

/// What the upstream said about its answer, as far as anything depends on it.
#[derive(Debug)]
pub struct AnswerHead {
    /// `:status`.
    pub status: u16,
    /// `Content-Length`, where it is there and a number.
    pub content_length: Option<usize>,
    content_type: Option<String>,
    encoded: bool,
    etag: Option<String>,
    last_modified: Option<String>,
    location: Option<String>,
    content_location: Option<String>,
    retry_after: Option<String>,
    progress: Option<u8>,
    transport_security: Option<String>,
}

impl AnswerHead {
    /// Reads the pairs of the upstream's answer. Fields that are not understood are as good as
    /// absent: they do not go on.
    pub fn read(pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<Self, Denial> {
        let mut head = AnswerHead {
            status: 0,
            content_length: None,
            content_type: None,
            encoded: false,
            etag: None,
            last_modified: None,
            location: None,
            content_location: None,
            retry_after: None,
            progress: None,
            transport_security: None,
        };
        let mut statuses = 0;
        for (name, value) in pairs {
            let value = value.as_ref();
            let text = std::str::from_utf8(value).unwrap_or_default();
            match name.as_ref() {
                b":status" => {
                    statuses += 1;
                    head.status = text.parse().unwrap_or(0);
                }
                b"content-encoding" => head.encoded |= !text.eq_ignore_ascii_case("identity"),
                b"content-length" => head.content_length = text.parse().ok(),
                b"content-type" if head.content_type.is_some() => {
                    return Err(Denial::Uninspectable("content-type"));
                }
                b"content-type" => head.content_type = Some(text.to_ascii_lowercase()),
                b"etag" => head.etag = crate::request::weak_tag(value),
                b"last-modified" if is_http_date(text) => {
                    head.last_modified = Some(text.to_owned())
                }
                b"strict-transport-security" if is_transport_security(text) => {
                    head.transport_security = Some(text.to_owned());
                }
                b"content-location" => head.content_location = Some(text.to_owned()),
                b"retry-after" if is_delay(text) || is_http_date(text) => {
                    head.retry_after = Some(text.to_owned());
                }
                b"x-progress" => head.progress = percentage(text),
                b"location" => head.location = Some(text.to_owned()),
                _ => {}
            }
        }
        if statuses == 1 && (100..600).contains(&head.status) {
            Ok(head)
        } else {
            Err(Denial::Uninspectable("status"))
        }
    }

    /// Whether the body is JSON that can be read as it is; anything else is not inspectable.
    pub fn check_body(&self) -> Result<(), Denial> {
        self.check_type(&["application/fhir+json", "application/json"])
    }

    /// Whether the body is NDJSON that can be read as it is.
    pub fn check_lines(&self) -> Result<(), Denial> {
        self.check_type(&[LINES, "application/ndjson"])
    }

    fn check_type(&self, types: &[&str]) -> Result<(), Denial> {
        if self.encoded {
            return Err(Denial::Uninspectable("content-encoding"));
        }
        let mut parts = self
            .content_type
            .as_deref()
            .unwrap_or_default()
            .split(';')
            .map(str::trim);
        let known = parts.next().is_some_and(|found| types.contains(&found));
        let plain = parts.all(|part| {
            matches!(
                part.trim_matches(' '),
                "charset=utf-8"
                    | "charset=\"utf-8\""
                    | "fhirversion=4.0"
                    | "fhirversion=\"4.0\""
                    | ""
            )
        });
        if known && plain {
            Ok(())
        } else {
            Err(Denial::Uninspectable("content-type"))
        }
    }

    /// The same of an answer about many resources: when one of them changed is not told, for it may be one that
    /// does not leave.
    pub fn without_version(self) -> Self {
        AnswerHead {
            etag: None,
            last_modified: None,
            ..self
        }
    }

    /// `ETag`, where it is a weak one of FHIR's form.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Where what was started is asked for: `Content-Location`.
    pub fn content_location(&self) -> Option<&str> {
        self.content_location.as_deref()
    }

    /// When to ask again, and how far it is: `Retry-After`, and of `X-Progress` the percentage, for its words may
    /// be any.
    pub fn progress(&self) -> Vec<(&'static str, String)> {
        let retry_after = self.retry_after.clone();
        let progress = self.progress.map(|part| format!("{part}%"));
        let fields = [("retry-after", retry_after), ("x-progress", progress)];
        let told = |(name, value): (_, Option<String>)| Some((name, value?));
        fields.into_iter().filter_map(told).collect()
    }

    /// The fields that leave. `resource_type` is the one a `Location` may name; `extra` are fields
    /// of our own.
    pub fn leaving(
        &self,
        policy: &FhirPolicy,
        form: Leaving,
        resource_type: Option<ResourceType>,
        request_id: &str,
        extra: Vec<(&'static str, String)>,
    ) -> Vec<Pair> {
        let mut fields: Vec<Pair> = Vec::with_capacity(extra.len() + 9);
        let mut add = |name: &str, value: &str| {
            fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        };
        add(":status", &self.status.to_string());
        match form {
            Leaving::Nothing => {}
            Leaving::Json => add("content-type", "application/fhir+json"),
            Leaving::Lines => add("content-type", LINES),
        }
        // What is screened for one caller must not be served to another, by any cache.
        add("cache-control", "no-store, private");
        add("vary", "Authorization");
        add("x-content-type-options", "nosniff");
        // The route of the proxy adds its own before the answer comes here: that one stands.
        if policy.base.scheme() == "https" {
            add(
                "strict-transport-security",
                self.transport_security.as_deref().unwrap_or(HSTS),
            );
        }
        if let Some(tag) = &self.etag {
            add("etag", tag);
        }
        if let Some(date) = &self.last_modified {
            add("last-modified", date);
        }
        // Of what was created. Any other answer is about the instance that was asked for, and a
        // server could only name another one.
        if let Some(location) = self
            .location
            .as_deref()
            .filter(|_| self.status == 201)
            .and_then(|url| external(url, policy, resource_type))
        {
            add("location", &location);
        }
        if !request_id.is_empty() {
            add("x-request-id", request_id);
        }
        for (name, value) in extra {
            add(name, &value);
        }
        fields
    }
}

/// What the body is that leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leaving {
    /// There is none.
    Nothing,
    /// JSON.
    Json,
    /// NDJSON.
    Lines,
}

/// The media type of NDJSON of resources.
const LINES: &str = "application/fhir+ndjson";

/// A year; what `envoy/envoy.yaml` puts on the answers that are not ours.
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// An instance's URL below one of the two bases, written with the external one.
pub(super) fn external(
    url: &str,
    policy: &FhirPolicy,
    resource_type: Option<ResourceType>,
) -> Option<String> {
    let relative = policy.relative(url).unwrap_or(url);
    let relative = relative.strip_prefix('/').unwrap_or(relative);
    let segments: Vec<&str> = relative.split('/').collect();
    let (name, id, version) = match segments.as_slice() {
        [name, id] => (name, id, None),
        [name, id, "_history", version] => (name, id, Some(version)),
        _ => return None,
    };
    let known = resource_type.is_some_and(|known| known.name() == *name);
    if !known || !is_id(id) || version.is_some_and(|version| !is_id(version)) {
        return None;
    }
    let base = policy.base.as_str();
    Some(match version {
        None => format!("{base}/{name}/{id}"),
        Some(version) => format!("{base}/{name}/{id}/_history/{version}"),
    })
}

/// HSTS as RFC 6797 section 6.1 writes it, with the directives it knows and nothing else.
fn is_transport_security(text: &str) -> bool {
    text.split(';').map(str::trim).all(|directive| {
        let age = directive.strip_prefix("max-age=");
        let age = age.is_some_and(|age| {
            (1..=10).contains(&age.len()) && age.bytes().all(|byte| byte.is_ascii_digit())
        });
        age || matches!(directive, "includeSubDomains" | "preload")
    })
}

/// Seconds, as RFC 9110 section 10.2.3 writes them, of at most six digits.
fn is_delay(text: &str) -> bool {
    (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The one percentage in a text.
fn percentage(text: &str) -> Option<u8> {
    let (before, behind) = text.split_once('%')?;
    let number = before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number: u8 = before.get(number..)?.parse().ok()?;
    (number <= 100 && !behind.contains('%')).then_some(number)
}

/// The shape of an IMF-fixdate (RFC 9110 section 5.6.7): enough that nothing else fits in.
fn is_http_date(text: &str) -> bool {
    text.len() == 29
        && text.ends_with(" GMT")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b" ,:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_security_is_its_grammar_and_no_more() {
        for (text, expected) in [
            ("max-age=31536000", true),
            ("max-age=31536000; includeSubDomains; preload", true),
            ("max-age=", false),
            ("max-age=12345678901", false),
            ("max-age=1; for=Patient/2", false),
            ("", false),
        ] {
            assert_eq!(is_transport_security(text), expected, "{text}");
        }
    }
}
