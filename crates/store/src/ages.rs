//! A bounded memory of what was used last.

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// What was used last, by its key: at most twice `most`. What has not been used while as many others were is forgotten.
#[derive(Debug)]
pub(crate) struct Ages<K, V> {
    most: usize,
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
}

impl<K: Ord + Clone, V: Clone> Ages<K, V> {
    pub(crate) const fn of(most: usize) -> Self {
        Self { most, young: BTreeMap::new(), old: BTreeMap::new() }
    }

    pub(crate) fn find<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.keep(key, value.clone());
        Some(value)
    }

    pub(crate) fn keep(&mut self, key: K, value: V) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_stays_bounded_and_what_is_used_stays() {
        const MOST: usize = 100;
        let mut ages = Ages::of(MOST);
        for n in 0..3 * MOST {
            ages.keep(n, n);
            assert_eq!(ages.find(&0), Some(0), "{n}");
        }
        assert!(ages.young.len() + ages.old.len() <= 2 * MOST);
    }
}
