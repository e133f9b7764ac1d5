//! Requests that meet at one grant, at four processes over one Redis, beside those of [`crowds`](crate::crowds).

use std::sync::Arc;

use authz_core::TokenText;
use http::Method;
use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer, Tokens, open};
use testkit::world::World;
use tests::bearer::Bearer;
use tests::crowd::times;
use tokio::task::JoinSet;

use crate::over_redis::Place;

/// How often, at least: each of them takes longer than a crowd.
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
        let (place, _) = Place::new("5m", "30s").await;
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

    /// Whoever holds these tokens, and what they get instead of more at last: a status and an error.
    fn bearer(&self, tokens: &Tokens) -> Bearer<Tokens, (u16, String)> {
        let (worlds, client) = (self.worlds.clone(), self.client.clone());
        Bearer::of(tokens.clone(), move |n, held| {
            let (world, client) = (Arc::clone(&worlds[n % worlds.len()]), client.clone());
            async move {
                let answer = client.refresh(&world, &held.refresh).await;
                if answer.status() == 200 { Ok(Tokens::of(&answer)) } else { Err(answer.refusal()) }
            }
        })
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

    /// Nobody takes them, whichever process they come to.
    async fn is_over(&self, n: usize, tokens: &Tokens) {
        assert!(self.is_dead(&tokens.access).await);
        let again = self.client.refresh(&self.at(n), &tokens.refresh).await;
        assert_eq!(again.refusal(), (400, "invalid_grant".to_owned()));
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

/// I4: revoke meets refresh. From its answer on nothing of the grant works anywhere, though its bearer goes on writing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_wins_at_once_against_a_bearer_who_never_stops() {
    let mut four = Four::new().await;
    let (mut n, mut met) = (0, 0);
    // Until one of them has met a refresh.
    while n < seldom() || met == 0 {
        assert!(n < seldom() + 40, "none of {n} met a refresh");
        n += 1;
        let tokens = four.tokens().await;
        let mut bearer = four.bearer(&tokens);
        bearer.holds(2 + n % 4).await;
        let before = bearer.held();
        let answer = four.client.revoke(&four.at(n), &tokens.refresh).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(four.is_dead(&tokens.access).await);
        let (all, refusal) = bearer.refused().await;
        assert_eq!(refusal, (400, "invalid_grant".to_owned()));
        met += usize::from(all.len() > before);
        for tokens in all {
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
    let mut bearer = four.bearer(&tokens);
    bearer.holds(10).await;
    assert!(four.server.accepts(&four.at(0), &tokens.access).await);
    let deleted =
        four.at(1).administer(Method::DELETE, &format!("/api/clients/{}", four.client.id), None).await;
    assert!(matches!(deleted.status(), 200 | 204), "{}", deleted.text());
    assert!(four.is_dead(&tokens.access).await);
    let (all, refusal) = bearer.refused().await;
    assert_eq!(refusal, (401, "invalid_client".to_owned()));
    for tokens in all {
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

/// I1 to I3: a backup that is put back. Who is in it stays logged in, and whatever it can know of is spent once. What it cannot know is
/// among the accepted risks of `docs/threats.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_set_back_logs_out_nobody_it_knows_and_spends_nothing_twice_that_it_knows_of() {
    let mut four = Four::new().await;
    let (mut people, mut codes, mut redeemed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..12 {
        people.push(vec![four.tokens().await]);
    }
    for _ in 0..4 {
        codes.push(four.client.code(&four.worlds[0], &mut four.ada).await);
    }
    let backup = four.place.redis().back_up();
    four.place.is_well().await;
    for (n, held) in people.iter_mut().enumerate() {
        for _ in 0..1 + n % 3 {
            let answer = four.client.refresh(&four.at(n), &held[held.len() - 1].refresh).await;
            held.push(Tokens::of(&answer));
        }
    }
    for (n, code) in codes.into_iter().enumerate() {
        redeemed.push((Tokens::of(&four.client.redeem(&four.at(n), &code).await), code));
    }
    let newcomer = four.tokens().await;
    four.place.redis().go_back(&backup);
    four.place.is_well().await;
    // A code does not last for long, so these are first.
    for (n, (first, code)) in redeemed.iter().enumerate() {
        // The backup has it as unused: it is redeemed once more, and what it gave at first is nothing.
        four.is_over(n, first).await;
        let second = Tokens::of(&four.client.redeem(&four.at(n + 1), code).await);
        four.is_over(n, first).await;
        assert!(four.server.accepts(&four.at(n), &second.access).await);
        let replayed = four.client.redeem(&four.at(n + 2), code).await;
        assert_eq!(replayed.refusal(), (400, "invalid_grant".to_owned()));
        four.is_over(n, &second).await;
    }
    for (n, held) in people.iter().enumerate() {
        let (newest, replaced) = (&held[held.len() - 1], &held[held.len() - 2].refresh);
        if n.is_multiple_of(2) {
            // It was spent since the backup, of which nothing tells before the newest comes: it gives what it gave.
            let again = Tokens::of(&four.client.refresh(&four.at(n), replaced).await);
            assert_eq!(again, *newest);
        }
        let refreshing: JoinSet<_> = (0..16)
            .map(|process| {
                let (world, client) = (four.at(process), four.client.clone());
                let token = newest.refresh.clone();
                async move { Tokens::of(&client.refresh(&world, &token).await) }
            })
            .collect();
        let answers = refreshing.join_all().await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(TokenText::parse(&answers[0].refresh).unwrap().number as usize, held.len() + 1);
        assert!(four.server.accepts(&four.at(n), &answers[0].access).await);
        // What it replaced before the store went back: nobody may spend it any more.
        let replayed = four.client.refresh(&four.at(n), replaced).await;
        assert_eq!(replayed.refusal(), (400, "invalid_grant".to_owned()));
        four.is_over(n + 1, &answers[0]).await;
    }
    four.is_over(0, &newcomer).await;
}
