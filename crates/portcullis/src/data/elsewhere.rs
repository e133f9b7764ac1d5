//! Files of a folder, where the operating system keeps strangers out by other means than owners and modes, and lets nobody remove
//! a file that is open.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use super::DataError;

#[derive(Debug)]
pub(super) struct Folder;

impl Folder {
    pub(super) fn open(_: &Path) -> Result<Self, DataError> {
        Ok(Self)
    }

    pub(super) fn lock(&self, _look: bool) -> bool {
        true
    }

    pub(super) fn others_write(&self) -> io::Result<bool> {
        Ok(false)
    }
}

pub(super) fn to_write(path: &Path) -> Result<File, DataError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.map_err(of(path))
}

pub(super) fn to_read(path: &Path) -> Result<Option<File>, DataError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(of(path)(error)),
    }
}

pub(super) fn look_at(_: &Path) -> Result<(), DataError> {
    Ok(())
}

pub(super) fn others_write(_: &File) -> io::Result<bool> {
    Ok(false)
}

fn of(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    |source| DataError::Io { path: path.to_owned(), source }
}
