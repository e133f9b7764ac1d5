//! Two processes over one Redis are one server.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer};
use testkit::redis_server::RedisServer;
use testkit::world::{Answer, Params, World, request};
use tokio::time::timeout;

use crate::process::{ADMIN_KEY, Process, world};

struct Two {
    redis: RedisServer,
    one: Process,
    other: Process,
}

impl Two {
    fn start() -> Self {
        let redis = RedisServer::start();
        let (one, other) = (Process::on_redis(&redis.url()), Process::on_redis(&redis.url()));
        Self { redis, one, other }
    }

    fn in_turn(&self) -> World {
        world(&[&self.one, &self.other], ADMIN_KEY)
    }
}

/// What is there before most cases.
struct Stage {
    server: ResourceServer,
    client: Client,
    ada: Browser,
}

impl Stage {
    async fn at(world: &World) -> Self {
        let server = ResourceServer::usual(world).await;
        let client = Client::public(world).await;
        let ada = world.person("ada@example.com").await;
        Self { server, client, ada }
    }
}

#[tokio::test]
async fn whoever_is_asked_next_knows_what_the_other_was_told() {
    let two = Two::start();
    let (all, one, other) = (two.in_turn(), two.one.world(), two.other.world());
    // Every request of this log-in, page by page, goes to the process that did not answer the one before.
    let mut stage = Stage::at(&all).await;
    let code = stage.client.code(&all, &mut stage.ada).await;
    let redeemed = stage.client.redeem(&other, &code).await;
    assert_eq!(redeemed.status(), 200, "{}", redeemed.text());
    let (access, refresh) = (redeemed.member("access_token"), redeemed.member("refresh_token"));
    for process in [&one, &other] {
        assert!(stage.server.accepts(process, &access).await);
    }
    let refreshed = stage.client.refresh(&one, &refresh).await;
    let again = stage.client.refresh(&other, &refresh).await;
    assert_eq!(
        refreshed.member("access_token"),
        again.member("access_token"),
        "a lost response is made again by the other"
    );
    let next = stage.client.refresh(&other, &refreshed.member("refresh_token")).await;
    let access = next.member("access_token");
    assert!(stage.server.accepts(&one, &access).await);

    let revoked = stage.client.revoke(&other, &next.member("refresh_token")).await;
    assert_eq!(revoked.status(), 200);
    assert!(
        !stage.server.accepts(&one, &access).await,
        "a revocation bites at the other with the next request"
    );
    let refused = stage.client.refresh(&one, &next.member("refresh_token")).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn of_both_that_are_given_one_code_one_redeems_it() {
    let two = Two::start();
    let (one, other) = (two.one.world(), two.other.world());
    let mut stage = Stage::at(&one).await;
    for _ in 0..8 {
        let code = stage.client.code(&one, &mut stage.ada).await;
        let (a, b) = tokio::join!(stage.client.redeem(&one, &code), stage.client.redeem(&other, &code));
        let mut statuses = [a.status(), b.status()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "{} {}", a.text(), b.text());
        // The loser is a replay, which ends what the winner got.
        let winner = if a.status() == 200 { a } else { b };
        assert!(!stage.server.accepts(&other, &winner.member("access_token")).await);
    }
}

/// How many wrong guesses are told that they are wrong.
async fn until_limited(mut guess: impl AsyncFnMut() -> u16) -> u32 {
    let mut guesses = 0;
    loop {
        match guess().await {
            401 => guesses += 1,
            429 => return guesses,
            other => panic!("{other}"),
        }
        assert!(guesses < 100, "nobody counts");
    }
}

#[tokio::test]
async fn limits_are_counted_together() {
    let two = Two::start();
    let all = two.in_turn();
    let guess = async |from: &str| {
        let headers = [("authorization", "Bearer a wrong admin key")];
        let request = request(Method::GET, "/api/servers", &headers, Bytes::new());
        all.send_from(request, from.parse().unwrap()).await.status()
    };
    // A window of time may end in between, but not in each of three.
    let mut counts = Vec::new();
    for from in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        counts.push(until_limited(async || guess(from).await).await);
    }
    assert!(counts.contains(&10), "ten guesses of one address in all, not ten at each process: {counts:?}");
}

/// Passwords and keys are checked by reading, which a full server goes on to do.
#[tokio::test]
async fn guesses_are_limited_by_each_process_while_redis_counts_nothing() {
    let two = Two::start();
    let one = two.one.world();
    one.person("ada@example.com").await;
    two.redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let guess = async |from: &str| {
        let headers = [("authorization", "Bearer a wrong admin key")];
        let request = request(Method::GET, "/api/servers", &headers, Bytes::new());
        one.send_from(request, from.parse().unwrap()).await.status()
    };
    let log_in = async |from: &str| {
        let body = r#"{"email":"ada@example.com","password":"a wrong password"}"#;
        let headers = [("content-type", "application/json")];
        let request = request(Method::POST, "/auth/login", &headers, body.into());
        one.send_from(request, from.parse().unwrap()).await.status()
    };
    // As above, a window of time may end in between.
    let (mut keys, mut passwords) = (Vec::new(), Vec::new());
    for from in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        keys.push(until_limited(async || guess(from).await).await);
        passwords.push(until_limited(async || log_in(from).await).await);
    }
    assert!(keys.contains(&10) && passwords.contains(&10), "{keys:?} {passwords:?}");
    let said = two.one.stop();
    assert_eq!(said.matches("this process counts alone").count(), 1, "{said}");
}

#[tokio::test]
async fn without_redis_everything_is_503_and_with_it_again_nothing_is_lost() {
    let mut two = Two::start();
    let (all, one, other) = (two.in_turn(), two.one.world(), two.other.world());
    let mut stage = Stage::at(&all).await;
    let code = stage.client.code(&all, &mut stage.ada).await;
    let tokens = stage.client.redeem(&all, &code).await;
    let (access, refresh) = (tokens.member("access_token"), tokens.member("refresh_token"));
    let waiting = stage.client.code(&all, &mut stage.ada).await;

    two.redis.kill();
    let bearer = format!("Bearer {}", stage.server.key);
    for process in [&one, &other] {
        // An answer is good for the second that it was given in.
        let noticed = async { while process.get("/ready").await.status() == 200 {} };
        timeout(Duration::from_secs(60), noticed).await.unwrap();
        let asked: [Answer; 5] = [
            stage.client.refresh(process, &refresh).await,
            stage.client.redeem(process, &waiting).await,
            process.get("/ready").await,
            process.administer(Method::GET, "/api/servers", None).await,
            process
                .post(
                    "/oauth/introspect",
                    &Params::of(&[("token", &access)]),
                    &[("authorization", bearer.as_str())],
                )
                .await,
        ];
        for answer in asked {
            assert_eq!(answer.status(), 503, "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(process.get("/health").await.status(), 200);
        let page = format!("/oauth/authorize?{}", stage.client.asking().to_query());
        let page = stage.ada.exchange(Method::GET, &page, &[], Bytes::new()).await;
        assert_eq!(page.status(), 503, "{}", page.text());
    }

    two.redis.restart();
    for process in [&one, &other] {
        let ready = async { while process.get("/ready").await.status() != 200 {} };
        timeout(Duration::from_secs(60), ready).await.unwrap();
        assert!(stage.server.accepts(process, &access).await, "what was answered was on the disk");
    }
    assert_eq!(stage.client.redeem(&one, &waiting).await.status(), 200);
    assert_eq!(stage.client.refresh(&other, &refresh).await.status(), 200);
    let code = stage.client.code(&all, &mut stage.ada).await;
    assert_eq!(stage.client.redeem(&other, &code).await.status(), 200, "Ada is still logged in");
}
