//! What the server counts by: one descriptor for each charge.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::charging::Charge;
use super::super::key::{Caller, KeyPart, Limit};
use super::super::priority::Standing;
use crate::identity::MacKey;

/// The most bytes of a value that goes as it is; a longer one goes as a hash.
pub(super) const LONGEST: usize = 256;

/// What keeps these hashes from being taken for others under the same key.
const PURPOSE: &str = "fhir-guard limits\n";

/// Entries in the order in which a server's rules are nested: `limit`, `issuer` where the key has it or a name that
/// an issuer gives, the other parts in the order of the key, and `priority` for those who go first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::limit) struct Descriptor {
    pub entries: Vec<(&'static str, String)>,
    /// How much is charged, at least 1.
    pub hits: u32,
}

impl Descriptor {
    /// What is asked of this charge; nothing where the limit is not global, the charge is of nothing, or its caller
    /// is never refused: an emergency waits for nobody.
    pub fn of(charge: &Charge<'_>, key: Option<&MacKey>) -> Option<Descriptor> {
        let limit = charge.limit;
        let standing = Standing::new(limit.priority.as_ref(), charge.priority);
        if !limit.global || charge.count == 0 || standing == Standing::Free {
            return None;
        }
        let caller = &charge.caller;
        let mut entries = vec![("limit", limit.name.clone())];
        let issued = |part: &KeyPart| matches!(part, KeyPart::Client | KeyPart::Issuer);
        if limit.key.iter().any(issued) {
            entries.push(("issuer", plain(caller.issuer)));
        }
        let rest = limit.key.iter().filter(|part| **part != KeyPart::Issuer);
        entries.extend(rest.map(|part| (part.name(), value(limit, caller, *part, key))));
        if matches!(standing, Standing::First(_)) {
            entries.push(("priority", "reserve".to_owned()));
        }
        Some(Descriptor {
            entries,
            hits: charge.count,
        })
    }

    /// The name of the limit.
    pub fn limit(&self) -> &str {
        self.entries.first().map_or("", |(_, name)| name)
    }
}

/// The value of this part; empty where the caller has none.
fn value(limit: &Limit, caller: &Caller<'_>, part: KeyPart, key: Option<&MacKey>) -> String {
    if !part.is_personal() {
        return plain(caller.part(part));
    }
    let own = match part {
        KeyPart::Address => caller
            .address
            .map(|address| limit.address.network(address).to_vec()),
        KeyPart::Token => caller.token.map(<[u8]>::to_vec),
        _ => caller.part(part).map(|text| text.as_bytes().to_vec()),
    };
    let Some(own) = own else {
        return String::new();
    };
    let issuer = match part.is_named_by_issuer() {
        true => caller.issuer.unwrap_or_default(),
        false => "",
    };
    let mut text = Vec::with_capacity(own.len().saturating_add(issuer.len()).saturating_add(32));
    for piece in [part.name().as_bytes(), issuer.as_bytes(), &own] {
        text.extend((piece.len() as u64).to_be_bytes());
        text.extend(piece);
    }
    match key {
        Some(key) => URL_SAFE_NO_PAD.encode(key.tag(PURPOSE, &text)),
        // The configuration is refused without one.
        None => String::new(),
    }
}

/// A value as it is.
fn plain(text: Option<&str>) -> String {
    match text {
        Some(long) if long.len() > LONGEST => format!("blake3-{}", blake3::hash(long.as_bytes())),
        text => text.unwrap_or_default().to_owned(),
    }
}
