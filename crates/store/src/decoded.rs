//! Records that need not be decoded again.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::ages::Ages;
use crate::{Client, Found, Grant, Record, Row, Server, StoreError};

/// As many grants, clients and servers each are remembered twice over, at the most.
const MOST: usize = 1000;
/// The longest body that is remembered: strangers register clients. A grant with as many tokens as may live is shorter.
const LONGEST: usize = 8 * 1024;

/// The grants, clients and servers that were decoded last: an access token is asked about many times between two refreshes. A row is decoded again unless it is the same, byte for byte: what was read
/// decides, and this saves nothing but work.
pub struct Decoded {
    grants: Memory<Grant>,
    clients: Memory<Client>,
    servers: Memory<Server>,
}

type Memory<R> = Mutex<Ages<String, Arc<Known<R>>>>;

struct Known<R> {
    body: String,
    found: Arc<Found<R>>,
}

impl Default for Decoded {
    fn default() -> Self {
        Self {
            grants: Mutex::new(Ages::of(MOST)),
            clients: Mutex::new(Ages::of(MOST)),
            servers: Mutex::new(Ages::of(MOST)),
        }
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}

impl Decoded {
    pub(crate) fn grant(&self, row: &Row) -> Result<Found<Grant>, StoreError> {
        decode(&self.grants, row).map(Arc::unwrap_or_clone)
    }

    pub(crate) fn client(&self, row: &Row) -> Result<Arc<Found<Client>>, StoreError> {
        decode(&self.clients, row)
    }

    pub(crate) fn server(&self, row: &Row) -> Result<Arc<Found<Server>>, StoreError> {
        decode(&self.servers, row)
    }
}

fn decode<R: Record>(memory: &Memory<R>, row: &Row) -> Result<Arc<Found<R>>, StoreError> {
    let known = memory.lock().find(&*row.key.id);
    let same = |known: &Arc<Known<R>>| known.found.mark == row.marks.newest() && known.body == row.body;
    if let Some(known) = known.filter(same) {
        return Ok(Arc::clone(&known.found));
    }
    let found = Arc::new(Found::decode(row)?);
    if row.body.len() <= LONGEST {
        let known = Known { body: row.body.clone(), found: Arc::clone(&found) };
        memory.lock().keep(row.key.id.clone(), Arc::new(known));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use ambient::Time;
    use oauth_types::{ClientId, ClientMetadata};

    use super::*;
    use crate::{Changes, ClientAuth, Mark, Provenance, Standing, Status};

    fn row(mark: u8, status: Status) -> Row {
        let client = Client {
            id: ClientId::parse("c").unwrap(),
            auth: ClientAuth::Public,
            redirect_uris: Vec::new(),
            refresh: true,
            provenance: Provenance::Dynamic,
            first_party: false,
            server: None,
            registered: Time(0),
            kept_until: None,
            standing: Standing { status, epoch: None },
            metadata: ClientMetadata::default(),
        };
        Changes::create(Mark::new([mark; 16]), &client).row(None)
    }

    #[test]
    fn only_the_same_bytes_under_the_same_mark_are_not_decoded_again() {
        let decoded = Decoded::default();
        let first = decoded.client(&row(1, Status::Active)).unwrap();
        assert!(Arc::ptr_eq(&first, &decoded.client(&row(1, Status::Active)).unwrap()));
        let later = decoded.client(&row(2, Status::Active)).unwrap();
        assert_eq!(later.mark, Mark::new([2; 16]));
        let blocked = decoded.client(&row(2, Status::Blocked)).unwrap();
        assert_eq!(blocked.record.standing.status, Status::Blocked);
    }
}
