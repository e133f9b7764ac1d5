//! Files that are this user's and nobody else's.
//!
//! The attack: whoever can put a file into a data folder leads the program that believes it. A link makes it write elsewhere, as
//! root anywhere; a note of where the server is makes it send an admin key there. So nothing is opened that belongs to a stranger,
//! leads elsewhere, or can be written by everybody. Root is no stranger to anybody, and everybody is one to root.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::geteuid;

use super::DataError;

const ROOT: u32 = 0;
const EVERYBODY_WRITES: u32 = 0o002;
const OTHERS_WRITE: u32 = 0o022;

/// A folder.
#[derive(Debug)]
pub(super) struct Folder(File);

impl Folder {
    /// Opens the folder at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let user = geteuid().as_raw();
        // An operator may have put the data elsewhere. Whose link it is decides where this leads, also a moment later.
        let lead = fs::symlink_metadata(path.components().as_path()).map_err(of(path))?;
        if lead.is_symlink() {
            judge_owner(path, &lead, user)?;
        }
        let folder = File::open(path).map_err(of(path))?;
        let metadata = folder.metadata().map_err(of(path))?;
        match metadata.is_dir() {
            true => judge(path, &metadata, user).map(|()| Self(folder)),
            false => Err(of(path)(ErrorKind::NotADirectory.into())),
        }
    }

    /// Locks it as long as this value is kept, for itself or together with others who only `look`; false if another process has it.
    /// File systems that know no lock of a folder let everybody in.
    pub(super) fn lock(&self, look: bool) -> bool {
        let locked = if look { self.0.try_lock_shared() } else { self.0.try_lock() };
        !matches!(locked, Err(TryLockError::WouldBlock))
    }

    /// Whether others may write into it.
    pub(super) fn others_write(&self) -> io::Result<bool> {
        others_write(&self.0)
    }
}

/// Opens a file of the folder to lock it and to write; makes it, for its owner alone, if there is none.
pub(super) fn to_write(path: &Path) -> Result<File, DataError> {
    opened(path, OFlags::RDWR | OFlags::CREATE)
}

/// Opens a file of the folder to read it, if there is one.
pub(super) fn to_read(path: &Path) -> Result<Option<File>, DataError> {
    match opened(path, OFlags::RDONLY) {
        Ok(file) => Ok(Some(file)),
        Err(DataError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks at a file that somebody else will open by its path, if there is one.
pub(super) fn look_at(path: &Path) -> Result<(), DataError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => judge(path, &metadata, geteuid().as_raw()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(of(path)(error)),
    }
}

/// Whether others may write it: a group, which an operator may have let in, and Kubernetes does (`fsGroup`).
pub(super) fn others_write(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.mode() & OTHERS_WRITE != 0)
}

/// Follows no link, and waits for nobody at a pipe.
fn opened(path: &Path, how: OFlags) -> Result<File, DataError> {
    let how = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match open(path, how, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            let file = File::from(file);
            let metadata = file.metadata().map_err(of(path))?;
            judge(path, &metadata, geteuid().as_raw()).map(|()| file)
        }
        Err(error) => {
            // Systems differ in what they call a link here.
            look_at(path)?;
            Err(of(path)(error.into()))
        }
    }
}

fn judge(path: &Path, metadata: &Metadata, user: u32) -> Result<(), DataError> {
    // A second name is another way to the same file, which may lead from anywhere.
    if !metadata.is_dir() && (!metadata.is_file() || metadata.nlink() > 1) {
        return Err(DataError::NotPlain(path.to_owned()));
    }
    judge_owner(path, metadata, user)?;
    match metadata.mode() & EVERYBODY_WRITES != 0 {
        true => Err(DataError::Open(path.to_owned())),
        false => Ok(()),
    }
}

fn judge_owner(path: &Path, metadata: &Metadata, user: u32) -> Result<(), DataError> {
    let owner = metadata.uid();
    match owner == user || owner == ROOT {
        true => Ok(()),
        false => Err(DataError::NotYours { path: path.to_owned(), owner, user }),
    }
}

fn of(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    |source| DataError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_leads_elsewhere_is_not_opened_and_not_touched() {
        let home = TempDir::new().unwrap();
        let (theirs, here) = (home.path().join("theirs"), home.path().join("lock"));
        fs::write(&theirs, "of somebody else").unwrap();
        let refused = || {
            for found in [to_write(&here).map(drop), to_read(&here).map(drop), look_at(&here)] {
                let error = found.unwrap_err();
                assert!(matches!(error, DataError::NotPlain(_)), "{error}");
            }
            assert_eq!(fs::read_to_string(&theirs).unwrap(), "of somebody else");
            fs::remove_file(&here).unwrap();
        };
        symlink(&theirs, &here).unwrap();
        refused();
        fs::hard_link(&theirs, &here).unwrap();
        refused();
        rustix::fs::mknodat(rustix::fs::CWD, &here, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        refused();
        symlink(home.path().join("nothing"), &here).unwrap();
        assert!(matches!(to_write(&here), Err(DataError::NotPlain(_))));
        assert!(!home.path().join("nothing").exists(), "nothing is made where a link leads");
    }

    #[test]
    fn a_stranger_s_file_is_not_believed_and_root_s_is_by_all() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        judge(&path, &metadata, metadata.uid()).unwrap();
        let of_root = fs::metadata("/").unwrap();
        for user in [0, 1000, 65_534] {
            judge(Path::new("/"), &of_root, user).unwrap();
        }
        // A file of somebody, for another: root itself where this is not run by it.
        let somebody = if metadata.uid() == ROOT { owned_by(&path, 65_534) } else { metadata };
        for user in [0, 1000] {
            let refused = judge(&path, &somebody, user);
            assert_eq!(refused.is_err(), user != somebody.uid(), "{user}");
            if let Err(error) = refused {
                assert!(error.to_string().contains(&format!("sudo -u '#{}'", somebody.uid())), "{error}");
            }
        }
    }

    /// The attack: `portcullis-data`, where root runs a command, as a link to a folder of root's.
    #[test]
    fn a_folder_is_reached_by_a_stranger_s_link_no_more_than_it_may_be_one() {
        let home = TempDir::new().unwrap();
        let (folder, link) = (home.path().join("folder"), home.path().join("portcullis-data"));
        fs::create_dir(&folder).unwrap();
        symlink(&folder, &link).unwrap();
        Folder::open(&link).unwrap();
        let own = fs::symlink_metadata(&link).unwrap();
        for user in [0, 1000, own.uid()] {
            let taken = own.uid() == ROOT || own.uid() == user;
            assert_eq!(judge_owner(&link, &own, user).is_ok(), taken, "{user}");
        }
        if own.uid() == ROOT {
            std::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
            for way in [link.clone(), link.join("")] {
                assert!(matches!(Folder::open(&way), Err(DataError::NotYours { owner: 65_534, .. })));
            }
        }
    }

    fn owned_by(path: &Path, user: u32) -> Metadata {
        std::os::unix::fs::chown(path, Some(user), None).unwrap();
        fs::metadata(path).unwrap()
    }

    #[test]
    fn what_everybody_may_write_is_not_believed() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "").unwrap();
        let with = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for (mode, taken, others) in
            [(0o600, true, false), (0o644, true, false), (0o660, true, true), (0o602, false, true)]
        {
            with(&path, mode);
            let file = File::open(&path).unwrap();
            assert_eq!(others_write(&file).unwrap(), others, "{mode:o}");
            assert_eq!(to_write(&path).is_ok(), taken, "{mode:o}");
        }
        with(home.path(), 0o777);
        let error = Folder::open(home.path()).unwrap_err();
        assert!(matches!(error, DataError::Open(_)) && error.to_string().contains("chmod"), "{error}");
        with(home.path(), 0o700);
        Folder::open(home.path()).unwrap();
    }
}
