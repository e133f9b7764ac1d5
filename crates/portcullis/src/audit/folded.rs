//! Many equal uses of an admin key, told once a minute.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ambient::Time;
use store::Entry;

use super::purse::is_of_a_use;

/// How many of them are told apart in a minute at the most. Beyond that each is told by itself, as far as there is room.
const MOST: usize = 10_000;

/// What was told in this minute, and how often it came again.
///
/// Those from one address are one, so that a thief is seen beside the holder of a key. There are as many as keys, routes, outcomes and
/// addresses, none of which is what the sender writes.
#[derive(Debug, Default)]
pub(super) struct Folded {
    minute: i64,
    told: BTreeMap<Same, Again>,
}

/// What makes uses equal.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    actor: Option<String>,
    outcome: &'static str,
    route: Option<String>,
    method: Option<String>,
    from: Option<IpAddr>,
}

#[derive(Debug)]
struct Again {
    like: Entry,
    last: Time,
    times: u64,
}

impl Folded {
    /// Whether the same was told in this minute; then it is counted, and told at the end of it.
    pub(super) fn takes(&mut self, entry: &Entry) -> bool {
        if !is_of_a_use(entry) {
            return false;
        }
        let same = Same {
            actor: entry.actor.clone(),
            outcome: super::of_outcome(entry.outcome),
            route: entry.detail.get("route").cloned(),
            method: entry.detail.get("method").cloned(),
            from: entry.from,
        };
        let full = self.told.len() >= MOST;
        match self.told.get_mut(&same) {
            Some(again) => {
                again.times += 1;
                again.last = entry.at;
                true
            }
            // With limits switched off there may be any number of them.
            None if full => false,
            None => {
                let mut like = entry.clone();
                like.detail.remove("agent");
                self.told.insert(same, Again { like, last: entry.at, times: 0 });
                false
            }
        }
    }

    /// What came again in the minute before: one entry each, which says how many `times` more.
    pub(super) fn over(&mut self, now: Time) -> Vec<Entry> {
        let minute = now.0.div_euclid(60);
        if minute == self.minute {
            return Vec::new();
        }
        self.minute = minute;
        let told = std::mem::take(&mut self.told);
        told.into_values().filter_map(Again::told).collect()
    }

    pub(super) fn has_more(&self) -> bool {
        self.told.values().any(|again| again.times > 0)
    }
}

impl Again {
    fn told(self) -> Option<Entry> {
        let Self { mut like, last, times } = self;
        if times == 0 {
            return None;
        }
        like.at = last;
        like.detail.insert("times".to_owned(), times.to_string());
        Some(like)
    }
}
