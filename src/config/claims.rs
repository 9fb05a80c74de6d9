//! `issuers[].claims`: where the claims of a token are.

use super::fhir::base_url;
use super::mistakes::Mistakes;
use super::reader::{Node, each, or};
use crate::identity::{ClaimPointers, MalformedScopes, Pointer, ScopePrefix, ScopeSeparator};

/// Places at which one claim may be.
const PLACES: usize = 8;

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<ClaimPointers> {
    let mut object = node.object("an object with the places of claims", m)?;
    let default = ClaimPointers::default();
    let mut places = |key, default| {
        or(object.optional(key), default, |node| {
            let items = node.list("JSON pointers", 1..=PLACES, m)?;
            each(&items, |item| pointer(item, m))
        })
    };
    let client = places("client", default.client);
    let encounter = places("encounter", default.encounter);
    let patient = places("patient", default.patient);
    let purpose = places("purpose", default.purpose);
    let roles = places("roles", default.roles);
    let scope = places("scope", default.scope);
    let token_id = places("token_id", default.token_id);
    let user = places("user", default.user);
    let separators = [
        ("/", ScopeSeparator::Slash),
        (".", ScopeSeparator::Dot),
        ("$", ScopeSeparator::Dollar),
        ("%2f", ScopeSeparator::Encoded),
    ];
    let scope_separator = object.optional("scope_separator");
    let scope_separator = or(scope_separator, default.scope_separator, |node| {
        node.keyword(&separators, m)
    });
    let scope_prefixes = object.optional("scope_prefixes");
    let scope_prefixes = or(scope_prefixes, default.scope_prefixes, |node| {
        let items = node.list("prefixes of scopes", 1..=PLACES, m)?;
        each(&items, |item| prefix(item, m))
    });
    let malformed = [
        ("ignore", MalformedScopes::Ignore),
        ("refuse", MalformedScopes::Refuse),
    ];
    let malformed_scopes = object.optional("malformed_scopes");
    let malformed_scopes = or(malformed_scopes, default.malformed_scopes, |node| {
        node.keyword(&malformed, m)
    });
    let bases = or(object.optional("bases"), default.bases, |node| {
        let items = node.list("base URLs", 1..=PLACES, m)?;
        each(&items, |item| base_url(item, m))
    });
    object.finish(m);
    Some(ClaimPointers {
        client: client?,
        encounter: encounter?,
        patient: patient?,
        purpose: purpose?,
        roles: roles?,
        scope: scope?,
        token_id: token_id?,
        user: user?,
        scope_separator: scope_separator?,
        scope_prefixes: scope_prefixes?,
        malformed_scopes: malformed_scopes?,
        bases: bases?,
        kept: false,
    })
}

/// What stands before a scope that is written as a URI.
fn prefix(node: &Node<'_>, m: &mut Mistakes) -> Option<ScopePrefix> {
    let expected = "what stands before a scope, a URL with a slash at its end";
    let text = node.text(expected, 1..=256, m)?;
    match ScopePrefix::parse(text) {
        Some(prefix) => Some(prefix),
        None => node.refuse(expected, "other text", m),
    }
}

/// A JSON pointer (RFC 6901 section 3: `~` begins `~0` or `~1`).
pub(super) fn pointer(node: &Node<'_>, m: &mut Mistakes) -> Option<Pointer> {
    let text = node.text("a JSON pointer such as /client_id", 1..=256, m)?;
    let escaped = text
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']));
    match Pointer::parse(text).filter(|_| escaped) {
        Some(pointer) => Some(pointer),
        None => node.refuse("a JSON pointer such as /client_id", "other text", m),
    }
}
