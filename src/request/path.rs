//! The path of a request, segment by segment.

use crate::denial::Denial;
use crate::fhir::{ResourceType, is_id};

/// A path whose reading depends on who reads it is refused, not repaired: `%`, `\`, `;`, empty and
/// dot segments mean one thing to a proxy and another to a server (CVE-2019-9901, CVE-2021-29492).
pub(super) fn plain_path(path: &str) -> Result<(), Denial> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'$')
    };
    let holds = path.starts_with('/')
        && path.bytes().all(plain)
        && path
            .split('/')
            .skip(1)
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..");
    if holds {
        Ok(())
    } else {
        Err(Denial::Request("path"))
    }
}

/// What follows the external base's path, without the slash.
pub(super) fn below<'a>(path: &'a str, base: &str) -> Result<&'a str, Denial> {
    path.strip_prefix(base)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or(Denial::Path)
}

pub(super) fn known(name: &str) -> Result<ResourceType, Denial> {
    ResourceType::parse(name).ok_or(Denial::Path)
}

pub(super) fn logical_id(text: &str) -> Result<String, Denial> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err(Denial::Path)
    }
}

pub(super) fn only(allowed: bool, allow: &'static str) -> Result<(), Denial> {
    if allowed {
        Ok(())
    } else {
        Err(Denial::Method(allow))
    }
}
