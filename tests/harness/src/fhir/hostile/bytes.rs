//! Misbehaviour in the bytes of the body.

use super::Misbehaviour;
use super::select::{Foreign, gzip};
use crate::fhir::json::{Style, write};
use crate::fhir::message::{Content, Reply};

/// The body changed; misbehaviours about something else leave it.
pub fn apply(
    kind: Misbehaviour,
    reply: &mut Reply,
    mut body: Vec<u8>,
    foreign: &Foreign,
) -> Vec<u8> {
    match kind {
        Misbehaviour::TruncatedJson => body.truncate(body.len() / 2),
        Misbehaviour::BadUtf8 => {
            // Inside the first string value, so that only the bytes are wrong and not the grammar.
            let at = body
                .windows(3)
                .position(|window| window[..2] == *b":\"" && window[2] != b'"')
                .map_or(0, |at| at + 3);
            body.insert(at.min(body.len()), 0xff);
        }
        Misbehaviour::Bom => {
            body.splice(..0, *b"\xef\xbb\xbf");
        }
        Misbehaviour::TwoRoots => body.extend(write(&foreign.patient, &Style::default())),
        Misbehaviour::TrailingGarbage => {
            body.extend(format!("\n-- {} --", foreign.name).into_bytes())
        }
        Misbehaviour::Ndjson => {
            body = lines(&reply.content, foreign);
            reply.set("content-type", "application/fhir+ndjson");
        }
        Misbehaviour::GzipUnasked => {
            body = gzip(&body);
            reply.set("content-encoding", "gzip");
        }
        _ => {}
    }
    body
}

fn lines(content: &Content, foreign: &Foreign) -> Vec<u8> {
    let mut resources = Vec::new();
    if let Content::Resource(value) = content {
        match value["entry"].as_array() {
            Some(entries) => resources.extend(entries.iter().map(|entry| &entry["resource"])),
            None => resources.push(value),
        }
    }
    resources.push(&foreign.resource);
    let mut out = Vec::new();
    for resource in resources {
        out.extend(write(resource, &Style::default()));
        out.push(b'\n');
    }
    out
}
