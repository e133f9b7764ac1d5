//! Who is let in by which credential, and whom they are here.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

use std::sync::Arc;

use ambient::{Clock as _, SystemClock, SystemEntropy};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_io::{Fetch, FetchError, Limits};
use resource_server::{ConfigError, ExposeSecret as _, Issuer, Scope, SecretString, Verifier};
use serde_json::{Value, json};
use stacked_credentials::Server;
use stacked_credentials::users::{EVERYTHING, Users};
use tower::ServiceExt as _;

const RESOURCE: &str = "https://mcp.example.com/me";

/// An authorization server that knows two people, who write the same e-mail address, and tokens of theirs that read, or link.
struct Vouching;

#[async_trait]
impl Fetch for Vouching {
    async fn fetch(&self, request: Request<Bytes>, _: Limits) -> Result<Response<Bytes>, FetchError> {
        let asked = String::from_utf8_lossy(request.body()).into_owned();
        assert!(!asked.contains("demo_"), "the authorization server is shown an API key");
        let answer = if request.uri().path().starts_with("/.well-known/") {
            json!({ "issuer": "https://auth.example.com", "introspection_endpoint": "https://auth.example.com/introspect" })
        } else {
            let scope = if asked.contains("Links") { "notes:read account:link" } else { "notes:read" };
            ["ada", "eve"]
                .iter()
                .find(|name| asked.contains(**name))
                .map_or_else(|| json!({ "active": false }), |name| vouched(name, scope))
        };
        Ok(Response::new(answer.to_string().into()))
    }
}

fn vouched(name: &str, scope: &str) -> Value {
    json!({
        "active": true,
        "iss": "https://auth.example.com",
        "sub": format!("usr_{name}"),
        "aud": RESOURCE,
        "scope": scope,
        "exp": SystemClock.now().0 + 3600,
        "name": name,
        "email": "ada@example.com",
        "email_verified": true,
    })
}

fn server(users: &Users) -> Router {
    let tokens = Verifier::builder(RESOURCE)
        .portcullis("https://auth.example.com", SecretString::from("sak_example"))
        .fetch(Arc::new(Vouching));
    let ours = Issuer::parse("https://mcp.example.com").unwrap();
    Server::new(users.clone(), ours).routes(tokens).unwrap()
}

async fn send(server: &Router, method: Method, path: &str, credential: &str) -> (StatusCode, String) {
    say(server, method, path, credential, "").await
}

async fn say(
    server: &Router,
    method: Method,
    path: &str,
    credential: &str,
    body: &str,
) -> (StatusCode, String) {
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {credential}"));
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn me(server: &Router, credential: &str) -> String {
    let (status, body) = send(server, Method::GET, "/me", credential).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// A token of Portcullis by its form: 72 characters behind the prefix.
fn token(name: &str) -> String {
    format!("mat_{name:A<72}")
}

/// One that the person gave [`LINKING`] to.
fn linking(name: &str) -> String {
    token(&format!("{name}Links"))
}

fn key(users: &Users, name: &str, scopes: &str) -> String {
    let key = users.new_key(&users.add(name), Scope::parse(scopes).unwrap(), &SystemEntropy);
    key.expose_secret().to_owned()
}

#[tokio::test]
async fn keys_and_tokens_open_the_same_server() {
    let users = Users::default();
    let key = key(&users, "Bob", "notes:read");
    let server = server(&users);
    assert_eq!(me(&server, &key).await, "user 1, Bob");
    assert_eq!(me(&server, &token("ada")).await, "user 2, ada");
}

#[tokio::test]
async fn one_person_is_one_user_and_the_same_address_of_another_is_another() {
    let server = server(&Users::default());
    assert_eq!(me(&server, &token("ada")).await, "user 1, ada");
    assert_eq!(me(&server, &token("eve")).await, "user 2, eve");
    assert_eq!(me(&server, &token("ada")).await, "user 1, ada");
}

/// The subjects of our keys are the numbers of our users: an authorization server of the same name would choose who is whom.
#[tokio::test]
async fn an_authorization_server_that_is_called_as_we_are_is_no_start() {
    for ours in ["https://auth.example.com", "https://auth.example.com/"] {
        let tokens = Verifier::builder(RESOURCE)
            .portcullis("https://auth.example.com", SecretString::from("sak_example"))
            .fetch(Arc::new(Vouching));
        let server = Server::new(Users::default(), Issuer::parse(ours).unwrap());
        let error = server.routes(tokens).unwrap_err();
        assert!(matches!(error, ConfigError::OwnIssuerTrusted { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_401_and_shown_to_nobody() {
    let server = server(&Users::default());
    for wrong in ["demo_wrong", "demo_", "sak_example", "mat_nobody", &token("nobody")] {
        assert_eq!(send(&server, Method::GET, "/me", wrong).await.0, StatusCode::UNAUTHORIZED, "{wrong}");
    }
}

#[tokio::test]
async fn a_key_reaches_what_it_was_made_for() {
    let users = Users::default();
    let reads = key(&users, "Bob", "notes:read");
    let writes = key(&users, "Alice", "notes:read notes:write");
    let server = server(&users);
    let refused = send(&server, Method::DELETE, "/notes", &reads).await;
    assert_eq!(refused.0, StatusCode::FORBIDDEN, "{}", refused.1);
    let allowed = send(&server, Method::DELETE, "/notes", &writes).await;
    assert_eq!(allowed, (StatusCode::OK, "the notes of user 2 are gone".to_owned()));
}

#[tokio::test]
async fn whoever_shows_a_token_and_a_key_together_is_the_user_of_the_key_from_then_on() {
    let users = Users::default();
    let key = key(&users, "Bob", EVERYTHING);
    let server = server(&users);
    let linked = (StatusCode::OK, "you are user 1".to_owned());
    for _ in 0..2 {
        assert_eq!(say(&server, Method::POST, "/link", &linking("ada"), &key).await, linked);
    }
    assert_eq!(me(&server, &token("ada")).await, "user 1, Bob");
    assert_eq!(me(&server, &token("eve")).await, "user 2, eve");
}

/// The attack: a client that Ada lets read shows a key of Eve's, and what Ada's clients do goes to Eve's user.
#[tokio::test]
async fn a_client_that_may_read_links_and_unlinks_nobody() {
    let users = Users::default();
    let eves = key(&users, "Eve", EVERYTHING);
    let server = server(&users);
    assert_eq!(say(&server, Method::POST, "/link", &token("ada"), &eves).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(&server, Method::DELETE, "/link", &token("ada")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(&server, Method::GET, "/link", &linking("ada")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(me(&server, &token("ada")).await, "user 2, ada");
}

#[tokio::test]
async fn who_was_linked_can_leave() {
    let users = Users::default();
    let key = key(&users, "Eve", EVERYTHING);
    let server = server(&users);
    assert_eq!(say(&server, Method::POST, "/link", &linking("ada"), &key).await.0, StatusCode::OK);
    assert_eq!(send(&server, Method::DELETE, "/link", &linking("ada")).await.0, StatusCode::OK);
    assert_eq!(me(&server, &token("ada")).await, "user 2, ada");
    let nothing_to_undo = send(&server, Method::DELETE, "/link", &linking("ada")).await;
    assert_eq!(nothing_to_undo.0, StatusCode::NOT_FOUND);
    assert_eq!(me(&server, &token("ada")).await, "user 2, ada");
}

/// The attack: whoever found a key stays by the link when the key is gone.
#[tokio::test]
async fn a_key_that_is_revoked_takes_its_links_with_it() {
    let users = Users::default();
    let found = key(&users, "Bob", EVERYTHING);
    let server = server(&users);
    assert_eq!(say(&server, Method::POST, "/link", &linking("eve"), &found).await.0, StatusCode::OK);
    assert_eq!(me(&server, &token("eve")).await, "user 1, Bob");
    users.revoke(&SecretString::from(found.clone()));
    assert_eq!(send(&server, Method::GET, "/me", &found).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&server, &token("eve")).await, "user 2, eve");
}

#[tokio::test]
async fn nobody_is_linked_by_less_than_both_proofs() {
    let users = Users::default();
    let reads = key(&users, "Bob", "notes:read account:link");
    let full = key(&users, "Alice", EVERYTHING);
    let server = server(&users);
    assert_eq!(me(&server, &token("eve")).await, "user 3, eve");
    let link = |credential: String, key: String| {
        let server = &server;
        async move { say(server, Method::POST, "/link", &credential, &key).await.0 }
    };
    assert_eq!(link(linking("ada"), "demo_wrong".to_owned()).await, StatusCode::FORBIDDEN);
    assert_eq!(link(linking("ada"), reads).await, StatusCode::FORBIDDEN, "a key that does not reach all");
    assert_eq!(link(full.clone(), full.clone()).await, StatusCode::FORBIDDEN, "no token");
    assert_eq!(link(linking("eve"), full).await, StatusCode::CONFLICT, "somebody else already");
    assert_eq!(me(&server, &token("ada")).await, "user 4, ada");
}
