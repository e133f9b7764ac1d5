//! Who is seated, who of them waits for their client, and who goes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::seat::Signs;

/// At how many is looked to find one that may go.
const LOOKS: usize = 64;

/// Everybody who is seated, and what is kept of all of them.
pub(super) struct Table {
    pub(super) seated: Mutex<Seated>,
    /// Of requests that are not answered yet, in bytes.
    pub(super) kept: AtomicUsize,
    /// Somebody new found nobody who may go.
    is_wanted: AtomicBool,
}

/// Who goes first, and who not at all.
#[derive(Clone, Copy, Default)]
pub(super) struct Rules {
    /// For how long one is let stay.
    pub(super) stay: Duration,
    /// A site that has more than these fills places, and makes room before others do: none of its connections is let stay for a head.
    pub(super) many: usize,
}

/// Where somebody comes from.
pub(super) struct Origin {
    /// What has a share of the places.
    pub(super) address: Arc<str>,
    /// What is compared by how many it has, if that is more than the address: whoever has a site has all addresses of it.
    pub(super) site: Option<Arc<str>>,
}

impl Origin {
    fn site(&self) -> &Arc<str> {
        self.site.as_ref().unwrap_or(&self.address)
    }

    fn crowds(&self) -> impl Iterator<Item = &Arc<str>> {
        [&self.address].into_iter().chain(&self.site)
    }
}

#[derive(Default)]
pub(super) struct Seated {
    rules: Rules,
    last_number: u64,
    pub(super) seats: BTreeMap<u64, Chair>,
    /// The number of a seat by its turn: who has waited longest is first.
    pub(super) waiting: BTreeMap<u64, u64>,
    /// Of addresses and of sites. What has nobody seated is not in it.
    pub(super) crowds: BTreeMap<Arc<str>, Crowd>,
    /// Sites; the one that has most is last.
    by_seats: BTreeSet<(usize, Arc<str>)>,
}

pub(super) struct Chair {
    // Nothing for those that may have all places. Each of them counts as one of a site of its own.
    origin: Option<Origin>,
    standing: Standing,
    signs: Arc<Signs>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// For its client.
    Waits {
        turn: u64,
        since: Instant,
        wants: Wants,
    },
    WorkedFor,
    SentAway,
    HungUp,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// It is let stay for the first one.
    Head,
    Body,
    /// That its answer is taken: it is let stay in any case, for what is done shall be told.
    Farewell,
}

#[derive(Default)]
pub(super) struct Crowd {
    seated: usize,
    /// Seats by turn.
    waiting: BTreeMap<u64, u64>,
}

impl Table {
    pub(super) fn new(rules: Rules) -> Self {
        let seated = Mutex::new(Seated { rules, ..Seated::default() });
        Self { seated, kept: AtomicUsize::new(0), is_wanted: AtomicBool::new(false) }
    }

    /// Whether one of the same address went for one more; nothing if none may go.
    pub(super) fn keeps_a_share(&self, address: &str, each: usize) -> Option<bool> {
        let mut seated = self.seated.lock();
        let Some(those) = seated.crowds.get(address).filter(|those| those.seated >= each) else {
            return Some(false);
        };
        let longest = seated.first_that_may_go(&those.waiting, seated.rules.stay).ok()?;
        seated.send_away(longest);
        Some(true)
    }

    /// Somebody goes for one more; at the first look nobody, while there are those who fill places and are all worked for. If nobody
    /// goes, the next does whose answer is taken; or somebody may have stayed long enough then.
    pub(super) fn sends_one_away(&self, is_first_look: bool) -> Result<(), Instant> {
        let mut seated = self.seated.lock();
        let goes = seated.who_goes(is_first_look);
        self.is_wanted.store(goes.is_err(), Ordering::Relaxed);
        seated.send_away(goes?);
        Ok(())
    }

    /// There is a place. Who is refused leaves it wanted: the next one finds what was given up for them.
    pub(super) fn wants_nobody_to_go(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }

    /// Its answer is taken: it goes if somebody waits for a place, and no others are there who fill them. One who asks the next thing
    /// at once would have it for ever, for it is never seen to wait.
    pub(super) fn may_give_way(&self, number: u64) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut seated = self.seated.lock();
        let waits = matches!(seated.standing(number), Some(Standing::Waits { .. }));
        let goes = waits && (seated.fills_places(number) || seated.who_fills_places().next().is_none());
        if goes && self.is_wanted.swap(false, Ordering::Relaxed) {
            seated.send_away(number);
        }
    }

    /// The number of the seat of somebody new, who waits for their client.
    pub(super) fn seats(&self, origin: Option<Origin>, signs: Arc<Signs>) -> u64 {
        let mut seated = self.seated.lock();
        if let Some(origin) = &origin {
            seated.counts(origin, |seats| seats + 1);
        }
        let number = seated.next_number();
        seated.seats.insert(number, Chair { origin, standing: Standing::HungUp, signs });
        seated.wait(number, Wants::Head);
        number
    }

    /// The connection and what was asked on it are over.
    pub(super) fn clears(&self, number: u64) {
        let mut seated = self.seated.lock();
        seated.stand(number, Standing::HungUp);
        if let Some(origin) = seated.seats.remove(&number).and_then(|chair| chair.origin) {
            seated.counts(&origin, |seats| seats.saturating_sub(1));
        }
    }

    /// The head of a request is there. It waits for a body with a turn of its own, and is not let stay for it.
    pub(super) fn asks(&self, number: u64) {
        let mut seated = self.seated.lock();
        if matches!(seated.standing(number), Some(Standing::Waits { .. })) {
            seated.wait(number, Wants::Body);
        }
    }

    /// Whether the request that is there now may be worked at: not if its connection was sent away, and would get no answer. One who
    /// hung up may have meant what they asked.
    pub(super) fn works_for(&self, number: u64) -> bool {
        let mut seated = self.seated.lock();
        match seated.standing(number) {
            Some(Standing::Waits { .. }) => {
                seated.stand(number, Standing::WorkedFor);
                true
            }
            Some(Standing::WorkedFor | Standing::HungUp) => true,
            Some(Standing::SentAway) | None => false,
        }
    }

    /// Its answer is on its way.
    pub(super) fn has_worked_for(&self, number: u64) {
        let mut seated = self.seated.lock();
        if seated.standing(number) == Some(Standing::WorkedFor) {
            seated.wait(number, Wants::Farewell);
        }
    }

    /// The connection is over, and what was asked on it may go on.
    pub(super) fn hangs_up(&self, number: u64) {
        let mut seated = self.seated.lock();
        if seated.standing(number) != Some(Standing::SentAway) {
            seated.stand(number, Standing::HungUp);
        }
    }

    /// Whoever owes a head, and whoever waits for longer than `leave`.
    pub(super) fn sends_away_who_keeps_it_open(&self, leave: Duration) {
        let mut seated = self.seated.lock();
        let now = Instant::now();
        let those: Vec<u64> = seated
            .seats
            .iter()
            .filter(|(_, chair)| match chair.standing {
                Standing::Waits { since, .. } => chair.signs.owes_a_head() || since + leave <= now,
                Standing::WorkedFor | Standing::SentAway | Standing::HungUp => false,
            })
            .map(|(number, _)| *number)
            .collect();
        for number in those {
            seated.send_away(number);
        }
    }
}

impl Seated {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn counts(&mut self, origin: &Origin, count: impl Fn(usize) -> usize) {
        for name in origin.crowds() {
            let those = self.crowds.entry(Arc::clone(name)).or_default();
            let (before, now) = (those.seated, count(those.seated));
            those.seated = now;
            if now == 0 {
                self.crowds.remove(name);
            }
            if name == origin.site() {
                self.by_seats.remove(&(before, Arc::clone(name)));
                if now > 0 {
                    self.by_seats.insert((now, Arc::clone(name)));
                }
            }
        }
    }

    fn standing(&self, number: u64) -> Option<Standing> {
        self.seats.get(&number).map(|chair| chair.standing)
    }

    /// From now on it stands so. The one place where who waits is written down.
    fn stand(&mut self, number: u64, standing: Standing) {
        let Some(chair) = self.seats.get_mut(&number) else { return };
        let before = std::mem::replace(&mut chair.standing, standing);
        let crowds = chair.origin.as_ref().into_iter().flat_map(Origin::crowds);
        let change = |waiting: &mut BTreeMap<u64, u64>| {
            if let Standing::Waits { turn, .. } = before {
                waiting.remove(&turn);
            }
            if let Standing::Waits { turn, .. } = standing {
                waiting.insert(turn, number);
            }
        };
        change(&mut self.waiting);
        for name in crowds {
            if let Some(those) = self.crowds.get_mut(name) {
                change(&mut those.waiting);
            }
        }
    }

    /// It waits for its client from now on, with the last turn.
    fn wait(&mut self, number: u64, wants: Wants) {
        let turn = self.next_number();
        self.stand(number, Standing::Waits { turn, since: Instant::now(), wants });
    }

    fn send_away(&mut self, number: u64) {
        self.stand(number, Standing::SentAway);
        if let Some(chair) = self.seats.get(&number) {
            chair.signs.goes.notify_one();
        }
    }

    /// Sites, the one that has most first.
    fn who_fills_places(&self) -> impl Iterator<Item = &Crowd> {
        let most = self.by_seats.iter().rev().take_while(|(seats, _)| *seats > self.rules.many);
        most.filter_map(|(_, site)| self.crowds.get(site))
    }

    fn fills_places(&self, number: u64) -> bool {
        let origin = self.seats.get(&number).and_then(|chair| chair.origin.as_ref());
        let crowd = origin.and_then(|origin| self.crowds.get(origin.site()));
        crowd.is_some_and(|crowd| crowd.seated > self.rules.many)
    }

    /// Of a site that fills places the one that has waited longest, so that whoever does loses their own first; else the one of all.
    fn who_goes(&self, is_first_look: bool) -> Result<u64, Instant> {
        let mut all_are_busy = false;
        for those in self.who_fills_places().take(LOOKS) {
            if let Ok(longest) = self.first_that_may_go(&those.waiting, Duration::ZERO) {
                return Ok(longest);
            }
            all_are_busy = true;
        }
        if all_are_busy && is_first_look {
            return Err(Instant::now() + self.rules.stay / 8);
        }
        self.first_that_may_go(&self.waiting, self.rules.stay)
    }

    /// Of those who are let stay so long for a head. Or when one of them may have stayed long enough.
    fn first_that_may_go(&self, waiting: &BTreeMap<u64, u64>, for_a_head: Duration) -> Result<u64, Instant> {
        let now = Instant::now();
        let mut then = now + self.rules.stay;
        for number in waiting.values().take(LOOKS) {
            match self.stays_until(*number, for_a_head) {
                Some(until) if until > now => then = then.min(until),
                Some(_) | None => return Ok(*number),
            }
        }
        Err(then)
    }

    fn stays_until(&self, number: u64, for_a_head: Duration) -> Option<Instant> {
        let chair = self.seats.get(&number).filter(|chair| chair.signs.may_stay())?;
        match chair.standing {
            Standing::Waits { since, wants: Wants::Head, .. } => Some(since + for_a_head),
            Standing::Waits { since, wants: Wants::Farewell, .. } => Some(since + self.rules.stay),
            Standing::Waits { wants: Wants::Body, .. }
            | Standing::WorkedFor
            | Standing::SentAway
            | Standing::HungUp => None,
        }
    }
}
