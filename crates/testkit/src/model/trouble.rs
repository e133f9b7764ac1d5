//! A way to the store on which the write of a grant goes wrong, when it is told to.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use store::{Backend, Changes, Commit, Found, Grant, GrantId, Kind, Mark, Store, StoreError};

use super::story::Trouble;
use crate::faults::{Passage, Through};

/// What goes wrong with the next write of a grant.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles(Arc<Mutex<(Trouble, u8)>>);

impl Troubles {
    /// `store`, reached through these.
    pub(super) fn store(&self, store: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(Through::new(store, self.clone()))
    }

    /// What goes wrong next, and with nothing after it.
    pub(super) fn next(&self, trouble: Trouble) {
        self.0.lock().0 = trouble;
    }

    fn meet(&self) -> Trouble {
        std::mem::take(&mut self.0.lock().0)
    }

    /// Writes the grant as it is, as a version of its own.
    async fn outrun(&self, store: &dyn Store, grant: &str) -> Result<(), StoreError> {
        let Ok(grant) = GrantId::parse(grant) else { return Ok(()) };
        let found: Option<Found<Grant>> = store.find(grant).await?;
        let Some(found) = found else { return Ok(()) };
        let mark = {
            let mut told = self.0.lock();
            told.1 = told.1.wrapping_add(1);
            let mut mark = [0xfe; 16];
            mark[0] = told.1;
            Mark::new(mark)
        };
        store.commit(&Changes::replace(mark, &found, &found.record)).await.map(drop)
    }
}

#[async_trait]
impl Passage for Troubles {
    async fn commit(&self, store: &dyn Backend, changes: &Changes) -> Result<Commit, StoreError> {
        let trouble = if changes.key().kind == Kind::Grant { self.meet() } else { Trouble::None };
        match trouble {
            Trouble::None => {}
            Trouble::WriteFails => return Err(StoreError::unavailable("no room")),
            Trouble::AnswerLost => {
                let _: Commit = store.commit(changes).await?;
                return Err(StoreError::unavailable("the connection broke"));
            }
            Trouble::Outrun => self.outrun(store, &changes.key().id).await?,
        }
        store.commit(changes).await
    }
}
