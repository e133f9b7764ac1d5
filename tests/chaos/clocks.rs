//! Four processes over one Redis, or one over SQLite, whose clocks jump, each by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::SystemClock;
use http_io::Serve;
use store::{Backend, Redis, RedisOptions, Sqlite};
use tempfile::TempDir;
use testkit::process::{Process, world};
use testkit::redis_server::RedisServer;

use crate::check::{ALL, Promise};
use crate::log::{Answer, Ask, Caller, Log};
use crate::round::Rounds;
use crate::site::Site;

/// By how many seconds: around the leeway, a code, an access token, and a day in either direction.
const JUMPS: [i64; 10] = [0, -1, 45, -90, 301, 601, 3700, -3700, 86_400, -86_400];

/// Answers between two jumps, and jumps of a round.
const BETWEEN: (u64, usize) = (30, 6);

const ROUNDS: usize = 3;

/// What expires comes again when a clock goes back, so a refusal means nothing; but an end that was told is one.
const JUMPY: Promise = Promise { steady: false, ..ALL };

/// Processes, each with a clock of its own.
struct Clocks {
    folder: TempDir,
    processes: Vec<Process>,
}

impl Clocks {
    fn start(many: usize, store: impl Fn(&Path) -> (&'static str, String)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = |number| {
            let program = env!("CARGO_BIN_EXE_skewed").to_owned();
            let skew = skew(folder.path(), number).to_str().unwrap().to_owned();
            let settings =
                vec![("PORTCULLIS_BIN", program), ("PORTCULLIS_TEST_SKEW", skew), store(folder.path())];
            Process::start(folder.path(), number, settings)
        };
        let processes = (0..many).map(start).collect();
        Self { folder, processes }
    }

    async fn are_ready(&self) {
        for process in &self.processes {
            process.is_ready().await;
        }
    }

    /// How far one is ahead from now on; behind, if negative.
    fn jumps_to(&self, number: usize, seconds: i64) {
        let skew = skew(self.folder.path(), number);
        // As a whole, so that nobody reads the half of it.
        let next = skew.with_extension("next");
        std::fs::write(&next, seconds.to_string()).unwrap();
        std::fs::rename(next, skew).unwrap();
    }

    /// Lets clients ask while clocks jump, and has the checker look.
    async fn jump(&self, store: &dyn Backend, seed: u64) {
        let ways = self.processes.iter().map(|process| process.way() as Arc<dyn Serve>).collect();
        let site = Site::set_up(&world(self.processes[0].way()), ways).await;
        self.are_believed(&site).await;
        let mut rounds = Rounds::new(site, seed).promising(JUMPY);
        for _ in 0..ROUNDS {
            rounds
                .play(async |log| {
                    for _ in 0..BETWEEN.1 {
                        log.grows(BETWEEN.0).await;
                        let number = rounds.dice().below(self.processes.len());
                        self.jumps_to(number, JUMPS[rounds.dice().below(JUMPS.len())]);
                    }
                    log.grows(BETWEEN.0).await;
                })
                .await;
            rounds.check(store, &self.processes).await;
        }
    }

    /// What is good now is not so in two hours, and is so again now.
    async fn are_believed(&self, site: &Site) {
        let log = Log::default();
        let code = site.ask(&log, 0, Ask::Authorize).await;
        let tokens = site.ask(&log, 0, Ask::Redeem(code.code().unwrap().to_owned())).await;
        let (access, _) = tokens.tokens().unwrap();
        for (ahead, good) in [(0, true), (7200, false), (0, true)] {
            self.jumps_to(0, ahead);
            let answer = site.ask(&log, 0, Ask::Introspect(access.to_owned(), Caller::Own)).await;
            assert_eq!(answer, Answer::Active(good), "{ahead} seconds ahead");
        }
    }
}

fn skew(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("skew-{number}"))
}

/// I1 to I5, I7, I11, though no two processes agree what time it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_spent_twice_by_clocks_that_jump_over_redis() {
    let redis = RedisServer::start();
    let clocks = Clocks::start(4, |_| ("PORTCULLIS_STORE", redis.url()));
    clocks.are_ready().await;
    let url = redis.url().parse().unwrap();
    let store = Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap();
    clocks.jump(&store, 5).await;
}

/// The same of one process, which sweeps what it takes for expired.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_spent_twice_by_a_clock_that_jumps_over_sqlite() {
    let data = |folder: &Path| folder.join("data");
    let clocks = Clocks::start(1, |folder| ("PORTCULLIS_DATA", data(folder).to_str().unwrap().to_owned()));
    clocks.are_ready().await;
    let store = Sqlite::open(&data(clocks.folder.path()).join("portcullis.db")).unwrap();
    clocks.jump(&store, 6).await;
}
