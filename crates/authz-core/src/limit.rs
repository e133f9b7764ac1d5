//! Limits over counters.

use std::net::IpAddr;
use std::sync::Arc;

use ambient::{Clock, Complaints, Time};
use async_trait::async_trait;
use parking_lot::RwLock;
use store::{Counters, Digest, MemoryCounters};
use thiserror::Error;

use crate::seam::{Limit, Limiter, TooMany, network_key};

/// So many within so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub most: u32,
    /// Within how many seconds.
    pub window: i64,
}

impl Rate {
    /// The longest window, in seconds: a day.
    pub const LONGEST: i64 = 86_400;

    /// `most` within `window` seconds.
    ///
    /// # Errors
    ///
    /// If it would let nobody through, or a window is no time or more than a day.
    pub const fn new(most: u32, window: i64) -> Result<Self, NoRate> {
        match most > 0 && window > 0 && window <= Self::LONGEST {
            true => Ok(Self { most, window }),
            false => Err(NoRate),
        }
    }
}

/// Not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a rate is 1 or more within 1 second to 1 day")]
pub struct NoRate;

/// The rate of each limit. The default allows for offices and hosted clients that share an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits([Rate; Limit::ALL.len()]);

impl Limits {
    /// The rate of a limit.
    #[must_use]
    pub const fn rate(&self, limit: Limit) -> Rate {
        self.0[limit as usize]
    }

    /// The same with another rate of `limit`.
    #[must_use]
    pub const fn with(mut self, limit: Limit, rate: Rate) -> Self {
        self.0[limit as usize] = rate;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self(Limit::ALL.map(|limit| match limit {
            Limit::Registration => Rate { most: 60, window: 60 },
            Limit::LogIn => Rate { most: 30, window: 60 },
            Limit::LogInAccount => Rate { most: 10, window: 300 },
            Limit::LogInAnywhere => Rate { most: 100, window: 300 },
            Limit::SignUp => Rate { most: 20, window: 600 },
            Limit::Letter => Rate { most: 5, window: 900 },
            Limit::LetterAsked => Rate { most: 10, window: 86_400 },
            Limit::Already => Rate { most: 1, window: 86_400 },
            Limit::Requests => Rate { most: 32, window: 600 },
            Limit::Administration => Rate { most: 10, window: 60 },
            Limit::AdministrationAnywhere => Rate { most: 100, window: 60 },
            Limit::AdministrationUse => Rate { most: 600, window: 60 },
            Limit::Token => Rate { most: 240, window: 60 },
        }))
    }
}

/// How the wait of one who goes on guessing grows: by how many times as many within how many times as long. With the default rate
/// ten wrong passwords cost up to 5 minutes, 20 up to half an hour, 30 up to 3 hours, and nothing locks for good.
const GROWING: [(u32, i64); 3] = [(1, 1), (2, 6), (3, 36)];

/// Limits over counters, of this process or shared.
///
/// A key may be what a stranger typed: one of more than 64 bytes is counted by its digest, so that keys of any length do not
/// fill the memory.
///
/// What comes to this process is counted in it as well, and the larger count holds: a store that can be read and not written, because
/// it is full, checks passwords as before, and guesses at them must stay limited. So must they while it comes and goes.
///
/// Each limit has counters of its own, so that keys that cost nothing (addresses) push out none that do (accounts). Where there are
/// more addresses than counters, new ones are counted by [network](network_key): who has a whole one has one count more.
///
/// [`Limit::LogInAccount`] grows: whoever is over it again and again waits for longer each time, until they come with the right
/// password ([`forget`](Limiter::forget)).
pub struct Counted {
    limits: RwLock<Limits>,
    shared: Option<Arc<dyn Counters>>,
    own: [MemoryCounters; Limit::ALL.len()],
    // Of a Cluster a part may be away, and the rest not.
    complaints: Complaints,
    clock: Arc<dyn Clock>,
}

impl Counted {
    /// Counts in `counters`, which processes share, by the default [`Limits`].
    #[must_use]
    pub fn new(counters: Arc<dyn Counters>, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Some(counters), ..Self::alone(clock) }
    }

    /// Counts in this process alone, by the default [`Limits`].
    #[must_use]
    pub fn alone(clock: Arc<dyn Clock>) -> Self {
        let (limits, own, complaints) = (RwLock::default(), Default::default(), Complaints::new());
        Self { limits, shared: None, own, complaints, clock }
    }

    /// Counts by other limits from now on. What was counted stays, where the window is the same.
    pub fn change(&self, limits: Limits) {
        *self.limits.write() = limits;
    }

    /// What is counted for `key`, the shortest window first, each under a key of its own.
    fn windows(&self, limit: Limit, key: &str) -> impl Iterator<Item = Window> + use<> {
        let Rate { most, window } = self.limits.read().rate(limit);
        let steps = if matches!(limit, Limit::LogInAccount) { GROWING.len() } else { 1 };
        let (key, network) = (counted(limit, key), network_of(key));
        GROWING.into_iter().take(steps).map(move |(more, longer)| Window {
            key: if longer == 1 { key.clone() } else { format!("{key}*{longer}") },
            network: network.clone(),
            rate: Rate { most: most.saturating_mul(more), window: window.saturating_mul(longer) },
        })
    }

    async fn count(&self, limit: Limit, counted: &Window, now: Time) -> u32 {
        let Window { key, network, rate: Rate { window, .. } } = counted;
        let own = self.own(limit).seen_within(key, network.as_deref(), *window, now);
        let Some(shared) = &self.shared else { return own };
        match shared.count(key, *window, now).await {
            Ok(seen) => seen.max(own),
            Err(error) => {
                if self.complaints.are_due(now) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "limits cannot be counted by the store; this process counts alone");
                }
                own
            }
        }
    }

    const fn own(&self, limit: Limit) -> &MemoryCounters {
        &self.own[limit as usize]
    }
}

#[async_trait]
impl Limiter for Counted {
    async fn may(&self, limit: Limit, key: &str) -> Result<(), TooMany> {
        let now = self.clock.now();
        for counted in self.windows(limit, key) {
            let Rate { most, window } = counted.rate;
            if self.count(limit, &counted, now).await > most {
                // Who comes too early is not counted further: what grows is what they tried, not how often they asked.
                return Err(TooMany { retry_after: window - now.0.rem_euclid(window) });
            }
        }
        Ok(())
    }

    async fn forget(&self, limit: Limit, key: &str) {
        let now = self.clock.now();
        for Window { key, rate: Rate { window, .. }, .. } in self.windows(limit, key) {
            self.own(limit).unsee(&key, window);
            let Some(shared) = &self.shared else { continue };
            if let Err(error) = shared.forget(&key, window, now).await {
                tracing::debug!(%error, "a count stays, because the store cannot be reached");
            }
        }
    }
}

/// What is counted in one window.
struct Window {
    key: String,
    /// Of a key that is an address.
    network: Option<String>,
    rate: Rate,
}

/// The network of an [`address_key`](crate::address_key).
fn network_of(key: &str) -> Option<String> {
    let address: IpAddr = key.strip_suffix("/64").unwrap_or(key).parse().ok()?;
    Some(network_key(Some(address)))
}

/// In bytes. Two addresses and a digest fit.
const LONGEST: usize = 64;

fn counted(limit: Limit, key: &str) -> String {
    if key.len() > LONGEST {
        format!("{}#{}", limit.as_str(), Digest::of(key.as_bytes()))
    } else {
        format!("{}:{key}", limit.as_str())
    }
}

/// No limits at all. For tests and benchmarks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

#[async_trait]
impl Limiter for Unlimited {
    async fn may(&self, _: Limit, _: &str) -> Result<(), TooMany> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use ambient::ManualClock;
    use store::StoreError;

    use super::*;
    use crate::address_key;

    #[tokio::test]
    async fn beyond_the_limit_it_says_when_to_come_back() {
        let clock = Arc::new(ManualClock::at(Time(600)));
        let limiter = Counted::alone(clock.clone());
        for _ in 0..Limits::default().rate(Limit::LogIn).most {
            assert_eq!(limiter.may(Limit::LogIn, "192.0.2.1").await, Ok(()));
        }
        clock.advance(20);
        assert_eq!(limiter.may(Limit::LogIn, "192.0.2.1").await, Err(TooMany { retry_after: 40 }));
        assert_eq!(limiter.may(Limit::LogIn, "192.0.2.2").await, Ok(()));
        clock.advance(40);
        assert_eq!(limiter.may(Limit::LogIn, "192.0.2.1").await, Ok(()));
    }

    /// AS-4: ten wrong passwords cost minutes, more cost hours, and the right one ends it.
    #[tokio::test]
    async fn whoever_goes_on_guessing_waits_longer_and_never_for_good() {
        let clock = Arc::new(ManualClock::at(Time(36 * 300 * 1_000)));
        let limiter = Counted::alone(clock.clone());
        let key = "somebody at 192.0.2.1";
        let mut waits = Vec::new();
        let mut guesses = 0;
        while clock.now() < Time(36 * 300 * 1_001) {
            match limiter.may(Limit::LogInAccount, key).await {
                Ok(()) => guesses += 1,
                Err(TooMany { retry_after }) => {
                    waits.push(retry_after);
                    clock.advance(retry_after);
                }
            }
        }
        assert_eq!((guesses, waits), (30, vec![300, 300, 1_200, 300, 8_700]));
        assert_eq!(limiter.may(Limit::LogInAccount, key).await, Ok(()), "three hours later it begins anew");
        for _ in 1..10 {
            assert_eq!(limiter.may(Limit::LogInAccount, key).await, Ok(()));
        }
        assert!(limiter.may(Limit::LogInAccount, key).await.is_err());
        limiter.forget(Limit::LogInAccount, key).await;
        assert_eq!(limiter.may(Limit::LogInAccount, key).await, Ok(()));
    }

    #[tokio::test]
    async fn limits_are_changed_while_they_are_counted() {
        let limiter = Counted::alone(Arc::new(ManualClock::at(Time(600))));
        let token = async || limiter.may(Limit::Token, "app grant").await;
        assert_eq!(token().await, Ok(()));
        limiter.change(Limits::default().with(Limit::Token, Rate::new(1, 60).unwrap()));
        assert_eq!(token().await, Err(TooMany { retry_after: 60 }));
        assert_eq!(limiter.may(Limit::LogIn, "192.0.2.1").await, Ok(()), "the others are as they were");
        for (most, window) in [(0, 60), (1, 0), (1, -1), (1, 86_401)] {
            assert_eq!(Rate::new(most, window), Err(NoRate));
        }
        for (at, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, at);
        }
    }

    #[tokio::test]
    async fn long_keys_are_counted_each_for_itself() {
        let limiter = Counted::alone(Arc::new(ManualClock::at(Time(600))));
        let long = |last: &str| format!("{}{last}", "a".repeat(100_000));
        for _ in 0..Limits::default().rate(Limit::LogIn).most {
            assert_eq!(limiter.may(Limit::LogIn, &long("1")).await, Ok(()));
        }
        assert!(limiter.may(Limit::LogIn, &long("1")).await.is_err());
        assert_eq!(limiter.may(Limit::LogIn, &long("2")).await, Ok(()));
    }

    /// Counters of a store that can be read and, now and then, not written.
    #[derive(Default)]
    struct Full {
        counters: MemoryCounters,
        full: AtomicBool,
    }

    #[async_trait]
    impl Counters for Full {
        async fn count(&self, key: &str, window: i64, now: Time) -> Result<u32, StoreError> {
            match self.full.load(Ordering::SeqCst) {
                true => Err(StoreError::unavailable("OOM command not allowed")),
                false => self.counters.count(key, window, now).await,
            }
        }

        async fn forget(&self, key: &str, window: i64, now: Time) -> Result<(), StoreError> {
            self.counters.forget(key, window, now).await
        }
    }

    #[tokio::test]
    async fn what_the_store_cannot_count_this_process_does() {
        let full = Arc::new(Full::default());
        let limiter = Counted::new(full.clone(), Arc::new(ManualClock::at(Time(600))));
        let most = Limits::default().rate(Limit::Administration).most;
        let may = async |key| limiter.may(Limit::Administration, key).await;
        for _ in 0..most {
            assert_eq!(may("192.0.2.1").await, Ok(()));
        }
        full.full.store(true, Ordering::SeqCst);
        for _ in 0..most {
            assert_eq!(may("192.0.2.2").await, Ok(()));
        }
        assert_eq!(may("192.0.2.2").await, Err(TooMany { retry_after: 60 }));
        full.full.store(false, Ordering::SeqCst);
        assert!(may("192.0.2.1").await.is_err(), "what was counted before is not forgotten");
    }

    /// The attack: to guess on when the store fills up, or as often as it comes and goes.
    #[tokio::test]
    async fn a_store_that_comes_and_goes_allows_no_more_guesses() {
        let full = Arc::new(Full::default());
        let limiter = Counted::new(full.clone(), Arc::new(ManualClock::at(Time(600))));
        let most = Limits::default().rate(Limit::Administration).most;
        for guess in 0..4 * most {
            full.full.store(guess % 2 == 1, Ordering::SeqCst);
            let may = limiter.may(Limit::Administration, "192.0.2.1").await;
            assert_eq!(may.is_ok(), guess < most, "guess {guess}");
        }
    }

    /// The attack: a network of which each address is a key of its own, so that counts that matter make room for them.
    #[tokio::test]
    async fn a_network_of_many_addresses_ends_no_limit() {
        let limiter = Counted::alone(Arc::new(ManualClock::at(Time(600))));
        let addresses = |network: &'static str, most: usize| {
            (0..most).map(move |n| format!("{network}:{:x}:{:x}::/64", n >> 16, n & 0xffff))
        };
        let account = "vic@example.com 192.0.2.1";
        for guess in 0..20 {
            assert_eq!(limiter.may(Limit::LogInAccount, account).await.is_ok(), guess < 10);
        }
        for address in addresses("2001:db8", MemoryCounters::MOST_KEYS + 500) {
            let _ = limiter.may(Limit::SignUp, &address).await;
            let _ = limiter.may(Limit::Administration, &address).await;
        }
        assert!(limiter.may(Limit::LogInAccount, account).await.is_err(), "its counters are its own");
        assert!(
            limiter.may(Limit::SignUp, "2001:db8:1:fffe::/64").await.is_err(),
            "it is counted as a whole"
        );
        assert_eq!(limiter.may(Limit::SignUp, "2001:db9:1:1::/64").await, Ok(()), "others are not");
        assert_eq!(limiter.may(Limit::SignUp, "198.51.100.1").await, Ok(()));
    }

    #[test]
    fn an_address_is_known_from_its_key() {
        for (address, network) in [
            ("192.0.2.7", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.7", Some("192.0.2.0/24")),
            ("2001:db8:1:2:3::4", Some("2001:db8:1::/48")),
        ] {
            let key = address_key(address.parse().ok());
            assert_eq!(network_of(&key).as_deref(), network, "{key}");
        }
        for key in ["unknown", "vic@example.com", "vic@example.com 192.0.2.1", ""] {
            assert_eq!(network_of(key), None);
        }
    }

    #[test]
    fn a_key_of_any_length_is_kept_short() {
        let short = "a".repeat(LONGEST);
        assert_eq!(counted(Limit::LogIn, &short), format!("log_in:{short}"));
        let digested = counted(Limit::LogIn, &"a".repeat(LONGEST + 1));
        assert!(digested.len() < 64 && digested.starts_with("log_in#"), "{digested}");
        assert_eq!(counted(Limit::LogIn, &"a".repeat(100_000)).len(), digested.len());
    }
}
