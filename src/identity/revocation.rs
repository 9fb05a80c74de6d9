//! Credentials that an operator took back: a list that is fetched like keys.
//!
//! The document is `{"revoked": [entry, ...]}`. An entry names at least one of the members below, and
//! means what all of its members mean together:
//!
//! | member | means |
//! | --- | --- |
//! | `issuer` | tokens of this `iss` |
//! | `jti` | the token of this id; needs `issuer` |
//! | `sub` | tokens of this subject; needs `issuer` |
//! | `client_id` | tokens of this client; needs `issuer` |
//! | `certificate` | callers with the certificate of this thumbprint: SHA-256, 64 hexadecimal digits |
//! | `issued_before` | tokens with an earlier `iat`, in seconds since 1970; needs `issuer` |
//! | `until` | only until then, in seconds since 1970 |
//!
//! A document with anything else in it is not taken at all: an entry that is not understood must not be
//! taken for none.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::json;

/// The most entries of a list.
pub const ENTRIES: usize = 10_000;

/// The most bytes of a list.
pub const SIZE: usize = 2 << 20;

/// Credentials that were taken back.
#[derive(Debug, Default)]
pub struct Revocations {
    kinds: Vec<Kind>,
}

/// The entries that have the same members.
#[derive(Debug)]
struct Kind {
    members: Members,
    /// By the name of what the members say.
    entries: HashMap<[u8; 32], Vec<Validity>>,
}

/// What a caller shows, as far as it can be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// The id of the token.
    pub token_id: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// The OAuth client.
    pub client: &'a str,
    /// The thumbprint of the certificate, in lower-case hexadecimal.
    pub certificate: Option<&'a str>,
    /// `iat`, in seconds since 1970.
    pub issued: u64,
}

/// The members that name somebody, as bits.
type Members = u8;

const NAMES: [&str; 5] = ["issuer", "jti", "sub", "client_id", "certificate"];

/// When an entry counts.
#[derive(Debug)]
struct Validity {
    issued_before: u64,
    until: u64,
}

impl Revocations {
    /// Reads a list.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        let list = json::object(text).ok_or("one well-formed JSON object")?;
        let entries = Some(&list)
            .filter(|members| members.len() == 1)
            .and_then(|members| members.get("revoked")?.as_array())
            .ok_or("an object with a list `revoked` and nothing else")?;
        if entries.len() > ENTRIES {
            return Err("a list `revoked` of at most 10000 entries");
        }
        let mut revocations = Revocations::default();
        for entry in entries {
            let entry = entry.as_object().and_then(read);
            let (members, name, validity) = entry.ok_or(
                "entries of issuer, jti, sub, client_id, certificate, issued_before and until, with an issuer where there is more than a certificate",
            )?;
            revocations.insert(members, name, validity);
        }
        Ok(revocations)
    }

    /// Whether an entry takes back what is shown at `now`, in seconds since 1970.
    pub fn revokes(&self, shown: &Shown<'_>, now: u64) -> bool {
        let values = [
            Some(shown.issuer),
            Some(shown.token_id),
            Some(shown.subject),
            Some(shown.client),
            shown.certificate,
        ];
        self.kinds.iter().any(|kind| {
            let name = name(values, kind.members);
            let found = name.and_then(|name| kind.entries.get(&name));
            let counts = |entry: &Validity| shown.issued < entry.issued_before && now < entry.until;
            found.is_some_and(|found| found.iter().any(counts))
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        let entries = self.kinds.iter().flat_map(|kind| kind.entries.values());
        entries.map(Vec::len).sum()
    }

    /// Whether nothing was taken back.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    fn insert(&mut self, members: Members, name: [u8; 32], validity: Validity) {
        if !self.kinds.iter().any(|kind| kind.members == members) {
            self.kinds.push(Kind {
                members,
                entries: HashMap::new(),
            });
        }
        let mut kinds = self.kinds.iter_mut();
        if let Some(kind) = kinds.find(|kind| kind.members == members) {
            kind.entries.entry(name).or_default().push(validity);
        }
    }
}

/// An entry: which members name somebody, whom, and when it counts.
fn read(entry: &Map<String, Value>) -> Option<(Members, [u8; 32], Validity)> {
    const TIMES: [&str; 2] = ["issued_before", "until"];
    let known = |name: &String| NAMES.contains(&name.as_str()) || TIMES.contains(&name.as_str());
    let text = |name: &str| match entry.get(name) {
        None => Some(None),
        Some(value) => value.as_str().filter(|text| !text.is_empty()).map(Some),
    };
    let time = |name: &str| match entry.get(name) {
        None => Some(None),
        Some(value) => value.as_u64().map(Some),
    };
    if !entry.keys().all(known) {
        return None;
    }
    // openssl writes thumbprints in capitals.
    let thumbprint = text("certificate")?.map(str::to_ascii_lowercase);
    let mut values = [None; 5];
    let mut members = 0;
    for (index, (slot, name)) in values.iter_mut().zip(NAMES).enumerate() {
        *slot = text(name)?;
        members |= u8::from(slot.is_some()) << index;
    }
    let [issuer, .., certificate] = &mut values;
    *certificate = thumbprint.as_deref();
    let (before, until) = (time("issued_before")?, time("until")?);
    let hexadecimal = |text: &str| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == 64 && text.bytes().all(digit)
    };
    let only_certificate = members == 1 << 4 && before.is_none();
    if (issuer.is_none() && !only_certificate) || !thumbprint.as_deref().is_none_or(hexadecimal) {
        return None;
    }
    let validity = Validity {
        issued_before: before.unwrap_or(u64::MAX),
        until: until.unwrap_or(u64::MAX),
    };
    Some((members, name(values, members)?, validity))
}

/// Names what the members say; `None` where one of them is not there.
fn name(values: [Option<&str>; 5], members: Members) -> Option<[u8; 32]> {
    let mut text = Vec::with_capacity(256);
    for (index, value) in values.into_iter().enumerate() {
        if members & 1 << index == 0 {
            continue;
        }
        // With its length, so that no two lists are written alike.
        let value = value?;
        text.extend((value.len() as u64).to_be_bytes());
        text.extend(value.as_bytes());
    }
    Some(blake3::hash(&text).into())
}
