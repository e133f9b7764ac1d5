//! How many connections may be open at once, in all and from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use authz_core::address_key;
use http_io::AddressRange;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections, however many files may be open.
const MOST: usize = 8192;
/// Open files that are no connections: the database and its readers, the lock, the log, the runtime's own.
const RESERVE: usize = 128;
/// What one address may have in any case: an office behind one address, a program with a pool.
const LEAST_EACH: usize = 64;

/// How many connections may be open at once. Who comes when all places are taken waits; who has more from one address than
/// an eighth of the places, and 64 at the least, is hung up on. IPv6 addresses of one /64 are one address.
#[derive(Clone, Debug)]
pub struct Room {
    pub(super) places: usize,
    pub(super) each: usize,
    pub(super) free: Vec<AddressRange>,
}

impl Room {
    /// Raises this process's limit of open files as far as it may (`RLIMIT_NOFILE`, soft to hard), and takes what that
    /// leaves for connections: 8192 at the most.
    #[must_use]
    pub fn of_this_process() -> Self {
        let Some(files) = raised_file_limit() else { return Self::of(MOST) };
        let places = files.saturating_sub(RESERVE).max(files / 2).min(MOST);
        if places < MOST {
            tracing::info!(
                files,
                places,
                "the limit of open files (ulimit -n) leaves room for few connections"
            );
        }
        Self::of(places)
    }

    /// So many places, one at the least. This machine itself may take them all.
    #[must_use]
    pub fn of(places: usize) -> Self {
        let places = places.max(1);
        let loopback = ["127.0.0.0/8", "::1"].iter().filter_map(|network| network.parse().ok());
        Self { places, each: (places / 8).max(LEAST_EACH), free: loopback.collect() }
    }

    /// These proxies may take all places too: they stand for many.
    #[must_use]
    pub fn with_proxies(mut self, proxies: &[AddressRange]) -> Self {
        self.free.extend_from_slice(proxies);
        self
    }
}

/// How many are seated, by address. Who has none is not in it.
type Seated = Arc<Mutex<BTreeMap<String, usize>>>;

/// The places that are taken.
pub(super) struct Guests {
    room: Room,
    places: Arc<Semaphore>,
    by_address: Seated,
}

impl Guests {
    pub(super) fn of(room: Room) -> Self {
        let places = Arc::new(Semaphore::new(room.places));
        Self { room, places, by_address: Arc::default() }
    }

    /// Waits until there is a place for one more.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Seats `from` there, unless that address has its share.
    pub(super) fn seat(&self, from: IpAddr, place: Option<OwnedSemaphorePermit>) -> Option<Guest> {
        if self.room.free.iter().any(|network| network.contains(from)) {
            return Some(Guest { _place: place, counted: None });
        }
        let address = address_key(Some(from));
        let mut by_address = self.by_address.lock();
        let seated = by_address.entry(address.clone()).or_default();
        if *seated >= self.room.each {
            return None;
        }
        *seated += 1;
        Some(Guest { _place: place, counted: Some((address, Arc::clone(&self.by_address))) })
    }
}

/// Somebody who has a place, until this is dropped.
pub(super) struct Guest {
    _place: Option<OwnedSemaphorePermit>,
    counted: Option<(String, Seated)>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some((address, by_address)) = &self.counted else { return };
        let mut by_address = by_address.lock();
        if let Some(seated) = by_address.get_mut(address) {
            *seated = seated.saturating_sub(1);
            if *seated == 0 {
                by_address.remove(address);
            }
        }
    }
}

/// How many files may be open now; nothing if there is no limit, or none that is known.
#[cfg(unix)]
fn raised_file_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let current = before.current?;
    // Some systems say that there is no hard limit and take no such soft one.
    let most = before.maximum.unwrap_or((MOST + RESERVE) as u64);
    if current < most {
        let raised = Rlimit { current: Some(most), maximum: before.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
    getrlimit(Resource::Nofile).current.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
const fn raised_file_limit() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_an_eighth_of_the_places_and_64_at_the_least() {
        for (places, each) in [(8192, 1024), (512, 64), (100, 64), (0, 64)] {
            assert_eq!(Room::of(places).each, each, "{places}");
        }
    }

    #[tokio::test]
    async fn who_has_their_share_is_sent_away_and_others_are_not() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let guests = Guests::of(Room { each: 2, ..Room::of(100) }.with_proxies(&proxies));
        for (one, same, other) in [
            ("203.0.113.1", "::ffff:203.0.113.1", "203.0.113.2"),
            ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:2::1"),
        ] {
            let first = guests.seat(address(one), guests.place().await).unwrap();
            let second = guests.seat(address(same), guests.place().await).unwrap();
            assert!(guests.seat(address(one), guests.place().await).is_none(), "{one}");
            assert!(guests.seat(address(other), guests.place().await).is_some(), "{other}");
            drop(first);
            assert!(guests.seat(address(one), guests.place().await).is_some(), "{one}");
            drop(second);
        }
        assert!(guests.by_address.lock().is_empty(), "who is gone is forgotten");
        assert_eq!(guests.places.available_permits(), 100);
        for free in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3"] {
            let mut seated = Vec::new();
            for _ in 0..100 {
                seated.push(guests.seat(address(free), guests.place().await).unwrap());
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_limit_of_open_files_is_raised_and_the_room_is_what_it_leaves() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let before = getrlimit(Resource::Nofile);
        let low = before.maximum.unwrap_or(4096).min(256);
        setrlimit(Resource::Nofile, Rlimit { current: Some(low), maximum: before.maximum }).unwrap();
        let room = Room::of_this_process();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, before.maximum.or(Some((MOST + RESERVE) as u64)));
        let files = usize::try_from(now.current.unwrap()).unwrap();
        assert!(room.places <= MOST && room.places < files, "{} of {files}", room.places);
        assert!(room.places == MOST || room.places + RESERVE >= files, "{} of {files}", room.places);
    }
}
