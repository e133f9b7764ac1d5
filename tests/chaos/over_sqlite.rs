//! One process over its embedded database, whose disk fails.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use store::Sqlite;
use testkit::process::{Process, world};

use crate::kills;
use crate::round::Rounds;
use crate::site::Site;

/// Answers of a round before something fails, and after it is mended.
const BEFORE_AND_AFTER: (u64, u64) = (80, 40);

struct Place {
    folder: tempfile::TempDir,
    processes: Vec<Process>,
}

impl Place {
    async fn new(seed: u64) -> (Self, Rounds) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        let process = Process::start(folder.path(), 0, vec![("PORTCULLIS_DATA", data)]);
        process.is_ready().await;
        let site = Site::set_up(&world(process.way()), vec![process.way()]).await;
        (Self { folder, processes: vec![process] }, Rounds::new(site, seed))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data/portcullis.db")
    }

    fn log_of_writes(&self) -> PathBuf {
        self.folder.path().join("data/portcullis.db-wal")
    }

    async fn check(&self, rounds: &mut Rounds) {
        self.processes[0].is_ready().await;
        rounds.check(&Sqlite::open(&self.file()).unwrap(), &self.processes).await;
    }
}

/// What a write that was under way when the power failed may leave behind the last one that was answered.
#[derive(Clone, Copy, Debug)]
enum Torn {
    Nothing,
    /// A frame of the log that is there already, once more, as far as it came.
    Frame(usize),
    /// What was on the disk before.
    Noise(usize),
}

impl Torn {
    fn tear(self, place: &Place) {
        let path = place.log_of_writes();
        let Ok(mut log) = File::options().read(true).append(true).open(path) else { return };
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes).unwrap();
        let left = match self {
            Self::Nothing => Vec::new(),
            Self::Frame(length) => {
                bytes.get(32..).map_or_else(Vec::new, |frames| frames[..length.min(frames.len())].to_vec())
            }
            Self::Noise(length) => (0..length).map(|n| (n * n % 251) as u8).collect(),
        };
        log.write_all(&left).unwrap();
    }
}

/// I1 to I5, I7, I11, and nothing answered is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_killed_over_sqlite_nothing_is_spent_twice_and_nothing_answered_is_lost() {
    let (mut place, mut rounds) = Place::new(2).await;
    let wanted = kills();
    for killed in 1..=wanted {
        let torn = match rounds.dice().below(4) {
            0 => Torn::Nothing,
            1 => Torn::Frame(1 + rounds.dice().below(9000)),
            2 => Torn::Noise(1 + rounds.dice().below(9000)),
            _ => Torn::Frame(4096 + 24),
        };
        rounds
            .play(async |log| {
                log.grows(BEFORE_AND_AFTER.0).await;
                place.processes[0].kill();
                torn.tear(&place);
                place.processes[0].restart();
                log.grows(BEFORE_AND_AFTER.1).await;
            })
            .await;
        place.check(&mut rounds).await;
        eprintln!("over SQLite: {killed} of {wanted} kills, {}", rounds.so_far());
    }
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
                // Less than what is there, and just as much: then it is the log of writes that cannot grow.
                let longest = std::fs::metadata(place.log_of_writes()).unwrap().len();
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
    for _ in 0..2 {
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
