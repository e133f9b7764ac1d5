//! The data folder: the database, the master key, and the lock that keeps a second process out.

#[cfg_attr(not(unix), path = "data/elsewhere.rs")]
mod own;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use ambient::Entropy;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::own::Folder;
use crate::config::MasterKey;

/// A data folder that this process has to itself, as long as it keeps this value.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    // Unlocked by the operating system when they are closed, however this process ends. Whoever removes the lock file, or puts
    // another in its place, still meets the lock of the folder.
    lock: File,
    _folder: Folder,
}

/// A data folder that no server has as long as this value is kept, in which nothing is changed.
#[derive(Debug)]
pub(crate) struct QuietFolder {
    path: PathBuf,
    _locks: (Option<File>, Folder),
}

/// What the lock file says.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Note {
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
    /// A file in it is a link, has another name as well, or is no file at all: it would lead elsewhere.
    #[error(
        "{} is not a plain file with one name, so it leads elsewhere. If you made it so, put the file itself there; else \
         somebody may want this program to write elsewhere", .0.display()
    )]
    NotPlain(PathBuf),
    /// It belongs to somebody else, who could lead this process anywhere by it.
    #[error(
        "{} belongs to user {owner}, and this is run by user {user}. Run it as that one, for example by sudo -u '#{owner}' \
         portcullis …; or ask a server that runs by --url", .path.display()
    )]
    NotYours {
        /// The folder, or a file in it.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// Everybody may write it.
    #[error(
        "everybody may write to {path}, so what is in it may be anybody's. Take that away, by chmod o-w {path}; or name a folder \
         that does not exist yet by --data, which is made for its owner alone", path = .0.display()
    )]
    Open(PathBuf),
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
    /// [`DataError::InUse`] if another process has it; [`DataError::NotYours`], [`DataError::NotPlain`] or [`DataError::Open`] if
    /// somebody else could have laid what is in it; [`DataError::Io`] if it cannot be made or written.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        make_folder(path).map_err(of(path))?;
        let folder = Folder::open(path)?;
        look_at_database(path)?;
        let file = lock_in(path);
        let lock = own::to_write(&file)?;
        match lock.try_lock() {
            Ok(()) if folder.lock(false) => {}
            Ok(()) | Err(TryLockError::WouldBlock) => return Err(DataError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(of(&file)(source)),
        }
        let opened = Self { path: path.to_owned(), lock, _folder: folder };
        // What the one before said of where it is holds no more.
        opened.write(&Note { url: None })?;
        Ok(opened)
    }

    /// Keeps servers out of the folder at `path`, and changes nothing in it.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open); a folder that is not there is not made.
    pub(crate) fn keep_quiet(path: &Path) -> Result<QuietFolder, DataError> {
        let folder = Folder::open(path)?;
        look_at_database(path)?;
        let lock = own::to_read(&lock_in(path))?;
        match lock.as_ref().map_or(Ok(()), File::try_lock_shared) {
            Ok(()) if folder.lock(true) => {}
            Ok(()) | Err(TryLockError::WouldBlock) => return Err(DataError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(of(&lock_in(path))(source)),
        }
        Ok(QuietFolder { path: path.to_owned(), _locks: (lock, folder) })
    }

    /// Looks whether the database of the folder at `path`, which a server may have, can be opened by its path: whether folder and
    /// file are this user's.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub(crate) fn look_at(path: &Path) -> Result<(), DataError> {
        Folder::open(path)?;
        look_at_database(path)
    }

    /// Says to other programs of this machine where the server is that has the folder, as long as it has.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`].
    pub fn tell(&self, url: &str) -> Result<(), DataError> {
        self.write(&Note { url: Some(url.to_owned()) })
    }

    /// Where the server is that has the folder at `path`, as it says itself; without a server it may be anything. Nothing where others
    /// could have written it.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open): what a stranger could have laid there is not read.
    pub fn server_in(path: &Path) -> Result<Option<String>, DataError> {
        let (folder, file) = (Folder::open(path)?, lock_in(path));
        let Some(lock) = own::to_read(&file)? else { return Ok(None) };
        let others_write =
            folder.others_write().map_err(of(path))? || own::others_write(&lock).map_err(of(&file))?;
        Ok(Note::read(&lock).url.filter(|_| !others_write))
    }

    fn write(&self, note: &Note) -> Result<(), DataError> {
        let text = serde_json::to_string(note).unwrap_or_default();
        let mut lock = &self.lock;
        let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{text}"));
        written.map_err(of(&lock_in(&self.path)))
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
        if let Some(key) = master_key_in(&self.path)? {
            return Ok(key);
        }
        let path = key_in(&self.path);
        let key = MasterKey::new(entropy.draw());
        write_whole(&self.path, &path, format!("{}\n", *key.text()).as_bytes()).map_err(of(&path))?;
        Ok(key)
    }
}

impl QuietFolder {
    /// The master key of this folder, in which there is a database.
    ///
    /// # Errors
    ///
    /// As of [`DataFolder::master_key`].
    pub(crate) fn master_key(&self) -> Result<MasterKey, DataError> {
        let (database, key) = (DataFolder::database_in(&self.path), key_in(&self.path));
        master_key_in(&self.path)?.ok_or(DataError::KeyGone { database, key })
    }
}

impl Note {
    /// A lock that says nothing is as good a lock.
    fn read(mut lock: &File) -> Self {
        let mut text = String::new();
        let read = lock.rewind().and_then(|()| lock.take(LONGEST_NOTE).read_to_string(&mut text));
        read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
    }
}

/// More bytes than any note has.
const LONGEST_NOTE: u64 = 16 << 10;

fn lock_in(folder: &Path) -> PathBuf {
    folder.join("lock")
}

fn key_in(folder: &Path) -> PathBuf {
    folder.join("master.key")
}

/// SQLite opens its files by their paths, wherever they lead.
fn look_at_database(folder: &Path) -> Result<(), DataError> {
    let database = DataFolder::database_in(folder);
    for suffix in ["", "-wal", "-shm"] {
        let mut file = database.clone().into_os_string();
        file.push(suffix);
        own::look_at(Path::new(&file))?;
    }
    Ok(())
}

/// The key that is there; none if there is no database either.
fn master_key_in(folder: &Path) -> Result<Option<MasterKey>, DataError> {
    let path = key_in(folder);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let text = zeroize::Zeroizing::new(text);
            let key = MasterKey::parse(text.trim_end()).map_err(|_| DataError::KeyDamaged(path))?;
            Ok(Some(key))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let database = DataFolder::database_in(folder);
            match database.try_exists().map_err(of(&path))? {
                true => Err(DataError::KeyGone { database, key: path }),
                false => Ok(None),
            }
        }
        Err(error) => Err(of(&path)(error)),
    }
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

fn of(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    |source| DataError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
