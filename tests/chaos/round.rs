//! A round: clients ask, something goes wrong, all is well again, and the checker looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::{Clock as _, SystemClock, Time};
use store::{Backend, Grant, GrantId, Store};

use crate::check::{ALL, Promise, check, grants};
use crate::clients::{Dice, Stop, look_back, play};
use crate::log::{Entry, Log};
use crate::site::Site;

/// Clients at once.
const CLIENTS: u64 = 8;

/// Grants that are looked back at after a round, and of these how many after the next one, too.
const LOOKED_AT: (usize, usize) = (24, 6);

/// How long two rounds may last, in seconds, without anything expiring in them: less than the leeway of refreshing.
const SHORT: i64 = 240;

/// A site that is played with round after round.
pub(crate) struct Rounds {
    site: Arc<Site>,
    log: Arc<Log>,
    dice: Dice,
    promise: Promise,
    carried: Vec<Entry>,
    /// When this round began, and the one before, of which some grants are carried.
    began: [Time; 2],
    answered: usize,
    unanswered: usize,
    grants: usize,
    checked: usize,
    /// Rounds that were held to less, because something may have expired in them.
    lenient: usize,
    /// Grants of which the store had nothing any more.
    gone: usize,
}

impl Rounds {
    pub(crate) fn new(site: Site, seed: u64) -> Self {
        Self {
            site: Arc::new(site),
            log: Arc::default(),
            dice: Dice::new(seed),
            promise: ALL,
            carried: Vec::new(),
            began: [SystemClock.now(); 2],
            answered: 0,
            unanswered: 0,
            grants: 0,
            checked: 0,
            lenient: 0,
            gone: 0,
        }
    }

    /// Held to less than all.
    pub(crate) const fn promising(mut self, promise: Promise) -> Self {
        self.promise = promise;
        self
    }

    pub(crate) const fn dice(&self) -> &Dice {
        &self.dice
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Of how many of the grants that were checked the store had nothing any more.
    pub(crate) const fn gone(&self) -> usize {
        self.gone
    }

    /// What was checked so far, for people.
    pub(crate) fn so_far(&self) -> String {
        let Self { answered, unanswered, grants, checked, lenient, .. } = self;
        format!(
            "{answered} answers and {unanswered} requests without one, about {grants} grants: all as promised; \
             nothing was taken for lost in {lenient} of {checked} rounds, which were too slow for it"
        )
    }

    /// Lets clients ask while `fault` happens, which ends with everything mended.
    pub(crate) async fn play(&self, fault: impl AsyncFnOnce(&Log)) {
        let stop = Stop::default();
        let playing: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let seed = client + 1000 * self.dice.below(60_000) as u64;
                tokio::spawn(play(Arc::clone(&self.site), Arc::clone(&self.log), seed, stop.clone()))
            })
            .collect();
        fault(&self.log).await;
        stop.say();
        for player in playing {
            player.await.unwrap();
        }
    }

    /// Checks what was played, over the store as somebody else sees it.
    pub(crate) async fn check(&mut self, store: &dyn Backend) {
        let mut entries = std::mem::take(&mut self.carried);
        let new = self.log.take();
        let answered = new.iter().filter(|entry| entry.answer.is_definite()).count();
        self.answered += answered;
        self.unanswered += new.len() - answered;
        entries.extend(new.iter().cloned());
        look_back(&self.site, &self.log, &entries, &self.dice, LOOKED_AT.0).await;
        let last = self.log.take();
        entries.extend(last.iter().cloned());
        let stored = stored(store, &entries).await;
        // On a machine that stood still, something may have expired. Who sees that often checks less than they say.
        let now = SystemClock.now();
        let steady = now.since(self.began[1]) <= SHORT;
        let Promise { durable, steady: promised, leeway } = self.promise;
        let expected = Promise { durable, steady: steady && promised, leeway: steady && leeway };
        if !steady {
            let seconds = now.since(self.began[1]);
            eprintln!(
                "too slow, so nothing is taken for lost: this round and the one before took {seconds} seconds"
            );
        }
        self.began = [now, self.began[0]];
        self.checked += 1;
        self.lenient += usize::from(!steady);
        self.gone += stored.values().filter(|grant| grant.is_none()).count();
        assert!(
            are_few(self.lenient, self.checked),
            "{} of {} rounds were too slow",
            self.lenient,
            self.checked
        );
        let violations = check(&entries, &stored, expected);
        if let Some(first) = violations.first() {
            panic!("{} violations, the first:\n{first}", violations.len());
        }
        let fresh = grants(&new);
        self.grants += fresh.len();
        let kept: Vec<GrantId> =
            grants(&last).into_iter().filter(|grant| fresh.contains(grant)).take(LOOKED_AT.1).collect();
        entries.retain(|entry| entry.grant().is_some_and(|grant| kept.contains(&grant)));
        self.carried = entries;
    }
}

/// What the store has of the grants of a log.
pub(crate) async fn stored(store: &dyn Backend, log: &[Entry]) -> BTreeMap<GrantId, Option<Grant>> {
    let mut all = BTreeMap::new();
    for grant in grants(log) {
        let store: &dyn Store = store;
        let found = store.find::<Grant>(grant).await.unwrap();
        all.insert(grant, found.map(|found| found.record));
    }
    all
}

impl Drop for Rounds {
    fn drop(&mut self) {
        let Self { lenient, checked, .. } = self;
        let enough = std::thread::panicking() || is_any_steady(*lenient, *checked);
        assert!(
            enough,
            "all {checked} rounds, of which {lenient} were too slow, show nothing of what may be lost"
        );
    }
}

/// Whether rounds that are held to less are the exception: one stop of the machine makes two of them.
const fn are_few(lenient: usize, checked: usize) -> bool {
    lenient <= 2 + checked / 10
}

/// Whether a run has held anything to all that was promised.
const fn is_any_steady(lenient: usize, checked: usize) -> bool {
    lenient < checked
}

#[test]
fn a_run_that_is_mostly_held_to_less_fails() {
    assert!(are_few(2, 2) && are_few(12, 100));
    assert!(!are_few(3, 5) && !are_few(13, 100) && !are_few(500, 500));
    assert!(is_any_steady(0, 1) && is_any_steady(2, 3));
    assert!(!is_any_steady(0, 0) && !is_any_steady(2, 2));
}
