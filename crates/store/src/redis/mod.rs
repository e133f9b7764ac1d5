//! For many processes: Redis or Valkey, alone, watched by Sentinels, or a Cluster.
//!
//! A record is one hash, written by one script that checks its version and writes it in one step; the server's own clock
//! expires it. What a grant names is remembered here, and never believed without asking. What survives a crash or a failover is
//! what the operator made Redis keep: `docs/records.md` says which setting gives what.

mod claims;
mod cluster;
mod commits;
mod endpoint;
mod fault;
mod health;
mod keys;
mod link;
mod lists;
mod options;
mod remembered;
mod replicas;
mod rows;
mod scripts;
mod sentinel;
mod unlisted;
mod url;
mod wire;

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Time};
use async_trait::async_trait;

use self::keys::Keys;
pub use self::options::RedisOptions;
use self::remembered::Remembered;
pub use self::url::{RedisUrl, RedisUrlError};
use self::wire::Wire;
use crate::{
    Changes, Claim, ClaimKind, ClaimPage, Claimed, Claims, Commit, Counters, Filter, Inspect, Key, Kind,
    Look, Page, Row, Seen, Store, StoreError, Unlisted,
};

/// A store, and shared counters, in Redis 7 or newer or Valkey.
///
/// Gone, loading, full or read-only, Redis makes it answer [`StoreError::Unavailable`]; it works again when the cause is gone.
/// Refusing who we are, it makes it answer [`StoreError::Misconfigured`].
/// A connection that breaks is made anew, at first at once and then more and more slowly, and what was being asked is
/// asked once more: a commit whose reply got lost finds its own mark. One is enough for a process, however many share it.
pub struct Redis {
    wire: Arc<Wire>,
    keys: Arc<Keys>,
    remembered: Remembered,
    clock: Arc<dyn Clock>,
}

impl Redis {
    /// Connects to the servers at `url`, whose clocks are compared with `clock`. It must be called within a runtime that lives as
    /// long as the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer version of this program wrote the keys; [`StoreError::Unfit`] if the clock of a server is
    /// more than a minute off ours, or a server throws records away when its memory is full; [`StoreError::Misconfigured`] if the
    /// server refuses us, is of another kind than the URL says, or the options make no sense; [`StoreError::Unavailable`] if no connection comes about.
    pub async fn open(
        url: &RedisUrl,
        options: RedisOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let this = Self::reached(url, &options, clock).await?;
        let wire = &*this.wire;
        health::layout(wire, &this.keys).await?;
        // A primary of a Cluster that is away now is no reason not to start.
        if let Err(fault) = health::fit(wire, this.clock.now()).await
            && fault.is_of_the_setup()
        {
            return Err(fault.into());
        }
        Ok(this)
    }

    /// The same for whoever looks whether it can be used: nothing is written, no probe either. So a server that refuses writes, because
    /// it is full or a replica, is not found out.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open); and whatever keeps it from being trusted with records now.
    pub async fn look_at(
        url: &RedisUrl,
        options: RedisOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let this = Self::reached(url, &options, clock).await?;
        health::looked_at(&this.wire, &this.keys, this.clock.now()).await?;
        Ok(this)
    }

    /// One that answers, and is of the kind that the URL says.
    async fn reached(
        url: &RedisUrl,
        options: &RedisOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let keys = Keys::under(&options.prefix)?;
        let wire = Wire::open(url, options, &keys).await?;
        health::kind(&wire).await?;
        Ok(Self { wire: Arc::new(wire), keys: Arc::new(keys), remembered: Remembered::default(), clock })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Redis {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(rows::read(&self.wire, &self.keys, key).await?)
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        Ok(rows::look(&self.wire, &self.keys, &self.remembered, look).await?)
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        Ok(commits::commit(&self.wire, &self.keys, changes).await?)
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        Ok(claims::claim(&self.wire, &self.keys, claim).await?)
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        Ok(claims::holder(&self.wire, &self.keys, kind, key).await?)
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        Ok(claims::release(&self.wire, &self.keys, kind, key, owner).await?)
    }

    /// Nothing is left to do: the server expires records and claims, and lists drop what is over whenever they are used.
    async fn sweep(&self, _: Time, _: u32) -> Result<u32, StoreError> {
        Ok(0)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(health::ready(&self.wire, &self.keys, self.clock.now()).await?)
    }
}

#[async_trait]
impl Inspect for Redis {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        Ok(lists::page(&self.wire, &self.keys, kind, filter, after, at_most).await?)
    }
}

#[async_trait]
impl Claims for Redis {
    async fn claims(
        &self,
        kind: ClaimKind,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<ClaimPage, StoreError> {
        Ok(claims::page(&self.wire, &self.keys, kind, after, at_most).await?)
    }

    async fn unlisted(&self) -> Result<Unlisted, StoreError> {
        Ok(unlisted::unlisted(&self.wire, &self.keys).await?)
    }
}

#[async_trait]
impl Counters for Redis {
    async fn count(&self, key: &str, window: i64, now: Time) -> Result<u32, StoreError> {
        Ok(claims::count(&self.wire, &self.keys, key, window, now).await?)
    }

    async fn forget(&self, key: &str, window: i64, now: Time) -> Result<(), StoreError> {
        Ok(claims::forget(&self.wire, &self.keys, key, window, now).await?)
    }
}
