//! The backend, proved by the suite that ships with the contract, and by what is its own.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;

use ambient::Time;
use custom_store::Redb;
use store::{AdminKey, Backend, Changes, Commit, Digest, Mark, Store as _, StoreError};
use tempfile::TempDir;

/// A store that nobody else uses, and the folder that it is in.
async fn fresh_store() -> (Arc<dyn Backend>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(Redb::open(&folder.path().join("store.redb")).unwrap()), folder)
}

store::store_suite!(fresh_store, sweeping);

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again_and_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = Redb::open(&path).unwrap();
    let key = AdminKey::new("first", Digest::of(b"adm_x"), Time(1));
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
