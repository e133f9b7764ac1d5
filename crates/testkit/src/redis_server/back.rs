//! A Redis that goes back to what it was, as by a backup that is put in its place.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::RedisServer;

/// What a server had written at a moment.
pub struct Backup(TempDir);

impl RedisServer {
    /// Makes a backup of all that was answered. Its connections break.
    ///
    /// # Panics
    ///
    /// If its files cannot be copied.
    pub fn back_up(&mut self) -> Backup {
        let backup = tempfile::tempdir().expect("a temporary folder");
        self.kill();
        copy(self.folder(), backup.path());
        self.restart();
        Backup(backup)
    }

    /// Goes back to a backup, as if nothing had been written since. Its connections break.
    ///
    /// # Panics
    ///
    /// If its files cannot be replaced.
    pub fn go_back(&mut self, to: &Backup) {
        self.kill();
        for entry in fs::read_dir(self.folder()).expect("its folder").flatten() {
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.expect("its own files");
        }
        copy(to.0.path(), self.folder());
        self.restart();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            fs::create_dir(&target).expect("an empty folder");
            copy(&path, &target);
        } else {
            fs::copy(path, target).expect("room");
        }
    }
}
