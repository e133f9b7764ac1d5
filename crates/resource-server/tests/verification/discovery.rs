//! Where an issuer says that its keys are (RFC 8414, OpenID Connect Discovery).

use http::StatusCode;
use http_io::{FetchError, Refused};
use resource_server::{Fault, Jwt, Unavailable};
use serde_json::json;

use super::{DOWN, ISSUER, World, unavailable, verify};

const TENANT: &str = "https://auth.example.com/t1";
const OAUTH: &str = "https://auth.example.com/.well-known/oauth-authorization-server/t1";
const INSERTED: &str = "https://auth.example.com/.well-known/openid-configuration/t1";
const APPENDED: &str = "https://auth.example.com/t1/.well-known/openid-configuration";

#[tokio::test]
async fn a_document_is_looked_for_at_three_places_in_order() {
    for (at, asked) in
        [(OAUTH, vec![OAUTH]), (INSERTED, vec![OAUTH, INSERTED]), (APPENDED, vec![OAUTH, INSERTED, APPENDED])]
    {
        let world = World::of(TENANT);
        world.net.answers_status(&world.provider.discovery_url(), StatusCode::NOT_FOUND);
        world.net.answers(at, world.provider.document());
        verify(&world.jwt(), &world.token()).await.unwrap();
        let urls: Vec<_> = world.net.asked().iter().map(|one| one.request.uri().to_string()).collect();
        assert_eq!(urls[..urls.len() - 1], asked);
        assert_eq!(urls.last(), Some(&world.provider.jwks_url()));
    }
}

/// A page of a web application answers 200 to everything.
#[tokio::test]
async fn what_is_no_document_is_passed_over() {
    let world = World::of(TENANT);
    world.net.answers(OAUTH, "<!doctype html>");
    world.net.answers(INSERTED, "[]");
    assert!(verify(&world.jwt(), &world.token()).await.is_ok());
}

/// WE-3, WE-10, RFC 8414 section 3.3.
#[tokio::test]
async fn a_document_of_another_issuer_is_refused_and_says_which() {
    for found in ["https://auth.example.com/t2", "https://auth.example.com", "http://auth.example.com/t1"] {
        let world = World::of(TENANT);
        let mut document = world.provider.document();
        document["issuer"] = json!(found);
        world.net.answers(&world.provider.discovery_url(), document);
        let fault = unavailable(verify(&world.jwt(), &world.token()).await);
        let expected = Unavailable::IssuerMismatch { configured: TENANT.to_owned(), found: found.to_owned() };
        assert_eq!(fault, expected);
        assert_eq!(world.key_calls(), 0);
    }
}

/// The members that are not needed may be whatever they are.
#[tokio::test]
async fn odd_members_do_no_harm() {
    let world = World::new();
    let mut document = world.provider.document();
    for member in
        ["introspection_endpoint", "grant_types_supported", "scopes_supported", "registration_endpoint"]
    {
        document[member] = json!(7);
    }
    document["userinfo_endpoint"] = json!(null);
    world.net.answers(&world.provider.discovery_url(), document);
    assert!(verify(&world.jwt(), &world.token()).await.is_ok());
}

#[tokio::test]
async fn a_document_without_keys_says_what_is_missing() {
    let world = World::new();
    let mut document = world.provider.document();
    document.as_object_mut().unwrap().remove("jwks_uri");
    world.net.answers(&world.provider.discovery_url(), document);
    let fault = unavailable(verify(&world.jwt(), &world.token()).await);
    let url = world.provider.discovery_url();
    assert_eq!(fault, Unavailable::Incomplete { url, member: "jwks_uri" });
}

/// Whoever is on the way could put keys of their own there.
#[tokio::test]
async fn keys_are_fetched_over_https_alone() {
    for uri in
        ["http://auth.example.com/jwks", "http://127.0.0.1/jwks", "ftp://auth.example.com/jwks", "/jwks", ""]
    {
        let world = World::new();
        let mut document = world.provider.document();
        document["jwks_uri"] = json!(uri);
        world.net.answers(&world.provider.discovery_url(), document);
        let fault = unavailable(verify(&world.jwt(), &world.token()).await);
        let Unavailable::Keys { url, fault: Fault::Fetch(FetchError::Refused(rule)) } = fault else {
            panic!("{uri}: {fault}");
        };
        assert_eq!(url, uri);
        assert!(matches!(rule, Refused::Scheme | Refused::Url), "{uri}: {rule}");
    }
    let local = World::of("http://127.0.0.1:8080");
    assert!(verify(&local.jwt(), &local.token()).await.is_ok(), "for development");
}

/// WB-3, WD-18, WE-1: none of these is the fault of the token.
#[tokio::test]
async fn an_issuer_that_cannot_be_asked_is_unavailable_and_never_invalid() {
    let world = World::new();
    let (discovery, jwks) = (world.provider.discovery_url(), world.provider.jwks_url());
    for status in
        [StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY, StatusCode::FOUND, StatusCode::UNAUTHORIZED]
    {
        world.net.answers_status(&discovery, status);
        let fault = unavailable(verify(&world.jwt(), &world.token()).await);
        assert_eq!(fault, Unavailable::Discovery { url: discovery.clone(), fault: Fault::Status(status) });
    }
    for fetch in [DOWN, FetchError::TimedOut, FetchError::TooLarge, FetchError::Malformed] {
        world.net.fails(&discovery, fetch);
        let fault = unavailable(verify(&world.jwt(), &world.token()).await);
        assert_eq!(fault, Unavailable::Discovery { url: discovery.clone(), fault: Fault::Fetch(fetch) });
    }
    world.provider.publish(&world.net);
    world.net.fails(&jwks, DOWN);
    let fault = unavailable(verify(&world.jwt(), &world.token()).await);
    assert_eq!(fault, Unavailable::Keys { url: jwks.clone(), fault: Fault::Fetch(DOWN) });
    for body in ["{}", "[]", "<html>", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#] {
        world.net.answers(&jwks, body);
        let fault = unavailable(verify(&world.jwt(), &world.token()).await);
        let fits = matches!(fault, Unavailable::Keys { fault: Fault::Document(_) | Fault::NoKeys, .. });
        assert!(fits, "{body}: {fault}");
    }
}

/// A server that does not answer is not waited for three times.
#[tokio::test]
async fn a_place_that_cannot_be_reached_ends_the_search() {
    let world = World::of(TENANT);
    world.net.fails(OAUTH, FetchError::TimedOut);
    unavailable(verify(&world.jwt(), &world.token()).await);
    assert_eq!(world.net.asked().len(), 1);
}

#[tokio::test]
async fn requests_are_made_within_limits() {
    let world = World::new();
    verify(&world.jwt(), &world.token()).await.unwrap();
    for asked in world.net.asked() {
        let body = if asked.request.uri() == &*world.provider.jwks_url() { 64 * 1024 } else { 256 * 1024 };
        assert_eq!(asked.limits.body, body);
        assert_eq!(asked.limits.time.as_secs(), 5);
        assert!(!asked.request.headers().contains_key("authorization"), "nobody is shown the token");
    }
}

#[tokio::test]
async fn a_configured_place_of_the_keys_takes_the_place_of_discovery() {
    let world = World::new();
    let jwt = Jwt::issued_by(ISSUER).jwks_uri(&world.provider.jwks_url());
    let verifier = world.builder().jwt(jwt).build().unwrap();
    assert!(verify(&verifier, &world.token()).await.is_ok());
    assert_eq!((world.discovery_calls(), world.key_calls()), (0, 1));
    let slash = verify(&verifier, &world.token_with(json!({"iss": format!("{ISSUER}/")}))).await;
    assert!(slash.is_err(), "nobody says that this is the issuer's own text");
}
