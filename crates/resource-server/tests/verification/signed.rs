//! Signed tokens (RFC 9068).

use jose::{Algorithm, Algorithms, TokenError};
use resource_server::{Invalid, Jwt, Rejection};
use serde_json::{Value, json};
use testkit::provider::Signer;

use super::{ISSUER, NOW, RESOURCE, World, secret, token_error, verify};

/// WE-8: who it is, is not lost on the way.
#[tokio::test]
async fn a_good_token_tells_who_sends_it() {
    let world = World::new();
    let verified = verify(&world.jwt(), &world.token_with(json!({"email": "a@example.com"}))).await.unwrap();
    assert_eq!(verified.person(), Some((ISSUER, "alice")));
    assert_eq!(verified.client_id.as_ref().unwrap().as_str(), "app");
    assert_eq!(verified.scopes.as_str(), "mcp:tools");
    assert_eq!(verified.resource.as_str(), RESOURCE);
    assert_eq!(verified.expires_at, Some(NOW.plus(100_000)));
    assert_eq!(verified.token_id.as_deref(), Some("t1"));
    assert_eq!(verified.claims["email"], "a@example.com");
}

/// WE-1, RS-7: each of these is certain, so it is 401 and never 500 or 503.
#[tokio::test]
async fn a_bad_token_is_refused_by_its_reason() {
    let world = World::new();
    let verifier = world.jwt();
    let claims = |changes| world.claims(changes);
    let (none, hmac) = (json!({"alg": "none", "typ": "at+jwt"}), json!({"alg": "HS256", "typ": "at+jwt"}));
    for (token, rejection) in [
        (world.token_with(json!({"exp": NOW.plus(-5).0})), TokenError::Expired),
        (world.token_with(json!({"exp": null})), TokenError::ClaimMissing { claim: "exp" }),
        (world.token_with(json!({"nbf": NOW.plus(6).0})), TokenError::NotYetValid),
        (world.token_with(json!({"aud": "https://other.example.com/mcp"})), TokenError::AudienceWrong),
        (world.token_with(json!({"aud": null})), TokenError::ClaimMissing { claim: "aud" }),
        (world.token_with(json!({"cnf": {"jkt": "x"}})), TokenError::SenderConstrained),
        (Signer::es256("one").token(&claims(json!({}))), TokenError::SignatureWrong),
        (world.signer.token_with(&none, &claims(json!({}))), TokenError::AlgorithmNotAllowed),
        (world.signer.token_with(&hmac, &claims(json!({}))), TokenError::AlgorithmNotAllowed),
    ] {
        assert_eq!(verify(&verifier, &token).await, Err(token_error(rejection)));
    }
}

/// WC-5, WE-7.
#[tokio::test]
async fn an_id_token_is_refused() {
    let world = World::new();
    let id_token = |header: Value| {
        let claims = world.claims(json!({"nonce": "n", "scope": null}));
        world.signer.token_with(&header, &claims)
    };
    let jwt = json!({"alg": "ES256", "kid": "one", "typ": "JWT"});
    let refused = verify(&world.jwt(), &id_token(jwt.clone())).await;
    assert_eq!(refused, Err(token_error(TokenError::TypeNotAllowed)));
    let untyped = world.builder().jwt(Jwt::issued_by(ISSUER).dangerously_untyped()).build().unwrap();
    assert_eq!(verify(&untyped, &id_token(jwt.clone())).await, Err(token_error(TokenError::IdToken)));
    let access = world.signer.token_with(&jwt, &world.claims(json!({})));
    assert!(verify(&untyped, &access).await.is_ok());
}

/// WE-2, WC-1: the default is this resource, in exactly its text.
#[tokio::test]
async fn the_audience_is_this_resource_unless_another_is_configured() {
    let world = World::new();
    let verifier = world.jwt();
    for (aud, good) in [
        (json!(RESOURCE), true),
        (json!(["https://other.example.com", RESOURCE]), true),
        (json!("https://mcp.example.com/mcp/"), false),
        (json!("https://mcp.example.com"), false),
        (json!([]), false),
        (json!("api"), false),
    ] {
        let answer = verify(&verifier, &world.token_with(json!({"aud": aud}))).await;
        assert_eq!(answer.is_ok(), good, "{aud}");
    }
    let other = Jwt::issued_by(ISSUER).audience("api").audience("api2");
    let other = world.builder().jwt(other).build().unwrap();
    for (aud, good) in [("api", true), ("api2", true), (RESOURCE, false)] {
        assert_eq!(verify(&other, &world.token_with(json!({"aud": aud}))).await.is_ok(), good, "{aud}");
    }
}

/// RFC 3986 section 6.2.3: URL libraries of clients write the slash of a whole origin, or leave it out.
#[tokio::test]
async fn a_whole_origin_is_an_audience_with_and_without_its_slash() {
    let world = World::new();
    for resource in ["https://mcp.example.com", "https://mcp.example.com/"] {
        let verifier = resource_server::Verifier::builder(resource)
            .fetch(world.net.clone())
            .clock(world.clock.clone())
            .jwt(Jwt::issued_by(ISSUER))
            .build()
            .unwrap();
        for aud in ["https://mcp.example.com", "https://mcp.example.com/"] {
            assert!(verify(&verifier, &world.token_with(json!({"aud": aud}))).await.is_ok());
        }
        assert!(verify(&verifier, &world.token()).await.is_err());
    }
}

/// WE-3: what the issuer says of itself is what `iss` is compared with, whichever way it was configured.
#[tokio::test]
async fn an_issuer_works_with_and_without_the_final_slash_in_the_configuration() {
    for issuer in ["https://tenant.example.com/", "https://tenant.example.com", "https://x.example.com/a/"] {
        let world = World::of(issuer);
        let bare = issuer.strip_suffix('/').unwrap_or(issuer);
        for configured in [bare.to_owned(), format!("{bare}/")] {
            let verifier = world.builder().jwt(Jwt::issued_by(&configured)).build().unwrap();
            let verified = verify(&verifier, &world.token()).await.unwrap();
            assert_eq!(verified.issuer.as_str(), issuer, "{configured}");
            let other = if issuer.ends_with('/') { bare.to_owned() } else { format!("{bare}/") };
            let other = verify(&verifier, &world.token_with(json!({"iss": other}))).await;
            assert_eq!(other, Err(token_error(TokenError::IssuerWrong)), "{configured}");
        }
    }
}

/// WE-9: Okta and Entra write `scp`.
#[tokio::test]
async fn scopes_are_a_text_or_a_list() {
    let world = World::new();
    let token = world.token_with(json!({"scope": null, "scp": ["b", "a"]}));
    assert_eq!(verify(&world.jwt(), &token).await.unwrap().scopes.as_str(), "a b");
}

#[tokio::test]
async fn only_the_algorithms_of_the_list_are_accepted() {
    let world = World::new();
    let only = Jwt::issued_by(ISSUER).algorithms(Algorithms::only(Algorithm::EdDsa));
    let verifier = world.builder().jwt(only).build().unwrap();
    let refused = verify(&verifier, &world.token()).await;
    assert_eq!(refused, Err(token_error(TokenError::AlgorithmNotAllowed)));
    let ed = Signer::ed25519("ed");
    world.provider.publish_keys(&world.net, &[&ed, &world.signer]);
    let verifier = world.builder().jwt(Jwt::issued_by(ISSUER)).build().unwrap();
    for signer in [&ed, &world.signer] {
        assert!(verify(&verifier, &signer.token(&world.claims(json!({})))).await.is_ok());
    }
}

/// WE-1, WE-14: garbage is refused without asking anybody.
#[tokio::test]
async fn what_is_no_jwt_is_refused_where_only_those_are_accepted() {
    let world = World::new();
    let verifier = world.jwt();
    for text in ["garbage", "mat_abc", "a.b", "a.b.c", "..", "a.b.c.d.e", ""] {
        let refused = verify(&verifier, &secret(text)).await;
        assert_eq!(refused, Err(Rejection::Invalid(Invalid::NotJwt)), "{text}");
    }
    let long = verify(&verifier, &secret(&"a".repeat(16 * 1024 + 1))).await;
    assert_eq!(long, Err(token_error(TokenError::Malformed)));
    assert!(world.net.asked().is_empty());
}

#[tokio::test]
async fn a_token_of_an_issuer_that_is_not_configured_is_refused_without_asking_anybody() {
    let world = World::new();
    let verifier = world.jwt();
    for iss in ["https://evil.example.com", "https://auth.example.com/a", "https://auth.example.com//", "x"] {
        let refused = verify(&verifier, &world.token_with(json!({"iss": iss}))).await;
        assert_eq!(refused, Err(Rejection::Invalid(Invalid::UntrustedIssuer)), "{iss}");
    }
    let nobodys = verify(&verifier, &world.token_with(json!({"iss": null}))).await;
    assert_eq!(nobodys, Err(token_error(TokenError::ClaimMissing { claim: "iss" })));
    assert!(world.net.asked().is_empty());
}

#[tokio::test]
async fn of_several_issuers_the_one_that_the_token_names_counts() {
    let (one, two) = (World::new(), World::of("https://two.example.com"));
    two.provider.publish(&one.net);
    two.provider.publish_keys(&one.net, &[&two.signer]);
    let both = one.builder().jwt(Jwt::issued_by(ISSUER)).jwt(Jwt::issued_by(two.provider.issuer()));
    let both = both.build().unwrap();
    for world in [&one, &two] {
        let verified = verify(&both, &world.token()).await.unwrap();
        assert_eq!(verified.issuer.as_str(), world.provider.issuer());
    }
    // The keys of one do not sign for the other.
    let forged = two.token_with(json!({"iss": ISSUER}));
    assert_eq!(verify(&both, &forged).await, Err(token_error(TokenError::SignatureWrong)));
}

#[tokio::test]
async fn the_leeway_for_clocks_is_5_seconds_or_as_configured() {
    let world = World::new();
    let expired = |ago: i64| world.token_with(json!({"exp": NOW.plus(-ago).0}));
    let verifier = world.jwt();
    assert!(verify(&verifier, &expired(4)).await.is_ok() && verify(&verifier, &expired(5)).await.is_err());
    let wide = world.builder().jwt(Jwt::issued_by(ISSUER).leeway(60)).build().unwrap();
    assert!(verify(&wide, &expired(59)).await.is_ok() && verify(&wide, &expired(60)).await.is_err());
}
