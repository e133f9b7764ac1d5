//! Who has a connection, and who is sent away for somebody new.

mod seat;
mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock as _, Complaints, SystemClock};
use authz_core::{address_key, network_key};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use self::seat::Signs;
pub(super) use self::seat::{Guest, Seat};
use self::table::{Origin, Rules, Table};
use super::room::Room;

/// After the server was told to stop, for how long a client is waited for: a body, or that an answer is taken.
const LEAVE: Duration = Duration::from_secs(2);

/// Everybody who is seated.
///
/// A connection is either worked for, from the last byte of a request until its answer is known, or it waits for its client:
/// for a head, a body, or that the answer is taken. When there is no place for somebody new, one that waits is sent away: of a
/// site that fills places, and else of all, the one that has waited longest; and if nobody waits, the next whose answer is taken. So it
/// costs others little how many connections somebody opens, leaves silent, speaks on slowly, or asks on without a pause.
///
/// The place is given back when the connection and what was asked on it are both over: whoever hangs up and comes again has no
/// more work done at once than whoever stays.
pub(super) struct Guests {
    room: Room,
    common: Places,
    // For this machine alone, so that somebody who looks after the server is answered when all others wait.
    spare: Places,
    // From when on nobody could be sent away for somebody new. Whoever comes after two seconds of that is not kept waiting: others
    // stand behind them, and among them is whoever looks after the server.
    short_since: Mutex<Option<Instant>>,
    complaints: Complaints,
}

/// Whoever leaves one of these makes room for one of these.
struct Places {
    free: Arc<Semaphore>,
    table: Arc<Table>,
}

impl Places {
    fn new(number: usize, rules: Rules) -> Self {
        Self { free: Arc::new(Semaphore::new(number)), table: Arc::new(Table::new(rules)) }
    }

    /// One that is free.
    fn one(&self) -> Option<Place<'_>> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Place { place, table: &self.table })
    }

    /// The next that is left.
    async fn next(&self) -> Option<Place<'_>> {
        let place = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(Place { place, table: &self.table })
    }
}

struct Place<'a> {
    place: OwnedSemaphorePermit,
    table: &'a Arc<Table>,
}

impl Guests {
    pub(super) fn of(room: Room) -> Self {
        let rules = Rules { stay: room.stay, many: room.each / 2 };
        Self {
            common: Places::new(room.places, rules),
            spare: Places::new(room.spare, rules),
            room,
            short_since: Mutex::new(None),
            complaints: Complaints::new(),
        }
    }

    /// Seats `from`. Somebody of the same address goes if that address has its share, and somebody of all if all places are taken.
    /// Nobody is seated if all of the same address are busy or have just come, or if that has been so of all for twice as long as a
    /// connection may stay in any case.
    pub(super) async fn seat(&self, from: IpAddr) -> Option<Guest> {
        let origin = match self.room.free.iter().any(|network| network.contains(from)) {
            true => None,
            false => Some(origin(from)),
        };
        let one_went = match &origin {
            Some(origin) => self.common.table.keeps_a_share(&origin.address, self.room.each)?,
            None => false,
        };
        let Place { place, table } = self.place(from, one_went).await?;
        let signs = Arc::new(Signs::default());
        let number = table.seats(origin, Arc::clone(&signs));
        Some(Guest(Arc::new(Seat::new(number, Arc::clone(table), signs, place))))
    }

    async fn place(&self, from: IpAddr, one_went: bool) -> Option<Place<'_>> {
        let table = &self.common.table;
        let mut is_first_look = true;
        loop {
            if let Some(place) = self.common.one() {
                *self.short_since.lock() = None;
                table.wants_nobody_to_go();
                return Some(place);
            }
            if self.complaints.are_due(SystemClock.now()) {
                tracing::warn!(
                    places = self.room.places,
                    "all connections are taken; those that have waited longest for their clients are closed"
                );
            }
            if one_went {
                return self.common.next().await;
            }
            let Err(then) = table.sends_one_away(is_first_look) else {
                *self.short_since.lock() = None;
                return self.common.next().await;
            };
            is_first_look = false;
            if from.to_canonical().is_loopback() {
                let spare = match self.spare.one() {
                    None if self.spare.table.sends_one_away(false).is_ok() => self.spare.next().await,
                    spare => spare,
                };
                if spare.is_some() {
                    table.wants_nobody_to_go();
                    return spare;
                }
            }
            let waits_until = *self.short_since.lock().get_or_insert_with(Instant::now) + 2 * self.room.stay;
            match timeout_at(then.min(waits_until), self.common.next()).await {
                Ok(place) => {
                    table.wants_nobody_to_go();
                    return place;
                }
                Err(_) if Instant::now() >= waits_until => return None,
                // Somebody may have stayed long enough by now.
                Err(_) => {}
            }
        }
    }

    /// Sends away whoever owes a head, at once, and whoever owes a body, or takes no answer, after two seconds: again and again,
    /// until this is dropped.
    pub(super) async fn leave(&self) {
        loop {
            self.common.table.sends_away_who_keeps_it_open(LEAVE);
            self.spare.table.sends_away_who_keeps_it_open(LEAVE);
            sleep(LEAVE / 20).await;
        }
    }
}

/// IPv6 addresses of a site are as many as somebody wants them to be.
fn origin(from: IpAddr) -> Origin {
    let site = from.to_canonical().is_ipv6().then(|| Arc::from(network_key(Some(from))));
    Origin { address: Arc::from(address_key(Some(from))), site }
}

#[cfg(test)]
mod tests;
