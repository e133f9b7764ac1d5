//! The backends of this crate, proved by the suite, and compared with each other.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;

use proptest::prelude::*;
use store::suite::compared::{Step, compare};
use store::{Backend, Memory, Sqlite};
use tempfile::TempDir;

async fn in_memory() -> (Arc<dyn Backend>, ()) {
    (Arc::new(Memory::new()), ())
}

async fn in_a_file() -> (Arc<dyn Backend>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(Sqlite::open(&folder.path().join("store.db")).unwrap()), folder)
}

mod memory {
    use super::in_memory;

    store::store_suite!(in_memory, sweeping);
}

mod sqlite {
    use super::in_a_file;

    store::store_suite!(in_a_file, sweeping);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_as_memory_does(steps in prop::collection::vec(any::<[u8; 6]>(), 1..160)) {
        store::suite::run(in_a_file, async |sqlite| {
            compare(&*sqlite, steps.into_iter().map(Step::of)).await;
        });
    }
}
