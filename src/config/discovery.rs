//! `discovery`: what clients are told about this protected resource (RFC 9728).

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::mistakes::Mistakes;
use super::policy::URL;
use super::reader::{Node, each, or};
use crate::identity::{DpopPolicy, IssuerPolicy, Proof};
use crate::request::BaseUrl;

/// The metadata of the protected resource, as it is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Discovery {
    /// Where it is, as clients see it: for challenges (RFC 9728 section 5.1).
    pub url: Rc<str>,
    /// The paths at which it is answered.
    pub paths: Vec<String>,
    /// A JSON object.
    pub document: Rc<[u8]>,
}

/// What an operator decided about it.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    enabled: bool,
    servers: Option<Vec<String>>,
    scopes: Vec<String>,
}

/// RFC 9728 section 3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Scopes that are named; all that a client needs to know, not all that there are.
const SCOPES: usize = 256;

impl Default for Wish {
    fn default() -> Self {
        Wish {
            enabled: true,
            servers: None,
            scopes: Vec::new(),
        }
    }
}

/// Reads the section; `issuers` are those whose tokens are taken, where that is known.
pub(super) fn read(
    node: &Node<'_>,
    issuers: Option<&[IssuerPolicy]>,
    m: &mut Mistakes,
) -> Option<Wish> {
    let mut object = node.object("an object", m)?;
    let enabled = or(object.optional("enabled"), true, |node| node.bool(m));
    let servers = or(object.optional("authorization_servers"), None, |node| {
        let items = node.list("issuers", 1..=64, m)?;
        each(&items, |item| server(item, issuers, m)).map(Some)
    });
    let scopes = or(object.optional("scopes"), Vec::new(), |node| {
        let items = node.list("scopes", 1..=SCOPES, m)?;
        each(&items, |item| scope(item, m))
    });
    object.finish(m);
    Some(Wish {
        enabled: enabled?,
        servers: servers?,
        scopes: scopes?,
    })
}

/// The metadata of a resource with this base; `None` where the operator wants none.
pub(super) fn metadata(
    wish: Wish,
    base: &BaseUrl,
    issuers: &[IssuerPolicy],
    dpop: &DpopPolicy,
) -> Option<Discovery> {
    if !wish.enabled {
        return None;
    }
    let all = || issuers.iter().map(|issuer| issuer.issuer.clone()).collect();
    let servers: Vec<String> = wish.servers.unwrap_or_else(all);
    let mut document = Map::new();
    let mut add = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    add("resource", json!(base.as_str()));
    add("authorization_servers", json!(servers));
    if !wish.scopes.is_empty() {
        add("scopes_supported", json!(wish.scopes));
    }
    add("bearer_methods_supported", json!(["header"]));
    let proofs = || issuers.iter().map(|issuer| issuer.proof);
    let certificates = proofs().any(Proof::accepts_certificate);
    add(
        "tls_client_certificate_bound_access_tokens",
        json!(certificates),
    );
    if proofs().any(Proof::accepts_dpop) {
        let algorithms = dpop.algorithms.iter().map(|algorithm| algorithm.name());
        let algorithms: Vec<&str> = algorithms.collect();
        add("dpop_signing_alg_values_supported", json!(algorithms));
        // Whoever may come without DPoP, with a certificate or with nothing, is told so.
        let all = proofs().all(|proof| proof == Proof::Dpop);
        add("dpop_bound_access_tokens_required", json!(all));
    }
    let (scheme, authority, path) = (base.scheme(), base.authority(), base.path());
    // The well-known part stands between host and path (section 3.1). Below the base is where
    // SMART has its own, so it is answered there as well.
    let mut paths = vec![format!("{WELL_KNOWN}{path}")];
    if !path.is_empty() {
        paths.push(format!("{path}{WELL_KNOWN}"));
    }
    Some(Discovery {
        url: format!("{scheme}://{authority}{WELL_KNOWN}{path}").into(),
        paths,
        document: Value::Object(document).to_string().into_bytes().into(),
    })
}

/// An issuer whose tokens are taken: a client that went to another would come back in vain.
fn server(node: &Node<'_>, issuers: Option<&[IssuerPolicy]>, m: &mut Mistakes) -> Option<String> {
    let text = node.text("the URL of an issuer", 1..=URL, m)?;
    let known = issuers.is_none_or(|issuers| issuers.iter().any(|known| known.issuer == text));
    node.check(known, "the URL of one of the issuers", m)?;
    Some(text.to_owned())
}

/// RFC 6749 section 3.3.
fn scope(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let text = node.text("a scope such as patient/*.rs", 1..=256, m)?;
    let token = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    node.check(text.bytes().all(token), "a scope such as patient/*.rs", m)?;
    Some(text.to_owned())
}
