//! Limits: 429 with `Retry-After`, by address, account and session (AS-4, AS-52, WA-9).

use std::net::IpAddr;

use ambient::Clock as _;
use authz_core::{Limit, Rate};
use http::Method;
use serde_json::json;
use testkit::client::{CALLBACK, Client, ResourceServer, metadata, open};
use testkit::world::{Answer, PASSWORD, World, request};

use crate::run::{Run, Stage};

async fn post_from(world: &World, address: &str, path: &str, body: &serde_json::Value) -> Answer {
    let headers = [("content-type", "application/json")];
    let peer: IpAddr = address.parse().unwrap();
    world.send_from(request(Method::POST, path, &headers, body.to_string().into()), peer).await
}

fn assert_limited(answer: &Answer, longest: i64) {
    assert_eq!(answer.status(), 429, "{}", answer.text());
    let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=longest).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// AS-52: sixty registrations a minute from one address, an IPv6 one taken by its /64.
async fn as52_registrations_are_limited_by_address(run: Run) {
    let world = run.world().await;
    let said = metadata("none", CALLBACK);
    for (one, same, other) in [
        ("203.0.113.1", "203.0.113.1", "203.0.113.2"),
        ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:2::1"),
    ] {
        for _ in 0..60 {
            assert_eq!(post_from(&world, one, "/oauth/register", &said).await.status(), 201);
        }
        let limited = post_from(&world, same, "/oauth/register", &said).await;
        assert_limited(&limited, 60);
        assert_eq!(limited.header("access-control-allow-origin"), Some("*"));
        assert_eq!(post_from(&world, other, "/oauth/register", &said).await.status(), 201);
    }
    world.clock.advance(60);
    assert_eq!(post_from(&world, "203.0.113.1", "/oauth/register", &said).await.status(), 201);
}

/// AS-4: guesses at one account are limited by where they come from, so that nobody locks its owner out; the right password
/// does not help beyond the limit.
async fn as04_guesses_at_one_account_from_one_address_are_limited(run: Run) {
    let world = run.world().await;
    world.person("ada@example.com").await;
    let wrong = json!({ "email": "ada@example.com", "password": "wrong password" });
    let right = json!({ "email": "ADA@example.com ", "password": PASSWORD });
    for number in 1..=10 {
        assert_eq!(post_from(&world, "203.0.113.1", "/auth/login", &wrong).await.status(), 401, "{number}");
    }
    for body in [&wrong, &right] {
        assert_limited(&post_from(&world, "203.0.113.1", "/auth/login", body).await, 300);
    }
    assert_eq!(post_from(&world, "203.0.113.2", "/auth/login", &right).await.status(), 200);
    world.clock.advance(300);
    assert_eq!(post_from(&world, "203.0.113.1", "/auth/login", &right).await.status(), 200);
}

/// AS-4: what is waited for grows, and ends with the right password.
async fn as04_whoever_goes_on_guessing_waits_longer_until_the_right_password_comes(run: Run) {
    let world = run.world().await;
    world.person("ada@example.com").await;
    // At the beginning of a window of half an hour.
    let now = world.clock.now().0;
    world.clock.advance(10_800 - now.rem_euclid(10_800));
    let wrong = json!({ "email": "ada@example.com", "password": "wrong password" });
    let right = json!({ "email": "ada@example.com", "password": PASSWORD });
    let log_in = async |body| post_from(&world, "203.0.113.1", "/auth/login", body).await;
    for _ in 0..2 {
        for _ in 0..10 {
            assert_eq!(log_in(&wrong).await.status(), 401);
        }
        assert_limited(&log_in(&wrong).await, 300);
        world.clock.advance(300);
    }
    let waits = log_in(&right).await;
    assert_limited(&waits, 1_200);
    assert_eq!(waits.header("retry-after"), Some("1200"));
    world.clock.advance(1_200);
    assert_eq!(log_in(&right).await.status(), 200);
    for _ in 0..10 {
        assert_eq!(log_in(&wrong).await.status(), 401, "nothing is left of what was before");
    }
    assert_limited(&log_in(&right).await, 300);
}

/// AS-4: and from wherever they come, to a hundred.
async fn as04_guesses_at_one_account_are_limited_wherever_they_come_from(run: Run) {
    let world = run.world().await;
    world.person("ada@example.com").await;
    let wrong = json!({ "email": "ada@example.com", "password": "wrong password" });
    for number in 1..=100 {
        let answer = post_from(&world, &format!("203.0.113.{number}"), "/auth/login", &wrong).await;
        assert_eq!(answer.status(), 401, "{number}");
    }
    let right = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_limited(&post_from(&world, "203.0.113.200", "/auth/login", &right).await, 300);
    world.clock.advance(300);
    assert_eq!(post_from(&world, "203.0.113.200", "/auth/login", &right).await.status(), 200);
}

/// AS-4: an unknown account is limited as a known one is, so that the limit tells nothing.
async fn as04_the_limit_does_not_tell_which_accounts_there_are(run: Run) {
    let world = run.world().await;
    let wrong = json!({ "email": "nobody@example.com", "password": "wrong password" });
    for _ in 0..10 {
        assert_eq!(post_from(&world, "203.0.113.1", "/auth/login", &wrong).await.status(), 401);
    }
    assert_limited(&post_from(&world, "203.0.113.1", "/auth/login", &wrong).await, 300);
}

/// AS-4: log-ins are limited by address, over all accounts; the page says when to come back.
async fn as04_log_ins_are_limited_by_address(run: Run) {
    let world = run.world().await;
    let mut browser = world.browser();
    let form = browser.open("/login").await.page().form("Log in");
    for number in 0..30 {
        let filled =
            form.clone().fill("Email", &format!("a{number}@example.com")).fill("Password", "wrong password");
        assert_eq!(browser.press(&filled, "Log in").await.page().answer.status(), 401, "{number}");
    }
    let page = browser
        .press(&form.fill("Email", "ada@example.com").fill("Password", PASSWORD), "Log in")
        .await
        .page();
    assert_limited(&page.answer, 60);
    assert!(
        page.html.texts("p").iter().any(|text| text.contains("Too many attempts")),
        "{}",
        page.answer.text()
    );
}

/// Sign-ups are limited by address.
async fn sign_ups_are_limited_by_address(run: Run) {
    let world = run.world().await;
    let account = |number: u32| json!({ "email": format!("a{number}@example.com"), "password": PASSWORD });
    for number in 0..20 {
        assert_eq!(post_from(&world, "203.0.113.1", "/auth/signup", &account(number)).await.status(), 201);
    }
    assert_limited(&post_from(&world, "203.0.113.1", "/auth/signup", &account(20)).await, 600);
    assert_eq!(post_from(&world, "203.0.113.2", "/auth/signup", &account(20)).await.status(), 201);
}

/// Section 3: at most 32 requests of a session in ten minutes wait for consent.
async fn requests_that_wait_for_consent_are_limited_by_session(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for _ in 0..32 {
        open(&world, &mut ada, &client.asking()).await.page();
    }
    let (_, callback) = open(&world, &mut ada, &client.asking()).await.callback();
    assert_eq!(callback.one("error"), Some("temporarily_unavailable"));
    let mut bo = world.person("bo@example.com").await;
    open(&world, &mut bo, &client.asking()).await.page();
    world.clock.advance(600);
    open(&world, &mut ada, &client.asking()).await.page();
}

/// AS-4: guesses at the admin key are limited by address; the right key does not help beyond the limit.
async fn as04_guesses_at_the_admin_key_are_limited_by_address(run: Run) {
    let world = run.world().await;
    let ask = async |address: &str, key: &str| {
        let headers = [("authorization", format!("Bearer {key}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let request = request(Method::GET, "/api/servers", &headers, bytes::Bytes::new());
        world.send_from(request, address.parse().unwrap()).await
    };
    for _ in 0..10 {
        assert_eq!(ask("203.0.113.1", "wrong").await.status(), 401);
    }
    assert_limited(&ask("203.0.113.1", "wrong").await, 60);
    // Nobody is kept out by the guesses of others from the same address.
    assert_eq!(ask("203.0.113.1", &world.admin_key).await.status(), 200);
    assert_eq!(ask("203.0.113.2", "wrong").await.status(), 401);
    world.clock.advance(60);
    assert_eq!(ask("203.0.113.1", "wrong").await.status(), 401);
}

/// A stranger cannot shift the blame: only a proxy that the operator named is believed.
async fn only_a_trusted_proxy_names_the_sender(run: Run) {
    let proxied = run.with(|config| config.trusted_proxies = vec!["10.0.0.1".parse().unwrap()]).await;
    let said = metadata("none", CALLBACK).to_string();
    let send = async |peer: &str, forwarded: &str| {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", forwarded)];
        let request = request(Method::POST, "/oauth/register", &headers, said.clone().into());
        proxied.send_from(request, peer.parse().unwrap()).await.status()
    };
    for number in 0..60 {
        assert_eq!(send("10.0.0.1", &format!("198.51.100.{number}, 203.0.113.1")).await, 201);
        assert_eq!(send("192.0.2.9", &format!("198.51.100.{number}")).await, 201);
    }
    assert_eq!(send("10.0.0.1", "198.51.100.99, 203.0.113.1").await, 429);
    assert_eq!(send("192.0.2.9", "198.51.100.99").await, 429);
    assert_eq!(send("10.0.0.1", "203.0.113.2").await, 201);
}

/// Item 9 of what hosted clients need: many people come from one address, and 429 on a refresh would throw them all out.
async fn requests_for_tokens_are_limited_by_client_and_grant_and_not_by_address(run: Run) {
    let change = |config: &mut portcullis::Config| {
        config.rates = config.rates.clone().with(Limit::Token, Rate::new(5, 60).unwrap());
    };
    let world = run.with(change).await;
    ResourceServer::usual(&world).await;
    let client = Client::public(&world).await;
    let mut ada = world.person("ada@example.com").await;
    let mut bo = world.person("bo@example.com").await;
    let (one, other) = (client.connect(&world, &mut ada).await, client.connect(&world, &mut bo).await);
    let now = world.clock.now().0;
    world.clock.advance(60 - now.rem_euclid(60));
    // Within the leeway the same answer comes again.
    for _ in 0..5 {
        assert_eq!(client.refresh(&world, &one.refresh).await.status(), 200);
    }
    let limited = client.refresh(&world, &one.refresh).await;
    assert_limited(&limited, 60);
    assert_eq!(
        limited.member("error"),
        "temporarily_unavailable",
        "no client takes it for the end of its grant"
    );
    assert_eq!(client.refresh(&world, &other.refresh).await.status(), 200);
    world.clock.advance(60);
    assert_ne!(client.refresh(&world, &one.refresh).await.status(), 429);
}

/// WA-9: and so are requests to revoke them. Whoever saw an access token keeps nobody from ending the grant.
async fn revocations_are_limited_by_client_and_grant_as_tokens_are(run: Run) {
    let change = |config: &mut portcullis::Config| {
        config.rates = config.rates.clone().with(Limit::Token, Rate::new(2, 60).unwrap());
    };
    let world = run.with(change).await;
    ResourceServer::usual(&world).await;
    let client = Client::public(&world).await;
    let mut ada = world.person("ada@example.com").await;
    let mut bo = world.person("bo@example.com").await;
    let (one, other) = (client.connect(&world, &mut ada).await, client.connect(&world, &mut bo).await);
    world.clock.advance(60 - world.clock.now().0.rem_euclid(60));
    for _ in 0..2 {
        assert_eq!(client.revoke(&world, &one.access).await.status(), 200);
    }
    assert_limited(&client.revoke(&world, &one.access).await, 60);
    assert_eq!(client.revoke(&world, &one.refresh).await.status(), 200);
    assert_eq!(client.refresh(&world, &one.refresh).await.status(), 400, "it has ended");
    assert_eq!(client.revoke(&world, &other.refresh).await.status(), 200);
}

/// An operator may switch them off.
async fn limits_can_be_switched_off(run: Run) {
    let world = run.with(|config| config.limits = false).await;
    for _ in 0..100 {
        assert_eq!(world.post_json("/oauth/register", &metadata("none", CALLBACK)).await.status(), 201);
    }
}

stamp! {
    as52_registrations_are_limited_by_address,
    as04_guesses_at_one_account_from_one_address_are_limited,
    as04_whoever_goes_on_guessing_waits_longer_until_the_right_password_comes,
    requests_for_tokens_are_limited_by_client_and_grant_and_not_by_address,
    revocations_are_limited_by_client_and_grant_as_tokens_are,
    as04_guesses_at_one_account_are_limited_wherever_they_come_from,
    as04_the_limit_does_not_tell_which_accounts_there_are,
    as04_log_ins_are_limited_by_address,
    sign_ups_are_limited_by_address,
    as04_guesses_at_the_admin_key_are_limited_by_address,
    requests_that_wait_for_consent_are_limited_by_session,
    only_a_trusted_proxy_names_the_sender,
    limits_can_be_switched_off,
}
