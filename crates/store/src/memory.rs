//! The contract, executable: everything in the memory of this process, gone when it ends.

use std::collections::BTreeMap;
use std::ops::Bound;

use ambient::Time;
use async_trait::async_trait;
use parking_lot::RwLock;

use crate::{
    Changes, Claim, ClaimKind, ClaimPage, Claimed, Claims, Commit, Filter, HeldClaim, Inspect, Key, Kind,
    Look, Page, Row, Seen, Store, StoreError, Verdict, verdict,
};

/// A store in memory. For development, for tests, and as the specification that other backends are compared with.
#[derive(Debug, Default)]
pub struct Memory(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    rows: BTreeMap<Key, Row>,
    claims: BTreeMap<(ClaimKind, String), Claimer>,
}

#[derive(Debug)]
struct Claimer {
    owner: String,
    since: Time,
    until: Option<Time>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Store for Memory {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(self.0.read().rows.get(key).cloned())
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        let tables = self.0.read();
        let row = |key: Option<&Key>| key.and_then(|key| tables.rows.get(key)).cloned();
        let record = row(Some(&look.record));
        let [client, person, consent, server] =
            record.as_ref().map(|row| row.links.keys()).unwrap_or_default();
        Ok(Seen {
            client: row(client.as_ref()),
            person: row(person.as_ref()),
            consent: row(consent.as_ref()),
            server: row(server.as_ref()),
            beside: row(look.beside.as_ref()),
            record,
        })
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        let mut tables = self.0.write();
        let stored = tables.rows.get(changes.key());
        match verdict(stored.map(|row| (&row.marks, row.ended)), changes.mark(), changes.guard()) {
            Verdict::Write => {
                let row = changes.row(stored.map(|row| (&row.marks, row.sweep)));
                tables.rows.insert(changes.key().clone(), row);
                Ok(Commit::Done)
            }
            Verdict::Done => Ok(Commit::Done),
            Verdict::Stale => Ok(Commit::Stale),
        }
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let mut tables = self.0.write();
        let key = (claim.kind, claim.key.to_owned());
        if let Some(held) = tables.claims.get(&key) {
            if held.owner == claim.owner {
                return Ok(Claimed::Mine);
            }
            if claim.instead_of != Some(held.owner.as_str()) {
                return Ok(Claimed::Held { owner: held.owner.clone(), since: held.since });
            }
        }
        let claimer = Claimer { owner: claim.owner.to_owned(), since: claim.since, until: claim.until };
        tables.claims.insert(key, claimer);
        Ok(Claimed::Mine)
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        let tables = self.0.read();
        Ok(tables.claims.get(&(kind, key.to_owned())).map(|held| (held.owner.clone(), held.since)))
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        let mut tables = self.0.write();
        let key = (kind, key.to_owned());
        if tables.claims.get(&key).is_some_and(|held| held.owner == owner) {
            tables.claims.remove(&key);
        }
        Ok(())
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        let mut tables = self.0.write();
        let mut left = at_most;
        let mut gone = |until: Option<Time>| {
            let goes = left > 0 && until.is_some_and(|until| until < now);
            left -= u32::from(goes);
            goes
        };
        tables.rows.retain(|_, row| !gone(row.sweep));
        tables.claims.retain(|_, held| !gone(held.until));
        Ok(at_most - left)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Inspect for Memory {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        let tables = self.0.read();
        let from = match after {
            Some(id) => Bound::Excluded(Key::new(kind, id)),
            None => Bound::Included(Key::new(kind, "")),
        };
        let shown = |row: &&Row| match filter {
            Filter::All => true,
            Filter::OfClient(id) => row.links.client.as_deref() == Some(id),
            Filter::OfPerson(id) => row.links.person.as_deref() == Some(id),
        };
        let of_kind = tables.rows.range((from, Bound::Unbounded)).map(|(_, row)| row);
        let mut rows = of_kind.take_while(|row| row.key.kind == kind).filter(shown);
        let page: Vec<Row> =
            rows.by_ref().take(usize::try_from(at_most).unwrap_or(usize::MAX)).cloned().collect();
        Ok(Page { more: rows.next().is_some(), rows: page })
    }
}

#[async_trait]
impl Claims for Memory {
    async fn claims(
        &self,
        kind: ClaimKind,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<ClaimPage, StoreError> {
        let tables = self.0.read();
        let from = match after {
            Some(key) => Bound::Excluded((kind, key.to_owned())),
            None => Bound::Included((kind, String::new())),
        };
        let mut held =
            tables.claims.range((from, Bound::Unbounded)).take_while(|((of, _), _)| *of == kind).map(
                |((_, key), held)| HeldClaim {
                    key: key.clone(),
                    owner: held.owner.clone(),
                    since: held.since,
                    until: held.until,
                },
            );
        let claims: Vec<_> = held.by_ref().take(usize::try_from(at_most).unwrap_or(usize::MAX)).collect();
        Ok(ClaimPage { more: held.next().is_some(), claims })
    }
}
