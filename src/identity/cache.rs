//! Verified tokens, remembered.

use std::collections::HashMap;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::AccessToken;

/// Tokens of one worker that were verified, by the SHA-256 of the whole token: two tokens that
/// differ in one bit are two entries. At most [`TokenCache::CAPACITY`] are held; an eviction costs
/// a signature, never an answer. Whether a token's time has gone is asked at every use.
#[derive(Debug, Default)]
pub struct TokenCache {
    young: HashMap<[u8; 32], Rc<AccessToken>>,
    old: HashMap<[u8; 32], Rc<AccessToken>>,
}

impl TokenCache {
    /// The most tokens held, in two generations; about 1 kB each.
    pub const CAPACITY: usize = 8192;

    /// The key of a token.
    pub fn key(token: &str) -> [u8; 32] {
        Sha256::digest(token.as_bytes()).into()
    }

    /// The token of this key, if it was verified before.
    pub fn get(&mut self, key: &[u8; 32]) -> Option<Rc<AccessToken>> {
        if let Some(token) = self.young.get(key) {
            return Some(Rc::clone(token));
        }
        let token = self.old.remove(key)?;
        self.insert(*key, Rc::clone(&token));
        Some(token)
    }

    /// Remembers a verified token. When a generation is full the one before it is forgotten, so a
    /// flood of new tokens cannot push out one that is in steady use.
    pub fn insert(&mut self, key: [u8; 32], token: Rc<AccessToken>) {
        if self.young.len() >= Self::CAPACITY / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, token);
    }

    /// Forgets a token.
    pub fn remove(&mut self, key: &[u8; 32]) {
        self.young.remove(key);
        self.old.remove(key);
    }
}
