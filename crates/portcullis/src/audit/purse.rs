//! How much of what anybody can cause as often as they like is kept.

use std::collections::BTreeMap;

use ambient::Time;
use authz_core::network_key;
use store::{Entry, GrantId, PersonId};

use super::about_itself;

/// What is kept of one name at once, in entries and in bytes.
const AT_ONCE: Amount = Amount { entries: 120, bytes: 64 * 1024 };
/// Of one grant.
const AT_ONCE_OF_A_GRANT: Amount = Amount { entries: 30, bytes: 16 * 1024 };
/// What comes to it in a day of strangers, all together: an entry every 10 seconds, and about 12 bytes a second.
const A_DAY_OF_STRANGERS: Amount = Amount { entries: 8_640, bytes: 1024 * 1024 };
/// Of an admin key.
const A_DAY_OF_A_KEY: Amount = Amount { entries: 17_280, bytes: 4 * 1024 * 1024 };
/// Of one person.
const A_DAY_OF_A_PERSON: Amount = Amount { entries: 2_880, bytes: 512 * 1024 };
/// Of one grant: what is left is for the other apps of the same person.
const A_DAY_OF_A_GRANT: Amount = Amount { entries: 720, bytes: 128 * 1024 };
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
/// second leave room for the one wrong admin key, and a thousand refreshed tokens for the password that was changed. An app pays from the
/// purse of its grant as well as from that of the person, so that it hides no other app of theirs. Each is filled all the time, so that no
/// minute and no day can be used up for long.
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
    /// A grant, by what its client does.
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
    /// All who pay, the one last of whom it is told. Nobody does for what an administrator or the operator does.
    fn pay(entry: &Entry) -> Vec<Self> {
        if is_of_a_use(entry) {
            return vec![Self::Key(entry.actor.clone())];
        }
        if is_of_a_stranger(entry) {
            return vec![Self::Strangers];
        }
        let is_person = |actor: &str| actor.starts_with("person:");
        let grant = entry.grant.filter(|_| entry.actor.is_none()).map(Self::Grant);
        let person = entry.person.clone().map(Self::Person);
        let own = entry.actor.as_deref().is_none_or(is_person);
        grant.into_iter().chain(person).filter(|_| own).collect()
    }

    const fn at_once(&self) -> Amount {
        match self {
            Self::Strangers | Self::Key(_) | Self::Person(_) => AT_ONCE,
            Self::Grant(_) => AT_ONCE_OF_A_GRANT,
        }
    }

    const fn a_day(&self) -> Amount {
        match self {
            Self::Strangers => A_DAY_OF_STRANGERS,
            Self::Key(_) => A_DAY_OF_A_KEY,
            Self::Person(_) => A_DAY_OF_A_PERSON,
            Self::Grant(_) => A_DAY_OF_A_GRANT,
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
        let owners = self.owners(entry);
        let bytes =
            serde_json::to_vec(entry).map_or(i64::MAX, |body| i64::try_from(body.len()).unwrap_or(i64::MAX));
        let price = Amount { entries: 1, bytes }.times(DAY);
        let affordable = owners.iter().all(|owner| self.purse(owner, entry.at).affords(owner, price, entry));
        if affordable {
            owners.iter().for_each(|owner| self.purse(owner, entry.at).give(owner, price, entry));
        } else if let Some(told) = owners.last() {
            self.purse(told, entry.at).omitted += 1;
            self.omitted += 1;
        }
        affordable
    }

    /// Whose purses an entry is paid from. Where there are too many of them, nobody has a new one.
    fn owners(&self, entry: &Entry) -> Vec<Owner> {
        let limit = entry.why.clone().filter(|_| entry.name == "limited");
        let owner = |whose| Owner { name: entry.name.clone(), limit: limit.clone(), whose };
        let mut owners: Vec<Owner> = Whose::pay(entry).into_iter().map(owner).collect();
        if self.purses.len() + owners.len() > MOST {
            owners.retain(|owner| self.purses.contains_key(owner));
        }
        owners
    }

    fn purse(&mut self, owner: &Owner, now: Time) -> &mut Purse {
        self.purses.entry(owner.clone()).or_insert_with(|| Purse::full(&owner.whose, now))
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
        self.purses.retain(|owner, purse| !purse.is_as_new(&owner.whose, now));
        self.omitted = self.purses.values().map(|purse| purse.omitted).sum();
        told
    }

    pub(super) const fn has_omitted(&self) -> bool {
        self.omitted > 0
    }
}

impl Purse {
    const fn full(whose: &Whose, now: Time) -> Self {
        let left = whose.at_once().times(DAY);
        Self { left, filled: now, by_network: BTreeMap::new(), omitted: 0, told: None }
    }

    fn affords(&mut self, owner: &Owner, price: Amount, entry: &Entry) -> bool {
        self.fill(&owner.whose, entry.at);
        let seen = || self.by_network.get(&network_key(entry.from)).copied().unwrap_or_default();
        price.entries <= self.left.entries
            && price.bytes <= self.left.bytes
            && (owner.whose != Whose::Strangers || seen() < OF_A_NETWORK)
    }

    fn give(&mut self, owner: &Owner, price: Amount, entry: &Entry) {
        if owner.whose == Whose::Strangers {
            *self.by_network.entry(network_key(entry.from)).or_default() += 1;
        }
        self.left.entries -= price.entries;
        self.left.bytes -= price.bytes;
    }

    fn fill(&mut self, whose: &Whose, now: Time) {
        let seconds = now.since(self.filled).clamp(0, DAY);
        self.filled = now;
        let most = whose.at_once().times(DAY);
        let Amount { entries, bytes } = whose.a_day().times(seconds);
        self.left.entries = most.entries.min(self.left.entries + entries);
        self.left.bytes = most.bytes.min(self.left.bytes + bytes);
    }

    /// Whether another one in its place would be the same.
    fn is_as_new(&mut self, whose: &Whose, now: Time) -> bool {
        self.fill(whose, now);
        let most = whose.at_once().times(DAY);
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
            let [owner] = purses.owners(&refreshed(0, person)).try_into().unwrap();
            let full = Purse::full(&owner.whose, Time(0));
            purses.purses.insert(owner, full);
        }
        for _ in 0..1_000 {
            assert!(purses.pay(&refreshed(90_000, u32::MAX)), "nobody hides others by being many");
        }
        assert_eq!(purses.purses.len(), MOST);
    }
}
