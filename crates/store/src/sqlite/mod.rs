//! The embedded default: one SQLite file.
//!
//! One thread owns the only connection that writes and groups the writes that wait for it into one transaction; reads run on
//! the calling thread, on a few connections that cannot write. Nothing is answered before it is on the disk
//! (`synchronous=FULL`), so `kill -9` and a power cut lose nothing that was answered.

mod backup;
mod connection;
mod fault;
mod file;
mod look;
mod readers;
mod rows;
mod schema;
mod work;
mod writer;

use std::fmt;
use std::path::Path;
use std::thread::JoinHandle;

use ambient::Time;
use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::mpsc;

use self::fault::Fault;
pub use self::look::SqliteLook;
use self::readers::Readers;
use self::work::{Probe, Released, Swept};
use self::writer::{Job, Writer};
use crate::{
    Changes, Claim, ClaimKind, ClaimPage, Claimed, Claims, Commit, Filter, Inspect, Key, Kind, Look,
    OwnedClaim, Page, Row, Seen, Store, StoreError,
};

/// Writes that may wait for the writer. Who comes later waits for a place.
const QUEUE: usize = 1024;

/// Records that are swept in one write, so that nobody waits long behind it.
const SWEPT_TOGETHER: u32 = 128;

/// A store in one SQLite file.
///
/// Locked, full, read-only or gone, the database makes it answer [`StoreError::Unavailable`]; it works again when the cause
/// is gone. A file that is removed is not made anew. A backup of it that somebody puts in its place is taken; any other
/// database, an empty file included, is not before [`Sqlite::open`] is called again. Several processes may open one file. Dropping it finishes the writes that wait, and blocks until they are on the disk.
pub struct Sqlite {
    readers: Readers,
    // Gone only while this is dropped.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    writer: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens the file at `path`; makes it, readable by its owner alone, if there is none. Its folder must exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer version of this program wrote it; [`StoreError::Unavailable`] if it cannot be opened,
    /// or is no database, or another program's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        file::create_if_absent(path)?;
        let writer = Writer::open(path)?;
        let readers = Readers::of(path, writer.prepared());
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let writer = thread.spawn(move || writer.run(jobs)).map_err(Fault::Io)?;
        Ok(Self { readers, queue: Some(queue), writer: Some(writer) })
    }

    async fn write<W: work::Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        let (job, answer) = writer::asked(work);
        let queue = self.queue.as_ref().ok_or(Fault::Stopped)?;
        queue.send(job).await.map_err(|_| Fault::Stopped)?;
        answer.await.map_err(|_| Fault::Stopped)?
    }

    // No connection is held across an await: a reader is borrowed within `with` alone.
    async fn reading<T>(
        &self,
        read: impl Fn(&Connection) -> Result<T, Fault> + Send,
    ) -> Result<T, StoreError> {
        match self.readers.with(&read) {
            // Another file: the writer knows whether it may be read, and makes it fit.
            Err(Fault::Moved | Fault::Io(_)) => {
                self.write(Probe).await?;
                Ok(self.readers.with(&read)?)
            }
            seen => Ok(seen?),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // The last connection to close writes the log back into the file; only the writer's can.
        self.readers.close();
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.reading(|connection| rows::read(connection, key)).await
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.reading(|connection| rows::look(connection, look)).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        self.write(changes.clone()).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.write(OwnedClaim::from(claim)).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.reading(|connection| rows::holder(connection, kind, key)).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.write(Released { kind, key: key.to_owned(), owner: owner.to_owned() }).await
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        let mut gone = 0;
        while gone < at_most {
            let asked = SWEPT_TOGETHER.min(at_most - gone);
            let swept = self.write(Swept { now, at_most: asked }).await?;
            gone += swept;
            if swept < asked {
                break;
            }
        }
        Ok(gone)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.write(Probe).await?;
        self.reading(rows::probe).await
    }
}

#[async_trait]
impl Inspect for Sqlite {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        self.reading(|connection| rows::list(connection, kind, filter, after, at_most)).await
    }
}

#[async_trait]
impl Claims for Sqlite {
    async fn claims(
        &self,
        kind: ClaimKind,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<ClaimPage, StoreError> {
        self.reading(|connection| rows::claims(connection, kind, after, at_most)).await
    }
}
