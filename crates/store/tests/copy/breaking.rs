//! A store that breaks off, or during whose answers others work.

use std::sync::atomic::{AtomicU32, Ordering};

use ambient::Time;
use async_trait::async_trait;
use store::copy::note_served;
use store::{
    Changes, Claim, ClaimKind, ClaimPage, Claimed, Claims, Commit, Filter, Inspect, Key, Kind, Look, Page,
    Row, Seen, Store, StoreError,
};

use crate::{NOW, Subject, change, claim, mark, run};

/// A store that takes so many writes, and then none.
pub(crate) struct Breaking {
    pub(crate) inner: Subject,
    pub(crate) left: AtomicU32,
    /// Where another copy comes to its end, and a server works, while a page is on its way.
    pub(crate) meanwhile: Option<Subject>,
}

#[async_trait]
impl Store for Breaking {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.inner.read(key).await
    }
    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.inner.look(look).await
    }
    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        let takes = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes) {
            Ok(_) => self.inner.commit(changes).await,
            Err(_) => Err(StoreError::unavailable("broken off")),
        }
    }
    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.inner.claim(claim).await
    }
    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.inner.holder(kind, key).await
    }
    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.inner.release(kind, key, owner).await
    }
    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        self.inner.sweep(now, at_most).await
    }
    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }
}

#[async_trait]
impl Inspect for Breaking {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        let page = self.inner.list(kind, filter, after, at_most).await?;
        if let (Some(to), Kind::Grant, Some(_)) = (&self.meanwhile, kind, after)
            && self.left.swap(0, Ordering::SeqCst) > 0
        {
            assert!(run(&self.inner, to, false).await.unwrap().complete);
            note_served(&**to as &dyn Store, "https://auth.example.com", NOW, &mut mark).await.unwrap();
            for n in 2..7 {
                change(to, "0500", |sample| sample.text = format!("generation {n}")).await;
            }
            claim(to, "new@example.com", "usr_new", None).await;
        }
        Ok(page)
    }
}

#[async_trait]
impl Claims for Breaking {
    async fn claims(
        &self,
        kind: ClaimKind,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<ClaimPage, StoreError> {
        self.inner.claims(kind, after, at_most).await
    }
}
