//! The keys of all issuers, as one worker has them.

use std::rc::Rc;

use super::{AccessToken, IssuerPolicy, KeySet, KeySource};

/// The keys of all issuers, in the order of the policy. Keys of the configuration are there from the
/// beginning and stay; fetched ones come, change, and go when they are too old.
#[derive(Debug)]
pub struct KeyRing {
    issuers: Vec<Held>,
}

#[derive(Debug)]
enum Held {
    Inline(Rc<KeySet>),
    Fetched(Option<Fetched>),
}

#[derive(Debug)]
struct Fetched {
    keys: Rc<KeySet>,
    /// Not used any more from this second on.
    usable_until: u64,
}

/// What becomes of a token that was verified before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// The issuer still has the key that it was signed with.
    Good,
    /// The key is gone; the token is as good as one that was never seen.
    Retired,
    /// There are no keys of the issuer that may be used.
    NoKeys,
}

impl KeyRing {
    /// The keys of the configuration; none yet where they are to be fetched.
    pub fn new(issuers: &[IssuerPolicy]) -> Self {
        let held = |issuer: &IssuerPolicy| match &issuer.keys {
            KeySource::Inline(keys) => Held::Inline(Rc::clone(keys)),
            KeySource::Fetched(_) => Held::Fetched(None),
        };
        KeyRing {
            issuers: issuers.iter().map(held).collect(),
        }
    }

    /// Fetched keys take the place of those before; they may be used until that second. Keys of the
    /// configuration are never replaced.
    pub fn put(&mut self, issuer: usize, keys: KeySet, usable_until: u64) {
        if let Some(Held::Fetched(held)) = self.issuers.get_mut(issuer) {
            *held = Some(Fetched {
                keys: Rc::new(keys),
                usable_until,
            });
        }
    }

    /// The keys of an issuer that may be used at `now`, in seconds since 1970.
    pub fn keys(&self, issuer: usize, now: u64) -> Option<&KeySet> {
        match self.issuers.get(issuer)? {
            Held::Inline(keys) => Some(keys),
            Held::Fetched(held) => held
                .as_ref()
                .filter(|held| now < held.usable_until)
                .map(|held| held.keys.as_ref()),
        }
    }

    /// Whether a token that was verified before still stands.
    pub fn standing(&self, token: &AccessToken, now: u64) -> Standing {
        match self.issuers.get(token.issuer_index) {
            Some(Held::Inline(_)) => Standing::Good,
            _ => match self.keys(token.issuer_index, now) {
                None => Standing::NoKeys,
                Some(keys) if keys.has(&token.key) => Standing::Good,
                Some(_) => Standing::Retired,
            },
        }
    }
}
