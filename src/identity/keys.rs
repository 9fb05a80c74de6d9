//! The public keys of an issuer (RFC 7517), each bound to one algorithm.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::HostAlgorithms;
use super::signature::{HostCheck, PublicKey};

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037). None of them is symmetric, and `none` is
/// not among them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the registry")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

/// The public keys of one issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// Names one key and its algorithm: two keys have the same only if they are the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyMark([u8; 32]);

/// What is wrong with a key set, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMistake {
    /// A JSON pointer into the set.
    pub pointer: String,
    /// What was expected.
    pub message: String,
}

/// The most keys in a set.
const MAX_KEYS: usize = 64;

/// What a signature was found to be.
#[derive(Debug)]
pub enum Verdict {
    /// It is that of the one key it can be of: this one.
    Holds(KeyMark),
    /// It is not that key's signature of these bytes.
    Wrong,
    /// No key has this id or, without an id, not exactly one key is for the algorithm.
    NoKey,
    /// The key is for another algorithm.
    WrongAlgorithm,
    /// The host is to be asked.
    Undecided(Undecided),
}

/// A signature about which the host is to be asked, with all that it takes to do without an answer.
pub struct Undecided {
    check: HostCheck,
    mark: KeyMark,
    key: Rc<PublicKey>,
    signature: Vec<u8>,
}

/// The signature is not shown.
impl std::fmt::Debug for Undecided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Undecided").field(&self.check).finish()
    }
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    mark: KeyMark,
    public: Rc<PublicKey>,
}

impl Algorithm {
    /// Every algorithm, in the order of the registry.
    pub const ALL: [Algorithm; 10] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::EdDsa,
    ];

    /// The algorithm of exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::EdDsa => "EdDSA",
        }
    }
}

impl Key {
    /// Whether a token could mean the one or the other: of equal `kid` or, without one, of one algorithm.
    fn is_mistaken_for(&self, other: &Key) -> bool {
        self.id == other.id
            && (self.id.is_some() || self.public.algorithm() == other.public.algorithm())
    }
}

impl KeyMark {
    /// The mark of no key.
    pub(super) const NONE: KeyMark = KeyMark([0; 32]);

    fn of(algorithm: Algorithm, members: &Map<String, Value>) -> Self {
        let mut text = algorithm.name().to_owned();
        for name in ["kty", "crv", "x", "y", "n", "e"] {
            // No value of a key that was read has a line break.
            text.push('\n');
            text.push_str(
                members
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            );
        }
        KeyMark(blake3::hash(text.as_bytes()).into())
    }
}

impl KeySet {
    /// Whether this key is in the set.
    pub fn has(&self, mark: &KeyMark) -> bool {
        self.keys.iter().any(|key| key.mark == *mark)
    }

    /// Reads a JWK set. Every key must be a public key for signatures that one of the allowed
    /// algorithms can use; anything else in the set is a mistake, not something to skip.
    pub fn read(set: &Value, allowed: &[Algorithm]) -> Result<Self, Vec<KeyMistake>> {
        let mistake = |pointer: String, message: &str| KeyMistake {
            pointer,
            message: message.to_owned(),
        };
        let Some(items) = set.get("keys").and_then(Value::as_array) else {
            return Err(vec![mistake(
                String::new(),
                "expected a JWK set: an object with a list `keys`",
            )]);
        };
        if items.is_empty() || items.len() > MAX_KEYS {
            let message = format!("expected 1 to {MAX_KEYS} keys, found {}", items.len());
            return Err(vec![mistake("/keys".to_owned(), &message)]);
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut mistakes = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let pointer = format!("/keys/{index}");
            match read_key(item, allowed) {
                Ok(key) if keys.iter().any(|known| key.is_mistaken_for(known)) => {
                    mistakes.push(mistake(
                        pointer,
                        "expected a `kid` that no other key of the set has",
                    ));
                }
                Ok(key) => keys.push(key),
                Err(message) => mistakes.push(mistake(pointer, &message)),
            }
        }
        if mistakes.is_empty() {
            Ok(KeySet { keys })
        } else {
            Err(mistakes)
        }
    }

    /// Reads a JWK set that somebody else wrote (RFC 7517 section 5): keys that no allowed algorithm can use
    /// are passed over, and so are keys that share a `kid`, because nobody could say which is meant.
    ///
    /// # Errors
    /// What was expected, where it is no set of at most 64 keys with one that can be used.
    pub fn read_fetched(set: &Value, allowed: &[Algorithm]) -> Result<Self, &'static str> {
        let items = set.get("keys").and_then(Value::as_array);
        let items = items
            .filter(|items| items.len() <= MAX_KEYS)
            .ok_or("a JWK set of at most 64 keys")?;
        let read = items.iter().filter_map(|item| read_key(item, allowed).ok());
        let all: Vec<Key> = read.collect();
        let alone = |key: &Key| {
            all.iter()
                .filter(|other| key.is_mistaken_for(other))
                .count()
                == 1
        };
        let clear: Vec<bool> = all.iter().map(alone).collect();
        let keys: Vec<Key> = all
            .into_iter()
            .zip(clear)
            .filter_map(|(key, clear)| clear.then_some(key))
            .collect();
        match keys.is_empty() {
            true => Err("a JWK set with a public key for one of the issuer's algorithms"),
            false => Ok(KeySet { keys }),
        }
    }

    /// Verifies a signature with the one key it can be of: the one with its `kid`, or, without a
    /// `kid`, the only one for its algorithm. What was signed are bytes, whatever they say; of a
    /// compact JWS they are everything before the second dot (RFC 7515 section 5.2). Where the host has
    /// the algorithm, the signature is left undecided.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
        host: &HostAlgorithms,
    ) -> Verdict {
        let mut fitting = self.keys.iter().filter(|key| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => key.public.algorithm() == algorithm,
        });
        let (Some(key), None) = (fitting.next(), fitting.next()) else {
            return Verdict::NoKey;
        };
        if key.public.algorithm() != algorithm {
            return Verdict::WrongAlgorithm;
        }
        if !key.public.fits(signature) {
            return Verdict::Wrong;
        }
        if !host.has(algorithm) {
            return verdict(key, signed, signature);
        }
        match key.public.host_check(signed, signature) {
            Some(check) => Verdict::Undecided(Undecided {
                check,
                mark: key.mark,
                key: Rc::clone(&key.public),
                signature: signature.to_vec(),
            }),
            // Nothing can be asked about it.
            None => verdict(key, signed, signature),
        }
    }
}

impl Undecided {
    /// The key that it is of, if it holds.
    pub fn key(&self) -> KeyMark {
        self.mark
    }

    /// What the host is asked.
    pub fn check(&self) -> &HostCheck {
        &self.check
    }

    /// Whether it holds, with the host's answer. Where there is none (`None`) our own code decides, which
    /// takes longer.
    pub fn answered(&self, answer: Option<bool>) -> bool {
        answer.unwrap_or_else(|| self.key.holds(&self.check.text, &self.signature))
    }
}

fn verdict(key: &Key, signed: &[u8], signature: &[u8]) -> Verdict {
    match key.public.holds(signed, signature) {
        true => Verdict::Holds(key.mark),
        false => Verdict::Wrong,
    }
}

fn read_key(item: &Value, allowed: &[Algorithm]) -> Result<Key, String> {
    let Some(members) = item.as_object() else {
        return Err("expected an object".to_owned());
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        .iter()
        .any(|name| members.contains_key(*name))
    {
        return Err(
            "expected a public key: this one has secret members, and must be considered disclosed"
                .to_owned(),
        );
    }
    if text("use").is_some_and(|value| value != "sig")
        || (members.contains_key("use") && text("use").is_none())
    {
        return Err("expected `use` to be `sig`".to_owned());
    }
    if let Some(operations) = members.get("key_ops") {
        // A public key can do nothing else; the library takes no other list either.
        let verifies = operations
            .as_array()
            .is_some_and(|list| matches!(list.as_slice(), [only] if only == "verify"));
        if !verifies {
            return Err("expected `key_ops` to hold `verify` and nothing else".to_owned());
        }
    }
    let id = match members.get("kid") {
        None => None,
        Some(Value::String(id)) if !id.is_empty() && id.len() <= 256 => Some(id.clone()),
        Some(_) => return Err("expected `kid` to be a string of 1 to 256 bytes".to_owned()),
    };
    let algorithm = algorithm_of(members, allowed)?;
    let public = PublicKey::read(algorithm, members).ok_or_else(|| {
        format!(
            "expected a usable {} key: its parameters are missing, of the wrong size, or not on the curve",
            algorithm.name()
        )
    })?;
    Ok(Key {
        id,
        mark: KeyMark::of(algorithm, members),
        public: Rc::new(public),
    })
}

/// One key, one algorithm (RFC 8725 section 3.1): from `alg`, or from the type of key where that
/// leaves no choice.
fn algorithm_of(members: &Map<String, Value>, allowed: &[Algorithm]) -> Result<Algorithm, String> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let fitting: &[Algorithm] = match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => &[Algorithm::Es256],
        (Some("EC"), Some("P-384")) => &[Algorithm::Es384],
        (Some("EC"), Some("P-521")) => &[Algorithm::Es512],
        (Some("OKP"), Some("Ed25519")) => &[Algorithm::EdDsa],
        (Some("RSA"), None) => &[
            Algorithm::Rs256,
            Algorithm::Rs384,
            Algorithm::Rs512,
            Algorithm::Ps256,
            Algorithm::Ps384,
            Algorithm::Ps512,
        ],
        _ => {
            return Err(
                "expected `kty` EC with `crv` P-256, P-384 or P-521, OKP with Ed25519, or RSA"
                    .to_owned(),
            );
        }
    };
    let candidates: Vec<Algorithm> = match members.get("alg") {
        Some(Value::String(name)) => fitting
            .iter()
            .copied()
            .filter(|algorithm| algorithm.name() == name)
            .collect(),
        Some(_) => Vec::new(),
        None => fitting
            .iter()
            .copied()
            .filter(|algorithm| allowed.contains(algorithm))
            .collect(),
    };
    match candidates.as_slice() {
        [algorithm] if allowed.contains(algorithm) => Ok(*algorithm),
        [_] => Err("expected a key for one of the issuer's `algorithms`".to_owned()),
        [] => Err("expected `alg` to fit the type of key and to be among the issuer's `algorithms`".to_owned()),
        _ => Err("expected `alg`, because the issuer allows more than one algorithm for this type of key".to_owned()),
    }
}
