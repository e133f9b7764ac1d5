//! The one thread that writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connection::Opened;
use super::fault::Fault;
use super::file::{self, FileId};
use super::schema::Instance;
use super::work::Work;
use crate::StoreError;

/// The writes that share one transaction, at most.
const TOGETHER: usize = 64;

/// A write that somebody waits for.
pub(super) trait Job: Send {
    /// Does it, within a transaction that is not yet committed.
    fn run(&mut self, connection: &Connection) -> Result<(), Fault>;

    /// It failed, and by itself.
    fn failed(&mut self, fault: Fault);

    /// Tells what came of it, after the commit, or that there was none.
    fn answer(self: Box<Self>, failed: Option<&Arc<Fault>>);
}

/// A write, and where its answer will be.
pub(super) fn asked<W: Work>(work: W) -> (Box<dyn Job>, Answer<W>) {
    let (reply, answer) = oneshot::channel();
    (Box::new(Asked { work, outcome: Err(Arc::new(Fault::Stopped)), reply }), answer)
}

/// Where the answer to a write will be.
pub(super) type Answer<W> = oneshot::Receiver<Result<<W as Work>::Answer, StoreError>>;

struct Asked<W: Work> {
    work: W,
    outcome: Result<W::Answer, Arc<Fault>>,
    reply: oneshot::Sender<Result<W::Answer, StoreError>>,
}

impl<W: Work> Job for Asked<W> {
    fn run(&mut self, connection: &Connection) -> Result<(), Fault> {
        self.outcome = Ok(self.work.run(connection)?);
        Ok(())
    }

    fn failed(&mut self, fault: Fault) {
        self.outcome = Err(Arc::new(fault));
    }

    fn answer(self: Box<Self>, failed: Option<&Arc<Fault>>) {
        let answer = match failed {
            Some(fault) => Err(fault.told()),
            None => self.outcome.map_err(|fault| fault.told()),
        };
        // Who no longer waits does not need to know.
        let _ = self.reply.send(answer);
    }
}

/// The file that the writer last opened: fit to be read.
#[derive(Clone)]
pub(super) struct Prepared(Arc<Mutex<FileId>>);

impl Prepared {
    pub(super) fn file(&self) -> FileId {
        *self.0.lock()
    }
}

pub(super) struct Writer {
    path: PathBuf,
    opened: Option<Opened>,
    log: Option<FileId>,
    prepared: Prepared,
    // No other is written to before this process starts again: what it knows, it knows of this one.
    instance: Instance,
}

impl Writer {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let opened = Opened::to_write(path, None)?;
        let instance = Instance::of(&opened.connection)?.ok_or(Fault::Foreign)?;
        let prepared = Prepared(Arc::new(Mutex::new(opened.file)));
        Ok(Self { path: path.to_owned(), log: opened.log, opened: Some(opened), prepared, instance })
    }

    pub(super) fn prepared(&self) -> Prepared {
        self.prepared.clone()
    }

    /// Writes what comes, until nobody is left to ask; then closes, which writes the log back into the file.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(TOGETHER);
        while let Some(first) = queue.blocking_recv() {
            group.push(first);
            while group.len() < TOGETHER
                && let Ok(next) = queue.try_recv()
            {
                group.push(next);
            }
            self.settle(&mut group);
        }
    }

    fn settle(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let failed = self.commit(group).err().map(Arc::new);
        // Whatever an answer says was decided by what is committed now: Stale as well as Done.
        for job in group.drain(..) {
            job.answer(failed.as_ref());
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        let opened = self.opened()?;
        let committed = together(&opened.connection, group);
        let usable = opened.connection.is_autocommit() || opened.connection.execute_batch("ROLLBACK").is_ok();
        // Removed while we wrote: what was committed is lost with it.
        let committed = committed
            .and_then(|()| self.opened.as_ref().map_or(Ok(()), |opened| opened.is_still_at(&self.path)));
        if !usable || committed.as_ref().is_err_and(|fault| !fault.spares_the_connection()) {
            self.opened = None;
        }
        committed
    }

    /// The connection to the file that is at the path now; a new one if it is another, or the last one broke.
    fn opened(&mut self) -> Result<&Opened, Fault> {
        let opened = match self.opened.take() {
            Some(opened) if opened.is_still_at(&self.path).is_ok() => opened,
            Some(broken) => {
                drop(broken);
                self.reopen()?
            }
            None => self.reopen()?,
        };
        Ok(self.opened.insert(opened))
    }

    fn reopen(&mut self) -> Result<Opened, Fault> {
        // The log of a database that was replaced would be played into its successor, and ruin it.
        let replaced = FileId::of(&self.path)? != self.prepared.file();
        if replaced && self.log.is_some() && FileId::of(&file::log_of(&self.path)).ok() == self.log {
            // Its database may still come back to it.
            if Opened::instance_without_log(&self.path)?.as_ref() != Some(&self.instance) {
                return Err(Fault::Another);
            }
            file::remove_log(&self.path)?;
        }
        let opened = Opened::to_write(&self.path, Some(&self.instance))?;
        self.log = opened.log;
        *self.prepared.0.lock() = opened.file;
        Ok(opened)
    }
}

/// All jobs in one transaction, each undone by itself if it fails.
fn together(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), Fault> {
    let execute = |sql| connection.prepare_cached(sql)?.execute(());
    execute("BEGIN IMMEDIATE")?;
    for job in group {
        execute("SAVEPOINT job")?;
        if let Err(fault) = job.run(connection) {
            // Some errors end the whole transaction.
            if connection.is_autocommit() {
                return Err(fault);
            }
            job.failed(fault);
            execute("ROLLBACK TO job")?;
        }
        execute("RELEASE job")?;
    }
    execute("COMMIT")?;
    Ok(())
}
