//! A store in front of another one.

use ambient::Time;
use async_trait::async_trait;

use crate::{
    Backend, Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, Page, Row, Seen,
    Store, StoreError,
};

/// A store that stands in front of another one, and is that one but for what it says of itself.
///
/// Each method is the one of [`Store`] or [`Inspect`] by its name, and asks the store behind until it is written anew: for a store that
/// looks at what goes through it, or, in tests, that loses it.
#[async_trait]
pub trait Front: Send + Sync {
    /// The store behind it.
    fn behind(&self) -> &dyn Backend;

    /// See [`Store::read`].
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.behind().read(key).await
    }

    /// See [`Store::look`].
    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.behind().look(look).await
    }

    /// See [`Store::commit`].
    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        self.behind().commit(changes).await
    }

    /// See [`Store::claim`].
    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.behind().claim(claim).await
    }

    /// See [`Store::holder`].
    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.behind().holder(kind, key).await
    }

    /// See [`Store::release`].
    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.behind().release(kind, key, owner).await
    }

    /// See [`Store::sweep`].
    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        self.behind().sweep(now, at_most).await
    }

    /// See [`Store::ready`].
    async fn ready(&self) -> Result<(), StoreError> {
        self.behind().ready().await
    }

    /// See [`Inspect::list`].
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        self.behind().list(kind, filter, after, at_most).await
    }
}

#[async_trait]
impl<F: Front> Store for F {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Front::read(self, key).await
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        Front::look(self, look).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        Front::commit(self, changes).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        Front::claim(self, claim).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        Front::holder(self, kind, key).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        Front::release(self, kind, key, owner).await
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        Front::sweep(self, now, at_most).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Front::ready(self).await
    }
}

#[async_trait]
impl<F: Front> Inspect for F {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        Front::list(self, kind, filter, after, at_most).await
    }
}
