//! The file itself: made with care, and recognised again.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::fault::Fault;

/// Which file a path leads to.
///
/// A file that is removed or replaced while it is open goes on taking writes that nobody will find. Told by its device and
/// inode, without opening it: closing a second handle would drop the locks that SQLite holds on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Result<Self, Fault> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(path).map_err(Fault::Io)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    // Elsewhere an open database cannot be removed.
    #[cfg(not(unix))]
    pub(super) fn of(path: &Path) -> Result<Self, Fault> {
        fs::metadata(path).map_err(Fault::Io)?;
        Ok(Self { device: 0, inode: 0 })
    }
}

/// Makes an empty file that its owner alone may read; SQLite gives the files beside it the same mode.
pub(super) fn create_if_absent(path: &Path) -> Result<(), Fault> {
    match create(path) {
        Err(Fault::Io(error)) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// The same, and there must be none.
pub(super) fn create(path: &Path) -> Result<(), Fault> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop).map_err(Fault::Io)
}

/// Where SQLite keeps the log of the file at `path`.
pub(super) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The URI by which SQLite reads the file at `path` and nothing beside it (`immutable`).
pub(super) fn immutable(path: &Path) -> OsString {
    // An empty authority, so that no path begins like one.
    let mut uri = OsString::from(if path.is_absolute() { "file://" } else { "file:" });
    uri.push(escaped(path));
    uri.push("?immutable=1");
    uri
}

/// What means something else in a URI. The bytes of a path need not be text.
#[cfg(unix)]
fn escaped(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => bytes.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            other => bytes.push(*other),
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(not(unix))]
fn escaped(path: &Path) -> OsString {
    let path = path.to_string_lossy().replace('\\', "/");
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23").into()
}

/// Removes the log, and its index, that a database left behind which is no longer at `path`.
pub(super) fn remove_log(path: &Path) -> Result<(), Fault> {
    for leftover in [log_of(path), beside(path, "-shm")] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Fault::Io(error)),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_other_path_as_a_uri() {
        for (path, uri) in [
            ("/a b/100%?#.db", "file:///a b/100%25%3f%23.db?immutable=1"),
            ("//a/store.db", "file:////a/store.db?immutable=1"),
            ("store.db", "file:store.db?immutable=1"),
        ] {
            assert_eq!(immutable(Path::new(path)), uri);
        }
    }
}
