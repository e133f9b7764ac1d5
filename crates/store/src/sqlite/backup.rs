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
        let connection = to_read(path)?;
        let found: String =
            connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(Fault::Sqlite)?;
        if found == "ok" { Ok(()) } else { Err(Fault::Broken(found).into()) }
    }
}

fn to_read(path: &Path) -> Result<Connection, Fault> {
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
