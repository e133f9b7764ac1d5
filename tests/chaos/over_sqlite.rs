//! One process over its embedded database, whose disk fails.

use std::path::PathBuf;

use store::Sqlite;
use testkit::process::{Process, world};

use crate::round::Rounds;
use crate::site::Site;
use crate::torn::{Tears, Torn, log_of};
use crate::{MANY, kills};

/// Answers of a round before something fails, and after it is mended.
const BEFORE_AND_AFTER: (u64, u64) = (80, 40);

struct Place {
    processes: Vec<Process>,
    // The database and the logs of the processes are in it.
    folder: tempfile::TempDir,
}

impl Place {
    async fn new(seed: u64) -> (Self, Rounds) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        let process = Process::start(folder.path(), 0, vec![("PORTCULLIS_DATA", data)]);
        process.is_ready().await;
        let site = Site::set_up(&world(process.way()), vec![process.way()]).await;
        (Self { processes: vec![process], folder }, Rounds::new(site, seed))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data/portcullis.db")
    }

    async fn check(&self, rounds: &mut Rounds) {
        self.processes[0].is_ready().await;
        rounds.check(&Sqlite::open(&self.file()).unwrap()).await;
    }
}

/// I1 to I5, I7, I11, and nothing answered is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_killed_over_sqlite_nothing_is_spent_twice_and_nothing_answered_is_lost() {
    let (mut place, mut rounds) = Place::new(2).await;
    let (wanted, mut tears) = (kills(), Tears::default());
    for killed in 1..=wanted {
        let torn = Torn::of(killed, rounds.dice());
        rounds
            .play(async |log| {
                log.grows(BEFORE_AND_AFTER.0).await;
                place.processes[0].kill();
                tears = tears.and(torn.tear(&place.file()));
                place.processes[0].restart();
                log.grows(BEFORE_AND_AFTER.1).await;
            })
            .await;
        place.check(&mut rounds).await;
        eprintln!("over SQLite: {killed} of {wanted} kills, {tears}, {}", rounds.so_far());
    }
    assert!(tears.torn * 2 > wanted, "{tears}");
    assert!(wanted < MANY || tears.amid > 0, "{tears}");
}

/// What a full disk does: a write fails in the middle of its work. Answers are 503 until there is room again.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_loses_nothing_that_was_answered() {
    let (place, mut rounds) = Place::new(3).await;
    for round in 0..4 {
        rounds
            .play(async |log| {
                log.grows(BEFORE_AND_AFTER.0).await;
                // Less than what is there, and just as much: then it is the log of writes that cannot grow. It begins anew after a
                // thousand pages, and has to meet the limit before.
                let longest = std::fs::metadata(log_of(&place.file())).unwrap().len().min(500 * 4096);
                place.processes[0].limit_files(Some(if round % 2 == 0 { 4096 } else { longest + 5000 }));
                log.meets(crate::log::Answer::Unavailable, 20).await;
                place.processes[0].limit_files(None);
                log.grows(BEFORE_AND_AFTER.1).await;
            })
            .await;
        place.check(&mut rounds).await;
    }
}

/// Somebody else has the database for longer than the server waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_locked_file_loses_nothing_that_was_answered() {
    let (place, mut rounds) = Place::new(4).await;
    // One more than a stop of the machine can spoil.
    for _ in 0..3 {
        rounds
            .play(async |log| {
                log.grows(BEFORE_AND_AFTER.0).await;
                let other = rusqlite::Connection::open(place.file()).unwrap();
                other.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                log.meets(crate::log::Answer::Unavailable, 4).await;
                other.execute_batch("ROLLBACK").unwrap();
                log.grows(BEFORE_AND_AFTER.1).await;
            })
            .await;
        place.check(&mut rounds).await;
    }
}
