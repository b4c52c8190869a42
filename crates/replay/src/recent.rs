//! A map that forgets what was not touched for long, so that it stays within a limit.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// Two generations: when the young one is full the old one is forgotten, so that what goes on is kept.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
    entries_max: usize,
    forgotten: u64,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Holds at most `entries_max`, and surely the younger half of that.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), entries_max, forgotten: 0 }
    }

    /// Sets the value of `key`, and returns what it was.
    pub fn replace(&mut self, key: K, value: V) -> Option<V> {
        if let Some(known) = self.young.get_mut(&key) {
            return Some(std::mem::replace(known, value));
        }
        let known = self.old.remove(&key);
        self.insert(key, value);
        known
    }

    /// The value of `key`, where it is remembered; it is young again.
    pub fn get(&mut self, key: K) -> Option<V>
    where
        V: Copy,
    {
        if let Some(known) = self.young.get(&key) {
            return Some(*known);
        }
        let known = self.old.remove(&key)?;
        self.insert(key, known);
        Some(known)
    }

    /// Remembers a key that is not known.
    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.entries_max / 2 {
            self.forgotten += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// How many were let go of.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_kept_and_the_rest_counted() {
        let mut recent = Recent::new(4);
        for key in 0..9 {
            assert_eq!(recent.replace(key, key), None);
            assert_eq!(recent.replace(100, key), if key == 0 { None } else { Some(key - 1) });
        }
        assert!(recent.forgotten() >= 5);
        assert_eq!(recent.replace(0, 0), None);
    }
}
