//! An authorization server whose records are kept by a backend of one's own.
//!
//! ```text
//! cargo run -p custom-store
//! curl http://127.0.0.1:8414/.well-known/oauth-authorization-server
//! ```
//!
//! It makes `custom-store.redb` and `custom-store.key` where it is started, shows the key of the MCP server that it registers, and goes
//! on with them when it is started again.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use async_trait::async_trait;
use authz_core::{AuthorizationServer, Keys, NewServer, RegisterError, Registry};
use axum::Router;
use bytes::Bytes;
use custom_store::Redb;
use http::{Request, Response};
use http_io::{Peer, Serve};
use identity::{Accounts, Cost, Identity, Pages, Sessions};
use oauth_types::{Issuer, Resource, Scope};
use seal::Seal;
use secrecy::ExposeSecret as _;
use store::{ScopeEntry, UserInfoDetail};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let application = application(Path::new(".")).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8414").await?;
    writeln!(io::stdout(), "It listens on http://127.0.0.1:8414")?;
    axum::serve(listener, application.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

async fn application(folder: &Path) -> Result<Router, Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);

    // The one line that differs: whatever is a `Store` and an `Inspect` goes wherever a store is asked for.
    let store = Arc::new(Redb::open(&folder.join("custom-store.redb"))?);

    let seal = Seal::new(1, [(1, master_key(&folder.join("custom-store.key"), &*entropy)?)])?;
    let keys = Keys::open(store.clone(), seal, clock.clone(), entropy.clone()).await?;
    let registry = Registry::new(store.clone(), clock.clone(), entropy.clone());
    match registry.register(notes()?).await {
        // Only its digest is kept.
        Ok((_, key)) => {
            writeln!(io::stdout(), "The key of {RESOURCE}, shown this once:\n")?;
            writeln!(io::stdout(), "    export PORTCULLIS_SERVER_KEY={}\n", key.expose().expose_secret())?;
        }
        // By an earlier start, and still there.
        Err(RegisterError::ResourceTaken(_)) => {}
        Err(error) => return Err(error.into()),
    }

    let issuer = Issuer::parse("http://127.0.0.1:8414")?;
    let sessions = Arc::new(Sessions::new(store.clone(), clock.clone(), entropy.clone()));
    let accounts = Arc::new(Accounts::new(store.clone(), Cost::default(), clock, entropy));
    let pages = Arc::new(Pages::new(issuer.clone(), sessions));
    let server = AuthorizationServer::builder(issuer, store, keys, pages.clone());
    let server = Arc::new(server.people(accounts.clone()).build()?);
    let identity = Identity::new(pages, accounts, server.clone());
    Ok(adapters_axum::mount(Arc::new(LogIn { server, identity })))
}

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

/// The MCP server that tokens are for: `examples/axum-mcp-server`, where it listens unless it is told otherwise.
const RESOURCE: &str = "http://127.0.0.1:3001/mcp";

fn notes() -> Result<NewServer, Box<dyn Error>> {
    let scope = |name: &str, default| ScopeEntry {
        name: name.to_owned(),
        description: None,
        default,
        optional: false,
        implies: Scope::default(),
    };
    Ok(NewServer {
        name: "Notes".to_owned(),
        resource: Resource::parse(RESOURCE)?,
        scopes: vec![scope("notes:read", true), scope("notes:write", false)],
        owner_email: None,
        userinfo: UserInfoDetail::Full,
    })
}

/// What the token keys in the store are sealed with. It is kept apart from the store: whoever has both can make tokens.
fn master_key(path: &Path, entropy: &dyn Entropy) -> io::Result<[u8; 32]> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    match options.open(path) {
        Ok(mut file) => {
            let key = entropy.draw();
            file.write_all(&key)?;
            file.sync_all()?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read(path)?.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{StatusCode, header};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn send(application: &Router, request: Request<Body>) -> (StatusCode, String) {
        let response = application.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn what_was_registered_is_there_after_a_new_start() {
        let folder = tempfile::tempdir().unwrap();
        let first = application(folder.path()).await.unwrap();
        let metadata = r#"{"client_name":"Reader","redirect_uris":["https://client.example/callback"],"token_endpoint_auth_method":"none"}"#;
        let request = Request::post("/oauth/register").header(header::CONTENT_TYPE, "application/json");
        let (status, body) = send(&first, request.body(Body::from(metadata)).unwrap()).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let client = body.split_once(r#""client_id":""#).unwrap().1.split('"').next().unwrap();
        drop(first);

        let again = application(folder.path()).await.unwrap();
        let asking = |client: &str| {
            let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
            let uri = format!(
                "/oauth/authorize?response_type=code&client_id={client}&code_challenge={challenge}&code_challenge_method=S256"
            );
            Request::get(uri).body(Body::empty()).unwrap()
        };
        let (status, body) = send(&again, asking(client)).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "to the log-in page: {body}");
        let (status, _) = send(&again, asking("unknown")).await;
        assert_ne!(status, StatusCode::SEE_OTHER);
    }
}
