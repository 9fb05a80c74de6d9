//! `issuers`: whose tokens are taken, and how they are judged.

use std::rc::Rc;
use std::time::Duration;

use super::mistakes::Mistakes;
use super::policy::{URL, name};
use super::reader::{Node, each, or};
use crate::identity::{Algorithm, ClaimPointers, IssuerPolicy, KeySet, Pointer, Proof};

/// Issuers of one configuration.
const ISSUERS: usize = 64;

/// Audiences of one issuer.
const AUDIENCES: usize = 64;

/// Media types of one issuer's tokens.
const TYPES: usize = 8;

/// Places at which one claim may be.
const PLACES: usize = 8;

/// The most that an issuer's clock may be off.
const SKEW: Duration = Duration::from_secs(300);

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<IssuerPolicy>> {
    let items = node.list("issuers", 1..=ISSUERS, m)?;
    let issuers = each(&items, |item| issuer(item, m));
    // Tokens of an issuer are judged by the first with its name: a second would never be asked.
    let names = items.iter().map(|item| item.value().get("issuer"));
    for (index, name) in names.enumerate() {
        let same = |other: &Node<'_>| name.is_some() && other.value().get("issuer") == name;
        if let Some(first) = items.iter().take(index).find(|other| same(other)) {
            let place = format!("{}/{index}/issuer", node.pointer());
            m.add(
                &place,
                format!(
                    "expected an issuer of its own, found that of {}",
                    first.pointer()
                ),
            );
        }
    }
    issuers
}

fn issuer(node: &Node<'_>, m: &mut Mistakes) -> Option<IssuerPolicy> {
    let mut object = node.object(
        "an issuer, an object with issuer, audiences, algorithms and keys",
        m,
    )?;
    let expected = "the URL that tokens name in iss";
    let issuer = object.required("issuer", expected, m);
    let issuer = issuer.and_then(|node| issuer_url(&node, expected, m));
    let tenant = or(object.optional("tenant"), None, |node| {
        name(node, m).map(Some)
    });
    let audiences = object.required(
        "audiences",
        "a list of the values of aud that mean this API",
        m,
    );
    let audiences = audiences.and_then(|node| {
        let items = node.list("audiences", 1..=AUDIENCES, m)?;
        each(&items, |item| {
            item.text("an audience", 1..=URL, m).map(str::to_owned)
        })
    });
    let algorithms = object.required(
        "algorithms",
        "a list of signature algorithms such as ES256",
        m,
    );
    let algorithms =
        algorithms.and_then(|node| distinct(&node, "algorithms", &algorithm_words(), m));
    let keys = object.required("keys", "inline: {keys: [...]}, the issuer's public keys", m);
    // Keys are checked even where the algorithms are wrong: every mistake at once.
    let allowed = algorithms.as_deref().unwrap_or(&Algorithm::ALL);
    let keys = keys.and_then(|node| key_set(&node, allowed, m));
    let types = or(
        object.optional("types"),
        vec!["at+jwt".to_owned()],
        |node| {
            let items = node.list("media types", 1..=TYPES, m)?;
            each(&items, |item| media_type(item, m))
        },
    );
    let proof = or(object.optional("proof"), Proof::Certificate, |node| {
        proof(node, m)
    });
    let clock_skew = or(object.optional("clock_skew"), 30, |node| {
        let skew = node.duration(Duration::ZERO..=SKEW, m)?;
        node.check(skew.subsec_nanos() == 0, "a duration of whole seconds", m)?;
        Some(skew.as_secs())
    });
    let claims = or(
        object.optional("claims"),
        ClaimPointers::default(),
        |node| claims(node, m),
    );
    object.finish(m);
    Some(IssuerPolicy {
        issuer: issuer?,
        tenant: tenant?,
        audiences: audiences?,
        algorithms: algorithms?,
        keys: Rc::new(keys?),
        types: types?,
        proof: proof?,
        clock_skew: clock_skew?,
        claims: claims?,
    })
}

/// A URL without query and fragment (RFC 8414 section 2). Compared exactly with `iss`, so nothing
/// in it is changed.
fn issuer_url(node: &Node<'_>, expected: &str, m: &mut Mistakes) -> Option<String> {
    let text = node.text(expected, 1..=URL, m)?;
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let holds = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
    node.check(
        holds,
        "a URL that begins with https:// or http://, without query and fragment",
        m,
    )?;
    Some(text.to_owned())
}

fn key_set(node: &Node<'_>, allowed: &[Algorithm], m: &mut Mistakes) -> Option<KeySet> {
    let expected = "inline: {keys: [...]}, the issuer's public keys";
    let mut object = node.object(expected, m)?;
    let mut remote = false;
    for key in ["uri", "cluster", "refresh"] {
        remote |= object.unavailable(key, "inline: {keys: [...]}", m);
    }
    // Whoever wrote a URI did not forget `inline`.
    let inline = if remote {
        object.optional("inline")
    } else {
        object.required("inline", "a JWK set, {keys: [...]}", m)
    };
    object.finish(m);
    let inline = inline?;
    match KeySet::read(inline.value(), allowed) {
        Ok(keys) => Some(keys).filter(|_| !remote),
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

/// RFC 9068 section 2.1, as it is compared: `at+jwt`.
fn media_type(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let text = node.text("a media type such as at+jwt", 1..=64, m)?;
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    node.check(
        text.bytes().all(letter),
        "a media type such as at+jwt, in lower case and without application/",
        m,
    )?;
    Some(text.to_owned())
}

/// The proofs that are taken. `none` stands alone: beside another it would not be a choice of the
/// operator but of whoever stole the token.
fn proof(node: &Node<'_>, m: &mut Mistakes) -> Option<Proof> {
    let words = [("certificate", Proof::Certificate), ("none", Proof::None)];
    let items = node.list("proofs", 1..=3, m)?;
    let proofs = each(&items, |item| match item.value().as_str() {
        Some("dpop") => item.unavailable("dpop", "\"certificate\" or \"none\"", m),
        _ => item.keyword(&words, m),
    })?;
    match proofs.as_slice() {
        [proof] => Some(*proof),
        _ => node.refuse("one proof", "more than one", m),
    }
}

fn claims(node: &Node<'_>, m: &mut Mistakes) -> Option<ClaimPointers> {
    let mut object = node.object("an object with the places of claims", m)?;
    let default = ClaimPointers::default();
    let mut places = |key, default| {
        or(object.optional(key), default, |node| {
            let items = node.list("JSON pointers", 1..=PLACES, m)?;
            each(&items, |item| pointer(item, m))
        })
    };
    let client = places("client", default.client);
    let patient = places("patient", default.patient);
    let scope = places("scope", default.scope);
    let token_id = places("token_id", default.token_id);
    let user = places("user", default.user);
    object.finish(m);
    Some(ClaimPointers {
        client: client?,
        patient: patient?,
        scope: scope?,
        token_id: token_id?,
        user: user?,
    })
}

/// A JSON pointer (RFC 6901 section 3: `~` begins `~0` or `~1`).
fn pointer(node: &Node<'_>, m: &mut Mistakes) -> Option<Pointer> {
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

fn algorithm_words() -> [(&'static str, Algorithm); 10] {
    Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm))
}

/// A list of keywords, each at most once.
pub(super) fn distinct<T: Copy + PartialEq>(
    node: &Node<'_>,
    expected: &str,
    words: &[(&str, T)],
    m: &mut Mistakes,
) -> Option<Vec<T>> {
    let items = node.list(expected, 1..=words.len(), m)?;
    let mut known: Vec<T> = Vec::new();
    each(&items, |item| {
        let word = item.keyword(words, m)?;
        if known.contains(&word) {
            return item.refuse("each word once", "one for the second time", m);
        }
        known.push(word);
        Some(word)
    })
}
