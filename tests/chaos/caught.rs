//! The checker itself: it finds nothing where nothing is wrong, and finds out the stores that lie.

use std::collections::BTreeSet;
use std::sync::Arc;

use ambient::Clock as _;
use authz_core::Policy;
use oauth_types::ClientId;
use store::{Backend, Memory};
use testkit::bare::{BEGINNING, Bare};

use crate::check::{ALL, Broken, Promise, check};
use crate::clients::{Dice, Stop, look_back, play};
use crate::flawed::{Flaw, Flawed};
use crate::log::{Ask, Log};
use crate::round::stored;
use crate::site::Site;

/// Clients at once.
const CLIENTS: u64 = 8;

/// Requests of a run.
const ENOUGH: u64 = 3000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

/// What is found in a run over such a store, which crashes at its end.
fn found_with(flaw: Flaw) -> BTreeSet<Broken> {
    runtime().block_on(async {
        let store = Arc::new(Flawed::new(flaw));
        let way = Arc::clone(&store) as Arc<dyn Backend>;
        let bare = Arc::new(Bare::new(Arc::clone(&way), |store| store, Policy::default(), true).await);
        let site = Arc::new(Site::of(&[Arc::clone(&bare), bare]).await);
        let log = load(&site, async |log| log.grows(ENOUGH).await).await;
        let mut entries = log.take();
        store.crash();
        look_back(&site, &log, &entries, &Dice::new(9), usize::MAX).await;
        entries.extend(log.take());
        let stored = stored(&*way, &entries).await;
        let violations = check(&entries, &stored, ALL);
        assert!(flaw != Flaw::None || violations.is_empty(), "{}", violations[0]);
        violations.iter().map(|violation| violation.broken).collect()
    })
}

/// Lets clients ask for as long as that lasts.
async fn load(site: &Arc<Site>, lasting: impl AsyncFnOnce(&Log)) -> Arc<Log> {
    let (log, stop) = (Arc::new(Log::default()), Stop::default());
    let playing: Vec<_> = (0..CLIENTS)
        .map(|seed| tokio::spawn(play(Arc::clone(site), Arc::clone(&log), seed, stop.clone())))
        .collect();
    lasting(&log).await;
    stop.say();
    for player in playing {
        player.await.unwrap();
    }
    log
}

#[test]
fn nothing_is_found_in_a_store_that_keeps_its_word() {
    assert_eq!(found_with(Flaw::None), BTreeSet::new());
}

#[test]
fn a_store_without_the_version_guard_is_caught() {
    let found = found_with(Flaw::Unguarded);
    assert!(found.contains(&Broken::CodeSpentTwice), "{found:?}");
    assert!(found.contains(&Broken::Undead), "{found:?}");
}

#[test]
fn a_store_that_answers_before_it_is_durable_is_caught() {
    let found = found_with(Flaw::AnswersEarly);
    // A hundred commits are those of more grants than have come to an end by then.
    assert!(found.contains(&Broken::Lost), "{found:?}");
}

#[test]
fn a_store_that_reads_from_a_replica_is_caught() {
    let found = found_with(Flaw::ReadsOld);
    assert!(found.contains(&Broken::Undead) || found.contains(&Broken::Lost), "{found:?}");
}

#[test]
fn a_store_that_has_what_was_given_away_is_caught() {
    runtime().block_on(async {
        let store: Arc<dyn Backend> = Arc::new(Memory::new());
        let bare = Arc::new(Bare::new(Arc::clone(&store), |store| store, Policy::default(), true).await);
        let (site, log) = (Site::of(&[bare]).await, Log::default());
        let code = site.ask(&log, 0, Ask::Authorize).await;
        let entries = log.take();
        let mut stored = stored(&*store, &entries).await;
        assert!(check(&entries, &stored, ALL).is_empty());
        for grant in stored.values_mut().flatten() {
            grant.client = ClientId::parse(code.code().unwrap()).unwrap();
        }
        let violations = check(&entries, &stored, ALL);
        assert!(violations.iter().any(|violation| violation.broken == Broken::Kept), "{violations:?}");
    });
}

/// A clock that jumps ahead makes things expire, for good if they are swept then, and one that jumps back brings others again: nothing is
/// spent twice by it.
#[test]
fn nothing_is_spent_twice_by_a_clock_that_jumps() {
    const MONTHS: i64 = 5_000_000;
    let jumpy = Promise { steady: false, ..ALL };
    for (jumps, promise) in [
        ([-3600, -1, -86400, -100_000_000], ALL),
        ([45, -90, 3700, -10_000], jumpy),
        ([45, MONTHS, -MONTHS, -90], jumpy),
    ] {
        runtime().block_on(async {
            let store: Arc<dyn Backend> = Arc::new(Memory::new());
            let bare = Arc::new(Bare::new(Arc::clone(&store), |store| store, Policy::default(), true).await);
            let site = Arc::new(Site::of(&[Arc::clone(&bare)]).await);
            let clock = Arc::clone(&bare.clock);
            let log = load(&site, async |log| {
                for jump in jumps.into_iter().cycle().take(16) {
                    log.grows(ENOUGH / 16).await;
                    // However far back, the first consent was before.
                    let floor = BEGINNING.0 - 200_000_000;
                    clock.advance(jump.max(floor - clock.now().0));
                    store.sweep(clock.now(), u32::MAX).await.unwrap();
                }
            });
            let log = log.await;
            let mut entries = log.take();
            look_back(&site, &log, &entries, &Dice::new(9), usize::MAX).await;
            entries.extend(log.take());
            let stored = stored(&*store, &entries).await;
            let swept = stored.values().filter(|grant| grant.is_none()).count();
            assert_eq!(swept > 0, !promise.steady, "{swept} grants are gone");
            let violations = check(&entries, &stored, promise);
            assert!(violations.is_empty(), "{}", violations[0]);
        });
    }
}
