//! A bounded memory of what was used last.

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// What was used last, by its key, in two halves: when the younger one is full, the older one is forgotten and it takes its place.
#[derive(Debug)]
pub(crate) struct Ages<K, V> {
    most: Most,
    young: Age<K, V>,
    old: Age<K, V>,
}

/// What one half holds at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) entries: usize,
    /// Of what whoever keeps something says that it takes.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
struct Age<K, V> {
    entries: BTreeMap<K, (V, usize)>,
    bytes: usize,
}

impl<K: Ord, V: Clone> Ages<K, V> {
    pub(crate) const fn of(most: Most) -> Self {
        Self { most, young: Age::new(), old: Age::new() }
    }

    pub(crate) fn find<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some((value, _)) = self.young.entries.get(key) {
            return Some(value.clone());
        }
        let (key, (value, bytes)) = self.old.remove(key)?;
        self.keep(key, value.clone(), bytes);
        Some(value)
    }

    /// Keeps it in place of what there was. It takes about so many bytes, its key included.
    pub(crate) fn keep(&mut self, key: K, value: V, bytes: usize) {
        self.forget(&key);
        if self.young.entries.len() >= self.most.entries || self.young.bytes + bytes > self.most.bytes {
            self.old = std::mem::replace(&mut self.young, Age::new());
        }
        if bytes <= self.most.bytes {
            self.young.bytes += bytes;
            self.young.entries.insert(key, (value, bytes));
        }
    }

    pub(crate) fn forget<Q: Ord + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.young.remove(key);
        self.old.remove(key);
    }
}

impl<K, V> Age<K, V> {
    const fn new() -> Self {
        Self { entries: BTreeMap::new(), bytes: 0 }
    }
}

impl<K: Ord, V> Age<K, V> {
    fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(K, (V, usize))>
    where
        K: Borrow<Q>,
    {
        let removed = self.entries.remove_entry(key)?;
        self.bytes -= removed.1.1;
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most { entries: 100, bytes: 1000 };

    fn held(ages: &Ages<usize, usize>) -> (usize, usize) {
        let halves = [&ages.young, &ages.old];
        for half in halves {
            assert_eq!(half.bytes, half.entries.values().map(|(_, bytes)| bytes).sum::<usize>());
        }
        (halves.map(|half| half.entries.len()).iter().sum(), halves.map(|half| half.bytes).iter().sum())
    }

    #[test]
    fn a_flood_stays_bounded_and_what_is_used_stays() {
        let mut ages = Ages::of(MOST);
        for n in 0..3 * MOST.entries {
            ages.keep(n, n, 1);
            assert_eq!(ages.find(&0), Some(0), "{n}");
        }
        assert!(held(&ages).0 <= 2 * MOST.entries);
    }

    #[test]
    fn a_flood_of_long_ones_stays_within_the_bytes() {
        let mut ages = Ages::of(MOST);
        for n in 0..MOST.entries {
            ages.keep(n, n, 300);
            ages.find(&n.saturating_sub(4));
            assert!(held(&ages).1 <= 2 * MOST.bytes);
        }
        ages.keep(0, 0, MOST.bytes + 1);
        assert_eq!(ages.find(&0), None, "what does not fit at all, nor what was there before");
    }

    #[test]
    fn what_is_kept_anew_is_there_once() {
        let mut ages = Ages::of(MOST);
        for n in 0..10 * MOST.entries {
            ages.keep(n % 2, n, 400);
            ages.keep(2, n, 100);
        }
        assert_eq!(held(&ages), (3, 900), "nothing was forgotten for it");
        ages.forget(&2);
        assert_eq!((ages.find(&2), held(&ages)), (None, (2, 800)));
    }
}
