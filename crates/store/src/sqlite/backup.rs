//! A whole database as one file, while others use it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Sqlite;
use super::fault::Fault;
use super::{file, schema};
use crate::StoreError;

/// How long it waits for whoever brings the log up to date.
const PATIENCE: Duration = Duration::from_secs(5);

impl Sqlite {
    /// Writes all of the database at `from`, as it is at one moment, into a new file at `to`, readable by its owner alone and on the
    /// disk when this returns. Others may read and write the database meanwhile, in any process. It blocks.
    ///
    /// The copy is the same instance: a [`Sqlite`] that has `from` open takes it in the place of that.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer version of this program wrote it; [`StoreError::Unavailable`] if it cannot be read, is
    /// damaged or another program's, or if there is something at `to`. What was written of it by then is left there.
    pub fn copy_file(from: &Path, to: &Path) -> Result<(), StoreError> {
        let source = to_read(from)?;
        file::create(to)?;
        let path = to.to_str().ok_or_else(|| Fault::Io(std::io::ErrorKind::InvalidFilename.into()))?;
        source.execute("VACUUM INTO ?1", [path]).map_err(Fault::Sqlite)?;
        File::open(to).and_then(|copy| copy.sync_all()).map_err(Fault::Io)?;
        Self::check_file(to)
    }

    /// Looks whether the file at `path` is a database of this program that can be read from end to end, and changes nothing. It
    /// blocks.
    ///
    /// # Errors
    ///
    /// As of [`copy_file`](Self::copy_file).
    pub fn check_file(path: &Path) -> Result<(), StoreError> {
        Ok(read_through(&to_read(path)?)?)
    }
}

/// Reads it from end to end.
pub(super) fn read_through(connection: &Connection) -> Result<(), Fault> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Fault::Broken(found)) }
}

pub(super) fn to_read(path: &Path) -> Result<Connection, Fault> {
    let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, access)?;
    connection.busy_timeout(PATIENCE)?;
    schema::refuse_foreign(&connection)?;
    if schema::is_empty(&connection)? {
        return Err(Fault::Foreign);
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_database_and_never_written_over_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("store.db"), folder.path().join("copy.db"));
        let store = Sqlite::open(&path).unwrap();
        Sqlite::copy_file(&path, &copy).unwrap();
        assert!(Sqlite::copy_file(&path, &copy).is_err());
        drop(store);
        let instance = |path: &Path| schema::Instance::of(&to_read(path).unwrap()).unwrap().unwrap();
        assert_eq!(instance(&path), instance(&copy));
        // Stopped as well.
        Sqlite::copy_file(&path, &folder.path().join("another.db")).unwrap();
        Sqlite::open(&copy).unwrap();
    }

    /// The attack: who can write a backup adds what acts on everything that is written after it was restored.
    #[test]
    fn a_database_with_anything_else_in_it_is_neither_copied_nor_opened() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        for (number, (sql, told)) in [
            ("CREATE TRIGGER keep AFTER INSERT ON records BEGIN DELETE FROM claims; END", "trigger"),
            ("CREATE TABLE more (a)", "table"),
            ("CREATE VIEW more AS SELECT * FROM records", "view"),
            ("CREATE UNIQUE INDEX more ON records (id)", "index"),
            ("DROP TABLE probes; CREATE TABLE probes (one)", "table"),
            ("DROP INDEX records_client", "another program"),
        ]
        .into_iter()
        .enumerate()
        {
            let path = folder.path().join(format!("{number}.db"));
            drop(Sqlite::open(&path).unwrap());
            Sqlite::check_file(&path).unwrap();
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
            for refused in [Sqlite::copy_file(&path, &copy), Sqlite::open(&path).map(drop)] {
                let told_of = std::error::Error::source(&refused.unwrap_err()).unwrap().to_string();
                assert!(told_of.contains(told), "{sql}: {told_of}");
            }
            assert!(!copy.exists());
        }
        let path = folder.path().join("named.db");
        drop(Sqlite::open(&path).unwrap());
        let hidden = "CREATE TRIGGER keep AFTER INSERT ON records BEGIN DELETE FROM claims; END;
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET name = 'sqlite_stat1' WHERE name = 'keep'";
        Connection::open(&path).unwrap().execute_batch(hidden).unwrap();
        assert!(Sqlite::copy_file(&path, &copy).is_err() && !copy.exists());
        // What SQLite makes for itself is no harm.
        let path = folder.path().join("analyzed.db");
        drop(Sqlite::open(&path).unwrap());
        Connection::open(&path).unwrap().execute_batch("ANALYZE").unwrap();
        Sqlite::copy_file(&path, &copy).unwrap();
    }

    #[test]
    fn what_is_no_database_of_ours_is_neither_copied_nor_changed() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        for (name, content) in [("empty", Vec::new()), ("text", b"no database at all".repeat(100))] {
            let path = folder.path().join(name);
            std::fs::write(&path, &content).unwrap();
            assert!(Sqlite::copy_file(&path, &copy).is_err() && Sqlite::check_file(&path).is_err(), "{name}");
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
        assert!(Sqlite::copy_file(&folder.path().join("nothing"), &copy).is_err());
        assert!(!copy.exists() && !folder.path().join("nothing").exists());
    }
}
