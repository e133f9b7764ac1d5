//! People, clients and servers that go on as always.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testkit::client::{Client, ResourceServer};
use testkit::process::world;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::server::Server;

/// Within which each turn is over: six requests, each over a connection of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who lets a client in, whose tokens a server asks for, again and again.
pub(crate) struct Honest {
    turns: Arc<AtomicUsize>,
    work: JoinHandle<()>,
}

impl Honest {
    /// Sets all of it up, before anything is attacked.
    pub(crate) async fn at(server: &Server) -> Self {
        let world = world(server.process.way());
        let files = ResourceServer::usual(&world).await;
        let client = Client::public(&world).await;
        let mut ada = world.person("ada@example.com").await;
        client.connect(&world, &mut ada).await;
        let turns = Arc::new(AtomicUsize::new(0));
        let done = Arc::clone(&turns);
        let work = tokio::spawn(async move {
            loop {
                let turn = async {
                    let tokens = client.connect(&world, &mut ada).await;
                    assert!(files.accepts(&world, &tokens.access).await);
                    let next = client.refresh(&world, &tokens.refresh).await;
                    assert_eq!(next.status(), 200, "{}", next.text());
                    let revoked = client.revoke(&world, &next.member("refresh_token")).await;
                    assert_eq!(revoked.status(), 200, "{}", revoked.text());
                    assert!(!files.accepts(&world, &tokens.access).await);
                };
                assert!(timeout(PATIENCE, turn).await.is_ok(), "an honest client waits for {PATIENCE:?}");
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        let honest = Self { turns, work };
        honest.goes_on(1).await;
        honest
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
