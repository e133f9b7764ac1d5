//! A store that breaks off, or during whose answers others work.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use store::copy::note_served;
use store::{
    Backend, Changes, ClaimKind, ClaimPage, Claims, Commit, Filter, Front, Kind, Page, Store, StoreError,
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
impl Front for Breaking {
    fn behind(&self) -> &dyn Backend {
        &*self.inner
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        let takes = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes) {
            Ok(_) => self.inner.commit(changes).await,
            Err(_) => Err(StoreError::unavailable("broken off")),
        }
    }

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
