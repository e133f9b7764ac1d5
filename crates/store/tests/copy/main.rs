//! A store that is moved to another one is the same store afterwards, whatever happened in between.

#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

mod breaking;
mod lists;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ambient::{SystemClock, Time};
use serde::{Deserialize, Serialize};
use store::copy::{
    Copied, CopyError, Copying, Progress, ServeError, may_be_served, note_served, served_by, take_back,
};
use store::{
    Changes, Claim, ClaimKind, Claimed, Commit, Filter, Found, Key, KeyList, KeyState, Kind, Links, Mark,
    Memory, Movable, Record, Redis, RedisOptions, SealedKey, Sqlite, Store, Tenure, TenureState,
};
use testkit::redis_server::RedisServer;

use crate::breaking::Breaking;

/// Later than any clock that a backend may have of its own.
const ISSUER: &str = "https://auth.example.com";
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
        everything_arrives_as_it_is, every_kind_is_brought, what_has_changed_is_brought, what_has_ended_is_never_brought_back,
        only_an_own_copy_is_written_over, half_a_copy_is_not_served_and_a_served_one_not_written,
        a_copy_that_broke_off_goes_on, what_is_over_stays_behind, who_logs_out_between_two_copies_stays_logged_out,
        of_two_copies_the_earlier_stops, a_store_that_was_left_is_not_served, a_first_server_keeps_a_copy_out
    })+ };
    (@of $name:ident $from:ident $to:ident $($case:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                let ((from, _kept_from), (to, _kept_to)) = (super::$from().await, super::$to().await);
                super::$case(from, to).await;
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

async fn everything_arrives_as_it_is(from: Subject, to: Subject) {
    used(&from, 1).await;
    for n in 0..600 {
        create(
            &from,
            &Sample { ended: n % 7 == 0, sweep: (n % 3 > 0).then_some(NOW.0 + n), ..Sample::new(n) },
        )
        .await;
    }
    for n in 0..300 {
        claim(&from, &format!("{n}@example.com"), &format!("usr_{n}"), (n % 2 == 0).then_some(NOW.0 + n))
            .await;
    }
    let done = copied(&from, &to).await;
    assert_eq!((done.written, done.changed_meanwhile, done.kept_ended), (901, 0, 0));
    assert_eq!(everything(&from).await, everything(&to).await);
    let listed = to.list(Kind::Grant, Filter::OfClient("cid_1"), None, 1000).await.unwrap();
    assert_eq!(listed.rows.len(), 600, "the lists are there too");
    assert_eq!(copied(&from, &to).await.written, 0, "nothing is written twice");
}

/// A record of the kind with this number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Nth<const N: usize> {}

impl<const N: usize> Record for Nth<N> {
    const KIND: Kind = Kind::ALL[N];
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        "one".to_owned()
    }

    fn sweep(&self) -> Option<Time> {
        Some(Time(NOW.0 + 1000))
    }

    fn links(&self) -> Links {
        Links { person: Some("usr_1".to_owned()), ..Links::default() }
    }
}

/// Makes a record of each kind but those that say which copy of what a store is, and answers which.
macro_rules! one_of_each {
    ($store:expr, $($n:literal)+) => {{
        let mut kinds = Vec::new();
        $(if !matches!(Kind::ALL[$n], Kind::Keys | Kind::Tenure) {
            create($store, &Nth::<$n> {}).await;
            kinds.push(Kind::ALL[$n]);
        })+
        kinds
    }};
}

/// Records are copied without being read, so it is kinds that may be forgotten.
async fn every_kind_is_brought(from: Subject, to: Subject) {
    used(&from, 1).await;
    let kinds = one_of_each!(&from, 0 1 2 3 4 5 6 7 8 9 10 11 12 13);
    assert_eq!(kinds.len(), Kind::ALL.len() - 2, "all but two");
    for kind in ClaimKind::ALL {
        claim_of(&from, kind, "one", kind.as_str(), Some(NOW.0 + 1000)).await;
    }
    let done = copied(&from, &to).await;
    assert_eq!(done.written, (1 + kinds.len() + ClaimKind::ALL.len()) as u64);
    assert_eq!(everything(&from).await, everything(&to).await);
    for kind in kinds {
        assert!(to.read(&Key::new(kind, "one")).await.unwrap().is_some(), "{kind:?}");
        let listed = to.list(kind, Filter::OfPerson("usr_1"), None, 10).await.unwrap();
        assert_eq!(listed.rows.len(), 1, "{kind:?}");
    }
    for kind in ClaimKind::ALL {
        let held = to.holder(kind, "one").await.unwrap();
        assert_eq!(held, Some((kind.as_str().to_owned(), Time(7))), "{kind:?}");
    }
}

async fn what_has_changed_is_brought(from: Subject, to: Subject) {
    used(&from, 1).await;
    for id in ["once", "often", "ended", "same"] {
        create(&from, &Sample::new(id)).await;
    }
    for key in ["kept", "released", "taken over"] {
        claim(&from, key, "usr_1", None).await;
    }
    copied(&from, &to).await;
    change(&from, "once", |sample| sample.text = "anew".to_owned()).await;
    // More often than a record remembers.
    for n in 0..9 {
        change(&from, "often", |sample| sample.text = n.to_string()).await;
    }
    change(&from, "ended", |sample| sample.ended = true).await;
    create(&from, &Sample::new("new")).await;
    from.release(ClaimKind::Email, "released", "usr_1").await.unwrap();
    from.release(ClaimKind::Email, "taken over", "usr_1").await.unwrap();
    claim(&from, "taken over", "usr_2", None).await;
    let done = copied(&from, &to).await;
    assert_eq!(done.written, 6, "{done:?}");
    assert_eq!(everything(&from).await, everything(&to).await);
}

async fn what_has_ended_is_never_brought_back(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("grant")).await;
    let (backup, _kept) = memory().await;
    copied(&from, &backup).await;
    change(&from, "grant", |sample| sample.ended = true).await;
    copied(&from, &to).await;
    // The backup knows nothing of the end, and is written to.
    assert_eq!(copied(&backup, &to).await.written, 0);
    assert!(find(&to, "grant").await.unwrap().record.ended);
    for n in 0..9 {
        change(&backup, "grant", |sample| sample.text = n.to_string()).await;
    }
    assert_eq!(copied(&backup, &to).await.kept_ended, 1);
    assert!(find(&to, "grant").await.unwrap().record.ended);
}

async fn only_an_own_copy_is_written_over(from: Subject, to: Subject) {
    assert!(matches!(run(&from, &to, false).await, Err(CopyError::Nothing)));
    used(&from, 1).await;
    create(&from, &Sample::new("mine")).await;

    let (others, _kept) = memory().await;
    used(&others, 2).await;
    let before = everything(&others).await;
    assert!(matches!(run(&from, &others, false).await, Err(CopyError::OfAnother)), "it is in use by others");
    assert_eq!(everything(&others).await, before);

    copied(&from, &to).await;
    assert!(matches!(run(&others, &to, false).await, Err(CopyError::OfAnother)), "it is a copy of another");
    assert!(find(&to, "mine").await.is_some());
    copied(&from, &to).await;
}

async fn half_a_copy_is_not_served_and_a_served_one_not_written(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("grant")).await;
    let serve = async |store: &Subject| note_served(&**store as &dyn Store, ISSUER, NOW, &mut mark).await;

    let done = run(&from, &to, true).await.unwrap();
    assert!(!done.complete, "a server may still write behind it");
    assert!(matches!(may_be_served(&*to).await, Err(ServeError::Unfinished)));
    assert!(matches!(serve(&to).await, Err(ServeError::Unfinished)));
    assert!(matches!(run(&to, &memory().await.0, false).await, Err(CopyError::Unfinished)), "nor copied on");

    copied(&from, &to).await;
    may_be_served(&*to).await.unwrap();
    serve(&to).await.unwrap();
    serve(&to).await.unwrap();
    may_be_served(&*to).await.unwrap();
    change(&to, "grant", |sample| sample.text = "of the new server".to_owned()).await;
    assert!(matches!(run(&from, &to, false).await, Err(CopyError::Served)));
    assert_eq!(find(&to, "grant").await.unwrap().record.text, "of the new server");

    // A store that never was a target may be served, and the way back leads to an empty one.
    serve(&from).await.unwrap();
    let (back, _kept) = memory().await;
    copied(&to, &back).await;
    assert_eq!(everything(&back).await, everything(&to).await);
}

async fn a_copy_that_broke_off_goes_on(from: Subject, to: Subject) {
    used(&from, 1).await;
    for n in 0..300 {
        create(&from, &Sample::new(n)).await;
    }
    let breaking: Subject =
        Arc::new(Breaking { inner: to.clone(), left: AtomicU32::new(100), meanwhile: None });
    assert!(matches!(run(&from, &breaking, false).await, Err(CopyError::To(_))));
    assert!(matches!(may_be_served(&*to).await, Err(ServeError::Unfinished)));
    let done = copied(&from, &to).await;
    // Of the hundred, two are the keys and the note that it is a copy; some were given up on their way.
    assert!((300 - 98..300).contains(&done.written), "{done:?}");
    assert_eq!(everything(&from).await, everything(&to).await);
}

/// A log-out writes an end long past. A Redis deletes that at once, a database at its next sweep.
async fn who_logs_out_between_two_copies_stays_logged_out(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("session")).await;
    create(&from, &Sample::new("swept")).await;
    assert!(!run(&from, &to, true).await.unwrap().complete);
    for id in ["session", "swept"] {
        change(&from, id, |sample| sample.sweep = Some(0)).await;
    }
    // One of them has gone from the source altogether.
    from.sweep(Time(1), 1).await.unwrap();
    assert!(run(&from, &to, false).await.unwrap().complete);
    assert_eq!(find(&to, "session").await, None);
    assert_eq!(find(&to, "swept").await, None);
}

/// A job that is started twice, and of which the first run is slow.
async fn of_two_copies_the_earlier_stops(from: Subject, to: Subject) {
    used(&from, 1).await;
    for n in 0..600 {
        create(&from, &Sample::new(format!("{n:04}"))).await;
    }
    let slow: Subject =
        Arc::new(Breaking { inner: from.clone(), left: AtomicU32::new(1), meanwhile: Some(to.clone()) });
    assert!(matches!(run(&slow, &to, false).await, Err(CopyError::Served)));
    assert_eq!(find(&to, "0500").await.unwrap().record.text, "generation 6");
    assert!(to.holder(ClaimKind::Email, "new@example.com").await.unwrap().is_some());
}

async fn a_store_that_was_left_is_not_served(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("grant")).await;
    for source_in_use in [true, false] {
        may_be_served(&*from).await.unwrap();
        let copying = Copying {
            from: &*from,
            to: &*to,
            now: NOW,
            source_in_use,
            leave: true,
            draw: &mut mark,
            told: &mut |_| {},
        };
        assert_eq!(copying.run().await.unwrap().complete, !source_in_use);
    }
    assert!(matches!(may_be_served(&*from).await, Err(ServeError::Left)));
    assert!(matches!(note_served(&*from, ISSUER, NOW, &mut mark).await, Err(ServeError::Left)));
    note_served(&*to, ISSUER, NOW, &mut mark).await.unwrap();
    change(&to, "grant", |sample| sample.text = "of the new server".to_owned()).await;

    // The way back brings what happened since; without it, the old one is as it was.
    copied(&to, &from).await;
    assert_eq!(find(&from, "grant").await.unwrap().record.text, "of the new server");
    may_be_served(&*from).await.unwrap();
    let left = Found::<Tenure>::decode(&to.read(&Key::new(Kind::Tenure, Tenure::ID)).await.unwrap().unwrap());
    let record = Tenure { state: TenureState::Left, since: NOW, issuer: None };
    let changes = Changes::replace(mark(), &left.unwrap(), &record);
    assert_eq!(to.commit(&changes).await.unwrap(), Commit::Done);
    assert!(take_back(&*to, NOW, &mut mark).await.unwrap());
    assert!(!take_back(&*to, NOW, &mut mark).await.unwrap());
    may_be_served(&*to).await.unwrap();
}

/// Between the look of a copy at an empty target and its first write.
async fn a_first_server_keeps_a_copy_out(from: Subject, to: Subject) {
    used(&from, 1).await;
    note_served(&*to, ISSUER, NOW, &mut mark).await.unwrap();
    assert!(matches!(run(&from, &to, false).await, Err(CopyError::Served)));
    let other = Arc::new(Memory::new()) as Subject;
    used(&other, 2).await;
    assert_eq!(served_by(&*other).await.unwrap(), None);
    note_served(&*other, ISSUER, NOW, &mut mark).await.unwrap();
    note_served(&*other, "https://new.example.com", Time(NOW.0 + 1), &mut mark).await.unwrap();
    let tenure = served_by(&*other).await.unwrap().unwrap();
    assert_eq!((tenure.issuer.as_deref(), tenure.since), (Some("https://new.example.com"), NOW));
    assert!(run(&other, &(Arc::new(Memory::new()) as Subject), false).await.unwrap().complete);
}

async fn what_is_over_stays_behind(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample { sweep: Some(NOW.0 - 1), ..Sample::new("over") }).await;
    create(&from, &Sample { sweep: Some(NOW.0), ..Sample::new("just not over") }).await;
    claim(&from, "over", "usr_1", Some(NOW.0 - 1)).await;
    copied(&from, &to).await;
    assert!(find(&to, "over").await.is_none());
    assert!(find(&to, "just not over").await.is_some());
    assert_eq!(to.holder(ClaimKind::Email, "over").await.unwrap(), None);
}
