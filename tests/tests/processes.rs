//! What one process does bites on the next request at another one, whatever that one has read before (I7).

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;

use ambient::{Entropy, SystemClock, SystemEntropy};
use authz_core::Policy;
use http::StatusCode;
use oauth_types::Scope;
use store::{
    Backend, Changes, Client, Commit, Digest, Epoch, Found, Mark, Memory, PersonId, PersonStanding, Record,
    Redis, RedisOptions, Server, Sqlite, Standing, Status, Store,
};
use testkit::bare::{Bare, Party, RESOURCE, Tokens};
use testkit::redis_server::RedisServer;

/// The clock of Redis expires records, and everything begins in the past.
const AHEAD: i64 = 6_000_000_000;

/// Where both keep their records: each in its own way to it.
type Ways = [Arc<dyn Backend>; 2];

#[tokio::test]
async fn i7_in_memory_what_one_does_bites_at_the_other() {
    let store: Arc<dyn Backend> = Arc::new(Memory::new());
    bites([Arc::clone(&store), store]).await;
}

#[tokio::test]
async fn i7_over_sqlite_what_one_does_bites_at_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let way = || -> Arc<dyn Backend> { Arc::new(Sqlite::open(&folder.path().join("store.db")).unwrap()) };
    bites([way(), way()]).await;
}

#[tokio::test]
async fn i7_over_redis_what_one_does_bites_at_the_other() {
    let server = RedisServer::start();
    let url = server.url().parse().unwrap();
    let way = async || Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap();
    bites([Arc::new(way().await), Arc::new(way().await)]).await;
}

async fn bites([here, there]: Ways) {
    let here = Bare::new(here, |store| store, Policy::default(), true).await;
    here.clock.advance(AHEAD);
    let there = here.reached_through(|_| there).await;
    here.live().await;
    people_and_clients(&here, &there).await;
    servers(&here, &there).await;
    grants(&here, &there).await;
}

/// What is held against a client or a person, and that it is held no more.
async fn people_and_clients(here: &Bare, there: &Bare) {
    let tokens = logged_in(here).await;
    let refresh = tokens.refresh.unwrap();
    let blocked = Standing { status: Status::Blocked, epoch: None };
    let moved_on = Standing { status: Status::Active, epoch: Some(Epoch::new([7; 16])) };
    let ada = PersonId::parse("usr_ada").unwrap();
    for standing in [blocked, moved_on] {
        for party in ["client", "person"] {
            let hold = async |standing: Standing| match party {
                "client" => {
                    let change = |client: Client| Client { standing, ..client };
                    rewrite(here, "cid_own", change).await;
                }
                _ => stand(here, &ada, standing).await,
            };
            agree(there, &tokens.access, true).await;
            hold(standing).await;
            agree(there, &tokens.access, false).await;
            let refused = there.refresh(Party::Own, &refresh).await;
            assert!(refused.error().is_some(), "{party} {standing:?}");
            hold(Standing::default()).await;
        }
    }
    agree(there, &tokens.access, true).await;
    assert!(there.refresh(Party::Own, &refresh).await.tokens().is_some());
}

/// A key of a server that is replaced, its scopes, and that it goes.
async fn servers(here: &Bare, there: &Bare) {
    let tokens = logged_in(here).await;
    let id = here.resources[0].0.id;
    let registered = found::<Server>(here, id).await.record;
    agree(there, &tokens.access, true).await;
    rewrite(here, id, |server: Server| Server { keys: vec![Digest::of(b"another")], ..server }).await;
    for _ in 0..3 {
        assert_eq!(there.introspect(0, &tokens.access).await.status, StatusCode::UNAUTHORIZED);
    }
    let implying = |server: Server| {
        let mut scopes = registered.scopes.clone();
        scopes[0].implies = Scope::parse("admin").unwrap();
        Server { scopes, ..server }
    };
    for (change, scope) in [
        (Box::new(|_| registered.clone()) as Box<dyn Fn(Server) -> Server>, "read write"),
        (Box::new(|_| implying(registered.clone())), "admin read write"),
        (Box::new(|_| registered.clone()), "read write"),
    ] {
        rewrite(here, id, change).await;
        for _ in 0..3 {
            assert_eq!(there.introspect(0, &tokens.access).await.json()["scope"], scope);
        }
    }
    for status in [Status::Blocked, Status::Deleted] {
        rewrite(here, id, |server: Server| Server { status, ..server }).await;
        assert_eq!(there.introspect(0, &tokens.access).await.status, StatusCode::UNAUTHORIZED);
        let refused = there.refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await;
        assert!(refused.error().is_some(), "{RESOURCE} is {status:?}");
        rewrite(here, id, |_: Server| registered.clone()).await;
        agree(there, &tokens.access, true).await;
    }
}

/// New tokens, and the end of all of them.
async fn grants(here: &Bare, there: &Bare) {
    let mut tokens = logged_in(here).await;
    for _ in 0..3 {
        agree(there, &tokens.access, true).await;
        let next = here.refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await.tokens().unwrap();
        agree(there, &next.access, true).await;
        tokens = next;
    }
    here.revoke(Party::Own, tokens.refresh.as_ref().unwrap()).await;
    agree(there, &tokens.access, false).await;
    assert!(there.refresh(Party::Own, tokens.refresh.as_ref().unwrap()).await.error().is_some());
    assert_eq!(there.userinfo(&tokens.access).await.status, StatusCode::UNAUTHORIZED);
}

/// What Ada has consented to before, she is not asked again.
async fn logged_in(here: &Bare) -> Tokens {
    let code = here.authorize().await.code().unwrap();
    here.redeem(Party::Own, &code).await.tokens().unwrap()
}

/// It says so each time it is asked, so that what it has read before is what it remembers.
async fn agree(there: &Bare, access: &str, active: bool) {
    for _ in 0..4 {
        assert_eq!(there.is_active(access).await, active);
    }
}

async fn found<R: Record>(here: &Bare, id: impl std::fmt::Display + Send) -> Found<R> {
    (&*here.store as &dyn Store).find(id).await.unwrap().unwrap()
}

async fn rewrite<R: Record + Clone>(here: &Bare, id: impl std::fmt::Display + Send, change: impl Fn(R) -> R) {
    let before = found::<R>(here, id).await;
    commit(here, &Changes::replace(mark(), &before, &change(before.record.clone()))).await;
}

async fn stand(here: &Bare, person: &PersonId, standing: Standing) {
    let record = PersonStanding { person: person.clone(), standing };
    let before = (&*here.store as &dyn Store).find::<PersonStanding>(person).await.unwrap();
    let changes = match &before {
        Some(before) => Changes::replace(mark(), before, &record),
        None => Changes::create(mark(), &record),
    };
    commit(here, &changes).await;
}

async fn commit(here: &Bare, changes: &Changes) {
    assert_eq!(here.store.commit(changes).await.unwrap(), Commit::Done);
}

fn mark() -> Mark {
    let entropy: &dyn Entropy = &SystemEntropy;
    Mark::new(entropy.draw())
}
