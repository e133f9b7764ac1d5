//! What a grant names, so that it can be read together with that.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Key, Links};

/// As many are remembered twice over, at the most.
const MOST: usize = 20_000;

/// The links of the records that were looked at last. Never what they lead to: a status is read each time.
///
/// Whatever it says is checked against the record as it was read with it, so a wrong memory costs a round trip and nothing else.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Ages>);

#[derive(Default)]
struct Ages {
    young: BTreeMap<Key, Arc<Links>>,
    old: BTreeMap<Key, Arc<Links>>,
}

impl Remembered {
    pub(super) fn links(&self, key: &Key) -> Option<Arc<Links>> {
        let mut ages = self.0.lock();
        if let Some(links) = ages.young.get(key) {
            return Some(Arc::clone(links));
        }
        let links = ages.old.remove(key)?;
        ages.keep(key, Arc::clone(&links));
        Some(links)
    }

    pub(super) fn keep(&self, key: &Key, links: &Links) {
        self.0.lock().keep(key, Arc::new(links.clone()));
    }
}

impl Ages {
    fn keep(&mut self, key: &Key, links: Arc<Links>) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.clone(), links);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_flood_of_grants_stays_bounded_and_what_is_used_stays() {
        let remembered = Remembered::default();
        let key = |n: usize| Key::new(Kind::Grant, n);
        for n in 0..3 * MOST {
            remembered.keep(&key(n), &Links::default());
            assert!(remembered.links(&key(0)).is_some(), "{n}");
        }
        let ages = remembered.0.lock();
        assert!(ages.young.len() + ages.old.len() <= 2 * MOST);
    }
}
