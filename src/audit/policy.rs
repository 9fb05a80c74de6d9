//! What records tell of whom: as it is, by keyed hashes, or nothing.

use std::borrow::Cow;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{AlertFormat, ChainPolicy};
use crate::identity::MacKey;

/// What audit records say about this deployment, and how much they tell.
#[derive(Clone, Debug, Default)]
pub struct AuditPolicy {
    /// The name of the observing system, for example `fhir.example.org`.
    pub observer: String,
    /// How records are chained; `None` where each stands for itself.
    pub chain: Option<ChainPolicy>,
    /// How alerts are written; `None` where there are none.
    pub alerts: Option<AlertFormat>,
    /// The base URL of the API, by which events name the server.
    pub base: String,
    /// References to resources, the user and the patient in context among them.
    pub references: Telling,
    /// Where the connection comes from.
    pub address: Telling,
    /// The id of the token (`jti`).
    pub token_id: Telling,
    /// The values of query parameters; their names are always told.
    pub query: Telling,
    /// The most patients that one record names; at most [`AuditPolicy::PATIENTS`].
    pub patients: usize,
}

impl AuditPolicy {
    /// The most patients that a record can name.
    pub const PATIENTS: usize = 100;
}

/// How something is told.
#[derive(Clone, Debug, Default)]
pub enum Telling {
    /// By 128 bits of HMAC-SHA256 with this key: whoever has the key can look for what is known, and nobody
    /// can tell what it was.
    Hashed(Rc<MacKey>),
    /// Not at all.
    Nothing,
    /// As it is.
    #[default]
    Plain,
}

/// Something as it is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told<'t> {
    /// 22 characters of base64url.
    Hash(String),
    /// As it is.
    Plain(&'t str),
}

/// What a hash is of: the same text is another hash as something else. A change of what is hashed takes another
/// number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// The address of a caller.
    Address,
    /// A reference: `Type/id`.
    Reference,
    /// The id of a token.
    TokenId,
    /// A query parameter: `name=value`, the value canonical and without its escapes.
    Parameter,
}

impl Subject {
    fn purpose(self) -> &'static str {
        match self {
            Subject::Address => "fhir-guard audit address v1",
            Subject::Reference => "fhir-guard audit reference v1",
            Subject::TokenId => "fhir-guard audit token v1",
            Subject::Parameter => "fhir-guard audit parameter v1",
        }
    }

    /// The hash that stands in a record for this: 22 characters of base64url.
    pub fn hash(self, key: &MacKey, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(key.tag(self.purpose(), text.as_bytes()))
    }
}

impl Telling {
    /// What is told; `None` is nothing.
    pub fn tell<'t>(&self, subject: Subject, text: &'t str) -> Option<Told<'t>> {
        match self {
            Telling::Hashed(key) => Some(Told::Hash(subject.hash(key, text))),
            Telling::Nothing => None,
            Telling::Plain => Some(Told::Plain(text)),
        }
    }

    /// A reference as records write it: `Type/id`, or `Type#hash`. What names no instance is no secret.
    pub fn reference<'t>(&self, reference: &'t str) -> Option<Cow<'t, str>> {
        let Some((resource_type, _)) = reference.split_once('/') else {
            return Some(Cow::Borrowed(reference));
        };
        Some(match self.tell(Subject::Reference, reference)? {
            Told::Plain(text) => Cow::Borrowed(text),
            Told::Hash(hash) => Cow::Owned(format!("{resource_type}#{hash}")),
        })
    }

    /// Whether this reference is told as it is.
    pub fn is_plain(&self, reference: &str) -> bool {
        matches!(self, Telling::Plain) && reference.contains('/')
    }

    /// Whether anything is told.
    pub fn is_told(&self) -> bool {
        !matches!(self, Telling::Nothing)
    }

    /// Whether hashes are told.
    pub fn is_hashed(&self) -> bool {
        matches!(self, Telling::Hashed(_))
    }

    /// References as records write them; those that are not told are missing.
    pub fn references(&self, references: &[String]) -> Vec<String> {
        let told = references.iter().filter_map(|one| self.reference(one));
        told.map(Cow::into_owned).collect()
    }

    /// An address as records write it: as it is, or `#hash`.
    pub fn address<'t>(&self, address: &'t str) -> Option<Cow<'t, str>> {
        Some(match self.tell(Subject::Address, address)? {
            Told::Plain(text) => Cow::Borrowed(text),
            Told::Hash(hash) => Cow::Owned(format!("#{hash}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(digit: &str) -> Telling {
        let key = MacKey::read(&digit.repeat(64)).expect("a key");
        Telling::Hashed(Rc::new(key))
    }

    #[test]
    fn references_are_told_as_the_operator_wants() {
        let own = "Patient/1";
        let hash = hashed("a").reference(own).expect("told").into_owned();
        assert!(
            hash.starts_with("Patient#") && hash.len() == 8 + 22,
            "{hash}"
        );
        for (name, telling, reference, expected) in [
            ("plain", Telling::Plain, own, Some(own)),
            ("hashed", hashed("a"), own, Some(hash.as_str())),
            ("nothing", Telling::Nothing, own, None),
            ("a type, hashed", hashed("a"), "Patient", Some("Patient")),
            (
                "a type, nothing",
                Telling::Nothing,
                "Patient",
                Some("Patient"),
            ),
        ] {
            assert_eq!(telling.reference(reference).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_hash_depends_on_key_subject_and_text() {
        let tell = |telling: &Telling, subject, text| telling.tell(subject, text);
        let own = tell(&hashed("a"), Subject::Reference, "Patient/1");
        for (name, other) in [
            ("key", tell(&hashed("b"), Subject::Reference, "Patient/1")),
            ("subject", tell(&hashed("a"), Subject::TokenId, "Patient/1")),
            ("text", tell(&hashed("a"), Subject::Reference, "Patient/2")),
        ] {
            assert_ne!(own, other, "{name}");
        }
        assert_eq!(own, tell(&hashed("a"), Subject::Reference, "Patient/1"));
    }
}
