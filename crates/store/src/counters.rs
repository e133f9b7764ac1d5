//! Counting, for limits.

use std::collections::{BTreeMap, BTreeSet};

use ambient::Time;
use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{Digest, StoreError};

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
/// Bounded, and nobody is let through more often for it: of each window at most [`MemoryCounters::MOST_KEYS`] keys have a count of
/// their own. Beyond that a new key takes the place of the one with the lowest count, and begins where that one was
/// (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005). So a count may be too
/// high, by as much as a flood of keys is spread over the table, and is never too low: a flood makes nobody forgotten.
#[derive(Debug, Default)]
pub struct MemoryCounters(Mutex<BTreeMap<i64, Table>>);

/// What was counted in a window of time.
#[derive(Debug)]
struct Table {
    ends: Time,
    counts: BTreeMap<Name, u32>,
    by_count: BTreeSet<(u32, Name)>,
    // The highest count that made room: whoever is not in the table was not seen more often.
    unknown: u32,
    overflowed: bool,
}

/// Of a key of any length.
type Name = [u8; 16];

impl MemoryCounters {
    /// How many keys of each window are counted at the most.
    pub const MOST_KEYS: usize = 100_000;

    /// [`count`](Counters::count), which cannot fail here.
    #[must_use]
    pub fn seen(&self, key: &str, window: i64, now: Time) -> u32 {
        self.seen_within(key, None, window, now)
    }

    /// The same, but for a key that comes when the table is full: it is counted together with all others of `wider`, to the end of the
    /// window. A flood of keys of one `wider` is one more key then.
    #[must_use]
    pub fn seen_within(&self, key: &str, wider: Option<&str>, window: i64, now: Time) -> u32 {
        let window = window.max(1);
        let ends = Time(now.0.saturating_sub(now.0.rem_euclid(window))).plus(window);
        let mut tables = self.0.lock();
        if !tables.contains_key(&window) {
            tables.retain(|_, table| table.ends > now);
        }
        let table = tables.entry(window).or_insert_with(|| Table::of(ends));
        // Who read the clock just before the window ended, and comes just after, is of the new one.
        if table.ends != ends && table.ends != ends.plus(window) {
            *table = Table::of(ends);
        }
        table.seen(name(key), wider.map(name))
    }

    /// [`forget`](Counters::forget), which cannot fail here.
    pub fn unsee(&self, key: &str, window: i64) {
        if let Some(table) = self.0.lock().get_mut(&window.max(1)) {
            table.forget(name(key));
        }
    }
}

impl Table {
    const fn of(ends: Time) -> Self {
        Self { ends, counts: BTreeMap::new(), by_count: BTreeSet::new(), unknown: 0, overflowed: false }
    }

    fn seen(&mut self, name: Name, wider: Option<Name>) -> u32 {
        let known = self.counts.contains_key(&name);
        self.overflowed |= !known && self.is_full();
        match wider {
            Some(wider) if self.overflowed && !known => self.add(wider),
            Some(_) | None => self.add(name),
        }
    }

    fn add(&mut self, name: Name) -> u32 {
        let before = match self.counts.get(&name) {
            Some(&count) => {
                self.by_count.remove(&(count, name));
                count
            }
            None => {
                if self.is_full()
                    && let Some((least, forgotten)) = self.by_count.pop_first()
                {
                    self.counts.remove(&forgotten);
                    self.unknown = self.unknown.max(least);
                }
                self.unknown
            }
        };
        let count = before.saturating_add(1);
        self.counts.insert(name, count);
        self.by_count.insert((count, name));
        count
    }

    fn forget(&mut self, name: Name) {
        if let Some(count) = self.counts.remove(&name) {
            self.by_count.remove(&(count, name));
        }
    }

    fn is_full(&self) -> bool {
        self.counts.len() >= MemoryCounters::MOST_KEYS
    }
}

fn name(key: &str) -> Name {
    let mut name = Name::default();
    name.iter_mut().zip(Digest::of(key.as_bytes()).as_bytes()).for_each(|(to, from)| *to = *from);
    name
}

#[async_trait]
impl Counters for MemoryCounters {
    async fn count(&self, key: &str, window: i64, now: Time) -> Result<u32, StoreError> {
        Ok(self.seen(key, window, now))
    }

    async fn forget(&self, key: &str, window: i64, _: Time) -> Result<(), StoreError> {
        self.unsee(key, window);
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

    #[test]
    fn whoever_read_the_clock_a_moment_ago_does_not_begin_the_window_anew() {
        let counters = MemoryCounters::default();
        assert_eq!((counters.seen("a", 60, Time(60)), counters.seen("a", 60, Time(59))), (1, 2));
        assert_eq!(counters.seen("a", 60, Time(61)), 3);
        assert_eq!(counters.seen("a", 60, Time(-600)), 1, "a clock that was set back");
    }

    /// The attack: to be forgotten among keys that cost nothing.
    #[test]
    fn a_flood_of_keys_stays_bounded_and_nobody_is_forgotten_by_it() {
        let counters = MemoryCounters::default();
        for expected in 1..=11 {
            assert_eq!(counters.seen("guesser", 300, Time(0)), expected);
        }
        assert_eq!(counters.seen("once", 300, Time(0)), 1);
        for flood in 0..=MemoryCounters::MOST_KEYS {
            let _ = counters.seen(&flood.to_string(), 300, Time(0));
        }
        assert_eq!(counters.0.lock()[&300].counts.len(), MemoryCounters::MOST_KEYS);
        assert_eq!(counters.seen("guesser", 300, Time(0)), 12);
        for at_least in 2..=20 {
            assert!(counters.seen("once", 300, Time(0)) >= at_least);
            let another = counters.seen("another", 300, Time(0));
            assert!(another >= at_least, "whoever takes a place goes on from there");
        }
        assert_eq!(counters.seen("once", 300, Time(300)), 1, "the next window");
        assert!(counters.0.lock()[&300].counts.len() == 1);
    }

    #[test]
    fn beyond_the_bound_new_keys_are_counted_with_those_like_them() {
        let counters = MemoryCounters::default();
        for flood in 0..MemoryCounters::MOST_KEYS {
            let _ = counters.seen_within(&flood.to_string(), Some("flood"), 300, Time(0));
        }
        for at_least in 1..=100 {
            let key = format!("one more {at_least}");
            assert!(counters.seen_within(&key, Some("flood"), 300, Time(0)) > at_least);
        }
        let somebody = counters.seen_within("somebody", Some("elsewhere"), 300, Time(0));
        assert!(somebody <= 3, "{somebody}: what one network does is not another's");
        counters.unsee("0", 300);
        assert!(
            counters.seen_within("one more", Some("flood"), 300, Time(0)) > 100,
            "to the end of the window"
        );
    }
}
