//! Saying once a minute what is true every second.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::Time;

/// In seconds.
const AT_MOST_EVERY: i64 = 60;

/// When something was said last. Anybody can send requests, and nobody fills a log by it.
#[derive(Debug)]
pub struct Complaints(AtomicI64);

impl Complaints {
    /// Nothing was said.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Whether it is time to say it: the first time, and then a minute after the last. A clock that was set back is a minute. Of those
    /// who ask at once, one is told to.
    #[must_use]
    pub fn are_due(&self, now: Time) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let quiet = (last..last.saturating_add(AT_MOST_EVERY)).contains(&now.0);
        !quiet && self.0.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Default for Complaints {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_every_second_is_said_once_a_minute() {
        let complaints = Complaints::new();
        let said: Vec<i64> = (600..800).filter(|now| complaints.are_due(Time(*now))).collect();
        assert_eq!(said, [600, 660, 720, 780]);
        assert!(complaints.are_due(Time(100)), "a clock that was set back");
        assert!(!complaints.are_due(Time(159)) && complaints.are_due(Time(160)));
    }
}
