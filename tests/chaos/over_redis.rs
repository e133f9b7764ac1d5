//! Four processes over one Redis, each by a way of its own on which things go wrong.

use std::sync::Arc;

use ambient::SystemClock;
use http_io::Serve;
use store::{Redis, RedisOptions};
use testkit::process::{Process, world};
use testkit::redis_proxy::{Done, Mischief, RedisProxy};
use testkit::redis_server::RedisServer;
use testkit::world::World;

use crate::round::Rounds;
use crate::site::Site;
use crate::{MANY, kills};

const PROCESSES: usize = 4;

/// Answers of a round before something is killed, and after everything is back.
const BEFORE_AND_AFTER: (u64, u64) = (60, 40);

pub(crate) struct Place {
    redis: RedisServer,
    proxies: Vec<RedisProxy>,
    processes: Vec<Process>,
    // The logs of the processes are in it.
    _folder: tempfile::TempDir,
}

impl Place {
    /// Where nothing goes wrong yet, with this for the leeway of refreshing, and this for how long Redis may take. It is short where
    /// Redis fails, and long where every answer is expected, though shorter than clients wait.
    pub(crate) async fn new(leeway: &str, redis: &str) -> (Self, Site) {
        let server = RedisServer::start();
        let folder = tempfile::tempdir().unwrap();
        let (mut proxies, mut processes) = (Vec::new(), Vec::new());
        for number in 0..PROCESSES {
            let proxy = RedisProxy::to(server.port(), number as u64).await;
            let settings = vec![
                ("PORTCULLIS_STORE", proxy.url()),
                ("PORTCULLIS_REDIS_TIMEOUT", redis.to_owned()),
                ("PORTCULLIS_REFRESH_LEEWAY", leeway.to_owned()),
                ("PORTCULLIS_CODE_LIFETIME", "10m".to_owned()),
            ];
            processes.push(Process::start(folder.path(), number, settings));
            proxies.push(proxy);
        }
        for process in &processes {
            process.is_ready().await;
        }
        let ways = processes.iter().map(|process| process.way() as Arc<dyn Serve>).collect();
        let site = Site::set_up(&world(processes[0].way()), ways).await;
        (Self { redis: server, proxies, processes, _folder: folder }, site)
    }

    /// Each process as administrators and people see it.
    pub(crate) fn worlds(&self) -> Vec<World> {
        self.processes.iter().map(|process| world(process.way())).collect()
    }

    /// The Redis of all of them.
    pub(crate) const fn redis(&mut self) -> &mut RedisServer {
        &mut self.redis
    }

    /// Each way has its own weather.
    fn mischief(&self, rounds: &Rounds) {
        for proxy in &self.proxies {
            let mischief = match rounds.dice().below(6) {
                0 => Mischief { delayed: 200, ..Mischief::default() },
                1 => Mischief { cut: 30, delayed: 30, ..Mischief::default() },
                2 => Mischief { doubled: 1000, delayed: 100, ..Mischief::default() },
                3 => Mischief { dropped: 15, delayed: 30, ..Mischief::default() },
                4 => Mischief { delayed: 30, dropped: 5, cut: 10, doubled: 500 },
                _ => Mischief::default(),
            };
            proxy.does(mischief);
            // Connections that were there before are not doubled.
            if mischief.doubled > 0 || rounds.dice().falls(50) {
                proxy.cut_all();
            }
        }
    }

    /// What went wrong so far, on all ways.
    fn done(&self) -> Done {
        self.proxies.iter().map(RedisProxy::so_far).sum()
    }

    /// Nothing goes wrong any more, and all are ready.
    pub(crate) async fn is_well(&self) {
        for proxy in &self.proxies {
            proxy.does(Mischief::default());
            proxy.cut_all();
        }
        for process in &self.processes {
            process.is_ready().await;
        }
    }

    async fn check(&self, rounds: &mut Rounds) {
        let url = self.redis.url().parse().unwrap();
        let store = Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap();
        rounds.check(&store).await;
    }
}

/// I1 to I5, I7, I11, and nothing answered is lost (`appendfsync always`).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_killed_over_redis_nothing_is_spent_twice_and_nothing_answered_is_lost() {
    let (mut place, site) = Place::new("5m", "1s").await;
    let mut rounds = Rounds::new(site, 1);
    let (mut killed, wanted) = (0, kills());
    while killed < wanted {
        place.mischief(&rounds);
        let (victims, redis) = match rounds.dice().below(5) {
            0 => (Vec::new(), true),
            1 => (vec![rounds.dice().below(PROCESSES)], true),
            2 => (vec![0, 1, 2, 3], false),
            3 => (vec![rounds.dice().below(2), 2 + rounds.dice().below(2)], false),
            _ => (vec![rounds.dice().below(PROCESSES)], false),
        };
        rounds
            .play(async |log| {
                log.grows(BEFORE_AND_AFTER.0).await;
                for victim in &victims {
                    place.processes[*victim].kill();
                }
                if redis {
                    place.redis.kill();
                    place.redis.restart();
                }
                for victim in &victims {
                    place.processes[*victim].restart();
                }
                log.grows(BEFORE_AND_AFTER.1).await;
            })
            .await;
        killed += victims.len() + usize::from(redis);
        place.is_well().await;
        place.check(&mut rounds).await;
        eprintln!("over Redis: {killed} of {wanted} kills, {}, {}", place.done(), rounds.so_far());
    }
    let done @ Done { delayed, dropped, cut, doubled } = place.done();
    assert!(wanted < MANY || [delayed, dropped, cut, doubled].iter().all(|often| *often > 0), "{done}");
}
