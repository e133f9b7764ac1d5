//! What a grant names, so that it can be read together with that, and what that was.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ages::Ages;
use crate::{Key, Kind, Links, Row};

/// As many links are remembered twice over, at the most.
const MOST: usize = 20_000;
/// And as many records.
const MOST_ROWS: usize = 4000;
/// The longest body that is remembered: strangers register clients.
const LONGEST: usize = 4 * 1024;

/// The links of the records that were looked at last, and the clients, people and servers that were read with them.
///
/// None of it is believed. Links are checked against the record as it was read with what they lead to, so a wrong memory costs a
/// round trip and nothing else. Of a record that is remembered the marks are read each time: they are drawn anew for each commit,
/// so a block or a new epoch bites at once.
pub(super) struct Remembered {
    links: Mutex<Ages<Key, Arc<Links>>>,
    rows: Mutex<Ages<Key, Known>>,
}

/// A record as it was read last, or that there was none.
pub(super) type Known = Option<Arc<Row>>;

impl Default for Remembered {
    fn default() -> Self {
        Self { links: Mutex::new(Ages::of(MOST)), rows: Mutex::new(Ages::of(MOST_ROWS)) }
    }
}

impl Remembered {
    pub(super) fn links(&self, key: &Key) -> Option<Arc<Links>> {
        self.links.lock().find(key)
    }

    pub(super) fn keep_links(&self, key: &Key, links: &Links) {
        self.links.lock().keep(key.clone(), Arc::new(links.clone()));
    }

    pub(super) fn row(&self, key: &Key) -> Option<Known> {
        self.rows.lock().find(key)
    }

    pub(super) fn keep_row(&self, key: &Key, row: &Known) {
        // Of other records more may change than a commit says: a grant that is ended keeps a later sweep.
        let lasting = matches!(key.kind, Kind::Client | Kind::Person | Kind::Server);
        if lasting && row.as_ref().is_none_or(|row| row.body.len() <= LONGEST) {
            self.rows.lock().keep(key.clone(), row.clone());
        }
    }
}
