//! The connections that read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use super::connection::Opened;
use super::fault::Fault;
use super::writer::Prepared;

/// As many connections as the machine has cores, within reason. Each is opened when it is first needed.
pub(super) struct Readers {
    path: PathBuf,
    prepared: Prepared,
    slots: Vec<Mutex<Option<Opened>>>,
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn of(path: &Path, prepared: Prepared) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let slots = (0..cores.clamp(2, 8)).map(|_| Mutex::new(None)).collect();
        Self { path: path.to_owned(), prepared, slots, turn: AtomicUsize::new(0) }
    }

    /// Reads from the file that is at the path now, or not at all.
    pub(super) fn with<T>(&self, read: impl Fn(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let Some(mut slot) = self.slot() else { return Err(Fault::Stopped) };
        let opened = match slot.take() {
            Some(opened) if opened.is_still_at(&self.path).is_ok() => opened,
            Some(_) | None => Opened::to_read(&self.path, self.prepared.file())?,
        };
        let seen = read(&opened.connection);
        if seen.as_ref().err().is_none_or(Fault::spares_the_connection) {
            *slot = Some(opened);
        }
        seen
    }

    pub(super) fn close(&self) {
        for slot in &self.slots {
            *slot.lock() = None;
        }
    }

    // A read takes microseconds, so waiting for one is cheaper than any other arrangement.
    fn slot(&self) -> Option<MutexGuard<'_, Option<Opened>>> {
        let free = self.slots.iter().find_map(Mutex::try_lock);
        free.or_else(|| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            self.slots.get(turn % self.slots.len()).map(Mutex::lock)
        })
    }
}
