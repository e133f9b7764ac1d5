//! The data folder: the database, the master key, and the lock that keeps a second process out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use ambient::Entropy;
use oauth_types::Issuer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::MasterKey;

/// A data folder that this process has to itself, as long as it keeps this value.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    // Unlocked by the operating system when it is closed, however this process ends.
    lock: File,
}

/// What the lock file says.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Note {
    /// The issuer of the server that had the folder last.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// Where the one that has it now is asked, if it is a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Why a data folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The folder, or a file in it, cannot be made, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error(
        "another portcullis uses the data folder {}; stop it, or give this one a folder of its own with --data",
        .0.display()
    )]
    InUse(PathBuf),
    /// There is a database but no key to it.
    #[error(
        "{} exists, but {} is gone: without the master key the database cannot be read. Put the file back, or set \
         PORTCULLIS_MASTER_KEY to its content; to begin anew and lose everybody's log-ins, remove the database",
        .database.display(), .key.display()
    )]
    KeyGone {
        /// The database.
        database: PathBuf,
        /// Where its key should be.
        key: PathBuf,
    },
    /// The file of the key is not what this program wrote.
    #[error("{} is damaged: a master key is one line with base64url of 32 bytes", .0.display())]
    KeyDamaged(PathBuf),
}

impl DataFolder {
    /// Opens the folder at `path` and locks it; makes it, for its owner alone, if there is none.
    ///
    /// # Errors
    ///
    /// [`DataError::InUse`] if another process has it, [`DataError::Io`] if it cannot be made or written.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        make_folder(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let file = lock_in(path);
        let io = |source| DataError::Io { path: file.clone(), source };
        let lock = private().create(true).truncate(false).open(&file).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {
                // What the one before said of where it is holds no more; which issuer the database is of does.
                let Note { issuer, .. } = Note::read(path);
                let folder = Self { path: path.to_owned(), lock };
                folder.write(&Note { issuer, url: None })?;
                Ok(folder)
            }
            Err(TryLockError::WouldBlock) => Err(DataError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Says to other programs of this machine where the server is that has the folder, as long as it has.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`].
    pub fn tell(&self, issuer: &str, url: &str) -> Result<(), DataError> {
        self.write(&Note { issuer: Some(issuer.to_owned()), url: Some(url.to_owned()) })
    }

    /// The issuer of the last server that had the folder at `path`.
    #[must_use]
    pub fn last_issuer_in(path: &Path) -> Option<Issuer> {
        Issuer::parse(&Note::read(path).issuer?).ok()
    }

    /// Where the server is that has the folder at `path`, as it says itself. Without a server it may be anything:
    /// [`open`](Self::open) tells.
    #[must_use]
    pub fn told_in(path: &Path) -> Option<String> {
        Note::read(path).url
    }

    fn write(&self, note: &Note) -> Result<(), DataError> {
        let text = serde_json::to_string(note).unwrap_or_default();
        let mut lock = &self.lock;
        let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{text}"));
        written.map_err(|source| DataError::Io { path: lock_in(&self.path), source })
    }

    /// Where the database is, or will be.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        Self::database_in(&self.path)
    }

    /// Where the database of a folder is that may be in use, or not exist.
    #[must_use]
    pub fn database_in(path: &Path) -> PathBuf {
        path.join("portcullis.db")
    }

    /// The master key of this folder; drawn from `entropy` and written if there is neither key nor database yet.
    ///
    /// # Errors
    ///
    /// [`DataError::KeyGone`] if there is a database without a key, [`DataError::KeyDamaged`] if the file holds none.
    pub fn master_key(&self, entropy: &dyn Entropy) -> Result<MasterKey, DataError> {
        let path = self.path.join("master.key");
        let io = |source| DataError::Io { path: path.clone(), source };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let text = zeroize::Zeroizing::new(text);
                MasterKey::parse(text.trim_end()).map_err(|_| DataError::KeyDamaged(path.clone()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let database = self.database();
                if database.try_exists().map_err(io)? {
                    return Err(DataError::KeyGone { database, key: path });
                }
                let key = MasterKey::new(entropy.draw());
                write_whole(&self.path, &path, format!("{}\n", *key.text()).as_bytes()).map_err(io)?;
                Ok(key)
            }
            Err(error) => Err(io(error)),
        }
    }
}

impl Note {
    /// A lock that says nothing is as good a lock.
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(lock_in(folder)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn lock_in(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// A file appears under its name with all of its content, or not at all. The lock keeps other writers out.
fn write_whole(folder: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().create_new(true).open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    // The name is on the disk when the folder is; where folders cannot be opened, renaming is durable by itself.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use ambient::SeededEntropy;
    use tempfile::TempDir;

    use super::*;

    fn seeded() -> SeededEntropy {
        SeededEntropy::new(1)
    }

    #[test]
    fn the_first_run_makes_a_key_and_the_second_finds_it() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a").join("data");
        let first = DataFolder::open(&path).unwrap().master_key(&seeded()).unwrap();
        let again = DataFolder::open(&path).unwrap().master_key(&SeededEntropy::new(2)).unwrap();
        assert_eq!(first.bytes(), again.bytes());
        assert_ne!(first.bytes(), &[0; 32]);
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_key_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = TempDir::new().unwrap();
        let path = home.path().join("data");
        DataFolder::open(&path).unwrap().master_key(&seeded()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("master.key")), 0o600);
        assert_eq!(mode(&path.join("lock")), 0o600);
    }

    #[test]
    fn a_database_without_its_key_is_not_started_over() {
        let home = TempDir::new().unwrap();
        let folder = DataFolder::open(home.path()).unwrap();
        fs::write(folder.database(), "").unwrap();
        let error = folder.master_key(&seeded()).unwrap_err();
        assert!(matches!(error, DataError::KeyGone { .. }), "{error}");
        assert!(error.to_string().contains("master.key is gone"), "{error}");
        assert!(!home.path().join("master.key").exists());
    }

    #[test]
    fn a_damaged_key_is_named_and_not_replaced() {
        let home = TempDir::new().unwrap();
        let folder = DataFolder::open(home.path()).unwrap();
        fs::write(home.path().join("master.key"), "short\n").unwrap();
        assert!(matches!(folder.master_key(&seeded()), Err(DataError::KeyDamaged(_))));
        assert_eq!(fs::read_to_string(home.path().join("master.key")).unwrap(), "short\n");
    }

    #[test]
    fn a_run_that_died_while_writing_the_key_is_forgotten() {
        let home = TempDir::new().unwrap();
        let folder = DataFolder::open(home.path()).unwrap();
        fs::write(home.path().join("master.new"), "half").unwrap();
        let key = folder.master_key(&seeded()).unwrap();
        assert_eq!(folder.master_key(&SeededEntropy::new(2)).unwrap().bytes(), key.bytes());
    }

    #[test]
    fn a_folder_serves_one_process_at_a_time() {
        let home = TempDir::new().unwrap();
        let first = DataFolder::open(home.path()).unwrap();
        let error = DataFolder::open(home.path()).unwrap_err();
        assert!(matches!(error, DataError::InUse(_)), "{error}");
        assert!(error.to_string().contains("--data"), "{error}");
        drop(first);
        DataFolder::open(home.path()).unwrap();
    }

    #[test]
    fn who_is_kept_out_learns_where_the_server_is_and_who_comes_later_which_issuer_it_had() {
        let home = TempDir::new().unwrap();
        let server = DataFolder::open(home.path()).unwrap();
        let issuer = || DataFolder::last_issuer_in(home.path());
        assert_eq!((DataFolder::told_in(home.path()), issuer()), (None, None));
        server.tell("https://auth.example.com", "http://127.0.0.1:8414").unwrap();
        assert_eq!(DataFolder::told_in(home.path()).unwrap(), "http://127.0.0.1:8414");
        drop(server);
        let later = DataFolder::open(home.path()).unwrap();
        assert_eq!(issuer().unwrap().as_str(), "https://auth.example.com");
        assert_eq!(DataFolder::told_in(home.path()), None);
        fs::write(home.path().join("lock"), "{").unwrap();
        drop(later);
        DataFolder::open(home.path()).unwrap();
        assert_eq!(issuer(), None);
    }
}
