//! A server that takes API keys of its own beside OAuth tokens, and knows its users whichever way they come.
//!
//! It refuses to join people by e-mail address: (`iss`, `sub`) names a person, and nothing else does.

pub mod users;

use adapters_axum::protect::{Caller, metadata, protect};
use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get};
use http::StatusCode;
use oauth_types::{Issuer, Resource};
use resource_server::{ConfigError, Invalid, Protection, Rejection, Verified, VerifierBuilder, Verify as _};
use secrecy::SecretString;

use self::users::{PREFIX, User, Users};

/// This server: what its tokens are for, and who vouches for its own keys.
#[derive(Clone)]
pub struct Server {
    users: Users,
    resource: Resource,
    ours: Issuer,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings of the tokens.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The attack: whoever that server calls `1` would be our user 1.
    #[error(
        "{0} is both the issuer of our own API keys and an authorization server, so its people could not be told from our users. \
         Run this server at an origin of its own"
    )]
    SameIssuer(Issuer),
}

impl Server {
    /// The server at `resource` over these users. `ours` is the issuer of its own keys: its own origin, where no authorization
    /// server is.
    #[must_use]
    pub const fn new(users: Users, resource: Resource, ours: Issuer) -> Self {
        Self { users, resource, ours }
    }

    /// Its routes. `tokens` says which OAuth tokens are accepted; keys with the prefix `demo_` are checked here, and shown to nobody.
    /// It needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`], if `tokens` says something wrong, or trusts an authorization server that is called as we are.
    pub fn routes(self, tokens: VerifierBuilder) -> Result<Router, StartError> {
        let keys = self.clone();
        let verifier = tokens.credential(PREFIX, move |key| std::future::ready(keys.check(&key))).build()?;
        // An issuer may turn out to be called with a final slash more or less than it is configured.
        let plain = |issuer: &Issuer| issuer.as_str().trim_end_matches('/').to_owned();
        if verifier.issuers().iter().any(|issuer| plain(issuer) == plain(&self.ours)) {
            return Err(StartError::SameIssuer(self.ours));
        }
        tokio::spawn(verifier.keep_ready());
        let protection = Protection::builder(verifier).require("notes:read").build()?;
        let write = protect(protection.requiring("notes:write")?);
        Ok(Router::new()
            .route("/notes", delete(clear).layer(write))
            .route("/me", get(me))
            .with_state(self)
            .layer(protect(protection.clone()))
            .merge(metadata(&protection)))
    }

    fn check(&self, key: &SecretString) -> Result<Verified, Rejection> {
        let found = self.users.key(key).ok_or(Invalid::Refused)?;
        let caller = Verified::new(self.ours.clone(), found.user.to_string(), self.resource.clone());
        Ok(caller.with_scopes(found.scopes))
    }

    fn user(&self, caller: &Verified) -> Result<User, StatusCode> {
        self.users.of(caller, &self.ours).ok_or(StatusCode::FORBIDDEN)
    }
}

async fn me(State(server): State<Server>, Caller(caller): Caller) -> Result<String, StatusCode> {
    let User { id, name } = server.user(&caller)?;
    Ok(format!("user {id}, {}", name.as_deref().unwrap_or("without a name")))
}

async fn clear(State(server): State<Server>, Caller(caller): Caller) -> Result<String, StatusCode> {
    Ok(format!("the notes of user {} are gone", server.user(&caller)?.id))
}
