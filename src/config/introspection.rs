//! `issuers[].introspection`: where an issuer is asked about its tokens.

use std::time::Duration;

use super::fhir::cluster;
use super::issuers::distinct;
use super::keys::place;
use super::mistakes::Mistakes;
use super::reader::{Node, or};
use super::secrets::{Outside, secret};
use crate::identity::Introspection;

/// Which tokens are asked about.
#[derive(Clone, Copy, PartialEq)]
enum Tokens {
    Opaque,
    Jwt,
}

pub(super) fn read(
    node: &Node<'_>,
    outside: &mut Outside<'_>,
    m: &mut Mistakes,
) -> Option<Introspection> {
    let mut object = node.object("an object with uri and cluster", m)?;
    let place = place(&mut object, "the URL that is asked (RFC 7662)", m);
    let cluster = cluster(&mut object, m);
    let authorization = or(object.optional("client"), None, |node| {
        client(node, outside, m).map(Some)
    });
    let tokens = or(object.optional("tokens"), vec![Tokens::Opaque], |node| {
        let words = [("opaque", Tokens::Opaque), ("jwt", Tokens::Jwt)];
        distinct(node, "kinds of tokens", &words, m)
    });
    let audience = or(object.optional("audience"), true, |node| {
        node.keyword(&[("required", true), ("server", false)], m)
    });
    let mut time = |key, default: u64, most: u64| {
        let (default, most) = (Duration::from_secs(default), Duration::from_secs(most));
        let time = or(object.optional(key), default, |node| {
            node.duration(Duration::from_millis(100)..=most, m)
        })?;
        u64::try_from(time.as_nanos()).ok()
    };
    let timeout = time("timeout", 2, 30);
    let cache = time("cache", 30, 300);
    let negative_cache = time("negative_cache", 5, 60);
    object.finish(m);
    let (authority, path) = place?;
    let tokens = tokens?;
    Some(Introspection {
        cluster: cluster?,
        authority,
        path,
        timeout: timeout?,
        authorization: authorization?,
        opaque: tokens.contains(&Tokens::Opaque),
        jwt: tokens.contains(&Tokens::Jwt),
        audience: audience?,
        cache: cache?,
        negative_cache: negative_cache?,
    })
}

/// Who asks: `Authorization` of a client with a secret.
fn client(node: &Node<'_>, outside: &mut Outside<'_>, m: &mut Mistakes) -> Option<String> {
    let mut object = node.object("an object with id and secret", m)?;
    let expected = "the id of the client that may ask";
    let id = object.required("id", expected, m);
    let id = id.and_then(|node| node.text(expected, 1..=256, m));
    let expected = "{env: NAME}, the name of an environment variable of this VM";
    let secret = object
        .required("secret", expected, m)
        .and_then(|node| secret(&node, outside, m));
    object.finish(m);
    let (id, (_, secret)) = (id?, secret?);
    Some(Introspection::basic(id, &secret))
}
