use ambient::SeededEntropy;
use tempfile::TempDir;

use super::*;

fn seeded() -> SeededEntropy {
    SeededEntropy::new(1)
}

#[test]
fn the_first_run_makes_a_key_and_the_second_finds_it() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("a").join("data");
    let first = DataFolder::open(&path).unwrap().master_key(&seeded()).unwrap();
    let again = DataFolder::open(&path).unwrap().master_key(&SeededEntropy::new(2)).unwrap();
    assert_eq!(first.bytes(), again.bytes());
    assert_ne!(first.bytes(), &[0; 32]);
}

#[cfg(unix)]
#[test]
fn folder_and_key_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TempDir::new().unwrap();
    let path = home.path().join("data");
    DataFolder::open(&path).unwrap().master_key(&seeded()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("master.key")), 0o600);
    assert_eq!(mode(&path.join("lock")), 0o600);
}

#[test]
fn a_database_without_its_key_is_not_started_over() {
    let home = TempDir::new().unwrap();
    let folder = DataFolder::open(home.path()).unwrap();
    fs::write(folder.database(), "").unwrap();
    let error = folder.master_key(&seeded()).unwrap_err();
    assert!(matches!(error, DataError::KeyGone { .. }), "{error}");
    assert!(error.to_string().contains("master.key is gone"), "{error}");
    assert!(!home.path().join("master.key").exists());
}

#[test]
fn a_damaged_key_is_named_and_not_replaced() {
    let home = TempDir::new().unwrap();
    let folder = DataFolder::open(home.path()).unwrap();
    fs::write(home.path().join("master.key"), "short\n").unwrap();
    assert!(matches!(folder.master_key(&seeded()), Err(DataError::KeyDamaged(_))));
    assert_eq!(fs::read_to_string(home.path().join("master.key")).unwrap(), "short\n");
}

#[test]
fn a_run_that_died_while_writing_the_key_is_forgotten() {
    let home = TempDir::new().unwrap();
    let folder = DataFolder::open(home.path()).unwrap();
    fs::write(home.path().join("master.new"), "half").unwrap();
    let key = folder.master_key(&seeded()).unwrap();
    assert_eq!(folder.master_key(&SeededEntropy::new(2)).unwrap().bytes(), key.bytes());
}

#[test]
fn a_folder_serves_one_process_at_a_time() {
    let home = TempDir::new().unwrap();
    let first = DataFolder::open(home.path()).unwrap();
    let error = DataFolder::open(home.path()).unwrap_err();
    assert!(matches!(error, DataError::InUse(_)), "{error}");
    assert!(error.to_string().contains("--data"), "{error}");
    drop(first);
    DataFolder::open(home.path()).unwrap();
}

#[test]
fn who_is_kept_out_learns_where_the_server_is_and_who_comes_later_does_not() {
    let home = TempDir::new().unwrap();
    let server = DataFolder::open(home.path()).unwrap();
    let told = || DataFolder::server_in(home.path()).unwrap();
    assert_eq!(told(), None);
    server.tell("http://127.0.0.1:8414").unwrap();
    assert_eq!(told().unwrap(), "http://127.0.0.1:8414");
    drop(server);
    let later = DataFolder::open(home.path()).unwrap();
    assert_eq!(told(), None);
    fs::write(home.path().join("lock"), "{").unwrap();
    drop(later);
    DataFolder::open(home.path()).unwrap();
    assert_eq!(told(), None);
}

#[test]
fn a_lock_file_that_is_removed_lets_nobody_in() {
    let home = TempDir::new().unwrap();
    let server = DataFolder::open(home.path()).unwrap();
    fs::remove_file(home.path().join("lock")).unwrap();
    assert!(matches!(DataFolder::open(home.path()), Err(DataError::InUse(_))));
    assert!(matches!(DataFolder::keep_quiet(home.path()), Err(DataError::InUse(_))));
    drop(server);
    DataFolder::open(home.path()).unwrap();
}

#[test]
fn whoever_only_looks_changes_nothing_and_keeps_servers_out() {
    let home = TempDir::new().unwrap();
    drop(DataFolder::open(home.path()).unwrap());
    fs::write(home.path().join("lock"), "{\"url\":\"http://127.0.0.1:1\"}").unwrap();
    let looks = (DataFolder::keep_quiet(home.path()).unwrap(), DataFolder::keep_quiet(home.path()).unwrap());
    assert!(matches!(DataFolder::open(home.path()), Err(DataError::InUse(_))));
    drop(looks);
    assert_eq!(fs::read_to_string(home.path().join("lock")).unwrap(), "{\"url\":\"http://127.0.0.1:1\"}");
    let nowhere = home.path().join("none");
    assert!(DataFolder::keep_quiet(&nowhere).is_err() && !nowhere.exists());
}

/// The attack: a service's user lays a link where root will look, and root writes through it.
#[cfg(unix)]
#[test]
fn a_folder_with_a_link_in_it_is_not_opened() {
    let home = TempDir::new().unwrap();
    let (data, theirs) = (home.path().join("data"), home.path().join("theirs"));
    for name in ["lock", "portcullis.db", "portcullis.db-wal", "portcullis.db-shm"] {
        drop(DataFolder::open(&data).unwrap());
        fs::write(&theirs, "of somebody else").unwrap();
        let _ = fs::remove_file(data.join(name));
        std::os::unix::fs::symlink(&theirs, data.join(name)).unwrap();
        assert!(matches!(DataFolder::open(&data), Err(DataError::NotPlain(_))), "{name}");
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "of somebody else", "{name}");
        fs::remove_file(data.join(name)).unwrap();
    }
}

/// The attack: a note where an admin key is to be sent.
#[cfg(unix)]
#[test]
fn where_a_server_is_is_not_believed_of_a_folder_that_others_may_write() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TempDir::new().unwrap();
    let server = DataFolder::open(home.path()).unwrap();
    server.tell("http://127.0.0.1:8414").unwrap();
    let told = |path: &Path, mode: u32| {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let told = DataFolder::server_in(home.path());
        fs::set_permissions(path, before).unwrap();
        told
    };
    for path in [home.path(), &home.path().join("lock")] {
        assert_eq!(told(path, 0o770).unwrap(), None);
        assert!(matches!(told(path, 0o777), Err(DataError::Open(_))));
        assert!(told(path, 0o755).unwrap().is_some());
    }
}
