//! `issuers[].keys`: an issuer's public keys, written out or to be fetched.

use std::rc::Rc;
use std::time::Duration;

use super::fhir::cluster;
use super::mistakes::Mistakes;
use super::policy::URL;
use super::reader::{Node, Object, or};
use crate::identity::{Algorithm, KeySet, KeySource};
use crate::remote::Source;

/// What stands behind `keys`.
pub(super) const EXPECTED: &str =
    "{uri, cluster} where the keys are fetched, or inline: {keys: [...]}";

/// Bytes of a JWK set that is fetched.
const JWKS: usize = 256 << 10;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// How long a document is good, where nothing else is written.
pub(super) struct Times {
    /// Between two fetches.
    pub refresh: Duration,
    /// After which it is not used any more.
    pub max_age: Duration,
}

pub(super) fn read(node: &Node<'_>, allowed: &[Algorithm], m: &mut Mistakes) -> Option<KeySource> {
    let has = |key| node.value().get(key).is_some();
    if node.value().is_object() && !has("inline") && !has("uri") {
        return node.refuse(EXPECTED, "neither", m);
    }
    if !has("inline") {
        let times = Times {
            refresh: 300 * SECOND,
            max_age: 3600 * SECOND,
        };
        let mut object = node.object(EXPECTED, m)?;
        let source = source(&mut object, &times, JWKS, m);
        object.finish(m);
        return source.map(KeySource::Fetched);
    }
    let mut object = node.object(EXPECTED, m)?;
    let inline = object.required("inline", "a JWK set, {keys: [...]}", m);
    object.finish(m);
    let inline = inline?;
    match KeySet::read(inline.value(), allowed) {
        Ok(keys) => Some(KeySource::Inline(Rc::new(keys))),
        Err(found) => {
            for mistake in found {
                m.add(
                    &format!("{}{}", inline.pointer(), mistake.pointer),
                    mistake.message,
                );
            }
            None
        }
    }
}

/// `uri`, as authority and path.
pub(super) fn place(
    object: &mut Object<'_>,
    expected: &str,
    m: &mut Mistakes,
) -> Option<(String, String)> {
    let node = object.required("uri", expected, m)?;
    let text = node.text(expected, 1..=URL, m)?;
    match Source::locate(text) {
        Some(place) => Some(place),
        None => node.refuse(
            "a URL that begins with https:// or http://, without user name and fragment",
            "other text",
            m,
        ),
    }
}

/// Where a document of at most `limit` bytes is fetched, and how often.
pub(super) fn source(
    object: &mut Object<'_>,
    times: &Times,
    limit: usize,
    m: &mut Mistakes,
) -> Option<Source> {
    let place = place(object, "the URL of the document", m);
    let cluster = cluster(object, m);
    let mut time = |key, default, range| {
        or(object.optional(key), default, |node| {
            node.duration(range, m)
        })
    };
    let refresh = time("refresh", times.refresh, 10 * SECOND..=DAY);
    let max_age = time("max_age", times.max_age, 10 * SECOND..=30 * DAY);
    let cooldown = time("cooldown", 10 * SECOND, SECOND..=3600 * SECOND);
    let timeout = time("timeout", 2 * SECOND, SECOND / 10..=30 * SECOND);
    let (authority, path) = place?;
    let (refresh, max_age, timeout) = (refresh?, max_age?, timeout?);
    if max_age < 2 * refresh {
        m.add(
            &object.pointer_of("max_age"),
            "expected at least twice `refresh`, so that one fetch may fail, found less",
        );
        return None;
    }
    if 2 * timeout + SECOND > max_age - refresh {
        m.add(
            &object.pointer_of("timeout"),
            "expected a time that passes twice, and a second, between `refresh` and `max_age`, so that \
             one fetch may fail, found more",
        );
        return None;
    }
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Some(Source {
        cluster: cluster?,
        authority,
        path,
        refresh: nanoseconds(refresh),
        max_age: nanoseconds(max_age),
        cooldown: nanoseconds(cooldown?),
        timeout: nanoseconds(timeout),
        limit,
    })
}
