//! Connections, set up alike.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use super::file::{self, FileId};
use super::schema::{self, Instance};

/// How long a write waits for another process that holds the lock. Writers hold it for milliseconds.
const WRITER_WAITS: Duration = Duration::from_secs(1);

/// How long a read waits. It waits on a thread that serves others; in a write-ahead log readers wait for nobody but who recovers.
const READER_WAITS: Duration = Duration::from_millis(100);

/// The log is cut back to this size after a burst, in bytes.
const LOG_KEPT: i64 = 16 << 20;

/// More than there are statements.
const STATEMENTS: usize = 32;

/// A connection, and the file that it is to.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) file: FileId,
    pub(super) log: Option<FileId>,
}

impl Opened {
    /// To write: brings the tables up to date first. Of what is not the `wanted` database, nothing is changed.
    pub(super) fn to_write(path: &Path, wanted: Option<&Instance>) -> Result<Self, Fault> {
        let mut opened = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_WAITS)?;
        let connection = &mut opened.connection;
        schema::refuse_foreign(connection)?;
        if wanted.is_some() && Instance::of(connection)?.as_ref() != wanted {
            return Err(Fault::Another);
        }
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(Fault::NoLog);
        }
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT, |_| Ok(()))?;
        schema::migrate(connection)?;
        opened.log = FileId::of(&file::log_of(path)).ok();
        opened.is_still_at(path)?;
        Ok(opened)
    }

    /// To read the file that the writer has prepared, and no other: the log beside another may not be its own.
    pub(super) fn to_read(path: &Path, prepared: FileId) -> Result<Self, Fault> {
        if FileId::of(path)? != prepared {
            return Err(Fault::Moved);
        }
        let opened = Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_WAITS)?;
        if opened.file == prepared { Ok(opened) } else { Err(Fault::Moved) }
    }

    fn open(path: &Path, access: OpenFlags, patience: Duration) -> Result<Self, Fault> {
        let file = FileId::of(path)?;
        // Each connection is used by one thread at a time.
        let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(patience)?;
        // Without it the statistics make a cached join be prepared anew at every use.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection, file, log: None })
    }

    /// Which database the file at `path` is, by itself: the log beside it is not looked at.
    pub(super) fn instance_without_log(path: &Path) -> Result<Option<Instance>, Fault> {
        let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection =
            Connection::open_with_flags(file::immutable(path), access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        Instance::of(&connection)
    }

    /// Whether its path still leads to its file.
    pub(super) fn is_still_at(&self, path: &Path) -> Result<(), Fault> {
        if FileId::of(path)? == self.file { Ok(()) } else { Err(Fault::Moved) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_on_the_disk_and_plans_are_stable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        file::create_if_absent(&path).unwrap();
        let Opened { connection: writer, file, .. } = Opened::to_write(&path, None).unwrap();
        let reader = Opened::to_read(&path, file).unwrap().connection;
        let synchronous: i64 = writer.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!(synchronous, 2, "2 is FULL");
        let mode: String = writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        for connection in [&writer, &reader] {
            assert!(connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG).unwrap());
        }
        assert!(reader.execute("DELETE FROM records", ()).is_err());
    }
}
