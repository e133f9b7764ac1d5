//! A store that is timed.

use std::sync::Arc;

use ambient::Time;
use async_trait::async_trait;
use store::{
    Backend, Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, Page, Row, Seen,
    Store, StoreError,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::metrics::Metrics;
use crate::telemetry::export;

/// A store, and how long it takes.
pub(crate) struct Timed<S> {
    store: Arc<S>,
    metrics: Arc<Metrics>,
}

impl<S: Backend> Timed<S> {
    pub(crate) const fn new(store: Arc<S>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics }
    }

    async fn timed<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let done = work.instrument(export::stored(operation)).await;
        self.metrics.stored(operation, began.elapsed(), done.is_ok());
        done
    }
}

#[async_trait]
impl<S: Backend> Store for Timed<S> {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.timed("read", self.store.read(key)).await
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.timed("look", self.store.look(look)).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        self.timed("commit", self.store.commit(changes)).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.timed("claim", self.store.claim(claim)).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.timed("holder", self.store.holder(kind, key)).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.timed("release", self.store.release(kind, key, owner)).await
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        self.timed("sweep", self.store.sweep(now, at_most)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.timed("ready", self.store.ready()).await
    }
}

#[async_trait]
impl<S: Backend> Inspect for Timed<S> {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        self.timed("list", self.store.list(kind, filter, after, at_most)).await
    }
}
