//! Where below the base a request goes.

use super::FhirPolicy;
use super::head::{Method, RequestHead};
use super::query;
use crate::denial::Denial;
use crate::fhir::{ResourceType, is_id};

/// Where below the base a request goes, and with which parameters; refuses it where that is not clear, and
/// conditions.
pub(super) fn located<'h>(
    head: &'h RequestHead,
    policy: &FhirPolicy,
) -> Result<(&'h str, Vec<query::Pair>), Denial> {
    let (path, query) = match head.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (head.path.as_str(), None),
    };
    let relative = below_base(path, policy)?;
    let parameters = query::decode(query.unwrap_or_default())?;
    // What is created has no version before.
    let creates = head.method == Method::Post && head.if_match.is_some();
    if head.conditional || creates {
        return Err(Denial::NotSupported("condition"));
    }
    Ok((relative, parameters))
}

/// The path below the base, without the slash.
pub(super) fn below_base<'h>(path: &'h str, policy: &FhirPolicy) -> Result<&'h str, Denial> {
    // A base without a path has an empty one itself.
    let root = path == "/" && policy.base.path().is_empty();
    let path = if root { "" } else { plain_path(path)? };
    below(path, policy.base.path())
}

/// A path whose reading depends on who reads it is refused, not repaired: `%`, `\`, `;`, empty and
/// dot segments mean one thing to a proxy and another to a server (CVE-2019-9901, CVE-2021-29492).
fn plain_path(path: &str) -> Result<&str, Denial> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'$')
    };
    // All types of a compartment.
    let named = path.strip_suffix("/*").unwrap_or(path);
    let holds = named.starts_with('/')
        && named.bytes().all(plain)
        && named
            .split('/')
            .skip(1)
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..");
    if holds {
        Ok(path)
    } else {
        Err(Denial::Request("path"))
    }
}

/// What follows the external base's path, without the slash.
fn below<'a>(path: &'a str, base: &str) -> Result<&'a str, Denial> {
    let rest = path.strip_prefix(base).ok_or(Denial::Path)?;
    match rest {
        "" => Ok(rest),
        _ => rest.strip_prefix('/').ok_or(Denial::Path),
    }
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
