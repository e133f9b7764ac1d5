//! Four processes over one Redis, or one over SQLite, whose clocks jump, each by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ambient::SystemClock;
use http_io::Serve;
use store::{Backend, Grant, GrantId, Redis, RedisOptions, Sqlite, Store};
use tempfile::TempDir;
use testkit::process::{Process, world};
use testkit::redis_server::RedisServer;
use tokio::time::timeout;

use crate::check::{ALL, Promise, grants};
use crate::log::{Answer, Ask, Caller, Log};
use crate::round::Rounds;
use crate::site::Site;

/// In seconds. By then nothing of a grant is good here, and its record may go.
const DAY: i64 = 86_400;

/// By how many seconds: around the leeway, a code, an access token, and a day in either direction.
const JUMPS: [i64; 10] = [0, -1, 45, -90, 301, 601, 3700, -3700, DAY, -DAY];

/// Answers between two jumps, and jumps of a round.
const BETWEEN: (u64, usize) = (30, 6);

const ROUNDS: usize = 3;

/// Within which what has expired is removed on a machine that does much else, and how often the store is asked for it.
const PATIENCE: Duration = Duration::from_secs(60);
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// What expires comes again when a clock goes back, so a refusal means nothing; but an end that was told is one.
const JUMPY: Promise = Promise { steady: false, ..ALL };

/// Processes, each with a clock of its own.
struct Clocks {
    processes: Vec<Process>,
    // What they say, and how wrong they are, is in it.
    folder: TempDir,
}

impl Clocks {
    fn start(many: usize, store: impl Fn(&Path) -> (&'static str, String)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = |number| {
            let program = env!("CARGO_BIN_EXE_skewed").to_owned();
            let skew = skew(folder.path(), number).to_str().unwrap().to_owned();
            let settings = vec![
                ("PORTCULLIS_BIN", program),
                ("PORTCULLIS_TEST_SKEW", skew),
                ("PORTCULLIS_REFRESH_IDLE_LIFETIME", "1h".to_owned()),
                store(folder.path()),
            ];
            Process::start(folder.path(), number, settings)
        };
        let processes = (0..many).map(start).collect();
        Self { processes, folder }
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

    /// Lets clients ask while clocks jump, and has the checker look. At the end of each round something more is done.
    async fn jump(&self, store: &dyn Backend, seed: u64, then: impl AsyncFn(&Site)) -> Rounds {
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
                    then(rounds.site()).await;
                    log.grows(BETWEEN.0).await;
                })
                .await;
            rounds.check(store).await;
        }
        rounds
    }

    /// What is spent or ended is removed while the clock is a day ahead, and is spent and ended when it is right again.
    async fn are_swept_for_good(&self, site: &Site, store: &dyn Backend) {
        let log = Log::default();
        let (mut codes, mut held) = (Vec::new(), Vec::new());
        self.jumps_to(0, 0);
        // A code alone; redeemed; refreshed; revoked.
        for steps in 0..4 {
            let code = site.ask(&log, 0, Ask::Authorize).await.code().unwrap().to_owned();
            let mut next = Ask::Redeem(code.clone());
            for _ in 0..steps.min(2) {
                let answer = site.ask(&log, 0, next).await;
                let (access, refresh) = answer.tokens().unwrap();
                held.push((access.to_owned(), refresh.to_owned()));
                next = Ask::Refresh(refresh.to_owned());
            }
            if let Some((_, refresh)) = held.last().filter(|_| steps == 3) {
                assert_eq!(site.ask(&log, 0, Ask::Revoke(refresh.clone())).await, Answer::Revoked);
            }
            codes.push(code);
        }
        let grants = grants(&log.take());
        assert_eq!(grants.len(), codes.len());
        self.jumps_to(0, DAY);
        for grant in grants {
            is_removed(store, grant).await;
        }
        self.jumps_to(0, 0);
        for code in codes {
            assert_eq!(site.ask(&log, 0, Ask::Redeem(code)).await, Answer::Refused);
        }
        for (access, refresh) in held {
            assert_eq!(site.ask(&log, 0, Ask::Introspect(access, Caller::Own)).await, Answer::Active(false));
            assert_eq!(site.ask(&log, 0, Ask::Refresh(refresh)).await, Answer::Refused);
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

async fn is_removed(store: &dyn Backend, grant: GrantId) {
    let store: &dyn Store = store;
    let removing = async {
        while store.find::<Grant>(grant).await.unwrap().is_some() {
            tokio::time::sleep(ASKED_EVERY).await;
        }
    };
    let removed = timeout(PATIENCE, removing).await.is_ok();
    assert!(removed, "{grant} is still there after {PATIENCE:?} of a clock that is a day ahead");
}

/// I1 to I5, I7, I11, though no two processes agree what time it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_spent_twice_by_clocks_that_jump_over_redis() {
    let redis = RedisServer::start();
    let clocks = Clocks::start(4, |_| ("PORTCULLIS_STORE", redis.url()));
    clocks.are_ready().await;
    let url = redis.url().parse().unwrap();
    let store = Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap();
    // Redis removes what its own clock takes for expired.
    clocks.jump(&store, 5, async |_| {}).await;
}

/// The same of one process, which removes what its clock takes for expired.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_spent_twice_by_a_clock_that_jumps_over_sqlite() {
    let data = |folder: &Path| folder.join("data");
    let clocks = Clocks::start(1, |folder| ("PORTCULLIS_DATA", data(folder).to_str().unwrap().to_owned()));
    clocks.are_ready().await;
    let store = Sqlite::open(&data(clocks.folder.path()).join("portcullis.db")).unwrap();
    let rounds = clocks.jump(&store, 6, async |site| clocks.are_swept_for_good(site, &store).await).await;
    eprintln!("by a clock that was ahead, {} grants were removed", rounds.gone());
    assert!(rounds.gone() > 0);
}
