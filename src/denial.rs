//! Every reason to refuse, and the form it takes on the wire.
//!
//! A [`Denial`] says why, for the audit record; a [`Reply`] is what the client gets, which is less:
//! the status, a challenge where OAuth asks for one, and an OperationOutcome with the request id.

mod challenge;

use std::borrow::Cow;

pub use challenge::{Challenge, DpopFault, Scheme};

/// Why an exchange was refused or an answer withheld.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Denial {
    /// The instance is not there for this caller; `forbidden` chooses the deployment's one answer
    /// for absent and forbidden instances alike.
    Absent {
        /// Answer 403 instead of 404.
        forbidden: bool,
    },
    /// The answer's body cannot be inspected; what was found, without data.
    Answer(&'static str),
    /// The request's body is not what the interaction takes; which check failed, and what was found,
    /// without data.
    Body(&'static str, Cow<'static, str>),
    /// What a patient would write is not the own patient's, or names another; what was found, without
    /// data.
    Compartment(&'static str),
    /// The client's `If-Match` is not the current version.
    Conflict,
    /// Two credentials, or one that is not of its scheme's grammar (RFC 6750 section 3.1).
    CredentialsMalformed,
    /// No credentials, or only of a scheme that is not accepted.
    CredentialsMissing,
    /// The DPoP proof does not hold.
    Dpop(DpopFault),
    /// The DPoP proof lacks a nonce of ours, or has an old one; the one to use.
    DpopNonce(String),
    /// More would leave than a guardrail allows in one answer; the rule's name.
    Egress(String),
    /// Whoever shows this certificate is isolated for so many seconds more, by the filter itself.
    Isolated(u64),
    /// A method that this path does not have; the ones it has.
    Method(&'static str),
    /// The caller takes no answer in JSON.
    NotAcceptable,
    /// A search parameter, modifier, header or form that is not understood, hence not allowed.
    NotSupported(&'static str),
    /// A patch that cannot be applied to the current version; what was found, without data.
    Patch(&'static str),
    /// A path that is nothing of this API.
    Path,
    /// A rule asks where a write comes from, and nothing says so; the rule's name.
    Provenance(String),
    /// The answer cannot be inspected, so it does not pass.
    Uninspectable(&'static str),
    /// The request is ambiguous or not well-formed.
    Request(&'static str),
    /// A rule of the operator's refuses, or its condition cannot be decided; its name in the audit
    /// record.
    Rule(String),
    /// The token's scopes lack the interaction; the scope that would have been enough.
    Scope(String),
    /// A rule asks for a stronger or fresher login (RFC 9470); which one, and what it asks for.
    StepUp {
        /// The rule's name.
        rule: String,
        /// The classes of authentication that would do, with spaces between them: visible ASCII
        /// without quotes and backslashes.
        acr_values: Option<String>,
        /// The most seconds since the login.
        max_age: Option<u64>,
    },
    /// A limit is used up; the fields of the answer.
    Throttled {
        /// `Retry-After`, `RateLimit` and `RateLimit-Policy`.
        headers: Vec<(&'static str, String)>,
        /// Which limit.
        limit: String,
    },
    /// The token does not hold.
    Token(TokenFault),
    /// A search that would cost the server too much, and the bound that it breaks; or a Bundle with more
    /// entries than a limit ever admits at once, and which limit.
    TooCostly(Cow<'static, str>),
    /// The request is too large to inspect.
    TooLarge,
    /// Something that the decision needs is away.
    Unavailable(&'static str),
    /// What the upstream sent of an instance does not allow a decision about it; what was found, without
    /// data.
    Undecided {
        /// `instance` where it was to leave, `current-version` where it is to be written.
        what: &'static str,
        /// It is not known whose it is, so that the answer is that of [`Denial::Absent`], with this
        /// `forbidden`. `None` where it is the caller's own.
        absent: Option<bool>,
        /// What was found.
        found: &'static str,
    },
    /// The upstream refused; its status, for the ones that mean something to a client.
    Upstream(u16),
    /// A request body of a type that is not understood.
    UnsupportedMediaType,
}

/// Why a token does not hold (RFC 6750 `invalid_token`). Only the audit record tells them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenFault {
    /// The algorithm is not allowed, or is not that of the key.
    Algorithm,
    /// Not for this audience.
    Audience,
    /// No confirmation of the certificate, another one's, or one by means not understood.
    Binding,
    /// No usable client certificate on the connection.
    Certificate,
    /// A claim is missing, doubled, of the wrong shape, or in conflict with another.
    Claims,
    /// Of a client that the issuer's entry does not name.
    Client,
    /// Expired.
    Expired,
    /// A header member that must not be there: `crit`, `jku`, `x5u`, `jwk`, and their like.
    Header,
    /// Not active, by the word of its issuer.
    Inactive,
    /// Of an issuer that is not configured.
    Issuer,
    /// No key, or more than one, that the token could have been signed with.
    Key,
    /// Not a compact JWS of strict base64url and JSON.
    Malformed,
    /// `nbf` or `iat` lie in the future.
    NotYet,
    /// The certificate is none of those that its client may use.
    Pin,
    /// Shut out for a time, by the filter itself.
    Quarantined,
    /// Taken back before its time.
    Revoked,
    /// A scope about data is not understood, and the issuer's entry says that this refuses the token.
    Scope,
    /// The signature is wrong.
    Signature,
    /// Longer than a token may be.
    Size,
    /// `typ` is not that of an access token.
    Type,
}

/// An answer that the filter gives itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// An OperationOutcome in JSON.
    pub body: Vec<u8>,
}

impl Denial {
    /// The answer on the wire. `request_id` goes into `diagnostics`.
    pub fn reply(&self, request_id: &str, challenge: &Challenge) -> Reply {
        let (status, code) = self.status_and_code();
        let mut headers = vec![
            ("content-type", "application/fhir+json".to_owned()),
            ("cache-control", "no-store, private".to_owned()),
        ];
        if let Some(challenge) = challenge.of(self) {
            headers.push(("www-authenticate", challenge));
        }
        match self {
            Denial::DpopNonce(nonce) => headers.push(("dpop-nonce", nonce.clone())),
            Denial::Method(allow) => headers.push(("allow", (*allow).to_owned())),
            Denial::Throttled {
                headers: fields, ..
            } => headers.extend(fields.iter().cloned()),
            Denial::Isolated(seconds) => headers.push(("retry-after", seconds.to_string())),
            Denial::Unavailable(_) => headers.push(("retry-after", "1".to_owned())),
            _ => {}
        }
        Reply {
            status,
            headers,
            body: outcome(code, request_id),
        }
    }

    /// A short stable name for the audit record, for example `token.expired`.
    pub fn rule(&self) -> String {
        match self {
            Denial::Absent { .. } => "compartment".to_owned(),
            Denial::Answer(found) => format!("answer.body: {found}"),
            Denial::Body(check, found) => format!("request.malformed.{check}: {found}"),
            Denial::Compartment(found) => format!("compartment.body: {found}"),
            Denial::Conflict => "request.if-match".to_owned(),
            Denial::CredentialsMalformed => "credentials.malformed".to_owned(),
            Denial::CredentialsMissing => "credentials.missing".to_owned(),
            Denial::Dpop(fault) => format!("dpop.{}", fault.name()),
            Denial::DpopNonce(_) => "dpop.nonce".to_owned(),
            Denial::Egress(rule) => format!("egress.{rule}"),
            Denial::Isolated(_) => "risk.isolated".to_owned(),
            Denial::Method(_) => "request.method".to_owned(),
            Denial::NotAcceptable => "request.accept".to_owned(),
            Denial::NotSupported(what) => format!("request.not-supported.{what}"),
            Denial::Patch(found) => format!("request.patch: {found}"),
            Denial::Path => "request.path".to_owned(),
            Denial::Provenance(rule) => format!("provenance.{rule}"),
            Denial::Request(what) => format!("request.malformed.{what}"),
            Denial::Rule(rule) => rule.clone(),
            Denial::Scope(_) => "scope".to_owned(),
            Denial::StepUp { rule, .. } => format!("step-up.{rule}"),
            Denial::Throttled { limit, .. } => format!("limit.{limit}"),
            Denial::Token(fault) => format!("token.{}", fault.name()),
            Denial::TooCostly(what) => format!("request.too-costly.{what}"),
            Denial::TooLarge => "request.too-large".to_owned(),
            Denial::Unavailable(what) => format!("unavailable.{what}"),
            Denial::Undecided { what, found, .. } => format!("answer.{what}: {found}"),
            Denial::Uninspectable(what) => format!("answer.{what}"),
            Denial::UnsupportedMediaType => "request.media-type".to_owned(),
            Denial::Upstream(status) => format!("upstream.{status}"),
        }
    }

    /// Status and `issue.code` (<https://hl7.org/fhir/R4/valueset-issue-type.html>).
    fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Denial::Absent { forbidden: false }
            | Denial::Undecided {
                absent: Some(false),
                ..
            } => (404, "not-found"),
            Denial::Absent { forbidden: true }
            | Denial::Undecided {
                absent: Some(true), ..
            }
            | Denial::Compartment(_) => (403, "forbidden"),
            Denial::Conflict => (412, "conflict"),
            Denial::Patch(_) => (422, "processing"),
            Denial::Body(..) | Denial::CredentialsMalformed | Denial::Request(_) => {
                (400, "invalid")
            }
            Denial::CredentialsMissing | Denial::Dpop(_) | Denial::DpopNonce(_) => (401, "login"),
            Denial::Egress(_) => (403, "too-costly"),
            Denial::Method(_) => (405, "not-supported"),
            Denial::NotAcceptable => (406, "not-supported"),
            Denial::NotSupported(_) => (400, "not-supported"),
            Denial::Path => (404, "not-found"),
            Denial::Provenance(_) => (400, "required"),
            Denial::Rule(_) | Denial::Scope(_) => (403, "forbidden"),
            Denial::StepUp { .. } => (401, "login"),
            Denial::Isolated(_) | Denial::Throttled { .. } => (429, "throttled"),
            Denial::Token(TokenFault::Expired) => (401, "expired"),
            Denial::Token(_) => (401, "login"),
            Denial::TooCostly(_) => (400, "too-costly"),
            Denial::TooLarge => (413, "too-long"),
            Denial::Unavailable(_) => (503, "transient"),
            Denial::Answer(_)
            | Denial::Undecided { absent: None, .. }
            | Denial::Uninspectable(_) => (502, "exception"),
            Denial::UnsupportedMediaType => (415, "not-supported"),
            Denial::Upstream(status) => upstream(*status),
        }
    }
}

impl TokenFault {
    fn name(self) -> &'static str {
        match self {
            TokenFault::Algorithm => "algorithm",
            TokenFault::Audience => "audience",
            TokenFault::Binding => "binding",
            TokenFault::Certificate => "certificate",
            TokenFault::Claims => "claims",
            TokenFault::Client => "client",
            TokenFault::Expired => "expired",
            TokenFault::Header => "header",
            TokenFault::Inactive => "inactive",
            TokenFault::Issuer => "issuer",
            TokenFault::Key => "key",
            TokenFault::Malformed => "malformed",
            TokenFault::NotYet => "not-yet",
            TokenFault::Pin => "pin",
            TokenFault::Quarantined => "quarantined",
            TokenFault::Revoked => "revoked",
            TokenFault::Scope => "scope",
            TokenFault::Signature => "signature",
            TokenFault::Size => "size",
            TokenFault::Type => "type",
        }
    }
}

/// What a client may learn of an upstream's refusal: states that the request brought about keep
/// their status, everything else is a gateway's fault.
fn upstream(status: u16) -> (u16, &'static str) {
    match status {
        400 => (400, "invalid"),
        404 => (404, "not-found"),
        409 => (409, "conflict"),
        410 => (410, "deleted"),
        412 => (412, "conflict"),
        422 => (422, "processing"),
        503 => (503, "transient"),
        504 => (504, "timeout"),
        _ => (502, "exception"),
    }
}

/// The smallest valid OperationOutcome: it names the request and nothing else.
fn outcome(code: &str, request_id: &str) -> Vec<u8> {
    format!(
        r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"error","code":"{code}","diagnostics":{}}}]}}"#,
        serde_json::Value::from(format!("request {request_id}"))
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(denial: Denial, status: u16, code: &str, challenge: Option<&str>) {
        let reply = denial.reply("r-1", &Challenge::default());
        assert_eq!(reply.status, status, "{denial:?}");
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(body["resourceType"], "OperationOutcome", "{denial:?}");
        assert_eq!(body["issue"][0]["code"], code, "{denial:?}");
        assert_eq!(body["issue"][0]["diagnostics"], "request r-1", "{denial:?}");
        let found = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "www-authenticate");
        assert_eq!(
            found.map(|(_, value)| value.as_str()),
            challenge,
            "{denial:?}"
        );
    }

    #[test]
    fn every_denial_has_its_wire_form() {
        let scope = "patient/Observation.s".to_owned();
        let throttled = Denial::Throttled {
            headers: vec![("retry-after", "3".to_owned())],
            limit: "c".to_owned(),
        };
        check(Denial::Absent { forbidden: false }, 404, "not-found", None);
        check(Denial::Absent { forbidden: true }, 403, "forbidden", None);
        check(
            Denial::CredentialsMissing,
            401,
            "login",
            Some(r#"Bearer realm="fhir""#),
        );
        check(
            Denial::CredentialsMalformed,
            400,
            "invalid",
            Some(r#"Bearer realm="fhir", error="invalid_request""#),
        );
        check(Denial::Method("GET, HEAD"), 405, "not-supported", None);
        check(Denial::Isolated(30), 429, "throttled", None);
        check(Denial::NotAcceptable, 406, "not-supported", None);
        check(
            Denial::NotSupported("parameter"),
            400,
            "not-supported",
            None,
        );
        check(Denial::Provenance("r".to_owned()), 400, "required", None);
        check(Denial::Path, 404, "not-found", None);
        check(Denial::Request("path"), 400, "invalid", None);
        check(
            Denial::Scope(scope),
            403,
            "forbidden",
            Some(
                r#"Bearer realm="fhir", error="insufficient_scope", scope="patient/Observation.s""#,
            ),
        );
        let step_up = |acr_values: Option<&str>, max_age| Denial::StepUp {
            rule: "writes".to_owned(),
            acr_values: acr_values.map(str::to_owned),
            max_age,
        };
        for (denial, parameters) in [
            (step_up(None, None), ""),
            (step_up(None, Some(300)), r#", max_age="300""#),
            (
                step_up(Some("loa3 urn:loa:2"), Some(60)),
                r#", acr_values="loa3 urn:loa:2", max_age="60""#,
            ),
        ] {
            let error = r#"Bearer realm="fhir", error="insufficient_user_authentication""#;
            let challenge = format!("{error}{parameters}");
            check(denial, 401, "login", Some(&challenge));
        }
        check(throttled, 429, "throttled", None);
        check(
            Denial::Token(TokenFault::Expired),
            401,
            "expired",
            Some(r#"Bearer realm="fhir", error="invalid_token""#),
        );
        check(
            Denial::Token(TokenFault::Binding),
            401,
            "login",
            Some(r#"Bearer realm="fhir", error="invalid_token""#),
        );
        for fault in [TokenFault::Quarantined, TokenFault::Revoked] {
            let forged = r#"Bearer realm="fhir", error="invalid_token""#;
            check(Denial::Token(fault), 401, "login", Some(forged));
        }
        check(Denial::TooCostly("values".into()), 400, "too-costly", None);
        check(Denial::Egress("e".into()), 403, "too-costly", None);
        check(Denial::TooLarge, 413, "too-long", None);
        check(Denial::Unavailable("keys"), 503, "transient", None);
        check(Denial::Uninspectable("json"), 502, "exception", None);
        check(Denial::Answer("found"), 502, "exception", None);
        check(Denial::Body("body", "found".into()), 400, "invalid", None);
        let undecided = |absent| Denial::Undecided {
            what: "instance",
            absent,
            found: "found",
        };
        check(undecided(None), 502, "exception", None);
        check(undecided(Some(false)), 404, "not-found", None);
        check(undecided(Some(true)), 403, "forbidden", None);
        check(Denial::Compartment("found"), 403, "forbidden", None);
        check(Denial::Conflict, 412, "conflict", None);
        check(Denial::Patch("found"), 422, "processing", None);
        check(Denial::UnsupportedMediaType, 415, "not-supported", None);
        check(Denial::Upstream(404), 404, "not-found", None);
        check(Denial::Upstream(410), 410, "deleted", None);
        check(Denial::Upstream(401), 502, "exception", None);
        check(Denial::Upstream(500), 502, "exception", None);
    }

    #[test]
    fn a_request_id_cannot_break_out_of_the_outcome() {
        let id = "\",\"x\":\"\u{1}";
        let body = Denial::Path.reply(id, &Challenge::default()).body;
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    }
}
