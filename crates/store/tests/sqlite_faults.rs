//! What may happen to a database file, and that the store says so, writes nothing half, and works again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use store::{
    AdminKey, Changes, Commit, Digest, Filter, Found, Guard, Inspect, Key, Kind, Mark, Row, Sqlite, Store,
    StoreError,
};
use tempfile::TempDir;

use ambient::Time;

/// A file in a folder of its own.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

fn record(name: &str) -> AdminKey {
    AdminKey::new(name, Digest::of(name.as_bytes()), Time(1))
}

fn creation(n: u8) -> Changes {
    Changes::create(Mark::new([n; 16]), &record(&n.to_string()))
}

async fn create(store: &Sqlite, n: u8) -> Result<Commit, StoreError> {
    store.commit(&creation(n)).await
}

async fn read(store: &Sqlite, n: u8) -> Option<Row> {
    store.read(&Key::new(Kind::AdminKey, n)).await.unwrap()
}

fn is_unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> bool {
    match answer {
        Err(StoreError::Unavailable(_)) => true,
        other => panic!("{other:?}"),
    }
}

/// A connection of somebody else.
fn stranger(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    for n in 0..100 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    let before = store.list(Kind::AdminKey, Filter::All, None, 1000).await.unwrap().rows;
    drop(store);
    assert!(!fs::exists(path.with_extension("db-wal")).unwrap(), "a clean end leaves one file");
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.list(Kind::AdminKey, Filter::All, None, 1000).await.unwrap().rows, before);
    assert_eq!(before.len(), 100);
}

#[tokio::test]
async fn what_was_queued_is_written_before_the_store_is_gone() {
    let (_folder, path) = place();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let asked: Vec<_> = (0..200)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { create(&store, n).await })
        })
        .collect();
    drop(store);
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap(), Commit::Done);
    }
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.list(Kind::AdminKey, Filter::All, None, 1000).await.unwrap().rows.len(), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 3, "the database, its log and the log's index: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_folder_must_exist() {
    let (folder, _) = place();
    assert!(is_unavailable(Sqlite::open(&folder.path().join("no/store.db"))));
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let (_folder, path) = place();
    fs::write(&path, "not a database at all, only some text that is long enough to have a header").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(is_unavailable(Sqlite::open(&path)));
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_file(&path).unwrap();
    stranger(&path).execute_batch("CREATE TABLE others (a)").unwrap();
    assert!(is_unavailable(Sqlite::open(&path)));
    let tables: i64 =
        stranger(&path).query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_newer_file_is_refused_by_name_and_number() {
    let (_folder, path) = place();
    drop(Sqlite::open(&path).unwrap());
    stranger(&path).pragma_update(None, "user_version", 999).unwrap();
    let Err(error) = Sqlite::open(&path) else { panic!("it opened") };
    assert!(matches!(error, StoreError::Newer { kind: "database", found: 999, known: 1 }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "a database was written by a newer version (schema 999, this one reads up to 1)"
    );
}

#[tokio::test]
async fn locked_is_unavailable_until_it_is_not() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    let other = stranger(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(is_unavailable(create(&store, 2).await));
    assert!(is_unavailable(store.ready().await));
    assert!(read(&store, 1).await.is_some(), "readers wait for nobody");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(read(&store, 2).await, None, "nothing was half written");
    assert_eq!(create(&store, 2).await.unwrap(), Commit::Done);
    store.ready().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn removed_is_unavailable_until_a_file_is_there() {
    let (folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    let away = folder.path().join("away.db");
    fs::rename(&path, &away).unwrap();
    assert!(is_unavailable(create(&store, 2).await));
    assert!(is_unavailable(store.read(&Key::new(Kind::AdminKey, 1)).await), "nobody else would find it");
    assert!(is_unavailable(store.ready().await));
    assert!(!fs::exists(&path).unwrap(), "no new file is made in secret");
    fs::rename(&away, &path).unwrap();
    assert!(read(&store, 1).await.is_some());
    assert_eq!(create(&store, 2).await.unwrap(), Commit::Done);
    store.ready().await.unwrap();
}

/// What the log of a server would say.
fn sources(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(unix)]
#[tokio::test]
async fn another_database_is_not_taken_before_the_store_is_opened_again() {
    for other in ["an empty file", "another instance", "another instance, all else removed"] {
        for first_to_come in ["a reader", "a writer", "a probe"] {
            let (folder, path) = place();
            let store = Sqlite::open(&path).unwrap();
            assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
            assert!(read(&store, 1).await.is_some());
            let (away, new) = (folder.path().join("away.db"), folder.path().join("new.db"));
            match other {
                "an empty file" => fs::write(&new, "").unwrap(),
                _ => assert_eq!(create(&Sqlite::open(&new).unwrap(), 7).await.unwrap(), Commit::Done),
            }
            // The log stays behind: it must be played into no other file, and its own may come back to it.
            fs::rename(&path, &away).unwrap();
            fs::rename(&new, &path).unwrap();
            let alone = other.ends_with("removed");
            if alone {
                fs::remove_file(path.with_extension("db-wal")).unwrap();
                fs::remove_file(path.with_extension("db-shm")).unwrap();
            }
            let before = fs::read(&path).unwrap();
            let refused = match first_to_come {
                "a reader" => store.read(&Key::new(Kind::AdminKey, 1)).await.map(|_| ()),
                "a writer" => create(&store, 3).await.map(|_| ()),
                _ => store.ready().await,
            };
            let told = sources(&refused.unwrap_err());
            assert!(told.contains("another database is at this path; restart"), "{other}: {told}");
            assert!(is_unavailable(create(&store, 2).await), "{other}");
            assert!(is_unavailable(store.read(&Key::new(Kind::AdminKey, 7)).await), "{other}");
            assert_eq!(fs::read(&path).unwrap(), before, "{other}: it was left alone");

            fs::rename(&path, &new).unwrap();
            fs::rename(&away, &path).unwrap();
            let kept = read(&store, 1).await.is_some();
            assert!(kept || alone, "{other}: the same instance is back");
            assert_eq!(create(&store, 2).await.unwrap(), Commit::Done);
            assert_eq!(read(&store, 7).await, None);
            drop(store);

            fs::rename(&new, &path).unwrap();
            let store = Sqlite::open(&path).unwrap();
            assert_eq!(read(&store, 1).await, None, "{other}");
            assert_eq!(create(&store, 2).await.unwrap(), Commit::Done);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_restored_backup_is_taken_without_the_log_of_its_predecessor() {
    let (folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    let backup = folder.path().join("backup.db");
    stranger(&path).execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    for n in 2..60 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    fs::rename(&backup, &path).unwrap();
    assert!(read(&store, 1).await.is_some());
    assert_eq!(read(&store, 2).await, None);
    assert_eq!(create(&store, 200).await.unwrap(), Commit::Done);
    drop(store);
    let whole: String =
        stranger(&path).pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.list(Kind::AdminKey, Filter::All, None, 1000).await.unwrap().rows.len(), 2);
}

/// Holds the lock while eight writes wait, so that they share a transaction.
async fn together(store: &Arc<Sqlite>, path: &Path) -> Vec<Result<Commit, StoreError>> {
    let other = stranger(path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked: Vec<_> = (0..9)
        .map(|n| {
            let store = Arc::clone(store);
            tokio::spawn(async move { create(&store, n).await })
        })
        .collect();
    // On one thread: when this task runs again, each of the others has asked. The first is a group of its own.
    tokio::task::yield_now().await;
    other.execute_batch("COMMIT").unwrap();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn one_bad_write_does_not_fail_its_group() {
    let (_folder, path) = place();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let refuse = "CREATE TRIGGER bad BEFORE INSERT ON records WHEN new.id = '4'
                  BEGIN SELECT RAISE(FAIL, 'bad'); END";
    stranger(&path).execute_batch(refuse).unwrap();
    let answers = together(&store, &path).await;
    for (n, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(Commit::Done) => assert_ne!(n, 4),
            Err(StoreError::Unavailable(_)) => assert_eq!(n, 4),
            other => panic!("{n}: {other:?}"),
        }
    }
    for n in 0..9 {
        assert_eq!(read(&store, n).await.is_some(), n != 4, "{n}");
    }
    stranger(&path).execute_batch("DROP TRIGGER bad").unwrap();
    assert_eq!(create(&store, 4).await.unwrap(), Commit::Done);
}

#[tokio::test]
async fn a_lost_transaction_fails_its_group_and_nothing_else() {
    let (_folder, path) = place();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let refuse = "CREATE TRIGGER bad BEFORE INSERT ON records WHEN new.id = '4'
                  BEGIN SELECT RAISE(ROLLBACK, 'bad'); END";
    stranger(&path).execute_batch(refuse).unwrap();
    let answers = together(&store, &path).await;
    let mut failed = 0;
    for (n, answer) in (0..).zip(answers) {
        assert_eq!(
            read(&store, n).await.is_some(),
            answer.is_ok(),
            "what was answered is what is there: {n}"
        );
        failed += usize::from(answer.is_err_and(|error| is_unavailable::<()>(Err(error))));
    }
    assert!(failed >= 1);
    stranger(&path).execute_batch("DROP TRIGGER bad").unwrap();
    for n in 0..9 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done, "{n}");
    }
}

#[tokio::test]
async fn a_damaged_record_is_told_and_spares_the_others() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    for n in [1, 2] {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    stranger(&path).execute("UPDATE records SET marks = x'0102' WHERE id = '1'", ()).unwrap();
    let key = Key::new(Kind::AdminKey, 1);
    for answer in [store.read(&key).await.map(|_| ()), create(&store, 1).await.map(|_| ())] {
        assert!(matches!(answer, Err(StoreError::Damaged { kind: "admin_key", .. })), "{answer:?}");
    }
    let found = Found::<AdminKey>::decode(&read(&store, 2).await.unwrap()).unwrap();
    let changes = Changes::replace(Mark::new([9; 16]), &found, &record("2"));
    assert_eq!(changes.guard(), Guard::This(Mark::new([2; 16])));
    assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
}

/// A power cut may leave any beginning of the log.
#[tokio::test]
async fn a_torn_log_loses_only_its_end() {
    let (folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    let log = path.with_extension("db-wal");
    let mut ends = Vec::new();
    for n in 0..30 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
        ends.push(fs::metadata(&log).unwrap().len());
    }
    let whole = fs::read(&log).unwrap();
    for cut in [
        0,
        17,
        32,
        1000,
        5000,
        20_000,
        33_333,
        whole.len() / 2,
        whole.len() - 3000,
        whole.len() - 1,
        whole.len(),
    ] {
        let torn = folder.path().join("torn.db");
        fs::copy(&path, &torn).unwrap();
        fs::write(torn.with_extension("db-wal"), &whole[..cut]).unwrap();
        let store = Sqlite::open(&torn).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut as u64).count();
        let listed = store.list(Kind::AdminKey, Filter::All, None, 1000).await.unwrap().rows.len();
        assert!(listed >= kept, "{listed} of {kept} committed before byte {cut}");
        assert!(listed <= kept + 1, "{listed} of {kept}: no more than what was written");
        for n in 0..30 {
            assert_eq!(read(&store, n).await.is_some(), usize::from(n) < listed, "{n}");
        }
        assert_eq!(create(&store, 200).await.unwrap(), Commit::Done);
        drop(store);
        fs::remove_file(&torn).unwrap();
    }
}
