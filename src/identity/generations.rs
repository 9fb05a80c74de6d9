//! What was learned lately, in bounded memory.

use std::collections::HashMap;

/// Values by the hash of what they are about, at most `CAPACITY` of them, in two generations. When the
/// younger is full the older is forgotten, so a flood of new values cannot push out one that is in steady
/// use.
#[derive(Debug)]
pub struct Generations<V, const CAPACITY: usize> {
    young: HashMap<[u8; 32], V>,
    old: HashMap<[u8; 32], V>,
}

impl<V, const CAPACITY: usize> Default for Generations<V, CAPACITY> {
    fn default() -> Self {
        Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<V: Clone, const CAPACITY: usize> Generations<V, CAPACITY> {
    /// The value of this key, which is young again.
    pub fn get(&mut self, key: &[u8; 32]) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.insert(*key, value.clone());
        Some(value)
    }

    /// Whether there is a value of this key.
    pub fn has(&self, key: &[u8; 32]) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// Remembers a value, in the place of the one before.
    pub fn insert(&mut self, key: [u8; 32], value: V) {
        if self.young.len() >= CAPACITY / 2 {
            // What is forgotten leaves its room behind.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.young.insert(key, value);
    }

    /// Forgets a value.
    pub fn remove(&mut self, key: &[u8; 32]) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// How many values are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
