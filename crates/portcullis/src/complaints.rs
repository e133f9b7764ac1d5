//! Saying once a minute what is true every second.

use std::time::Duration;

use tokio::time::Instant;

const AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// When somebody complained last.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    /// Whether it is time to complain: the first time, and then a minute after the last.
    pub(crate) fn are_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= AT_MOST_EVERY);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}
