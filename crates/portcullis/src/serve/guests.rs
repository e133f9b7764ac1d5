//! Who has a connection, and who is sent away for somebody new.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ambient::{Clock as _, Complaints, SystemClock};
use authz_core::address_key;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::room::Room;

/// What may be kept of requests that are not answered yet, in bytes of all connections.
const UNANSWERED: usize = 64 * 1024 * 1024;
/// What each may have sent of one all the same: more than any form of OAuth takes.
const UNANSWERED_EACH: usize = 8 * 1024;

/// Everybody who is seated.
///
/// A connection is either worked for, from the last byte of a request until its answer is known, or it waits for its client:
/// for a head, a body, or that the answer is taken. When there is no place for somebody new, whoever has waited longest is sent away.
/// So it costs others nothing how many connections somebody opens and leaves silent, or how slowly they speak.
pub(super) struct Guests {
    room: Room,
    places: Arc<Semaphore>,
    table: Arc<Table>,
    complaints: Complaints,
}

#[derive(Default)]
struct Table {
    seated: Mutex<Seated>,
    unanswered: AtomicUsize,
}

#[derive(Default)]
struct Seated {
    last_turn: u64,
    /// By turn: who has waited longest is first.
    waiting: BTreeMap<u64, Waiting>,
    /// Who has nobody seated is not in it.
    by_address: BTreeMap<Arc<str>, Address>,
}

struct Waiting {
    since: Instant,
    address: Option<Arc<str>>,
    told: Arc<Notify>,
}

#[derive(Default)]
struct Address {
    seated: usize,
    waiting: BTreeSet<u64>,
}

impl Guests {
    pub(super) fn of(room: Room) -> Self {
        let places = Arc::new(Semaphore::new(room.places));
        Self { room, places, table: Arc::default(), complaints: Complaints::new() }
    }

    /// Seats `from`. Somebody of the same address goes if that address has its share, and somebody of any if all places
    /// are taken; none if all of the same address are busy, or have just come. Waits while that is so of all.
    pub(super) async fn seat(&self, from: IpAddr) -> Option<Guest> {
        let address = match self.room.free.iter().any(|network| network.contains(from)) {
            true => None,
            false => Some(Arc::from(address_key(Some(from)))),
        };
        if let Some(address) = &address {
            self.share(address)?;
        }
        let place = self.place().await?;
        let seat = Arc::new(Seat {
            address,
            table: Arc::clone(&self.table),
            told: Arc::default(),
            turn: AtomicU64::new(0),
            phase: AtomicU8::new(OWES_A_HEAD),
            unanswered: AtomicUsize::new(0),
        });
        let mut seated = self.table.seated.lock();
        if let Some(address) = &seat.address {
            seated.by_address.entry(Arc::clone(address)).or_default().seated += 1;
        }
        seated.wait(&seat);
        drop(seated);
        Some(Guest { seat, _place: place })
    }

    fn share(&self, address: &str) -> Option<()> {
        let mut seated = self.table.seated.lock();
        let Some(those) = seated.by_address.get(address) else { return Some(()) };
        if those.seated < self.room.each {
            return Some(());
        }
        let longest = *those.waiting.first()?;
        seated.send_away(longest, self.room.stay).ok()
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return Some(place);
            }
            if self.complaints.are_due(SystemClock.now()) {
                tracing::warn!(
                    places = self.room.places,
                    "all connections are taken; those that have waited longest for their clients are closed"
                );
            }
            let sent = self.table.seated.lock().send_longest_away(self.room.stay);
            let place = Arc::clone(&self.places).acquire_owned();
            match sent {
                Ok(()) => return place.await.ok(),
                // Somebody may have stayed long enough by then.
                Err(then) => {
                    if let Ok(place) = timeout_at(then, place).await {
                        return place.ok();
                    }
                }
            }
        }
    }
}

impl Seated {
    /// It waits for its client from now on, with the last turn.
    fn wait(&mut self, seat: &Seat) {
        self.last_turn += 1;
        let turn = self.last_turn;
        seat.turn.store(turn, Ordering::Relaxed);
        if let Some(those) = seat.address.as_ref().and_then(|address| self.by_address.get_mut(address)) {
            those.waiting.insert(turn);
        }
        let (address, told) = (seat.address.clone(), Arc::clone(&seat.told));
        self.waiting.insert(turn, Waiting { since: Instant::now(), address, told });
    }

    /// It does not wait any more. Nothing if it was sent away before, or did not wait.
    fn wait_no_more(&mut self, turn: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&turn)?;
        if let Some(those) = waiting.address.as_ref().and_then(|address| self.by_address.get_mut(address)) {
            those.waiting.remove(&turn);
        }
        Some(waiting)
    }

    /// Or when somebody may have stayed that long.
    fn send_longest_away(&mut self, stay: Duration) -> Result<(), Instant> {
        let longest = self.waiting.keys().next().copied();
        longest.map_or_else(|| Err(Instant::now() + stay), |longest| self.send_away(longest, stay))
    }

    /// Or when it will have stayed that long.
    fn send_away(&mut self, turn: u64, stay: Duration) -> Result<(), Instant> {
        let stays_until = self.waiting.get(&turn).map_or_else(Instant::now, |waiting| waiting.since + stay);
        if stays_until > Instant::now() {
            return Err(stays_until);
        }
        if let Some(waiting) = self.wait_no_more(turn) {
            waiting.told.notify_one();
        }
        Ok(())
    }
}

/// Somebody who has a place, until this is dropped.
pub(super) struct Guest {
    seat: Arc<Seat>,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    pub(super) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.seat)
    }

    /// Waits until somebody else is to have the place.
    pub(super) async fn is_sent_away(&self) {
        self.seat.told.notified().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.seat.is_answered();
        let mut seated = self.seat.table.seated.lock();
        seated.wait_no_more(self.seat.turn.swap(GONE, Ordering::Relaxed));
        let Some(address) = &self.seat.address else { return };
        if let Some(those) = seated.by_address.get_mut(address) {
            those.seated = those.seated.saturating_sub(1);
            if those.seated == 0 {
                seated.by_address.remove(address);
            }
        }
    }
}

/// The turn of who has no place any more.
const GONE: u64 = u64::MAX;

/// Nothing of the next request is here.
const IDLE: u8 = 0;
/// Some of a head may be here, and not all of it.
const OWES_A_HEAD: u8 = 1;
/// There is a head, and no answer yet.
const ASKS: u8 = 2;

/// What is known of a connection while it lasts.
pub(super) struct Seat {
    address: Option<Arc<str>>,
    table: Arc<Table>,
    told: Arc<Notify>,
    // Written while the table is locked.
    turn: AtomicU64,
    phase: AtomicU8,
    unanswered: AtomicUsize,
}

impl Seat {
    /// So many bytes have come. Whether they begin a head.
    ///
    /// # Errors
    ///
    /// If all connections together have sent more than is kept of requests without an answer, and this one more than its part.
    pub(super) fn says(&self, length: usize) -> io::Result<bool> {
        let own = self.unanswered.fetch_add(length, Ordering::Relaxed) + length;
        let all = self.table.unanswered.fetch_add(length, Ordering::Relaxed) + length;
        if all > UNANSWERED && own > UNANSWERED_EACH {
            return Err(io::Error::from(ErrorKind::OutOfMemory));
        }
        Ok(self.phase.compare_exchange(IDLE, OWES_A_HEAD, Ordering::Relaxed, Ordering::Relaxed).is_ok())
    }

    pub(super) fn owes_a_head(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OWES_A_HEAD
    }

    /// A head is there: it is waited for the body no longer than for that of anybody else who asks now.
    pub(super) fn asks(&self) {
        self.phase.store(ASKS, Ordering::Relaxed);
        let mut seated = self.table.seated.lock();
        if seated.wait_no_more(self.turn.load(Ordering::Relaxed)).is_some() {
            seated.wait(self);
        }
    }

    /// The whole request is there: its client is not sent away while this lasts. Nothing if it was before, and gets no answer. One who
    /// hung up may have meant what they asked.
    pub(super) fn is_worked_for(self: &Arc<Self>) -> Option<Work> {
        let mut seated = self.table.seated.lock();
        let turn = self.turn.load(Ordering::Relaxed);
        let here = seated.wait_no_more(turn).is_some();
        (here || turn == GONE).then(|| Work(Arc::clone(self)))
    }

    /// What it said is answered.
    pub(super) fn is_answered(&self) {
        self.phase.store(IDLE, Ordering::Relaxed);
        let own = self.unanswered.swap(0, Ordering::Relaxed);
        self.table.unanswered.fetch_sub(own, Ordering::Relaxed);
    }
}

/// A request is being worked at.
pub(super) struct Work(Arc<Seat>);

impl Drop for Work {
    fn drop(&mut self) {
        let mut seated = self.0.table.seated.lock();
        if self.0.turn.load(Ordering::Relaxed) != GONE {
            seated.wait(&self.0);
        }
    }
}

#[cfg(test)]
mod tests;
