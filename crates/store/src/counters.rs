//! Counting, for limits.

use std::collections::BTreeMap;

use ambient::Time;
use async_trait::async_trait;
use parking_lot::Mutex;

use crate::StoreError;

/// Counts events by key within fixed windows of time. What to do about a count is a limiter's business.
///
/// It keeps keys as they come: whoever counts what strangers typed hands over a digest of what is long.
///
/// Counts may be lost in a crash and may lag between processes; nothing but politeness depends on them.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Counts one event under `key` in the window of `window` seconds that `now` falls into; answers how many it has seen
    /// with this one.
    async fn count(&self, key: &str, window: i64, now: Time) -> Result<u32, StoreError>;

    /// Forgets what was counted under `key` in the window of `window` seconds that `now` falls into.
    async fn forget(&self, key: &str, window: i64, now: Time) -> Result<(), StoreError>;
}

/// Counters of this process.
///
/// Bounded: beyond [`MemoryCounters::MOST_KEYS`] those whose window is over make room, and if none is, the whole table does.
/// Forgetting a count lets a few more requests through; growing without end would be the attack.
#[derive(Debug, Default)]
pub struct MemoryCounters(Mutex<BTreeMap<String, Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    ends: Time,
    seen: u32,
}

impl MemoryCounters {
    /// How many keys are remembered at the most.
    pub const MOST_KEYS: usize = 100_000;

    /// [`count`](Counters::count), which cannot fail here.
    #[must_use]
    pub fn seen(&self, key: &str, window: i64, now: Time) -> u32 {
        let window = window.max(1);
        let ends = Time(now.0.saturating_sub(now.0.rem_euclid(window))).plus(window);
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(key) {
            let seen = if count.ends == ends { count.seen.saturating_add(1) } else { 1 };
            *count = Window { ends, seen };
            return seen;
        }
        if counts.len() >= Self::MOST_KEYS {
            counts.retain(|_, count| count.ends > now);
            if counts.len() >= Self::MOST_KEYS {
                counts.clear();
            }
        }
        counts.insert(key.to_owned(), Window { ends, seen: 1 });
        1
    }

    /// [`forget`](Counters::forget), which cannot fail here.
    pub fn unsee(&self, key: &str) {
        self.0.lock().remove(key);
    }
}

#[async_trait]
impl Counters for MemoryCounters {
    async fn count(&self, key: &str, window: i64, now: Time) -> Result<u32, StoreError> {
        Ok(self.seen(key, window, now))
    }

    async fn forget(&self, key: &str, _: i64, _: Time) -> Result<(), StoreError> {
        self.unsee(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_window_counts_for_itself() {
        let counters = MemoryCounters::default();
        for expected in 1..=3 {
            assert_eq!(counters.count("a", 60, Time(59)).await.unwrap(), expected);
        }
        assert_eq!(counters.count("b", 60, Time(59)).await.unwrap(), 1);
        assert_eq!(counters.count("a", 60, Time(60)).await.unwrap(), 1);
        assert_eq!(counters.count("a", 60, Time(60)).await.unwrap(), 2);
        counters.forget("a", 60, Time(61)).await.unwrap();
        assert_eq!(counters.count("a", 60, Time(61)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_flood_of_keys_stays_bounded() {
        let counters = MemoryCounters::default();
        for n in 0..=MemoryCounters::MOST_KEYS {
            counters.count(&n.to_string(), 60, Time(0)).await.unwrap();
        }
        assert!(counters.0.lock().len() <= MemoryCounters::MOST_KEYS);
    }
}
