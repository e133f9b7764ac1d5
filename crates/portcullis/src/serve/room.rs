//! How many connections may be open at once, in all and from one address.

use std::time::Duration;

use http_io::AddressRange;

use super::Patience;

/// The most connections, however many files may be open.
const MOST: usize = 8192;
/// Open files that are no connections: the database and its readers, the lock, the log, the runtime's own.
const RESERVE: usize = 128 + SPARE;
/// Places beyond all others, that only this machine itself is given.
const SPARE: usize = 16;
/// What one address may have in any case: an office behind one address, a program with a pool.
const LEAST_EACH: usize = 64;

/// What nobody is sent away before, so that a request can come.
const STAY: Duration = Duration::from_secs(1);

/// How many connections may be open at once, and for how long each is waited for. When all places are taken, the one is closed for a
/// new one that has waited longest for its client: of a site that has more than half a share, and else of all. So is one of the same
/// address, if that has its share: an eighth of the places, and 64 at the least. IPv6 addresses of one /64 are one address, and those of
/// one /48 one site. A connection is let stay a second for its first head, unless its site has so many, and for a second while its
/// answer is on its way; and as long as a request of it is worked at.
#[derive(Clone, Debug)]
pub struct Room {
    pub(super) places: usize,
    pub(super) spare: usize,
    pub(super) each: usize,
    pub(super) free: Vec<AddressRange>,
    pub(super) stay: Duration,
    pub(super) patience: Patience,
}

impl Room {
    /// Raises this process's limit of open files as far as it may (`RLIMIT_NOFILE`, soft to hard), and takes what that
    /// leaves for connections: as many as are `wanted`, and 8192 at the most if nothing is.
    #[must_use]
    pub fn of_this_process(wanted: Option<usize>) -> Self {
        let wanted = wanted.unwrap_or(MOST);
        let Some(files) = raised_file_limit(wanted) else { return Self::of(wanted) };
        let places = files.saturating_sub(RESERVE).max(files / 2).min(wanted);
        if places < wanted {
            tracing::info!(
                files,
                places,
                wanted,
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
        let each = (places / 8).max(LEAST_EACH);
        let free = loopback.collect();
        Self { places, spare: SPARE, each, free, stay: STAY, patience: Patience::default() }
    }

    /// So many for one address, one at the least.
    #[must_use]
    pub fn with_each(mut self, each: usize) -> Self {
        self.each = each.max(1);
        self
    }

    /// So long for each.
    #[must_use]
    pub const fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// These proxies may take all places too: they stand for many.
    #[must_use]
    pub fn with_proxies(mut self, proxies: &[AddressRange]) -> Self {
        self.free.extend_from_slice(proxies);
        self
    }
}

/// How many files may be open now; nothing if there is no limit, or none that is known.
#[cfg(unix)]
fn raised_file_limit(wanted: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let current = before.current?;
    // Some systems say that there is no hard limit and take no such soft one.
    let most = before.maximum.unwrap_or_else(|| wanted.saturating_add(RESERVE) as u64);
    if current < most {
        let raised = Rlimit { current: Some(most), maximum: before.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
    getrlimit(Resource::Nofile).current.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
const fn raised_file_limit(_: usize) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_an_eighth_of_the_places_and_64_at_the_least() {
        for (places, each) in [(8192, 1024), (512, 64), (100, 64), (0, 64)] {
            assert_eq!(Room::of(places).each, each, "{places}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_limit_of_open_files_is_raised_and_the_room_is_what_it_leaves() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let before = getrlimit(Resource::Nofile);
        let low = before.maximum.unwrap_or(4096).min(256);
        setrlimit(Resource::Nofile, Rlimit { current: Some(low), maximum: before.maximum }).unwrap();
        let room = Room::of_this_process(None);
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, before.maximum.or(Some((MOST + RESERVE) as u64)));
        let files = usize::try_from(now.current.unwrap()).unwrap();
        assert!(room.places <= MOST && room.places < files, "{} of {files}", room.places);
        assert!(room.places == MOST || room.places + RESERVE >= files, "{} of {files}", room.places);
    }
}
