//! Who took part: client, server, and the user by the token.

use serde_json::{Map, Value};

use super::pattern::Roles;
use super::{About, DICOM, coding, concept, object, text};
use crate::audit::{Record, Subject, Told};

const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const USER_AGENTS: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes";
const KEEPER: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// The prefix of a token's id (BALP, OAuth patterns: SHALL).
const TOKEN: &str = "urn:ietf:params:oauth:jti:";
/// And of the hash of one, which is none of theirs.
const TOKEN_HASH: &str = "urn:fhir-guard:jti-hash:";

pub(super) fn agents(about: &About<'_>) -> Vec<Value> {
    let user = user(about);
    let mut agents = vec![client(about, user.is_none()), server(about)];
    agents.extend(user);
    agents
}

/// The token as a URI, and whether it is the standard's; `None` where nothing of it is told, or it is of no
/// user.
pub(super) fn token_uri(record: &Record) -> Option<(String, bool)> {
    record.subject.as_ref().filter(|_| has_user(record))?;
    let id = record.token_id.as_deref()?;
    Some(match record.policy.token_id.tell(Subject::TokenId, id)? {
        Told::Plain(id) => (format!("{TOKEN}{}", escaped(id)), true),
        Told::Hash(hash) => (format!("{TOKEN_HASH}{hash}"), false),
    })
}

/// Whether the patterns of tokens are followed.
pub(super) fn names_token(about: &About<'_>) -> bool {
    token_uri(about.record).is_some_and(|(_, plain)| plain)
}

/// Identified by this value of this system.
pub(super) fn identified(system: Option<&str>, value: &str) -> Value {
    let mut identifier = Map::new();
    if let Some(system) = system {
        identifier.insert("system".to_owned(), text(system));
    }
    identifier.insert("value".to_owned(), text(value));
    object([("identifier", Value::Object(identifier))])
}

/// A client that acts for itself names itself as the subject of its tokens (RFC 9068 section 2.2).
fn has_user(record: &Record) -> bool {
    record.subject.is_some() && (record.subject != record.client || record.user.is_some())
}

fn client(about: &About<'_>, requests: bool) -> Value {
    let record = about.record;
    let own = match about.pattern.roles {
        Roles::ClientIsSource => Some("110153"),
        Roles::ServerIsSource => Some("110152"),
        Roles::Neither => None,
    };
    let mut codings: Vec<Value> = Vec::from_iter(own.map(|code| coding(DICOM, code)));
    // Where the comprehensive pattern is not claimed, nothing but what the interaction's own asks for.
    let bare = own.is_some() && !names_token(about);
    codings.extend((!bare).then(|| coding(DICOM, "110150")));
    let who = match (record.client.as_deref(), record.certificate.as_deref()) {
        (Some(client), _) => identified(None, client),
        (None, Some(thumbprint)) => identified(Some("urn:fhir-guard:x5t-s256"), thumbprint),
        (None, None) => object([("display", text("unknown"))]),
    };
    let address = record.address.as_deref();
    let address = address.and_then(|own| record.policy.address.address(own));
    let network = match address {
        Some(address) => object([("address", text(&address)), ("type", text("2"))]),
        None => absent(if record.address.is_some() {
            "masked"
        } else {
            "unknown"
        }),
    };
    object([
        ("type", object([("coding", Value::Array(codings))])),
        ("who", who),
        ("requestor", Value::Bool(requests)),
        ("network", network),
    ])
}

fn server(about: &About<'_>) -> Value {
    let policy = &about.record.policy;
    let own = match about.pattern.roles {
        Roles::ClientIsSource => coding(DICOM, "110152"),
        Roles::ServerIsSource => coding(DICOM, "110153"),
        Roles::Neither => coding(KEEPER, "custodian"),
    };
    object([
        ("type", object([("coding", Value::Array(vec![own]))])),
        ("who", identified(None, &policy.observer)),
        ("requestor", Value::Bool(false)),
        (
            "network",
            object([("address", text(&policy.base)), ("type", text("5"))]),
        ),
    ])
}

fn user(about: &About<'_>) -> Option<Value> {
    let record = about.record;
    let subject = record.subject.as_deref().filter(|_| has_user(record))?;
    let mut codings = vec![coding(PARTICIPATION, about.pattern.user)];
    if about.pattern.user != "IRCP" && names_token(about) {
        // The comprehensive pattern has it of every user.
        codings.push(coding(PARTICIPATION, "IRCP"));
    }
    let token = token_uri(record);
    if token.is_some() {
        codings.push(coding(USER_AGENTS, "UserOauthAgent"));
    }
    let mut who = identified(record.issuer.as_deref(), subject);
    let user = record.user.as_deref();
    let reference = user.filter(|own| record.policy.references.is_plain(own));
    if let (Some(reference), Some(who)) = (reference, who.as_object_mut()) {
        who.insert("reference".to_owned(), text(reference));
    }
    let mut agent = Map::new();
    let mut add = |key: &str, value: Value| {
        agent.insert(key.to_owned(), value);
    };
    add("type", object([("coding", Value::Array(codings))]));
    if !record.roles.is_empty() {
        add(
            "role",
            record.roles.iter().map(|word| concept(word)).collect(),
        );
    }
    add("who", who);
    add("requestor", Value::Bool(true));
    if let Some((token, _)) = token {
        add("policy", Value::Array(vec![text(&token)]));
    }
    if !record.purposes.is_empty() {
        let purposes = record.purposes.iter().map(|word| concept(word));
        add("purposeOfUse", purposes.collect());
    }
    Some(Value::Object(agent))
}

/// What BALP requires and is not told.
fn absent(reason: &str) -> Value {
    let extension = object([("url", text(ABSENT)), ("valueCode", text(reason))]);
    object([("extension", Value::Array(vec![extension]))])
}

/// As a part of a URN (RFC 8141 section 2).
fn escaped(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=/".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
