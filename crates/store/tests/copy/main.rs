//! A store that is moved to another one is the same store afterwards, whatever happened in between.

#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

mod arriving;
mod breaking;
mod lists;
mod meanwhile;
mod serving;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ambient::{SystemClock, Time};
use serde::{Deserialize, Serialize};
use store::copy::{Copied, CopyError, Copying, Progress};
use store::{
    Changes, Claim, ClaimKind, Claimed, Commit, Filter, Found, Key, KeyList, KeyState, Kind, Links, Mark,
    Memory, Movable, Record, Redis, RedisOptions, SealedKey, Sqlite,
};
use testkit::redis_server::RedisServer;

/// Later than any clock that a backend may have of its own.
const NOW: Time = Time(9_000_000_000);

type Subject = Arc<dyn Movable>;

/// A store, and whatever must live as long.
type Fresh = (Subject, Box<dyn Any + Send>);

async fn memory() -> Fresh {
    (Arc::new(Memory::new()), Box::new(()))
}

async fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    (Arc::new(store), Box::new(folder))
}

async fn redis() -> Fresh {
    let server = RedisServer::start();
    let store = Redis::open(&server.url().parse().unwrap(), RedisOptions::default(), Arc::new(SystemClock))
        .await
        .unwrap();
    (Arc::new(store), Box::new(server))
}

/// A test of each case, from one kind of store to another.
macro_rules! cases {
    ($($name:ident: $from:ident, $to:ident;)+) => { $(cases! { @of $name $from $to
        arriving::everything_arrives_as_it_is, arriving::every_kind_is_brought, arriving::what_has_changed_is_brought,
        arriving::what_is_over_stays_behind,
        meanwhile::what_has_ended_is_never_brought_back, meanwhile::a_copy_that_broke_off_goes_on,
        meanwhile::who_logs_out_between_two_copies_stays_logged_out, meanwhile::of_two_copies_the_earlier_stops,
        serving::only_an_own_copy_is_written_over, serving::half_a_copy_is_not_served_and_a_served_one_not_written,
        serving::a_store_that_was_left_is_not_served, serving::a_first_server_keeps_a_copy_out
    })+ };
    (@of $name:ident $from:ident $to:ident $($about:ident::$case:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                let ((from, _kept_from), (to, _kept_to)) = (super::$from().await, super::$to().await);
                crate::$about::$case(from, to).await;
            })+
        }
    };
}

cases! {
    memory_to_memory: memory, memory;
    sqlite_to_redis: sqlite, redis;
    redis_to_sqlite: redis, sqlite;
}

/// A record that means nothing, stored as a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sample {
    id: String,
    text: String,
    ended: bool,
    sweep: Option<i64>,
}

impl Sample {
    fn new(id: impl std::fmt::Display) -> Self {
        Self { id: id.to_string(), text: "at first".to_owned(), ended: false, sweep: Some(NOW.0 + 1000) }
    }
}

impl Record for Sample {
    const KIND: Kind = Kind::Grant;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn sweep(&self) -> Option<Time> {
        self.sweep.map(Time)
    }

    fn links(&self) -> Links {
        Links { client: Some("cid_1".to_owned()), ..Links::default() }
    }

    fn is_final(&self) -> bool {
        self.ended
    }
}

fn mark() -> Mark {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0x5a; 16];
    bytes[..8].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Mark::new(bytes)
}

async fn create<R: Record>(store: &Subject, record: &R) {
    assert_eq!(store.commit(&Changes::create(mark(), record)).await.unwrap(), Commit::Done);
}

async fn find(store: &Subject, id: &str) -> Option<Found<Sample>> {
    let row = store.read(&Key::new(Kind::Grant, id)).await.unwrap()?;
    Some(Found::decode(&row).unwrap())
}

async fn change(store: &Subject, id: &str, change: impl FnOnce(&mut Sample)) {
    let found = find(store, id).await.unwrap();
    let mut record = found.record.clone();
    change(&mut record);
    assert_eq!(store.commit(&Changes::replace(mark(), &found, &record)).await.unwrap(), Commit::Done);
}

async fn claim(store: &Subject, key: &str, owner: &str, until: Option<i64>) {
    claim_of(store, ClaimKind::Email, key, owner, until).await;
}

async fn claim_of(store: &Subject, kind: ClaimKind, key: &str, owner: &str, until: Option<i64>) {
    let until = until.map(Time);
    let claim = Claim { kind, key, owner, since: Time(7), until, instead_of: None };
    assert_eq!(store.claim(&claim).await.unwrap(), Claimed::Mine);
}

/// What a server that is started for the first time leaves: its keys. `of` tells instances apart.
async fn used(store: &Subject, of: u8) {
    let key = SealedKey { number: 1, state: KeyState::Active, made: NOW, sealed: vec![of; 48] };
    create(store, &KeyList { purpose: "token".to_owned(), keys: vec![key] }).await;
}

async fn run(from: &Subject, to: &Subject, source_in_use: bool) -> Result<Copied, CopyError> {
    let mut told: Vec<Progress> = Vec::new();
    let copying = Copying {
        from: &**from,
        to: &**to,
        now: NOW,
        source_in_use,
        leave: false,
        draw: &mut mark,
        told: &mut |progress| told.push(progress),
    };
    let copied = copying.run().await?;
    let last = told.last().unwrap();
    assert_eq!(last.done, last.of, "{told:?}");
    Ok(copied)
}

async fn copied(from: &Subject, to: &Subject) -> Copied {
    let copied = run(from, to, false).await.unwrap();
    assert!(copied.complete, "{copied:?}");
    assert!(copied.counts.iter().all(|count| count.from == count.to), "{copied:?}");
    copied
}

/// Everything but what says that it is a copy.
async fn everything(store: &Subject) -> (Vec<(Key, Mark, String, bool, Option<Time>, Links)>, Vec<String>) {
    let mut rows = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Tenure) {
        let page = store.list(kind, Filter::All, None, 10_000).await.unwrap();
        assert!(!page.more);
        rows.extend(
            page.rows
                .into_iter()
                .map(|row| (row.key, row.marks.newest(), row.body, row.ended, row.sweep, row.links)),
        );
    }
    let mut claims = Vec::new();
    for kind in ClaimKind::ALL {
        let page = store.claims(kind, None, 10_000).await.unwrap();
        assert!(!page.more);
        claims.extend(page.claims.iter().map(|held| format!("{kind:?} {held:?}")));
    }
    (rows, claims)
}
