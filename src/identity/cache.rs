//! Verified tokens, remembered.

use std::rc::Rc;

use super::{AccessToken, Generations};

/// Tokens of one worker that were verified, by the BLAKE3 hash of the whole token: two tokens that
/// differ in one bit are two entries. At most [`TokenCache::CAPACITY`] are held; an eviction costs
/// a signature, never an answer. Whether a token's time has gone is asked at every use.
#[derive(Debug, Default)]
pub struct TokenCache(Generations<Rc<AccessToken>, { TokenCache::CAPACITY }>);

impl TokenCache {
    /// The most tokens held; about 1 kB each.
    pub const CAPACITY: usize = 8192;

    /// The key of a token.
    pub fn key(token: &str) -> [u8; 32] {
        blake3::hash(token.as_bytes()).into()
    }

    /// The token of this key, if it was verified before.
    pub fn get(&mut self, key: &[u8; 32]) -> Option<Rc<AccessToken>> {
        self.0.get(key)
    }

    /// Remembers a verified token.
    pub fn insert(&mut self, key: [u8; 32], token: Rc<AccessToken>) {
        self.0.insert(key, token);
    }

    /// Forgets a token.
    pub fn remove(&mut self, key: &[u8; 32]) {
        self.0.remove(key);
    }
}
