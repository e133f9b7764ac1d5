//! Limits over counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::Clock;
use async_trait::async_trait;
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
/// While the counters fail it counts in this process alone: a store that can be read and not written, because it is full, checks
/// passwords as before, and guesses at them must stay limited.
pub struct Counted {
    counters: Arc<dyn Counters>,
    own: MemoryCounters,
    alone: AtomicBool,
    clock: Arc<dyn Clock>,
}

impl Counted {
    /// Counts in `counters`.
    #[must_use]
    pub fn new(counters: Arc<dyn Counters>, clock: Arc<dyn Clock>) -> Self {
        Self { counters, own: MemoryCounters::default(), alone: AtomicBool::new(false), clock }
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
            Limit::Letter => Rate { most: 5, window: 900 },
            Limit::Requests => Rate { most: 32, window: 600 },
            Limit::Administration => Rate { most: 10, window: 60 },
        }
    }
}

#[async_trait]
impl Limiter for Counted {
    async fn may(&self, limit: Limit, key: &str) -> Result<(), TooMany> {
        let Rate { most, window } = Self::rate(limit);
        let now = self.clock.now();
        let key = counted(limit, key);
        let seen = match self.counters.count(&key, window, now).await {
            Ok(seen) => {
                if self.alone.swap(false, Ordering::Relaxed) {
                    tracing::info!("limits are counted by the store again");
                }
                seen
            }
            Err(error) => {
                if !self.alone.swap(true, Ordering::Relaxed) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "limits cannot be counted by the store; this process counts alone");
                }
                self.own.seen(&key, window, now)
            }
        };
        if seen > most { Err(TooMany { retry_after: window - now.0.rem_euclid(window) }) } else { Ok(()) }
    }
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
    use ambient::{ManualClock, Time};
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
        assert!(limiter.alone.load(Ordering::SeqCst));
        full.full.store(false, Ordering::SeqCst);
        assert!(may("192.0.2.1").await.is_err(), "what was counted before is not forgotten");
        assert!(!limiter.alone.load(Ordering::SeqCst));
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
