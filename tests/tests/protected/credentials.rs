//! What counts as a token, and what somebody without one is told.

use http::Method;
use oauth_types::{Issuer, Resource, Scope};
use resource_server::{Invalid, Jwt, Rejection, Unavailable, Verified};
use secrecy::ExposeSecret as _;
use testkit::client::RESOURCE;

use crate::challenge::{METADATA, challenge, reason, refused};
use crate::mint::ISSUER;
use crate::run::Run;
use crate::signed::{Signed, token_for};

stamp!(
    rs06_without_credentials_the_answer_leads_to_a_token,
    rs10_every_method_needs_a_token_and_a_session_is_none,
    rs10_a_token_outside_of_the_header_is_ignored,
    rs10_another_scheme_is_as_no_credentials,
    rs10_the_scheme_is_compared_without_case,
    rs07_what_cannot_be_read_is_invalid_request,
    rs13_nothing_arrives_before_a_token_is_checked,
    g21_malformed_authorization_headers_are_never_5xx,
    keys_of_ones_own_stand_beside_tokens,
);

/// auth-unauthenticated-request-rejected, auth-401-response, auth-www-authenticate-header, auth-resource-metadata-param,
/// auth-www-authenticate-scope; RS-4, RS-6, RS-7, RS-14, RS-20.
async fn rs06_without_credentials_the_answer_leads_to_a_token(run: Run) {
    let server = run.protected(Signed::new().protection());
    let answer = server.get("/mcp", &[]).await;
    assert_eq!(answer.status(), 401);
    let challenge = challenge(&answer);
    let named: Vec<_> = challenge.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(named, [("resource_metadata", METADATA), ("scope", "files:read")]);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(reason(&answer), "credentials_missing");
    assert_eq!(answer.json()["error"]["code"], -32001);
}

/// BC-9: whoever has a session id is nobody yet.
async fn rs10_every_method_needs_a_token_and_a_session_is_none(run: Run) {
    let server = run.protected(Signed::new().protection());
    let session = [("mcp-session-id", "1868a90c"), ("accept", "text/event-stream")];
    for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::OPTIONS] {
        assert_eq!(server.send(method.clone(), "/mcp", &session, "{}").await.status(), 401, "{method}");
    }
    assert_eq!(server.send(Method::HEAD, "/mcp", &session, "").await.status(), 401);
    assert_eq!(server.reached(), 0);
}

/// RFC 6750 section 2.2 and 2.3 are not offered: URLs and bodies are logged and forwarded.
async fn rs10_a_token_outside_of_the_header_is_ignored(run: Run) {
    let server = run.protected(Signed::new().protection());
    let token = token_for("files:read");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let in_query = server.get(&format!("/mcp?access_token={token}"), &[]).await;
    let in_body = server.send(Method::POST, "/mcp", &form, &format!("access_token={token}")).await;
    let in_cookie = server.get("/mcp", &[("cookie", &format!("access_token={token}"))]).await;
    for answer in [in_query, in_body, in_cookie] {
        assert_eq!(answer.status(), 401);
        assert!(!challenge(&answer).contains_key("error"));
    }
    assert_eq!(server.reached(), 0);
}

async fn rs10_another_scheme_is_as_no_credentials(run: Run) {
    let server = run.protected(Signed::new().protection());
    for value in ["Basic YTpi", "Basic !", "DPoP abc", "Negotiate YII=", "Bearers abc"] {
        let answer = server.get("/mcp", &[("authorization", value)]).await;
        assert_eq!(answer.status(), 401, "{value}");
        assert!(!challenge(&answer).contains_key("error"), "{value}");
    }
    assert_eq!(server.reached(), 0);
}

/// RS-9.
async fn rs10_the_scheme_is_compared_without_case(run: Run) {
    let server = run.protected(Signed::new().protection());
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let value = format!("{scheme} {}", token_for("files:read"));
        assert_eq!(server.get("/mcp", &[("authorization", &value)]).await.status(), 200, "{scheme}");
    }
}

async fn rs07_what_cannot_be_read_is_invalid_request(run: Run) {
    let server = run.protected(Signed::new().protection());
    let good = format!("Bearer {}", token_for("files:read"));
    let (_, without_a_scheme) = good.split_once(' ').unwrap();
    for value in [
        without_a_scheme,
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a,b",
        "Bearer \"a\"",
        &format!("{good} x"),
    ] {
        let answer = server.get("/mcp", &[("authorization", value)]).await;
        refused(&answer, 400, "invalid_request");
        assert_eq!(reason(&answer), "credentials_malformed", "{value}");
    }
    for second in ["Bearer abc", "Basic YTpi", &good] {
        let twice = [("authorization", good.as_str()), ("authorization", second)];
        refused(&server.get("/mcp", &twice).await, 400, "invalid_request");
    }
    assert_eq!(server.reached(), 0);
}

/// The request is not even read: not its body, which a stranger sent.
async fn rs13_nothing_arrives_before_a_token_is_checked(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.demanding(|b| b.require_for_tool("delete", "files:write")));
    for token in ["abc", "a.b.c", &token_for("")[1..]] {
        assert_eq!(server.post(token, "{ no JSON").await.status(), 401, "{token}");
    }
    assert_eq!(server.send(Method::POST, "/mcp", &[], "{ no JSON").await.status(), 401);
    assert_eq!(server.reached(), 0);
    assert_eq!(server.call(&token_for(""), "list").await.status(), 200);
    assert_eq!(server.reached(), 1);
}

async fn g21_malformed_authorization_headers_are_never_5xx(run: Run) {
    let server = run.protected(Signed::new().protection());
    let long = format!("Bearer {}", "a".repeat(20_000));
    for value in ["", " ", ":", "Bearer =", "Bearer ====", "Bearer a=b", "Bearer ..", "Bearer .a.", &long] {
        let status = server.get("/mcp", &[("authorization", value)]).await.status();
        assert!(matches!(status, 400 | 401), "{value}: {status}");
    }
    assert_eq!(server.reached(), 0);
}

/// By their prefix, each checked by its own alone; a check that cannot be made now is no 401 either.
async fn keys_of_ones_own_stand_beside_tokens(run: Run) {
    let check = async |key: secrecy::SecretString| -> Result<Verified, Rejection> {
        match key.expose_secret() {
            "demo_good" => {
                let own = Issuer::parse("https://mcp.example.com").unwrap();
                let somebody = Verified::new(own, "7", Resource::parse(RESOURCE).unwrap());
                Ok(somebody.with_scopes(Scope::parse("files:read").unwrap()))
            }
            "demo_later" => Err(Unavailable::OwnCheck.into()),
            _ => Err(Invalid::Refused.into()),
        }
    };
    let world = Signed::with(|b| b.jwt(Jwt::issued_by(ISSUER)).credential("demo_", check));
    let server = run.protected(world.protection());
    let answer = server.with("demo_good").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["issuer"], "https://mcp.example.com");
    assert_eq!(answer.json()["subject"], "7");
    let answer = server.with("demo_bad").await;
    refused(&answer, 401, "invalid_token");
    assert_eq!(reason(&answer), "credential_refused");
    assert_eq!(server.with("demo_later").await.status(), 503);
    assert_eq!(server.with(&token_for("files:read")).await.json()["issuer"], ISSUER);
    let authorization = [("authorization", "Bearer demo_good")];
    refused(&server.get("/write", &authorization).await, 403, "insufficient_scope");
}
