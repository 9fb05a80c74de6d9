//! Who took part: client, server, and the user by the token.

use super::pattern::Roles;
use super::{About, DICOM, Line, codings, concepts};
use crate::audit::{Record, Telling, Told};

const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const USER_AGENTS: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes";
const KEEPER: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// The prefix of a token's id (BALP, OAuth patterns: SHALL).
const TOKEN: &str = "urn:ietf:params:oauth:jti:";
/// And of the hash of one, which is none of theirs.
const TOKEN_HASH: &str = "urn:fhir-guard:jti-hash:";

/// `agent`.
pub(super) fn write_agents(out: &mut Line, about: &About<'_>) {
    let user = user(about.record);
    out.key("agent");
    out.open('[');
    write_client(out, about, user.is_none());
    write_server(out, about);
    if let Some(subject) = user {
        write_user(out, about, subject);
    }
    out.close(']');
}

/// Whether the patterns of tokens are followed: the user's token is named as it is.
pub(super) fn names_token(about: &About<'_>) -> bool {
    let record = about.record;
    let plain = matches!(record.policy.token_id, Telling::Plain);
    plain && record.token_id.is_some() && user(record).is_some()
}

/// Identified by this value of this system.
pub(super) fn identified(out: &mut Line, system: Option<&str>, value: &str) {
    open_identified(out, system, value);
    out.close('}');
}

/// The same, and more members may follow.
pub(super) fn open_identified(out: &mut Line, system: Option<&str>, value: &str) {
    out.constant(r#"{"identifier":{"#);
    out.text("system", system);
    out.text("value", Some(value));
    out.close('}');
}

/// The user. A client that acts for itself names itself as the subject of its tokens (RFC 9068 section 2.2).
fn user(record: &Record) -> Option<&str> {
    let acts = record.subject != record.client || record.user.is_some();
    record.subject.as_deref().filter(|_| acts)
}

fn write_client(out: &mut Line, about: &About<'_>, requests: bool) {
    let record = about.record;
    let own = match about.pattern.roles {
        Roles::ClientIsSource => Some((DICOM, "110153")),
        Roles::ServerIsSource => Some((DICOM, "110152")),
        Roles::Neither => None,
    };
    // Where the comprehensive pattern is not claimed, nothing but what the interaction's own asks for.
    let bare = own.is_some() && !names_token(about);
    let application = (!bare).then_some((DICOM, "110150"));
    let address = record.address.as_deref();
    let told = address.and_then(|own| record.policy.address.address(own));
    out.comma();
    out.constant(r#"{"network":"#);
    match told {
        Some(address) => {
            out.open('{');
            out.text("address", Some(&address));
            out.constant(r#","type":"2"}"#);
        }
        // What BALP requires and is not told.
        None => {
            out.constant(concat!(
                r#"{"extension":[{"url":"#,
                r#""http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":""#
            ));
            out.constant(if address.is_some() {
                "masked"
            } else {
                "unknown"
            });
            out.constant(r#""}]}"#);
        }
    }
    write_requestor(out, requests);
    out.constant(r#","type":{"coding":"#);
    codings(out, own.into_iter().chain(application));
    out.close('}');
    out.key("who");
    match (record.client.as_deref(), record.certificate.as_deref()) {
        (Some(client), _) => identified(out, None, client),
        (None, Some(thumbprint)) => identified(out, Some("urn:fhir-guard:x5t-s256"), thumbprint),
        (None, None) => out.constant(r#"{"display":"unknown"}"#),
    }
    out.close('}');
}

fn write_server(out: &mut Line, about: &About<'_>) {
    let policy = &about.record.policy;
    let own = match about.pattern.roles {
        Roles::ClientIsSource => (DICOM, "110152"),
        Roles::ServerIsSource => (DICOM, "110153"),
        Roles::Neither => (KEEPER, "custodian"),
    };
    out.comma();
    out.constant(r#"{"network":{"#);
    out.text("address", Some(&policy.base));
    out.constant(r#","type":"5"}"#);
    write_requestor(out, false);
    out.constant(r#","type":{"coding":"#);
    codings(out, [own]);
    out.close('}');
    out.key("who");
    identified(out, None, &policy.observer);
    out.close('}');
}

fn write_user(out: &mut Line, about: &About<'_>, subject: &str) {
    let record = about.record;
    let token = record.told_token_id();
    // The comprehensive pattern has it of every user.
    let receives = about.pattern.user != "IRCP" && names_token(about);
    let codes = [
        Some((PARTICIPATION, about.pattern.user)),
        receives.then_some((PARTICIPATION, "IRCP")),
        token.is_some().then_some((USER_AGENTS, "UserOauthAgent")),
    ];
    out.comma();
    out.open('{');
    let uri = token.map(|token| match token {
        Told::Plain(id) => format!("{TOKEN}{}", escaped(id)),
        Told::Hash(hash) => format!("{TOKEN_HASH}{hash}"),
    });
    out.list("policy", uri.as_slice());
    concepts(out, "purposeOfUse", &record.purposes);
    write_requestor(out, true);
    concepts(out, "role", &record.roles);
    out.constant(r#","type":{"coding":"#);
    codings(out, codes.into_iter().flatten());
    out.close('}');
    out.key("who");
    open_identified(out, record.issuer.as_deref(), subject);
    let user = record.user.as_deref();
    out.text(
        "reference",
        user.filter(|own| record.policy.references.is_plain(own)),
    );
    out.constant("}}");
}

fn write_requestor(out: &mut Line, requests: bool) {
    out.key("requestor");
    out.constant(if requests { "true" } else { "false" });
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
