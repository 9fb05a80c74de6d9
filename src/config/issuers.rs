//! `issuers`: whose tokens are taken, and how they are judged.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::claims;
use super::introspection;
use super::keys;
use super::mistakes::Mistakes;
use super::policy::{URL, name};
use super::reader::{Node, each, or};
use super::secrets::Outside;
use crate::identity::{Algorithm, ClaimPointers, IssuerPolicy, KeySource, Proof};

/// Issuers of one configuration.
const ISSUERS: usize = 64;

/// Audiences of one issuer.
const AUDIENCES: usize = 64;

/// Clients of one issuer, where they are named.
const CLIENTS: usize = 1024;

/// Media types of one issuer's tokens.
const TYPES: usize = 8;

/// The most that an issuer's clock may be off.
const SKEW: Duration = Duration::from_secs(300);

pub(super) fn read(
    node: &Node<'_>,
    outside: &mut Outside<'_>,
    m: &mut Mistakes,
) -> Option<Vec<IssuerPolicy>> {
    let items = node.list("issuers", 1..=ISSUERS, m)?;
    let issuers = each(&items, |item| issuer(item, outside, m));
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
    // An opaque token does not say whose it is.
    let asked = |item: &&Node<'_>| {
        let tokens = item.value().pointer("/introspection/tokens");
        let opaque = |tokens: &Value| {
            tokens
                .as_array()
                .is_none_or(|words| words.iter().any(|word| word == "opaque"))
        };
        item.value().get("introspection").is_some() && tokens.is_none_or(opaque)
    };
    let mut asked = items.iter().filter(asked);
    if let (Some(first), Some(second)) = (asked.next(), asked.next()) {
        let place = format!("{}/introspection/tokens", second.pointer());
        m.add(
            &place,
            format!(
                "expected [jwt], because {} is asked about opaque tokens, found opaque",
                first.pointer()
            ),
        );
    }
    issuers
}

fn issuer(node: &Node<'_>, outside: &mut Outside<'_>, m: &mut Mistakes) -> Option<IssuerPolicy> {
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
    let clients = or(object.optional("clients"), None, |node| {
        clients(node, m).map(Some)
    });
    let introspection = or(object.optional("introspection"), None, |node| {
        introspection::read(node, outside, m).map(Some)
    });
    // Where only the server knows what a token means, there need be nothing to verify one with.
    let asked = matches!(&introspection, Some(Some(introspection)) if !introspection.jwt);
    let needed = !asked
        || ["algorithms", "keys"]
            .iter()
            .any(|key| node.value().get(key).is_some());
    let mut needed = |key, expected, m: &mut Mistakes| match needed {
        true => object.required(key, expected, m).map(Some),
        false => Some(None),
    };
    let expected = "a list of signature algorithms such as ES256";
    let algorithms = needed("algorithms", expected, m).and_then(|node| match node {
        Some(node) => distinct(&node, "algorithms", &algorithm_words(), m),
        None => Some(Vec::new()),
    });
    let keys = needed("keys", keys::EXPECTED, m);
    // Keys are checked even where the algorithms are wrong: every mistake at once.
    let allowed = algorithms.as_deref().unwrap_or(&Algorithm::ALL);
    let keys = keys.and_then(|node| match node {
        Some(node) => keys::read(&node, allowed, m),
        None => Some(KeySource::Inline(Rc::default())),
    });
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
        |node| claims::read(node, m),
    );
    object.finish(m);
    Some(IssuerPolicy {
        issuer: issuer?,
        tenant: tenant?,
        audiences: audiences?,
        clients: clients?,
        algorithms: algorithms?,
        keys: keys?,
        types: types?,
        proof: proof?,
        clock_skew: clock_skew?,
        claims: claims?,
        introspection: introspection?,
    })
}

/// The clients that are taken; an empty list would take none.
fn clients(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<String>> {
    let items = node.list("client ids", 1..=CLIENTS, m)?;
    each(&items, |item| {
        let text = item.text("a client id", 1..=256, m)?;
        let holds = !text.chars().any(char::is_control);
        item.check(holds, "a client id without control characters", m)?;
        Some(text.to_owned())
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
    let words = [
        ("certificate", Proof::Certificate),
        ("dpop", Proof::Dpop),
        ("none", Proof::None),
    ];
    let proofs = distinct(node, "proofs", &words, m)?;
    match proofs.as_slice() {
        [proof] => Some(*proof),
        proofs if proofs.contains(&Proof::None) => node.refuse(
            "\"none\" alone, or not at all",
            "it beside another proof",
            m,
        ),
        _ => Some(Proof::Either),
    }
}

pub(super) fn algorithm_words() -> [(&'static str, Algorithm); 10] {
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
