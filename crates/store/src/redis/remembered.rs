//! What a grant names, so that it can be read together with that, and what that was.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ages::{Ages, Most};
use crate::{Key, Kind, Links, Row};

const LINKS: Most = Most { entries: 20_000, bytes: 4 * 1024 * 1024 };
const ROWS: Most = Most { entries: 4000, bytes: 4 * 1024 * 1024 };
/// The longest body that is remembered: strangers register clients.
const LONGEST: usize = 4 * 1024;

/// The links of the records that were looked at last, and the clients, people and servers that were read with them.
///
/// None of it is believed. Links are checked against the record as it was read with what they lead to, so a wrong memory costs a
/// round trip and nothing else. Of a record that is remembered the marks are read each time: they are drawn anew for each commit,
/// so a block or a new epoch bites at once, and a record that has gone and come back is another.
pub(super) struct Remembered {
    links: Mutex<Ages<Key, Arc<Links>>>,
    rows: Mutex<Ages<Key, Known>>,
}

/// A record as it was read last, or that there was none.
pub(super) type Known = Option<Arc<Row>>;

impl Default for Remembered {
    fn default() -> Self {
        Self { links: Mutex::new(Ages::of(LINKS)), rows: Mutex::new(Ages::of(ROWS)) }
    }
}

impl Remembered {
    pub(super) fn links(&self, key: &Key) -> Option<Arc<Links>> {
        self.links.lock().find(key)
    }

    pub(super) fn keep_links(&self, key: &Key, links: &Links) {
        let Links { client, person, consent, server } = links;
        let named = [client, person, consent, server];
        let bytes = key.id.len() + named.into_iter().flatten().map(String::len).sum::<usize>();
        self.links.lock().keep(key.clone(), Arc::new(links.clone()), bytes);
    }

    pub(super) fn row(&self, key: &Key) -> Option<Known> {
        self.rows.lock().find(key)
    }

    pub(super) fn keep_row(&self, key: &Key, row: &Known) {
        // Of other records more may change than a commit says: a grant that is ended keeps a later sweep.
        let lasting = matches!(key.kind, Kind::Client | Kind::Person | Kind::Server);
        let fits = match row {
            Some(row) => row.body.len() <= LONGEST,
            // Nothing is held against most people. Clients and servers that are not there are made up by strangers.
            None => key.kind == Kind::Person,
        };
        if lasting && fits {
            let bytes = 2 * key.id.len() + row.as_ref().map_or(0, |row| row.body.len());
            self.rows.lock().keep(key.clone(), row.clone(), bytes);
        } else {
            self.rows.lock().forget(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mark, Marks};

    fn known(key: &Key, length: usize) -> Known {
        Some(Arc::new(Row {
            key: key.clone(),
            marks: Marks::first(Mark::new([1; 16])),
            ended: false,
            body: "b".repeat(length),
            sweep: None,
            links: Links::default(),
        }))
    }

    /// Whoever asks in the name of clients that do not exist, or registers long ones, pushes nothing out.
    #[test]
    fn what_strangers_make_up_is_not_remembered() {
        let remembered = Remembered::default();
        let person = Key::new(Kind::Person, "p");
        remembered.keep_row(&person, &None);
        for n in 0..3 * ROWS.entries {
            let key = Key::new(if n % 2 == 0 { Kind::Client } else { Kind::Server }, n);
            remembered.keep_row(&key, &None);
            remembered.keep_row(&key, &known(&key, LONGEST + 1));
            assert_eq!(remembered.row(&key), None);
        }
        assert_eq!(remembered.row(&person), Some(None));
        for kind in Kind::ALL {
            let key = Key::new(kind, "k");
            remembered.keep_row(&key, &known(&key, 1));
            let kept = matches!(kind, Kind::Client | Kind::Person | Kind::Server);
            assert_eq!(remembered.row(&key).is_some(), kept, "{kind:?}");
        }
    }

    /// A record that has gone is not remembered as it was.
    #[test]
    fn what_has_gone_is_forgotten() {
        let remembered = Remembered::default();
        let client = Key::new(Kind::Client, "c");
        remembered.keep_row(&client, &known(&client, 1));
        remembered.keep_row(&client, &None);
        assert_eq!(remembered.row(&client), None);
    }
}
