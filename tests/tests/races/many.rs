//! Many at once: four servers, threads of one process over one SQLite, and the same question again and again. Processes over one Redis
//! are asked the same in `tests/chaos`.

use std::path::Path;
use std::sync::Arc;

use ambient::SeededEntropy;
use authz_core::{By, Event, Lifetime, Oversight, Policy};
use oauth_types::Scope;
use store::{Backend, GrantId, Sqlite, Stage, Status};
use tempfile::TempDir;
use testkit::bare::{Answer, Bare, Party, Tokens, ada, id};
use tests::bearer::Bearer;
use tests::crowd::{AT_ONCE, come, the_winner, times};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::count;

/// Crowds at once.
const BESIDE: usize = 8;

const SERVERS: usize = 4;

/// Four servers over one database.
#[derive(Clone)]
struct Four {
    bares: Vec<Arc<Bare>>,
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

    /// Where somebody has consented, and is not asked any more. All is in the folder.
    async fn over_sqlite(leeway: u32) -> (Self, TempDir) {
        let (four, folder) = Self::unasked_over_sqlite(leeway).await;
        four.at(0).live().await;
        (four, folder)
    }

    async fn unasked_over_sqlite(leeway: u32) -> (Self, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Self::new(ways(&folder.path().join("store.db")), leeway).await, folder)
    }

    /// Whoever holds these tokens, and what they get instead of more at last.
    fn bearer(&self, tokens: &Tokens) -> Bearer<Tokens, Answer> {
        let four = self.clone();
        Bearer::of(tokens.clone(), move |n, held| {
            let bare = four.at(n);
            async move {
                let answer = bare.refresh(Party::Own, &held.refresh.unwrap()).await;
                answer.tokens().ok_or(answer)
            }
        })
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

/// I1, I3.
async fn one_redeems(four: Four, n: usize) {
    let code = four.code(n).await;
    let answers = four.all(|bare| {
        let code = code.clone();
        async move { bare.redeem(Party::Own, &code).await }
    });
    let won = winner(&answers.await);
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
    let won = winner(&answers.await);
    is_over(&four.at(n), &won).await;
}

fn winner(answers: &[Answer]) -> Tokens {
    the_winner(answers, Answer::tokens, |answer| answer.error().as_deref() == Some("invalid_grant"))
}

async fn is_over(bare: &Bare, tokens: &Tokens) {
    assert!(!bare.is_active(&tokens.access).await);
    let again = bare.refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await;
    assert_eq!(again.error().as_deref(), Some("invalid_grant"), "{again:?}");
}

#[test]
fn i1_each_code_over_sqlite_is_redeemed_by_one_of_sixteen() {
    runtime().block_on(async {
        let (four, _folder) = Four::over_sqlite(30).await;
        come(BESIDE, |n| one_redeems(four.clone(), n)).await;
    });
}

#[test]
fn i2_each_refresh_token_over_sqlite_has_one_successor_for_all_sixteen() {
    runtime().block_on(async {
        let (four, _folder) = Four::over_sqlite(30).await;
        come(BESIDE, |n| all_refresh(four.clone(), n)).await;
        assert_eq!(four.told(|event| matches!(event, Event::Refreshed { .. })), times());
    });
}

#[test]
fn i3_each_refresh_token_without_leeway_over_sqlite_is_taken_from_one_of_sixteen() {
    runtime().block_on(async {
        let (four, _folder) = Four::over_sqlite(0).await;
        come(BESIDE, |n| one_refreshes(four.clone(), n)).await;
    });
}

/// I9: many windows with the same question, all of them answered with yes at once.
#[test]
fn i9_sixteen_approvals_of_one_request_make_one_code() {
    runtime().block_on(async {
        let (four, _folder) = Four::unasked_over_sqlite(30).await;
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

/// I4: whoever ends a grant needs one write, however many a bearer makes meanwhile; and from the answer on nothing of it works.
async fn ends_at_once(four: &Four, end: impl AsyncFn(&Bare, &Tokens)) {
    let mut met = 0;
    for n in 0..50 {
        let tokens = four.tokens(n).await;
        let mut bearer = four.bearer(&tokens);
        bearer.holds(2 + n % 10).await;
        let before = bearer.held();
        end(&four.at(n + 1), &tokens).await;
        let active = four.at(n + 2).is_active(&tokens.access).await;
        let (held, refusal) = bearer.refused().await;
        assert!(!active);
        assert_eq!(refusal.error().as_deref(), Some("invalid_grant"), "{refusal:?}");
        met += usize::from(held.len() > before);
        for tokens in held {
            for bare in &four.bares {
                assert!(!bare.is_active(&tokens.access).await);
            }
            let again = four.at(n).refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await;
            assert!(again.tokens().is_none(), "{again:?}");
        }
    }
    assert!(met > 0, "none met a refresh");
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
fn i4_a_revocation_over_sqlite_wins_at_once_against_a_bearer_who_never_stops() {
    runtime().block_on(async {
        let (four, _folder) = Four::over_sqlite(30).await;
        ends_at_once(&four, revoked).await;
    });
}

/// I7: a client that is deleted while its tokens are in use.
#[test]
fn i7_a_client_that_is_deleted_while_its_tokens_are_in_use_can_do_nothing_from_then_on() {
    runtime().block_on(async {
        let (four, _folder) = Four::over_sqlite(30).await;
        let tokens = four.tokens(0).await;
        let mut bearer = four.bearer(&tokens);
        bearer.holds(20).await;
        assert!(four.at(0).is_active(&tokens.access).await);
        let oversight = oversight(&four.at(0), 99);
        oversight.set_client(&id(Party::Own), Status::Deleted, &By::operator()).await.unwrap();
        let active = four.at(1).is_active(&tokens.access).await;
        let (held, refusal) = bearer.refused().await;
        assert!(!active);
        assert_eq!(refusal.error().as_deref(), Some("invalid_client"), "{refusal:?}");
        for tokens in held {
            for bare in &four.bares {
                assert!(!bare.is_active(&tokens.access).await);
            }
            let again = four.at(1).refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await;
            assert_eq!(again.error().as_deref(), Some("invalid_client"), "{again:?}");
        }
    });
}

/// I1 to I3: a backup that is put back. Who is in it stays logged in, and whatever it can know of is spent once. What it cannot know is
/// among the accepted risks of `docs/threats.md`.
#[test]
fn a_store_set_back_logs_out_nobody_it_knows_and_spends_nothing_twice_that_it_knows_of() {
    runtime().block_on(async {
        let (four, folder) = Four::over_sqlite(30).await;
        let (mut people, mut codes) = (Vec::new(), Vec::new());
        for n in 0..50 {
            people.push(vec![four.tokens(n).await]);
        }
        for n in 0..8 {
            codes.push(four.code(n).await);
        }
        let older = folder.path().join("older.db");
        let live = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
        live.execute("VACUUM INTO ?1", [older.to_str().unwrap()]).unwrap();
        for (n, held) in people.iter_mut().enumerate() {
            for _ in 0..1 + n % 3 {
                let answer = four.at(n).refresh(Party::Own, refresh(&held[held.len() - 1])).await;
                held.push(answer.tokens().unwrap());
            }
        }
        let mut redeemed = Vec::new();
        for (n, code) in codes.into_iter().enumerate() {
            redeemed.push((four.at(n).redeem(Party::Own, &code).await.tokens().unwrap(), code));
        }
        let newcomer = four.tokens(0).await;
        let mut set_back = Vec::new();
        for (seed, way) in (40..).zip(ways(&older)) {
            let bare = four.at(0);
            set_back.push(Arc::new(bare.beside(seed, |_| way, Policy::default()).await));
        }
        let back = Four { bares: set_back };
        let store: Arc<dyn Backend> = Arc::new(Sqlite::open(&older).unwrap());
        for (n, held) in people.iter().enumerate() {
            goes_on_after_the_store_went_back(&back, &*store, n, held).await;
        }
        for (n, (first, code)) in redeemed.iter().enumerate() {
            is_redeemed_after_the_store_went_back(&back, n, first, code).await;
        }
        is_over(&back.at(0), &newcomer).await;
    });
}

/// What somebody holds who has refreshed since the backup.
async fn goes_on_after_the_store_went_back(back: &Four, store: &dyn store::Store, n: usize, held: &[Tokens]) {
    let (newest, replaced) = (&held[held.len() - 1], refresh(&held[held.len() - 2]));
    if n.is_multiple_of(2) {
        // It was spent since the backup, of which nothing tells before the newest comes: it gives what it gave.
        let again = back.at(n).refresh(Party::Own, replaced).await;
        assert_eq!(again.tokens().as_ref(), Some(newest), "{again:?}");
    }
    let answers = back.all(|bare| {
        let newest = newest.clone();
        async move { bare.refresh(Party::Own, refresh(&newest)).await }
    });
    let answers = answers.await;
    let next = answers[0].tokens().unwrap();
    assert!(answers.iter().all(|answer| answer.tokens().as_ref() == Some(&next)), "{answers:?}");
    assert!(back.at(n).is_active(&next.access).await);
    // Unless what came first was the one that the backup has.
    let proofs = usize::from(n % 2 == 1 || held.len() > 2);
    assert_eq!(back.told(|event| matches!(event, Event::StoreWentBack { .. })), proofs);
    let grant = GrantId::new(authz_core::TokenText::parse(&next.access).unwrap().id);
    let found = store.find::<store::Grant>(grant).await.unwrap().unwrap();
    let number = if let Stage::Live(live) = found.record.stage { live.number as usize } else { 0 };
    assert_eq!(number, held.len() + 1);
    // What it replaced before the store went back: nobody may spend it any more.
    let replayed = back.at(n).refresh(Party::Own, replaced).await;
    assert_eq!(replayed.error().as_deref(), Some("invalid_grant"), "{replayed:?}");
    is_over(&back.at(n + 1), &next).await;
}

/// A code that was redeemed since the backup, which has it as unused: it is redeemed once more, and what it gave at first is nothing.
async fn is_redeemed_after_the_store_went_back(back: &Four, n: usize, first: &Tokens, code: &str) {
    is_over(&back.at(n), first).await;
    let second = back.at(n + 1).redeem(Party::Own, code).await.tokens().unwrap();
    is_over(&back.at(n), first).await;
    assert!(back.at(n).is_active(&second.access).await);
    let replayed = back.at(n + 2).redeem(Party::Own, code).await;
    assert_eq!(replayed.error().as_deref(), Some("invalid_grant"), "{replayed:?}");
    is_over(&back.at(n), &second).await;
}

fn refresh(tokens: &Tokens) -> &str {
    tokens.refresh.as_deref().unwrap()
}
