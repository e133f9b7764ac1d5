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
use oauth_types::{Issuer, Resource, Scope};
use resource_server::Verifier;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use stacked_credentials::users::Users;
use stacked_credentials::{Server, StartError};
use tower::ServiceExt as _;

const RESOURCE: &str = "https://mcp.example.com/me";

/// An authorization server that knows two tokens, of two people who write the same e-mail address.
struct Vouching;

#[async_trait]
impl Fetch for Vouching {
    async fn fetch(&self, request: Request<Bytes>, _: Limits) -> Result<Response<Bytes>, FetchError> {
        let asked = String::from_utf8_lossy(request.body()).into_owned();
        assert!(!asked.contains("demo_"), "the authorization server is shown an API key");
        let answer = if request.uri().path().starts_with("/.well-known/") {
            json!({ "issuer": "https://auth.example.com", "introspection_endpoint": "https://auth.example.com/introspect" })
        } else {
            ["ada", "eve"]
                .iter()
                .find(|name| asked.contains(**name))
                .map_or_else(|| json!({ "active": false }), |name| vouched(name))
        };
        Ok(Response::new(answer.to_string().into()))
    }
}

fn vouched(name: &str) -> Value {
    json!({
        "active": true,
        "iss": "https://auth.example.com",
        "sub": format!("usr_{name}"),
        "aud": RESOURCE,
        "scope": "notes:read",
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
    Server::new(users.clone(), Resource::parse(RESOURCE).unwrap(), ours).routes(tokens).unwrap()
}

async fn send(server: &Router, method: Method, path: &str, credential: &str) -> (StatusCode, String) {
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {credential}"));
    let response = server.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
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
        let resource = Resource::parse(RESOURCE).unwrap();
        let server = Server::new(Users::default(), resource, Issuer::parse(ours).unwrap());
        let error = server.routes(tokens).unwrap_err();
        assert!(matches!(error, StartError::SameIssuer(_)), "{error}");
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
