//! People, clients and servers that go on as always.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer};
use testkit::process::world;
use testkit::world::World;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout};

use crate::server::Server;

/// Turns before anything is attacked, which say how long one takes.
const CALM: usize = 5;

/// How many times as long as any of these a turn may take under attack.
const SLOWER: u32 = 20;

/// What a turn may take whatever it took before, on a machine that is busy; and what it may not take whatever it took before.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(40));

/// How long the turns of somebody honest take, before an attack and under it. At its end it says so.
pub(crate) struct Pace {
    calm: Duration,
    most: Duration,
    longest: Mutex<Duration>,
}

impl Pace {
    /// Of somebody whose turn took so long before.
    fn of(calm: Duration) -> Self {
        let most = (calm * SLOWER).clamp(BOUNDS.0, BOUNDS.1);
        Self { calm, most, longest: Mutex::default() }
    }

    /// As long as some turns take before anything is attacked.
    pub(crate) async fn before(mut turn: impl AsyncFnMut()) -> Self {
        let mut calm = Duration::ZERO;
        for _ in 0..CALM {
            let began = Instant::now();
            turn().await;
            calm = calm.max(began.elapsed());
        }
        Self::of(calm)
    }

    /// One more turn, which may not take much longer.
    pub(crate) async fn keeps(&self, turn: impl Future<Output = ()>) {
        let began = Instant::now();
        let served = timeout(self.most, turn).await.is_ok();
        assert!(served, "an honest turn takes {:?}, and more than {:?} under attack", self.calm, self.most);
        let mut longest = self.longest.lock();
        *longest = longest.max(began.elapsed());
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        let Self { calm, most, longest } = self;
        eprintln!(
            "an honest turn: {calm:.1?} before, {:.1?} at the longest since, of {most:.1?}",
            longest.lock()
        );
    }
}

/// Somebody who lets a client in, whose tokens a server asks for, again and again.
pub(crate) struct Honest {
    turns: Arc<AtomicUsize>,
    work: JoinHandle<()>,
}

impl Honest {
    /// Sets all of it up, before anything is attacked.
    pub(crate) async fn at(server: &Server) -> Self {
        let mut people = People::at(server).await;
        let pace = Pace::before(async || people.turn().await).await;
        let turns = Arc::new(AtomicUsize::new(0));
        let done = Arc::clone(&turns);
        let work = tokio::spawn(async move {
            loop {
                pace.keeps(people.turn()).await;
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { turns, work }
    }

    /// Waits for so many more turns, in which everything was answered as always.
    pub(crate) async fn goes_on(&self, turns: usize) {
        let wanted = self.turns.load(Ordering::SeqCst) + turns;
        let mut looks = interval(Duration::from_millis(20));
        while self.turns.load(Ordering::SeqCst) < wanted {
            assert!(!self.work.is_finished(), "an honest client was not served; see above");
            looks.tick().await;
        }
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.work.abort();
    }
}

struct People {
    world: World,
    files: ResourceServer,
    client: Client,
    ada: Browser,
}

impl People {
    async fn at(server: &Server) -> Self {
        let world = world(server.process.way());
        let files = ResourceServer::usual(&world).await;
        let client = Client::public(&world).await;
        let mut ada = world.person("ada@example.com").await;
        client.connect(&world, &mut ada).await;
        Self { world, files, client, ada }
    }

    /// Six requests, each over a connection of its own.
    async fn turn(&mut self) {
        let Self { world, files, client, ada } = self;
        let tokens = client.connect(world, ada).await;
        assert!(files.accepts(world, &tokens.access).await);
        let next = client.refresh(world, &tokens.refresh).await;
        assert_eq!(next.status(), 200, "{}", next.text());
        let revoked = client.revoke(world, &next.member("refresh_token")).await;
        assert_eq!(revoked.status(), 200, "{}", revoked.text());
        assert!(!files.accepts(world, &tokens.access).await);
    }
}

#[test]
fn a_turn_may_be_slower_under_attack_but_not_without_bound() {
    let of = |calm| Pace::of(Duration::from_millis(calm)).most.as_millis();
    assert_eq!([of(10), of(600), of(60_000)], [10_000, 12_000, 40_000]);
}

#[tokio::test]
#[should_panic(expected = "an honest turn takes 1ms, and more than 20ms under attack")]
async fn who_is_starved_is_found_out() {
    let mut pace = Pace::of(Duration::from_millis(1));
    pace.most = Duration::from_millis(20);
    pace.keeps(std::future::pending()).await;
}
