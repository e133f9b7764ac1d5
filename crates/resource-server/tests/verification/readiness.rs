//! Readiness, and what keeps it (WE-10).

use std::time::Duration;

use http::StatusCode;
use http_io::FetchError;
use resource_server::{Fault, Jwt, Unavailable, Verifier, Verify};
use serde_json::json;
use testkit::provider::Signer;

use super::{DOWN, ISSUER, World, mat, secret, unavailable, verify};

/// Runs `keep_ready` for as long as the test goes on.
struct Kept(tokio::task::JoinHandle<()>);

impl Kept {
    fn of(verifier: &Verifier) -> Self {
        Self(tokio::spawn(verifier.keep_ready()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Lets the time of both clocks pass.
async fn pass(world: &World, seconds: u64) {
    for _ in 0..seconds {
        world.clock.advance(1);
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_starts_before_its_provider_and_becomes_ready_by_itself() {
    let world = World::new();
    let discovery = world.provider.discovery_url();
    world.net.fails(&discovery, DOWN);
    let verifier = world.jwt();
    assert!(matches!(verifier.ready(), Err(Unavailable::Discovery { fault: Fault::NotYet, .. })));
    let _kept = Kept::of(&verifier);
    pass(&world, 1).await;
    let url = "https://auth.example.com/.well-known/openid-configuration".to_owned();
    assert_eq!(verifier.ready(), Err(Unavailable::Discovery { url, fault: Fault::Fetch(DOWN) }));
    pass(&world, 120).await;
    // After 1, 2, 4, 8, 16, 32 and 60 seconds.
    let calls = world.discovery_calls();
    assert!((6..=9).contains(&calls), "{calls}");
    world.provider.publish(&world.net);
    pass(&world, 61).await;
    assert_eq!(verifier.ready(), Ok(()));
    verify(&verifier, &world.token()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_before_they_are_old() {
    let world = World::new();
    let verifier = world.jwt();
    let _kept = Kept::of(&verifier);
    pass(&world, 1).await;
    assert_eq!(world.key_calls(), 1);
    let new = Signer::es256("two");
    world.provider.publish_keys(&world.net, &[&new]);
    pass(&world, 490).await;
    assert_eq!(world.key_calls(), 2, "after 8 of 10 minutes");
    assert!(verify(&verifier, &new.token(&world.claims(json!({})))).await.is_ok());
    assert_eq!(world.key_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_verifier_stays_ready_with_old_keys() {
    let world = World::new();
    let verifier = world.jwt();
    let _kept = Kept::of(&verifier);
    pass(&world, 1).await;
    world.net.fails(&world.provider.jwks_url(), DOWN);
    pass(&world, 1200).await;
    assert_eq!(verifier.ready(), Ok(()));
    world.clock.advance(25 * 3600);
    assert!(matches!(verifier.ready(), Err(Unavailable::Keys { .. })));
}

/// A wrong key shows when the server starts, and not when the first person comes.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_shows_at_the_start() {
    let world = World::new();
    let url = world.provider.introspection_url();
    world.net.answers_status(&url, StatusCode::UNAUTHORIZED);
    let verifier = world.builder().portcullis(ISSUER, secret("sak_key")).build().unwrap();
    let _kept = Kept::of(&verifier);
    pass(&world, 1).await;
    assert_eq!(verifier.ready(), Err(Unavailable::KeyRefused { url: url.clone() }));
    pass(&world, 300).await;
    assert_eq!(verifier.ready(), Err(Unavailable::KeyRefused { url: url.clone() }), "as long as it is");
    world.net.answers(&url, json!({"active": false}));
    pass(&world, 61).await;
    assert_eq!(verifier.ready(), Ok(()));
    assert!(world.net.asked().iter().all(|one| !one.request.body().starts_with(b"token=mat_1")));
}

/// Without `keep_ready` a fault does not close the gate for ever: requests must come to find out that it is over.
#[tokio::test]
async fn a_fault_of_asking_counts_for_a_minute() {
    let world = World::new();
    let url = world.provider.introspection_url();
    world.net.fails(&url, DOWN);
    let verifier = world.builder().portcullis(ISSUER, secret("sak_key")).build().unwrap();
    assert!(verify(&verifier, &mat("1")).await.is_err());
    assert!(matches!(verifier.ready(), Err(Unavailable::Asking { .. })));
    world.clock.advance(70);
    assert_eq!(verifier.ready(), Ok(()));
}

/// Anybody can send texts that something between here and there does not let through, and must not take the server out of service.
#[tokio::test(start_paused = true)]
async fn no_token_of_anybody_changes_readiness() {
    let world = World::new();
    let url = world.provider.introspection_url();
    world.net.answers(&url, json!({"active": false}));
    let verifier = world.builder().portcullis(ISSUER, secret("sak_key")).build().unwrap();
    let _kept = Kept::of(&verifier);
    pass(&world, 1).await;
    assert_eq!(verifier.ready(), Ok(()));
    for (number, status) in [400, 401, 403, 500, 503].into_iter().enumerate() {
        world.net.answers_status(&url, StatusCode::from_u16(status).unwrap());
        unavailable(verify(&verifier, &mat(&number.to_string())).await);
        assert_eq!(verifier.ready(), Ok(()), "{status}");
    }
    for (number, fault) in
        [FetchError::TimedOut, FetchError::TooLarge, FetchError::Malformed].iter().enumerate()
    {
        world.net.fails(&url, *fault);
        unavailable(verify(&verifier, &mat(&format!("x{number}"))).await);
        assert_eq!(verifier.ready(), Ok(()), "{fault}");
    }
}

/// The issuers are named in their own words once those are known: clients compare them as texts (RFC 8414 section 3.3).
#[tokio::test]
async fn the_issuers_are_named_as_they_name_themselves() {
    let world = World::of("https://tenant.example.com/");
    let configured = "https://tenant.example.com";
    let verifier = world.builder().jwt(Jwt::issued_by(configured)).build().unwrap();
    assert_eq!(verifier.issuers()[0].as_str(), configured);
    verify(&verifier, &world.token()).await.unwrap();
    assert_eq!(verifier.issuers()[0].as_str(), "https://tenant.example.com/");
}
