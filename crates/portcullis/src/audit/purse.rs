//! How much of what anybody can cause as often as they like is kept.

use std::collections::BTreeMap;

use ambient::Time;
use authz_core::network_key;
use store::{Entry, GrantId, PersonId};

use super::about_itself;

/// What is kept of one name at once, in entries and in bytes.
const AT_ONCE: Amount = Amount { entries: 120, bytes: 64 * 1024 };
/// What comes to it in a day of strangers, all together: an entry every 10 seconds, and about 12 bytes a second.
const A_DAY_OF_STRANGERS: Amount = Amount { entries: 8_640, bytes: 1024 * 1024 };
/// Of an admin key.
const A_DAY_OF_A_KEY: Amount = Amount { entries: 17_280, bytes: 4 * 1024 * 1024 };
/// Of one person, or of one grant of nobody.
const A_DAY_OF_ONE: Amount = Amount { entries: 2_880, bytes: 512 * 1024 };
/// How many entries of one name are kept of one network in a minute.
const OF_A_NETWORK: u32 = 20;
/// How often it is told at the most what was omitted of one person, in seconds. Of others it is told each minute.
const TOLD_OF_ONE: i64 = 3_600;
/// How many purses there are at the most: one that is full again is none. Beyond that nothing is omitted.
const MOST: usize = 100_000;

const DAY: i64 = 86_400;

/// What is kept of strangers, of each person, and of what is told of each use of an admin key. What administrators do is kept in any
/// case.
///
/// Each name has a purse of its own, so that whoever causes many events of one name hides none of another: a thousand refusals a
/// second leave room for the one wrong admin key, and a thousand refreshed tokens for the password that was changed. It is filled all
/// the time, so that no minute and no day can be used up for long.
#[derive(Debug, Default)]
pub(super) struct Purses {
    purses: BTreeMap<Owner, Purse>,
    minute: i64,
    // Of all purses, what is not told of yet.
    omitted: u64,
}

/// What a purse is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    name: String,
    /// Of what was limited, which limit it was: some are reached by whoever likes to, and others by guessing alone.
    limit: Option<String>,
    whose: Whose,
}

/// Who pays. Of the rest no stranger makes any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// All of them together.
    Strangers,
    /// An admin key, by the actor that it makes.
    Key(Option<String>),
    /// A person: anybody may sign up, and the tokens of their apps are refreshed as often as an app likes.
    Person(PersonId),
    /// A grant of nobody, or of somebody who is not known any more.
    Grant(GrantId),
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
    told: Option<Time>,
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

impl Whose {
    /// Nobody pays for what an administrator or the operator does.
    fn pays(entry: &Entry) -> Option<Self> {
        if is_of_a_use(entry) {
            return Some(Self::Key(entry.actor.clone()));
        }
        if is_of_a_stranger(entry) {
            return Some(Self::Strangers);
        }
        if entry.actor.as_deref().is_some_and(|actor| !actor.starts_with("person:")) {
            return None;
        }
        let person = entry.person.clone().map(Self::Person);
        person.or_else(|| entry.grant.map(Self::Grant))
    }

    const fn a_day(&self) -> Amount {
        match self {
            Self::Strangers => A_DAY_OF_STRANGERS,
            Self::Key(_) => A_DAY_OF_A_KEY,
            Self::Person(_) | Self::Grant(_) => A_DAY_OF_ONE,
        }
    }

    const fn told_every(&self) -> i64 {
        match self {
            Self::Strangers | Self::Key(_) => 60,
            Self::Person(_) | Self::Grant(_) => TOLD_OF_ONE,
        }
    }
}

impl Purses {
    /// Whether there is room for an entry. What there is none for is counted.
    pub(super) fn pay(&mut self, entry: &Entry) -> bool {
        let Some(whose) = Whose::pays(entry) else { return true };
        let limit = entry.why.clone().filter(|_| entry.name == "limited");
        let owner = Owner { name: entry.name.clone(), limit, whose };
        if self.purses.len() >= MOST && !self.purses.contains_key(&owner) {
            return true;
        }
        let (a_day, stranger) = (owner.whose.a_day(), owner.whose == Whose::Strangers);
        let purse = self.purses.entry(owner).or_insert_with(|| Purse::full(entry.at));
        let paid = purse.pay(entry, a_day, stranger);
        if !paid {
            purse.omitted += 1;
            self.omitted += 1;
        }
        paid
    }

    /// What was omitted since it was told before: an entry for each purse.
    pub(super) fn omitted(&mut self, now: Time) -> Vec<Entry> {
        let minute = now.0.div_euclid(60);
        if minute == self.minute {
            return Vec::new();
        }
        self.minute = minute;
        let told: Vec<Entry> =
            self.purses.iter_mut().filter_map(|(owner, purse)| purse.tell(owner, now)).collect();
        self.purses.retain(|owner, purse| !purse.is_as_new(owner.whose.a_day(), now));
        self.omitted = self.purses.values().map(|purse| purse.omitted).sum();
        told
    }

    pub(super) const fn has_omitted(&self) -> bool {
        self.omitted > 0
    }
}

impl Purse {
    fn full(now: Time) -> Self {
        Self { left: AT_ONCE.times(DAY), filled: now, by_network: BTreeMap::new(), omitted: 0, told: None }
    }

    fn pay(&mut self, entry: &Entry, a_day: Amount, stranger: bool) -> bool {
        self.fill(a_day, entry.at);
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

    fn fill(&mut self, a_day: Amount, now: Time) {
        let seconds = now.since(self.filled).clamp(0, DAY);
        self.filled = now;
        let most = AT_ONCE.times(DAY);
        let Amount { entries, bytes } = a_day.times(seconds);
        self.left.entries = most.entries.min(self.left.entries + entries);
        self.left.bytes = most.bytes.min(self.left.bytes + bytes);
    }

    /// Whether another one in its place would be the same.
    fn is_as_new(&mut self, a_day: Amount, now: Time) -> bool {
        self.fill(a_day, now);
        let most = AT_ONCE.times(DAY);
        self.omitted == 0 && self.left.entries >= most.entries && self.left.bytes >= most.bytes
    }

    fn tell(&mut self, owner: &Owner, now: Time) -> Option<Entry> {
        self.by_network.clear();
        let just_told = |told: Time| (0..owner.whose.told_every()).contains(&now.since(told));
        if self.omitted == 0 || self.told.is_some_and(just_told) {
            return None;
        }
        let mut entry = about_itself(now, "entries_omitted", std::mem::take(&mut self.omitted));
        self.told = Some(now);
        match &owner.whose {
            Whose::Strangers => {}
            Whose::Key(actor) => entry.actor.clone_from(actor),
            Whose::Person(person) => entry.person = Some(person.clone()),
            Whose::Grant(grant) => entry.grant = Some(*grant),
        }
        entry.why.clone_from(&owner.limit);
        entry.detail.insert("name".to_owned(), owner.name.clone());
        Some(entry)
    }
}

impl Amount {
    const fn times(self, times: i64) -> Self {
        Self { entries: self.entries.saturating_mul(times), bytes: self.bytes.saturating_mul(times) }
    }
}

#[cfg(test)]
mod tests {
    use store::Outcome;

    use super::*;

    fn refreshed(at: i64, person: u32) -> Entry {
        let mut entry = about_itself(Time(at), "refreshed", 1);
        entry.outcome = Outcome::Done;
        entry.person = PersonId::parse(&format!("usr_{person}")).ok();
        entry
    }

    /// The attack: to have so many people, or so many grants, that their purses fill the memory.
    #[test]
    fn a_purse_that_is_full_again_takes_no_room() {
        let mut purses = Purses::default();
        for person in 0..1_000 {
            assert!(purses.pay(&refreshed(60, person)));
        }
        while purses.pay(&refreshed(60, 0)) {}
        assert_eq!((purses.omitted(Time(70)).len(), purses.purses.len()), (1, 1_000));
        assert!(purses.omitted(Time(600)).is_empty());
        assert_eq!(purses.purses.len(), 1, "that of whoever had many, until it is full");
        assert!(purses.omitted(Time(90_000)).is_empty());
        assert_eq!(purses.purses.len(), 0);
        for person in 0..u32::try_from(MOST).unwrap() {
            let owner = Owner {
                name: "refreshed".to_owned(),
                limit: None,
                whose: Whose::pays(&refreshed(0, person)).unwrap(),
            };
            purses.purses.insert(owner, Purse::full(Time(0)));
        }
        for _ in 0..1_000 {
            assert!(purses.pay(&refreshed(90_000, u32::MAX)), "nobody hides others by being many");
        }
        assert_eq!(purses.purses.len(), MOST);
    }
}
