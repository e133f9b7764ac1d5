//! Stores that are sent to twice, lose replies and fail, and a listener that keeps what it heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ambient::Time;
use async_trait::async_trait;
use authz_core::{Event, Events};
use parking_lot::Mutex;
use store::{
    Backend, Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, Page, Row, Seen,
    Store, StoreError,
};

/// What happens on the way to a store and back. By default nothing.
#[async_trait]
pub trait Passage: Send + Sync {
    /// Before the store is called; an error is the answer, and the store never hears of the call.
    async fn there(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// After it was called; an error takes the place of its answer.
    async fn back(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The way of a commit to `store`: there and back like all others.
    async fn commit(&self, store: &dyn Backend, changes: &Changes) -> Result<Commit, StoreError> {
        self.there().await?;
        let answer = store.commit(changes).await;
        self.back().await?;
        answer
    }
}

/// A store at the other end of a [`Passage`].
pub struct Through<P> {
    store: Arc<dyn Backend>,
    passage: P,
}

impl<P: Passage> Through<P> {
    /// `store`, reached through `passage`.
    pub fn new(store: Arc<dyn Backend>, passage: P) -> Self {
        Self { store, passage }
    }

    async fn pass<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.passage.there().await?;
        let answer = call.await;
        self.passage.back().await?;
        answer
    }
}

#[async_trait]
impl<P: Passage> Store for Through<P> {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.pass(self.store.read(key)).await
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.pass(self.store.look(look)).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        self.passage.commit(&*self.store, changes).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.pass(self.store.claim(claim)).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.pass(self.store.holder(kind, key)).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.pass(self.store.release(kind, key, owner)).await
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        self.pass(self.store.sweep(now, at_most)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.pass(self.store.ready()).await
    }
}

#[async_trait]
impl<P: Passage> Inspect for Through<P> {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        self.pass(self.store.list(kind, filter, after, at_most)).await
    }
}

/// Fails every n-th call.
#[derive(Debug)]
pub struct Flaky {
    every: u64,
    when: When,
    calls: AtomicU64,
}

/// Where a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On the way there: nothing happened.
    Before,
    /// On the way back: it happened, and nobody knows.
    After,
}

impl Flaky {
    /// Fails each call whose number is a multiple of `every`, which is not 0.
    #[must_use]
    pub const fn every(every: u64, when: When) -> Self {
        Self { every, when, calls: AtomicU64::new(0) }
    }

    fn fails(&self) -> Result<(), StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call.is_multiple_of(self.every) { Err(StoreError::unavailable("out of order")) } else { Ok(()) }
    }
}

#[async_trait]
impl Passage for Flaky {
    async fn there(&self) -> Result<(), StoreError> {
        if self.when == When::Before { self.fails() } else { Ok(()) }
    }

    async fn back(&self) -> Result<(), StoreError> {
        if self.when == When::After { self.fails() } else { Ok(()) }
    }
}

/// Sends every commit twice, as a driver does whose connection dropped.
#[derive(Clone, Copy, Debug)]
pub struct Twice(pub Heard);

/// Which reply to a commit that was sent twice arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The first; the second is nobody's.
    First,
    /// The second; the first was lost.
    Second,
}

#[async_trait]
impl Passage for Twice {
    async fn commit(&self, store: &dyn Backend, changes: &Changes) -> Result<Commit, StoreError> {
        let first = store.commit(changes).await?;
        let second = store.commit(changes).await?;
        Ok(match self.0 {
            Heard::First => first,
            Heard::Second => second,
        })
    }
}

/// Keeps every event until it is asked for.
#[derive(Debug, Default)]
pub struct Collected(Mutex<Vec<Event>>);

impl Collected {
    /// Those since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Events for Collected {
    fn tell(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}
