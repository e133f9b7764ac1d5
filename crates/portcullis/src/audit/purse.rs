//! How much of what anybody can cause as often as they like is kept.

use std::collections::BTreeMap;

use ambient::Time;
use authz_core::network_key;
use store::Entry;

use super::about_itself;

/// What is kept of one name at once, in entries and in bytes.
const AT_ONCE: Amount = Amount { entries: 120, bytes: 64 * 1024 };
/// What comes to it in a day: an entry every 10 seconds, and about 12 bytes a second.
const A_DAY: Amount = Amount { entries: 8_640, bytes: 1024 * 1024 };
/// How many entries of one name are kept of one network in a minute.
const OF_A_NETWORK: u32 = 20;

const DAY: i64 = 86_400;

/// What is kept of strangers, and of what is told of each use of an admin key.
///
/// Each name has a purse of its own, so that whoever causes many events of one name hides none of another: a thousand refusals a
/// second leave room for the one wrong admin key. It is filled all the time, so that no minute and no day can be used up for long.
/// There are as many purses as names and admin keys, and of those no stranger makes any.
#[derive(Debug, Default)]
pub(super) struct Purses {
    purses: BTreeMap<Owner, Purse>,
    minute: i64,
}

/// What a purse is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    name: String,
    actor: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Amount {
    entries: i64,
    bytes: i64,
}

/// In days' parts of an entry and of a byte: 86,400 of them are one, so that a second brings a whole number.
#[derive(Debug)]
struct Purse {
    left: Amount,
    filled: Time,
    by_network: BTreeMap<String, u32>,
    omitted: u64,
}

/// Whether it tells of somebody who is not known by it: anybody can cause those, however they end.
pub(super) const fn is_of_a_stranger(entry: &Entry) -> bool {
    let Entry { actor, grant, person, .. } = entry;
    actor.is_none() && grant.is_none() && person.is_none()
}

/// Whether it tells that an admin key was used: what was done with it is told by itself.
pub(super) fn is_of_a_use(entry: &Entry) -> bool {
    entry.name == "administration_acted"
}

impl Purses {
    /// Whether there is room for an entry. What there is none for is counted.
    pub(super) fn pay(&mut self, entry: &Entry) -> bool {
        let stranger = is_of_a_stranger(entry);
        if !stranger && !is_of_a_use(entry) {
            return true;
        }
        let owner = Owner { name: entry.name.clone(), actor: entry.actor.clone() };
        let purse = self.purses.entry(owner).or_insert_with(|| Purse::full(entry.at));
        let paid = purse.pay(entry, stranger);
        if !paid {
            purse.omitted += 1;
        }
        paid
    }

    /// What was omitted since the minute before, told once a minute: an entry for each purse.
    pub(super) fn omitted(&mut self, now: Time) -> Vec<Entry> {
        let minute = now.0.div_euclid(60);
        if minute == self.minute {
            return Vec::new();
        }
        self.minute = minute;
        self.purses.iter_mut().filter_map(|(owner, purse)| purse.tell(owner, now)).collect()
    }

    pub(super) fn has_omitted(&self) -> bool {
        self.purses.values().any(|purse| purse.omitted > 0)
    }
}

impl Purse {
    fn full(now: Time) -> Self {
        Self { left: AT_ONCE.times(DAY), filled: now, by_network: BTreeMap::new(), omitted: 0 }
    }

    fn pay(&mut self, entry: &Entry, stranger: bool) -> bool {
        self.fill(entry.at);
        let bytes =
            serde_json::to_vec(entry).map_or(i64::MAX, |body| i64::try_from(body.len()).unwrap_or(i64::MAX));
        let price = Amount { entries: 1, bytes }.times(DAY);
        if price.entries > self.left.entries || price.bytes > self.left.bytes {
            return false;
        }
        if stranger {
            let seen = self.by_network.entry(network_key(entry.from)).or_default();
            if *seen >= OF_A_NETWORK {
                return false;
            }
            *seen += 1;
        }
        self.left.entries -= price.entries;
        self.left.bytes -= price.bytes;
        true
    }

    fn fill(&mut self, now: Time) {
        let seconds = now.since(self.filled).clamp(0, DAY);
        self.filled = now;
        let most = AT_ONCE.times(DAY);
        let Amount { entries, bytes } = A_DAY.times(seconds);
        self.left.entries = most.entries.min(self.left.entries + entries);
        self.left.bytes = most.bytes.min(self.left.bytes + bytes);
    }

    fn tell(&mut self, owner: &Owner, now: Time) -> Option<Entry> {
        self.by_network.clear();
        let omitted = std::mem::take(&mut self.omitted);
        if omitted == 0 {
            return None;
        }
        let mut entry = about_itself(now, "entries_omitted", omitted);
        entry.actor.clone_from(&owner.actor);
        entry.detail.insert("name".to_owned(), owner.name.clone());
        Some(entry)
    }
}

impl Amount {
    const fn times(self, times: i64) -> Self {
        Self { entries: self.entries.saturating_mul(times), bytes: self.bytes.saturating_mul(times) }
    }
}
