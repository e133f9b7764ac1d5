//! An authorization server over one's own users, with one's own log-in and consent pages.
//!
//! It takes nothing from `identity`: [`Users`] and the pages stand for what an application has already. What is whose, and
//! what to replace first, is in `README.md`.

mod pages;
mod sessions;
mod users;

use std::error::Error;
use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use authz_core::{AuthorizationServer, Keys, NewServer, Registry};
use axum::Router;
use oauth_types::{Issuer, Resource, Scope};
use seal::Seal;
use secrecy::SecretString;
use store::{Memory, ScopeEntry, UserInfoDetail};

pub use self::users::Users;

/// The pages for people, and behind them every endpoint of the protocol, for an issuer without a path. Serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`: limits count by address.
///
/// The text is the key by which the MCP server at [`RESOURCE`] asks about tokens; it is kept nowhere.
///
/// # Errors
///
/// If the server cannot be composed.
pub async fn application(issuer: Issuer, users: Users) -> Result<(Router, SecretString), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);

    // Kept: `store::Sqlite::open(path)` here, and a master key that comes from outside below.
    let store = Arc::new(Memory::new());
    let seal = Seal::new(1, [(1, entropy.draw())])?;
    let keys = Keys::open(store.clone(), seal, clock.clone(), entropy.clone()).await?;
    let registry = Registry::new(store.clone(), clock.clone(), entropy.clone());
    let (_, server_key) = registry.register(notes()?).await?;

    // Two seams: `Interaction` asks people, `People` knows what they are called.
    let users = Arc::new(users);
    let pages = Arc::new(pages::Pages::new(issuer.clone(), users.clone(), clock, entropy));
    let server = AuthorizationServer::builder(issuer, store, keys, pages.clone()).people(users).build()?;
    let server = Arc::new(server);

    let routes = pages::routes(pages, server.clone()).fallback_service(adapters_axum::mount(server));
    Ok((routes, server_key.expose()))
}

/// The MCP server that tokens are for: `examples/axum-mcp-server`, where it listens unless it is told otherwise.
pub const RESOURCE: &str = "http://127.0.0.1:3001/mcp";

fn notes() -> Result<NewServer, Box<dyn Error>> {
    let scope = |name: &str, description: &str, default| ScopeEntry {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        default,
        optional: false,
        implies: Scope::default(),
    };
    Ok(NewServer {
        name: "Notes".to_owned(),
        resource: Resource::parse(RESOURCE)?,
        scopes: vec![
            scope("notes:read", "Read your notes", true),
            scope("notes:write", "Change your notes", false),
        ],
        owner_email: None,
        userinfo: UserInfoDetail::Full,
    })
}
