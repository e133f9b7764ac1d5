//! Keys that change, and a provider that is down meanwhile (RS-12, WE-10).

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use jose::TokenError;
use resource_server::{Fault, Rejection, Unavailable, Verify as _};
use serde_json::json;
use testkit::provider::Signer;
use testkit::scripted::json_answer;

use super::{DOWN, ISSUER, World, token_error, unavailable, verify};

const UNKNOWN: Rejection =
    Rejection::Invalid(resource_server::Invalid::Token(TokenError::UnknownKey { kid: None }));

fn unknown(kid: &str) -> Rejection {
    token_error(TokenError::UnknownKey { kid: Some(kid.to_owned()) })
}

#[tokio::test]
async fn keys_are_fetched_once_and_used_for_ten_minutes() {
    let world = World::new();
    let verifier = world.jwt();
    for _ in 0..10 {
        verify(&verifier, &world.token()).await.unwrap();
    }
    world.clock.advance(599);
    verify(&verifier, &world.token()).await.unwrap();
    assert_eq!((world.discovery_calls(), world.key_calls()), (1, 1));
    world.clock.advance(61);
    verify(&verifier, &world.token()).await.unwrap();
    assert_eq!((world.discovery_calls(), world.key_calls()), (1, 2));
}

#[tokio::test]
async fn keys_are_used_for_as_long_as_the_provider_says() {
    let world = World::new();
    let jwks = json!({"keys": [world.signer.jwk()]}).to_string();
    world.net.answers_by(&world.provider.jwks_url(), move |_| {
        let mut answer = json_answer(StatusCode::OK, jwks.clone());
        answer.headers_mut().insert("cache-control", HeaderValue::from_static("public, max-age=3600"));
        answer
    });
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    world.clock.advance(3599);
    verify(&verifier, &world.token()).await.unwrap();
    assert_eq!(world.key_calls(), 1);
    world.clock.advance(100);
    verify(&verifier, &world.token()).await.unwrap();
    assert_eq!(world.key_calls(), 2);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    let new = Signer::es256("two");
    world.provider.publish_keys(&world.net, &[&world.signer, &new]);
    verify(&verifier, &new.token(&world.claims(json!({})))).await.unwrap();
    verify(&verifier, &world.token()).await.unwrap();
    assert_eq!((world.discovery_calls(), world.key_calls()), (1, 2));
    // The old key goes: nobody accepts it once that is known.
    world.provider.publish_keys(&world.net, &[&new]);
    world.clock.advance(700);
    assert_eq!(verify(&verifier, &world.token()).await, Err(unknown("one")));
}

fn just_fetched(world: &World) -> Unavailable {
    Unavailable::Keys { url: world.provider.jwks_url(), fault: Fault::JustFetched }
}

/// Anybody can name a key.
#[tokio::test]
async fn unknown_keys_make_no_more_than_three_requests_in_30_seconds() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    let forged = |kid: &str| Signer::es256(kid).token(&world.claims(json!({})));
    for number in 0..20 {
        let kid = format!("made-up-{number}");
        let answer = verify(&verifier, &forged(&kid)).await;
        if number < 3 {
            assert_eq!(answer, Err(unknown(&kid)));
        } else {
            assert_eq!(unavailable(answer), just_fetched(&world), "nobody knows what this key is worth");
        }
    }
    assert_eq!(world.key_calls(), 4);
    world.clock.advance(29);
    unavailable(verify(&verifier, &forged("made-up")).await);
    assert_eq!(world.key_calls(), 4);
    world.clock.advance(1);
    assert_eq!(verify(&verifier, &forged("made-up")).await, Err(unknown("made-up")));
    assert_eq!(world.key_calls(), 5);
    let unnamed = json!({"alg": "ES256", "typ": "at+jwt"});
    let unnamed = Signer::es256("x").token_with(&unnamed, &world.claims(json!({})));
    assert_eq!(verify(&verifier, &unnamed).await, Err(UNKNOWN));
    assert_eq!(world.key_calls(), 6);
}

/// A client throws away a token that is 401: while strangers use up the fetches, one with a brand-new key is told to come again.
#[tokio::test]
async fn strangers_cannot_make_a_good_token_of_a_new_key_invalid() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    for kid in ["a", "b", "c"] {
        let forged = Signer::es256(kid).token(&world.claims(json!({})));
        assert!(verify(&verifier, &forged).await.is_err());
    }
    let new = Signer::es256("two");
    world.provider.publish_keys(&world.net, &[&world.signer, &new]);
    let token = new.token(&world.claims(json!({})));
    assert_eq!(unavailable(verify(&verifier, &token).await), just_fetched(&world));
    world.clock.advance(30);
    verify(&verifier, &token).await.unwrap();
}

/// The clients of a provider that was set up anew all come with the old key, and each must learn that its token is worth nothing.
#[tokio::test]
async fn a_key_that_was_looked_for_a_moment_ago_is_unknown_for_certain() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    let gone = Signer::es256("gone").token(&world.claims(json!({})));
    for _ in 0..10 {
        assert_eq!(verify(&verifier, &gone).await, Err(unknown("gone")));
    }
    assert_eq!(world.key_calls(), 4);
}

/// What was true while it was waited for is not true for ever.
#[tokio::test]
async fn a_token_that_expires_while_the_keys_are_fetched_has_expired() {
    let world = World::new();
    let verifier = world.jwt();
    let jwks = world.provider.jwks_url();
    world.net.hangs(&jwks);
    let token = world.token_with(json!({"exp": super::NOW.plus(10).0}));
    let waiting = tokio::spawn({
        let verifier = verifier.clone();
        async move { verify(&verifier, &token).await }
    });
    world.net.asked_times(&jwks, 1).await;
    world.clock.advance(100);
    world.net.let_go(&jwks);
    assert_eq!(waiting.await.unwrap(), Err(token_error(TokenError::Expired)));
}

/// RFC 7517 section 5: an issuer whose keys were stolen takes them back, all of them if need be.
#[tokio::test]
async fn keys_that_are_taken_back_are_kept_for_nobody() {
    let private = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]});
    for empty in [json!({"keys": []}), private] {
        let world = World::new();
        let verifier = world.jwt();
        verify(&verifier, &world.token()).await.unwrap();
        world.net.answers(&world.provider.jwks_url(), &empty);
        world.clock.advance(700);
        let expected = Unavailable::Keys { url: world.provider.jwks_url(), fault: Fault::NoKeys };
        for _ in 0..3 {
            assert_eq!(unavailable(verify(&verifier, &world.token()).await), expected);
            assert_eq!(verifier.ready(), Err(expected.clone()));
            world.clock.advance(1);
        }
        world.provider.publish_keys(&world.net, &[&world.signer]);
        world.clock.advance(2);
        verify(&verifier, &world.token()).await.unwrap();
    }
}

/// What somebody on the way could do is no answer of the issuer: a page of an error, or garbage.
#[tokio::test]
async fn garbage_takes_no_keys_back() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    for garbage in ["{}", "<html>", r#"{"keys":null}"#, ""] {
        world.net.answers(&world.provider.jwks_url(), garbage);
        world.clock.advance(700);
        verify(&verifier, &world.token()).await.unwrap();
    }
}

/// RFC 8414 section 3.3: the place has another owner now.
#[tokio::test]
async fn keys_are_not_kept_for_an_issuer_that_calls_itself_another_now() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    let mut document = world.provider.document();
    document["issuer"] = json!("https://other.example.com");
    world.net.answers(&world.provider.discovery_url(), document);
    world.clock.advance(3700);
    let fault = unavailable(verify(&verifier, &world.token()).await);
    assert!(matches!(fault, Unavailable::IssuerMismatch { .. }), "{fault}");
    unavailable(verify(&verifier, &world.token()).await);
}

/// A server that answers for another issuer at one place, as always, and is broken at the right one has not said anything new.
#[tokio::test]
async fn keys_are_kept_while_the_right_place_is_broken() {
    let world = World::of("https://auth.example.com/t1");
    let inserted = "https://auth.example.com/.well-known/oauth-authorization-server/t1";
    world.net.answers(inserted, json!({"issuer": ISSUER, "jwks_uri": "https://auth.example.com/other"}));
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    world.net.answers_status(&world.provider.discovery_url(), StatusCode::BAD_GATEWAY);
    world.clock.advance(3700);
    verify(&verifier, &world.token()).await.unwrap();
}

/// The fetch that everybody needs does not use up the one that a new key needs.
#[tokio::test]
async fn a_rotation_right_after_the_keys_were_fetched_is_noticed() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    let new = Signer::es256("two");
    world.provider.publish_keys(&world.net, &[&new]);
    assert!(verify(&verifier, &new.token(&world.claims(json!({})))).await.is_ok());
}

/// WE-10: stale while the provider is down, for a day.
#[tokio::test]
async fn old_keys_are_kept_while_the_provider_is_down_and_not_for_ever() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    world.net.fails(&world.provider.jwks_url(), DOWN);
    for _ in 0..23 {
        world.clock.advance(3600);
        verify(&verifier, &world.token()).await.unwrap();
    }
    world.clock.advance(600 + 3600);
    let token = world.token_with(json!({"exp": super::NOW.plus(1_000_000).0}));
    let fault = unavailable(verify(&verifier, &token).await);
    let url = world.provider.jwks_url();
    assert_eq!(fault, Unavailable::Keys { url, fault: Fault::Fetch(DOWN) });
}

/// Nobody can tell what an unknown key is worth while the keys cannot be fetched: a client must not throw its token away.
#[tokio::test]
async fn an_unknown_key_is_unavailable_while_the_provider_is_down() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    world.net.fails(&world.provider.jwks_url(), DOWN);
    let new = Signer::es256("two");
    let token = new.token(&world.claims(json!({})));
    unavailable(verify(&verifier, &token).await);
    unavailable(verify(&verifier, &token).await);
    assert_eq!(world.key_calls(), 2, "the fault is remembered");
    verify(&verifier, &world.token()).await.unwrap();
    world.provider.publish_keys(&world.net, &[&new]);
    world.clock.advance(2);
    verify(&verifier, &token).await.unwrap();
}

/// WB-3: a dead provider costs one timeout, and not one for each request.
#[tokio::test]
async fn a_fault_is_remembered_for_a_moment() {
    let world = World::new();
    let verifier = world.jwt();
    world.net.fails(&world.provider.jwks_url(), DOWN);
    for _ in 0..5 {
        unavailable(verify(&verifier, &world.token()).await);
    }
    assert_eq!(world.key_calls(), 1);
    world.clock.advance(2);
    world.provider.publish_keys(&world.net, &[&world.signer]);
    assert!(verify(&verifier, &world.token()).await.is_ok());
}

/// The keys have moved: what was discovered is asked for again once they are not where they were.
#[tokio::test]
async fn keys_that_have_moved_are_found_again() {
    let world = World::new();
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    let new = Signer::es256("two");
    let moved = format!("{ISSUER}/moved");
    let mut document = world.provider.document();
    document["jwks_uri"] = json!(moved);
    world.net.answers(&world.provider.discovery_url(), document);
    world.net.answers(&moved, json!({"keys": [new.jwk()]}));
    world.net.answers_status(&world.provider.jwks_url(), StatusCode::NOT_FOUND);
    let token = new.token(&world.claims(json!({})));
    unavailable(verify(&verifier, &token).await);
    world.clock.advance(2);
    verify(&verifier, &token).await.unwrap();
}

/// The first to ask may hang up: what it has started goes on for the others.
#[tokio::test]
async fn one_fetch_serves_all_who_wait_and_survives_who_started_it() {
    let world = World::new();
    let verifier = world.jwt();
    let jwks = world.provider.jwks_url();
    world.net.hangs(&jwks);
    let first = {
        let (verifier, token) = (verifier.clone(), world.token());
        tokio::spawn(async move { verify(&verifier, &token).await })
    };
    world.net.asked_times(&jwks, 1).await;
    let others: Vec<_> = (0..10)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), world.token());
            tokio::spawn(async move { verify(&verifier, &token).await })
        })
        .collect();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.net.let_go(&jwks);
    for other in others {
        tokio::time::timeout(Duration::from_secs(5), other).await.unwrap().unwrap().unwrap();
    }
    assert_eq!((world.discovery_calls(), world.key_calls()), (1, 1));
}

/// Nobody waits for new keys while the old ones have only just become old, or the provider is known to hang.
#[tokio::test]
async fn a_provider_that_hangs_keeps_nobody_waiting_who_has_a_key() {
    let world = World::new();
    let verifier = world.jwt();
    let jwks = world.provider.jwks_url();
    verify(&verifier, &world.token()).await.unwrap();
    world.net.hangs(&jwks);
    world.clock.advance(601);
    for _ in 0..5 {
        verify(&verifier, &world.token()).await.unwrap();
    }
    world.net.asked_times(&jwks, 2).await;
    assert_eq!(world.key_calls(), 2, "it is fetched meanwhile, once");
    world.net.fails(&jwks, http_io::FetchError::TimedOut);
    world.net.let_go(&jwks);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.net.hangs(&jwks);
    world.clock.advance(3000);
    for _ in 0..5 {
        verify(&verifier, &world.token()).await.unwrap();
    }
}

/// The runtime that a fetch ran on may end before the fetch does; the next one starts anew.
#[test]
fn a_fetch_that_ends_with_its_runtime_is_started_again() {
    let world = World::new();
    let verifier = world.jwt();
    let jwks = world.provider.jwks_url();
    world.net.hangs(&jwks);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let short = runtime();
    short.block_on(async {
        let waiting = tokio::spawn({
            let (verifier, token) = (verifier.clone(), world.token());
            async move { verify(&verifier, &token).await }
        });
        world.net.asked_times(&jwks, 1).await;
        waiting.abort();
    });
    drop(short);
    world.net.let_go(&jwks);
    assert!(runtime().block_on(verify(&verifier, &world.token())).is_ok());
}
