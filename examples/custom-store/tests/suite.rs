//! The backend, proved by the suite that ships with the contract, and by what is its own.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;

use ambient::{Entropy, SeededEntropy, Time};
use custom_store::Redb;
use store::suite::compared::{Step, compare};
use store::{
    AdminKey, Backend, Changes, Commit, Digest, Filter, Inspect as _, Kind, Mark, PersonId, Session,
    SessionId, Store as _, StoreError,
};
use tempfile::TempDir;

/// A store that nobody else uses, and the folder that it is in.
async fn fresh_store() -> (Arc<dyn Backend>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(Redb::open(&folder.path().join("store.redb")).unwrap()), folder)
}

store::store_suite!(fresh_store);

/// The suite demands of nobody that a sweep removes anything, because some backends forget by themselves. This one has to.
#[test]
fn it_sweeps_as_memory_does() {
    store::suite::run(fresh_store, async |store| {
        let entropy = SeededEntropy::new(11);
        let entropy: &dyn Entropy = &entropy;
        compare(&*store, std::iter::repeat_with(|| Step::of(entropy.draw())).take(1000)).await;
    });
}

#[tokio::test]
async fn more_than_is_swept_in_one_piece_goes_and_the_bound_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Redb::open(&folder.path().join("store.redb")).unwrap();
    for n in 0..=255_u8 {
        let session = Session {
            id: SessionId::new([n; 16]),
            digest: Digest::of(&[n]),
            person: PersonId::parse("ada").unwrap(),
            epoch: None,
            auth_time: Time(1),
            amr: Vec::new(),
            expires: Time(100),
        };
        assert_eq!(store.commit(&Changes::create(Mark::new([n; 16]), &session)).await.unwrap(), Commit::Done);
    }
    assert_eq!(store.sweep(Time(100), 1000).await.unwrap(), 0, "too late does no harm");
    assert_eq!(store.sweep(Time(101), 200).await.unwrap(), 200);
    let left = store.list(Kind::Session, Filter::OfPerson("ada"), None, 1000).await.unwrap();
    assert_eq!(left.rows.len(), 56);
    assert_eq!(store.sweep(Time(101), 1000).await.unwrap(), 56);
}

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again_and_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = Redb::open(&path).unwrap();
    let key = AdminKey { name: "first".to_owned(), digest: Digest::of(b"adm_x"), made: Time(1) };
    assert_eq!(store.commit(&Changes::create(Mark::new([1; 16]), &key)).await.unwrap(), Commit::Done);
    assert!(matches!(Redb::open(&path), Err(StoreError::Unavailable(_))), "somebody else has it open");
    drop(store);
    let store: Arc<dyn Backend> = Arc::new(Redb::open(&path).unwrap());
    let store: &dyn store::Store = &*store;
    assert_eq!(store.find::<AdminKey>("first").await.unwrap().unwrap().record, key);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_but_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let _store = Redb::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
