//! What is known of a connection while it lasts.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use http_io::BODY_LIMIT;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::table::Table;
use crate::serve::LARGEST_HEAD;

/// What may be kept of requests that are not answered yet beyond what each connection has for itself, in bytes of all connections.
pub(super) const KEPT: usize = 64 * 1024 * 1024;
/// What each has for itself: more than any form of OAuth takes.
pub(super) const KEPT_OF_EACH: usize = 8 * 1024;

/// What one can have here at the most: a head, a body, and what is read ahead. What comes besides, the frames of chunks, is kept
/// nowhere.
const MOST_OF_EACH: usize = 2 * LARGEST_HEAD + BODY_LIMIT;

/// What a read takes on the wire and is not counted: a record of TLS or two.
const WRAPPING: usize = 64;

/// The largest record of TLS (RFC 8446 section 5.1).
const LARGEST_RECORD: usize = 16 * 1024;

/// Nothing of a first head, or not all of it.
const COMES: u8 = 0;
/// There is a head, and no answer yet.
const ASKS: u8 = 1;
/// The answer is there, and not all of it is on its way.
const IS_ANSWERED: u8 = 2;
/// So it is, and some of another head is here.
const IS_ANSWERED_AND_OWES: u8 = 3;
/// Nothing of the next request is here.
const IDLE: u8 = 4;
/// Some of another head is here, and not all of it.
const OWES_A_HEAD: u8 = 5;

/// What a connection says of itself.
#[derive(Default)]
pub(super) struct Signs {
    pub(super) goes: Notify,
    // Written by the task of the connection alone.
    phase: AtomicU8,
}

impl Signs {
    pub(super) fn owes_a_head(&self) -> bool {
        matches!(self.phase.load(Ordering::Relaxed), COMES | OWES_A_HEAD)
    }

    /// For its first head and until an answer is on its way, and not for what comes after it: one who asks trifles all the time would
    /// stay for ever.
    pub(super) fn may_stay(&self) -> bool {
        matches!(self.phase.load(Ordering::Relaxed), COMES | ASKS | IS_ANSWERED | IS_ANSWERED_AND_OWES)
    }
}

/// Somebody who is here, until this is dropped.
pub(in crate::serve) struct Guest(pub(super) Arc<Seat>);

impl Guest {
    pub(in crate::serve) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.0)
    }

    /// Waits until somebody else is to have the place.
    pub(in crate::serve) async fn is_sent_away(&self) {
        self.0.signs.goes.notified().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.table.hangs_up(self.0.number);
    }
}

/// The place of a connection, and of what was asked on it, until both are over.
pub(in crate::serve) struct Seat {
    number: u64,
    table: Arc<Table>,
    signs: Arc<Signs>,
    _place: OwnedSemaphorePermit,
    // Heads that were whole.
    heads: AtomicU32,
    // In bytes: what came and is not answered, how much of that is the request that is there, and what the last read brought, if
    // anything came since the last answer.
    kept: AtomicUsize,
    request: AtomicUsize,
    read: AtomicUsize,
    is_secured: AtomicBool,
}

impl Seat {
    pub(super) fn new(
        number: u64,
        table: Arc<Table>,
        signs: Arc<Signs>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let [kept, request, read] = [const { AtomicUsize::new(0) }; 3];
        let (heads, is_secured) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { number, table, signs, _place: place, heads, kept, request, read, is_secured }
    }

    /// So many bytes have come.
    ///
    /// # Errors
    ///
    /// If this connection has sent more than it has for itself, and all together more than is kept beyond that.
    pub(in crate::serve) fn says(&self, length: usize) -> io::Result<()> {
        if self.signs.phase.load(Ordering::Relaxed) == IDLE {
            self.signs.phase.store(OWES_A_HEAD, Ordering::Relaxed);
        }
        self.read.store(length, Ordering::Relaxed);
        let before = self.kept.fetch_add(length, Ordering::Relaxed);
        let more = beyond(before + length) - beyond(before);
        if more > 0 && self.table.kept.fetch_add(more, Ordering::Relaxed) + more > KEPT {
            return Err(io::Error::from(ErrorKind::OutOfMemory));
        }
        Ok(())
    }

    /// Which head it has begun and not ended, if it has.
    pub(in crate::serve) fn owed_head(&self) -> Option<u32> {
        self.signs.owes_a_head().then(|| self.heads.load(Ordering::Relaxed))
    }

    /// The handshake of TLS is over, and nothing of it is kept.
    pub(in crate::serve) fn is_secured(&self) {
        self.keeps(0);
        self.is_secured.store(true, Ordering::Relaxed);
    }

    /// A head of so many bytes is there: it is waited for the body no longer than for that of anybody else who asks now.
    pub(in crate::serve) fn asks(&self, head: usize) {
        self.heads.fetch_add(1, Ordering::Relaxed);
        self.request.store(head, Ordering::Relaxed);
        self.signs.phase.store(ASKS, Ordering::Relaxed);
        self.table.asks(self.number);
    }

    /// So many bytes of a body are there.
    pub(in crate::serve) fn goes_on(&self, body: usize) {
        self.request.fetch_add(body + body / WRAPPING, Ordering::Relaxed);
    }

    /// The whole request is there: its client is not sent away while this lasts. Nothing if it was before, and gets no answer.
    pub(in crate::serve) fn is_worked_for(self: &Arc<Self>) -> Option<Work> {
        self.table.works_for(self.number).then(|| Work(Arc::clone(self)))
    }

    /// What it asked is answered. What came beyond that is some of the next head, and came with the last read; or with the last record
    /// of TLS, which is read when its last byte is there.
    pub(in crate::serve) fn is_answered(&self) {
        let request = self.request.swap(0, Ordering::Relaxed);
        let kept = self.kept.load(Ordering::Relaxed);
        let beyond_it = kept.saturating_sub(request + WRAPPING);
        let left = match self.read.swap(0, Ordering::Relaxed) {
            0 => kept.saturating_sub(request),
            read if self.is_secured.load(Ordering::Relaxed) => beyond_it.min(read + LARGEST_RECORD),
            read => beyond_it.min(read),
        };
        let left = left.min(LARGEST_HEAD);
        self.keeps(left);
        let phase = if left > WRAPPING { IS_ANSWERED_AND_OWES } else { IS_ANSWERED };
        self.signs.phase.store(phase, Ordering::Relaxed);
    }

    /// All that was to be said is on its way.
    pub(in crate::serve) fn is_told(&self) {
        match self.signs.phase.load(Ordering::Relaxed) {
            COMES | ASKS => return,
            IS_ANSWERED => self.signs.phase.store(IDLE, Ordering::Relaxed),
            IS_ANSWERED_AND_OWES => self.signs.phase.store(OWES_A_HEAD, Ordering::Relaxed),
            _ => {}
        }
        self.table.may_give_way(self.number);
    }

    fn keeps(&self, left: usize) {
        let before = self.kept.swap(left, Ordering::Relaxed);
        self.table.kept.fetch_sub(beyond(before) - beyond(left), Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.keeps(0);
        self.table.clears(self.number);
    }
}

fn beyond(kept: usize) -> usize {
    kept.min(MOST_OF_EACH).saturating_sub(KEPT_OF_EACH)
}

/// A request is being worked at.
pub(in crate::serve) struct Work(Arc<Seat>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.table.has_worked_for(self.0.number);
    }
}
