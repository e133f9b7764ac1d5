//! A database that is looked at and not touched.

use std::fmt;
use std::fs;
use std::path::Path;

use ambient::Time;
use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use super::{Sqlite, backup, file, rows, schema};
use crate::{
    Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, Page, Row, Seen, Store,
    StoreError,
};

/// A database in a SQLite file, for whoever looks whether it is as it should be. Everything that writes is refused.
pub struct SqliteLook(Mutex<Connection>);

impl Sqlite {
    /// Opens the file at `path`, which nobody may write meanwhile, reads it from end to end, and changes nothing. Only where a process
    /// that was killed has left its log beside it, SQLite makes the index of that anew. It blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer version of this program wrote it; [`StoreError::Unavailable`] if it cannot be read, is
    /// damaged or another program's.
    pub fn look_at(path: &Path) -> Result<SqliteLook, StoreError> {
        let has_log = fs::metadata(file::log_of(path)).is_ok_and(|log| log.len() > 0);
        let connection = if has_log { backup::to_read(path)? } else { untouched(path)? };
        backup::read_through(&connection)?;
        Ok(SqliteLook(Mutex::new(connection)))
    }
}

/// Without a log the file is all there is, and SQLite need not make one to read it.
fn untouched(path: &Path) -> Result<Connection, Fault> {
    let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection =
        Connection::open_with_flags(file::immutable(path), access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    schema::refuse_foreign(&connection)?;
    if schema::is_empty(&connection)? { Err(Fault::Foreign) } else { Ok(connection) }
}

impl fmt::Debug for SqliteLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLook").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteLook {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(rows::read(&self.0.lock(), key)?)
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        Ok(rows::look(&self.0.lock(), look)?)
    }

    async fn commit(&self, _: &Changes) -> Result<Commit, StoreError> {
        Err(Fault::Untouched.into())
    }

    async fn claim(&self, _: &Claim<'_>) -> Result<Claimed, StoreError> {
        Err(Fault::Untouched.into())
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        Ok(rows::holder(&self.0.lock(), kind, key)?)
    }

    async fn release(&self, _: ClaimKind, _: &str, _: &str) -> Result<(), StoreError> {
        Err(Fault::Untouched.into())
    }

    async fn sweep(&self, _: Time, _: u32) -> Result<u32, StoreError> {
        Err(Fault::Untouched.into())
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Err(Fault::Untouched.into())
    }
}

#[async_trait]
impl Inspect for SqliteLook {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        Ok(rows::list(&self.0.lock(), kind, filter, after, at_most)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AdminKeys, Mark};

    #[tokio::test]
    async fn looking_reads_everything_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let create = Changes::create(Mark::new([1; 16]), &AdminKeys::default());
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(store.commit(&create).await.unwrap(), Commit::Done);
        // Of one that was killed the log is left.
        let killed = folder.path().join("killed.db");
        for suffix in ["", "-wal"] {
            let of = |path: &Path| format!("{}{suffix}", path.display());
            fs::copy(of(&path), of(&killed)).unwrap();
        }
        drop(store);
        let (bytes, names) = (fs::read(&path).unwrap(), || fs::read_dir(folder.path()).unwrap().count());
        let before = names();
        let key = Key::new(Kind::AdminKeys, AdminKeys::ID);
        let look = Sqlite::look_at(&path).unwrap();
        assert!(look.read(&key).await.unwrap().is_some());
        assert_eq!(look.list(Kind::AdminKeys, Filter::All, None, 10).await.unwrap().rows.len(), 1);
        assert!(look.commit(&create).await.is_err() && look.sweep(Time(0), 1).await.is_err());
        drop(look);
        assert_eq!((fs::read(&path).unwrap(), names()), (bytes, before));

        let bytes = fs::read(&killed).unwrap();
        assert!(Sqlite::look_at(&killed).unwrap().read(&key).await.unwrap().is_some());
        assert_eq!(fs::read(&killed).unwrap(), bytes);
    }
}
