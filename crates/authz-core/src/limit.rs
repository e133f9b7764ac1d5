//! Limits over counters.

use std::sync::Arc;

use ambient::{Clock, Time};
use async_trait::async_trait;
use parking_lot::Mutex;
use store::{Counters, Digest, MemoryCounters};

use crate::seam::{Limit, Limiter, TooMany};

/// So many within so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub most: u32,
    /// Within how many seconds.
    pub window: i64,
}

/// The default limits over counters, of this process or shared.
///
/// A key may be what a stranger typed: one of more than 64 bytes is counted by its digest, so that keys of any length do not
/// fill the memory.
///
/// What comes to this process is counted in it as well, and the larger count holds: a store that can be read and not written, because
/// it is full, checks passwords as before, and guesses at them must stay limited. So must they while it comes and goes.
pub struct Counted {
    counters: Arc<dyn Counters>,
    own: MemoryCounters,
    complained: Mutex<Option<Time>>,
    clock: Arc<dyn Clock>,
}

impl Counted {
    /// Counts in `counters`.
    #[must_use]
    pub fn new(counters: Arc<dyn Counters>, clock: Arc<dyn Clock>) -> Self {
        Self { counters, own: MemoryCounters::default(), complained: Mutex::new(None), clock }
    }

    /// The rate of a limit. Registration and sign-up allow for offices and hosted clients that share an address.
    #[must_use]
    pub const fn rate(limit: Limit) -> Rate {
        match limit {
            Limit::Registration => Rate { most: 60, window: 60 },
            Limit::LogIn => Rate { most: 30, window: 60 },
            Limit::LogInAccount => Rate { most: 10, window: 300 },
            Limit::LogInAnywhere => Rate { most: 100, window: 300 },
            Limit::SignUp => Rate { most: 20, window: 600 },
            Limit::Requests => Rate { most: 32, window: 600 },
            Limit::Administration => Rate { most: 10, window: 60 },
        }
    }

    /// The first time, and then a minute after the last: of a Cluster a part may be away, and anybody can send requests.
    fn complaints_are_due(&self, now: Time) -> bool {
        let mut complained = self.complained.lock();
        let due = complained.is_none_or(|last| !(last..last.plus(COMPLAINS_EVERY)).contains(&now));
        if due {
            *complained = Some(now);
        }
        due
    }
}

#[async_trait]
impl Limiter for Counted {
    async fn may(&self, limit: Limit, key: &str) -> Result<(), TooMany> {
        let Rate { most, window } = Self::rate(limit);
        let now = self.clock.now();
        let key = counted(limit, key);
        let own = self.own.seen(&key, window, now);
        let seen = match self.counters.count(&key, window, now).await {
            Ok(seen) => seen.max(own),
            Err(error) => {
                if self.complaints_are_due(now) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "limits cannot be counted by the store; this process counts alone");
                }
                own
            }
        };
        if seen > most { Err(TooMany { retry_after: window - now.0.rem_euclid(window) }) } else { Ok(()) }
    }
}

/// In seconds.
const COMPLAINS_EVERY: i64 = 60;

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

    #[tokio::test]
    async fn beyond_the_limit_it_says_when_to_come_back() {
        let clock = Arc::new(ManualClock::at(Time(600)));
        let limiter = Counted::new(Arc::new(MemoryCounters::default()), clock.clone());
        for _ in 0..Counted::rate(Limit::LogIn).most {
            assert_eq!(limiter.may(Limit::LogIn, "192.0.2.1").await, Ok(()));
        }
        clock.advance(20);
        assert_eq!(limiter.may(Limit::LogIn, "192.0.2.1").await, Err(TooMany { retry_after: 40 }));
        assert_eq!(limiter.may(Limit::LogIn, "192.0.2.2").await, Ok(()));
        clock.advance(40);
        assert_eq!(limiter.may(Limit::LogIn, "192.0.2.1").await, Ok(()));
    }

    #[tokio::test]
    async fn long_keys_are_counted_each_for_itself() {
        let limiter = Counted::new(Arc::new(MemoryCounters::default()), Arc::new(ManualClock::at(Time(600))));
        let long = |last: &str| format!("{}{last}", "a".repeat(100_000));
        for _ in 0..Counted::rate(Limit::LogIn).most {
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
    }

    #[tokio::test]
    async fn what_the_store_cannot_count_this_process_does() {
        let full = Arc::new(Full::default());
        let limiter = Counted::new(full.clone(), Arc::new(ManualClock::at(Time(600))));
        let most = Counted::rate(Limit::Administration).most;
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
        let most = Counted::rate(Limit::Administration).most;
        for guess in 0..4 * most {
            full.full.store(guess % 2 == 1, Ordering::SeqCst);
            let may = limiter.may(Limit::Administration, "192.0.2.1").await;
            assert_eq!(may.is_ok(), guess < most, "guess {guess}");
        }
    }

    #[test]
    fn that_the_store_cannot_count_is_said_once_a_minute() {
        let limiter = Counted::new(Arc::new(Full::default()), Arc::new(ManualClock::at(Time(0))));
        let said: Vec<i64> = (600..800).filter(|now| limiter.complaints_are_due(Time(*now))).collect();
        assert_eq!(said, [600, 660, 720, 780]);
        assert!(limiter.complaints_are_due(Time(100)), "a clock that was set back");
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
