//! Stores that do not keep what the contract promises, for the checker to find out.

use std::collections::BTreeMap;

use ambient::Time;
use async_trait::async_trait;
use parking_lot::Mutex;
use store::{
    Changes, Claim, ClaimKind, Claimed, Commit, Filter, Guard, Inspect, Key, Kind, Look, Memory, Page, Row,
    Seen, Store, StoreError, Verdict, verdict,
};

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// It writes over whatever is there, whichever version it should replace.
    Unguarded,
    /// It answers, and writes to its disk after every hundredth commit; the disk takes as long for that as the next hundred do.
    AnswersEarly,
    /// Reads may come from a replica that has not heard of the last commits.
    ReadsOld,
}

/// A store in memory, with a disk that survives [`crash`](Self::crash).
pub(crate) struct Flawed {
    flaw: Flaw,
    rows: Mutex<Rows>,
    claims: Memory,
}

#[derive(Default)]
struct Rows {
    memory: BTreeMap<Key, Row>,
    /// What the disk has, and what is on its way there.
    disk: [BTreeMap<Key, Row>; 2],
    unwritten: usize,
    /// What a replica shows.
    old: BTreeMap<Key, Row>,
    reads: usize,
}

impl Flawed {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, rows: Mutex::default(), claims: Memory::new() }
    }

    /// Only what reached the disk is there afterwards: of a store that answers early all but the last 100 to 199 commits.
    pub(crate) fn crash(&self) {
        if self.flaw == Flaw::AnswersEarly {
            let mut rows = self.rows.lock();
            rows.memory = rows.disk[0].clone();
        }
    }

    /// Now and then, a little late.
    fn see(&self, key: &Key) -> Option<Row> {
        let mut rows = self.rows.lock();
        rows.reads += 1;
        if self.flaw == Flaw::ReadsOld && rows.reads.is_multiple_of(7) && key.kind == Kind::Grant {
            return rows.old.get(key).or_else(|| rows.memory.get(key)).cloned();
        }
        rows.memory.get(key).cloned()
    }
}

#[async_trait]
impl Store for Flawed {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        tokio::task::yield_now().await;
        Ok(self.see(key))
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        let record = self.read(&look.record).await?;
        let named = record.as_ref().map_or_else(Default::default, |row| row.links.keys());
        let [client, person, consent, server] =
            named.map(|key: Option<Key>| key.and_then(|key| self.see(&key)));
        let beside = look.beside.as_ref().and_then(|key| self.see(key));
        Ok(Seen { record, client, person, consent, server, beside })
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        tokio::task::yield_now().await;
        let mut rows = self.rows.lock();
        let stored = rows.memory.get(changes.key()).cloned();
        let guarded = self.flaw != Flaw::Unguarded || !matches!(changes.guard(), Guard::This(_));
        let verdict = match &stored {
            Some(_) if !guarded => Verdict::Write,
            stored => {
                verdict(stored.as_ref().map(|row| (&row.marks, row.ended)), changes.mark(), changes.guard())
            }
        };
        match verdict {
            Verdict::Done => return Ok(Commit::Done),
            Verdict::Stale => return Ok(Commit::Stale),
            Verdict::Write => {}
        }
        let row = changes.row(stored.as_ref().map(|row| (&row.marks, row.sweep)));
        if let Some(before) = stored {
            rows.old.insert(before.key.clone(), before);
        }
        rows.memory.insert(changes.key().clone(), row);
        rows.unwritten += 1;
        if self.flaw == Flaw::AnswersEarly && rows.unwritten == 100 {
            let next = rows.memory.clone();
            rows.disk[0] = std::mem::replace(&mut rows.disk[1], next);
            rows.unwritten = 0;
        }
        Ok(Commit::Done)
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.claims.claim(claim).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.claims.holder(kind, key).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.claims.release(kind, key, owner).await
    }

    async fn sweep(&self, _: Time, _: u32) -> Result<u32, StoreError> {
        Ok(0)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Inspect for Flawed {
    async fn list(&self, _: Kind, _: Filter<'_>, _: Option<&str>, _: u32) -> Result<Page, StoreError> {
        Ok(Page::default())
    }
}
