//! The database of a data folder as one file, and back.
//!
//! A backup is taken while a server runs. The master key is not in it: whoever finds the backup has sealed secrets and digests,
//! and no key to them. So the key is kept elsewhere, and a backup without it is of no use.

mod anew;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::{Clock, Entropy};
use authz_core::OversightError;
use store::{Sqlite, StoreError};
use thiserror::Error;

pub use self::anew::Anew;
use crate::data::{DataError, DataFolder};

/// Why there is no backup, or nothing was restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The records are not in a file.
    #[error(
        "the configured store is no file; a Redis is backed up by its own means (RDB, AOF), and of memory nothing is kept"
    )]
    NotAFile,
    /// There is nothing to back up.
    #[error("there is no database in {}; name the data folder by --data", .0.display())]
    NoDatabase(PathBuf),
    /// Something is there already.
    #[error("{} is there already, and nothing is written over it", .0.display())]
    Exists(PathBuf),
    /// There is a database in the folder already.
    #[error("{} is there already; with --replace it is put aside, as {}", .database.display(), .aside.display())]
    DatabaseExists {
        /// What is there.
        database: PathBuf,
        /// Where it would be put.
        aside: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be read, or the backup not be written.
    #[error("{} cannot be copied: {source}", .path.display())]
    Store {
        /// Which.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// What the backup brings back cannot be ended.
    #[error("what is in {} cannot be ended: {source}", .path.display())]
    Anew {
        /// The backup.
        path: PathBuf,
        /// Why.
        source: OversightError,
    },
    /// The folder, or that a server has it.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the database is now that was there before.
    pub aside: Option<PathBuf>,
    /// Whether the folder has a master key; whether it is the right one is seen when a server starts.
    pub has_key: bool,
}

/// Writes the database of the data folder at `folder`, which a server may have meanwhile, into a new file at `file`, readable by
/// its owner alone. It appears whole or not at all. It blocks; answers its size in bytes.
///
/// # Errors
///
/// [`BackupError`]; there is no file then.
pub fn back_up(folder: &Path, file: &Path) -> Result<u64, BackupError> {
    let database = DataFolder::database_in(folder);
    if !database.is_file() {
        return Err(BackupError::NoDatabase(folder.to_owned()));
    }
    DataFolder::look_at(folder)?;
    let unfinished = beside(file, ".unfinished");
    copy(&database, file, &unfinished)?;
    fs::metadata(file).map(|metadata| metadata.len()).map_err(of(file))
}

/// Puts the backup at `file` into the data folder at `folder`, which no server may have. A database that is there is put aside
/// with `replace`, and else left as it is. It blocks.
///
/// # Errors
///
/// [`BackupError`]; the folder is as it was then.
pub fn restore(file: &Path, folder: &Path, replace: bool) -> Result<Restored, BackupError> {
    Restoring::begin(file, folder, replace)?.finish()
}

/// A backup that was copied into a data folder, and is not its database yet.
#[derive(Debug)]
pub struct Restoring {
    data: DataFolder,
    backup: PathBuf,
    folder: PathBuf,
    new: PathBuf,
    aside: Option<PathBuf>,
}

impl Restoring {
    /// Copies the backup at `file` into the data folder at `folder`, as [`restore`] does. Without [`finish`](Self::finish) nothing has
    /// happened. It blocks.
    ///
    /// # Errors
    ///
    /// As of [`restore`].
    pub fn begin(file: &Path, folder: &Path, replace: bool) -> Result<Self, BackupError> {
        if !file.is_file() {
            return Err(of(file)(ErrorKind::NotFound.into()));
        }
        let data = DataFolder::open(folder)?;
        let (database, aside) = (data.database(), aside(folder)?);
        let there = database.try_exists().map_err(of(&database))?;
        if there && !replace {
            return Err(BackupError::DatabaseExists { database, aside });
        }
        let new = beside(&database, ".restored");
        let _ = fs::remove_file(&new);
        let (backup, folder) = (file.to_owned(), folder.to_owned());
        let restoring = Self { data, backup, folder, new, aside: there.then_some(aside) };
        Sqlite::copy_file(file, &restoring.new).map_err(of_store(file))?;
        Ok(restoring)
    }

    /// Ends in the copy all sessions, grants, mailed links, invitations and admin keys, and makes one admin key. Passwords, recovery codes
    /// and the keys of servers and clients stay as they are in the backup.
    ///
    /// # Errors
    ///
    /// [`BackupError::Store`] or [`BackupError::Anew`].
    pub async fn end_everything(
        &self,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Anew, BackupError> {
        let store = Arc::new(Sqlite::open(&self.new).map_err(of_store(&self.backup))?);
        let ended = anew::begin_anew(store, clock, entropy).await;
        ended.map_err(|source| BackupError::Anew { path: self.backup.clone(), source })
    }

    /// Makes the copy the database of the folder. It blocks.
    ///
    /// # Errors
    ///
    /// [`BackupError::Io`]; the folder is as it was then.
    pub fn finish(self) -> Result<Restored, BackupError> {
        let database = self.data.database();
        // The log belongs to the database beside it: without one, what is left of an older is not for this one.
        let spare = aside(&self.folder)?;
        let aside = self.aside.as_ref().unwrap_or(&spare);
        let mut moved = Vec::new();
        let replaced = SUFFIXES.iter().try_for_each(|suffix| {
            let (from, to) = (beside(&database, suffix), beside(aside, suffix));
            match fs::rename(&from, &to) {
                Ok(()) => moved.push((from, to)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(of(&from)(error)),
            }
            Ok(())
        });
        let replaced = replaced.and_then(|()| fs::rename(&self.new, &database).map_err(of(&database)));
        if let Err(error) = replaced {
            // The database before its log, as SQLite would have them.
            for (from, to) in moved.iter().rev() {
                let _ = fs::rename(to, from);
            }
            return Err(error);
        }
        sync(&self.folder)?;
        let has_key = self.folder.join("master.key").is_file();
        Ok(Restored { aside: self.aside.clone(), has_key })
    }
}

/// The files of a database: the log goes before what it belongs to.
const SUFFIXES: [&str; 3] = ["-wal", "-shm", ""];

impl Drop for Restoring {
    fn drop(&mut self) {
        // What was finished has another name by now.
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&self.new, suffix));
        }
    }
}

/// A file has its name when it is whole. A link is not put over a file that is there, as a renamed one would be; what a process left
/// that was killed is in the way of nobody.
fn copy(from: &Path, to: &Path, unfinished: &Path) -> Result<(), BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(of(unfinished)(error)),
        Ok(()) | Err(_) => {}
    }
    // A folder that is not there is no fault of the database.
    let folder =
        to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::metadata(folder).map_err(of(to))?;
    let copied = Sqlite::copy_file(from, unfinished).map_err(of_store(from)).and_then(|()| {
        match fs::hard_link(unfinished, to) {
            // Where there are no links, nobody but another backup of that name could come in between.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                fs::rename(unfinished, to).map_err(of(to))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(BackupError::Exists(to.to_owned())),
            Err(error) => Err(of(to)(error)),
            Ok(()) => Ok(()),
        }
    });
    let _ = fs::remove_file(unfinished);
    copied?;
    sync(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")))
}

/// A name beside the database that nothing has.
fn aside(folder: &Path) -> Result<PathBuf, BackupError> {
    let database = DataFolder::database_in(folder);
    let mut number = 1_u32;
    loop {
        let path = beside(&database, &format!(".before-{number}"));
        if !path.try_exists().map_err(of(&path))? {
            return Ok(path);
        }
        number = number.saturating_add(1);
    }
}

/// A name is on the disk when its folder is; where folders cannot be opened, renaming is durable by itself.
fn sync(folder: &Path) -> Result<(), BackupError> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(of(folder))
    } else {
        Ok(())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn of(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    |source| BackupError::Io { path: path.to_owned(), source }
}

fn of_store(path: &Path) -> impl FnOnce(StoreError) -> BackupError {
    |source| BackupError::Store { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_backup_is_written_over_nothing_and_for_its_owner_alone() {
        let home = TempDir::new().unwrap();
        let (folder, file) = (home.path().join("data"), home.path().join("a.backup"));
        assert!(matches!(back_up(&folder, &file), Err(BackupError::NoDatabase(_))));
        let data = DataFolder::open(&folder).unwrap();
        // A server has it.
        let store = Sqlite::open(&data.database()).unwrap();
        assert!(back_up(&folder, &file).unwrap() > 0);
        assert!(matches!(back_up(&folder, &file), Err(BackupError::Exists(_))));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let nowhere = home.path().join("none").join("a.backup");
        assert!(matches!(back_up(&folder, &nowhere), Err(BackupError::Io { .. })));
        drop(store);
        let names = fs::read_dir(home.path()).unwrap().count();
        assert_eq!(names, 2, "the folder and the backup");
    }

    /// As whoever copies backups every night would find it: of a process that was killed there is a file, but not of that name.
    #[test]
    fn a_backup_has_its_name_when_it_is_whole() {
        let home = TempDir::new().unwrap();
        let (folder, file) = (home.path().join("data"), home.path().join("a.backup"));
        let data = DataFolder::open(&folder).unwrap();
        drop(Sqlite::open(&data.database()).unwrap());
        let database = fs::read(data.database()).unwrap();
        fs::write(data.database(), "no database".repeat(1_000)).unwrap();
        assert!(matches!(back_up(&folder, &file), Err(BackupError::Store { .. })));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "the folder alone");
        fs::write(data.database(), database).unwrap();
        fs::write(beside(&file, ".unfinished"), "of one that was killed").unwrap();
        assert!(back_up(&folder, &file).unwrap() > 0);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "the folder and the backup");
    }

    #[test]
    fn what_cannot_take_the_place_of_the_database_leaves_it_there() {
        let home = TempDir::new().unwrap();
        let (folder, file) = (home.path().join("data"), home.path().join("a.backup"));
        let data = DataFolder::open(&folder).unwrap();
        drop(Sqlite::open(&data.database()).unwrap());
        back_up(&folder, &file).unwrap();
        fs::write(beside(&data.database(), "-wal"), "").unwrap();
        let before = fs::read(data.database()).unwrap();
        drop(data);
        let restoring = Restoring::begin(&file, &folder, true).unwrap();
        fs::remove_file(&restoring.new).unwrap();
        assert!(matches!(restoring.finish(), Err(BackupError::Io { .. })));
        assert_eq!(fs::read(DataFolder::database_in(&folder)).unwrap(), before);
        assert!(beside(&DataFolder::database_in(&folder), "-wal").is_file());
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("before")));
    }

    #[test]
    fn nothing_is_restored_under_a_server_nor_over_a_database_nor_from_another_file() {
        let home = TempDir::new().unwrap();
        let (folder, file) = (home.path().join("data"), home.path().join("a.backup"));
        let data = DataFolder::open(&folder).unwrap();
        drop(Sqlite::open(&data.database()).unwrap());
        back_up(&folder, &file).unwrap();
        assert!(matches!(restore(&file, &folder, true), Err(BackupError::Data(DataError::InUse(_)))));
        drop(data);
        assert!(matches!(restore(&file, &folder, false), Err(BackupError::DatabaseExists { .. })));
        let other = home.path().join("other");
        fs::write(&other, "text".repeat(1_000)).unwrap();
        assert!(matches!(restore(&other, &folder, true), Err(BackupError::Store { .. })));
        assert!(matches!(restore(&home.path().join("none"), &folder, true), Err(BackupError::Io { .. })));

        let first = restore(&file, &folder, true).unwrap();
        let second = restore(&file, &folder, true).unwrap();
        assert!(first.aside.as_ref().unwrap().is_file() && second.aside.as_ref().unwrap().is_file());
        assert!(first.aside != second.aside && !first.has_key);
        Sqlite::open(&DataFolder::database_in(&folder)).unwrap();
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("restored")));
        let anew = restore(&file, &home.path().join("new"), false).unwrap();
        assert_eq!(anew, Restored { aside: None, has_key: false });
    }
}
