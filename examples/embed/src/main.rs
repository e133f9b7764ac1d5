//! An authorization server inside an axum application of one's own: its endpoints and pages beside `/hello`, in one process.
//!
//! Records are kept in memory here, and the master key is drawn anew at each start; an application that is to remember its
//! users opens `store::Sqlite` and keeps the key. `examples/axum-mcp-server` is an MCP server for it.
//!
//! ```text
//! cargo run -p embed
//! curl http://127.0.0.1:8414/.well-known/oauth-authorization-server
//! ```

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use async_trait::async_trait;
use authz_core::{AuthorizationServer, Keys, NewServer, Registry};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_io::{Peer, Serve};
use identity::{Accounts, Cost, Identity, Pages, Sessions};
use oauth_types::{Issuer, Resource, Scope};
use seal::Seal;
use secrecy::ExposeSecret as _;
use store::{Memory, ScopeEntry, UserInfoDetail};

/// The protocol and the pages, each under its own paths.
struct LogIn {
    server: Arc<AuthorizationServer>,
    identity: Identity,
}

#[async_trait]
impl Serve for LogIn {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        if self.identity.owns(request.uri().path()) {
            self.identity.serve(request, peer).await
        } else {
            self.server.serve(request, peer).await
        }
    }
}

async fn log_in(issuer: Issuer) -> Result<LogIn, Box<dyn Error>> {
    let store = Arc::new(Memory::new());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);

    let seal = Seal::new(1, [(1, entropy.draw())])?;
    let keys = Keys::open(store.clone(), seal, clock.clone(), entropy.clone()).await?;

    // What the tokens are for. The key is what the MCP server asks about tokens with; it is kept nowhere.
    let registry = Registry::new(store.clone(), clock.clone(), entropy.clone());
    let scope = |name: &str, default| ScopeEntry {
        name: name.to_owned(),
        description: None,
        default,
        optional: false,
        implies: Scope::default(),
    };
    let notes = NewServer {
        name: "Notes".to_owned(),
        resource: Resource::parse(RESOURCE)?,
        scopes: vec![scope("notes:read", true), scope("notes:write", false)],
        owner_email: None,
        userinfo: UserInfoDetail::Full,
    };
    let (_, key) = registry.register(notes).await?;
    writeln!(io::stdout(), "The key of {RESOURCE}, which another start exchanges for another:\n")?;
    writeln!(io::stdout(), "    export PORTCULLIS_SERVER_KEY={}\n", key.expose().expose_secret())?;

    let sessions = Arc::new(Sessions::new(store.clone(), clock.clone(), entropy.clone()));
    let accounts = Arc::new(Accounts::new(store.clone(), Cost::default(), clock, entropy));
    let pages = Arc::new(Pages::new(issuer.clone(), sessions));
    let server =
        AuthorizationServer::builder(issuer, store, keys, pages.clone()).people(accounts.clone()).build()?;
    let server = Arc::new(server);
    Ok(LogIn { identity: Identity::new(pages, accounts, server.clone()), server })
}

const RESOURCE: &str = "http://127.0.0.1:3001/mcp";

fn application(log_in: LogIn) -> Router {
    let hello = Router::new().route("/hello", get(|| async { "Hello" }));
    hello.fallback_service(adapters_axum::mount(Arc::new(log_in)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let application = application(log_in(Issuer::parse("http://127.0.0.1:8414")?).await?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8414").await?;
    writeln!(io::stdout(), "It listens on http://127.0.0.1:8414")?;
    axum::serve(listener, application.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn ones_own_routes_and_the_authorization_server_live_side_by_side() {
        let application = application(log_in(Issuer::parse("http://127.0.0.1:8414").unwrap()).await.unwrap());
        for (path, shown) in [
            ("/hello", "Hello"),
            ("/.well-known/oauth-authorization-server", "\"issuer\":\"http://127.0.0.1:8414\""),
            ("/login", "Log in"),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = application.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&body).contains(shown), "{path}");
        }
    }
}
