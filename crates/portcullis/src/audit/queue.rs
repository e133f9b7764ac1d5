//! What waits to be written to the trail.

use std::collections::{BTreeMap, VecDeque};

use ambient::Time;
use authz_core::address_key;
use store::{Entry, Outcome};

use super::about_itself;

/// How many entries wait at the most, for a store that is away: some megabytes.
const MOST: usize = 10_000;
/// How long the entries of one piece may be apart, in seconds: readers find a piece by the time of its first.
const APART: i64 = 30;
/// How many refusals of strangers are kept in a minute, in all and of one address. Anybody can be refused as often as they like, and
/// what is kept for months is not theirs to fill.
const OF_STRANGERS: (u32, u32) = (120, 20);

#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    lost: u64,
    // Of those, how many no entry tells of yet.
    untold: u64,
    // What was taken of strangers in this minute.
    minute: i64,
    strangers: u32,
    by_address: BTreeMap<String, u32>,
    omitted: u64,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes an entry, if there is room for it. What was not taken is told when there is room again.
    pub(super) fn push(&mut self, entry: Entry) {
        let minute = entry.at.0.div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.strangers = 0;
            self.by_address.clear();
            if self.omitted > 0 && self.entries.len() < MOST {
                let omitted = std::mem::take(&mut self.omitted);
                self.entries.push_back(about_itself(entry.at, "refusals_omitted", omitted));
            }
        }
        if is_of_a_stranger(&entry) && !self.has_room_for_a_stranger(&entry) {
            self.omitted += 1;
            self.lost += 1;
            return;
        }
        if self.entries.len() + 1 >= MOST {
            if self.untold == 0 {
                tracing::error!(
                    "the audit trail has more waiting than it holds; what comes now is in the log alone"
                );
            }
            self.untold += 1;
            self.lost += 1;
            return;
        }
        if self.untold > 0 {
            let untold = std::mem::take(&mut self.untold);
            tracing::error!(entries = untold, "entries of the audit trail were lost");
            self.entries.push_back(about_itself(entry.at, "events_lost", untold));
        }
        self.entries.push_back(entry);
    }

    /// The oldest, which can stand in one piece.
    pub(super) fn first(&self, most: usize) -> Vec<Entry> {
        let Some(begins) = self.entries.front().map(|entry| entry.at) else { return Vec::new() };
        // A clock that was set back begins another piece, too.
        let near = |at: Time| (0..APART).contains(&at.since(begins));
        self.entries.iter().take(most).take_while(|entry| near(entry.at)).cloned().collect()
    }

    /// So many of the oldest are written.
    pub(super) fn written(&mut self, entries: usize) {
        self.entries.drain(..entries.min(self.entries.len()));
    }

    fn has_room_for_a_stranger(&mut self, entry: &Entry) -> bool {
        let (in_all, of_one) = OF_STRANGERS;
        if self.strangers >= in_all {
            return false;
        }
        let seen = self.by_address.entry(address_key(entry.from)).or_default();
        if *seen >= of_one {
            return false;
        }
        *seen += 1;
        self.strangers += 1;
        true
    }
}

/// Whether it tells of a request that was refused before anybody was known by it.
const fn is_of_a_stranger(entry: &Entry) -> bool {
    let Entry { outcome, actor, grant, person, .. } = entry;
    matches!(outcome, Outcome::Refused) && actor.is_none() && grant.is_none() && person.is_none()
}
