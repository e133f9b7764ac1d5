//! Opaque tokens, used at the userinfo endpoint (OpenID Connect Core section 5.3).

use http::StatusCode;
use jose::TokenError;
use resource_server::{Fault, Invalid, Rejection, Unavailable, Verifier};
use serde_json::{Value, json};

use super::{ISSUER, RESOURCE, World, secret, token_error, unavailable, verify};

fn saying(answer: Value) -> (World, Verifier) {
    let world = World::new();
    world.net.answers(&world.provider.userinfo_url(), answer);
    let verifier = world.builder().userinfo(ISSUER).build().unwrap();
    (world, verifier)
}

#[tokio::test]
async fn userinfo_is_asked_with_the_token_itself() {
    let answer = json!({"sub": "alice", "aud": RESOURCE, "scope": "mcp:tools", "email": "a@example.com"});
    let (world, verifier) = saying(answer);
    let verified = verify(&verifier, &secret("opaque")).await.unwrap();
    assert_eq!(verified.person(), Some((ISSUER, "alice")));
    assert_eq!(verified.scopes.as_str(), "mcp:tools");
    assert_eq!((verified.expires_at, &verified.claims["email"]), (None, &json!("a@example.com")));
    let asked = world.net.asked();
    let last = &asked.last().unwrap().request;
    assert_eq!((last.method().as_str(), last.uri().to_string()), ("GET", world.provider.userinfo_url()));
    assert_eq!(last.headers()["authorization"], "Bearer opaque");
    assert!(last.headers()["authorization"].is_sensitive());
}

/// WB-1: without an audience a token for anybody would do.
#[tokio::test]
async fn userinfo_must_say_that_the_token_is_for_this_server() {
    for (aud, rejection) in [
        (json!(null), TokenError::ClaimMissing { claim: "aud" }),
        (json!("https://other.example.com"), TokenError::AudienceWrong),
    ] {
        let (_world, verifier) = saying(json!({"sub": "alice", "aud": aud}));
        assert_eq!(verify(&verifier, &secret("opaque")).await, Err(token_error(rejection)));
    }
}

/// RFC 6750 section 3.1: what the server itself says of the token.
#[tokio::test]
async fn userinfo_refuses_a_token_by_an_error_of_its_own() {
    for (status, challenge, definite) in [
        (400, r#"Bearer realm="x", error="invalid_request""#, true),
        (403, r#"Bearer error="insufficient_scope", scope="openid""#, true),
        (400, r#"Bearer error="invalid_token""#, true),
        (403, r#"Bearer realm="insufficient_scope""#, false),
        (503, r#"Bearer error="invalid_token""#, false),
    ] {
        let (world, verifier) = saying(json!({}));
        world.net.answers_by(&world.provider.userinfo_url(), move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            let mut answer = testkit::scripted::json_answer(status, "");
            let challenge = http::HeaderValue::from_static(challenge);
            answer.headers_mut().insert("www-authenticate", challenge);
            answer
        });
        let answer = verify(&verifier, &secret("opaque")).await;
        if definite {
            assert_eq!(answer, Err(Rejection::Invalid(Invalid::Inactive)), "{challenge}");
        } else {
            unavailable(answer);
        }
    }
}

/// WB-3: what a proxy could say as well is no definite no.
#[tokio::test]
async fn userinfo_refuses_a_token_by_401() {
    let (world, verifier) = saying(json!({}));
    let url = world.provider.userinfo_url();
    unavailable(verify(&verifier, &secret("nameless")).await);
    world.net.answers_status(&url, StatusCode::UNAUTHORIZED);
    let refused = verify(&verifier, &secret("refused")).await;
    assert_eq!(refused, Err(Rejection::Invalid(Invalid::Inactive)));
    for status in [StatusCode::FORBIDDEN, StatusCode::BAD_GATEWAY, StatusCode::TOO_MANY_REQUESTS] {
        world.net.answers_status(&url, status);
        let fault = unavailable(verify(&verifier, &secret(status.as_str())).await);
        assert_eq!(fault, Unavailable::Asking { url: url.clone(), fault: Fault::Status(status) });
    }
}
