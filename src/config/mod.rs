//! The operator's configuration, to a policy.
//!
//! A configuration arrives as a serialised `google.protobuf.Struct` (YAML inside Envoy's own) or
//! as JSON text (what Istio sends). It is read whole: every mistake is reported at once, each with
//! the JSON pointer of its place, what was expected there and what was found; nothing of it is
//! repeated but keys and keywords. A configuration with a mistake gives no policy.
//!
//! # Keys, defaults and bounds
//!
//! | key | value | default |
//! | --- | --- | --- |
//! | `fhir.base` | base URL, as clients use it | required |
//! | `fhir.public` | 0 to 64 paths below the base, none of them of data | `metadata`, `.well-known/smart-configuration` |
//! | `fhir.upstream.cluster` | an Envoy cluster, 1 to 256 bytes | required |
//! | `fhir.upstream.base` | base URL of the server behind | required |
//! | `fhir.upstream.authorization` | `strip`, `keep` | `strip` |
//! | `fhir.body_limit` | size, 1KiB to 8MiB | `512KiB` |
//! | `client_certificate.required` | boolean | `true` |
//! | `client_certificate.source` | `connection` | `connection` |
//! | `client_certificate.validated_by` | `attribute`, `listener` | `attribute` |
//! | `issuers` | 1 to 64 | required |
//! | `issuers[].issuer` | URL, compared exactly with `iss`, each once | required |
//! | `issuers[].tenant` | name | none |
//! | `issuers[].audiences` | 1 to 64 texts | required |
//! | `issuers[].algorithms` | `RS256`, `RS384`, `RS512`, `ES256`, `ES384`, `ES512`, `PS256`, `PS384`, `PS512`, `EdDSA`, each once | required |
//! | `issuers[].keys.inline` | JWK set of public keys | required |
//! | `issuers[].types` | 1 to 8 media types in lower case, without `application/` | `at+jwt` |
//! | `issuers[].proof` | `[certificate]` or `[none]` | `[certificate]` |
//! | `issuers[].clock_skew` | duration in whole seconds, 0s to 5m | `30s` |
//! | `issuers[].claims.*` | `client`, `patient`, `scope`, `token_id`, `user`: 1 to 8 JSON pointers of at most 256 bytes | as [`crate::identity::ClaimPointers`] |
//! | `signatures.host` | boolean | `true` |
//! | `limits` | 0 to 8 | none |
//! | `limits[].name` | 1 to 32 of `a-z 0-9 -`, each once | required |
//! | `limits[].key` | 1 to 7 of `address`, `certificate`, `client`, `issuer`, `patient`, `subject`, `tenant`, each once | required |
//! | `limits[].rate` | rate: `50/s`, `10/m`, `/h`, `/d` | required |
//! | `limits[].burst` | whole number from 1 | required |
//! | `redaction` | 0 to 64 | none |
//! | `redaction[].name` | name, each once | required |
//! | `redaction[].unless.scope` | SMART scope without parameters | spares nobody |
//! | `redaction[].resource` | FHIR R4 resource type | required |
//! | `redaction[].elements` | 1 to 256 paths of at most 2048 bytes | required |
//! | `redaction[].action` | `remove`, `mask` | required |
//! | `response.absent` | `not-found`, `forbidden` | `not-found` |
//! | `response.hold_limit` | size, 1KiB to 16MiB | `512KiB` |
//! | `response.resource_limit` | size, 1KiB to 64MiB, at least `hold_limit` | `8MiB` |
//! | `audit.observer` | name | required |
//! | `audit.sinks` | `[access_log]` | `[access_log]` |
//!
//! `response.hold_limit` must stay below what Envoy lets a filter hold: the listener's
//! `per_connection_buffer_limit_bytes` for callers with HTTP/1.1, `initial_stream_window_size` for
//! those with HTTP/2. Beyond it the whole process ends, and the filter cannot read either.
//!
//! A name is 1 to 64 of `A-Z a-z 0-9 - . _`; a URL or an audience has at most 2048 bytes. The
//! document has at most [`SIZE`] bytes and [`DEPTH`] levels. Texts are JSON strings, so that YAML
//! that reads as a number or a boolean has to be quoted.

mod document;
mod issuers;
mod mistakes;
mod platform;
mod policy;
mod reader;
mod rules;
mod structure;
#[cfg(test)]
mod tests;
mod units;

pub use document::{DEPTH, SIZE};
pub use mistakes::{KEPT, Mistake, Mistakes, SHOWN};
pub use platform::{EnvoyVersion, fits};
pub use policy::{Policy, ResponsePolicy};
pub use rules::RedactionRule;

/// Reads a configuration, a serialised Struct or JSON text.
///
/// # Errors
/// Every mistake. Bytes that are neither form, or empty, are one.
pub fn read(bytes: &[u8]) -> Result<Policy, Mistakes> {
    policy::read(&document::read(bytes)?)
}
