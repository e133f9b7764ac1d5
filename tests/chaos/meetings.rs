//! Requests that meet at one grant, at four processes over one Redis, beside those of [`crowds`](crate::crowds).

use std::sync::Arc;

use authz_core::TokenText;
use http::Method;
use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer, Tokens, open};
use testkit::world::World;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::over_redis::Place;
use crate::times;

/// How often: each of them takes longer than a crowd.
fn seldom() -> usize {
    (times() / 40).max(4)
}

/// People at four processes.
struct Four {
    place: Place,
    worlds: Vec<Arc<World>>,
    server: ResourceServer,
    client: Client,
    ada: Browser,
}

impl Four {
    async fn new() -> Self {
        let (place, _) = Place::new("5m").await;
        let worlds: Vec<_> = place.worlds().into_iter().map(Arc::new).collect();
        let name = serde_json::json!({ "name": "Notes", "resource_url": "https://notes.example/mcp" });
        let server = ResourceServer::register(&worlds[0], &name).await;
        let client = Client { resource: Some(server.resource.clone()), ..Client::public(&worlds[0]).await };
        let mut ada = worlds[0].person("ada@notes.example").await;
        client.connect(&worlds[0], &mut ada).await;
        Self { place, worlds, server, client, ada }
    }

    /// Of any number, the process that it comes to.
    fn at(&self, n: usize) -> Arc<World> {
        Arc::clone(&self.worlds[n % self.worlds.len()])
    }

    async fn tokens(&mut self) -> Tokens {
        self.client.connect(&self.worlds[0], &mut self.ada).await
    }

    /// The same browser, at another process.
    fn ada_at(&self, n: usize) -> Browser {
        let mut browser = self.at(n).browser();
        for set in &self.ada.set {
            let pair = set.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=').filter(|(_, value)| !value.is_empty()) {
                browser.plant(name, value);
            }
        }
        browser
    }

    /// Whether anybody takes it.
    async fn is_dead(&self, access: &str) -> bool {
        for world in &self.worlds {
            if self.server.accepts(world, access).await {
                return false;
            }
        }
        true
    }
}

/// The bearer of a grant, who refreshes at one process after the other and never stops until it is refused.
///
/// One alone: two who do not wait for each other present what is too old, and end the grant themselves.
struct Bearer {
    written: watch::Receiver<usize>,
    writing: JoinHandle<Vec<Tokens>>,
}

impl Bearer {
    fn of(four: &Four, tokens: &Tokens) -> Self {
        let (writes, written) = watch::channel(0);
        let (worlds, client) = (four.worlds.clone(), four.client.clone());
        let mut held = vec![tokens.clone()];
        let writing = tokio::spawn(async move {
            for world in worlds.iter().cycle() {
                let answer = client.refresh(world, &held[held.len() - 1].refresh).await;
                if answer.status() != 200 {
                    break;
                }
                held.push(Tokens::of(&answer));
                writes.send_replace(held.len());
            }
            held
        });
        Self { written, writing }
    }

    /// Waits until it holds as many.
    async fn holds(&mut self, many: usize) {
        self.written.wait_for(|held| *held >= many).await.unwrap();
    }

    /// All that it ever got, after it was refused.
    async fn refused(self) -> Vec<Tokens> {
        self.writing.await.unwrap()
    }
}

/// I4: revoke meets refresh. From its answer on nothing of the grant works anywhere, though its bearer goes on writing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_wins_at_once_against_a_bearer_who_never_stops() {
    let mut four = Four::new().await;
    for n in 0..seldom() {
        let tokens = four.tokens().await;
        let mut bearer = Bearer::of(&four, &tokens);
        bearer.holds(2 + n % 4).await;
        let answer = four.client.revoke(&four.at(n), &tokens.refresh).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(four.is_dead(&tokens.access).await);
        for tokens in bearer.refused().await {
            assert!(four.is_dead(&tokens.access).await);
            let again = four.client.refresh(&four.at(n), &tokens.refresh).await;
            assert_eq!(again.refusal(), (400, "invalid_grant".to_owned()));
        }
    }
}

/// I7: a client that is deleted while its tokens are in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_is_deleted_while_its_tokens_are_in_use_can_do_nothing_from_then_on() {
    let mut four = Four::new().await;
    let tokens = four.tokens().await;
    let mut bearer = Bearer::of(&four, &tokens);
    bearer.holds(10).await;
    assert!(four.server.accepts(&four.at(0), &tokens.access).await);
    let deleted =
        four.at(1).administer(Method::DELETE, &format!("/api/clients/{}", four.client.id), None).await;
    assert!(matches!(deleted.status(), 200 | 204), "{}", deleted.text());
    assert!(four.is_dead(&tokens.access).await);
    for tokens in bearer.refused().await {
        assert!(four.is_dead(&tokens.access).await);
        for n in 0..four.worlds.len() {
            let again = four.client.refresh(&four.at(n), &tokens.refresh).await;
            assert_eq!(again.refusal(), (401, "invalid_client".to_owned()));
        }
    }
}

/// I9, I1: the consent page in many windows, and yes in all of them at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_yeses_to_one_request_make_one_code() {
    let mut four = Four::new().await;
    for n in 0..seldom() {
        let asking = four.client.asking().and("prompt", "consent");
        let world = four.at(0);
        let page = open(&world, &mut four.ada, &asking).await.page();
        let pressing: JoinSet<_> = (0..4)
            .map(|tab| {
                let (mut browser, form) = (four.ada_at(n + tab), page.form("Allow").clone());
                async move { browser.press(&form, "Allow").await.callback().1 }
            })
            .collect();
        let answers = pressing.join_all().await;
        let code = answers[0].one("code").unwrap();
        assert!(answers.iter().all(|answer| answer.one("code") == Some(code)), "{answers:?}");
        let tokens = Tokens::of(&four.client.redeem(&four.at(n), code).await);
        let again = four.client.redeem(&four.at(n + 1), code).await;
        assert_eq!(again.refusal(), (400, "invalid_grant".to_owned()));
        assert!(four.is_dead(&tokens.access).await);
    }
}

/// I2, I3: a backup that is put back. What people hold is newer than the store, is taken, and is spent once; what it replaced is a
/// replay.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_set_back_to_an_older_state_logs_nobody_out_and_spends_nothing_twice() {
    let mut four = Four::new().await;
    let mut people = Vec::new();
    for _ in 0..12 {
        people.push(vec![four.tokens().await]);
    }
    let backup = four.place.redis().back_up();
    four.place.is_well().await;
    for (n, held) in people.iter_mut().enumerate() {
        for _ in 0..1 + n % 3 {
            let answer = four.client.refresh(&four.at(n), &held[held.len() - 1].refresh).await;
            held.push(Tokens::of(&answer));
        }
    }
    four.place.redis().go_back(&backup);
    four.place.is_well().await;
    for (n, held) in people.iter().enumerate() {
        let newest = &held[held.len() - 1].refresh;
        let refreshing: JoinSet<_> = (0..16)
            .map(|process| {
                let (world, client, token) = (four.at(process), four.client.clone(), newest.clone());
                async move { Tokens::of(&client.refresh(&world, &token).await) }
            })
            .collect();
        let answers = refreshing.join_all().await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(TokenText::parse(&answers[0].refresh).unwrap().number as usize, held.len() + 1);
        assert!(four.server.accepts(&four.at(n), &answers[0].access).await);
        let replayed = four.client.refresh(&four.at(n), &held[0].refresh).await;
        assert_eq!(replayed.refusal(), (400, "invalid_grant".to_owned()));
        assert!(four.is_dead(&answers[0].access).await);
    }
}
