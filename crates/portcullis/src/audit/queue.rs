//! What waits to be written to the trail.

use std::collections::VecDeque;

use ambient::Time;
use store::Entry;

use super::about_itself;
use super::folded::Folded;
use super::purse::{Purses, is_of_a_stranger};

/// How many entries wait at the most, for a store that is away: some megabytes.
const MOST: usize = 10_000;
/// How many of them strangers have, beside those.
const MOST_OF_STRANGERS: usize = 2_000;
/// How often a piece of strangers is written at the most, in seconds: they can cause an entry at any time, and a piece has a
/// price of its own.
const GATHERED_OF_STRANGERS: i64 = 10;

/// Whose entries a piece has. They are kept for different times, so no piece has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of people, clients' grants and admin keys, and of the trail itself.
    Known,
    /// Of anybody.
    Strangers,
}

#[derive(Default)]
pub(super) struct Queue {
    known: VecDeque<Entry>,
    strangers: VecDeque<Entry>,
    // When the last piece of strangers was written.
    wrote_of_strangers: Option<Time>,
    purses: Purses,
    folded: Folded,
    lost: u64,
    // Of those, how many no entry tells of yet.
    untold: u64,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.known.len() + self.strangers.len()
    }

    /// Whether anything waits, or will be told at the end of the minute.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && self.untold == 0 && !self.purses.has_omitted() && !self.folded.has_more()
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes an entry, if there is room for it. What was not taken is told when there is room again.
    pub(super) fn push(&mut self, entry: Entry) {
        self.settle(entry.at);
        if self.folded.takes(&entry) {
            return;
        }
        self.pay_for(entry);
    }

    fn pay_for(&mut self, entry: Entry) {
        if self.purses.pay(&entry) {
            self.add(entry);
        } else {
            self.lost += 1;
        }
    }

    /// Puts what is told of a minute that is over with the rest.
    pub(super) fn settle(&mut self, now: Time) {
        if self.untold > 0 && self.known.len() + 1 < MOST {
            let untold = std::mem::take(&mut self.untold);
            tracing::error!(entries = untold, "entries of the audit trail were lost");
            self.known.push_back(about_itself(now, "events_lost", untold));
        }
        for again in self.folded.over(now) {
            self.pay_for(again);
        }
        for omitted in self.purses.omitted(now) {
            self.add(omitted);
        }
    }

    /// The oldest of those that are written now; of strangers not before their time, but with `all`.
    pub(super) fn first(&self, most: usize, now: Time, all: bool) -> Option<(Whose, Vec<Entry>)> {
        let first = |line: &VecDeque<Entry>| line.iter().take(most).cloned().collect();
        if !self.known.is_empty() {
            return Some((Whose::Known, first(&self.known)));
        }
        let pause = 0..GATHERED_OF_STRANGERS;
        let due = self.wrote_of_strangers.is_none_or(|wrote| !pause.contains(&now.since(wrote)));
        let now = all || due || self.strangers.len() >= most;
        (now && !self.strangers.is_empty()).then(|| (Whose::Strangers, first(&self.strangers)))
    }

    /// So many of the oldest are written.
    pub(super) fn written(&mut self, whose: Whose, entries: usize, now: Time) {
        let line = match whose {
            Whose::Known => &mut self.known,
            Whose::Strangers => {
                self.wrote_of_strangers = Some(now);
                &mut self.strangers
            }
        };
        line.drain(..entries.min(line.len()));
    }

    fn add(&mut self, entry: Entry) {
        let (line, most) = match is_of_a_stranger(&entry) {
            true => (&mut self.strangers, MOST_OF_STRANGERS),
            false => (&mut self.known, MOST),
        };
        if line.len() + 1 < most {
            line.push_back(entry);
            return;
        }
        if self.untold == 0 {
            tracing::error!(
                "the audit trail has more waiting than it holds; what comes now is in the log alone"
            );
        }
        self.untold += 1;
        self.lost += 1;
    }
}
