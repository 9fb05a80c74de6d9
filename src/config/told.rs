//! `fhir.upstream.identity`: what the upstream is told about the caller, and in which fields.

use super::mistakes::Mistakes;
use super::reader::Node;
use crate::identity::{Fact, Told};

/// Bytes of the name of a header field.
const HEADER: usize = 64;

/// Fields that are written by us or by Envoy, that go on as the client sent them, that mean something
/// to a proxy or a server whoever set them (RFC 9110 sections 7.6.1 and 11), or that choose another
/// method or path.
const TAKEN: [&str; 41] = [
    "accept",
    "age",
    "alt-svc",
    "authentication",
    "authorization",
    "cache-control",
    "cdn-loop",
    "connection",
    "cookie",
    "date",
    "dpop",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "prefer",
    "priority",
    "range",
    "referer",
    "server",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "www-authenticate",
    "x-client-trace-id",
    "x-method-override",
    "x-ot-span-context",
    "x-provenance",
    "x-request-id",
];

/// Families of such fields.
const TAKEN_BEGINNINGS: [&str; 14] = [
    "accept-",
    "access-control-",
    "alt-",
    "content-",
    "grpc-",
    "if-",
    "proxy-",
    "sec-",
    "x-b3-",
    "x-envoy-",
    "x-forwarded-",
    "x-http-method",
    "x-original-",
    "x-rewrite-",
];

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<Told> {
    let mut object = node.object("an object with the names of header fields", m)?;
    let mut fields: Vec<(Fact, String)> = Vec::new();
    let mut whole = true;
    for fact in Fact::ALL {
        let Some(field) = object.optional(fact.name()) else {
            continue;
        };
        match header(&field, &fields, m) {
            Some(name) => fields.push((fact, name)),
            None => whole = false,
        }
    }
    object.finish(m);
    whole.then_some(Told { fields })
}

/// A name that nobody else writes; each once. Not repeated in a mistake, though harmless: other
/// mistakes do not either.
fn header(node: &Node<'_>, others: &[(Fact, String)], m: &mut Mistakes) -> Option<String> {
    let name = node.text("the name of a header field", 1..=HEADER, m)?;
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    let expected = "a name of the characters a-z 0-9 -, in lower case and a letter first";
    node.check(first && name.bytes().all(letter), expected, m)?;
    let taken = TAKEN.contains(&name)
        || TAKEN_BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning));
    if taken {
        let expected = "a name such as x-auth-subject, which nobody else writes";
        return node.refuse(expected, "one that has a meaning already", m);
    }
    if others.iter().any(|(_, other)| other == name) {
        let expected = "a name of its own";
        return node.refuse(expected, "that of another field", m);
    }
    Some(name.to_owned())
}
