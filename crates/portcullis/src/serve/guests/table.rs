//! Who is seated, who of them waits for their client, and who goes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::seat::Signs;

/// An address that has so many more than somebody new fills places: none of its connections is let stay in any case.
const MANY_MORE: usize = 8;
/// At how many is looked to find one that may go.
const LOOKS: usize = 64;

/// Everybody who is seated, and what is kept of all of them.
pub(super) struct Table {
    stay: Duration,
    pub(super) seated: Mutex<Seated>,
    /// Of requests that are not answered yet, in bytes.
    pub(super) kept: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Seated {
    last_number: u64,
    pub(super) seats: BTreeMap<u64, Chair>,
    /// The number of a seat by its turn: who has waited longest is first.
    pub(super) waiting: BTreeMap<u64, u64>,
    /// Who has nobody seated is not in it.
    pub(super) by_address: BTreeMap<Arc<str>, Address>,
    /// Who has most is last.
    by_seats: BTreeSet<(usize, Arc<str>)>,
}

pub(super) struct Chair {
    // Nothing for those that may have all places. Each of them counts as one of an address of its own.
    address: Option<Arc<str>>,
    standing: Standing,
    signs: Arc<Signs>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// For its client. It is `let_stay` for its first head, and while its answer is on its way.
    Waits {
        turn: u64,
        since: Instant,
        let_stay: bool,
    },
    WorkedFor,
    SentAway,
    HungUp,
}

#[derive(Default)]
pub(super) struct Address {
    seated: usize,
    /// Seats by turn.
    waiting: BTreeMap<u64, u64>,
}

impl Table {
    pub(super) fn new(stay: Duration) -> Self {
        Self { stay, seated: Mutex::default(), kept: AtomicUsize::new(0) }
    }

    /// Whether one of the same address went for one more; nothing if none may go.
    pub(super) fn keeps_a_share(&self, address: &str, each: usize) -> Option<bool> {
        let mut seated = self.seated.lock();
        let Some(those) = seated.by_address.get(address).filter(|those| those.seated >= each) else {
            return Some(false);
        };
        let longest = seated.first_that_may_go(&those.waiting, self.stay).ok()?;
        seated.send_away(longest);
        Some(true)
    }

    /// Somebody goes for one more of this address. Or when somebody may have stayed long enough.
    pub(super) fn sends_one_away_for(&self, address: Option<&str>) -> Result<(), Instant> {
        let mut seated = self.seated.lock();
        let longest = seated.who_goes_for(address, self.stay)?;
        seated.send_away(longest);
        Ok(())
    }

    /// The number of the seat of somebody new, who waits for their client.
    pub(super) fn seats(&self, address: Option<Arc<str>>, signs: Arc<Signs>) -> u64 {
        let mut seated = self.seated.lock();
        if let Some(address) = &address {
            seated.counts(address, |seats| seats + 1);
        }
        let number = seated.next_number();
        seated.seats.insert(number, Chair { address, standing: Standing::HungUp, signs });
        seated.wait(number, true);
        number
    }

    /// The connection and what was asked on it are over.
    pub(super) fn clears(&self, number: u64) {
        let mut seated = self.seated.lock();
        seated.stand(number, Standing::HungUp);
        if let Some(address) = seated.seats.remove(&number).and_then(|chair| chair.address) {
            seated.counts(&address, |seats| seats.saturating_sub(1));
        }
    }

    /// The head of a request is there. It waits for a body with a turn of its own, and is not let stay for it.
    pub(super) fn asks(&self, number: u64) {
        let mut seated = self.seated.lock();
        if matches!(seated.standing(number), Some(Standing::Waits { .. })) {
            seated.wait(number, false);
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
            seated.wait(number, true);
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

    fn counts(&mut self, address: &Arc<str>, count: impl Fn(usize) -> usize) {
        let those = self.by_address.entry(Arc::clone(address)).or_default();
        self.by_seats.remove(&(those.seated, Arc::clone(address)));
        those.seated = count(those.seated);
        match those.seated {
            0 => drop(self.by_address.remove(address)),
            seats => drop(self.by_seats.insert((seats, Arc::clone(address)))),
        }
    }

    fn standing(&self, number: u64) -> Option<Standing> {
        self.seats.get(&number).map(|chair| chair.standing)
    }

    /// From now on it stands so. The one place where who waits is written down.
    fn stand(&mut self, number: u64, standing: Standing) {
        let Some(chair) = self.seats.get_mut(&number) else { return };
        let before = std::mem::replace(&mut chair.standing, standing);
        let mut those = chair.address.as_ref().and_then(|address| self.by_address.get_mut(address));
        if let Standing::Waits { turn, .. } = before {
            self.waiting.remove(&turn);
            if let Some(those) = &mut those {
                those.waiting.remove(&turn);
            }
        }
        if let Standing::Waits { turn, .. } = standing {
            self.waiting.insert(turn, number);
            if let Some(those) = those {
                those.waiting.insert(turn, number);
            }
        }
    }

    /// It waits for its client from now on, with the last turn.
    fn wait(&mut self, number: u64, let_stay: bool) {
        let turn = self.next_number();
        self.stand(number, Standing::Waits { turn, since: Instant::now(), let_stay });
    }

    fn send_away(&mut self, number: u64) {
        self.stand(number, Standing::SentAway);
        if let Some(chair) = self.seats.get(&number) {
            chair.signs.goes.notify_one();
        }
    }

    /// Of whoever has most seats the one that has waited longest, so that whoever fills places loses their own first; of those who
    /// have one each the one that has.
    fn who_goes_for(&self, address: Option<&str>, stay: Duration) -> Result<u64, Instant> {
        let own = address.and_then(|address| self.by_address.get(address)).map_or(0, |those| those.seated);
        for (seats, address) in self.by_seats.iter().rev().take_while(|(seats, _)| *seats > 1).take(LOOKS) {
            let Some(those) = self.by_address.get(address) else { continue };
            let stay = if *seats > own + MANY_MORE { Duration::ZERO } else { stay };
            if let Ok(longest) = self.first_that_may_go(&those.waiting, stay) {
                return Ok(longest);
            }
        }
        self.first_that_may_go(&self.waiting, stay)
    }

    /// Or when one of them may have stayed long enough.
    fn first_that_may_go(&self, waiting: &BTreeMap<u64, u64>, stay: Duration) -> Result<u64, Instant> {
        let now = Instant::now();
        let mut then = now + stay;
        for number in waiting.values().take(LOOKS) {
            match self.stays_until(*number, stay) {
                Some(until) if until > now => then = then.min(until),
                Some(_) | None => return Ok(*number),
            }
        }
        Err(then)
    }

    fn stays_until(&self, number: u64, stay: Duration) -> Option<Instant> {
        let chair = self.seats.get(&number)?;
        match chair.standing {
            Standing::Waits { since, let_stay: true, .. } => chair.signs.may_stay().then_some(since + stay),
            Standing::Waits { .. } | Standing::WorkedFor | Standing::SentAway | Standing::HungUp => None,
        }
    }
}
