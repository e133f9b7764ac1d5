//! Many at once: four servers over one database, over Redis each with a way of its own to it, and the same question again and again.

use std::path::Path;
use std::sync::Arc;

use ambient::{SeededEntropy, SystemClock};
use authz_core::{By, Event, Lifetime, Oversight, Policy};
use oauth_types::Scope;
use store::{Backend, GrantId, Redis, RedisOptions, Sqlite, Stage, Status};
use tempfile::TempDir;
use testkit::bare::{Answer, Bare, Party, Tokens, ada, id};
use testkit::redis_server::RedisServer;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::count;

/// Codes, and refresh tokens: a thousand in tests/chaos/run.
fn times() -> usize {
    std::env::var("PORTCULLIS_CHAOS_TIMES").map_or(100, |times| times.parse().unwrap())
}

/// Who presents each of them at once.
const AT_ONCE: usize = 16;

/// How many of them are under way.
const BESIDE: usize = 8;

const SERVERS: usize = 4;

/// Four servers over one database.
#[derive(Clone)]
struct Four {
    bares: Vec<Arc<Bare>>,
}

/// What a database needs as long as it is there.
enum Kept {
    Redis(#[expect(dead_code, reason = "it ends with this value")] RedisServer),
    Sqlite(TempDir),
}

impl Four {
    async fn new(ways: Vec<Arc<dyn Backend>>, leeway: u32) -> Self {
        let mut policy = Policy::default();
        policy.leeway = Lifetime::seconds(leeway);
        let first = Bare::new(Arc::clone(&ways[0]), |store| store, policy.clone(), true).await;
        let mut bares = vec![Arc::new(first)];
        for (seed, way) in (20..).zip(ways.into_iter().skip(1)) {
            bares.push(Arc::new(bares[0].beside(seed, |_| way, policy.clone()).await));
        }
        Self { bares }
    }

    /// Where somebody has consented, and is not asked any more.
    async fn over_redis(leeway: u32) -> (Self, Kept) {
        let (four, kept) = Self::unasked_over_redis(leeway).await;
        four.at(0).live().await;
        (four, kept)
    }

    async fn unasked_over_redis(leeway: u32) -> (Self, Kept) {
        let server = RedisServer::start_with(&["--appendfsync", "no"]);
        let url = server.url().parse().unwrap();
        let mut ways: Vec<Arc<dyn Backend>> = Vec::new();
        for _ in 0..SERVERS {
            let way = Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap();
            ways.push(Arc::new(way));
        }
        (Self::new(ways, leeway).await, Kept::Redis(server))
    }

    /// Threads of one process.
    async fn over_sqlite(leeway: u32) -> (Self, Kept) {
        let folder = tempfile::tempdir().unwrap();
        let four = Self::new(ways(&folder.path().join("store.db")), leeway).await;
        four.at(0).live().await;
        (four, Kept::Sqlite(folder))
    }

    /// Of any number, the server that it comes to.
    fn at(&self, n: usize) -> Arc<Bare> {
        Arc::clone(&self.bares[n % self.bares.len()])
    }

    async fn code(&self, n: usize) -> String {
        self.at(n).authorize().await.code().unwrap()
    }

    async fn tokens(&self, n: usize) -> Tokens {
        self.at(n).redeem(Party::Own, &self.code(n).await).await.tokens().unwrap()
    }

    /// The same question from all at once.
    async fn all<F>(&self, ask: impl Fn(Arc<Bare>) -> F) -> Vec<Answer>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let asked: JoinSet<Answer> = (0..AT_ONCE).map(|n| ask(self.at(n))).collect();
        asked.join_all().await
    }

    fn told(&self, wanted: fn(&Event) -> bool) -> usize {
        self.bares.iter().map(|bare| count(&bare.events.take(), wanted)).sum()
    }
}

/// One process has the file: its threads share one store.
fn ways(file: &Path) -> Vec<Arc<dyn Backend>> {
    let store: Arc<dyn Backend> = Arc::new(Sqlite::open(file).unwrap());
    vec![store; SERVERS]
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

/// Runs a case so many times, some beside each other.
async fn many<F>(four: &Four, case: impl Fn(Four, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for n in 0..times() {
        if under_way.len() == BESIDE {
            under_way.join_next().await.unwrap().unwrap();
        }
        under_way.spawn(case(four.clone(), n));
    }
    under_way.join_all().await;
}

/// I1, I3.
async fn one_redeems(four: Four, n: usize) {
    let code = four.code(n).await;
    let answers = four.all(|bare| {
        let code = code.clone();
        async move { bare.redeem(Party::Own, &code).await }
    });
    let won = the_winner(&answers.await);
    is_over(&four.at(n), &won).await;
}

/// I2: all get the same.
async fn all_refresh(four: Four, n: usize) {
    let refresh = four.tokens(n).await.refresh.unwrap();
    let answers = four.all(|bare| {
        let refresh = refresh.clone();
        async move { bare.refresh(Party::Own, &refresh).await }
    });
    let answers = answers.await;
    let first = answers[0].tokens().unwrap();
    for answer in &answers {
        assert_eq!(answer.tokens().as_ref(), Some(&first), "{answer:?}");
    }
    assert!(four.at(n).is_active(&first.access).await);
}

/// I2, I3: without leeway.
async fn one_refreshes(four: Four, n: usize) {
    let refresh = four.tokens(n).await.refresh.unwrap();
    let answers = four.all(|bare| {
        let refresh = refresh.clone();
        async move { bare.refresh(Party::Own, &refresh).await }
    });
    let won = the_winner(&answers.await);
    is_over(&four.at(n), &won).await;
}

fn the_winner(answers: &[Answer]) -> Tokens {
    let mut won: Vec<_> = answers.iter().filter_map(Answer::tokens).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let lost = answers.iter().filter(|answer| answer.error().as_deref() == Some("invalid_grant"));
    assert_eq!(lost.count(), AT_ONCE - 1, "{answers:?}");
    won.remove(0)
}

async fn is_over(bare: &Bare, tokens: &Tokens) {
    assert!(!bare.is_active(&tokens.access).await);
    let again = bare.refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await;
    assert_eq!(again.error().as_deref(), Some("invalid_grant"), "{again:?}");
}

#[test]
fn i1_each_code_over_redis_is_redeemed_by_one_of_sixteen() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_redis(30).await;
        many(&four, one_redeems).await;
    });
}

#[test]
fn i1_each_code_over_sqlite_is_redeemed_by_one_of_sixteen() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_sqlite(30).await;
        many(&four, one_redeems).await;
    });
}

#[test]
fn i2_each_refresh_token_over_redis_has_one_successor_for_all_sixteen() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_redis(30).await;
        many(&four, all_refresh).await;
        assert_eq!(four.told(|event| matches!(event, Event::Refreshed { .. })), times());
    });
}

#[test]
fn i2_each_refresh_token_over_sqlite_has_one_successor_for_all_sixteen() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_sqlite(30).await;
        many(&four, all_refresh).await;
        assert_eq!(four.told(|event| matches!(event, Event::Refreshed { .. })), times());
    });
}

#[test]
fn i3_each_refresh_token_without_leeway_over_redis_is_taken_from_one_of_sixteen() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_redis(0).await;
        many(&four, one_refreshes).await;
    });
}

#[test]
fn i3_each_refresh_token_without_leeway_over_sqlite_is_taken_from_one_of_sixteen() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_sqlite(0).await;
        many(&four, one_refreshes).await;
    });
}

/// I9: many windows with the same question, all of them answered with yes at once.
#[test]
fn i9_sixteen_approvals_of_one_request_over_redis_make_one_code() {
    runtime().block_on(async {
        let (four, _kept) = Four::unasked_over_redis(30).await;
        let mut requests = Vec::new();
        for n in 0..30 {
            requests.push(four.at(n).requested().await);
        }
        for (n, grant) in requests.into_iter().enumerate() {
            let answers = four.all(|bare| async move {
                bare.server.approve(grant, &ada(), &Scope::parse("read write").unwrap()).await.unwrap();
                bare.proceed(grant, "").await
            });
            let answers = answers.await;
            let code = answers[0].code().unwrap();
            assert!(answers.iter().all(|answer| answer.code().as_ref() == Some(&code)), "{answers:?}");
            assert_eq!(four.told(|event| matches!(event, Event::Consented { .. })), 1);
            assert!(four.at(n).redeem(Party::Own, &code).await.tokens().is_some());
        }
    });
}

/// The bearer of a grant, who refreshes at one server after the other and never stops until it is refused.
///
/// One alone: two who do not wait for each other present what is too old, and end the grant themselves.
struct Bearer {
    written: watch::Receiver<usize>,
    writing: JoinHandle<Vec<Tokens>>,
}

impl Bearer {
    fn of(four: &Four, tokens: &Tokens) -> Self {
        let (writes, written) = watch::channel(0);
        let (four, mut held) = (four.clone(), vec![tokens.clone()]);
        let writing = tokio::spawn(async move {
            for bare in four.bares.iter().cycle() {
                let token = held.last().and_then(|last| last.refresh.clone()).unwrap();
                match bare.refresh(Party::Own, &token).await.tokens() {
                    Some(next) => held.push(next),
                    None => break,
                }
                writes.send_replace(held.len());
                // In one process with whoever ends it, nothing else would have it wait for them.
                tokio::task::yield_now().await;
            }
            held
        });
        Self { written, writing }
    }

    /// Waits until it holds as many.
    async fn holds(&mut self, many: usize) {
        self.written.wait_for(|held| *held >= many).await.unwrap();
    }

    /// All that it ever got, after it was refused.
    async fn refused(self) -> Vec<Tokens> {
        self.writing.await.unwrap()
    }
}

/// I4: whoever ends a grant needs one write, however many a bearer makes meanwhile; and from the answer on nothing of it works.
async fn ends_at_once(four: &Four, end: impl AsyncFn(&Bare, &Tokens)) {
    for n in 0..50 {
        let tokens = four.tokens(n).await;
        let mut bearer = Bearer::of(four, &tokens);
        bearer.holds(2 + n % 10).await;
        end(&four.at(n + 1), &tokens).await;
        let active = four.at(n + 2).is_active(&tokens.access).await;
        let held = bearer.refused().await;
        assert!(!active);
        for tokens in held {
            for bare in &four.bares {
                assert!(!bare.is_active(&tokens.access).await);
            }
            let again = four.at(n).refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await;
            assert!(again.tokens().is_none(), "{again:?}");
        }
    }
}

async fn revoked(bare: &Bare, tokens: &Tokens) {
    let answer = bare.revoke(Party::Own, tokens.refresh.as_ref().unwrap()).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
}

fn oversight(bare: &Bare, seed: u64) -> Oversight {
    let entropy = Arc::new(SeededEntropy::new(seed));
    Oversight::new(Arc::clone(&bare.store), bare.clock.clone(), entropy, bare.events.clone())
}

#[test]
fn i4_a_revocation_over_redis_wins_at_once_against_a_bearer_who_never_stops() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_redis(30).await;
        ends_at_once(&four, revoked).await;
    });
}

#[test]
fn i4_a_revocation_over_sqlite_wins_at_once_against_a_bearer_who_never_stops() {
    runtime().block_on(async {
        let (four, _kept) = Four::over_sqlite(30).await;
        ends_at_once(&four, revoked).await;
    });
}

/// I7: a client that is deleted while its tokens are in use; it is there again for the next time.
#[test]
fn i7_a_client_that_is_deleted_while_its_tokens_are_in_use_can_do_nothing_from_then_on() {
    runtime().block_on(async {
        for (four, _kept) in [Four::over_redis(30).await, Four::over_sqlite(30).await] {
            let tokens = four.tokens(0).await;
            let mut bearer = Bearer::of(&four, &tokens);
            bearer.holds(20).await;
            assert!(four.at(0).is_active(&tokens.access).await);
            let oversight = oversight(&four.at(0), 99);
            oversight.set_client(&id(Party::Own), Status::Deleted, &By::operator()).await.unwrap();
            let active = four.at(1).is_active(&tokens.access).await;
            let held = bearer.refused().await;
            assert!(!active);
            for tokens in held {
                for bare in &four.bares {
                    assert!(!bare.is_active(&tokens.access).await);
                }
                let again = four.at(1).refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await;
                assert_eq!(again.error().as_deref(), Some("invalid_client"), "{again:?}");
            }
        }
    });
}

/// I2, I3: a backup that is put back. What people hold is newer than the store, is taken, and is spent once; what it replaced is
/// a replay.
#[test]
fn a_store_set_back_to_an_older_state_logs_nobody_out_and_spends_nothing_twice() {
    runtime().block_on(async {
        let (four, kept) = Four::over_sqlite(30).await;
        let Kept::Sqlite(folder) = kept else { panic!("not on a disk") };
        let mut people = Vec::new();
        for n in 0..50 {
            people.push(vec![four.tokens(n).await]);
        }
        let older = folder.path().join("older.db");
        let live = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
        live.execute("VACUUM INTO ?1", [older.to_str().unwrap()]).unwrap();
        for (n, held) in people.iter_mut().enumerate() {
            for _ in 0..1 + n % 3 {
                let refresh = held.last().and_then(|last| last.refresh.clone()).unwrap();
                held.push(four.at(n).refresh(Party::Own, &refresh).await.tokens().unwrap());
            }
        }
        let mut set_back = Vec::new();
        for (seed, way) in (40..).zip(ways(&older)) {
            let bare = four.at(0);
            set_back.push(Arc::new(bare.beside(seed, |_| way, Policy::default()).await));
        }
        let back = Four { bares: set_back };
        let store: Arc<dyn Backend> = Arc::new(Sqlite::open(&older).unwrap());
        for (n, held) in people.iter().enumerate() {
            let newest = held.last().and_then(|last| last.refresh.clone()).unwrap();
            let answers = back.all(|bare| {
                let newest = newest.clone();
                async move { bare.refresh(Party::Own, &newest).await }
            });
            let answers = answers.await;
            let next = answers[0].tokens().unwrap();
            assert!(answers.iter().all(|answer| answer.tokens().as_ref() == Some(&next)), "{answers:?}");
            assert!(back.at(n).is_active(&next.access).await);
            assert_eq!(back.told(|event| matches!(event, Event::StoreWentBack { .. })), 1);
            let grant = GrantId::new(authz_core::TokenText::parse(&next.access).unwrap().id);
            let store: &dyn store::Store = &*store;
            let found = store.find::<store::Grant>(grant).await.unwrap().unwrap();
            let Stage::Live(live) = found.record.stage else { panic!("not live") };
            assert_eq!(live.number as usize, held.len() + 1);
            // What it replaced before the store went back: nobody may spend it again.
            let replayed = back.at(n).refresh(Party::Own, held[0].refresh.as_ref().unwrap()).await;
            assert_eq!(replayed.error().as_deref(), Some("invalid_grant"), "{replayed:?}");
            is_over(&back.at(n + 1), &next).await;
        }
    });
}
